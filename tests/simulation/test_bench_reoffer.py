"""The re-offer bench measures what it says; how fast is its own business, never a test's."""

import json
import subprocess
import sys

import pytest


@pytest.mark.slow
@pytest.mark.process
def test_a_tiny_run_counts_every_offer_and_every_hold() -> None:
    size = ["--skus", "200", "--locations", "2", "--accounts", "3", "--seconds", "0.5"]
    done = subprocess.run(
        [sys.executable, "-m", "ops.bench.reoffer", *size, "--json"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads(done.stdout)
    assert report["rest"]["holds"] > 10
    assert [edit["offers"] for edit in report["edits"]] == [600, 600]
    assert all(edit["seconds"] > 0 and edit["felt"]["holds"] > 1 for edit in report["edits"])
    assert report["resident_bytes"] > 10_000_000
