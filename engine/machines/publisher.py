"""A whole account's pushing as one machine: what is told goes in, calls to make and facts to record come out.

No clock, no chance, no input or output. Every method is O(listings of one SKU), or bounded by the rows of one call;
nothing walks all listings but `begin`, once.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from engine.domain.availability import Availability, ChannelSale
from engine.domain.errors import ChannelError, CredentialsRejected, NotSent, Refused, Throttled
from engine.domain.events import Event, ListingDropped, ListingMapped
from engine.domain.offers.offers import Offering
from engine.domain.units import AccountId, ListingId, Sku
from engine.machines.backoff import Backoff
from engine.machines.budget import BudgetTerms, Lane
from engine.machines.lag import Lag
from engine.machines.line import Line
from engine.machines.listing import Listing
from engine.machines.listings import IMPORT, Listings, Unmatched
from engine.machines.outbox import LOOK_MAX, Outbox
from engine.machines.pushes import Pushes
from engine.machines.pushing import (
    Alone,
    Around,
    Call,
    Effect,
    Journal,
    Mode,
    Now,
    Priority,
    PusherListener,
    PushTerms,
    Read,
    ReadCatalogue,
    Write,
    rank_by_risk,
)
from engine.machines.readback import URGENT, Readback
from engine.machines.sweep import Sweep, match_listing
from engine.ports import ListingPage, RowVerdict, SeenListing, SeenStock, StockWrite, Verdict

_NEVER = float("inf")


class Publisher:
    """One account: `pushing` says what goes in and out, `views` what people are shown of it."""

    def __init__(
        self,
        account: AccountId,
        *,
        offering: Offering,
        mode: Mode,
        push: PushTerms,
        budget: BudgetTerms,
        batch_of: Callable[[ListingId], str],
        batch_rows_max: int,
        known_sku: Callable[[Sku], bool],
        rng: random.Random,
        listener: PusherListener,
        priority: Priority = rank_by_risk,
        around: Around | None = None,
    ) -> None:
        """Start with nothing mapped and orders behind: `apply` the past, then `begin`."""
        self.account = account
        self.mode = mode
        self.lag = Lag()
        self._around: Around = around or Alone()
        self.listings = Listings(account, self._around)
        self.line = Line(push, budget, rng)
        self.sweep = Sweep(
            push.resync_seconds, Backoff(seconds=push.retry_seconds, seconds_max=push.retry_seconds_max), rng
        )
        self._outbox = Outbox(self.listings, push, batch_of, priority)
        self._readback = Readback(self.listings, push, batch_of, rng, listener, self.lag, shadow=mode == "shadow")
        self.pushes = Pushes(
            self.listings,
            self.line,
            self._outbox,
            self._readback,
            offering=offering,
            around=self._around,
            mode=mode,
            push=push,
            rng=rng,
            listener=listener,
        )
        self._backoff = Backoff(seconds=push.retry_seconds, seconds_max=push.retry_seconds_max)
        self._batch_rows_max = batch_rows_max
        self._known_sku = known_sku
        self._rng = rng
        self._news: dict[ListingId, None] = {}
        """Listings that were mapped, or taken over from before a restart, and not looked at since."""
        self._stale: dict[Sku, None] = {}
        """SKUs whose offers depend on something else that has changed: quotas, siblings."""
        self._told: list[Effect] = []
        """What to record of hints; at most one mapping per listing."""
        self._more = False
        self._wrote_last = False
        self._walked_last = False
        self._read_failures = 0

    # -- what is told -------------------------------------------------------------------------------------------------

    def apply(self, event: Event) -> None:
        """Take in a fact, in replay or live."""
        self.listings.apply(event)
        if isinstance(event, ListingMapped) and event.account == self.account:
            self._news[event.listing_id] = None
        elif isinstance(event, ListingDropped) and event.account == self.account:
            self.pushes.unsent.discard(event.listing_id)

    def begin(self, now: Now) -> None:
        """Go on where the journal ends."""
        self.pushes.begin(now)
        self._news.update((listing.listing_id, None) for listing in self.listings)

    def availability(self, availability: Availability, now: Now) -> None:
        """Note what there is of a SKU; the newest position wins."""
        self.pushes.availability(availability, now)

    def channel_sale(self, sale: ChannelSale, now: Now) -> None:
        """Note what the channel itself has changed."""
        if sale.account == self.account:
            self.pushes.channel_sale(sale, now)

    def retouch(self, sku: Sku) -> None:
        """Compute a SKU's offers anew at the next look: they depend on something that has changed elsewhere."""
        self._stale[sku] = None

    def look_again(self, sku: Sku) -> None:
        """Read the listings of a SKU before anything else is read."""
        for listing in self.listings.of(sku):
            self._readback.look_at(listing, URGENT)

    def offer_anew(self, listings: Iterable[Listing], now: Now) -> int:
        """Compute offers anew; return how many have changed. The caller chooses how many at a time."""
        return self.pushes.offer_anew(listings, now)

    def orders_caught_up(self) -> None:
        """Let numbers rise."""
        self.line.caught_up()

    def orders_behind(self, reason: str) -> None:
        """Let numbers only fall."""
        self.line.behind = reason

    def flush(self) -> None:
        """Settle nothing any longer that waits now."""
        self._outbox.flush()

    def hint(self, seen: SeenListing, now: Now) -> None:
        """Hear of a listing from the channel, age unknown: it may be an echo of our own write, so go and look (E11)."""
        self._told += self._meet(seen, now)
        listing = self.listings.get(seen.listing_id)
        if listing is not None and not self._readback.agrees(listing, seen.shown):
            self._readback.look_at(listing, now.seconds)

    def mapping(self, listing_id: ListingId, sku: Sku, pack_units: int, at: datetime) -> ListingMapped | None:
        """Return the event of an explicit mapping, None when it stands like that already. Changes nothing."""
        known = self.listings.get(listing_id)
        if known is not None and (known.sku, known.pack_units, known.source) == (sku, pack_units, IMPORT):
            return None
        return ListingMapped(
            at=at, account=self.account, listing_id=listing_id, sku=sku, pack_units=pack_units, source=IMPORT
        )

    # -- what is to be done -------------------------------------------------------------------------------------------

    def poll(self, now: Now) -> list[Effect]:
        """Return what is to be done now, one call at most; it is answered by `written`, `stock_read` or the like."""
        if self.mode == "off":
            return []
        self.pushes.more = False
        for listing_id in [listing_id for listing_id, _ in zip(self._news, range(LOOK_MAX), strict=False)]:
            del self._news[listing_id]
            listing = self.listings.get(listing_id)
            if listing is not None:
                self.pushes.touch(listing, None, now, force=True)
        for sku in [sku for sku, _ in zip(self._stale, range(LOOK_MAX), strict=False)]:
            del self._stale[sku]
            for listing in self.listings.of(sku):
                self.pushes.touch(listing, None, now, force=True)  # a lock may have ended, too
        self._more = self._outbox.look(now.seconds) or bool(self._news) or bool(self._stale)
        effects, self._told = self._told, []
        call = self._next_call(now)
        if call is not None:
            effects.append(call)
            self._more = True  # one call at a time: planning a burst of full ones would keep everybody waiting
        return effects

    def wake_seconds(self, now: Now) -> float:
        """Return when `poll` is worth asking again, if nothing is told or answered before."""
        if self.mode == "off":
            return _NEVER
        if self._more or self.pushes.more or self._outbox.hungry:
            return now.seconds
        look_at = self._outbox.look_at_seconds()
        if self.line.probing:
            probe_at = now.seconds + self.line.wait_seconds(Lane.OPEN, Lane.RESERVE, now=now.seconds)
            return min(look_at, _NEVER if self.sweep.under_way else probe_at)
        writes = self._writes_wait()
        write_at = now.seconds + self.line.wait_seconds(Lane.OPEN, now=now.seconds) if writes else _NEVER
        read_wait = self.line.wait_seconds(*self._read_lanes(writes=writes), now=now.seconds)
        return min(look_at, write_at, max(self._read_due(), now.seconds + read_wait))

    def depart(self, write: Write, now: Now) -> tuple[list[StockWrite], list[Effect]]:
        """Return the rows of a recorded plan that are to be sent at once, and what to record of the others."""
        rows, dropped = self.pushes.depart(write.planned, now)
        if rows:
            self.line.leave(now.seconds)
        else:
            self.line.forgo(now.seconds)
        return rows, [Journal(events=tuple(dropped))] if dropped else []

    def _next_call(self, now: Now) -> Call | None:
        if self.line.probing:
            return self._probe(now)
        # By turns, so that a backlog of writes cannot keep verification waiting; a write without a turn still goes
        # when the reads have spent their share.
        if self._wrote_last:
            return self._next_read(now) or self._next_write(now)
        return self._next_write(now) or self._next_read(now)

    def _next_write(self, now: Now) -> Write | None:
        if not self._writes_wait() or self.line.wait_seconds(Lane.OPEN, now=now.seconds) > 0:
            return None
        planned = self.pushes.plan(self._batch_rows_max, now)
        if not planned:
            return None
        self.line.put_by(now.seconds)
        self._wrote_last = True
        return Write(planned=planned)

    def _next_read(self, now: Now) -> Read | ReadCatalogue | None:
        lanes = self._read_lanes(writes=self._writes_wait())
        if self._read_due() > now.seconds or not self.line.start(*lanes, now=now.seconds):
            return None
        self._wrote_last = False
        first = self._readback.queue.first()
        look = first is not None and first[0] <= now.seconds
        walk = self.sweep.due_seconds() <= now.seconds
        if walk and (not look or (first != (URGENT,) and not self._walked_last)):
            self._walked_last = True
            return ReadCatalogue(cursor=self.sweep.page_asked(now.seconds), started=now)
        self._walked_last = False
        listing_ids = self._readback.queue.take(self._batch_rows_max, (now.seconds,))
        assert listing_ids, "a look was due"
        return Read(listing_ids=tuple(listing_ids), started=now)

    def _probe(self, now: Now) -> ReadCatalogue | None:
        """See whether anybody answers by reading a page of the catalogue: it changes nothing and tells something."""
        if self.sweep.under_way or not self.line.start(Lane.OPEN, Lane.RESERVE, now=now.seconds):
            return None
        return ReadCatalogue(cursor=self.sweep.page_asked(now.seconds), started=now)

    def _writes_wait(self) -> bool:
        return self.listings.paused is None and self._outbox.first(rises=self.line.behind is None) is not None

    def _read_due(self) -> float:
        first = self._readback.queue.first()
        return min(self.sweep.due_seconds(), _NEVER if first is None else first[0])

    def _read_lanes(self, *, writes: bool) -> tuple[Lane, ...]:
        return (Lane.RESERVE,) if writes and self.line.budget.has_reserve else (Lane.OPEN, Lane.RESERVE)

    # -- what came of it ----------------------------------------------------------------------------------------------

    def written(
        self, write: Write, sent: Sequence[StockWrite], outcome: Sequence[RowVerdict] | ChannelError, now: Now
    ) -> list[Effect]:
        """Settle the rows of a write that were sent."""
        rows = {} if isinstance(outcome, ChannelError) else {row.listing_id: row for row in outcome}
        effects = self.line.ended(_error(outcome) or self._throttled_row(rows.values()), now)
        versions = {row.listing_id: row.version for row in sent}
        settled: list[Event] = []
        for plan in write.planned:
            if versions.get(plan.listing_id) != plan.version:
                continue
            row = rows.get(plan.listing_id)
            verdict, reason = (
                self._whole(plan.listing_id, outcome, len(sent)) if row is None else (row.verdict, row.reason)
            )
            settled.append(self.pushes.settle(plan, verdict, reason, now))
        return [Journal(events=tuple(settled)), *effects]

    def stock_read(self, read: Read, outcome: Sequence[SeenStock] | ChannelError, now: Now) -> list[Effect]:
        """Judge what was read; a failed read tells nothing and is tried again (law 8)."""
        effects = self.line.ended(_error(outcome), now)
        if isinstance(outcome, ChannelError):
            self._read_failures += 1
            again_at = now.seconds + self._backoff.wait_seconds(self._read_failures, self._rng)
            for listing in filter(None, map(self.listings.get, read.listing_ids)):
                self._readback.look_at(listing, again_at)
            return effects
        self._read_failures = 0
        rows = {row.listing_id: row for row in outcome}
        for listing in filter(None, map(self.listings.get, read.listing_ids)):
            row = rows.get(listing.listing_id)
            if row is None:
                effects += self._readback.unseen(listing, now)
            else:
                effects += self._readback.seen(listing, row.shown, read.started, now)
                self._around.seen(listing.sku, listing.listing_id, row.shown, read.started.at)
            self.pushes.follow(listing, now)
        return effects

    def catalogue_read(self, read: ReadCatalogue, outcome: ListingPage | ChannelError, now: Now) -> list[Effect]:
        """Meet new listings, judge known ones. What a page lacks is not gone (lesson E9)."""
        effects = self.line.ended(_error(outcome), now)
        if isinstance(outcome, ChannelError):
            self.sweep.page_failed(now.seconds)
            return effects
        self.sweep.page_read(outcome, now.seconds)
        for seen in outcome.listings:
            effects += self._meet(seen, now)
            listing = self.listings.get(seen.listing_id)
            if listing is not None and seen.managed:
                effects += self._readback.seen(listing, seen.shown, read.started, now)
                self._around.seen(listing.sku, listing.listing_id, seen.shown, read.started.at)
                self.pushes.follow(listing, now)
        return effects

    def _whole(self, listing_id: ListingId, outcome: object, rows: int) -> tuple[str, str]:
        """Return the verdict on a row that got none of its own."""
        match outcome:
            case Refused(reason=reason) if rows > 1:
                # One bad row may have spoilt the call: each is tried alone.
                listing = self.listings.get(listing_id)
                if listing is not None:
                    listing.solo = True
                return Verdict.NOT_SENT, f"refused together with others: {reason}"
            case Refused(reason=reason):
                return Verdict.REFUSED, reason
            case Throttled(reason=reason):
                return Verdict.THROTTLED, reason
            case NotSent(reason=reason) | CredentialsRejected(reason=reason):
                return Verdict.NOT_SENT, reason
            case ChannelError(reason=reason):
                return Verdict.UNKNOWN, reason
            case _:
                return Verdict.UNKNOWN, "the answer has no verdict on this row"

    def _throttled_row(self, rows: Iterable[RowVerdict]) -> Throttled | None:
        reasons = (row.reason for row in rows if row.verdict is Verdict.THROTTLED)
        reason = next(reasons, None)
        return None if reason is None else Throttled(self.account, "write_stock", reason)

    def _meet(self, seen: SeenListing, now: Now) -> list[Effect]:
        """Map a listing by its SKU unless somebody has mapped it; follow a SKU that was renamed at the channel."""
        known = self.listings.get(seen.listing_id)
        if known is not None and (known.source == IMPORT or known.sku == seen.sku):
            return []
        match = match_listing(self.account, seen, self._known_sku, now.at)
        if isinstance(match, Unmatched):
            if known is None:
                self.listings.unmatched[seen.listing_id] = match
            return []
        self.apply(match)
        return [Journal(events=(match,))]


def _error(outcome: object) -> ChannelError | None:
    return outcome if isinstance(outcome, ChannelError) else None
