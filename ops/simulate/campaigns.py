"""Campaigns: somebody sets units aside for one account, its marketplace keeps a lock, and gives back what it likes."""

from datetime import UTC, datetime
from typing import Final

import trio

from ops.simulate.market import Market
from ops.simulate.till import Till
from ops.simulate.world import World

_LOCKS: Final = ("open", "increase_only", "closed")


async def run_campaigner(world: World) -> None:
    """Run one campaign after the other while the shop is open."""
    till, made = world.till("campaigner"), 0
    while world.is_open():
        await trio.sleep(till.rng.expovariate(world.plan.busy / 25))
        found = [key for key in world.oracle.listings if key[0] in world.markets]
        if world.is_open() and found:
            made += 1
            account, listing = till.rng.choice(found)
            await _hold_campaign(world, till, f"campaign-{made}", world.markets[account], listing)


async def _hold_campaign(world: World, till: Till, key: str, market: Market, listing: str) -> None:
    rng, sku = till.rng, world.oracle.listings[market.account, listing][0]
    seconds, lock = rng.uniform(5, 40), rng.choice(_LOCKS)
    begins = world.host.now_seconds
    terms = (
        *("CAMPAIGN", "SET", key, market.account, sku, str(rng.randint(1, 8))),
        *("FROM", _instant(begins), "TO", _instant(begins + seconds), "LOCK", lock, "RETURN", "0.02"),
        *(("LISTING", listing) if rng.random() < 0.5 else ()),
    )
    answer = await till.insist(terms, key, sku, listing)
    if not answer.good:
        return
    world.campaigns.append(key)
    if lock != "open":
        market.lock(listing, seconds, only_falls=lock == "increase_only")
    await trio.sleep(seconds * rng.uniform(0.5, 1.0))
    if rng.random() < 0.3:
        await till.insist(("CAMPAIGN", "END", key), key, sku, listing)
    if rng.random() < 0.5:
        market.give_back(listing, rng.randint(1, 3))
    if rng.random() < 0.2:
        await till.insist(("CAMPAIGN", "RETURN", key), key, sku, listing)


def _instant(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
