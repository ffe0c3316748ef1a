"""The way from trio to a library that needs asyncio: a thread with a loop of its own, and calls into it.

The only module outside the gateway and the emulator that imports asyncio. Coroutines that run over there may await what
asyncio gives them, and nothing of trio.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Generic, ParamSpec, TypeVar

import trio

Turns = asyncio.Lock
"""One at a time, over there."""

P = ParamSpec("P")
T = TypeVar("T")


class BridgeClosed(Exception):
    """Nothing was begun: the thread has ended."""


class CutShort(Exception):
    """Begun, and ended by `close` before it was done."""


class Bridge:
    """Owns the thread. Made and closed in one trio run; calls may come from any of its tasks."""

    def __init__(self, name: str) -> None:
        """Start the thread; `name` is what debuggers and `top -H` show."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._open = True
        self._thread.start()

    async def call(self, work: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a coroutine over there and return what it returns or raise what it raises.

        A caller that is cancelled cancels the far side, waits until that has ended, and then is cancelled. The far side
        must end soon after it is cancelled.

        Raises:
            BridgeClosed: nothing was begun.
            CutShort: `close` came in between.
        """
        return await self._call(_Call(work(*args, **kwargs)), held=False)

    async def commit(self, work: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """As `call`, but once begun it goes on to its end: whether it took effect must be known.

        A cancellation is held back that long, so `work` must have a deadline of its own.
        """
        return await self._call(_Call(work(*args, **kwargs)), held=True)

    def close(self) -> None:
        """Cancel what still runs over there and end the thread; idempotent."""
        if self._open:
            self._open = False
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()

    async def _call(self, call: "_Call[T]", *, held: bool) -> T:
        if not self._open:
            call.work.close()
            raise BridgeClosed
        try:
            await trio.lowlevel.checkpoint_if_cancelled()
        except trio.Cancelled:
            call.work.close()
            raise
        self._loop.call_soon_threadsafe(call.begin)
        try:
            with trio.CancelScope(shield=held):
                await call.done.wait()
        except trio.Cancelled:
            self._loop.call_soon_threadsafe(call.cancel)
            with trio.CancelScope(shield=True):
                await call.done.wait()
            raise
        assert call.task is not None
        if call.task.cancelled():
            raise CutShort
        return call.task.result()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        left = asyncio.all_tasks(self._loop)
        for task in left:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()


class _Call(Generic[T]):
    """One coroutine and the trio task that waits for it."""

    def __init__(self, work: Coroutine[Any, Any, T]) -> None:
        self.work = work
        self.task: asyncio.Task[T] | None = None
        self.done = trio.Event()
        self._token = trio.lowlevel.current_trio_token()

    def begin(self) -> None:
        """Start it; over there."""
        self.task = asyncio.get_running_loop().create_task(self.work)
        self.task.add_done_callback(self._tell)

    def cancel(self) -> None:
        """Cancel it; over there, and after `begin`."""
        assert self.task is not None
        self.task.cancel()

    def _tell(self, _: "asyncio.Task[T]") -> None:
        with suppress(trio.RunFinishedError):  # nobody waits any more
            self._token.run_sync_soon(self.done.set)
