"""What the simulation demands of a daemon at a marketplace and at its disk, on stories made up by hand."""

import random
from collections import Counter
from typing import cast

import pytest
import trio
from trio.testing import MockClock

from config.schema import Budget
from engine.domain.errors import NotSent
from engine.domain.units import ListingId
from engine.ports import Frame, RowVerdict, StockWrite, Verdict
from ops.simulate.clocks import STARTS_AT, WorldClock
from ops.simulate.daemon import Life
from ops.simulate.disk import Disk, Platter
from ops.simulate.faults import Faults
from ops.simulate.manners import Manners
from ops.simulate.market import Market
from ops.simulate.oracle.oracle import Oracle
from ops.simulate.outlet import Outlet
from ops.simulate.plan import TEMPERS, draw_plan
from ops.simulate.story import Story
from ops.simulate.world import World

SHOP, LISTING = "shop", ListingId("shop-01")


class FakeLife:
    """A daemon that lives, or stands still."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.alive = True
        self.frozen = False
        self.clock = WorldClock().steady()

    def crash(self, why: str) -> None:
        raise AssertionError(why)

    async def go_on(self) -> None:
        await trio.lowlevel.checkpoint()


@pytest.fixture
def oracle() -> Oracle:
    return Oracle(("main",), {SHOP: ("main",)}, (("main",),))


@pytest.fixture
def manners(oracle: Oracle) -> Manners:
    budget = Budget(calls_per_second=1.0, burst=2, concurrency=2)
    return Manners(SHOP, budget, oracle.complain, stands_still=False)


def texts(oracle: Oracle) -> list[str]:
    return [problem.text for problem in oracle.problems]


def row(version: int, quantity: int = 0) -> StockWrite:
    return StockWrite(listing_id=LISTING, quantity=quantity, version=version)


def verdict(of: Verdict) -> tuple[RowVerdict, ...]:
    return (RowVerdict(listing_id=LISTING, verdict=of),)


async def test_what_nobody_said_yes_to_is_no_drift(autojump_clock: MockClock, manners: Manners, oracle: Oracle) -> None:
    """A write that timed out is sent again; whoever takes it for applied calls the old number drift."""
    manners.write_began(1, [row(1)])
    manners.write_ended(1, [row(1)], verdict(Verdict.ACCEPTED))
    manners.drifted(1, LISTING, 1)
    assert oracle.problems == []
    manners.write_began(1, [row(2)])
    manners.write_ended(1, [row(2)], None)
    manners.drifted(1, LISTING, 2)
    assert texts(oracle) == ["shop-01: drift from version 2, to which nobody has said yes"]


async def test_a_budget_is_kept_to_the_call(autojump_clock: MockClock, manners: Manners, oracle: Oracle) -> None:
    for _ in range(2):
        manners.call_began(1)
        manners.call_ended(1)
    await trio.sleep(1.0)
    manners.call_began(1)
    assert oracle.problems == []
    manners.call_began(1)
    assert texts(oracle) == ["shop: more calls than 1 a second"]


@pytest.mark.parametrize(("fails", "problems"), [(False, 0), (True, 1)])
async def test_a_poll_that_fails_puts_orders_behind_and_one_that_is_let_go_does_not(
    autojump_clock: MockClock, manners: Manners, oracle: Oracle, fails: bool, problems: int
) -> None:
    """A daemon that stops lets go of its calls: what it sends in that moment rests on the poll before."""
    async with trio.open_nursery() as nursery:
        market = Market(
            SHOP,
            TEMPERS[2],
            clock=WorldClock(),
            faults=Faults(random.Random(1), ()),
            story=Story(),
            watcher=World(draw_plan(1, seconds=1), nursery),
            rng=random.Random(1),
            nursery=nursery,
        )
        outlet = Outlet(market, cast("Life", FakeLife(1)), Faults(random.Random(1), ()), manners)
        await outlet.read_orders(STARTS_AT, None)
        if fails:
            market.down_until = 100.0
            with pytest.raises(NotSent):
                await outlet.read_orders(STARTS_AT, None)
        else:
            with trio.move_on_after(0.01) as scope:
                await outlet.read_orders(STARTS_AT, None)
            assert scope.cancelled_caught
    manners.write_began(1, [row(1, quantity=3)])
    assert len(oracle.problems) == problems
    assert all("before orders were read" in text for text in texts(oracle))


async def test_a_frame_of_a_daemon_that_was_replaced_is_a_problem(autojump_clock: MockClock, oracle: Oracle) -> None:
    platter = Platter(random.Random(1), Faults(random.Random(1), ()), quick=False)
    platter.complain = oracle.complain
    written: Counter[int] = Counter()
    platter.written = lambda _frame, life: written.update([life])
    old, new = Disk(platter, FakeLife(1)), Disk(platter, FakeLife(2))
    for disk, owner in ((old, "life 1"), (new, "life 2")):
        await disk.claim(owner)
    frame = Frame(position=1, written_at=STARTS_AT, payload=b"")
    await new.append(frame)
    assert (oracle.problems, written) == ([], {2: 1})
    platter.note(frame, life=1, epoch=1)  # as it would be, if the store had taken it
    assert texts(oracle) == ["life 1 wrote frame 1 when life 2 had claimed the store"]
