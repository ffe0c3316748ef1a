"""A node behind its command socket in this process, with some stock: what the tests of the socket talk to."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import trio

from adapters.store.memory import MemoryStore
from config.schema import Push, Secret, Socket, Stock, WooCommerceAccount
from engine.domain.units import EPOCH, AccountId
from engine.ports import Channel, Clock, Notifier, Store
from ops.node import Node
from ops.socket.server import CommandServer
from tests.fakes.running import SilentTelemetry, running_node, settings_for
from tests.fakes.wire import Wire

STOCK: Mapping[str, int] = {"A-1": 10, "B-2": 20, "C-3": 30}
"""On hand in Berlin."""
SETTLE_SECONDS_MAX = 10.0


class HeardTelemetry(SilentTelemetry):
    """Hears why connections were not let in or thrown out; `open` is how many there are."""

    def __init__(self) -> None:
        self.refused: Counter[str] = Counter()
        self.open = 0
        self._changed = trio.Event()

    def connection_refused(self, reason: str) -> None:
        self.refused[reason] += 1

    def connections_changed(self, change: int) -> None:
        self.open += change
        self._changed.set()

    async def wait_open(self, count: int) -> None:
        """Wait until so many connections are open."""
        with trio.fail_after(SETTLE_SECONDS_MAX):
            while self.open != count:
                self._changed = trio.Event()
                await self._changed.wait()


class Served:
    """A running node and the way to it."""

    def __init__(self, node: Node, server: CommandServer, path: Path, heard: HeardTelemetry) -> None:
        self.node = node
        self.server = server
        self.path = path
        self.heard = heard
        self._wires: list[Wire] = []

    async def connect(self, protocol: int = 2) -> Wire:
        """Open a connection, closed when the node ends."""
        wire = await Wire.connect(self.path, protocol)
        self._wires.append(wire)
        return wire

    async def connect_tcp(self) -> Wire:
        """Open a connection over TCP; nothing is said yet."""
        assert self.server.tcp_address is not None
        wire = await Wire.connect_tcp(self.server.tcp_address)
        self._wires.append(wire)
        return wire

    async def figures(self, sku: str) -> tuple[int, int, int]:
        """Return on hand, committed and reserved, as a fresh client sees them."""
        wire = await self.connect()
        stock = await wire.map("STOCK", sku)
        await wire.aclose()
        return stock["on_hand"], stock["committed"], stock["reserved"]

    async def check_unharmed(self) -> None:
        """All stock is as it was at the start, and new clients are served."""
        for sku, units in STOCK.items():
            assert await self.figures(sku) == (units, 0, 0)

    async def aclose(self) -> None:
        """Close what tests opened."""
        for wire in self._wires:
            await wire.aclose()


@asynccontextmanager
async def serving(
    folder: Path,
    store: Store | None = None,
    *,
    clock: Clock | None = None,
    channels: Mapping[AccountId, tuple[str, Channel]] | None = None,
    stock: Mapping[str, int] | None = STOCK,
    socket: Mapping[str, Any] | None = None,
    notifiers: Mapping[str, Notifier] | None = None,
    stock_options: Stock | None = None,
    **settings: object,
) -> AsyncIterator[Served]:
    """Run a node with its socket until the block ends.

    Args:
        folder: where the socket lies.
        store: none: a new one in memory.
        clock: none: the daemon's own.
        channels: accounts by id; each sells from Berlin, then from Hamburg.
        stock: put on the shelves of Berlin first; none: nothing, not even the SKUs.
        socket: options of `[socket]`.
        notifiers: the way to each destination of alerts, by name.
        stock_options: the section `[stock]`; none: as it is by default.
        settings: other sections.
    """
    path = folder / "s"
    heard = HeardTelemetry()
    accounts = tuple(_account(name) for name in channels or {})
    chosen = settings_for(path, **{"accounts": accounts, "socket": Socket(path=path, **(socket or {}))} | settings)
    if stock_options is not None:
        chosen = msgspec.structs.replace(chosen, stock=stock_options)
    async with running_node(
        chosen, store or MemoryStore(), channels=channels, clock=clock, listener=heard, notifiers=notifiers, serve=False
    ) as node:
        server = CommandServer(node, chosen.socket, version="test", listener=heard)
        served = Served(node, server, path, heard)
        async with trio.open_nursery() as nursery:
            await nursery.start(server.run)
            try:
                if stock:
                    await _fill_shelves(served, stock)
                yield served
            finally:
                with trio.CancelScope(shield=True):
                    await served.aclose()
                nursery.cancel_scope.cancel()


def _account(name: str) -> WooCommerceAccount:
    return WooCommerceAccount(
        id=name,
        url="http://shop.test",
        consumer_key=Secret("x"),
        consumer_secret=Secret("x"),
        locations=("berlin", "hamburg"),
        push=Push(settle_seconds=0, verify_after_seconds=0),
    )


async def _fill_shelves(served: Served, stock: Mapping[str, int]) -> None:
    wire = await served.connect()
    rows: list[dict[str, object]] = [{"kind": "sku", "sku": sku, "name": f"Item {sku}"} for sku in stock]
    rows += [{"kind": "stock", "sku": sku, "location": "berlin", "on_hand": units} for sku, units in stock.items()]
    assert await wire.call("IMPORT", "STAGE", "first", json.dumps(rows)) == "OK"
    counts = await wire.map("IMPORT", "APPLY", "first")
    assert counts == {"skus": len(stock), "items": 0, "listings": 0, "stock": len(stock), "recipes": 0}
    await wire.aclose()


def order_json(order_id: str = "77", *, version: int = 0, account: str = "direct", **line: object) -> str:
    """Return a snapshot of an order of two A-1, for RECORD; `line` changes its only line."""
    modified_at = (EPOCH + timedelta(days=20_000, seconds=version)).isoformat()
    lines = [{"line_id": "1", "sku": "A-1", "ordered": 2} | line]
    return json.dumps(
        {"account": account, "order_id": order_id, "status": "accepted", "lines": lines}
        | {"placed_at": "2026-11-11T12:00:00Z", "modified_at": modified_at}
    )
