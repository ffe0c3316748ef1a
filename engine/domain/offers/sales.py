"""One SKU in the last four weeks: units sold by day and by who sold them, and the days on which it could be bought."""

from collections.abc import Iterable
from typing import Final

WINDOW_DAYS: Final = 28
"""Four of each day of the week: long enough for slow sellers, short enough to follow a season."""

_SELLERS_MAX: Final = 1 << 13
"""An account counts twice: for what it sold as it is, and within bundles."""


class History:
    """Sales are added up when somebody asks, once per change; days in stock are bits."""

    __slots__ = ("_before", "_day", "_days", "_position", "_sellable", "cells", "sums", "sums_day")

    def __init__(self) -> None:
        """Start without any sale, and never in stock."""
        self._days = 0
        """Days that ended in stock or were in stock for a moment; bit 0 is `_day`, bit 1 the day before."""
        self._day = 0
        self._sellable = False
        self._position = -1
        self._before = (0, 0, False)
        self.cells: dict[int, int] | None = None
        """Units by day and seller; None: nothing was ever sold."""
        self.sums: dict[int, int] | None = None
        """Units in the window by seller, as of `sums_day`."""
        self.sums_day = 0

    # -- sales

    def count(self, day: int, seller: int, units: int) -> None:
        """Add units to what a seller sold on a day; negative: take back what was counted."""
        if self.cells is None:
            self.cells = {}
        cell = day * _SELLERS_MAX + seller
        self.cells[cell] = self.cells.get(cell, 0) + units
        assert self.cells[cell] >= 0, "no more is taken back than was counted"
        self.sums = None

    def sold(self, today: int) -> dict[int, int]:
        """Return the units sold in the window, by seller."""
        if self.cells is None:
            return {}
        if self.sums is None or self.sums_day != today:
            first = (today - WINDOW_DAYS + 1) * _SELLERS_MAX
            for cell in [cell for cell in self.cells if cell < first]:
                del self.cells[cell]
            self.sums, self.sums_day = {}, today
            for cell, units in self.cells.items():
                seller = cell % _SELLERS_MAX
                self.sums[seller] = self.sums.get(seller, 0) + units
        return self.sums

    def sales(self, today: int) -> Iterable[tuple[int, int, int]]:
        """Return day, seller and units of all that was sold in the window."""
        first = today - WINDOW_DAYS + 1
        for cell, units in (self.cells or {}).items():
            day, seller = divmod(cell, _SELLERS_MAX)
            if units and day >= first:
                yield day, seller, units

    # -- days in stock

    def stocked(self, day: int, position: int, *, sellable: bool) -> None:
        """Note whether there is any; what one frame told before about this SKU is replaced."""
        if position != self._position:
            if sellable is self._sellable and day == self._day:
                return
            self._before, self._position = (self._days, self._day, self._sellable), position
        days, since, was = self._before
        self._days = _turn(days, since, day, in_stock=was) | sellable
        self._day, self._sellable = max(day, since), sellable

    def inherit(self, other: "History", today: int) -> None:
        """Count the days until today of another SKU that turned out to be this one: either of them could be bought."""
        self._days = self.days(today) | other.days(today)
        self._day = max(self._day, today)

    def days(self, today: int) -> int:
        """Return the days of the window on which it could be bought, as bits: bit 0 is today."""
        return _turn(self._days, self._day, today, in_stock=self._sellable)

    def recall(self, day: int, days: int, *, sellable: bool) -> None:
        """Take in the days in stock, and whether there was any, as of a day."""
        self._day, self._days, self._sellable = day, days, sellable

    @property
    def sellable(self) -> bool:
        """Whether there was any when it was told last."""
        return self._sellable

    def facts(self, today: int) -> tuple[object, ...]:
        """Return what replay must find again, brought to one day."""
        return self.days(today), self._sellable

    @property
    def day(self) -> int:
        """The newest day it was told of."""
        return self._day


def _turn(days: int, since: int, today: int, *, in_stock: bool) -> int:
    """Move the bits of days on to today; those in between were as the last one ended."""
    passed = today - since
    if passed <= 0:
        return days
    if passed >= WINDOW_DAYS:
        return (1 << WINDOW_DAYS) - 1 if in_stock else 0
    days <<= passed
    if in_stock:
        days |= (1 << passed) - 1
    return days & ((1 << WINDOW_DAYS) - 1)
