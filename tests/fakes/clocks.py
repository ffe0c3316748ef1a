"""Clocks of a test's own day, 2026-11-11 at noon."""

from datetime import UTC, datetime, timedelta

import trio

START = datetime(2026, 11, 11, 12, tzinfo=UTC)
PATIENCE_SECONDS = 30 * 86_400
"""Longer than any test's virtual time."""


class NoonClock:
    """Noon when trio's time is zero, and as fast."""

    def now(self) -> datetime:
        return START + timedelta(seconds=trio.current_time())


class HandClock:
    """Moved by the test alone: trio's time may stand still or run ahead of it."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> datetime:
        return self.at

    def pass_seconds(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
