"""Leave alone, ask once, go on."""

from engine.machines.breaker import Breaker, BreakerState


def opened() -> Breaker:
    breaker = Breaker(failures_max=3, open_seconds=30)
    assert [breaker.failed("down", now) for now in (0.0, 1.0, 2.0)] == [False, False, True]
    return breaker


def test_it_opens_after_failures_in_a_row_only() -> None:
    breaker = Breaker(failures_max=2, open_seconds=30)
    breaker.failed("down", 0)
    breaker.succeeded()
    assert not breaker.failed("down", 1)
    assert breaker.failed("down", 2)
    assert (breaker.state, breaker.reason) == (BreakerState.OPEN, "down")


def test_after_the_wait_one_probe_passes_and_the_others_wait_for_it() -> None:
    breaker = opened()
    assert breaker.wait_seconds(10) == 22
    assert breaker.wait_seconds(32) == 0
    breaker.started(32)
    assert breaker.state is BreakerState.HALF_OPEN
    assert breaker.wait_seconds(33) == float("inf")


def test_a_good_probe_ends_the_outage_and_a_bad_one_prolongs_it() -> None:
    breaker = opened()
    breaker.started(32)
    assert not breaker.failed("still down", 33)
    assert breaker.wait_seconds(33) == 30
    breaker.started(63)
    assert breaker.succeeded()
    assert (breaker.state, breaker.wait_seconds(63)) == (BreakerState.CLOSED, 0)


def test_a_probe_that_was_given_up_frees_its_place() -> None:
    breaker = opened()
    breaker.started(32)
    breaker.abandoned(33)
    assert breaker.wait_seconds(33) == 0


def test_calls_from_before_do_not_lengthen_the_wait() -> None:
    breaker = opened()
    assert not breaker.failed("late", 20)
    assert breaker.wait_seconds(32) == 0
