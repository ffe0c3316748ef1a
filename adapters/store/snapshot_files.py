"""Snapshots as files in a folder: each whole under its name, or not there.

A line that says what it is, the pieces, each behind its length, the head as JSON, and an end with a SHA-256 over all
before it. A file that is being written has another name until it was read back and is durable. A lock beside them,
held by the kernel, keeps a second writer away.
"""

import fcntl
import hashlib
import os
import struct
import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, NoReturn

import msgspec
import trio

from adapters.store.snapshots import Kept, Snapshot, name_of, newest_first
from engine.domain.errors import JournalUnavailable, StoreCorrupt, StoreInUse

_MAGIC: Final = b"lastunit snapshot 1\n"
_LENGTH: Final = struct.Struct(">I")
_COUNTS: Final = struct.Struct(">III")
"""Bytes of the head, its CRC-32, and pieces."""
_END: Final = struct.Struct(">32s8s")
"""SHA-256 over all before it, and how a whole file ends."""
_LAST: Final = b"lastunit"
_SUFFIX: Final = ".snapshot"
_PART: Final = ".part"
_HEAD_BYTES_MAX: Final = 1 << 20
_READ_BYTES: Final = 1 << 20


class SnapshotFiles:
    """The snapshots in one folder, which is made when the first one is written."""

    def __init__(self, folder: Path) -> None:
        """Open nothing yet."""
        self.place = str(folder)
        self._folder = folder

    async def kept(self) -> tuple[Kept, ...]:
        """Look what there is (`Snapshots.kept`)."""
        return await trio.to_thread.run_sync(self._look)

    @asynccontextmanager
    async def writer(self) -> AsyncIterator["FileWriter"]:
        """Write one (`Snapshots.writer`); what somebody who was killed has left behind is removed."""
        lock = await trio.to_thread.run_sync(self._take_lock)
        try:
            writer = FileWriter(self._folder)
            try:
                yield writer
            finally:
                writer.close()
        finally:
            os.close(lock)

    async def read(self, kept: Kept) -> tuple[bytes, ...]:
        """Read all pieces of one (`Snapshots.read`)."""
        return await trio.to_thread.run_sync(_read, self._folder / (kept.name + _SUFFIX))

    async def drop(self, names: Sequence[str]) -> None:
        """Remove some (`Snapshots.drop`)."""
        await trio.to_thread.run_sync(self._drop, names)

    async def aclose(self) -> None:
        """Nothing is open."""
        await trio.lowlevel.checkpoint()

    def _look(self) -> tuple[Kept, ...]:
        try:
            paths = sorted(self._folder.glob(f"*{_SUFFIX}"))
        except OSError as error:
            _raise_unavailable(self._folder, error)
        return newest_first(_kept(path) for path in paths)

    def _take_lock(self) -> int:
        path = self._folder / "lock"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            _raise_unavailable(path, error)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for left in self._folder.glob(f"*{_PART}"):
                left.unlink()
        except BlockingIOError as error:
            os.close(lock)
            raise StoreInUse(f"{self._folder}: another snapshot is being written") from error
        except OSError as error:
            os.close(lock)
            _raise_unavailable(path, error)
        return lock

    def _drop(self, names: Sequence[str]) -> None:
        for name in names:
            path = self._folder / (name + _SUFFIX)
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                _raise_unavailable(path, error)


class FileWriter:
    """A file that is being written; the lock is its caller's."""

    def __init__(self, folder: Path) -> None:
        """Begin one.

        Raises:
            JournalUnavailable: it cannot be made.
        """
        self._folder = folder
        self._part = folder / f"new{_PART}"
        self._sha256 = hashlib.sha256()
        self._pieces = 0
        try:
            self._file: BinaryIO = os.fdopen(os.open(self._part, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "w+b")
            self._write(_MAGIC)
        except OSError as error:
            _raise_unavailable(self._part, error)

    async def add(self, piece: bytes) -> None:
        """Write a piece (`SnapshotWriter.add`)."""
        await trio.to_thread.run_sync(self._add, piece)

    async def finish(self, head: Snapshot) -> Kept:
        """Let it count (`SnapshotWriter.finish`)."""
        return await trio.to_thread.run_sync(self._finish, head)

    def close(self) -> None:
        """Close the file; one that was not finished is gone."""
        self._file.close()
        self._part.unlink(missing_ok=True)

    def _add(self, piece: bytes) -> None:
        try:
            self._write(_LENGTH.pack(len(piece)) + piece)
        except OSError as error:
            _raise_unavailable(self._part, error)
        self._pieces += 1

    def _write(self, data: bytes) -> None:
        self._sha256.update(data)
        self._file.write(data)

    def _finish(self, head: Snapshot) -> Kept:
        encoded = msgspec.json.encode(head)
        path = self._folder / (name_of(head) + _SUFFIX)
        try:
            self._write(encoded + _COUNTS.pack(len(encoded), zlib.crc32(encoded), self._pieces))
            self._file.write(_END.pack(self._sha256.digest(), _LAST))
            self._file.flush()
            os.fsync(self._file.fileno())
            _read(self._part)
            self._part.rename(path)
            folder = os.open(self._folder, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            _raise_unavailable(path, error)
        return _kept(path)


def _kept(path: Path) -> Kept:
    """Look at one file from its end, which alone says what it is."""
    name, size = path.name.removesuffix(_SUFFIX), 0
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            end = _read_end(path, file, size)
            head = msgspec.json.decode(_read_head(path, file, end), type=Snapshot)
    except OSError as error:
        return Kept(name=name, stored_bytes=size, head=None, problem=f"{path}: {error.strerror}")
    except msgspec.MsgspecError as error:
        return Kept(name=name, stored_bytes=size, head=None, problem=f"{path}: its head cannot be read: {error}")
    except StoreCorrupt as error:
        return Kept(name=name, stored_bytes=size, head=None, problem=str(error))
    return Kept(name=name, stored_bytes=size, head=head)


class _End(NamedTuple):
    head_at: int
    head_bytes: int
    head_digest: int
    pieces: int
    sha256: bytes


def _read_end(path: Path, file: BinaryIO, size: int) -> _End:
    """Read how a file ends, and what it says there.

    Raises:
        StoreCorrupt: not as a whole one ends.
    """
    if file.read(len(_MAGIC)) != _MAGIC:
        raise StoreCorrupt(f"{path} is not a snapshot that this version knows")
    tail = _COUNTS.size + _END.size
    if size < len(_MAGIC) + tail:
        raise StoreCorrupt(f"{path} is cut short")
    file.seek(size - tail)
    head_bytes, head_digest, pieces = _COUNTS.unpack(file.read(_COUNTS.size))
    digest, last = _END.unpack(file.read(_END.size))
    head_at = size - tail - head_bytes
    if last != _LAST or head_at < len(_MAGIC) or head_bytes > _HEAD_BYTES_MAX:
        raise StoreCorrupt(f"{path} is damaged or cut short at its end")
    return _End(head_at, head_bytes, head_digest, pieces, digest)


def _read_head(path: Path, file: BinaryIO, end: _End) -> bytes:
    file.seek(end.head_at)
    head = file.read(end.head_bytes)
    if zlib.crc32(head) != end.head_digest:
        raise StoreCorrupt(f"{path} is damaged in its head")
    return head


def _read(path: Path) -> tuple[bytes, ...]:
    """Read the pieces of one file, checking all that can be checked.

    Raises:
        StoreCorrupt: not what was written, or gone.
        JournalUnavailable: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            end = _read_end(path, file, size)
            _check(path, file, size - _END.size, end.sha256)
            file.seek(len(_MAGIC))
            return tuple(_split(path, file, end))
    except FileNotFoundError as error:
        raise StoreCorrupt(f"{path} is gone") from error
    except OSError as error:
        _raise_unavailable(path, error)


def _check(path: Path, file: BinaryIO, size: int, digest: bytes) -> None:
    file.seek(0)
    sha256 = hashlib.sha256()
    while size > 0 and (data := file.read(min(size, _READ_BYTES))):
        sha256.update(data)
        size -= len(data)
    if size or sha256.digest() != digest:
        raise StoreCorrupt(f"{path} does not match the SHA-256 at its end")


def _split(path: Path, file: BinaryIO, end: _End) -> list[bytes]:
    pieces = []
    while file.tell() < end.head_at:
        (length,) = _LENGTH.unpack(file.read(_LENGTH.size))
        pieces.append(file.read(length))
    if file.tell() != end.head_at or len(pieces) != end.pieces:
        raise StoreCorrupt(f"{path} has {len(pieces)} pieces where {end.pieces} were written")
    return pieces


def _raise_unavailable(path: Path, error: OSError) -> NoReturn:
    raise JournalUnavailable(f"{path}: {error.strerror}") from error
