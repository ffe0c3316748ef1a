"""Snapshots at the PostgreSQL server of the journal, so that a standby on another machine starts from them.

Over a bridge and sessions of their own: they come and go beside the store, and after it is closed.
"""

import hashlib
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, ParamSpec, TypeVar

import msgspec
import trio

from adapters.store import snapshots_sql as sql
from adapters.store.bridge import Bridge, BridgeClosed, CutShort
from adapters.store.postgres_link import CANNOT_CONNECT, Session, Terms
from adapters.store.postgres_sql import lock_class
from adapters.store.snapshots import Kept, Snapshot, newest_first
from engine.domain.errors import JournalUnavailable, StoreCorrupt, StoreInUse

P = ParamSpec("P")
T = TypeVar("T")

_PIECES_PER_READ: Final = 16
_CLOSE_SECONDS: Final = 3.0


class PostgresSnapshots:
    """The snapshots in one schema of one database."""

    def __init__(self, terms: Terms) -> None:
        """Connect when first asked to do something."""
        self.place = terms.place
        self._bridge = Bridge("snapshots")
        self._work = _Work(terms)

    async def kept(self) -> tuple[Kept, ...]:
        """Look what there is (`Snapshots.kept`)."""
        return await self._call(self._work.kept)

    @asynccontextmanager
    async def writer(self) -> AsyncIterator["PostgresWriter"]:
        """Write one (`Snapshots.writer`); what somebody who was killed has left behind is removed."""
        number = await self._call(self._work.begin)
        try:
            yield PostgresWriter(self._work, number, self._call)
        finally:
            with trio.move_on_after(_CLOSE_SECONDS, shield=True):
                await self._call(self._work.end)

    async def read(self, kept: Kept) -> tuple[bytes, ...]:
        """Read all pieces of one (`Snapshots.read`)."""
        return await self._call(self._work.read, int(kept.name))

    async def drop(self, names: Sequence[str]) -> None:
        """Remove some (`Snapshots.drop`)."""
        await self._call(self._work.drop, [int(name) for name in names])

    async def aclose(self) -> None:
        """Let go of the sessions, within a few seconds; idempotent."""
        with trio.move_on_after(_CLOSE_SECONDS, shield=True):
            try:
                await self._bridge.call(self._work.close)
            except BridgeClosed:
                await trio.lowlevel.checkpoint()
        self._bridge.close()

    async def _call(self, work: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await self._bridge.call(work, *args, **kwargs)
        except (BridgeClosed, CutShort) as error:
            raise JournalUnavailable(f"{self.place}: snapshots are closed") from error


class PostgresWriter:
    """A snapshot that is being written: a row without a head, and the pieces that have come so far."""

    def __init__(self, work: "_Work", number: int, call: Callable[..., Coroutine[Any, Any, Any]]) -> None:
        """Begin one."""
        self._work = work
        self._number = number
        self._call = call
        self._sha256 = hashlib.sha256()
        self._pieces = 0

    async def add(self, piece: bytes) -> None:
        """Write a piece (`SnapshotWriter.add`)."""
        self._sha256.update(piece)
        await self._call(self._work.add, self._number, self._pieces, piece)
        self._pieces += 1

    async def finish(self, head: Snapshot) -> Kept:
        """Let it count (`SnapshotWriter.finish`)."""
        encoded = msgspec.json.encode(head)
        self._sha256.update(encoded)
        digest = self._sha256.digest()
        kept: Kept = await self._call(self._work.finish, self._number, encoded.decode(), self._pieces, digest)
        return kept


class _Work:
    """What is done at the server, over the bridge in asyncio. The writer's session has the lock while it writes."""

    def __init__(self, terms: Terms) -> None:
        self._place = terms.place
        self._lock = lock_class(terms.schema)
        self._reader = Session(terms, "snapshots")
        self._writer = Session(terms, "snapshot")
        self._locked: Any = None
        """The writer's connection while it has the lock: what is begun there is not gone on with by another one."""

    async def kept(self) -> tuple[Kept, ...]:
        return newest_first(self._kept(*row) for row in await self._reader.fetch(sql.KEPT))

    async def begin(self) -> int:
        connection = await self._writer.ready()
        if not await self._write(connection, "fetchval", sql.TRY_LOCK, self._lock):
            raise StoreInUse(f"{self._place}: another snapshot is being written")
        self._locked = connection
        await self._write(connection, "execute", sql.DROP_UNFINISHED)
        return int(await self._write(connection, "fetchval", sql.BEGIN))

    async def add(self, number: int, index: int, piece: bytes) -> None:
        await self._write(self._locked, "execute", sql.ADD, number, index, piece)

    async def finish(self, number: int, head: str, pieces: int, digest: bytes) -> Kept:
        await self._checked(number, head, pieces, digest)
        if await self._write(self._locked, "fetchval", sql.FINISH, number, head, pieces, digest) is None:
            raise StoreCorrupt(f"{self._place}: snapshot {number} was removed while it was being written")
        return next(each for each in await self.kept() if each.name == str(number))

    async def end(self) -> None:
        """Give the lock back and remove what was not finished; a session that is lost has done the first."""
        connection, self._locked = self._locked, None
        if connection is not None and not connection.is_closed():
            await self._write(connection, "execute", sql.DROP_UNFINISHED)
            await self._write(connection, "fetchval", sql.UNLOCK, self._lock)

    async def read(self, number: int) -> tuple[bytes, ...]:
        rows = await self._reader.fetch(sql.SEAL, number)
        if not rows:
            raise StoreCorrupt(f"{self._place}: snapshot {number} is gone")
        return await self._checked(number, *rows[0])

    async def drop(self, numbers: list[int]) -> None:
        await self._write(await self._writer.ready(), "execute", sql.DROP, numbers)

    async def close(self) -> None:
        for session in (self._reader, self._writer):
            await session.close()

    async def _checked(self, number: int, head: str, count: int, digest: bytes) -> tuple[bytes, ...]:
        pieces: list[bytes] = []
        sha256 = hashlib.sha256()
        for first in range(0, count, _PIECES_PER_READ):
            for (payload,) in await self._reader.fetch(sql.READ, number, first, first + _PIECES_PER_READ):
                sha256.update(payload)
                pieces.append(payload)
        sha256.update(head.encode())
        if len(pieces) != count or sha256.digest() != digest:
            raise StoreCorrupt(f"{self._place}: snapshot {number} does not match its SHA-256")
        return tuple(pieces)

    async def _write(self, connection: Any, method: str, statement: str, *values: object) -> Any:  # noqa: ANN401
        try:
            return await getattr(connection, method)(statement, *values)
        except CANNOT_CONNECT as error:
            self._writer.drop_broken(error)
            raise self._writer.unavailable(error) from error

    def _kept(self, number: int, head: str, stored_bytes: int) -> Kept:
        try:
            decoded = msgspec.json.decode(head, type=Snapshot)
        except msgspec.MsgspecError as error:
            problem = f"{self._place}: the head of snapshot {number} cannot be read: {error}"
            return Kept(name=str(number), stored_bytes=stored_bytes, head=None, problem=problem)
        return Kept(name=str(number), stored_bytes=stored_bytes, head=decoded)
