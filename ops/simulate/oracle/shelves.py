"""Units of one SKU: a least and a most per location, moved by what was asked for and settled by what was answered."""

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

Units = Mapping[str, int]
"""By location."""


@dataclass
class Move:
    """One movement under its caller's key; until it is answered, nobody knows whether it happened."""

    low: Units
    high: Units
    """What it may change on hand by, at least and at most, if it happens."""
    aside: Units
    """What it changes the units set aside by."""
    state: str = "unknown"
    """`unknown`, `done` or `refused`."""
    low_now: Units = field(default_factory=dict)
    high_now: Units = field(default_factory=dict)
    """What it counts for just now."""
    aside_low: Units = field(default_factory=dict)
    aside_high: Units = field(default_factory=dict)


class Shelf:
    """What there is of one SKU, sales left out: those are the orders' business."""

    def __init__(self, sku: str, direct: Collection[str], pools: Sequence[Collection[str]], safety: Units) -> None:
        """Start empty.

        Args:
            sku: what it is.
            direct: where the storefront sells from.
            pools: groups of locations that may be short together; the storefront's own first.
            safety: units kept back by location.
        """
        self.sku = sku
        self.safety = dict(safety)
        self.moves: dict[str, Move] = {}
        self.least: dict[str, int] = {}
        self.most: dict[str, int] = {}
        self.aside_least: dict[str, int] = {}
        self.aside_most: dict[str, int] = {}
        self.found = 0
        """Units that the daemon has found by itself."""
        self.past: list[tuple[float, int, tuple[int, ...]]] = [(0.0, 0, (0,) * len(pools))]
        """Time, most that could be sellable where the storefront sells, least that could be sellable in each pool."""
        self._direct = tuple(direct)
        self._pools = tuple(map(tuple, pools))

    def sent(self, at: float, key: str, low: Units, high: Units, aside: Units) -> None:
        """Note that a movement was asked for; again, when it is asked for again."""
        if key in self.moves:
            return
        move = self.moves[key] = Move(low, high, aside)
        zero = {place: min(0, units) for place, units in aside.items()}
        full = {place: max(0, units) for place, units in aside.items()}
        self._count(
            at,
            move,
            {place: min(0, units) for place, units in low.items()},
            {place: max(0, units) for place, units in high.items()},
            zero,
            full,
        )

    def done(self, at: float, key: str, change: Units) -> None:
        """Note that it happened, and what it changed on hand by."""
        move = self.moves[key]
        move.state = "done"
        self._count(at, move, change, change, move.aside, move.aside)

    def refused(self, at: float, key: str) -> None:
        """Note that it never happens."""
        move = self.moves[key]
        move.state = "refused"
        self._count(at, move, {}, {}, {}, {})

    def corrected(self, at: float, key: str, place: str, units: int) -> None:
        """Note units that left though the daemon knew of none: it has put so many on record as found."""
        move = self.moves[key] = Move({}, {}, {}, "done")
        self.found += units
        self._count(at, move, {place: units}, {place: units}, {}, {})

    def merged(self, at: float) -> None:
        """Note that it has gone into another SKU: what that one keeps back is kept back, and nothing of its own."""
        self.safety = {}
        self._note(at)

    @property
    def kept_back(self) -> int:
        """Units kept back where the storefront sells."""
        return sum(self.safety.get(place, 0) for place in self._direct)

    def _count(self, at: float, move: Move, low: Units, high: Units, aside_low: Units, aside_high: Units) -> None:
        for totals, before, after in (
            (self.least, move.low_now, low),
            (self.most, move.high_now, high),
            (self.aside_least, move.aside_low, aside_low),
            (self.aside_most, move.aside_high, aside_high),
        ):
            for place, units in before.items():
                totals[place] = totals.get(place, 0) - units
            for place, units in after.items():
                totals[place] = totals.get(place, 0) + units
        move.low_now, move.high_now, move.aside_low, move.aside_high = low, high, aside_low, aside_high
        self._note(at)

    def _note(self, at: float) -> None:
        """Note how much could be sellable from now on."""
        most = sum(self.most.get(place, 0) - self.aside_least.get(place, 0) for place in self._direct) - self.kept_back
        least = tuple(
            sum(self.least.get(place, 0) - self.aside_most.get(place, 0) for place in pool) for pool in self._pools
        )
        self.past.append((at, most, least))

    def most_sellable(self, since: float) -> int:
        """Return the most units that the storefront can have had at any instant from then on."""
        start = bisect_right(self.past, since, key=lambda entry: entry[0]) - 1
        return max(most for _, most, _ in self.past[max(0, start) :])

    def least_sellable(self, since: float) -> int:
        """Return the least units that the storefront can have had at any instant from then on."""
        start = bisect_right(self.past, since, key=lambda entry: entry[0]) - 1
        return min(least[0] for _, _, least in self.past[max(0, start) :]) - self.kept_back

    def unsettled(self) -> list[str]:
        """Return the keys of movements of which nobody knows whether they happened."""
        return [key for key, move in self.moves.items() if move.state == "unknown"]
