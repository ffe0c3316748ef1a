"""`python -m ops.bench.reading`: how fast the tables for SQL are made of a long journal, and followed."""

import tempfile
import time
from contextlib import closing
from functools import partial
from pathlib import Path

import click
import msgspec
import trio

from adapters.store.reading import ReadingFile, open_reading
from adapters.store.sqlite_reader import open_to_read
from engine.actors.journal import decode_events
from ops.bench.past import write_journal
from ops.reading import catch_up, rebuild
from ops.storetool import Source


class Took(msgspec.Struct, frozen=True):
    """One way of doing it."""

    way: str
    seconds: float
    cpu_seconds: float
    events_per_cpu_second: float


async def _decode(source: Source) -> None:
    """Do nothing with the events: what is left of the time is ours."""
    position = 0
    while frames := await source.read(position, 200):
        for frame in frames:
            decode_events(frame)
        position = frames[-1].position


async def _rebuild(source: Source, file: ReadingFile) -> None:
    await rebuild(source, file, lambda _what, _frames: None)


async def _follow(source: Source, file: ReadingFile) -> None:
    with file.transaction():
        file.clear()
        file.complete()
    await catch_up(source, file, None)


async def measure(events: int, skus: int) -> list[Took]:
    """Measure each way on one journal."""
    found = []
    with tempfile.TemporaryDirectory(prefix="lastunit-reading-") as name:
        journal = Path(name) / "journal.sqlite3"
        await write_journal(journal, events, skus)
        source = open_to_read(journal, alone=False)
        with closing(open_reading(Path(name) / "reading.sqlite3")) as file:
            for way, work in (
                ("read and decode", partial(_decode, source)),
                ("rebuild", partial(_rebuild, source, file)),
                ("follow", partial(_follow, source, file)),
            ):
                started, cpu = time.perf_counter(), time.process_time()
                await work()
                seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu
                found.append(Took(way, seconds, cpu_seconds, events / cpu_seconds))
        await source.aclose()
    return found


@click.command()
@click.option("--events", type=click.IntRange(min=1000), default=1_000_000, show_default=True)
@click.option("--skus", type=click.IntRange(min=2), default=10_000, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(*, events: int, skus: int, as_json: bool) -> None:
    """Measure how fast the tables are made."""
    found = trio.run(measure, events, skus)
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
