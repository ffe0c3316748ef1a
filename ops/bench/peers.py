"""What is measured beside each other: this daemon, Redis with a Lua reservation, PostgreSQL row locks.

Each peer makes a reservation durable before it answers, remembers it by id, and refuses what is not there. After every
run the granted ones are counted on the server: a figure whose answers were not all grants is an error, not a result.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Protocol

import redis

from ops.bench.load import Load, Measured, cpu_seconds, run_redis_benchmark

SKUS: Final = 10_000
STOCK: Final = 900_000_000
_START_SECONDS: Final = 60.0
_RANDOM_MAX: Final = 2_000_000_000
"""`redis-benchmark -r` is a 32-bit int; a larger one wraps and the ids repeat, which measures repeats."""


class Unavailable(Exception):
    """The peer is not on this machine; the text says what is missing."""


class Peer(Protocol):
    """Something that grants reservations."""

    name: str

    def measure(self, load: Load, *, hot: bool, run: str) -> Measured:
        """Make `load.commands` reservations on one SKU (`hot`) or over 10,000, with ids that start with `run`."""
        ...


def _ids(run: str, *, hot: bool) -> tuple[str, str, int]:
    """Id, SKU suffix and range of the random numbers.

    Over many SKUs the range is theirs, so an id takes four draws not to come twice; with one SKU too, to be as long.
    `run` must be new each time: the client seeds with time and process number, and now and then draws the same again.
    """
    hold_id = run + "-__rand_int__" * 4
    return (hold_id, "HOT", _RANDOM_MAX) if hot else (hold_id, "__rand_int__", SKUS)


def _checked(measured: Measured, granted: int, load: Load, cpu: float) -> Measured:
    if granted != load.commands:
        raise RuntimeError(f"{load.commands} reservations were asked for, {granted} were granted")
    return Measured(measured.per_second, measured.p50_ms, measured.p99_ms, cpu * 1e6 / load.commands)


class Lastunit:
    """The daemon as `lastunit run` starts it, without the gateway."""

    name = "lastunit"

    def __init__(self, pid: int, socket: Path) -> None:
        """Measure a running daemon."""
        self._pid = pid
        self._socket = socket
        self._client = redis.Redis(unix_socket_path=str(socket), protocol=3, decode_responses=True)

    def measure(self, load: Load, *, hot: bool, run: str) -> Measured:
        """Make reservations and count them (`Peer.measure`)."""
        hold_id, sku, draws = _ids(run, hot=hot)
        held, cpu = self._held(), cpu_seconds(self._pid)
        words = ["HOLD", hold_id, "900", f"K-{sku}", "1"]
        measured = run_redis_benchmark(self._socket, load, draws, words)
        return _checked(measured, self._held() - held, load, cpu_seconds(self._pid) - cpu)

    def frames(self) -> int:
        """Group commits so far."""
        return int(self._client.info("persistence")["journal_position"])

    def _held(self) -> int:
        return int(self._client.info("stock")["holds_open"])


class LastunitOnPostgres(Lastunit):
    """The same, with its journal at the server that the row locks are measured on."""

    name = "lastunit on postgresql"


@contextlib.contextmanager
def run_lastunit_on(server: "Postgres", folder: Path) -> Iterator[LastunitOnPostgres]:
    """Start a daemon with its journal at a server and give it stock."""
    store = f'kind = "postgres"\n[store.postgres]\nhost = "{server.folder}"\ndatabase = "postgres"\nuser = "bench"\n'
    config = _write_config(folder, store)
    command = [sys.executable, "-m", "ops.cli.main", "store", "migrate", "--config", str(config)]
    subprocess.run(command, check=True, capture_output=True)
    with _running(config) as process:
        yield LastunitOnPostgres(process.pid, folder / "data" / "lastunit.sock")


@contextlib.contextmanager
def run_lastunit(folder: Path) -> Iterator[Lastunit]:
    """Start a daemon on the embedded store and give it stock."""
    with _running(_write_config(folder)) as process:
        yield Lastunit(process.pid, folder / "data" / "lastunit.sock")


def _write_config(folder: Path, store: str = "") -> Path:
    config = folder / "lastunit.toml"
    text = f'[node]\nlog_level = "warning"\n[store]\n{store}[gateway]\nenabled = false\n[[locations]]\nid = "main"\n'
    config.write_text(text + "[snapshots]\nevents = 1_000_000_000\n")  # `ops.bench.snapshots` says what those cost
    return config


@contextlib.contextmanager
def running_daemon(config: Path, **environment: str) -> "Iterator[tuple[subprocess.Popen[bytes], redis.Redis]]":
    """Run a daemon whose data folder is beside its configuration; yield it and a client, when it answers."""
    command = [sys.executable, "-m", "ops.cli.main", "run", "--config", str(config)]
    process = subprocess.Popen(command, env=os.environ | environment)
    try:
        client = redis.Redis(
            unix_socket_path=str(config.parent / "data" / "lastunit.sock"),
            protocol=3,
            decode_responses=True,
            socket_timeout=_START_SECONDS,  # past its own five seconds it would ask again, on another connection
        )
        _wait_for(client)
        yield process, client
    finally:
        _end(process)


@contextlib.contextmanager
def _running(config: Path) -> "Iterator[subprocess.Popen[bytes]]":
    with running_daemon(config) as (process, client):
        names = ["HOT", *(f"{number:012}" for number in range(SKUS))]
        rows = ",".join(f'{{"kind":"sku","sku":"K-{name}"}}' for name in names)
        stock = ",".join(f'{{"kind":"stock","sku":"K-{name}","location":"main","on_hand":{STOCK}}}' for name in names)
        client.execute_command("IMPORT", "STAGE", "bench", f"[{rows},{stock}]")  # type: ignore[no-untyped-call]
        client.execute_command("IMPORT", "APPLY", "bench")  # type: ignore[no-untyped-call]
        client.close()
        yield process


_LUA: Final = """
local before = redis.call('GET', KEYS[2])
if before then return before end
local atp = tonumber(redis.call('GET', KEYS[1]) or '0')
local wanted = tonumber(ARGV[1])
if atp < wanted then return redis.error_reply('OUTOFSTOCK atp=' .. atp) end
redis.call('DECRBY', KEYS[1], wanted)
redis.call('SET', KEYS[2], wanted, 'EX', ARGV[2])
redis.call('INCR', 'granted')
return wanted
"""


class RedisLua:
    """Redis with one script per reservation, `appendfsync always`."""

    name = "redis lua always"

    def __init__(self, pid: int, socket: Path) -> None:
        """Measure a running server."""
        self._pid = pid
        self._socket = socket
        self._client = redis.Redis(unix_socket_path=str(socket))
        self._script = self._client.script_load(_LUA)
        pipeline = self._client.pipeline()
        for name in ("HOT", *(f"{number:012}" for number in range(SKUS))):
            pipeline.set(f"stock:{name}", STOCK)
        pipeline.set("granted", 0)
        pipeline.execute()

    def measure(self, load: Load, *, hot: bool, run: str) -> Measured:
        """Make reservations and count them (`Peer.measure`)."""
        hold_id, sku, draws = _ids(run, hot=hot)
        granted, cpu = self._granted(), cpu_seconds(self._pid)
        words = ["EVALSHA", str(self._script), "2", f"stock:{sku}", f"hold:{hold_id}", "1", "900"]
        measured = run_redis_benchmark(self._socket, load, draws, words)
        return _checked(measured, self._granted() - granted, load, cpu_seconds(self._pid) - cpu)

    def _granted(self) -> int:
        return int(self._client.get("granted") or 0)


@contextlib.contextmanager
def run_redis(folder: Path) -> Iterator[RedisLua]:
    """Start a Redis of our own.

    Raises:
        Unavailable: it is not installed.
    """
    server = shutil.which("redis-server")
    if server is None:
        raise Unavailable("redis-server is not installed")
    socket = folder / "redis.sock"
    options = ["--port", "0", "--unixsocket", str(socket), "--dir", str(folder), "--save", ""]
    options += ["--appendonly", "yes", "--appendfsync", "always", "--loglevel", "warning"]
    options += ["--auto-aof-rewrite-percentage", "0"]  # no rewrite in the middle of a round
    process = subprocess.Popen([server, *options], stdout=subprocess.DEVNULL)
    try:
        _wait_for(redis.Redis(unix_socket_path=str(socket)))
        yield RedisLua(process.pid, socket)
    finally:
        _end(process)


_SCHEMA: Final = """
CREATE TABLE stock (sku text PRIMARY KEY, atp bigint NOT NULL);
CREATE TABLE holds (id text PRIMARY KEY, sku text NOT NULL, expires_at timestamptz NOT NULL);
INSERT INTO stock VALUES ('HOT', 900000000);
"""
_TRANSACTION: Final = """
BEGIN;
UPDATE stock SET atp = atp - 1 WHERE sku = 'HOT' AND atp >= 1;
INSERT INTO holds VALUES (gen_random_uuid()::text, 'HOT', now() + interval '900 s');
END;
"""


class Postgres:
    """PostgreSQL: a conditional UPDATE of one hot row and an INSERT, 16 clients."""

    name = "postgresql row lock, 16 clients"

    def __init__(self, binaries: Path, folder: Path, seconds: float) -> None:
        """Measure a running server."""
        self.folder = folder
        """Of its unix socket."""
        self._binaries = binaries
        self._seconds = max(1, round(seconds))
        (folder / "hold.sql").write_text(_TRANSACTION)

    def measure(self, load: Load, *, hot: bool, run: str) -> Measured:  # noqa: ARG002
        """Run transactions for some seconds and count their rows; `load` and `run` mean nothing here."""
        before = self._count()
        command = [str(self._binaries / "pgbench"), "-h", str(self.folder), "-U", "bench", "-n", "-c", "16", "-j", "2"]
        command += ["-T", str(self._seconds), "-f", str(self.folder / "hold.sql"), "postgres"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60 + self._seconds)
        found = dict(line.split(" = ", 1) for line in done.stdout.splitlines() if " = " in line)
        per_second = float(found["tps"].split()[0])
        if self._count() - before < per_second * self._seconds * 0.9:
            raise RuntimeError("fewer rows than transactions")
        return Measured(per_second, float(found["latency average"].split()[0]), None)

    def execute(self, statement: str) -> None:
        """Do something at the server."""
        subprocess.run(_psql(self._binaries, self.folder, statement), check=True, capture_output=True)

    def _count(self) -> int:
        command = [str(self._binaries / "psql"), "-h", str(self.folder), "-U", "bench", "-Atc"]
        done = subprocess.run(
            [*command, "SELECT count(*) FROM holds", "postgres"], capture_output=True, text=True, check=True
        )
        return int(done.stdout)


@contextlib.contextmanager
def run_postgres(folder: Path, seconds: float) -> Iterator[Postgres]:
    """Start a PostgreSQL of our own, as a plain user where we are root.

    Raises:
        Unavailable: it is not installed, or there is no plain user to run it.
    """
    binaries = _find_postgres()
    user: dict[str, str] = {"user": "postgres"} if os.geteuid() == 0 else {}
    data = folder / "pgdata"
    data.mkdir()
    if user:
        with contextlib.suppress(LookupError):
            shutil.chown(data, user="postgres")
            folder.chmod(0o777)
    subprocess.run(
        [str(binaries / "initdb"), "-D", str(data), "-U", "bench", "--auth=trust", "--no-sync"],
        check=True,
        capture_output=True,
        **user,  # type: ignore[call-overload]
    )
    options = ["-k", str(folder), "-c", "listen_addresses=", "-c", "synchronous_commit=on", "-c", "fsync=on"]
    process = subprocess.Popen(
        [str(binaries / "postgres"), "-D", str(data), *options],
        stderr=subprocess.DEVNULL,
        **user,  # type: ignore[call-overload]
    )
    try:
        wait_until(lambda: _answers(_psql(binaries, folder, "SELECT 1")))
        subprocess.run(_psql(binaries, folder, _SCHEMA), check=True, capture_output=True)
        yield Postgres(binaries, folder, seconds)
    finally:
        _end(process, signal.SIGINT)


def _answers(command: list[str]) -> bool:
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def _psql(binaries: Path, folder: Path, statement: str) -> list[str]:
    return [str(binaries / "psql"), "-h", str(folder), "-U", "bench", "-c", statement, "postgres"]


def _find_postgres() -> Path:
    found = shutil.which("pg_ctl")
    installed = [*sorted(Path("/usr/lib/postgresql").glob("*/bin")), *([Path(found).resolve().parent] if found else [])]
    for binaries in reversed(installed):
        if all((binaries / name).exists() for name in ("initdb", "postgres", "pgbench", "psql")):
            return binaries
    raise Unavailable("PostgreSQL's programs (initdb, postgres, pgbench, psql) are not installed side by side")


def _wait_for(client: redis.Redis) -> None:
    def answers() -> bool:
        try:
            return bool(client.ping())
        except (redis.ConnectionError, OSError):
            return False

    wait_until(answers)


def wait_until(ready: Callable[[], bool]) -> None:
    """Wait until something has started."""
    deadline = time.monotonic() + _START_SECONDS
    while not ready():
        if time.monotonic() > deadline:
            raise RuntimeError(f"a peer did not start within {_START_SECONDS:g} s")
        time.sleep(0.05)


def _end(process: "subprocess.Popen[bytes]", number: int = signal.SIGTERM) -> None:
    process.send_signal(number)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
