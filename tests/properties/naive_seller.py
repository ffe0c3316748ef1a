"""A seller's stock as a beginner would write it: lists of what happened, every figure summed up from the start.

Slow and obvious. It knows nothing of books, locations, shards, actors or journals; it is told what was accepted, and
says what every figure must be and what a basket may have. It knows two heaps: what the seller has, and what a
marketplace keeps for him and ships to its own buyers, who get nothing of the first, as nobody else gets of the second.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from engine.domain.orders import OrderSnapshot
from engine.domain.units import DIRECT, AccountId, HoldId, LineId, OrderId, Sku

Lines = dict[Sku, int]


class Figures(NamedTuple):
    """One SKU of one heap."""

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

    def __init__(self, marketplace: AccountId) -> None:
        """Start with nothing; orders of `marketplace` are met from what it keeps."""
        self.marketplace = marketplace
        self.kept_there: Counter[Sku] = Counter()
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

    def figures(self, sku: Sku, now: datetime, *, kept_there: bool = False) -> Figures:
        on_hand, committed, reserved = self._owed(sku, now, kept_there=kept_there)
        if kept_there:
            return Figures(self.kept_there[sku] - on_hand, committed, reserved, 0, 0, 0)
        on_hand = self.came_in[sku] - on_hand
        for basket in self.baskets.values():
            units = basket.lines.get(sku, 0)
            if basket.state == "open" and (basket.until is None or basket.until > now):
                reserved += units
            if basket.state == "owed" and (basket.order is None or basket.order not in self.orders):
                committed += units
        incoming = sum(max(0, lines.get(sku, 0)) for lines in self.announced.values())
        in_transit = sum(lines.get(sku, 0) for lines in self.travelling.values())
        return Figures(on_hand, committed, reserved, self.set_aside[sku], incoming, in_transit)

    def _owed(self, sku: Sku, now: datetime, *, kept_there: bool) -> tuple[int, int, int]:
        """Say what the orders of a heap have taken away, are owed, and reserve."""
        gone, committed, reserved = 0, 0, 0
        for snapshot, recipes in self.orders.values():
            if (snapshot.account == self.marketplace) != kept_there:
                continue
            for line in snapshot.lines:
                each = recipes[line.line_id][1].get(sku, 0)
                gone += (line.shipped - line.returned) * each
                if snapshot.held_until is None:
                    committed += line.open_units * each
                elif snapshot.held_until > now:
                    reserved += line.open_units * each
        return gone, committed, reserved

    def short(self, sku: Sku, now: datetime, *, kept_there: bool = False) -> int:
        """Units promised of a heap beyond what it has: no other heap makes them good."""
        return max(0, -self.figures(sku, now, kept_there=kept_there).atp)

    # -- what was wanted, whatever became of it but a cancellation

    def wanted(self, now: datetime) -> Iterator[tuple[AccountId, Sku, Lines, int]]:
        """Each order line that counts: account, what it was sold as, what one is made of, and how many."""
        for snapshot, recipes in self.orders.values():
            pending = snapshot.held_until is None or snapshot.held_until > now
            for line in snapshot.lines:
                sku, made_of = recipes[line.line_id]
                yield snapshot.account, sku, made_of, line.shipped + (line.open_units if pending else 0)

    def sold_as(self, sku: Sku, account: AccountId, now: datetime) -> int:
        """What an account sold of a SKU, as that; a bundle's components are not sold as what they are."""
        units = sum(units for seller, sold, _, units in self.wanted(now) if (seller, sold) == (account, sku))
        return units + (self._checked_out(sku) if account == DIRECT else 0)

    def sold_in_all(self, sku: Sku, now: datetime) -> int:
        """Units that went out of the door or are to go, in whatever."""
        units = sum(made_of.get(sku, 0) * units for _, _, made_of, units in self.wanted(now))
        return units + self._checked_out(sku)

    def _checked_out(self, sku: Sku) -> int:
        """Units of baskets that were paid and have no order of their own yet; nobody says what they were sold as."""
        owed = [basket for basket in self.baskets.values() if basket.state == "owed"]
        return sum(basket.lines.get(sku, 0) for basket in owed if basket.order not in self.orders)

    # -- what may be promised

    def available(self, sku: Sku, now: datetime) -> int:
        """Units of a SKU or of a bundle that can still be promised, taking one after the other."""
        return min(self.figures(leaf, now).atp // each for leaf, each in self.unpack(sku).items())

    def may_have(self, wanted: Lines, now: datetime) -> bool:
        """Whether a basket fits; demand is summed over its lines first (lesson A10)."""
        return all(self.figures(sku, now).atp >= units for sku, units in self.unpack_all(wanted).items())
