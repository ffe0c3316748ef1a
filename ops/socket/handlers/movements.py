"""Movements of one SKU: ADJUST, RECEIVE, RETURN, INSPECT, COUNT, REALLOCATE."""

from collections.abc import Awaitable
from typing import Final

from engine.domain.commands import Adjust, ChangeState, Count, Done, Moved, Reallocate, Receive, Return
from engine.domain.states import State
from engine.domain.stock.places import allowed_at
from engine.domain.units import UNITS_MAX, AccountId, LineId, OrderId, Sku
from ops.node import Node
from ops.reasons import settle_reason
from ops.sizes import TEXT_CHARACTERS_MAX
from ops.socket import arguments as read
from ops.socket import options
from ops.socket.command import Arguments
from ops.socket.options import WHO, Options
from ops.socket.resp import ErrorReply
from ops.socket.session import Mapped, Reply, Session
from ops.socket.views.movements import allocated_view, blind_view

_RECEIVE: Final = {"PO": 1, **WHO}
_RETURN: Final = {"INTO": 1, "ORDER": 2, "LINE": 1, "REASON": 1, **WHO}
_INSPECT: Final = {"FROM": 1, "REASON": 1, **WHO}
_COUNT: Final = {"AT": 1, "BLIND": 0, **WHO}
_REALLOCATE: Final = {"REASON": 1, **WHO}

OUTCOMES: Final = {
    b"RESTOCK": (State.SELLABLE, State.QUALITY_HOLD),
    b"DAMAGED": (State.DAMAGED, State.QUALITY_HOLD),
    b"WRITEOFF": (State.WRITTEN_OFF, State.QUALITY_HOLD),
    b"DISPLAY": (State.DISPLAY, State.SELLABLE),
    b"HOLD": (State.QUALITY_HOLD, State.SELLABLE),
}
"""What INSPECT may find: the state that follows, and the one it comes from unless FROM says another. Who inspects looks
at what waits in quality hold; who puts on show or sets aside takes from the shelf."""


def adjust(node: Node, session: Session, arguments: Arguments, reply: Reply) -> Awaitable[None] | None:
    """ADJUST."""
    delta = read.integer("delta", arguments[4], minimum=-UNITS_MAX, maximum=UNITS_MAX)
    if delta == 0:
        raise read.bad("delta", arguments[4], "must not be 0")
    found = options.options(arguments, 6, WHO)
    command = Adjust(
        key=read.key(arguments[1]),
        sku=read.sku(arguments[2]),
        location=node.names.location(read.location_id(arguments[3])),
        delta=delta,
        reason=_reason(node, arguments[5]),
        by=options.who(found, session),
        reference=options.text(found, "REF"),
    )
    return node.router.begin(command, reply)


def _reason(node: Node, value: bytes) -> str:
    reason = read.text("reason", value, maximum=TEXT_CHARACTERS_MAX).strip()
    if not reason:
        raise read.bad("reason", value, "must not be empty")
    try:
        return settle_reason(reason, node.settings.stock.reasons)
    except ValueError as error:
        raise read.bad("reason", value, str(error)) from None


def receive(node: Node, session: Session, arguments: Arguments, reply: Reply) -> Awaitable[None] | None:
    """RECEIVE."""
    found = options.options(arguments, 5, _RECEIVE)
    command = Receive(
        key=read.key(arguments[1]),
        sku=read.sku(arguments[2]),
        location=node.names.location(read.location_id(arguments[3])),
        quantity=read.quantity(arguments[4]),
        purchase_order=options.document_id("purchase-order", found["PO"][0]) if "PO" in found else None,
        by=options.who(found, session),
        reference=options.text(found, "REF"),
    )
    return node.router.begin(command, reply)


def return_units(node: Node, session: Session, arguments: Arguments, reply: Reply) -> Awaitable[None] | None:
    """RETURN."""
    found = options.options(arguments, 5, _RETURN)
    sku = node.names.sku(arguments[2])
    account, order_id, line_id = _order_line(node, sku, found)
    state = options.state("into", found["INTO"][0]) if "INTO" in found else State.QUALITY_HOLD
    if state is State.WRITTEN_OFF:
        raise read.bad("into", found["INTO"][0], "returned units are on hand: INSPECT ... WRITEOFF takes them off")
    command = Return(
        key=read.key(arguments[1]),
        sku=sku,
        location=node.names.location(read.location_id(arguments[3])),
        quantity=read.quantity(arguments[4]),
        state=state,
        account=account,
        order_id=order_id,
        line_id=line_id,
        reason=options.text(found, "REASON"),
        by=options.who(found, session),
        reference=options.text(found, "REF"),
    )
    return node.router.begin(command, reply)


def _order_line(node: Node, sku: Sku, found: Options) -> tuple[AccountId | None, OrderId | None, LineId | None]:
    """Say which order line the units were sold on; without LINE the only one of the order with this SKU.

    Raises:
        ErrorReply: no such account or order; no line of it has the SKU, or several and LINE does not say which.
    """
    if "ORDER" not in found:
        if "LINE" in found:
            raise ErrorReply("BADARG", "option='LINE': needs ORDER account id before it")
        return None, None, None
    sku = node.catalogue.codes.resolve(sku)
    account, order_id = read.account_id(found["ORDER"][0]), read.order_id(found["ORDER"][1])
    node.names.check_account(account)
    order = node.desk.orders.get((account, order_id))
    if order is None:
        raise ErrorReply("NOSUCHORDER", f"account={account} order={order_id}")
    lines = [line for line, known in order.claims if known == sku]
    wanted = options.line_id(found["LINE"][0]) if "LINE" in found else None
    if not lines or (wanted is not None and wanted not in lines):
        named = f" line={wanted}" if wanted is not None and lines else ""
        raise ErrorReply("NOSUCHORDER", f"account={account} order={order_id}{named}: no such line with sku={sku}")
    if wanted is None and len(lines) > 1:
        raise ErrorReply("BADARG", f"LINE is missing: order {order_id} has lines {', '.join(lines)} with sku={sku}")
    return account, order_id, wanted or lines[0]


def inspect(node: Node, session: Session, arguments: Arguments, reply: Reply) -> Awaitable[None] | None:
    """INSPECT."""
    outcome = OUTCOMES.get(arguments[5].upper())
    if outcome is None:
        raise read.bad("outcome", arguments[5], f"must be one of {', '.join(name.decode() for name in OUTCOMES)}")
    target, source = outcome
    found = options.options(arguments, 6, _INSPECT)
    if "FROM" in found:
        source = options.state("from", found["FROM"][0])
        if source is State.WRITTEN_OFF:
            raise read.bad("from", found["FROM"][0], "such units are on hand no more: ADJUST what was found again")
    if source is target:
        raise read.bad("from", source.value, f"{arguments[5].decode().upper()} leads to the same state")
    command = ChangeState(
        key=read.key(arguments[1]),
        sku=read.sku(arguments[2]),
        location=node.names.location(read.location_id(arguments[3])),
        quantity=read.quantity(arguments[4]),
        source=source,
        target=target,
        reason=options.text(found, "REASON"),
        by=options.who(found, session),
        reference=options.text(found, "REF"),
    )
    return node.router.begin(command, reply)


def count(node: Node, session: Session, arguments: Arguments, reply: Reply) -> Awaitable[None] | None:
    """COUNT."""
    found = options.options(arguments, 5, _COUNT)
    if "AT" not in found:
        raise ErrorReply("BADARG", "AT is missing: a count names the instant it was taken, as AT 2026-11-11T12:00:00Z")
    location = node.names.location(read.location_id(arguments[3]))
    kind = node.kinds[location]
    if not allowed_at(kind).counted:
        raise read.bad("location", location, f"nobody of ours counts at a {kind} place: send SNAPSHOT")
    stock = node.settings.stock
    command = Count(
        key=read.key(arguments[1]),
        sku=read.sku(arguments[2]),
        location=location,
        counted=options.units("counted", arguments[4]),
        taken_at=options.instant("at", found["AT"][0], node.clock.now()),
        tolerance_percent=stock.count_tolerance_percent,
        tolerance_units=stock.count_tolerance_units,
        by=options.who(found, session),
        reference=options.text(found, "REF"),
    )
    return node.router.begin(command, Mapped(reply, _blindly) if "BLIND" in found else reply)


def _blindly(answer: object) -> object:
    return blind_view(answer.movements) if isinstance(answer, Moved) else answer


def reallocate(node: Node, session: Session, arguments: Arguments, reply: Reply) -> Awaitable[None] | None:
    """REALLOCATE."""
    found = options.options(arguments, 6, _REALLOCATE)
    account, order_id = read.account_id(arguments[1]), read.order_id(arguments[2])
    node.names.check_account(account)
    if (account, order_id) not in node.desk.orders:
        raise ErrorReply("NOSUCHORDER", f"account={account} order={order_id}")
    command = Reallocate(
        account=account,
        order_id=order_id,
        line_id=options.line_id(arguments[3]),
        sku=read.sku(arguments[4]),
        location=node.names.location(read.location_id(arguments[5])),
        reason=options.text(found, "REASON"),
        by=options.who(found, session),
        reference=options.text(found, "REF"),
    )

    def show(answer: object) -> object:
        return allocated_view(command) if isinstance(answer, Done) else answer

    return node.router.begin(command, Mapped(reply, show))
