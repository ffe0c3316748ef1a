"""`lastunit demo` as people run it: a verdict, a report that programs can read, and nothing left behind."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

pytestmark = [
    pytest.mark.process,
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds processes left over in /proc"),
]

MARK = "LASTUNIT_DEMO_TEST"
PATIENCE_SECONDS = 90.0


@contextmanager
def demo(*arguments: str, mark: str) -> Iterator["subprocess.Popen[str]"]:
    """Run the installed command; every process that it starts inherits the mark."""
    command = [str(Path(sys.executable).with_name("lastunit")), "demo", *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | {MARK: mark}
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def left_over(mark: str) -> list[int]:
    """Processes that still carry the mark."""
    wanted = f"{MARK}={mark}".encode()
    found: list[int] = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if wanted in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
        except OSError:
            continue  # ended meanwhile, or somebody else's
    return found


def test_it_ends_with_0_a_report_and_no_process_left_over() -> None:
    with demo("--seconds", "3", "--seed", "7", "--json", mark="whole") as process:
        output, errors = process.communicate(timeout=PATIENCE_SECONDS)
    report: dict[str, Any] = json.loads(output)
    assert process.returncode == 0, (report["check"], errors)
    assert (report["ok"], report["settled"], report["seed"], report["seconds"]) == (True, True, 7, 3)
    assert report["check"] == {"listings_checked": 400, "listings_wrong": [], "skus_checked": 200, "skus_wrong": []}
    assert report["storefront"]["holds_granted"] > 0
    assert report["storefront"]["units"] > 0
    buffer = report["buffer"]
    assert buffer["choice"] == "computed"
    assert buffer["units_left"] >= buffer["units_shown_nowhere"] > 0, "a window of 20 % withholds something"
    assert sum(report["oversold_units_by_cause"].values()) == report["units_oversold"]
    for shop in report["shops"].values():
        assert shop["orders"] > 0
        assert shop["webhooks"]["lost"] > 0
        assert shop["webhooks"]["failed"] == 0
        assert set(shop["verified_lag_seconds"]) == {"p50", "p95", "p99"}
        assert shop["verified_lag_seconds"]["p50"] is not None
    assert report["units_oversold"] == sum(
        units for shop in report["shops"].values() for units in shop["oversold_units_by_cause"].values()
    )
    assert left_over("whole") == []


def read_until(stream: IO[str], word: str) -> None:
    """Read lines until one holds the word."""
    assert any(word in line for line in stream), f"it never said {word!r}"


def test_it_ends_in_order_when_it_is_told_to_stop() -> None:
    mark = "stopped"
    with demo("--seconds", "60", "--json", mark=mark) as process:
        assert process.stderr is not None
        read_until(process.stderr, "flash sale")
        assert len(left_over(mark)) >= 5  # itself, two shops, the daemon, its gateway
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 130
    assert output == ""
    assert left_over(mark) == []
