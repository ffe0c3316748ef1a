"""What the alerter knows of stock: told at any time and as late as may be, looked at some SKUs at a time.

It takes levels, so the newest word of a SKU is all that is kept of it until somebody looks.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from typing import Final, get_args

import trio

from engine.actors.alerting import AlerterSettings
from engine.actors.projections import LAST_MINUTE, Projections
from engine.actors.slices import IDLE, in_slices
from engine.domain.alerts import AlertKey
from engine.domain.availability import Availability
from engine.domain.events import BookEvent, SkuMerged, SkuRetired, SkuRevived
from engine.domain.stock.places import Pools
from engine.domain.units import Sku
from engine.machines.alerts.findings import Findings
from engine.machines.alerts.stocklevels import StockLevels
from engine.ports import Clock

ALERTS: Final = "alerts"
"""The section of a snapshot that says what alerts are made of."""
SKUS_AT_ONCE: Final = 2000
"""SKUs looked at without a checkpoint: a few milliseconds."""
MOVED_SECONDS: Final = 60.0
"""A predecessor that died may not have said what happened so long before: far longer than it ever takes."""


class StockWatch:
    """Hears of stock and demand; `findings` is told what they mean."""

    def __init__(
        self,
        findings: Findings,
        settings: AlerterSettings,
        *,
        daily_sales: Callable[[Sku, datetime], float | None],
        pools: Pools,
        is_known: Callable[[AlertKey], bool],
        clock: Clock,
        stir: Callable[[], None],
    ) -> None:
        """Start without any SKU; `stir` is called when there is something to look at.

        The other arguments are those of `Alerter` and of `Findings`.
        """
        self._settle_seconds = settings.settle_seconds
        self._is_known = is_known
        self._clock = clock
        self._stir = stir
        self.levels = StockLevels(
            findings,
            terms=settings.low_stock,
            terms_of=settings.low_stock_of,
            daily_sales=daily_sales,
            unsettled=self._is_unsettled,
            pools=pools,
        )
        self._changed: dict[Sku, Availability] = {}
        """Newest level of the SKUs that changed since they were looked at. Bounded by the number of SKUs."""
        self._changed_seconds = 0.0
        """When the first of them did."""
        self._settled: dict[Sku, Availability] = {}
        """Those whose time to settle is over and that are to be looked at; what changes meanwhile settles anew."""
        self._moved: OrderedDict[Sku, datetime] = OrderedDict()
        """SKUs that moved in the last minute of the journal. Empty a minute after the start: all were heard of then."""
        self._moved_seconds = 0.0
        """When that is."""
        self._day: date | None = None
        """The day (UTC) that every SKU was judged on."""

    def keep(self, projections: Projections) -> None:
        """Ask for the events that matter here; those of demand are heard of by whoever tells the daily sales."""
        projections.add((SkuRetired,), lambda _position, event: self.levels.retire(event), said_in=ALERTS)
        projections.add((SkuMerged,), lambda _position, event: self._merged(event), said_in=ALERTS)
        projections.add((SkuRevived,), lambda _position, event: self.levels.revive(event), said_in=ALERTS)
        projections.add(get_args(BookEvent), self._note_moved, live=False, said_in=LAST_MINUTE)

    def replayed_until(self, at: datetime) -> None:
        """Hear that the predecessor was there at this instant."""
        self.levels.judged_until = at

    def begin(self) -> None:
        """Take up what the predecessor left: replay is over."""
        self._moved_seconds = trio.current_time() + MOVED_SECONDS
        self._day = self._clock.now().date()

    def availability(self, level: Availability) -> None:
        """Note what there is of a SKU, bundle or not; the newest word counts, however late it comes.

        On the road of every hold: one dictionary entry, no more.
        """
        if not self._changed:
            self._changed_seconds = trio.current_time()
            self._stir()
        self._changed[level.sku] = level

    @property
    def wait_seconds(self) -> float:
        """How long nothing has to be looked at; infinite while nothing waits."""
        if self._settled:
            return 0.0
        if not self._changed:
            return float("inf")
        return self._changed_seconds + self._settle_seconds - trio.current_time()

    def look(self, now: datetime) -> None:
        """Look at what changed, if it had time to settle: some SKUs, others if there are more."""
        if trio.current_time() >= self._moved_seconds:
            self._moved.clear()  # whatever is heard of from now on is heard of as it happens
        if not self._settled and self.wait_seconds <= 0:
            self._settled, self._changed = self._changed, {}
        for _ in range(min(SKUS_AT_ONCE, len(self._settled))):
            sku, level = self._settled.popitem()
            self.levels.look(self._changed.get(sku, level), now)

    def is_new_day(self) -> bool:
        """Whether the day is another one since this was asked last."""
        today = self._clock.now().date()
        before, self._day = self._day, today
        return today != before

    async def judge_again(self) -> None:
        """Look at every SKU again: with the day, demand and with it the days of stock are others."""
        await in_slices(self.levels.skus(), lambda skus: self.levels.judge_again(skus, self._clock.now()), IDLE)

    def _merged(self, event: SkuMerged) -> None:
        """Its demand is the other one's now; no event says how many days that one's stock lasts."""
        self.levels.retire(event)
        self.levels.judge_again((event.into,), self._clock.now())

    def _note_moved(self, _position: int, event: BookEvent) -> None:
        self._moved[event.sku] = event.at
        self._moved.move_to_end(event.sku)
        horizon = event.at - timedelta(seconds=MOVED_SECONDS)
        while next(iter(self._moved.values())) < horizon:
            self._moved.popitem(last=False)

    def _is_unsettled(self, key: AlertKey, components: Iterable[Sku]) -> bool:
        return any(sku in self._moved for sku in (Sku(key[1]), *components)) or self._is_known(key)
