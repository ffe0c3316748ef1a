"""A SQLite journal as somebody sees it who will not write: beside its daemon, or with the daemon kept away."""

import fcntl
import os
import sqlite3
from datetime import datetime
from pathlib import Path

import trio

from adapters.store.claims import Claim, Summary
from adapters.store.segments import Segment, Segments
from adapters.store.sqlite_file import check_ours, claims, instant, pragma, read, segments, take_lock, translate
from adapters.store.trimming import first_position
from engine.domain.errors import JournalError, JournalUnavailable
from engine.ports import Frame


class SqliteReader:
    """Reads; changes nothing, not even an old schema. Use `open_to_read`."""

    def __init__(self, path: Path, connection: sqlite3.Connection, lock: int | None, archive: Path | None) -> None:
        """Take over what was opened."""
        self.place = str(path)
        self._segments = Segments(archive)
        self._path = path
        self._connection = connection
        self._lock = lock

    async def read(self, after: int, limit: int) -> tuple[Frame, ...]:
        """Read frames in order (`engine.ports.Store.read`)."""
        return await self._segments.read(self._read, after, limit)

    async def claims(self, limit: int) -> list[Claim]:
        """Read the newest claims, the newest first; a journal of version 1 has none."""
        if pragma(self._connection, "user_version") < 2:
            return []
        return await trio.to_thread.run_sync(claims, self._connection, limit)

    async def segments(self) -> list[Segment]:
        """Read the records of all segments, in order."""
        return await trio.to_thread.run_sync(segments, self._connection)

    async def summary(self) -> Summary:
        """Look what is there."""
        await trio.lowlevel.checkpoint()
        version = pragma(self._connection, "user_version")
        last: tuple[int, int] | None = None
        first = 0
        if version:
            query = "SELECT position, written_at FROM frames ORDER BY position DESC LIMIT 1"
            last = self._connection.execute(query).fetchone()
            first = first_position(self._connection)
        last_at: datetime | None = None if last is None else instant(last[1])
        return Summary(
            frames=0 if last is None else last[0],
            last_at=last_at,
            stored_bytes=_size(self._path) + _size(self._path.with_name(self._path.name + "-wal")),
            schema_version=version,
            first=first,
        )

    async def aclose(self) -> None:
        """Close; daemons may come again. Idempotent."""
        self._segments.close()
        self._connection.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
        await trio.lowlevel.checkpoint()

    async def _read(self, after: int, limit: int) -> tuple[Frame, ...]:
        return await trio.to_thread.run_sync(read, self._path, self._connection, after, limit)


def open_to_read(path: Path, *, alone: bool, archive: Path | None = None) -> SqliteReader:
    """Open a journal without writing to it.

    Args:
        path: the file, which must exist.
        alone: keep daemons away meanwhile; else one may go on.
        archive: the folder of segments, for frames that were put away.

    Raises:
        StoreInUse: `alone`, and a daemon has it.
        StoreCorrupt: not a database, not ours, or of a newer version.
        JournalUnavailable: not there, or no right to read it.
    """
    connection, lock = connect_to_read(path, alone=alone)
    return SqliteReader(path, connection, lock, archive)


def connect_to_read(path: Path, *, alone: bool) -> tuple[sqlite3.Connection, int | None]:
    """Open a journal's database so that nothing can be written; arguments and errors as `open_to_read`.

    Returns:
        The connection, and the lock's descriptor where there is one.
    """
    if not path.is_file():
        raise JournalUnavailable(f"{path}: there is no such file")
    lock = take_lock(path) if alone else None
    connection: sqlite3.Connection | None = None
    try:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA query_only=ON")
        check_ours(path, connection)
    except (sqlite3.Error, JournalError) as error:
        if connection is not None:
            connection.close()
        if lock is not None:
            os.close(lock)
        if isinstance(error, sqlite3.Error):
            raise translate(path, error, opening=True) from error
        raise
    return connection, lock


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def find_owner(path: Path) -> str | None:
    """Name the process that has a journal open; None: nobody has.

    Raises:
        JournalUnavailable: no right to look.
    """
    beside = path.with_name(path.name + ".lock")
    try:
        with beside.open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return None
    except BlockingIOError:
        return beside.read_text(encoding="ascii", errors="replace").strip()
    except OSError as error:
        raise JournalUnavailable(f"{beside}: {error.strerror}") from error
    return None
