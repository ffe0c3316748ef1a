"""Old frames moved out of the store into compressed segments, from where they are read as if they had stayed.

What is written is read back and compared with the store, then put on record there, then deleted there: whoever dies in
between leaves a frame in the store, in a segment, or in both, and the next run goes on.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Literal, Protocol

import msgspec
import structlog
import trio

from adapters.store.archive import ArchiveReader, ArchiveWriter, sync_folder
from adapters.store.postgres import open_store as open_postgres
from adapters.store.segments import Outline, Segment
from adapters.store.sqlite_archive import open_to_archive
from config.schema import Settings
from engine.domain.errors import JournalUnavailable, StoreCorrupt, StoreInUse
from ops.clock import SteadyClock
from ops.stores import terms_of
from ops.storetool import Progress, Source, Tiered, check_same

log = structlog.get_logger(__name__)

_SEGMENT_BYTES: Final = 64 << 20
"""Payload of a segment, and the frame that goes beyond: half a second to unpack, and a year of a large seller is some
hundred files."""
_RECENT: Final = timedelta(hours=1)
_RECENT_FRAMES: Final = 1000
"""The newest frames always stay, needed or not."""
_FRAMES_PER_READ: Final = 200
_FRAMES_PER_OUTLINE: Final = 5000


class Archivable(Tiered, Protocol):
    """A store that frames can be moved out of."""

    async def outline(self, after: int, limit: int) -> list[Outline]:
        """Say how old frames are and how large, in order, of those that are in the store itself."""
        ...

    async def record(self, segment: Segment) -> bool:
        """Put on record which file has frames; False: it does not begin behind the last one."""
        ...

    async def trim(self) -> int:
        """Delete some of the oldest frames that segments have; 0: there is nothing to do here."""
        ...


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """Which frames may go."""

    through: int
    """The last one; what a start may read lies behind it."""
    before: datetime | None = None
    """And only those written earlier; None: however young."""
    whole: bool = False
    """And only as many as make whole segments: for a run that comes again and again."""


class Archived(msgspec.Struct, frozen=True, kw_only=True):
    """What a run has done."""

    place: str
    made: tuple[Segment, ...]
    through: int
    """The last frame that was put away, by this run or an earlier one; 0: none was."""


class Piece(Segment, frozen=True, kw_only=True):
    """A segment on record, and whether its file is where it should be."""

    there: Literal["yes", "no", "another size"]


async def put_away_old(settings: Settings, *, through: int) -> Archived | None:
    """Put away what the settings want put away, in whole segments: for whoever has just made a snapshot.

    Args:
        settings: with `store.keep_days`; without it, nothing is done.
        through: the last frame that no start needs (`ops.snapshots.taking.frames_not_needed_through`).

    Raises:
        StoreInUse: another run is at it.
        StockError: it cannot be done; nothing is lost.
    """
    keep_days = settings.store.keep_days
    if keep_days is None:
        return None
    source = await open_archivable(settings)
    try:
        bounds = Bounds(through=through, before=moment_before(keep_days), whole=True)
        done = await put_away(source, settings.store.archive, await leave_recent(source, bounds))
    finally:
        await source.aclose()
    if done.made:
        log.info("frames.put_away", through=done.through, segments=len(done.made))
    return done


async def list_segments(settings: Settings) -> list[Piece]:
    """Read the records of all segments, in order, and look whether their files are there.

    Raises:
        StockError: the store cannot be read.
    """
    source = await open_archivable(settings)
    try:
        segments = await source.segments()
    finally:
        await source.aclose()
    return [await trio.to_thread.run_sync(_look, settings.store.archive, segment) for segment in segments]


def _look(folder: Path, segment: Segment) -> Piece:
    path = folder / segment.file
    there: Literal["yes", "no", "another size"] = "no"
    if path.is_file():
        there = "yes" if path.stat().st_size == segment.file_bytes else "another size"
    return Piece(**(msgspec.structs.asdict(segment) | {"file": str(path), "there": there}))


async def open_archivable(settings: Settings) -> Archivable:
    """Open the configured store beside its daemon.

    Raises:
        StockError: it cannot be read.
    """
    if settings.store.kind == "sqlite":
        await trio.lowlevel.checkpoint()
        return open_to_archive(settings.store.path, settings.store.archive)
    return await open_postgres(terms_of(settings), archive=settings.store.archive)


async def leave_recent(source: Source, bounds: Bounds) -> Bounds:
    """Keep what a start looks back at beside its snapshot (`ops.recovery.recall`), wherever segments are by then."""
    found = await source.summary()
    if found.last_at is None:
        return bounds
    settled = found.last_at - _RECENT
    before = settled if bounds.before is None else min(bounds.before, settled)
    return msgspec.structs.replace(bounds, through=min(bounds.through, found.frames - _RECENT_FRAMES), before=before)


def moment_before(days: float) -> datetime:
    """Return the instant that was so many days ago."""
    return SteadyClock().now() - timedelta(days=days)


def _silent(_what: str, _frames: int) -> None:
    pass


async def put_away(source: Archivable, folder: Path, bounds: Bounds, progress: Progress = _silent) -> Archived:
    """Move frames into segments, one after the other, and delete what segments have.

    Raises:
        StoreInUse: another run is at it.
        StoreCorrupt: a frame is damaged, or a file is there that is not what was to be written.
        ConfigError: the role at the server may not.
        JournalUnavailable: no room, no right, no answer.
    """
    with _alone(folder):
        segments = await source.segments()
        after = segments[-1].last if segments else 0
        bounds = msgspec.structs.replace(bounds, through=min(bounds.through, (await source.summary()).frames - 1))
        made: list[Segment] = []
        while (last := await _plan(source, after, bounds)) is not None:
            segment = await _make(source, folder, after, last, progress)
            if not await source.record(segment):
                raise StoreInUse(f"{source.place}: frames {after + 1} to {last} were put away by another run meanwhile")
            made.append(segment)
            after = last
        trimmed = 0
        while count := await source.trim():
            trimmed += count
            progress("deleted", trimmed)
    return Archived(place=source.place, made=tuple(made), through=after)


async def _plan(source: Archivable, after: int, bounds: Bounds) -> int | None:
    """Find the last frame of the next segment; None: there is to be none."""
    last, size = after, 0
    while outlines := await source.outline(last, _FRAMES_PER_OUTLINE):
        for frame in outlines:
            if frame.position > bounds.through or (bounds.before is not None and frame.written_at >= bounds.before):
                return None if bounds.whole or last == after else last
            if frame.position != last + 1:
                raise StoreCorrupt(f"{source.place}: frame {last + 1} is missing, the next one is {frame.position}")
            last, size = frame.position, size + frame.payload_bytes
            if size >= _SEGMENT_BYTES:
                return last
    return None


async def _make(source: Source, folder: Path, after: int, last: int, progress: Progress) -> Segment:
    """Write a segment, or take one that an earlier run had written and not put on record; it is what the store has."""
    path = folder / f"journal-{after + 1:012d}-{last:012d}.gz"
    if path.exists():
        await trio.to_thread.run_sync(sync_folder, folder)
    else:
        with ArchiveWriter(path, after=after) as writer:
            while writer.position < last:
                frames = await source.read(writer.position, min(_FRAMES_PER_READ, last - writer.position))
                if not frames:
                    raise StoreCorrupt(f"{source.place}: frames {writer.position + 1} to {last} are not there any more")
                await trio.to_thread.run_sync(writer.add, frames)
                progress("written", writer.position)
            await trio.to_thread.run_sync(writer.finish)
    return Segment(
        first=after + 1,
        last=last,
        file=path.name,
        file_bytes=path.stat().st_size,
        sha256=await _compare(source, path, after, last, progress),
        put_away_at=SteadyClock().now(),
    )


async def _compare(source: Source, path: Path, after: int, last: int, progress: Progress) -> str:
    """See that a file is whole and has these frames as the store has them, and no others; return its SHA-256."""
    reader = ArchiveReader(path)
    try:
        while after < last:
            limit = min(_FRAMES_PER_READ, last - after)
            check_same(await source.read(after, limit), await reader.read(after, limit), source.place, reader.place)
            after += limit
            progress("compared", after)
        return await trio.to_thread.run_sync(reader.finish)
    finally:
        await reader.aclose()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Be the only run at this folder, and clear away what one that died had begun."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(folder / "archive.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise JournalUnavailable(f"{folder}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoreInUse(f"{folder}: another run is putting frames away") from error
        for part in folder.glob("journal-*.gz.part"):
            part.unlink()
        yield
    finally:
        os.close(lock)
