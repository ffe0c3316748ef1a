"""The lives of orders, with core's own stock behaviour on the shop's side: books and both shops right after each step.

Core takes stock at processing, completed and on-hold, gives it back at cancelled and pending, and at a refund only if
asked to. Ours must come to the same without following any of it: orders are levels (DESIGN.md law 4, lessons B and C).
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.fakes.shop import Shop, ShopProcess, eventually, shop_processes
from tests.fakes.shop_node import Stage, account_at, fresh_shops, on_stage

pytestmark = [pytest.mark.process, pytest.mark.slow]

HOLD_MINUTES = 0.06
"""3.6 seconds: from then on, counted from the shop's whole second, an unpaid order holds nothing."""


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
    processes: tuple[ShopProcess, ...], shops: list[Shop], folder: Path, *skus: str, **changes: object
) -> AsyncIterator[Stage]:
    """Ten of each SKU, in both shops, verified."""
    stock = dict.fromkeys(skus or ("A-1",), 10)
    for shop in shops:
        await shop.seed(*({"sku": sku, "stock_quantity": 0} for sku in stock))
    accounts = [account_at(process, **changes) for process in processes]
    async with on_stage(folder, accounts, shops, stock=stock) as stage:
        for sku in stock:
            await stage.expect(sku, shown=10)
        yield stage


async def test_processing_commits_and_completed_ships(
    processes: tuple[ShopProcess, ...], shops: list[Shop], tmp_path: Path
) -> None:
    async with selling(processes, shops, tmp_path) as stage:
        order = await shops[0].buy(A_1=3)
        await stage.expect("A-1", on_hand=10, committed=3, reserved=0, shown=7)
        await shops[0].set_status(order, "completed")
        await stage.expect("A-1", on_hand=7, committed=0, reserved=0, shown=7)
        told = await stage.client.map("ORDER", "shop-a", order)
        assert (told["status"], told["channel_status"]) == ("shipped", "completed")


async def test_a_pending_order_holds_until_it_is_paid(
    processes: tuple[ShopProcess, ...], shops: list[Shop], tmp_path: Path
) -> None:
    async with selling(processes, shops, tmp_path) as stage:
        order = await shops[0].buy("pending", A_1=3)
        await stage.expect("A-1", on_hand=10, committed=0, reserved=3, shown=7)
        await shops[0].set_status(order, "processing")
        await stage.expect("A-1", on_hand=10, committed=3, reserved=0, shown=7)
        await shops[0].set_status(order, "pending")
        await stage.expect("A-1", on_hand=10, committed=0, reserved=3, shown=7)
        await shops[0].set_status(order, "failed")
        await stage.expect("A-1", on_hand=10, committed=0, reserved=0, shown=10)


async def test_unpaid_orders_and_drafts_let_go_by_the_clock_alone(
    processes: tuple[ShopProcess, ...], shops: list[Shop], tmp_path: Path
) -> None:
    """Lessons B10, B11: nothing is said by the shop; what is paid after all counts again, whatever is left."""
    limits = {"pending_minutes": HOLD_MINUTES, "draft_minutes": HOLD_MINUTES}
    async with selling(processes, shops, tmp_path, "A-1", "A-2", **limits) as stage:
        pending = await shops[0].buy("pending", A_1=3)
        await shops[1].buy("checkout-draft", A_2=4)
        await stage.expect("A-1", reserved=3, shown=7)
        await stage.expect("A-2", reserved=4, shown=6)
        await stage.expect("A-1", on_hand=10, committed=0, reserved=0, shown=10)
        await stage.expect("A-2", on_hand=10, committed=0, reserved=0, shown=10)
        assert await stage.channel_status("shop-a", pending) == "pending"
        await shops[0].set_status(pending, "processing")
        await stage.expect("A-1", on_hand=10, committed=3, reserved=0, shown=7)


async def test_a_checkout_draft_becomes_an_order_or_is_given_up(
    processes: tuple[ShopProcess, ...], shops: list[Shop], tmp_path: Path
) -> None:
    async with selling(processes, shops, tmp_path) as stage:
        bought = await shops[0].buy("checkout-draft", A_1=2)
        left = await shops[1].buy("checkout-draft", A_1=3)
        await stage.expect("A-1", committed=0, reserved=5, shown=5)
        await shops[0].set_status(bought, "processing")
        await shops[1].set_status(left, "cancelled")
        await stage.expect("A-1", committed=2, reserved=0, shown=8)


async def test_on_hold_is_committed_and_never_expires(
    processes: tuple[ShopProcess, ...], shops: list[Shop], tmp_path: Path
) -> None:
    """Lesson B8: bank transfer and cash on delivery settle later."""
    limits = {"pending_minutes": HOLD_MINUTES, "draft_minutes": HOLD_MINUTES}
    async with selling(processes, shops, tmp_path, "A-1", "A-2", **limits) as stage:
        order = await shops[0].buy("on-hold", A_1=3)
        await shops[1].buy("pending", A_2=3)
        await stage.expect("A-1", committed=3, reserved=0, shown=7)
        await stage.expect("A-2", reserved=3, shown=7)
        await stage.expect("A-2", reserved=0, shown=10)  # a hold of the same age is over
        await stage.expect("A-1", committed=3, reserved=0, shown=7)
        await shops[0].set_status(order, "completed")
        await stage.expect("A-1", on_hand=7, committed=0, shown=7)


async def test_cancelled_gives_back_and_processing_again_takes_again(
    processes: tuple[ShopProcess, ...], shops: list[Shop], tmp_path: Path
) -> None:
    """Lesson C2."""
    async with selling(processes, shops, tmp_path) as stage:
        order = await shops[0].buy(A_1=3)
        await stage.expect("A-1", on_hand=10, committed=3, shown=7)
        for _ in range(2):
            await shops[0].set_status(order, "cancelled")
            await stage.expect("A-1", on_hand=10, committed=0, shown=10)
            await shops[0].set_status(order, "processing")
            await stage.expect("A-1", on_hand=10, committed=3, shown=7)


async def test_a_sale_that_was_cancelled_before_anybody_looked_leaves_no_trace(
    processes: tuple[ShopProcess, ...], shops: list[Shop], tmp_path: Path
) -> None:
    """Lesson C9: no units come back that never left."""
    async with selling(processes, shops, tmp_path) as stage:
        await shops[0].faults(error_share=1)
        order = await shops[0].buy(A_1=3)
        await shops[0].set_status(order, "cancelled")
        await shops[0].faults()

        async def check_known() -> None:
            assert await stage.channel_status("shop-a", order) == "cancelled"

        await eventually(check_known)
        await stage.expect("A-1", on_hand=10, committed=0, shown=10)


async def test_refunds_before_completion_with_and_without_restocking(
    processes: tuple[ShopProcess, ...], shops: list[Shop], tmp_path: Path
) -> None:
    """Lesson C8: not restocked means gone; lesson C5: only the refunded units."""
    async with selling(processes, shops, tmp_path, "A-1", "A-2") as stage:
        back = await shops[0].buy(A_1=4)
        gone = await shops[0].buy(A_2=4)
        await stage.expect("A-1", committed=4, shown=6)
        await stage.expect("A-2", committed=4, shown=6)
        await shops[0].refund(back, 1, restock=True)
        await shops[0].refund(gone, 1, restock=False)
        await stage.expect("A-1", on_hand=10, committed=3, shown=7)
        await stage.expect("A-2", on_hand=9, committed=3, shown=6)
        for order in (back, gone):
            await shops[0].set_status(order, "completed")
        await stage.expect("A-1", on_hand=7, committed=0, shown=7)
        await stage.expect("A-2", on_hand=6, committed=0, shown=6)


async def test_orders_refunded_in_full_with_and_without_restocking(
    processes: tuple[ShopProcess, ...], shops: list[Shop], tmp_path: Path
) -> None:
    async with selling(processes, shops, tmp_path, "A-1", "A-2", "A-3") as stage:
        back = await shops[0].buy(A_1=2)
        gone = await shops[0].buy(A_2=2)
        by_hand = await shops[0].buy(A_3=2)
        for sku in ("A-1", "A-2", "A-3"):
            await stage.expect(sku, committed=2, shown=8)
        await shops[0].refund(back, 2, restock=True, amount="20.00")
        await shops[0].refund(gone, 2, restock=False, amount="20.00")
        await shops[0].set_status(by_hand, "refunded")  # core gives nothing back for that
        await stage.expect("A-1", on_hand=10, committed=0, shown=10)
        await stage.expect("A-2", on_hand=8, committed=0, shown=8)
        await stage.expect("A-3", on_hand=8, committed=0, shown=8)
        assert (await shops[0].state())["orders"]["by_status"] == {"refunded": 3}


async def test_refunds_after_completion_with_and_without_restocking(
    processes: tuple[ShopProcess, ...], shops: list[Shop], tmp_path: Path
) -> None:
    async with selling(processes, shops, tmp_path, "A-1", "A-2", "A-3") as stage:
        orders = {sku: await shops[0].buy_items({sku: 3}) for sku in ("A-1", "A-2", "A-3")}
        for sku, order in orders.items():
            await shops[0].set_status(order, "completed")
            await stage.expect(sku, on_hand=7, committed=0, shown=7)
        await shops[0].refund(orders["A-1"], 1, restock=True)
        await shops[0].refund(orders["A-2"], 1, restock=False)
        await shops[0].refund(orders["A-3"], 3, restock=True, amount="30.00")
        await stage.expect("A-1", on_hand=8, committed=0, shown=8)
        await stage.expect("A-2", on_hand=7, committed=0, shown=7)
        await stage.expect("A-3", on_hand=10, committed=0, shown=10)
        # what had left came back, rather than never having left
        told = {sku: (await stage.client.map("ORDER", "shop-a", order))["lines"][0] for sku, order in orders.items()}
        counts = {sku: (line["cancelled"], line["shipped"], line["returned"]) for sku, line in told.items()}
        assert counts == {"A-1": (0, 3, 1), "A-2": (0, 3, 0), "A-3": (0, 3, 3)}
        await shops[0].refund(orders["A-1"], 2, restock=True)
        await stage.expect("A-1", on_hand=10, committed=0, shown=10)


async def test_variations_sell_like_products(
    processes: tuple[ShopProcess, ...], shops: list[Shop], tmp_path: Path
) -> None:
    for shop in shops:
        sizes = [{"sku": "A-1", "stock_quantity": 0}, {"sku": "A-2", "stock_quantity": 0}]
        await shop.seed({"sku": "PARENT", "manage_stock": False, "variations": sizes})
    accounts = [account_at(process) for process in processes]
    async with on_stage(tmp_path, accounts, shops, stock={"A-1": 10, "A-2": 10}) as stage:
        await stage.expect("A-2", shown=10)
        order = await shops[0].buy(A_1=3, A_2=1)
        await stage.expect("A-1", committed=3, shown=7)
        await stage.expect("A-2", committed=1, shown=9)
        await shops[0].set_status(order, "completed")
        await shops[0].refund(order, 3, restock=True)
        await stage.expect("A-1", on_hand=10, committed=0, shown=10)
        await stage.expect("A-2", on_hand=9, committed=0, shown=9)
