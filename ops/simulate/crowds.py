"""What happens at a marketplace by itself: buyers, carriers, webhooks, outages, locks, and edits by hand."""

import msgspec
import trio

from engine.domain.orders import OrderSnapshot
from engine.domain.units import OrderId
from engine.ports import ListingHint, NoHint, OrderHint, RefetchHint, WebhookHint
from ops.simulate.market import Market, Wanted, Ware
from ops.simulate.orders import MarketLine, MarketOrder
from ops.simulate.outlet import seen
from ops.simulate.till import Till
from ops.simulate.world import World


async def run_crowd(world: World, market: Market) -> None:
    """Place orders while the shop is open; each goes its own way."""
    rng = world.rng(f"{market.account}/crowd")
    while world.is_open():
        await trio.sleep(rng.expovariate(world.plan.busy / 7))
        wares = market.buyable()
        if not world.is_open() or not wares:
            continue
        counters = world.plan.counters[market.account]
        counter = rng.choice(counters) if counters and rng.random() < 0.4 else ""
        wanted: dict[str, Wanted] = {}
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            ware = rng.choice(wares)
            units = min((ware.shown or 0) - ware.basketed, rng.choice((1, 1, 2, 4)))
            wanted[ware.listing] = Wanted(ware, units, counter if rng.random() < 0.8 else "")
        unpaid = market.temper.unpaid and rng.random() < 0.25
        order = market.buy(list(wanted.values()), rng.uniform(5, 30) if unpaid else None)
        world.counts["order sent" if not any(line.pickup for line in order.lines) else "order picked up"] += 1
        world.nursery.start_soon(_live, world, market, order)


async def _live(world: World, market: Market, order: MarketOrder) -> None:
    """Let one order be paid, cancelled, shipped, returned; when the shop closes, at once."""
    rng = world.rng(order.order)

    async def wait(seconds: float) -> None:
        with trio.move_on_after(seconds):
            await world.closing.wait()

    if order.held_until is not None:
        pays = rng.random() < 0.7
        patience = (order.held_until - market.stamp()).total_seconds()
        await wait(patience * rng.random() if pays else patience + 1)
        if pays:
            market.pay(order)
        else:
            market.lapse(order)
    for line in order.lines:
        await wait(rng.choice((0.0, 0.3, 2.0, 10.0, 40.0)))
        _step(market, order, line, rng.random())
        if line.shipped and rng.random() < 0.3:
            await wait(rng.uniform(1, 20))
            market.take_back(order, line, rng.randint(1, line.shipped))


def _step(market: Market, order: MarketOrder, line: MarketLine, draw: float) -> None:
    if not line.open:
        return
    if draw < 0.2:
        market.cancel(order, line, line.open)
    elif draw < 0.3 and line.open > 1:
        market.cancel(order, line, 1)
    elif draw < 0.75:
        market.ship(order, line, line.open)
    elif draw < 0.85:
        market.ship(order, line, 1)


class Post:
    """Delivers a marketplace's webhooks to the daemon, as well as it can."""

    def __init__(self, world: World, market: Market) -> None:
        """Deliver every new state of an order, and every edit by hand."""
        self._world = world
        self._market = market
        self._rng = world.rng(f"{market.account}/post")
        self._sent = 0
        if market.temper.webhooks != "none":
            market.changed = self._order_changed
            market.edited = self._listing_edited

    def _order_changed(self, snapshot: OrderSnapshot) -> None:
        if self._market.temper.webhooks == "refetch":
            self._send(RefetchHint(order_id=OrderId(snapshot.order_id)), snapshot.order_id)
        else:
            self._send(OrderHint(snapshot=snapshot), snapshot.order_id)

    def _listing_edited(self, ware: Ware) -> None:
        self._send(ListingHint(listing=seen(ware)), ware.listing)
        self._send(NoHint(reason="a topic of no interest"), ware.listing)

    def _send(self, hint: WebhookHint, subject: str) -> None:
        faults, market = self._world.faults, self._market
        self._sent += 1
        key = f"{market.account}-d{self._sent}"
        if not market.subscribed or faults.strikes("webhook_lost", 0.06):
            market.tell(f"webhook {key} of {subject} is not delivered")
            return
        body = msgspec.json.encode(hint).decode()
        if faults.strikes("webhook_garbled", 0.02):
            body = body[:-3]
        late = self._rng.uniform(0.5, 20.0) if faults.strikes("webhook_late", 0.08) else 0.0
        copies = 2 if faults.strikes("webhook_twice", 0.06) else 1
        for copy in range(copies):
            delay = late + self._rng.uniform(0.0, 0.3) + copy * self._rng.uniform(0.0, 5.0)
            self._world.nursery.start_soon(self._deliver, key, body, subject, delay)

    async def _deliver(self, key: str, body: str, subject: str, delay: float) -> None:
        await trio.sleep(delay)
        till: Till = self._world.till(f"webhook {key}")
        await till.insist(("WEBHOOK", self._market.account, key, "{}", body), subject, tries=4)


async def run_weather(world: World, market: Market) -> None:
    """Let outages, expired tokens, locks, edits and switched-off subscriptions come and go."""
    async with trio.open_nursery() as nursery:
        for fault, mean_seconds in (
            ("down", 250.0),
            ("credentials", 300.0),
            ("locks", 60.0),
            ("hand_edits", 50.0),
            ("webhooks_off", 150.0),
        ):
            nursery.start_soon(_strike, world, market, fault, mean_seconds)


async def _strike(world: World, market: Market, fault: str, mean_seconds: float) -> None:
    rng = world.rng(f"{market.account}/{fault}")
    while True:
        await trio.sleep(rng.expovariate(1 / mean_seconds))
        if not world.faults.happens(fault):
            continue
        now, listings = trio.current_time(), list(market.wares)
        match fault:
            case "down":
                market.down_until = now + rng.uniform(2.0, max(4.0, world.plan.seconds / 3))
                market.tell(f"is down until t={market.down_until:.1f}")
            case "credentials":
                market.locked_out_until = now + rng.uniform(2.0, 30.0)
                market.tell(f"refuses our keys until t={market.locked_out_until:.1f}")
            case "locks":
                market.lock(rng.choice(listings), rng.uniform(3.0, 40.0))
            case "hand_edits":
                market.edit(rng.choice(listings), rng.randint(0, 6))
            case _:
                market.subscribed = False
                market.tell("switches our subscriptions off")
        world.faults.note(fault)
