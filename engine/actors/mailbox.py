"""Bounded, named inboxes with one reader, which takes everything that waits at once.

A memory channel wakes its reader per message; a shard wants one wake-up for many commands.
"""

from collections import deque
from typing import Generic, TypeVar

import trio

T = TypeVar("T")


class Mailbox(Generic[T]):
    """An inbox. A full one makes its senders wait: backpressure, not loss."""

    def __init__(self, name: str, maximum: int) -> None:
        """Make an empty inbox for at most `maximum` messages; `name` is its metrics label."""
        self.name = name
        self.maximum = maximum
        self.high_water = 0
        self._items: deque[T] = deque()
        self._reader = trio.Event()
        self._writers = trio.Event()

    def __len__(self) -> int:
        return len(self._items)

    def has_room(self) -> bool:
        """Whether `put_nowait` may be called."""
        return len(self._items) < self.maximum

    def put_nowait(self, item: T) -> None:
        """Add a message; the caller has seen that there is room and has not been at a checkpoint since.

        Raises:
            trio.WouldBlock: there is no room.
        """
        if len(self._items) >= self.maximum:
            raise trio.WouldBlock
        self._items.append(item)
        if len(self._items) == 1:
            self._reader.set()
            self.high_water = max(self.high_water, 1)
        elif len(self._items) > self.high_water:
            self.high_water = len(self._items)

    async def wait_room(self) -> None:
        """Wait until there is room; somebody else may take it first."""
        while len(self._items) >= self.maximum:
            await self._writers.wait()

    async def put(self, item: T) -> None:
        """Add a message when there is room."""
        while True:
            await self.wait_room()
            try:
                return self.put_nowait(item)
            except trio.WouldBlock:  # another sender was faster
                continue

    async def wait(self) -> None:
        """Wait until something is here. One reader only."""
        if not self._items:
            self._reader = trio.Event()
            await self._reader.wait()

    def take_nowait(self, most: int) -> list[T]:
        """Take what is here, oldest first, at most `most` messages."""
        was_full = len(self._items) >= self.maximum
        if len(self._items) <= most:
            taken = list(self._items)
            self._items.clear()
        else:
            taken = [self._items.popleft() for _ in range(most)]
        if was_full and taken:
            self._writers.set()
            self._writers = trio.Event()
        return taken
