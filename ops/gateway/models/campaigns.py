"""Campaign stock over REST: what goes in and out. Answers mirror `docs/socket.md`."""

from typing import Annotated, Literal

import msgspec

from engine.domain.events.campaigns import Lock
from engine.domain.units import Instant
from ops.gateway.base import Identifier, In, Out, Quantity, Text
from ops.sizes import RETURN_HOURS_MAX

Which = Literal["open", "all"]


class CampaignRequest(In, frozen=True, kw_only=True):
    """The terms of a campaign. The same again answers as it stands; others under the same key are a conflict."""

    account: Identifier
    sku: Identifier
    quota: Quantity
    """Units that no other account shows from the start on, less what this one has sold of them."""
    starts_at: Instant
    """When the channel locks them."""
    ends_at: Instant
    lock: Lock = "open"
    """What the channel refuses meanwhile: nothing, lower numbers, every number. Such numbers are not sent."""
    listing: Identifier | None = None
    """Null: every listing of the SKU."""
    return_hours: Annotated[int, msgspec.Meta(ge=0, le=RETURN_HOURS_MAX)] = 24
    """After the end: how long the channel may take to give back what is left."""
    note: Text | None = None


class CampaignNote(In, frozen=True, kw_only=True):
    """Why somebody ends a campaign, or believes its rest to be back."""

    note: Text | None = None


class Campaign(Out, frozen=True, kw_only=True):
    """Units set aside for one account, and what became of them."""

    campaign: str
    """Its key."""
    account: str
    sku: str
    listing: str | None = None
    phase: str
    """`planned`, `running`, `returning` (over, and nobody has seen what came back), `over`."""
    quota: int
    sold: int
    """By the account, while it ran."""
    remainder: int
    lock: str
    starts_at: Instant
    ends_at: Instant
    returns_at: Instant
    """When the rest belongs to everybody again in any case."""
    returned_at: Instant | None = None
    """When it did."""
    returned_by: str | None = None
    """Who said that it was back; null: its listing was read after the end, or the time had come."""
    shown: int | None = None
    """What the listing was read to show after the end."""
    by: str | None = None
    note: str | None = None


class Campaigns(Out, frozen=True, kw_only=True):
    """Newest first."""

    campaigns: tuple[Campaign, ...]
