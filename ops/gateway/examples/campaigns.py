"""Examples of campaign stock."""

from datetime import UTC, datetime

import msgspec

from ops.gateway.models import campaigns as m

_STARTS = datetime(2026, 11, 10, 16, 0, tzinfo=UTC)
_ENDS = datetime(2026, 11, 11, 16, 0, tzinfo=UTC)
_CAMPAIGN = m.Campaign(
    campaign="11.11-mugs",
    account="shop",
    sku="A-1",
    listing="product:17",
    phase="running",
    quota=120,
    sold=31,
    remainder=89,
    lock="increase_only",
    starts_at=_STARTS,
    ends_at=_ENDS,
    returns_at=datetime(2026, 11, 12, 16, 0, tzinfo=UTC),
    by="ann",
    note="agreed with the marketplace on 20 October",
)

STRUCTS: tuple[msgspec.Struct, ...] = (
    m.CampaignRequest(
        account="shop",
        sku="A-1",
        quota=120,
        starts_at=_STARTS,
        ends_at=_ENDS,
        lock="increase_only",
        listing="product:17",
        note="agreed with the marketplace on 20 October",
    ),
    m.CampaignNote(note="called off"),
    _CAMPAIGN,
    m.Campaigns(campaigns=(_CAMPAIGN,)),
)
