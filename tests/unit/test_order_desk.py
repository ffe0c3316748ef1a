"""Orders are levels: whatever the order of snapshots, stock follows the newest (lessons B and C)."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
import trio
from trio.testing import MockClock

from engine.actors.order_desk import CommitInto, Told
from engine.actors.router import Waiter
from engine.domain.commands import CommitHold, Committed, Granted, Receive, Refusal, ReleaseHold
from engine.domain.orders import Freshness, OrderLine, OrderSnapshot, OrderStatus
from engine.domain.units import UNITS_MAX, AccountId, HoldId, Key, ListingId, OrderId, Sku
from tests.fakes.books import HERE, A, place_hold
from tests.fakes.clocks import START
from tests.fakes.engine import Engine, is_answered
from tests.fakes.orders import SHOP, order, order_line
from tests.fakes.stores import FaultyStore, SlowStore

NEWER, REPEAT, STALE, UNSURE = Freshness.NEWER, Freshness.REPEAT, Freshness.STALE, Freshness.UNSURE
CANCELLED = OrderStatus.CANCELLED


def a(ordered: int, *, line: str = "1", cancelled: int = 0, shipped: int = 0, returned: int = 0) -> OrderLine:
    return order_line("A", ordered, line=line, cancelled=cancelled, shipped=shipped, returned=returned)


@pytest.mark.parametrize(
    ("snapshots", "figures"),
    [
        ([order(a(3))], (10, 3, 0)),
        ([order(a(3)), order(a(5), second=1)], (10, 5, 0)),
        ([order(a(3)), order(a(2), second=1)], (10, 2, 0)),
        ([order(a(3)), order(a(3), second=1, status=OrderStatus.ON_HOLD)], (10, 3, 0)),
        ([order(a(3)), order(a(3, cancelled=1), second=1)], (10, 2, 0)),
        ([order(a(3)), order(a(3, cancelled=3), second=1, status=CANCELLED)], (10, 0, 0)),
        ([order(a(3)), order(a(3, shipped=1), second=1)], (9, 2, 0)),
        ([order(a(3)), order(a(3, shipped=3), second=1)], (7, 0, 0)),
        ([order(a(3)), order(a(3, shipped=1, cancelled=2), second=1, status=CANCELLED)], (9, 0, 0)),
        ([order(a(3)), order(a(3, shipped=3), second=1), order(a(3, shipped=3, returned=3), second=2)], (10, 0, 0)),
        ([order(a(3)), order(a(3, shipped=3), second=1), order(a(3, shipped=3, returned=1), second=2)], (8, 0, 0)),
        ([order(a(3, shipped=3)), order(a(3, shipped=3), second=1, status=OrderStatus.REFUNDED)], (7, 0, 0)),
        ([order(a(3, shipped=3, returned=3)), order(second=1)], (10, 0, 0)),
        ([order(a(3, cancelled=3)), order(second=1)], (10, 0, 0)),
        ([order(a(3)), order(a(3, cancelled=3), second=1, status=CANCELLED), order(a(3), second=2)], (10, 3, 0)),
        ([order(a(3, shipped=2)), order(a(3), second=1)], (10, 3, 0)),
        ([order(a(1), a(2, line="2")), order(a(2, line="2"), second=1)], (10, 2, 0)),
        ([order(a(1), a(2, line="2")), order(a(2, line="2"), a(1, line="3"), second=1)], (10, 3, 0)),
        ([order(a(3, shipped=3), a(2, line="2", shipped=2, returned=2))], (7, 0, 0)),
    ],
    ids=[
        "created",
        "B2 changed upwards",
        "changed downwards",
        "B2 edited without a change of units",
        "partly cancelled",
        "B1 cancelled",
        "partly shipped",
        "shipped",
        "C4 rest of a part shipment cancelled",
        "refunded with restock",
        "partly refunded with restock",
        "C8 refunded without restock",
        "C1 line deleted after its restock",
        "C1 line deleted after its cancellation",
        "C2 cancelled and taken up again",
        "shipment taken back",
        "line deleted",
        "line replaced",
        "C5 only one of two lines came back",
    ],
)
async def test_every_life_of_an_order_nets_to_its_newest_state(
    autojump_clock: MockClock, snapshots: Sequence[OrderSnapshot], figures: tuple[int, int, int]
) -> None:
    """Each is told in order, then each again as a repeat or a late arrival: nothing moves any more (C3, C7, D11)."""
    async with Engine().checked() as engine:
        await engine.stock(A=10)
        for snapshot in snapshots:
            assert await engine.tell(snapshot) is NEWER
        assert engine.figures("A") == figures
        for snapshot in snapshots:
            assert await engine.tell(snapshot) is (REPEAT if snapshot is snapshots[-1] else STALE)
        assert engine.figures("A") == figures


async def test_lesson_c9_a_cancellation_seen_before_its_sale_adds_no_unit(autojump_clock: MockClock) -> None:
    async with Engine().checked() as engine:
        await engine.stock(A=10)
        cancelled = order(a(3, cancelled=3), second=5, status=CANCELLED)
        assert await engine.tell(cancelled) is NEWER
        assert await engine.tell(order(a(3))) is STALE
        assert await engine.tell(cancelled) is REPEAT
        assert engine.figures("A") == (10, 0, 0)


async def test_lesson_d15_two_states_in_one_second_are_not_guessed(autojump_clock: MockClock) -> None:
    async with Engine().checked() as engine:
        await engine.stock(A=10)
        await engine.tell(order(a(3)))
        assert await engine.tell(order(a(3, cancelled=3))) is UNSURE
        assert engine.figures("A") == (10, 3, 0)
        assert await engine.tell(order(a(3, cancelled=3), read_second=9)) is NEWER
        assert engine.figures("A") == (10, 0, 0)


async def test_lesson_c6_a_line_that_means_another_sku_now_moves_all_its_units(autojump_clock: MockClock) -> None:
    async with Engine().checked() as engine:
        await engine.stock(A=10, B=10)
        await engine.tell(order(a(3, shipped=1)))
        await engine.tell(order(order_line("B", 3, shipped=1), second=1))
        assert (engine.figures("A"), engine.figures("B")) == ((10, 0, 0), (9, 2, 0))


async def test_an_unmatched_order_that_the_channel_never_mentions_again_counts_once_it_matches(
    autojump_clock: MockClock,
) -> None:
    """Lesson D17: a SKU imported a week after the sale must not be offered again as if nothing had been sold."""
    engine = Engine()
    async with engine.checked():
        await engine.stock(A=10)
        await engine.tell(order(order_line("typo", 3, listing="l1")))
        await engine.desk.rematch(SHOP)
        await engine.desk.wait_passed_on()
        assert engine.figures("A") == (10, 0, 0)
        engine.account.listings[ListingId("l1")] = A
    successor = Engine(engine.store)
    await successor.replay()
    successor.account.listings[ListingId("l1")] = A
    async with successor.running():
        await successor.desk.rematch(SHOP)
        assert await successor.tell(order(order_line("typo", 3, listing="l1"))) is REPEAT, "it was told already"
        assert successor.figures("A") == (10, 3, 0)


async def test_a_line_that_no_listing_matches_counts_from_when_one_does(autojump_clock: MockClock) -> None:
    async with Engine().checked() as engine:
        await engine.stock(A=10)
        line = order_line("typo", 3, listing="l1")
        assert await engine.tell(order(line)) is NEWER
        assert engine.figures("A") == (10, 0, 0)
        engine.account.listings[ListingId("l1")] = A
        assert await engine.tell(order(line)) is NEWER, "the same snapshot tells something new"
        assert await engine.tell(order(line)) is REPEAT
        assert engine.figures("A") == (10, 3, 0)


async def test_lines_that_a_listing_matches_now_count_without_the_channel_saying_so_again(
    autojump_clock: MockClock,
) -> None:
    async with Engine().checked() as engine:
        await engine.stock(A=10)
        await engine.tell(order(order_line("typo", 3, listing="l1")))
        await engine.tell(order(order_line("typo", 3, listing="l2"), order_id="2"))
        await engine.desk.rematch(SHOP)
        await engine.desk.wait_passed_on()
        assert engine.figures("A") == (10, 0, 0)
        engine.account.listings[ListingId("l1")] = A
        for _ in range(2):
            await engine.desk.rematch(SHOP)
            await engine.desk.wait_passed_on()
            await trio.sleep(1)
        assert engine.figures("A") == (10, 3, 0)


async def test_a_successor_knows_which_sku_a_late_match_meant(autojump_clock: MockClock) -> None:
    """Else the line could never end: it would be owed for ever once the order drops it."""
    async with Engine().checked() as engine:
        await engine.stock(A=10)
        await engine.tell(order(order_line("typo", 3, listing="l1")))
        engine.account.listings[ListingId("l1")] = A
        await engine.tell(order(order_line("typo", 3, listing="l1")))
    successor = Engine(engine.store)
    await successor.replay()
    async with successor.checked():
        assert successor.desk.orders[SHOP, OrderId("1")].skus == (A,)
        await successor.tell(order(second=1))
        assert successor.figures("A") == (10, 0, 0)


async def test_a_line_of_packs_is_owed_in_units(autojump_clock: MockClock) -> None:
    """Lesson F3; and a pack size that was mended later is told again to the successor."""
    async with Engine().checked() as engine:
        await engine.stock(A=30)
        engine.account.listings[ListingId("six")] = A
        line = order_line("A", 4, listing="six", cancelled=1, shipped=2, returned=1)
        await engine.tell(order(line))
        assert engine.figures("A") == (29, 1, 0)
        engine.account.packs[ListingId("six")] = 6
        assert await engine.tell(order(line)) is NEWER
        assert engine.figures("A") == (24, 6, 0)


async def test_a_sku_that_does_not_exist_yet_is_no_match(autojump_clock: MockClock) -> None:
    async with Engine().checked() as engine:
        assert await engine.tell(order(a(3))) is NEWER
        await engine.stock(A=10)
        assert await engine.tell(order(a(3))) is NEWER
        assert engine.figures("A") == (10, 3, 0)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (a(1, cancelled=1, shipped=1), "line 1: cancelled 1 + shipped 1 > ordered 1"),
        (a(2, shipped=1, returned=2), "line 1: returned 2 > shipped 1"),
        (a(0, cancelled=-5), "line 1: cancelled -5 is not from 0 to 1000000000"),
        (a(UNITS_MAX + 1), "line 1: ordered 1000000001 is not from 0 to 1000000000"),
    ],
)
async def test_counts_that_contradict_each_other_are_refused_and_change_nothing(
    autojump_clock: MockClock, line: OrderLine, problem: str
) -> None:
    async with Engine().checked() as engine:
        await engine.stock(A=10)
        assert await engine.tell(order(line)) == Refusal(code="BADARG", text=f"order=1 {problem}")
        assert await engine.tell(order(a(1), a(1))) == Refusal(code="BADARG", text="order=1 line 1 appears twice")
        assert (engine.figures("A"), dict(engine.desk.orders)) == ((10, 0, 0), {})


async def test_an_order_of_an_unknown_account_is_refused(autojump_clock: MockClock) -> None:
    async with Engine().checked() as engine:
        answer = await engine.tell(order(a(1), account=AccountId("nobody")))
        assert answer == Refusal(code="NOSUCHACCOUNT", text="account=nobody")


async def test_an_order_that_cannot_be_kept_is_recorded_with_what_its_account_says_of_it(
    autojump_clock: MockClock,
) -> None:
    async with Engine().checked() as engine:
        await engine.stock(A=2)
        assert await engine.tell(order(a(5))) is NEWER
        incident = engine.incidents.newest[0].recorded
        assert (incident.units, incident.order_id, incident.cause) == (3, "1", "lag")
        await engine.ask(Receive(key=Key("more"), sku=A, location=HERE, quantity=3))
        assert engine.incidents.open == {}


async def test_units_of_an_unpaid_order_are_held_until_its_time_is_over(autojump_clock: MockClock) -> None:
    async with Engine().checked() as engine:
        await engine.stock(A=10)
        until = START + timedelta(minutes=5)
        await engine.tell(order(a(3), status=OrderStatus.PENDING, held_until=until))
        assert engine.figures("A") == (10, 0, 3)
        autojump_clock.jump(301)
        await engine.ask(Receive(key=Key("later"), sku=A, location=HERE, quantity=1))
        assert engine.figures("A") == (11, 0, 0)
        await engine.tell(order(a(3), second=400))
        assert engine.figures("A") == (11, 3, 0), "paid after all"


# -- holds that become orders


@pytest.mark.parametrize("steps", ["hcs", "hsc", "shc", "hccs", "hscs", "hcsc"])
async def test_lesson_d14_a_hold_committed_into_an_order_is_owed_once(autojump_clock: MockClock, steps: str) -> None:
    """Hold, commit and snapshot come as h, c and s in any order that can happen: browser return and webhook race."""
    async with Engine().checked() as engine:
        await engine.stock(A=10)
        for step in steps:
            match step:
                case "h":
                    assert isinstance(await engine.ask(place_hold("h", (A, 3), seconds=None, account=SHOP)), Granted)
                case "c":
                    assert isinstance(await engine.commit_into("h", "1"), Committed)
                case _:
                    await engine.tell(order(a(3)))
        assert engine.figures("A") == (10, 3, 0)
        await engine.tell(order(a(3, cancelled=3), second=9, status=CANCELLED))
        assert engine.figures("A") == (10, 0, 0)


async def test_a_hold_of_several_skus_becomes_one_order(autojump_clock: MockClock) -> None:
    async with Engine().checked() as engine:
        await engine.stock(A=10, B=10)
        await engine.ask(place_hold("h", (A, 1), (Sku("B"), 2), seconds=None, account=SHOP))
        await engine.commit_into("h", "1")
        assert (engine.figures("A"), engine.figures("B")) == ((10, 1, 0), (10, 2, 0))
        await engine.tell(order(a(1), order_line("B", 2, line="2", shipped=2)))
        assert (engine.figures("A"), engine.figures("B")) == ((10, 1, 0), (8, 0, 0))


async def test_a_commit_and_the_snapshot_right_behind_it_count_once(autojump_clock: MockClock) -> None:
    """Both wait for the same commit; the desk knows of the hold before it is decided."""
    store = SlowStore()
    store.open()
    async with Engine(store).checked() as engine:
        await engine.stock(A=10)
        await engine.ask(place_hold("h", (A, 3), seconds=None, account=SHOP))
        store.shut()
        waiters: list[Waiter] = [Waiter(), Waiter()]
        engine.desk.inbox.put_nowait(CommitInto(HoldId("h"), OrderId("1"), waiters[0]))
        await engine.desk.tell(order(a(3)), waiters[1])
        store.open()
        assert isinstance(await waiters[0].wait(), Committed)
        assert await waiters[1].wait() is NEWER
        assert engine.figures("A") == (10, 3, 0)


async def test_a_refused_commit_leaves_no_order_behind(autojump_clock: MockClock) -> None:
    async with Engine().checked() as engine:
        await engine.stock(A=10)
        await engine.ask(place_hold("h", (A, 3), seconds=None, account=SHOP))
        await engine.ask(ReleaseHold(hold_id=HoldId("h")))
        answer = await engine.commit_into("h", "1")
        assert isinstance(answer, Refusal)
        assert answer.code == "RELEASED"
        assert await engine.commit_into("never", "1") == Refusal(code="NOSUCHHOLD", text="hold=never")
        assert engine.desk.orders == {}


async def test_a_commit_for_another_order_strikes_only_what_it_noted(autojump_clock: MockClock) -> None:
    async with Engine().checked() as engine:
        await engine.stock(A=10)
        await engine.ask(place_hold("h", (A, 3), seconds=None, account=SHOP))
        await engine.commit_into("h", "1")
        answer = await engine.commit_into("h", "2")
        assert answer == Refusal(code="CONFLICT", text="hold=h was committed for order 1, not for 2")
        assert list(engine.desk.orders) == [(SHOP, "1")]
        await engine.tell(order(a(3)))
        assert engine.figures("A") == (10, 3, 0)


async def test_a_commit_that_waits_behind_a_hold_of_an_unknown_sku_harms_nobody(autojump_clock: MockClock) -> None:
    """HOLD and COMMIT ... ORDER in one write: the order's next snapshot once brought the shard down."""
    async with Engine().checked() as engine:
        await engine.stock(A=10)
        held, committed, told = Waiter(), Waiter(), Waiter()
        # no checkpoint until the desk has noted it: so it happens when the desk runs before the shard
        await engine.router.submit(place_hold("h", (Sku("NOPE"), 1), account=SHOP), held)
        await engine.desk._commit(CommitInto(HoldId("h"), OrderId("1"), committed))
        await engine.desk._take(Told(order(a(3)), told))
        assert await held.wait() == Refusal(code="NOSUCHSKU", text="sku=NOPE")
        assert await committed.wait() == Refusal(code="NOSUCHHOLD", text="hold=h")
        assert await told.wait() is NEWER
        assert engine.figures("A") == (10, 3, 0)


async def test_a_commit_without_an_order_is_none_of_the_desk_s_business(autojump_clock: MockClock) -> None:
    async with Engine().checked() as engine:
        await engine.stock(A=10)
        await engine.ask(place_hold("h", (A, 3), seconds=None))
        await engine.ask(CommitHold(hold_id=HoldId("h"), order_id=None))
        assert (engine.figures("A"), dict(engine.desk.orders)) == ((10, 3, 0), {})


# -- what the channel has counted itself


async def test_the_pusher_hears_how_the_channel_s_own_count_has_changed(autojump_clock: MockClock) -> None:
    """DESIGN.md section 6: a shop may have sold one while our older number was under way."""
    until = START + timedelta(minutes=5)
    async with Engine().checked() as engine:
        await engine.stock(A=10, B=10)
        for snapshot in (
            order(a(3), status=OrderStatus.PENDING, held_until=until),
            order(a(3), second=1),
            order(a(3, cancelled=1), order_line("B", 2, line="2"), second=2),
            order(a(3, cancelled=1, shipped=2, returned=1), second=3),
            order(a(3, cancelled=1, shipped=2, returned=1), second=3),
        ):
            await engine.tell(snapshot)
        assert [(sale.sku, sale.units, (sale.channel_at - START).total_seconds()) for sale in engine.account.sales] == [
            ("A", 0, 0),
            ("A", 3, 1),
            ("A", -1, 2),
            ("B", 2, 2),
            ("A", -1, 3),
            ("B", -2, 3),
        ]


# -- durability


async def test_a_snapshot_is_answered_when_it_is_durable_repeats_too(autojump_clock: MockClock) -> None:
    store = SlowStore()
    store.open()
    async with Engine(store).checked() as engine:
        await engine.stock(A=10)
        store.shut()
        first, again = Waiter(), Waiter()
        await engine.desk.tell(order(a(3)), first)
        await engine.desk.tell(order(a(3)), again)
        await trio.sleep(1000)
        assert not is_answered(first)
        assert not is_answered(again)
        assert engine.account.sales == []
        store.open()
        assert (await first.wait(), await again.wait()) == (NEWER, REPEAT)


async def test_what_the_journal_could_not_take_is_not_believed(autojump_clock: MockClock) -> None:
    store = FaultyStore()
    async with Engine(store).checked() as engine:
        await engine.stock(A=10)
        store.refuse("disk full")
        waiting = Waiter()
        await engine.router.submit(place_hold("h", seconds=None), waiting)
        await trio.sleep(1)
        stalled = Refusal(code="STALLED", text="the journal cannot be written: disk full")
        assert await engine.tell(order(a(3))) == stalled
        assert await engine.tell(order(order_line("typo", 1), order_id="2")) == stalled, "nor one without stock"
        assert engine.desk.orders == {}
        store.mend()
        await waiting.wait()
        assert await engine.tell(order(a(3))) is NEWER


async def test_a_stall_between_the_desk_and_the_shard_takes_the_snapshot_back(autojump_clock: MockClock) -> None:
    async with Engine().checked() as engine:
        await engine.stock(A=10)
        await engine.tell(order(a(3)))

        def stall_then_ask(sku: Sku, placed_at: datetime) -> tuple[str, str]:
            engine.journal.stalled = "disk full"
            return "lag", ""

        engine.account.cause_of_oversell = stall_then_ask  # type: ignore[method-assign]
        assert isinstance(await engine.tell(order(a(5), second=1)), Refusal)
        assert isinstance(await engine.tell(order(a(5), order_id="2")), Refusal)
        engine.journal.stalled = None
        assert await engine.tell(order(a(3))) is REPEAT
        assert engine.figures("A") == (10, 3, 0)
        assert list(engine.desk.orders) == [(SHOP, "1")]
