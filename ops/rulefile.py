"""The configuration's `[offers]` as a book of rules."""

from collections.abc import Mapping

import msgspec

from config.offers import Offers
from config.schema import Settings
from engine.domain.offers.buffers import Tier
from engine.domain.offers.rules import OfferTerms, RuleBook, Window, check_book
from engine.domain.units import AccountId, LocationId, Sku


def book_from(offers: Offers) -> RuleBook:
    """Read the configuration's rules as a book."""
    terms = msgspec.structs.asdict
    return RuleBook(
        default=OfferTerms(**terms(offers.default)),
        accounts={AccountId(name): OfferTerms(**terms(rule)) for name, rule in offers.accounts.items()},
        categories={name: OfferTerms(**terms(rule)) for name, rule in offers.categories.items()},
        skus={Sku(name): OfferTerms(**terms(rule)) for name, rule in offers.skus.items()},
        tiers=tuple(Tier(**terms(tier)) for tier in offers.tiers),
        windows=tuple(Window(**terms(window)) for window in offers.windows),
    )


def places_of(settings: Settings) -> Mapping[AccountId, tuple[LocationId, ...]]:
    """Return where each account sells from, in the order of the configuration."""
    return {
        AccountId(account.id): tuple(LocationId(location) for location in account.locations)
        for account in settings.accounts
    }


def check_offers(settings: Settings) -> list[str]:
    """Say what is wrong with the configuration's rules, each problem with its path in the file."""
    return [f"offers.{problem}" for problem in check_book(book_from(settings.offers), places_of(settings))]
