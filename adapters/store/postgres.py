"""The store at a PostgreSQL server: one row per group commit, durable when the server says so.

What happens at the server is in `postgres_work`; this is its face in trio. One append is under way at a time, and the
journal gathers the next frame meanwhile: a second one in flight would have to know that the first one landed.
"""

import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar

import structlog
import trio

from adapters.store import postgres_archive as archived
from adapters.store.bridge import Bridge, BridgeClosed, CutShort
from adapters.store.claims import Claim, Summary
from adapters.store.postgres_link import Look, Terms
from adapters.store.postgres_schema import Migrated, check, may_change_frames
from adapters.store.postgres_schema import migrate as migrate_there
from adapters.store.postgres_work import Tenant, Work
from adapters.store.segments import Outline, Segment, Segments
from engine.domain.errors import AppendUnknown, JournalUnavailable
from engine.ports import Found, Frame

log = structlog.get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

_SYNCS: Final = 15
"""Commits whose middle one is the pace of the server."""
_CLOSE_SECONDS: Final = 3.0
_RENEWALS: Final = 3
"""Within one lease: two may fail, and the owner is still heard of in time."""
_GRACE_SECONDS: Final = 3.0
"""An owner whose connection is gone may be about to connect again: a server that restarts drops all of them."""


class PostgresStore:
    """One schema of one database. Use `open_store`."""

    def __init__(self, terms: Terms, bridge: Bridge, work: Work, segments: Segments) -> None:
        """Take a bridge over; `aclose` ends it."""
        self.place = terms.place
        self._terms = terms
        self._bridge = bridge
        self._work = work
        self._segments = segments
        self._epoch = 0
        self._last = 0
        self._doubt: AppendUnknown | None = None
        self._syncs: deque[float] = deque(maxlen=_SYNCS)

    @property
    def sync_seconds(self) -> float:
        """Duration of the middle one of the last commits."""
        return sorted(self._syncs)[len(self._syncs) // 2] if self._syncs else 0.0

    @property
    def look(self) -> Look | None:
        """What the server says of itself."""
        return self._work.reader.look

    async def claim(self, owner: str) -> int:
        """Become the owner (`engine.ports.Store.claim`): if its lock is free, or its lease has run out."""
        made = await self._commit(self._work.claim, owner)
        self._last, self._epoch = made.after_position, made.epoch
        return made.epoch

    async def claims(self, limit: int) -> list[Claim]:
        """Read the newest claims, the newest first."""
        return await self._call(self._work.claims, limit)

    async def approach(self) -> None:
        """Take the lock, if it is free, and claim nothing yet; refuse where somebody lives (`Work.approach`)."""
        await self._commit(self._work.approach)

    async def reserve(self) -> None:
        """Keep daemons away until this is closed (`Work.reserve`)."""
        await self._commit(self._work.reserve)

    async def keep(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Renew the lease until cancelled; the owner needs it running.

        Raises:
            Fenced: somebody else has claimed the store.
        """
        task_status.started()
        silent = False
        while True:
            try:
                await self._call(self._work.renew, self._epoch)
            except JournalUnavailable as error:
                if not silent:
                    log.warning("lease.unheard", reason=str(error), lease_seconds=self._terms.lease_seconds)
                silent = True
            else:
                if silent:
                    log.info("lease.renewed")
                silent = False
            await trio.sleep(self._terms.lease_seconds / _RENEWALS)

    async def tenant(self) -> Tenant:
        """Look who has the store."""
        return await self._call(self._work.tenant)

    def is_vacant(self, tenant: Tenant) -> bool:
        """Whether that owner has left, died, or not been heard of for the length of its lease.

        A reason to claim, not a right to write: that comes from the claim.
        """
        return tenant.is_gone(lease_seconds=self._terms.lease_seconds, grace_seconds=_GRACE_SECONDS)

    async def append(self, frame: Frame) -> None:
        """Write one frame (`engine.ports.Store.append`). A cancellation waits until it is known what became of it."""
        if self._doubt is not None:
            raise self._doubt
        if frame.position != self._last + 1 and self._epoch:
            raise AppendUnknown(
                f"{self.place}: frame {frame.position} after frame {self._last}: another writer is at work"
            )
        started = time.perf_counter()
        try:
            await self._commit(self._work.append, frame, self._epoch)
        except AppendUnknown as unknown:
            self._doubt = unknown
            raise
        self._last = frame.position
        self._syncs.append(time.perf_counter() - started)

    def append_nowait(self, frame: Frame) -> bool:  # noqa: ARG002
        """Never at once: it is a way to a server and back."""
        return False

    async def load(self, frames: Sequence[Frame]) -> None:
        """Write frames of another store in one transaction; the last one becomes ours."""
        await self._commit(self._work.load, frames, self._epoch)
        self._last = frames[-1].position

    async def read(self, after: int, limit: int) -> tuple[Frame, ...]:
        """Read frames in order (`engine.ports.Store.read`)."""
        return await self._segments.read(self._read, after, limit)

    async def search(self, after: int, until: int, needles: Sequence[bytes]) -> Found:
        """Look for frames (`engine.ports.Store.search`)."""
        return await self._segments.search(self._search, after, until, needles)

    async def segments(self) -> list[Segment]:
        """Read the records of all segments, in order."""
        return await self._call(archived.segments, self._work.reader)

    async def outline(self, after: int, limit: int) -> list[Outline]:
        """Say how old frames are and how large, of those that are in the store itself."""
        return await self._call(archived.outline, self._work.reader, after, limit)

    async def record(self, segment: Segment) -> bool:
        """Put on record which file has frames; from then on they may go (`postgres_archive.record`)."""
        return await self._commit(archived.record, self._work.writer, self._terms, segment)

    async def trim(self) -> int:
        """Delete some of the oldest frames that segments have; 0: there are no more (`postgres_archive.trim`)."""
        return await self._commit(archived.trim, self._work.writer, self._terms)

    async def summary(self) -> Summary:
        """Look what is there."""
        return await self._call(self._work.summary)

    async def may_change_frames(self) -> bool:
        """Whether our role could change what is written: a daemon needs no such right."""
        return await self._call(may_change_frames, self._work.reader)

    async def aclose(self) -> None:
        """Let go of the lease and of the sessions, within a few seconds; idempotent."""
        self._segments.close()
        with trio.move_on_after(_CLOSE_SECONDS, shield=True):
            try:
                await self._bridge.call(self._work.close, self._epoch)
            except BridgeClosed:
                await trio.lowlevel.checkpoint()
        self._bridge.close()

    async def _read(self, after: int, limit: int) -> tuple[Frame, ...]:
        return await self._call(self._work.read, after, limit)

    async def _search(self, after: int, until: int, needles: Sequence[bytes]) -> Found:
        return await self._call(self._work.search, after, until, needles)

    async def _call(self, work: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await self._bridge.call(work, *args, **kwargs)
        except (BridgeClosed, CutShort) as error:
            raise JournalUnavailable(f"{self.place}: the store is closed") from error

    async def _commit(self, work: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await self._bridge.commit(work, *args, **kwargs)
        except BridgeClosed as error:
            raise JournalUnavailable(f"{self.place}: the store is closed") from error
        except CutShort as error:
            raise AppendUnknown(f"{self.place}: the store was closed meanwhile") from error


async def open_store(terms: Terms, *, archive: Path | None = None) -> PostgresStore:
    """Come in and see that all is as it must be; nothing is claimed yet.

    Args:
        terms: where to.
        archive: the folder of segments, for frames that were put away.

    Raises:
        ConfigError: this server, schema or role will not do until somebody changes something.
        StoreCorrupt: tables of another program, or of a newer version of this one.
        JournalUnavailable: the server does not answer, or can only be read.
    """
    bridge = Bridge("postgres")
    work = Work(terms)
    store = PostgresStore(terms, bridge, work, Segments(archive))
    try:
        await bridge.call(check, work.reader, terms)
    except BaseException:
        await store.aclose()
        raise
    return store


async def migrate(
    terms: Terms,
    *,
    program: str,
    roles: Sequence[str] = (),
    archivers: Sequence[str] = (),
    readers: Sequence[str] = (),
) -> Migrated:
    """Create the schema or bring it to this version (`postgres_schema.migrate`)."""
    bridge = Bridge("postgres")
    try:
        return await bridge.commit(migrate_there, terms, program, roles, archivers, readers)
    finally:
        bridge.close()
