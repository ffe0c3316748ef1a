"""Moving SQLite's write-ahead log into its database beside the commits instead of in the middle of one.

SQLite's own checkpoint runs in the commit that fills the log: it copies some thousand pages and syncs them while every
answer waits. Here a thread with a connection of its own copies them and syncs the file while commits go on. What was
committed meanwhile is a few pages: those it moves while no commit runs, and the next commit begins the log anew.
"""

import os
import sqlite3
import threading
import time
from pathlib import Path
from typing import Final, Protocol

from adapters.store.trimming import first_position, trim

_MOVED_BYTES: Final = 4 << 20
"""Logged since the last move when the next one begins: SQLite's own default, and a log that is written over again
instead of made longer syncs twice as fast."""
LOG_BYTES_MAX: Final = 64 << 20
"""From here on commits wait for the checkpoint. No disk that keeps up with the commits comes near it."""
_TRIMMED_BYTES: Final = 2 * _MOVED_BYTES
"""Payload taken out of the file before each move: twice what was logged since the last one, so that it always catches
up, and no more, so that the log is moved in time."""
_PAGE_BYTES: Final = 4096
_LOGGED_PER_PAGE: Final = _PAGE_BYTES + 24


class CheckpointListener(Protocol):
    """What operators want to know. Called in whatever thread it happens."""

    def checkpoint_failed(self, reason: str, log_bytes: int) -> None:
        """Report that the log could not be moved; it has all that was committed, and is tried again some MB later."""
        ...

    def checkpoint_overdue(self, log_bytes: int) -> None:
        """Report that commits wait until the log is moved."""
        ...

    def trim_failed(self, reason: str) -> None:
        """Report that frames in segments could not be taken out of the file; they are tried again some MB later."""
        ...


class Checkpoints:
    """The thread, and what it and the writer tell each other.

    The writer counts what it logs and the thread how far it has moved that: each number has one writer. Both locks are
    taken in the order in which they are named here.
    """

    def __init__(self, path: Path, listener: CheckpointListener | None) -> None:
        """Watch over a database in WAL mode that the caller has open; nothing is opened and no thread runs yet."""
        self.committing = threading.Lock()
        """Held by a commit while it writes, and by the thread while it moves the last few pages."""
        self.seconds = 0.0
        """How long the last move took."""
        self.first = 0
        """Position of the oldest frame in the file, when somebody last looked."""
        self._path = path
        self._listener = listener
        self._moving = threading.Lock()
        self._logged = 0
        self._moved = 0
        self._asked = 0
        """What had been logged when the last move was asked for."""
        self._wanted = threading.Event()
        self._closing = False
        self._thread: threading.Thread | None = None
        self._descriptor: int | None = None

    @property
    def log_bytes(self) -> int:
        """Size of what is logged and not known to be in the database, nearly."""
        return self._logged - self._moved

    @property
    def overdue(self) -> bool:
        """Whether the next commit must see to it first: the thread has not kept up, and was asked again since."""
        return self.log_bytes >= LOG_BYTES_MAX and self._logged - self._asked >= _MOVED_BYTES

    def logged(self, payload_bytes: int) -> None:
        """Count a commit; ask for a move when there is enough to be moved. In the writer's thread."""
        # a leaf of the table each time, and what does not fit there in pages of its own
        self._logged += _LOGGED_PER_PAGE + payload_bytes * _LOGGED_PER_PAGE // _PAGE_BYTES
        if self._logged - self._asked >= _MOVED_BYTES and self.log_bytes < LOG_BYTES_MAX:
            self._asked = self._logged
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="checkpoints", daemon=True)
                self._thread.start()
            self._wanted.set()

    def catch_up(self, connection: sqlite3.Connection) -> None:
        """Move all of the log now, in the writer's thread, after what the other one is at. It may take long.

        A reader that holds old pages (a backup) keeps them in the log; then it grows until the reader is done.

        Raises:
            sqlite3.Error: as a commit would; nothing is lost, and nothing was committed.
        """
        with self._moving:
            if self.overdue:  # the thread may just have done it
                if self._listener is not None:
                    self._listener.checkpoint_overdue(self.log_bytes)
                if _checkpoint(connection):
                    self._moved = self._logged
                self._asked = self._logged

    def close(self) -> None:
        """End the thread, after the move it is at. Call it before the writer closes its connection."""
        self._closing = True
        self._wanted.set()
        if self._thread is not None:
            self._thread.join()

    def let_go(self) -> None:
        """Close the file. Call it when no connection is open any more: closing it takes their locks away."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _run(self) -> None:
        connection: sqlite3.Connection | None = None
        while True:
            self._wanted.wait()
            self._wanted.clear()
            if self._closing:
                break
            try:
                if connection is None:
                    connection = _connect(self._path)
                if self._descriptor is None:
                    self._descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
                self._trim(connection)
                self._move(connection, self._descriptor)
            except (sqlite3.Error, OSError) as error:
                # the log has it all: what was committed is safe, and a commit that finds no room says so itself
                if self._listener is not None:
                    self._listener.checkpoint_failed(str(error), self.log_bytes)
        if connection is not None:
            connection.close()

    def _trim(self, connection: sqlite3.Connection) -> None:
        """Take put-away frames out, before the log is moved: what that changes is in the log, too."""
        try:
            trim(connection, self.committing, bytes_max=_TRIMMED_BYTES, wanted=lambda: not self._closing)
            self.first = first_position(connection)
        except sqlite3.Error as error:
            if self._listener is not None:
                self._listener.trim_failed(str(error))

    def _move(self, connection: sqlite3.Connection, descriptor: int) -> None:
        with self._moving:
            started = time.perf_counter()
            _checkpoint(connection)
            os.fdatasync(descriptor)  # SQLite leaves that to whoever moves the last page, and there commits would wait
            with self.committing:
                if _checkpoint(connection):
                    self._moved = self._logged
            self.seconds = time.perf_counter() - started


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA wal_autocheckpoint=0")  # it moves the log when it says so, not when it deletes
    connection.execute("PRAGMA synchronous=NORMAL")  # still syncs what it moves; a deletion waits for the next commit
    return connection


def _checkpoint(connection: sqlite3.Connection) -> bool:
    """Move what can be moved without waiting for anybody; return whether that was all there is."""
    busy, pages, moved = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    return not busy and pages == moved
