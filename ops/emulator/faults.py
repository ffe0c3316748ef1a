"""How a marketplace misbehaves: the settings, and the dice that decide request by request. No IO."""

import random
from typing import Annotated, Literal

import msgspec

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Amount = Annotated[float, msgspec.Meta(ge=0)]
Fate = Literal["served", "refused", "html", "truncated", "cut", "closed", "closed_applied", "lost_answer"]
RowFate = Literal["applied", "ignored", "late"]


class Faults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is switched on; the default is a well-behaved shop. A share is a chance per request, row or delivery."""

    latency_min_ms: Amount = 0
    latency_max_ms: Amount = 0
    rate_per_second: Amount = 0
    """Requests per second before 429 begins; 0 is no limit."""
    rate_burst: Annotated[int, msgspec.Meta(ge=1)] = 10
    retry_after: bool = True
    """Whether a 429 says when to come back."""
    error_share: Share = 0
    """Answered with one of `error_statuses`; nothing is done."""
    error_statuses: tuple[int, ...] = (500, 502, 503)
    html_share: Share = 0
    """Answered 200 with an HTML page by something in front of the shop; nothing is done."""
    truncated_share: Share = 0
    """Done, but the JSON ends in the middle; every other time the connection ends there too."""
    closed_share: Share = 0
    """The connection closes with nothing sent; every other time the request was done."""
    lost_answer_share: Share = 0
    """A write is done and answered with 500."""
    ignored_share: Share = 0
    """A stock row is answered as applied and is not."""
    late_share: Share = 0
    """A stock row is answered as applied and is applied `late_seconds` later."""
    late_seconds: Amount = 2
    webhook_loss_share: Share = 0
    webhook_repeat_share: Share = 0
    webhook_wrong_signature_share: Share = 0
    webhook_delay_seconds: Amount = 0
    """How long the queue takes before a delivery."""
    webhook_jitter_seconds: Amount = 0
    """At most this much more, drawn per delivery: they overtake each other."""


class Dice:
    """Draws the fate of requests, rows and deliveries from one seeded generator."""

    def __init__(self, rng: random.Random) -> None:
        self.faults = Faults()
        self._rng = rng
        self._tokens = 0.0
        self._refilled_at = 0.0

    def configure(self, faults: Faults, monotonic: float) -> None:
        """Replace the settings; the bucket of the rate limit starts full."""
        self.faults = faults
        self._tokens, self._refilled_at = float(faults.rate_burst), monotonic

    def throttle_seconds(self, monotonic: float) -> float:
        """Take one request from the allowance; return 0 if there was one left, else seconds until there is."""
        rate = self.faults.rate_per_second
        if not rate:
            return 0
        earned = (monotonic - self._refilled_at) * rate
        self._tokens, self._refilled_at = min(float(self.faults.rate_burst), self._tokens + earned), monotonic
        if self._tokens >= 1:
            self._tokens -= 1
            return 0
        return (1 - self._tokens) / rate

    def latency_seconds(self) -> float:
        """Draw how long one request takes."""
        low, high = self.faults.latency_min_ms, self.faults.latency_max_ms
        return self._rng.uniform(low, max(low, high)) / 1000 if low or high else 0

    def fate(self, *, is_write: bool) -> Fate:
        """Draw what becomes of one request."""
        faults = self.faults
        chances: tuple[tuple[tuple[Fate, Fate], float], ...] = (
            (("refused", "refused"), faults.error_share),
            (("html", "html"), faults.html_share),
            (("truncated", "cut"), faults.truncated_share),
            (("closed", "closed_applied"), faults.closed_share),
            (("lost_answer", "lost_answer"), faults.lost_answer_share if is_write else 0),
        )
        if not any(share for _, share in chances):
            return "served"
        drawn = self._rng.random()
        for (first, second), share in chances:
            if drawn < share:
                return first if drawn < share / 2 else second
            drawn -= share
        return "served"

    def error_status(self) -> int:
        """Draw a server error."""
        return self._rng.choice(self.faults.error_statuses or (500,))

    def row_fate(self) -> RowFate:
        """Draw what becomes of one stock row."""
        if not self.faults.ignored_share and not self.faults.late_share:
            return "applied"
        drawn = self._rng.random()
        if drawn < self.faults.ignored_share:
            return "ignored"
        return "late" if drawn < self.faults.ignored_share + self.faults.late_share else "applied"

    def happens(self, share: float) -> bool:
        """Draw one chance."""
        return share > 0 and self._rng.random() < share

    def delivery_delay_seconds(self) -> float:
        """Draw how long one webhook delivery waits in the queue."""
        jitter = self.faults.webhook_jitter_seconds
        return self.faults.webhook_delay_seconds + (self._rng.uniform(0, jitter) if jitter else 0)
