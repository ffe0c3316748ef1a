"""Frames in one compressed file: a backup, or a part of a journal that was put away.

A gzip stream, so that any machine can open it: a line that says what it is, a record per frame, and an end that counts
them and carries a SHA-256 over all before it. A file without its end was cut short. A file that is being written has
another name until it is whole and durable.
"""

import contextlib
import gzip
import hashlib
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, NamedTuple, Self

import trio

from adapters.store.claims import Claim, Summary
from adapters.store.digests import digest_of, is_intact
from engine.domain.errors import JournalUnavailable, StoreCorrupt
from engine.domain.units import EPOCH
from engine.ports import Found, Frame

_MAGIC: Final = b"lastunit journal archive 1\n"
_RECORD: Final = struct.Struct(">qqqq")
"""Position, microseconds since the epoch, digest, bytes of payload. In the end: 0, frames, position before the first,
bytes of the hash that follows."""
_PAYLOAD_BYTES_MAX: Final = 1 << 30
_LEVEL: Final = 6
_UNPACKED_BYTES: Final = 1 << 18
"""At once, at most: small frames are cut out of it, which costs a tenth of asking for each."""
_MICROSECOND: Final = timedelta(microseconds=1)


class ArchiveWriter:
    """Writes frames behind one another. A context: left with an exception, nothing is left behind."""

    def __init__(self, path: Path, *, after: int) -> None:
        """Begin a file that starts behind a position.

        Raises:
            JournalUnavailable: there is such a file, or it cannot be made.
        """
        self.path = path
        self.position = after
        self._after = after
        self._part = path.with_name(path.name + ".part")
        if path.exists():
            raise JournalUnavailable(f"{path} is there already: an archive is never written over")
        try:
            self._file: BinaryIO = os.fdopen(os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")
        except OSError as error:
            raise JournalUnavailable(f"{self._part}: {error.strerror}") from error
        # no name and no time in the header: the same frames are the same bytes
        self._zipped = gzip.GzipFile(filename="", mode="wb", compresslevel=_LEVEL, fileobj=self._file, mtime=0)
        self._sha256 = hashlib.sha256()
        self._write(_MAGIC)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        if kind is not None:
            for each in (self._zipped, self._file):  # in this order: the stream writes to the file until it is closed
                with contextlib.suppress(OSError):  # no room for what is thrown away
                    each.close()
            self._part.unlink(missing_ok=True)

    def add(self, frames: Sequence[Frame]) -> None:
        """Write frames that follow what is there.

        Raises:
            StoreCorrupt: one is missing before them.
            JournalUnavailable: no room.
        """
        for frame in frames:
            if frame.position != self.position + 1:
                raise StoreCorrupt(f"{self.path}: frame {frame.position} after frame {self.position}")
            instant = (frame.written_at - EPOCH) // _MICROSECOND
            self._write(_RECORD.pack(frame.position, instant, digest_of(frame), len(frame.payload)) + frame.payload)
            self.position = frame.position

    def finish(self) -> None:
        """Make it whole and durable under its name.

        Raises:
            JournalUnavailable: no room.
        """
        digest = self._sha256.digest()
        self._write(_RECORD.pack(0, self.position - self._after, self._after, len(digest)) + digest)
        try:
            self._zipped.close()
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._part.rename(self.path)
            sync_folder(self.path.parent)
        except OSError as error:
            raise JournalUnavailable(f"{self.path}: {error.strerror}") from error

    def _write(self, data: bytes) -> None:
        self._sha256.update(data)
        try:
            self._zipped.write(data)
        except OSError as error:
            raise JournalUnavailable(f"{self._part}: {error.strerror}") from error


class _Record(NamedTuple):
    """A frame as it stands in a file, not looked at yet."""

    position: int
    instant: int
    digest: int
    payload: bytes


class _Unpacked:
    """What a file says, from the front on."""

    def __init__(self, zipped: gzip.GzipFile, path: Path) -> None:
        self._zipped = zipped
        self._path = path
        self._sha256 = hashlib.sha256()
        self._held = b""
        self._taken = 0
        """Of what is held. What was held before is in the hash."""

    def take(self, size: int, last: int | None) -> bytes:
        """Return the next bytes; `last` is the frame before them, for messages."""
        end = self._taken + size
        if end > len(self._held):
            self._fill(size, last)
            end = size
        data = self._held[self._taken : end]
        self._taken = end
        if len(data) < size:
            raise StoreCorrupt(f"{self._path}: cut short {_where(last)}")
        return data

    def sha256_before(self, size: int) -> bytes:
        """Return the hash of all that was taken but for so many bytes, which were taken at once; for the last time."""
        self._sha256.update(self._held[: self._taken - size])
        return self._sha256.digest()

    def is_at_end(self, last: int | None) -> bool:
        """Whether nothing follows."""
        return self._taken == len(self._held) and not self._unpack(last)

    def _fill(self, size: int, last: int | None) -> None:
        """Hold at least so many bytes that were not taken, if there are so many."""
        self._sha256.update(self._held[: self._taken])
        parts, held = [self._held[self._taken :]], len(self._held) - self._taken
        while held < size and (part := self._unpack(last)):
            parts.append(part)
            held += len(part)
        self._held, self._taken = b"".join(parts), 0

    def _unpack(self, last: int | None) -> bytes:
        try:
            return self._zipped.read1(_UNPACKED_BYTES)  # what is good in front of a damage is still told
        except (OSError, EOFError, zlib.error) as error:
            raise StoreCorrupt(f"{self._path}: damaged or cut short {_where(last)}: {error}") from error


class ArchiveReader:
    """Reads one file, from the front. That it is whole is known when all of it was read."""

    def __init__(self, path: Path) -> None:
        """Open it.

        Raises:
            JournalUnavailable: not there, or no right to read it.
            StoreCorrupt: not an archive.
        """
        self.place = str(path)
        self._path = path
        try:
            self._zipped = gzip.open(path)  # noqa: SIM115 - closed by `aclose`
        except OSError as error:
            raise JournalUnavailable(f"{path}: {error.strerror}") from error
        self._records = self._walk()
        self._position = 0
        """Of the last frame taken from the file."""
        self._sha256 = b""
        """Over all of it, once its end was reached and found right."""

    async def read(self, after: int, limit: int) -> tuple[Frame, ...]:
        """Read frames in order (`engine.ports.Store.read`); asked for earlier ones again, it begins anew.

        Raises:
            StoreCorrupt: damaged, cut short, or a frame is missing; the part read before was good.
        """
        return await trio.to_thread.run_sync(self.read_now, after, limit)

    async def claims(self, limit: int) -> list[Claim]:  # noqa: ARG002
        """An archive has no owners."""
        await trio.lowlevel.checkpoint()
        return []

    async def summary(self) -> Summary:
        """Look what is there, which means to read all of it.

        Raises:
            StoreCorrupt: as `read`.
        """
        before = await trio.to_thread.run_sync(self.begins_behind)
        position, last_at = before, None
        while batch := await self.read(position, 1000):
            position, last_at = batch[-1].position, batch[-1].written_at
        size = self._path.stat().st_size
        first = before + 1 if position > before else 0
        return Summary(frames=position, last_at=last_at, stored_bytes=size, schema_version=1, first=first)

    async def aclose(self) -> None:
        """Close; idempotent."""
        await trio.lowlevel.checkpoint()
        self.close()

    def close(self) -> None:
        """Close without a loop."""
        self._zipped.close()

    def begins_behind(self) -> int:
        """Return the position that its first frame follows; 0: it has all from the start, or none.

        Raises:
            StoreCorrupt: as `read`.
        """
        self._rewind()
        record = next(self._records, None)
        self._rewind()
        return 0 if record is None else record.position - 1

    def finish(self) -> str:
        """See that nothing but the end is left behind what was read; return the SHA-256 of the whole, which fits.

        Raises:
            StoreCorrupt: damaged, cut short, or more frames.
        """
        if (record := next(self._records, None)) is not None:
            raise StoreCorrupt(f"{self._path}: frame {record.position} follows the last one that it should have")
        return self._sha256.hex()

    def read_now(self, after: int, limit: int) -> tuple[Frame, ...]:
        """As `read`, in this thread."""
        frames: list[Frame] = []
        while len(frames) < limit and (record := self._next(after)) is not None:
            after = record.position
            frames.append(self._checked(record))
        return tuple(frames)

    def search_now(self, after: int, until: int, needles: Sequence[bytes], *, bytes_max: int) -> Found:
        """Look for frames that have any of some byte strings (`engine.ports.Store.search`), in this thread.

        Args:
            after: the position to begin behind.
            until: the last position to look at.
            needles: what to look for; none: every frame is meant.
            bytes_max: of payload kept, and the frame that goes beyond.

        Raises:
            StoreCorrupt: as `read`; of what it passes over only what `finish` finds.
        """
        kept: list[Frame] = []
        kept_bytes = 0
        while after < until and kept_bytes < bytes_max and (record := self._next(after)) is not None:
            after, payload = record.position, record.payload
            if not needles or any([needle in payload for needle in needles]):  # noqa: C419 - a list takes half the time
                kept.append(self._checked(record))
                kept_bytes += len(payload)
        return Found(frames=tuple(kept), through=after)

    def _next(self, after: int) -> _Record | None:
        """Return the record behind a position; None: the file has no more."""
        if after < self._position:
            self._rewind()
        for record in self._records:
            self._position = record.position
            if record.position == after + 1:
                return record
            if record.position > after:
                raise StoreCorrupt(f"{self._path} begins behind frame {record.position - 1}, not behind {after}")
        return None

    def _checked(self, record: _Record) -> Frame:
        position, instant, digest, payload = record
        try:
            frame = Frame(position=position, written_at=_instant(instant), payload=payload)
        except OverflowError as error:
            raise StoreCorrupt(f"{self._path}: damaged in frame {position}: {error}") from error
        if not is_intact(frame, digest):
            raise StoreCorrupt(f"{self._path}: frame {position} does not match its digest")
        return frame

    def _rewind(self) -> None:
        try:
            self._zipped.seek(0)
        except OSError as error:
            raise JournalUnavailable(f"{self._path}: {error.strerror}") from error
        self._records, self._position, self._sha256 = self._walk(), 0, b""

    def _walk(self) -> Iterator[_Record]:
        """Go through the file once, checking all that can be checked but for what a frame says of itself."""
        unpacked = _Unpacked(self._zipped, self._path)
        if unpacked.take(len(_MAGIC), None) != _MAGIC:
            raise StoreCorrupt(f"{self._path} is not an archive of a journal that this version knows")
        first = last = None
        while True:
            position, instant, digest, size = _RECORD.unpack(unpacked.take(_RECORD.size, last))
            if not 0 <= size <= _PAYLOAD_BYTES_MAX:
                raise StoreCorrupt(f"{self._path}: damaged {_where(last)}: a frame of {size} bytes")
            if position == 0:
                break
            payload = unpacked.take(size, last)
            if last is not None and position != last + 1:
                raise StoreCorrupt(f"{self._path}: frame {last + 1} is missing, the next one is {position}")
            first, last = first or position, position
            yield _Record(position, instant, digest, payload)
        count, after = (0, digest) if first is None or last is None else (last - first + 1, first - 1)
        sha256 = unpacked.sha256_before(_RECORD.size)
        if unpacked.take(min(size, len(sha256)), last) != sha256 or (instant, digest) != (count, after):
            raise StoreCorrupt(f"{self._path} does not match the SHA-256 at its end")
        if not unpacked.is_at_end(last):
            raise StoreCorrupt(f"{self._path}: something follows its end")
        self._sha256 = sha256


def _where(last: int | None) -> str:
    return "at its beginning" if last is None else f"behind frame {last}"


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _instant(microseconds: int) -> datetime:
    return (EPOCH + timedelta(microseconds=microseconds)).astimezone(UTC)
