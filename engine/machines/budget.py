"""What an account may spend on calls: tokens, burst, calls under way, and a share that writes cannot touch."""

from enum import StrEnum

import msgspec

_WHOLE = 1 - 1e-9
"""A token, less what adding up floats may lose: without it a wait could be too small to move the clock."""


class Lane(StrEnum):
    """Which tokens a call may use."""

    OPEN = "open"
    """Those open to all: writes, and reads while no write waits."""
    RESERVE = "reserve"
    """The reserved ones: reads while writes wait, so that verification goes on."""
    ORDERS = "orders"
    """Any."""


class BudgetTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What the channel allows and how it is shared."""

    calls_per_second: float = 4.0
    burst: int = 8
    concurrency: int = 2
    orders_share: float = 0.2
    """Part of the tokens that only orders and reads may use."""


class Budget:
    """A token bucket in two compartments; it spends a budget, it does not space calls (lesson G9).

    `orders_share` of the tokens drips into a reserve for orders and reads, the rest into an open compartment for all.
    What one compartment cannot hold runs over into the other, so whoever is alone gets the whole rate. Over any t
    seconds at most `burst + t x calls_per_second` calls start.

    A waiting order call gets the next slot and the next reserved token; the others leave them alone.
    """

    def __init__(self, terms: BudgetTerms) -> None:
        """Start full."""
        self._terms = terms
        # Both compartments must hold a whole token or nobody could ever take one; a burst of one leaves no reserve.
        self._reserve_max = min(max(1.0, terms.burst * terms.orders_share), terms.burst - 1.0)
        if terms.orders_share == 0:
            self._reserve_max = 0.0
        self._open_max = terms.burst - self._reserve_max
        self._reserve, self._open = self._reserve_max, self._open_max
        self._filled_at: float | None = None
        self._held_until = float("-inf")
        self._put_by = 0
        """Open tokens of calls that have a slot and have not left yet."""
        self.running = 0
        """Calls under way."""
        self.orders_waiting = 0
        """Order calls that wait for their turn; their owner keeps count."""
        self.spent = 0
        """Calls ever started."""

    def wait_seconds(self, lane: Lane, now: float) -> float:
        """Return 0 when a call may start now, seconds until it is worth asking again, infinity until one ends."""
        free = self._terms.concurrency - self.running
        if free <= (0 if lane is Lane.ORDERS else min(1, self.orders_waiting)):
            return float("inf")
        if now < self._held_until:
            return self._held_until - now
        self._fill(now)
        match lane:
            case Lane.OPEN:
                return self._seconds_to_open()
            case Lane.RESERVE:
                return float("inf") if self.orders_waiting else self._seconds_to_reserved()
            case Lane.ORDERS:
                return min(self._seconds_to_open(), self._seconds_to_reserved())

    def start(self, lane: Lane, now: float) -> None:
        """Spend a token and a slot; every start is followed by one `end`."""
        assert self.wait_seconds(lane, now) == 0.0, "a call started over budget"
        if lane is not Lane.OPEN and self._reserve >= _WHOLE:
            self._reserve -= 1
        else:
            self._open -= 1
        self.running += 1
        self.spent += 1

    def put_by(self, now: float) -> None:
        """Take a slot for a call that leaves later, and put an open token by; `leave` or `forgo` follows.

        The token is spent when the call leaves. Spent before, it would have dripped back meanwhile, and as many calls
        as waited would leave on top of a full burst.
        """
        assert self.wait_seconds(Lane.OPEN, now) == 0.0, "a call was promised over budget"
        self._put_by += 1
        self.running += 1

    def leave(self, now: float) -> None:
        """Spend the token that was put by for a call, which leaves now; `end` follows."""
        assert self._put_by > 0, "more calls left than were promised"
        self._fill(now)
        self._put_by -= 1
        self._open -= 1
        self.spent += 1

    def forgo(self) -> None:
        """Give back what was put by for a call that does not leave: token and slot."""
        assert self._put_by > 0, "more calls were given up than were promised"
        self._put_by -= 1
        self.end()

    def end(self) -> None:
        """Give the slot back."""
        assert self.running > 0, "more calls ended than started"
        self.running -= 1

    def hold(self, until: float) -> None:
        """Start nothing before `until`: the channel asked for patience. Tokens saved up so far are void."""
        self._held_until = max(self._held_until, until)
        self._reserve = self._open = 0.0
        self._filled_at = self._held_until

    @property
    def has_reserve(self) -> bool:
        """Whether there is a reserve to draw on."""
        return self._reserve_max >= 1

    def _seconds_to_open(self) -> float:
        left = self._open - self._put_by
        if left >= _WHOLE:
            return 0.0
        rate, share = self._terms.calls_per_second, self._terms.orders_share
        alone = (1 - left) / (rate * (1 - share))
        if share == 0:
            return alone
        # From the moment the reserve is full its drip comes over, too.
        spill_seconds = max(0.0, self._reserve_max - self._reserve) / (rate * share)
        return min(alone, spill_seconds + (1 - left - spill_seconds * rate * (1 - share)) / rate)

    def _seconds_to_reserved(self) -> float:
        if self._reserve >= _WHOLE:
            return 0.0
        if self._reserve_max < 1:
            return float("inf")
        return (1 - self._reserve) / (self._terms.calls_per_second * self._terms.orders_share)

    def _fill(self, now: float) -> None:
        seconds = 0.0 if self._filled_at is None else max(0.0, now - self._filled_at)
        self._filled_at = now if self._filled_at is None else max(now, self._filled_at)
        dripped = seconds * self._terms.calls_per_second
        reserve = self._reserve + dripped * self._terms.orders_share
        opened = self._open + dripped * (1 - self._terms.orders_share)
        self._reserve = min(self._reserve_max, reserve + max(0.0, opened - self._open_max))
        self._open = min(self._open_max, opened + max(0.0, reserve - self._reserve_max))
