"""`python -m ops.bench.reoffer`: how long an edit of the rules takes for every offer, and what holds feel of it.

One run, one daemon process of the full size, one client: holds at a steady pace at rest, then an edit that changes a
few offers, then one that changes all of them, and the same holds meanwhile.
"""

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final

import click
import hiredis
import msgspec

from ops.bench.load import cpu_seconds

SECONDS_MUST: Final = 10.0
"""For 100,000 SKUs at 6 accounts."""
P99_RATIO_MUST: Final = 2.0
MEMORY_MUST_BYTES: Final = 1 << 30
_STARTED_PER_SECOND: Final = 40_000
"""Listings that a daemon takes up again in a second after its start; before that it is not at rest."""
_WALK_SECONDS_MAX: Final = 300.0
_ASKED_SECONDS: Final = 0.1
"""Between two looks at how far it has come: RULES SHOW writes the whole book each time."""
_PATIENCE_SECONDS: Final = 10.0
_QUIET_SECONDS: Final = 2.0
"""Between two edits: what the one before left to push goes on, as it would."""


class Felt(msgspec.Struct, frozen=True):
    """What holds felt for a while."""

    holds: int
    p50_ms: float
    p99_ms: float
    max_ms: float


class Edit(msgspec.Struct, frozen=True):
    """One edit of the rules."""

    name: str
    offers: int
    seconds: float
    """From the edit's answer until every offer is up to date."""
    cpu_seconds: float
    """Processor time of the daemon meanwhile, holds and pushes included: what a busy machine does not change."""
    felt: Felt
    p99_ratio: float
    """Beside that at rest, in the same run."""
    slow_commits: int
    """Frames that the disk took more than a tenth of a second for: what computing has no part in."""


class Report(msgspec.Struct, frozen=True):
    """All of one run."""

    skus: int
    locations: int
    accounts: int
    rest: Felt
    edits: tuple[Edit, ...]
    resident_bytes: int
    """Of the daemon, after everything."""
    resident_at_rest_bytes: int


class Client:
    """One connection, one command at a time."""

    def __init__(self, path: Path) -> None:
        """Connect."""
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(60)
        self._socket.connect(str(path))
        self._reader = hiredis.Reader(encoding="utf-8")

    def call(self, *words: str) -> Any:  # noqa: ANN401 - any RESP value
        """Send one command and return its answer; an error ends the run."""
        self._socket.sendall(hiredis.pack_command(words))  # type: ignore[arg-type]  # its stub means tuples of one
        while (reply := self._reader.gets()) is False:
            self._reader.feed(self._socket.recv(1 << 16))
        if isinstance(reply, hiredis.ReplyError):
            raise click.ClickException(f"{words[0]}: {reply}")
        return reply


class Holds:
    """Places holds at a steady pace in a thread of its own and notes how long each answer took."""

    def __init__(self, path: Path, skus: int, per_second: float) -> None:
        """Start at once; `skus` are taken in turn, far apart."""
        self._client, self._skus, self._pause = Client(path), skus, 1 / per_second
        self._taken: list[float] = []
        self._stopped = Event()
        self._number = 0
        self._thread = Thread(target=self._place, daemon=True)
        self._thread.start()

    def take(self, at_least: int = 0) -> list[float]:
        """Return what was measured since the last call, in seconds; waits a while for so many, where all is quick."""
        patience = time.perf_counter() + _PATIENCE_SECONDS
        while len(self._taken) < at_least and time.perf_counter() < patience:
            time.sleep(self._pause)
        taken, self._taken = self._taken, []
        return taken

    def stop(self) -> None:
        """Place no more."""
        self._stopped.set()
        self._thread.join()

    def _place(self) -> None:
        due = time.perf_counter()
        while not self._stopped.is_set():
            self._number += 1
            sku = f"SKU-{self._number * 7919 % self._skus:06}"
            started = time.perf_counter()
            self._client.call("HOLD", f"hold-{self._number}", "3600", sku, "1")
            ended = time.perf_counter()
            self._taken.append(ended - started)
            due = max(due + self._pause, ended)
            time.sleep(max(0.0, due - time.perf_counter()))


@contextmanager
def running_daemon(folder: Path, skus: int, locations: int, accounts: int) -> Iterator[int]:
    """Run the daemon in a process of its own; yields its process id once it answers."""
    command = [sys.executable, "-m", "ops.bench.shelves", str(folder), *map(str, (skus, locations, accounts))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None, "it was asked for"
    try:
        if process.stdout.readline().strip() != "ready":
            raise click.ClickException("the daemon did not start")
        yield process.pid
    finally:
        process.terminate()
        process.wait(30)


def measure(
    skus: int, locations: int, accounts: int, *, seconds: float, per_second: float, disk: Path | None
) -> Report:
    """Measure one daemon of this size, its journal on `disk`; None: where temporary files are."""
    with tempfile.TemporaryDirectory(prefix="lastunit-reoffer-", dir=disk) as name:
        folder = Path(name)
        with running_daemon(folder, skus, locations, accounts) as pid:
            path = folder / "bench.sock"
            asking, holds = Client(path), Holds(path, skus, per_second)
            wait_idle(asking)
            time.sleep(skus * accounts / _STARTED_PER_SECOND)
            holds.take()
            time.sleep(seconds)
            rest = felt(holds.take(2))
            resident = resident_bytes(pid)
            few = {"skus": {f"SKU-{number:06}": {"cap": 9} for number in range(0, skus, 100)}}
            edits: list[Edit] = []
            for title, book in (
                ("one offer in a hundred changes", few),
                ("every offer changes", {"default": {"buffer": 1}}),
            ):
                holds.take()
                slow = slow_commits(asking)
                cpu, started = cpu_seconds(pid), time.perf_counter()
                asking.call("RULES", "SET", json.dumps(book))
                walked = wait_idle(asking, started)
                during = felt(holds.take(2))
                used = cpu_seconds(pid) - cpu
                ratio, slow = during.p99_ms / rest.p99_ms, slow_commits(asking) - slow
                edits.append(Edit(title, skus * accounts, walked, used, during, ratio, slow))
                time.sleep(_QUIET_SECONDS)
            holds.stop()
            return Report(skus, locations, accounts, rest, tuple(edits), resident_bytes(pid), resident)


def wait_idle(client: Client, started: float | None = None) -> float:
    """Wait until no offer is left to be computed; returns the seconds since `started`."""
    started = time.perf_counter() if started is None else started
    while time.perf_counter() - started < _WALK_SECONDS_MAX:
        shown = client.call("RULES", "SHOW")
        if int(dict(zip(shown[::2], shown[1::2], strict=True))["offers_left"]) == 0:
            return time.perf_counter() - started
        time.sleep(_ASKED_SECONDS)
    raise click.ClickException(f"offers are still to be computed after {_WALK_SECONDS_MAX:g} s")


def slow_commits(client: Client) -> int:
    """Count frames so far that took longer than a tenth of a second, as the daemon's own metric has them."""
    counts = {
        line.partition('le="')[2].partition('"')[0]: float(line.rpartition(" ")[2])
        for line in client.call("METRICS").splitlines()
        if line.startswith("lastunit_commit_duration_seconds_bucket")
    }
    return int(counts["+Inf"] - counts["0.1"])


def felt(seconds: list[float]) -> Felt:
    """Sum up what holds felt."""
    if len(seconds) < 2:
        raise click.ClickException("too few holds were answered to say anything of their tail")
    ordered = sorted(seconds)
    p99 = ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
    return Felt(len(ordered), 1e3 * statistics.median(ordered), 1e3 * p99, 1e3 * ordered[-1])


def resident_bytes(pid: int) -> int:
    """Memory that a process has in use (Linux)."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def describe(report: Report) -> str:
    """Say it in lines, with the targets where the size is the one they are for."""
    full = (report.skus, report.locations, report.accounts) == (100_000, 3, 6)

    def judge(rule: str, *, good: bool) -> str:
        return f"{rule}: {('met' if good else 'MISSED') if full else 'not judged at this size'}"

    lines = [
        f"{report.skus} SKUs x {report.locations} locations x {report.accounts} accounts",
        f"at rest: {report.rest.holds} holds, p50 {report.rest.p50_ms:.2f} ms, p99 {report.rest.p99_ms:.2f} ms",
    ]
    for edit in report.edits:
        seconds = judge(f"under {SECONDS_MUST:g} s", good=edit.seconds < SECONDS_MUST)
        ratio = judge(f"at most {P99_RATIO_MUST:g}", good=edit.p99_ratio <= P99_RATIO_MUST)
        lines.append(
            f"{edit.name}: {edit.offers} offers in {edit.seconds:.2f} s ({seconds}),"
            f" {edit.cpu_seconds:.2f} s of processor;"
            f" meanwhile {edit.felt.holds} holds, p50 {edit.felt.p50_ms:.2f} ms, p99 {edit.felt.p99_ms:.2f} ms,"
            f" {edit.p99_ratio:.2f} of that at rest ({ratio}); {edit.slow_commits} commits above 100 ms"
        )
    memory = judge(f"under {MEMORY_MUST_BYTES / 1e6:.0f} MB", good=report.resident_bytes < MEMORY_MUST_BYTES)
    lines.append(
        f"resident: {report.resident_at_rest_bytes / 1e6:.0f} MB at rest,"
        f" {report.resident_bytes / 1e6:.0f} MB with every listing waiting ({memory})"
    )
    return "\n".join(lines)


@click.command()
@click.option("--skus", type=click.IntRange(min=100), default=100_000, show_default=True)
@click.option("--locations", type=click.IntRange(min=1), default=3, show_default=True)
@click.option("--accounts", type=click.IntRange(min=1), default=6, show_default=True)
@click.option("--seconds", type=click.FloatRange(min=0.1), default=15.0, show_default=True, help="Holds at rest.")
@click.option("--holds-per-second", type=click.FloatRange(min=1), default=100.0, show_default=True)
@click.option(
    "--disk", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Where the journal lies for the run."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(
    *,
    skus: int,
    locations: int,
    accounts: int,
    seconds: float,
    holds_per_second: float,
    disk: Path | None,
    as_json: bool,
) -> None:
    """Measure what an edit of the rules costs."""
    report = measure(skus, locations, accounts, seconds=seconds, per_second=holds_per_second, disk=disk)
    click.echo(msgspec.json.encode(report).decode() if as_json else describe(report))


if __name__ == "__main__":
    main()
