"""What is known of an account's listings, and of what its channel has told."""

import msgspec

from engine.domain.stated.base import BaseStatement
from engine.domain.units import Instant, ListingId, Sku


class PushStated(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One number that was, or was about to be, sent (`PushPlanned`), and what became of it."""

    version: int
    quantity: int
    basis: int
    planned_at: Instant
    settled_at: Instant | None = None
    """None: under way, or its answer was lost."""
    verdict: str = ""
    reason: str = ""
    verified_at: Instant | None = None


class ListingStated(BaseStatement, frozen=True, kw_only=True, tag="listing_stated", gc=False):
    """A listing that is mapped, or was, and has been pushed to."""

    listing_id: ListingId
    sku: Sku
    pack_units: int = 1
    source: str = ""
    """As in `ListingMapped`."""
    mapped: bool = True
    """False: its mapping ended; should it come back, its versions go on."""
    last: PushStated | None = None
    """The newest push; None: there was none."""
    verified_quantity: int | None = None
    """The last number that was seen at the channel after it had been sent."""
    strikes: int = 0
    """Drifts in a row."""
    drift_version: int = 0
    """Of the push that a drift was found of and that was not seen right since."""
    remapped: bool = False
    """It was mapped anew since the newest push."""


class PushesStated(BaseStatement, frozen=True, kw_only=True, tag="pushes_stated", gc=False):
    """The last pushes of a listing, the oldest first. The listing that is forgotten first comes first."""

    listing_id: ListingId
    pushes: tuple[PushStated, ...]


class DeliveriesStated(BaseStatement, frozen=True, kw_only=True, tag="deliveries_stated", gc=False):
    """Some of the webhooks that a repeat is known by, the oldest first."""

    seen: tuple[tuple[str, Instant], ...]
    """Key, and when it was stored."""


AccountStatement = ListingStated | PushesStated | DeliveriesStated
