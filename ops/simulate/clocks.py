"""The world's time: virtual seconds, and a wall clock that somebody may set."""

from datetime import datetime, timedelta
from typing import Final

import trio

from engine.domain.units import EPOCH
from ops.clock import SteadyClock

STARTS_AT: Final = EPOCH + timedelta(days=20_000)


class WorldClock:
    """True time, and what the wall clock of the daemon's machine makes of it."""

    def __init__(self) -> None:
        """Start with a wall clock that is right."""
        self._wrong = timedelta(0)

    def true(self) -> datetime:
        """Return the time as channels have it."""
        return STARTS_AT + timedelta(seconds=trio.current_time())

    def wall(self) -> datetime:
        """Return the time as the daemon's machine has it."""
        return self.true() + self._wrong

    def step(self, seconds: float) -> None:
        """Set the wall clock."""
        self._wrong += timedelta(seconds=seconds)

    def steady(self) -> SteadyClock:
        """Make the clock of a daemon that starts now."""
        return SteadyClock(system_time=self.wall, monotonic=trio.current_time)


def seconds_of(instant: datetime) -> float:
    """Return an instant as seconds, for those who compute with them."""
    return (instant - EPOCH).total_seconds()
