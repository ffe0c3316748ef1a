"""The one place where the emulator learns what time it is."""

import time
from datetime import UTC, datetime, timedelta


class Clock:
    """The machine's clocks. Everything else takes instants as arguments.

    The wall clock is read once and then follows the monotonic one: it never steps back, which the shop relies on.
    """

    def __init__(self) -> None:
        self._origin = datetime.fromtimestamp(time.time_ns() / 1e9, tz=UTC) - timedelta(seconds=time.monotonic())

    def now(self) -> datetime:
        """Tell the wall time, aware and in UTC, to the microsecond."""
        return self._origin + timedelta(seconds=time.monotonic())

    def monotonic(self) -> float:
        """Tell seconds that never go back."""
        return time.monotonic()
