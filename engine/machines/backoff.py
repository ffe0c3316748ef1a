"""How long to wait before trying again."""

import random

import msgspec


class Backoff(msgspec.Struct, frozen=True, kw_only=True):
    """Exponential waits with full jitter: tries of many listings spread out instead of coming back as one wave.

    Source: AWS Architecture Blog, "Exponential Backoff And Jitter" (full jitter needs the fewest calls of its kinds).
    """

    seconds: float
    """Ceiling of the first wait."""
    seconds_max: float
    """Ceiling of every wait, also of one that the peer asks for: it must not be able to park us for a week."""

    def wait_seconds(self, tries: int, rng: random.Random, *, retry_after_seconds: float | None = None) -> float:
        """Draw the wait after `tries` failures in a row (1 is the first), no shorter than the peer asked for."""
        # 2 ** 60 seconds is past every ceiling; the limit keeps the power from overflowing a float.
        ceiling = min(self.seconds_max, self.seconds * 2 ** min(max(tries, 1) - 1, 60))
        drawn = rng.uniform(0, ceiling)
        return max(drawn, min(retry_after_seconds or 0.0, self.retry_after_seconds_max))

    @property
    def retry_after_seconds_max(self) -> float:
        """Longest Retry-After that is honoured: an hour, or the longest wait where that is longer."""
        return max(self.seconds_max, 3600.0)
