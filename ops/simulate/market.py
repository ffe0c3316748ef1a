"""A marketplace: its listings, its orders, its buyers' shelves, and what it does to the numbers that it is sent."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple, Protocol

import trio

from engine.domain.orders import OrderSnapshot
from engine.ports import RowVerdict, StockWrite, Verdict
from ops.simulate.clocks import WorldClock, seconds_of
from ops.simulate.faults import Faults
from ops.simulate.oracle.orders import Claim
from ops.simulate.orders import MarketLine, MarketOrder
from ops.simulate.plan import Temper
from ops.simulate.story import Story

_LATE_SECONDS: Final = (1.0, 15.0)
"""Below `retry_seconds_max` of the accounts: so long the daemon looks again for a write that may still land."""


@dataclass
class Ware:
    """One listing."""

    listing: str
    sku: str | None
    """As typed into the marketplace."""
    shown: int | None
    locked_until: float = 0.0
    only_falls_locked: bool = False
    """While it is locked: higher numbers are taken."""
    version: int = 0
    """Of the newest write, where the marketplace compares."""
    basketed: int = 0
    """Units of orders that are not paid yet."""


class Wanted(NamedTuple):
    """What a buyer wants of one listing."""

    ware: Ware
    units: int
    pickup: str
    """Where the buyer comes for it; empty: it is to be sent."""


class Watcher(Protocol):
    """Who is told of what the marketplace does."""

    def order_changed(self, account: str, order: str, claims: Sequence[Claim], held_until: float | None) -> None:
        """Hear of an order's newest state."""
        ...

    def subject(self, account: str, listing: str) -> str:
        """Return the SKU that a listing sells; empty: none."""
        ...


class Market:
    """The marketplace's side of one account."""

    def __init__(
        self,
        account: str,
        temper: Temper,
        *,
        clock: WorldClock,
        faults: Faults,
        story: Story,
        watcher: Watcher,
        rng: random.Random,
        nursery: trio.Nursery,
    ) -> None:
        """Open it, empty."""
        self.account = account
        self.temper = temper
        self.wares: dict[str, Ware] = {}
        self.orders: dict[str, MarketOrder] = {}
        self.open_calls = 0
        self.down_until = self.storm_until = self.locked_out_until = 0.0
        self.subscribed = False
        self.changed: Callable[[OrderSnapshot], None] = lambda _: None
        """Called with every new state of an order."""
        self.edited: Callable[[Ware], None] = lambda _: None
        """Called when a listing was changed by hand."""
        self.rng = rng
        self.nursery = nursery
        self._clock = clock
        self._faults = faults
        self._story = story
        self._watcher = watcher
        self._landing: Counter[str] = Counter()
        """Writes that were accepted and are not applied yet, by listing."""

    # -- the shelf

    def put_up(self, listing: str, sku: str | None, shown: int | None) -> None:
        """Add a listing."""
        self.wares[listing] = Ware(listing, sku, shown)

    def tell(self, text: str, listing: str = "") -> None:
        """Add a line to the story."""
        sku = self._watcher.subject(self.account, listing) if listing else ""
        self._story.tell(self.account, text, *filter(None, (self.account, listing, sku)))

    def write(self, rows: Sequence[StockWrite]) -> tuple[RowVerdict, ...]:
        """Take new numbers."""
        return tuple(self._write(row) for row in rows)

    def _write(self, row: StockWrite) -> RowVerdict:
        ware = self.wares.get(row.listing_id)
        verdict = self._judge(ware, row)
        shown = ware.shown if ware is not None and verdict is Verdict.APPLIED else None
        self.tell(f"is told {row.quantity} (v{row.version}): {verdict.value}", row.listing_id)
        return RowVerdict(listing_id=row.listing_id, verdict=verdict, reason=verdict.value, shown=shown)

    def _judge(self, ware: Ware | None, row: StockWrite) -> Verdict:
        if ware is None:
            return Verdict.REFUSED
        takes = ware.only_falls_locked and row.quantity >= (ware.shown or 0)
        if ware.locked_until > trio.current_time() and not takes:
            return Verdict.LOCKED
        if self._faults.strikes("throttling", 0.01):
            return Verdict.THROTTLED
        if self.temper.compares and row.version <= ware.version:
            return Verdict.STALE
        if self._faults.strikes("not_applied", 0.02):
            return Verdict.ACCEPTED
        if self._faults.strikes("applied_late", 0.04):
            self.nursery.start_soon(self._land_late, ware, row, self.rng.uniform(*_LATE_SECONDS))
            return Verdict.ACCEPTED
        if not self.temper.compares and self._faults.strikes("disordered", 0.04):
            self.nursery.start_soon(self._land_after_next, ware, row)
            return Verdict.ACCEPTED
        self._apply(ware, row)
        return Verdict.APPLIED if self.temper.answers_numbers else Verdict.ACCEPTED

    def _apply(self, ware: Ware, row: StockWrite) -> None:
        if self.temper.compares and row.version < ware.version:
            return
        ware.shown, ware.version = row.quantity, max(ware.version, row.version)

    async def _land_late(self, ware: Ware, row: StockWrite, seconds: float) -> None:
        self._landing[ware.listing] += 1
        await trio.sleep(seconds)
        self._landing[ware.listing] -= 1
        self._apply(ware, row)
        self.tell(f"applies {row.quantity} (v{row.version}), {seconds:.1f} s late", ware.listing)

    async def _land_after_next(self, ware: Ware, row: StockWrite) -> None:
        """Wait until a younger write has landed, for some seconds at most; then land."""
        self._landing[ware.listing] += 1
        before = ware.version
        for _ in range(20):
            await trio.sleep(0.5)
            if ware.version > before:
                break
        self._landing[ware.listing] -= 1
        ware.shown = row.quantity
        self.tell(f"applies {row.quantity} (v{row.version}) after younger ones", ware.listing)

    @property
    def is_settled(self) -> bool:
        """Whether no write is still to land."""
        return not any(self._landing.values())

    def edit(self, listing: str, shown: int) -> None:
        """Let somebody change a number by hand."""
        ware = self.wares[listing]
        self.tell(f"shows {shown} instead of {ware.shown}: edited by hand", listing)
        ware.shown = shown
        self.edited(ware)

    def lock(self, listing: str, seconds: float, *, only_falls: bool = False) -> None:
        """Refuse writes of a listing for a while, or only those that are lower than what it shows."""
        ware = self.wares[listing]
        ware.locked_until, ware.only_falls_locked = trio.current_time() + seconds, only_falls
        self.tell(f"locks it for {seconds:.0f} s{' against lower numbers' if only_falls else ''}", listing)

    def give_back(self, listing: str, units: int) -> None:
        """End a lock, and add units that were set aside for a campaign; nobody is told (lesson D18)."""
        ware = self.wares[listing]
        ware.locked_until = 0.0
        if ware.shown is not None:
            ware.shown += units
        self.tell(f"adds {units} when the campaign is over, and says nothing", listing)

    def heal(self) -> None:
        """End every lock and outage."""
        self.down_until = self.storm_until = self.locked_out_until = 0.0
        for ware in self.wares.values():
            ware.locked_until = 0.0

    # -- orders

    def stamp(self) -> datetime:
        """Return the time as the marketplace stamps it."""
        at = self._clock.true() + timedelta(seconds=self.temper.skew_seconds)
        return at.replace(microsecond=0) if self.temper.whole_seconds else at

    def buyable(self) -> list[Ware]:
        """Return listings that a buyer can buy from."""
        return [ware for ware in self.wares.values() if (ware.shown or 0) > ware.basketed]

    def buy(self, wanted: Sequence[Wanted], pays_within: float | None) -> MarketOrder:
        """Place an order for units that are shown; unpaid for so many seconds, or paid at once."""
        at = self.stamp()
        order = MarketOrder(
            account=self.account,
            order=f"{self.account}-o{len(self.orders) + 1}",
            placed_at=at,
            lines=[
                MarketLine(str(number), ware.listing, ware.sku, units, pickup=pickup)
                for number, (ware, units, pickup) in enumerate(wanted, 1)
            ],
            held_until=None if pays_within is None else at + timedelta(seconds=pays_within),
            modified_at=at,
        )
        self.orders[order.order] = order
        for ware, units, _ in wanted:
            if pays_within is None:
                self._take(ware, units)
            else:
                ware.basketed += units
        self._publish(order, "placed" if pays_within is None else "placed, unpaid")
        return order

    def pay(self, order: MarketOrder) -> None:
        """Let its buyer pay."""
        for line in order.lines:
            ware = self.wares[line.listing]
            ware.basketed -= line.open
            self._take(ware, line.open)
        order.held_until = None
        self._publish(order, "paid")

    def cancel(self, order: MarketOrder, line: MarketLine, units: int) -> None:
        """Cancel open units of a line."""
        line.cancelled += units
        ware = self.wares[line.listing]
        if order.held_until is None:
            self._take(ware, -units)
        else:
            ware.basketed -= units
        self._publish(order, f"line {line.line}: {units} cancelled")

    def lapse(self, order: MarketOrder) -> None:
        """Give up on an order that nobody paid."""
        for line in order.lines:
            self.wares[line.listing].basketed -= line.open
            line.cancelled += line.open
        order.held_until = None
        self._publish(order, "given up, unpaid")

    def ship(self, order: MarketOrder, line: MarketLine, units: int) -> None:
        """Ship open units of a line."""
        line.shipped += units
        self._publish(order, f"line {line.line}: {units} shipped")

    def take_back(self, order: MarketOrder, line: MarketLine, units: int) -> None:
        """Put shipped units back on the shelf."""
        line.returned += units
        self._take(self.wares[line.listing], -units)
        self._publish(order, f"line {line.line}: {units} returned and restocked")

    def _take(self, ware: Ware, units: int) -> None:
        if ware.shown is not None:
            ware.shown = max(0, ware.shown - units)

    def _publish(self, order: MarketOrder, what: str) -> None:
        order.changed(self.stamp())
        skus = {self._watcher.subject(self.account, line.listing): None for line in order.lines}
        lines = ", ".join(map(str, order.lines))
        listings = [line.listing for line in order.lines]
        subjects = filter(None, (self.account, order.order, *listings, *skus))
        self._story.tell(self.account, f"order {order.order} {what}: {lines}", *subjects)
        held_until = None if order.held_until is None else seconds_of(order.held_until)
        self._watcher.order_changed(self.account, order.order, order.claims, held_until)
        self.changed(order.told[-1])

    def orders_after(self, after: datetime) -> list[MarketOrder]:
        """Return orders modified after an instant, oldest change first."""
        found = [order for order in self.orders.values() if order.modified_at > after]
        return sorted(found, key=lambda order: (order.modified_at, order.order))
