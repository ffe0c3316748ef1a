"""How many units are withheld."""

from fractions import Fraction
from math import exp, factorial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.offers.buffers import (
    MEAN_MAX,
    TIERS,
    chance_above,
    choose_percent,
    cover_demand,
    find_tier,
    part_of,
    round_up,
)


@pytest.mark.parametrize(
    ("mean", "epsilon", "units"),
    # Quantiles of the Poisson distribution from printed tables.
    [
        (0, 0.01, 0),
        (0.01, 0.01, 0),
        (0.02, 0.01, 1),
        (1, 0.05, 3),
        (1, 0.01, 4),
        (5, 0.05, 9),
        (10, 0.01, 18),
        (20, 0.05, 28),
    ],
)
def test_the_computed_buffer_is_the_quantile_of_what_the_others_may_sell(
    mean: float, epsilon: float, units: int
) -> None:
    assert cover_demand(mean, epsilon) == units


@given(units=st.integers(0, 30), mean=st.floats(0.001, 30))
def test_the_tail_is_that_of_the_definition(units: int, mean: float) -> None:
    definition = 1 - sum(Fraction(mean) ** k / factorial(k) for k in range(units + 1)) * Fraction(exp(-mean))
    assert chance_above(units, mean) == pytest.approx(float(definition), rel=1e-9, abs=1e-13)


@given(mean=st.just(0.0) | st.floats(1e-6, MEAN_MAX * 2), epsilon=st.floats(1e-9, 0.5))
def test_no_smaller_buffer_would_do(mean: float, epsilon: float) -> None:
    """Law: the smallest b with P(Poisson(mean) > b) <= epsilon, the mean rounded up by at most one percent."""
    units = cover_demand(mean, epsilon)
    assert chance_above(units, min(mean, MEAN_MAX)) <= epsilon
    assert units == 0 or chance_above(units - 1, min(mean, MEAN_MAX) * 1.011) > epsilon


@given(means=st.tuples(st.floats(0, 1e4), st.floats(0, 1e4)), epsilon=st.floats(1e-6, 0.5))
def test_more_demand_never_needs_less(means: tuple[float, float], epsilon: float) -> None:
    low, high = sorted(means)
    assert cover_demand(low, epsilon) <= cover_demand(high, epsilon)


@given(units=st.integers(-50, 10_000), percent=st.floats(0, 100))
def test_a_percentage_is_the_smallest_whole_number_that_is_not_below_it(units: int, percent: float) -> None:
    held, part = round_up(units, part_of(percent)), part_of(percent)
    assert held == 0 if units <= 0 else part * units <= held < part * units + 1


def test_a_percentage_is_the_decimal_that_was_written() -> None:
    assert round_up(100, part_of(29)) == 29
    assert round_up(1000, part_of(0.1)) == 1
    assert round_up(100, part_of(choose_percent(20, 30, 0.3))) == 23  # 23.000000000000004 in binary


@pytest.mark.parametrize(
    ("sales", "tier"), [(0, 0), (0.5, 0), (9.99, 0), (10, 1), (50, 2), (199, 2), (200, 3), (9e9, 3)]
)
def test_a_tier_begins_at_its_sales(sales: float, tier: int) -> None:
    assert find_tier(TIERS, sales) is TIERS[tier]
