"""The stage: two emulated shops, a configuration, the daemon with its gateway, and 200 SKUs in all of them."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any, Final

import msgspec
import trio

from adapters.http import Transport, TransportSettings
from ops.demo.resp import RespClient

SHOPS: Final = ("shop-a", "shop-b")
SKUS: Final = 200
_START_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 15.0

_CONFIG: Final = """\
[node]
name = "demo"
data = "data"
log_format = "json"

[[locations]]
id = "main"

{offers}
[gateway]
listen = "{gateway}"
public_url = "http://{gateway}"

[[gateway.tokens]]
name = "demo"
secret = "env:DEMO_TOKEN"
scopes = ["admin"]
"""
_ACCOUNT: Final = """
[[accounts]]
channel = "woocommerce"
id = "{shop}"
url = "{url}"
consumer_key = "env:DEMO_KEY"
consumer_secret = "env:DEMO_SECRET"
webhook_secret = "env:DEMO_WEBHOOK_SECRET"
locations = ["main"]

[accounts.push]
settle_seconds = 0.05
staleness_seconds_max = 0.25
verify_after_seconds = 0.1

[accounts.budget]
calls_per_second = 40
burst = 40
concurrency = 4

[accounts.orders]
poll_seconds = 1.0
overlap_seconds = 3.0
lookback_hours = 1.0
webhook_check_seconds = 5.0
"""


class Shop:
    """One emulated marketplace and its control interface."""

    def __init__(self, name: str, announced: dict[str, Any]) -> None:
        """Talk to the process that printed `announced`."""
        self.name = name
        self.url: str = announced["url"]
        self.control_url: str = announced["control_url"]
        self.key: str = announced["consumer_key"]
        self.secret: str = announced["consumer_secret"]
        self._transport = Transport(name, TransportSettings())

    async def control(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401  # JSON
        """Steer the emulator; its control table is in `ops/emulator/README.md`."""
        content = None if body is None else msgspec.json.encode(body)
        reply = await self._transport.send(f"{method} {path}", method, f"{self.control_url}/{path}", content=content)
        if reply.status >= 300:
            raise RuntimeError(f"{self.name}: {method} {path}: {reply.status} {reply.body[:200]!r}")
        return msgspec.json.decode(reply.body)

    async def aclose(self) -> None:
        """Close connections."""
        await self._transport.aclose()


class World:
    """Everything that runs, and how to reach it."""

    def __init__(self, folder: Path, shops: Sequence[Shop], gateway: str, log_path: Path) -> None:
        """Describe running processes."""
        self.folder = folder
        self.shops = shops
        self.gateway_url = f"http://{gateway}"
        self.socket_path = folder / "data" / "lastunit.sock"
        self.config_path = folder / "lastunit.toml"
        self.log_path = log_path

    async def connect(self) -> RespClient:
        """Open a connection to the daemon."""
        return await RespClient.connect(self.socket_path)


@asynccontextmanager
async def build_world(folder: Path, offers: str) -> AsyncIterator[World]:
    """Start shops, daemon and gateway; stop them in reverse order. `offers` is that section of the configuration."""
    environment = os.environ | {
        "DEMO_TOKEN": "demo-token",
        "DEMO_WEBHOOK_SECRET": "demo_webhook_secret",
        "PYTHONUNBUFFERED": "1",
    }
    async with contextlib.AsyncExitStack() as stack:
        shops = [await stack.enter_async_context(_run_shop(name)) for name in SHOPS]
        environment |= {"DEMO_KEY": shops[0].key, "DEMO_SECRET": shops[0].secret}
        gateway = f"127.0.0.1:{_free_port()}"
        accounts = "".join(_ACCOUNT.format(shop=shop.name, url=shop.url) for shop in shops)
        config = trio.Path(folder) / "lastunit.toml"
        await config.write_text(_CONFIG.format(gateway=gateway, offers=offers) + accounts)
        world = World(folder, shops, gateway, folder / "daemon.log")
        await stack.enter_async_context(_run_daemon(world, environment))
        yield world


@asynccontextmanager
async def _run_shop(name: str) -> AsyncIterator[Shop]:
    command = [sys.executable, "-m", "ops.emulator", "--shop", name, "--port", "0", "--exit-with-stdin"]
    process = await trio.lowlevel.open_process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        with trio.fail_after(_START_SECONDS):
            shop = Shop(name, msgspec.json.decode(await _read_line(process.stdout)))
        try:
            yield shop
        finally:
            with trio.CancelScope(shield=True):
                await shop.aclose()
    finally:
        await _end(process)


async def _read_line(stream: trio.abc.ReceiveStream) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        data = await stream.receive_some(4096)
        if not data:
            raise RuntimeError(f"the emulator ended before it was up: {line!r}")
        line += data
    return line


@asynccontextmanager
async def _run_daemon(world: World, environment: dict[str, str]) -> AsyncIterator[None]:
    with world.log_path.open("wb") as log:
        command = [sys.executable, "-m", "ops.cli.main", "run", "--config", str(world.config_path)]
        process = await trio.lowlevel.open_process(command, stdout=log, stderr=log, env=environment)
    try:
        await _wait_ready(world, process)
        yield
    finally:
        await _end(process)


async def _wait_ready(world: World, process: trio.Process) -> None:
    """Wait until the daemon says it is ready and the gateway answers."""
    host, _, port = world.gateway_url.removeprefix("http://").partition(":")
    with trio.move_on_after(_START_SECONDS):
        while process.returncode is None:
            try:
                client = await world.connect()
                ready = (await client.map("HEALTH"))["ready"]
                await client.aclose()
                await (await trio.open_tcp_stream(host, int(port))).aclose()
            except (OSError, trio.BrokenResourceError):  # not up yet, or gone while it was asked
                ready = False
            if ready:
                return
            await trio.sleep(0.05)
    log = await trio.Path(world.log_path).read_text(errors="replace")
    raise RuntimeError(f"the daemon did not start; its log says:\n{log[-2000:]}")


async def _end(process: trio.Process) -> None:
    with trio.CancelScope(shield=True):
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        with trio.move_on_after(_STOP_SECONDS) as patience:
            await process.wait()
        if patience.cancelled_caught:
            process.kill()
            await process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                await pipe.aclose()


def _free_port() -> int:
    """A port nobody listens on: the gateway's address must be known to the shops before it is up."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def draw_stock(rng: Random) -> dict[str, int]:
    """Draw opening stock for every SKU: from the last unit to more than the sale can move."""
    return {f"SKU-{number:05}": rng.choice((1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144)) for number in range(1, SKUS + 1)}


async def stock_shelves(world: World, stock: dict[str, int]) -> None:
    """Put the SKUs into the shops (showing nothing yet) and, with their stock, into the daemon."""
    names = list(stock)
    simple, varied = names[: SKUS * 4 // 5], names[SKUS * 4 // 5 :]
    products = [{"sku": sku, "stock_quantity": 0} for sku in simple] + [
        {
            "sku": f"PARENT-{index // 2}",
            "manage_stock": False,
            "variations": [{"sku": sku, "stock_quantity": 0} for sku in varied[index : index + 2]],
        }
        for index in range(0, len(varied), 2)
    ]
    for shop in world.shops:
        await shop.control("POST", "seed", {"products": products})
    rows: list[dict[str, Any]] = [{"kind": "sku", "sku": sku, "name": f"Demo item {sku}"} for sku in stock]
    rows += [{"kind": "stock", "sku": sku, "location": "main", "on_hand": units} for sku, units in stock.items()]
    client = await world.connect()
    await client.call("IMPORT", "STAGE", "demo", msgspec.json.encode(rows).decode())
    await client.call("IMPORT", "APPLY", "demo")
    await client.aclose()
