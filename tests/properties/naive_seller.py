"""A seller's stock as a beginner would write it: lists of what happened, every figure summed up from the start.

Slow and obvious. It knows nothing of books, locations, shards, actors or journals; it is told what was accepted, and
says what every figure must be and what a basket may have.
"""

from collections import Counter
from datetime import datetime
from typing import NamedTuple

from engine.domain.orders import OrderSnapshot
from engine.domain.units import HoldId, LineId, OrderId, Sku

Lines = dict[Sku, int]


class Figures(NamedTuple):
    """One SKU over all locations."""

    on_hand: int
    committed: int
    reserved: int
    unavailable: int
    incoming: int
    in_transit: int

    @property
    def atp(self) -> int:
        return self.on_hand - self.committed - self.reserved - self.unavailable


class Basket(NamedTuple):
    """A hold that was granted."""

    lines: Lines
    """In SKUs that have stock."""
    until: datetime | None
    state: str = "open"
    order: OrderId | None = None
    """The order whose lines take over what is owed."""


class Recorded(NamedTuple):
    """The newest snapshot of an order that was delivered, and what one unit of each line comes to."""

    snapshot: OrderSnapshot
    recipes: dict[LineId, tuple[Sku, Lines]]


class NaiveSeller:
    """Everything that was accepted so far."""

    def __init__(self) -> None:
        self.came_in: Counter[Sku] = Counter()
        self.set_aside: Counter[Sku] = Counter()
        self.recipes: dict[Sku, Lines] = {}
        self.baskets: dict[HoldId, Basket] = {}
        self.orders: dict[OrderId, Recorded] = {}
        self.announced: dict[str, Lines] = {}
        """Purchase orders that are open: units still expected."""
        self.travelling: dict[str, Lines] = {}
        """Transfers: units under way."""

    # -- what a bundle comes to

    def unpack(self, sku: Sku, units: int = 1) -> Counter[Sku]:
        if sku not in self.recipes:
            return Counter({sku: units})
        found: Counter[Sku] = Counter()
        for component, each in self.recipes[sku].items():
            found += self.unpack(component, each * units)
        return found

    def unpack_all(self, wanted: Lines) -> Lines:
        found: Counter[Sku] = Counter()
        for sku, units in wanted.items():
            found += self.unpack(sku, units)
        return dict(found)

    def contains(self, sku: Sku, other: Sku) -> bool:
        return sku == other or any(self.contains(part, other) for part in self.recipes.get(sku, ()))

    # -- what is told

    def deliver(self, snapshot: OrderSnapshot) -> bool:
        """Take a snapshot in; False for old news."""
        known = self.orders.get(snapshot.order_id)
        if known is not None and snapshot.modified_at <= known.snapshot.modified_at:
            return False
        recipes: dict[LineId, tuple[Sku, Lines]] = {}
        for line in snapshot.lines:
            assert line.sku is not None
            before = known.recipes.get(line.line_id) if known is not None else None
            recipes[line.line_id] = before or (line.sku, dict(self.unpack(line.sku)))
            if before == (line.sku, {line.sku: 1}) and not self._left(snapshot.order_id, line.line_id):
                recipes[line.line_id] = (line.sku, dict(self.unpack(line.sku)))  # has become a bundle meanwhile
        self.orders[snapshot.order_id] = Recorded(snapshot, recipes)
        return True

    def _left(self, order_id: OrderId, line_id: LineId) -> int:
        return sum(line.shipped for line in self.orders[order_id].snapshot.lines if line.line_id == line_id)

    # -- what must be so

    def figures(self, sku: Sku, now: datetime) -> Figures:
        on_hand, committed, reserved = self.came_in[sku], 0, 0
        for snapshot, recipes in self.orders.values():
            for line in snapshot.lines:
                each = recipes[line.line_id][1].get(sku, 0)
                on_hand -= (line.shipped - line.returned) * each
                if snapshot.held_until is None:
                    committed += line.open_units * each
                elif snapshot.held_until > now:
                    reserved += line.open_units * each
        for basket in self.baskets.values():
            units = basket.lines.get(sku, 0)
            if basket.state == "open" and (basket.until is None or basket.until > now):
                reserved += units
            if basket.state == "owed" and (basket.order is None or basket.order not in self.orders):
                committed += units
        incoming = sum(max(0, lines.get(sku, 0)) for lines in self.announced.values())
        in_transit = sum(lines.get(sku, 0) for lines in self.travelling.values())
        return Figures(on_hand, committed, reserved, self.set_aside[sku], incoming, in_transit)

    def available(self, sku: Sku, now: datetime) -> int:
        """Units of a SKU or of a bundle that can still be promised, taking one after the other."""
        return min(self.figures(leaf, now).atp // each for leaf, each in self.unpack(sku).items())

    def may_have(self, wanted: Lines, now: datetime) -> bool:
        """Whether a basket fits; demand is summed over its lines first (lesson A10)."""
        return all(self.figures(sku, now).atp >= units for sku, units in self.unpack_all(wanted).items())
