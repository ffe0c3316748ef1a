"""What people and other actors are shown of an account. Plain copies: they stay true of the moment they were made."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec

from engine.domain.units import AccountId, Instant, ListingId, Sku
from engine.machines.listing import SETTLED, Change, Listing, Push, State
from engine.machines.publisher import Publisher
from engine.machines.pushing import Mode

AccountState = Literal["live", "shadow", "off", "paused", "catching_up", "unreachable"]


class AccountStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One row of CHANNEL LIST."""

    account: AccountId
    mode: Mode
    state: AccountState
    reason: str
    listings: int
    dirty: int
    in_flight: int
    accepted: int
    verified: int
    drifted: int
    locked: int
    refused: int
    unmatched: int
    lag_seconds: float
    """Age of the oldest change that the channel has not accepted; 0: it has accepted all."""
    calls_spent: int
    """Calls paid from the budget since the start."""
    problems: tuple[str, ...]
    """Rows of the catalogue that could not be read."""


class PushView(msgspec.Struct, frozen=True, kw_only=True):
    """One push as EXPLAIN shows it."""

    version: int
    quantity: int
    sent_at: Instant
    verdict: str
    """Empty: under way."""
    reason: str
    verified_at: Instant | None
    basis: int


class ListingOffer(msgspec.Struct, frozen=True, kw_only=True):
    """One listing as OFFERS and EXPLAIN show it."""

    account: AccountId
    listing: ListingId
    offer: int | None
    """None: nobody has told what there is."""
    shown: int | None
    """As last read; None: unknown, or not counted by the channel."""
    read_at: Instant | None
    state: State
    version: int
    sent_at: Instant | None
    accepted_at: Instant | None
    verified_at: Instant | None
    reason: str
    pack_units: int
    terms: tuple[tuple[str, str, str], ...]
    pushes: tuple[PushView, ...]
    """The last twenty, the oldest first."""


class ExposedListing(msgspec.Struct, frozen=True, kw_only=True):
    """What one listing may have been showing."""

    listing: ListingId
    state: State
    pack_units: int
    verified: int | None
    """The last number of ours that was seen there."""
    shown: int | None
    """What the last look saw."""
    verified_at: Instant | None
    """When the newest number of ours was seen there; None: not yet."""
    reason: str
    sent: int | None
    """The newest number sent; None: none was, or the newest is only planned."""
    offer: int | None
    """What it should show now."""


class Exposure(msgspec.Struct, frozen=True, kw_only=True):
    """Why an account may have sold what it should not: the order desk names an oversell's cause from it."""

    account: AccountId
    mode: Mode
    listings: tuple[ExposedListing, ...]
    """Empty: no listing of the account is mapped to the SKU."""
    paused: str | None
    behind: str | None
    """Why orders are not caught up."""
    unreachable: str | None
    """Why the account is left alone."""
    outage: str | None
    """Why it was left alone until a moment ago: its orders of that time are only read now."""


def view_account(publisher: Publisher, at: datetime) -> AccountStatus:
    """Sum up an account in O(1)."""
    listings, line = publisher.listings, publisher.line
    state, reason = _state(publisher)
    oldest = publisher.pushes.unsent.first()
    return AccountStatus(
        account=publisher.account,
        mode=publisher.mode,
        state=state,
        reason=reason,
        listings=len(listings),
        dirty=listings.standings[State.DIRTY],
        in_flight=listings.standings[State.IN_FLIGHT],
        accepted=listings.standings[State.ACCEPTED],
        verified=listings.standings[State.VERIFIED],
        drifted=listings.standings[State.DRIFTED],
        locked=listings.standings[State.LOCKED],
        refused=listings.standings[State.REFUSED],
        unmatched=len(listings.unmatched),
        lag_seconds=0.0 if oldest is None else max(0.0, at.timestamp() - oldest[0][0]),
        calls_spent=line.budget.spent,
        problems=publisher.sweep.problems,
    )


def view_offers(publisher: Publisher, sku: Sku, at: datetime) -> tuple[ListingOffer, ...]:
    """Show every listing of a SKU, with the sum behind its number as it is now."""
    return tuple(_view_listing(publisher, listing, at) for listing in publisher.listings.of(sku))


def view_exposure(publisher: Publisher, sku: Sku) -> Exposure:
    """Show what the account may have been showing of a SKU."""
    return Exposure(
        account=publisher.account,
        mode=publisher.mode,
        listings=tuple(_expose(listing) for listing in publisher.listings.of(sku)),
        paused=publisher.listings.paused,
        behind=publisher.line.behind,
        unreachable=publisher.line.unreachable,
        outage=publisher.line.outage,
    )


def name_cause(exposure: Exposure, placed_at: datetime) -> tuple[str, str]:
    """Name the first thing that could have let an order placed then exceed what there is, and say it in a sentence.

    Causes: `unmapped`, `not_pushed`, `paused`, `drift`, `locked`, `refused`, `unreachable`, `lag`, `orders_behind`;
    `race` when the channel showed what it was told: the same units went elsewhere at that moment, or it sells beyond
    its number.
    """
    if not exposure.listings:
        return "unmapped", "no listing of the account is mapped to this SKU"
    if exposure.mode != "live":
        return "not_pushed", f"the account's mode is {exposure.mode}"
    if exposure.paused is not None:
        return "paused", exposure.paused
    for listing in exposure.listings:
        cause = _CAUSES.get(listing.state)
        if cause is not None:
            return cause, f"listing {listing.listing}: {listing.reason}"
    outage = exposure.unreachable or exposure.outage
    if outage is not None:
        return "unreachable", outage
    for listing in exposure.listings:
        if listing.state is not State.VERIFIED:
            return "lag", f"listing {listing.listing} is to show {listing.offer}, was last seen at {listing.shown}"
        if listing.verified_at is not None and placed_at < listing.verified_at:
            return "lag", f"listing {listing.listing} was seen at {listing.verified} only after the order"
    if exposure.behind is not None:
        return "orders_behind", exposure.behind
    return "race", (
        "the channel showed what it was told: the same units were sold elsewhere at that moment, or it sold beyond its "
        "number (backorders, a floor)"
    )


_CAUSES = {State.DRIFTED: "drift", State.LOCKED: "locked", State.REFUSED: "refused"}


def _state(publisher: Publisher) -> tuple[AccountState, str]:
    line = publisher.line
    if publisher.mode == "off":
        return "off", ""
    if publisher.listings.paused is not None:
        return "paused", publisher.listings.paused
    if line.unreachable is not None:
        return "unreachable", line.unreachable
    if publisher.mode == "shadow":
        return "shadow", ""
    if line.behind is not None:
        return "catching_up", line.behind
    return "live", ""


def _view_listing(publisher: Publisher, listing: Listing, at: datetime) -> ListingOffer:
    reasoned = publisher.pushes.offer(listing, at)
    last = listing.last
    accepted = last is not None and SETTLED.get(last.verdict) is Change.ACCEPTED
    return ListingOffer(
        account=publisher.account,
        listing=listing.listing_id,
        offer=listing.offer,
        shown=listing.shown,
        read_at=listing.read_at,
        state=listing.standing,
        version=listing.version,
        sent_at=None if last is None else last.sent_at or last.planned_at,
        accepted_at=last.settled_at if last is not None and accepted else None,
        verified_at=None if last is None else last.verified_at,
        reason=listing.reason,
        pack_units=listing.pack_units,
        terms=() if reasoned is None else reasoned[0].terms,
        pushes=_view_pushes(publisher.listings.pushes(listing.listing_id)),
    )


def _view_pushes(pushes: Sequence[Push]) -> tuple[PushView, ...]:
    return tuple(
        PushView(
            version=push.version,
            quantity=push.quantity,
            sent_at=push.sent_at or push.planned_at,
            verdict=push.verdict,
            reason=push.reason,
            verified_at=push.verified_at,
            basis=push.basis,
        )
        for push in pushes
    )


def _expose(listing: Listing) -> ExposedListing:
    return ExposedListing(
        listing=listing.listing_id,
        state=listing.standing,
        pack_units=listing.pack_units,
        verified=listing.verified_quantity,
        shown=listing.shown,
        verified_at=None if listing.last is None else listing.last.verified_at,
        reason=listing.reason,
        sent=listing.last.quantity if listing.last is not None and listing.last.sent_at is not None else None,
        offer=listing.offer,
    )
