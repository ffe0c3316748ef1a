"""One task per channel account that keeps its listings at their offers: a loop around `Publisher`."""

import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import datetime
from typing import TypeVar

import structlog
import trio

from engine.actors.bell import Bell
from engine.actors.calls import Caller
from engine.actors.naming import Resolve, itself, page_by_id, remap, seen_by_id, settled
from engine.actors.turns import Turns
from engine.domain.availability import Availability, ChannelSale
from engine.domain.errors import ChannelError, NotSent
from engine.domain.events import (
    AccountPaused,
    AccountResumed,
    DriftFound,
    Event,
    ListingMapped,
    PushSettled,
)
from engine.domain.offers.offers import Offering
from engine.domain.orders import OrderLine
from engine.domain.units import AccountId, ListingId, Sku
from engine.machines.budget import BudgetTerms, Lane
from engine.machines.listing import Listing
from engine.machines.listings import Listings, Unmatched
from engine.machines.publisher import Publisher
from engine.machines.pushing import (
    Around,
    Effect,
    Journal,
    Mode,
    Now,
    PollOrders,
    Priority,
    PusherListener,
    PushTerms,
    Read,
    ReadCatalogue,
    SilentListener,
    Write,
    rank_by_risk,
)
from engine.machines.views import (
    AccountStatus,
    Exposure,
    ListingOffer,
    name_cause,
    view_account,
    view_exposure,
    view_offers,
)
from engine.ports import Channel, Clock, ListingPage, Recorder, SeenListing, Verdict

T = TypeVar("T")


log = structlog.get_logger()


class Pusher:
    """Owns the listings of one account. Methods that are not `async` never block and may be called from any task.

    Replay the journal through `apply`, then `run`. Tell it the availability of every SKU once after a start: what it
    has not heard of is unknown and is not pushed. When one decision brings both, tell availability before the sale.
    """

    def __init__(
        self,
        account: AccountId,
        channel: Channel,
        *,
        offering: Offering,
        mode: Mode,
        known_sku: Callable[[Sku], bool],
        resolve: Resolve = itself,
        push: PushTerms,
        budget: BudgetTerms,
        clock: Clock,
        rng: random.Random,
        recorder: Recorder,
        request_order_poll: Callable[[], None],
        listener: PusherListener | None = None,
        priority: Priority = rank_by_risk,
        around: Around | None = None,
        turns: Turns | None = None,
    ) -> None:
        """Start idle. `request_order_poll` must not block; asking twice may poll once.

        `turns` are shared with the other accounts' pushers.
        """
        self._turns = turns or Turns()
        self.account = account
        self.locations = offering.locations
        self._known_sku = known_sku
        self._resolve = resolve
        """From what a channel calls a SKU to its id."""
        self._channel = channel
        self._clock = clock
        self._recorder = recorder
        self._request_order_poll = request_order_poll
        heard: PusherListener = listener or SilentListener()
        self._stirred = Bell()
        self._unreachable: str | None = None
        """As last logged."""
        self._caller = Caller(account, seconds_max=push.call_seconds_max, listener=heard)
        self._publisher = Publisher(
            account,
            offering=offering,
            mode=mode,
            push=push,
            budget=budget,
            batch_of=channel.batch_key,
            batch_rows_max=channel.batch_rows_max,
            known_sku=known_sku,
            rng=rng,
            listener=heard,
            priority=priority,
            around=around,
        )

    # -- what it is told ----------------------------------------------------------------------------------------------

    def apply(self, event: Event) -> None:
        """Take in a journalled fact, in replay or live; what is not this account's changes nothing."""
        self._publisher.apply(settled(event, self._resolve))
        self.stir()

    def availability(self, availability: Availability) -> None:
        """Note what there is of a SKU; the newest position wins, whatever the order of arrival."""
        self._publisher.availability(availability, self._now())
        self.stir()

    def channel_sale(self, sale: ChannelSale) -> None:
        """Note that the channel changed its own number: it is written and verified again (DESIGN.md section 6)."""
        self._publisher.channel_sale(sale, self._now())
        self.stir()

    def listing_hint(self, seen: SeenListing) -> None:
        """Hear what a webhook said of a listing: an edit is looked at, a new listing is mapped by its SKU."""
        self._publisher.hint(seen_by_id(seen, self._resolve), self._now())
        self.stir()

    def retouch(self, sku: Sku) -> None:
        """Compute a SKU's offers anew soon: quotas or siblings have changed."""
        self._publisher.retouch(sku)
        self.stir()

    def look_again(self, sku: Sku) -> None:
        """Read the listings of a SKU at once."""
        self._publisher.look_again(sku)
        self.stir()

    def offer_anew(self, listings: Sequence[Listing]) -> int:
        """Compute some offers anew; return how many have changed. `stir` when all are done."""
        return self._publisher.offer_anew(listings, self._now())

    def orders_caught_up(self) -> None:
        """Let numbers rise: every order that the channel had a moment ago has been decided."""
        self._publisher.orders_caught_up()
        self.stir()

    def orders_behind(self, reason: str) -> None:
        """Let numbers only fall until orders are caught up (law 7)."""
        self._publisher.orders_behind(reason)

    def flush(self) -> None:
        """Push what is dirty now."""
        self._publisher.flush()
        self.stir()

    def resync(self) -> None:
        """Compare every listing with the channel, from the first page."""
        self._publisher.sweep.start(trio.current_time())
        self.stir()

    async def pause(self, reason: str) -> None:
        """Push nothing until `resume`, across restarts; returns once that is durable. Looking goes on."""
        await self._decide(AccountPaused(at=self._clock.now(), account=self.account, reason=reason))

    async def resume(self) -> None:
        """Push again; returns once that is durable."""
        await self._decide(AccountResumed(at=self._clock.now(), account=self.account))

    def mapping(self, listing_id: ListingId, sku: Sku, pack_units: int = 1) -> ListingMapped | None:
        """Return the event that maps a listing by hand, None when it is mapped so. Record it, then `apply` it."""
        return self._publisher.mapping(listing_id, sku, pack_units, self._clock.now())

    async def call(self, operation: str, call: Callable[[], Awaitable[T]]) -> T:
        """Make one call for the account's orders: paid from its budget, under its deadline, heard by its breaker.

        Raises:
            ChannelError: it failed; `NotSent` also while the account is being left alone.
        """
        await self._admit_orders(operation)
        answered = False
        try:
            outcome = await self._caller.attempt(operation, call)
            answered = True
        finally:
            if not answered:
                self._publisher.line.abandoned(trio.current_time())
            self.stir()
        self._ask(self._publisher.line.ended(outcome if isinstance(outcome, ChannelError) else None, self._now()))
        if isinstance(outcome, ChannelError):
            raise outcome
        return outcome

    # -- what it shows ------------------------------------------------------------------------------------------------

    @property
    def rejected(self) -> dict[str, str]:
        """Operations that the channel refuses our credentials for since they last worked, and its words."""
        return self._caller.rejected

    def status(self) -> AccountStatus:
        """Return the account's row of CHANNEL LIST."""
        return view_account(self._publisher, self._clock.now())

    def offers_of(self, sku: Sku) -> tuple[ListingOffer, ...]:
        """Return the listings of a SKU for OFFERS and EXPLAIN."""
        return view_offers(self._publisher, sku, self._clock.now())

    @property
    def recorded(self) -> Listings:
        """What the journal tells of them: for snapshots, while it does not run."""
        return self._publisher.listings

    def listings(self) -> Iterator[Listing]:
        """Walk through every mapped listing, as slowly as one likes; theirs to read, ours to change."""
        return self._publisher.listings.walk()

    @property
    def listing_count(self) -> int:
        """How many there are now."""
        return len(self._publisher.listings)

    def listings_of(self, sku: Sku) -> tuple[Listing, ...]:
        """Return the listings that sell a SKU, in the order of their mapping."""
        return self._publisher.listings.of(sku)

    def level(self, sku: Sku) -> Availability | None:
        """Return what there is of a SKU as last heard; None: nothing was."""
        return self._publisher.pushes.level(sku)

    @property
    def lag_seconds(self) -> float | None:
        """How long it takes until the account shows a new number; None: not measured yet."""
        return self._publisher.lag.seconds

    def remap(self, gone: Sku, into: Sku, at: datetime) -> list[ListingMapped]:
        """Return the events that make each listing of one SKU sell another. Record them, then `apply` them."""
        return remap(self.account, self._publisher.listings.of(gone), into, at)

    def unmatched(self) -> tuple[Unmatched, ...]:
        """Return the listings at the channel that are not managed, with the reason of each."""
        return tuple(self._publisher.listings.unmatched.values())

    def exposure(self, sku: Sku) -> Exposure:
        """Return what the channel could have been showing of a SKU."""
        return view_exposure(self._publisher, sku)

    def cause_of_oversell(self, sku: Sku, placed_at: datetime) -> tuple[str, str]:
        """Say why an order placed then could exceed what there is: cause and detail."""
        return name_cause(self.exposure(sku), placed_at)

    def sku_of(self, line: OrderLine) -> Sku | None:
        """Return the SKU an order line means: its listing decides, then its own SKU; None when neither is known."""
        listing = None if line.listing_id is None else self._publisher.listings.get(line.listing_id)
        if listing is not None:
            return listing.sku
        sku = None if line.sku is None else self._resolve(line.sku)
        return sku if sku is not None and self._known_sku(sku) else None

    def pack_units_of(self, line: OrderLine) -> int:
        """Return how many units of its SKU one unit of an order line is."""
        listing = None if line.listing_id is None else self._publisher.listings.get(line.listing_id)
        return 1 if listing is None else listing.pack_units

    # -- what it does -------------------------------------------------------------------------------------------------

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep the account's listings at their offers until cancelled.

        Runs once; its successor replays the journal. Being cut off at any point is safe: a recorded push without an
        answer is sent again.

        Raises:
            JournalError: the journal takes nothing more, so nothing more may be sent.
        """
        self._publisher.begin(self._now())
        async with trio.open_nursery() as nursery:
            task_status.started()
            while True:
                # taken before anything is looked at: what is told from here on finds this event waited for
                stirred = self._stirred.next
                self._note_reach()
                async with self._turns.turn():
                    for effect in self._publisher.poll(self._now()):
                        nursery.start_soon(self._perform, effect)
                with trio.move_on_at(self._publisher.wake_seconds(self._now())):
                    await stirred.wait()

    def _note_reach(self) -> None:
        unreachable = self._publisher.line.unreachable
        if (unreachable is None) == (self._unreachable is None):
            return
        self._unreachable = unreachable
        if unreachable is not None:
            log.warning("account.unreachable", account=self.account, reason=unreachable)
        else:
            log.info("account.reached", account=self.account)

    async def _perform(self, effect: Effect) -> None:
        effects: list[Effect]
        match effect:
            case Write():
                effects = await self._write(effect)
            case Read(listing_ids=listing_ids):
                seen = await self._caller.attempt("read_stock", lambda: self._channel.read_stock(listing_ids))
                async with self._turns.turn():
                    effects = self._publisher.stock_read(effect, seen, self._now())
            case ReadCatalogue(cursor=cursor):
                page = await self._caller.attempt("read_listings", lambda: self._channel.read_listings(cursor))
                if isinstance(page, ListingPage):
                    page = page_by_id(page, self._resolve)
                async with self._turns.turn():
                    effects = self._publisher.catalogue_read(effect, page, self._now())
            case Journal() | PollOrders():
                effects = [effect]
        self.stir()
        await self._carry_out(effects)

    async def _write(self, write: Write) -> list[Effect]:
        await self._recorder.record(write.planned)
        # no checkpoint between the last look at what is wanted and the call: a number superseded meanwhile stays here
        rows, effects = self._publisher.depart(write, self._now())
        if rows:
            outcome = await self._caller.attempt("write_stock", lambda: self._channel.write_stock(rows))
            async with self._turns.turn():
                effects += self._publisher.written(write, rows, outcome, self._now())
        return effects

    async def _carry_out(self, effects: Sequence[Effect]) -> None:
        self._ask(effects)
        events = [event for effect in effects if isinstance(effect, Journal) for event in effect.events]
        for event in events:
            self._tell(event)
        if events:
            await self._recorder.record(events)

    def _ask(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, PollOrders):
                log.info("orders.wanted", account=self.account, reason=effect.reason)
                self._request_order_poll()

    def _tell(self, event: Event) -> None:
        match event:
            case DriftFound(listing_id=listing_id, shown=shown, expected=expected):
                log.warning("listing.drifted", account=self.account, listing=listing_id, shown=shown, expected=expected)
            case PushSettled(listing_id=listing_id, verdict=Verdict.REFUSED, reason=reason):
                log.warning("push.refused", account=self.account, listing=listing_id, reason=reason)
            case _:
                pass

    async def _decide(self, *events: Event) -> None:
        if not events:
            return
        await self._recorder.record(events)
        for event in events:
            self._publisher.apply(event)
        self.stir()

    async def _admit_orders(self, operation: str) -> None:
        line = self._publisher.line
        line.budget.orders_waiting += 1
        try:
            while not line.start(Lane.ORDERS, now=trio.current_time()):
                if line.breaker.wait_seconds(trio.current_time()) > 0:
                    raise NotSent(self.account, operation, f"left alone for now: {line.unreachable}")
                stirred = self._stirred.next
                wait = line.wait_seconds(Lane.ORDERS, now=trio.current_time())
                with trio.move_on_after(wait):
                    await stirred.wait()
        finally:
            line.budget.orders_waiting -= 1
            self.stir()

    def stir(self) -> None:
        """Wake whoever waits for something to change; the next one waits for the next change."""
        self._stirred.ring()

    def _now(self) -> Now:
        return Now(trio.current_time(), self._clock.now())
