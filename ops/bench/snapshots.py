"""`python -m ops.bench.snapshots`: how long a start takes on a long journal, and what making snapshots costs.

First a daemon process on a journal of millions of events, started from a snapshot; one on a shorter journal, without.
Then holds at 64x16 on one SKU, round after round with and without a process that makes snapshots all the time.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Final

import click
import msgspec
import trio

from ops.bench.load import Load, Measured, cpu_seconds
from ops.bench.longjournal import ACCOUNTS, HERE, write_long_journal
from ops.bench.peers import run_lastunit
from ops.bench.reoffer import Client
from ops.snapshots.process import Made

START_MUST_SECONDS: Final = 10.0
"""With 100,000 SKUs and 10 million events."""
COST_MUST: Final = 0.10
"""Of the throughput of holds, while snapshots are made without a pause."""
_READY_SECONDS_MAX: Final = 3600.0
_LOAD: Final = Load("64x16", 64, 16, 153_600)


class Started(msgspec.Struct, frozen=True):
    """One start of a daemon process."""

    events: int
    frames: int
    journal_bytes: int
    seconds: float
    """From the process's start until it is ready: to sell, and to hear of orders."""
    cpu_seconds: float
    told_seconds: float
    """Until every account knew all levels, SKU by SKU, while holds were answered."""
    resident_bytes: int


class Recovery(msgspec.Struct, frozen=True):
    """Starts with a snapshot and without."""

    skus: int
    made: Made
    made_cpu_seconds: float
    """Of the process that made it of the whole journal."""
    from_snapshot: Started
    from_journal: Started
    """Of a shorter journal: it takes that much longer with each event."""


class Cost(msgspec.Struct, frozen=True):
    """Holds with and without a process that makes snapshots."""

    alone: tuple[float, ...]
    """Per second, one figure per round."""
    beside: tuple[float, ...]
    made: int
    """Snapshots meanwhile."""
    cpu_us_alone: float
    """Of the daemon, per hold."""
    cpu_us_beside: float

    @property
    def lost(self) -> float:
        """Return the share of the throughput that the making costs: the median of the rounds."""
        return 1 - statistics.median(b / a for a, b in zip(self.alone, self.beside, strict=True))


class Report(msgspec.Struct, frozen=True):
    """All of one run."""

    recovery: Recovery | None
    cost: Cost | None


def configure(folder: Path, *, snapshots: bool) -> Path:
    """Write the configuration of the seller who has left such a journal behind; nobody answers at the shops."""
    lines = ["[node]", 'log_format = "json"', "[gateway]", "enabled = false", "[[locations]]", f'id = "{HERE}"']
    lines += ["[snapshots]", f"enabled = {str(snapshots).lower()}", "stop_seconds_max = 0"]
    for account in ACCOUNTS:
        lines += ["[[accounts]]", f'id = "{account}"', 'channel = "woocommerce"', 'mode = "off"']
        lines += [f'locations = ["{HERE}"]', f'url = "https://{account}.invalid"']
        lines += ['consumer_key = "env:LASTUNIT_BENCH_KEY"', 'consumer_secret = "env:LASTUNIT_BENCH_KEY"']
    path = folder / "lastunit.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def _command(config: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "ops.cli.main", "--config", str(config), *words]


def _environ() -> dict[str, str]:
    return os.environ | {"LASTUNIT_BENCH_KEY": "unused"}


def measure_recovery(events: int, skus: int, whole_events: int, folder: Path) -> Recovery:
    """Measure a start from a snapshot, and one of a shorter journal without."""
    long, short = folder / "long", folder / "short"
    frames = _write(long, events, skus)
    config = configure(long, snapshots=True)
    before = _children_cpu()
    done = subprocess.run(_command(config, "store", "snapshot", "--json"), capture_output=True, check=True)
    made_cpu = _children_cpu() - before
    made = msgspec.json.decode(done.stdout, type=Made)
    from_snapshot = _start(config, events, frames)
    shorter = _write(short, whole_events, skus)
    from_journal = _start(configure(short, snapshots=False), whole_events, shorter)
    return Recovery(skus, made, made_cpu, from_snapshot, from_journal)


def _write(folder: Path, events: int, skus: int) -> int:
    (folder / "data").mkdir(parents=True)
    click.echo(f"writing {events} events", err=True)
    return trio.run(write_long_journal, folder / "data" / "journal.sqlite3", events, skus).frames


def _children_cpu() -> float:
    found = os.times()
    return found.children_user + found.children_system


def _start(config: Path, events: int, frames: int) -> Started:
    click.echo("starting a daemon", err=True)
    data = config.parent / "data"
    started = time.perf_counter()
    said = data / "log"
    with said.open("wb") as log:
        process = subprocess.Popen(_command(config, "run"), env=_environ(), stderr=log)

    def seconds_until(is_so: Callable[[], bool]) -> float:
        while not is_so():
            if process.poll() is not None or time.perf_counter() - started > _READY_SECONDS_MAX:
                raise click.ClickException(f"the daemon did not start (exit code {process.poll()}): {said.read_text()}")
            time.sleep(0.01)
        return time.perf_counter() - started

    try:
        seconds = seconds_until(lambda: _is_ready(data / "lastunit.sock"))
        cpu = cpu_seconds(process.pid)
        told_seconds = seconds_until(lambda: b"levels.told" in said.read_bytes())
        resident = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    finally:
        process.terminate()
        process.wait(60)
    journal_bytes = (data / "journal.sqlite3").stat().st_size
    return Started(events, frames, journal_bytes, seconds, cpu, told_seconds, resident)


def _is_ready(socket: Path) -> bool:
    try:
        client = Client(socket)
    except OSError:  # not there, or nobody listens yet
        return False
    health = client.call("HEALTH")
    return bool(health[health.index("ready") + 1])


def measure_cost(rounds: int, load: Load) -> Cost:
    """Measure holds, round after round, with and without a process that makes one snapshot after the other."""
    if shutil.which("redis-benchmark") is None:
        raise click.ClickException("redis-benchmark is not installed (Debian: redis-tools); it drives the daemon")
    alone: list[Measured] = []
    beside: list[Measured] = []
    made = 0
    with tempfile.TemporaryDirectory(prefix="lastunit-snapshots-") as name, run_lastunit(Path(name)) as daemon:
        config = Path(name) / "lastunit.toml"
        daemon.measure(load, hot=True, run=f"warm-{os.getpid()}")
        for number in range(rounds):
            click.echo(f"round {number + 1}", err=True)
            for busy in (number % 2 == 0, number % 2 == 1):  # none always comes after the same one
                run = f"r{number}-{busy:d}-{os.getpid()}"
                if busy:
                    with _making(config) as count:
                        beside.append(daemon.measure(load, hot=True, run=run))
                    made += len(count)
                else:
                    alone.append(daemon.measure(load, hot=True, run=run))
    return Cost(
        tuple(each.per_second for each in alone),
        tuple(each.per_second for each in beside),
        made,
        statistics.median(each.cpu_us or 0 for each in alone),
        statistics.median(each.cpu_us or 0 for each in beside),
    )


@contextmanager
def _making(config: Path) -> Iterator[list[int]]:
    """Have snapshots made one after the other meanwhile; yields the list of their exit codes."""
    stop, codes = Event(), list[int]()

    def make() -> None:
        while not stop.is_set():
            process = subprocess.Popen(_command(config, "store", "snapshot", "--json"), stdout=subprocess.DEVNULL)
            codes.append(process.wait())

    thread = Thread(target=make)
    thread.start()
    try:
        time.sleep(1.0)  # the interpreter and the imports of the first one are not what is measured
        yield codes
    finally:
        stop.set()
        thread.join()
    if any(codes):
        raise click.ClickException(f"a snapshot failed: exit codes {codes}")


def describe(report: Report) -> str:
    """Say it in lines."""
    lines: list[str] = []
    if report.recovery is not None:
        lines += _describe_recovery(report.recovery)
    if report.cost is not None:
        cost = report.cost
        verdict = "met" if cost.lost < COST_MUST else "MISSED"
        change = f"{abs(cost.lost):.1%} {'less' if cost.lost >= 0 else 'more'}"
        lines.append(
            f"holds on one SKU at 64x16: {statistics.median(cost.alone):.0f}/s alone,"
            f" {statistics.median(cost.beside):.0f}/s while {cost.made} snapshots were made:"
            f" {change}, must be under {COST_MUST:.0%}: {verdict};"
            f" {cost.cpu_us_alone:.1f} and {cost.cpu_us_beside:.1f} us of the daemon's processor per hold"
        )
    return "\n".join(lines)


def _describe_recovery(recovery: Recovery) -> list[str]:
    made, quick, slow = recovery.made, recovery.from_snapshot, recovery.from_journal
    verdict = "met" if quick.seconds < START_MUST_SECONDS else "MISSED"
    size = f"{quick.journal_bytes / 1e6:.0f} MB"
    making = f"{made.seconds:.1f} s, {recovery.made_cpu_seconds:.1f} s of processor"
    start = (
        f"{quick.seconds:.1f} s, {quick.cpu_seconds:.1f} s of processor, {quick.resident_bytes / 1e6:.0f} MB resident;"
        f" all levels told after {quick.told_seconds:.1f} s"
    )
    return [
        f"{recovery.skus} SKUs; {quick.events} events in {quick.frames} frames, {size}",
        f"snapshot: {made.statements} statements, {made.stored_bytes / 1e6:.1f} MB, of the whole journal in {making}",
        f"start from it: {start}; must be under {START_MUST_SECONDS:g} s: {verdict}",
        f"start without one, {slow.events} events: {slow.seconds:.1f} s, {slow.cpu_seconds:.1f} s of processor",
    ]


@click.command()
@click.option("--events", type=click.IntRange(min=0), default=10_000_000, show_default=True, help="0: no recovery.")
@click.option("--skus", type=click.IntRange(min=2), default=100_000, show_default=True)
@click.option("--whole-events", type=click.IntRange(min=1), default=1_000_000, show_default=True, help="No snapshot.")
@click.option("--rounds", type=click.IntRange(min=0), default=5, show_default=True, help="Of holds; 0: none.")
@click.option("--holds", type=click.IntRange(min=1024), default=_LOAD.commands, show_default=True, help="Per run.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(*, events: int, skus: int, whole_events: int, rounds: int, holds: int, as_json: bool) -> None:
    """Measure what snapshots are worth and what they cost."""
    recovery = None
    if events:
        with tempfile.TemporaryDirectory(prefix="lastunit-snapshots-") as name:
            recovery = measure_recovery(events, skus, whole_events, Path(name))
    load = Load("64x16", 64, 16, holds // 1024 * 1024)
    report = Report(recovery, measure_cost(rounds, load) if rounds else None)
    click.echo(msgspec.json.encode(report).decode() if as_json else describe(report))


if __name__ == "__main__":
    main()
