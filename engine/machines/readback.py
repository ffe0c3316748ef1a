"""Accepted is not applied: read listings back, and judge what the channel shows against what it was told.

The channel sells on its own, so a number may lie below the one we sent by what it is known to have sold since (its
clock has whole seconds and may differ from ours: any value between the two is fine). Still lower: a sale that we have
not heard of, so orders are asked for and the listing is read again before anything is put right. Higher, or not
counted at all: drift, which can sell what is not there, so the number is sent again at once.
"""

import random
from collections.abc import Callable
from datetime import timedelta

from engine.domain.availability import ChannelSale
from engine.domain.events import DriftFound, PushVerified
from engine.domain.units import ListingId
from engine.machines.agenda import BatchQueue
from engine.machines.backoff import Backoff
from engine.machines.lag import Lag
from engine.machines.listing import MAY_HAVE_LANDED, NEVER, Change, Listing, Push, State
from engine.machines.listings import Listings
from engine.machines.pushing import Effect, Journal, Now, PollOrders, PusherListener, PushTerms

CLOCK_SKEW = timedelta(seconds=2)
"""A sale stamped this much before our write left may have come after it: whole seconds, and clocks that differ."""

URGENT = 0.0
"""A due time before every other: a write waits for this look."""


class Readback:
    """Which listings are to be looked at, when, and what follows from what was seen."""

    def __init__(
        self,
        listings: Listings,
        terms: PushTerms,
        batch_of: Callable[[ListingId], str],
        rng: random.Random,
        listener: PusherListener,
        lag: Lag,
        *,
        shadow: bool,
    ) -> None:
        """Start with nothing to look at. `shadow`: what is seen is compared, never put right."""
        self.queue = BatchQueue()
        self._listings = listings
        self._terms = terms
        self._batch_of = batch_of
        self._rng = rng
        self._listener = listener
        self._lag = lag
        self._shadow = shadow
        self._backoff = Backoff(seconds=terms.retry_seconds, seconds_max=terms.retry_seconds_max)

    def look_at(self, listing: Listing, due: float) -> None:
        """Look at a listing then, or earlier if that was planned: a hot listing must not put off its looks for ever."""
        known = self.queue.rank(listing.listing_id)
        if known is None or known[0] > due:
            self.queue.put(listing.listing_id, self._batch_of(listing.listing_id), (due,))

    def accepted(self, listing: Listing, now: Now) -> None:
        """Look at a listing once its write had time to be applied."""
        self.look_at(listing, now.seconds + self._terms.verify_after_seconds)

    def sold(self, listing: Listing, sale: ChannelSale) -> None:
        """Note what the channel itself took out of its count, or put back."""
        listing.read_seconds = NEVER
        sent_at = None if listing.last is None else listing.last.sent_at or listing.last.planned_at
        if sent_at is not None and sale.channel_at < sent_at - CLOCK_SKEW:
            return  # the write came after it and has wiped it out
        listing.sold += max(sale.units, 0)
        listing.given_back += max(-sale.units, 0)

    def unseen(self, listing: Listing, now: Now) -> list[Effect]:
        """Judge a listing that was asked for and left out of the answer: unknown, not zero (lesson E4)."""
        listing.not_before = max(listing.not_before, now.seconds + self._terms.retry_seconds)
        if listing.state in {State.ACCEPTED, State.VERIFIED} and listing.pushed is not None:
            return self._doubt(listing, None, now, poll=False)
        return []

    def seen(self, listing: Listing, shown: int | None, started: Now, now: Now) -> list[Effect]:
        """Judge what a look that began at `started` saw."""
        if listing.state is State.IN_FLIGHT or started.seconds <= listing.moved_seconds:
            # A write was under way: the look may prove that an earlier one has landed, and nothing else.
            if listing.state is State.ACCEPTED:
                self.accepted(listing, now)
            return self._credit(listing, shown, started, now)
        listing.shown, listing.read_at, listing.read_seconds = shown, now.at, started.seconds
        if shown is not None and (listing.pushed is None or self._shadow):
            listing.pushed, listing.owed = shown, False
        if self._shadow:
            if not listing.wants_write:
                self._listings.step(listing, Change.MATCHED)
            return []
        if listing.state in {State.ACCEPTED, State.VERIFIED, State.DRIFTED} and listing.pushed is not None:
            return self._judge(listing, shown, started, now)
        return self._credit(listing, shown, started, now)

    def agrees(self, listing: Listing, shown: int | None) -> bool:
        """Whether a number fits what was sent last and what the channel sold since."""
        if listing.pushed is None or shown is None:
            return False
        return listing.pushed - listing.sold <= shown <= listing.pushed + listing.given_back

    def _judge(self, listing: Listing, shown: int | None, started: Now, now: Now) -> list[Effect]:
        assert listing.pushed is not None, "there is nothing to compare with"
        applied_seconds = listing.moved_seconds + self._terms.verify_after_seconds
        if self.agrees(listing, shown):
            return self._right(listing, shown, started, now)
        if listing.state is State.ACCEPTED and started.seconds < applied_seconds:
            self.look_at(listing, applied_seconds)
            return self._credit(listing, shown, started, now)
        if shown is not None and shown < listing.pushed:
            return self._doubt(listing, shown, now, poll=True)
        return self._drift(listing, shown, now)

    def _right(self, listing: Listing, shown: int | None, started: Now, now: Now) -> list[Effect]:
        assert shown is not None, "no number fits nothing"
        listing.checks = 0
        if started.seconds < listing.loose_until:
            self.look_at(listing, listing.loose_until)
        push = listing.last
        if push is None or (push.verified_at is not None and listing.state is not State.DRIFTED):
            self._listings.step(listing, Change.MATCHED)
            return []
        return self._verified(listing, push, shown, now)

    def _verified(self, listing: Listing, push: Push, shown: int, now: Now) -> list[Effect]:
        event = PushVerified(
            at=now.at,
            account=self._listings.account,
            listing_id=listing.listing_id,
            version=push.version,
            shown=shown,
        )
        self._listings.apply(event)
        if push.changed_at is not None:
            lag = max(0.0, (now.at - push.changed_at).total_seconds())
            self._lag.note(lag)
            self._listener.push_verified(self._listings.account, lag)
        return [Journal(events=(event,))]

    def _credit(self, listing: Listing, shown: int | None, started: Now, now: Now) -> list[Effect]:
        """Verify the newest push, settled before the look began, that explains what was seen.

        On a hot listing another push has followed by now; without this it would never count as verified.
        """
        for push in reversed(self._listings.pushes(listing.listing_id)):
            if push.verified_at is not None:
                break
            settled = push.settled_at is not None and push.settled_at < started.at and push.verdict in MAY_HAVE_LANDED
            if settled and shown is not None and push.quantity == shown:
                return self._verified(listing, push, shown, now)
        return []

    def _doubt(self, listing: Listing, shown: int | None, now: Now, *, poll: bool) -> list[Effect]:
        listing.checks += 1
        if listing.checks >= self._terms.verify_tries_max:
            return self._drift(listing, shown, now)
        self._listings.step(listing, Change.DOUBTED)
        wait = self._backoff.wait_seconds(listing.checks, self._rng)
        self.look_at(listing, now.seconds + max(wait, self._terms.verify_after_seconds))
        if poll and listing.checks == 1:
            return [PollOrders(reason=f"{listing.listing_id} shows {shown}, was told {listing.pushed}")]
        return []

    def _drift(self, listing: Listing, shown: int | None, now: Now) -> list[Effect]:
        assert listing.pushed is not None, "nothing was sent that could have drifted"
        below = shown is not None and shown < listing.pushed
        event = DriftFound(
            at=now.at,
            account=self._listings.account,
            listing_id=listing.listing_id,
            version=listing.version,
            shown=shown,
            expected=listing.pushed - listing.sold if below else listing.pushed + listing.given_back,
        )
        self._listings.apply(event)
        listing.checks = 0
        listing.touched_seconds = listing.touched_seconds or now.seconds
        wait = self._backoff.wait_seconds(listing.strikes, self._rng)
        if listing.strikes >= self._terms.verify_tries_max:
            self._listings.step(listing, Change.GAVE_UP)
            listing.reason = f"shows {shown}, was told {listing.pushed} {listing.strikes} times"
            wait = self._terms.retry_seconds_max
        listing.not_before = now.seconds + wait
        self._listener.drift_found(self._listings.account)
        return [Journal(events=(event,))]
