"""`make bench`: interleaved rounds, medians and spread, ratios against the targets, and what binds."""

import contextlib
import json
import math
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any, Final

import click

from ops.bench.load import Load, Measured, syncs_per_second
from ops.bench.peers import (
    Lastunit,
    LastunitOnPostgres,
    Peer,
    Postgres,
    RedisLua,
    Unavailable,
    run_lastunit,
    run_lastunit_on,
    run_postgres,
    run_redis,
)

LOADS: Final = (
    Load("1x1", 1, 1, 4_000),
    Load("64x1", 64, 1, 40_000),
    Load("64x16", 64, 16, 153_600),
    Load("1x256", 1, 256, 61_440),
)
"""Whole pipelines of every connection, in the tenth that `--quick` sends too: the client rounds up, all is counted."""
TARGETS: Final = {"1x1": (0.6, 1.0), "64x1": (0.8, 1.5), "64x16": (1.5, 3.0)}
"""Hot SKU beside Redis: must and aim."""
POSTGRES_TARGET: Final = (50.0, 150.0)
ON_POSTGRES_TARGET: Final = (20.0, 60.0)
"""With our own journal at that server, too."""
SPREAD_TARGET: Final = (0.6, 0.85)
"""10,000 SKUs beside the hot one, 64x16."""

P99_TARGET: Final = (1.5, 0.8)
"""Ours beside Redis', hot SKU, 64x1; smaller is better."""

Results = dict[tuple[str, str, bool], list[Measured]]


@click.command()
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True)
@click.option("--quick", is_flag=True, help="One round of a tenth: to see that it works, not to quote.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(*, rounds: int, quick: bool, as_json: bool) -> None:
    """Measure durable holds per second beside Redis and PostgreSQL, all in the same minutes on the same machine."""
    if shutil.which("redis-benchmark") is None:
        raise click.ClickException("redis-benchmark is not installed (Debian: redis-tools); it drives every peer")
    loads = tuple(Load(x.name, x.connections, x.pipeline, x.commands // 10) for x in LOADS) if quick else LOADS
    results: Results = {}
    rounds_seen: list[dict[str, float]] = []
    skipped: dict[str, str] = {}
    for number in range(1 if quick else rounds):
        click.echo(f"round {number + 1}", err=True)
        # servers of their own for each round: none carries what an earlier round left it
        with tempfile.TemporaryDirectory(prefix="lastunit-bench-") as name, ExitStack() as stack:
            folder = Path(name)
            peers, skipped = _start(stack, folder, seconds=1 if quick else 4)
            seen = {"syncs_per_second": syncs_per_second(folder), "load": os.getloadavg()[0]}
            _round(peers, loads, number, results)
            lastunit = next(peer for peer in peers if isinstance(peer, Lastunit))
            rounds_seen.append(seen | {"commits": lastunit.frames()})
    report = _report(results, loads, rounds_seen, skipped)
    click.echo(json.dumps(report, indent=2) if as_json else _table(report))


def _start(stack: ExitStack, folder: Path, *, seconds: float) -> tuple[list[Peer], dict[str, str]]:
    starts: dict[str, Callable[[], AbstractContextManager[Peer]]] = {
        RedisLua.name: lambda: run_redis(_made(folder / "redis")),
        Postgres.name: lambda: run_postgres(_made(folder / "postgres"), seconds),
    }
    peers: list[Peer] = [stack.enter_context(run_lastunit(_made(folder / "lastunit")))]
    skipped: dict[str, str] = {}
    for name, start in starts.items():
        try:
            peers.append(stack.enter_context(start()))
        except Unavailable as reason:
            skipped[name] = str(reason)
    servers = [peer for peer in peers if isinstance(peer, Postgres)]
    peers += [stack.enter_context(run_lastunit_on(each, _made(folder / "lastunit-on-postgres"))) for each in servers]
    return peers, skipped


def _made(folder: Path) -> Path:
    folder.mkdir()
    with contextlib.suppress(OSError):
        folder.parent.chmod(0o711)  # a server of another user must find its way in
    return folder


def _round(peers: list[Peer], loads: tuple[Load, ...], number: int, results: Results) -> None:
    for load in loads:
        for hot in (True, False):
            for peer in peers if number % 2 == 0 else peers[::-1]:  # none always comes after the same one
                if isinstance(peer, Postgres | LastunitOnPostgres) and not (hot and load.name == "64x16"):
                    continue
                measured = peer.measure(load, hot=hot, run=f"r{number}-{load.name}-{'h' if hot else 'k'}-{os.getpid()}")
                results.setdefault((peer.name, load.name, hot), []).append(measured)


def _report(
    results: Results, loads: tuple[Load, ...], rounds: list[dict[str, float]], skipped: dict[str, str]
) -> dict[str, Any]:
    rows = [
        {
            "peer": name,
            "load": load.name,
            "skus": 1 if hot else 10_000,
            "per_second": _spread([m.per_second for m in found]),
            "p50_ms": _median([m.p50_ms for m in found]),
            "p99_ms": _median([m.p99_ms for m in found if m.p99_ms is not None]),
            "cpu_us_per_command": _median([m.cpu_us for m in found if m.cpu_us is not None]),
        }
        for load in loads
        for hot in (True, False)
        for (name, load_name, is_hot), found in results.items()
        if load_name == load.name and is_hot == hot
    ]
    granted = sum(load.commands for load in loads) * 2 * len(rounds)
    commits = sum(each["commits"] for each in rounds)
    return {
        "rows": rows,
        "ratios": list(_ratios(results)),
        "rounds": rounds,
        "skipped": skipped,
        "commits": commits,
        "holds_per_commit": granted / max(1, commits),
        "binds": _what_binds(rows, rounds),
    }


def _ratios(results: Results) -> list[dict[str, Any]]:
    def ratio(
        name: str,
        ours: list[Measured] | None,
        theirs: list[Measured] | None,
        target: tuple[float, float],
        figure: Callable[[Measured], float] = lambda measured: measured.per_second,
    ) -> Any:  # noqa: ANN401
        if not ours or not theirs:
            return None
        each = [figure(a) / figure(b) for a, b in zip(ours, theirs, strict=True)]
        return {"what": name, "ratio": _spread(each), "must": target[0], "aim": target[1]}

    ours = Lastunit.name
    found = [
        ratio(
            f"hot SKU {load} / Redis Lua always",
            results.get((ours, load, True)),
            results.get((RedisLua.name, load, True)),
            target,
        )
        for load, target in TARGETS.items()
    ]
    found.append(
        ratio(
            "hot SKU 64x16 / PostgreSQL row lock, 16 clients",
            results.get((ours, "64x16", True)),
            results.get((Postgres.name, "64x16", True)),
            POSTGRES_TARGET,
        )
    )
    found.append(
        ratio(
            "on PostgreSQL, hot SKU 64x16 / row lock",
            results.get((LastunitOnPostgres.name, "64x16", True)),
            results.get((Postgres.name, "64x16", True)),
            ON_POSTGRES_TARGET,
        )
    )
    found.append(
        ratio(
            "10,000 SKUs / hot SKU, 64x16",
            results.get((ours, "64x16", False)),
            results.get((ours, "64x16", True)),
            SPREAD_TARGET,
        )
    )
    found.append(
        ratio(
            "p99 hot SKU 64x1 / Redis Lua always",
            results.get((ours, "64x1", True)),
            results.get((RedisLua.name, "64x1", True)),
            P99_TARGET,
            lambda measured: measured.p99_ms or math.inf,
        )
    )
    return [each for each in found if each is not None]


def _what_binds(rows: list[dict[str, Any]], rounds: list[dict[str, float]]) -> str:
    """Say which is used up at 64x16 on the hot SKU: the processor or the disk."""
    row = next(x for x in rows if x["peer"] == Lastunit.name and x["load"] == "64x16" and x["skus"] == 1)
    busy = row["per_second"]["median"] * row["cpu_us_per_command"] / 1e6
    syncs = statistics.median(each["syncs_per_second"] for each in rounds)
    return (
        f"at 64x16 the daemon uses {busy:.0%} of one processor, {row['cpu_us_per_command']:.1f} us per hold; "
        f"the disk makes {syncs:.0f} syncs a second. "
        + ("The processor binds." if busy > 0.8 else "The disk, or the client on the other processor, binds.")
    )


def _spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def _median(values: list[float]) -> float | None:
    return statistics.median(values) if values else None


def _ms(value: float | None) -> str:
    return f"{'':>8}" if value is None else f"{value:>5.2f} ms"


def _verdict(value: float, must: float, aim: float) -> str:
    better = 1 if aim > must else -1
    return "aim" if better * value >= better * aim else "must" if better * value >= better * must else "MISSED"


def _table(report: dict[str, Any]) -> str:
    lines = [
        f"{'peer':34} {'load':6} {'SKUs':>6} {'holds/s':>9} {'(min..max)':>19} {'p50':>8} {'p99':>8} {'cpu/hold':>9}"
    ]
    for row in report["rows"]:
        rate = row["per_second"]
        cpu = "" if row["cpu_us_per_command"] is None else f"{row['cpu_us_per_command']:.1f} us"
        spread = f"({rate['min']:.0f}..{rate['max']:.0f})"
        lines.append(
            f"{row['peer']:34} {row['load']:6} {row['skus']:>6} {rate['median']:>9.0f} {spread:>19} "
            f"{_ms(row['p50_ms'])} {_ms(row['p99_ms'])} {cpu:>9}"
        )
    lines.append("")
    for ratio in report["ratios"]:
        value = ratio["ratio"]
        state = _verdict(value["median"], ratio["must"], ratio["aim"])
        lines.append(
            f"{ratio['what']:48} {value['median']:7.2f} ({value['min']:.2f}..{value['max']:.2f})  "
            f"must {ratio['must']:g}, aim {ratio['aim']:g}: {state}"
        )
    lines += [f"skipped: {name}: {reason}" for name, reason in report["skipped"].items()]
    loads = ", ".join(f"{each['load']:.1f}" for each in report["rounds"])
    lines += ["", f"load average at each round: {loads}; {report['holds_per_commit']:.0f} holds per commit on average"]
    lines.append(report["binds"])
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
