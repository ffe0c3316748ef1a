"""Snapshots of a simulated daemon: taken beside it by a process of its own, slowly, cut short and damaged."""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

import trio

from adapters.store.memory import MemoryStore
from adapters.store.snapshots import Kept, Snapshot
from adapters.store.snapshots_memory import MemorySnapshots, MemoryWriter
from ops.node import Node
from ops.recovery import catch_up
from ops.simulate.faults import Faults
from ops.snapshots.taking import restore_newest, surplus, take
from ops.state import digests

_KEPT: Final = 2
_PIECE_SECONDS: Final = (0.0, 0.05)
"""So long a piece takes to be written: the daemon goes on meanwhile."""


class Album(MemorySnapshots):
    """What snapshots there are; outlives all daemons of a run."""

    def __init__(self, rng: random.Random, faults: Faults) -> None:
        """Keep none."""
        super().__init__()
        self.rng = rng
        self.faults = faults
        self.scope = trio.CancelScope()
        """Around the process that writes one; cancelled: it is killed."""

    @asynccontextmanager
    async def writer(self) -> AsyncIterator[MemoryWriter]:
        """Write one (`Snapshots.writer`)."""
        async with super().writer():
            yield _SlowWriter(self)

    async def take_one(self, make_node: Callable[[], Node], journal: MemoryStore) -> bool:
        """Write one, as the process does that the daemon starts for it; False: it was killed."""
        with trio.CancelScope() as self.scope:
            node = await restore_newest(make_node, journal, self, origins=("replayed",))
            await catch_up(node, journal)
            if node.journal.position == 0:
                return False
            last = journal.frames[node.journal.position - 1]
            await take(node, last, last.written_at, "replayed", self)
            await self.drop(surplus(await self.kept(), _KEPT))
        if self.by_name and self.faults.strikes("snapshot_damaged", 0.15):
            self.harm()
        return not self.scope.cancelled_caught

    def harm(self) -> None:
        """Flip a bit of the newest one."""
        newest = self.by_name[max(self.by_name)]
        number = self.rng.randrange(len(newest.pieces))
        piece = bytearray(newest.pieces[number])
        piece[self.rng.randrange(len(piece))] ^= 1 << self.rng.randrange(8)
        newest.pieces[number] = bytes(piece)


class _SlowWriter(MemoryWriter):
    def __init__(self, album: Album) -> None:
        super().__init__(album)
        self._album = album

    async def add(self, piece: bytes) -> None:
        """Keep a piece; a checkpoint first, as a disk would be one."""
        album = self._album
        if album.faults.strikes("crash_in_snapshot", 0.02):
            album.scope.cancel()
        await trio.sleep(album.rng.uniform(*_PIECE_SECONDS))
        await super().add(piece)

    async def finish(self, head: Snapshot) -> Kept:
        """Let it count; a process that was killed by then leaves nothing."""
        if self._album.faults.strikes("crash_in_snapshot", 0.1):
            self._album.scope.cancel()
        return await super().finish(head)


def compare(one: Node, other: Node, as_of: datetime) -> list[str]:
    """Return the sections of which two nodes do not say the same, byte for byte."""
    first, second = digests(one, as_of), digests(other, as_of)
    return [name for name in first.keys() | second.keys() if first.get(name) != second.get(name)]
