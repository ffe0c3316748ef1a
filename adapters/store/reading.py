"""The SQLite file that people read: tables made of the journal, and the position up to which they are.

In WAL mode, so that nobody who reads holds up who writes, or the other way round. Rows and position change in one
transaction, so whatever dies whenever, the tables are those of one position of the journal, and it says which.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from adapters.store.reading_schema import APPLICATION_ID, INDEXES, SCHEMA_VERSION, TABLES
from adapters.store.sqlite_file import pragma, take_lock
from engine.domain.errors import StockError, StoreInUse
from engine.domain.reading.rows import Changes, Table, Values, moment

_BUSY_SECONDS: Final = 5.0
"""Somebody who opens the file may hold it for a moment; nobody but us writes."""
_CACHE_KIB: Final = 128 << 10
"""Of pages: what random keys of some million rows touch should not come from the disk each time."""
_LOG_BYTES_MAX: Final = 64 << 20
"""What the log is cut down to: making all anew writes everything to it once."""


class ReadingError(StockError):
    """The file cannot be used; the journal has lost nothing."""


class Mark(NamedTuple):
    """How far the tables have come."""

    position: int
    written_at: datetime
    """When that frame was written."""
    digest: int
    """Of that frame: tells another journal of the same length."""


class ReadingFile:
    """The one who writes it. Use `open_reading`."""

    def __init__(self, path: Path, connection: sqlite3.Connection, lock: int) -> None:
        """Take over what was opened."""
        self.path = path
        self._connection = connection
        self._lock = lock
        self._selects: dict[str, str] = {}

    def mark(self) -> Mark | None:
        """Return how far the tables have come; None: they have to be made anew.

        Raises:
            ReadingError: the file cannot be read.
        """
        with self._translated():
            return read_mark(self._connection)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Let all that is done within become visible at once, or nothing of it happen.

        Raises:
            ReadingError: nothing of it happened.
        """
        with self._translated():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def clear(self) -> None:
        """Within a transaction: begin anew with empty tables of this version."""
        objects = "SELECT type, name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%'"
        for kind, name in self._connection.execute(objects).fetchall():
            self._connection.execute(f'DROP {kind} "{name}"')
        self._run(TABLES)
        self._connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")

    def complete(self) -> None:
        """Within the transaction that `clear` began, after its last row: make the indexes."""
        self._run(INDEXES)

    def load(self, table: Table[Any], key: Values) -> Iterable[Values]:
        """Find rows that may still change (`engine.domain.reading.rows.Load`)."""
        select = self._selects.get(table.name)
        if select is None:
            select = self._selects[table.name] = _build_select(table)
        return self._connection.execute(select, key)

    def write(self, changes: Iterable[Changes], mark: Mark) -> None:
        """Within a transaction: bring the tables to a position."""
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

    def announce(self, position: int) -> None:
        """After a commit: tell in a file of a few bytes how far it is, for who must not wait for a database.

        Raises:
            ReadingError: it cannot be written.
        """
        hint = hint_of(self.path)
        fresh = hint.with_suffix(".position-new")
        try:
            fresh.write_text(f"{position}\n", encoding="ascii")
            fresh.replace(hint)
        except OSError as error:
            raise ReadingError(f"{hint}: {error.strerror or error}") from error

    def shrink(self) -> None:
        """Move the log into the database, as far as nobody reads an older state, and cut it down."""
        with self._translated():
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Close; idempotent."""
        self._connection.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

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
        ReadingError: it cannot be read, or is another program's.
    """
    if not path.is_file():
        return None
    connection: sqlite3.Connection | None = None
    try:
        # not even the log of a writer that was killed is put in order by who only looks
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=_BUSY_SECONDS)
        _check_ours(path, connection)
        return read_mark(connection)
    except sqlite3.Error as error:
        raise ReadingError(f"{path}: {error}") from error
    finally:
        if connection is not None:
            connection.close()


def hint_of(path: Path) -> Path:
    """Return where a file's last position is told; what counts is in the file itself."""
    return path.with_suffix(".position")


def read_mark(connection: sqlite3.Connection) -> Mark | None:
    """Read how far the tables have come; None: they are of another version, or there are none."""
    if pragma(connection, "user_version") != SCHEMA_VERSION:
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
