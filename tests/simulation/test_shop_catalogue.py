"""Listings and pushes against real shop processes: what is mapped, what is sent, and who may stop it."""

from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import msgspec
import pytest

from config.schema import Account, Push
from engine.domain.events import PushPlanned
from engine.ports import Frame
from tests.fakes.shop import Exchange, Json, Shop, ShopProcess, Wire, eventually, shop_processes
from tests.fakes.shop_node import PUSH, Stage, account_at, fresh_shops, on_stage

pytestmark = [pytest.mark.process, pytest.mark.slow]


@pytest.fixture(scope="module")
def processes() -> Iterator[tuple[ShopProcess, ...]]:
    with shop_processes("shop-a", "shop-b") as started:
        yield started


@pytest.fixture
async def shops(processes: tuple[ShopProcess, ...]) -> AsyncIterator[list[Shop]]:
    async with fresh_shops(processes) as fresh:
        yield fresh


async def walked(stage: Stage, account: str, listings: int) -> Json:
    """Wait until this many listings are mapped and all of them verified; returns the row of CHANNEL LIST."""

    async def check() -> Json:
        row = await stage.channel(account)
        assert (row["listings"], row["verified"]) == (listings, listings), row
        return row

    return await eventually(check, seconds=20.0)


async def test_every_listing_is_mapped_by_its_sku_or_named_with_the_reason_why_not(
    processes: tuple[ShopProcess, ...], shops: list[Shop], tmp_path: Path
) -> None:
    shop = shops[0]
    await shop.seed(
        {"sku": "PLAIN", "stock_quantity": 1},
        {"sku": "TWIN", "stock_quantity": 1},
        {"sku": "TWIN-2", "stock_quantity": 1},
        {"sku": "UNCOUNTED", "manage_stock": False, "stock_quantity": None},
        {"sku": "", "name": "Nameless", "stock_quantity": 1},
        {"sku": "STRANGER", "stock_quantity": 1},
        {
            "sku": "SHIRT",
            "manage_stock": False,
            "variations": [{"sku": "SHIRT-S", "stock_quantity": 1}, {"sku": "SHIRT-M", "stock_quantity": 1}],
        },
        {"sku": "POOL", "stock_quantity": 9, "variations": [{"sku": "POOL-1", "manage_stock": False}]},
    )

    def allow_duplicate_skus(wires: Mapping[str, Wire]) -> None:
        """As some plugins do; the shop process itself refuses them."""
        wires["shop-a"].rewrite = lambda _, answer: answer.replace(b'"TWIN-2"', b'"TWIN"')

    known = dict.fromkeys(("PLAIN", "TWIN", "UNCOUNTED", "SHIRT-S", "SHIRT-M", "POOL-1", "UNLISTED"), 7)
    async with on_stage(
        tmp_path, [account_at(processes[0])], shops[:1], stock=known, prepare=allow_duplicate_skus
    ) as stage:
        row = await walked(stage, "shop-a", 6)
        left = await stage.client.maps("CHANNEL", "UNMATCHED", "shop-a")
        reasons = {(each["sku"], each["title"]): each["reason"] for each in left}
        assert reasons == {
            (None, "Nameless"): "no SKU",
            ("STRANGER", "STRANGER"): "unknown SKU",
            ("POOL-1", "POOL-1"): "its stock is managed elsewhere at the channel",
        }
        assert row["unmatched"] == 3
        skus = (await shop.state())["skus"]
        # two listings of one SKU both show what there is of it; one that was not counted is counted now
        shown = {"PLAIN": 7, "TWIN": 7, "TWIN-2": 7, "UNCOUNTED": 7, "SHIRT-S": 7, "SHIRT-M": 7}
        assert {sku: skus[sku]["stock"] for sku in shown} == shown
        # what is not ours is left alone
        assert (skus["STRANGER"]["stock"], skus["POOL-1"]["stock"]) == (1, 9)
        assert sum(skus[sku]["api_writes"] for sku in ("STRANGER", "POOL", "POOL-1")) == 0
        assert (await stage.client.map("OFFERS", "UNLISTED"))["offers"] == []


async def test_a_catalogue_of_250_listings_is_read_page_by_page_and_written_in_batches(
    processes: tuple[ShopProcess, ...], shops: list[Shop], tmp_path: Path
) -> None:
    await shops[0].seed(series={"count": 250, "stock_quantity": 0})
    stock = {f"SKU-{number:05}": number % 9 for number in range(1, 251)}
    async with on_stage(tmp_path, [account_at(processes[0])], shops[:1], stock=stock) as stage:
        await walked(stage, "shop-a", 250)
        skus = (await shops[0].state())["skus"]
        assert {sku: each["stock"] for sku, each in skus.items()} == stock
        wire = stage.wires["shop-a"]
        pages = {each.query["page"] for each in wire.exchanges if each.path == "/products" and "page" in each.query}
        assert pages == {"1", "2", "3"}
        written = sum(units > 0 for units in stock.values())
        # what showed the right number already was not written, and nothing was written twice
        assert {sku for sku, each in skus.items() if each["api_writes"]} == {sku for sku in stock if stock[sku]}
        assert sum(len(each.rows) for each in wire.writes) == written
        assert max(len(each.rows) for each in wire.writes) <= 100
        assert len(wire.writes) <= written // 100 + 3


async def test_the_same_number_again_is_sent_again(
    processes: tuple[ShopProcess, ...], shops: list[Shop], tmp_path: Path
) -> None:
    """Lesson E1: keyed by the quantity, the third push would be swallowed."""
    await shops[0].seed({"sku": "A-1", "stock_quantity": 0})
    async with on_stage(tmp_path, [account_at(processes[0])], shops[:1], stock={"A-1": 10}) as stage:
        await stage.expect("A-1", shown=10)
        await stage.client.call("ADJUST", "damaged", "A-1", "main", -1, "damaged")
        await stage.expect("A-1", shown=9)
        await stage.client.call("ADJUST", "mended", "A-1", "main", 1, "found: mended")
        await stage.expect("A-1", shown=10)
        assert (await shops[0].state())["skus"]["A-1"]["api_writes"] == 3
        pushes = stage.events(PushPlanned)
        assert [(push.version, push.quantity) for push in pushes] == [(1, 10), (2, 9), (3, 10)]


async def test_a_pause_survives_a_restart_and_resume_sends_what_was_missed(
    processes: tuple[ShopProcess, ...], shops: list[Shop], tmp_path: Path
) -> None:
    for shop in shops:
        await shop.seed({"sku": "A-1", "stock_quantity": 0})
    accounts = [account_at(process) for process in processes]
    frames: list[Frame] = []
    async with on_stage(tmp_path, accounts, shops, stock={"A-1": 5}, frames=frames) as stage:
        await stage.expect("A-1", shown=5)
        await stage.client.call("CHANNEL", "PAUSE", "shop-a")
        await stage.client.call("ADJUST", "k1", "A-1", "main", -2, "damaged")
        await eventually_shows(shops[1], 3)
        await stage.all_polled()
        assert (await stage.channel("shop-a"))["state"] == "paused"
        assert len(stage.wires["shop-a"].writes) == 1
    async with on_stage(tmp_path, accounts, shops, frames=frames) as stage:
        await stage.client.call("ADJUST", "k2", "A-1", "main", -1, "damaged")
        await eventually_shows(shops[1], 2)
        await stage.all_polled()
        assert (await stage.channel("shop-a"))["state"] == "paused"
        assert await shops[0].stock("A-1") == 5
        assert stage.wires["shop-a"].writes == []
        # looking goes on: a sale at the paused shop counts everywhere
        await shops[0].buy(A_1=1)
        await eventually_shows(shops[1], 1)
        await stage.client.call("CHANNEL", "RESUME", "shop-a")
        await stage.expect("A-1", shown=1, on_hand=2, committed=1)
        assert (await stage.channel("shop-a"))["state"] == "live"


async def eventually_shows(shop: Shop, units: int) -> None:
    """Wait until a shop shows this many of A-1."""

    async def check() -> None:
        assert await shop.stock("A-1") == units

    await eventually(check)


async def test_shadow_mode_writes_nothing_and_shows_what_it_would_write(
    processes: tuple[ShopProcess, ...], shops: list[Shop], tmp_path: Path
) -> None:
    for shop in shops:
        await shop.seed({"sku": "A-1", "stock_quantity": 4})
    accounts: list[Account] = [account_at(processes[0], mode="shadow"), account_at(processes[1])]
    async with on_stage(tmp_path, accounts, shops, stock={"A-1": 6}) as stage:
        await eventually_shows(shops[1], 6)
        await stage.all_polled()
        await stage.client.call("CHANNEL", "FLUSH", "shop-a")
        await stage.client.call("CHANNEL", "RESYNC", "shop-a")
        # its orders count like any other's
        await shops[0].buy(A_1=1)
        await eventually_shows(shops[1], 5)

        async def check_diff() -> None:
            told = (await stage.offers("A-1"))["shop-a"]
            assert (told["offer"], told["shown"], told["state"]) == (5, 3, "dirty")

        await stage.client.call("CHANNEL", "RESYNC", "shop-a")
        await eventually(check_diff)
        row = await stage.channel("shop-a")
        assert (row["mode"], row["state"], row["dirty"]) == ("shadow", "shadow", 1)
        assert stage.wires["shop-a"].writes == []
        assert (await shops[0].state())["skus"]["A-1"]["api_writes"] == 0


async def test_an_account_that_is_off_is_not_called_at_all(
    processes: tuple[ShopProcess, ...], shops: list[Shop], tmp_path: Path
) -> None:
    for shop in shops:
        await shop.seed({"sku": "A-1", "stock_quantity": 4})
    accounts: list[Account] = [account_at(processes[0], mode="off"), account_at(processes[1])]
    async with on_stage(tmp_path, accounts, shops, stock={"A-1": 6}) as stage:
        await eventually_shows(shops[1], 6)
        for action in ("FLUSH", "RESYNC"):
            await stage.client.call("CHANNEL", action, "shop-a")
        await shops[0].buy(A_1=1)
        polls = stage.heard.polls["shop-b"]

        async def check_other_went_on() -> None:
            assert stage.heard.polls["shop-b"] >= polls + 3

        await eventually(check_other_went_on)
        assert (await stage.channel("shop-a"))["state"] == "off"
        assert (await stage.stock("A-1"))["committed"] == 0
        assert stage.wires["shop-a"].exchanges == []
        assert (await shops[0].state())["calls"] == {}


async def test_flush_sends_at_once_what_would_still_settle(
    processes: tuple[ShopProcess, ...], shops: list[Shop], tmp_path: Path
) -> None:
    await shops[0].seed({"sku": "A-1", "stock_quantity": 6})
    slow: Push = msgspec.structs.replace(PUSH, settle_seconds=600.0, staleness_seconds_max=600.0)
    async with on_stage(tmp_path, [account_at(processes[0], push=slow)], shops[:1], stock={"A-1": 6}) as stage:
        await stage.expect("A-1", shown=6)
        await stage.client.call("ADJUST", "k1", "A-1", "main", -2, "damaged")
        await stage.all_polled()
        assert (await stage.channel("shop-a"))["dirty"] == 1
        assert await shops[0].stock("A-1") == 6
        await stage.client.call("CHANNEL", "FLUSH", "shop-a")
        await stage.expect("A-1", shown=4)


async def test_zero_never_waits_to_settle(
    processes: tuple[ShopProcess, ...], shops: list[Shop], tmp_path: Path
) -> None:
    """Lesson D1: the one number that must not queue behind anything."""
    await shops[0].seed({"sku": "A-1", "stock_quantity": 6})
    slow: Push = msgspec.structs.replace(PUSH, settle_seconds=600.0, staleness_seconds_max=600.0)
    async with on_stage(tmp_path, [account_at(processes[0], push=slow)], shops[:1], stock={"A-1": 6}) as stage:
        await stage.expect("A-1", shown=6)
        await stage.client.call("HOLD", "basket", "NEVER", "A-1", 6)
        await stage.expect("A-1", shown=0, reserved=6)


async def test_rows_of_one_page_that_cannot_be_read_cost_only_themselves(
    processes: tuple[ShopProcess, ...], shops: list[Shop], tmp_path: Path
) -> None:
    """Lesson E4: what is not understood is named, and the others go on."""
    await shops[0].seed({"sku": "A-1", "stock_quantity": 1}, {"sku": "A-2", "stock_quantity": 1})

    def spoil(exchange: Exchange, answer: bytes) -> bytes:
        if exchange.path != "/products":
            return answer
        rows = msgspec.json.decode(answer)
        return msgspec.json.encode([row | {"id": "eleven"} if row["sku"] == "A-2" else row for row in rows])

    def prepare(wires: Mapping[str, Wire]) -> None:
        wires["shop-a"].rewrite = spoil

    stock = {"A-1": 5, "A-2": 5}
    async with on_stage(tmp_path, [account_at(processes[0])], shops[:1], stock=stock, prepare=prepare) as stage:
        row = await walked(stage, "shop-a", 1)
        assert len(row["problems"]) == 1
        assert "id" in row["problems"][0]
        stage.wires["shop-a"].rewrite = lambda _, answer: answer
        await stage.client.call("CHANNEL", "RESYNC", "shop-a")
        await stage.expect("A-2", shown=5)
        assert (await stage.channel("shop-a"))["problems"] == []
