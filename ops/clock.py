"""The daemon's clock: wall time that never runs backwards and does not jump."""

import time
from datetime import UTC, datetime, timedelta
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

    def __init__(self) -> None:
        """Start at the system's time."""
        self._started_at = datetime.fromtimestamp(time.clock_gettime(time.CLOCK_REALTIME), UTC)
        self._started = time.monotonic()
        self._led_seconds = 0.0
        self._followed = self._started

    def never_before(self, at: datetime) -> None:
        """Jump to `at` where we are behind it: the journal's last instant, after the system clock was set back."""
        behind = (at - self.now()).total_seconds()
        self._led_seconds += max(0.0, behind)

    def now(self) -> datetime:
        """Return the time (`engine.ports.Clock.now`)."""
        return self._started_at + timedelta(seconds=time.monotonic() - self._started + self._led_seconds)

    def follow(self) -> float:
        """Come a little nearer to the system clock; return how far it was ahead of us, in seconds."""
        monotonic = time.monotonic()
        system = EPOCH + timedelta(seconds=time.clock_gettime(time.CLOCK_REALTIME))
        ahead = (system - self.now()).total_seconds()
        most = (monotonic - self._followed) * _SLEW
        self._followed = monotonic
        self._led_seconds += max(-most, min(most, ahead))
        return ahead
