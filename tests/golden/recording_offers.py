"""The offers' part of the recorded story: rules in two versions, and campaigns from set to returned."""

from datetime import timedelta
from typing import Any

import msgspec

from engine.domain.events import CampaignEnded, CampaignReturned, CampaignSet, Event, RulesSet
from engine.domain.offers.buffers import Tier
from engine.domain.offers.rules import OfferTerms, RuleBook, Window
from engine.domain.units import Key, ListingId
from ops.node import Node
from tests.fakes.books import HERE, A, B
from tests.fakes.clocks import START
from tests.fakes.orders import SHOP

_EVERY_TERM = OfferTerms(
    view="regional",
    locations=(HERE,),
    share=0.5,
    quotas={SHOP: 4},
    buffer_percent=2.5,
    epsilon=0.005,
    lag_seconds=30.0,
    severity=0.8,
    count_error=1,
    last_units=True,
    zero_below=2,
    cap=9,
    floor=1,
)


def tell_offers() -> list[Event]:
    """Return one frame in which every kind of event of the offer desk happens."""
    book = RuleBook(
        default=OfferTerms(buffer_from="tiers", count_error_percent=1.0),
        accounts={SHOP: OfferTerms(view="real_time")},
        categories={"mugs": OfferTerms(buffer=2)},
        skus={A: _EVERY_TERM},
        tiers=(Tier(daily_sales=0.0, percent_least=20.0, percent_most=30.0), Tier(daily_sales=9.0)),
        windows=(Window(name="11.11", starts_at=START, ends_at=START + timedelta(days=1), accounts=(SHOP,)),),
    )
    hour = timedelta(hours=1)
    return [
        RulesSet(at=START, version=1, rules=RuleBook(default=OfferTerms(buffer=1)), source="file", note="file"),
        RulesSet(at=START, version=2, rules=book, by="ann", note="11.11"),
        CampaignSet(
            at=START,
            key=Key("c1"),
            account=SHOP,
            sku=A,
            listing_id=ListingId("l/a"),
            quota=6,
            lock="increase_only",
            starts_at=START + hour,
            ends_at=START + 2 * hour,
            return_hours=48,
            by="ann",
            note="big day",
        ),
        CampaignEnded(at=START, key=Key("c1"), by="bob", note="called off"),
        CampaignReturned(at=START, key=Key("c1"), sold=0, remainder=6, shown=7),
        CampaignSet(at=START, key=Key("c2"), account=SHOP, sku=B, quota=3, starts_at=START, ends_at=START + 2 * hour),
    ]


def describe_offers(node: Node) -> dict[str, Any]:
    """Say what rules and campaigns there are, as far as anybody has set some."""
    versions, campaigns = node.offers.versions, node.offers.campaigns
    rules = {
        "rules": [[each.version, each.source, each.by, each.note] for each in versions],
        "book": msgspec.to_builtins(versions.now.book),
        "quotas_since": versions.now.quotas_since,
        "resolved": {sku: msgspec.to_builtins(node.offers.offerings[SHOP].rule(sku).cap) for sku in (A, B)},
    }
    stock = {
        "campaigns": {
            each.terms.key: [each.terms.quota, each.sold, each.remainder, each.ends_at, each.returned is not None]
            for each in (*campaigns.over, *campaigns.open.values())
        }
    }
    return (rules if versions.now.version else {}) | (stock if campaigns or campaigns.over else {})
