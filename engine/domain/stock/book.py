"""The stock book of one SKU: private to the shard that owns it, changed by `booking.apply` alone.

The records it keeps are the events themselves.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final

from engine.domain.events import (
    DemandLapsed,
    DemandSet,
    HoldCommitted,
    HoldExpired,
    HoldRefused,
    HoldReleased,
    Part,
    StateChanged,
    StockAdjusted,
    StockCounted,
    StockObserved,
    StockReceived,
    StockReturned,
    TransferArrived,
    TransferLost,
    UnitsHeld,
)
from engine.domain.states import State
from engine.domain.stock.records import HISTORY_SECONDS, NO_RECORDS, DemandKey, History, Records
from engine.domain.units import EPOCH, HoldId, Key, LineId, LocationId, Sku

HoldEnd = HoldCommitted | HoldReleased | HoldExpired
Keyed = (
    StockAdjusted
    | StockReceived
    | StockReturned
    | StateChanged
    | StockCounted
    | StockObserved
    | TransferArrived
    | TransferLost
)
"""Movements that their caller has given a key."""

HISTORY_FOR: Final = timedelta(seconds=HISTORY_SECONDS)


class Position:
    """Units of one SKU at one location."""

    __slots__ = (
        "committed",
        "damaged",
        "display",
        "in_transit",
        "incoming",
        "moved",
        "on_hand",
        "quality_hold",
        "reserved",
        "safety_stock",
        "unavailable",
    )

    def __init__(self) -> None:
        self.on_hand = 0
        self.committed = 0
        self.reserved = 0
        self.unavailable = 0
        """On hand and not to be promised: the sum of the three that follow."""
        self.quality_hold = 0
        self.damaged = 0
        self.display = 0
        self.safety_stock = 0
        self.incoming = 0
        self.in_transit = 0
        self.moved = False
        """Whether a unit was ever counted or promised here: opening stock comes before that or not at all."""

    @property
    def in_use(self) -> bool:
        """Whether any unit is here, owed from here or expected here."""
        return any((self.on_hand, self.committed, self.reserved, self.unavailable, self.incoming, self.in_transit))

    def standing(self, state: State) -> int:
        """Units on hand in a state; the sellable ones may be promised already."""
        match state:
            case State.SELLABLE:
                return self.on_hand - self.unavailable
            case State.QUALITY_HOLD:
                return self.quality_hold
            case State.DAMAGED:
                return self.damaged
            case State.DISPLAY:
                return self.display
            case State.WRITTEN_OFF:
                return 0

    @property
    def free(self) -> int:
        """Neither promised nor unsellable; negative: more is promised than there is."""
        return self.on_hand - self.committed - self.reserved - self.unavailable

    @property
    def atp(self) -> int:
        """Available to promise."""
        return self.on_hand - self.committed - self.reserved - self.unavailable - self.safety_stock


class Book:
    """All that is known of one SKU's stock."""

    __slots__ = (
        "committed_history",
        "demand",
        "ended",
        "history_for",
        "holds",
        "is_bundle",
        "merged_into",
        "movements",
        "name",
        "on_hand_history",
        "positions",
        "records",
        "refused",
        "retired",
        "sku",
    )

    def __init__(self, sku: Sku, *, history_for: timedelta = HISTORY_FOR, since: datetime = EPOCH) -> None:
        """Start empty: no location has ever had a unit.

        Args:
            sku: what it counts.
            history_for: how far back figures can be told.
            since: nothing moved before.
        """
        self.sku = sku
        self.name = ""
        self.positions: dict[LocationId, Position] = {}
        self.holds: dict[HoldId, UnitsHeld] = {}
        """Open ones; one whose time is over stays until noted, and `Books` notes all that are due before it decides."""
        self.ended: dict[HoldId, tuple[UnitsHeld, HoldEnd]] = {}
        """Finished ones, as long as they are remembered."""
        self.refused: dict[HoldId, HoldRefused] = {}
        self.demand: dict[DemandKey, DemandSet] = {}
        """Every order line that is not at zero."""
        self.movements: dict[Key, Keyed] = {}
        """By their keys, as long as they are remembered."""
        self.records = NO_RECORDS
        """To be read only; `own_records` to change them."""
        self.history_for = history_for
        self.on_hand_history = History(since)
        self.committed_history = History(since)
        self.is_bundle = False
        """Whether it is made of other SKUs and has no stock of its own."""
        self.retired = False
        """Whether nothing more of it is promised to baskets or shown on channels."""
        self.merged_into: Sku | None = None
        """Where its units and order lines went; nothing more happens here then."""

    def position(self, location: LocationId) -> Position:
        """Return the figures at a location; a place never heard of has zeros."""
        position = self.positions.get(location)
        if position is None:
            position = self.positions[location] = Position()
        return position

    def own_records(self) -> Records:
        """Return records that are this book's own and may be changed."""
        if self.records is NO_RECORDS:
            self.records = Records()
        return self.records

    def forget_history(self, now: datetime) -> None:
        """Drop changes that lie further back than figures need to be told."""
        self.on_hand_history.prune(now - self.history_for)
        self.committed_history.prune(now - self.history_for)

    def reach_of(self, history: History, now: datetime) -> datetime:
        """Return how far back a figure may be told: as if all had been forgotten by now that may be."""
        return history.reach(now - self.history_for)

    def forget_hold(self, hold_id: HoldId, at: datetime) -> None:
        """Drop what ended or was refused at an instant; who uses its id again later means another hold."""
        pair, refused = self.ended.get(hold_id), self.refused.get(hold_id)
        if pair is not None and pair[1].at == at:
            del self.ended[hold_id]
        if refused is not None and refused.at == at:
            del self.refused[hold_id]

    def forget_key(self, key: Key, at: datetime) -> None:
        """Drop a movement that is remembered since an instant; its key may have been used again since."""
        movement = self.movements.get(key)
        if movement is not None and self.remembered_since(movement) == at:
            del self.movements[key]
            if self.records.inherited:
                self.own_records().inherited.pop(key, None)

    def inherit_looks(self, gone: "Book", now: datetime) -> None:
        """Take no look from before a merge any more where the other SKU had units: it may have been one at that SKU."""
        settled = self.own_records().settled
        for location in gone.positions:
            settled[location] = max(now, settled.get(location, now))

    def inherit_keys(self, gone: "Book", horizon: datetime, now: datetime) -> Iterator[Key]:
        """Take over the movements of a book that is merged into this one, and return their keys.

        What may be forgotten by then, being older than `horizon`, is nobody's: a replay has more of it than live had.
        """
        for key, movement in gone.movements.items():
            known = self.movements.get(key)
            is_free = known is None or self.remembered_since(known) < horizon
            if is_free and gone.remembered_since(movement) >= horizon:
                self.movements[key] = movement
                self.own_records().inherited[key] = now
                yield key

    def remembered_since(self, movement: Keyed) -> datetime:
        """Return from when on a movement is remembered: its own instant, or when it came with another SKU."""
        return self.records.inherited.get(movement.key, movement.at)

    def atp_at(self, location: LocationId) -> int:
        """Available to promise at one location, without making it known."""
        position = self.positions.get(location)
        return position.atp if position is not None else 0

    def on_hand_at(self, location: LocationId) -> int:
        """On hand at one location, without making it known."""
        position = self.positions.get(location)
        return position.on_hand if position is not None else 0

    def unavailable_at(self, location: LocationId) -> int:
        """On hand and set aside at one location, without making it known."""
        position = self.positions.get(location)
        return position.unavailable if position is not None else 0

    def atp_over(self, locations: Iterable[LocationId]) -> int:
        """Available to promise over some locations; one that is short takes from the others."""
        return sum(self.atp_at(location) for location in locations)

    @property
    def oversold(self) -> int:
        """Units promised beyond what there is: the sum of open incidents, one for each pool of locations."""
        return sum([incident.open_units for incident in self.records.oversells.values()])

    def levels(self) -> tuple[Part, ...]:
        """Available to promise at every location that was ever mentioned: what pushers need to know."""
        levels: list[Part] = []
        for location, at in self.positions.items():  # `Position.atp` in line: this runs for whatever is sold
            atp = at.on_hand - at.committed - at.reserved - at.unavailable - at.safety_stock
            levels.append((location, atp if atp < 0 or not self.retired else 0))
        return tuple(levels)

    def knows_hold(self, hold_id: HoldId) -> bool:
        """Whether a hold of this id is open, ended or refused here."""
        return hold_id in self.holds or hold_id in self.ended or hold_id in self.refused

    def __eq__(self, other: object) -> bool:
        """Compare every figure and record: replay equals live. How far histories reach depends on when one pruned."""
        return isinstance(other, Book) and _facts(self) == _facts(other)

    __hash__ = None  # type: ignore[assignment]


def _facts(book: Book) -> tuple[object, ...]:
    positions = {
        location: tuple(getattr(position, name) for name in Position.__slots__)
        for location, position in book.positions.items()
        if any(getattr(position, name) for name in Position.__slots__)
    }
    records = (book.holds, book.ended, book.refused, book.demand, book.movements)
    return (book.name, positions, *records, book.is_bundle, book.retired, book.merged_into, book.records.facts())


def demand_key(event: DemandSet | DemandLapsed) -> DemandKey:
    """Return the key of an order line in a book."""
    return (event.account, event.order_id, event.line_id)


def hold_line_id(hold_id: HoldId) -> LineId:
    """Return the order line under which a committed hold is owed."""
    return LineId(f"hold:{hold_id}")


def units_of(parts: Iterable[Part]) -> int:
    """Sum units over locations."""
    return sum(units for _, units in parts)
