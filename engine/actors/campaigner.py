"""One task that turns campaigns with the clock: it looks after the end, and lets the rest go when the window passed."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

import structlog
import trio

from engine.actors.journal import Journal
from engine.domain.events import CampaignReturned
from engine.domain.offers.campaigns import Campaign, Campaigns, Phase
from engine.domain.units import AccountId, Key, ListingId, Sku
from engine.ports import Clock

log = structlog.get_logger(__name__)


class Account(Protocol):
    """A pusher, as this task sees it."""

    def look_again(self, sku: Sku) -> None:
        """Read the listings of a SKU at once."""
        ...


class Campaigner:
    """Owns no campaign: it records what is due, and the projections apply that."""

    def __init__(
        self,
        campaigns: Campaigns,
        accounts: Callable[[AccountId], Account | None],
        retouch: Callable[[Sku], None],
        *,
        clock: Clock,
        journal: Journal,
    ) -> None:
        """Start idle.

        Args:
            campaigns: as far as they are durable.
            accounts: finds the account of a campaign; None: it is configured no more.
            retouch: lets every account compute a SKU's offers anew.
            clock: the time of starts and ends.
            journal: where the end of a claim is recorded.
        """
        self._campaigns = campaigns
        self._accounts = accounts
        self._retouch = retouch
        self._clock = clock
        self._journal = journal
        self._leaving: set[Key] = set()
        """Handed to the journal and not applied yet."""
        self._changed = trio.Event()

    def applied(self, campaign: Campaign | None) -> None:
        """Hear that a campaign was set, ended or returned: offers follow, and the clock is set anew."""
        if campaign is not None:
            self._leaving.discard(campaign.terms.key)
            self._retouch(campaign.terms.sku)
        self._changed.set()

    def seen(self, account: AccountId, sku: Sku, listing_id: ListingId, shown: int | None, read_at: datetime) -> None:
        """Hear what a look saw that began at `read_at`: after a campaign's end, its rest is back in the pool."""
        for key in self._campaigns.seen(account, sku, listing_id, shown, read_at):
            self._release(self._campaigns.open[key], shown)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Turn campaigns until cancelled."""
        task_status.started()
        turned = self._clock.now()
        for campaign in list(self._campaigns.open.values()):  # what came due while nobody was there
            self._turn(campaign, turned)
        while True:
            # no checkpoint from here to the wait: what is told meanwhile must find the event waited for
            self._changed = trio.Event()
            due_at = self._campaigns.next_turn_at(turned)
            wait = float("inf") if due_at is None else (due_at - self._clock.now()).total_seconds()
            with trio.move_on_after(max(0.0, wait)):
                await self._changed.wait()
            before, turned = turned, max(turned, self._clock.now())
            for campaign in list(self._campaigns.open.values()):
                turn_at = campaign.next_turn_at(before)
                if (turn_at is not None and turn_at <= turned) or campaign.ended_at is not None:
                    self._turn(campaign, turned)

    def _turn(self, campaign: Campaign, now: datetime) -> None:
        self._retouch(campaign.terms.sku)
        if campaign.phase(now) is not Phase.RETURNING:
            return
        account = self._accounts(campaign.terms.account)
        if now >= campaign.returns_at or account is None:
            self._release(campaign, None)
        else:
            account.look_again(campaign.terms.sku)

    def _release(self, campaign: Campaign, shown: int | None) -> None:
        key = campaign.terms.key
        if key in self._leaving:
            return
        self._leaving.add(key)
        event = CampaignReturned(
            at=self._clock.now(), key=key, sold=campaign.sold, remainder=campaign.remainder, shown=shown
        )
        log.info("campaign.returned", campaign=key, account=campaign.terms.account, remainder=event.remainder)
        self._journal.enqueue([event], None)
