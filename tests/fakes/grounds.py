"""Where a daemon keeps its journal, as a storm sees it: one shape for every store."""

import fcntl
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Final, Protocol

import trio

from tests.fakes.postgres import ADMIN, DAEMON, Database
from tests.fakes.processes import write_config

_WRITER_BYTE: Final = 120
"""Of the `-shm` file: who has it locked may write to the log. Source: SQLite, "The WAL-Index File Format"."""


class Ground(Protocol):
    """One journal, and the daemons on it one after the other."""

    name: str
    folder: Path
    """Configuration, socket and logs."""

    def configure(self, **sections: str) -> None:
        """Write the configuration of the next daemon, as `write_config`; what was named once stays."""
        ...

    def hesitating(self) -> AbstractAsyncContextManager[None]:
        """Let every commit wait inside the block, as a busy disk does."""
        ...


class SqliteGround:
    """A file in the data folder."""

    name = "sqlite"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._sections = {"store": ""}

    @property
    def journal(self) -> Path:
        """The database; `-wal` and `-shm` lie beside it while it is open."""
        return self.folder / "data" / "journal.sqlite3"

    def configure(self, **sections: str) -> None:
        """See `Ground`."""
        self._sections |= sections
        write_config(self.folder, **self._sections)

    @asynccontextmanager
    async def hesitating(self) -> AsyncIterator[None]:
        """Take the writer's right without a connection: one that is closed last would tidy up after the crash."""
        shared = os.open(self.journal.with_name("journal.sqlite3-shm"), os.O_RDWR)
        try:
            fcntl.lockf(shared, fcntl.LOCK_EX, 1, _WRITER_BYTE)
            yield
        finally:
            os.close(shared)


class PostgresGround:
    """A database of a server that others may use, too."""

    name = "postgresql"

    def __init__(self, folder: Path, database: Database, *, lease_seconds: float = 6.0) -> None:
        self.folder = folder
        self.database = database
        self._sections = {"store": database.toml(lease_seconds=lease_seconds)}

    def configure(self, **sections: str) -> None:
        """See `Ground`."""
        self._sections |= sections
        write_config(self.folder, **self._sections)

    @asynccontextmanager
    async def hesitating(self) -> AsyncIterator[None]:
        """Lock the table. Whatever waits for it at the end is thrown away, as by a server that dies."""
        server = self.database.server
        psql = await trio.lowlevel.open_process(
            [str(server.binaries / "psql"), "-qXAt", "-h", str(server.folder), "-U", ADMIN, "-d", self.database.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        try:
            await self._do(psql, "BEGIN; LOCK TABLE lastunit.frames IN EXCLUSIVE MODE;")
            yield
            await self._do(psql, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{DAEMON}';")
        finally:
            with trio.CancelScope(shield=True):
                psql.kill()
                await psql.wait()

    async def _do(self, psql: trio.Process, statement: str) -> None:
        assert psql.stdin is not None
        assert psql.stdout is not None
        await psql.stdin.send_all(f"{statement}\n\\echo done\n".encode())
        said = b""
        while b"done" not in said:
            said += await psql.stdout.receive_some()
