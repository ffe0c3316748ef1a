"""Stores that make the journal wait, refuse it, or leave it in doubt."""

from collections.abc import Callable

import trio

from adapters.store.memory import MemoryStore
from engine.domain.errors import JournalUnavailable
from engine.ports import Frame


class SlowStore(MemoryStore):
    """Commits nothing until opened; then every append at once."""

    def __init__(self, frames: list[Frame] | None = None) -> None:
        super().__init__(frames)
        self._open = trio.Event()
        self.appending = 0

    def open(self) -> None:
        self._open.set()

    def shut(self) -> None:
        self._open = trio.Event()

    async def append(self, frame: Frame) -> None:
        self.appending += 1
        try:
            await self._open.wait()
            await super().append(frame)
        finally:
            self.appending -= 1


class FaultyStore(MemoryStore):
    """Raises what `fault` returns, before each append that it returns something for."""

    def __init__(self, fault: Callable[[], Exception | None] = lambda: None) -> None:
        super().__init__()
        self.fault = fault
        self.tries = 0

    def refuse(self, reason: str = "disk full") -> None:
        """Refuse from now on, certainly without writing."""
        self.fault = lambda: JournalUnavailable(reason)

    def mend(self) -> None:
        self.fault = lambda: None

    async def append(self, frame: Frame) -> None:
        self.tries += 1
        error = self.fault()
        if error is not None:
            await trio.lowlevel.checkpoint()
            raise error
        await super().append(frame)


class QuickStore(FaultyStore):
    """Appends at once, as an embedded store on a quick disk does; `fault` is asked then, too."""

    def append_nowait(self, frame: Frame) -> bool:
        self.tries += 1
        error = self.fault()
        if error is not None:
            raise error
        assert frame.position == len(self.frames) + 1
        self.frames.append(frame)
        return True
