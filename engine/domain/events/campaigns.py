"""Stock set aside at a channel for a campaign: the offer desk decides these."""

from typing import Annotated, Literal

import msgspec

from engine.domain.events.base import BaseEvent
from engine.domain.units import AccountId, Instant, Key, ListingId, Sku, Units

Lock = Literal["open", "increase_only", "closed"]
"""What the channel takes while a campaign runs: everything, no lower number, nothing."""


class CampaignSet(BaseEvent, frozen=True, kw_only=True, tag="campaign_set", gc=False):
    """An account has promised units of a SKU to a campaign; nobody else may show them meanwhile."""

    key: Key
    """Its caller's name for it."""
    account: AccountId
    sku: Sku
    listing_id: ListingId | None = None
    """None: every listing of the SKU at the account."""
    quota: Units
    lock: Lock = "open"
    starts_at: Instant
    """When the channel locks the stock."""
    ends_at: Instant
    return_hours: Annotated[float, msgspec.Meta(ge=0)] = 24.0
    """How long after the end the channel may take to give back what is left."""
    by: str = ""
    note: str = ""


class CampaignEnded(BaseEvent, frozen=True, kw_only=True, tag="campaign_ended", gc=False):
    """It was ended by hand before its time."""

    key: Key
    by: str = ""
    note: str = ""


class CampaignReturned(BaseEvent, frozen=True, kw_only=True, tag="campaign_returned", gc=False):
    """What was left of it belongs to everybody again."""

    key: Key
    sold: Units
    remainder: Units
    shown: int | None = None
    """What the channel was read to show after the end; None: it was not, and the return window has passed."""
    by: str = ""
    """Who said that the channel gave it back; empty: nobody had to."""
    note: str = ""


CampaignEvent = CampaignSet | CampaignEnded | CampaignReturned
