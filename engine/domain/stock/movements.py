"""Movements of one SKU at one place: units that arrive, come back, change state or are corrected.

Whoever calls these has seen that the key is new (`repeats.py`).
"""

from collections.abc import Mapping
from datetime import datetime

from engine.domain.commands import AddSku, Adjust, ChangeState, Done, Moved, OpenStock, Receive, Return
from engine.domain.events import Part, SkuAdded, StateChanged, StockAdjusted, StockReceived, StockReturned
from engine.domain.states import State
from engine.domain.stock.allocate import take
from engine.domain.stock.book import Book, units_of
from engine.domain.stock.decision import Books, Decision, refuse
from engine.domain.units import Key, LocationId


def adjust(book: Book, command: Adjust, now: datetime) -> Decision:
    """Correct on hand, which never falls below what is set aside of it."""
    on_hand = book.on_hand_at(command.location) + command.delta
    if on_hand < book.unavailable_at(command.location):
        return refuse("NEGATIVE", f"{describe_place(book, command.location)} delta={command.delta}")
    event = StockAdjusted(
        at=now,
        sku=command.sku,
        key=command.key,
        location=command.location,
        delta=command.delta,
        on_hand=on_hand,
        reason=command.reason,
        by=command.by,
        reference=command.reference,
    )
    return Decision((event,), Moved(movements=(event,)))


def describe_place(book: Book, location: LocationId) -> str:
    """Say what stands at a place, for a refusal: the units set aside only where there are any."""
    unavailable = book.unavailable_at(location)
    aside = f" unavailable={unavailable}" if unavailable else ""
    return f"sku={book.sku} location={location} on_hand={book.on_hand_at(location)}{aside}"


def receive(book: Book, command: Receive, now: datetime) -> Decision:
    """Take in units; more of them than a purchase order has are there all the same."""
    ordered: int | None = None
    received: int | None = None
    if command.purchase_order is not None:
        refusal = _refuse_receipt(book, command)
        if refusal is not None:
            return refusal
        line = book.records.purchases[command.purchase_order]
        ordered, received = line.ordered.quantity, line.received + command.quantity
    event = StockReceived(
        at=now,
        sku=command.sku,
        key=command.key,
        location=command.location,
        quantity=command.quantity,
        on_hand=book.on_hand_at(command.location) + command.quantity,
        purchase_order=command.purchase_order,
        ordered=ordered,
        received=received,
        by=command.by,
        reference=command.reference,
    )
    return Decision((event,), Moved(movements=(event,)))


def _refuse_receipt(book: Book, command: Receive) -> Decision | None:
    order = f"purchase_order={command.purchase_order}"
    line = book.records.purchases.get(command.purchase_order) if command.purchase_order is not None else None
    if line is None or (line.ordered.quantity == 0 and line.ended is None):
        return refuse("NOSUCHPO", f"{order} sku={command.sku}: there is no such order, or this SKU is not on it")
    if line.ended is not None:
        how = "cancelled" if line.ended.cancelled else "closed"
        return refuse(
            "ENDED", f"{order} was {how} at {line.ended.at:%Y-%m-%dT%H:%M:%SZ}: receive the units without naming it"
        )
    if line.ordered.location != command.location:
        return refuse(
            "BADARG", f"location {command.location!r}: {order} expects sku={command.sku} at {line.ordered.location}"
        )
    return None


def take_back(book: Book, command: Return, now: datetime) -> Decision:
    """Take back a buyer's units, to whichever place and into the state that is named.

    The order line they were sold on may have been restocked by its channel's word already (lessons C1, C5, C8): those
    units are taken off the shelf again, so that what came back counts once, whichever was told first.
    """
    if command.state is State.WRITTEN_OFF:
        return refuse("BADARG", "state 'written_off': take the units back as damaged, then write them off")
    taken_back: tuple[Part, ...] = ()
    if command.account is not None and command.order_id is not None and command.line_id is not None:
        key = (command.account, command.order_id, command.line_id)
        line = book.demand.get(key)
        returned = book.records.returns.get(key, 0)
        if line is not None:
            shipped = units_of(line.shipped)
            if returned + command.quantity > shipped:
                return refuse(
                    "EXCEEDS",
                    f"order={command.order_id} line={command.line_id} sku={command.sku}"
                    f" shipped={shipped} returned={returned} quantity={command.quantity}",
                )
            left = max(0, units_of(line.returned) - command.quantity)
            taken_back = take(line.returned, left)[1]
    elif (command.account, command.order_id, command.line_id) != (None, None, None):
        return refuse("BADARG", f"order {command.order_id!r}: account, order and line are named together or not at all")
    change = {location: -units for location, units in taken_back}
    aside = command.quantity if command.state is not State.SELLABLE else 0
    change[command.location] = change.get(command.location, 0) + command.quantity - aside
    found = found_units(book, change, f"return:{command.key}", now)
    corrected = sum(event.delta for event in found if event.location == command.location)
    event = StockReturned(
        at=now,
        sku=command.sku,
        key=command.key,
        location=command.location,
        quantity=command.quantity,
        on_hand=book.on_hand_at(command.location) + corrected + change[command.location] + aside,
        state=command.state,
        account=command.account,
        order_id=command.order_id,
        line_id=command.line_id,
        taken_back=taken_back,
        reason=command.reason,
        by=command.by,
        reference=command.reference,
    )
    return Decision((*found, event), Moved(movements=(event,)))


def found_units(book: Book, change: Mapping[LocationId, int], what: str, now: datetime) -> tuple[StockAdjusted, ...]:
    """Correct the count where more sellable units left than stood there: on record, never hidden.

    Args:
        book: before the change.
        change: of sellable units on hand, by location.
        what: names what left, for the key of the correction.
        now: the instant of the decision.
    """
    found: list[StockAdjusted] = []
    for location, delta in change.items():
        on_hand, unavailable = book.on_hand_at(location), book.unavailable_at(location)
        missing = unavailable - on_hand - delta
        if delta < 0 < missing:
            found.append(
                StockAdjusted(
                    at=now,
                    sku=book.sku,
                    key=Key(f"found:{what}:{location}:{now.isoformat()}"),
                    location=location,
                    delta=missing,
                    on_hand=on_hand + missing,
                    reason="count error: more shipped than on hand",
                )
            )
    return tuple(found)


def change_state(book: Book, command: ChangeState, now: datetime) -> Decision:
    """Move units from one state to another; promised ones too, and then the shortage is on record."""
    if command.source is State.WRITTEN_OFF or command.source is command.target:
        return refuse("BADARG", f"state {command.source.value!r}: units cannot go from there to {command.target.value}")
    position = book.positions.get(command.location)
    standing = position.standing(command.source) if position is not None else 0
    if command.quantity > standing:
        return refuse(
            "EXCEEDS",
            f"sku={command.sku} location={command.location} {command.source}={standing} quantity={command.quantity}",
        )
    gone = command.quantity if command.target is State.WRITTEN_OFF else 0
    event = StateChanged(
        at=now,
        sku=command.sku,
        key=command.key,
        location=command.location,
        quantity=command.quantity,
        source=command.source,
        target=command.target,
        on_hand=book.on_hand_at(command.location) - gone,
        reason=command.reason,
        by=command.by,
        reference=command.reference,
    )
    return Decision((event,), Moved(movements=(event,)))


def add_sku(books: Books, command: AddSku, now: datetime) -> Decision:
    """Make a SKU exist, or bring its name and safety stock in step; nothing when they are."""
    book = books.get(command.sku)
    wanted = tuple(sorted((location, units) for location, units in command.safety_stock if units))
    if book is not None:
        has = tuple(sorted((at, p.safety_stock) for at, p in book.positions.items() if p.safety_stock))
        if book.name == command.name and has == wanted:
            return Decision((), Done())
    return Decision((SkuAdded(at=now, sku=command.sku, name=command.name, safety_stock=wanted),), Done())


def open_stock(books: Books, command: OpenStock, now: datetime) -> Decision:
    """Opening stock counts once: a location that moved already has a truth of its own, which a file must not undo."""
    book = books.get(command.sku)
    if book is None:
        return refuse("NOSUCHSKU", f"sku={command.sku}")
    if book.is_bundle:
        return refuse("BUNDLE", f"sku={command.sku} has no stock of its own: move its components")
    key = Key(f"opening:{command.sku}:{command.location}")
    before = book.movements.get(key)
    if before is not None and isinstance(before, StockAdjusted) and before.delta == command.on_hand:
        return Decision((), Done())
    position = book.positions.get(command.location)
    if position is not None and position.moved:
        return refuse("CONFLICT", f"sku={command.sku} location={command.location} has moved before: use ADJUST")
    event = StockAdjusted(
        at=now,
        sku=command.sku,
        key=key,
        location=command.location,
        delta=command.on_hand,
        on_hand=command.on_hand,
        reason="opening stock",
    )
    return Decision((event,), Done())
