"""Every command finds the owners of its SKUs, and several owners always meet."""

import random

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from engine.actors.router import Waiter
from engine.domain.commands import (
    AddSku,
    Adjust,
    CommitHold,
    Granted,
    Moved,
    OpenStock,
    Receive,
    Refusal,
    ReleaseHold,
)
from engine.domain.events import StockAdjusted
from engine.domain.partition import shard_of
from engine.domain.units import DIRECT, HoldId, Key, Sku
from tests.fakes.books import HERE, A, B, place_hold
from tests.fakes.engine import Engine, skus_apart
from tests.fakes.orders import SHOP


def test_a_sku_has_the_same_owner_in_every_process_and_release() -> None:
    """Frames of yesterday lie where today looks for them: these numbers are forever."""
    assert shard_of(Sku("123456789"), 2**32) == 0xCBF43926, "the check value of CRC-32"
    assert [shard_of(Sku(sku), 4) for sku in ("A-1", "Ärmel", "棉-7")] == [0, 2, 2]
    assert shard_of(A, 1) == 0


async def test_every_command_reaches_the_owner_of_its_sku(autojump_clock: MockClock) -> None:
    async with Engine(shards=3).running() as engine:
        skus = skus_apart(3)
        for sku in skus:
            await engine.ask(AddSku(sku=sku, name=sku))
            await engine.ask(OpenStock(sku=sku, location=HERE, on_hand=1))
            await engine.ask(Receive(key=Key("r"), sku=sku, location=HERE, quantity=4))
            moved = await engine.ask(Adjust(key=Key("a"), sku=sku, location=HERE, delta=-1, reason="x"))
            assert isinstance(moved, Moved)
            assert [event.on_hand for event in moved.movements if isinstance(event, StockAdjusted)] == [4]
            assert engine.router.knows(sku)
        assert [len(shard.ledger.books) for shard in engine.shards] == [1, 1, 1]
        assert not engine.router.knows(Sku("NOPE"))


async def test_a_hold_id_stands_for_its_skus_and_its_account(autojump_clock: MockClock) -> None:
    async with Engine().running() as engine:
        await engine.stock(A=5, B=5)
        await engine.ask(place_hold("h", (B, 1), (A, 1), seconds=None, account=SHOP))
        assert engine.router.skus_of(HoldId("h")) == (A, B)
        assert engine.router.account_of(HoldId("h")) == SHOP
        assert engine.router.skus_of(HoldId("other")) == ()
        assert engine.router.account_of(HoldId("other")) is None


async def test_an_id_that_comes_back_with_other_skus_meets_its_first_books(autojump_clock: MockClock) -> None:
    """Else each shard, knowing only its own, would grant the same id once more."""
    one, other = skus_apart(2)
    async with Engine(shards=2).running() as engine:
        await engine.stock(**{one: 5, other: 5})
        await engine.ask(place_hold("h", (one, 1), seconds=None))
        answer = await engine.ask(place_hold("h", (other, 1), seconds=None))
        assert answer == Refusal(code="CONFLICT", text=f"hold=h was asked for {one} 1 at direct before")
        assert engine.figures(other) == (5, 0, 0)
        assert engine.router.skus_of(HoldId("h")) == (one,)


async def test_an_unknown_hold_is_refused_without_asking_anybody(autojump_clock: MockClock) -> None:
    async with Engine().running() as engine:
        nothing = Refusal(code="NOSUCHHOLD", text="hold=h")
        assert await engine.ask(ReleaseHold(hold_id=HoldId("h"))) == nothing
        assert await engine.ask(CommitHold(hold_id=HoldId("h"), order_id=None)) == nothing


async def test_several_shards_decide_as_one_and_in_one_frame(autojump_clock: MockClock) -> None:
    skus = skus_apart(3)
    async with Engine(shards=3).running() as engine:
        await engine.stock(**dict.fromkeys(skus, 2))
        before = engine.journal.position
        granted = await engine.ask(place_hold("h", *((sku, 2) for sku in reversed(skus)), seconds=None))
        assert isinstance(granted, Granted)
        assert granted.lines == tuple((sku, HERE, 2) for sku in skus)
        assert {position for position, _ in engine.events if position > before} == {before + 1}
        refused = await engine.ask(place_hold("i", *((sku, 1) for sku in skus), seconds=None))
        assert refused == Refusal(code="OUTOFSTOCK", text=f"sku={skus[0]} requested=1 atp=0")
        await engine.ask(ReleaseHold(hold_id=HoldId("h")))
        assert [engine.figures(sku) for sku in skus] == [(2, 0, 0)] * 3


async def test_a_step_over_all_books_runs_while_every_shard_lends_them(autojump_clock: MockClock) -> None:
    async with Engine(shards=3).running() as engine:
        await engine.stock(A=1)
        answer = await engine.router.together(lambda now: ((), (now, engine.router.knows(A))))
        assert answer == (engine.clock.now(), True)


async def test_looking_at_nothing_is_answered_too(autojump_clock: MockClock) -> None:
    async with Engine().running() as engine:
        waiter = Waiter()
        await engine.router.look_at((), lambda books, _: books, waiter)
        assert await waiter.wait() == {}


async def meet(shards: int, mailbox_max: int, seed: int) -> None:
    """Many holds, looks and steps over random sets of shards, into inboxes that are almost always full."""
    rng = random.Random(seed)
    skus = skus_apart(shards)
    async with Engine(shards=shards, mailbox_max=mailbox_max, entries_max=2).running() as engine:
        await engine.stock(**dict.fromkeys(skus, 1000))

        async def client(number: int) -> None:
            for turn in range(4):
                some = rng.sample(skus, rng.randint(1, shards))
                match rng.randrange(4):
                    case 0:
                        waiter = Waiter()
                        await engine.router.look_at(some, lambda books, _: len(books), waiter)
                        assert await waiter.wait() == len(some)
                    case 1:
                        assert await engine.router.together(lambda _: ((), "met")) == "met"
                    case _:
                        name = f"{number}-{turn}"
                        assert isinstance(
                            await engine.ask(place_hold(name, *((sku, 1) for sku in some), seconds=None)), Granted
                        )
                        if rng.random() < 0.5:
                            await engine.ask(ReleaseHold(hold_id=HoldId(name)))

        with trio.fail_after(3600):
            async with trio.open_nursery() as nursery:
                for number in range(8):
                    nursery.start_soon(client, number)
        for sku in skus:
            book = engine.book(sku)
            assert book.position(HERE).reserved == len(book.holds)
    assert all(placed.account == DIRECT for placed in engine.directory.values())


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(schedule=st.random_module(), shards=st.integers(1, 4), room=st.integers(1, 3), seed=st.integers(0, 2**32))
def test_shards_that_must_meet_never_wait_in_a_circle(schedule: object, shards: int, room: int, seed: int) -> None:
    """Lessons A11, G2: every inbox gets a meeting in the same step, so all come to meetings in the same order."""
    trio.run(meet, shards, room, seed, clock=MockClock(autojump_threshold=0))


async def test_two_buyers_of_the_same_skus_the_other_way_round_do_not_deadlock(autojump_clock: MockClock) -> None:
    """A11 in small: one buyer names B then A, the other A then B."""
    one, other = skus_apart(2)
    async with Engine(shards=2).running() as engine:
        await engine.stock(**{one: 1, other: 1})
        answers: list[object] = []

        async def buy(name: str, *skus: Sku) -> None:
            answers.append(await engine.ask(place_hold(name, *((sku, 1) for sku in skus), seconds=None)))

        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(buy, "x", one, other)
                nursery.start_soon(buy, "y", other, one)
        assert sorted(type(answer).__name__ for answer in answers) == ["Granted", "Refusal"]
