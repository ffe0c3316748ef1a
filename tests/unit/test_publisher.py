"""The publisher's judgements, one at a time. Its laws are in the properties."""

import random
from datetime import timedelta

import pytest

from engine.domain.availability import Availability, ChannelSale
from engine.domain.errors import ChannelError, CredentialsRejected, MalformedReply, NotSent, Refused, Throttled
from engine.domain.events import DriftFound, Event, ListingMapped, PushSettled, PushVerified
from engine.domain.offers.offers import Offering
from engine.domain.offers.rules import OfferTerms, RuleBook, Window
from engine.domain.units import EPOCH, AccountId, ListingId, LocationId, Sku
from engine.machines.budget import BudgetTerms
from engine.machines.listing import Listing, State
from engine.machines.outbox import LOOK_MAX
from engine.machines.publisher import Publisher
from engine.machines.pushing import (
    Candidate,
    Effect,
    Journal,
    Now,
    PollOrders,
    PushTerms,
    Read,
    ReadCatalogue,
    SilentListener,
    Write,
    rank_by_risk,
)
from engine.machines.views import name_cause, view_exposure
from engine.ports import ListingPage, RowVerdict, SeenListing, SeenStock, Verdict
from tests.fakes.rules import version_of

SHOP, HERE = AccountId("shop"), LocationId("here")


class Bench:
    """A publisher on a bench: the test is the channel."""

    def __init__(self, *listings: str, rows: int = 10) -> None:
        self.seconds = 100.0
        self.position = 0
        self.offering = Offering(SHOP, (HERE,))
        self.publisher = Publisher(
            SHOP,
            offering=self.offering,
            mode="live",
            push=PushTerms(settle_seconds=0),
            budget=BudgetTerms(calls_per_second=100, burst=100, concurrency=10),
            batch_of=lambda _: "all",
            batch_rows_max=rows,
            known_sku=lambda _: True,
            rng=random.Random(0),
            listener=SilentListener(),
        )
        self.publisher.begin(self.now)
        (walk,) = self.poll()
        assert isinstance(walk, ReadCatalogue)
        seen = tuple(SeenListing(listing_id=ListingId(sku), sku=Sku(sku), shown=9) for sku in listings)
        self.publisher.catalogue_read(walk, ListingPage(listings=seen, cursor=None), self.now)
        self.publisher.orders_caught_up()

    @property
    def now(self) -> Now:
        return Now(self.seconds, EPOCH + timedelta(days=1, seconds=self.seconds))

    def poll(self, after: float = 0) -> list[Effect]:
        """Return everything that is to be done now: each poll gives one call at most."""
        self.seconds += after
        effects: list[Effect] = []
        while more := self.publisher.poll(self.now):
            effects += more
        return effects

    def stock(self, sku: str, units: int) -> None:
        self.position += 1
        level = Availability(sku=Sku(sku), position=self.position, atp=((HERE, units),), changed_at=self.now.at)
        self.publisher.availability(level, self.now)

    def write(self, after: float = 0) -> Write:
        (write,) = [effect for effect in self.poll(after) if isinstance(effect, Write)]
        return write

    def answer(self, write: Write, outcome: Verdict | ChannelError = Verdict.ACCEPTED) -> list[Event]:
        rows, _ = self.publisher.depart(write, self.now)
        self.seconds += 0.1
        verdicts: list[RowVerdict] | ChannelError = (
            outcome
            if isinstance(outcome, ChannelError)
            else [RowVerdict(listing_id=row.listing_id, verdict=outcome) for row in rows]
        )
        return events(self.publisher.written(write, rows, verdicts, self.now))

    def push(self, sku: str, units: int) -> None:
        self.stock(sku, units)
        self.answer(self.write())

    def look(self, shown: int | None, after: float = 2) -> list[Effect]:
        (read,) = [effect for effect in self.poll(after) if isinstance(effect, Read)]
        self.seconds += 0.1
        seen = [SeenStock(listing_id=listing_id, shown=shown) for listing_id in read.listing_ids]
        return self.publisher.stock_read(read, seen, self.now)

    def listing(self, sku: str = "A") -> Listing:
        listing = self.publisher.listings.get(ListingId(sku))
        assert listing is not None
        return listing


def events(effects: list[Effect]) -> list[Event]:
    return [event for effect in effects if isinstance(effect, Journal) for event in effect.events]


def test_falls_to_zero_go_first_then_falls_then_rises_from_zero_each_by_age() -> None:
    """Lesson D1."""

    def rank(believed: int | None, offer: int, since: float) -> tuple[float, ...]:
        return rank_by_risk(Candidate(believed=believed, offer=offer, waiting_since=since))

    order = [rank(5, 0, 9), rank(9, 8, 3), rank(None, 4, 4), rank(0, 3, 1), rank(5, 9, 0)]
    assert order == sorted(order)
    assert rank(5, 9, 0) < rank(9, 8, 31)  # nobody waits for ever


def test_rows_that_share_a_key_go_together_up_to_the_most_a_call_takes() -> None:
    """Lessons G3, G5."""
    bench = Bench("A", "B", "C", rows=2)
    for sku in ("A", "B", "C"):
        bench.stock(sku, 4)
    sizes = [len(effect.planned) for effect in bench.poll() if isinstance(effect, Write)]
    assert sizes == [2, 1]


def test_an_older_position_that_arrives_later_changes_nothing() -> None:
    """Law 5."""
    bench = Bench("A")
    bench.stock("A", 4)
    old = Availability(sku=Sku("A"), position=0, atp=((HERE, 8),), changed_at=bench.now.at)
    bench.publisher.availability(old, bench.now)
    assert bench.write().planned[0].quantity == 4


def test_a_sku_nobody_told_of_is_unknown_and_not_zero() -> None:
    """Law 8."""
    bench = Bench("A")
    assert bench.poll(10) == []
    assert bench.listing().state is State.NEW


def test_a_change_under_way_is_sent_after_the_answer_never_beside_it() -> None:
    bench = Bench("A")
    bench.stock("A", 4)
    write = bench.write()
    bench.stock("A", 3)
    rows, dropped = bench.publisher.depart(write, bench.now)
    assert rows == []  # overtaken before it left
    assert [event.verdict for event in events(dropped) if isinstance(event, PushSettled)] == ["superseded"]
    write = bench.write()
    bench.publisher.depart(write, bench.now)
    bench.stock("A", 2)
    assert bench.poll(10) == []


@pytest.mark.parametrize(
    ("outcome", "verdict", "state"),
    [
        (NotSent("shop", "write_stock", "no route"), Verdict.NOT_SENT, State.DIRTY),
        (CredentialsRejected("shop", "write_stock", "401"), Verdict.NOT_SENT, State.DIRTY),
        (MalformedReply("shop", "write_stock", "HTML"), Verdict.UNKNOWN, State.DIRTY),
        (Throttled("shop", "write_stock", "429", 5.0), Verdict.THROTTLED, State.DIRTY),
        (Refused("shop", "write_stock", "400"), Verdict.REFUSED, State.REFUSED),
        (Verdict.STALE, Verdict.STALE, State.DIRTY),
    ],
)
def test_a_failed_call_is_a_verdict_on_its_rows(
    outcome: Verdict | ChannelError, verdict: Verdict, state: State
) -> None:
    bench = Bench("A")
    bench.stock("A", 4)
    (event,) = bench.answer(bench.write(), outcome)
    assert isinstance(event, PushSettled)
    assert (event.verdict, bench.listing().state) == (verdict, state)
    assert bench.listing().wants_write


def test_throttling_stops_the_whole_account_for_as_long_as_asked() -> None:
    bench = Bench("A", "B")
    bench.stock("A", 4)
    bench.answer(bench.write(), Throttled("shop", "write_stock", "429", 30.0))
    bench.stock("B", 4)
    assert bench.poll(29) == []
    assert bench.publisher.wake_seconds(bench.now) == pytest.approx(130.1, abs=0.2)
    assert len(bench.write(after=5).planned) == 2


def test_a_call_refused_as_a_whole_is_tried_row_by_row() -> None:
    bench = Bench("A", "B")
    bench.stock("A", 4)
    bench.stock("B", 4)
    bench.answer(bench.write(), Refused("shop", "write_stock", "one of them is bad"))
    sizes = [len(effect.planned) for effect in bench.poll(5) if isinstance(effect, Write)]
    assert sizes == [1, 1]


@pytest.mark.parametrize("shown", [5, 4, 3])
def test_units_the_channel_sold_since_explain_a_lower_number(shown: int) -> None:
    bench = Bench("A")
    bench.push("A", 5)
    listing = bench.listing()
    whole_second = bench.now.at.replace(microsecond=0)
    listing.sold = 0
    bench.publisher._readback.sold(listing, ChannelSale(account=SHOP, sku=Sku("A"), units=2, channel_at=whole_second))
    assert any(isinstance(event, PushVerified) for event in events(bench.look(shown)))
    assert listing.state is State.VERIFIED


def test_a_sale_from_before_the_write_explains_nothing() -> None:
    bench = Bench("A")
    bench.push("A", 5)
    before = bench.now.at - timedelta(seconds=60)
    sale = ChannelSale(account=SHOP, sku=Sku("A"), units=2, channel_at=before)
    bench.publisher._readback.sold(bench.listing(), sale)
    assert bench.listing().sold == 0


def test_a_lower_number_asks_for_orders_once_and_is_put_right_only_after_several_looks() -> None:
    bench = Bench("A")
    bench.push("A", 5)
    effects = bench.look(3)
    assert [type(effect) for effect in effects] == [PollOrders]
    for _ in range(3):
        assert bench.look(3, after=130) == []
    (event,) = events(bench.look(3, after=130))
    assert isinstance(event, DriftFound)
    assert (event.shown, event.expected) == (3, 5)
    assert bench.write(after=130).planned[0].quantity == 5


@pytest.mark.parametrize("shown", [9, None])
def test_a_higher_number_or_none_is_drift_at_once(shown: int | None) -> None:
    """Lessons D8, D9; a shop that does not count sells without end."""
    bench = Bench("A")
    bench.push("A", 5)
    (event,) = events(bench.look(shown))
    assert isinstance(event, DriftFound)
    assert (event.shown, event.expected) == (shown, 5)


def test_a_listing_left_out_of_an_answer_is_unknown() -> None:
    """Lesson E4: looked at again, and visible in the end."""
    bench = Bench("A")
    bench.push("A", 5)
    effects: list[Effect] = []
    for _ in range(5):
        (read,) = [effect for effect in bench.poll(130) if isinstance(effect, Read)]
        effects = bench.publisher.stock_read(read, [], bench.now)
    (event,) = events(effects)
    assert isinstance(event, DriftFound)
    assert event.shown is None


def test_a_look_during_a_write_proves_nothing_against_it() -> None:
    bench = Bench("A")
    bench.push("A", 5)
    (read,) = [effect for effect in bench.poll(2) if isinstance(effect, Read)]
    bench.push("A", 4)
    seen = [SeenStock(listing_id=ListingId("A"), shown=9)]
    assert events(bench.publisher.stock_read(read, seen, bench.now)) == []
    assert bench.listing().state is State.ACCEPTED


def test_a_failed_look_is_repeated_and_tells_nothing() -> None:
    """Law 8."""
    bench = Bench("A")
    bench.push("A", 5)
    (read,) = [effect for effect in bench.poll(2) if isinstance(effect, Read)]
    assert bench.publisher.stock_read(read, NotSent("shop", "read_stock", "down"), bench.now) == []
    assert bench.listing().state is State.ACCEPTED
    bench.look(5)
    assert bench.listing().state is State.VERIFIED


def test_an_explicit_mapping_beats_a_sku_match_and_a_renamed_sku_is_followed() -> None:
    bench = Bench("A", "B")
    event = bench.publisher.mapping(ListingId("A"), Sku("X"), 6, bench.now.at)
    assert event is not None
    bench.publisher.apply(event)
    assert bench.publisher.mapping(ListingId("A"), Sku("X"), 6, bench.now.at) is None
    for listing in ("A", "B"):
        bench.publisher.hint(SeenListing(listing_id=ListingId(listing), sku=Sku("C"), shown=9), bench.now)
    assert (bench.listing("A").sku, bench.listing("A").pack_units, bench.listing("B").sku) == ("X", 6, "C")
    assert [event.sku for event in events(bench.poll()) if isinstance(event, ListingMapped)] == ["C"]


def test_thousands_of_changes_are_looked_through_in_portions() -> None:
    """Law 10: no event and no tick is as long as the catalogue."""
    bench = Bench(*(f"S{number}" for number in range(1200)))
    for number in range(1200):
        bench.stock(f"S{number}", 9)  # what it shows already
    bench.publisher._news.clear()
    for number in range(1200):
        bench.publisher._news[ListingId(f"S{number}")] = None
    bench.poll()
    assert len(bench.publisher._news) == 1200 - LOOK_MAX
    assert bench.publisher.wake_seconds(bench.now) == bench.seconds


def test_an_oversell_has_a_cause() -> None:
    bench = Bench("A")
    publisher = bench.publisher
    assert name_cause(view_exposure(publisher, Sku("none")), bench.now.at)[0] == "unmapped"
    bench.stock("A", 4)
    assert name_cause(view_exposure(publisher, Sku("A")), bench.now.at)[0] == "lag"
    ordered_at = bench.now.at
    bench.answer(bench.write())
    bench.look(4)
    assert name_cause(view_exposure(publisher, Sku("A")), ordered_at)[0] == "lag"
    assert name_cause(view_exposure(publisher, Sku("A")), bench.now.at + timedelta(seconds=1))[0] == "race"
    publisher.orders_behind("poll failed")
    assert name_cause(view_exposure(publisher, Sku("A")), bench.now.at)[0] == "orders_behind"


def test_what_an_edit_of_the_rules_changed_waits_behind_what_stock_changed() -> None:
    """Lesson D1: a zero crossing never queues behind bulk work; falls go before rises."""
    bench = Bench("A", "B", "C", "D", rows=1)
    for sku, units in zip("ABCD", (5, 5, 2, 30), strict=True):
        bench.push(sku, units)
        bench.look(units)
    bench.offering.use(version_of(RuleBook(default=OfferTerms(buffer=2), skus={Sku("D"): OfferTerms(buffer=0)})))
    bench.publisher.offer_anew(tuple(bench.publisher.listings), bench.now)
    assert [bench.listing(sku).state for sku in "ABC"] == [State.DIRTY] * 3
    assert bench.listing("D").state is State.VERIFIED
    assert bench.publisher.pushes.unsent.first() is None  # it says nothing of how long a change of stock takes
    bench.stock("D", 29)
    sent = [write.planned[0] for write in bench.poll() if isinstance(write, Write)]
    assert [(plan.sku, plan.quantity) for plan in sent] == [("C", 0), ("D", 29), ("A", 3), ("B", 3)]


def test_a_second_edit_before_the_first_was_pushed_sends_only_its_own_number() -> None:
    """Lesson E1: there and back again sends nothing, and the next number is sent under a version of its own."""
    bench = Bench("A")
    bench.stock("A", 9)  # what it shows already
    for buffer in (2, 3, 0):
        bench.offering.use(version_of(RuleBook(default=OfferTerms(buffer=buffer)), buffer + 1))
        bench.publisher.offer_anew(tuple(bench.publisher.listings), bench.now)
    assert [effect for effect in bench.poll() if isinstance(effect, Write)] == []
    bench.offering.use(version_of(RuleBook(default=OfferTerms(buffer=4)), 9))
    bench.publisher.offer_anew(tuple(bench.publisher.listings), bench.now)
    assert [plan.quantity for plan in bench.write().planned] == [5]


def test_a_number_is_computed_at_the_moment_it_is_planned() -> None:
    """A window that began while the listing waited for its call."""
    bench = Bench("A")
    window = Window(
        name="w", starts_at=bench.now.at + timedelta(seconds=50), ends_at=EPOCH + timedelta(days=9), around_hours=0
    )
    bench.offering.use(version_of(RuleBook(default=OfferTerms(severity=1), windows=(window,))))
    bench.publisher.orders_behind("later")
    bench.stock("A", 10)
    bench.poll(after=1)
    bench.publisher.orders_caught_up()
    assert [plan.quantity for plan in bench.write(after=100).planned] == [8]


def test_the_lag_is_measured_from_changes_of_stock_alone() -> None:
    bench = Bench("A")
    for units in range(20, 50):
        bench.push("A", units)
        bench.look(units, after=3)
    assert bench.publisher.lag.seconds == pytest.approx(3.2, abs=0.11)


def test_a_walk_through_the_listings_stands_that_they_change_meanwhile() -> None:
    bench = Bench("A", "B", "C")
    walk = bench.publisher.listings.walk()
    seen = [next(walk).sku]
    mapped = bench.publisher.mapping(ListingId("D"), Sku("D"), 1, bench.now.at)
    assert mapped is not None
    bench.publisher.apply(mapped)
    seen += [listing.sku for listing in walk]
    assert set(seen) == {"A", "B", "C", "D"}


def test_while_orders_are_behind_a_number_that_was_only_accepted_is_looked_for_before_the_next_is_held() -> None:
    """Accepted is not applied: the shop may still show nine, and what looks like a rise from two is a fall."""
    bench = Bench("A")
    bench.push("A", 2)
    bench.publisher.orders_behind("poll failed")
    bench.stock("A", 4)
    assert bench.poll() == []  # not yet
    assert events(bench.look(9, after=0.5)) == []
    ((row,), _) = bench.publisher.depart(bench.write(), bench.now)
    assert row.quantity == 4
