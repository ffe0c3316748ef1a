"""One emulated shop, alive: state, API, faults, deliveries and crowd, wired to clock and event loop."""

import asyncio
import math
import random
from collections import Counter
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any

import msgspec

from ops.emulator import api, wire
from ops.emulator.clock import Clock
from ops.emulator.crowd import CrowdPlan, Visit, visits
from ops.emulator.faults import Dice, Fate
from ops.emulator.messages import Refusal, Reply, Request, json_reply, refusal_reply
from ops.emulator.model import Change
from ops.emulator.oauth import Gate
from ops.emulator.shop import Shop
from ops.emulator.subscriptions import Subscriptions
from ops.emulator.webhooks import Deliveries

WORKERS = 8
_HTML = b"<!DOCTYPE html><html><head><title>One moment, please</title></head><body>Checking your browser</body></html>"


class CrowdProgress(msgspec.Struct, kw_only=True):
    """How the crowd is doing; counts are orders unless they say units."""

    running: bool = False
    started_at: datetime | None = None
    visitors: int = 0
    bought: int = 0
    units_bought: int = 0
    refused: int = 0
    cancelled: int = 0
    refunded: int = 0
    paid_late: int = 0
    afterwards_pending: int = 0


class Emulator:
    """A shop behind its API. Replaced as a whole on reset, so that nothing old leaks into the new one."""

    def __init__(self, site: wire.Site, gate: Gate, clock: Clock, seed: int) -> None:
        self.site = site
        self.clock = clock
        self.dice = Dice(random.Random(seed))  # noqa: S311  # misfortune must repeat
        self.shop = Shop()
        self.hooks = Subscriptions()
        self.api = api.Api(self.shop, self.hooks, site, self.dice, self.later)
        self.deliveries = Deliveries(self.hooks, self.dice, site, clock, self._payload)
        self.calls: dict[str, Counter[str]] = {}
        self.fates: Counter[Fate | str] = Counter()
        self.progress = CrowdProgress()
        self._gate = gate
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: set[asyncio.TimerHandle] = set()

    def start(self) -> None:
        """Start the delivery workers."""
        for _ in range(WORKERS):
            self._spawn(self.deliveries.work())

    def stop(self) -> None:
        """Drop everything that is still to happen."""
        for task in self._tasks:
            task.cancel()
        for timer in self._timers:
            timer.cancel()
        self.deliveries.close()

    @property
    def timers_pending(self) -> int:
        """Count what is still to happen: late writes, and what buyers do afterwards."""
        return len(self._timers)

    def publish(self) -> None:
        """Announce what changed since the last call."""
        for change in self.shop.drain_changes():
            self.deliveries.announce(change)

    def later(self, seconds: float, action: Callable[[datetime], None]) -> None:
        """Run an action on the shop after a while, and announce what it changed."""

        def run() -> None:
            self._timers.discard(handle)
            action(self.clock.now())
            self.publish()

        handle = asyncio.get_running_loop().call_later(seconds, run)
        self._timers.add(handle)

    # -- the shop's API ---------------------------------------------------------------------------------------------

    async def serve(self, request: Request) -> Reply:
        """Answer one API request, as well or as badly as the faults say; count it by route and outcome."""
        try:
            route = api.find_route(request)
        except Refusal as refusal:
            reply, name = refusal_reply(refusal), f"{request.method} (no route)"
        else:
            reply, name = await self._fated(request, route), route.name
        outcome = reply.defect if reply.defect != "none" else str(reply.status)
        self.calls.setdefault(name, Counter())[outcome] += 1
        return reply

    async def _fated(self, request: Request, route: api.Route) -> Reply:
        wait_seconds = self.dice.throttle_seconds(self.clock.monotonic())
        if wait_seconds:
            self.fates["throttled"] += 1
            headers = (("Retry-After", str(math.ceil(wait_seconds))),) if self.dice.faults.retry_after else ()
            return Reply(body=_HTML, status=429, content_type="text/html; charset=UTF-8", headers=headers)
        if seconds := self.dice.latency_seconds():
            await asyncio.sleep(seconds)
        fate = self.dice.fate(is_write=request.is_write)
        self.fates[fate] += 1
        match fate:
            case "refused":
                return Reply(body=_HTML, status=self.dice.error_status(), content_type="text/html; charset=UTF-8")
            case "html":
                return Reply(body=_HTML, content_type="text/html; charset=UTF-8")
            case "closed":
                return Reply(body=b"", defect="closed")
        reply = await self._answer(request, route)
        match fate:
            case "closed_applied":
                reply.defect = "closed"
            case "truncated" | "cut":
                reply.defect = fate
            case "lost_answer":
                return Reply(body=_HTML, status=500, content_type="text/html; charset=UTF-8")
        return reply

    async def _answer(self, request: Request, route: api.Route) -> Reply:
        now = self.clock.now()
        try:
            if not self._gate.admits(request, now):
                raise api.not_admitted(request, route)
            reply = route.handler(self.api, request, route.ids, now)
        except Refusal as refusal:
            return refusal_reply(refusal)
        self.publish()
        if reply.ping:
            await self.deliveries.ping(reply.ping)
        return reply

    def _payload(self, change: Change) -> bytes | None:
        """Render what changed as the API would show it now; None when it is gone."""
        if change.topic.endswith(".deleted"):
            return msgspec.json.encode({"id": change.resource_id})
        if change.topic.startswith("order."):
            order = self.shop.orders.get(change.resource_id)
            return json_reply(wire.order(self.site, order)).body if order else None
        item = self.shop.items.get(change.resource_id)
        return json_reply(wire.item(self.shop, self.site, item)).body if item else None

    # -- the crowd --------------------------------------------------------------------------------------------------

    def release_crowd(self, plan: CrowdPlan) -> None:
        """Let a crowd loose.

        Raises:
            Refusal: 409 while another one is still buying.
        """
        if self.progress.running:
            raise Refusal("emulator_crowd_running", "A crowd is already in the shop.", 409)
        self.progress = CrowdProgress(running=True, started_at=self.clock.now())
        self._spawn(self._run_crowd(plan, self.progress))

    async def _run_crowd(self, plan: CrowdPlan, progress: CrowdProgress) -> None:
        started = self.clock.monotonic()
        catalogue = sorted(item.sku for item in self.shop.items.values() if item.sku and item.kind != "variable")
        for visit in visits(plan, catalogue):
            # against the plan's clock, not the last visit's: a late loop catches up instead of falling behind
            await asyncio.sleep(max(0, started + visit.at_seconds - self.clock.monotonic()))
            self._visit(visit, progress)
        progress.running = False

    def _visit(self, visit: Visit, progress: CrowdProgress) -> None:
        progress.visitors += 1
        try:
            order = self.shop.buy(visit.basket, visit.status, self.clock.now())
        except Refusal:
            progress.refused += 1
            return
        progress.bought += 1
        progress.units_bought += sum(wanted.quantity for wanted in visit.basket)
        self.publish()
        if visit.afterwards != "keep":
            progress.afterwards_pending += 1
            self.later(visit.afterwards_seconds, lambda now: self._afterwards(visit, order.id, progress, now))

    def _afterwards(self, visit: Visit, order_id: int, progress: CrowdProgress, now: datetime) -> None:
        progress.afterwards_pending -= 1
        if self.shop.order(order_id).status != visit.status:
            return  # somebody else was there first
        match visit.afterwards:
            case "refund":
                self.shop.refund_all(order_id, now)
                progress.refunded += 1
            case "pay":
                self.shop.set_status(order_id, "processing", now)
                progress.paid_late += 1
            case _:
                self.shop.set_status(order_id, "cancelled", now)
                progress.cancelled += 1

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
