"""Which rows a frame is going to ask for, so that a server far away is asked once for many frames.

It may name more than is asked, never less: tests hear every kind of history with nothing but what is named here.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, get_args

from engine.domain.events import (
    BookEvent,
    DemandLapsed,
    DemandSet,
    DriftFound,
    Event,
    HoldCommitted,
    HoldExpired,
    HoldReleased,
    ItemDescribed,
    ListingDropped,
    OrderRecorded,
    OversellCleared,
    OversellRecorded,
    PaperForgotten,
    PurchaseOrdered,
    PurchaseOrderEnded,
    PushPlanned,
    PushSettled,
    PushVerified,
    SkuMerged,
    SkuRenamed,
    StockReceived,
    StockReturned,
    TransferArrived,
    TransferLost,
    TransferSent,
    UnitsHeld,
)
from engine.domain.reading.channels import LISTINGS, ORDER_LINES, PUSHES
from engine.domain.reading.papers import PURCHASES, TRANSFERS
from engine.domain.reading.promises import ALLOCATIONS, ANY_LOCATION, HOLDS, INCIDENTS
from engine.domain.reading.rows import Asked, Table, Values
from engine.domain.reading.sales import SALES, Sale
from engine.domain.reading.stock import SKUS, STOCK, STOCKED
from engine.domain.stock.book import hold_line_id

_OF_SKU: Final = (*get_args(BookEvent), ItemDescribed, SkuRenamed)
"""What may change a SKU's figures or its row."""
_BUNDLE: Final = Sale.__struct_fields__.index("bundle")


def asked_by(frames: Iterable[Sequence[Event]]) -> set[Asked]:
    """Return the keys that these frames ask for, but for those of holds and pushes that they begin themselves."""
    begun: set[Asked] = set()
    asked: set[Asked] = set()
    for events in frames:
        for event in events:
            match event:  # the most frequent kinds first
                case UnitsHeld():
                    begun.add((HOLDS, (event.hold_id, event.sku)))
                    asked.update(_by_sku(event.sku))
                case PushPlanned():
                    begun.add((PUSHES, (event.account, event.listing_id, event.version)))
                case SkuMerged():
                    asked.update(_by_sku(event.sku), _by_merge(event, events))
                case _:
                    asked.update(each for each in _by_event(event) if each not in begun)
    return asked


def asked_by_row(table: Table[Any], key: Values, values: Values) -> Iterator[Asked]:
    """Yield what a row that was found asks for: the line of a bundle, by that of its component."""
    if table.name == SALES.name and (bundle := values[_BUNDLE]) is not None:
        yield SALES, (bundle, *key[1:])


def _by_event(event: Event) -> Iterator[Asked]:
    match event:
        case HoldReleased() | HoldExpired() | HoldCommitted():
            yield HOLDS, (event.hold_id, event.sku)
            if isinstance(event, HoldCommitted) and event.owed:
                key = (event.sku, event.account, event.order_id or event.hold_id, hold_line_id(event.hold_id))
                yield ALLOCATIONS, key
                yield SALES, key
        case PushSettled() | PushVerified() | DriftFound():
            yield PUSHES, (event.account, event.listing_id, event.version)
        case OrderRecorded():
            yield from _by_order(event)
        case DemandSet() | DemandLapsed():
            key = (event.sku, event.account, event.order_id, event.line_id)
            yield ALLOCATIONS, key
            yield SALES, key
        case OversellRecorded() | OversellCleared():
            yield INCIDENTS, (event.sku, event.location or ANY_LOCATION)
        case ListingDropped():
            yield LISTINGS, (event.account, event.listing_id)
        case PurchaseOrdered() | PurchaseOrderEnded() | StockReceived():
            if event.purchase_order is not None:
                yield PURCHASES, (event.purchase_order,)
        case TransferSent() | TransferArrived() | TransferLost():
            yield TRANSFERS, (event.transfer,)
        case PaperForgotten():
            if event.purchase_order is not None:
                yield PURCHASES, (event.purchase_order,)
            if event.transfer is not None:
                yield TRANSFERS, (event.transfer,)
        case StockReturned():
            yield ALLOCATIONS, (event.sku, event.account, event.order_id, event.line_id)
        case _:
            pass
    if isinstance(event, _OF_SKU):
        yield from _by_sku(event.sku)


def _by_sku(sku: str) -> Iterator[Asked]:
    yield SKUS, (sku,)
    yield STOCK, (sku,)
    yield STOCKED, (sku,)


def _by_order(event: OrderRecorded) -> Iterator[Asked]:
    order = event.snapshot
    yield ORDER_LINES, (order.account, order.order_id)
    for line, sku, made_of in zip(order.lines, event.skus, event.components, strict=False):
        if made_of and sku is not None:
            yield SALES, (sku, order.account, order.order_id, line.line_id)


def _by_merge(event: SkuMerged, events: Sequence[Event]) -> Iterator[Asked]:
    """Lines that leave the SKU in the same frame may go on as those of its heir."""
    for line in events:
        if isinstance(line, DemandSet) and line.sku == event.sku:
            yield SALES, (event.into, line.account, line.order_id, line.line_id)
