"""Rules and levels as tests write them."""

from collections.abc import Mapping

import msgspec

from engine.domain.availability import Availability
from engine.domain.offers.offers import Facts, Offering
from engine.domain.offers.rules import BUILT_IN, OfferTerms, RuleBook, RulesVersion
from engine.domain.units import AccountId, LocationId, Sku
from tests.fakes.clocks import START

SHOP, MARKET = AccountId("shop"), AccountId("market")
HERE, THERE = LocationId("here"), LocationId("there")
A, B = Sku("A"), Sku("B")
PLACES = {SHOP: (HERE, THERE), MARKET: (HERE,)}


def version_of(book: RuleBook, version: int = 1, **since: int) -> RulesVersion:
    """Make a book count; quotas count from this version on unless told otherwise."""
    names = {name: version for _, name, terms in book.layers() if terms.quotas}
    return msgspec.structs.replace(BUILT_IN, version=version, book=book, quotas_since=names | since)


def level_of(units: Mapping[LocationId, int] | int, sku: Sku = A, position: int = 1) -> Availability:
    """Say what there is of a SKU; a bare number lies here."""
    atp = {HERE: units} if isinstance(units, int) else units
    return Availability(sku=sku, position=position, atp=tuple(atp.items()), changed_at=START)


def offering_of(book: RuleBook | OfferTerms, facts: Facts | None = None, account: AccountId = SHOP) -> Offering:
    """Offer under a book, or under a default rule alone."""
    rules = version_of(book if isinstance(book, RuleBook) else RuleBook(default=book))
    return Offering(account, PLACES[account], facts, rules)
