"""What the socket says of offers, of a SKU as it was, and of its ledger."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from engine.domain.audit.history import History, HistoryLine
from engine.domain.catalogue.recipes import Recipes
from engine.domain.stock.book import Book
from engine.domain.stock.places import Kind
from engine.domain.units import AccountId, LocationId
from engine.machines.views import ListingOffer
from ops.past import Then
from ops.socket.views.recipes import bundle_view
from ops.socket.views.stock import explain_view, name_kinds

View = dict[str, Any]

_NOT_TOLD: Final = (
    "What no entry of the journal says is not shown: a number that was only about to be sent, one that waited for the"
    " channel's budget or a retry, and looks that found what was expected."
)


def offer_view(offer: ListingOffer, *, explained: bool) -> View:
    """One listing of OFFERS; with every term and the last pushes for EXPLAIN."""
    view = msgspec.structs.asdict(offer)
    terms, pushes = view.pop("terms"), view.pop("pushes")
    if explained:
        view["terms"] = [{"term": term, "value": value, "rule": rule} for term, value, rule in terms]
        view["pushes"] = [msgspec.structs.asdict(push) for push in pushes]
    return view


def then_view(book: Book, then: Then, account: AccountId | None, places: Mapping[LocationId, Kind]) -> View:
    """EXPLAIN AT: as EXPLAIN, with the instant, the last frame that told anything, the rules, and who was paused.

    Args:
        book: of the SKU, at that instant.
        then: all that is known of it.
        account: whose offers; None: everybody's.
        places: kinds of the locations that are configured now.
    """
    moment, listings = then.moment, then.listings
    return {
        **name_kinds(explain_view(book), places),
        **_bundle_view(then, tuple(places)),
        "offers": [offer_view(offer, explained=True) for offer in listings.offers(account)],
        "as_of": moment.at,
        "position": moment.position,
        "rules_version": moment.rules_version,
        "paused": [{"account": name, "reason": reason} for name, reason in listings.paused().items()],
        "not_told": _NOT_TOLD,
    }


def _bundle_view(then: Then, locations: Sequence[LocationId]) -> View:
    """What a bundle was made of and how much of it there was; nothing for any other SKU."""
    recipe = then.moment.recipe
    if recipe is None:
        return {}
    recipes = Recipes()
    for moment in (*then.below.values(), then.moment):
        if moment.recipe is not None:
            recipes.apply(moment.recipe)
    books = {sku: book for sku, moment in then.below.items() if (book := moment.book()) is not None}
    return bundle_view(recipe.version, recipes.made(recipe.sku), books, locations)


def history_view(history: History) -> View:
    """HISTORY: a page, the oldest line first; `older` is what the page before it is asked for with."""
    lines = history.lines
    return {
        "sku": history.sku,
        "lines": [_line_view(line) for line in lines],
        "older": str(lines[0].place) if history.more else None,
    }


def _line_view(line: HistoryLine) -> View:
    return {**msgspec.structs.asdict(line), "place": str(line.place)}
