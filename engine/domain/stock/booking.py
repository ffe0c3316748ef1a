"""Events put into a book: `apply` is the only thing that changes one.

Each is O(1), in the few locations a line is spread over, whatever the number of open holds and order lines.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import msgspec

from engine.domain.events import (
    BookEvent,
    DemandLapsed,
    DemandSet,
    HoldCommitted,
    HoldExpired,
    HoldRefused,
    HoldReleased,
    OversellCleared,
    OversellRecorded,
    PaperForgotten,
    Part,
    PurchaseOrdered,
    PurchaseOrderEnded,
    RecipeSet,
    SkuAdded,
    SkuMerged,
    SkuRetired,
    SkuRevived,
    StateChanged,
    StockAdjusted,
    StockCounted,
    StockObserved,
    StockReceived,
    StockReturned,
    TransferArrived,
    TransferLost,
    TransferSent,
    UnitsHeld,
)
from engine.domain.states import State
from engine.domain.stock.allocate import take
from engine.domain.stock.book import Book, demand_key, hold_line_id, units_of
from engine.domain.stock.records import History, PurchaseLine, TransferLine
from engine.domain.units import LocationId, OrderId


def apply(book: Book, event: BookEvent) -> None:
    """Change the book as the event says. The only thing that does."""
    _APPLY[type(event)](book, event)


def _apply_sku_added(book: Book, event: SkuAdded) -> None:
    book.name = event.name
    for position in book.positions.values():
        position.safety_stock = 0
    for location, units in event.safety_stock:
        book.position(location).safety_stock = units


# -- promises


def _apply_units_held(book: Book, event: UnitsHeld) -> None:
    positions = book.positions
    for location, units in event.parts:
        position = positions.get(location) or book.position(location)
        position.reserved += units
        position.moved = True
    first = book.holds.setdefault(event.hold_id, event)
    assert first is event, (first, event)


def _apply_hold_refused(book: Book, event: HoldRefused) -> None:
    book.refused[event.hold_id] = event


def _apply_hold_end(book: Book, event: HoldReleased | HoldExpired | HoldCommitted) -> None:
    held = book.holds.pop(event.hold_id)
    for location, units in held.parts:
        book.position(location).reserved -= units
    book.ended[event.hold_id] = (held, event)


def _apply_hold_committed(book: Book, event: HoldCommitted) -> None:
    held = book.holds[event.hold_id]
    _apply_hold_end(book, event)
    if event.owed:
        _apply_demand_set(book, hold_demand(held, event))


def hold_demand(held: UnitsHeld, event: HoldCommitted) -> DemandSet:
    """Return the demand that a committed hold leaves behind."""
    return DemandSet(
        at=event.at,
        sku=event.sku,
        account=event.account,
        order_id=event.order_id or OrderId(held.hold_id),
        line_id=hold_line_id(held.hold_id),
        committed=held.parts,
    )


def _apply_demand_set(book: Book, event: DemandSet) -> None:
    key = demand_key(event)
    before = book.demand.pop(key, None)
    if before is not None:
        _add_demand(book, before, -1)
    _add_demand(book, event, 1)
    _note_demand(book, before, event)
    if event.committed or event.reserved or event.shipped or event.returned:
        book.demand[key] = event
    elif key in book.records.returns:
        book.own_records().returned_at[key] = event.at


def _add_demand(book: Book, event: DemandSet, sign: int) -> None:
    for location, units in event.committed:
        position = book.position(location)
        position.committed += sign * units
        position.moved = True
    for location, units in event.reserved:
        position = book.position(location)
        position.reserved += sign * units
        position.moved = True
    for location, units in event.shipped:
        position = book.position(location)
        position.on_hand -= sign * units
        position.moved = True
    for location, units in event.returned:
        book.position(location).on_hand += sign * units
    if event.bound:
        bound = book.own_records().bound
        for location, units in (*event.committed, *event.reserved):
            bound[location] = bound.get(location, 0) + sign * units
            if not bound[location]:
                del bound[location]


def _note_demand(book: Book, before: DemandSet | None, after: DemandSet) -> None:
    """Keep what the line changed of the figures that counts and snapshots look back at."""
    committed, shipped, returned = (before.committed, before.shipped, before.returned) if before else ((), (), ())
    if committed != after.committed:
        _note_parts(book, book.committed_history, committed, -1, after.at)
        _note_parts(book, book.committed_history, after.committed, 1, after.at)
    if shipped != after.shipped:
        _note_parts(book, book.on_hand_history, shipped, 1, after.at)
        _note_parts(book, book.on_hand_history, after.shipped, -1, after.at)
    if returned != after.returned:
        _note_parts(book, book.on_hand_history, returned, -1, after.at)
        _note_parts(book, book.on_hand_history, after.returned, 1, after.at)


def _note_parts(book: Book, history: History, parts: tuple[Part, ...], sign: int, at: datetime) -> None:
    for location, units in parts:
        history.note(at, location, sign * units, book.history_for, at)


def _apply_demand_lapsed(book: Book, event: DemandLapsed) -> None:
    before = book.demand[demand_key(event)]
    _apply_demand_set(book, lapsed(before, event.at))


def lapsed(demand: DemandSet, at: datetime) -> DemandSet:
    """Return the demand without its reserved part."""
    return msgspec.structs.replace(demand, at=at, reserved=(), expires_at=None)


def _apply_oversell_recorded(book: Book, event: OversellRecorded) -> None:
    book.own_records().oversells[event.location] = event


def _apply_oversell_cleared(book: Book, event: OversellCleared) -> None:
    book.own_records().oversells.pop(event.location, None)


def _apply_recipe_set(book: Book, event: RecipeSet) -> None:
    book.is_bundle = bool(event.components)


def _apply_retired(book: Book, event: SkuRetired | SkuRevived) -> None:
    book.retired = isinstance(event, SkuRetired)


def _apply_merged(book: Book, event: SkuMerged) -> None:
    book.merged_into, book.retired = event.into, True


# -- movements


def _move(book: Book, location: LocationId, delta: int, at: datetime, holds_since: datetime | None = None) -> int:
    """Change on hand and note it; return what it is now."""
    position = book.position(location)
    position.moved = True
    position.on_hand += delta
    if delta:
        book.on_hand_history.note(at, location, delta, book.history_for, holds_since or at)
    return position.on_hand


def _set_aside(book: Book, location: LocationId, state: State, units: int) -> None:
    """Change how many units stand in a state; what is sellable is what stands in none of the others."""
    if state in {State.SELLABLE, State.WRITTEN_OFF}:
        return
    position = book.position(location)
    setattr(position, state, getattr(position, state) + units)
    position.unavailable += units


def _apply_adjusted(book: Book, event: StockAdjusted) -> None:
    on_hand = _move(book, event.location, event.delta, event.at)
    assert on_hand == event.on_hand, (event, on_hand)
    book.movements[event.key] = event


def _apply_received(book: Book, event: StockReceived) -> None:
    on_hand = _move(book, event.location, event.quantity, event.at)
    assert on_hand == event.on_hand, (event, on_hand)
    book.movements[event.key] = event
    if event.purchase_order is not None:
        line = book.own_records().purchases[event.purchase_order]
        expected = line.expected
        line.received += event.quantity
        line.touched_at = event.at
        book.position(line.ordered.location).incoming += line.expected - expected


def _apply_returned(book: Book, event: StockReturned) -> None:
    for location, units in event.taken_back:
        _move(book, location, -units, event.at)
    on_hand = _move(book, event.location, event.quantity, event.at)
    assert on_hand == event.on_hand, (event, on_hand)
    _set_aside(book, event.location, event.state, event.quantity)
    book.movements[event.key] = event
    if event.account is None or event.order_id is None or event.line_id is None:
        return
    key = (event.account, event.order_id, event.line_id)
    records = book.own_records()
    records.returns[key] = records.returns.get(key, 0) + event.quantity
    records.returned_at[key] = event.at
    if event.taken_back:
        demand = book.demand[key]
        kept, taken = take(demand.returned, units_of(demand.returned) - units_of(event.taken_back))
        assert taken == event.taken_back, (event, demand)
        book.demand[key] = msgspec.structs.replace(demand, at=event.at, returned=kept)


def _apply_state_changed(book: Book, event: StateChanged) -> None:
    on_hand = _move(book, event.location, -event.quantity if event.target is State.WRITTEN_OFF else 0, event.at)
    assert on_hand == event.on_hand, (event, on_hand)
    _set_aside(book, event.location, event.source, -event.quantity)
    _set_aside(book, event.location, event.target, event.quantity)
    book.movements[event.key] = event


def _apply_counted(book: Book, event: StockCounted) -> None:
    on_hand = _move(book, event.location, event.delta if event.applied else 0, event.at, event.taken_at)
    assert on_hand == event.on_hand, (event, on_hand)
    book.movements[event.key] = event
    records = book.own_records()
    if event.applied:
        records.recounts.pop(event.location, None)
        records.settled[event.location] = event.taken_at
        return
    waiting = records.recounts.get(event.location)
    if waiting is None or waiting.taken_at <= event.taken_at:
        records.recounts[event.location] = event


def _apply_observed(book: Book, event: StockObserved) -> None:
    on_hand = _move(book, event.location, event.delta, event.at, event.as_of)
    assert on_hand == event.on_hand, (event, on_hand)
    book.movements[event.key] = event
    records = book.own_records()
    records.recounts.pop(event.location, None)
    records.settled[event.location] = event.as_of


# -- papers


def _apply_purchase_ordered(book: Book, event: PurchaseOrdered) -> None:
    purchases = book.own_records().purchases
    line = purchases.get(event.purchase_order)
    if line is None or line.ended is not None:  # forgotten, by a program that did not say so: nobody amends what ended
        line = purchases[event.purchase_order] = PurchaseLine(ordered=event, made_at=event.at)
    else:
        book.position(line.ordered.location).incoming -= line.expected
        line.ordered = event
    line.touched_at = event.at
    book.position(event.location).incoming += line.expected


def _apply_purchase_ended(book: Book, event: PurchaseOrderEnded) -> None:
    line = book.own_records().purchases[event.purchase_order]
    book.position(line.ordered.location).incoming -= line.expected
    line.ended = event
    line.touched_at = event.at


def _apply_transfer_sent(book: Book, event: TransferSent) -> None:
    on_hand = _move(book, event.source, -event.quantity, event.at)
    assert on_hand == event.on_hand, (event, on_hand)
    book.position(event.target).in_transit += event.quantity
    book.own_records().transfers[event.transfer] = TransferLine(sent=event, touched_at=event.at)


def _apply_transfer_arrived(book: Book, event: TransferArrived) -> None:
    line = book.own_records().transfers[event.transfer]
    book.position(event.location).in_transit -= event.quantity
    on_hand = _move(book, event.location, event.quantity, event.at)
    assert on_hand == event.on_hand, (event, on_hand)
    line.arrived += event.quantity
    line.touched_at = event.at
    book.movements[event.key] = event


def _apply_transfer_lost(book: Book, event: TransferLost) -> None:
    line = book.own_records().transfers[event.transfer]
    book.position(event.location).in_transit -= event.quantity
    line.lost += event.quantity
    line.touched_at = event.at
    book.movements[event.key] = event


def _apply_paper_forgotten(book: Book, event: PaperForgotten) -> None:
    records = book.own_records()
    if event.purchase_order is not None:
        del records.purchases[event.purchase_order]
    elif event.transfer is not None:
        del records.transfers[event.transfer]
    elif event.account is not None and event.order_id is not None and event.line_id is not None:
        key = (event.account, event.order_id, event.line_id)
        del records.returns[key], records.returned_at[key]


_APPLY: Final[dict[type, Callable[[Book, Any], None]]] = {
    UnitsHeld: _apply_units_held,
    HoldCommitted: _apply_hold_committed,
    HoldReleased: _apply_hold_end,
    HoldExpired: _apply_hold_end,
    HoldRefused: _apply_hold_refused,
    DemandSet: _apply_demand_set,
    DemandLapsed: _apply_demand_lapsed,
    StockAdjusted: _apply_adjusted,
    StockReceived: _apply_received,
    StockReturned: _apply_returned,
    StateChanged: _apply_state_changed,
    StockCounted: _apply_counted,
    StockObserved: _apply_observed,
    PurchaseOrdered: _apply_purchase_ordered,
    PurchaseOrderEnded: _apply_purchase_ended,
    TransferSent: _apply_transfer_sent,
    TransferArrived: _apply_transfer_arrived,
    TransferLost: _apply_transfer_lost,
    PaperForgotten: _apply_paper_forgotten,
    SkuAdded: _apply_sku_added,
    OversellRecorded: _apply_oversell_recorded,
    OversellCleared: _apply_oversell_cleared,
    RecipeSet: _apply_recipe_set,
    SkuMerged: _apply_merged,
    SkuRetired: _apply_retired,
    SkuRevived: _apply_retired,
}
