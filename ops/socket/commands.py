"""The commands of `docs/socket.md`: name, arity, help, and what each one does.

A handler either gives its reply at once or leaves it as a slot with the engine, which resolves it when the answer is
durable; it waits only where an inbox is full.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
import trio

from engine.actors.order_desk import CommitInto
from engine.actors.router import Waiter
from engine.domain.book import Book
from engine.domain.commands import Adjust, CommitHold, PlaceHold, Receive, ReleaseHold, sum_lines
from engine.domain.events import DemandSet, Line
from engine.domain.orders import Freshness, OrderSnapshot
from engine.domain.units import DIRECT, UNITS_MAX, AccountId, LocationId, Sku
from ops.node import Node
from ops.socket import arguments as read
from ops.socket.resp import OK, ErrorReply, SimpleString
from ops.socket.session import Mapped, Reply, Session
from ops.socket.views import (
    explain_view,
    hold_view,
    incident_view,
    no_such_sku,
    order_summary,
    order_view,
    recorded_view,
    stock_view,
)

Arguments = Sequence[bytes]
Handler = Callable[[Node, Session, Arguments, Reply], Awaitable[None] | None]
"""Returns what is to be awaited before the next command of the connection, if anything is."""

_REASON_CHARACTERS_MAX = 500
_SNAPSHOT_DECODER = msgspec.json.Decoder(OrderSnapshot)
_HEADERS_DECODER = msgspec.json.Decoder(dict[str, str])


class Command(NamedTuple):
    """One command of the socket."""

    handler: Handler
    syntax: str
    """Arguments as in the manual, without the name."""
    summary: str
    least: int
    """Arguments after the name, at least..."""
    most: int | None
    """...and at most; None: no limit but the size of a command."""
    group: str = "stock"


def wrong_arity(name: str) -> ErrorReply:
    """Refuse a wrong number of arguments as Redis does."""
    return ErrorReply("ERR", f"wrong number of arguments for '{name}': {name.upper()} {COMMANDS[name].syntax}")


# -- holds and movements ----------------------------------------------------------------------------------------------

_HOLD_OPTIONS = frozenset({b"CHANNEL", b"AT"})


def hold(node: Node, session: Session, arguments: Arguments, reply: Reply) -> Awaitable[None] | None:
    """HOLD."""
    hold_id = read.hold_id(arguments[1])
    expires_at = read.expiry(arguments[2], session.now, node.limits.hold_seconds_max)
    lines: tuple[Line, ...] = ((read.sku(arguments[3]), read.quantity(arguments[4])),)
    index = 5
    while index + 1 < len(arguments) and arguments[index].upper() not in _HOLD_OPTIONS:
        lines += ((read.sku(arguments[index]), read.quantity(arguments[index + 1])),)
        index += 2
    account, location, locations = DIRECT, None, node.locations
    if index < len(arguments):
        account, location, locations = _hold_options(node, arguments, index)
    command = PlaceHold(
        hold_id=hold_id,
        lines=lines if len(lines) == 1 else _sum_lines(node, list(lines)),
        expires_at=expires_at,
        account=account,
        locations=locations,
        location=location,
    )
    return node.router.begin(command, reply)


def _sum_lines(node: Node, lines: list[Line]) -> tuple[Line, ...]:
    if len(lines) > node.limits.hold_lines_max:
        raise ErrorReply("BADARG", f"{len(lines)} lines: at most {node.limits.hold_lines_max} in one hold")
    summed = sum_lines(lines)
    for sku, quantity in summed:
        if quantity > UNITS_MAX:
            raise ErrorReply("BADARG", f"sku={sku} quantity={quantity}: at most {UNITS_MAX} in all lines together")
    return summed


def _hold_options(
    node: Node, arguments: Arguments, index: int
) -> tuple[AccountId, LocationId | None, tuple[LocationId, ...]]:
    if len(arguments) - index == 1 and arguments[index].upper() not in _HOLD_OPTIONS:
        raise read.bad("sku", arguments[index], "needs a quantity")
    options = read.options(arguments, index, _HOLD_OPTIONS)
    account, location, locations = DIRECT, None, node.locations
    if b"CHANNEL" in options:
        account = read.account_id(options[b"CHANNEL"])
        locations = node.locations_of(account)
    if b"AT" in options:
        location = _known_location(node, options[b"AT"])
        if location not in locations:
            raise read.bad("location", location, f"account {account} does not sell from there")
    return account, location, locations


def _known_location(node: Node, value: bytes) -> LocationId:
    location = read.location_id(value)
    if location not in node.locations:
        raise ErrorReply("NOSUCHLOCATION", f"location={location} (known: {', '.join(node.locations)})")
    return location


async def commit(node: Node, _session: Session, arguments: Arguments, reply: Reply) -> None:
    """COMMIT."""
    hold_id = read.hold_id(arguments[1])
    options = read.options(arguments, 2, frozenset({b"ORDER"}))
    if b"ORDER" in options:
        message = CommitInto(hold_id, read.order_id(options[b"ORDER"]), reply)
        await node.desk.inbox.put(message)
        await node.desk.wait_passed_on()  # the next command of this connection may go straight to a shard
    else:
        await node.router.submit(CommitHold(hold_id=hold_id, order_id=None), reply)


def release(node: Node, _session: Session, arguments: Arguments, reply: Reply) -> Awaitable[None] | None:
    """RELEASE."""
    return node.router.begin(ReleaseHold(hold_id=read.hold_id(arguments[1])), reply)


async def lookup(node: Node, _session: Session, arguments: Arguments, reply: Reply) -> None:
    """LOOKUP."""
    hold_id = read.hold_id(arguments[1])
    skus = node.router.skus_of(hold_id)
    if not skus:
        reply.give(ErrorReply("NOSUCHHOLD", f"hold={hold_id}"))
        return
    await node.router.look_at(skus, lambda books, _now: hold_view(hold_id, books.values()), reply)


def adjust(node: Node, _session: Session, arguments: Arguments, reply: Reply) -> Awaitable[None] | None:
    """ADJUST."""
    delta = read.integer("delta", arguments[4], minimum=-UNITS_MAX, maximum=UNITS_MAX)
    if delta == 0:
        raise read.bad("delta", arguments[4], "must not be 0")
    reason = read.text("reason", arguments[5], maximum=_REASON_CHARACTERS_MAX).strip()
    if not reason:
        raise read.bad("reason", arguments[5], "must not be empty")
    command = Adjust(
        key=read.key(arguments[1]),
        sku=read.sku(arguments[2]),
        location=_known_location(node, arguments[3]),
        delta=delta,
        reason=reason,
    )
    return node.router.begin(command, reply)


def receive(node: Node, _session: Session, arguments: Arguments, reply: Reply) -> Awaitable[None] | None:
    """RECEIVE."""
    command = Receive(
        key=read.key(arguments[1]),
        sku=read.sku(arguments[2]),
        location=_known_location(node, arguments[3]),
        quantity=read.quantity(arguments[4]),
    )
    return node.router.begin(command, reply)


# -- looking ----------------------------------------------------------------------------------------------------------


async def stock(node: Node, _session: Session, arguments: Arguments, reply: Reply) -> None:
    """STOCK."""
    sku = read.sku(arguments[1])
    await node.router.look(sku, lambda book, _now: stock_view(book) if book is not None else no_such_sku(sku), reply)


async def offers(node: Node, _session: Session, arguments: Arguments, reply: Reply) -> None:
    """OFFERS."""
    sku = read.sku(arguments[1])

    def view(book: Book | None, _now: datetime) -> object:
        return no_such_sku(sku) if book is None else {"sku": sku, "offers": node.offer_views(sku)}

    await node.router.look(sku, view, reply)


async def explain(node: Node, _session: Session, arguments: Arguments, reply: Reply) -> None:
    """EXPLAIN."""
    sku = read.sku(arguments[1])
    account = read.account_id(arguments[2]) if len(arguments) > 2 else None
    if account is not None:
        node.account(account)

    def view(book: Book | None, _now: datetime) -> object:
        if book is None:
            return no_such_sku(sku)
        return {**explain_view(book), "offers": node.offer_views(sku, account, explained=True)}

    await node.router.look(sku, view, reply)


async def order(node: Node, _session: Session, arguments: Arguments, reply: Reply) -> None:
    """ORDER."""
    key = (read.account_id(arguments[1]), read.order_id(arguments[2]))
    node.check_account(key[0])
    known = node.desk.orders.get(key)
    if known is None:
        reply.give(ErrorReply("NOSUCHORDER", f"account={key[0]} order={key[1]}"))
        return
    found = known
    skus = tuple(sorted({sku for sku in (*found.skus, *(s for _, s in found.hold_lines)) if sku is not None}))

    def view(books: dict[Sku, Book], _now: datetime) -> object:
        demand: dict[tuple[str, Sku], DemandSet] = {}
        for sku, book in books.items():
            line_ids = [line.line_id for line in found.snapshot.lines] if found.snapshot is not None else []
            for line_id in (*line_ids, *(line for line, _ in found.hold_lines)):
                owed = book.demand.get((*key, line_id))
                if owed is not None:
                    demand[line_id, sku] = owed
        return order_view(key, found, demand)

    await node.router.look_at(skus, view, reply)


async def orders(node: Node, _session: Session, arguments: Arguments, reply: Reply) -> None:
    """ORDERS."""
    account: AccountId | None = None
    start = 1
    if len(arguments) > 1 and arguments[1].upper() != b"LIMIT":
        account = read.account_id(arguments[1])
        node.check_account(account)
        start = 2
    limit = _limit(arguments, start)
    newest = node.newest_orders(account, limit)
    rows = [order_summary(key, known) for key, known in newest]
    skus = {sku for _, known in newest for sku in (*known.skus, *(held for _, held in known.hold_lines))}
    # What the desk knows may still be on its way to the disk: answered when the books of these orders are there too.
    # Waited for, so that one read's worth of these is not made all at once.
    durable = Waiter()
    await node.router.look_at(sorted(sku for sku in skus if sku is not None), lambda _books, _now: rows, durable)
    reply.give(await durable.wait())


def _limit(arguments: Arguments, start: int) -> int:
    options = read.options(arguments, start, frozenset({b"LIMIT"}))
    return read.integer("limit", options[b"LIMIT"], minimum=1, maximum=10_000) if b"LIMIT" in options else 50


async def record(node: Node, _session: Session, arguments: Arguments, reply: Reply) -> None:
    """RECORD."""
    snapshot = read.document("order", _SNAPSHOT_DECODER, arguments[1])
    _check_instants(snapshot)
    node.check_account(snapshot.account)
    node.check_identifiers(snapshot)
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
    limit = _limit(arguments, 1)
    newest = list(node.incidents.newest)[: -limit - 1 : -1]
    reply.give([incident_view(incident) for incident in newest])


# -- channels and catalogue -------------------------------------------------------------------------------------------


async def webhook(node: Node, _session: Session, arguments: Arguments, reply: Reply) -> None:
    """WEBHOOK."""
    account = node.account(read.account_id(arguments[1]))
    headers = read.document("headers", _HEADERS_DECODER, arguments[3])
    delivery_key = read.text("delivery-key", arguments[2])
    account.intake.store(delivery_key, headers, arguments[4], Mapped(reply, _stored))


def _stored(answer: object) -> object:
    return SimpleString(answer) if isinstance(answer, str) else answer


async def channel(node: Node, _session: Session, arguments: Arguments, reply: Reply) -> None:
    """CHANNEL."""
    action = arguments[1].upper()
    if action == b"LIST" and len(arguments) == 2:
        reply.give(node.channel_views())
        return
    actions = {
        b"PAUSE": node.pause,
        b"RESUME": node.resume,
        b"FLUSH": node.flush,
        b"RESYNC": node.resync,
        b"UNMATCHED": node.unmatched,
    }
    if action not in actions or len(arguments) != 3:
        raise ErrorReply("ERR", "CHANNEL LIST | CHANNEL PAUSE|RESUME|FLUSH|RESYNC|UNMATCHED <account>")
    account = node.account(read.account_id(arguments[2]))
    reply.resolve(await actions[action](account))


async def import_rows(node: Node, session: Session, arguments: Arguments, reply: Reply) -> None:
    """IMPORT."""
    action = arguments[1].upper()
    import_id = read.identifier("import-id", arguments[2])
    if action == b"STAGE" and len(arguments) == 4:
        staged = sum(len(chunk) for chunks in session.staged.values() for chunk in chunks)
        if staged + len(arguments[3]) > node.import_bytes_max:
            raise ErrorReply("TOOBIG", f"import={import_id}: at most {node.import_bytes_max} bytes staged at once")
        session.staged.setdefault(import_id, []).append(arguments[3])
        reply.give(OK)
    elif action == b"APPLY" and len(arguments) == 3:
        if import_id not in session.staged:
            raise ErrorReply("BADARG", f"import-id={import_id!r}: nothing is staged under it on this connection")
        if node.journal.stalled is not None:
            raise ErrorReply("STALLED", f"the journal cannot be written: {node.journal.stalled}")
        reply.resolve(await node.importer.apply(session.staged.pop(import_id)))
    elif action == b"DROP" and len(arguments) == 3:
        session.staged.pop(import_id, None)
        reply.give(OK)
    else:
        raise ErrorReply("ERR", "IMPORT STAGE <import-id> <json> | IMPORT APPLY|DROP <import-id>")


# -- the daemon -------------------------------------------------------------------------------------------------------


async def info(node: Node, _session: Session, arguments: Arguments, reply: Reply) -> None:
    """INFO."""
    await trio.lowlevel.checkpoint()  # it counts every book: others may go first
    wanted = {argument.decode("utf-8", "replace").lower() for argument in arguments[1:]}
    sections = node.info()
    lines: list[str] = []
    for name, fields in sections.items():
        if not wanted or name.lower() in wanted or wanted & {"all", "everything", "default"}:
            lines += [f"# {name}", *(f"{field}:{value}" for field, value in fields.items()), ""]
    reply.give("\r\n".join(lines))


async def health(node: Node, _session: Session, _arguments: Arguments, reply: Reply) -> None:
    """HEALTH."""
    reply.give(node.health())


async def metrics(node: Node, _session: Session, _arguments: Arguments, reply: Reply) -> None:
    """METRICS."""
    await trio.lowlevel.checkpoint()  # every family is written: others may go first
    reply.give(node.metrics_text())


async def shutdown(node: Node, session: Session, _arguments: Arguments, reply: Reply) -> None:
    """SHUTDOWN."""
    session.closing = True
    reply.give(OK)
    node.request_shutdown(f"SHUTDOWN from {session.peer}")


COMMANDS: dict[str, Command] = {
    "hold": Command(
        hold,
        "hold-id ttl-seconds|NEVER sku quantity [sku quantity ...] [CHANNEL account] [AT location]",
        "Promise units to a basket, all lines or none.",
        4,
        None,
    ),
    "commit": Command(commit, "hold-id [ORDER id]", "Turn held units into demand of an order.", 1, 3),
    "release": Command(release, "hold-id", "Give held units back.", 1, 1),
    "lookup": Command(lookup, "hold-id", "Show a hold.", 1, 1),
    "adjust": Command(adjust, "key sku location delta reason", "Correct on hand.", 5, 5),
    "receive": Command(receive, "key sku location quantity", "Take in units.", 4, 4),
    "stock": Command(stock, "sku", "Show the figures of a SKU.", 1, 1),
    "offers": Command(offers, "sku", "Show what each account is told of a SKU.", 1, 1, "channels"),
    "explain": Command(explain, "sku [account]", "Show why each account is told its number.", 1, 2, "channels"),
    "order": Command(order, "account id", "Show an order.", 2, 2, "orders"),
    "orders": Command(orders, "[account] [LIMIT n]", "List the newest orders.", 0, 3, "orders"),
    "record": Command(record, "json", "Take an order snapshot from a storefront without an adapter.", 1, 1, "orders"),
    "incidents": Command(incidents, "[LIMIT n]", "List oversell incidents and their causes.", 0, 2, "orders"),
    "webhook": Command(
        webhook, "account delivery-key headers-json body", "Store a webhook whose signature is good.", 4, 4, "channels"
    ),
    "channel": Command(
        channel,
        "LIST | PAUSE|RESUME|FLUSH|RESYNC|UNMATCHED account",
        "List accounts or steer one.",
        1,
        2,
        "channels",
    ),
    "import": Command(
        import_rows, "STAGE import-id json | APPLY|DROP import-id", "Import catalogue, listings, stock.", 2, 3, "server"
    ),
    "info": Command(info, "[section ...]", "Describe the daemon.", 0, None, "server"),
    "health": Command(health, "", "Say whether the daemon is ready, and what is not.", 0, 0, "server"),
    "metrics": Command(metrics, "", "Return metrics as Prometheus text.", 0, 0, "server"),
    "shutdown": Command(shutdown, "[NOSAVE|SAVE]", "Stop the daemon; the journal is complete.", 0, 1, "server"),
}
