"""What putting frames away means for a SQLite journal: a record beside its daemon, and room given back without one."""

import os
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Final

import trio

from adapters.store.segments import Outline, Segment
from adapters.store.sqlite_file import SCHEMA_VERSION, instant, microseconds, pragma, prepare, take_lock, translate
from adapters.store.sqlite_reader import SqliteReader, connect_to_read
from adapters.store.trimming import trim
from engine.domain.errors import JournalUnavailable

_RECORD_SECONDS: Final = 30.0
"""How long to try between the commits of a busy daemon."""
_RECORD: Final = """
INSERT INTO segments SELECT ?, ?, ?, ?, ?, ?
WHERE ? = (SELECT coalesce(max(last), 0) + 1 FROM segments) AND ? < (SELECT max(position) FROM frames)
"""
"""Only behind the one before, and never with the newest frame: where the journal ends is read from it."""
_ALL: Final = 1 << 62


class SqliteArchiver(SqliteReader):
    """A journal that is read, and put on record beside its daemon. Use `open_to_archive`."""

    async def outline(self, after: int, limit: int) -> list[Outline]:
        """Say how old frames are and how large, in order, of those that are in the file itself."""
        return await trio.to_thread.run_sync(self._outline, after, limit)

    async def record(self, segment: Segment) -> bool:
        """Put on record which file has frames; from then on they may go.

        One row in a transaction of its own: all that another process ever writes beside a daemon.

        Returns:
            Whether it is on record now; False: it does not begin behind the last one, or has the newest frame of all.

        Raises:
            JournalUnavailable: the database is locked or full, or of an older version.
        """
        return await trio.to_thread.run_sync(_record, self._path, segment)

    async def trim(self) -> int:
        """Leave it to the daemon, which takes frames out beside its commits; there is nothing to do here."""
        await trio.lowlevel.checkpoint()
        return 0

    def _outline(self, after: int, limit: int) -> list[Outline]:
        query = """
            SELECT position, written_at, length(payload) FROM frames WHERE position > ? ORDER BY position LIMIT ?
        """
        try:
            rows = self._connection.execute(query, (after, limit)).fetchall()
        except sqlite3.Error as error:
            raise translate(self._path, error, opening=True) from error
        return [Outline(position, instant(written_at), size) for position, written_at, size in rows]


def open_to_archive(path: Path, archive: Path) -> SqliteArchiver:
    """Open a journal beside its daemon; arguments and errors as `sqlite_reader.open_to_read`."""
    connection, lock = connect_to_read(path, alone=False)
    return SqliteArchiver(path, connection, lock, archive)


def shrink(path: Path) -> int:
    """Take all frames out that segments have, and give the room back to the disk, with daemons kept away.

    SQLite writes the file anew: that takes as much room again as it has in the end.

    Returns:
        Bytes that the file is smaller by.

    Raises:
        StoreInUse: a daemon has it.
        StoreCorrupt: damaged, or not ours.
        JournalUnavailable: no room or no right.
    """
    if not path.is_file():
        raise JournalUnavailable(f"{path}: there is no such file")
    lock = take_lock(path)
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            prepare(path, connection)
            before = path.stat().st_size
            trim(connection, threading.Lock(), bytes_max=_ALL, wanted=lambda: True)
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return before - path.stat().st_size
    except sqlite3.Error as error:
        raise translate(path, error, opening=True) from error
    finally:
        os.close(lock)


def _record(path: Path, segment: Segment) -> bool:
    try:
        with closing(sqlite3.connect(path, isolation_level=None, timeout=_RECORD_SECONDS)) as connection:
            if pragma(connection, "user_version") != SCHEMA_VERSION:
                raise JournalUnavailable(f"{path} is of another version: start the daemon, or `lastunit store migrate`")
            connection.execute("PRAGMA wal_autocheckpoint=0")  # the daemon's commits would wait for it
            connection.execute("PRAGMA synchronous=FULL")
            values = (segment.first, segment.last, segment.file, segment.file_bytes, segment.sha256)
            written = connection.execute(_RECORD, (*values, microseconds(segment.put_away_at), *values[:2]))
            return bool(written.rowcount == 1)
    except sqlite3.Error as error:
        raise translate(path, error, opening=True) from error
