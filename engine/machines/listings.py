"""All listings of one account as the journal tells them: mapping, versions, last numbers, paused or not."""

from collections import Counter, OrderedDict, deque
from collections.abc import Iterator
from datetime import datetime

import msgspec

from engine.domain.events import (
    AccountPaused,
    AccountResumed,
    DriftFound,
    Event,
    ListingDropped,
    ListingMapped,
    PushPlanned,
    PushSettled,
    PushVerified,
)
from engine.domain.stated.accounts import ListingStated, PushesStated, PushStated
from engine.domain.units import AccountId, ListingId, Sku
from engine.machines.listing import OWING, SETTLED, Change, Listing, Push, State
from engine.machines.pushing import Alone, Around

PUSHES_MAX = 20
"""Pushes remembered per listing, as EXPLAIN promises."""

HISTORIES_MAX = 10_000
"""Listings whose pushes are remembered, the most recently pushed: 60 MB at most, where 100,000 full ones took 600."""

SKU_MATCH = "sku match"
IMPORT = "import"
MERGE = "merge"
"""Its SKU was merged into another one: followed like a match by SKU, and not taken in before it is durable."""
_UNMAPPED = "not mapped yet"
"""Its mapping is in the journal behind its first push: both were under way."""


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
        self._pause: AccountPaused | None = None
        self.unmatched: dict[ListingId, Unmatched] = {}
        self.standings: Counter[State] = Counter()
        """Mapped listings by standing."""
        self._mapped: dict[ListingId, Listing] = {}
        self._dropped: dict[ListingId, Listing] = {}
        self._of_sku: dict[Sku, tuple[Listing, ...]] = {}
        """In the order of their ids; mostly one, so a tuple and not a table, of which there would be too many."""
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
        """Return the listings that sell a SKU, in the order of their ids."""
        return self._of_sku.get(sku, ())

    def pushes(self, listing_id: ListingId) -> tuple[Push, ...]:
        """Return the last pushes of a listing, the oldest first."""
        return tuple(self._pushes.get(listing_id, ()))

    def step(self, listing: Listing, change: Change) -> bool:
        """Move a listing as the table allows, and keep count."""
        before = listing.standing
        moved = listing.step(change)
        if moved:
            self._moved(listing, before)
        return moved

    def recall(self) -> None:
        """Let listings be that drifted and were seen right again: in replay nobody gives one up in between."""
        for listing in self._mapped.values():
            if listing.owed and listing.state is State.DIRTY and listing.recorded is State.VERIFIED:
                before, listing.state, listing.owed = listing.standing, State.VERIFIED, listing.remapped
                self._moved(listing, before)

    def _moved(self, listing: Listing, before: State) -> None:
        if listing.listing_id not in self._mapped:
            return
        after = listing.standing
        if after is not before:
            self.standings[before] -= 1
            self.standings[after] += 1
        if listing.dark is not _is_dark(listing):
            listing.dark = not listing.dark
            self._tell_dark(listing.sku)

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
            case DriftFound():
                self._drift(event)
            case AccountPaused(reason=reason):
                self.paused, self._pause = reason, event
            case AccountResumed():
                self.paused = self._pause = None
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
            listing.dark = _is_dark(listing)
            self._mapped[event.listing_id] = listing
            self.standings[listing.standing] += 1
        else:
            self._forget_sku(listing)
        if listing.version > 0 and (listing.source, listing.sku) != (_UNMAPPED, event.sku):
            listing.owed = listing.remapped = True
        listing.sku, listing.pack_units, listing.source = event.sku, event.pack_units, event.source
        self._sell(listing)
        self.unmatched.pop(event.listing_id, None)
        self._tell_dark(event.sku)

    def _drop(self, listing_id: ListingId) -> None:
        listing = self._mapped.pop(listing_id, None)
        if listing is not None:
            self.standings[listing.standing] -= 1
            self._forget_sku(listing)
            if listing.version > 0:
                self._dropped[listing_id] = listing  # its versions go on where they were, should it ever come back

    def _sell(self, listing: Listing) -> None:
        others = self._of_sku.get(listing.sku)
        if others is None:
            self._of_sku[listing.sku] = (listing,)
        else:
            self._of_sku[listing.sku] = tuple(sorted((*others, listing), key=lambda each: each.listing_id))

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
            listing = self._dropped[event.listing_id] = Listing(event.listing_id, event.sku, 1, _UNMAPPED)
        if event.version <= listing.version:
            return
        push = Push(event.version, event.quantity, event.basis, event.at)
        listing.version, listing.pushed, listing.last = event.version, event.quantity, push
        # its SKU may have become another one while this was on its way into the journal
        listing.owed = listing.remapped = event.sku != listing.sku
        self.step(listing, Change.PLANNED)
        self._remember(listing, push)

    def _settle(self, event: PushSettled) -> None:
        push = self._find(event.listing_id, event.version)
        if push is not None and push.settled_at is not None:
            return  # once is enough: it has gone on from there
        if push is not None:
            push.verdict, push.reason, push.settled_at = event.verdict, event.reason, event.at
        listing = self._known(event.listing_id)
        if listing is None or listing.version != event.version:
            return
        change = SETTLED.get(event.verdict, Change.FAILED)
        if self.step(listing, change):
            listing.reason = event.reason
            listing.owed = listing.owed or change is not Change.ACCEPTED
            if listing.recorded is State.VERIFIED:  # it was seen before its answer stood in the journal
                self.step(listing, Change.VERIFIED)

    def _verify(self, event: PushVerified) -> None:
        push = self._find(event.listing_id, event.version)
        if push is not None:
            push.verified_at = event.at
        listing = self._known(event.listing_id)
        if listing is None:
            return
        listing.verified_quantity = event.shown
        if event.version >= listing.drift_version:
            listing.strikes = listing.drift_version = 0
        if listing.version == event.version:
            listing.owed = listing.owed and listing.state is not State.DRIFTED
            self.step(listing, Change.VERIFIED)
            listing.reason = ""

    def _drift(self, event: DriftFound) -> None:
        listing = self._known(event.listing_id)
        if listing is None:
            return
        listing.strikes += 1
        listing.drift_version = event.version
        if listing.version == event.version and self.step(listing, Change.DRIFTED):
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

    # -- snapshots

    def state(self, as_of: datetime) -> Iterator[AccountPaused | ListingStated | PushesStated]:  # noqa: ARG002
        """Say what the journal told, by listing; then the last pushes, those that are forgotten first first."""
        if self._pause is not None:
            yield self._pause
        for listing_id in sorted(self._mapped.keys() | self._dropped.keys()):
            listing = self._mapped.get(listing_id)
            if listing is not None:
                yield _state_listing(listing, mapped=True)
            else:
                yield _state_listing(self._dropped[listing_id], mapped=False)
        for listing_id, pushes in self._pushes.items():
            yield PushesStated(listing_id=listing_id, pushes=tuple([_state_push(push) for push in pushes]))

    def restore(self, statement: AccountPaused | ListingStated | PushesStated) -> None:
        """Take in one of what `state` says."""
        match statement:
            case ListingStated(listing_id=listing_id):
                listing = _recall_listing(statement)
                if not statement.mapped:
                    self._dropped[listing_id] = listing
                    return
                self._mapped[listing_id] = listing
                self.standings[listing.state] += 1
                listing.dark = _is_dark(listing)
                self._sell(listing)
                self._tell_dark(listing.sku)
            case PushesStated(listing_id=listing_id, pushes=pushes):
                history = deque([_recall_push(push) for push in pushes], maxlen=PUSHES_MAX)
                known = self._known(listing_id)
                if known is not None and known.last is not None and known.last.version == history[-1].version:
                    history[-1] = known.last  # one push, whoever hears what becomes of it
                self._pushes[listing_id] = history
            case AccountPaused():
                self.apply(statement)


def _is_dark(listing: Listing) -> bool:
    return listing.state is State.VERIFIED and listing.pushed == 0


def _state_listing(listing: Listing, *, mapped: bool) -> ListingStated:
    return ListingStated(
        listing_id=listing.listing_id,
        sku=listing.sku,
        pack_units=listing.pack_units,
        source=listing.source,
        mapped=mapped,
        last=None if listing.last is None else _state_push(listing.last),
        verified_quantity=listing.verified_quantity,
        strikes=listing.strikes,
        drift_version=listing.drift_version,
        remapped=listing.remapped,
    )


def _state_push(push: Push) -> PushStated:
    settled = push.settled_at is not None  # what a restart made of an answer that was lost is not on record
    return PushStated(
        push.version,
        push.quantity,
        push.basis,
        push.planned_at,
        push.settled_at,
        push.verdict if settled else "",
        push.reason if settled else "",
        push.verified_at,
    )


def _recall_listing(stated: ListingStated) -> Listing:
    listing = Listing(stated.listing_id, stated.sku, stated.pack_units, stated.source)
    listing.verified_quantity, listing.strikes = stated.verified_quantity, stated.strikes
    listing.drift_version, listing.remapped = stated.drift_version, stated.remapped
    if stated.last is not None:
        push = listing.last = _recall_push(stated.last)
        listing.version, listing.pushed = push.version, push.quantity
        listing.state = listing.recorded
        listing.owed = listing.remapped or listing.state in OWING
        listing.reason = "" if listing.state is State.VERIFIED else push.reason
    return listing


def _recall_push(stated: PushStated) -> Push:
    push = Push(stated.version, stated.quantity, stated.basis, stated.planned_at)
    push.settled_at, push.verdict, push.reason = stated.settled_at, stated.verdict, stated.reason
    push.verified_at = stated.verified_at
    return push
