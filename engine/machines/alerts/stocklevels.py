"""Which SKUs run low, run out and come back: bands of available to promise, and what a change of band means.

One small number is kept per SKU. A SKU that was empty when it was first heard of is not news, nor that it then comes
in stock: a new catalogue would be one alert per line. Only what was there and goes, and comes back, is told.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import IntEnum

import msgspec

from engine.domain.alerts import AlertKey, AlertKind, Finding
from engine.domain.events import SkuMerged, SkuRetired, SkuRevived
from engine.domain.units import Sku
from engine.machines.alerts.findings import Findings


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


class StockLevels:
    """The band of every SKU that was ever heard of.

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
        unsettled: Callable[[AlertKey], bool],
    ) -> None:
        """Start without any SKU.

        Args:
            findings: told of what begins and ends.
            terms: for every SKU...
            terms_of: ...but for these.
            daily_sales: mean units sold on a day in stock; None: not known.
            unsettled: whether an alert of this may be due although the SKU is heard of for the first time: its
                predecessor died before it could say so, or the alert rests.
        """
        self._findings = findings
        self._terms = terms
        self._terms_of = terms_of
        self._daily_sales = daily_sales
        self._unsettled = unsettled
        self._bands: dict[Sku, Band] = {}
        self._new: set[Sku] = set()
        """SKUs that nothing was ever available of, as far as is known."""
        self._retired: set[Sku] = set()
        """Nobody orders these again: that one runs out is what is wanted. Oversold, it still matters."""

    def look(self, sku: Sku, atp: int, now: datetime) -> None:
        """Take in what there is of a SKU now over all locations; it may be negative."""
        terms = self._terms_of.get(sku, self._terms)
        sales = self._daily_sales(sku, now) if terms.days and atp > 0 else None
        band = _band(atp, terms, sales)
        if sku in self._retired and band is not Band.NEGATIVE:
            band = Band.ENOUGH
        before = self._bands.get(sku)
        if band == before:
            return
        self._bands[sku] = band
        if before is None and band >= Band.OUT and not self._unsettled((_OF_BAND[band], sku)):
            self._new.add(sku)
        for worse in range(band + 1, Band.NEGATIVE + 1):
            if before is None or worse <= before:
                self._findings.end((_OF_BAND[Band(worse)], sku))
        if band is not Band.ENOUGH and self._is_news(sku, band, before):
            self._findings.begin(_describe(sku, band, atp, terms, sales))
        if band < Band.OUT and sku in self._new:
            self._new.discard(sku)
        elif before is not None and before >= Band.OUT > band and sku not in self._retired:
            self._findings.happen(_describe_back(sku, atp))

    def retire(self, event: SkuRetired | SkuMerged) -> None:
        """A SKU is not sold any more, or is another one."""
        self._retired.add(event.sku)
        for band in (Band.LOW, Band.OUT):
            self._findings.end((_OF_BAND[band], event.sku))
        if self._bands.get(event.sku, Band.NEGATIVE) is not Band.NEGATIVE:
            self._bands[event.sku] = Band.ENOUGH

    def revive(self, event: SkuRevived) -> None:
        """It is sold again; how much there is now is no news."""
        self._retired.discard(event.sku)
        self._bands.pop(event.sku, None)

    def _is_news(self, sku: Sku, band: Band, before: Band | None) -> bool:
        return before is not None or self._unsettled((_OF_BAND[band], sku))


def _band(atp: int, terms: LowStockTerms, sales: float | None) -> Band:
    if atp < 0:
        return Band.NEGATIVE
    if atp == 0:
        return Band.OUT
    if atp <= terms.units or (sales is not None and atp < terms.days * sales):
        return Band.LOW
    return Band.ENOUGH


def _describe(sku: Sku, band: Band, atp: int, terms: LowStockTerms, sales: float | None) -> Finding:
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


def _describe_back(sku: Sku, atp: int) -> Finding:
    text = f"{sku}: {atp} available again"
    details = (("sku", sku), ("atp", str(atp)))
    return Finding(kind=AlertKind.STOCK_BACK, subject=sku, text=text, details=details)
