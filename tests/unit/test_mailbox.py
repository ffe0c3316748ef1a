"""Bounded, one reader, in order, and a full one makes its senders wait."""

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from engine.actors.mailbox import Mailbox


async def test_messages_come_out_in_order_and_all_at_once(autojump_clock: MockClock) -> None:
    box: Mailbox[int] = Mailbox("box", 5)
    for number in range(4):
        box.put_nowait(number)
    await box.wait()
    assert (box.take_nowait(3), box.take_nowait(3), box.take_nowait(3)) == ([0, 1, 2], [3], [])
    assert (len(box), box.high_water) == (0, 4)


async def test_a_full_one_refuses_to_take_without_waiting(autojump_clock: MockClock) -> None:
    box: Mailbox[int] = Mailbox("box", 1)
    assert box.has_room()
    box.put_nowait(1)
    assert not box.has_room()
    with pytest.raises(trio.WouldBlock):
        box.put_nowait(2)
    assert box.take_nowait(9) == [1]


async def test_the_reader_sleeps_until_something_is_here(autojump_clock: MockClock) -> None:
    box: Mailbox[int] = Mailbox("box", 1)
    with trio.move_on_after(5) as patience:
        await box.wait()
    assert patience.cancelled_caught
    async with trio.open_nursery() as nursery:
        nursery.start_soon(box.wait)
        await wait_all_tasks_blocked()
        box.put_nowait(1)


async def test_a_sender_who_gives_up_leaves_nothing_behind(autojump_clock: MockClock) -> None:
    box: Mailbox[int] = Mailbox("box", 1)
    box.put_nowait(1)
    with trio.move_on_after(5) as patience:
        await box.put(2)
    assert patience.cancelled_caught
    assert box.take_nowait(9) == [1]
    assert len(box) == 0


async def talk(maximum: int, most: int, senders: list[int]) -> None:
    box: Mailbox[tuple[int, int]] = Mailbox("box", maximum)
    heard: list[tuple[int, int]] = []

    async def send(sender: int, messages: int) -> None:
        for number in range(messages):
            await box.put((sender, number))
            assert len(box) <= maximum

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            for sender, messages in enumerate(senders):
                nursery.start_soon(send, sender, messages)
            while len(heard) < sum(senders):
                await box.wait()
                heard += box.take_nowait(most)
    assert box.high_water <= maximum
    for sender, messages in enumerate(senders):
        assert [number for who, number in heard if who == sender] == list(range(messages))


@settings(max_examples=40, deadline=None)
@given(
    schedule=st.random_module(),
    maximum=st.integers(1, 4),
    most=st.integers(1, 5),
    senders=st.lists(st.integers(0, 8), max_size=5),
)
def test_nothing_is_lost_doubled_or_overtaken(schedule: object, maximum: int, most: int, senders: list[int]) -> None:
    trio.run(talk, maximum, most, senders, clock=MockClock(autojump_threshold=0))
