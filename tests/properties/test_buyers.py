"""Concurrent buyers through the real router, shards and journal, under many schedules: never more than there is."""

import random

import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from engine.actors.router import Waiter
from engine.domain.commands import CommitHold, Committed, Granted, Receive, Refusal, ReleaseHold
from engine.domain.events import StockAdjusted
from engine.domain.units import HoldId, Key, Sku
from tests.fakes.books import HERE, THERE, place_hold
from tests.fakes.engine import Engine, skus_apart
from tests.fakes.orders import order, order_line

MANY = settings(max_examples=25, deadline=None)
FEW = settings(max_examples=10, deadline=None)


def run(main: object, *args: object) -> None:
    trio.run(main, *args, clock=MockClock(autojump_threshold=0))  # type: ignore[arg-type]


async def sell_one_sku(orders: list[int], on_hand: int) -> None:
    async with Engine().checked() as engine:
        await engine.stock(A=on_hand)
        granted: list[int] = []
        refused: list[int] = []

        async def buy(number: int, units: int) -> None:
            answer = await engine.ask(place_hold(f"h{number}", (Sku("A"), units), seconds=None))
            if isinstance(answer, Granted):
                granted.append(units)
            else:
                assert isinstance(answer, Refusal)
                assert answer.code == "OUTOFSTOCK"
                refused.append(units)

        async with trio.open_nursery() as nursery:
            for number, units in enumerate(orders):
                nursery.start_soon(buy, number, units)
        assert sum(granted) <= on_hand
        assert engine.figures("A") == (on_hand, 0, sum(granted))
        assert all(units > on_hand - sum(granted) for units in refused), "who would still fit was not sent away"


@MANY
@given(schedule=st.random_module(), orders=st.lists(st.integers(1, 6), max_size=12), on_hand=st.integers(0, 20))
def test_units_of_one_sku_are_never_promised_twice(schedule: object, orders: list[int], on_hand: int) -> None:
    """Lessons A1 to A5, A8, A9, A13 to A15: check and allocation are one step, whoever is faster."""
    run(sell_one_sku, orders, on_hand)


@FEW
@given(schedule=st.random_module())
def test_lesson_a7_64_writers_of_10_units_get_10(schedule: object) -> None:
    async def main() -> None:
        async with Engine().checked() as engine:
            await engine.stock(A=10)
            answers: list[object] = []

            async def write(number: int) -> None:
                hold = HoldId(f"h{number}")
                answers.append(await engine.ask(place_hold(hold, seconds=None)))
                answers.append(await engine.ask(CommitHold(hold_id=hold, order_id=None)))

            async with trio.open_nursery() as nursery:
                for number in range(64):
                    nursery.start_soon(write, number)
            kinds = [type(answer) for answer in answers]
            assert (kinds.count(Granted), kinds.count(Committed), kinds.count(Refusal)) == (10, 10, 108)
            assert engine.figures("A") == (10, 10, 0)
            assert engine.book("A").position(HERE).atp == 0

    run(main)


async def sell_baskets(shards: int, baskets: list[list[tuple[int, int]]], seed: int) -> None:
    """Baskets over several shards; some are given back, some paid for, while stock arrives and a channel sells too."""
    rng = random.Random(seed)
    skus = skus_apart(shards)
    came_in = dict.fromkeys(skus, 5)
    sold = dict.fromkeys(skus, 0)
    owed = dict.fromkeys(skus, 0)
    held = dict.fromkeys(skus, 0)
    async with Engine(shards=shards, mailbox_max=3).checked() as engine:
        await engine.stock(**came_in)

        async def buy(name: str, basket: list[tuple[int, int]]) -> None:
            lines = [(skus[which % shards], units) for which, units in basket]
            await trio.sleep(rng.random())
            if not isinstance(await engine.ask(place_hold(name, *lines, seconds=None)), Granted):
                return
            end = rng.choice(("keep", "release", "commit", "commit", "twice"))
            if end in {"commit", "twice"}:
                assert isinstance(await engine.ask(CommitHold(hold_id=HoldId(name), order_id=None)), Committed)
            if end == "twice":
                refused = await engine.ask(ReleaseHold(hold_id=HoldId(name)))
                assert isinstance(refused, Refusal)
            if end == "release":
                await engine.ask(ReleaseHold(hold_id=HoldId(name)))
            for sku, units in lines:
                held[sku] += units if end == "keep" else 0
                owed[sku] += units if end in {"commit", "twice"} else 0

        async def receive(number: int) -> None:
            sku = rng.choice(skus)
            await trio.sleep(rng.random())
            for _ in range(2):  # sent again by a careful client
                await engine.ask(Receive(key=Key(f"r{number}"), sku=sku, location=THERE, quantity=2))
            came_in[sku] += 2

        async def ship(number: int) -> None:
            """An order of the channel: cannot be refused, ships one unit that may have to be found."""
            sku = rng.choice(skus)
            await trio.sleep(rng.random())
            snapshot = order(order_line(sku, 2, shipped=1), order_id=str(number))
            waiter = Waiter()
            await engine.desk.tell(snapshot, waiter)
            await waiter.wait()
            sold[sku] += 1
            owed[sku] += 1

        async with trio.open_nursery() as nursery:
            for number, basket in enumerate(baskets):
                nursery.start_soon(buy, f"h{number}", basket)
            for number in range(3):
                nursery.start_soon(receive, number)
                nursery.start_soon(ship, number)
        for sku in skus:
            found = sum(
                movement.delta
                for movement in engine.book(sku).movements.values()
                if isinstance(movement, StockAdjusted) and movement.reason.startswith("count error")
            )
            on_hand, committed, reserved = engine.figures(sku)
            assert on_hand == came_in[sku] - sold[sku] + found
            assert (committed, reserved) == (owed[sku], held[sku])
            book = engine.book(sku)
            assert book.oversold == max(0, committed + reserved - on_hand)
            assert book.oversold <= sum(1 for key in book.demand if key[1].isdigit()) * 2, "only orders oversell"


@MANY
@given(
    schedule=st.random_module(),
    shards=st.integers(1, 4),
    baskets=st.lists(
        st.lists(st.tuples(st.integers(0, 3), st.integers(1, 3)), min_size=1, max_size=4), min_size=1, max_size=12
    ),
    seed=st.integers(0, 2**32),
)
def test_units_of_baskets_over_shards_are_never_promised_twice(
    schedule: object, shards: int, baskets: list[list[tuple[int, int]]], seed: int
) -> None:
    """Lessons A7, A10, A12: free + reserved + owed is what came in less what went out, for every SKU, always."""
    run(sell_baskets, shards, baskets, seed)


async def crowd_on_one_id(bodies: list[int]) -> None:
    """Retries of one hold id, some with another body: one of them is the truth, the others hear so."""
    async with Engine().checked() as engine:
        one, other = skus_apart(2)
        await engine.stock(**{one: 100, other: 100})
        answers: list[object] = []

        async def retry(body: int) -> None:
            sku = (one, other)[body % 2]
            answers.append(await engine.ask(place_hold("same", (sku, 1 + body // 2), seconds=None)))

        async with trio.open_nursery() as nursery:
            for body in bodies:
                nursery.start_soon(retry, body)
        granted = {answer for answer in answers if isinstance(answer, Granted)}
        assert len(granted) == 1
        (lines,) = (answer.lines for answer in granted)
        assert engine.figures(one)[2] + engine.figures(other)[2] == sum(units for _, _, units in lines)


@MANY
@given(schedule=st.random_module(), bodies=st.lists(st.integers(0, 5), min_size=1, max_size=8))
def test_one_hold_id_is_granted_once_whoever_repeats_it(schedule: object, bodies: list[int]) -> None:
    run(crowd_on_one_id, bodies)
