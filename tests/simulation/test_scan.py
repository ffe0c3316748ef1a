"""A whole node is traded on at random, and the scanner, asked after every few steps, never raises a false alarm."""

import json
import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.contract.test_socket import SetClock
from tests.fakes.served import serving
from tests.fakes.wire import Wire

SKUS = ("A-1", "B-2", "C-3", "KIT", "UNKNOWN")


class Trader:
    """Does whatever may be done at a daemon, sensible or not; refusals are part of it."""

    def __init__(self, wire: Wire, clock: SetClock, rng: random.Random) -> None:
        self.wire = wire
        self.clock = clock
        self.rng = rng
        self.number = 0

    async def step(self) -> None:
        self.number += 1
        self.clock.advance(self.rng.choice((0.01, 0.5, 5.0)))
        kinds = (self.order, self.order, self.order, self.hold, self.commit, self.release, self.move, self.give_back)
        await self.rng.choice((*kinds, self.reallocate, self.transfer, self.rename, self.merge))()

    async def order(self) -> None:
        """Any snapshot of one of four orders: lines come, go, change SKU, are cancelled, shipped, returned, unpaid."""
        rng, lines = self.rng, []
        for line in rng.sample(("1", "2", "3"), rng.randint(0, 3)):
            ordered = rng.randint(0, 5)
            shipped = rng.randint(0, ordered)
            counts = {"ordered": ordered, "shipped": shipped, "returned": rng.randint(0, shipped)}
            lines.append(
                {"line_id": line, "sku": rng.choice(SKUS), "cancelled": rng.randint(0, ordered - shipped)} | counts
            )
        held = self.clock.at + timedelta(seconds=rng.choice((-5, 3, 60))) if rng.random() < 0.3 else None
        await self.say(
            "RECORD",
            json.dumps(
                {
                    "account": "direct",
                    "order_id": f"o-{rng.randint(1, 4)}",
                    "status": "accepted",
                    "placed_at": "2026-11-11T12:00:00Z",
                    "modified_at": self.clock.at.isoformat(),
                    "held_until": None if held is None else held.isoformat(),
                    "lines": lines,
                }
            ),
        )

    async def hold(self) -> None:
        rng = self.rng
        words = [word for sku in rng.sample(SKUS, rng.randint(1, 2)) for word in (sku, str(rng.randint(1, 3)))]
        await self.say("HOLD", f"h-{rng.randint(1, 6)}", rng.choice(("3", "900", "NEVER")), *words)

    async def commit(self) -> None:
        order = ("ORDER", f"o-{self.rng.randint(1, 5)}") if self.rng.random() < 0.7 else ()
        await self.say("COMMIT", f"h-{self.rng.randint(1, 6)}", *order)

    async def release(self) -> None:
        await self.say("RELEASE", f"h-{self.rng.randint(1, 6)}")

    async def move(self) -> None:
        sku, place = self.rng.choice(SKUS), self.rng.choice(("berlin", "hamburg"))
        delta = self.rng.randint(-3, 5)
        await self.say("ADJUST", f"k-{self.number}", sku, place, str(delta), "correction")

    async def give_back(self) -> None:
        order = ("ORDER", "direct", f"o-{self.rng.randint(1, 4)}", "LINE", self.rng.choice("123"))
        await self.say("RETURN", f"r-{self.number}", self.rng.choice(SKUS[:3]), "hamburg", "1", *order)

    async def reallocate(self) -> None:
        place = self.rng.choice(("berlin", "hamburg"))
        line = (f"o-{self.rng.randint(1, 4)}", self.rng.choice("123"), self.rng.choice(SKUS[:3]))
        await self.say("REALLOCATE", "direct", *line, place)

    async def transfer(self) -> None:
        number = f"t-{self.rng.randint(1, 3)}"
        if self.rng.random() < 0.5:
            await self.say("TRANSFER", "SEND", number, "berlin", "hamburg", "LINES", "A-1", "2")
        else:
            await self.say("TRANSFER", "RECEIVE", f"a-{self.number}", number, "A-1", "1")

    async def rename(self) -> None:
        await self.say("ITEM", "RENAME", "C-3", f"C-3-{self.number}")

    async def merge(self) -> None:
        """Refused, as long as baskets hold units of it; its order lines go along."""
        await self.say("ITEM", "MERGE", "C-3", "B-2")

    async def say(self, *words: str) -> Any:
        return await self.wire.call(*words)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
async def test_whatever_is_traded_nothing_is_found(tmp_path: Path, seed: int) -> None:
    """Lessons B3, B4: every law, those between books, directory and order desk too, and the journal added up."""
    clock = SetClock()
    async with serving(tmp_path, clock=clock) as served:
        wire = await served.connect(3)
        await wire.call("IMPORT", "STAGE", "i", '[{"kind": "sku", "sku": "KIT"}]')
        await wire.call("IMPORT", "APPLY", "i")
        await wire.map("RECIPE", "SET", "KIT", "LINES", "A-1", "2", "B-2", "1")
        trader = Trader(wire, clock, random.Random(seed))
        checked = 0
        for number in range(120):
            await trader.step()
            if number % 4 == 0:
                report = await wire.map("SCAN", *(("DEEP",) if number % 20 == 0 else ()))
                assert report["violations"] == [], (seed, number)
                checked += report["records"]
        assert checked > 50, "there was something to be wrong about"
