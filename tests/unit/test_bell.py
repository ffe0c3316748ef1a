"""Whoever waits hears the next ring, and only that."""

import trio
from trio.testing import MockClock

from engine.actors.bell import Bell


async def test_everybody_who_waits_hears_it_once(autojump_clock: MockClock) -> None:
    bell, heard = Bell(), list[str]()

    async def wait(name: str) -> None:
        await bell.next.wait()
        heard.append(name)

    async with trio.open_nursery() as nursery:
        bell.ring()
        nursery.start_soon(wait, "first")
        nursery.start_soon(wait, "second")
        await trio.testing.wait_all_tasks_blocked()
        assert not heard, "it rang before they came"
        bell.ring()
        await trio.testing.wait_all_tasks_blocked()
        assert sorted(heard) == ["first", "second"]


async def test_what_was_taken_before_the_ring_is_set_by_it(autojump_clock: MockClock) -> None:
    bell = Bell()
    taken = bell.next
    bell.ring()
    assert taken.is_set()
    assert not bell.next.is_set()
