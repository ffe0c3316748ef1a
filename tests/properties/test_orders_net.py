"""Lessons B and C for all histories: whatever order snapshots arrive in, stock follows the newest."""

from datetime import timedelta

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from engine.actors.router import Waiter
from engine.domain.commands import CommitHold, ReleaseHold
from engine.domain.orders import OrderLine, OrderSnapshot
from engine.domain.units import HoldId, Sku
from tests.fakes.books import place_hold
from tests.fakes.clocks import START
from tests.fakes.engine import Engine
from tests.fakes.orders import SHOP, order, order_line

STOCK = {"A": 100, "B": 100, "C": 100}
FAR = START + timedelta(days=1)


@st.composite
def lines(draw: st.DrawFn) -> tuple[OrderLine, ...]:
    """Lines that come, go, change SKU or match none, ship, return and are cancelled."""
    drawn: list[OrderLine] = []
    for number in draw(st.lists(st.integers(1, 4), unique=True, max_size=4)):
        ordered = draw(st.integers(0, 6))
        shipped = draw(st.integers(0, ordered))
        drawn.append(
            order_line(
                draw(st.sampled_from(("A", "B", "C", "unknown", None))),
                ordered,
                line=str(number),
                shipped=shipped,
                cancelled=draw(st.integers(0, ordered - shipped)),
                returned=draw(st.integers(0, shipped)),
            )
        )
    return tuple(drawn)


@st.composite
def lives(draw: st.DrawFn) -> list[OrderSnapshot]:
    """One order's snapshots, oldest first, each a second newer."""
    return [
        order(*draw(lines()), second=second, held_until=draw(st.sampled_from((None, None, FAR))))
        for second in range(draw(st.integers(1, 5)))
    ]


def expected(newest: OrderSnapshot, sku: str) -> tuple[int, int, int]:
    mine = [line for line in newest.lines if line.sku == sku]
    owed = sum(line.open_units for line in mine)
    on_hand = STOCK[sku] - sum(line.shipped - line.returned for line in mine)
    return (on_hand, 0, owed) if newest.held_until else (on_hand, owed, 0)


async def tell_all(snapshots: list[OrderSnapshot], arrivals: list[int], *, at_once: bool) -> None:
    async with Engine().checked() as engine:
        await engine.stock(**STOCK)
        told = [snapshots[index % len(snapshots)] for index in arrivals]
        if at_once:
            waiters = [Waiter() for _ in told]
            for snapshot, waiter in zip(told, waiters, strict=True):
                await engine.desk.tell(snapshot, waiter)
            for waiter in waiters:
                await waiter.wait()
        else:
            for snapshot in told:
                await engine.tell(snapshot)
        newest = max(told, key=lambda snapshot: snapshot.modified_at)
        for sku in STOCK:
            assert engine.figures(sku) == expected(newest, sku), sku
            assert engine.book(sku).shortage == 0


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    schedule=st.random_module(),
    snapshots=lives(),
    arrivals=st.lists(st.integers(0, 4), min_size=1, max_size=10),
    at_once=st.booleans(),
)
def test_any_sequence_of_snapshots_nets_to_the_newest(
    schedule: object, snapshots: list[OrderSnapshot], arrivals: list[int], at_once: bool
) -> None:
    """Duplicates, reordering and losses included; one by one, or all before the first is decided."""

    async def main() -> None:
        await tell_all(snapshots, arrivals, at_once=at_once)

    trio.run(main, clock=MockClock(autojump_threshold=0))


async def check_out(steps: list[str], units: int) -> None:
    """A hold for units of an order, the order's snapshot, and the commit of the one into the other."""
    async with Engine().checked() as engine:
        await engine.stock(**STOCK)
        await engine.ask(place_hold("h", (Sku("A"), units), (Sku("B"), 1), seconds=None, account=SHOP))
        told = order(order_line("A", units), order_line("B", 1, line="2"))
        for step in steps:
            match step:
                case "commit":
                    await engine.commit_into("h", "1")
                case "snapshot":
                    await engine.tell(told)
                case "commit without order":
                    await engine.ask(CommitHold(hold_id=HoldId("h"), order_id=None))
                case _:
                    await engine.ask(ReleaseHold(hold_id=HoldId("h")))
        await engine.commit_into("h", "1")
        await engine.tell(told)
        apart = "commit without order" in steps and steps.index("commit without order") < (
            min((steps.index(step) for step in ("commit", "release") if step in steps), default=len(steps))
        )
        # A hold that was committed for itself is owed for itself: nobody said that it is this order's.
        assert engine.figures("A") == (100, 2 * units if apart else units, 0)
        assert engine.figures("B") == (100, 2 if apart else 1, 0)


@settings(max_examples=40, deadline=None)
@given(
    schedule=st.random_module(),
    steps=st.lists(st.sampled_from(("commit", "snapshot", "release", "commit without order")), max_size=5),
    units=st.integers(1, 5),
)
def test_a_hold_and_its_order_are_owed_once(schedule: object, steps: list[str], units: int) -> None:
    """Lesson D14: the browser's return and the webhook race, and either may come twice or not at all."""
    trio.run(check_out, steps, units, clock=MockClock(autojump_threshold=0))
