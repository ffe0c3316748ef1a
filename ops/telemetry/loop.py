"""How late the event loop is: everybody's latency in one number."""

from collections.abc import Callable, Iterator
from typing import Final

import trio
from prometheus_client import Metric

from ops.telemetry.families import Spread, build_gauge

_PERIOD_SECONDS: Final = 0.1
_WINDOW_SECONDS: Final = 60.0
_SAMPLE_SECONDS: Final = 1.0
_DELAYS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
"""From one batch of decisions to a loop that stood still."""


class LoopWatch:
    """A timer that measures how late it fires."""

    def __init__(self, sample: Callable[[float], None]) -> None:
        """Call `sample(now)` about once a second from the same task; it must not block."""
        self._sample = sample
        self._delays = Spread(
            "loop_delay_seconds", "How late a timer of the daemon's event loop fired, ten times a second.", _DELAYS
        )
        self._window_began = 0.0
        self._max = self._max_before = 0.0

    async def run(self) -> None:
        """Measure until cancelled."""
        self._window_began = trio.current_time()
        sample_at = self._window_began
        while True:
            due = trio.current_time() + _PERIOD_SECONDS
            await trio.sleep_until(due)
            now = trio.current_time()
            self._note(max(0.0, now - due), now)
            if now >= sample_at:
                self._sample(now)
                sample_at = now + _SAMPLE_SECONDS

    def _note(self, delay: float, now: float) -> None:
        if now - self._window_began >= _WINDOW_SECONDS:
            # the window before is kept, so that a peak is seen by every scraper for at least a minute
            self._max_before, self._max, self._window_began = self._max, 0.0, now
        self._max = max(self._max, delay)
        self._delays.of().observe(delay)

    def collect(self) -> Iterator[Metric]:
        """Build the families."""
        yield self._delays.collect()
        largest = max(self._max, self._max_before)
        yield build_gauge(
            "loop_delay_max_seconds", "Largest delay of the event loop in the last one to two minutes.", [((), largest)]
        )
