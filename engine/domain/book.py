"""The stock book of one SKU: private to the shard that owns it, changed by `apply` alone.

Every event is applied in O(1) (in the few locations a line is spread over), whatever the number of open holds.
The records it keeps are the events themselves.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Final

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
    Part,
    SkuAdded,
    StockAdjusted,
    StockReceived,
    UnitsHeld,
)
from engine.domain.units import AccountId, HoldId, Key, LineId, LocationId, OrderId, Sku

DemandKey = tuple[AccountId, OrderId, LineId]
HoldEnd = HoldCommitted | HoldReleased | HoldExpired
Movement = StockAdjusted | StockReceived


class Position:
    """Units of one SKU at one location."""

    __slots__ = ("committed", "in_transit", "incoming", "moved", "on_hand", "reserved", "safety_stock", "unavailable")

    def __init__(self) -> None:
        self.on_hand = 0
        self.committed = 0
        self.reserved = 0
        self.unavailable = 0
        self.safety_stock = 0
        self.incoming = 0
        self.in_transit = 0
        self.moved = False
        """Whether a unit was ever counted or promised here: opening stock comes before that or not at all."""

    @property
    def in_use(self) -> bool:
        """Whether any unit is here, owed from here or expected here."""
        return any((self.on_hand, self.committed, self.reserved, self.unavailable, self.incoming, self.in_transit))

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

    __slots__ = ("demand", "ended", "holds", "movements", "name", "oversell", "positions", "refused", "sku")

    def __init__(self, sku: Sku) -> None:
        """Start empty: no location has ever had a unit."""
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
        self.movements: dict[Key, Movement] = {}
        self.oversell: OversellRecorded | None = None
        """The newest incident while more is promised than there is."""

    def position(self, location: LocationId) -> Position:
        """Return the figures at a location; a place never heard of has zeros."""
        position = self.positions.get(location)
        if position is None:
            position = self.positions[location] = Position()
        return position

    def atp_at(self, location: LocationId) -> int:
        """Available to promise at one location, without making it known."""
        position = self.positions.get(location)
        return position.atp if position is not None else 0

    def on_hand_at(self, location: LocationId) -> int:
        """On hand at one location, without making it known."""
        position = self.positions.get(location)
        return position.on_hand if position is not None else 0

    def atp_over(self, locations: Iterable[LocationId]) -> int:
        """Available to promise over some locations; one that is short takes from the others."""
        return sum(self.atp_at(location) for location in locations)

    @property
    def shortage(self) -> int:
        """Units promised beyond what there is, over all locations."""
        return max(0, -sum([position.free for position in self.positions.values()]))

    def levels(self) -> tuple[Part, ...]:
        """Available to promise at every location that was ever mentioned: what pushers need to know."""
        return tuple([(location, figures.atp) for location, figures in self.positions.items()])

    def knows_hold(self, hold_id: HoldId) -> bool:
        """Whether a hold of this id is open, ended or refused here."""
        return hold_id in self.holds or hold_id in self.ended or hold_id in self.refused

    def __eq__(self, other: object) -> bool:
        """Compare every figure and record: replay equals live."""
        return isinstance(other, Book) and _facts(self) == _facts(other)

    __hash__ = None  # type: ignore[assignment]


def _facts(book: Book) -> tuple[object, ...]:
    positions = {
        location: tuple(getattr(position, name) for name in Position.__slots__)
        for location, position in book.positions.items()
        if any(getattr(position, name) for name in Position.__slots__)
    }
    return (book.name, positions, book.holds, book.ended, book.refused, book.demand, book.movements, book.oversell)


def demand_key(event: DemandSet | DemandLapsed) -> DemandKey:
    """Return the key of an order line in a book."""
    return (event.account, event.order_id, event.line_id)


def hold_line_id(hold_id: HoldId) -> LineId:
    """Return the order line under which a committed hold is owed."""
    return LineId(f"hold:{hold_id}")


def apply(book: Book, event: BookEvent) -> None:
    """Change the book as the event says. The only thing that does."""
    _APPLY[type(event)](book, event)


def _apply_sku_added(book: Book, event: SkuAdded) -> None:
    book.name = event.name
    for position in book.positions.values():
        position.safety_stock = 0
    for location, units in event.safety_stock:
        book.position(location).safety_stock = units


def _apply_units_held(book: Book, event: UnitsHeld) -> None:
    for location, units in event.parts:
        position = book.position(location)
        position.reserved += units
        position.moved = True
    book.holds[event.hold_id] = event


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


def _apply_movement(book: Book, event: Movement) -> None:
    position = book.position(event.location)
    position.moved = True
    position.on_hand += event.delta if isinstance(event, StockAdjusted) else event.quantity
    assert position.on_hand == event.on_hand, (event, position.on_hand)
    book.movements[event.key] = event


def _apply_demand_set(book: Book, event: DemandSet) -> None:
    key = demand_key(event)
    before = book.demand.pop(key, None)
    if before is not None:
        _add_demand(book, before, -1)
    _add_demand(book, event, 1)
    if event.committed or event.reserved or event.shipped or event.returned:
        book.demand[key] = event


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


def _apply_demand_lapsed(book: Book, event: DemandLapsed) -> None:
    before = book.demand[demand_key(event)]
    _apply_demand_set(book, lapsed(before, event.at))


def lapsed(demand: DemandSet, at: datetime) -> DemandSet:
    """Return the demand without its reserved part."""
    return DemandSet(
        at=at,
        sku=demand.sku,
        account=demand.account,
        order_id=demand.order_id,
        line_id=demand.line_id,
        committed=demand.committed,
        shipped=demand.shipped,
        returned=demand.returned,
    )


def _apply_oversell_recorded(book: Book, event: OversellRecorded) -> None:
    book.oversell = event


def _apply_oversell_cleared(book: Book, _event: OversellCleared) -> None:
    book.oversell = None


_APPLY: Final[dict[type, Callable[[Book, Any], None]]] = {
    UnitsHeld: _apply_units_held,
    HoldCommitted: _apply_hold_committed,
    HoldReleased: _apply_hold_end,
    HoldExpired: _apply_hold_end,
    HoldRefused: _apply_hold_refused,
    DemandSet: _apply_demand_set,
    DemandLapsed: _apply_demand_lapsed,
    StockAdjusted: _apply_movement,
    StockReceived: _apply_movement,
    SkuAdded: _apply_sku_added,
    OversellRecorded: _apply_oversell_recorded,
    OversellCleared: _apply_oversell_cleared,
}


def units_of(parts: Iterable[Part]) -> int:
    """Sum units over locations."""
    return sum(units for _, units in parts)
