"""Lessons B and C for all histories: whatever order snapshots arrive in, stock follows the newest."""

from collections import Counter
from datetime import timedelta

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from engine.actors.router import Waiter
from engine.domain.commands import CommitHold, Refusal, ReleaseHold
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
            assert engine.book(sku).oversold == 0


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


# -- bundles

BUNDLE_STOCK = {"A": 400, "B": 400, "K": 0, "L": 0}
RECIPES: tuple[dict[str, int], ...] = ({"A": 1, "B": 2}, {"A": 3}, {"B": 1}, {"L": 2, "A": 1}, {})
"""Of K; L is three of B."""


@st.composite
def bundle_lives(draw: st.DrawFn) -> list[OrderSnapshot | int]:
    """Snapshots with bundles among the lines, and new recipes of K in between; at the end all of it is given back."""
    life: list[OrderSnapshot | int] = []
    for second in range(draw(st.integers(1, 5))):
        if draw(st.booleans()):
            life.append(draw(st.integers(0, len(RECIPES) - 1)))
        drawn = [
            order_line(draw(st.sampled_from("KKLA")), line.ordered, line=line.line_id, cancelled=line.cancelled,
                       shipped=line.shipped, returned=line.returned)
            for line in draw(lines())
        ]  # fmt: skip
        life.append(order(*drawn, second=second, held_until=draw(st.sampled_from((None, None, FAR)))))
    return life


Pins = dict[tuple[str, str | None], Counter[str]]


def owed_by(snapshot: OrderSnapshot, pins: Pins) -> dict[str, tuple[int, int, int]]:
    """Sum what each SKU with stock has to give, line by line and unit by unit."""
    claimed: Counter[str] = Counter()
    gone: Counter[str] = Counter()
    for line in snapshot.lines:
        for sku, each in pins[line.line_id, line.sku].items():
            claimed[sku] += line.open_units * each
            gone[sku] += (line.shipped - line.returned) * each
    return {
        sku: (on_hand - gone[sku], 0, claimed[sku]) if snapshot.held_until else (on_hand - gone[sku], claimed[sku], 0)
        for sku, on_hand in BUNDLE_STOCK.items()
    }


async def live_and_end(life: list[OrderSnapshot | int], late: list[int]) -> None:
    recipe: Counter[str] = Counter({"K": 1})  # no bundle yet
    pins: Pins = {}
    told: list[OrderSnapshot] = []
    async with Engine().checked() as engine:
        await engine.stock(**BUNDLE_STOCK)
        await engine.recipe("L", B=3)
        for step in life:
            if isinstance(step, int):
                answer = await engine.recipe("K", RECIPES[step])
                if not isinstance(answer, Refusal):  # K has units of its own: sold while it was no bundle
                    recipe = unpack(RECIPES[step]) if RECIPES[step] else Counter({"K": 1})
                continue
            told.append(step)
            today = {"K": recipe, "L": Counter({"B": 3}), "A": Counter({"A": 1})}
            before, pins = pins, {}
            for line in step.lines:
                assert line.sku is not None
                pinned = before.get((line.line_id, line.sku))
                plain_then = pinned == Counter({"K": 1}) and recipe != pinned and not shipped_in(told[:-1], line)
                pins[line.line_id, line.sku] = today[line.sku] if pinned is None or plain_then else pinned
            await engine.tell(step)
            figures = owed_by(step, pins)
            assert engine.figures("K")[1:] == figures.pop("K")[1:]  # while it was no bundle, more left than was there
            assert {sku: engine.figures(sku) for sku in figures} == figures
        for index in late:
            await engine.tell(told[index % len(told)])
        newest = told[-1]
        ended = [
            order_line(line.sku, line.ordered, line=line.line_id, cancelled=line.ordered - line.shipped,
                       shipped=line.shipped, returned=line.shipped)
            for line in newest.lines
        ]  # fmt: skip
        await engine.tell(order(*ended, second=99))
        for sku in ("A", "B", "L"):
            assert engine.figures(sku) == (BUNDLE_STOCK[sku], 0, 0), "C3, F5: given back once, and all of it"
        assert engine.figures("K")[1:] == (0, 0)


def shipped_in(told: list[OrderSnapshot], line: OrderLine) -> bool:
    """Whether units of the line had left when it was told last."""
    last = told[-1].lines if told else ()
    return any(each.shipped for each in last if (each.line_id, each.sku) == (line.line_id, line.sku))


def unpack(recipe: dict[str, int]) -> Counter[str]:
    found: Counter[str] = Counter()
    for sku, each in recipe.items():
        found["B" if sku == "L" else sku] += 3 * each if sku == "L" else each
    return found


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(life=bundle_lives(), late=st.lists(st.integers(0, 4), max_size=4))
def test_orders_of_bundles_net_to_nothing_whatever_their_recipes_become(
    life: list[OrderSnapshot | int], late: list[int]
) -> None:
    """Lessons C3, C4, F3, F5: each line moves what it was sold as, up and down, whatever the recipe is by then."""
    trio.run(live_and_end, life, late, clock=MockClock(autojump_threshold=0))


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
