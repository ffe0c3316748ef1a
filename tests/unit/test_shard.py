"""One owner per SKU: decided in order, told only when durable."""

from datetime import datetime, timedelta

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from engine.actors.messages import Rendezvous, Together
from engine.actors.router import Waiter
from engine.domain.commands import (
    AddSku,
    Adjust,
    Command,
    CommitHold,
    Committed,
    Granted,
    OpenStock,
    PlaceHold,
    Receive,
    Refusal,
    ReleaseHold,
)
from engine.domain.events import Event, HoldExpired, UnitsHeld
from engine.domain.units import HoldId, Key, Sku
from tests.fakes.books import HERE, THERE, A, place_hold
from tests.fakes.clocks import HandClock
from tests.fakes.engine import Engine, is_answered, skus_apart
from tests.fakes.orders import order, order_line
from tests.fakes.stores import FaultyStore, SlowStore


def hold(engine: Engine, name: str, *lines: tuple[Sku, int], seconds: float | None = 60) -> PlaceHold:
    return place_hold(name, *lines, seconds=seconds, now=engine.clock.now())


async def test_nobody_hears_of_a_decision_before_it_is_durable(autojump_clock: MockClock) -> None:
    """Law 2: answers, offers and incidents all wait for the commit."""
    store = SlowStore()
    store.open()
    async with Engine(store).running() as engine:
        await engine.stock(A=5)
        store.shut()
        told, events = len(engine.told), len(engine.events)
        waiter = Waiter()
        await engine.router.submit(hold(engine, "h", (A, 2), seconds=None), waiter)
        await trio.sleep(1000)
        assert engine.book("A").holds, "decided..."
        assert not is_answered(waiter), "...and not answered"
        assert (len(engine.told), len(engine.events)) == (told, events)
        store.open()
        assert isinstance(await waiter.wait(), Granted)
        assert engine.told[-1].atp == (("here", 3),)
        assert engine.told[-1].position == engine.journal.position
        assert isinstance(engine.events[-1][1], UnitsHeld)


async def test_a_look_shows_what_is_decided_and_waits_until_that_is_durable(autojump_clock: MockClock) -> None:
    store = SlowStore()
    store.open()
    async with Engine(store).running() as engine:
        await engine.stock(A=5)
        store.shut()
        await engine.router.submit(hold(engine, "h", (A, 2), seconds=None), None)
        waiter = Waiter()
        await engine.router.look(A, lambda book, _: len(book.holds) if book else None, waiter)
        with trio.move_on_after(1000) as patience:
            await waiter.wait()
        assert patience.cancelled_caught
        store.open()
        assert await waiter.wait() == 1


async def test_a_look_at_an_unknown_sku_sees_nothing(autojump_clock: MockClock) -> None:
    async with Engine().running() as engine:
        waiter = Waiter()
        await engine.router.look(A, lambda book, _: ("seen", book), waiter)
        assert await waiter.wait() == ("seen", None)


async def test_lesson_b10_holds_run_out_by_themselves(autojump_clock: MockClock) -> None:
    async with Engine().running() as engine:
        await engine.stock(A=5)
        await engine.ask(hold(engine, "h", (A, 5), seconds=30))
        await trio.sleep(29.9)
        assert engine.told[-1].atp == (("here", 0),)
        await trio.sleep(0.2)
        assert engine.told[-1].atp == (("here", 5),), "pushers hear of it without anybody asking"
        assert isinstance(engine.events[-1][1], HoldExpired)


async def test_a_look_at_several_shards_is_as_of_one_instant(autojump_clock: MockClock) -> None:
    """Lesson B11: what ran out is free in every book, though it ran out while the shards were busy meeting."""
    skus = skus_apart(2)
    clock = HandClock()
    async with Engine(shards=2, clock=clock).running() as engine:
        await engine.stock(**dict.fromkeys(skus, 1))
        await engine.ask(hold(engine, "h", *((sku, 1) for sku in skus), seconds=30))
        met, seen = Waiter(), Waiter()

        def step(_now: datetime) -> tuple[tuple[Event, ...], object]:
            clock.pass_seconds(30)
            return (), None

        await engine.router._meet(Rendezvous(Together(step, met), 2), [shard.inbox for shard in engine.shards])
        await engine.router.look_at(skus, lambda books, _: [len(book.holds) for book in books.values()], seen)
        assert await seen.wait() == [0, 0]


async def test_what_ended_is_forgotten_in_the_directory_too(autojump_clock: MockClock) -> None:
    async with Engine(remembered_seconds=100).running() as engine:
        await engine.stock(A=5)
        await engine.ask(hold(engine, "h"))
        await engine.ask(hold(engine, "refused", (A, 99)))
        await engine.ask(ReleaseHold(hold_id=HoldId("h")))
        assert set(engine.directory) == {"h", "refused"}
        await trio.sleep(101)
        await engine.ask(AddSku(sku=A, name="wakes the shard"))
        assert engine.directory == {}
        assert await engine.ask(ReleaseHold(hold_id=HoldId("h"))) == Refusal(code="NOSUCHHOLD", text="hold=h")


async def test_a_reused_hold_id_is_not_forgotten_by_a_shard_of_its_past(autojump_clock: MockClock) -> None:
    """The id once named SKUs of two shards; the idle one forgets late, when the id has long a new life."""
    skus = skus_apart(2)
    async with Engine(shards=2, remembered_seconds=100).running() as engine:
        await engine.stock(**dict.fromkeys(skus, 5))
        await engine.ask(hold(engine, "h", *((sku, 1) for sku in skus)))
        await engine.ask(ReleaseHold(hold_id=HoldId("h")))
        await trio.sleep(101)
        await engine.ask(AddSku(sku=skus[0], name="wakes one shard"))
        assert "h" in engine.directory, "the other one remembers"
        await engine.ask(AddSku(sku=skus[1], name="wakes the other"))
        assert engine.directory == {}
        assert isinstance(await engine.ask(hold(engine, "h", (skus[0], 5))), Granted)
        await engine.ask(AddSku(sku=skus[1], name="once more"))
        assert engine.directory[HoldId("h")].skus == (skus[0],)
        assert isinstance(await engine.ask(CommitHold(hold_id=HoldId("h"), order_id=None)), Committed)


@pytest.mark.parametrize("lines", [((Sku("NOPE"), 1),), ((A, 1), (Sku("NOPE"), 1))], ids=["alone", "beside A"])
async def test_a_hold_of_an_unknown_sku_leaves_nothing_behind(
    autojump_clock: MockClock, lines: tuple[tuple[Sku, int], ...]
) -> None:
    async with Engine().running() as engine:
        await engine.stock(A=5)
        await engine.ask(hold(engine, "due", (A, 1), seconds=5))
        await trio.sleep(4.9999)
        autojump_clock.jump(1)  # so that deciding it notes an expiry as well
        answer = await engine.ask(hold(engine, "h", *lines))
        assert answer == Refusal(code="NOSUCHSKU", text="sku=NOPE")
        assert "h" not in engine.directory
        assert isinstance(await engine.ask(hold(engine, "h", (A, 5))), Granted)


async def test_a_hold_behind_one_of_its_id_for_an_unknown_sku_is_found_again(autojump_clock: MockClock) -> None:
    """Both wait in inboxes when the first is refused, which takes their common entry out of the directory."""
    async with Engine().running() as engine:
        await engine.stock(A=5)
        first, second = Waiter(), Waiter()
        await engine.router.submit(hold(engine, "h", (Sku("NOPE"), 1)), first)
        await engine.router.submit(hold(engine, "h", (A, 2)), second)
        assert isinstance(await first.wait(), Refusal)
        assert isinstance(await second.wait(), Granted)
        assert engine.directory[HoldId("h")].skus == (A,)
        assert isinstance(await engine.ask(CommitHold(hold_id=HoldId("h"), order_id=None)), Committed)


async def test_a_full_inbox_makes_its_senders_wait(autojump_clock: MockClock) -> None:
    """Law 10: backpressure, not loss, from the disk to whoever asks."""
    store = SlowStore()
    store.open()
    async with Engine(store, shards=1, mailbox_max=2, entries_max=1).running() as engine:
        await engine.stock(A=100)
        store.shut()
        answers: list[object] = []

        async def buy(number: int) -> None:
            answers.append(await engine.ask(hold(engine, str(number))))

        async with trio.open_nursery() as nursery:
            for number in range(30):
                nursery.start_soon(buy, number)
            await wait_all_tasks_blocked()
            assert len(engine.shards[0].inbox) == 2
            assert engine.journal.waiting_events <= 2 + engine.shards[0].inbox.maximum
            store.open()
        assert len(answers) == 30
        assert all(isinstance(answer, Granted) for answer in answers)


async def test_while_the_journal_is_stalled_commands_are_told_so(autojump_clock: MockClock) -> None:
    store = FaultyStore()
    async with Engine(store).running() as engine:
        await engine.stock(A=5)
        store.refuse("disk full")
        waiting = Waiter()
        await engine.router.submit(hold(engine, "h"), waiting)
        await trio.sleep(1)
        stalled = Refusal(code="STALLED", text="the journal cannot be written: disk full")
        assert await engine.ask(hold(engine, "i")) == stalled
        store.mend()
        assert isinstance(await waiting.wait(), Granted), "what was decided before the stall is answered after it"
        assert isinstance(await engine.ask(hold(engine, "i")), Granted)


async def test_lesson_e6_whatever_changes_stock_is_told_to_the_pushers(autojump_clock: MockClock) -> None:
    """Lesson E5 as well: never before the change itself is on record."""
    async with Engine().running() as engine:
        await engine.stock(A=9)
        changes: list[Command] = [
            hold(engine, "h", (A, 2), seconds=None),
            CommitHold(hold_id=HoldId("h"), order_id=None),
            hold(engine, "i", (A, 2), seconds=None),
            ReleaseHold(hold_id=HoldId("i")),
            Adjust(key=Key("a"), sku=A, location=HERE, delta=-1, reason="broken"),
            Receive(key=Key("r"), sku=A, location=HERE, quantity=3),
            AddSku(sku=A, name="A", safety_stock=((HERE, 2),)),
            OpenStock(sku=A, location=THERE, on_hand=5),
        ]
        atp = [(7,), (7,), (5,), (7,), (6,), (9,), (7,), (7, 5)]
        for change, expected in zip(changes, atp, strict=True):
            told = len(engine.told)
            await engine.ask(change)
            assert [tuple(units for _, units in each.atp) for each in engine.told[told:]] == [expected], change
            assert engine.told[-1].position == engine.journal.position
        await engine.tell(order(order_line("A", 4)))
        assert engine.told[-1].atp == (("here", 3), ("there", 5))


async def test_availability_carries_the_position_and_the_instant_of_its_decision(autojump_clock: MockClock) -> None:
    async with Engine().running() as engine:
        await engine.stock(A=5)
        await trio.sleep(60)
        before = engine.clock.now()
        await engine.ask(hold(engine, "h", (A, 1)))
        newest = engine.told[-1]
        assert (newest.sku, newest.position) == (A, engine.journal.position)
        assert before <= newest.changed_at <= before + timedelta(seconds=1)
        positions = [told.position for told in engine.told if told.sku == A]
        assert positions == sorted(positions)


async def test_an_id_that_was_asked_for_in_vain_is_given_to_one_hold_only(autojump_clock: MockClock) -> None:
    """All three are under way before the first is refused, and the shards of the others do not know of each other."""
    one, other = skus_apart(2)
    async with Engine(shards=2).checked() as engine:
        await engine.stock(**{one: 1, other: 1})
        waiters = [Waiter() for _ in range(3)]
        for sku, waiter in zip((Sku("NONE"), one, other), waiters, strict=True):
            await engine.router.submit(place_hold("h", (sku, 1), seconds=None), waiter)
        answers = [await waiter.wait() for waiter in waiters]
        assert answers[0] == Refusal(code="NOSUCHSKU", text="sku=NONE")
        codes = sorted(answer.code if isinstance(answer, Refusal) else type(answer).__name__ for answer in answers[1:])
        assert codes == ["CONFLICT", "Granted"]
        assert sum(engine.figures(sku)[2] for sku in (one, other)) == 1


@pytest.mark.parametrize("shards", [1, 3])
async def test_a_hold_of_several_skus_is_one_frame_however_small_frames_are(
    autojump_clock: MockClock, shards: int
) -> None:
    """A crash keeps all of its lines or none."""
    async with Engine(shards=shards, entries_max=1).checked() as engine:
        skus = skus_apart(3)
        await engine.stock(**dict.fromkeys(skus, 5))
        await engine.ask(hold(engine, "h", *((sku, 1) for sku in skus)))
        assert [(position, event.sku) for position, event in engine.events if isinstance(event, UnitsHeld)] == [
            (engine.journal.position, sku) for sku in skus
        ]
