"""How long a number takes to land: a high quantile of the newest pushes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.machines.lag import MEASURED_MAX, MEASURED_MIN, Lag


def lag_of(*seconds: float) -> Lag:
    lag = Lag()
    for each in seconds:
        lag.note(each)
    return lag


def test_too_few_pushes_say_nothing() -> None:
    assert lag_of(*[3.0] * (MEASURED_MIN - 1)).seconds is None
    assert lag_of(*[3.0] * MEASURED_MIN).seconds == 3


def test_one_lost_answer_is_no_lag_and_a_slow_hour_is_forgotten() -> None:
    lag = lag_of(*[2.0] * 99, 900)
    assert lag.seconds == 2
    for _ in range(20):
        lag.note(60)
    assert lag.seconds == 60
    for _ in range(MEASURED_MAX):
        lag.note(2)
    assert lag.seconds == 2


def test_it_is_rounded_up_to_two_figures() -> None:
    assert lag_of(*[1.234] * MEASURED_MIN).seconds == pytest.approx(1.3)
    assert lag_of(*[0.0] * MEASURED_MIN).seconds == 0


@given(st.lists(st.floats(0, 1e6), min_size=MEASURED_MIN, max_size=3 * MEASURED_MAX))
def test_it_covers_at_least_its_share_of_the_newest(measured: list[float]) -> None:
    seconds = lag_of(*measured).seconds
    assert seconds is not None
    newest = sorted(measured[-MEASURED_MAX:])
    assert sum(each <= seconds * (1 + 1e-9) for each in newest) >= 0.95 * len(newest)
    assert seconds <= max(newest) * 1.1 + 1e-9
