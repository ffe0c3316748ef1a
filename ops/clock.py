"""The daemon's clock: wall time that never runs backwards and does not jump."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from engine.domain.units import EPOCH

STEP_SECONDS: Final = 1.0
"""A larger gap between our time and the system's was a step, not drift."""
_SLEW: Final = 0.1
"""Part of elapsed time by which we may hurry or dawdle to follow the system clock: a step of one hour takes ten."""


class SteadyClock:
    """Wall time read once, carried on by the monotonic clock and led slowly after the system's.

    Holds promise a duration: a clock set forward an hour must not end them, one set back must not prolong them.
    """

    def __init__(
        self, *, system_time: Callable[[], datetime] | None = None, monotonic: Callable[[], float] | None = None
    ) -> None:
        """Start at the system's time; a simulation brings clocks of its own."""
        self._system_time = system_time or _system_time
        self._monotonic = monotonic or _monotonic
        self._at = self._system_time()
        self._since = self._monotonic()
        """When `_at` was the time; both move on at every `follow`."""
        self._ahead = 0.0
        """Seconds by which the system clock was ahead of us then: what is still to be made good."""

    def never_before(self, at: datetime) -> None:
        """Jump to `at` where we are behind it: the journal's last instant, after the system clock was set back."""
        self._at += max(timedelta(0), at - self.now())

    def now(self) -> datetime:
        """Return the time (`engine.ports.Clock.now`)."""
        elapsed = self._monotonic() - self._since
        # hurried or dawdled from one instant to the next, so that neither following nor being followed is a jump
        most = elapsed * _SLEW
        return self._at + timedelta(seconds=elapsed + max(-most, min(most, self._ahead)))

    def follow(self) -> float:
        """Look at the system clock, to come nearer to it from now on; return how far it is ahead of us, in seconds."""
        self._at, self._since = self.now(), self._monotonic()
        self._ahead = (self._system_time() - self._at).total_seconds()
        return self._ahead


def _system_time() -> datetime:
    return EPOCH + timedelta(seconds=time.clock_gettime(time.CLOCK_REALTIME))


def _monotonic() -> float:
    return time.monotonic()
