"""What each SKU sells: units per account and day, and the days it could be bought, over the last four weeks.

A projection of the journal: replay makes of it what live running made. Sales are levels, as orders are: a line counts
with the units that it has not cancelled, on the day (UTC) its order was placed, so an order that is read late, twice
or corrected later counts once and on its own day. A committed hold counts on the day of its commit, until its order's
own lines take over. A return does not undo a sale: somebody had wanted it.

A line that was sold as a bundle counts for the bundle, as it was sold, and for each component with the units in it; it
is known which of a component's sales were within bundles. A SKU that was merged into another one leaves it all.

Every event is O(1), in the SKUs of an order line. What a SKU sold is summed when somebody asks, once per change.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Final, NamedTuple

from msgspec.structs import astuple

from engine.domain.events import DemandLapsed, DemandSet, HoldCommitted, Line, OrderRecorded, SkuMerged
from engine.domain.offers.sales import WINDOW_DAYS, History
from engine.domain.stated.offers import DemandStated, SoldStated
from engine.domain.stock.book import hold_line_id, units_of
from engine.domain.units import AccountId, LineId, OrderId, Sku

_FORGOTTEN_MAX: Final = 4
"""Lines forgotten per line that is told: the backlog shrinks, and no event has to pay for a whole day."""
_DAY_SECONDS: Final = 86_400.0
_NEVER: Final = 1 << 32
"""Days from now."""

Sold = Callable[[Sku, AccountId, int, datetime], None]
"""Told of each change of what an account sold: SKU, account, units (negative: cancelled), when it was decided."""

_Within = tuple[Sku, int]
"""The bundle that a component was sold in, and how many are in one if its line is the one to count bundles by; else 0.

Every component's line follows the bundle's; one of them is enough to count by.
"""


class _Line(NamedTuple):
    day: int
    units: int
    reserved: int
    """Part of them that lapses unless it is paid."""
    within: _Within | None
    """None: it was sold as it is."""


_LineKey = tuple[Sku, AccountId, OrderId, LineId]
_Seller = tuple[AccountId, bool]
"""An account, and whether it sold the SKU within bundles."""


class Demand:
    """What sold when, of every SKU that ever sold or could be sold."""

    def __init__(self, sold: Sold | None = None) -> None:
        """Start knowing nothing; `sold` hears of every change."""
        self._told = sold
        self._sellers: dict[_Seller, int] = {}
        self._histories: dict[Sku, History] = {}
        self._lines: dict[_LineKey, _Line] = {}
        self._aging: dict[int, list[_LineKey]] = {}
        """Lines by their day, to be forgotten when that leaves the window..."""
        self._oldest_day = _NEVER
        """...and the first of those days."""
        self._position = 0
        """Of the frame that is being told."""
        self._order: tuple[AccountId, OrderId, int] | None = None
        """The order whose lines come next, and its day..."""
        self._bundles: dict[LineId, tuple[Sku, Sequence[Line]]] = {}
        """...and those of its lines that were sold as bundles: SKU, and what one is made of."""
        self._ended: dict[_LineKey, _Line] = {}
        """What ended though its order did not tell so: a merge takes lines off one SKU before it says where they go."""

    # -- what is told

    def apply(self, event: OrderRecorded | DemandSet | DemandLapsed | SkuMerged, position: int = 0) -> None:
        """Take in what an order line claims now. Its order is told first, in the same frame.

        Args:
            event: what is durable.
            position: of its frame: what follows in another one is not of the order that was told last.
        """
        if position != self._position:
            self._position, self._order, self._bundles = position, None, {}
            self._ended.clear()
        match event:
            case OrderRecorded(snapshot=order, at=at):
                self._order = order.account, order.order_id, min(order.placed_at, at).toordinal()
                self._bundles = {
                    line.line_id: (sku, made_of)
                    for line, sku, made_of in zip(order.lines, event.skus, event.components, strict=False)
                    if made_of and sku is not None
                }
                self._ended.clear()
            case DemandSet():
                reserved = units_of(event.reserved)
                units = units_of(event.committed) + reserved + units_of(event.shipped)
                key = self._key(event)
                if not units and key in self._lines and not self._is_told(event):
                    self._ended[key] = self._lines[key]
                self._set(key, self._line_of(event, units, reserved), event.at)
            case DemandLapsed():
                key = self._key(event)
                known = self._lines.get(key)
                if known is not None:
                    self._set(key, known._replace(units=known.units - known.reserved, reserved=0), event.at)
            case SkuMerged():
                self._merge(event)

    def committed(self, event: HoldCommitted, units: int) -> None:
        """Take in a sale without an order's lines.

        Args:
            event: its own; one that is not owed is counted by its order.
            units: what the hold's line claims by now; 0 when its order's lines have taken over.
        """
        if event.owed:
            order_id = event.order_id or OrderId(event.hold_id)
            key = (event.sku, event.account, order_id, hold_line_id(event.hold_id))
            self._set(key, _Line(event.at.toordinal(), units, 0, None), event.at)

    def stocked(self, sku: Sku, position: int, at: datetime, *, sellable: bool) -> None:
        """Take in whether there is any of a SKU, as of a frame of the journal; of one frame the last word counts."""
        history = self._histories.get(sku)
        if history is None:
            if not sellable:
                return
            history = self._histories[sku] = History()
        history.stocked(at.toordinal(), position, sellable=sellable)

    # -- what it shows

    def daily_sales(self, sku: Sku, at: datetime) -> float | None:
        """Return units sold on a day in stock, over all accounts; None: it was neither in stock nor sold.

        Of a component, those that went within bundles are among them.
        """
        history = self._histories.get(sku)
        if history is None:
            return None
        today = at.toordinal()
        return _mean(sum(history.sold(today).values()), history.days(today))

    def daily_sales_of_bundle(self, bundle: Sku, leaves: Sequence[Line], at: datetime) -> float | None:
        """Return units sold of a bundle on a day on which all that it is made of was in stock; None: none was."""
        today = at.toordinal()
        days = (1 << WINDOW_DAYS) - 1
        for leaf, _ in leaves:
            of_leaf = self._histories.get(leaf)
            days &= of_leaf.days(today) if of_leaf is not None else 0
        history = self._histories.get(bundle)
        sold = {} if history is None else history.sold(today)
        own = [sold.get(seller, 0) for (_, within), seller in self._sellers.items() if not within]
        return _mean(sum(own), days)

    def rate_elsewhere(self, sku: Sku, account: AccountId, at: datetime) -> float:
        """Return units that are sold in a second of a day in stock, but for those an account sells as they are.

        What it sells of the SKU within bundles counts: its listing of the SKU does not know of that either.
        """
        return self._rate(sku, self._sold_as_it_is(sku, account, at), at)

    def rate_beside(self, component: Line, bundle: Sku, account: AccountId, at: datetime) -> float:
        """Return units of a bundle's component that are sold in a second, but for those in what an account sells of it.

        Args:
            component: SKU with stock, and how many of it are in one of the bundle.
            bundle: whose listing asks.
            account: where that is.
            at: demand is that of this instant.
        """
        sku, units = component
        return self._rate(sku, units * self._sold_as_it_is(bundle, account, at), at)

    def sold_by(self, sku: Sku, account: AccountId, at: datetime) -> int:
        """Return units that an account sold within the window, as they are and within bundles."""
        history = self._histories.get(sku)
        if history is None:
            return 0
        sold = history.sold(at.toordinal())
        return sum(sold.get(self._sellers.get((account, within), -1), 0) for within in (False, True))

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

    # -- snapshots

    def state(self, as_of: datetime) -> Iterator[DemandStated]:
        """Say what each SKU sold within the window, line by line, and when there was any of it."""
        today = as_of.toordinal()
        lines = sorted(key for key, line in self._lines.items() if line.day > today - WINDOW_DAYS)
        sold = {sku: list(keys) for sku, keys in groupby(lines, itemgetter(0))}
        for sku in sorted(self._histories.keys() | sold.keys()):
            history = self._histories.get(sku)
            days, sellable = (0, False) if history is None else (history.days(today), history.sellable)
            keys = sold.get(sku, ())
            if keys or days or sellable:
                yield DemandStated(
                    sku=sku,
                    day=today,
                    days=days,
                    sellable=sellable,
                    lines=tuple([_state_line(key, self._lines[key]) for key in keys]),
                )

    def restore(self, statement: DemandStated) -> None:
        """Take in one of what `state` says; nobody is told, for nothing is sold now."""
        sku = statement.sku
        if statement.days or statement.sellable:
            history = self._histories[sku] = History()
            history.recall(statement.day, statement.days, sellable=statement.sellable)
        for account, order_id, line_id, day, units, reserved, bundle, in_one in map(astuple, statement.lines):
            within = None if bundle is None else (bundle, in_one)
            self._put((sku, account, order_id, line_id), _Line(day, units, reserved, within))

    # -- how

    def _key(self, event: DemandSet | DemandLapsed) -> _LineKey:
        return event.sku, event.account, event.order_id, event.line_id

    def _is_told(self, event: DemandSet) -> bool:
        """Whether a line comes from the order that was told last."""
        return self._order is not None and self._order[:2] == (event.account, event.order_id)

    def _line_of(self, event: DemandSet, units: int, reserved: int) -> _Line | None:
        """Say how a line counts; None: on no day, for no order in the window brought it."""
        if self._order is not None and self._is_told(event):
            sold_as = self._bundles.get(event.line_id)
            if sold_as is None:
                return _Line(self._order[2], units, reserved, None)
            bundle, made_of = sold_as
            counted_by, in_one = made_of[0]
            return _Line(self._order[2], units, reserved, (bundle, in_one if event.sku == counted_by else 0))
        known = self._lines.get(self._key(event))
        return None if known is None else known._replace(units=units, reserved=reserved)

    def _set(self, key: _LineKey, line: _Line | None, at: datetime) -> None:
        """Bring a line to its level, and the bundle's that it is a part of."""
        today = at.toordinal()
        self._forget(today)
        if line is None or line.day <= today - WINDOW_DAYS:
            return
        known = self._lines.get(key)
        if known == line or (known is None and line.units == 0):
            return
        change = line.units - (known.units if known is not None else 0)
        self._put(key, line)
        if change and self._told is not None:
            self._told(key[0], key[1], change, at)
        before, after = _bundle_line(key, known), _bundle_line(key, line)
        if before is not None and (after is None or before[0] != after[0]):
            self._set(before[0], before[1]._replace(units=0, reserved=0), at)
        if after is not None:
            self._set(*after, at)

    def _put(self, key: _LineKey, line: _Line) -> None:
        """Count a line instead of what was counted of it before."""
        known = self._lines.get(key)
        if known is not None:
            self._count(key, known, -known.units)
        if known is None or known.day != line.day:
            self._aging.setdefault(line.day, []).append(key)
            self._oldest_day = min(self._oldest_day, line.day)
        self._lines[key] = line
        self._count(key, line, line.units)

    def _count(self, key: _LineKey, line: _Line, units: int) -> None:
        history = self._histories.get(key[0])
        if history is None:
            history = self._histories[key[0]] = History()
        seller = (key[1], line.within is not None)
        history.count(line.day, self._sellers.setdefault(seller, len(self._sellers)), units)

    def _merge(self, event: SkuMerged) -> None:
        """Let the other SKU have sold it all, on the same days: nobody sells anything now, so nobody is told."""
        for key, line in self._ended.items():
            heir = (event.into, *key[1:])
            if key[0] == event.sku and heir not in self._lines:
                self._put(heir, line)
                bundle = _bundle_line(key, line)
                if bundle is not None:
                    self._put(*bundle)
        self._ended.clear()
        gone = self._histories.pop(event.sku, None)
        if gone is not None:
            self._histories.setdefault(event.into, History()).inherit(gone, event.at.toordinal())

    def _sold_as_it_is(self, sku: Sku, account: AccountId, at: datetime) -> int:
        history, seller = self._histories.get(sku), self._sellers.get((account, False), -1)
        return 0 if history is None else history.sold(at.toordinal()).get(seller, 0)

    def _rate(self, sku: Sku, less: int, at: datetime) -> float:
        history = self._histories.get(sku)
        if history is None or history.cells is None:
            return 0.0
        today = at.toordinal()
        sold = sum(history.sold(today).values()) - less
        return sold / (max(1, history.days(today).bit_count()) * _DAY_SECONDS) if sold > 0 else 0.0

    def _forget(self, today: int) -> None:
        for _ in range(_FORGOTTEN_MAX):
            day = self._oldest_day
            if day > today - WINDOW_DAYS:
                return
            key = self._aging[day].pop()
            if not self._aging[day]:
                del self._aging[day]
                self._oldest_day = min(self._aging, default=_NEVER)
            known = self._lines.get(key)
            if known is not None and known.day == day:
                del self._lines[key]

    def _today(self) -> int:
        return max((history.day for history in self._histories.values()), default=0)

    def _facts(self, today: int) -> tuple[object, ...]:
        names = {index: seller for seller, index in self._sellers.items()}
        sold = {
            (sku, day, names[seller]): units
            for sku, history in self._histories.items()
            for day, seller, units in history.sales(today)
        }
        stocked = {sku: history.facts(today) for sku, history in self._histories.items() if any(history.facts(today))}
        return sold, stocked, self._lines


def _mean(sold: int, days: int) -> float | None:
    return sold / max(1, days.bit_count()) if sold or days else None


def _state_line(key: _LineKey, line: _Line) -> SoldStated:
    bundle, in_one = line.within or (None, 0)
    return SoldStated(*key[1:], line.day, line.units, line.reserved, bundle, in_one)


def _bundle_line(key: _LineKey, line: _Line | None) -> tuple[_LineKey, _Line] | None:
    """Return the line of the bundle that a component's line counts; None: it counts none."""
    if line is None or line.within is None or not line.within[1]:
        return None
    bundle, in_one = line.within
    return (bundle, *key[1:]), _Line(line.day, line.units // in_one, line.reserved // in_one, None)
