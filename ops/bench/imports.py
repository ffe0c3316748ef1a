"""`python -m ops.bench.imports`: how long large imports take, what holds feel of them, and what memory they need.

One run, one daemon process, one client that places one hold after the other over the socket: at rest, then while new
SKUs come with stock and listings, while SKUs that exist get opening stock, while listings alone are mapped, while
catalogue fields alone change. Each import is beside the rest just before it.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Any, Final

import click
import msgspec

from ops.bench.load import cpu_seconds
from ops.bench.reoffer import Client, Felt, Holds, felt, resident_bytes, running_daemon, slow_commits
from ops.cli.imports import CHUNK_BYTES

P99_MUST_MS: Final = 30.0
MAX_MUST_MS: Final = 100.0
MEMORY_MUST_BYTES: Final = 200 << 20
_SHELF_SKUS: Final = 1000
"""SKUs that holds are placed on; not those that are imported."""
_LOCATIONS: Final = 2
_ACCOUNTS: Final = 2
_SAMPLED_SECONDS: Final = 0.02
_QUIET_SECONDS: Final = 2.0
"""Before each import: what the one before left to push goes on, as it would."""

Rows = Iterator[dict[str, Any]]


class Import(msgspec.Struct, frozen=True):
    """One import."""

    name: str
    rows: int
    seconds: float
    """From the first row sent until all of it is durable."""
    cpu_seconds: float
    """Processor time of the daemon meanwhile, holds and pushes included."""
    rest: Felt
    """Just before."""
    felt: Felt
    """Meanwhile."""
    slow_commits: int
    """Frames that the disk took more than a tenth of a second for: what computing has no part in."""
    resident_before_bytes: int
    resident_after_bytes: int
    resident_peak_bytes: int

    @property
    def passing_bytes(self) -> int:
        """Memory that it needed meanwhile and that nothing of it has kept."""
        return self.resident_peak_bytes - max(self.resident_before_bytes, self.resident_after_bytes)


class Report(msgspec.Struct, frozen=True):
    """All of one run."""

    skus: int
    imports: tuple[Import, ...]


class Peak:
    """Looks at the memory of a process in a thread of its own and keeps the most."""

    def __init__(self, pid: int) -> None:
        """Start at once."""
        self.bytes = resident_bytes(pid)
        self._pid = pid
        self._stopped = Event()
        self._thread = Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        """Return the most that was seen."""
        self._stopped.set()
        self._thread.join()
        return self.bytes

    def _watch(self) -> None:
        while not self._stopped.wait(_SAMPLED_SECONDS):
            self.bytes = max(self.bytes, resident_bytes(self._pid))


def new_skus(skus: int) -> Rows:
    """Yield full items with stock at one place and a listing at one account."""
    for number in range(skus):
        sku = f"NEW-{number:06}"
        yield {
            "kind": "sku",
            "sku": sku,
            "name": f"Article {number} of the new range, in its gift box",
            "category": f"range-{number % 50}",
            "barcodes": [_ean(number)],
            "cost": f"4.{number % 100:02} EUR",
            "prices": {"shop-0": "12.90 EUR"},
            "weight_grams": 250,
            "attributes": {"colour": "red", "size": str(number % 12)},
            "supplier": f"supplier {number % 200}",
            "images": [f"https://images.example/{number}.jpg"],
            "safety_stock": {"place-0": 1},
        }
        yield {"kind": "stock", "sku": sku, "location": "place-0", "on_hand": 10}
        yield {"kind": "listing", "account": "shop-0", "listing": f"product:{9_000_000 + number}", "sku": sku}


def opening_stock(skus: int) -> Rows:
    """Yield stock at a place where those SKUs have none yet."""
    for number in range(skus):
        yield {"kind": "stock", "sku": f"NEW-{number:06}", "location": "place-1", "on_hand": 5}


def more_listings(skus: int) -> Rows:
    """Yield listings of those SKUs at another account."""
    for number in range(skus):
        listing = f"product:{9_000_000 + number}"
        yield {"kind": "listing", "account": "shop-1", "listing": listing, "sku": f"NEW-{number:06}"}


def other_fields(skus: int) -> Rows:
    """Yield other categories and costs of those SKUs."""
    for number in range(skus):
        yield {"kind": "sku", "sku": f"NEW-{number:06}", "category": f"sale-{number % 20}", "cost": "9.90 EUR"}


IMPORTS: Final[tuple[tuple[str, Callable[[int], Rows]], ...]] = (
    ("new SKUs with stock and listings", new_skus),
    ("opening stock of SKUs that exist", opening_stock),
    ("listings alone", more_listings),
    ("catalogue fields alone", other_fields),
)


def _ean(number: int) -> str:
    digits = f"40{number:010}"
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(digits))
    return f"{digits}{-total % 10}"


def measure(skus: int, *, seconds: float, per_second: float, disk: Path | None) -> Report:
    """Measure one daemon, its journal on `disk`; None: where temporary files are."""
    with TemporaryDirectory(prefix="lastunit-imports-", dir=disk) as name:
        folder = Path(name)
        with running_daemon(folder, _SHELF_SKUS, _LOCATIONS, _ACCOUNTS) as pid:
            path = folder / "bench.sock"
            asking, holds = Client(path), Holds(path, _SHELF_SKUS, per_second)
            done = [_bring_in(title, list(_chunks(rows(skus))), asking, holds, pid, seconds) for title, rows in IMPORTS]
            holds.stop()
            return Report(skus, tuple(done))


def _bring_in(
    title: str, chunks: list[tuple[bytes, int]], client: Client, holds: Holds, pid: int, seconds: float
) -> Import:
    time.sleep(_QUIET_SECONDS)
    holds.take()
    time.sleep(seconds)
    rest = felt(holds.take(2))
    before, slow, cpu, peak = resident_bytes(pid), slow_commits(client), cpu_seconds(pid), Peak(pid)
    started = time.perf_counter()
    for chunk, _ in chunks:
        client.call("IMPORT", "STAGE", "bench", chunk.decode())
    client.call("IMPORT", "APPLY", "bench")
    took = time.perf_counter() - started
    return Import(
        name=title,
        rows=sum(count for _, count in chunks),
        seconds=took,
        cpu_seconds=cpu_seconds(pid) - cpu,
        rest=rest,
        felt=felt(holds.take(2)),
        slow_commits=slow_commits(client) - slow,
        resident_before_bytes=before,
        resident_after_bytes=resident_bytes(pid),
        resident_peak_bytes=peak.stop(),
    )


def _chunks(rows: Rows) -> Iterator[tuple[bytes, int]]:
    some: list[bytes] = []
    size = 0
    for row in rows:
        some.append(msgspec.json.encode(row))
        size += len(some[-1]) + 1
        if size > CHUNK_BYTES - 2048:
            yield b"[" + b",".join(some) + b"]", len(some)
            some, size = [], 0
    if some:
        yield b"[" + b",".join(some) + b"]", len(some)


def describe(report: Report) -> str:
    """Say it in lines, with the targets where the size is the one they are for."""

    def judge(rule: str, *, good: bool) -> str:
        return f"{rule}: {('met' if good else 'MISSED') if report.skus >= 100_000 else 'not judged at this size'}"

    lines: list[str] = []
    for each in report.imports:
        p99 = judge(f"at most {P99_MUST_MS:g}", good=each.felt.p99_ms <= P99_MUST_MS)
        most = judge(f"at most {MAX_MUST_MS:g}", good=each.felt.max_ms <= MAX_MUST_MS)
        memory = judge(f"at most {MEMORY_MUST_BYTES / 1e6:.0f}", good=each.passing_bytes <= MEMORY_MUST_BYTES)
        before, peak, after = each.resident_before_bytes, each.resident_peak_bytes, each.resident_after_bytes
        lines.append(
            f"{each.name}: {each.rows} rows in {each.seconds:.1f} s, {each.cpu_seconds:.1f} s of processor,"
            f" {each.slow_commits} commits above 100 ms"
        )
        lines.append(f"  at rest {_describe_felt(each.rest)}")
        lines.append(f"  meanwhile {_describe_felt(each.felt)} (p99 {p99}; max {most})")
        lines.append(
            f"  resident: {before / 1e6:.0f} MB before, {peak / 1e6:.0f} at most, {after / 1e6:.0f} after:"
            f" {each.passing_bytes / 1e6:.0f} MB in passing ({memory})"
        )
    return "\n".join(lines)


def _describe_felt(felt: Felt) -> str:
    return f"{felt.holds} holds, p50 {felt.p50_ms:.2f} ms, p99 {felt.p99_ms:.2f} ms, max {felt.max_ms:.2f} ms"


@click.command()
@click.option("--skus", type=click.IntRange(min=10), default=100_000, show_default=True)
@click.option("--seconds", type=click.FloatRange(min=0.1), default=5.0, show_default=True, help="Holds at rest.")
@click.option("--holds-per-second", type=click.FloatRange(min=1), default=200.0, show_default=True)
@click.option(
    "--disk", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Where the journal lies for the run."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(*, skus: int, seconds: float, holds_per_second: float, disk: Path | None, as_json: bool) -> None:
    """Measure what imports cost."""
    report = measure(skus, seconds=seconds, per_second=holds_per_second, disk=disk)
    click.echo(msgspec.json.encode(report).decode() if as_json else describe(report))


if __name__ == "__main__":
    main()
