"""The morning of a run: catalogue, opening stock, listings and rules, before anything goes wrong."""

from typing import Any

import msgspec
import trio

from ops.simulate.plan import draw_rules
from ops.simulate.till import AGAIN, Till
from ops.simulate.world import World

Json = dict[str, Any]


async def open_shop(world: World) -> None:
    """Import everything and set the rules; returns when the daemon has taken all of it."""
    for offered in world.plan.listings:
        market = world.markets[offered.account]
        market.put_up(offered.listing, offered.typed, offered.shown)
        if offered.sku:
            world.oracle.listed(offered.account, offered.listing, offered.sku, offered.pack_units)
    till = world.till("owner")
    await _import(till, "opening", _rows(world))
    book = draw_rules(world.plan, world.rng("rules"))
    answer = await till.insist(("RULES", "SET", msgspec.json.encode(book).decode()))
    assert answer.good, answer
    world.rules_set(book)


def _rows(world: World) -> list[Json]:
    oracle, now = world.oracle, trio.current_time()
    rows: list[Json] = []
    for good in world.plan.goods:
        rows.append({"kind": "sku", "sku": good.sku, "name": good.sku, "safety_stock": good.safety})
        oracle.listed("direct", good.sku, good.sku, 1)
        if good.recipe:
            oracle.recipe_sent(good.sku, good.recipe, together=good.together)
            world.recipes[good.sku] = good.recipe
            rows += [
                {"kind": "recipe", "sku": good.sku, "component": part, "quantity": units, "together": good.together}
                for part, units in good.recipe.items()
            ]
            continue
        oracle.added(good.sku, good.safety)
        for place, units in good.opening.items():
            key = f"opening {place}"
            oracle.move_sent(now, key, good.sku, {place: units}, {place: units}, {})
            oracle.move_answered(now, key, good.sku, {place: units})
            rows.append({"kind": "stock", "sku": good.sku, "location": place, "on_hand": units})
    rows += [
        {
            "kind": "listing",
            "account": offered.account,
            "listing": offered.listing,
            "sku": offered.sku,
            "pack_units": offered.pack_units,
        }
        for offered in world.plan.listings
        if offered.mapped_by_hand
    ]
    return rows


async def _import(till: Till, name: str, rows: list[Json]) -> None:
    """Stage and apply; rows that were staged are gone with the connection."""
    is_staged = False
    while True:
        if not is_staged:
            staged = await till.insist(("IMPORT", "STAGE", name, msgspec.json.encode(rows).decode()), quiet=True)
            assert staged.good, staged
        applied = await till.ask(("IMPORT", "APPLY", name))
        if applied.good:
            return
        is_staged = applied.code in AGAIN
        assert is_staged or applied.lost or applied.code == "BADARG", applied
        await till.wait()


async def add_good(world: World, till: Till, sku: str, account: str) -> None:
    """Bring a new SKU in, with a listing that is found by its SKU, and units of it."""
    world.oracle.added(sku, {})
    world.oracle.listed("direct", sku, sku, 1)
    world.oracle.listed(account, f"{account}-{sku}", sku, 1)
    world.markets[account].put_up(f"{account}-{sku}", sku, 0)
    world.arriving.add(sku)
    await _import(till, f"new {sku}", [{"kind": "sku", "sku": sku, "name": sku}])
    world.arriving.remove(sku)
