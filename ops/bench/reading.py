"""`python -m ops.bench.reading`: how fast the tables for SQL are made of a long journal, and followed, by target."""

import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

import click
import msgspec
import trio

from adapters.store.postgres_link import Terms
from adapters.store.reading import hint_of, open_reading
from adapters.store.reading_postgres import open_at_server
from adapters.store.sqlite_reader import open_to_read
from engine.actors.journal import decode_events
from ops.bench.past import write_journal
from ops.bench.peers import run_postgres
from ops.reading import catch_up, rebuild
from ops.readingtables import Tables
from ops.storetool import Source

_READ: Final = "read and decode"


class Took(msgspec.Struct, frozen=True):
    """One way of doing it, the middle one of all rounds."""

    way: str
    seconds: float
    cpu_seconds: float
    """Of our process; a server's is not counted."""
    events_per_cpu_second: float


async def _decode(source: Source) -> None:
    """Do nothing with the events: what is left of the time is ours."""
    position = 0
    while frames := await source.read(position, 200):
        for frame in frames:
            decode_events(frame)
        position = frames[-1].position


async def _rebuild(source: Source, tables: Tables) -> None:
    await rebuild(source, tables, lambda _what, _frames: None)


async def _follow(source: Source, tables: Tables) -> None:
    """Follow from the first frame on; the tables have their indexes."""
    async with tables.anew():
        pass
    await catch_up(source, tables, None)


@asynccontextmanager
async def _targets(folder: Path, *, postgres: bool) -> AsyncIterator[dict[str, Tables]]:
    async with AsyncExitStack() as stack:
        file = open_reading(folder / "reading.sqlite3")
        targets: dict[str, Tables] = {"SQLite": await stack.enter_async_context(aclosing(file))}
        if postgres:
            (folder / "postgres").mkdir()
            server = stack.enter_context(run_postgres(folder / "postgres", 1))
            terms = Terms(
                host=str(server.folder),
                port=5432,
                database="postgres",
                user="bench",
                password=None,
                schema="reading",
                application_name="bench",
                tls="disable",
                ca_file=None,
                connect_seconds_max=10.0,
                statement_seconds_max=60.0,
            )
            server.execute('CREATE SCHEMA "reading"')
            opened = await open_at_server(terms, (), hint_of(folder / "postgres.sqlite3"))
            targets["PostgreSQL"] = await stack.enter_async_context(aclosing(opened))
        yield targets


async def measure(folder: Path, events: int, skus: int, rounds: int, *, postgres: bool) -> list[Took]:
    """Measure each way on one journal, round by round one after the other."""
    took: dict[str, list[tuple[float, float]]] = {}
    journal = folder / "journal.sqlite3"
    await write_journal(journal, events, skus)
    async with (
        aclosing(open_to_read(journal, alone=False)) as source,
        _targets(folder, postgres=postgres) as targets,
    ):
        ways: dict[str, Callable[[], Awaitable[None]]] = {_READ: partial(_decode, source)}
        for target, tables in targets.items():
            ways[f"rebuild in {target}"] = partial(_rebuild, source, tables)
            ways[f"follow in {target}"] = partial(_follow, source, tables)
        for _ in range(rounds):
            for way, work in ways.items():
                started, cpu = time.perf_counter(), time.process_time()
                await work()
                seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu
                took.setdefault(way, []).append((seconds, cpu_seconds))
    found = []
    for way, times in took.items():
        seconds, cpu_seconds = (statistics.median(column) for column in zip(*times, strict=True))
        found.append(Took(way, seconds, cpu_seconds, events / cpu_seconds))
    return found


@click.command()
@click.option("--events", type=click.IntRange(min=1000), default=1_000_000, show_default=True)
@click.option("--skus", type=click.IntRange(min=2), default=10_000, show_default=True)
@click.option("--rounds", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--postgres/--no-postgres", default=True, help="Also at a PostgreSQL of our own.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(*, events: int, skus: int, rounds: int, postgres: bool, as_json: bool) -> None:
    """Measure how fast the tables are made."""
    with tempfile.TemporaryDirectory(prefix="lastunit-reading-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # as root, PostgreSQL runs as somebody else
        found = trio.run(partial(measure, folder, events, skus, rounds, postgres=postgres))
    if as_json:
        click.echo(msgspec.json.encode(found).decode())
        return
    for took in found:
        click.echo(
            f"{took.way}: {took.seconds:.1f} s, {took.cpu_seconds:.1f} s of processor,"
            f" {took.events_per_cpu_second:,.0f} events per second of it"
        )


if __name__ == "__main__":
    main()
