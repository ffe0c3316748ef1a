"""The flash sale: crowds in both shops, baskets at the own storefront, and a network that loses and reorders."""

from random import Random
from typing import Final

import msgspec
import trio

from ops.demo.resp import Declined
from ops.demo.world import World

WEBHOOK_FAULTS: Final = {"webhook_loss_share": 0.1, "webhook_repeat_share": 0.15, "webhook_jitter_seconds": 1.0}
"""One in ten webhooks never arrives, every seventh arrives twice, and they overtake each other within a second."""
VISITORS_PER_SECOND: Final = 40
_BASKETS_PER_SECOND: Final = 40
_TILLS: Final = 4
_ABANDONED_SHARE: Final = 0.25


class Storefront(msgspec.Struct):
    """What happened at the own storefront."""

    granted: int = 0
    refused: int = 0
    committed: int = 0
    released: int = 0
    units: dict[str, int] = {}
    """Units committed, by SKU."""
    seconds: list[float] = []
    """Answer times of HOLD."""


def popularity(skus: list[str], rng: Random) -> dict[str, float]:
    """Weigh SKUs: a few are what everybody came for (Zipf with exponent 1.1, ranks shuffled)."""
    ranks = list(range(1, len(skus) + 1))
    rng.shuffle(ranks)
    return {sku: rank**-1.1 for sku, rank in zip(skus, ranks, strict=True)}


async def open_doors(world: World, weights: dict[str, float], seed: int, seconds: int) -> None:
    """Let the crowds into the shops, and the faults into the network."""
    for number, shop in enumerate(world.shops):
        await shop.control("PUT", "faults", WEBHOOK_FAULTS)
        crowd = {
            "seed": seed + number,
            "rate_per_second": VISITORS_PER_SECOND,
            "seconds": seconds,
            "skus": weights,
            "quantity_max": 2,
            "lines_max": 2,
            "cancel_share": 0.05,
            "refund_share": 0.02,
            "pending_share": 0.1,
            "abandon_share": 0.3,
            "afterwards_min_seconds": 0.5,
            "afterwards_max_seconds": 3.0,
        }
        await shop.control("POST", "crowd", crowd)


async def run_storefront(world: World, weights: dict[str, float], seed: int, seconds: int, books: Storefront) -> None:
    """Sell through holds on the command socket: take a basket, think a moment, buy it or leave it."""
    async with trio.open_nursery() as nursery:
        for till in range(_TILLS):
            nursery.start_soon(_run_till, world, weights, Random(f"{seed}/{till}"), seconds, till, books)  # noqa: S311


async def _run_till(
    world: World, weights: dict[str, float], rng: Random, seconds: int, till: int, books: Storefront
) -> None:
    client = await world.connect()
    skus, shares = list(weights), list(weights.values())
    closes = trio.current_time() + seconds
    number = 0
    while trio.current_time() < closes:
        await trio.sleep(rng.expovariate(_BASKETS_PER_SECOND / _TILLS))
        number += 1
        basket = dict.fromkeys(rng.choices(skus, shares, k=rng.randint(1, 3)), 1)
        hold_id = f"basket-{till}-{number}"
        words: list[str | int] = [word for line in basket.items() for word in line]
        asked = trio.current_time()
        try:
            await client.call("HOLD", hold_id, 60, *words)
        except Declined as no:
            if no.code != "OUTOFSTOCK":
                raise
            books.refused += 1
            continue
        books.seconds.append(trio.current_time() - asked)
        books.granted += 1
        if rng.random() < _ABANDONED_SHARE:
            await client.call("RELEASE", hold_id)
            books.released += 1
        else:
            await client.call("COMMIT", hold_id, "ORDER", f"web-{till}-{number}")
            books.committed += 1
            for sku, units in basket.items():
                books.units[sku] = books.units.get(sku, 0) + units
    await client.aclose()


async def close_doors(world: World) -> None:
    """Wait until the shops' crowds are through, what they do afterwards included; then heal the network."""
    for shop in world.shops:
        while True:
            crowd = await shop.control("GET", "crowd")
            if not crowd["running"] and crowd["afterwards_pending"] == 0:
                break
            await trio.sleep(0.1)
    for shop in world.shops:
        await shop.control("PUT", "faults", {})
