"""How many order lines were cancelled for want of stock: the share that marketplaces fine sellers for (lesson I1)."""

from collections import OrderedDict
from collections.abc import Container, Iterator
from datetime import datetime, timedelta
from typing import Final

import msgspec

from engine.domain.alerts import AlertKey, AlertKind, Finding
from engine.domain.events import DemandSet, OrderRecorded
from engine.domain.orders import OrderSnapshot
from engine.domain.stated.alerts import CancellationsStated
from engine.domain.stated.parts import in_parts
from engine.domain.units import AccountId, LineId, OrderId, Sku
from engine.machines.alerts.findings import Findings

_TOGETHER: Final = 1000
"""Orders, or lines, in one statement."""
ORDERS_MAX: Final = 20_000
"""Orders of an account that are remembered; with more in the window, the newest stand for all. Some 3 MB."""


class CancellationTerms(msgspec.Struct, frozen=True, kw_only=True):
    """When too many lines were cancelled."""

    percent: float = 2.0
    days: float = 7.0
    """Length of the window."""
    lines_min: int = 50
    """Order lines in the window below which the share says nothing."""


class _Window:
    """The orders of one account that came within the last days."""

    def __init__(self) -> None:
        self.orders: OrderedDict[OrderId, tuple[datetime, int]] = OrderedDict()
        """When each was first recorded, and its lines; oldest first."""
        self.lines = 0
        self.cancelled: OrderedDict[tuple[OrderId, LineId], datetime] = OrderedDict()
        """Lines cancelled for want of stock, and when; oldest first."""

    def forget(self, before: datetime) -> None:
        while self.orders:
            came_at, lines = next(iter(self.orders.values()))
            if came_at >= before and len(self.orders) <= ORDERS_MAX:
                break
            self.orders.popitem(last=False)
            self.lines -= lines
        while self.cancelled and next(iter(self.cancelled.values())) < before:
            self.cancelled.popitem(last=False)


class Cancellations:
    """Counts order lines, and those that were cancelled while their SKU was oversold."""

    def __init__(self, findings: Findings, terms: CancellationTerms, oversold: Container[Sku]) -> None:
        """Start without orders; `oversold` are the SKUs with an open incident."""
        self._findings = findings
        self._terms = terms
        self._oversold = oversold
        self._windows: dict[AccountId, _Window] = {}
        self._newest: tuple[int, OrderSnapshot] | None = None

    def recorded(self, event: OrderRecorded, position: int = 0) -> None:
        """Count the lines of an order once; remember it for the changes that it brings, which are in the same frame."""
        snapshot = event.snapshot
        window = self._window(snapshot.account, event.at)
        self._newest = position, snapshot
        if snapshot.order_id not in window.orders:
            window.orders[snapshot.order_id] = (event.at, len(snapshot.lines))
            window.lines += len(snapshot.lines)
        if _says_out_of_stock(snapshot):
            for line in snapshot.lines:
                if line.cancelled:
                    window.cancelled.setdefault((snapshot.order_id, line.line_id), event.at)
        self._judge(snapshot.account, event.at)

    def changed(self, event: DemandSet, position: int = 0) -> None:
        """Count a line that was cancelled, in whole or in part, while more of its SKU was promised than there is."""
        if self._newest is None or event.sku not in self._oversold:
            return
        told_at, snapshot = self._newest
        if told_at != position or (snapshot.account, snapshot.order_id) != (event.account, event.order_id):
            return
        if any(line.line_id == event.line_id and line.cancelled for line in snapshot.lines):
            self._window(event.account, event.at).cancelled.setdefault((event.order_id, event.line_id), event.at)
            self._judge(event.account, event.at)

    def look(self, now: datetime) -> None:
        """Let time pass: what left the window counts no more."""
        for account in self._windows:
            self._judge(account, now)

    def state(self, as_of: datetime) -> Iterator[CancellationsStated]:
        """Say what lies in the window of each account, by their names."""
        horizon = as_of - timedelta(days=self._terms.days)
        for account, window in sorted(self._windows.items()):
            orders = ((order, at, lines) for order, (at, lines) in window.orders.items() if at >= horizon)
            yield from (CancellationsStated(account=account, orders=some) for some in in_parts(orders, _TOGETHER))
            cancelled = ((*key, at) for key, at in window.cancelled.items() if at >= horizon)
            yield from (CancellationsStated(account=account, cancelled=some) for some in in_parts(cancelled, _TOGETHER))

    def restore(self, statement: CancellationsStated) -> None:
        """Take in one of what `state` says."""
        window = self._windows.setdefault(statement.account, _Window())
        for order_id, at, lines in statement.orders:
            window.orders[order_id] = (at, lines)
            window.lines += lines
        for order_id, line_id, at in statement.cancelled:
            window.cancelled[order_id, line_id] = at

    def _window(self, account: AccountId, now: datetime) -> _Window:
        window = self._windows.get(account)
        if window is None:
            window = self._windows[account] = _Window()
        window.forget(now - timedelta(days=self._terms.days))
        return window

    def _judge(self, account: AccountId, now: datetime) -> None:
        terms, window = self._terms, self._window(account, now)
        key: AlertKey = (AlertKind.STOCK_CANCELLATIONS, account)
        cancelled, lines = len(window.cancelled), window.lines
        if not cancelled or lines < terms.lines_min or cancelled * 100 <= terms.percent * lines:
            self._findings.end(key)
            return
        share = f"{cancelled * 100 / lines:.1f}"
        text = (
            f"{account}: {cancelled} of {lines} order lines of {terms.days:g} days were cancelled for want of stock:"
            f" {share} % (limit {terms.percent:g} %)"
        )
        details = (("account", account), ("cancelled", str(cancelled)), ("lines", str(lines)), ("percent", share))
        self._findings.begin(Finding(kind=key[0], subject=account, text=text, details=details))


def _says_out_of_stock(snapshot: OrderSnapshot) -> bool:
    """Whether the channel's own word for the order is such a reason: `out-of-stock`, `OUT_OF_STOCK`, `Out of stock`."""
    return "out_of_stock" in snapshot.channel_status.lower().replace("-", "_").replace(" ", "_")
