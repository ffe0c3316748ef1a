"""What the books come to. Open holds and movements are said by the events that made them.

Ended holds and order lines are so many that their events would be most of a snapshot, and reading it most of a start:
they are rows without names, and the events are made of them again.
"""

from typing import Literal

import msgspec

from engine.domain.events import (
    HoldRefused,
    OversellRecorded,
    PurchaseOrdered,
    PurchaseOrderEnded,
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
from engine.domain.events.base import Line, Part
from engine.domain.stated.base import BaseStatement
from engine.domain.units import EPOCH, AccountId, HoldId, Instant, Key, LineId, LocationId, OrderId, Sku


class PositionStated(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Figures of a SKU at one location, as in `engine.domain.stock.book.Position`."""

    location: LocationId
    on_hand: int
    committed: int
    reserved: int
    quality_hold: int
    damaged: int
    display: int
    safety_stock: int
    incoming: int
    in_transit: int
    moved: bool


class HistoryStated(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """How a figure came to be, as far back as it is kept."""

    since: Instant = EPOCH
    noted: int = 0
    """Changes ever: the oldest ones go by this number."""
    changes: tuple[tuple[Instant, LocationId, int, Instant], ...] = ()
    """As in `engine.domain.stock.records.Change`, the oldest first."""


class PurchaseLineStated(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A line of a purchase order."""

    ordered: PurchaseOrdered
    """The newest."""
    made_at: Instant
    touched_at: Instant
    received: int = 0
    ended: PurchaseOrderEnded | None = None


class TransferLineStated(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A line of a transfer."""

    sent: TransferSent
    touched_at: Instant
    arrived: int = 0
    lost: int = 0


class ReturnStated(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Units of an order line that came back physically."""

    account: AccountId
    order_id: OrderId
    line_id: LineId
    units: int
    returned_at: Instant
    """The last of them."""


class EndedStated(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A hold that is over: `UnitsHeld`, and the event that ended it."""

    hold_id: HoldId
    account: AccountId
    held_at: Instant
    parts: tuple[Part, ...]
    expires_at: Instant | None
    how: Literal["committed", "released", "expired"]
    ended_at: Instant
    order_id: OrderId | None = None
    """Of a committed one, as are the two that follow."""
    owed: bool = True
    buyer: AccountId | None = None
    """The account of the commit, where it is not the hold's."""
    asked: tuple[Line, ...] = ()
    location: LocationId | None = None
    wanted: tuple[Line, ...] = ()


class OwedStated(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An order line: `DemandSet`."""

    account: AccountId
    order_id: OrderId
    line_id: LineId
    at: Instant
    committed: tuple[Part, ...]
    reserved: tuple[Part, ...]
    expires_at: Instant | None
    shipped: tuple[Part, ...]
    returned: tuple[Part, ...]
    bound: bool
    by: str
    reason: str
    reference: str


class PromisesStated(BaseStatement, frozen=True, kw_only=True, gc=False):
    """Some of what a book keeps by the thousand: holds and order lines as they came, all else as it is remembered."""

    sku: Sku
    holds: tuple[UnitsHeld, ...] = ()
    """Open ones."""
    ended: tuple[EndedStated, ...] = ()
    refused: tuple[HoldRefused, ...] = ()
    demand: tuple[OwedStated, ...] = ()
    movements: tuple[
        StockAdjusted
        | StockReceived
        | StockReturned
        | StateChanged
        | StockCounted
        | StockObserved
        | TransferArrived
        | TransferLost,
        ...,
    ] = ()
    """Those that a repeat would be recognised by."""
    inherited: tuple[tuple[Key, Instant], ...] = ()
    """Keys among them that came with a SKU which was merged into this one, and when."""


class BookStated(PromisesStated, frozen=True, kw_only=True, tag="book_stated", gc=False):
    """A book, whole where it is not a busy one; else `BookContinued` follows."""

    name: str = ""
    positions: tuple[PositionStated, ...] = ()
    """In the order in which they were first mentioned."""
    is_bundle: bool = False
    retired: bool = False
    merged_into: Sku | None = None
    on_hand_history: HistoryStated = HistoryStated()
    committed_history: HistoryStated = HistoryStated()
    purchases: tuple[PurchaseLineStated, ...] = ()
    transfers: tuple[TransferLineStated, ...] = ()
    returns: tuple[ReturnStated, ...] = ()
    recounts: tuple[StockCounted, ...] = ()
    """Counts that wait for another one to confirm them, one per location."""
    settled: tuple[tuple[LocationId, Instant], ...] = ()
    bound: tuple[Part, ...] = ()
    oversells: tuple[OversellRecorded, ...] = ()
    """Open incidents, one per pool of locations."""


class BookContinued(PromisesStated, frozen=True, kw_only=True, tag="book_continued", gc=False):
    """More of the book that was stated last."""


class BooksStated(BaseStatement, frozen=True, kw_only=True, tag="books_stated", gc=False):
    """Every book has been stated."""

    books: int
