"""The embedded store: one SQLite file, one writer, one BLOB row per group commit.

WAL with `synchronous=FULL` syncs the log at every commit. A commit is handed to a thread, or made in the trio thread
while the disk has been quick lately: the hand-over costs about as much as the sync itself, and a stalled disk must not
stall the loop. What the log holds is moved to the database beside the commits (`checkpoints`).
"""

import fcntl
import os
import sqlite3
import time
import zlib
from collections import deque
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import trio

from adapters.store.checkpoints import CheckpointListener, Checkpoints
from engine.domain.errors import AppendUnknown, JournalError, JournalUnavailable, StoreCorrupt, StoreInUse
from engine.domain.units import EPOCH
from engine.ports import Found, Frame

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS frames (
    position INTEGER PRIMARY KEY,
    written_at INTEGER NOT NULL,
    digest INTEGER NOT NULL,
    payload BLOB NOT NULL
) STRICT
"""
_SCHEMA_VERSION: Final = 1
_APPLICATION_ID: Final = 0x6C756E74
"""`lunt`: tells our file from any other SQLite database."""
_BUSY_SECONDS: Final = 2.0
_INLINE_BYTES_MAX: Final = 512 * 1024
"""Larger frames always go to the thread: writing them alone takes some milliseconds."""
_WRITE_BYTES_PER_SECOND: Final = 100e6
"""What size may add to a commit before its sync counts as slow: measured 0.5 ms for 160 kB, twice that here."""
_SYNCS: Final = 15
"""Commits whose middle one is the pace of the disk. A mean would follow every hiccup of a shared machine."""
_STALL_SECONDS: Final = 0.02
"""After one this slow the next goes to the thread, whatever those before it took."""
_REFUSED: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_READONLY})
"""Primary result codes after which SQLite has rolled back for certain."""

_SEARCHED_MAX: Final = 1024
"""Frames in one step of a search: between steps it can be given up and holds up no checkpoint."""
_FOUND_BYTES_MAX: Final = 4 << 20
"""Payload that one step of a search keeps, and the frame that goes beyond it."""


class SqliteStore:
    """Owns the file through a lock beside it, which the kernel drops when the process dies."""

    def __init__(
        self,
        path: Path,
        connection: sqlite3.Connection,
        lock: int,
        inline_seconds_max: float,
        listener: CheckpointListener | None,
    ) -> None:
        """Use `open_store`."""
        self.path = path
        self._connection = connection
        self._lock = lock
        self._inline_seconds_max = inline_seconds_max
        self._syncs: deque[float] = deque(maxlen=_SYNCS)
        self._checkpoints = Checkpoints(path, listener)
        self._last = int(connection.execute("SELECT coalesce(max(position), 0) FROM frames").fetchone()[0])
        self._closed = False
        self._searcher: sqlite3.Connection | None = None
        """For searches alone, so that none stands between the writer and its commit."""
        self._searching = trio.CapacityLimiter(1)

    @property
    def sync_seconds(self) -> float:
        """Duration of the middle one of the last commits, without what its size explains."""
        return sorted(self._syncs)[len(self._syncs) // 2] if self._syncs else 0.0

    @property
    def log_bytes(self) -> int:
        """Size of what is in the write-ahead log and not known to be in the database, nearly."""
        return self._checkpoints.log_bytes

    @property
    def checkpoint_seconds(self) -> float:
        """How long the last move of the log into the database took, beside the commits."""
        return self._checkpoints.seconds

    def _is_quick(self, frame: Frame) -> bool:
        return (
            bool(self._syncs)
            and self._syncs[-1] < _STALL_SECONDS
            and len(frame.payload) <= _INLINE_BYTES_MAX
            and self.sync_seconds < self._inline_seconds_max
            and not self._checkpoints.overdue
            and not self._checkpoints.committing.locked()
        )

    async def append(self, frame: Frame) -> None:
        """Write one frame (`engine.ports.Store.append`)."""
        if not self.append_nowait(frame):
            await trio.to_thread.run_sync(self._append, frame)

    def append_nowait(self, frame: Frame) -> bool:
        """Write one frame now if that is quick (`engine.ports.Store.append_nowait`)."""
        if not self._is_quick(frame):
            return False
        self._append(frame)
        return True

    async def read(self, after: int, limit: int) -> tuple[Frame, ...]:
        """Read frames in order (`engine.ports.Store.read`)."""
        return await trio.to_thread.run_sync(self._read, after, limit)

    async def search(self, after: int, until: int, needles: Sequence[bytes]) -> Found:
        """Look for frames in a thread (`engine.ports.Store.search`)."""
        return await trio.to_thread.run_sync(self._search, after, until, needles, limiter=self._searching)

    async def aclose(self) -> None:
        """Close the database, then let go of the lock."""
        await trio.lowlevel.checkpoint()
        self.close()

    def close(self) -> None:
        """Close without a loop."""
        if not self._closed:
            self._closed = True
            self._checkpoints.close()
            if self._searcher is not None:
                self._searcher.close()
            self._connection.close()
            self._checkpoints.let_go()
            os.close(self._lock)

    def _append(self, frame: Frame) -> None:
        if frame.position != self._last + 1:
            raise AppendUnknown(
                f"{self.path}: frame {frame.position} after frame {self._last}: another writer is at work"
            )
        started = time.perf_counter()
        row = (frame.position, _microseconds(frame.written_at), zlib.crc32(frame.payload), frame.payload)
        try:
            if self._checkpoints.overdue:
                self._checkpoints.catch_up(self._connection)
            with self._checkpoints.committing:
                # autocommit: the statement is the transaction, durable when it returns
                self._connection.execute("INSERT INTO frames VALUES (?, ?, ?, ?)", row)
        except sqlite3.IntegrityError as error:
            raise AppendUnknown(f"{self.path}: frame {frame.position} is there already: {error}") from error
        except sqlite3.Error as error:
            raise _translate(self.path, error) from error
        finally:  # a locked database is waited for: not in the trio thread the next time
            took = time.perf_counter() - started
            self._syncs.append(max(0.0, took - len(frame.payload) / _WRITE_BYTES_PER_SECOND))
        self._last = frame.position
        self._checkpoints.logged(len(frame.payload))

    def _read(self, after: int, limit: int) -> tuple[Frame, ...]:
        query = "SELECT position, written_at, digest, payload FROM frames WHERE position > ? ORDER BY position LIMIT ?"
        try:
            rows = self._connection.execute(query, (after, limit)).fetchall()
        except sqlite3.Error as error:
            raise _translate(self.path, error, opening=True) from error
        frames: list[Frame] = []
        for position, written_at, digest, payload in rows:
            after += 1
            if position != after:
                raise StoreCorrupt(f"{self.path}: frame {after} is missing, the next one is {position}")
            frames.append(self._checked(position, written_at, digest, payload))
        return tuple(frames)

    def _checked(self, position: int, written_at: int, digest: int, payload: bytes) -> Frame:
        if zlib.crc32(payload) != digest:
            raise StoreCorrupt(f"{self.path}: frame {position} does not match its digest")
        return Frame(position=position, written_at=_instant(written_at), payload=payload)

    def _search(self, after: int, until: int, needles: Sequence[bytes]) -> Found:
        """Look at some frames. SQLite itself compares bytes: it lets go of the interpreter meanwhile."""
        through = min(until, after + _SEARCHED_MAX)
        has = " OR ".join(["instr(payload, ?)"] * len(needles)) or "TRUE"
        query = (
            "SELECT position, written_at, digest, payload FROM frames"  # noqa: S608 - nothing of a caller's is in it
            f" WHERE position > ? AND position <= ? AND ({has}) ORDER BY position"
        )
        frames: list[Frame] = []
        kept = 0
        try:
            if self._searcher is None:
                self._searcher = sqlite3.connect(
                    self.path, isolation_level=None, check_same_thread=False, timeout=_BUSY_SECONDS
                )
                self._searcher.execute("PRAGMA query_only=ON")
            with closing(self._searcher.execute(query, (after, through, *needles))) as rows:
                for row in rows:
                    frames.append(self._checked(*row))
                    kept += len(frames[-1].payload)
                    if kept >= _FOUND_BYTES_MAX:
                        through = frames[-1].position
                        break
        except sqlite3.Error as error:
            raise _translate(self.path, error, opening=True) from error
        if not needles and len(frames) != through - after:
            raise StoreCorrupt(f"{self.path}: of frames {after + 1} to {through} only {len(frames)} are there")
        return Found(frames=tuple(frames), through=through)


async def open_store(
    path: Path, *, inline_seconds_max: float = 0.0, listener: CheckpointListener | None = None
) -> SqliteStore:
    """Open or create the database and become its only owner.

    Args:
        path: the file; its folder must exist.
        inline_seconds_max: commit in the calling thread while commits have taken less than this lately; 0: never.
        listener: hears of checkpoints that fail or come too late.

    Raises:
        StoreInUse: another process holds the lock.
        StoreCorrupt: not a database, not ours, or damaged.
        JournalUnavailable: no right or no room to write it.
    """
    return await trio.to_thread.run_sync(_open, path, inline_seconds_max, listener)


def _open(path: Path, inline_seconds_max: float, listener: CheckpointListener | None) -> SqliteStore:
    lock = _take_lock(path)
    connection: sqlite3.Connection | None = None
    try:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=_BUSY_SECONDS)
        path.chmod(0o600)
        _prepare(path, connection)
        return SqliteStore(path, connection, lock, inline_seconds_max, listener)
    except sqlite3.Error as error:
        _undo(connection, lock)
        raise _translate(path, error, opening=True) from error
    except JournalError:
        _undo(connection, lock)
        raise


def _undo(connection: sqlite3.Connection | None, lock: int) -> None:
    if connection is not None:
        connection.close()
    os.close(lock)


def _take_lock(path: Path) -> int:
    beside = path.with_name(path.name + ".lock")
    try:
        lock = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise JournalUnavailable(f"{beside}: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        owner = os.pread(lock, 32, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(lock)
        raise StoreInUse(f"{path} belongs to a running daemon (process {owner}); one store, one daemon") from error
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock


def _prepare(path: Path, connection: sqlite3.Connection) -> None:
    application = _pragma(connection, "application_id")
    version = _pragma(connection, "user_version")
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if tables and application != _APPLICATION_ID:
        raise StoreCorrupt(f"{path} is a database of another program (application id {application})")
    if version > _SCHEMA_VERSION:
        raise StoreCorrupt(
            f"{path} was written by a newer lastunit (schema {version}, this one knows {_SCHEMA_VERSION})"
        )
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA wal_autocheckpoint=0")  # `checkpoints` does that, beside the commits
    if not tables:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(_SCHEMA)
        connection.execute(f"PRAGMA application_id={_APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version={_SCHEMA_VERSION}")
        connection.execute("COMMIT")
    # a lock held by another program shows now, not at the first order
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("ROLLBACK")


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def _translate(path: Path, error: sqlite3.Error, *, opening: bool = False) -> JournalError:
    """Say what an error means; while nothing is being written, whatever is not damage may be tried again."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return StoreCorrupt(f"{path}: {error}")
    if opening or code in _REFUSED:
        return JournalUnavailable(f"{path}: {error}")
    return AppendUnknown(f"{path}: {error}")


def _microseconds(instant: datetime) -> int:
    return (instant - EPOCH) // timedelta(microseconds=1)


def _instant(microseconds: int) -> datetime:
    return (EPOCH + timedelta(microseconds=microseconds)).astimezone(UTC)
