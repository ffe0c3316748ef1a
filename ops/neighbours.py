"""What one account's pusher has to do with the other accounts and with campaigns."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from engine.actors.campaigner import Campaigner
from engine.actors.pusher import Pusher
from engine.domain.offers.campaigns import Campaigns, Locked
from engine.domain.units import AccountId, ListingId, Sku
from engine.machines.listing import Listing
from engine.machines.siblings import Siblings


class Neighbours:
    """One account's place among the others (`engine.machines.pushing.Around`)."""

    def __init__(self, account: AccountId, siblings: Siblings, campaigns: Campaigns, campaigner: Campaigner) -> None:
        """Pass on what the account's pusher sees, and ask for it what holds."""
        self._account = account
        self._siblings = siblings
        self._campaigns = campaigns
        self._campaigner = campaigner

    def darkened(self, sku: Sku, *, selling: bool, dark: bool) -> None:
        """Pass on whether all listings of a SKU are verified at zero."""
        self._siblings.note(sku, self._account, selling=selling, dark=dark)

    def lock(self, sku: Sku, listing_id: ListingId, at: datetime) -> Locked | None:
        """Return what a campaign's lock would refuse."""
        return self._campaigns.lock(self._account, sku, listing_id, at) if self._campaigns else None

    def seen(self, sku: Sku, listing_id: ListingId, shown: int | None, read_at: datetime) -> None:
        """Pass on what a look saw, to campaigns that wait for one."""
        if self._campaigns:
            self._campaigner.seen(self._account, sku, listing_id, shown, read_at)


class Walked:
    """A pusher as the walk through all offers sees it (`engine.actors.reoffer.Offerer`)."""

    def __init__(self, pusher: Pusher, siblings: Siblings, allowed: Callable[[], bool]) -> None:
        """`allowed`: whether any rule gives anybody the last units."""
        self._pusher = pusher
        self._siblings = siblings
        self._allowed = allowed

    def listings(self) -> Iterator[Listing]:
        """Walk through every mapped listing."""
        return self._pusher.listings()

    @property
    def listing_count(self) -> int:
        """How many there are now."""
        return self._pusher.listing_count

    def offer_anew(self, listings: Sequence[Listing]) -> int:
        """Compute offers anew, after asking anew who may show the last units: the rules may have changed that."""
        if self._allowed() or self._siblings:
            for listing in listings:
                self._siblings.review(listing.sku)
        return self._pusher.offer_anew(listings)

    def stir(self) -> None:
        """Let the pusher look at what is to be sent now."""
        self._pusher.stir()
