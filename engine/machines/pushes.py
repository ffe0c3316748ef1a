"""From what there is to what is sent: offers, when they go, and what becomes of each push."""

import random
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import Enum

from engine.domain.availability import Availability, ChannelSale
from engine.domain.events import PushPlanned, PushSettled
from engine.domain.offers.offers import Offer, Offering
from engine.domain.units import ListingId, Sku
from engine.machines.agenda import Agenda
from engine.machines.backoff import Backoff
from engine.machines.line import Line
from engine.machines.listing import NEVER, Change, Listing, State
from engine.machines.listings import Listings
from engine.machines.outbox import Outbox
from engine.machines.pushing import Around, Mode, Now, PusherListener, PushTerms
from engine.machines.readback import URGENT, Readback
from engine.ports import StockWrite, Verdict

FRESH_SECONDS = 5.0
"""How long a look may vouch that a number falls while orders are behind; then the shop may have sold more."""

REFUSED_SECONDS = 3600.0
"""How long a refused number waits before it is tried unchanged: a person may have mended the listing."""

SUPERSEDED = "superseded"
"""The verdict on a number that was planned and not sent, because a newer one is wanted or it may not rise now."""

PLANS_MAX = 20
"""Batches looked through for one call: most of a backlog may have become needless, or must be held."""


_PUT_OFF = frozenset({State.LOCKED, State.REFUSED})


class _Guard(Enum):
    GO = "go"
    LOOK_FIRST = "look first"
    HOLD = "hold"


class Pushes:
    """Keeps the newest availability per SKU and sees each listing's number through to the channel's answer."""

    def __init__(
        self,
        listings: Listings,
        line: Line,
        outbox: Outbox,
        readback: Readback,
        *,
        offering: Offering,
        around: Around,
        mode: Mode,
        push: PushTerms,
        rng: random.Random,
        listener: PusherListener,
    ) -> None:
        """Start knowing of no stock at all, which is not zero."""
        self.more = False
        """More of the outbox is to be looked through."""
        self.unsent: Agenda[ListingId] = Agenda()
        """Listings with a change that the channel has not accepted, by the time of its decision."""
        self._listings = listings
        self._line = line
        self._outbox = outbox
        self._readback = readback
        self._offering = offering
        self._around = around
        self._mode = mode
        self._terms = push
        self._rng = rng
        self._listener = listener
        self._backoff = Backoff(seconds=push.retry_seconds, seconds_max=push.retry_seconds_max)
        self._levels: dict[Sku, Availability] = {}

    def begin(self, now: Now) -> None:
        """Take up what a restart cut off: what was under way is unknown, what was accepted is to be seen."""
        self._listings.recall()
        for listing in self._listings:
            if self._listings.step(listing, Change.FAILED):
                assert listing.last is not None, "what was under way is on record"
                listing.owed, listing.last.verdict = True, Verdict.UNKNOWN
            elif listing.state is State.ACCEPTED:
                self._readback.accepted(listing, now)
            older = self._listings.pushes(listing.listing_id)[:-1]
            if any(push.may_land_late(now.at, self._terms.retry_seconds_max) for push in older):
                listing.loose_until = now.seconds + self._terms.retry_seconds_max

    def availability(self, availability: Availability, now: Now) -> None:
        """Note what there is of a SKU, unless something newer is known (law 5)."""
        known = self._levels.get(availability.sku)
        if known is not None and availability.position < known.position:
            return
        self._levels[availability.sku] = availability
        for listing in self._listings.of(availability.sku):
            self.touch(listing, availability.changed_at, now)

    def channel_sale(self, sale: ChannelSale, now: Now) -> None:
        """Write and verify again what the channel itself changed, even the same number (lesson E1)."""
        for listing in self._listings.of(sale.sku):
            self._readback.sold(listing, sale)
            listing.owed = True
            self.touch(listing, now.at, now, force=True)

    def level(self, sku: Sku) -> Availability | None:
        """Return what there is of a SKU; None: nobody has said so."""
        return self._levels.get(sku)

    def offer(self, listing: Listing, at: datetime) -> tuple[Offer, int] | None:
        """Return what a listing should show, why, and as of which journal position; None: nobody knows."""
        level = self._levels.get(listing.sku)
        return None if level is None else (self._offering.explain(level, listing.pack_units, at), level.position)

    def offer_anew(self, listings: Iterable[Listing], now: Now) -> int:
        """Compute offers anew after an edit of the rules or with the time; return how many have changed.

        Such changes wait behind those of stock, and say nothing of how long a change of stock takes.
        """
        changed, levels, quantity, at = 0, self._levels, self._offering.quantity, now.at
        for listing in listings:  # `_compute` in line: this runs for every listing there is
            level = levels.get(listing.sku)
            offer = None if level is None else quantity(level, listing.pack_units, at)
            if offer != listing.offer:
                listing.offer = offer
                changed += 1
                self.follow(listing, now, changed=True, bulk=True)
        return changed

    def touch(self, listing: Listing, changed_at: datetime | None, now: Now, *, force: bool = False) -> None:
        """Compute a listing's offer anew, and queue it if that changed anything. `force`: queue it in any case."""
        if not self._compute(listing, now) and not force:
            return
        if listing.wants_write and changed_at is not None and self._mode == "live":
            listing.changed_at = listing.changed_at or changed_at
            if listing.listing_id not in self.unsent:
                self.unsent.put(listing.listing_id, (changed_at.timestamp(),))
        self.follow(listing, now, changed=True)

    def _compute(self, listing: Listing, now: Now) -> bool:
        """Bring a listing's offer up to date; True: it is another number than before."""
        level, before = self._levels.get(listing.sku), listing.offer
        listing.offer = None if level is None else self._offering.quantity(level, listing.pack_units, now.at)
        return listing.offer != before

    def follow(self, listing: Listing, now: Now, *, changed: bool = False, bulk: bool = False) -> None:
        """Queue a listing if it wants a write; one that is put off, locked or refused, only if its number `changed`.

        `bulk`: it changed with many others, and waits behind single changes.
        """
        if listing.state is State.IN_FLIGHT or listing.offer is None:
            return
        put_off = listing.state in _PUT_OFF and listing.listing_id in self._outbox
        if not listing.wants_write:
            self._calm(listing, now)
        elif changed or not put_off:
            self._listings.step(listing, Change.CHANGED)
            if listing.touched_seconds is None:
                listing.touched_seconds = now.seconds
            if self._mode == "live" and bulk:
                self._outbox.put_bulk(listing, now.seconds)
            elif self._mode == "live":
                self._outbox.put(listing, now.seconds)

    def plan(self, rows_max: int, now: Now) -> tuple[PushPlanned, ...]:
        """Take the most urgent rows that may go now and share a call; they count as under way from here on."""
        for _ in range(PLANS_MAX):
            batch = self._outbox.take(rows_max, rises=self._line.behind is None)
            planned = tuple(plan for listing_id in batch if (plan := self._plan(listing_id, now)) is not None)
            if planned or not batch:
                return planned
        self.more = True
        return ()

    def depart(self, planned: Sequence[PushPlanned], now: Now) -> tuple[list[StockWrite], list[PushSettled]]:
        """Split a recorded plan into what is still wanted and what is not sent after all."""
        rows: list[StockWrite] = []
        dropped: list[PushSettled] = []
        for plan in planned:
            listing = self._listings.get(plan.listing_id)
            wanted = listing is not None and listing.offer == plan.quantity and self._listings.paused is None
            if listing is not None and wanted and self._guard(listing, now) is _Guard.GO:
                self._leave(listing, now)
                rows.append(StockWrite(listing_id=plan.listing_id, quantity=plan.quantity, version=plan.version))
            else:
                dropped.append(self.settle(plan, SUPERSEDED, "", now))
        return rows, dropped

    def settle(self, plan: PushPlanned, verdict: str, reason: str, now: Now) -> PushSettled:
        """Note what the channel said of one row, and decide what is next for its listing."""
        event = PushSettled(
            at=now.at,
            account=self._listings.account,
            listing_id=plan.listing_id,
            version=plan.version,
            verdict=verdict,
            reason=reason,
        )
        self._listings.apply(event)
        self._listener.push_settled(self._listings.account, verdict)
        listing = self._listings.get(plan.listing_id)
        if listing is not None:
            self._after(listing, verdict, now)
            self.follow(listing, now)
        return event

    def _plan(self, listing_id: ListingId, now: Now) -> PushPlanned | None:
        listing = self._listings.get(listing_id)
        if listing is None:
            return None
        self._compute(listing, now)  # a window may have begun or demand have moved since it was queued
        if not listing.wants_write:
            self._calm(listing, now)
            return None
        if self._locked(listing, now):
            return None
        match self._guard(listing, now):
            case _Guard.HOLD:
                self._outbox.hold(listing, now.seconds)
                return None
            case _Guard.LOOK_FIRST:
                self._readback.look_at(listing, URGENT)
                return None
            case _Guard.GO:
                return self._commit(listing, now)

    def _locked(self, listing: Listing, now: Now) -> bool:
        """Put a listing off whose channel would refuse its number: a state with an end, not a fault (lesson D18)."""
        locked = self._around.lock(listing.sku, listing.listing_id, now.at)
        assert listing.offer is not None, "a listing without an offer wants no write"
        if locked is None or not locked.refuses(listing.offer, listing.pushed):
            return False
        self._listings.step(listing, Change.LOCKED)
        listing.reason = locked.reason
        self._outbox.put_off(listing, now.seconds + max(0.0, (locked.until - now.at).total_seconds()))
        self.unsent.discard(listing.listing_id)
        return True

    def _commit(self, listing: Listing, now: Now) -> PushPlanned:
        assert listing.state is not State.IN_FLIGHT, "at most one push of a listing is under way"
        reasoned = self.offer(listing, now.at)
        assert reasoned is not None, "an offer was computed, so there is a level"
        offer, basis = reasoned
        assert offer.quantity == listing.offer, "the offer with its reasons is the offer"
        if listing.last is not None and listing.last.may_land_late(now.at, self._terms.retry_seconds_max):
            listing.loose_until = now.seconds + self._terms.retry_seconds_max
        plan = PushPlanned(
            at=now.at,
            account=self._listings.account,
            listing_id=listing.listing_id,
            sku=listing.sku,
            version=listing.version + 1,
            quantity=offer.quantity,
            basis=basis,
            terms=offer.terms,
            lag_seconds=offer.lag_seconds,
        )
        self._listings.apply(plan)
        assert listing.last is not None, "a planned push is on record"
        listing.last.changed_at = listing.changed_at
        listing.changed_at = listing.touched_seconds = None
        return plan

    def _guard(self, listing: Listing, now: Now) -> _Guard:
        """Decide whether a number may go: while orders are behind, only if it falls (zero never rises)."""
        if self._line.behind is None or listing.offer == 0:
            return _Guard.GO
        assert listing.offer is not None, "a listing without an offer wants no write"
        if listing.read_seconds >= listing.moved_seconds and now.seconds - listing.read_seconds <= FRESH_SECONDS:
            falls = listing.shown is not None and listing.offer < listing.shown
            return _Guard.GO if falls else _Guard.HOLD
        seen = listing.last is not None and listing.last.verified_at is not None
        if seen and listing.pushed is not None and listing.offer >= listing.pushed:
            return _Guard.HOLD  # it would rise; should the shop show more, the walk through the catalogue finds out
        return _Guard.LOOK_FIRST

    def _leave(self, listing: Listing, now: Now) -> None:
        assert listing.state is State.IN_FLIGHT, "only a planned push may leave"
        assert listing.last is not None, "a planned push is on record"
        listing.last.sent_at = now.at
        listing.moved_seconds = now.seconds
        listing.sold = listing.given_back = listing.checks = 0

    def _after(self, listing: Listing, verdict: str, now: Now) -> None:
        push = listing.last
        assert push is not None, "a settled push is on record"
        if verdict != SUPERSEDED:
            listing.moved_seconds = now.seconds
        if listing.state is State.ACCEPTED:
            listing.tries, listing.solo, listing.not_before = 0, False, NEVER
            self._readback.accepted(listing, now)
            self._accepted(listing, push.changed_at, now)
            return
        listing.changed_at = push.changed_at or listing.changed_at
        if verdict not in {SUPERSEDED, Verdict.THROTTLED}:
            self._failed(listing, verdict, now)

    def _accepted(self, listing: Listing, changed_at: datetime | None, now: Now) -> None:
        if changed_at is not None:
            self._listener.push_accepted(self._listings.account, max(0.0, (now.at - changed_at).total_seconds()))
        self.unsent.discard(listing.listing_id)
        if listing.changed_at is not None:
            self.unsent.put(listing.listing_id, (listing.changed_at.timestamp(),))

    def _failed(self, listing: Listing, verdict: str, now: Now) -> None:
        listing.tries += 1
        listing.not_before = now.seconds + self._backoff.wait_seconds(listing.tries, self._rng)
        if verdict == Verdict.STALE:
            self._readback.look_at(listing, URGENT)
        elif verdict == Verdict.LOCKED:
            listing.not_before = now.seconds + self._terms.retry_seconds_max
            self._outbox.put_off(listing, listing.not_before)
            self.unsent.discard(listing.listing_id)
        elif verdict == Verdict.REFUSED:
            self._outbox.put_off(listing, now.seconds + REFUSED_SECONDS)
            self.unsent.discard(listing.listing_id)
            if listing.offer != listing.pushed:
                self.follow(listing, now, changed=True)

    def _calm(self, listing: Listing, now: Now) -> None:
        """Let a listing be: it wants no write, after all."""
        self._outbox.discard(listing.listing_id)
        self.unsent.discard(listing.listing_id)
        listing.changed_at = listing.touched_seconds = None
        adopted = listing.version == 0 or self._mode == "shadow"
        if listing.state is State.NEW or (adopted and listing.state is State.DIRTY):
            self._listings.step(listing, Change.MATCHED)
        elif self._listings.step(listing, Change.CALMED):
            self._readback.accepted(listing, now)
