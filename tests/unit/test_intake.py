"""Webhooks are stored before they are acknowledged and believed only as hints; polls heal whatever they lost."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import msgspec
import pytest
import trio
from trio.testing import MockClock

from engine.actors.intake import Intake, IntakeSettings
from engine.actors.journal import decode_events
from engine.actors.router import Waiter
from engine.domain.commands import Refusal
from engine.domain.errors import NotSent
from engine.domain.events import (
    IntakeEvent,
    LetterEvent,
    LetterKept,
    LetterSettled,
    OrdersCaughtUp,
    WebhookHandled,
    WebhookStored,
)
from engine.domain.units import AccountId, LetterId, ListingId, OrderId
from engine.ports import ListingHint, NoHint, RefetchHint, SeenListing, WebhookHealth
from tests.fakes.books import A
from tests.fakes.clocks import START
from tests.fakes.engine import Engine, is_answered
from tests.fakes.feed import HeardByPusher, OpenGate, OrderFeed, webhook_of
from tests.fakes.orders import order, order_line
from tests.fakes.stores import FaultyStore, SlowStore


class Listener:
    """Keeps what telemetry would hear."""

    def __init__(self) -> None:
        self.outcomes: list[str] = []
        self.problems: list[str | None] = []
        self.unreadable: list[OrderId] = []

    def webhook_handled(self, account: AccountId, outcome: str) -> None:
        self.outcomes.append(outcome)

    def polled(self, account: AccountId, orders: int, seconds: float, problem: str | None) -> None:
        self.problems.append(problem)

    def order_unreadable(self, account: AccountId, order_id: OrderId, reason: str) -> None:
        self.unreadable.append(order_id)

    def webhooks_checked(self, account: AccountId, health: WebhookHealth) -> None:
        pass


class Ear:
    """An intake, the engine behind it and the channel before it."""

    def __init__(
        self,
        store: SlowStore | FaultyStore | None = None,
        *,
        engine: Engine | None = None,
        mailbox_max: int = 100,
        letters_max: int = 100,
    ) -> None:
        self.engine = engine or Engine(store)
        self.feed = OrderFeed(self.engine.clock)
        self.pusher = HeardByPusher()
        self.listener = Listener()
        self.intake = Intake(
            self.feed,
            settings=IntakeSettings(
                poll_seconds=60,
                overlap_seconds=300,
                lookback_hours=72,
                webhook_check_seconds=600,
                remembered_seconds=3600,
                remembered_max=1000,
                letters_max=letters_max,
                mailbox_max=mailbox_max,
            ),
            desk=self.engine.desk,
            journal=self.engine.journal,
            clock=self.engine.clock,
            gate=OpenGate(),
            pushing=self.pusher,
            listener=self.listener,
        )

    @asynccontextmanager
    async def running(self, *, polls: bool = True, webhooks: bool = True) -> AsyncIterator["Ear"]:
        async with self.engine.running(), trio.open_nursery() as nursery:
            if not self.engine.router.knows(A):
                await self.engine.stock(A=10, B=10)
            if webhooks:
                await nursery.start(self.intake.run_webhooks)
            if polls:
                await nursery.start(self.intake.run_polls)
            yield self
            nursery.cancel_scope.cancel()

    def deliver(self, key: str, body: bytes) -> Waiter:
        waiter = Waiter()
        self.intake.store(key, {"x-topic": "order.updated"}, body, waiter)
        return waiter

    async def successor(self) -> "Ear":
        """Return who recovers what this one left in its store; the channel is the same."""
        heir = Ear(engine=Engine(self.engine.store))
        heir.feed.orders, heir.feed.unreadable = self.feed.orders, self.feed.unreadable
        await heir.engine.replay()
        for event in self.recorded():
            if isinstance(event, IntakeEvent | LetterEvent):
                heir.intake.apply(event)
        return heir

    def recorded(self) -> list[object]:
        frames = self.engine.store.frames  # type: ignore[attr-defined]
        return [event for frame in frames for event in decode_events(frame)]

    def caught_up(self) -> list[OrdersCaughtUp]:
        return [event for event in self.recorded() if isinstance(event, OrdersCaughtUp)]

    def letters(self) -> list[LetterKept]:
        return list(self.intake.letters.open.values())

    @property
    def owed(self) -> int:
        return self.engine.figures("A")[1]


def a(units: int, *, cancelled: int = 0) -> bytes:
    return webhook_of(order(order_line("A", units, cancelled=cancelled)))


# -- webhooks


async def test_lesson_d13_a_webhook_is_on_disk_before_it_is_acknowledged(autojump_clock: MockClock) -> None:
    store = SlowStore()
    store.open()
    async with Ear(store).running(polls=False) as ear:
        store.shut()
        waiter = ear.deliver("d1", a(3))
        await trio.sleep(60)
        assert not is_answered(waiter)
        store.open()
        assert await waiter.wait() == "STORED"
        await trio.sleep(1)
        assert ear.owed == 3
        kinds = [type(event) for event in ear.recorded() if isinstance(event, WebhookStored | WebhookHandled)]
        assert kinds == [WebhookStored, WebhookHandled]
        assert ear.listener.outcomes == ["newer"]


async def test_lesson_d11_a_delivery_that_comes_again_is_acknowledged_and_not_handled(
    autojump_clock: MockClock,
) -> None:
    store = SlowStore()
    store.open()
    async with Ear(store).running(polls=False) as ear:
        store.shut()
        first, again = ear.deliver("d1", a(3)), ear.deliver("d1", a(3))
        await trio.sleep(60)
        assert not is_answered(again), "it says that the first is safe, so that one must be"
        store.open()
        assert (await first.wait(), await again.wait()) == ("STORED", "REPEAT")
        await trio.sleep(1)
        assert await ear.deliver("d1", a(9)).wait() == "REPEAT"
        await trio.sleep(1)
        assert sum(isinstance(event, WebhookStored) for event in ear.recorded()) == 1
        assert ear.listener.outcomes == ["newer"]


async def test_delivery_keys_are_remembered_for_their_time(autojump_clock: MockClock) -> None:
    async with Ear().running(polls=False) as ear:
        assert await ear.deliver("d1", a(3)).wait() == "STORED"
        await trio.sleep(3600)
        assert await ear.deliver("d1", a(3)).wait() == "REPEAT"
        await trio.sleep(1)
        await ear.deliver("d2", a(3)).wait()
        assert await ear.deliver("d1", a(3)).wait() == "STORED"
        assert ear.owed == 3, "and what it tells is a level"


async def test_lesson_d15_webhooks_out_of_order_end_at_the_newest(autojump_clock: MockClock) -> None:
    async with Ear().running(polls=False) as ear:
        ear.deliver("d2", webhook_of(order(order_line("A", 3, cancelled=3), second=5)))
        await ear.deliver("d1", a(3)).wait()
        await trio.sleep(1)
        assert (ear.owed, ear.listener.outcomes) == (0, ["newer", "stale"])


async def test_lesson_d15_what_two_webhooks_of_one_second_mean_is_asked_of_the_channel(
    autojump_clock: MockClock,
) -> None:
    async with Ear().running(polls=False) as ear:
        ear.feed.put(order(order_line("A", 3, cancelled=1)))
        ear.deliver("d1", a(3))
        ear.deliver("d2", a(3, cancelled=3))
        await trio.sleep(1)
        assert ear.feed.refetched == ["1"]
        assert ear.owed == 2
        assert sorted(ear.listener.outcomes) == ["newer", "refetched"]


async def test_a_hint_without_an_order_makes_us_ask(autojump_clock: MockClock) -> None:
    async with Ear().running(polls=False) as ear:
        ear.feed.put(order(order_line("A", 3)))
        ear.deliver("d1", webhook_of(RefetchHint(order_id=OrderId("1"))))
        await trio.sleep(1)
        assert (ear.owed, ear.feed.refetched) == (3, ["1"])


async def test_an_order_the_channel_does_not_have_changes_nothing(autojump_clock: MockClock) -> None:
    """Law 8, lesson E9: absence is not zero."""
    async with Ear().running(polls=False) as ear:
        await ear.deliver("d1", a(3)).wait()
        ear.deliver("d2", webhook_of(RefetchHint(order_id=OrderId("1"))))
        await trio.sleep(1)
        assert (ear.owed, ear.feed.refetched) == (3, ["1"])


async def test_many_orders_to_ask_for_are_one_poll(autojump_clock: MockClock) -> None:
    async with Ear().running() as ear:
        await trio.sleep(1)
        for number in range(5):
            ear.deliver(f"d{number}", webhook_of(RefetchHint(order_id=OrderId(str(number)))))
        await trio.sleep(1)
        assert (ear.feed.refetched, len(ear.feed.asked_after)) == ([], 2)
        assert ear.listener.outcomes == ["left_to_poll"] * 5


async def test_what_cannot_be_asked_for_is_left_to_the_poll(autojump_clock: MockClock) -> None:
    async with Ear().running() as ear:
        await trio.sleep(1)
        ear.feed.put(order(order_line("A", 3)))
        ear.feed.fails_at_order = True
        ear.deliver("d1", webhook_of(RefetchHint(order_id=OrderId("1"))))
        await trio.sleep(1)
        assert (ear.owed, ear.listener.outcomes) == (3, ["left_to_poll"])


async def test_a_body_that_is_not_what_its_topic_promises_makes_us_poll(autojump_clock: MockClock) -> None:
    async with Ear().running() as ear:
        await trio.sleep(1)
        assert await ear.deliver("d1", b"<html>").wait() == "STORED"
        await trio.sleep(1)
        assert (ear.listener.outcomes, len(ear.feed.asked_after)) == (["not_understood"], 2)


async def test_listings_go_to_the_pusher_and_nothing_to_nobody(autojump_clock: MockClock) -> None:
    seen = SeenListing(listing_id=ListingId("l1"), sku=A, shown=4)
    async with Ear().running(polls=False) as ear:
        ear.deliver("d1", webhook_of(ListingHint(listing=seen)))
        ear.deliver("d2", webhook_of(NoHint(reason="a coupon")))
        await trio.sleep(1)
        assert (ear.pusher.hints, ear.listener.outcomes) == ([seen], ["listing", "ignored"])


async def test_an_order_the_desk_refuses_is_left_to_the_poll(autojump_clock: MockClock) -> None:
    async with Ear().running() as ear:
        await trio.sleep(1)
        ear.deliver("d1", a(1, cancelled=2))
        await trio.sleep(1)
        assert (ear.listener.outcomes, len(ear.feed.asked_after)) == (["left_to_poll"], 2)


async def test_more_than_can_wait_is_told_to_come_again(autojump_clock: MockClock) -> None:
    async with Ear(mailbox_max=2).running(polls=False, webhooks=False) as ear:
        waiters = [ear.deliver(f"d{number}", a(1)) for number in range(3)]
        assert [await waiter.wait() for waiter in waiters] == [
            "STORED",
            "STORED",
            Refusal(code="BUSY", text="account=shop has 2 webhooks waiting"),
        ]
        assert len(ear.intake.inbox) == 2


async def test_a_webhook_that_cannot_be_stored_is_not_acknowledged(autojump_clock: MockClock) -> None:
    store = FaultyStore()
    async with Ear(store).running(polls=False) as ear:
        store.refuse("disk full")
        first = ear.deliver("d1", a(3))
        await trio.sleep(1)
        stalled = Refusal(code="STALLED", text="the journal cannot be written: disk full")
        assert await ear.deliver("d2", a(4)).wait() == stalled
        store.mend()
        assert await first.wait() == "STORED"
        assert await ear.deliver("d2", a(3)).wait() == "STORED", "the channel sends it again, and it is no repeat"


async def test_what_was_stored_and_not_handled_is_handled_after_a_restart(autojump_clock: MockClock) -> None:
    """Lesson D13: the crash came between the acknowledgement and the order desk."""
    ear = Ear()
    async with ear.running(polls=False, webhooks=False):
        assert await ear.deliver("d1", a(3)).wait() == "STORED"
        assert ear.owed == 0
    heir = await ear.successor()
    async with heir.running(polls=False):
        await trio.sleep(1)
        assert (heir.owed, heir.listener.outcomes) == (3, ["newer"])
        assert await heir.deliver("d1", a(3)).wait() == "REPEAT"
    third = await heir.successor()
    async with third.running(polls=False):
        await trio.sleep(1)
        assert third.listener.outcomes == [], "once is enough"


# -- polls


async def test_lesson_d12_a_lost_webhook_is_healed_by_the_next_poll(autojump_clock: MockClock) -> None:
    async with Ear().running() as ear:
        await trio.sleep(10)
        assert (ear.owed, ear.pusher.behind) == (0, None)
        ear.feed.put(order(order_line("A", 3), second=9))
        await trio.sleep(60)
        assert ear.owed == 3


async def test_all_pages_are_read_and_the_watermark_moves_behind_the_last(autojump_clock: MockClock) -> None:
    async with Ear().running() as ear:
        await trio.sleep(30)
        ear.feed.put(*(order(order_line("A", 1), order_id=str(n), second=20 + n) for n in range(5)))
        await trio.sleep(60)
        assert ear.owed == 5
        assert ear.intake.through_at == START + timedelta(seconds=24)
        await trio.sleep(60)
        assert ear.feed.asked_after[0] == START - timedelta(hours=72, seconds=300)
        assert ear.feed.asked_after[-1] == START + timedelta(seconds=24 - 300)
        assert (await ear.successor()).intake.through_at == ear.intake.through_at


async def test_lesson_e4_a_page_that_fails_leaves_the_watermark(autojump_clock: MockClock) -> None:
    async with Ear().running() as ear:
        ear.feed.put(*(order(order_line("A", 1), order_id=str(n), second=n - 50) for n in range(5)))
        ear.feed.fails_at_page = 1
        await trio.sleep(10)
        assert (ear.owed, ear.intake.through_at) == (2, None)
        assert ear.pusher.behind == "shop: read_orders: page 1 timed out"
        ear.feed.fails_at_page = None
        await trio.sleep(60)
        assert (ear.owed, ear.intake.through_at) == (5, START - timedelta(seconds=46))
        assert ear.pusher.behind is None
        assert len(ear.caught_up()) == 1


UNKNOWN_STATUS = (START - timedelta(seconds=30), "unknown status wc-lost")


def put_five_of_which_one_is_odd(ear: Ear) -> None:
    ear.feed.put(*(order(order_line("A", 1), order_id=str(n), second=n * 10 - 50) for n in range(5)))
    ear.feed.unreadable[OrderId("2")] = UNKNOWN_STATUS


async def test_lesson_e4_an_order_nobody_understands_is_kept_and_asked_for_again(autojump_clock: MockClock) -> None:
    async with Ear().running() as ear:
        put_five_of_which_one_is_odd(ear)
        await trio.sleep(10)
        assert (ear.owed, ear.listener.unreadable) == (4, ["2"])
        assert ear.intake.through_at == START - timedelta(seconds=10), "those behind it are not held up"
        [letter] = ear.letters()
        assert (letter.letter_id, letter.reason, letter.body) == ("order-2", UNKNOWN_STATUS[1], b"what is 2?")
        ear.feed.unreadable.clear()
        ear.feed.orders = {OrderId("2"): ear.feed.orders[OrderId("2")]}
        await trio.sleep(130)
        assert (ear.owed, ear.letters(), ear.pusher.behind) == (5, [], None)


async def test_an_order_that_stays_odd_is_on_record_once(autojump_clock: MockClock) -> None:
    async with Ear().running() as ear:
        put_five_of_which_one_is_odd(ear)
        await trio.sleep(3600)
        assert len([event for event in ear.recorded() if isinstance(event, LetterKept)]) == 1
        assert 3 <= ear.feed.refetched.count(OrderId("2")) <= 6, "less and less often"
    heir = await ear.successor()
    assert heir.letters() == ear.letters() != []
    heir.feed.unreadable.clear()
    async with heir.running():
        await trio.sleep(10)
        assert (heir.owed, heir.letters()) == (5, []), "a newer version may understand it"


async def test_lesson_e4_where_no_more_can_be_kept_the_watermark_waits(autojump_clock: MockClock) -> None:
    async with Ear(letters_max=1).running() as ear:
        put_five_of_which_one_is_odd(ear)
        ear.feed.unreadable[OrderId("3")] = (START - timedelta(seconds=20), "no lines")
        await trio.sleep(10)
        assert (ear.owed, len(ear.letters())) == (3, 1)
        assert ear.intake.through_at == START - timedelta(seconds=21)
        ear.feed.unreadable.clear()
        await trio.sleep(130)
        assert (ear.owed, ear.letters(), ear.intake.through_at) == (5, [], START - timedelta(seconds=10))


async def test_lesson_e4_an_order_of_unknown_age_that_is_not_kept_holds_the_watermark(
    autojump_clock: MockClock,
) -> None:
    async with Ear(letters_max=0).running() as ear:
        ear.feed.put(order(order_line("A", 1), second=-50))
        await trio.sleep(10)
        assert ear.intake.through_at == START - timedelta(seconds=50)
        ear.feed.put(*(order(order_line("A", 1), order_id=str(n), second=n) for n in (2, 3)))
        ear.feed.unreadable[OrderId("2")] = (None, "no date")
        await trio.sleep(60)
        assert (ear.owed, ear.intake.through_at) == (2, START - timedelta(seconds=50))


async def test_an_order_with_contradictory_counts_is_kept_as_it_was_read(autojump_clock: MockClock) -> None:
    async with Ear().running() as ear:
        ear.feed.put(
            order(order_line("A", 1, cancelled=2), order_id="bad", second=-50),
            order(order_line("A", 1), order_id="good", second=-40),
        )
        await trio.sleep(200)
        assert (ear.owed, ear.listener.unreadable[0]) == (1, "bad")
        [letter] = ear.letters()
        assert letter.reason == "BADARG order=bad line 1: cancelled 2 + shipped 0 > ordered 1"
        assert msgspec.json.decode(letter.body)["lines"][0]["cancelled"] == 2
        ear.feed.put(order(order_line("A", 1, cancelled=1), order_id="bad", second=150))
        await trio.sleep(60)
        assert ear.letters() == [], "the next state of it makes sense"


async def test_a_letter_is_read_again_on_request_and_discarded_on_request(autojump_clock: MockClock) -> None:
    async with Ear().running(polls=False) as ear:
        assert await ear.deliver("d1", b"<html>").wait() == "STORED"
        await trio.sleep(1)
        [letter] = ear.letters()
        assert (letter.letter_id, letter.headers, letter.body) == (
            "webhook-d1",
            {"x-topic": "order.updated"},
            b"<html>",
        )
        assert "malformed" in (await ear.intake.redrive(letter.letter_id) or "")
        assert ear.letters() == [letter]
        ear.feed.reads_html = True
        assert await ear.intake.redrive(letter.letter_id) is None
        assert ear.letters() == []
        assert await ear.intake.redrive(letter.letter_id) is None, "there is none any more"

        await ear.deliver("d2", b"{").wait()
        await trio.sleep(1)
        [other] = ear.letters()
        assert await ear.intake.discard(other.letter_id, by="ann", note="junk")
        assert not await ear.intake.discard(other.letter_id, by="ann", note="junk")
        assert [
            (event.outcome, event.by, event.note) for event in ear.recorded() if isinstance(event, LetterSettled)
        ] == [
            ("understood", "", ""),
            ("discarded", "ann", "junk"),
        ]
        assert (await ear.successor()).letters() == []


async def test_an_order_whose_channel_cannot_be_asked_stays_a_letter(autojump_clock: MockClock) -> None:
    async with Ear().running() as ear:
        put_five_of_which_one_is_odd(ear)
        await trio.sleep(10)
        ear.feed.fails_at_order = True
        with pytest.raises(NotSent):
            await ear.intake.redrive(LetterId("order-2"))
        ear.feed.fails_at_order = False
        del ear.feed.orders[OrderId("2")], ear.feed.unreadable[OrderId("2")]
        assert await ear.intake.redrive(LetterId("order-2")) == "the channel has no such order"
        assert len(ear.letters()) == 1


async def test_an_order_stamped_2099_does_not_take_the_watermark_with_it(autojump_clock: MockClock) -> None:
    """Neither to 2099 nor an hour ahead: a sale of the next minutes would lie behind it."""
    async with Ear().running() as ear:
        ear.feed.put(
            order(order_line("A", 1), order_id="today", second=-50),
            order(order_line("A", 1), order_id="2099", second=73 * 365 * 86_400),
        )
        await trio.sleep(10)
        assert (ear.owed, ear.intake.through_at) == (2, START - timedelta(seconds=50))
        ear.feed.put(order(order_line("A", 1), order_id="lost", second=20))
        await trio.sleep(60)
        assert (ear.owed, ear.intake.through_at) == (3, START + timedelta(seconds=20))


async def test_a_channel_whose_clock_is_ahead_misses_nothing(autojump_clock: MockClock) -> None:
    async with Ear().running() as ear:
        for number in range(40):
            ear.feed.put(order(order_line("A", 1), order_id=str(number), second=trio.current_time() + 900))
            await trio.sleep(60)
        await trio.sleep(60)
        assert ear.owed == 40


async def test_lesson_e9_an_empty_answer_is_not_zero(autojump_clock: MockClock) -> None:
    async with Ear().running() as ear:
        ear.feed.put(order(order_line("A", 3), second=-10))
        await trio.sleep(10)
        ear.feed.orders.clear()
        await trio.sleep(120)
        assert (ear.owed, ear.intake.through_at) == (3, START - timedelta(seconds=10))
        assert ear.pusher.behind is None


async def test_a_watermark_never_moves_back(autojump_clock: MockClock) -> None:
    async with Ear().running() as ear:
        ear.feed.put(order(order_line("A", 1), second=-10))
        await trio.sleep(10)
        ear.feed.orders.clear()
        ear.feed.put(order(order_line("A", 1), order_id="older", second=-100))
        await trio.sleep(60)
        assert (ear.owed, ear.intake.through_at) == (2, START - timedelta(seconds=10))


async def test_webhooks_that_had_been_switched_off_are_followed_by_a_poll(autojump_clock: MockClock) -> None:
    async with Ear().running() as ear:
        await trio.sleep(590)
        polls = len(ear.feed.asked_after)
        ear.feed.health = WebhookHealth(active=2, revived=("order.updated",), created=("product.updated",))
        await trio.sleep(20)
        assert len(ear.feed.asked_after) == polls + 1, "at once, for what was lost"


async def test_a_channel_whose_subscriptions_cannot_be_checked_is_polled_all_the_same(
    autojump_clock: MockClock,
) -> None:
    async with Ear().running() as ear:
        await trio.sleep(590)
        ear.feed.grudges.down = 1
        await trio.sleep(60)
        assert ear.pusher.behind == "shop: read_orders: connection refused"
        ear.feed.grudges.down = 0
        await trio.sleep(60)
        assert ear.pusher.behind is None


async def test_a_poll_that_cannot_be_decided_is_no_poll(autojump_clock: MockClock) -> None:
    """Disk full: what was read is not on record, so nobody is caught up."""
    store = FaultyStore()
    async with Ear(store).running() as ear:
        await trio.sleep(10)
        store.refuse("disk full")
        ear.engine.journal.enqueue((OrdersCaughtUp(at=START, account=ear.feed.account, through_at=START),), None)
        ear.feed.put(order(order_line("A", 3), second=9))
        await trio.sleep(58)
        store.mend()
        assert ear.listener.problems[-1] == "order 1: STALLED the journal cannot be written: disk full"
        assert (ear.owed, ear.intake.through_at) == (0, START - timedelta(hours=72)), "as the poll before it left it"
        await trio.sleep(60)
        assert (ear.owed, ear.pusher.behind) == (3, None)


async def test_an_account_without_orders_has_a_watermark_from_its_first_poll_on(autojump_clock: MockClock) -> None:
    """Lessons E3, E4: away for longer than the first poll looks back, or a clock set forward: no order is missed."""
    async with Ear().running() as ear:
        await trio.sleep(10)
        assert ear.intake.through_at == START - timedelta(hours=72)
    await trio.sleep(timedelta(hours=100).total_seconds())
    successor = await ear.successor()
    successor.feed.put(order(order_line("A", 3), second=60))
    async with successor.running():
        await trio.sleep(10)
        assert successor.owed == 3
        assert successor.intake.through_at == START + timedelta(seconds=60)


async def test_a_poll_that_is_asked_for_during_a_poll_follows_it(autojump_clock: MockClock) -> None:
    async with Ear().running() as ear:
        ear.intake.request_poll()
        await trio.sleep(0.005)
        assert len(ear.feed.asked_after) == 1
        ear.intake.request_poll()
        await trio.sleep(10)
        assert len(ear.feed.asked_after) == 2


async def test_the_watermark_is_behind_what_is_durable_and_not_only_told(autojump_clock: MockClock) -> None:
    """A webhook brought the order a moment ago and it is not on disk; the poll's repeat must wait for it."""
    store = SlowStore()
    store.open()
    async with Ear(store).running(polls=False) as ear:
        store.shut()
        ear.feed.put(order(order_line("A", 3)))
        ear.deliver("d1", a(3))
        async with trio.open_nursery() as nursery:
            await nursery.start(ear.intake.run_polls)
            await trio.sleep(30)
            assert (ear.intake.through_at, ear.pusher.behind) == (None, "not polled yet")
            store.open()
            await trio.sleep(1)
            assert (ear.intake.through_at, ear.pusher.behind) == (START, None)
            nursery.cancel_scope.cancel()
    events = [type(event).__name__ for event in ear.recorded()]
    assert events.index("OrderRecorded") < events.index("OrdersCaughtUp")
