"""Figures of the demo's report, from the daemon's own metrics."""

from collections.abc import Iterable, Sequence

from prometheus_client.parser import text_string_to_metric_families

QUANTILES = (0.5, 0.95, 0.99)


def quantiles(text: str, family: str, account: str) -> dict[str, float | None]:
    """Read quantiles of one account's histogram, in seconds; None where nothing was observed.

    Args:
        text: METRICS' reply.
        family: name of the histogram.
        account: its `account` label.
    """
    buckets: list[tuple[float, float]] = []
    for found in text_string_to_metric_families(text):
        if found.name == family:
            buckets = [
                (float(sample.labels["le"]), sample.value)
                for sample in found.samples
                if sample.name.endswith("_bucket") and sample.labels.get("account") == account
            ]
    return {f"p{q * 100:g}": _quantile(sorted(buckets), q) for q in QUANTILES}


def _quantile(buckets: Sequence[tuple[float, float]], q: float) -> float | None:
    """Interpolate within the bucket that holds the quantile, as Prometheus does."""
    total = buckets[-1][1] if buckets else 0
    if total == 0:
        return None
    rank = q * total
    below_edge, below_count = 0.0, 0.0
    for edge, count in buckets:
        if count >= rank:
            if edge == float("inf"):
                return below_edge
            inside = (rank - below_count) / (count - below_count) if count > below_count else 0.0
            return below_edge + (edge - below_edge) * inside
        below_edge, below_count = edge, count
    return below_edge


def samples(text: str, family: str, **labels: str) -> dict[str, float]:
    """Read the counters of a family whose labels match, by their other label values."""
    found: dict[str, float] = {}
    for each in text_string_to_metric_families(text):
        for sample in each.samples if each.name == family else ():
            if all(sample.labels.get(name) == value for name, value in labels.items()) and sample.value:
                rest = [value for name, value in sample.labels.items() if name not in labels]
                found["/".join(rest)] = sample.value
    return found


def percentile(values: Iterable[float], q: float) -> float | None:
    """Return a percentile of plain numbers, None when there are none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))] if ordered else None
