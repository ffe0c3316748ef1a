"""Shops that lie, throttle, stutter and fall silent: stock is right in the end, and never wrong upwards meanwhile."""

import itertools
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from engine.domain.events import DriftFound, PushSettled, PushVerified
from engine.ports import Frame, Verdict
from tests.fakes.shop import Exchange, Shop, ShopProcess, Wire, eventually, rising_writes, shop_processes
from tests.fakes.shop_node import NEVER_SECONDS, NO_POLLS, PUSH, Stage, account_at, fresh_shops, on_stage

pytestmark = [pytest.mark.process, pytest.mark.slow]


@pytest.fixture(scope="module")
def processes() -> Iterator[tuple[ShopProcess, ...]]:
    with shop_processes("shop-a", "shop-b") as started:
        yield started


@pytest.fixture
async def shops(processes: tuple[ShopProcess, ...]) -> AsyncIterator[list[Shop]]:
    async with fresh_shops(processes) as fresh:
        yield fresh


@asynccontextmanager
async def selling(
    processes: tuple[ShopProcess, ...], shops: list[Shop], folder: Path, **changes: object
) -> AsyncIterator[Stage]:
    """Ten of A-1 in both shops, verified; `changes` are made to the account of shop-a."""
    for shop in shops:
        await shop.seed({"sku": "A-1", "stock_quantity": 0})
    accounts = [account_at(processes[0], **changes), account_at(processes[1])]
    async with on_stage(folder, accounts, shops, stock={"A-1": 10}) as stage:
        await stage.expect("A-1", shown=10)
        yield stage


async def adjust(stage: Stage, delta: int) -> None:
    """Change what there is, once per position of the journal."""
    await stage.client.call("ADJUST", f"adjust-{len(stage.frames)}", "A-1", "main", delta, "count")


# -- what was accepted and is not so


async def test_a_write_that_was_accepted_and_not_applied_is_found_journalled_and_healed(
    processes: tuple[ShopProcess, ...], shops: list[Shop], tmp_path: Path
) -> None:
    """Lessons D5, D8, D9: the answer says 7, the shop keeps 10."""
    async with selling(processes, shops, tmp_path) as stage:
        await shops[0].faults(ignored_share=1)
        await adjust(stage, -3)

        async def check_found() -> None:
            drift = stage.events(DriftFound)[-1:]
            assert [(each.account, each.shown, each.expected) for each in drift] == [("shop-a", 10, 7)]

        await eventually(check_found)
        settled = [each for each in stage.events(PushSettled) if each.account == "shop-a"]
        assert settled[-1].verdict == Verdict.APPLIED  # its word, believed by nobody
        assert await shops[0].stock("A-1") == 10
        await shops[0].faults()
        await stage.expect("A-1", on_hand=7, shown=7)
        assert (await shops[0].state())["stock_rows"]["ignored"] >= 1
        assert {each.account for each in stage.events(DriftFound)} == {"shop-a"}


async def test_a_shop_that_ignores_writes_for_long_is_shown_as_drifted_and_not_hammered(
    processes: tuple[ShopProcess, ...], shops: list[Shop], tmp_path: Path
) -> None:
    """Lesson D10: nobody is told that all is well, and nobody is asked a hundred times a second."""
    async with selling(processes, shops, tmp_path) as stage:
        await shops[0].faults(ignored_share=1)
        await adjust(stage, -3)

        async def check_given_up() -> None:
            assert (await stage.channel("shop-a"))["drifted"] == 1

        await eventually(check_given_up)
        told = (await stage.offers("A-1"))["shop-a"]
        assert (told["offer"], told["shown"], told["state"]) == (7, 10, "drifted")
        assert "shows 10, was told 7" in told["reason"]
        writes = [each.started_seconds for each in stage.wires["shop-a"].writes][1:]
        assert len(writes) <= 2 + (writes[-1] - writes[0]) / PUSH.verify_after_seconds
        await shops[0].faults()
        await stage.expect("A-1", on_hand=7, shown=7)


async def test_a_late_write_that_lands_over_a_newer_one_is_found_and_put_right(
    processes: tuple[ShopProcess, ...], shops: list[Shop], tmp_path: Path
) -> None:
    """Lesson D4: the older number arrives last."""
    patient = msgspec.structs.replace(PUSH, retry_seconds_max=1.6)
    async with selling(processes, shops, tmp_path, push=patient) as stage:
        await shops[0].faults(late_share=1, late_seconds=0.8)
        await adjust(stage, -1)

        async def check_on_its_way() -> None:
            state = await shops[0].state()
            assert state["stock_rows"]["late"] >= 1
            assert state["timers_pending"] >= 1

        await eventually(check_on_its_way)
        await shops[0].faults()
        await adjust(stage, -4)

        async def check_landed() -> None:
            assert (await shops[0].state())["timers_pending"] == 0

        await eventually(check_landed)
        await stage.expect("A-1", on_hand=5, shown=5)


async def test_writes_applied_late_are_waited_for(
    processes: tuple[ShopProcess, ...], shops: list[Shop], tmp_path: Path
) -> None:
    """Lesson D6: a channel known to be slow is given time, so that nothing is called drift."""
    patient = msgspec.structs.replace(PUSH, verify_after_seconds=0.6)
    async with selling(processes, shops, tmp_path, push=patient) as stage:
        await shops[0].faults(late_share=1, late_seconds=0.2)
        await adjust(stage, -3)
        await stage.expect("A-1", on_hand=7, shown=7)
        assert stage.events(DriftFound) == []
        assert len(stage.wires["shop-a"].writes) == 2


async def test_a_write_that_was_done_and_answered_with_500_is_looked_at_or_sent_again(
    processes: tuple[ShopProcess, ...], shops: list[Shop], tmp_path: Path
) -> None:
    async with selling(processes, shops, tmp_path) as stage:
        await shops[0].faults(lost_answer_share=1)
        await adjust(stage, -3)

        async def check_applied() -> None:
            assert await shops[0].stock("A-1") == 7
            assert stage.events(PushSettled)[-1].verdict == Verdict.UNKNOWN

        await eventually(check_applied)
        await shops[0].buy(A_1=1)  # what a blind repetition of "7" would sell a second time
        await shops[0].faults()
        await stage.expect("A-1", on_hand=7, committed=1, shown=6)


# -- what was not done


async def test_a_retry_after_is_honoured_to_the_second(
    processes: tuple[ShopProcess, ...], shops: list[Shop], tmp_path: Path
) -> None:
    async with selling(processes, shops, tmp_path) as stage:
        await shops[0].faults(rate_per_second=2, rate_burst=1)
        for _ in range(3):
            await adjust(stage, -1)
        wire = stage.wires["shop-a"]

        async def check_throttled() -> None:
            throttled = [at for at, each in enumerate(wire.exchanges) if each.status == 429]
            assert len(throttled) >= 2
            assert any(each.status == 200 for each in wire.exchanges[throttled[1] :]), "and it goes on between them"

        await eventually(check_throttled)
        await shops[0].faults()
        await stage.expect("A-1", on_hand=7, shown=7)
        for refused in (each for each in wire.exchanges if each.status == 429):
            patience_seconds = float(refused.headers["retry-after"])
            later = [each for each in wire.exchanges if each.started_seconds > refused.ended_seconds]
            assert all(each.started_seconds >= refused.ended_seconds + patience_seconds - 0.01 for each in later)
        row = await stage.channel("shop-a")
        assert row["state"] in {"live", "catching_up"}  # asked for patience is not out of reach


@pytest.mark.parametrize(
    "fault",
    [
        {"error_share": 1, "error_statuses": [503]},
        {"error_share": 1, "error_statuses": [500, 502]},
        {"html_share": 1},
        {"truncated_share": 1},
        {"closed_share": 1},
    ],
    ids=["503", "500", "html", "truncated", "closed"],
)
async def test_answers_that_are_none_are_tried_again_with_patience_and_zero_nothing(
    fault: dict[str, object], processes: tuple[ShopProcess, ...], shops: list[Shop], tmp_path: Path
) -> None:
    """Law 8: unknown is not zero. Lessons D16, E4, E9."""
    async with selling(processes, shops, tmp_path) as stage:
        wire = stage.wires["shop-a"]
        await shops[0].faults(**fault)
        healthy = len(wire.exchanges)
        await adjust(stage, -3)
        await stage.client.call("CHANNEL", "RESYNC", "shop-a")
        await shops[1].buy(A_1=1)

        async def check_tried_often() -> None:
            assert len(wire.exchanges) >= healthy + 6

        await eventually(check_tried_often)
        failed = wire.exchanges[healthy:]
        spread_seconds = failed[-1].started_seconds - failed[0].started_seconds
        assert spread_seconds > PUSH.retry_seconds, "six calls into a wall within no time"
        assert all(each["offer"] == 6 for each in (await stage.offers("A-1")).values())
        assert (await stage.channel("shop-a"))["listings"] == 1
        assert (await stage.stock("A-1"))["on_hand"] == 7
        assert await shops[0].stock("A-1") in {10, 7, 6}  # some of these faults do what they do not answer
        await shops[0].faults()
        await stage.expect("A-1", on_hand=7, committed=1, shown=6)
        assert {units for each in wire.writes for units in each.rows.values()} <= {10, 7, 6}


async def test_a_shop_that_does_a_little_of_everything_wrong_converges_all_the_same(
    processes: tuple[ShopProcess, ...], shops: list[Shop], tmp_path: Path
) -> None:
    names = ("error_share", "html_share", "truncated_share", "closed_share", "lost_answer_share", "ignored_share")
    async with selling(processes, shops, tmp_path) as stage:
        await shops[0].faults(**dict.fromkeys(names, 0.12), late_share=0.1, late_seconds=0.3)
        wire = stage.wires["shop-a"]
        for sold in range(4):
            await adjust(stage, 2)
            await adjust(stage, -2)
            await shops[1].buy(A_1=1)
            calls = len(wire.exchanges)

            async def check_heard(sold: int = sold, calls: int = calls) -> None:
                assert (await stage.stock("A-1"))["committed"] == sold + 1
                assert len(wire.exchanges) > calls + 2

            await eventually(check_heard)
        await stage.expect("A-1", on_hand=10, committed=4, shown=6, seconds=30.0)
        assert sum((await shops[0].state())["fates"].values()) > (await shops[0].state())["fates"]["served"]
        assert await stage.incidents("A-1") == []


# -- law 7


def upward_before_orders(exchanges: list[Exchange], item: int, shown: int) -> list[Exchange]:
    """Writes that raised the listing before the first whole look at orders had been answered."""
    caught_up = min(each.ended_seconds for each in exchanges if each.ends_orders)
    before = [each for each in exchanges if each.started_seconds < caught_up]
    return rising_writes(before, {item: shown})


async def test_after_an_outage_orders_are_read_before_anything_is_raised(
    processes: tuple[ShopProcess, ...], shops: list[Shop], tmp_path: Path
) -> None:
    """Law 7; lessons E2, E3, E10: raised first, the units sold during the outage would be sold again."""
    async with selling(processes, shops, tmp_path, orders=NO_POLLS) as stage:
        wire = stage.wires["shop-a"]
        item = (await shops[0].state())["skus"]["A-1"]["id"]
        await shops[0].faults(error_share=1, error_statuses=[500])
        await stage.client.call("CHANNEL", "RESYNC", "shop-a")

        async def check_unreachable() -> None:
            row = await stage.channel("shop-a")
            assert row["state"] == "unreachable"
            assert "500" in row["reason"]

        await eventually(check_unreachable)
        await shops[0].buy(A_1=4)  # nobody hears of it
        await stage.client.call("RECEIVE", "delivery", "A-1", "main", 5)

        async def check_long_enough() -> None:
            down = [each for each in wire.exchanges if each.status == 500]
            assert down[-1].started_seconds - down[0].started_seconds > 2.0

        await eventually(check_long_enough)
        assert (await stage.channel("shop-a"))["state"] == "unreachable"
        assert await shops[1].stock("A-1") == 15  # the other shop goes on
        healed = len(wire.exchanges)
        wire.slow_seconds["/orders"] = 0.3
        await shops[0].faults()
        await stage.expect("A-1", on_hand=15, committed=4, shown=11)
        after = [each for each in wire.exchanges[healed:] if each.status == 200]
        assert rising_writes(after, {item: 6}), "it was raised in the end, from the 6 that were left"
        assert upward_before_orders(after, item, 6) == []
        assert (await stage.channel("shop-a"))["state"] == "live"


async def test_during_an_outage_calls_are_few(
    processes: tuple[ShopProcess, ...], shops: list[Shop], tmp_path: Path
) -> None:
    """The breaker lets one probe through at a time."""
    async with selling(processes, shops, tmp_path) as stage:
        wire = stage.wires["shop-a"]
        healthy = len(wire.exchanges)
        await shops[0].faults(closed_share=1)
        await adjust(stage, -1)

        async def check_probed() -> None:
            assert (await stage.channel("shop-a"))["state"] == "unreachable"
            assert len(wire.exchanges) - healthy >= PUSH.breaker_failures + 3

        await eventually(check_probed)
        probes = [each.started_seconds for each in wire.exchanges[healthy:]][-3:]
        gaps = [later - earlier for earlier, later in itertools.pairwise(probes)]
        assert min(gaps) >= PUSH.breaker_seconds * 0.9


async def test_after_a_start_orders_are_read_before_anything_is_raised(
    processes: tuple[ShopProcess, ...], shops: list[Shop], tmp_path: Path
) -> None:
    """Law 7: sold while nobody listened, and the delivery that would raise the number is known already."""
    for shop in shops:
        await shop.seed({"sku": "A-1", "stock_quantity": 0})
    accounts = [account_at(process) for process in processes]
    frames: list[Frame] = []
    async with on_stage(tmp_path, accounts, shops, stock={"A-1": 10}, frames=frames) as stage:
        await stage.expect("A-1", shown=10)
        await stage.client.call("CHANNEL", "PAUSE", "shop-a")
        await stage.client.call("RECEIVE", "delivery", "A-1", "main", 5)
        # the pause ends with the last breath: the number is still to be raised
        await stage.client.call("CHANNEL", "PAUSE", "shop-b")
        off = [account_at(process, mode="off") for process in processes]
    async with on_stage(tmp_path, off, shops, frames=frames) as stage:
        for shop in shops:
            await stage.client.call("CHANNEL", "RESUME", shop.name)
    for shop in shops:
        await shop.buy(A_1=2)
    items = [(await shop.state())["skus"]["A-1"]["id"] for shop in shops]
    shown = [await shop.stock("A-1") or 0 for shop in shops]

    def slow_orders(wires: Mapping[str, Wire]) -> None:
        for wire in wires.values():
            wire.slow_seconds["/orders"] = 0.3

    async with on_stage(tmp_path, accounts, shops, frames=frames, prepare=slow_orders) as stage:
        await stage.expect("A-1", on_hand=15, committed=4, shown=11)
        for shop, item, units in zip(shops, items, shown, strict=True):
            exchanges = stage.wires[shop.name].exchanges
            assert rising_writes(exchanges, {item: units})
            assert upward_before_orders(exchanges, item, units) == []
        assert stage.events(PushVerified)


async def test_while_orders_cannot_be_read_numbers_still_fall(
    processes: tuple[ShopProcess, ...], shops: list[Shop], tmp_path: Path
) -> None:
    """Law 7 forbids rising only: a fall must not wait for an endpoint that is broken."""
    rare = msgspec.structs.replace(PUSH, breaker_failures=1000, resync_seconds=NEVER_SECONDS)
    async with selling(processes, shops, tmp_path, push=rare) as stage:
        stage.wires["shop-a"].rewrite = garble_orders

        async def check_behind() -> None:
            assert (await stage.channel("shop-a"))["state"] == "catching_up"

        await eventually(check_behind)
        await adjust(stage, -4)
        await stage.expect("A-1", shown=6)
        await adjust(stage, 3)

        async def check_other_rose() -> None:
            assert await shops[1].stock("A-1") == 9

        await eventually(check_other_rose)
        assert await shops[0].stock("A-1") == 6
        stage.wires["shop-a"].rewrite = lambda _, answer: answer
        await stage.expect("A-1", shown=9)


def garble_orders(exchange: Exchange, answer: bytes) -> bytes:
    """A plugin prints into the list of orders."""
    return b"<p>Upgrade now!</p>" + answer if exchange.path == "/orders" else answer
