"""People in the warehouse: receive, adjust, count, move, take back, inspect; each under a key, until it is answered."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

import trio

from ops.simulate.till import Till
from ops.simulate.world import World

ANY_CHANGE: Final = 100_000
"""A count or a snapshot may change a figure by anything; only its answer says by what."""
_PLACES: Final = ("main", "store", "depot")


class Staff:
    """One person in the warehouse."""

    def __init__(self, world: World, number: int) -> None:
        """Start with nothing to do."""
        self._world = world
        self._till: Till = world.till(f"staff-{number}")
        self._rng = self._till.rng
        self._number = number
        self._keys = 0

    async def run(self) -> None:
        """Do one thing after the other while the shop is open."""
        tasks: tuple[Callable[[str, str], Awaitable[None]], ...] = (
            self._receive,
            self._receive,
            self._adjust,
            self._count,
            self._transfer,
            self._take_back,
            self._show,
            self._purchase,
        )
        while self._world.is_open():
            await trio.sleep(self._rng.expovariate(self._world.plan.busy / 12))
            if self._world.is_open():
                await self._rng.choice(tasks)(self._rng.choice(self._world.goods()), self._rng.choice(_PLACES))

    def _key(self) -> str:
        self._keys += 1
        return f"k{self._number}-{self._keys}"

    async def _move(self, words: tuple[str, ...], sku: str, change: dict[str, int], aside: dict[str, int]) -> bool:
        """Ask for a movement until it is answered; `words[1]` is its key."""
        oracle, key = self._world.oracle, words[1] if words[0] != "TRANSFER" else words[2]
        oracle.move_sent(trio.current_time(), key, sku, change, change, aside)
        answer = await self._till.insist(words, key, sku)
        oracle.move_answered(trio.current_time(), key, sku, change if answer.good else None)
        if answer.good:
            self._world.said[words] = ""
        return answer.good

    def _code(self, sku: str) -> str:
        return self._world.code_for(sku, self._rng)

    async def _receive(self, sku: str, place: str) -> None:
        units = self._rng.randint(1, 6)
        await self._move(("RECEIVE", self._key(), self._code(sku), place, str(units)), sku, {place: units}, {})

    async def _adjust(self, sku: str, place: str) -> None:
        delta = self._rng.choice((-3, -2, -1, 1, 2))
        words = ("ADJUST", self._key(), self._code(sku), place, str(delta), "correction: simulated")
        await self._move(words, sku, {place: delta}, {})

    async def _show(self, sku: str, place: str) -> None:
        """Put a unit on show: it is not sold any more."""
        words = ("INSPECT", self._key(), self._code(sku), place, "1", "DISPLAY")
        await self._move(words, sku, {}, {place: 1})

    async def _count(self, sku: str, place: str) -> None:
        """Count what the books say is there, and be wrong now and then."""
        stock = await self._till.insist(("STOCK", sku), sku, quiet=True)
        if not stock.good:
            return
        there = next((at["on_hand"] for at in stock.value["locations"] if at["location"] == place), 0)
        taken_at = datetime.fromtimestamp(self._world.host.now_seconds - 0.5, UTC)
        await trio.sleep(self._rng.uniform(0, 5))
        key, counted = self._key(), max(0, there + self._rng.choice((0, 0, 0, -1, 1, 2)))
        words = ("COUNT", key, self._code(sku), place, str(counted), "AT", taken_at.isoformat())
        oracle = self._world.oracle
        oracle.move_sent(trio.current_time(), key, sku, {place: -ANY_CHANGE}, {place: ANY_CHANGE}, {})
        answer = await self._till.insist(words, key, sku)
        change: dict[str, int] | None = None
        if answer.good:
            self._world.said[words] = ""
            change = {place: answer.value["variance"]} if answer.value["applied"] else {}
        oracle.move_answered(trio.current_time(), key, sku, change)

    async def _transfer(self, sku: str, place: str) -> None:
        """Send units to another place; let them arrive, but for what is lost on the way."""
        target = self._rng.choice([other for other in _PLACES if other != place])
        units, transfer = self._rng.randint(1, 3), f"t{self._number}-{self._key()}"
        send = ("TRANSFER", "SEND", transfer, place, target, "LINES", self._code(sku), str(units))
        if not await self._move(send, sku, {place: -units}, {}):
            return
        await trio.sleep(self._rng.uniform(1, 20))
        lost = 1 if self._rng.random() < 0.2 else 0
        if lost:
            lose = ("TRANSFER", "LOSE", self._key(), transfer, self._code(sku), "1", "fell off the lorry")
            await self._till.insist(lose, transfer, sku)
        if units > lost:
            receive = ("TRANSFER", "RECEIVE", self._key(), transfer, self._code(sku), str(units - lost))
            await self._move(receive, sku, {target: units - lost}, {})

    async def _purchase(self, sku: str, place: str) -> None:
        """Order from a supplier, think better of it, receive some of it, and end it or leave it open."""
        papers, goods, number = self._world.oracle.purchases, self._world.goods(), f"po{self._number}-{self._key()}"
        for _ in range(self._rng.choice((1, 2))):
            lines = {each: self._rng.randint(1, 9) for each in {sku: None, self._rng.choice(goods): None}}
            named = [word for each, units in lines.items() for word in (self._code(each), str(units))]
            answer = await self._till.insist(("PO", "SET", number, place, "LINES", *named), number, *lines)
            if not answer.good:
                return
            papers.ordered(number, lines)
            await trio.sleep(self._rng.uniform(0, 15))
        for _ in range(self._rng.choice((0, 1, 1, 2))):
            units = self._rng.randint(1, 6)
            words = ("RECEIVE", self._key(), self._code(sku), place, str(units), "PO", number)
            if await self._move(words, sku, {place: units}, {}):
                papers.received(number, sku, units)
        if self._rng.random() < 0.4:
            answer = await self._till.insist(("PO", self._rng.choice(("CLOSE", "CANCEL")), number), number, sku)
            if answer.good:
                papers.ended(number)

    async def _take_back(self, sku: str, place: str) -> None:
        """Take units back that were sold long ago, look at them, and decide."""
        units = self._rng.randint(1, 2)
        back = ("RETURN", self._key(), self._code(sku), place, str(units), "INTO", "quality_hold")
        if not await self._move(back, sku, {place: units}, {place: units}):
            return
        await trio.sleep(self._rng.uniform(0, 20))
        verdict = self._rng.choice(("RESTOCK", "WRITEOFF", "DAMAGED"))
        change = {place: -units} if verdict == "WRITEOFF" else {}
        aside = {} if verdict == "DAMAGED" else {place: -units}
        inspect = ("INSPECT", self._key(), self._code(sku), place, str(units), verdict)
        await self._move(inspect, sku, change, aside)
