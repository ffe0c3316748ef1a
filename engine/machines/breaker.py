"""Leave a failing account alone, then ask once."""

from enum import StrEnum


class BreakerState(StrEnum):
    """Closed: calls pass. Open: none does. Half open: one call is out to see."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """Opens after `failures_max` failures in a row; after `open_seconds` lets one probe through."""

    def __init__(self, failures_max: int, open_seconds: float) -> None:
        """Start closed. `failures_max` is at least 1."""
        self.state = BreakerState.CLOSED
        self.reason = ""
        """Why it is not closed."""
        self._failures_max = failures_max
        self._open_seconds = open_seconds
        self._failures = 0
        self._probe_at = 0.0

    def wait_seconds(self, now: float) -> float:
        """Return 0 when a call may start, seconds until the next probe, or infinity while a probe is out."""
        match self.state:
            case BreakerState.CLOSED:
                return 0.0
            case BreakerState.OPEN:
                return max(0.0, self._probe_at - now)
            case BreakerState.HALF_OPEN:
                return float("inf")

    def started(self, now: float) -> None:
        """Note a call that `wait_seconds` allowed; when open, it is the probe."""
        assert self.wait_seconds(now) == 0.0, "a call started against the breaker"
        if self.state is BreakerState.OPEN:
            self.state = BreakerState.HALF_OPEN

    def succeeded(self) -> bool:
        """Note an answer, of whatever kind; True when this ended an outage."""
        ended = self.state is not BreakerState.CLOSED
        self.state, self.reason, self._failures = BreakerState.CLOSED, "", 0
        return ended

    def failed(self, reason: str, now: float) -> bool:
        """Note a call without an answer; True when this began an outage.

        Calls that started before it opened and fail while it is open do not lengthen the wait.
        """
        if self.state is BreakerState.OPEN:
            return False
        self._failures += 1
        began = self.state is BreakerState.CLOSED and self._failures >= self._failures_max
        if began or self.state is BreakerState.HALF_OPEN:
            self.state, self.reason = BreakerState.OPEN, reason
            self._probe_at = now + self._open_seconds
        return began

    def abandoned(self, now: float) -> None:
        """Note a call that was given up before it told anything: a probe's place is free again."""
        if self.state is BreakerState.HALF_OPEN:
            self.state, self._probe_at = BreakerState.OPEN, now
