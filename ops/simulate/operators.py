"""People at the desk: pause and resume channels, edit rules, recipes and the catalogue, look things up, restart."""

from collections.abc import Awaitable, Callable

import msgspec
import trio

from ops.simulate.opening import add_good
from ops.simulate.plan import draw_rules
from ops.simulate.shoppers import hear_hold
from ops.simulate.till import Till
from ops.simulate.world import World


class Operator:
    """Whoever runs the shop. There is one, so that what is in force at the end is what was set last."""

    def __init__(self, world: World) -> None:
        """Start with nothing to do."""
        self._world = world
        self._till: Till = world.till("operator")
        self._rng = self._till.rng
        self._made = 0

    async def run(self) -> None:
        """Do one thing after the other while the shop is open."""
        tasks: tuple[Callable[[], Awaitable[None]], ...] = (
            self._pause,
            self._flush,
            self._resync,
            self._edit_rules,
            self._edit_recipe,
            self._rename,
            self._retire,
            self._add,
            self._read,
            self._restart,
        )
        while self._world.is_open():
            await trio.sleep(self._rng.expovariate(self._world.plan.busy / 12))
            if self._world.is_open():
                await self._rng.choice(tasks)()

    def _account(self) -> str:
        return self._rng.choice(list(self._world.markets))

    async def _must(self, words: tuple[str, ...], *subjects: str) -> None:
        answer = await self._till.insist(words, *subjects)
        if not answer.good:
            self._world.oracle.complain(f"{' '.join(words)[:200]} is answered {answer}", *subjects)

    async def _pause(self) -> None:
        account = self._account()
        await self._must(("CHANNEL", "PAUSE", account), account)
        await trio.sleep(self._rng.uniform(1, 30))
        await self._must(("CHANNEL", "RESUME", account), account)

    async def _flush(self) -> None:
        account = self._account()
        await self._must(("CHANNEL", "FLUSH", account), account)

    async def _resync(self) -> None:
        account = self._account()
        await self._must(("CHANNEL", "RESYNC", account), account)

    async def _edit_rules(self) -> None:
        book = draw_rules(self._world.plan, self._rng)
        await self._must(("RULES", "SET", msgspec.json.encode(book).decode()))
        self._world.rules_set(book)

    async def _edit_recipe(self) -> None:
        if not self._world.recipes:
            return
        async with self._world.recipe_desk:
            await self._set_recipe(self._rng.choice(list(self._world.recipes)))

    async def _set_recipe(self, kit: str) -> None:
        parts = self._rng.sample(self._world.goods(), self._rng.randint(1, 3))
        recipe = {part: self._rng.randint(1, 3) for part in parts}
        together = self._rng.random() < 0.3
        self._world.oracle.recipe_sent(kit, recipe, together=together)
        lines = [word for part, units in recipe.items() for word in (part, str(units))]
        words = ("RECIPE", "SET", kit, *(("TOGETHER",) if together else ()), "LINES", *lines)
        await self._must(words, kit)
        self._world.recipes[kit] = recipe

    async def _rename(self) -> None:
        sku = self._rng.choice(self._world.goods())
        self._made += 1
        code = f"{sku}-as-{self._made}"
        self._world.oracle.names[code] = sku
        self._world.oracle.listed("direct", code, sku, 1)
        words = ("ITEM", "RENAME", sku, code)
        await self._must(words, sku)

    async def _retire(self) -> None:
        sku = self._rng.choice(self._world.goods())
        await self._must(("ITEM", "RETIRE", sku), sku)
        await trio.sleep(self._rng.uniform(1, 15))
        await self._must(("ITEM", "REVIVE", sku), sku)

    async def _add(self) -> None:
        self._made += 1
        await add_good(self._world, self._till, f"NEW-{self._made}", self._account())

    async def _read(self) -> None:
        """Look things up that have nothing to do with anything: they must not disturb."""
        sku = self._rng.choice(self._world.goods())
        for words in (("EXPLAIN", sku), ("HISTORY", sku), ("SCAN",), ("RULES", "HISTORY"), ("ALERTS",)):
            await self._till.ask(words, sku, quiet=True)

    async def _restart(self) -> None:
        if self._rng.random() < 0.3:
            self._world.story.tell("operator", "restarts the daemon")
            self._world.host.stop()


async def run_clock_setter(world: World) -> None:
    """Set the wall clock of the daemon's machine now and then."""
    rng = world.rng("clock")
    while True:
        await trio.sleep(rng.expovariate(1 / 100))
        if world.faults.happens("clock_steps"):
            seconds = rng.choice((-3600.0, -7.0, -1.5, 1.5, 7.0, 3600.0))
            world.faults.note("clock_steps")
            world.story.tell("clock", f"is set by {seconds:g} s")
            world.clock.step(seconds)


async def run_auditor(world: World) -> None:
    """Ask for orders, holds and listings: what the daemon has once answered it must know from then on."""
    till = world.till("auditor")
    while world.is_open():
        await trio.sleep(till.rng.expovariate(world.plan.busy / 2))
        orders = list(world.oracle.orders.values())[-30:]
        if till.rng.random() < 0.3:
            await ask_offers(world, till, till.rng.choice(world.goods()))
        elif orders and till.rng.random() < 0.8:
            case = till.rng.choice(orders)
            await ask_order(world, till, case.account, case.order)
        elif world.oracle.holds:
            await ask_hold(world, till, till.rng.choice(list(world.oracle.holds)))


async def ask_offers(world: World, till: Till, sku: str) -> None:
    """Ask for the listings of a SKU: what is called verified was looked at."""
    answer = await till.ask(("OFFERS", sku), sku, quiet=True)
    life = world.host.life
    if not answer.good or life is None:
        return
    for told in answer.value["offers"]:
        if told["state"] == "verified":
            world.manners[told["account"]].verified(life.number, told["listing"], told["version"])


async def ask_order(world: World, till: Till, account: str, order: str) -> str:
    """Ask for an order and tell the oracle; return what was wrong with the answer, if anything."""
    answer = await till.ask(("ORDER", account, order), order, quiet=True)
    if not answer.good:
        if answer.code == "NOSUCHORDER" and world.oracle.orders[account, order].seen >= 0:
            world.oracle.complain(f"order {order} of {account} was known and is not", order)
        return str(answer)
    number = answer.value["channel_status"].removeprefix("state ")
    if number:  # else nothing is known but a hold that was committed into it
        world.oracle.order_seen(trio.current_time(), account, order, int(number), answer.value)
    return ""


async def ask_hold(world: World, till: Till, hold: str) -> None:
    """Ask for a hold and tell the oracle."""
    answer = await till.ask(("LOOKUP", hold), hold, quiet=True)
    if answer.lost or answer.code == "BUSY":
        return
    case = world.oracle.holds[hold]
    if answer.code == "NOSUCHHOLD":
        remembered = case.refusal == "OUTOFSTOCK" if case.state == "refused" else case.state != "unknown"
        if remembered:
            world.oracle.complain(f"hold {hold} was {case.state} and is not known", hold)
        return
    state = answer.value["state"]
    if state == "refused":
        world.oracle.hold_refused(hold, "OUTOFSTOCK")
        return
    if state == "held" and case.state not in {"unknown", "granted"}:
        world.oracle.complain(f"hold {hold} was {case.state} and is held now", hold, *case.skus)
    if state == "held" or case.state == "unknown":
        hear_hold(world, hold, answer)
    if state != "held":
        world.oracle.hold_ended(trio.current_time(), hold, state, world.host.now_seconds)
