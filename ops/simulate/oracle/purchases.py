"""Purchase orders: what is expected of each SKU, as those who order and receive have it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ops.simulate.oracle.formula import Bounds


@dataclass
class Purchase:
    """One purchase order."""

    ordered: Mapping[str, int] = field(default_factory=dict)
    """By SKU, as of its newest amendment."""
    received: dict[str, int] = field(default_factory=dict)
    ended: bool = False
    """Closed or cancelled: nothing more is expected."""

    def expected(self, sku: str) -> int:
        """Return the units of a SKU that are still to come."""
        return 0 if self.ended else max(0, self.ordered.get(sku, 0) - self.received.get(sku, 0))


class Purchases:
    """All of a run. What is not answered yet nobody asks of; only merges leave a least and a most."""

    def __init__(self) -> None:
        """Start with none."""
        self.orders: dict[str, Purchase] = {}

    def ordered(self, number: str, lines: Mapping[str, int]) -> None:
        """Hear that an order was placed, or amended, and how its lines stand now."""
        self.orders.setdefault(number, Purchase()).ordered = dict(lines)

    def received(self, number: str, sku: str, units: int) -> None:
        """Hear that units of it have come."""
        received = self.orders[number].received
        received[sku] = received.get(sku, 0) + units

    def ended(self, number: str) -> None:
        """Hear that it was closed or cancelled."""
        self.orders[number].ended = True

    def incoming(self, members: Sequence[str]) -> Bounds:
        """Return the units that are expected of a SKU and all that went into it.

        What was ordered and received of several is known by the name that it was asked for by, and not by the one that
        it was taken for, so there is a least and a most.
        """
        if len(members) == 1:
            expected = sum(order.expected(members[0]) for order in self.orders.values())
            return Bounds(expected, expected)
        least = most = 0
        for order in self.orders.values():
            if not order.ended:
                ordered = sum(order.ordered.get(sku, 0) for sku in members)
                least += max(0, ordered - sum(order.received.get(sku, 0) for sku in members))
                most += ordered
        return Bounds(least, most)
