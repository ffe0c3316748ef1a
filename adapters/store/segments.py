"""Frames that were put away: which file has them, and how they are read as if they had stayed.

A store keeps a record of every segment that was made of its oldest frames. It reads what it still has itself; what it
lacks and has a record of is read from the segment's file.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import msgspec
import trio

from adapters.store.archive import ArchiveReader
from engine.domain.errors import JournalCut, StoreCorrupt
from engine.ports import Found, Frame

T = TypeVar("T")

_CURSORS_MAX: Final = 4
"""Places in segments that are kept open: whoever reads on does so where the last step ended, and unpacks nothing twice.
A few readers at once have one each."""
_SEARCHED_MAX: Final = 1024
"""Frames in one step of a search."""
_FOUND_BYTES_MAX: Final = 4 << 20
"""Payload that one step of a search keeps, and the frame that goes beyond it."""

ReadOwn = Callable[[int, int], Awaitable[tuple[Frame, ...]]]
SearchOwn = Callable[[int, int, Sequence[bytes]], Awaitable[Found]]


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """The record of one file of frames that were put away."""

    first: int
    last: int
    file: str
    """Its name in the folder of segments."""
    file_bytes: int
    sha256: str
    """Over its frames, as the file itself has it at its end."""
    put_away_at: datetime


class Outline(NamedTuple):
    """What can be said of a frame without its content."""

    position: int
    written_at: datetime
    payload_bytes: int


class PutAway(JournalCut):
    """A store lacks a frame that it has a record of."""

    def __init__(self, store: str, segment: Segment) -> None:
        """Name the file; where it should be, the store itself does not know."""
        super().__init__(store, first=segment.first, last=segment.last, file=segment.file)
        self.store = store
        self.segment = segment


class Segments:
    """Reads a store and the segments in front of it as one journal."""

    def __init__(self, folder: Path | None) -> None:
        """Look for files there; None: there are none, and what was put away cannot be read."""
        self.folder = folder
        self._cursors: list[_Cursor] = []
        """The one that was used last is the last one. Whoever reads with one has taken it out."""
        self._closed = False

    async def read(self, own: ReadOwn, after: int, limit: int) -> tuple[Frame, ...]:
        """Read frames in order (`engine.ports.Store.read`), as if there were no seam.

        Args:
            own: reads what the store itself has.
            after: the position to begin behind.
            limit: most frames.

        Raises:
            JournalCut: the file that has them is not there.
            StoreCorrupt: it is damaged, or another one.
        """
        put_away: tuple[Frame, ...] = ()
        while len(put_away) < limit:
            cursor = self._take(after)
            if cursor is None:
                try:
                    return put_away + await own(after, limit - len(put_away))
                except PutAway as cut:
                    cursor = await self._open(cut)
            put_away += await self._use(cursor, partial(cursor.read, after, limit - len(put_away)))
            after = put_away[-1].position
        return put_away

    async def search(self, own: SearchOwn, after: int, until: int, needles: Sequence[bytes]) -> Found:
        """Look for frames (`engine.ports.Store.search`); other arguments and errors as `read`."""
        cursor = self._take(after)
        if cursor is None:
            try:
                return await own(after, until, needles)
            except PutAway as cut:
                cursor = await self._open(cut)
        return await self._use(cursor, partial(cursor.search, after, until, needles))

    def close(self) -> None:
        """Close all files, those in use when they are not any more; idempotent."""
        self._closed = True
        for cursor in self._cursors:
            cursor.close()
        self._cursors.clear()

    def _take(self, after: int) -> "_Cursor | None":
        """Take the place out from which the next frame is nearest."""
        fit = [cursor for cursor in self._cursors if cursor.position <= after < cursor.segment.last]
        if not fit:
            return None
        cursor = max(fit, key=lambda each: each.position)
        self._cursors.remove(cursor)
        return cursor

    async def _open(self, cut: PutAway) -> "_Cursor":
        return await trio.to_thread.run_sync(_open, self.folder, cut)

    async def _use(self, cursor: "_Cursor", work: Callable[[], T]) -> T:
        """Work in a thread; keep the place unless the file is done with, or did not do."""
        try:
            done = await trio.to_thread.run_sync(work)
        except BaseException:
            cursor.close()
            raise
        if cursor.position == cursor.segment.last or self._closed:
            cursor.close()
        else:
            self._cursors.append(cursor)
        while len(self._cursors) > _CURSORS_MAX:
            self._cursors.pop(0).close()
        return done


class _Cursor:
    """A place in one segment, which only moves on."""

    def __init__(self, segment: Segment, reader: ArchiveReader) -> None:
        self.segment = segment
        self.position = segment.first - 1
        """Of the last frame that was read."""
        self._reader = reader

    def read(self, after: int, limit: int) -> tuple[Frame, ...]:
        frames = self._reader.read_now(after, min(limit, self.segment.last - after))
        if not frames:
            raise self._too_short()
        self._moved(frames[-1].position)
        return frames

    def search(self, after: int, until: int, needles: Sequence[bytes]) -> Found:
        until = min(until, self.segment.last, after + _SEARCHED_MAX)
        found = self._reader.search_now(after, until, needles, bytes_max=_FOUND_BYTES_MAX)
        if found.through == after:
            raise self._too_short()
        self._moved(found.through)
        return found

    def close(self) -> None:
        self._reader.close()

    def _too_short(self) -> StoreCorrupt:
        return StoreCorrupt(f"{self._reader.place} ends before frame {self.segment.last}, its last one")

    def _moved(self, position: int) -> None:
        self.position = position
        if position == self.segment.last:  # then all of it was read, and it must be the one that was written
            sha256 = self._reader.finish()
            if sha256 != self.segment.sha256:
                raise StoreCorrupt(
                    f"{self._reader.place} is whole and not the segment on record: its SHA-256 is {sha256}"
                )


def _open(folder: Path | None, cut: PutAway) -> _Cursor:
    segment = cut.segment
    if folder is None:
        raise cut
    path = folder / segment.file
    if not path.is_file():
        raise JournalCut(cut.store, first=segment.first, last=segment.last, file=str(path)) from cut
    found_bytes = path.stat().st_size
    if found_bytes != segment.file_bytes:
        raise StoreCorrupt(
            f"{path} has {found_bytes} bytes, the segment of frames {segment.first} to {segment.last} of {cut.store}"
            f" has {segment.file_bytes}: damaged, or another file"
        )
    return _Cursor(segment, ArchiveReader(path))
