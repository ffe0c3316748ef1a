"""Buyers at the seller's own storefront: holds, commits and releases, repeated until they know, and orders of ours."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import trio

from engine.domain.units import DIRECT
from ops.simulate.answers import Answer
from ops.simulate.clocks import seconds_of
from ops.simulate.orders import MarketLine, MarketOrder
from ops.simulate.till import AGAIN, Till
from ops.simulate.world import World


async def run_shopper(world: World, number: int) -> None:
    """Fill baskets one after the other while the shop is open."""
    till = world.till(f"buyer-{number}")
    baskets = 0
    while world.is_open():
        await trio.sleep(till.rng.expovariate(world.plan.busy / 4))
        if world.is_open():
            baskets += 1
            await _shop(world, till, f"h{number}-{baskets}")


async def run_latecomer(world: World, number: int) -> None:
    """Wait for baskets of others to run out, and ask for all that there is then, with something else beside it."""
    till, baskets = world.till(f"latecomer-{number}"), 0
    while world.is_open():
        await trio.sleep(till.rng.expovariate(world.plan.busy / 2))
        known = world.oracle.soonest_to_expire(world.host.now_seconds, within_seconds=20.0)
        if known is None or not world.is_open():
            continue
        hold, wait = known
        await trio.sleep(max(0.0, wait - 0.2))
        skus = dict.fromkeys((*hold.skus, till.rng.choice(world.goods())))
        stock = {sku: await till.ask(("STOCK", sku), sku, quiet=True) for sku in skus}
        if not all(answer.good for answer in stock.values()) or hold.expires is None:
            continue
        wanted: dict[str, int] = {}
        for sku, answer in stock.items():
            there = _count_there(world, answer)
            wanted[sku] = max(1, there + hold.skus[sku]) if sku in hold.skus else 1
        early = till.rng.choice((0.0, 0.001, 0.005, 0.02))
        await trio.sleep(max(0.0, hold.expires - world.host.now_seconds - early))
        baskets += 1
        await _grab(world, till, f"late-{number}-{baskets}", wanted)


async def _grab(world: World, till: Till, hold: str, wanted: Mapping[str, int]) -> None:
    """Ask once or twice, and let go of it soon."""
    words = ("HOLD", hold, "4", *(word for sku, units in wanted.items() for word in (sku, str(units))))
    world.oracle.hold_sent(trio.current_time(), hold, wanted)
    answer = await till.insist(words, hold, *wanted, tries=2)
    hear_hold(world, hold, answer)
    if answer.good and till.rng.random() < 0.5:
        await _release(world, till, hold, (hold, *wanted))


async def _shop(world: World, till: Till, hold: str) -> None:
    rng = till.rng
    goods = [*world.goods(), *world.recipes]
    favourites = goods[: max(3, len(goods) // 4)]
    skus = [rng.choice(favourites if rng.random() < 0.6 else goods) for _ in range(rng.choice((1, 1, 1, 1, 2, 3)))]
    wanted: dict[str, int] = {}
    for sku in skus:
        wanted[world.code_for(sku, rng)] = rng.choice((1, 1, 1, 2, 3))
    seconds = rng.choice(("NEVER", "5", "15", "40", "60"))
    if len(skus) == 1 and skus[0] not in world.recipes and rng.random() < 0.25:
        # who asks for all of it, or for one more, finds where the line is
        there = _count_there(world, await till.ask(("STOCK", skus[0]), skus[0], quiet=True))
        wanted, seconds = dict.fromkeys(wanted, max(1, there + rng.choice((0, 1)))), rng.choice(("3", "6"))
    words = ("HOLD", hold, seconds, *(word for sku, units in wanted.items() for word in (sku, str(units))))
    world.oracle.hold_sent(trio.current_time(), hold, wanted)
    subjects = (hold, *dict.fromkeys(skus))
    answer = await till.insist(words, *subjects, tries=rng.choice((None, None, 2)))
    hear_hold(world, hold, answer)
    if rng.random() < 0.1:
        hear_hold(world, hold, await till.insist(words, *subjects, tries=2))
    if answer.good or answer.code == "OUTOFSTOCK":
        world.said[words] = ""
    if not answer.good:
        return
    await trio.sleep(rng.uniform(0, 8) if rng.random() < 0.8 else rng.uniform(10, 50))
    draw = rng.random()
    if draw < 0.45:
        await _commit(world, till, hold, subjects)
    elif draw < 0.7:
        await _order(world, till, hold, wanted, subjects)
    elif draw < 0.9:
        await _release(world, till, hold, subjects)


def _count_there(world: World, stock: Answer) -> int:
    """Return what the storefront may sell by an answer to STOCK; 0: there was none."""
    if not stock.good:
        return 0
    return sum(at["atp"] for at in stock.value["locations"] if at["location"] in world.plan.direct)


def hear_hold(world: World, hold: str, answer: Answer) -> None:
    """Tell the oracle what a HOLD was answered."""
    if answer.good:
        lines: dict[tuple[str, str], int] = {}
        for line in answer.value["lines"]:
            key = (world.oracle.sku(line["sku"]), line["location"])
            lines[key] = lines.get(key, 0) + line["quantity"]
        expires = answer.value["expires_at"]
        world.oracle.hold_granted(
            trio.current_time(), hold, lines, None if expires is None else instant(expires), world.host.now_seconds
        )
    elif not answer.lost and answer.code not in AGAIN:
        world.oracle.hold_refused(hold, answer.code)


def instant(text: str) -> float:
    """Return an instant of an answer as seconds."""
    return seconds_of(datetime.fromisoformat(text))


async def _commit(world: World, till: Till, hold: str, subjects: Sequence[str], order: str = "") -> Answer:
    world.oracle.commit_sent(hold, order)
    words: tuple[str, ...] = ("COMMIT", hold, "ORDER", order) if order else ("COMMIT", hold)
    answer = await till.insist(words, *subjects)
    _hear_end(world, hold, answer, "committed")
    if answer.good:
        world.oracle.committed_at(hold, instant(answer.value["committed_at"]))
        world.said[words] = str(answer)
    return answer


async def _release(world: World, till: Till, hold: str, subjects: Sequence[str]) -> None:
    world.oracle.release_sent(hold)
    words = ("RELEASE", hold)
    answer = await till.insist(words, *subjects)
    _hear_end(world, hold, answer, "released")
    if answer.good:
        world.said[words] = str(answer)


def _hear_end(world: World, hold: str, answer: Answer, wanted: str) -> None:
    now, daemon_seconds = trio.current_time(), world.host.now_seconds
    if answer.good:
        world.oracle.hold_ended(now, hold, wanted, daemon_seconds)
    elif answer.code == "EXPIRED":
        world.oracle.hold_ended(now, hold, "expired", daemon_seconds)
    else:
        world.oracle.complain(f"hold {hold} was granted, and {wanted} is answered {answer}", hold)


async def _order(world: World, till: Till, hold: str, wanted: Mapping[str, int], subjects: Sequence[str]) -> None:
    """Commit into an order of ours, tell of it, and ship it some day."""
    order = f"own-{hold}"
    answer = await _commit(world, till, hold, subjects, order)
    if not answer.good or till.rng.random() < 0.2:
        return
    known = MarketOrder(
        account=DIRECT,
        order=order,
        placed_at=world.clock.true(),
        lines=[MarketLine(str(number), sku, sku, units) for number, (sku, units) in enumerate(wanted.items(), 1)],
        held_until=None,
        modified_at=world.clock.true(),
    )
    for code in wanted:
        world.oracle.listed(DIRECT, code, world.oracle.sku(code), 1)
    await _record(world, till, known, subjects)
    await trio.sleep(till.rng.uniform(1, 20))
    for line in known.lines:
        if till.rng.random() < 0.6:
            line.shipped = line.open
        elif till.rng.random() < 0.3:
            line.cancelled = line.open
    await _record(world, till, known, subjects)


async def _record(world: World, till: Till, order: MarketOrder, subjects: Sequence[str]) -> None:
    order.changed(world.clock.true())
    world.order_changed(DIRECT, order.order, order.claims, None)
    world.oracle.taken_over(order.order)
    snapshot: dict[str, Any] = msgspec.to_builtins(order.told[-1])
    for line in snapshot["lines"]:
        line["listing_id"] = None
    answer = await till.insist(("RECORD", msgspec.json.encode(snapshot).decode()), order.order, *subjects)
    if not answer.good or answer.value["outcome"] not in {"newer", "repeat"}:
        world.oracle.complain(f"order {order.order} is recorded as {answer}", order.order)
