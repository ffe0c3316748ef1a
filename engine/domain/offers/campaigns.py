"""Campaign stock as an object: how many units an account set aside, what it sold of them, and when the rest comes back.

Shopee returns what is left silently when a campaign ends, Lazada refuses lower numbers while one runs, Lazada Choice
takes only higher ones (lesson D18; lesson I3: it is typed in by hand at most of them). So a campaign is a claim on
stock from its start on, its lock says what the channel would refuse, and after its end the claim stands until the
listing has been read again, or the return window has passed: what a channel says of a campaign is not believed, what it
shows is.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from engine.domain.events import CampaignEnded, CampaignEvent, CampaignReturned, CampaignSet
from engine.domain.events.campaigns import Lock
from engine.domain.offers.fences import Claim
from engine.domain.stated.offers import CampaignStated
from engine.domain.units import AccountId, Key, ListingId, Sku

OPEN_MAX = 10_000
"""Campaigns that are not over, at all accounts together."""
OVER_MAX = 1_000
"""Campaigns kept for reading when they are over; the journal has them all."""


_REFUSES: Final[dict[Lock, str]] = {
    "open": "every number is taken",
    "increase_only": "no lower number is taken",
    "closed": "no number is taken",
}


class Phase(StrEnum):
    """Where a campaign stands."""

    PLANNED = "planned"
    RUNNING = "running"
    RETURNING = "returning"
    """Over, and nobody has seen yet what the channel gave back."""
    OVER = "over"


class Locked(NamedTuple):
    """A state of a listing, not a fault: what its channel would refuse."""

    lock: Lock
    until: datetime
    reason: str

    def refuses(self, offer: int, pushed: int | None) -> bool:
        """Whether the channel would refuse this number, having taken `pushed` last."""
        return self.lock == "closed" or (self.lock == "increase_only" and pushed is not None and offer < pushed)


class Campaign:
    """One campaign; `Campaigns` applies events to it."""

    __slots__ = ("ended_at", "returned", "sold", "terms")

    def __init__(self, terms: CampaignSet) -> None:
        """Start with nothing sold."""
        self.terms = terms
        self.sold = 0
        """Units the account sold of the SKU while it ran."""
        self.ended_at: datetime | None = None
        """When somebody ended it by hand."""
        self.returned: CampaignReturned | None = None

    @property
    def ends_at(self) -> datetime:
        """When the channel lets go of the stock."""
        return self.terms.ends_at if self.ended_at is None else min(self.ended_at, self.terms.ends_at)

    @property
    def returns_at(self) -> datetime:
        """When the rest comes back whether or not anybody has looked."""
        return self.ends_at + timedelta(hours=self.terms.return_hours)

    @property
    def remainder(self) -> int:
        """Units of the quota that were not sold."""
        return max(0, self.terms.quota - self.sold)

    def phase(self, at: datetime) -> Phase:
        """Return where it stands at an instant."""
        if self.returned is not None:
            return Phase.OVER
        if at < self.terms.starts_at and self.ended_at is None:
            return Phase.PLANNED
        return Phase.RUNNING if at < self.ends_at else Phase.RETURNING

    def next_turn_at(self, after: datetime) -> datetime | None:
        """Return when the clock alone changes it next; None: never again."""
        if self.returned is not None:
            return None
        turns = (self.terms.starts_at, self.ends_at, self.returns_at)
        return min((turn for turn in turns if turn > after), default=None)


class Campaigns:
    """All that are not over, and the last ones that are. A projection; `apply` and `sell` are the only ways in."""

    def __init__(self) -> None:
        """Start without any."""
        self.open: dict[Key, Campaign] = {}
        self.over: deque[Campaign] = deque(maxlen=OVER_MAX)
        self._of_sku: dict[Sku, tuple[Campaign, ...]] = {}

    def __bool__(self) -> bool:
        return bool(self.open)

    def get(self, key: Key) -> Campaign | None:
        """Return a campaign, over or not; None: there is none of this key, or it is not kept."""
        found = self.open.get(key)
        return found or next((each for each in self.over if each.terms.key == key), None)

    def skus(self) -> Iterable[Sku]:
        """Return every SKU that has an open campaign."""
        return self._of_sku.keys()

    def of(self, sku: Sku) -> Sequence[Campaign]:
        """Return the campaigns of a SKU that are not over."""
        return self._of_sku.get(sku, ())

    def apply(self, event: CampaignEvent) -> Campaign | None:
        """Take in what has happened; returns the campaign that it happened to."""
        match event:
            case CampaignSet(key=key) if key in self.open:
                return self.open[key]  # two callers said the same at the same moment
            case CampaignSet():
                campaign = self.open[event.key] = Campaign(event)
                self._of_sku[event.sku] = (*self.of(event.sku), campaign)
                return campaign
            case CampaignEnded():
                ended = self.open.get(event.key)
                if ended is not None and ended.ended_at is None:
                    ended.ended_at = event.at
                return ended
            case CampaignReturned():
                returned = self.open.pop(event.key, None)
                if returned is not None:
                    returned.returned = event
                    self._close(returned)
                return returned

    def sell(self, sku: Sku, account: AccountId, units: int, at: datetime) -> None:
        """Count a change of what an account sold; only what is sold while a campaign runs is sold of it."""
        for campaign in self.of(sku):
            if campaign.terms.account == account and campaign.phase(at) is Phase.RUNNING:
                campaign.sold = max(0, campaign.sold + units)

    def claims(self, sku: Sku, at: datetime) -> Sequence[Claim]:
        """Return what is set aside of a SKU, in the order in which the campaigns were set."""
        return [
            Claim(
                campaign.terms.account,
                campaign.remainder,
                f"campaign {campaign.terms.key}, {phase}: {campaign.terms.quota}, {campaign.sold} sold",
            )
            for campaign in self.of(sku)
            if (phase := campaign.phase(at)) in {Phase.RUNNING, Phase.RETURNING}
        ]

    def lock(self, account: AccountId, sku: Sku, listing_id: ListingId, at: datetime) -> Locked | None:
        """Return what the channel refuses just now for a listing, until when, and why; None: it takes any number."""
        for campaign in self.of(sku):
            terms = campaign.terms
            meant = terms.account == account and terms.listing_id in {None, listing_id}
            if meant and terms.lock != "open" and campaign.phase(at) is Phase.RUNNING:
                reason = f"campaign {terms.key} until {campaign.ends_at:%Y-%m-%d %H:%MZ}: {_REFUSES[terms.lock]}"
                return Locked(terms.lock, campaign.ends_at, reason)
        return None

    def seen(self, account: AccountId, sku: Sku, listing_id: ListingId, shown: int | None, at: datetime) -> list[Key]:
        """Return the campaigns whose rest may be believed to be back: their listing was read after their end."""
        return [
            campaign.terms.key
            for campaign in self.of(sku)
            if campaign.terms.account == account
            and campaign.terms.listing_id in {None, listing_id}
            and shown is not None
            and campaign.phase(at) is Phase.RETURNING
        ]

    def next_turn_at(self, after: datetime) -> datetime | None:
        """Return when the clock alone changes any of them next. O(open campaigns)."""
        turns = (campaign.next_turn_at(after) for campaign in self.open.values())
        return min((turn for turn in turns if turn is not None), default=None)

    # -- snapshots

    def state(self, as_of: datetime) -> Iterator[CampaignStated]:  # noqa: ARG002
        """Say those that are over and kept, then the open ones, each in the order in which that came about."""
        for each in (*self.over, *self.open.values()):
            yield CampaignStated(terms=each.terms, sold=each.sold, ended_at=each.ended_at, returned=each.returned)

    def restore(self, statement: CampaignStated) -> None:
        """Take in one of what `state` says."""
        campaign = Campaign(statement.terms)
        campaign.sold, campaign.ended_at, campaign.returned = statement.sold, statement.ended_at, statement.returned
        if campaign.returned is not None:
            self.over.append(campaign)
            return
        self.open[campaign.terms.key] = campaign
        self._of_sku[campaign.terms.sku] = (*self.of(campaign.terms.sku), campaign)

    def _close(self, campaign: Campaign) -> None:
        self.over.append(campaign)
        rest = tuple(each for each in self.of(campaign.terms.sku) if each is not campaign)
        if rest:
            self._of_sku[campaign.terms.sku] = rest
        else:
            del self._of_sku[campaign.terms.sku]


def check_campaign(campaigns: Campaigns, terms: CampaignSet, knows: Callable[[Sku], bool]) -> tuple[str, str] | None:
    """Say why a campaign cannot be set: code and text; None when it can."""
    if not knows(terms.sku):
        return "NOSUCHSKU", f"sku={terms.sku}"
    if terms.ends_at <= terms.starts_at:
        return "BADARG", f"to={terms.ends_at.isoformat()}: must be after from, {terms.starts_at.isoformat()}"
    if terms.ends_at <= terms.at:
        return "BADARG", f"to={terms.ends_at.isoformat()}: is over already"
    if len(campaigns.open) >= OPEN_MAX:
        return "BUSY", f"{OPEN_MAX} campaigns are open, which is the most there may be"
    for campaign in campaigns.of(terms.sku):
        other = campaign.terms
        apart = terms.starts_at >= campaign.returns_at or terms.ends_at <= other.starts_at
        if other.account == terms.account and other.key != terms.key and not apart:
            return "CONFLICT", f"campaign {other.key} has {terms.sku} at {terms.account} at that time already"
    return None
