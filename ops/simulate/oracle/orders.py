"""Orders as channels have them, and what the daemon has said of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

Weights = Callable[[str], Sequence[Mapping[str, int]]]
"""From a listing to what one unit of it may come to in SKUs with stock: one mapping where that is certain."""


class Claim(NamedTuple):
    """One line of one state."""

    line: str
    listing: str
    ordered: int
    cancelled: int
    shipped: int
    returned: int

    @property
    def open(self) -> int:
        """Units still owed."""
        return self.ordered - self.cancelled - self.shipped


class OrderState(NamedTuple):
    """One state of an order."""

    at: float
    claims: tuple[Claim, ...]
    held_until: float | None
    """Unpaid: owed until then, in the daemon's time."""


@dataclass
class OrderCase:
    """One order."""

    account: str
    order: str
    states: list[OrderState] = field(default_factory=list)
    seen: int = -1
    """The newest state that the daemon has answered with; -1: none."""
    seen_at: float = 0.0
    made_of: dict[str, Mapping[str, int]] = field(default_factory=dict)
    """By line: what the daemon says one unit of it comes to, where it is a bundle."""

    def units(self, state: OrderState, sku: str, weights: Weights, *, most: bool) -> int:
        """Return the units of a SKU that a state takes from the shelf, owed or gone: least or most.

        What is not paid yet may have been given up.
        """
        total = 0
        for claim in state.claims:
            taken = claim.shipped - claim.returned
            if state.held_until is None or most:
                taken += claim.open
            if taken:
                options = (self.made_of[claim.line],) if claim.line in self.made_of else weights(claim.listing)
                each = [option.get(sku, 0) for option in options]
                total += taken * (max(each, default=0) if most else min(each, default=0))
        return total

    def least_known(self, sku: str, weights: Weights, known_by: float) -> int:
        """Return the least units that the daemon must count if it knew of the order by an instant."""
        if self.seen < 0 or self.seen_at > known_by:
            return 0
        return min(self.units(state, sku, weights, most=False) for state in self.states[self.seen :])

    def most_known(self, sku: str, weights: Weights) -> int:
        """Return the most units that the daemon may count: it knows some state, not older than what it has told."""
        return max(
            (self.units(state, sku, weights, most=True) for state in self.states[max(0, self.seen) :]), default=0
        )

    def rises(self, sku: str, weights: Weights) -> Iterator[tuple[float, int]]:
        """Yield when, and by how much, the most units rose that the daemon may have counted."""
        most = 0
        for state in self.states:
            units = self.units(state, sku, weights, most=True)
            if units > most:
                yield state.at, units - most
                most = units
