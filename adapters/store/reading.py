"""The SQLite file that people read: tables made of the journal, and the position up to which they are.

In WAL mode, so that nobody who reads holds up who writes, or the other way round. Rows and position change in one
transaction, so whatever dies whenever, the tables are those of one position of the journal, and it says which.
"""

import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import trio

from adapters.store.reading_schema import APPLICATION_ID, INDEXES, SCHEMA_VERSION, TABLES
from adapters.store.reading_tables import Mark, ReadingError, announce, check_version
from adapters.store.sqlite_file import pragma, take_lock
from engine.domain.errors import StoreInUse
from engine.domain.events import Event
from engine.domain.reading.reading import Reading
from engine.domain.reading.rows import Changes, Table, Values, moment

_BUSY_SECONDS: Final = 5.0
"""Somebody who opens the file may hold it for a moment; nobody but us writes."""
_CACHE_KIB: Final = 128 << 10
"""Of pages: what random keys of some million rows touch should not come from the disk each time."""
_LOG_BYTES_MAX: Final = 64 << 20
"""What the log is cut down to: making all anew writes everything to it once."""


class ReadingFile:
    """The one who writes it. Use `open_reading`."""

    def __init__(self, path: Path, connection: sqlite3.Connection, lock: int) -> None:
        """Take over what was opened."""
        self.path = path
        self._connection = connection
        self._lock = lock
        self._selects: dict[str, str] = {}

    @property
    def place(self) -> str:
        """The tables as people know them."""
        return str(self.path)

    async def mark(self) -> Mark | None:
        """Return how far the tables have come; None: they have to be made anew.

        Raises:
            ReadingError: the file cannot be read, or is of a newer version.
        """
        await trio.lowlevel.checkpoint()
        with self._translated():
            return read_mark(self.path, self._connection)

    async def foresee(self, reading: Reading, frames: Sequence[Sequence[Event]]) -> None:
        """Do nothing: to `load` a row when it is asked for is no way here."""

    def load(self, table: Table[Any], key: Values) -> Iterable[Values]:
        """Find rows that may still change (`engine.domain.reading.rows.Load`)."""
        select = self._selects.get(table.name)
        if select is None:
            select = self._selects[table.name] = _build_select(table)
        return self._connection.execute(select, key)

    async def write(self, changes: Iterable[Changes], mark: Mark) -> None:
        """Bring the tables to a position: all of it becomes visible at once, or nothing of it happens.

        Raises:
            ReadingError: nothing of it happened.
        """
        await trio.lowlevel.checkpoint()
        with self._transaction():
            self._write(changes, mark)
        announce(hint_of(self.path), mark.position)

    @asynccontextmanager
    async def anew(self) -> AsyncIterator["_Anew"]:
        """Make the tables anew: who reads sees the old ones until the block ends, and for good if it fails.

        Raises:
            ReadingError: nothing of it happened.
        """
        with self._transaction():
            self._clear()
            fresh = _Anew(self, self._write)
            yield fresh
            self._run(INDEXES)
        announce(hint_of(self.path), fresh.position)
        await self.tidy()

    async def tidy(self) -> bool:
        """Move the log into the database, as far as nobody reads an older state, and cut it down; whether all of it."""
        await trio.lowlevel.checkpoint()
        with self._translated():
            (busy, *_) = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            return not busy

    async def aclose(self) -> None:
        """Close; idempotent."""
        self._connection.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
        await trio.lowlevel.checkpoint()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._translated():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def _clear(self) -> None:
        objects = "SELECT type, name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%'"
        for kind, name in self._connection.execute(objects).fetchall():
            self._connection.execute(f'DROP {kind} "{name}"')
        self._run(TABLES)
        self._connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")

    def _write(self, changes: Iterable[Changes], mark: Mark) -> None:
        for table, put, dropped in changes:
            if dropped:
                where = " AND ".join(f'"{name}" = ?' for name in (*table.key, *table.tail))
                delete = f'DELETE FROM "{table.name}" WHERE {where}'  # noqa: S608 - nothing of a caller's is in it
                self._connection.executemany(delete, dropped)
            if put:
                values = ", ".join("?" * len(table.columns))
                names = ", ".join(f'"{name}"' for name in table.columns)
                insert = "INSERT OR REPLACE" if table.key else "INSERT"
                self._connection.executemany(f'{insert} INTO "{table.name}" ({names}) VALUES ({values})', put)
        self._connection.execute(
            "INSERT OR REPLACE INTO progress VALUES (1, ?, ?, ?)",
            (mark.position, moment(mark.written_at), mark.digest),
        )

    def _run(self, script: str) -> None:
        for statement in script.split(";\n"):
            if statement.strip():
                self._connection.execute(statement)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise ReadingError(f"{self.path}: {error}") from error


class _Anew:
    """Tables that nobody sees yet."""

    def __init__(self, file: ReadingFile, write: Callable[[Iterable[Changes], Mark], None]) -> None:
        self.position = 0
        self.load = file.load
        self.foresee = file.foresee
        self._write = write

    async def write(self, changes: Iterable[Changes], mark: Mark) -> None:
        """Add rows."""
        await trio.lowlevel.checkpoint()
        self._write(changes, mark)
        self.position = mark.position


def open_reading(path: Path) -> ReadingFile:
    """Open the file to write it; make one if there is none.

    Raises:
        ReadingError: somebody else writes it, it is another program's, or it cannot be opened.
    """
    try:
        lock = take_lock(path)
    except StoreInUse as error:
        raise ReadingError(f"{path} is being written by another process: stop that first") from error
    connection: sqlite3.Connection | None = None
    try:
        path.touch(mode=0o600)  # orders name buyers; whoever may see them is the administrator's choice
        connection = sqlite3.connect(path, isolation_level=None, timeout=_BUSY_SECONDS, check_same_thread=False)
        _check_ours(path, connection)
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")  # a power cut may undo whole batches, which are read again
        connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
        connection.execute(f"PRAGMA journal_size_limit={_LOG_BYTES_MAX}")
    except (OSError, sqlite3.Error, ReadingError) as error:
        if connection is not None:
            connection.close()
        os.close(lock)
        if isinstance(error, ReadingError):
            raise
        raise ReadingError(f"{path}: {error}; it is made of the journal alone: delete it if it is damaged") from error
    return ReadingFile(path, connection, lock)


def look(path: Path) -> Mark | None:
    """Return how far a file is, beside whoever writes it; None: there is none of this version.

    Raises:
        ReadingError: it cannot be read, is another program's, or of a newer version.
    """
    if not path.is_file():
        return None
    connection: sqlite3.Connection | None = None
    try:
        # not even the log of a writer that was killed is put in order by who only looks
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=_BUSY_SECONDS)
        _check_ours(path, connection)
        return read_mark(path, connection)
    except sqlite3.Error as error:
        raise ReadingError(f"{path}: {error}") from error
    finally:
        if connection is not None:
            connection.close()


def hint_of(path: Path) -> Path:
    """Return where a file's last position is told; what counts is in the file itself."""
    return path.with_suffix(".position")


def read_mark(path: Path, connection: sqlite3.Connection) -> Mark | None:
    """Read how far the tables have come; None: they are of an older version, or there are none.

    Raises:
        ReadingError: they are of a newer version.
    """
    if not check_version(str(path), pragma(connection, "user_version"), known=SCHEMA_VERSION, mend="delete the file"):
        return None
    row = connection.execute("SELECT position, written_at, digest FROM progress").fetchone()
    if row is None:
        return None
    position, written_at, digest = row
    return Mark(position, datetime.fromisoformat(written_at).replace(tzinfo=UTC), digest)


def _check_ours(path: Path, connection: sqlite3.Connection) -> None:
    application = pragma(connection, "application_id")
    if application == APPLICATION_ID:
        return
    if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise ReadingError(f"{path} is a database of another program (application id {application})")


def _build_select(table: Table[Any]) -> str:
    names = ", ".join(f'"{name}"' for name in (*table.tail, *table.row.__struct_fields__))
    where = " AND ".join(f'"{name}" = ?' for name in table.key)
    still = "" if table.open_while_null is None else f' AND "{table.open_while_null}" IS NULL'
    return f'SELECT {names} FROM "{table.name}" WHERE {where}{still}'  # noqa: S608 - nothing of a caller's is in it
