"""One task that computes offers anew which depend on more than stock: after an edit of the rules, and with the time.

It walks the listings of one account after the other in slices. Whatever asks for a walk meanwhile is met by the same
task: the accounts that are left go on, those that were walked are walked again. So edits in quick succession starve
nobody, and the newest rules always win, for each offer is computed from the rules of its own moment.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

import structlog
import trio

from engine.actors.slices import BRISK, IDLE, Pace, in_slices
from engine.domain.units import AccountId
from engine.machines.listing import Listing
from engine.ports import Clock

log = structlog.get_logger(__name__)

DRIFT_SECONDS = 3600.0
"""How often offers that depend on measured demand are computed anew without an event: demand is counted by the day."""


class Offerer(Protocol):
    """A pusher, as this task sees it."""

    @property
    def listing_count(self) -> int:
        """How many listings are mapped now."""
        ...

    def listings(self) -> Iterator[Listing]:
        """Walk through every mapped listing; mappings may come and go meanwhile."""
        ...

    def offer_anew(self, listings: Sequence[Listing]) -> int:
        """Compute these offers anew; return how many have changed."""
        ...

    def stir(self) -> None:
        """Let it look at what is to be sent now."""
        ...


class ReofferListener(Protocol):
    """What telemetry wants to know."""

    def reoffered(self, reason: str, offers: int, changed: int, seconds: float) -> None:
        """Report a finished walk through all accounts."""
        ...


class Reoffer:
    """Walks when it is asked to, when a window begins or ends, and once an hour where offers follow demand."""

    def __init__(
        self,
        accounts: Mapping[AccountId, Offerer],
        *,
        clock: Clock,
        next_turn_at: Callable[[datetime], datetime | None],
        drifts: Callable[[], bool],
        listener: ReofferListener,
    ) -> None:
        """Start idle.

        Args:
            accounts: who is walked, in order.
            clock: the time of windows.
            next_turn_at: when the rules change by themselves next after an instant; None: never.
            drifts: whether any rule follows measured demand.
            listener: telemetry.
        """
        self.offers_left = 0
        """Offers of the walk under way that are still to be computed, about; 0: all are up to date."""
        self.walks = 0
        """Finished."""
        self._accounts = accounts
        self._clock = clock
        self._next_turn_at = next_turn_at
        self._drifts = drifts
        self._listener = listener
        self._left: dict[AccountId, None] = {}
        self._reason = ""
        self._pace = IDLE
        self._asked = trio.Event()

    def request(self, reason: str, pace: Pace = BRISK) -> None:
        """Compute every offer anew, soon. Never blocks; asking again while it walks walks again what was walked."""
        self._reason = reason
        if pace is BRISK or not self._left:
            self._pace = pace
        for account in self._accounts:
            self._left.setdefault(account)
        self.offers_left = max(1, self.offers_left)  # until it is counted, at least not none
        self._asked.set()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Walk whenever there is reason to, until cancelled."""
        task_status.started()
        drift_at = trio.current_time() + DRIFT_SECONDS
        turn_at = self._next_turn_at(self._clock.now())
        while True:
            # no checkpoint from here to the wait: an edit told meanwhile must find the event waited for
            self._asked = trio.Event()
            if not self._left:
                wait = drift_at - trio.current_time()
                turn_at = self._next_turn_at(self._clock.now())
                if turn_at is not None:
                    wait = min(wait, (turn_at - self._clock.now()).total_seconds())
                with trio.move_on_after(max(0.0, wait)):
                    await self._asked.wait()
            if turn_at is not None and self._clock.now() >= turn_at:
                self.request("window")
            if trio.current_time() >= drift_at:
                drift_at = trio.current_time() + DRIFT_SECONDS
                if self._drifts():
                    self.request("demand", IDLE)
            if self._left:
                await self._walk()

    async def _walk(self) -> None:
        started, offers, changed = trio.current_time(), 0, 0
        while self._left:
            account_id = next(iter(self._left))
            del self._left[account_id]  # before it is walked: an edit from here on asks for it again
            account = self._accounts[account_id]
            self.offers_left = account.listing_count * (1 + len(self._left))

            def offer(chunk: Sequence[Listing], account: Offerer = account) -> None:
                nonlocal offers, changed
                changed += account.offer_anew(chunk)
                offers += len(chunk)
                self.offers_left = max(1, self.offers_left - len(chunk))

            await in_slices(account.listings(), offer, self._pace)
            account.stir()
            await trio.lowlevel.checkpoint()
        self.offers_left = 0
        self.walks += 1
        seconds = trio.current_time() - started
        log.info("offers.recomputed", reason=self._reason, offers=offers, changed=changed, seconds=round(seconds, 3))
        self._listener.reoffered(self._reason, offers, changed, seconds)
