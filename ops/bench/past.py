"""`python -m ops.bench.past`: how long questions about the past take on a long journal, and what holds feel of them.

One journal as a shop would leave it, one daemon process on it, one client that holds at a steady pace; then the
questions, one after the other, while it goes on.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import click
import msgspec
import trio

from adapters.store.sqlite import open_store
from engine.actors.journal import encode_events
from engine.domain.events import (
    Event,
    HoldReleased,
    ListingMapped,
    PushPlanned,
    PushSettled,
    PushVerified,
    SkuAdded,
    StockReceived,
    UnitsHeld,
)
from engine.domain.units import DIRECT, AccountId, HoldId, Key, ListingId, LocationId, Sku
from engine.ports import Frame
from ops.bench.load import cpu_seconds
from ops.bench.reoffer import Client, Felt, Holds, felt

_START: Final = datetime(2026, 1, 1, tzinfo=UTC)
_HERE: Final = LocationId("here")
_SHOP: Final = AccountId("shop")
_EVENTS_PER_FRAME: Final = 100
"""As a daemon writes under some load."""
_HOT: Final = 20
"""One hold in so many is of the first SKU: the one everybody asks about."""
_READY_SECONDS_MAX: Final = 600.0


class Question(msgspec.Struct, frozen=True):
    """One question, and what it cost."""

    words: str
    seconds: float
    cpu_seconds: float
    """Of the daemon, holds included."""
    rest: Felt
    """Just before."""
    felt: Felt
    """Meanwhile."""
    p99_ratio: float
    """Of the two."""


class Report(msgspec.Struct, frozen=True):
    """All of one run."""

    events: int
    frames: int
    journal_bytes: int
    questions: tuple[Question, ...]


def tell_year(events: int, skus: int) -> Iterator[Event]:
    """Return what a shop would leave behind: holds come and go, numbers are pushed and verified."""
    names = [Sku(f"SKU-{number:06}") for number in range(skus)]
    for number, sku in enumerate(names):
        yield SkuAdded(at=_START, sku=sku, name=f"Item {number}")
        yield StockReceived(at=_START, sku=sku, key=Key("first"), location=_HERE, quantity=10**6, on_hand=10**6)
        yield ListingMapped(at=_START, account=_SHOP, listing_id=ListingId(f"p:{number}"), sku=sku, source="import")
    for number in range((events - 3 * skus) // 5):
        at = _START + timedelta(seconds=30 * number)
        turn = 0 if number % _HOT == 0 else number * 7919 % skus
        sku, hold, listing = names[turn], HoldId(f"h-{number}"), ListingId(f"p:{turn}")
        yield UnitsHeld(at=at, sku=sku, hold_id=hold, parts=((_HERE, 1),), expires_at=None, account=DIRECT)
        yield HoldReleased(at=at, sku=sku, hold_id=hold)
        yield PushPlanned(
            at=at, account=_SHOP, listing_id=listing, sku=sku, version=number + 1, quantity=7, basis=number
        )
        yield PushSettled(at=at, account=_SHOP, listing_id=listing, version=number + 1, verdict="accepted")
        yield PushVerified(at=at, account=_SHOP, listing_id=listing, version=number + 1, shown=7)


async def write_journal(path: Path, events: int, skus: int) -> int:
    """Write such a journal; return how many frames it has."""
    store = await open_store(path, inline_seconds_max=1e9)
    await store.claim("bench")
    frames: list[Event] = []
    position = 0
    for event in tell_year(events, skus):
        frames.append(event)
        if len(frames) == _EVENTS_PER_FRAME:
            position += 1
            await store.append(Frame(position=position, written_at=event.at, payload=encode_events(frames)))
            frames = []
    await store.aclose()
    return position


@contextmanager
def running_daemon(folder: Path) -> Iterator[int]:
    """Run a daemon on the journal of the folder; yields its process id once it answers."""
    config = folder / "lastunit.toml"
    config.write_text(
        '[node]\ndata = "."\n[socket]\npath = "bench.sock"\n[gateway]\nenabled = false\n[[locations]]\nid = "here"\n'
    )
    process = subprocess.Popen([sys.executable, "-m", "ops.cli.main", "--config", str(config), "run"], stderr=-3)
    try:
        started = time.perf_counter()
        while not (folder / "bench.sock").exists():
            if process.poll() is not None or time.perf_counter() - started > _READY_SECONDS_MAX:
                raise click.ClickException("the daemon did not start")
            time.sleep(0.1)
        yield process.pid
    finally:
        process.terminate()
        process.wait(30)


def measure(events: int, skus: int, *, seconds: float, per_second: float) -> Report:
    """Measure one daemon on a journal of this length."""
    with tempfile.TemporaryDirectory(prefix="lastunit-past-") as name:
        folder = Path(name)
        path = folder / "journal.sqlite3"
        frames = trio.run(write_journal, path, events, skus)
        size = path.stat().st_size
        at = (_START + timedelta(seconds=15 * events // 5)).isoformat()
        with running_daemon(folder) as pid:
            socket = folder / "bench.sock"
            asking, holds = Client(socket), Holds(socket, skus, per_second)
            asking.call("PING")
            questions: list[Question] = []
            for words in (
                ("EXPLAIN", "SKU-000001", "AT", at),
                ("EXPLAIN", "SKU-000000", "AT", at),
                ("HISTORY", "SKU-000001"),
                ("HISTORY", "SKU-000000"),
                ("SCAN",),
                ("SCAN", "DEEP"),
            ):
                holds.take()
                time.sleep(seconds)
                rest = felt(holds.take())  # anew each time: other programs of the machine come and go
                cpu, started = cpu_seconds(pid), time.perf_counter()
                asking.call(*words)
                took, used = time.perf_counter() - started, cpu_seconds(pid) - cpu
                if took < seconds:  # too short for a tail of its own: ask again and again
                    while time.perf_counter() - started < seconds:
                        asking.call(*words)
                during = felt(holds.take())
                questions.append(Question(" ".join(words), took, used, rest, during, during.p99_ms / rest.p99_ms))
            holds.stop()
        return Report(events, frames, size, tuple(questions))


def describe(report: Report) -> str:
    """Say it in lines."""
    lines = [f"{report.events} events in {report.frames} frames, {report.journal_bytes / 1e6:.0f} MB"]
    lines += [
        f"{question.words}: {question.seconds:.2f} s, {question.cpu_seconds:.2f} s of processor;"
        f" holds p50 {question.rest.p50_ms:.2f} ms and p99 {question.rest.p99_ms:.2f} ms before,"
        f" {question.felt.p50_ms:.2f} ms and {question.felt.p99_ms:.2f} ms meanwhile ({question.p99_ratio:.2f})"
        for question in report.questions
    ]
    return "\n".join(lines)


@click.command()
@click.option("--events", type=click.IntRange(min=1000), default=1_000_000, show_default=True)
@click.option("--skus", type=click.IntRange(min=2), default=10_000, show_default=True)
@click.option("--seconds", type=click.FloatRange(min=0.1), default=10.0, show_default=True, help="At rest, and each.")
@click.option("--holds-per-second", type=click.FloatRange(min=1), default=200.0, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(*, events: int, skus: int, seconds: float, holds_per_second: float, as_json: bool) -> None:
    """Measure what questions about the past cost."""
    report = measure(events, skus, seconds=seconds, per_second=holds_per_second)
    click.echo(msgspec.json.encode(report).decode() if as_json else describe(report))


if __name__ == "__main__":
    main()
