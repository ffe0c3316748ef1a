"""Real daemons for tests: started, waited for, signalled, killed, and what their logs say."""

import itertools
import json
import os
import signal
import socket as sockets
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import trio

from tests.fakes.wire import Wire

START_SECONDS_MAX = 60.0
EXIT_SECONDS_MAX = 60.0

CONFIGURATION = """\
[node]
data = "data"
log_format = "json"
{node}
[store]
{store}
[socket]
path = "s"
{socket}
[gateway]
enabled = {gateway}
{listen}
[limits]
{limits}
[[locations]]
id = "berlin"
[[locations]]
id = "hamburg"
{accounts}
"""


def write_config(
    folder: Path,
    *,
    node: str = "",
    store: str = "",
    socket: str = "",
    limits: str = "",
    listen: str = "",
    accounts: str = "",
) -> None:
    """Write a configuration of two locations; sections take more lines. With `listen` there is a gateway."""
    text = CONFIGURATION.format(
        node=node,
        store=store,
        socket=socket,
        limits=limits,
        accounts=accounts,
        gateway="true" if listen else "false",
        listen=f'listen = "{listen}"' if listen else "",
    )
    (folder / "lastunit.toml").write_text(text)


class Daemon:
    """One process of `lastunit run`, and the way to it."""

    def __init__(self, folder: Path, process: trio.Process, log_path: Path) -> None:
        """Use `start_daemon` or `running_daemon`."""
        self.folder = folder
        self.process = process
        self.socket_path = folder / "data" / "s"
        self._log_path = log_path

    async def connect(self, protocol: int = 3) -> Wire:
        """Open a connection; the caller closes it."""
        return await Wire.connect(self.socket_path, protocol)

    async def wait_ready(self) -> "Daemon":
        """Ask for HEALTH until it is ready.

        Raises:
            AssertionError: it ended instead; the message is its log.
        """
        with trio.fail_after(START_SECONDS_MAX):
            while not await self._is_ready():
                assert self.process.returncode is None, self.text()
                await trio.sleep(0.01)
        return self

    async def _is_ready(self) -> bool:
        try:
            wire = await self.connect()
        except OSError:
            return False
        try:
            return bool((await wire.map("HEALTH"))["ready"])
        except (trio.EndOfChannel, trio.BrokenResourceError):
            return False
        finally:
            await wire.aclose()

    async def figures(self, sku: str) -> tuple[int, int, int]:
        """Return on hand, committed and reserved."""
        wire = await self.connect()
        stock = await wire.map("STOCK", sku)
        await wire.aclose()
        return stock["on_hand"], stock["committed"], stock["reserved"]

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    async def kill(self) -> None:
        """End it with SIGKILL and reap it."""
        self.process.kill()
        await self.process.wait()

    async def wait_exit(self) -> int:
        """Return its exit code, once it has ended by itself."""
        with trio.fail_after(EXIT_SECONDS_MAX):
            return await self.process.wait()

    async def stop(self) -> None:
        """End it in order; anything but 0 fails."""
        self.signal(signal.SIGTERM)
        assert await self.wait_exit() == 0, self.text()

    def text(self) -> str:
        """Return all it has written."""
        return self._log_path.read_text(errors="replace")

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return its log lines of one event."""
        lines = (line for line in self.text().splitlines() if line.startswith("{") and line.endswith("}"))
        return [line for line in map(json.loads, lines) if line["event"] == name]

    async def wait_event(self, name: str, count: int = 1) -> list[dict[str, Any]]:
        """Wait until it has logged an event so often."""
        with trio.fail_after(START_SECONDS_MAX):
            while len(found := self.events(name)) < count:
                assert self.process.returncode is None, self.text()
                await trio.sleep(0.01)
        return found

    def failure(self) -> str:
        """Return why it ended: the one reason it gave."""
        assert "Traceback" not in self.text(), self.text()
        (failed,) = self.events("daemon.failed")
        return str(failed["reason"])


_logs = itertools.count(1)


async def start_daemon(folder: Path, *more: str, runner: Sequence[str] = ()) -> Daemon:
    """Start one on the configuration in `folder`; `runner` is a command that runs it, such as nohup."""
    log_path = folder / f"daemon-{next(_logs)}.log"
    return Daemon(folder, await _start(folder, log_path, "run", *more, runner=runner), log_path)


async def _start(folder: Path, log_path: Path, command: str, *more: str, runner: Sequence[str] = ()) -> trio.Process:
    words = [*runner, sys.executable, "-m", "ops.cli.main", command, "-c", str(folder / "lastunit.toml"), *more]
    with log_path.open("wb") as log:
        return await trio.lowlevel.open_process(
            words,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
            cwd=Path(__file__).parents[2],
        )


@asynccontextmanager
async def running_gateway(folder: Path) -> AsyncIterator[None]:
    """Start a gateway apart from any daemon, and make sure that it is gone afterwards."""
    process = await _start(folder, folder / f"gateway-{next(_logs)}.log", "gateway")
    try:
        yield
    finally:
        with trio.CancelScope(shield=True):
            process.kill()
            await process.wait()


@asynccontextmanager
async def running_daemon(folder: Path, *more: str, ready_event: str = "") -> AsyncIterator[Daemon]:
    """Start one, wait until it is ready (or has logged `ready_event`), and make sure that it is gone afterwards."""
    daemon = await start_daemon(folder, *more)
    try:
        await (daemon.wait_event(ready_event) if ready_event else daemon.wait_ready())
        yield daemon
    finally:
        with trio.CancelScope(shield=True):
            if daemon.process.returncode is None:
                await daemon.kill()


async def run_daemon(folder: Path, *more: str) -> tuple[int, Daemon]:
    """Start one that is to end by itself; return its exit code and what is left of it."""
    daemon = await start_daemon(folder, *more)
    try:
        return await daemon.wait_exit(), daemon
    finally:
        with trio.CancelScope(shield=True):
            if daemon.process.returncode is None:
                await daemon.kill()


def free_address() -> str:
    """Return `host:port` where nobody listens."""
    with sockets.create_server(("127.0.0.1", 0)) as free:
        return f"127.0.0.1:{free.getsockname()[1]}"


def answers(address: str) -> bool:
    """Whether a gateway there is ready, its daemon included."""
    try:
        return httpx.get(f"http://{address}/readyz").status_code == 200
    except httpx.HTTPError:
        return False


async def wait_until(met: Callable[[], object]) -> None:
    """Poll something that only a file or another process can tell."""
    with trio.fail_after(START_SECONDS_MAX):
        while not met():  # noqa: ASYNC110  # nobody there could set an event of ours
            await trio.sleep(0.01)


async def fill_shelves(daemon: Daemon, stock: Mapping[str, int]) -> None:
    """Make SKUs exist, with units in Berlin."""
    rows: list[dict[str, object]] = [{"kind": "sku", "sku": sku} for sku in stock]
    rows += [{"kind": "stock", "sku": sku, "location": "berlin", "on_hand": units} for sku, units in stock.items()]
    wire = await daemon.connect()
    assert await wire.call("IMPORT", "STAGE", "first", json.dumps(rows)) == "OK"
    assert (await wire.map("IMPORT", "APPLY", "first"))["skus"] == len(stock)
    await wire.aclose()
