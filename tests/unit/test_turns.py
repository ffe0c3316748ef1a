"""Turns: one task in a round, in order, and whoever waits costs nothing."""

import itertools
from collections import Counter

import trio
import trio.testing

from engine.actors.turns import Turns


class Rounds(trio.abc.Instrument):
    """Counts rounds of the loop, and the steps that each task takes."""

    def __init__(self) -> None:
        self.round = 0
        self.steps: Counter[trio.lowlevel.Task] = Counter()

    def before_io_wait(self, _timeout: float) -> None:
        self.round += 1

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.steps[task] += 1


async def work(turns: Turns, rounds: Rounds, done: list[tuple[int, int]], number: int) -> None:
    """Note the round in which its turn comes."""
    async with turns.turn():
        done.append((number, rounds.round))


async def test_one_does_its_work_in_a_round_and_the_next_one_two_rounds_later_at_most() -> None:
    turns, rounds, done = Turns(), Rounds(), list[tuple[int, int]]()
    trio.lowlevel.add_instrument(rounds)
    async with trio.open_nursery() as nursery:
        for number in range(6):
            nursery.start_soon(work, turns, rounds, done, number)
    assert sorted(number for number, _ in done) == list(range(6))
    gaps = [later - earlier for (_, earlier), (_, later) in itertools.pairwise(done)]
    assert set(gaps) <= {1, 2}


async def test_who_waits_takes_no_steps_until_its_turn_has_come() -> None:
    """With twenty accounts, one change of stock must not cost some hundred steps of the loop."""
    turns, rounds, done = Turns(), Rounds(), list[tuple[int, int]]()
    trio.lowlevel.add_instrument(rounds)
    async with trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(work, turns, rounds, done, number)
        mine = set(nursery.child_tasks)
    assert max(rounds.steps[task] for task in mine) <= 3


async def test_turns_come_in_the_order_in_which_they_were_asked_for() -> None:
    turns, rounds, done = Turns(), Rounds(), list[tuple[int, int]]()
    async with trio.open_nursery() as nursery:
        async with turns.turn():
            for number in range(5):
                nursery.start_soon(work, turns, rounds, done, number)
                await trio.testing.wait_all_tasks_blocked()
        async with turns.turn():
            assert [number for number, _ in done] == list(range(5)), "nobody goes before those who wait"


async def test_who_is_cancelled_while_it_waits_holds_nobody_up() -> None:
    turns, rounds, done = Turns(), Rounds(), list[tuple[int, int]]()
    async with trio.open_nursery() as nursery, turns.turn(), trio.open_nursery() as given_up:
        given_up.start_soon(work, turns, rounds, done, 1)
        nursery.start_soon(work, turns, rounds, done, 2)
        await trio.testing.wait_all_tasks_blocked()
        given_up.cancel_scope.cancel()
    assert [number for number, _ in done] == [2]


async def test_who_is_cancelled_in_its_turn_passes_it_on() -> None:
    turns, rounds, done = Turns(), Rounds(), list[tuple[int, int]]()
    with trio.CancelScope() as scope:
        async with turns.turn():
            scope.cancel()
    assert scope.cancelled_caught
    await work(turns, rounds, done, 1)
    assert done
