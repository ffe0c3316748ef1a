"""A partner who keeps the depot (3PL, FBA, ERP): tells its levels now and then, late, netted or not, right or not."""

from datetime import UTC, datetime
from typing import Final

import trio

from ops.simulate.staff import ANY_CHANGE
from ops.simulate.till import AGAIN, Till
from ops.simulate.world import World

_PLACE: Final = "depot"
_OLD_SECONDS: Final = 25.0
"""By so much a snapshot is older that got stuck somewhere."""


class Partner:
    """Whoever tells of the depot. There is one, so that the newest snapshot is the one told last."""

    def __init__(self, world: World) -> None:
        """Start with nothing told."""
        self._world = world
        self._till: Till = world.till("partner")
        self._rng = self._till.rng
        self._keys = 0
        self._newest: dict[str, float] = {}
        """By SKU, when the newest levels were taken that the daemon has applied."""

    async def run(self) -> None:
        """Tell levels while the shop is open."""
        while self._world.is_open():
            await trio.sleep(self._rng.expovariate(self._world.plan.busy / 15))
            if self._world.is_open():
                await self._tell()

    async def _tell(self) -> None:
        rng, world = self._rng, self._world
        goods = world.goods()
        nets, levels = rng.random() < 0.5, dict[str, int]()
        as_of = world.host.now_seconds - 0.5
        for sku in rng.sample(goods, min(len(goods), rng.randint(1, 5))):
            stock = await self._till.insist(("STOCK", sku), sku, quiet=True)
            at = {each["location"]: each for each in stock.value["locations"]}.get(_PLACE) if stock.good else None
            there = 0 if at is None else at["on_hand"] - (at["committed"] if nets else 0)
            levels[sku] = max(0, there + rng.choice((0, 0, 0, -1, 1, 3)))
        await trio.sleep(rng.uniform(0, 5))
        if rng.random() < 0.2:
            as_of -= _OLD_SECONDS
        await self._send(levels, as_of, "yes" if nets else "no")

    async def _send(self, levels: dict[str, int], as_of: float, nets: str) -> None:
        oracle, now = self._world.oracle, trio.current_time
        self._keys += 1
        key, taken_at = f"snap-{self._keys}", datetime.fromtimestamp(as_of, UTC).isoformat()
        lines = [word for sku, units in levels.items() for word in (self._world.code_for(sku, self._rng), str(units))]
        words = ("SNAPSHOT", key, _PLACE, "3pl", "AS_OF", taken_at, "NETS", nets, "LINES", *lines)
        for sku in levels:
            oracle.move_sent(now(), f"{key} {sku}", sku, {_PLACE: -ANY_CHANGE}, {_PLACE: ANY_CHANGE}, {})
        answer = await self._till.insist(words, key, *levels)
        while answer.good and any((row["problem"] or "").startswith(tuple(AGAIN)) for row in answer.value["rows"]):
            await self._till.wait()
            answer = await self._till.insist(words, key, *levels)
        rows = answer.value["rows"] if answer.good else [None] * len(levels)
        for sku, row in zip(levels, rows, strict=True):
            done = row is not None and row["outcome"] == "applied"
            oracle.move_answered(
                now(), f"{key} {sku}", sku, {_PLACE: row["delta"]} if row is not None and done else None
            )
            if done and as_of < self._newest.get(sku, 0.0) and not oracle.merges.is_leaving(sku):
                oracle.complain(f"{sku}: {key} of {taken_at} is applied over a younger one", sku, key)
            if done:
                self._newest[sku] = max(as_of, self._newest.get(sku, 0.0))
        if answer.good and answer.value["refused"] == 0:  # else its time may come, as of levels from the future
            self._world.said[words] = ""
