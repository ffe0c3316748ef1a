"""Orders and what became of promises: ORDER, ORDERS, RECORD, INCIDENTS."""

from datetime import UTC, datetime

import msgspec

from engine.actors.router import Waiter
from engine.domain.events import DemandSet
from engine.domain.orders import Freshness, OrderSnapshot
from engine.domain.stock.book import Book
from engine.domain.units import AccountId, Sku
from ops.node import Node
from ops.socket import arguments as read
from ops.socket.command import Arguments
from ops.socket.resp import ErrorReply
from ops.socket.session import Mapped, Reply, Session
from ops.socket.views.stock import incident_view, order_summary, order_view, recorded_view

_SNAPSHOT_DECODER = msgspec.json.Decoder(OrderSnapshot)


async def order(node: Node, _session: Session, arguments: Arguments, reply: Reply) -> None:
    """ORDER."""
    key = (read.account_id(arguments[1]), read.order_id(arguments[2]))
    node.names.check_account(key[0])
    known = node.desk.orders.get(key)
    if known is None:
        reply.give(ErrorReply("NOSUCHORDER", f"account={key[0]} order={key[1]}"))
        return
    found = known
    claims = found.claims

    def view(books: dict[Sku, Book], _now: datetime) -> object:
        demand: dict[tuple[str, Sku], DemandSet] = {}
        for line_id, sku in claims:
            owed = books[sku].demand.get((*key, line_id))
            if owed is not None:
                demand[line_id, sku] = owed
        return order_view(key, found, demand)

    await node.router.look_at(tuple(sorted({sku for _, sku in claims})), view, reply)


async def orders(node: Node, _session: Session, arguments: Arguments, reply: Reply) -> None:
    """ORDERS."""
    account: AccountId | None = None
    start = 1
    if len(arguments) > 1 and arguments[1].upper() != b"LIMIT":
        account = read.account_id(arguments[1])
        node.names.check_account(account)
        start = 2
    limit = read.limit(arguments, start)
    newest = node.desk.orders.newest(account, limit)
    rows = [order_summary(key, known) for key, known in newest]
    skus = {sku for _, known in newest for _, sku in known.claims}
    # What the desk knows may still be on its way to the disk: answered when the books of these orders are there too.
    # Waited for, so that one read's worth of these is not made all at once.
    durable = Waiter()
    await node.router.look_at(sorted(skus), lambda _books, _now: rows, durable)
    reply.give(await durable.wait())


async def record(node: Node, _session: Session, arguments: Arguments, reply: Reply) -> None:
    """RECORD."""
    snapshot = read.document("order", _SNAPSHOT_DECODER, arguments[1])
    _check_instants(snapshot)
    node.names.check_account(snapshot.account)
    node.names.check_identifiers(snapshot)
    key = (snapshot.account, snapshot.order_id)

    def view(answer: object) -> object:
        return recorded_view(key, answer) if isinstance(answer, Freshness) else answer

    await node.desk.tell(snapshot, Mapped(reply, view))
    await node.desk.wait_passed_on()


def _check_instants(snapshot: OrderSnapshot) -> None:
    for what in ("placed_at", "modified_at", "read_at", "held_until"):
        instant: datetime | None = getattr(snapshot, what)
        try:
            _ = instant is not None and instant.astimezone(UTC)
        except OverflowError:
            raise ErrorReply("BADARG", f"{what}={instant}: must be from year 1 to 9999 in UTC") from None


async def incidents(node: Node, _session: Session, arguments: Arguments, reply: Reply) -> None:
    """INCIDENTS."""
    limit = read.limit(arguments, 1)
    newest = list(node.incidents.newest)[: -limit - 1 : -1]
    reply.give([incident_view(incident) for incident in newest])
