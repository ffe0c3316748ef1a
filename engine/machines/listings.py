"""All listings of one account as the journal tells them: mapping, versions, last numbers, paused or not."""

from collections import Counter, OrderedDict, deque
from collections.abc import Iterator

import msgspec

from engine.domain.events import (
    AccountPaused,
    AccountResumed,
    DriftFound,
    Event,
    ListingDropped,
    ListingMapped,
    OrdersCaughtUp,
    PushPlanned,
    PushSettled,
    PushVerified,
)
from engine.domain.units import AccountId, Instant, ListingId, Sku
from engine.machines.listing import SETTLED, Change, Listing, Push, State
from engine.machines.pushing import Alone, Around

PUSHES_MAX = 20
"""Pushes remembered per listing, as EXPLAIN promises."""

HISTORIES_MAX = 10_000
"""Listings whose pushes are remembered, the most recently pushed: 60 MB at most, where 100,000 full ones took 600."""

SKU_MATCH = "sku match"
IMPORT = "import"
MERGE = "merge"
"""Its SKU was merged into another one: followed like a match by SKU, and not taken in before it is durable."""


class Unmatched(msgspec.Struct, frozen=True, kw_only=True):
    """A listing at the channel that we do not manage, and why."""

    listing_id: ListingId
    sku: Sku | None
    title: str
    reason: str


class Listings:
    """Who sells what, and what was sent. `apply` is the only way in, live and in replay alike."""

    def __init__(self, account: AccountId, around: Around | None = None) -> None:
        """Start with nothing mapped; `around` hears which SKUs are verified at zero."""
        self.account = account
        self._around: Around = around or Alone()
        self.paused: str | None = None
        """Why nothing is pushed; None: it is."""
        self.orders_through: Instant | None = None
        self.unmatched: dict[ListingId, Unmatched] = {}
        self.standings: Counter[State] = Counter()
        """Mapped listings by standing."""
        self._mapped: dict[ListingId, Listing] = {}
        self._dropped: dict[ListingId, Listing] = {}
        self._of_sku: dict[Sku, tuple[Listing, ...]] = {}
        """In the order of their mapping; mostly one, so a tuple and not a table, of which there would be too many."""
        self._pushes: OrderedDict[ListingId, deque[Push]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._mapped)

    def __iter__(self) -> Iterator[Listing]:
        return iter(self._mapped.values())

    def walk(self) -> Iterator[Listing]:
        """Yield every mapped listing, a step at a time; some come twice when a mapping comes or goes meanwhile.

        A copy of a hundred thousand would keep everybody waiting for some milliseconds.
        """
        try:
            yield from self._mapped.values()
        except RuntimeError:  # the table has changed: all of them once more, as they are now
            yield from tuple(self._mapped.values())

    def get(self, listing_id: ListingId) -> Listing | None:
        """Return a mapped listing."""
        return self._mapped.get(listing_id)

    def of(self, sku: Sku) -> tuple[Listing, ...]:
        """Return the listings that sell a SKU, in the order of their mapping."""
        return self._of_sku.get(sku, ())

    def pushes(self, listing_id: ListingId) -> tuple[Push, ...]:
        """Return the last pushes of a listing, the oldest first."""
        return tuple(self._pushes.get(listing_id, ()))

    def step(self, listing: Listing, change: Change) -> bool:
        """Move a listing as the table allows, and keep count."""
        before = listing.standing
        moved = listing.step(change)
        if moved and listing.listing_id in self._mapped:
            after = listing.standing
            if after is not before:
                self.standings[before] -= 1
                self.standings[after] += 1
            if listing.dark is not (listing.state is State.VERIFIED and listing.pushed == 0):
                listing.dark = not listing.dark
                self._tell_dark(listing.sku)
        return moved

    def _tell_dark(self, sku: Sku) -> None:
        listings = self.of(sku)
        self._around.darkened(sku, selling=bool(listings), dark=all(listing.dark for listing in listings))

    def apply(self, event: Event) -> None:
        """Take in what has happened; events of other accounts and of other kinds change nothing."""
        if getattr(event, "account", None) != self.account:
            return
        match event:
            case ListingMapped():
                self._map(event)
            case ListingDropped(listing_id=listing_id):
                self._drop(listing_id)
            case PushPlanned():
                self._plan(event)
            case PushSettled():
                self._settle(event)
            case PushVerified():
                self._verify(event)
            case DriftFound(listing_id=listing_id):
                self._drift(listing_id)
            case AccountPaused(reason=reason):
                self.paused = reason
            case AccountResumed():
                self.paused = None
            case OrdersCaughtUp(through_at=through_at):
                self.orders_through = through_at
            case _:
                pass

    def _map(self, event: ListingMapped) -> None:
        listing = self._mapped.get(event.listing_id)
        if listing is not None and listing.source == IMPORT and event.source == SKU_MATCH:
            return  # decided before it was known that a person had just said otherwise
        if listing is None:
            listing = self._dropped.pop(event.listing_id, None)
            if listing is None:
                listing = Listing(event.listing_id, event.sku, event.pack_units, event.source)
            self._mapped[event.listing_id] = listing
            self.standings[listing.standing] += 1
        else:
            self._forget_sku(listing)
        listing.sku, listing.pack_units, listing.source = event.sku, event.pack_units, event.source
        listing.owed = listing.owed or listing.version > 0
        self._of_sku[event.sku] = (*self._of_sku.get(event.sku, ()), listing)
        self.unmatched.pop(event.listing_id, None)
        self._tell_dark(event.sku)

    def _drop(self, listing_id: ListingId) -> None:
        listing = self._mapped.pop(listing_id, None)
        if listing is not None:
            self.standings[listing.standing] -= 1
            self._forget_sku(listing)
            self._dropped[listing_id] = listing  # its versions go on where they were, should it ever come back

    def _forget_sku(self, listing: Listing) -> None:
        siblings = tuple(each for each in self._of_sku[listing.sku] if each is not listing)
        if siblings:
            self._of_sku[listing.sku] = siblings
        else:
            del self._of_sku[listing.sku]
        self._tell_dark(listing.sku)

    def _plan(self, event: PushPlanned) -> None:
        listing = self._known(event.listing_id)
        if listing is None:
            # Its mapping may have been recorded a moment later: keep the version until then (lesson E1).
            listing = self._dropped[event.listing_id] = Listing(event.listing_id, event.sku, 1, "")
        if event.version <= listing.version:
            return
        push = Push(event.version, event.quantity, event.basis, event.at)
        listing.version, listing.pushed, listing.last = event.version, event.quantity, push
        listing.owed = False
        self.step(listing, Change.PLANNED)
        self._remember(listing, push)

    def _settle(self, event: PushSettled) -> None:
        push = self._find(event.listing_id, event.version)
        if push is not None:
            push.verdict, push.reason, push.settled_at = event.verdict, event.reason, event.at
        listing = self._known(event.listing_id)
        if listing is None or listing.version != event.version:
            return
        change = SETTLED.get(event.verdict, Change.FAILED)
        if self.step(listing, change):
            listing.reason = event.reason
            listing.owed = listing.owed or change is not Change.ACCEPTED

    def _verify(self, event: PushVerified) -> None:
        push = self._find(event.listing_id, event.version)
        if push is not None:
            push.verified_at = event.at
        listing = self._known(event.listing_id)
        if listing is None:
            return
        listing.verified_quantity = event.shown
        if listing.version == event.version:
            listing.owed = listing.owed and listing.state is not State.DRIFTED
            self.step(listing, Change.VERIFIED)
            listing.strikes, listing.reason = 0, ""

    def _drift(self, listing_id: ListingId) -> None:
        listing = self._known(listing_id)
        if listing is not None and self.step(listing, Change.DRIFTED):
            listing.strikes += 1
            listing.owed = True

    def _known(self, listing_id: ListingId) -> Listing | None:
        return self._mapped.get(listing_id) or self._dropped.get(listing_id)

    def _find(self, listing_id: ListingId, version: int) -> Push | None:
        listing = self._known(listing_id)
        if listing is not None and listing.last is not None and listing.last.version == version:
            return listing.last
        return next((push for push in self._pushes.get(listing_id, ()) if push.version == version), None)

    def _remember(self, listing: Listing, push: Push) -> None:
        history = self._pushes.setdefault(listing.listing_id, deque(maxlen=PUSHES_MAX))
        history.append(push)
        self._pushes.move_to_end(listing.listing_id)
        if len(self._pushes) > HISTORIES_MAX:
            self._pushes.popitem(last=False)
