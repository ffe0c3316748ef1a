"""The demo's figures, read from Prometheus text."""

import pytest

from ops.demo.figures import percentile, quantiles, samples

TEXT = """\
# HELP lag_seconds Lag.
# TYPE lag_seconds histogram
lag_seconds_bucket{account="a",le="0.1"} 50.0
lag_seconds_bucket{account="a",le="0.5"} 90.0
lag_seconds_bucket{account="a",le="2.5"} 100.0
lag_seconds_bucket{account="a",le="+Inf"} 100.0
lag_seconds_count{account="a"} 100.0
lag_seconds_sum{account="a"} 30.0
lag_seconds_bucket{account="b",le="0.1"} 0.0
lag_seconds_bucket{account="b",le="0.5"} 0.0
lag_seconds_bucket{account="b",le="2.5"} 1.0
lag_seconds_bucket{account="b",le="+Inf"} 4.0
lag_seconds_bucket{account="quiet",le="0.1"} 0.0
lag_seconds_bucket{account="quiet",le="+Inf"} 0.0
# HELP pushes_total Pushes.
# TYPE pushes_total counter
pushes_total{account="a",verdict="applied"} 7.0
pushes_total{account="a",verdict="unknown"} 0.0
pushes_total{account="b",verdict="applied"} 3.0
"""


def test_quantiles_are_interpolated_within_their_bucket() -> None:
    found = quantiles(TEXT, "lag_seconds", "a")
    assert found == {"p50": pytest.approx(0.1), "p95": pytest.approx(1.5), "p99": pytest.approx(2.3)}


def test_a_quantile_beyond_the_last_edge_is_that_edge() -> None:
    assert quantiles(TEXT, "lag_seconds", "b") == {"p50": 2.5, "p95": 2.5, "p99": 2.5}


@pytest.mark.parametrize(("family", "account"), [("lag_seconds", "quiet"), ("lag_seconds", "none"), ("none", "a")])
def test_nothing_observed_is_none_and_not_zero(family: str, account: str) -> None:
    assert quantiles(TEXT, family, account) == {"p50": None, "p95": None, "p99": None}


def test_counters_are_named_by_their_other_labels_and_zeros_are_left_out() -> None:
    assert samples(TEXT, "pushes", account="a") == {"applied": 7.0}
    assert samples(TEXT, "pushes", verdict="applied") == {"a": 7.0, "b": 3.0}
    assert samples(TEXT, "pushes") == {"a/applied": 7.0, "b/applied": 3.0}
    assert samples(TEXT, "other") == {}


@pytest.mark.parametrize(
    ("values", "q", "expected"),
    [([], 0.5, None), ([3.0], 0.99, 3.0), ([2.0, 1.0], 0.5, 2.0), (list(map(float, range(100))), 0.99, 99.0)],
)
def test_percentiles_of_plain_numbers(values: list[float], q: float, expected: float | None) -> None:
    assert percentile(values, q) == expected
