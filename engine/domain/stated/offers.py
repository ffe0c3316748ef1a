"""What is known of rules, campaigns and sales."""

import msgspec

from engine.domain.events.campaigns import CampaignReturned, CampaignSet
from engine.domain.offers.rules import RuleBook
from engine.domain.stated.base import BaseStatement
from engine.domain.units import AccountId, Instant, LineId, OrderId, Sku


class RulesStated(BaseStatement, frozen=True, kw_only=True, tag="rules_stated", gc=False):
    """A version of the rules that is kept; the newest comes last and is in force."""

    at: Instant
    version: int
    rules: RuleBook
    by: str = ""
    note: str = ""
    source: str
    quotas_since: dict[str, int]
    """By name of a rule that has quotas: the version that last changed them."""


class FileRulesStated(BaseStatement, frozen=True, kw_only=True, tag="file_rules_stated", gc=False):
    """What the configuration said when it was last asked, where no version that is kept says so."""

    rules: RuleBook


class CampaignStated(BaseStatement, frozen=True, kw_only=True, tag="campaign_stated", gc=False):
    """A campaign, over or not. Those that are over come first, in the order of their end."""

    terms: CampaignSet
    sold: int = 0
    ended_at: Instant | None = None
    """When somebody ended it by hand."""
    returned: CampaignReturned | None = None
    """None: it is not over."""


class QuotaStated(BaseStatement, frozen=True, kw_only=True, tag="quota_stated", gc=False):
    """What an account has sold of its quota of a SKU."""

    sku: Sku
    account: AccountId
    since: int
    """Version of the rules from which on the quota counts."""
    sold: int
    """Negative: more was given back than was sold since."""


class SoldStated(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An order line, or a hold that was committed, as it counts in the demand of its SKU."""

    account: AccountId
    order_id: OrderId
    line_id: LineId
    day: int
    """On which it was placed: days since the year 1."""
    units: int
    reserved: int = 0
    """Part of them that lapses unless it is paid."""
    bundle: Sku | None = None
    """That it was sold in; None: it was sold as it is."""
    in_one: int = 0
    """How many are in one bundle, if this is the line to count bundles by; else 0."""


class DemandStated(BaseStatement, frozen=True, kw_only=True, tag="demand_stated", gc=False):
    """What a SKU sold within the last weeks, and the days on which it could be bought."""

    sku: Sku
    day: int
    """Of the statement: days since the year 1."""
    days: int = 0
    """Days in stock as bits: bit 0 is `day`, bit 1 the day before."""
    sellable: bool = False
    lines: tuple[SoldStated, ...] = ()


class PaceStated(BaseStatement, frozen=True, kw_only=True, tag="pace_stated", gc=False):
    """The last few sales of a SKU, the oldest first. The SKU that is forgotten first comes first."""

    sku: Sku
    sales: tuple[tuple[Instant, AccountId, int], ...]


OfferStatement = RulesStated | FileRulesStated | CampaignStated | QuotaStated | DemandStated | PaceStated
