"""What each SKU sells: units per account and day, and the days it could be bought, over the last four weeks.

A projection of the journal: replay makes of it what live running made. Sales are levels, as orders are: a line counts
with the units that it has not cancelled, on the day (UTC) its order was placed, so an order that is read late, twice
or corrected later counts once and on its own day. A committed hold counts on the day of its commit, until its order's
own lines take over. A return does not undo a sale: somebody had wanted it.

Every event is O(1). What a SKU sold is summed when somebody asks, once per change.
"""

from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from engine.domain.events import DemandLapsed, DemandSet, HoldCommitted, OrderRecorded
from engine.domain.stock.book import hold_line_id, units_of
from engine.domain.units import AccountId, LineId, OrderId, Sku

WINDOW_DAYS = 28
"""Four of each day of the week: long enough for slow sellers, short enough to follow a season."""

_FORGOTTEN_MAX = 4
"""Lines forgotten per line that is told: the backlog shrinks, and no event has to pay for a whole day."""
_ACCOUNTS_MAX = 1 << 12
_DAY_SECONDS = 86_400.0

Sold = Callable[[Sku, AccountId, int, datetime], None]
"""Told of each change of what an account sold: SKU, account, units (negative: cancelled), when it was decided."""


class _Line(NamedTuple):
    day: int
    units: int
    reserved: int
    """Part of them that lapses unless it is paid."""


_LineKey = tuple[Sku, AccountId, OrderId, LineId]


class _History:
    """One SKU: the days in stock as bits, and the units sold by day and account."""

    __slots__ = ("_before", "_day", "_days", "_position", "_sellable", "cells", "sums", "sums_day")

    def __init__(self) -> None:
        self._days = 0
        """Days that ended in stock or were in stock for a moment; bit 0 is `_day`, bit 1 the day before."""
        self._day = 0
        self._sellable = False
        self._position = -1
        self._before = (0, 0, False)
        self.cells: dict[int, int] | None = None
        """Units by day and account; None: nothing was ever sold."""
        self.sums: dict[int, int] | None = None
        """Units in the window by account, as of `sums_day`."""
        self.sums_day = 0

    def stocked(self, day: int, position: int, *, sellable: bool) -> None:
        """Note whether there is any; what one frame told before about this SKU is replaced."""
        if position != self._position:
            if sellable is self._sellable and day == self._day:
                return
            self._before, self._position = (self._days, self._day, self._sellable), position
        days, since, was = self._before
        self._days = _turn(days, since, day, in_stock=was) | sellable
        self._day, self._sellable = max(day, since), sellable

    def days_in_stock(self, today: int) -> int:
        """Count days of the window on which it could be bought, today included."""
        return _turn(self._days, self._day, today, in_stock=self._sellable).bit_count()

    def facts(self, today: int) -> tuple[object, ...]:
        """Return what replay must find again, brought to one day."""
        days = _turn(self._days, self._day, today, in_stock=self._sellable)
        return days, self._sellable

    @property
    def day(self) -> int:
        """The newest day it was told of."""
        return self._day


class Demand:
    """What sold when, of every SKU that ever sold or could be sold."""

    def __init__(self, sold: Sold | None = None) -> None:
        """Start knowing nothing; `sold` hears of every change."""
        self._told = sold
        self._accounts: dict[AccountId, int] = {}
        self._histories: dict[Sku, _History] = {}
        self._lines: dict[_LineKey, _Line] = {}
        self._aging: deque[tuple[int, _LineKey]] = deque()
        """Lines by the time they were first told; the oldest are forgotten when their day leaves the window."""
        self._order: tuple[AccountId, OrderId, int] | None = None
        """The order whose lines come next, and its day."""

    # -- what is told

    def apply(self, event: OrderRecorded | DemandSet | DemandLapsed) -> None:
        """Take in what an order line claims now. Its order is told first, in the same frame."""
        match event:
            case OrderRecorded(snapshot=order, at=at):
                self._order = order.account, order.order_id, min(order.placed_at, at).toordinal()
            case DemandSet():
                reserved = units_of(event.reserved)
                units = units_of(event.committed) + reserved + units_of(event.shipped)
                self._set(self._key(event), self._day_of(event), units, reserved, event.at)
            case DemandLapsed():
                known = self._lines.get(self._key(event))
                if known is not None:
                    self._set(self._key(event), known.day, known.units - known.reserved, 0, event.at)

    def committed(self, event: HoldCommitted, units: int) -> None:
        """Take in a sale without an order's lines.

        Args:
            event: its own; one that is not owed is counted by its order.
            units: what the hold's line claims by now; 0 when its order's lines have taken over.
        """
        if event.owed:
            order_id = event.order_id or OrderId(event.hold_id)
            key = (event.sku, event.account, order_id, hold_line_id(event.hold_id))
            self._set(key, event.at.toordinal(), units, 0, event.at)

    def stocked(self, sku: Sku, position: int, at: datetime, *, sellable: bool) -> None:
        """Take in whether there is any of a SKU, as of a frame of the journal; of one frame the last word counts."""
        history = self._histories.get(sku)
        if history is None:
            if not sellable:
                return
            history = self._histories[sku] = _History()
        history.stocked(at.toordinal(), position, sellable=sellable)

    # -- what it shows

    def daily_sales(self, sku: Sku, at: datetime) -> float | None:
        """Return units sold on a day in stock, over all accounts; None: it was neither in stock nor sold."""
        history = self._histories.get(sku)
        if history is None:
            return None
        today = at.toordinal()
        sold, days = sum(self._sums(history, today).values()), history.days_in_stock(today)
        return sold / max(1, days) if sold or days else None

    def rate_elsewhere(self, sku: Sku, account: AccountId, at: datetime) -> float:
        """Return units that all other accounts sell in a second of a day in stock."""
        history = self._histories.get(sku)
        if history is None or history.cells is None:
            return 0.0
        today = at.toordinal()
        sums, own = self._sums(history, today), self._accounts.get(account, -1)
        sold = sum(units for index, units in sums.items() if index != own)
        return sold / (max(1, history.days_in_stock(today)) * _DAY_SECONDS) if sold else 0.0

    def sold_by(self, sku: Sku, account: AccountId, at: datetime) -> int:
        """Return units that an account sold within the window."""
        history, index = self._histories.get(sku), self._accounts.get(account)
        return 0 if history is None or index is None else self._sums(history, at.toordinal()).get(index, 0)

    def __len__(self) -> int:
        """Count order lines that are remembered."""
        return len(self._lines)

    def __eq__(self, other: object) -> bool:
        """Compare every figure, as of the newest day that either knows: replay equals live."""
        if not isinstance(other, Demand):
            return False
        today = max(self._today(), other._today())
        return self._facts(today) == other._facts(today)

    __hash__ = None  # type: ignore[assignment]

    # -- how

    def _key(self, event: DemandSet | DemandLapsed) -> _LineKey:
        return event.sku, event.account, event.order_id, event.line_id

    def _day_of(self, event: DemandSet) -> int | None:
        if self._order is not None and self._order[:2] == (event.account, event.order_id):
            return self._order[2]
        known = self._lines.get(self._key(event))
        return None if known is None else known.day

    def _set(self, key: _LineKey, day: int | None, units: int, reserved: int, at: datetime) -> None:
        """Bring a line to its level. One that no order in the window brought counts on no day."""
        today = at.toordinal()
        self._forget(today)
        if day is None or day <= today - WINDOW_DAYS:
            return
        known = self._lines.get(key)
        if known is None:
            if units == 0:
                return
            self._aging.append((day, key))
        elif known == (day, units, reserved):
            return
        else:
            self._count(key, known.day, -known.units)
            if known.day != day:
                self._aging.append((day, key))
        self._lines[key] = _Line(day, units, reserved)
        self._count(key, day, units)
        change = units - (known.units if known is not None else 0)
        if change and self._told is not None:
            self._told(key[0], key[1], change, at)

    def _count(self, key: _LineKey, day: int, units: int) -> None:
        history = self._histories.get(key[0])
        if history is None:
            history = self._histories[key[0]] = _History()
        if history.cells is None:
            history.cells = {}
        cell = day * _ACCOUNTS_MAX + self._accounts.setdefault(key[1], len(self._accounts))
        history.cells[cell] = history.cells.get(cell, 0) + units
        assert history.cells[cell] >= 0, "no more is taken back than was counted"
        history.sums = None

    def _sums(self, history: _History, today: int) -> dict[int, int]:
        if history.cells is None:
            return {}
        if history.sums is None or history.sums_day != today:
            first = (today - WINDOW_DAYS + 1) * _ACCOUNTS_MAX
            for cell in [cell for cell in history.cells if cell < first]:
                del history.cells[cell]
            history.sums, history.sums_day = {}, today
            for cell, units in history.cells.items():
                account = cell % _ACCOUNTS_MAX
                history.sums[account] = history.sums.get(account, 0) + units
        return history.sums

    def _forget(self, today: int) -> None:
        for _ in range(_FORGOTTEN_MAX):
            if not self._aging or self._aging[0][0] > today - WINDOW_DAYS:
                return
            day, key = self._aging.popleft()
            known = self._lines.get(key)
            if known is not None and known.day == day:
                del self._lines[key]

    def _today(self) -> int:
        return max((history.day for history in self._histories.values()), default=0)

    def _facts(self, today: int) -> tuple[object, ...]:
        names = {index: account for account, index in self._accounts.items()}
        first = today - WINDOW_DAYS + 1
        sold = {
            (sku, cell // _ACCOUNTS_MAX, names[cell % _ACCOUNTS_MAX]): units
            for sku, history in self._histories.items()
            for cell, units in (history.cells or {}).items()
            if units and cell // _ACCOUNTS_MAX >= first
        }
        stocked = {sku: history.facts(today) for sku, history in self._histories.items() if any(history.facts(today))}
        return sold, stocked, self._lines


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
