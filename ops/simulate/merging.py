"""An operator who finds that two SKUs are one: one goes, and the other has all, when nothing is open any more."""

from typing import Final

import trio

from ops.simulate.till import Till
from ops.simulate.world import World

_GOODS_MIN: Final = 6
"""With fewer than so many SKUs nobody merges: buyers need something to choose from."""


async def run_merger(world: World) -> None:
    """Merge one SKU after the other while the shop is open."""
    till = world.till("merger")
    while world.is_open():
        await trio.sleep(till.rng.expovariate(world.plan.busy / 12))
        goods = [sku for sku in world.goods() if sku not in world.arriving]
        if world.is_open() and len(goods) >= _GOODS_MIN:
            await _merge_some(world, till, goods)


async def _merge_some(world: World, till: Till, goods: list[str]) -> None:
    """Merge one SKU into another one, or give up while orders, holds and papers are open."""
    rng = till.rng
    *candidates, into = rng.sample(goods, 5)
    gone = await _choose(till, candidates, in_baskets=rng.random() < 0.3) if rng.random() < 0.7 else candidates[0]
    retires = rng.random() < 0.5
    if retires:
        await till.insist(("ITEM", "RETIRE", gone), gone)
        await trio.sleep(rng.uniform(0, 20))
    for _ in range(rng.randint(1, 4)):
        if await _merge(world, till, gone, into):
            return
        await trio.sleep(rng.uniform(0, 10))
    if retires:
        await till.insist(("ITEM", "REVIVE", gone), gone)


async def _choose(till: Till, candidates: list[str], *, in_baskets: bool) -> str:
    """Return the first SKU of which nothing is owed just now, and something or nothing held; else the last one."""
    for sku in candidates:
        stock = await till.ask(("STOCK", sku), sku, quiet=True)
        if stock.good and not stock.value["committed"] and bool(stock.value["reserved"]) is in_baskets:
            return sku
    return candidates[-1]


async def _merge(world: World, till: Till, gone: str, into: str) -> bool:
    """Ask once, until it is answered; return whether the two are one now."""
    oracle = world.oracle
    async with world.recipe_desk:
        oracle.merge_sent(trio.current_time(), gone, into)
        answer = await till.insist(("ITEM", "MERGE", gone, into), gone, into)
    # the name leads to the heir already: an answer was lost that said so
    done = answer.good or answer.code == "BADARG"
    if done:
        oracle.merge_done(trio.current_time(), gone, world.host.now_seconds)
    else:
        oracle.merge_refused(gone)
        if answer.code != "INUSE":
            oracle.complain(f"{gone} is to go into {into}, which is answered {answer}", gone, into)
    world.counts["merge done" if done else "merge refused"] += 1
    return done
