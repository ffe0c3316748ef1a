"""Kinds of locations, and what each allows."""

from enum import StrEnum
from typing import Final

import msgspec


class Kind(StrEnum):
    """Who keeps the units of a location, and for whom."""

    OWN = "own"
    """Our warehouse."""
    STORE = "store"
    """Our shop: sells over the counter, ships, and keeps what buyers pick up."""
    THIRD_PARTY = "third_party"
    """A logistics partner ships for all channels and tells what it has."""
    CHANNEL_FULFILLED = "channel_fulfilled"
    """A marketplace keeps and ships them; only accounts that name the location sell from it."""
    CONSIGNMENT = "consignment"
    """Ours, at somebody else's; or somebody else's, with us to be sold."""
    IN_TRANSIT = "in_transit"
    """A place on paper, for what a partner's system reports as under way: never sold from."""


class Allowed(msgspec.Struct, frozen=True, kw_only=True):
    """What may be done with the units of a location."""

    sold: bool
    """An account may sell them."""
    sold_directly: bool
    """Also the seller's own storefront and tills, which name no locations of their own."""
    counted: bool
    """Our people can walk there and count."""


_ALLOWED: Final = {
    Kind.OWN: Allowed(sold=True, sold_directly=True, counted=True),
    Kind.STORE: Allowed(sold=True, sold_directly=True, counted=True),
    Kind.THIRD_PARTY: Allowed(sold=True, sold_directly=True, counted=True),
    Kind.CHANNEL_FULFILLED: Allowed(sold=True, sold_directly=False, counted=False),
    Kind.CONSIGNMENT: Allowed(sold=True, sold_directly=True, counted=True),
    Kind.IN_TRANSIT: Allowed(sold=False, sold_directly=False, counted=False),
}
"""Receipts, returns, adjustments, transfers and partners' snapshots are for all of them."""


def allowed_at(kind: Kind) -> Allowed:
    """Return what a kind of location allows."""
    return _ALLOWED[kind]
