"""What channels had been told of one SKU by an instant of the past: `Listings` of each account, told it all again."""

from datetime import datetime

from engine.domain.events import (
    AccountPaused,
    AccountResumed,
    CampaignEnded,
    CampaignReturned,
    CampaignSet,
    DriftFound,
    Event,
    ListingDropped,
    ListingMapped,
    PushPlanned,
    PushSettled,
    PushVerified,
)
from engine.domain.units import AccountId, Key, ListingId, Sku
from engine.machines.listing import SETTLED, Change, Listing, Push
from engine.machines.listings import Listings
from engine.machines.views import ListingOffer, PushView

ListingKey = tuple[AccountId, ListingId]
_OfListing = ListingMapped | ListingDropped | PushPlanned | PushSettled | PushVerified | DriftFound


class PastListings:
    """Listings of one SKU, as of one instant. Later events are passed over."""

    def __init__(self, sku: Sku, at: datetime | None) -> None:
        """Begin with none. `at` None: nothing is passed over."""
        self.sku = sku
        self.at = at
        self.named: set[ListingId] = set()
        """Every listing that was ever mapped to the SKU or had a push of it, after that instant too."""
        self._accounts: dict[AccountId, Listings] = {}
        self._paused: dict[AccountId, str] = {}
        self._sells: dict[ListingKey, Sku | None] = {}
        self._plans: dict[ListingKey, PushPlanned] = {}
        """The newest of each listing, of whichever SKU."""
        self._campaigns: set[Key] = set()
        self._looks: dict[ListingKey, tuple[datetime, int | None]] = {}

    def apply(self, event: Event) -> bool:
        """Take in an event; False: it tells nothing of a listing of this SKU at that instant."""
        match event:
            case ListingMapped(sku=self.sku) | PushPlanned(sku=self.sku):
                self.named.add(event.listing_id)
            case _:
                pass
        if self.at is not None and event.at > self.at:
            return False
        match event:
            case ListingMapped(listing_id=listing_id) | ListingDropped(listing_id=listing_id):
                before, after = self._sells.get((event.account, listing_id)), getattr(event, "sku", None)
                self._sells[event.account, listing_id] = after
                return self._keep(event) and self.sku in {before, after}
            case PushPlanned(listing_id=listing_id, sku=sku):
                self._plans[event.account, listing_id] = event
                return self._keep(event) and sku == self.sku
            case PushVerified(listing_id=listing_id, shown=shown) | DriftFound(listing_id=listing_id, shown=shown):
                self._looks[event.account, listing_id] = (event.at, shown)
                return self._keep(event) and self._is_of_our_plan(event)
            case PushSettled():
                return self._keep(event) and self._is_of_our_plan(event)
            case CampaignSet(sku=self.sku, key=key):
                self._campaigns.add(key)
                return True
            case CampaignEnded(key=key) | CampaignReturned(key=key):
                return key in self._campaigns
            case AccountPaused(reason=reason):
                self._paused[event.account] = reason
                return event.account in self._accounts
            case AccountResumed():
                self._paused.pop(event.account, None)
                return event.account in self._accounts
            case _:
                return False

    def _keep(self, event: _OfListing) -> bool:
        """Keep what happens to a listing that was ever ours, for its versions go on whatever it sells."""
        if event.listing_id not in self.named:
            return False
        self._accounts.setdefault(event.account, Listings(event.account)).apply(event)
        return True

    def _is_of_our_plan(self, event: PushSettled | PushVerified | DriftFound) -> bool:
        plan = self._plans.get((event.account, event.listing_id))
        return plan is not None and plan.sku == self.sku

    def paused(self) -> dict[AccountId, str]:
        """Return the accounts with a listing of the SKU that were paused, and why."""
        return {account: self._paused[account] for account in sorted(self._accounts) if account in self._paused}

    def offers(self, account: AccountId | None = None) -> tuple[ListingOffer, ...]:
        """Return the listings that were mapped to the SKU, as OFFERS shows them: what was sent, with its sum."""
        return tuple(
            self._view(listings, listing)
            for name, listings in sorted(self._accounts.items())
            if account in {None, name}
            for listing in listings.of(self.sku)
        )

    def _view(self, listings: Listings, listing: Listing) -> ListingOffer:
        key = (listings.account, listing.listing_id)
        plan = self._plans.get(key)
        if plan is not None and plan.sku != self.sku:
            plan = None  # nothing was sent of this SKU since the listing sells it
        read_at, shown = self._looks.get(key, (None, None))
        last = listing.last
        accepted = last is not None and SETTLED.get(last.verdict) is Change.ACCEPTED
        return ListingOffer(
            account=listings.account,
            listing=listing.listing_id,
            offer=None if plan is None else plan.quantity,
            shown=shown,
            read_at=read_at,
            state=listing.standing,
            version=listing.version,
            sent_at=None if last is None else last.planned_at,
            accepted_at=last.settled_at if last is not None and accepted else None,
            verified_at=None if last is None else last.verified_at,
            reason=listing.reason,
            pack_units=listing.pack_units,
            terms=() if plan is None else plan.terms,
            pushes=tuple(_view_push(push) for push in listings.pushes(listing.listing_id)),
        )


def _view_push(push: Push) -> PushView:
    return PushView(
        version=push.version,
        quantity=push.quantity,
        sent_at=push.planned_at,
        verdict=push.verdict,
        reason=push.reason,
        verified_at=push.verified_at,
        basis=push.basis,
    )
