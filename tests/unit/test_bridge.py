"""The bridge to asyncio: answers come back, errors too, and a cancellation either crosses it or waits."""

import asyncio
import threading

import pytest
import trio
import trio.testing

from adapters.store.bridge import Bridge, BridgeClosed, CutShort


class Far:
    """Things that happen over there."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.go = threading.Event()
        self.ended: list[str] = []

    async def double(self, number: int) -> int:
        await asyncio.sleep(0)
        return 2 * number

    async def fail(self) -> None:
        raise ValueError("over there")

    async def work(self) -> str:
        self.began.set()
        try:
            while not self.go.is_set():  # noqa: ASYNC110 - set in another thread
                await asyncio.sleep(0.001)
        except asyncio.CancelledError:
            self.ended.append("cancelled")
            raise
        self.ended.append("done")
        return "done"


async def wait_set(event: threading.Event) -> None:
    with trio.fail_after(5):
        assert await trio.to_thread.run_sync(event.wait, 5)


@pytest.fixture
def far() -> Far:
    return Far()


@pytest.fixture
def bridge() -> Bridge:
    return Bridge("test")


async def test_answers_and_errors_come_back(bridge: Bridge, far: Far) -> None:
    assert await bridge.call(far.double, 21) == 42
    assert await bridge.commit(far.double, number=4) == 8
    with pytest.raises(ValueError, match="over there"):
        await bridge.call(far.fail)
    bridge.close()


async def test_many_calls_go_on_at_once(bridge: Bridge, far: Far) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bridge.call, far.work)
        await wait_set(far.began)
        assert await bridge.call(far.double, 1) == 2
        far.go.set()
    bridge.close()


async def test_a_cancelled_caller_cancels_the_far_side_and_waits_for_its_end(bridge: Bridge, far: Far) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(bridge.call, far.work)
        await wait_set(far.began)
        nursery.cancel_scope.cancel()
    assert far.ended == ["cancelled"]
    bridge.close()


async def test_a_commit_is_seen_through_before_its_caller_is_cancelled(bridge: Bridge, far: Far) -> None:
    said: list[str] = []

    async def commit() -> None:
        said.append(await bridge.commit(far.work))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(commit)
        await wait_set(far.began)
        nursery.cancel_scope.cancel()
        with trio.CancelScope(shield=True):
            await trio.testing.wait_all_tasks_blocked(0.02)
            assert (far.ended, said) == ([], [])
        far.go.set()
    assert (far.ended, said) == (["done"], ["done"])
    bridge.close()


async def test_nothing_begins_for_a_caller_that_is_cancelled_already(bridge: Bridge, far: Far) -> None:
    with trio.CancelScope() as scope:
        scope.cancel()
        await bridge.commit(far.work)
    assert not far.began.is_set()
    bridge.close()


async def test_a_closed_bridge_begins_nothing(bridge: Bridge, far: Far) -> None:
    bridge.close()
    bridge.close()
    with pytest.raises(BridgeClosed):
        await bridge.call(far.double, 1)


async def test_closing_cancels_what_is_under_way(bridge: Bridge, far: Far) -> None:
    async def call() -> None:
        with pytest.raises(CutShort):
            await bridge.call(far.work)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(call)
        await wait_set(far.began)
        bridge.close()
    assert far.ended == ["cancelled"]
