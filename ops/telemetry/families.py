"""Counters and histograms of one thread: bare numbers while they are counted, metric families when they are read.

The library's own take a lock and find their labels at every step; on the road of every command that costs more than
the decision. These cost a dictionary entry.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

PREFIX: Final = "lastunit_"
Row = tuple[Sequence[str], float]
"""Label values and the value."""


class Tally:
    """A counter family: label values to a count. Whoever counts adds to `counts`."""

    def __init__(self, name: str, text: str, *labels: str) -> None:
        """Start empty, or at zero where there are no labels. `name` comes without prefix and `_total`."""
        self.counts: defaultdict[tuple[str, ...], int] = defaultdict(int)
        self._name, self._text, self._labels = name, text, labels
        if not labels:
            self.counts[()] = 0

    def expect(self, *labels: str) -> None:
        """Show a count before the first of its kind: a rate needs the zero to start from."""
        self.counts[labels] += 0

    def collect(self) -> Metric:
        """Build the family."""
        return build_counter(self._name, self._text, self.counts.items(), *self._labels)


class Buckets:
    """One histogram."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        """Count what is at most each of these rising bounds; what is above all of them counts, too."""
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def add_to(self, family: HistogramMetricFamily, labels: Sequence[str]) -> None:
        """Add the samples."""
        below = 0
        buckets: list[tuple[str, float]] = []
        for bound, count in zip((*self._bounds, float("inf")), self._counts, strict=True):
            below += count
            buckets.append(("+Inf" if bound == float("inf") else str(float(bound)), below))
        family.add_metric(labels, buckets, self._sum)


class Spread:
    """A histogram family: label values to buckets."""

    def __init__(self, name: str, text: str, bounds: Sequence[float], *labels: str) -> None:
        """Start empty, or at zero where there are no labels. `name` comes without prefix."""
        self._name, self._text, self._bounds, self._labels = PREFIX + name, text, tuple(bounds), labels
        self._buckets: dict[tuple[str, ...], Buckets] = {}
        if not labels:
            self.of()

    def of(self, *labels: str) -> Buckets:
        """Return the histogram of these label values; a new one begins at zero."""
        buckets = self._buckets.get(labels)
        if buckets is None:
            buckets = self._buckets[labels] = Buckets(self._bounds)
        return buckets

    def collect(self) -> Metric:
        """Build the family."""
        family = HistogramMetricFamily(self._name, self._text, labels=self._labels)
        for labels, buckets in self._buckets.items():
            buckets.add_to(family, labels)
        return family


def build_counter(name: str, text: str, rows: Iterable[Row], *labels: str) -> Metric:
    """Build a counter family; `name` comes without prefix and `_total`."""
    family = CounterMetricFamily(PREFIX + name, text, labels=labels)
    for values, value in rows:
        family.add_metric(values, value)
    return family


def build_gauge(name: str, text: str, rows: Iterable[Row], *labels: str) -> Metric:
    """Build a gauge family; `name` comes without prefix."""
    family = GaugeMetricFamily(PREFIX + name, text, labels=labels)
    for values, value in rows:
        family.add_metric(values, value)
    return family
