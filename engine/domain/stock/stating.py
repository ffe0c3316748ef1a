"""A book as statements, and back. What a book says of itself depends on its events alone, not on when it forgot.

Sums (committed, reserved, incoming) are said as they are, not added up again from holds, order lines and papers: they
are what decisions read, and one that does not add up must stay visible to the scanner, not be mended in passing.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from engine.domain.events import DemandSet, HoldCommitted, HoldExpired, HoldRefused, HoldReleased, UnitsHeld
from engine.domain.stated.stock import (
    BookContinued,
    BookStated,
    EndedStated,
    HistoryStated,
    OwedStated,
    PositionStated,
    PromisesStated,
    PurchaseLineStated,
    ReturnStated,
    TransferLineStated,
)
from engine.domain.stock.answered import Entry
from engine.domain.stock.book import Book, HoldEnd, Keyed, Position
from engine.domain.stock.records import History, PurchaseLine, Records, TransferLine
from engine.domain.units import Key, Sku

ENTRIES_MAX: Final = 500
"""Holds, order lines and movements of each kind in one statement: some 100 KB. A hot SKU has a million holds."""

Forgotten = Collection[tuple[datetime, str]]
"""What is to be left out: since when it was remembered, and the id of the hold or the key of the movement."""


def state_book(book: Book, as_of: datetime, forgotten: Forgotten = ()) -> Iterator[BookStated | BookContinued]:
    """Say all that a book knows.

    Args:
        book: not to change meanwhile.
        as_of: histories reach no further back from here than they are kept.
        forgotten: what its ledger may forget by then.
    """
    holds = list(book.holds.values())
    demand = list(book.demand.values())
    # by instant: an id or a key that is used again after it was forgotten has its old place where nothing was forgotten
    ended = sorted(book.ended.values(), key=_ended_at)
    refused = sorted(book.refused.values(), key=_refused_at)
    movements = sorted(book.movements.values(), key=lambda event: (book.remembered_since(event), event.key))
    if forgotten:
        ended = [pair for pair in ended if _ended_at(pair) not in forgotten]
        refused = [event for event in refused if _refused_at(event) not in forgotten]
        movements = [event for event in movements if (book.remembered_since(event), event.key) not in forgotten]
    longest = max(len(holds), len(ended), len(refused), len(demand), len(movements))
    for start in range(0, longest or 1, ENTRIES_MAX):
        some = slice(start, start + ENTRIES_MAX)
        promises: dict[str, Any] = {
            "sku": book.sku,
            "holds": tuple(holds[some]),
            "ended": tuple([_state_ended(held, end) for held, end in ended[some]]),
            "refused": tuple(refused[some]),
            "demand": tuple([_state_owed(line) for line in demand[some]]),
            "movements": tuple(movements[some]),
            "inherited": _inherited(book, movements[some]),
        }
        yield _state_figures(book, as_of, promises) if start == 0 else BookContinued(**promises)


def _ended_at(pair: tuple[UnitsHeld, HoldEnd]) -> tuple[datetime, str]:
    return pair[1].at, pair[1].hold_id


def _refused_at(event: HoldRefused) -> tuple[datetime, str]:
    return event.at, event.hold_id


def _state_ended(held: UnitsHeld, end: HoldEnd) -> EndedStated:
    order_id, owed, buyer = None, True, None
    how: Literal["committed", "released", "expired"]
    match end:
        case HoldCommitted():
            how, order_id, owed = "committed", end.order_id, end.owed
            buyer = end.account if end.account != held.account else None
        case HoldReleased():
            how = "released"
        case HoldExpired():
            how = "expired"
    return EndedStated(
        held.hold_id,
        held.account,
        held.at,
        held.parts,
        held.expires_at,
        how,
        end.at,
        order_id,
        owed,
        buyer,
        held.asked,
        held.location,
        held.wanted,
    )


def _state_owed(line: DemandSet) -> OwedStated:
    return OwedStated(
        line.account,
        line.order_id,
        line.line_id,
        line.at,
        line.committed,
        line.reserved,
        line.expires_at,
        line.shipped,
        line.returned,
        line.bound,
        line.by,
        line.reason,
        line.reference,
    )


def _inherited(book: Book, movements: Sequence[Keyed]) -> tuple[tuple[Key, datetime], ...]:
    inherited = book.records.inherited
    if not inherited:
        return ()
    return tuple([(event.key, inherited[event.key]) for event in movements if event.key in inherited])


def _state_figures(book: Book, as_of: datetime, promises: dict[str, Any]) -> BookStated:
    records = book.records
    horizon = as_of - book.history_for
    return BookStated(
        **promises,
        name=book.name,
        positions=tuple(
            [
                PositionStated(
                    location,
                    at.on_hand,
                    at.committed,
                    at.reserved,
                    at.quality_hold,
                    at.damaged,
                    at.display,
                    at.safety_stock,
                    at.incoming,
                    at.in_transit,
                    at.moved,
                )
                for location, at in book.positions.items()
            ]
        ),
        is_bundle=book.is_bundle,
        retired=book.retired,
        merged_into=book.merged_into,
        on_hand_history=_state_history(book.on_hand_history, horizon),
        committed_history=_state_history(book.committed_history, horizon),
        purchases=tuple(
            [
                PurchaseLineStated(
                    ordered=line.ordered,
                    made_at=line.made_at,
                    touched_at=line.touched_at,
                    received=line.received,
                    ended=line.ended,
                )
                for line in records.purchases.values()
            ]
        ),
        transfers=tuple(
            [
                TransferLineStated(sent=line.sent, touched_at=line.touched_at, arrived=line.arrived, lost=line.lost)
                for line in records.transfers.values()
            ]
        ),
        returns=tuple([ReturnStated(*key, units, records.returned_at[key]) for key, units in records.returns.items()]),
        recounts=tuple(records.recounts.values()),
        settled=tuple(records.settled.items()),
        bound=tuple(records.bound.items()),
        oversells=tuple(records.oversells.values()),
    )


def _state_history(history: History, horizon: datetime) -> HistoryStated:
    since, changes = history.after_pruning(horizon)
    return HistoryStated(since, history.noted, tuple(changes))


def read_book(stated: BookStated, history_for: timedelta) -> Book:
    """Return the book that said this of itself, but for what `BookContinued` will add; O(what it says)."""
    book = Book(stated.sku, history_for=history_for)
    book.name = stated.name
    for figures in stated.positions:
        book.positions[figures.location] = _read_position(figures)
    book.is_bundle, book.retired, book.merged_into = stated.is_bundle, stated.retired, stated.merged_into
    book.on_hand_history = _read_history(stated.on_hand_history)
    book.committed_history = _read_history(stated.committed_history)
    if (
        stated.purchases
        or stated.transfers
        or stated.returns
        or stated.settled
        or stated.recounts
        or stated.bound
        or stated.oversells
    ):
        book.records = _read_records(stated)
    read_promises(book, stated)
    return book


def read_promises(book: Book, stated: PromisesStated) -> None:
    """Add holds, order lines and movements to a book; its figures have them already."""
    for hold in stated.holds:
        book.holds[hold.hold_id] = hold
    ended, sku = book.ended, book.sku
    for row in stated.ended:
        ended[row.hold_id] = (_read_held(row, sku), _read_end(row, sku))
    for refused in stated.refused:
        book.refused[refused.hold_id] = refused
    demand = book.demand
    for line in stated.demand:
        demand[line.account, line.order_id, line.line_id] = _read_owed(line, sku)
    for movement in stated.movements:
        book.movements[movement.key] = movement
    if stated.inherited:
        book.own_records().inherited.update(stated.inherited)


def list_answered(stated: PromisesStated) -> Iterator[tuple[datetime, Entry]]:
    """Return what may be forgotten of a book some day, and since when it is remembered."""
    sku, inherited = stated.sku, dict(stated.inherited)
    for ended in stated.ended:
        yield ended.ended_at, (ended.hold_id, sku, True)
    for refused in stated.refused:
        yield refused.at, (refused.hold_id, sku, True)
    for movement in stated.movements:
        yield inherited.get(movement.key, movement.at), (movement.key, sku, False)


def _read_held(row: EndedStated, sku: Sku) -> UnitsHeld:
    return UnitsHeld(
        at=row.held_at,
        sku=sku,
        hold_id=row.hold_id,
        parts=row.parts,
        expires_at=row.expires_at,
        account=row.account,
        asked=row.asked,
        location=row.location,
        wanted=row.wanted,
    )


def _read_end(row: EndedStated, sku: Sku) -> HoldEnd:
    if row.how == "committed":
        return HoldCommitted(
            at=row.ended_at,
            sku=sku,
            hold_id=row.hold_id,
            account=row.buyer or row.account,
            order_id=row.order_id,
            owed=row.owed,
        )
    kind = HoldReleased if row.how == "released" else HoldExpired
    return kind(at=row.ended_at, sku=sku, hold_id=row.hold_id)


def _read_owed(row: OwedStated, sku: Sku) -> DemandSet:
    return DemandSet(
        at=row.at,
        sku=sku,
        account=row.account,
        order_id=row.order_id,
        line_id=row.line_id,
        committed=row.committed,
        reserved=row.reserved,
        expires_at=row.expires_at,
        shipped=row.shipped,
        returned=row.returned,
        bound=row.bound,
        by=row.by,
        reason=row.reason,
        reference=row.reference,
    )


def _read_position(stated: PositionStated) -> Position:
    position = Position()
    position.on_hand = stated.on_hand
    position.committed = stated.committed
    position.reserved = stated.reserved
    position.quality_hold = stated.quality_hold
    position.damaged = stated.damaged
    position.display = stated.display
    position.unavailable = stated.quality_hold + stated.damaged + stated.display
    position.safety_stock = stated.safety_stock
    position.incoming = stated.incoming
    position.in_transit = stated.in_transit
    position.moved = stated.moved
    return position


def _read_history(stated: HistoryStated) -> History:
    return History(stated.since, stated.changes, noted=stated.noted)


def _read_records(stated: BookStated) -> Records:
    records = Records()
    for line in stated.purchases:
        records.purchases[line.ordered.purchase_order] = PurchaseLine(
            line.ordered, line.received, line.ended, line.made_at, line.touched_at
        )
    for sent in stated.transfers:
        records.transfers[sent.sent.transfer] = TransferLine(sent.sent, sent.arrived, sent.lost, sent.touched_at)
    for back in stated.returns:
        key = (back.account, back.order_id, back.line_id)
        records.returns[key], records.returned_at[key] = back.units, back.returned_at
    records.recounts = {count.location: count for count in stated.recounts}
    records.settled = dict(stated.settled)
    records.bound = dict(stated.bound)
    records.oversells = {incident.location: incident for incident in stated.oversells}
    return records
