"""Oversells that a shop brings about: each is recorded, alerted and given its cause (DESIGN.md section 4)."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from config.schema import OfferRule, Offers
from engine.domain.events import OversellCleared, OversellRecorded
from tests.fakes.shop import Json, Shop, ShopProcess, eventually, shop_processes
from tests.fakes.shop_node import Stage, account_at, fresh_shops, on_stage

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
async def selling(processes: tuple[ShopProcess, ...], shops: list[Shop], folder: Path) -> AsyncIterator[Stage]:
    """Two of A-1 in both shops, verified."""
    for shop in shops:
        await shop.seed({"sku": "A-1", "stock_quantity": 0})
    accounts = [account_at(process) for process in processes]
    async with on_stage(folder, accounts, shops, stock={"A-1": 2}) as stage:
        await stage.expect("A-1", shown=2)
        yield stage


async def oversold(stage: Stage, units: int, sku: str = "A-1") -> Json:
    """Wait for the one incident of a SKU, of this many units; returns it."""

    async def check() -> Json:
        incidents = await stage.incidents(sku)
        assert len(incidents) == 1, incidents
        stock = await stage.stock(sku)
        assert (incidents[0]["units"], stock["oversold"], stock["atp"]) == (units, units, -units)
        return incidents[0]

    return await eventually(check)


async def taken(stage: Stage, shop: Shop, units: int) -> None:
    """Take what there is at the storefront; wait until this shop is at zero."""
    await stage.client.call("HOLD", "basket", "NEVER", "A-1", units)

    async def check() -> None:
        assert await shop.stock("A-1") == 0

    await eventually(check)


async def test_two_shops_that_sell_the_last_unit_within_the_lag(
    processes: tuple[ShopProcess, ...], shops: list[Shop], tmp_path: Path
) -> None:
    async with selling(processes, shops, tmp_path) as stage:
        for shop in shops:
            await shop.faults(latency_min_ms=200, latency_max_ms=200)
        first, second = await shops[0].buy(A_1=2), await shops[1].buy(A_1=1)
        incident = await oversold(stage, 1)
        assert incident["cause"] == "lag"
        assert incident["cleared_at"] is None
        assert incident["account"] in {"shop-a", "shop-b"}
        assert incident["order"] in {str(first), str(second)}
        # made good by cancelling one of them: the incident closes and stays on record
        await shops[1].set_status(second, "cancelled")
        await stage.expect("A-1", oversold=0, committed=2, shown=0)
        assert (await stage.incidents("A-1"))[0]["cleared_at"] is not None
        assert [type(each) for each in stage.events(OversellRecorded)] == [OversellRecorded]
        assert len(stage.events(OversellCleared)) == 1


async def test_a_shop_that_ignored_the_zero_it_was_told(
    processes: tuple[ShopProcess, ...], shops: list[Shop], tmp_path: Path
) -> None:
    async with selling(processes, shops, tmp_path) as stage:
        await shops[0].faults(ignored_share=1)
        await taken(stage, shops[1], 2)

        async def check_given_up() -> None:
            assert (await stage.channel("shop-a"))["drifted"] == 1

        await eventually(check_given_up)
        order = await shops[0].buy(A_1=1)
        incident = await oversold(stage, 1)
        assert (incident["cause"], incident["account"], incident["order"]) == ("drift", "shop-a", str(order))
        assert "was told 0" in incident["detail"]


async def test_a_paused_account_that_went_on_selling(
    processes: tuple[ShopProcess, ...], shops: list[Shop], tmp_path: Path
) -> None:
    async with selling(processes, shops, tmp_path) as stage:
        await stage.client.call("CHANNEL", "PAUSE", "shop-a")
        await taken(stage, shops[1], 2)
        await shops[0].buy(A_1=2)
        incident = await oversold(stage, 2)
        assert (incident["cause"], incident["account"]) == ("paused", "shop-a")


async def test_a_shop_in_shadow_mode_that_shows_its_own_number(
    processes: tuple[ShopProcess, ...], shops: list[Shop], tmp_path: Path
) -> None:
    for shop in shops:
        await shop.seed({"sku": "A-1", "stock_quantity": 2})
    accounts = [account_at(processes[0], mode="shadow"), account_at(processes[1])]
    async with on_stage(tmp_path, accounts, shops, stock={"A-1": 2}) as stage:
        await stage.expect("A-1", shown=2)
        await taken(stage, shops[1], 2)
        await shops[0].buy(A_1=1)
        assert (await oversold(stage, 1))["cause"] == "not_pushed"


async def test_a_listing_that_is_mapped_to_nothing(
    processes: tuple[ShopProcess, ...], shops: list[Shop], tmp_path: Path
) -> None:
    """It sells from its parent's pool, so it has no number of ours; its SKU names our goods all the same."""
    for shop in shops:
        await shop.seed({"sku": "A-1", "stock_quantity": 0})
    await shops[0].seed({"sku": "POOL", "stock_quantity": 9, "variations": [{"sku": "A-2", "manage_stock": False}]})
    accounts = [account_at(process) for process in processes]
    async with on_stage(tmp_path, accounts, shops, stock={"A-1": 2, "A-2": 1}) as stage:
        await stage.client.call("HOLD", "basket", "NEVER", "A-2", 1)
        order = await shops[0].buy(A_2=2)
        incident = await oversold(stage, 2, "A-2")
        assert (incident["cause"], incident["account"], incident["order"]) == ("unmapped", "shop-a", str(order))


async def test_a_shop_that_could_not_be_told(
    processes: tuple[ShopProcess, ...], shops: list[Shop], tmp_path: Path
) -> None:
    async with selling(processes, shops, tmp_path) as stage:
        await shops[0].faults(error_share=1, error_statuses=[500])
        await taken(stage, shops[1], 2)

        async def check_unreachable() -> None:
            assert (await stage.channel("shop-a"))["state"] == "unreachable"

        await eventually(check_unreachable)
        await shops[0].buy(A_1=1)
        await shops[0].faults()
        assert (await oversold(stage, 1))["cause"] == "unreachable"


async def test_a_shop_that_sells_more_than_it_was_told(
    processes: tuple[ShopProcess, ...], shops: list[Shop], tmp_path: Path
) -> None:
    for shop in shops:
        await shop.seed({"sku": "A-1", "stock_quantity": 0, "backorders": "notify"})
    accounts = [account_at(process) for process in processes]
    async with on_stage(tmp_path, accounts, shops, stock={"A-1": 2}) as stage:
        await stage.expect("A-1", shown=2)
        await wait_second(shops[0])
        await shops[0].buy(A_1=3)
        incident = await oversold(stage, 1)
        assert (incident["cause"], incident["account"]) == ("race", "shop-a")
        assert "beyond its number" in incident["detail"]


async def wait_second(shop: Shop) -> None:
    """Orders are stamped with whole seconds: one of this second seems older than what was verified in it."""
    second = (await shop.state())["now"][:19]

    async def check() -> None:
        assert (await shop.state())["now"][:19] > second

    await eventually(check)


async def test_a_floor_that_shows_more_than_there_is(
    processes: tuple[ShopProcess, ...], shops: list[Shop], tmp_path: Path
) -> None:
    """Oversells by design, says the option; the incident is recorded all the same."""
    floor = Offers(accounts={"shop-a": OfferRule(floor=3)})
    for shop in shops:
        await shop.seed({"sku": "A-1", "stock_quantity": 0})
    accounts = [account_at(process) for process in processes]
    async with on_stage(tmp_path, accounts, shops, stock={"A-1": 2}, offers=floor) as stage:

        async def check_shown() -> None:
            assert [await shop.stock("A-1") for shop in shops] == [3, 2]
            assert (await stage.offers("A-1"))["shop-a"]["state"] == "verified"

        await eventually(check_shown)
        await wait_second(shops[0])
        await shops[0].buy(A_1=3)
        assert (await oversold(stage, 1))["cause"] == "race"


async def test_an_adjustment_below_what_is_promised(
    processes: tuple[ShopProcess, ...], shops: list[Shop], tmp_path: Path
) -> None:
    async with selling(processes, shops, tmp_path) as stage:
        await shops[0].buy(A_1=2)
        await stage.expect("A-1", committed=2, shown=0)
        await stage.client.call("ADJUST", "found-broken", "A-1", "main", -1, "damaged")
        incident = await oversold(stage, 1)
        assert (incident["cause"], incident["account"]) == ("count", None)
        assert "found-broken" in incident["detail"]
        await stage.client.call("RECEIVE", "replacement", "A-1", "main", 1)
        await stage.expect("A-1", oversold=0, shown=0)
