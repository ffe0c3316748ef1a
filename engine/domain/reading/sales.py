"""What sold on which day, line by line: `engine.domain.offers.demand` for all days, not only the last four weeks.

It counts what that counts, by the same rules; tests hold the two against each other. An order is told in the frame of
its lines, and a merge in that of the lines that it moves: from one frame to the next nothing is remembered but rows.
"""

from typing import Any, Final, NamedTuple

import msgspec

from engine.domain.events import DemandLapsed, DemandSet, HoldCommitted, Line, OrderRecorded, SkuMerged
from engine.domain.reading.rows import Changes, Load, Rows, Table, day
from engine.domain.stock.book import hold_line_id, units_of
from engine.domain.units import AccountId, LineId, OrderId, Sku

_Key = tuple[Sku, AccountId, OrderId, LineId]


class Sale(msgspec.Struct, gc=False):
    """An order line as it counts for demand."""

    day: str
    units: int
    reserved: int = 0
    bundle: str | None = None
    in_one: int = 0


class _Told(NamedTuple):
    """The order that was told last within a frame."""

    account: AccountId
    order_id: OrderId
    day: str
    bundles: dict[LineId, tuple[Sku, tuple[Line, ...]]]
    """Lines that were sold as bundles: SKU, and what one is made of."""


SALES: Final = Table("sales", Sale, ("sku", "account", "order_id", "line_id"))


class Sales:
    """Keeps what every order line counts for."""

    def __init__(self, load: Load) -> None:
        """Know none yet."""
        self._sales = Rows(SALES, load)
        self.rows: tuple[Rows[Any], ...] = (self._sales,)
        self._told: _Told | None = None
        self._ended: list[tuple[_Key, Sale]] = []
        """Lines that ended though their order did not tell so: they may be on their way to another SKU."""

    def take(self) -> list[Changes]:
        """Return what changed since the last time."""
        return [self._sales.take()]

    def end_frame(self) -> None:
        """Forget what was told: the next frame is about something else."""
        self._told = None
        self._ended = []

    def record(self, event: OrderRecorded) -> None:
        """Take in an order; its lines come next."""
        order = event.snapshot
        bundles = {
            line.line_id: (sku, made_of)
            for line, sku, made_of in zip(order.lines, event.skus, event.components, strict=False)
            if made_of and sku is not None
        }
        self._told = _Told(order.account, order.order_id, day(min(order.placed_at, event.at)), bundles)

    def set_line(self, event: DemandSet) -> None:
        """Take in what an order line claims now."""
        key = (event.sku, event.account, event.order_id, event.line_id)
        reserved = units_of(event.reserved)
        units = units_of(event.committed) + reserved + units_of(event.shipped)
        known = self._sales.one(key)
        told = self._told
        if told is not None and (told.account, told.order_id) == (event.account, event.order_id):
            bundle, in_one = None, 0
            if (sold_as := told.bundles.get(event.line_id)) is not None:
                bundle, made_of = sold_as
                in_one = made_of[0][1] if made_of[0][0] == event.sku else 0
            self._set(key, Sale(told.day, units, reserved, bundle, in_one))
        elif known is not None:
            if not units:
                self._ended.append((key, known))
            self._set(key, Sale(known.day, units, reserved, known.bundle, known.in_one))

    def lapse(self, event: DemandLapsed) -> None:
        """Take off what was not paid."""
        key = (event.sku, event.account, event.order_id, event.line_id)
        known = self._sales.one(key)
        if known is not None:
            self._set(key, Sale(known.day, known.units - known.reserved, 0, known.bundle, known.in_one))

    def commit(self, event: HoldCommitted, units: int) -> None:
        """Take in a sale without an order's lines: units that the hold had."""
        if event.owed:
            order_id = event.order_id or OrderId(event.hold_id)
            self._set((event.sku, event.account, order_id, hold_line_id(event.hold_id)), Sale(day(event.at), units))

    def merge(self, event: SkuMerged) -> None:
        """Let the other SKU have sold what went there, on the same days."""
        for (sku, account, order_id, line_id), sale in self._ended:
            heir = (event.into, account, order_id, line_id)
            if sku == event.sku and self._sales.one(heir) is None:
                self._sales.put(heir, sale)
                self._set_bundle(heir, sale)
        self._ended = []

    def _set(self, key: _Key, sale: Sale) -> None:
        """Bring a line to its level, and the bundle's that it is a part of."""
        known = self._sales.one(key)
        if sale == known or (known is None and sale.units == 0):
            return
        self._sales.put(key, sale)
        if known is not None and known.in_one and (known.bundle != sale.bundle or not sale.in_one):
            before = _bundle_line(known)
            before.units = before.reserved = 0
            self._set((Sku(known.bundle or ""), *key[1:]), before)
        self._set_bundle(key, sale)

    def _set_bundle(self, key: _Key, sale: Sale) -> None:
        if sale.bundle is not None and sale.in_one:
            self._set((Sku(sale.bundle), *key[1:]), _bundle_line(sale))


def _bundle_line(sale: Sale) -> Sale:
    """Return the line of the bundle that a component's line counts."""
    return Sale(sale.day, sale.units // sale.in_one, sale.reserved // sale.in_one)
