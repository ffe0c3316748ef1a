"""The bench measures what it says; how fast is its own business, never a test's."""

import json
import shutil
import subprocess
import sys

import pytest


@pytest.mark.slow
@pytest.mark.process
@pytest.mark.skipif(shutil.which("redis-benchmark") is None, reason="redis-benchmark (Debian: redis-tools) drives it")
def test_a_quick_bench_counts_every_answer_and_names_what_binds() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ops.bench", "--quick", "--json"],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads(done.stdout)
    ours = [row for row in report["rows"] if row["peer"] == "lastunit"]
    assert {(row["load"], row["skus"]) for row in ours} == {
        (load, skus) for load in ("1x1", "64x1", "64x16", "1x256") for skus in (1, 10_000)
    }
    assert all(row["per_second"]["median"] > 0 and row["cpu_us_per_command"] > 0 for row in ours)
    assert report["commits"] > 0
    assert "binds" in report["binds"]
