"""The course of the demo: set the stage, open, sell, close, settle, compare, report."""

import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, Final

import msgspec
import trio

from ops.clock import SteadyClock
from ops.demo.buffers import RULES, Choice, build_offers, sum_causes, weigh
from ops.demo.figures import percentile, quantiles, samples
from ops.demo.sale import Storefront, close_doors, open_doors, popularity, run_storefront
from ops.demo.show import Progress, make_progress, print_report
from ops.demo.verdict import judge
from ops.demo.world import World, build_world, draw_stock, stock_shelves

_SETTLE_SECONDS: Final = 60.0
"""Longest wait for the shops to show their offers once the network is healed."""
_LOOKS_MAX: Final = 3
_INTERRUPTED: Final = 130


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to show, and how."""

    seed: int
    seconds: int
    buffer: Choice
    keep: bool
    as_json: bool


def run_demo(*, seed: int, seconds: int, buffer: Choice, keep: bool, as_json: bool) -> int:
    """Run the demo; return 0 only if every shop shows exactly its offer and the ledger balances."""
    plan = Plan(seed=seed, seconds=seconds, buffer=buffer, keep=keep, as_json=as_json)
    with tempfile.TemporaryDirectory(prefix="lastunit-demo-") as folder:
        return trio.run(_run_until_signal, Path(folder), plan)


async def _run_until_signal(folder: Path, plan: Plan) -> int:
    """Run to the end, or stop all processes in order at Ctrl-C or SIGTERM."""
    code = _INTERRUPTED

    async def run() -> None:
        nonlocal code
        code = await _run(folder, plan)
        nursery.cancel_scope.cancel()

    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            async for _ in signals:
                nursery.cancel_scope.cancel()
    return code


async def _run(folder: Path, plan: Plan) -> int:
    seed, seconds = plan.seed, plan.seconds
    stock = draw_stock(Random(f"{seed}/stock"))  # noqa: S311
    weights = popularity(list(stock), Random(f"{seed}/popularity"))  # noqa: S311
    with make_progress(quiet=plan.as_json) as progress:
        progress.stage("starting two shops, the daemon and its gateway")
        async with build_world(folder, build_offers(plan.buffer, SteadyClock().now())) as world:
            await stock_shelves(world, stock)
            progress.stage(f"{len(stock)} SKUs, {sum(stock.values())} units: putting them on the shelves")
            await _wait_shown(world, lambda rows: progress.shelves(rows, len(stock)), len(stock))
            progress.stage(f"flash sale, {seconds} s: two shops and a storefront sell the same units")
            storefront = Storefront()
            await open_doors(world, weights, seed, seconds)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_watch, world, progress, storefront, seconds)
                await run_storefront(world, weights, seed, seconds, storefront)
                await close_doors(world)
                nursery.cancel_scope.cancel()
            progress.stage("doors closed, network healed: waiting until every number is verified")
            closed = trio.current_time()
            report = await _compare(world, progress, stock, storefront)
            report |= {"seed": seed, "seconds": seconds, "settled_seconds": round(trio.current_time() - closed, 2)}
            report["buffer"] |= {"choice": plan.buffer, "rule": RULES[plan.buffer]}
            progress.close()
            _print(report, as_json=plan.as_json)
            if plan.keep:
                await _keep(world)
    return 0 if report["ok"] else 1


def _print(report: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(report)).decode() + "\n")
    else:
        print_report(report)


async def _wait_shown(world: World, tell: Callable[[list[dict[str, Any]]], None], skus: int) -> None:
    """Wait until every listing of every account is matched, pushed and verified."""
    client = await world.connect()
    with trio.fail_after(_SETTLE_SECONDS):
        while True:
            rows = await client.maps("CHANNEL", "LIST")
            tell(rows)
            if all(row["listings"] == skus and _at_rest(row) and row["state"] == "live" for row in rows):
                break
            await trio.sleep(0.1)
    await client.aclose()


def _at_rest(row: dict[str, Any]) -> bool:
    return not (row["dirty"] or row["in_flight"] or row["accepted"] or row["drifted"])


async def _watch(world: World, progress: Progress, storefront: Storefront, seconds: int) -> None:
    client = await world.connect()
    started = trio.current_time()
    while True:
        rows = await client.maps("CHANNEL", "LIST")
        crowds = {shop.name: await shop.control("GET", "crowd") for shop in world.shops}
        incidents = await client.maps("INCIDENTS", "LIMIT", 10_000)
        elapsed = min(1.0, (trio.current_time() - started) / seconds)
        progress.sale(elapsed, rows, crowds, storefront, sum(incident["units"] for incident in incidents))
        await trio.sleep(0.5)


async def _settle(world: World, progress: Progress) -> bool:
    """Poll the shops' orders once more, then wait until nothing is on its way; False: it never came to rest."""
    client = await world.connect()
    try:
        with trio.move_on_after(_SETTLE_SECONDS):
            quiet = 0
            while quiet < 3:
                for shop in world.shops:
                    await client.call("CHANNEL", "RESYNC", shop.name)
                await trio.sleep(1.0)
                rows = await client.maps("CHANNEL", "LIST")
                pending = [(await shop.control("GET", "state?skus=false"))["deliveries"] for shop in world.shops]
                progress.settling(rows)
                at_rest = all(_at_rest(row) and row["state"] == "live" for row in rows)
                at_rest = at_rest and not any(each["pending"] for each in pending)
                quiet = quiet + 1 if at_rest else 0
            return True
        return False
    finally:
        with trio.CancelScope(shield=True):
            await client.aclose()


async def _compare(world: World, progress: Progress, opening: dict[str, int], storefront: Storefront) -> dict[str, Any]:
    """Compare shops and daemon when all has come to rest.

    Offers go on rising as the pace of the sale is forgotten, so one of them may rise between the look at the shops and
    that at the daemon: what differs is looked at again. A number that stays wrong is wrong.
    """
    looks = 0
    while True:
        looks += 1
        settled = await _settle(world, progress)
        report = await _report(world, opening, storefront, settled=settled)
        if report["ok"] or not settled or looks == _LOOKS_MAX:
            return report


async def _report(world: World, opening: dict[str, int], storefront: Storefront, *, settled: bool) -> dict[str, Any]:
    client = await world.connect()
    shops = {shop.name: await shop.control("GET", "state") for shop in world.shops}
    stocks = {sku: await client.map("STOCK", sku) for sku in opening}
    offers = {sku: (await client.map("OFFERS", sku))["offers"] for sku in opening}
    incidents = await client.maps("INCIDENTS", "LIMIT", 10_000)
    metrics = str(await client.call("METRICS"))
    channels = {row["account"]: row for row in await client.maps("CHANNEL", "LIST")}
    open_now = {incident["sku"] for incident in incidents if incident["cleared_at"] is None}
    verdict = judge(opening, stocks, offers, shops, storefront.units, open_now)
    await client.aclose()
    return {
        "ok": verdict.good and settled,
        "settled": settled,
        "skus": len(opening),
        "units": sum(opening.values()),
        "storefront": {
            "holds_granted": storefront.granted,
            "holds_refused": storefront.refused,
            "committed": storefront.committed,
            "released": storefront.released,
            "units": sum(storefront.units.values()),
            "hold_p50_ms": _ms(percentile(storefront.seconds, 0.5)),
            "hold_p99_ms": _ms(percentile(storefront.seconds, 0.99)),
        },
        "shops": {name: _shop_report(name, state, channels[name], metrics, incidents) for name, state in shops.items()},
        "buffer": msgspec.structs.asdict(weigh(stocks, offers)),
        "units_oversold": sum(incident["units"] for incident in incidents),
        "oversold_units_by_cause": sum_causes(incidents),
        "incidents": incidents[:20],
        "check": msgspec.structs.asdict(verdict),
    }


def _shop_report(
    name: str, state: dict[str, Any], channel: dict[str, Any], metrics: str, incidents: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "orders": state["orders"]["total"],
        "units_sold": state["units"]["sold"],
        "units_returned": state["units"]["returned"],
        "shoppers_turned_away": state["crowd"]["refused"],
        "webhooks": {fate: state["deliveries"][fate] for fate in ("sent", "lost", "repeated", "failed")},
        "accepted_lag_seconds": quantiles(metrics, "lastunit_sale_to_accepted_seconds", name),
        "verified_lag_seconds": quantiles(metrics, "lastunit_sale_to_verified_seconds", name),
        "pushes": samples(metrics, "lastunit_pushes", account=name),
        "calls": channel["calls_spent"],
        "oversold_units_by_cause": sum_causes(incidents, name),
    }


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 2)


async def _keep(world: World) -> None:
    """Stay up until interrupted; say where everything is."""
    lines = [
        "",
        "still running; Ctrl-C ends it",
        f"  gateway   {world.gateway_url}/docs  (Authorization: Bearer demo-token)",
        f"  metrics   {world.gateway_url}/metrics",
        f"  socket    redis-cli -s {world.socket_path}",
        f"  status    lastunit status --config {world.config_path}",
        f"  log       {world.log_path}",
        *(f"  {shop.name}    {shop.url}  (control: {shop.control_url}/state)" for shop in world.shops),
    ]
    sys.stderr.write("\n".join(lines) + "\n")
    await trio.sleep_forever()
