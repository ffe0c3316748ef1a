"""How long it takes until an account shows a new number: a high quantile of what was measured lately."""

from bisect import bisect_left, insort
from collections import deque
from math import ceil, floor, log10

MEASURED_MAX = 200
"""Pushes looked back on: a few minutes on a busy day, so that a slow hour is soon believed and soon forgotten."""
MEASURED_MIN = 20
"""Fewer say nothing about a tail."""
QUANTILE = 0.95
"""Above the mean, since a buffer is for the bad moment; below the maximum, since one lost answer is no lag."""


class Lag:
    """From the decision of a change to seeing it at the channel."""

    def __init__(self) -> None:
        """Start with nothing measured."""
        self._newest: deque[float] = deque()
        self._sorted: list[float] = []

    def note(self, seconds: float) -> None:
        """Take in one verified push."""
        if len(self._newest) == MEASURED_MAX:
            del self._sorted[bisect_left(self._sorted, self._newest.popleft())]
        self._newest.append(seconds)
        insort(self._sorted, seconds)

    @property
    def seconds(self) -> float | None:
        """The quantile, rounded up to two figures so that offers do not move with every push; None: too few so far."""
        if len(self._sorted) < MEASURED_MIN:
            return None
        seconds = self._sorted[ceil(QUANTILE * len(self._sorted)) - 1]
        if seconds <= 0:
            return 0.0
        step = 10.0 ** (floor(log10(seconds)) - 1)
        return ceil(seconds / step) * step
