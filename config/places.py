"""Rules of locations: who may sell from which kind of place."""

from collections.abc import Iterator

from config.rules import show
from config.schema import Settings
from config.walk import Problem

DIRECT_KINDS = frozenset({"own", "store", "third_party", "consignment"})
"""Kinds of places that your own storefront and tills sell from."""


def check_places(settings: Settings) -> Iterator[Problem]:
    """Yield accounts that list a place nobody sells from, and whether nothing is left for your own storefront."""
    kinds = {place.id: place.kind for place in settings.locations}
    if settings.locations and not DIRECT_KINDS & set(kinds.values()):
        yield Problem(
            "locations",
            f"at least one must be of a kind that you sell from yourself: {', '.join(sorted(DIRECT_KINDS))}",
        )
    for index, account in enumerate(settings.accounts):
        for number, location in enumerate(account.locations):
            if kinds.get(location) == "in_transit":
                yield Problem(
                    f"accounts[{index}].locations[{number}]",
                    "is of kind in_transit: its units are under way and cannot be sold",
                    show(location),
                )


def note_places(settings: Settings) -> Iterator[Problem]:
    """Yield places that one marketplace fulfils from and more than one account sells from."""
    for place in settings.locations:
        sellers = [account.id for account in settings.accounts if place.id in account.locations]
        if place.kind == "channel_fulfilled" and len(sellers) > 1:
            index = [other.id for other in settings.accounts].index(sellers[1])
            yield Problem(
                f"accounts[{index}].locations",
                f"{place.id!r} is fulfilled by a channel and {sellers[0]} sells from it too:"
                " right only if both accounts share one stock there",
            )
