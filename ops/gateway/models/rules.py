"""What goes in and out over REST about the rules of what accounts may show."""

from typing import Annotated

import msgspec

from engine.domain.offers.rules import RuleBook
from engine.domain.units import Instant
from ops.gateway.base import In, Out, Text


class RulesRequest(In, frozen=True, kw_only=True):
    """A whole book, in place of the one in force."""

    rules: RuleBook
    note: Text | None = None
    """Why, for the history."""
    if_version: Annotated[int, msgspec.Meta(ge=0)] | None = None
    """Only if this version is in force: else somebody else has edited it meanwhile, and nothing is changed."""


class PreviewRequest(In, frozen=True, kw_only=True):
    """A book to try."""

    rules: RuleBook
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 50
    """Listings to show, at most; all are counted."""


class RulesVersion(Out, frozen=True, kw_only=True):
    """One version of the rules, without the rules."""

    version: int
    at: Instant | None = None
    """Null: nobody ever set a rule."""
    by: str | None = None
    note: str | None = None
    source: str
    """`command`, `file` (the configuration had changed), `built in`."""
    rules_set: int
    """Rules that set anything."""


class RulesMade(RulesVersion, frozen=True, kw_only=True):
    """The version that holds now."""

    notes: tuple[str, ...] = ()
    """Rules for SKUs that do not exist, and rules that are not used because another one is about the same SKU."""


class Rules(RulesVersion, frozen=True, kw_only=True):
    """The rules in force."""

    in_force: int
    """Version in force."""
    offers_left: int
    """Offers of it that are still to be computed, about; 0: all are up to date."""
    rules: RuleBook


class ChangedListing(Out, frozen=True, kw_only=True, rename={"before": "from", "after": "to"}):
    """One listing that would be told another number."""

    account: str
    listing: str
    sku: str
    before: int
    after: int
    because: str
    """The term that differs, before and after, each with its rule."""


class ChangedAccount(Out, frozen=True, kw_only=True):
    """How many listings of an account would change."""

    account: str
    changed: int


class RulesPreview(Out, frozen=True, kw_only=True):
    """What a book would do."""

    version: int
    """In force: what it was compared with."""
    listings: int
    changed: int
    raised: int
    lowered: int
    to_zero: int
    from_zero: int
    accounts: tuple[ChangedAccount, ...]
    warnings: tuple[str, ...]
    """What looks like a mistake."""
    notes: tuple[str, ...]
    """Rules for SKUs that do not exist, and rules that are not used because another one is about the same SKU."""
    rows: tuple[ChangedListing, ...]
    """Those that change most, falls to zero first."""
