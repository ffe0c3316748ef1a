"""Snapshots in a dictionary: for simulation under a virtual clock. Keeps the contract, survives nothing."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import msgspec
import trio

from adapters.store.snapshots import Kept, Snapshot, name_of, newest_first
from engine.domain.errors import StoreCorrupt, StoreInUse


class MemorySnapshot(msgspec.Struct):
    """One of them; a test may harm it."""

    head: Snapshot
    pieces: list[bytes]
    sha256: bytes


class MemorySnapshots:
    """Snapshots that outlive the daemon object, so that a simulated crash can be recovered from."""

    def __init__(self) -> None:
        """Keep none."""
        self.place = "memory"
        self.by_name: dict[str, MemorySnapshot] = {}
        self._writing = False

    async def kept(self) -> tuple[Kept, ...]:
        """Look what there is (`Snapshots.kept`)."""
        await trio.lowlevel.checkpoint()
        return newest_first(_kept(name, each) for name, each in self.by_name.items())

    @asynccontextmanager
    async def writer(self) -> AsyncIterator["MemoryWriter"]:
        """Write one (`Snapshots.writer`)."""
        await trio.lowlevel.checkpoint()
        if self._writing:
            raise StoreInUse(f"{self.place}: another snapshot is being written")
        self._writing = True
        try:
            yield MemoryWriter(self)
        finally:
            self._writing = False

    async def read(self, kept: Kept) -> tuple[bytes, ...]:
        """Read all pieces of one (`Snapshots.read`)."""
        await trio.lowlevel.checkpoint()
        found = self.by_name.get(kept.name)
        if found is None:
            raise StoreCorrupt(f"{self.place}: snapshot {kept.name} is gone")
        if _hash(found.pieces) != found.sha256:
            raise StoreCorrupt(f"{self.place}: snapshot {kept.name} does not match its SHA-256")
        return tuple(found.pieces)

    async def drop(self, names: Sequence[str]) -> None:
        """Remove some (`Snapshots.drop`)."""
        await trio.lowlevel.checkpoint()
        for name in names:
            self.by_name.pop(name, None)

    async def aclose(self) -> None:
        """Nothing to close."""
        await trio.lowlevel.checkpoint()


class MemoryWriter:
    """A snapshot that is being written."""

    def __init__(self, snapshots: MemorySnapshots) -> None:
        """Begin one."""
        self._snapshots = snapshots
        self._pieces: list[bytes] = []

    async def add(self, piece: bytes) -> None:
        """Keep a piece; a checkpoint first, as a disk would be one."""
        await trio.lowlevel.checkpoint()
        self._pieces.append(piece)

    async def finish(self, head: Snapshot) -> Kept:
        """Let it count."""
        await trio.lowlevel.checkpoint()
        written = MemorySnapshot(head, self._pieces, _hash(self._pieces))
        self._snapshots.by_name[name_of(head)] = written
        return _kept(name_of(head), written)


def _kept(name: str, each: MemorySnapshot) -> Kept:
    return Kept(name=name, stored_bytes=sum(map(len, each.pieces)), head=each.head)


def _hash(pieces: Sequence[bytes]) -> bytes:
    sha256 = hashlib.sha256()
    for piece in pieces:
        sha256.update(piece)
    return sha256.digest()
