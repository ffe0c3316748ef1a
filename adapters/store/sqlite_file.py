"""What a journal's SQLite file is before the first commit: its lock, its tables, who has claimed it."""

import fcntl
import os
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from adapters.store.claims import PARTITION, Claim
from adapters.store.digests import digest_of, is_intact
from adapters.store.segments import PutAway, Segment
from engine.domain.errors import AppendUnknown, JournalError, JournalUnavailable, StoreCorrupt, StoreInUse
from engine.domain.units import EPOCH
from engine.ports import Frame

_STEPS: Final = (
    """
    CREATE TABLE frames (
        position INTEGER PRIMARY KEY,
        written_at INTEGER NOT NULL,
        digest INTEGER NOT NULL,
        payload BLOB NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE owners (
        partition INTEGER NOT NULL,
        epoch INTEGER NOT NULL,
        owner TEXT NOT NULL,
        claimed_at INTEGER NOT NULL,
        after_position INTEGER NOT NULL,
        PRIMARY KEY (partition, epoch)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE segments (
        first INTEGER PRIMARY KEY,
        last INTEGER NOT NULL,
        file TEXT NOT NULL,
        file_bytes INTEGER NOT NULL,
        sha256 TEXT NOT NULL,
        put_away_at INTEGER NOT NULL
    ) STRICT
    """,
)
"""From each version of the schema to the next; from 0, which has nothing, to the number of steps."""
SCHEMA_VERSION: Final = len(_STEPS)
_SEGMENTS_VERSION: Final = 3
_APPLICATION_ID: Final = 0x6C756E74
"""`lunt`: tells our file from any other SQLite database."""
_REFUSED: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_READONLY})
"""Primary result codes after which SQLite has rolled back for certain."""


def take_lock(path: Path) -> int:
    """Become the only process that has this store open; the kernel drops the lock when the process dies.

    Returns:
        The descriptor to close.

    Raises:
        StoreInUse: another process has it.
        JournalUnavailable: no right to write beside it.
    """
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


def prepare(path: Path, connection: sqlite3.Connection) -> None:
    """Make a file ours to write: create it, or bring it to this version's schema, and see that nobody holds it.

    Raises:
        StoreCorrupt: of another program, or of a newer version of this one; it is left as it is.
        sqlite3.Error: no database, damaged, locked, or no room.
    """
    check_ours(path, connection)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA wal_autocheckpoint=0")  # `checkpoints` does that, beside the commits
    # at once, whether there is something to migrate or not: a lock held by another program shows now, not at the
    # first order
    connection.execute("BEGIN IMMEDIATE")
    version = pragma(connection, "user_version")
    if version == SCHEMA_VERSION:
        connection.execute("ROLLBACK")
        return
    for step in _STEPS[version:]:
        connection.execute(step)
    connection.execute(f"PRAGMA application_id={_APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
    connection.execute("COMMIT")


def check_ours(path: Path, connection: sqlite3.Connection) -> None:
    """Judge whose database this is; an empty one is anybody's.

    Raises:
        StoreCorrupt: of another program, or of a newer version of this one.
        sqlite3.Error: no database, or damaged.
    """
    application, version = pragma(connection, "application_id"), pragma(connection, "user_version")
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if tables and application != _APPLICATION_ID:
        raise StoreCorrupt(f"{path} is a database of another program (application id {application})")
    if version > SCHEMA_VERSION:
        raise StoreCorrupt(
            f"{path} was written by a newer lastunit (schema {version}, this one knows {SCHEMA_VERSION})"
        )


def claim(connection: sqlite3.Connection, owner: str) -> Claim:
    """Raise the epoch in one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute(
            """
            INSERT INTO owners SELECT
                :partition,
                (SELECT coalesce(max(epoch), 0) + 1 FROM owners WHERE partition = :partition),
                :owner,
                CAST(round((julianday('now') - 2440587.5) * 86400000000) AS INTEGER),
                (SELECT coalesce(max(position), 0) FROM frames)
            """,
            {"partition": PARTITION, "owner": owner},
        )
        connection.execute("COMMIT")
    except sqlite3.Error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return claims(connection, 1)[0]


def claims(connection: sqlite3.Connection, limit: int) -> list[Claim]:
    """Read the newest claims, the newest first."""
    rows = connection.execute(
        "SELECT epoch, owner, claimed_at, after_position FROM owners WHERE partition = ? ORDER BY epoch DESC LIMIT ?",
        (PARTITION, limit),
    )
    return [
        Claim(epoch=epoch, owner=owner, claimed_at=instant(claimed_at), after_position=after_position)
        for epoch, owner, claimed_at, after_position in rows
    ]


def read(path: Path, connection: sqlite3.Connection, after: int, limit: int) -> tuple[Frame, ...]:
    """Read frames in order (`engine.ports.Store.read`)."""
    query = "SELECT position, written_at, digest, payload FROM frames WHERE position > ? ORDER BY position LIMIT ?"
    try:
        rows = connection.execute(query, (after, limit)).fetchall()
    except sqlite3.Error as error:
        raise translate(path, error, opening=True) from error
    for expected, row in enumerate(rows, after + 1):
        if row[0] != expected:
            raise_put_away(path, connection, expected)
            raise StoreCorrupt(f"{path}: frame {expected} is missing, the next one is {row[0]}")
    return tuple(checked(path, *row) for row in rows)


def raise_put_away(path: Path, connection: sqlite3.Connection, position: int) -> None:
    """Do nothing about a frame that is there, or that there is no record of.

    Raises:
        PutAway: it was put away.
    """
    there = "SELECT 1 FROM frames WHERE position = ?"
    try:
        if connection.execute(there, (position,)).fetchone() is None:
            for segment in segments(connection, position):
                raise PutAway(str(path), segment)
    except sqlite3.Error as error:
        raise translate(path, error, opening=True) from error


def segments(connection: sqlite3.Connection, position: int | None = None) -> list[Segment]:
    """Read the records of all segments, in order, or of the one that has a frame; older journals have none."""
    if pragma(connection, "user_version") < _SEGMENTS_VERSION:
        return []
    rows = connection.execute(
        """
        SELECT first, last, file, file_bytes, sha256, put_away_at FROM segments
        WHERE :position IS NULL OR :position BETWEEN first AND last ORDER BY first
        """,
        {"position": position},
    )
    return [
        Segment(first=first, last=last, file=file, file_bytes=size, sha256=sha256, put_away_at=instant(put_away_at))
        for first, last, file, size, sha256, put_away_at in rows
    ]


def checked(path: Path, position: int, written_at: int, digest: int, payload: bytes) -> Frame:
    """Build a frame of a row.

    Raises:
        StoreCorrupt: the bytes are not those that were written.
    """
    try:
        frame = Frame(position=position, written_at=instant(written_at), payload=payload)
        if is_intact(frame, digest):
            return frame
    except (OverflowError, TypeError):
        pass  # a damaged row need not even hold what its columns are for
    raise StoreCorrupt(f"{path}: frame {position} does not match its digest")


def build_row(frame: Frame) -> tuple[int, int, int, bytes]:
    """Build what stands in the file for a frame."""
    return frame.position, microseconds(frame.written_at), digest_of(frame), frame.payload


def pragma(connection: sqlite3.Connection, name: str) -> int:
    """Read a number that SQLite keeps."""
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def translate(path: Path, error: sqlite3.Error, *, opening: bool = False) -> JournalError:
    """Say what an error means; while nothing is being written, whatever is not damage may be tried again."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return StoreCorrupt(f"{path}: {error}")
    if opening or code in _REFUSED:
        return JournalUnavailable(f"{path}: {error}")
    return AppendUnknown(f"{path}: {error}")


def microseconds(moment: datetime) -> int:
    """Build what stands in the file for an instant."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def instant(since_epoch: int) -> datetime:
    """Read it back."""
    return (EPOCH + timedelta(microseconds=since_epoch)).astimezone(UTC)
