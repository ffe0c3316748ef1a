"""Laws of the publisher, whatever is told and however calls end. No event loop: time is a number."""

import random
from datetime import timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine.domain.availability import Availability, ChannelSale
from engine.domain.errors import ChannelError, NotSent, OutcomeUnknown, Throttled
from engine.domain.events import AccountPaused, AccountResumed, Event, ListingDropped
from engine.domain.offers.offers import Offering
from engine.domain.units import EPOCH, AccountId, ListingId, LocationId, Sku
from engine.machines.budget import BudgetTerms
from engine.machines.listing import State
from engine.machines.listings import Listings
from engine.machines.publisher import Publisher
from engine.machines.pushing import Call, Effect, Journal, Now, PushTerms, Read, ReadCatalogue, SilentListener, Write
from engine.ports import ListingPage, RowVerdict, SeenListing, SeenStock, StockWrite, Verdict

SHOP = AccountId("shop")
HERE = LocationId("here")
SKUS = [Sku("A"), Sku("B"), Sku("C")]
BUDGET = BudgetTerms(calls_per_second=5, burst=4, concurrency=3)
FATES = ("good", "good", "lost", "timeout", "throttled", "swallowed", "refused", "late")


def listing_of(sku: Sku) -> ListingId:
    return ListingId(f"p{SKUS.index(sku) % 2}/{sku}")


class PublisherLaws(RuleBasedStateMachine):
    """A publisher, and a shop that does what each rule says."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 1000.0
        self.position = 0
        self.stock: dict[Sku, int] = {}
        self.shown: dict[ListingId, int] = {listing_of(sku): 5 for sku in SKUS}
        self.told: dict[ListingId, int] = {}
        self.late: list[tuple[ListingId, int]] = []
        self.calls: list[tuple[Call, list[StockWrite]]] = []
        self.starts: list[float] = []
        self.events: list[Event] = []
        self.publisher = Publisher(
            SHOP,
            offering=Offering(SHOP, (HERE,)),
            mode="live",
            push=PushTerms(settle_seconds=0, retry_seconds_max=10, breaker_seconds=5),
            budget=BUDGET,
            batch_of=lambda listing_id: listing_id.split("/")[0],
            batch_rows_max=2,
            known_sku=lambda _: True,
            rng=random.Random(0),
            listener=SilentListener(),
        )

    @property
    def now(self) -> Now:
        return Now(self.seconds, EPOCH + timedelta(days=1, seconds=self.seconds))

    @initialize()
    def begin(self) -> None:
        self.publisher.begin(self.now)
        self.poll()
        self.answer(0, "good")
        for sku in SKUS:
            self.stock_changes(sku, 5)

    def poll(self) -> None:
        for effect in self.publisher.poll(self.now):
            self.carry_out(effect)

    def carry_out(self, effect: Effect) -> None:
        match effect:
            case Journal(events=events):
                self.events.extend(events)
            case Write(planned=planned):
                self.starts.append(self.seconds)
                self.events.extend(planned)
                rows, effects = self.publisher.depart(effect, self.now)
                for row in rows:
                    self.check_departure(row)
                if rows:
                    self.calls.append((effect, rows))
                for other in effects:
                    self.carry_out(other)
            case Read() | ReadCatalogue():
                self.starts.append(self.seconds)
                self.calls.append((effect, []))
            case _:
                pass

    def check_departure(self, row: StockWrite) -> None:
        under_way = [known.listing_id for _, rows in self.calls for known in rows]
        assert row.listing_id not in under_way, "two pushes of one listing under way"
        listing = self.publisher.listings.get(row.listing_id)
        assert listing is not None
        assert row.quantity == max(0, self.stock[listing.sku]), "an overtaken number was sent"
        assert self.publisher.listings.paused is None, "a push while paused"
        if self.publisher.line.behind is not None and row.quantity > 0:
            assert row.quantity < self.told[row.listing_id], "a number rose while orders were behind"

    def answer(self, index: int, fate: str) -> None:
        call, rows = self.calls.pop(index)
        effects: list[Effect]
        error = self.error(fate)
        match call:
            case Write():
                if fate in {"good", "timeout"}:
                    self.shown.update((row.listing_id, row.quantity) for row in rows)
                elif fate == "late":
                    self.late.extend((row.listing_id, row.quantity) for row in rows)
                verdict = Verdict.REFUSED if fate == "refused" else Verdict.ACCEPTED
                verdicts = [RowVerdict(listing_id=row.listing_id, verdict=verdict) for row in rows]
                effects = self.publisher.written(call, rows, error or verdicts, self.now)
            case Read(listing_ids=ids):
                seen = [SeenStock(listing_id=listing_id, shown=self.shown[listing_id]) for listing_id in ids]
                if error is None:
                    self.told.update((listing_id, self.shown[listing_id]) for listing_id in ids)
                effects = self.publisher.stock_read(call, error or seen, self.now)
            case ReadCatalogue():
                if error is None:
                    self.told.update(self.shown)
                page = ListingPage(
                    listings=tuple(
                        SeenListing(listing_id=listing_of(sku), sku=sku, shown=self.shown[listing_of(sku)])
                        for sku in SKUS
                    ),
                    cursor=None,
                )
                effects = self.publisher.catalogue_read(call, error or page, self.now)
        for effect in effects:
            self.carry_out(effect)
        self.poll()

    @staticmethod
    def error(fate: str) -> ChannelError | None:
        match fate:
            case "lost":
                return NotSent("shop", "call", "connection refused")
            case "timeout":
                return OutcomeUnknown("shop", "call", "reset")
            case "throttled":
                return Throttled("shop", "call", "429", 2.0)
            case _:
                return None

    @rule(sku=st.sampled_from(SKUS), units=st.integers(-1, 9))
    def stock_changes(self, sku: Sku, units: int) -> None:
        self.position += 1
        self.stock[sku] = units
        level = Availability(sku=sku, position=self.position, atp=((HERE, units),), changed_at=self.now.at)
        stale = Availability(sku=sku, position=self.position - 1, atp=((HERE, 99),), changed_at=self.now.at)
        self.publisher.availability(level, self.now)
        self.publisher.availability(stale, self.now)
        self.poll()

    @rule(sku=st.sampled_from(SKUS))
    def channel_sells_one(self, sku: Sku) -> None:
        if self.shown[listing_of(sku)] > 0 and sku in self.stock:
            self.shown[listing_of(sku)] -= 1
            self.stock_changes(sku, self.stock[sku] - 1)
            sale = ChannelSale(account=SHOP, sku=sku, units=1, channel_at=self.now.at.replace(microsecond=0))
            self.publisher.channel_sale(sale, self.now)
            self.poll()

    @rule(sku=st.sampled_from(SKUS), shown=st.integers(0, 9))
    def somebody_edits(self, sku: Sku, shown: int) -> None:
        self.shown[listing_of(sku)] = shown
        self.publisher.hint(SeenListing(listing_id=listing_of(sku), sku=sku, shown=shown), self.now)
        self.poll()

    @rule(seconds=st.sampled_from((0.01, 0.3, 1.0, 7.0)))
    def time_passes(self, seconds: float) -> None:
        self.seconds += seconds
        self.poll()

    @precondition(lambda self: self.calls)
    @rule(data=st.data(), fate=st.sampled_from(FATES))
    def a_call_ends(self, data: st.DataObject, fate: str) -> None:
        self.seconds += 0.01
        self.answer(data.draw(st.integers(0, len(self.calls) - 1)), fate)

    @precondition(lambda self: self.late)
    @rule()
    def a_late_write_lands(self) -> None:
        listing_id, quantity = self.late.pop(0)
        self.shown[listing_id] = quantity

    @rule(behind=st.booleans())
    def orders(self, behind: bool) -> None:
        if behind:
            self.publisher.orders_behind("test")
        else:
            self.publisher.orders_caught_up()
        self.poll()

    @rule(paused=st.booleans())
    def pause(self, paused: bool) -> None:
        event = (
            AccountPaused(at=self.now.at, account=SHOP, reason="test")
            if paused
            else AccountResumed(at=self.now.at, account=SHOP)
        )
        self.tell(event)

    @rule(sku=st.sampled_from(SKUS), pack=st.just(1))
    def mapping_is_dropped_and_made_again(self, sku: Sku, pack: int) -> None:
        if self.publisher.listings.get(listing_of(sku)) is not None:
            self.tell(ListingDropped(at=self.now.at, account=SHOP, listing_id=listing_of(sku)))
        mapped = self.publisher.mapping(listing_of(sku), sku, pack, self.now.at)
        if mapped is not None:
            self.tell(mapped)

    def tell(self, event: Event) -> None:
        self.events.append(event)
        self.publisher.apply(event)
        self.poll()

    @invariant()
    def the_budget_is_kept(self) -> None:
        assert len(self.calls) <= BUDGET.concurrency
        recent = self.starts[-40:]
        for index, start in enumerate(recent):
            allowed = BUDGET.burst + (self.seconds - start) * BUDGET.calls_per_second + 1e-6
            assert len(recent) - index <= allowed, "more calls than the budget allows"

    def teardown(self) -> None:
        """Faults stop: every listing ends seen at its offer, and a replay knows what the living machine knows."""
        for listing_id, quantity in self.late:
            self.shown[listing_id] = quantity
        self.pause(paused=False)
        self.publisher.sweep.start(self.seconds)
        for sku in SKUS:
            self.stock_changes(sku, self.stock.get(sku, 3))
        end = self.seconds + 4000  # a refused number is tried again after an hour
        while self.seconds < end:
            self.publisher.orders_caught_up()
            self.poll()
            self.seconds += 0.02
            if self.calls:
                self.answer(0, "good")
            else:
                self.seconds = max(self.seconds, min(end, self.publisher.wake_seconds(self.now)))
        for sku in SKUS:
            listing = self.publisher.listings.get(listing_of(sku))
            assert listing is not None
            offer = max(0, self.stock[sku])
            assert (listing.offer, listing.state, self.shown[listing_of(sku)]) == (offer, State.VERIFIED, offer)
        self.check_replay()

    def check_replay(self) -> None:
        replayed = Listings(SHOP)
        for event in self.events:
            replayed.apply(event)
        lived = self.publisher.listings
        assert replayed.paused == lived.paused
        for listing in lived:
            copy = replayed.get(listing.listing_id)
            assert copy is not None
            assert (copy.sku, copy.pack_units, copy.version) == (listing.sku, listing.pack_units, listing.version)
            assert listing.version == 0 or copy.pushed == listing.pushed
        assert len(list(replayed)) == len(list(lived))
        restored = Listings(SHOP)
        for statement in lived.state(self.now.at):
            restored.restore(statement)
        said = [*lived.state(self.now.at)]
        assert [*replayed.state(self.now.at)] == said
        assert [*restored.state(self.now.at)] == said


PublisherLaws.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestPublisherLaws = pytest.mark.slow(PublisherLaws.TestCase)
