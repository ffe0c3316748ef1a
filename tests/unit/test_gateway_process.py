"""The gateway as a process: starts, says where it listens, stops when told to or left alone."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path

import httpx
import pytest

from tests.fakes.daemon import FakeDaemon

pytestmark = [pytest.mark.process, pytest.mark.slow]

CONFIGURATION = """
[node]
data = "."
log_format = "json"
[socket]
path = "d.sock"
[gateway]
listen = "127.0.0.1:PORT"
[[gateway.tokens]]
name = "till"
secret = "env:GATEWAY_TEST_TOKEN"
scopes = ["holds"]
[[locations]]
id = "main"
"""

ENVIRONMENT = os.environ | {"GATEWAY_TEST_TOKEN": "a-token-of-some-length-1234567890"}


@contextmanager
def gateway(folder: Path) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """Start one; yield the process and its address."""
    config = folder / "lastunit.toml"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config.write_text(CONFIGURATION.replace("PORT", str(port)))
    process = subprocess.Popen(
        [sys.executable, "-m", "ops.gateway", "--config", str(config)],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )
    assert process.stderr is not None
    try:
        line = next(line for line in map(json.loads, process.stderr) if line["event"] == "gateway.listening")
        yield process, f"http://{line['host']}:{line['port']}"
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def test_sigterm_lets_requests_under_way_finish_and_ends_it_with_0(tmp_path: Path) -> None:
    with FakeDaemon(tmp_path / "d.sock") as daemon, gateway(tmp_path) as (process, url):
        while httpx.get(f"{url}/readyz").status_code != 200:
            pass
        daemon.commands.clear()
        gate = daemon.gates["HEALTH"] = threading.Event()
        answers: list[int] = []
        caller = threading.Thread(target=lambda: answers.append(httpx.get(f"{url}/readyz").status_code))
        caller.start()
        while not daemon.count("HEALTH"):
            caller.join(0.002)
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        events = map(itemgetter("event"), map(json.loads, process.stderr))
        assert "gateway.stopping" in events
        gate.set()
        caller.join(10)
        assert answers == [200]
        assert process.wait(10) == 0
        assert list(events)[-1] == "gateway.stopped"


def test_a_parent_that_dies_leaves_no_orphan(tmp_path: Path) -> None:
    with FakeDaemon(tmp_path / "d.sock"), gateway(tmp_path) as (process, _):
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(10) == 0


def test_it_starts_without_a_daemon_and_says_that_it_is_not_ready(tmp_path: Path) -> None:
    with gateway(tmp_path) as (_, url):
        assert httpx.get(f"{url}/healthz").status_code == 200
        assert httpx.get(f"{url}/readyz").json()["code"] == "NOTREADY"


def test_an_address_in_use_ends_it_with_1_so_that_it_is_tried_again(tmp_path: Path) -> None:
    """The gateway of a killed daemon may still be draining."""
    with gateway(tmp_path):
        second = subprocess.run(
            [sys.executable, "-m", "ops.gateway", "--config", str(tmp_path / "lastunit.toml")],
            capture_output=True,
            text=True,
            check=False,
            env=ENVIRONMENT,
        )
    assert second.returncode == 1
    assert "gateway.listen: " in second.stderr
    assert "Traceback" not in second.stderr


def test_a_configuration_that_cannot_be_used_ends_it_with_2(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ops.gateway", "--config", str(tmp_path / "none.toml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "none.toml: no such file" in done.stderr
    assert "Traceback" not in done.stderr
