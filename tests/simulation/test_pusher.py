"""The real pusher against a channel with grudges, on a virtual clock."""

import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from engine.actors.pusher import Pusher
from engine.domain.availability import Availability, ChannelSale
from engine.domain.errors import NotSent, StockError
from engine.domain.events import DriftFound, ListingMapped, PushPlanned, PushSettled, PushVerified
from engine.domain.offers.offers import Offering
from engine.domain.units import AccountId, ListingId, LocationId, Sku
from engine.machines.budget import BudgetTerms
from engine.machines.listing import State
from engine.machines.pushing import Mode, PushTerms
from engine.ports import SeenListing
from tests.fakes.channel import FakeChannel, FakeClock, FakeRecorder, Grudges

SHOP = AccountId("shop")
HERE = LocationId("berlin")
A = Sku("A")


class Rig:
    """A pusher, its channel, and a stock that orders from the channel reduce once somebody has looked."""

    def __init__(
        self,
        channel: FakeChannel,
        *,
        mode: Mode = "live",
        recorder: FakeRecorder | None = None,
        push: PushTerms | None = None,
        budget: BudgetTerms | None = None,
        seed: int = 0,
    ) -> None:
        self.channel = channel
        self.clock = FakeClock()
        self.recorder = recorder or FakeRecorder()
        self.polls = 0
        self.stock: dict[Sku, int] = {}
        self.position = 0
        self.unseen: list[ChannelSale] = []
        self.polled_for_us = True
        """Orders are looked at, and everything unseen becomes known, whenever the pusher asks."""
        self.pusher = Pusher(
            SHOP,
            channel,
            offering=Offering(SHOP, (HERE,)),
            mode=mode,
            known_sku=lambda sku: sku != "unknown",
            push=push or PushTerms(),
            budget=budget or BudgetTerms(calls_per_second=20, burst=20, concurrency=4),
            clock=self.clock,
            rng=random.Random(seed),
            recorder=self.recorder,
            request_order_poll=self.order_poll_wanted,
        )
        channel.rows_may_rise = lambda: self.pusher.exposure(A).behind is None

    def order_poll_wanted(self) -> None:
        self.polls += 1

    def set(self, stock: Mapping[str, int]) -> None:
        self.position += 1
        for sku, units in stock.items():
            self.stock[Sku(sku)] = units
            self.pusher.availability(
                Availability(sku=Sku(sku), position=self.position, atp=((HERE, units),), changed_at=self.clock.now())
            )

    def sell(self, listing: str, sku: str, units: int) -> None:
        sold = self.channel.sell(listing, units)
        if sold:
            at = self.clock.now().replace(microsecond=0)
            self.unseen.append(ChannelSale(account=SHOP, sku=Sku(sku), units=sold, channel_at=at))

    def poll_orders(self) -> None:
        unseen, self.unseen = self.unseen, []
        for sale in unseen:
            self.set({sale.sku: self.stock[sale.sku] - sale.units})
            self.pusher.channel_sale(sale)

    async def run_polls(self) -> None:
        seen = 0
        while True:
            await trio.sleep(0.5)
            if seen != self.polls or self.pusher.exposure(A).behind is not None:
                seen = self.polls
                try:
                    await self.pusher.call("read_orders", lambda: self.channel.read_orders(self.clock.now(), None))
                except StockError:
                    self.pusher.orders_behind("poll failed")
                    continue
                self.poll_orders()
                self.pusher.orders_caught_up()

    def state(self, sku: Sku = A) -> State:
        return self.pusher.offers_of(sku)[0].state


@asynccontextmanager
async def running(rig: Rig, *, caught_up: bool = True, wait: float = 5) -> AsyncIterator[Rig]:
    async with trio.open_nursery() as nursery:
        await nursery.start(rig.pusher.run)
        if caught_up:
            rig.pusher.orders_caught_up()
        await trio.sleep(wait)
        yield rig
        nursery.cancel_scope.cancel()


def shop(**listings: int) -> FakeChannel:
    channel = FakeChannel(random.Random(1))
    for sku, shown in listings.items():
        channel.add(f"p/{sku}", sku, shown)
    return channel


async def test_a_change_is_recorded_then_sent_accepted_and_seen(autojump_clock: MockClock) -> None:
    async with running(Rig(shop(A=7))) as rig:
        rig.set({"A": 5})
        await trio.sleep(5)
        assert rig.channel.shown("p/A") == 5
        assert rig.state() is State.VERIFIED
        kinds = [type(event) for event in rig.recorder.events]
        assert kinds == [ListingMapped, PushPlanned, PushSettled, PushVerified]
        (offer,) = rig.pusher.offers_of(A)
        assert (offer.offer, offer.shown, offer.version, len(offer.pushes)) == (5, 5, 1, 1)
        assert ("offer", "5", "packs between floor and cap, never negative") in offer.terms


async def test_the_same_number_is_sent_again_after_another_one(autojump_clock: MockClock) -> None:
    """Lesson E1: A, B, A are three writes with three versions."""
    async with running(Rig(shop(A=9))) as rig:
        for units in (3, 4, 3):
            rig.set({"A": units})
            await trio.sleep(3)
        assert rig.channel.sent("p/A") == [3, 4, 3]


async def test_a_burst_of_changes_is_one_write_but_none_waits_too_long(autojump_clock: MockClock) -> None:
    async with running(Rig(shop(A=100))) as rig:
        for units in range(99, 79, -1):
            rig.set({"A": units})
            await trio.sleep(0.15)
        await trio.sleep(5)
        assert rig.channel.sent("p/A")[-1] == 80
        assert 2 <= len(rig.channel.sent("p/A")) <= 3  # 3 s of changes, each waits at most 2


async def test_a_sale_of_the_channel_is_written_back_even_if_the_number_stands(autojump_clock: MockClock) -> None:
    """DESIGN.md section 6: our older number may have put the sold unit back."""
    async with running(Rig(shop(A=9))) as rig:
        rig.set({"A": 5})
        await trio.sleep(5)
        rig.pusher.channel_sale(ChannelSale(account=SHOP, sku=A, units=1, channel_at=rig.clock.now()))
        await trio.sleep(5)
        assert rig.channel.sent("p/A") == [5, 5]


async def test_until_orders_are_caught_up_numbers_only_fall(autojump_clock: MockClock) -> None:
    """Lessons E2, E3, E10."""
    async with running(Rig(shop(A=5, B=5, C=5)), caught_up=False) as rig:
        rig.set({"A": 9, "B": 2, "C": 0})
        await trio.sleep(10)
        assert (rig.channel.shown("p/A"), rig.channel.shown("p/B"), rig.channel.shown("p/C")) == (5, 2, 0)
        assert rig.pusher.status().state == "catching_up"
        rig.pusher.orders_caught_up()
        await trio.sleep(3)
        assert rig.channel.shown("p/A") == 9


async def test_while_orders_are_behind_an_old_look_does_not_vouch_for_a_fall(autojump_clock: MockClock) -> None:
    """Lesson E2: the shop sold three meanwhile, so 4 would list sold units again."""
    async with running(Rig(shop(A=5))) as rig:
        rig.set({"A": 5})
        await trio.sleep(60)
        rig.pusher.orders_behind("test")
        rig.sell("p/A", "A", 3)
        rig.set({"A": 4})
        await trio.sleep(5)
        assert rig.channel.shown("p/A") == 2
        assert rig.channel.sent("p/A") == []


async def test_a_swallowed_write_is_found_and_sent_again(autojump_clock: MockClock) -> None:
    """Lessons D6, D8, D9: yes is not done."""
    async with running(Rig(shop(A=9))) as rig:
        rig.channel.grudges.swallowed = 1
        rig.set({"A": 3})
        await trio.sleep(60)
        assert rig.pusher.status().drifted == 1
        assert any(isinstance(event, DriftFound) for event in rig.recorder.events)
        assert rig.pusher.cause_of_oversell(A, rig.clock.now())[0] == "drift"
        writes = len(rig.channel.writes)
        await trio.sleep(600)
        assert len(rig.channel.writes) - writes <= 6  # slowly
        rig.channel.grudges.swallowed = 0
        await trio.sleep(200)
        assert rig.channel.shown("p/A") == 3
        assert rig.state() is State.VERIFIED


@pytest.mark.parametrize("restart", [False, True])
async def test_a_number_that_was_seen_by_chance_does_not_vouch_for_its_write(
    autojump_clock: MockClock, restart: bool
) -> None:
    """Lessons D4, D6: two sales make the shop show the number it was told, whose write lands over a younger one."""
    rig = Rig(shop(A=5), push=PushTerms(retry_seconds_max=30))
    async with running(rig):
        rig.set({"A": 5})
        await trio.sleep(5)
        rig.channel.hold_back(seconds=12)
        rig.set({"A": 3})
        await trio.sleep(0.5)
        rig.sell("p/A", "A", 2)
        await trio.sleep(3)
        assert (rig.channel.shown("p/A"), rig.state()) == (3, State.VERIFIED)
        if not restart:
            await see_through(rig)
    if restart:
        events, channel = rig.recorder.events, rig.channel
        successor = Rig(channel, push=PushTerms(retry_seconds_max=30))
        for event in events:
            successor.pusher.apply(event)
        async with running(successor, wait=0):
            await see_through(successor)


async def see_through(rig: Rig) -> None:
    rig.set({"A": 1})
    await trio.sleep(3)
    assert (rig.channel.shown("p/A"), rig.state()) == (1, State.VERIFIED)
    await trio.sleep(10)
    assert rig.channel.shown("p/A") == 3, "the older write has landed"
    await trio.sleep(60)
    assert (rig.channel.shown("p/A"), rig.state()) == (1, State.VERIFIED)


async def test_units_sold_at_the_channel_are_not_drift(autojump_clock: MockClock) -> None:
    async with running(Rig(shop(A=9))) as rig:
        rig.set({"A": 5})
        await trio.sleep(0.6)  # sent, not yet looked at
        rig.sell("p/A", "A", 2)
        await trio.sleep(3)
        assert rig.polls >= 1  # lower than expected: somebody bought
        rig.poll_orders()
        await trio.sleep(5)
        assert rig.state() is State.VERIFIED
        assert not any(isinstance(event, DriftFound) for event in rig.recorder.events)
        assert rig.channel.shown("p/A") == 3


async def test_an_edit_by_hand_is_found_by_a_hint_or_by_the_next_walk(autojump_clock: MockClock) -> None:
    """Lesson E11."""
    async with running(Rig(shop(A=5, B=5))) as rig:
        rig.set({"A": 5, "B": 5})
        await trio.sleep(5)
        assert rig.channel.writes == []  # both show what they should already
        rig.channel.edit("p/A", 50)
        rig.pusher.listing_hint(rig.channel.listings[ListingId("p/A")])
        await trio.sleep(5)
        assert rig.channel.shown("p/A") == 5
        rig.channel.edit("p/B", 50)
        rig.pusher.resync()
        await trio.sleep(5)
        assert rig.channel.shown("p/B") == 5


async def test_an_empty_catalogue_changes_nothing(autojump_clock: MockClock) -> None:
    """Lessons E4, E9."""
    async with running(Rig(shop(A=5))) as rig:
        rig.set({"A": 5})
        listings, rig.channel.listings = rig.channel.listings, {}
        rig.pusher.resync()
        await trio.sleep(10)
        assert rig.pusher.status().listings == 1
        assert rig.channel.writes == []
        rig.channel.listings = listings
        await trio.sleep(10)
        assert rig.channel.shown("p/A") == 5


async def test_listings_without_a_match_are_listed_with_a_reason(autojump_clock: MockClock) -> None:
    channel = shop(A=5)
    channel.add("p/none", None)
    channel.add("p/odd", "unknown")
    channel.add("p/child", "A", managed=False)
    channel.add("p/twin", "A", 5)
    async with running(Rig(channel)) as rig:
        reasons = {row.listing_id: row.reason for row in rig.pusher.unmatched()}
        assert reasons == {
            "p/none": "no SKU",
            "p/odd": "unknown SKU",
            "p/child": "its stock is managed elsewhere at the channel",
        }
        assert [offer.listing for offer in rig.pusher.offers_of(A)] == ["p/A", "p/twin"]
        mapped = rig.pusher.mapping(ListingId("p/none"), A, 6)
        assert mapped is not None
        rig.pusher.apply(mapped)
        rig.set({"A": 13})
        await trio.sleep(5)
        assert (channel.shown("p/A"), channel.shown("p/twin"), channel.shown("p/none")) == (13, 13, 2)


async def test_a_hinted_listing_is_mapped_and_the_mapping_recorded(autojump_clock: MockClock) -> None:
    async with running(Rig(shop(A=5))) as rig:
        rig.set({"B": 3})
        rig.channel.add("p/B", "B", 8)
        rig.pusher.listing_hint(SeenListing(listing_id=ListingId("p/B"), sku=Sku("B"), shown=8))
        await trio.sleep(5)
        assert rig.channel.shown("p/B") == 3
        assert any(isinstance(event, ListingMapped) and event.sku == "B" for event in rig.recorder.events)


async def test_a_refused_number_is_not_repeated_unchanged(autojump_clock: MockClock) -> None:
    async with running(Rig(shop(A=9, B=9))) as rig:
        rig.channel.refused.add(ListingId("p/A"))
        rig.set({"A": 3, "B": 3})
        await trio.sleep(1800)
        assert rig.channel.sent("p/A") == [3]
        assert rig.state() is State.REFUSED
        rig.set({"A": 2})
        await trio.sleep(10)
        assert rig.channel.sent("p/A") == [3, 2]
        rig.channel.refused.clear()
        await trio.sleep(3700)
        assert rig.channel.shown("p/A") == 2
        assert rig.state() is State.VERIFIED


async def test_a_locked_listing_is_tried_again_when_the_campaign_may_be_over(autojump_clock: MockClock) -> None:
    """Lesson D18."""
    async with running(Rig(shop(A=9))) as rig:
        rig.channel.locked.add(ListingId("p/A"))
        rig.set({"A": 3})
        await trio.sleep(100)
        assert (rig.channel.sent("p/A"), rig.state()) == ([3], State.LOCKED)
        rig.channel.locked.clear()
        await trio.sleep(60)
        assert rig.channel.shown("p/A") == 3


async def test_one_bad_row_does_not_hold_up_its_batch(autojump_clock: MockClock) -> None:
    async with running(Rig(shop(A=9, B=9, C=9))) as rig:
        rig.channel.refused.add(ListingId("p/B"))
        rig.set({"A": 3, "B": 3, "C": 3})
        await trio.sleep(10)
        assert (rig.channel.shown("p/A"), rig.channel.shown("p/B"), rig.channel.shown("p/C")) == (3, 9, 3)


async def test_an_outage_opens_the_breaker_and_orders_come_first_after_it(autojump_clock: MockClock) -> None:
    async with running(Rig(shop(A=5))) as rig:
        rig.set({"A": 5})
        rig.channel.grudges.down = 1
        rig.set({"A": 4})
        await trio.sleep(60)
        assert rig.pusher.status().state == "unreachable"
        with pytest.raises(NotSent, match="left alone"):
            await rig.pusher.call("read_orders", lambda: rig.channel.read_orders(rig.clock.now(), None))
        calls, polls = len(rig.channel.calls), rig.polls
        await trio.sleep(300)
        assert len(rig.channel.calls) - calls <= 10  # a probe every 30 s
        rig.channel.grudges.down = 0
        rig.set({"A": 9})
        await trio.sleep(60)
        assert rig.polls > polls
        assert rig.pusher.status().state == "catching_up"
        assert rig.channel.shown("p/A") == 5  # it would rise
        rig.pusher.orders_caught_up()
        await trio.sleep(5)
        assert rig.channel.shown("p/A") == 9


async def test_pausing_survives_a_restart(autojump_clock: MockClock) -> None:
    async with running(Rig(shop(A=5))) as rig:
        rig.set({"A": 5})
        await rig.pusher.pause("stocktaking")
        rig.set({"A": 3})
        await trio.sleep(10)
        assert rig.channel.writes == []
        assert (rig.pusher.status().state, rig.pusher.status().reason) == ("paused", "stocktaking")
        events, channel = rig.recorder.events, rig.channel
    successor = Rig(channel)
    for event in events:
        successor.pusher.apply(event)
    async with running(successor) as rig:
        rig.set({"A": 3})
        await trio.sleep(5)
        assert rig.channel.writes == []
        await rig.pusher.resume()
        await trio.sleep(5)
        assert rig.channel.shown("p/A") == 3


async def test_flush_does_not_wait_for_company(autojump_clock: MockClock) -> None:
    push = PushTerms(settle_seconds=60, staleness_seconds_max=120)
    async with running(Rig(shop(A=5), push=push)) as rig:
        rig.set({"A": 4})
        await trio.sleep(1)
        assert rig.channel.writes == []
        rig.pusher.flush()
        await trio.sleep(1)
        assert rig.channel.shown("p/A") == 4


async def test_shadow_compares_and_off_does_nothing_at_all(autojump_clock: MockClock) -> None:
    async with running(Rig(shop(A=5, B=4), mode="shadow")) as rig:
        rig.set({"A": 3, "B": 4})
        await trio.sleep(10)
        assert rig.channel.writes == []
        assert (rig.pusher.status().state, rig.pusher.status().dirty) == ("shadow", 1)
        assert not any(isinstance(event, PushPlanned) for event in rig.recorder.events)
        rig.channel.edit("p/A", 3)
        rig.pusher.resync()
        await trio.sleep(5)
        assert rig.pusher.status().dirty == 0
    async with running(Rig(shop(A=5), mode="off")) as rig:
        rig.set({"A": 3})
        await trio.sleep(10)
        assert rig.channel.calls == []
        assert rig.pusher.status().state == "off"


async def test_a_number_that_was_overtaken_on_its_way_to_the_journal_stays_here(autojump_clock: MockClock) -> None:
    async with running(Rig(shop(A=9))) as rig:
        rig.recorder.seconds = 5  # a full disk
        rig.set({"A": 8})
        await trio.sleep(1)
        rig.set({"A": 2})
        await trio.sleep(30)
        assert rig.channel.sent("p/A") == [2]
        assert any(isinstance(event, PushSettled) and event.verdict == "superseded" for event in rig.recorder.events)


async def test_no_more_calls_leave_than_allowed_when_the_journal_goes_on(autojump_clock: MockClock) -> None:
    """Lessons D7, G6: writes that waited for the disk leave within the budget; the channel itself counts."""
    channel = FakeChannel(random.Random(1), batch_rows_max=1, calls_per_second_max=4, burst=4)
    for number in range(30):
        channel.add(f"p/{number}", f"S{number}", 50)
    rig = Rig(channel, budget=BudgetTerms(calls_per_second=4, burst=4, concurrency=3))
    async with running(rig, wait=10):
        rig.recorder.seconds = 8
        rig.set({f"S{number}": 40 for number in range(30)})
        await trio.sleep(9)
        rig.recorder.seconds = 0
        await trio.sleep(30)
        assert all(channel.shown(f"p/{number}") == 40 for number in range(30))


async def test_verification_goes_on_while_a_listing_never_rests(autojump_clock: MockClock) -> None:
    async with running(Rig(shop(A=500))) as rig:
        for units in range(400, 300, -1):
            rig.set({"A": units})
            await trio.sleep(0.5)
        seen = [event for event in rig.recorder.events if isinstance(event, PushVerified)]
        assert len(seen) >= 20  # 50 s of changes, a look a second


async def test_a_saturated_budget_is_spent_and_orders_still_get_through(autojump_clock: MockClock) -> None:
    """Lessons G9, D7, G6."""
    channel = FakeChannel(random.Random(1), batch_rows_max=1, calls_per_second_max=4, burst=8)
    for number in range(60):
        channel.add(f"p/{number}", f"S{number}", 50)
    rig = Rig(channel, budget=BudgetTerms(calls_per_second=4, burst=8, concurrency=2))
    async with running(rig, wait=5):
        begin = trio.current_time()
        calls = len(channel.calls)
        waits = []
        for second in range(60):
            rig.set({f"S{number}": (40 + second * 7 + number) % 60 for number in range(60)})
            if second % 10 == 5:
                asked = trio.current_time()
                await rig.pusher.call("read_orders", lambda: channel.read_orders(rig.clock.now(), None))
                waits.append(trio.current_time() - asked)
            await trio.sleep_until(begin + second + 1)
        assert len(channel.calls) - calls >= 0.95 * 4 * 60
        assert max(waits) < 1.5
        assert sum(isinstance(event, PushVerified) for event in rig.recorder.events) > 20


async def test_falls_to_zero_do_not_queue_behind_bulk_work(autojump_clock: MockClock) -> None:
    """Lesson D1."""
    channel = FakeChannel(random.Random(1), batch_rows_max=1)
    for number in range(200):
        channel.add(f"p/{number}", f"S{number}", 50)
    rig = Rig(channel, budget=BudgetTerms(calls_per_second=2, burst=2, concurrency=1))
    async with running(rig, wait=10):
        rig.set({f"S{number}": 49 for number in range(200)})
        await trio.sleep(5)
        rig.set({"S199": 0})
        await trio.sleep(3)
        assert channel.shown("p/199") == 0


async def live_through(seed: int, grudges: Grudges, *, restart: bool) -> None:
    """Change, sell, edit, fail and restart for a minute; then heal everything and demand convergence."""
    rng = random.Random(seed)
    channel = FakeChannel(rng, batch_rows_max=rng.choice((1, 3, 10)), calls_per_second_max=20, burst=20)
    for number in range(6):
        channel.add(f"p{number % 2}/{number}", f"S{number}", rng.randint(0, 9))
    rig = Rig(channel, seed=seed, push=PushTerms(retry_seconds_max=20, breaker_seconds=5))
    stock = {f"S{number}": rng.randint(0, 9) for number in range(6)}
    for _ in range(2 if restart else 1):
        async with trio.open_nursery() as nursery:
            await nursery.start(rig.pusher.run)
            rig.set(stock)
            nursery.start_soon(rig.run_polls)
            channel.grudges = grudges
            for _ in range(30):
                number = rng.randrange(6)
                if rng.random() < 0.3:
                    rig.sell(f"p{number % 2}/{number}", f"S{number}", rng.randint(1, 3))
                else:
                    rig.set({f"S{number}": rng.randint(0, 9)})
                await trio.sleep(rng.uniform(0, 2))
            nursery.cancel_scope.cancel()
        stock = {str(sku): units for sku, units in rig.stock.items()}
        successor = Rig(channel, seed=seed + 1, push=PushTerms(retry_seconds_max=20, breaker_seconds=5))
        for event in rig.recorder.events:
            successor.pusher.apply(event)
        successor.recorder.events, successor.unseen = rig.recorder.events, rig.unseen
        rig = successor
    channel.grudges = Grudges()
    async with trio.open_nursery() as nursery:
        await nursery.start(rig.pusher.run)
        rig.set(stock)
        nursery.start_soon(rig.run_polls)
        await trio.sleep(300)
        for number in range(6):
            (offer,) = rig.pusher.offers_of(Sku(f"S{number}"))
            assert offer.offer == max(0, rig.stock[Sku(f"S{number}")])
            assert (channel.shown(offer.listing), offer.state) == (offer.offer, State.VERIFIED), offer
        nursery.cancel_scope.cancel()
    times = [at for at, _ in channel.writes]
    assert all(earlier <= later for earlier, later in pairwise(times))


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(
    schedule=st.random_module(),
    seed=st.integers(0, 2**32),
    grudges=st.builds(
        Grudges,
        down=st.sampled_from((0, 0.1, 0.6)),
        throttled=st.sampled_from((0, 0.2)),
        timeout_after_effect=st.sampled_from((0, 0.3)),
        garbled_read=st.sampled_from((0, 0.3)),
        swallowed=st.sampled_from((0, 0.3)),
        late=st.sampled_from((0, 0.3)),
        late_seconds=st.sampled_from((2.0, 15.0)),
    ),
    restart=st.booleans(),
)
def test_whatever_went_wrong_every_listing_ends_verified_at_its_offer(
    schedule: object, seed: int, grudges: Grudges, restart: bool
) -> None:
    """Lessons D4 to D10, E1, E2; the channel itself asserts one write at a time, rising versions, law 7, the limit."""

    async def run() -> None:
        await live_through(seed, grudges, restart=restart)

    trio.run(run, clock=MockClock(autojump_threshold=0))
