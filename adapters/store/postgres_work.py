"""What a store does at the server, over the bridge in asyncio: three sessions, so that none waits for another.

The writer appends. The keeper has the advisory lock, which says at once when its process is gone, and renews the lease,
which says when it no longer does anything. The reader reads. Neither lock nor lease decides who may write: the epoch
does.
"""

from collections.abc import Sequence
from typing import Any, Final, NoReturn

import asyncpg
import msgspec

from adapters.store import postgres_sql as sql
from adapters.store.claims import Claim, Summary
from adapters.store.digests import digest_of, is_intact
from adapters.store.postgres_archive import segment_of
from adapters.store.postgres_link import CANNOT_CONNECT, Session, Terms, is_answer, is_taken, tell
from adapters.store.segments import PutAway
from engine.domain.errors import AppendUnknown, ConfigError, Fenced, JournalUnavailable, StoreCorrupt, StoreInUse
from engine.ports import Found, Frame

_SEARCHED_MAX: Final = 1024
"""Frames in one step of a search: each is a statement of its own, and can be given up."""
_LOCK_WAIT_MS: Final = 1000
"""How long a claim waits for the lock: the server needs a moment to see that a process has died."""
_FOUND_BYTES_MAX: Final = 4 << 20
"""Payload that one step of a search keeps, and the frame that goes beyond it."""


class Tenant(msgspec.Struct, frozen=True, kw_only=True):
    """Who has the store, and what the server knows of them."""

    epoch: int
    """0: nobody has ever claimed it."""
    owner: str
    silent_seconds: float | None
    """Since it was last heard of, by the server's clock; None: it has left."""
    connected: bool
    """Whether somebody else's session has the lock."""

    def is_gone(self, *, lease_seconds: float, grace_seconds: float) -> bool:
        """Judge whether a successor should claim.

        Args:
            lease_seconds: who was silent for longer is given up, connected or not.
            grace_seconds: who was silent for longer and is not connected has not just lost its connection.
        """
        if self.silent_seconds is None:
            return not self.connected
        return self.silent_seconds > (lease_seconds if self.connected else min(grace_seconds, lease_seconds))


class Work:
    """The sessions of one store."""

    def __init__(self, terms: Terms) -> None:
        """Connect when first asked to do something."""
        self.terms = terms
        self.writer = Session(terms, "writer")
        self.keeper = Session(terms, "keeper")
        self.reader = Session(terms, "reader")
        self._locked: Any = None
        """The keeper's connection that has the lock."""
        self._prepared: tuple[Any, Any] | None = None
        """The writer's connection, and its statement for an append."""

    async def append(self, frame: Frame, epoch: int) -> None:
        """Write one frame as the owner of this epoch (`engine.ports.Store.append`)."""
        place = self.terms.place
        statement = await self._append_statement()  # nothing is sent before that
        try:
            written = await statement.fetchval(frame.position, frame.written_at, digest_of(frame), frame.payload, epoch)
        except CANNOT_CONNECT as error:
            self.writer.drop_broken(error)
            if is_taken(error):
                raise AppendUnknown(f"{place}: frame {frame.position} is there already") from error
            if is_answer(error):
                raise self.writer.unavailable(error) from error
            raise AppendUnknown(f"{place}: frame {frame.position}: {tell(error)}") from error
        if written is None:
            raise await self._refusal(epoch, frame.position)

    async def claim(self, owner: str) -> Claim:
        """Raise the epoch, unless somebody lives who has it (`engine.ports.Store.claim`)."""
        await self.approach()
        connection = await self.keeper.ready()
        try:
            async with connection.transaction():
                await connection.execute(sql.LOCK_PARTITION)
                row = await connection.fetchrow(sql.CLAIM, owner)
        except CANNOT_CONNECT as error:
            self.keeper.drop_broken(error)
            raise self.keeper.unavailable(error) from error
        if row is None:
            _raise_no_partition(self.terms.place)
        return (await self.claims(1))[0]

    async def approach(self) -> None:
        """Take the lock, if it is free; claim nothing yet.

        Raises:
            StoreInUse: somebody else has it who was heard of within the lease.
            JournalUnavailable: no answer.
        """
        if not await self._has_lock():
            tenant = await self.tenant()
            if not tenant.is_gone(lease_seconds=self.terms.lease_seconds, grace_seconds=0):
                raise StoreInUse(_in_use(self.terms.place, tenant))

    async def reserve(self) -> None:
        """Keep daemons away for as long as this session lives, without claiming anything.

        Raises:
            StoreInUse: somebody else has the lock, however long they have not been heard of.
            JournalUnavailable: no answer.
        """
        if not await self._has_lock():
            raise StoreInUse(_in_use(self.terms.place, await self.tenant()))

    async def renew(self, epoch: int) -> None:
        """Be heard of, and have the lock if nobody else has it.

        Raises:
            Fenced: somebody else has claimed the store.
            JournalUnavailable: no answer; the lease runs on meanwhile.
        """
        connection = await self.keeper.ready()
        try:
            if await connection.fetchval(sql.RENEW, epoch) is None:
                raise await self._refusal(epoch, 0)
            if self._locked is not connection and await connection.fetchval(
                sql.TRY_LOCK, sql.lock_class(self.terms.schema)
            ):
                self._locked = connection
        except CANNOT_CONNECT as error:
            self.keeper.drop_broken(error)
            raise self.keeper.unavailable(error) from error

    async def tenant(self) -> Tenant:
        """Look who has the store."""
        rows = await self.reader.fetch(sql.TENANT, sql.lock_class(self.terms.schema))
        if not rows:
            _raise_no_partition(self.terms.place)
        tenant = msgspec.convert(dict(rows[0]), Tenant)
        # the lock that our own keeper has says nothing of others
        locked = self._locked is not None and not self._locked.is_closed()
        return msgspec.structs.replace(tenant, connected=tenant.connected and not locked)

    async def claims(self, limit: int) -> list[Claim]:
        """Read the newest claims, the newest first."""
        return [msgspec.convert(dict(row), Claim) for row in await self.reader.fetch(sql.CLAIMS, limit)]

    async def summary(self) -> Summary:
        """Look what is there."""
        (row,) = await self.reader.fetch(sql.SUMMARY)
        return msgspec.convert(dict(row), Summary)

    async def read(self, after: int, limit: int) -> tuple[Frame, ...]:
        """Read frames in order (`engine.ports.Store.read`)."""
        frames = [self._checked(row) for row in await self.reader.fetch(sql.READ, after, limit)]
        for expected, frame in enumerate(frames, after + 1):
            if frame.position != expected:
                await self._raise_put_away(expected)
                raise StoreCorrupt(f"{self.terms.place}: frame {expected} is missing, the next one is {frame.position}")
        return tuple(frames)

    async def search(self, after: int, until: int, needles: Sequence[bytes]) -> Found:
        """Look for frames (`engine.ports.Store.search`); the server compares the bytes."""
        through = min(until, after + _SEARCHED_MAX)
        rows = await self.reader.fetch(sql.build_search(len(needles)), after, through, _FOUND_BYTES_MAX, *needles)
        frames = tuple(self._checked(row) for row in rows)
        if sum(len(frame.payload) for frame in frames) >= _FOUND_BYTES_MAX:
            through = frames[-1].position
        # frames leave from the front: if the first one is there now, none of them was gone when they were looked at
        if not frames or frames[0].position > after + 1:
            await self._raise_put_away(after + 1)
        if not needles and len(frames) != through - after:
            raise StoreCorrupt(f"{self.terms.place}: of frames {after + 1} to {through} only {len(frames)} are there")
        return Found(frames=frames, through=through)

    async def load(self, frames: Sequence[Frame], epoch: int) -> None:
        """Write many frames at once, all or none: for a copy, which nobody waits for one by one.

        Raises:
            Fenced, JournalUnavailable, AppendUnknown: as `append`.
        """
        connection = await self.writer.ready()
        columns = (
            [frame.position for frame in frames],
            [frame.written_at for frame in frames],
            [digest_of(frame) for frame in frames],
            [frame.payload for frame in frames],
        )
        try:
            async with connection.transaction():
                if await connection.fetchval(sql.HOLD_OWN, epoch) is None:
                    raise await self._refusal(epoch, 0)
                await connection.execute(sql.LOAD, *columns)
        except CANNOT_CONNECT as error:
            self.writer.drop_broken(error)
            if is_answer(error) and not is_taken(error):
                raise self.writer.unavailable(error) from error
            raise AppendUnknown(f"{self.terms.place}: frame {frames[0].position}: {tell(error)}") from error

    async def close(self, epoch: int) -> None:
        """Leave: let go of the lease, if it is ours, and of the sessions. The caller has a deadline."""
        if epoch and self.keeper.is_open:
            try:
                connection = await self.keeper.ready()
                await connection.execute(sql.LEAVE, epoch, timeout=1)
            except (JournalUnavailable, *CANNOT_CONNECT):
                pass  # then the lease runs out
        for session in (self.writer, self.reader, self.keeper):
            await session.close()

    async def _append_statement(self) -> Any:  # noqa: ANN401 - asyncpg has no types
        try:
            connection = await self.writer.ready()
        except ConfigError as error:  # it was good when we started: somebody is at it
            raise JournalUnavailable(str(error)) from error
        if self._prepared is None or self._prepared[0] is not connection:
            try:
                statement = await connection.prepare(sql.APPEND)
            except CANNOT_CONNECT as error:
                self.writer.drop_broken(error)
                raise self.writer.unavailable(error) from error
            self._prepared = (connection, statement)
        return self._prepared[1]

    async def _has_lock(self) -> bool:
        """Take the lock, or have it already; wait a moment for a session whose process has just died."""
        connection = await self.keeper.ready()
        if self._locked is connection:
            return True
        try:
            async with connection.transaction():
                await connection.execute(f"SET LOCAL lock_timeout = {_LOCK_WAIT_MS}")
                await connection.execute(sql.WAIT_LOCK, sql.lock_class(self.terms.schema))
        except asyncpg.LockNotAvailableError:
            return False
        except CANNOT_CONNECT as error:
            self.keeper.drop_broken(error)
            raise self.keeper.unavailable(error) from error
        self._locked = connection  # the session's, not the transaction's
        return True

    async def _refusal(self, epoch: int, position: int) -> Fenced | StoreCorrupt:
        """Say why nothing was written."""
        newest = await self.claims(1)
        number, owner = (newest[0].epoch, newest[0].owner) if newest else (0, "")
        if epoch == 0 or number != epoch:
            return Fenced(self.terms.place, epoch=epoch, newest=number, owner=owner)
        return StoreCorrupt(
            f"{self.terms.place}: frame {position - 1} is missing: the server has lost what it had confirmed"
            " (was an older replica put in its place?)"
        )

    async def _raise_put_away(self, position: int) -> None:
        segment = await segment_of(self.reader, position)
        if segment is not None:
            raise PutAway(self.terms.place, segment)

    def _checked(self, row: Any) -> Frame:  # noqa: ANN401
        position, written_at, digest, payload = row
        frame = Frame(position=position, written_at=written_at, payload=payload)
        if not is_intact(frame, digest):
            raise StoreCorrupt(f"{self.terms.place}: frame {position} does not match its digest")
        return frame


def _in_use(place: str, tenant: Tenant) -> str:
    heard = "" if tenant.silent_seconds is None else f", heard of {tenant.silent_seconds:.1f} s ago"
    return f"{place} belongs to {tenant.owner or 'another session'}{heard}; one store, one daemon"


def _raise_no_partition(place: str) -> NoReturn:
    raise StoreCorrupt(f"{place}: the row of partition 0 is missing")
