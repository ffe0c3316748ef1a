"""Listings and pushes: the pusher of the account decides these."""

from typing import Annotated

import msgspec

from engine.domain.events.base import BaseEvent
from engine.domain.units import (
    AccountId,
    ListingId,
    Sku,
    Total,
)


class ListingMapped(BaseEvent, frozen=True, kw_only=True, tag="listing_mapped", gc=False):
    """This listing sells this SKU."""

    account: AccountId
    listing_id: ListingId
    sku: Sku
    pack_units: Annotated[int, msgspec.Meta(ge=1)] = 1
    """Units of the SKU in one unit of the listing."""
    source: str = ""
    """`import` or `sku match`."""


class ListingDropped(BaseEvent, frozen=True, kw_only=True, tag="listing_dropped", gc=False):
    """The mapping ended."""

    account: AccountId
    listing_id: ListingId


class PushPlanned(BaseEvent, frozen=True, kw_only=True, tag="push_planned", gc=False):
    """This number is about to be sent. Journalled first, so that no number was ever sent without a reason on record."""

    account: AccountId
    listing_id: ListingId
    sku: Sku
    version: int
    quantity: Total
    basis: int
    """Journal position of the availability it was computed from."""
    terms: tuple[tuple[str, str, str], ...] = ()
    """The sum as `explain` prints it: term, value, rule."""
    lag_seconds: float | None = None
    """Time until the account shows a new number, as the buffer reckoned with it.

    It is measured, so the journal has it from nowhere else. None: no buffer needed it, or nobody recorded it yet.
    """


class PushSettled(BaseEvent, frozen=True, kw_only=True, tag="push_settled", gc=False):
    """What the channel said of a push."""

    account: AccountId
    listing_id: ListingId
    version: int
    verdict: str
    reason: str = ""


class PushVerified(BaseEvent, frozen=True, kw_only=True, tag="push_verified", gc=False):
    """The channel was read and shows what was pushed, less what it has sold since."""

    account: AccountId
    listing_id: ListingId
    version: int
    shown: int


class DriftFound(BaseEvent, frozen=True, kw_only=True, tag="drift_found", gc=False):
    """The channel was read and shows something else."""

    account: AccountId
    listing_id: ListingId
    version: int
    shown: int | None
    expected: int


class AccountPaused(BaseEvent, frozen=True, kw_only=True, tag="account_paused", gc=False):
    """Nothing is pushed until it is resumed."""

    account: AccountId
    reason: str


class AccountResumed(BaseEvent, frozen=True, kw_only=True, tag="account_resumed", gc=False):
    """Pushing goes on."""

    account: AccountId


PushEvent = (
    ListingMapped
    | ListingDropped
    | PushPlanned
    | PushSettled
    | PushVerified
    | DriftFound
    | AccountPaused
    | AccountResumed
)
