"""The bench of webhooks measures the real thing: what it counts was acknowledged and is stored."""

import json
import subprocess
import sys

import pytest


@pytest.mark.slow
@pytest.mark.process
def test_every_delivery_of_a_round_is_acknowledged_and_stored() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ops.bench.webhooks", "--rounds", "2", "--deliveries", "100", "--json"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    rounds = json.loads(done.stdout)
    assert len(rounds) == 2
    assert all(each["per_second"] > 0 and each["p99_ms"] >= each["p50_ms"] > 0 for each in rounds)
