"""The embedded store: one SQLite file, one writer, one BLOB row per group commit.

WAL with `synchronous=FULL` syncs the log at every commit. A commit is handed to a thread, or made in the trio thread
while the disk has been quick lately: the hand-over costs about as much as the sync itself, and a stalled disk must not
stall the loop. What the log holds is moved to the database beside the commits (`checkpoints`).
"""

import os
import sqlite3
import time
from collections import deque
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

import trio

from adapters.store.checkpoints import CheckpointListener, Checkpoints
from adapters.store.claims import PARTITION, Claim
from adapters.store.segments import Segments
from adapters.store.sqlite_file import (
    build_row,
    checked,
    claim,
    claims,
    prepare,
    raise_put_away,
    read,
    take_lock,
    translate,
)
from adapters.store.trimming import first_position
from engine.domain.errors import AppendUnknown, Fenced, JournalError, StoreCorrupt
from engine.ports import Found, Frame

_BUSY_SECONDS: Final = 2.0
_INLINE_BYTES_MAX: Final = 512 * 1024
"""Larger frames always go to the thread: writing them alone takes some milliseconds."""
_WRITE_BYTES_PER_SECOND: Final = 100e6
"""What size may add to a commit before its sync counts as slow: measured 0.5 ms for 160 kB, twice that here."""
_SYNCS: Final = 15
"""Commits whose middle one is the pace of the disk. A mean would follow every hiccup of a shared machine."""
_STALL_SECONDS: Final = 0.02
"""After one this slow the next goes to the thread, whatever those before it took."""
_APPEND: Final = f"""
INSERT INTO frames SELECT ?, ?, ?, ? WHERE (SELECT max(epoch) FROM owners WHERE partition = {PARTITION}) = ?
"""  # noqa: S608 - nothing of a caller's is in it
"""Writes nothing for an owner that was replaced."""

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
        segments: Segments,
    ) -> None:
        """Use `open_store`."""
        self.path = path
        self._connection = connection
        self._lock = lock
        self._inline_seconds_max = inline_seconds_max
        self._syncs: deque[float] = deque(maxlen=_SYNCS)
        self._checkpoints = Checkpoints(path, listener)
        self._segments = segments
        self._last = 0
        self._epoch = 0
        """Of our claim; 0: we never made one, and may not write."""
        self._closed = False
        self._searcher: sqlite3.Connection | None = None
        """For searches alone, so that none stands between the writer and its commit."""
        self._searching = trio.CapacityLimiter(1)

    @property
    def place(self) -> str:
        """The store as messages name it."""
        return str(self.path)

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

    @property
    def first_position(self) -> int:
        """Of the oldest frame in the file; 0: there was none when we came."""
        return self._checkpoints.first

    def _is_quick(self, frame: Frame) -> bool:
        return (
            bool(self._syncs)
            and self._syncs[-1] < _STALL_SECONDS
            and len(frame.payload) <= _INLINE_BYTES_MAX
            and self.sync_seconds < self._inline_seconds_max
            and not self._checkpoints.overdue
            and not self._checkpoints.committing.locked()
        )

    async def claim(self, owner: str) -> int:
        """Become the owner (`engine.ports.Store.claim`): the lock says that no other process is."""
        return await trio.to_thread.run_sync(self._claim, owner)

    async def claims(self, limit: int) -> list[Claim]:
        """Read the newest claims, the newest first."""
        return await trio.to_thread.run_sync(claims, self._connection, limit)

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

    async def load(self, frames: Sequence[Frame]) -> None:
        """Write frames of another store in one transaction; the last one becomes ours."""
        await trio.to_thread.run_sync(self._load, frames)

    async def read(self, after: int, limit: int) -> tuple[Frame, ...]:
        """Read frames in order (`engine.ports.Store.read`)."""
        return await self._segments.read(self._read, after, limit)

    async def search(self, after: int, until: int, needles: Sequence[bytes]) -> Found:
        """Look for frames in a thread (`engine.ports.Store.search`)."""
        return await self._segments.search(self._search, after, until, needles)

    async def aclose(self) -> None:
        """Close the database, then let go of the lock."""
        self.close()
        await trio.lowlevel.checkpoint()

    def close(self) -> None:
        """Close without a loop."""
        if not self._closed:
            self._closed = True
            self._checkpoints.close()
            self._segments.close()
            if self._searcher is not None:
                self._searcher.close()
            self._connection.close()
            self._checkpoints.let_go()
            os.close(self._lock)

    async def _read(self, after: int, limit: int) -> tuple[Frame, ...]:
        return await trio.to_thread.run_sync(read, self.path, self._connection, after, limit)

    async def _search(self, after: int, until: int, needles: Sequence[bytes]) -> Found:
        return await trio.to_thread.run_sync(self._search_own, after, until, needles, limiter=self._searching)

    def _claim(self, owner: str) -> int:
        try:
            with self._checkpoints.committing:
                made = claim(self._connection, owner)
                self._checkpoints.first = first_position(self._connection)
        except sqlite3.Error as error:
            raise translate(self.path, error, opening=True) from error
        self._last, self._epoch = made.after_position, made.epoch
        return made.epoch

    def _append(self, frame: Frame) -> None:
        if frame.position != self._last + 1 and self._epoch:
            raise AppendUnknown(
                f"{self.path}: frame {frame.position} after frame {self._last}: another writer is at work"
            )
        started = time.perf_counter()
        row = (*build_row(frame), self._epoch)
        try:
            if self._checkpoints.overdue:
                self._checkpoints.catch_up(self._connection)
            with self._checkpoints.committing:
                # autocommit: the statement is the transaction, durable when it returns
                written = self._connection.execute(_APPEND, row).rowcount
        except sqlite3.IntegrityError as error:
            raise AppendUnknown(f"{self.path}: frame {frame.position} is there already: {error}") from error
        except sqlite3.Error as error:
            raise translate(self.path, error) from error
        finally:  # a locked database is waited for: not in the trio thread the next time
            took = time.perf_counter() - started
            self._syncs.append(max(0.0, took - len(frame.payload) / _WRITE_BYTES_PER_SECOND))
        if not written:
            raise self._fenced()
        self._last = frame.position
        self._checkpoints.logged(len(frame.payload))

    def _load(self, frames: Sequence[Frame]) -> None:
        try:
            with self._checkpoints.committing:
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    for frame in frames:
                        if not self._connection.execute(_APPEND, (*build_row(frame), self._epoch)).rowcount:
                            raise self._fenced()
                    self._connection.execute("COMMIT")
                finally:
                    if self._connection.in_transaction:
                        self._connection.execute("ROLLBACK")
        except sqlite3.IntegrityError as error:
            raise AppendUnknown(f"{self.path}: frame {frames[0].position} or one behind it is there already") from error
        except sqlite3.Error as error:
            raise translate(self.path, error) from error
        self._last = frames[-1].position
        self._checkpoints.logged(sum(len(frame.payload) for frame in frames))

    def _fenced(self) -> Fenced:
        newest = claims(self._connection, 1)
        epoch, owner = (newest[0].epoch, newest[0].owner) if newest else (0, "")
        return Fenced(str(self.path), epoch=self._epoch, newest=epoch, owner=owner)

    def _search_own(self, after: int, until: int, needles: Sequence[bytes]) -> Found:
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
                    frames.append(checked(self.path, *row))
                    kept += len(frames[-1].payload)
                    if kept >= _FOUND_BYTES_MAX:
                        through = frames[-1].position
                        break
        except sqlite3.Error as error:
            raise translate(self.path, error, opening=True) from error
        # frames leave from the front: if the first one is there now, none of them was gone when they were looked at
        if not frames or frames[0].position > after + 1:
            raise_put_away(self.path, self._searcher, after + 1)
        if not needles and len(frames) != through - after:
            raise StoreCorrupt(f"{self.path}: of frames {after + 1} to {through} only {len(frames)} are there")
        return Found(frames=tuple(frames), through=through)


async def open_store(
    path: Path,
    *,
    inline_seconds_max: float = 0.0,
    listener: CheckpointListener | None = None,
    archive: Path | None = None,
) -> SqliteStore:
    """Open or create the database and become its only owner.

    Args:
        path: the file; its folder must exist.
        inline_seconds_max: commit in the calling thread while commits have taken less than this lately; 0: never.
        listener: hears of checkpoints that fail or come too late.
        archive: the folder of segments, for frames that were put away.

    Raises:
        StoreInUse: another process holds the lock.
        StoreCorrupt: not a database, not ours, or damaged.
        JournalUnavailable: no right or no room to write it.
    """
    return await trio.to_thread.run_sync(_open, path, inline_seconds_max, listener, archive)


def _open(
    path: Path, inline_seconds_max: float, listener: CheckpointListener | None, archive: Path | None
) -> SqliteStore:
    lock = take_lock(path)
    connection: sqlite3.Connection | None = None
    try:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=_BUSY_SECONDS)
        path.chmod(0o600)
        prepare(path, connection)
        return SqliteStore(path, connection, lock, inline_seconds_max, listener, Segments(archive))
    except sqlite3.Error as error:
        _undo(connection, lock)
        raise translate(path, error, opening=True) from error
    except UnicodeDecodeError as error:  # what SQLite says of a damaged schema quotes it
        _undo(connection, lock)
        raise StoreCorrupt(f"{path}: {error.object.decode(errors='replace')}") from error
    except JournalError:
        _undo(connection, lock)
        raise


def _undo(connection: sqlite3.Connection | None, lock: int) -> None:
    if connection is not None:
        connection.close()
    os.close(lock)
