"""Orders as channels have them, and what the daemon has said of them."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
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
    pickup: str = ""
    """The location where its buyer comes for it: owed and taken from there alone; empty: from any of the account."""

    @property
    def open(self) -> int:
        """Units still owed."""
        return self.ordered - self.cancelled - self.shipped

    @property
    def away(self) -> int:
        """Units that have left and not come back."""
        return self.shipped - self.returned


Taken = Callable[[Claim, bool], int]
"""From a line, and whether its open units count, to the units of its listing that it takes from some places."""


def taken_anywhere(claim: Claim, open_counts: bool) -> int:  # noqa: FBT001  # `Taken`
    """Count all that a line takes, wherever (`Taken`)."""
    return claim.away + (claim.open if open_counts else 0)


def taken_at(places: Collection[str], sold_from: Collection[str], *, surely: bool) -> Taken:
    """Count what lines of an account take from some locations, at least or at most.

    Args:
        places: the locations in question.
        sold_from: those of the account.
        surely: count what can come from nowhere else; False: what may come from there.
    """
    here = set(places)
    unbound = here >= set(sold_from) if surely else not here.isdisjoint(sold_from)

    def count(claim: Claim, open_counts: bool) -> int:  # noqa: FBT001  # `Taken`
        is_here = claim.pickup in here if claim.pickup else unbound
        return taken_anywhere(claim, open_counts) if is_here else 0

    return count


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
    owed_at: dict[str, dict[tuple[str, str], int]] = field(default_factory=dict)
    """By line that is picked up: units owed by SKU as told and location, as the daemon said last."""

    def units(self, state: OrderState, sku: str, weights: Weights, *, most: bool, taken: Taken = taken_anywhere) -> int:
        """Return the units of a SKU that a state takes from the shelf, owed or gone: least or most.

        What is not paid yet may have been given up.
        """
        total = 0
        for claim in state.claims:
            units = taken(claim, state.held_until is None or most)
            if units:
                options = (self.made_of[claim.line],) if claim.line in self.made_of else weights(claim.listing)
                each = [option.get(sku, 0) for option in options]
                total += units * (max(each, default=0) if most else min(each, default=0))
        return total

    def least_known(self, sku: str, weights: Weights, known_by: float, taken: Taken = taken_anywhere) -> int:
        """Return the least units that the daemon must count if it knew of the order by an instant."""
        if self.seen < 0 or self.seen_at > known_by:
            return 0
        return min(self.units(state, sku, weights, most=False, taken=taken) for state in self.states[self.seen :])

    def most_known(self, sku: str, weights: Weights, taken: Taken = taken_anywhere) -> int:
        """Return the most units that the daemon may count: it knows some state, not older than what it has told."""
        known = self.states[max(0, self.seen) :]
        return max((self.units(state, sku, weights, most=True, taken=taken) for state in known), default=0)

    def rises(self, sku: str, weights: Weights, taken: Taken = taken_anywhere) -> Iterator[tuple[float, int]]:
        """Yield when, and by how much, the most units rose that the daemon may have counted."""
        most = 0
        for state in self.states:
            units = self.units(state, sku, weights, most=True, taken=taken)
            if units > most:
                yield state.at, units - most
                most = units
