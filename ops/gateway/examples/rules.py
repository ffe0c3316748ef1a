"""Examples of rules, previews and what became of them."""

from datetime import UTC, datetime

import msgspec

from engine.domain.offers.rules import OfferTerms, RuleBook, Window
from engine.domain.units import AccountId, Sku
from ops.gateway.models import rules as m

_NOON = datetime(2026, 11, 9, 12, 0, tzinfo=UTC)
_BOOK = RuleBook(
    default=OfferTerms(buffer_from="tiers", last_units=True),
    accounts={AccountId("shop"): OfferTerms(severity=0.8)},
    skus={Sku("A-1"): OfferTerms(quotas={AccountId("shop"): 20})},
    windows=(
        Window(
            name="11.11",
            starts_at=datetime(2026, 11, 11, tzinfo=UTC),
            ends_at=datetime(2026, 11, 12, tzinfo=UTC),
        ),
    ),
)

STRUCTS: tuple[msgspec.Struct, ...] = (
    m.RulesRequest(rules=_BOOK, note="before 11.11", if_version=6),
    m.PreviewRequest(rules=_BOOK, limit=1),
    m.RulesMade(version=7, at=_NOON, by="ann", note="before 11.11", source="command", rules_set=3, notes=()),
    m.Rules(
        version=7,
        at=_NOON,
        by="ann",
        note="before 11.11",
        source="command",
        rules_set=3,
        in_force=7,
        offers_left=0,
        rules=_BOOK,
    ),
    m.RulesPreview(
        version=6,
        listings=1200,
        changed=310,
        raised=0,
        lowered=310,
        to_zero=4,
        from_zero=0,
        accounts=(m.ChangedAccount(account="shop", changed=310),),
        warnings=(),
        notes=(),
        rows=(
            m.ChangedListing(
                account="shop",
                listing="product:17",
                sku="A-1",
                before=2,
                after=0,
                because="buffer: 0 (built in) -> 2 (default v7: 0.4 sold a day, 28 % of shared, rounded up)",
            ),
        ),
    ),
)
