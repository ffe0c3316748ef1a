"""The bench of imports measures what it says; how fast is its own business, never a test's."""

import json
import subprocess
import sys

import pytest

from ops.bench.imports import IMPORTS


@pytest.mark.slow
@pytest.mark.process
def test_a_tiny_run_brings_in_every_row_beside_holds() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ops.bench.imports", "--skus", "300", "--seconds", "0.3", "--json"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads(done.stdout)
    assert [each["name"] for each in report["imports"]] == [title for title, _ in IMPORTS]
    assert [each["rows"] for each in report["imports"]] == [900, 300, 300, 300]
    for each in report["imports"]:
        assert each["seconds"] > 0
        assert each["rest"]["holds"] > 1
        assert each["felt"]["holds"] > 1
        assert each["resident_peak_bytes"] >= each["resident_before_bytes"] > 10_000_000
