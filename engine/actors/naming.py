"""What a channel calls a SKU, brought to the id it means here, before anybody decides on it."""

from collections.abc import Callable, Iterable
from datetime import datetime

import msgspec

from engine.domain.events import Event, ListingMapped
from engine.domain.units import AccountId, Sku
from engine.machines.listing import Listing
from engine.machines.listings import IMPORT, MERGE
from engine.ports import ListingPage, SeenListing

Resolve = Callable[[Sku], Sku]
"""From any code of a SKU to its id."""


def itself(sku: Sku) -> Sku:
    """Resolve where no SKU was ever renamed."""
    return sku


def seen_by_id(seen: SeenListing, resolve: Resolve) -> SeenListing:
    """Return a listing as seen, under the id that the channel's own SKU means."""
    if seen.sku is None or (sku := resolve(seen.sku)) == seen.sku:
        return seen
    return msgspec.structs.replace(seen, sku=sku)


def page_by_id(page: ListingPage, resolve: Resolve) -> ListingPage:
    """Return a page of listings under ids."""
    return msgspec.structs.replace(page, listings=tuple([seen_by_id(seen, resolve) for seen in page.listings]))


def settled(event: Event, resolve: Resolve) -> Event:
    """Return a mapping as it is to be read today: it may have been recorded behind the merge of its SKU."""
    if not isinstance(event, ListingMapped) or (sku := resolve(event.sku)) == event.sku:
        return event
    return msgspec.structs.replace(event, sku=sku)


def remap(account: AccountId, listings: Iterable[Listing], into: Sku, at: datetime) -> list[ListingMapped]:
    """Return the events that make listings sell another SKU. Record them, then apply them."""
    return [
        ListingMapped(
            at=at,
            account=account,
            listing_id=listing.listing_id,
            sku=into,
            pack_units=listing.pack_units,
            source=IMPORT if listing.source == IMPORT else MERGE,
        )
        for listing in listings
    ]
