"""Every kind of event and the rows it makes: closed over `Event`, so that a new kind is not forgotten.

Pure but for `Load`, which finds rows of earlier batches. Whoever writes what `take` returns, with the position it came
from, in one transaction, may be killed between any two and go on: rows depend on rows and events alone.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, assert_never

from engine.domain.events import (
    AccountPaused,
    AccountResumed,
    AlertEvent,
    CampaignEvent,
    DeliveryEvent,
    DemandLapsed,
    DemandSet,
    DriftFound,
    Event,
    HoldCommitted,
    HoldExpired,
    HoldRefused,
    HoldReleased,
    ImportEvent,
    IntakeEvent,
    ItemDescribed,
    LawEvent,
    LetterEvent,
    ListingDropped,
    ListingMapped,
    Movement,
    OrderRecorded,
    OversellCleared,
    OversellRecorded,
    PaperForgotten,
    PushPlanned,
    PushSettled,
    PushVerified,
    RecipeSet,
    RuleEvent,
    SkuAdded,
    SkuMerged,
    SkuRenamed,
    SkuRetired,
    SkuRevived,
    SnapshotEvent,
    StockCounted,
    StockReturned,
    UnitsHeld,
)
from engine.domain.reading.asking import asked_by, asked_by_row
from engine.domain.reading.channels import LISTINGS, ORDER_LINES, ORDERS, PUSHES, Channels
from engine.domain.reading.movements import enter, said_of
from engine.domain.reading.papers import PURCHASES, TRANSFERS, Papers
from engine.domain.reading.promises import ALLOCATIONS, HOLDS, INCIDENTS, Promises
from engine.domain.reading.rows import Asked, Changes, Load, Table, Values, moment
from engine.domain.reading.sales import SALES, Sales
from engine.domain.reading.stock import LEDGER, SKUS, STOCK, STOCKED, Deltas, Shelves
from engine.domain.stock.book import HoldEnd

_OfItem = SkuAdded | ItemDescribed | SkuRenamed | RecipeSet | SkuMerged | SkuRetired | SkuRevived

TABLES: Final[tuple[Table[Any], ...]] = (
    ORDERS,
    ORDER_LINES,
    ALLOCATIONS,
    SALES,
    LEDGER,
    STOCK,
    STOCKED,
    SKUS,
    HOLDS,
    INCIDENTS,
    LISTINGS,
    PUSHES,
    PURCHASES,
    TRANSFERS,
)
"""All there are."""


class Reading:
    """Hears frames in order and says what they change."""

    def __init__(self, load: Load) -> None:
        """Go on behind the frame that the rows come from."""
        self._shelves = Shelves(load)
        self._promises = Promises(load)
        self._papers = Papers(load)
        self._channels = Channels(load)
        self._sales = Sales(load)
        keepers = (self._shelves, self._promises, self._papers, self._channels, self._sales)
        self._keepers: Final = keepers
        self._rows: Final = {rows.table.name: rows for keeper in keepers for rows in keeper.rows}

    def asked(self, frames: Iterable[Sequence[Event]]) -> set[Asked]:
        """Return which rows hearing these frames asks `Load` for, and maybe a few more: to be found all at once."""
        return {(table, key) for table, key in asked_by(frames) if not self._rows[table.name].knows(key)}

    def know(self, asked: Asked, found: Sequence[Values]) -> set[Asked]:
        """Take in the rows of a key before `hear` asks for them; return what those ask for in turn."""
        table, key = asked
        self._rows[table.name].know(key, found)
        return {
            (further, its)
            for values in found
            for further, its in asked_by_row(table, key, values)
            if not self._rows[further.name].knows(its)
        }

    def hear(self, position: int, events: Sequence[Event]) -> None:
        """Take in one frame."""
        for number, event in enumerate(events):
            self._hear(position, number, event)
        self._shelves.end_frame(position)
        self._sales.end_frame()

    def take(self) -> list[Changes]:
        """Return what changed since the last time."""
        return [each for keeper in self._keepers for each in keeper.take() if each.put or each.dropped]

    def _hear(self, position: int, number: int, event: Event) -> None:
        match event:  # the most frequent kinds first
            case UnitsHeld() | HoldReleased() | HoldExpired() | HoldCommitted() | HoldRefused():
                self._hear_hold(position, number, event)
            case PushPlanned():
                self._channels.plan(event)
            case PushSettled() | PushVerified() | DriftFound():
                self._channels.hear(event)
            case OrderRecorded():
                self._channels.record(position, event)
                self._sales.record(event)
            case DemandSet() | DemandLapsed():
                self._hear_line(position, number, event)
            case OversellRecorded():
                self._promises.oversell(position, number, event)
            case OversellCleared():
                self._promises.clear(event)
            case SkuAdded() | ItemDescribed() | SkuRenamed() | RecipeSet() | SkuMerged() | SkuRetired() | SkuRevived():
                self._hear_item(position, number, event)
            case ListingMapped():
                self._channels.map(event)
            case ListingDropped():
                self._channels.drop(event)
            case _ if isinstance(event, Movement):
                self._hear_movement(position, number, event)
            case PaperForgotten():
                self._papers.forget(event)
            case AccountPaused() | AccountResumed():
                pass  # here and below: what neither moves units nor tells a channel a number makes no row
            case _ if isinstance(event, IntakeEvent | LetterEvent | AlertEvent | DeliveryEvent | LawEvent):
                pass
            case _ if isinstance(event, RuleEvent | CampaignEvent | SnapshotEvent | ImportEvent):
                pass
            case _:
                assert_never(event)

    def _hear_hold(self, position: int, number: int, event: UnitsHeld | HoldRefused | HoldEnd) -> None:
        if isinstance(event, HoldRefused):
            self._promises.refuse(position, event)
            return
        self._shelves.touch(event)
        match event:
            case UnitsHeld():
                deltas = Deltas(position, number, event, account=event.account, hold_id=event.hold_id)
                self._promises.grant(position, event, deltas)
            case HoldCommitted():
                order_id = event.order_id or event.hold_id
                deltas = Deltas(
                    position, number, event, account=event.account, order_id=order_id, hold_id=event.hold_id
                )
                self._sales.commit(event, self._promises.end_hold("committed", event, deltas))
            case HoldReleased() | HoldExpired():
                deltas = Deltas(position, number, event, hold_id=event.hold_id)
                self._promises.end_hold("released" if isinstance(event, HoldReleased) else "expired", event, deltas)
            case _:
                assert_never(event)
        self._shelves.post(deltas)

    def _hear_line(self, position: int, number: int, event: DemandSet | DemandLapsed) -> None:
        self._shelves.touch(event)
        deltas = Deltas(
            position,
            number,
            event,
            account=event.account,
            order_id=event.order_id,
            line_id=event.line_id,
            **said_of(event),
        )
        match event:
            case DemandSet():
                self._promises.set_line(event, deltas)
                self._sales.set_line(event)
            case DemandLapsed():
                self._promises.lapse(event, deltas)
                self._sales.lapse(event)
            case _:
                assert_never(event)
        self._shelves.post(deltas)

    def _hear_item(self, position: int, number: int, event: _OfItem) -> None:
        item = self._shelves.item(event.sku)
        match event:
            case SkuAdded():
                item.name, item.added_at = event.name, item.added_at or moment(event.at)
                deltas = Deltas(position, number, event)
                self._shelves.set_safety(deltas, event.safety_stock)
                self._shelves.post(deltas)
            case ItemDescribed():
                item.category = event.details.category
                return
            case SkuRenamed():
                item.code = event.code
                return
            case RecipeSet():
                item.bundle = int(bool(event.components))
            case SkuMerged():
                item.merged_into, item.retired_at = event.into, moment(event.at)
                self._sales.merge(event)
            case SkuRetired():
                item.retired_at = moment(event.at)
            case SkuRevived():
                item.retired_at = None
            case _:
                assert_never(event)
        self._shelves.touch(event)

    def _hear_movement(self, position: int, number: int, event: Movement) -> None:
        self._shelves.touch(event)
        deltas = Deltas(position, number, event, **said_of(event))
        enter(event, deltas, self._papers)
        if isinstance(event, StockReturned):
            self._promises.take_back(event)
        self._shelves.post(deltas, always=isinstance(event, StockCounted))
