"""A journal as a seller leaves it behind, written fast: holds, orders in versions, pushes on three accounts."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from adapters.store.sqlite import open_store
from engine.actors.journal import encode_events
from engine.domain.catalogue.items import Details
from engine.domain.events import (
    DemandSet,
    Event,
    HoldReleased,
    ItemDescribed,
    ListingMapped,
    OrderRecorded,
    PushPlanned,
    PushSettled,
    PushVerified,
    SkuAdded,
    StockReceived,
    UnitsHeld,
)
from engine.domain.orders import OrderLine, OrderSnapshot, OrderStatus
from engine.domain.units import DIRECT, AccountId, HoldId, Key, LineId, ListingId, LocationId, OrderId, Sku
from engine.ports import Frame

T = TypeVar("T")

HERE: Final = LocationId("here")
ACCOUNTS: Final = tuple(AccountId(f"shop-{number}") for number in range(3))
DAYS: Final = 60
"""From the first event to the last: what a daemon forgets after a day or a week is forgotten."""
_START: Final = datetime(2026, 1, 1, tzinfo=UTC)
_OPENING: Final = 10**6
_EVENTS_PER_FRAME: Final = 100
"""As a daemon writes under some load."""
_FRAMES_PER_LOAD: Final = 200
_EVENTS_PER_TURN: Final = 23
"""Of `_turn`."""
_QUARTER: Final = timedelta(minutes=15)
_FAR: Final = 7919
"""From one SKU to that of the next turn: prime, so that all have theirs."""
_TERMS: Final = (
    ("atp", "12", ""),
    ("share", "100 %", "default"),
    ("buffer", "5", "computed"),
    ("cap", "none", "default"),
)


class Written(NamedTuple):
    """What stands in the journal now."""

    frames: int
    events: int


async def write_long_journal(path: Path, events: int, skus: int) -> Written:
    """Write a journal of about so many events; every order of it was shipped, every hold given back."""
    store = await open_store(path)
    await store.claim("bench")
    frames = (
        Frame(position=position, written_at=told[-1].at, payload=encode_events(told))
        for position, told in enumerate(_batches(tell(events, skus), _EVENTS_PER_FRAME), 1)
    )
    written = 0
    for batch in _batches(frames, _FRAMES_PER_LOAD):
        await store.load(batch)
        written = batch[-1].position
    await store.aclose()
    return Written(written, opening_events(skus) + _turns(events, skus) * _EVENTS_PER_TURN)


def _batches(items: Iterator[T], size: int) -> Iterator[list[T]]:
    while batch := list(islice(items, size)):
        yield batch


def opening_events(skus: int) -> int:
    """Return how many events bring the catalogue in."""
    return skus * (3 + len(ACCOUNTS))


def _turns(events: int, skus: int) -> int:
    return max(0, (events - opening_events(skus)) // _EVENTS_PER_TURN)


def tell(events: int, skus: int) -> Iterator[Event]:
    """Return the events one by one."""
    names = [Sku(f"SKU-{number:06}") for number in range(skus)]
    for number, sku in enumerate(names):
        yield SkuAdded(at=_START, sku=sku, name=f"Item {number}")
        yield ItemDescribed(at=_START, sku=sku, details=Details(category="things"))
        yield StockReceived(at=_START, sku=sku, key=Key("first"), location=HERE, quantity=_OPENING, on_hand=_OPENING)
        for account in ACCOUNTS:
            listing = ListingId(f"p:{number}")
            yield ListingMapped(at=_START, account=account, listing_id=listing, sku=sku, source="import")
    on_hand = [_OPENING] * skus
    turns = _turns(events, skus)
    for number in range(turns):
        turn = number * _FAR % skus
        at = _START + timedelta(days=DAYS) * (number / turns)
        yield from _turn(number, turn, names[turn], at)
        on_hand[turn] += 1  # one was shipped, two arrive
        key = Key(f"r-{number}")
        yield StockReceived(at=at, sku=names[turn], key=key, location=HERE, quantity=2, on_hand=on_hand[turn])


def _turn(number: int, turn: int, sku: Sku, at: datetime) -> Iterator[Event]:
    """Return what one sale and its surroundings leave behind."""
    for each in range(3):
        hold = HoldId(f"basket-{number}-{each}")
        yield UnitsHeld(at=at, sku=sku, hold_id=hold, parts=((HERE, 1),), expires_at=at + _QUARTER, account=DIRECT)
        yield HoldReleased(at=at, sku=sku, hold_id=hold)
    account, order, line = ACCOUNTS[number % len(ACCOUNTS)], OrderId(f"{100_000 + number}"), LineId("1")
    yield _recorded(number, turn, sku, at, OrderStatus.ACCEPTED, 0)
    yield DemandSet(at=at, sku=sku, account=account, order_id=order, line_id=line, committed=((HERE, 1),))
    yield _recorded(number, turn, sku, at, OrderStatus.SHIPPED, 1)
    yield DemandSet(at=at, sku=sku, account=account, order_id=order, line_id=line, shipped=((HERE, 1),))
    for each in range(4):
        pushed, listing, version = ACCOUNTS[each % len(ACCOUNTS)], ListingId(f"p:{turn}"), 4 * number + each + 1
        yield PushPlanned(
            at=at,
            account=pushed,
            listing_id=listing,
            sku=sku,
            version=version,
            quantity=7,
            basis=number + 1,
            terms=_TERMS,
        )
        yield PushSettled(at=at, account=pushed, listing_id=listing, version=version, verdict="accepted")
        yield PushVerified(at=at, account=pushed, listing_id=listing, version=version, shown=7)


def _recorded(number: int, turn: int, sku: Sku, at: datetime, status: OrderStatus, shipped: int) -> OrderRecorded:
    line = OrderLine(line_id=LineId("1"), sku=sku, listing_id=ListingId(f"p:{turn}"), ordered=1, shipped=shipped)
    snapshot = OrderSnapshot(
        account=ACCOUNTS[number % len(ACCOUNTS)],
        order_id=OrderId(f"{100_000 + number}"),
        status=status,
        channel_status="processing" if not shipped else "completed",
        placed_at=at,
        modified_at=at + timedelta(seconds=shipped),
        lines=(line,),
    )
    return OrderRecorded(at=at, snapshot=snapshot, skus=(sku,))
