"""A real daemon, killed twice in the middle of a sale: what was answered stands, and everything converges after it.

The stage is the demo's: two shops with crowds, webhooks lost, doubled and reordered, SQLite, a gateway. The till
repeats every command until it is answered, as a storefront does whose daemon has just died.
"""

import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from random import Random

import pytest
import trio

from ops.demo import world as stage
from ops.demo.buffers import build_offers
from ops.demo.resp import Declined, RespClient
from ops.demo.sale import Storefront, close_doors, open_doors, popularity
from ops.demo.verdict import judge
from ops.demo.world import World, build_world, draw_stock, stock_shelves
from tests.fakes.clocks import START
from tests.fakes.shop import eventually

pytestmark = [pytest.mark.process, pytest.mark.slow]

SEED = 11
SALE_SECONDS = 5
KILLED_AFTER_ORDERS = (60, 160)
BASKET_SECONDS = 0.03


async def test_a_daemon_killed_in_the_middle_of_a_sale_loses_nothing_and_counts_nothing_twice(tmp_path: Path) -> None:
    opening = draw_stock(Random(f"{SEED}/stock"))
    weights = popularity(list(opening), Random(f"{SEED}/popularity"))
    till = Storefront()
    baskets: dict[str, str] = {}
    async with build_world(tmp_path, build_offers("none", START)) as world, trio.open_nursery() as daemons:
        await stock_shelves(world, opening)
        await eventually(lambda: all_shown(world, len(opening)), seconds=30.0)
        await open_doors(world, weights, SEED, SALE_SECONDS)
        async with trio.open_nursery() as sale:
            sale.start_soon(run_till, world, weights, till, baskets)
            pid = await daemon_pid(world.log_path)
            for number, orders in enumerate(KILLED_AFTER_ORDERS):
                await eventually(lambda orders=orders: sold(world, orders), seconds=30.0)  # type: ignore[misc]
                os.kill(pid, signal.SIGKILL)
                log_path = tmp_path / f"daemon-{number}.log"
                await daemons.start(run_daemon, world, log_path)
                pid = await daemon_pid(log_path)
            await close_doors(world)
            sale.cancel_scope.cancel()
        await eventually(lambda: converged(world, opening, till), seconds=40.0)
        assert till.committed > 5
        assert till.released > 0
        await check_baskets(world, baskets)
        await check_orders(world)
        daemons.cancel_scope.cancel()


async def daemon_pid(log_path: Path) -> int:
    """Wait until the daemon has logged who it is: it answers a moment before."""
    await eventually(partial(has_named_itself, log_path), seconds=10.0)
    [pid] = pids(log_path)
    return pid


async def has_named_itself(log_path: Path) -> None:
    assert pids(log_path)


def pids(log_path: Path) -> list[int]:
    written = log_path.read_text().rpartition("\n")[0]
    lines = [json.loads(line) for line in written.splitlines() if line.startswith("{")]
    return [line["pid"] for line in lines if line["event"] == "daemon.ready"]


async def run_daemon(world: World, log_path: Path, task_status: trio.TaskStatus[None]) -> None:
    """Start a successor as a service manager would; stop it when cancelled."""
    keys = {"DEMO_KEY": world.shops[0].key, "DEMO_SECRET": world.shops[0].secret}
    more = {"DEMO_TOKEN": "demo-token", "DEMO_WEBHOOK_SECRET": "demo_webhook_secret", "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "ops.cli.main", "run", "--config", str(world.config_path)]
    with log_path.open("wb") as log:
        process = await trio.lowlevel.open_process(command, stdout=log, stderr=log, env=os.environ | keys | more)
    try:
        await stage._wait_ready(World(world.folder, world.shops, world.gateway_url[7:], log_path), process)
        task_status.started()
        await process.wait()
    finally:
        await stage._end(process)


async def sold(world: World, orders: int) -> None:
    """Assert that the crowds have bought this often."""
    crowds = [await shop.control("GET", "crowd") for shop in world.shops]
    assert sum(crowd["bought"] for crowd in crowds) >= orders


@asynccontextmanager
async def connected(world: World) -> AsyncIterator[RespClient]:
    client = await world.connect()
    try:
        yield client
    finally:
        await trio.aclose_forcefully(client._stream)


async def all_shown(world: World, skus: int) -> None:
    async with connected(world) as client:
        rows = await client.maps("CHANNEL", "LIST")
    assert all(row["listings"] == skus and row["verified"] == skus for row in rows), rows


async def run_till(world: World, weights: dict[str, float], till: Storefront, baskets: dict[str, str]) -> None:
    """Hold and buy, or hold and leave, until cancelled; `baskets` notes how each was said to have ended."""
    rng = Random(SEED)
    skus, shares = list(weights), list(weights.values())
    number = 0
    while True:
        await trio.sleep(BASKET_SECONDS)
        number += 1
        basket = dict.fromkeys(rng.choices(skus, shares, k=rng.randint(1, 3)), 1)
        bought = rng.random() < 0.7
        with trio.CancelScope(shield=True):  # a basket that was begun is finished: its outcome must be known
            await serve(world, f"basket-{number}", basket, till, baskets, bought=bought)


async def serve(
    world: World, hold_id: str, basket: dict[str, int], till: Storefront, baskets: dict[str, str], *, bought: bool
) -> None:
    lines = [word for line in basket.items() for word in line]
    try:
        await insist(world, "HOLD", hold_id, 60, *lines)
    except Declined as no:
        if no.code != "OUTOFSTOCK":
            raise
        till.refused += 1
        baskets[hold_id] = "refused"
        return
    till.granted += 1
    if bought:
        await insist(world, "COMMIT", hold_id, "ORDER", f"web-{hold_id}")
        till.committed += 1
        till.units |= {sku: till.units.get(sku, 0) + units for sku, units in basket.items()}
    else:
        await insist(world, "RELEASE", hold_id)
        till.released += 1
    baskets[hold_id] = "committed" if bought else "released"


async def insist(world: World, *words: str | int) -> object:
    """Send a command until it is answered; the daemon may die before or behind it."""
    with trio.fail_after(15.0):
        while True:
            try:
                async with connected(world) as client:
                    return await client.call(*words)
            except (OSError, trio.BrokenResourceError):
                await trio.sleep(0.05)


async def converged(world: World, opening: dict[str, int], till: Storefront) -> None:
    """Assert that every shop shows its offer and every ledger balances."""
    async with connected(world) as client:
        for shop in world.shops:
            await client.call("CHANNEL", "RESYNC", shop.name)
        await trio.sleep(0.3)
        shops = {shop.name: await shop.control("GET", "state") for shop in world.shops}
        stocks = {sku: await client.map("STOCK", sku) for sku in opening}
        offers = {sku: (await client.map("OFFERS", sku))["offers"] for sku in opening}
        incidents = await client.maps("INCIDENTS", "LIMIT", 10_000)
    short = {each["sku"] for each in incidents if each["cleared_at"] is None}
    verdict = judge(opening, stocks, offers, shops, till.units, short)
    assert verdict.good, verdict


async def check_baskets(world: World, baskets: dict[str, str]) -> None:
    """Every answer that the till ever saw still holds."""
    async with connected(world) as client:
        for hold_id, state in baskets.items():
            assert (await client.map("LOOKUP", hold_id))["state"] == state, hold_id


async def check_orders(world: World) -> None:
    """Every order of the shops is known, once, with the lines it has there."""
    async with connected(world) as client:
        for shop in world.shops:
            sales = (await shop.control("GET", "orders"))["orders"]
            known = await client.maps("ORDERS", shop.name, "LIMIT", 1000)
            assert sorted(row["order"] for row in known) == sorted(str(sale["id"]) for sale in sales)
            for sale in sales:
                told = await client.map("ORDER", shop.name, sale["id"])
                assert told["channel_status"] == sale["status"]
                lines = {line["line"]: (line["sku"], line["ordered"]) for line in told["lines"]}
                assert lines == {str(line["line_id"]): (line["sku"], line["quantity"]) for line in sale["lines"]}
