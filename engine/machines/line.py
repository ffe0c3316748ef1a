"""The line to one account: what it may spend, whether anybody answers, and whether its orders are known."""

import random

from engine.domain.errors import ChannelError, Refused, Throttled
from engine.machines.backoff import Backoff
from engine.machines.breaker import Breaker, BreakerState
from engine.machines.budget import Budget, BudgetTerms, Lane
from engine.machines.pushing import Effect, Now, PollOrders, PushTerms


class Line:
    """Budget and breaker of an account, shared by its pusher and its order desk."""

    def __init__(self, push: PushTerms, budget: BudgetTerms, rng: random.Random) -> None:
        """Start with orders behind: nobody knows what was sold while we were away."""
        self.budget = Budget(budget)
        self.breaker = Breaker(push.breaker_failures, push.breaker_seconds)
        self.behind: str | None = "starting"
        """Why numbers may only fall (law 7; lessons E2, E3, E10); None: they may rise."""
        self.outage: str | None = None
        """Why the account was left alone before its orders were caught up again; None: they are."""
        self._backoff = Backoff(seconds=push.retry_seconds, seconds_max=push.retry_seconds_max)
        self._rng = rng
        self._throttles = 0

    @property
    def unreachable(self) -> str | None:
        """Why the account is left alone; None: it is not."""
        return None if self.breaker.state is BreakerState.CLOSED else self.breaker.reason

    @property
    def probing(self) -> bool:
        """Whether the next call, once one may start, is the one to see whether anybody answers."""
        return self.breaker.state is not BreakerState.CLOSED

    def wait_seconds(self, *lanes: Lane, now: float) -> float:
        """Return 0 when a call in one of these lanes may start, else seconds until it is worth asking again."""
        wait = min(self.budget.wait_seconds(lane, now) for lane in lanes)
        return max(wait, self.breaker.wait_seconds(now))

    def start(self, *lanes: Lane, now: float) -> bool:
        """Start a call in the first of these lanes that has room; False: none has."""
        if self.breaker.wait_seconds(now) > 0:
            return False
        for lane in lanes:
            if self.budget.wait_seconds(lane, now) == 0:
                self.budget.start(lane, now)
                self.breaker.started(now)
                return True
        return False

    def put_by(self, now: float) -> None:
        """Promise a write that `wait_seconds` has room for; `leave` or `forgo` follows when it is on record."""
        assert self.breaker.wait_seconds(now) <= 0, "the account is left alone"
        self.budget.put_by(now)
        self.breaker.started(now)

    def leave(self, now: float) -> None:
        """Note that a promised write leaves; `ended` follows."""
        self.budget.leave(now)

    def forgo(self, now: float) -> None:
        """Note that a promised write does not leave."""
        self.budget.forgo()
        self.breaker.abandoned(now)

    def ended(self, error: ChannelError | None, now: Now) -> list[Effect]:
        """Note how a call ended. After an outage orders come first: they are asked for and numbers may only fall."""
        self.budget.end()
        if isinstance(error, Throttled):
            self._throttled(error.retry_after_seconds, now.seconds)
        elif error is None:
            self._throttles = 0
        if error is not None and not isinstance(error, Throttled | Refused):
            if self.breaker.failed(str(error), now.seconds):
                self.behind = f"unreachable: {error}"
            return []
        reason = self.breaker.reason
        if not self.breaker.succeeded():
            return []
        self.behind, self.outage = "reconnected", reason
        return [PollOrders(reason="reconnected")]

    def caught_up(self) -> None:
        """Note that every order is known: numbers may rise."""
        self.behind = self.outage = None

    def abandoned(self, now: float) -> None:
        """Note a call that was cancelled or never made; it told nothing."""
        self.budget.end()
        self.breaker.abandoned(now)

    def _throttled(self, retry_after_seconds: float | None, now: float) -> None:
        self._throttles += 1
        wait = self._backoff.wait_seconds(self._throttles, self._rng, retry_after_seconds=retry_after_seconds)
        self.budget.hold(now + wait)
