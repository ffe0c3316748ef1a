"""Which SKUs run low, run out and come back: bands of available to promise, and what a change of band means.

What is kept of a SKU is its level and, where that is not enough, its band. A SKU that was empty when it was first heard
of is not news, nor that it then comes in stock: a new catalogue would be one alert per line. Only what was there and
goes, and comes back, is told.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from enum import IntEnum
from typing import Final, NamedTuple

import msgspec

from engine.domain.alerts import AlertKey, AlertKind, Finding
from engine.domain.availability import Availability
from engine.domain.catalogue.making import count_available
from engine.domain.events import SkuMerged, SkuRetired, SkuRevived
from engine.domain.stated.alerts import UnsoldStated
from engine.domain.stated.parts import in_parts
from engine.domain.stock.places import ONE_POOL, Pool, Pools
from engine.domain.units import LocationId, Sku
from engine.machines.alerts.findings import Findings

_UNSOLD_TOGETHER: Final = 1000
"""SKUs in one statement."""


class Band(IntEnum):
    """How much there is of a SKU, from enough to less than nothing."""

    ENOUGH = 0
    LOW = 1
    OUT = 2
    NEGATIVE = 3


class LowStockTerms(msgspec.Struct, frozen=True, kw_only=True):
    """From when on a SKU runs low."""

    units: int = 5
    """At most so many units available; 0: never low by units."""
    days: float = 3.0
    """Sold within so many days, at the mean of its daily sales; 0: never low by days."""


_OF_BAND: Mapping[Band, AlertKind] = {
    Band.LOW: AlertKind.LOW_STOCK,
    Band.OUT: AlertKind.OUT_OF_STOCK,
    Band.NEGATIVE: AlertKind.NEGATIVE_ATP,
}


class _Seen(NamedTuple):
    """A SKU at one look."""

    sku: Sku
    atp: int
    terms: LowStockTerms
    sales: float | None = None
    """On a day in stock, where that may matter..."""
    sales_before: float | None = None
    """...and what they were when the predecessor last looked, where days have passed since then."""
    level: Availability | None = None
    """Of a bundle: what it is made of."""

    @property
    def band(self) -> Band:
        """How much that is. Of a bundle none is owed: its components are, and have alerts of their own."""
        if self.atp < 0:
            return Band.NEGATIVE
        if self.atp == 0:
            return Band.OUT
        if self.atp <= self.terms.units or (self.sales is not None and self.atp < self.terms.days * self.sales):
            return Band.LOW
        return Band.ENOUGH


class StockLevels:
    """The level of every SKU that was ever heard of.

    An alert of a band begins when the SKU comes into it and ends when the SKU is better off than that: of a SKU that
    falls from plenty to nothing only the worst is said, and what was said before stands until it is not true any more.
    """

    def __init__(
        self,
        findings: Findings,
        *,
        terms: LowStockTerms,
        terms_of: Mapping[Sku, LowStockTerms],
        daily_sales: Callable[[Sku, datetime], float | None],
        unsettled: Callable[[AlertKey, Iterable[Sku]], bool],
        pools: Pools = ONE_POOL,
    ) -> None:
        """Start without any SKU.

        Args:
            findings: told of what begins and ends.
            terms: for every SKU...
            terms_of: ...but for these.
            daily_sales: mean units sold on a day in stock; None: not known.
            unsettled: whether an alert of this may be due although the SKU is heard of for the first time: it, or one
                of the SKUs given beside it, moved so late that its predecessor died before it could say so, or the
                alert is known.
            pools: which locations make good what another one is short of.
        """
        self.judged_until: datetime | None = None
        """When the predecessor was last known to look, if there was one: what time alone changed since then is news."""
        self._findings = findings
        self._terms = terms
        self._terms_of = terms_of
        self._daily_sales = daily_sales
        self._unsettled = unsettled
        self._pools = pools
        self._levels: dict[Sku, int] = {}
        """Available to promise; of bundles, how many can be made."""
        self._bands: dict[Sku, Band] = {}
        """Of those that there is not enough of."""
        self._bundles: set[Sku] = set()
        """Of these nothing is sold but their components: units alone decide."""
        self._new: set[Sku] = set()
        """SKUs that nothing was ever available of, as far as is known."""
        self._retired: set[Sku] = set()
        """Nobody orders these again: that one runs out is what is wanted. Oversold, it still matters."""

    def look(self, level: Availability, now: datetime) -> None:
        """Take in what there is of a SKU now over all locations, or how many of a bundle can be made of it."""
        sku = level.sku
        terms = self._terms_of.get(sku, self._terms)
        if level.components:
            self._bundles.add(sku)
            self._take(_Seen(sku, self._count_makeable(level), terms, level=level))
            return
        self._bundles.discard(sku)
        atp = self._pools.sum_up(level.atp)
        if self._stays_enough(sku, atp, terms, now):
            self._levels[sku] = atp
            return
        since = self.judged_until
        before = None  # asked for first: demand forgets what lies behind the newest day it was asked for
        if sku not in self._levels and since is not None and since.date() != now.date():
            before = self._sales_of(sku, atp, terms, since)
        self._take(_Seen(sku, atp, terms, self._sales_of(sku, atp, terms, now), before))

    def skus(self) -> list[Sku]:
        """Return every SKU that was heard of, to be judged again some at a time."""
        return list(self._levels)

    def judge_again(self, skus: Iterable[Sku], now: datetime) -> None:
        """Look at some SKUs again whose stock is what it was: a day has passed, and demand is another."""
        for sku in skus:
            atp, terms = self._levels.get(sku, 0), self._terms_of.get(sku, self._terms)
            if atp > 0 and sku not in self._bundles:
                self._take(_Seen(sku, atp, terms, self._sales_of(sku, atp, terms, now)))

    def retire(self, event: SkuRetired | SkuMerged) -> None:
        """A SKU is not sold any more, or is another one."""
        self._retired.add(event.sku)
        for band in (Band.LOW, Band.OUT):
            self._findings.end((_OF_BAND[band], event.sku))
        if self._bands.get(event.sku) is not Band.NEGATIVE:
            self._bands.pop(event.sku, None)

    def revive(self, event: SkuRevived) -> None:
        """It is sold again; how much there is now is no news."""
        self._retired.discard(event.sku)
        self._levels.pop(event.sku, None)
        self._bands.pop(event.sku, None)

    def state(self, as_of: datetime) -> Iterator[UnsoldStated]:  # noqa: ARG002
        """Say which SKUs nobody orders again; all else is heard of anew after a restart."""
        yield from (UnsoldStated(skus=some) for some in in_parts(sorted(self._retired), _UNSOLD_TOGETHER))

    def restore(self, statement: UnsoldStated) -> None:
        """Take in one of what `state` says."""
        self._retired.update(statement.skus)

    def _stays_enough(self, sku: Sku, atp: int, terms: LowStockTerms, now: datetime) -> bool:
        """Whether there was enough of a SKU and still is: mostly so, and under load the only question."""
        if atp <= terms.units or sku in self._bands or sku not in self._levels:
            return False
        sales = self._sales_of(sku, atp, terms, now)
        return sales is None or atp >= terms.days * sales

    def _sales_of(self, sku: Sku, atp: int, terms: LowStockTerms, at: datetime) -> float | None:
        return self._daily_sales(sku, at) if terms.days and atp > 0 else None

    def _count_makeable(self, level: Availability) -> int:
        """Count how many of a bundle the components make that lie where one unit can be made of them."""
        pools: dict[Pool, set[LocationId]] = {}
        for _, component in level.components:
            for place, _ in component.atp:
                pools.setdefault(self._pools.of(place), set()).add(place)
        return sum([max(0, count_available(level, places)) for places in pools.values()])

    def _take(self, seen: _Seen) -> None:
        sku, band = seen.sku, seen.band
        if sku in self._retired and band is not Band.NEGATIVE:
            band = Band.ENOUGH
        before = self._bands.get(sku, Band.ENOUGH) if sku in self._levels else None
        self._levels[sku] = seen.atp
        if band == before:
            return
        if band is Band.ENOUGH:
            self._bands.pop(sku, None)
        else:
            self._bands[sku] = band
        is_news = band is not Band.ENOUGH and (before is not None or self._is_late(seen, band))
        if before is None and band >= Band.OUT and not is_news:
            self._new.add(sku)
        for worse in range(band + 1, Band.NEGATIVE + 1):
            if before is None or worse <= before:
                self._findings.end((_OF_BAND[Band(worse)], sku))
        if is_news:
            self._findings.begin(_describe(seen, band))
        if band < Band.OUT and sku in self._new:
            self._new.discard(sku)
        elif before is not None and before >= Band.OUT > band and sku not in self._retired:
            self._findings.happen(_describe_back(seen))

    def _is_late(self, seen: _Seen, band: Band) -> bool:
        """Whether the predecessor may have had no time to say so: it moved just before, or the days did since then."""
        components = () if seen.level is None else tuple(each.sku for _, each in seen.level.components)
        if self._unsettled((_OF_BAND[band], seen.sku), components):
            return True
        before = seen._replace(sales=seen.sales_before)
        return band is Band.LOW and seen.sales_before is not None and before.band is Band.ENOUGH


def _describe(seen: _Seen, band: Band) -> Finding:
    if seen.level is not None:
        return _describe_bundle(seen, seen.level, band)
    sku, atp, terms, sales = seen.sku, seen.atp, seen.terms, seen.sales
    details: tuple[tuple[str, str], ...] = (("sku", sku), ("atp", str(atp)))
    match band:
        case Band.NEGATIVE:
            text = f"{sku}: {-atp} units more are promised or kept back than there are"
        case Band.OUT:
            text = f"{sku}: none is available"
        case _ if sales is not None and sales > 0 and atp > terms.units:
            days = atp / sales
            text = f"{sku}: {atp} available, sold in {days:.1f} days at {sales:.2f} a day (limit {terms.days:g} days)"
            details += (("daily_sales", f"{sales:.2f}"), ("days", f"{days:.1f}"))
        case _:
            text = f"{sku}: {atp} available (limit {terms.units})"
    return Finding(kind=_OF_BAND[band], subject=sku, text=text, details=details)


def _describe_bundle(seen: _Seen, level: Availability, band: Band) -> Finding:
    """Name what is to be bought: the component that the fewest can be made of; among equals the first in SKU order."""
    left = [(sum([units for _, units in each.atp]), units, each.sku) for units, each in level.components]
    least, component, in_one = min([(atp // units, sku, units) for atp, units, sku in left])
    atp = next(atp for atp, _, sku in left if sku == component)
    many = "none can be made" if band is Band.OUT else f"{seen.atp} can be made (limit {seen.terms.units})"
    if least > seen.atp:
        why = f"its components lie apart, {component} alone would make {least}"
    else:
        why = f"{component} binds: {atp} available, {in_one} in each"
    details = (
        ("sku", seen.sku),
        ("atp", str(seen.atp)),
        ("component", component),
        ("component_atp", str(atp)),
        ("units_in_one", str(in_one)),
    )
    return Finding(kind=_OF_BAND[band], subject=seen.sku, text=f"{seen.sku}: {many}; {why}", details=details)


def _describe_back(seen: _Seen) -> Finding:
    text = f"{seen.sku}: {seen.atp} available again"
    details = (("sku", seen.sku), ("atp", str(seen.atp)))
    return Finding(kind=AlertKind.STOCK_BACK, subject=seen.sku, text=text, details=details)
