"""Orders that buyers come for: bound to the store they chose, from the shop's own words to the shelf (DESIGN.md 4)."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from config.schema import Location
from ops.demo.resp import Declined
from tests.fakes.shop import Json, Shop, ShopProcess, eventually, shop_processes
from tests.fakes.shop_node import Stage, account_at, fresh_shops, on_stage

pytestmark = [pytest.mark.process, pytest.mark.slow]

LOCATIONS = (Location(id="main"), Location(id="store", kind="store"))


@pytest.fixture(scope="module")
def processes() -> Iterator[tuple[ShopProcess, ...]]:
    with shop_processes("shop-a") as started:
        yield started


@pytest.fixture
async def shop(processes: tuple[ShopProcess, ...]) -> AsyncIterator[Shop]:
    async with fresh_shops(processes) as (fresh,):
        yield fresh


@asynccontextmanager
async def selling(processes: tuple[ShopProcess, ...], shop: Shop, folder: Path) -> AsyncIterator[Stage]:
    """Ten at the warehouse and four at the store, all of them offered."""
    await shop.seed({"sku": "A-1", "stock_quantity": 0})
    places = {"Mitte & Wedding": "store", "local_pickup:3": "store"}
    account = account_at(processes[0], locations=("main", "store"), pickup=places)
    async with on_stage(folder, [account], [shop], stock={"A-1": 10}, locations=LOCATIONS) as stage:
        await stage.client.call("RECEIVE", "first", "A-1", "store", 4)
        await stage.expect("A-1", on_hand=14, shown=14)
        yield stage


async def at(stage: Stage) -> dict[str, tuple[int, int]]:
    """On hand and committed of A-1, by location."""
    places = (await stage.stock("A-1"))["locations"]
    return {place["location"]: (place["on_hand"], place["committed"]) for place in places}


async def line_of(stage: Stage, order: int) -> Json:
    """The only line of an order, as ORDER shows it."""
    (line,) = (await stage.client.map("ORDER", "shop-a", order))["lines"]
    return dict(line)


@pytest.mark.parametrize("pickup", [{"place": "Mitte & Wedding"}, {"instance_id": 3}], ids=["block", "classic"])
async def test_a_pickup_is_owed_by_its_store_alone_until_it_is_fetched(
    processes: tuple[ShopProcess, ...], shop: Shop, tmp_path: Path, pickup: dict[str, object]
) -> None:
    """Routing lesson 9: what is picked up reduces what that store may send, and nothing anywhere else."""
    async with selling(processes, shop, tmp_path) as stage:
        order = await shop.buy_items({"A-1": 3}, pickup=pickup)
        await stage.expect("A-1", on_hand=14, committed=3, shown=11)
        line = await line_of(stage, order)
        assert (line["pickup"], line["allocation"]) == ("store", [{"location": "store", "quantity": 3}])
        assert await at(stage) == {"main": (10, 0), "store": (4, 3)}

        with pytest.raises(Declined, match=r"BOUND account=shop-a .* is picked up at store: it is owed from nowhere"):
            await stage.client.call("REALLOCATE", "shop-a", order, line["line"], "A-1", "main", "BY", "ann")
        with pytest.raises(Declined, match="OUTOFSTOCK"):
            await stage.client.call("TRANSFER", "SEND", "T-1", "store", "main", "LINES", "A-1", 2)
        assert await at(stage) == {"main": (10, 0), "store": (4, 3)}

        await shop.set_status(order, "completed")
        await stage.expect("A-1", on_hand=11, committed=0, shown=11)
        assert await at(stage) == {"main": (10, 0), "store": (1, 0)}
        assert (await stage.channel("shop-a"))["problems"] == []


async def test_a_cancelled_pickup_gives_its_units_back_to_its_store(
    processes: tuple[ShopProcess, ...], shop: Shop, tmp_path: Path
) -> None:
    async with selling(processes, shop, tmp_path) as stage:
        order = await shop.buy_items({"A-1": 2}, pickup={"instance_id": 3})
        await stage.expect("A-1", committed=2, shown=12)
        await shop.set_status(order, "cancelled")
        await stage.expect("A-1", on_hand=14, committed=0, shown=14)
        assert await at(stage) == {"main": (10, 0), "store": (4, 0)}


async def test_a_place_that_nobody_configured_is_a_problem_and_the_order_counts(
    processes: tuple[ShopProcess, ...], shop: Shop, tmp_path: Path
) -> None:
    async with selling(processes, shop, tmp_path) as stage:
        order = await shop.buy_items({"A-1": 3}, pickup={"place": "Pankow"})
        await stage.expect("A-1", on_hand=14, committed=3, shown=11)
        line = await line_of(stage, order)
        assert (line["pickup"], line["allocation"]) == (None, [{"location": "main", "quantity": 3}])
        note = "picked up at 'Pankow', for which `pickup` has no location: owed from anywhere"
        assert (await stage.client.map("ORDER", "shop-a", order))["notes"] == [note]
        assert (await stage.channel("shop-a"))["problems"] == [f"order {order}: {note}"]

        await stage.client.call("REALLOCATE", "shop-a", order, line["line"], "A-1", "store", "REASON", "it is Pankow's")
        assert await at(stage) == {"main": (10, 0), "store": (4, 3)}
        await shop.set_status(order, "completed")
        await stage.expect("A-1", on_hand=11, committed=0, shown=11)

        async def settled() -> None:
            assert (await stage.channel("shop-a"))["problems"] == []

        await eventually(settled)
        assert await at(stage) == {"main": (10, 0), "store": (1, 0)}
