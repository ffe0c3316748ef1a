"""The daemon's clock follows the system's without ever jumping or running backwards."""

import time
from datetime import timedelta

import pytest

from engine.domain.units import EPOCH
from ops.clock import SteadyClock


class System:
    """The two clocks of a machine, turned by hand."""

    def __init__(self) -> None:
        self.wall = 1_000_000.0
        self.monotonic = 50.0

    def pass_seconds(self, seconds: float) -> None:
        self.wall += seconds
        self.monotonic += seconds

    def step(self, seconds: float) -> None:
        """Someone sets the wall clock."""
        self.wall += seconds


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> System:
    machine = System()
    monkeypatch.setattr(time, "clock_gettime", lambda _which: machine.wall)
    monkeypatch.setattr(time, "monotonic", lambda: machine.monotonic)
    return machine


def seconds(clock: SteadyClock) -> float:
    return (clock.now() - EPOCH).total_seconds()


def follow_for(system: System, clock: SteadyClock, total: int, every: int = 5) -> None:
    for _ in range(0, total, every):
        system.pass_seconds(every)
        clock.follow()


def test_it_starts_at_the_system_s_time_and_runs_with_it(system: System) -> None:
    clock = SteadyClock()
    assert seconds(clock) == 1_000_000
    system.pass_seconds(12.5)
    assert seconds(clock) == 1_000_012.5
    assert clock.now().utcoffset() == timedelta(0)
    assert clock.follow() == 0


@pytest.mark.parametrize("step", [3600.0, -3600.0, 0.25, -0.25])
def test_a_step_of_the_system_clock_is_no_step_of_ours(system: System, step: float) -> None:
    clock = SteadyClock()
    system.step(step)
    before = clock.now()
    assert clock.follow() == pytest.approx(step)
    assert clock.now() == before


@pytest.mark.parametrize("step", [3600.0, -3600.0])
def test_a_step_of_an_hour_is_followed_over_ten(system: System, step: float) -> None:
    """Holds promise a duration: it may be a tenth off, never an hour."""
    clock = SteadyClock()
    system.step(step)
    clock.follow()
    system.pass_seconds(1000)
    assert seconds(clock) == pytest.approx(system.wall - step * 0.9722222, abs=0.01)
    assert abs(clock.follow()) == pytest.approx(3500)
    follow_for(system, clock, 36_000)
    assert seconds(clock) == pytest.approx(system.wall)


def test_a_small_gap_is_closed_and_not_overshot_however_long_nobody_looks(system: System) -> None:
    clock = SteadyClock()
    system.step(-0.2)
    clock.follow()
    system.pass_seconds(1)
    assert seconds(clock) == pytest.approx(system.wall + 0.1)
    system.pass_seconds(1000)
    assert seconds(clock) == pytest.approx(system.wall)


def test_it_never_runs_backwards(system: System) -> None:
    """Whatever is done to the system clock, at whatever moment it is looked at."""
    clock = SteadyClock()
    last = clock.now()
    for number, step in enumerate((-5.0, 0.0, -7200.0, 3.0, -0.5, 86_400.0, -86_400.0) * 5):
        system.step(step)
        for wait in (0.0, 0.000001, 5.0):
            system.pass_seconds(wait)
            if number % 2:
                clock.follow()
            assert clock.now() >= last
            last = clock.now()


def test_it_is_never_before_the_journal_s_last_instant(system: System) -> None:
    """The system clock was set back while the daemon was down: what was decided stays in the past."""
    clock = SteadyClock()
    clock.never_before(clock.now() - timedelta(hours=1))
    assert seconds(clock) == 1_000_000
    clock.never_before(clock.now() + timedelta(hours=1))
    assert seconds(clock) == 1_003_600
    system.pass_seconds(10)
    assert clock.follow() == pytest.approx(-3600)
    assert seconds(clock) == pytest.approx(1_003_610)
