"""The laws of the ledger, each checked on one book by its own records alone. Pure; repairs nothing.

Lesson B4: a scanner that goes by what an order says of itself misses what is wrong with it. These go by what must be
true of every book at any time, whatever led to it.
"""

from collections import Counter
from collections.abc import Callable, Collection, Container, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import msgspec

from engine.domain.events import Part
from engine.domain.stock.book import Book, units_of
from engine.domain.stock.places import ONE_POOL, Pools
from engine.domain.stock.records import DemandKey
from engine.domain.stock.shortage import find_shortages
from engine.domain.units import AccountId, HoldId, ListingId, LocationId, OrderId, Sku

LATE: Final = timedelta(seconds=60)
"""A hold may outlive its time by this much: shards note what is due at once, unless the disk holds them up."""
_NAMED: Final = 3
"""Ids that a detail names."""

COMMITTED: Final = "committed is the sum of open demand"
RESERVED: Final = "reserved is the sum of holds and of what is kept for unpaid orders"
UNAVAILABLE: Final = "unavailable is the sum of its states"
INCOMING: Final = "incoming is the sum of open purchase orders"
IN_TRANSIT: Final = "in transit is the sum of transfers under way"
BOUND: Final = "bound is the sum of open demand that only one location may owe"
NEGATIVE: Final = "no figure but ATP is negative"
SHORTAGE: Final = "a shortage is an open incident"
EXPIRED: Final = "no hold outlives its time"
DUES: Final = "every hold that ends is on the due list"
PLACES: Final = "units lie at known locations"
HOLD_KNOWN: Final = "every open hold is in the directory"
ORDER_KNOWN: Final = "every order line that claims units is known to the order desk"
ORDER_LEVEL: Final = "an order line stands where its newest snapshot says"
LISTING: Final = "every listing sells a SKU that exists"
BOOK: Final = "every SKU of the journal has a book"
JOURNAL: Final = "is what the journal adds up to"
"""With the figure in front: `on hand is what the journal adds up to`."""

_FIGURES: Final = (
    "on_hand", "committed", "reserved", "unavailable", "quality_hold", "damaged", "display", "safety_stock",
    "incoming", "in_transit",
)  # fmt: skip


class Violation(msgspec.Struct, frozen=True, kw_only=True):
    """A law that does not hold."""

    law: str
    sku: Sku
    location: LocationId | None = None
    """None: it is about the SKU as a whole, or about all locations that stand in for one another."""
    expected: int
    found: int
    detail: str = ""


class Around(NamedTuple):
    """What others know of the books: for the laws between owners."""

    now: datetime
    locations: Collection[LocationId]
    knows_hold: Callable[[HoldId], bool]
    line_of: Callable[[Sku, DemandKey], "LineKnown | None"]
    """None: what is known of the order is just being decided, or the line is no order's."""
    pools: Pools = ONE_POOL
    """Which locations stand in for one another."""


class LineKnown(NamedTuple):
    """What the order desk knows of an order line of one SKU."""

    known: bool
    open_units: int | None
    """By the newest snapshot; None: it does not say, or its time to pay is over."""


def check_book(book: Book, pools: Pools = ONE_POOL, *, settled: bool = True) -> Iterator[Violation]:
    """Check every law that one book can break by itself. O(holds and order lines of the SKU).

    Args:
        book: as it is between two decisions.
        pools: which locations stand in for one another.
        settled: False: in the middle of one, where the incident may still be to follow.
    """
    yield from _check_sums(book)
    yield from _check_signs(book)
    if not settled:
        return
    short, incidents = find_shortages(book, pools), book.records.oversells
    for pool in dict.fromkeys((*short, *incidents)):
        units, incident = short.get(pool, 0), incidents[pool].open_units if pool in incidents else 0
        if units != incident:
            yield Violation(law=SHORTAGE, sku=book.sku, location=pool, expected=units, found=incident)


def check_around(book: Book, around: Around) -> Iterator[Violation]:
    """Check what the book says against what others know."""
    sku = book.sku
    for location, position in book.positions.items():
        if location not in around.locations and position.in_use:
            units = position.on_hand + position.incoming + position.in_transit
            yield Violation(law=PLACES, sku=sku, location=location, expected=0, found=units)
    overdue = [
        hold_id
        for hold_id, held in book.holds.items()
        if held.expires_at is not None and held.expires_at + LATE < around.now
    ]
    if overdue:
        yield Violation(law=EXPIRED, sku=sku, expected=0, found=len(overdue), detail=_name("hold", overdue))
    lost = [hold_id for hold_id in book.holds if not around.knows_hold(hold_id)]
    if lost:
        yield Violation(law=HOLD_KNOWN, sku=sku, expected=0, found=len(lost), detail=_name("hold", lost))
    yield from _check_orders(book, around)


def check_dues(book: Book, dues: Container[tuple[datetime, Sku, HoldId]], copied_at: datetime) -> Iterator[Violation]:
    """Check that what runs out is on the due list, as it was copied at an instant; later holds are passed over."""
    missing = [
        hold_id
        for hold_id, held in book.holds.items()
        if held.expires_at is not None and held.at < copied_at and (held.expires_at, book.sku, hold_id) not in dues
    ]
    if missing:
        yield Violation(law=DUES, sku=book.sku, expected=0, found=len(missing), detail=_name("hold", missing))


def check_listings(
    listings: Iterable[tuple[AccountId, ListingId, Sku]], exists: Callable[[Sku], bool]
) -> Iterator[Violation]:
    """Check that what is sold exists."""
    for account, listing, sku in listings:
        if not exists(sku):
            yield Violation(law=LISTING, sku=sku, expected=1, found=0, detail=f"listing {listing} of {account}")


def _check_sums(book: Book) -> Iterator[Violation]:
    """Add every figure up from what makes it, and compare."""
    committed, reserved, bound = Counter[LocationId](), Counter[LocationId](), Counter[LocationId]()
    for held in book.holds.values():
        _add(reserved, held.parts)
    for line in book.demand.values():
        _add(committed, line.committed)
        _add(reserved, line.reserved)
        if line.bound:
            _add(bound, line.committed)
            _add(bound, line.reserved)
    incoming, in_transit = Counter[LocationId](), Counter[LocationId]()
    for purchase in book.records.purchases.values():
        incoming[purchase.ordered.location] += purchase.expected
    for transfer in book.records.transfers.values():
        in_transit[transfer.sent.target] += transfer.under_way
    nothing: Counter[LocationId] = Counter()
    for location, position in book.positions.items():
        for law, sums, found in (
            (COMMITTED, committed, position.committed),
            (RESERVED, reserved, position.reserved),
            (INCOMING, incoming, position.incoming),
            (IN_TRANSIT, in_transit, position.in_transit),
            (BOUND, bound, book.records.bound.get(location, 0)),
        ):
            if sums[location] != found:
                yield Violation(law=law, sku=book.sku, location=location, expected=sums[location], found=found)
        aside = position.quality_hold + position.damaged + position.display
        if aside != position.unavailable:
            yield Violation(
                law=UNAVAILABLE, sku=book.sku, location=location, expected=aside, found=position.unavailable
            )
    for law, sums in ((COMMITTED, committed), (RESERVED, reserved), (INCOMING, incoming), (IN_TRANSIT, in_transit)):
        for location, units in (sums or nothing).items():
            if units and location not in book.positions:
                yield Violation(law=law, sku=book.sku, location=location, expected=units, found=0)


def _check_signs(book: Book) -> Iterator[Violation]:
    for location, position in book.positions.items():
        for figure in _FIGURES:
            units = getattr(position, figure)
            if units < 0:
                yield Violation(law=NEGATIVE, sku=book.sku, location=location, expected=0, found=units, detail=figure)


def _check_orders(book: Book, around: Around) -> Iterator[Violation]:
    for key, line in book.demand.items():
        known = around.line_of(book.sku, key)
        if known is None:
            continue
        claimed = units_of(line.committed) + units_of(line.reserved)
        account, order_id, line_id = key
        detail = f"order {order_id} of {account}, line {line_id}"
        if not known.known and claimed:  # a line that is gone may still tell what came back of it
            yield Violation(law=ORDER_KNOWN, sku=book.sku, expected=1, found=0, detail=detail)
        elif known.open_units is not None and claimed != known.open_units:
            yield Violation(law=ORDER_LEVEL, sku=book.sku, expected=known.open_units, found=claimed, detail=detail)


def _add(sums: Counter[LocationId], parts: Iterable[Part]) -> None:
    for location, units in parts:
        sums[location] += units


def _name(what: str, ids: Collection[HoldId] | Collection[OrderId]) -> str:
    first = ", ".join(f"{what} {each}" for each, _ in zip(ids, range(_NAMED), strict=False))
    return first if len(ids) <= _NAMED else f"{first} and {len(ids) - _NAMED} more"
