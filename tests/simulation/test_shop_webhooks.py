"""Sales heard by webhook through a real gateway process, and what heals when webhooks fail."""

import hashlib
import hmac
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from config.schema import Orders
from engine.domain.events import OrderRecorded, WebhookHandled, WebhookStored
from engine.ports import Frame
from tests.fakes.shop import Shop, ShopProcess, eventually, shop_processes
from tests.fakes.shop_node import (
    NO_POLLS,
    PUSH,
    WATCHED,
    WEBHOOK_SECRET,
    Gateway,
    Stage,
    account_at,
    fresh_shops,
    gateway_for,
    import_stock,
    on_stage,
)

pytestmark = [pytest.mark.process, pytest.mark.slow]

TOPICS = 5


@pytest.fixture(scope="module")
def processes() -> Iterator[tuple[ShopProcess, ...]]:
    with shop_processes("shop-a", "shop-b") as started:
        yield started


@pytest.fixture(scope="module")
def gateway(processes: tuple[ShopProcess, ...], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with gateway_for(tmp_path_factory.mktemp("gateway"), processes) as running:
        yield running


@pytest.fixture
async def shops(processes: tuple[ShopProcess, ...]) -> AsyncIterator[list[Shop]]:
    async with fresh_shops(processes) as fresh:
        for shop in fresh:
            await shop.seed({"sku": "A-1", "stock_quantity": 0})
        yield fresh


@asynccontextmanager
async def listening(
    gateway: Gateway,
    processes: tuple[ShopProcess, ...],
    shops: list[Shop],
    *,
    orders: Orders = NO_POLLS,
    frames: list[Frame] | None = None,
) -> AsyncIterator[Stage]:
    """Run a node behind the gateway with ten of A-1 in both shops and all webhooks in place; orders are not polled."""
    accounts = [account_at(process, orders=orders) for process in processes]
    async with on_stage(gateway.folder, accounts, shops, frames=frames, gateway_url=gateway.url) as stage:
        await gateway.ready()
        await import_stock(stage.client, {"A-1": 10})  # only now: its pushes come back as webhooks
        for shop in shops:
            await eventually(lambda shop=shop: all_active(shop))  # type: ignore[misc]
        await stage.expect("A-1", shown=10)
        await stage.delivered()
        yield stage


async def all_active(shop: Shop) -> None:
    hooks = (await shop.state())["webhooks"]
    assert [hook["status"] for hook in hooks] == ["active"] * TOPICS, hooks


async def test_a_sale_lowers_the_other_shop_and_is_verified_there(
    gateway: Gateway, processes: tuple[ShopProcess, ...], shops: list[Shop]
) -> None:
    """Lesson E6: from the sale to the other shop's number, with nothing but webhooks."""
    async with listening(gateway, processes, shops) as stage:
        polls = dict(stage.heard.polls)
        await shops[0].buy(A_1=3)
        await stage.expect("A-1", on_hand=10, committed=3, atp=7, shown=7)
        await stage.delivered()
        assert stage.heard.webhooks["shop-a", "newer"] == 1
        assert len(stage.events(OrderRecorded)) == 1
        # the order came with its own webhook and waited for no poll
        assert dict(stage.heard.polls)["shop-b"] == polls["shop-b"]
        stored = stage.events(WebhookStored)
        assert {each.delivery_key for each in stage.events(WebhookHandled)} == {each.delivery_key for each in stored}
        told = (await stage.offers("A-1"))["shop-b"]
        assert (told["offer"], told["shown"], told["state"]) == (7, 7, "verified")


async def test_pings_of_new_webhooks_are_answered_and_are_no_forgeries(
    gateway: Gateway, processes: tuple[ShopProcess, ...], shops: list[Shop]
) -> None:
    await gateway.up()
    before = {shop.name: await gateway.webhooks(shop.name) for shop in shops}
    async with listening(gateway, processes, shops):
        for shop in shops:
            deliveries = (await shop.state())["deliveries"]
            assert (deliveries["pings"], deliveries["pings_failed"]) == (TOPICS, 0)
            counts = await gateway.webhooks(shop.name)
            assert counts["ping"] - before[shop.name].get("ping", 0) == TOPICS
            assert counts.get("forged") == before[shop.name].get("forged")


async def test_a_lost_webhook_is_healed_by_the_next_poll(
    gateway: Gateway, processes: tuple[ShopProcess, ...], shops: list[Shop]
) -> None:
    """Lesson D12."""
    async with listening(gateway, processes, shops, orders=WATCHED) as stage:
        await shops[0].faults(webhook_loss_share=1)
        await shops[0].buy(A_1=3)
        await stage.expect("A-1", committed=3, shown=7)
        assert (await shops[0].state())["deliveries"]["lost"] >= 2
        assert stage.heard.webhooks["shop-a", "newer"] == 0
        assert len(stage.events(OrderRecorded)) == 1


async def test_doubled_and_overtaking_webhooks_count_once(
    gateway: Gateway, processes: tuple[ShopProcess, ...], shops: list[Shop]
) -> None:
    """Lessons D11, D15."""
    async with listening(gateway, processes, shops) as stage:
        await shops[0].faults(webhook_repeat_share=1, webhook_jitter_seconds=0.6)
        orders = [await shops[0].buy(A_1=1) for _ in range(5)]
        await shops[0].set_status(orders[0], "cancelled")
        await shops[0].set_status(orders[1], "completed")
        await stage.delivered()
        deliveries = (await shops[0].state())["deliveries"]
        assert deliveries["repeated"] >= 10
        assert deliveries["failed"] == 0
        await stage.expect("A-1", on_hand=9, committed=3, shown=6)


async def test_an_older_state_that_arrives_late_changes_nothing(
    gateway: Gateway, processes: tuple[ShopProcess, ...], shops: list[Shop]
) -> None:
    """Lessons C9, D15: also when its bytes differ, so that it is no plain repeat."""
    async with listening(gateway, processes, shops) as stage:
        order = await shops[0].buy(A_1=4)
        await stage.expect("A-1", committed=4, shown=6)
        await stage.delivered()
        old = next(each for each in stage.events(WebhookStored) if each.headers[TOPIC_HEADER] == "order.created")
        await move_in_another_second(shops[0], order, "cancelled")
        await stage.expect("A-1", committed=0, shown=10)
        headers = {TOPIC_HEADER: "order.updated", DELIVERY_HEADER: "another"}
        assert await gateway.post("shop-a", signed(old.body + b" ", headers), old.body + b" ") == 200

        async def check_handled() -> None:
            assert stage.heard.webhooks["shop-a", "stale"] == 1

        await eventually(check_handled)
        await stage.expect("A-1", on_hand=10, committed=0, shown=10)


TOPIC_HEADER = "x-wc-webhook-topic"
DELIVERY_HEADER = "x-wc-webhook-delivery-id"


def signed(body: bytes, headers: dict[str, str]) -> dict[str, str]:
    """Sign as a shop does; written out here so that nothing of ours vouches for itself."""
    signature = b64encode(hmac.new(WEBHOOK_SECRET.encode(), body, hashlib.sha256).digest()).decode()
    return {"Content-Type": "application/json", "X-WC-Webhook-Signature": signature, **headers}


async def move_in_another_second(shop: Shop, order: int, status: str) -> None:
    """Move an order once the shop's clock, which counts whole seconds, has moved on."""
    second = (await shop.state())["now"][:19]

    async def check() -> None:
        assert (await shop.state())["now"][:19] > second

    await eventually(check)
    await shop.set_status(order, status)


async def test_a_forged_webhook_is_refused_counted_and_changes_nothing(
    gateway: Gateway, processes: tuple[ShopProcess, ...], shops: list[Shop]
) -> None:
    async with listening(gateway, processes, shops) as stage:
        before = await gateway.webhooks("shop-a")
        stored = len(stage.events(WebhookStored))
        await shops[0].faults(webhook_wrong_signature_share=1)
        await shops[0].buy(A_1=3)
        await stage.delivered()

        async def check_refused() -> None:
            assert (await shops[0].state())["deliveries"]["failed"] == 2  # order.created and product.updated
            counts = await gateway.webhooks("shop-a")
            assert counts["forged"] - before.get("forged", 0) == 2

        await eventually(check_refused)
        body = msgspec.json.encode({"id": 11, "type": "simple", "stock_quantity": 999})
        forged = signed(body, {TOPIC_HEADER: "product.updated"}) | {"X-WC-Webhook-Signature": "bm9uc2Vuc2U="}
        unsigned = {TOPIC_HEADER: "product.updated", "Content-Type": "application/json"}
        assert [await gateway.post("shop-a", headers, body) for headers in (forged, unsigned)] == [401, 401]
        assert len(stage.events(WebhookStored)) == stored
        assert (await stage.stock("A-1"))["committed"] == 0
        assert await shops[1].stock("A-1") == 10
        # the sale itself was real: the next poll finds it
        await stage.client.call("CHANNEL", "RESYNC", "shop-a")
        await stage.expect("A-1", committed=3, shown=7)


async def test_two_events_with_one_delivery_id_both_count(
    gateway: Gateway, processes: tuple[ShopProcess, ...], shops: list[Shop]
) -> None:
    """WooCommerce makes the id of the webhook's and the current second: it names no event."""
    async with listening(gateway, processes, shops) as stage:
        bought = 0
        for _ in range(4):  # a pair may straddle a second
            bought += 2
            await shops[0].buy(A_1=1)
            await shops[0].buy(A_1=1)
            await stage.expect("A-1", committed=bought, shown=10 - bought)
            ids = [
                each.headers[DELIVERY_HEADER]
                for each in stage.events(WebhookStored)
                if each.headers[TOPIC_HEADER] == "order.created"
            ]
            assert len(ids) == bought
            if len(set(ids)) < len(ids):
                break
        else:
            pytest.fail("no two deliveries shared an id: nothing was shown")
        assert stage.heard.webhooks["shop-a", "newer"] == bought


async def test_webhooks_that_the_shop_gave_up_are_revived_and_the_gap_is_repaired(
    gateway: Gateway, processes: tuple[ShopProcess, ...], shops: list[Shop]
) -> None:
    slow = msgspec.structs.replace(WATCHED, poll_seconds=1.0, webhook_check_seconds=1.0)
    async with listening(gateway, processes, shops, orders=slow) as stage:
        await shops[1].faults(webhook_loss_share=1)  # what the gateway misses here is not the point
        gateway.kill()
        for _ in range(8):  # more than five failures in a row
            await shops[0].buy(A_1=1)

        async def check_gave_up() -> None:
            assert stage.heard.revived["shop-a"] > 0

        await eventually(check_gave_up)
        await stage.expect("A-1", committed=8, shown=2)
        gateway.start()
        await gateway.ready()
        await eventually(lambda: all_active(shops[0]))
        assert (await shops[0].state())["deliveries"]["failed"] > 5
        sent = (await shops[0].state())["deliveries"]["sent"]
        await shops[0].buy(A_1=1)
        await stage.expect("A-1", committed=9, shown=1)
        await stage.delivered()
        assert (await shops[0].state())["deliveries"]["sent"] > sent
        assert len({event.snapshot.order_id for event in stage.events(OrderRecorded)}) == 9


async def test_webhooks_switched_off_by_hand_are_switched_on_again(
    gateway: Gateway, processes: tuple[ShopProcess, ...], shops: list[Shop]
) -> None:
    async with listening(gateway, processes, shops, orders=WATCHED) as stage:
        await shops[0].faults(disable_webhooks=True)
        await shops[0].buy(A_1=1)

        async def check_revived() -> None:
            assert stage.heard.revived["shop-a"] == TOPICS

        await eventually(check_revived)
        await all_active(shops[0])
        assert len((await shops[0].state())["webhooks"]) == TOPICS  # revived, not doubled
        await stage.expect("A-1", committed=1, shown=9)


async def test_an_edit_by_hand_is_noticed_by_webhook_and_put_right(
    gateway: Gateway, processes: tuple[ShopProcess, ...], shops: list[Shop]
) -> None:
    """Lesson E11, upwards and downwards."""
    async with listening(gateway, processes, shops) as stage:
        await shops[0].edit(A_1=25)
        await stage.expect("A-1", shown=10, on_hand=10)
        await shops[0].edit(A_1=4)
        await stage.expect("A-1", shown=10, on_hand=10)
        assert (await shops[0].state())["skus"]["A-1"]["api_writes"] == 3


async def test_an_edit_by_hand_without_a_webhook_is_noticed_by_the_next_look_at_the_catalogue(
    processes: tuple[ShopProcess, ...], shops: list[Shop], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Lesson E11."""
    often = msgspec.structs.replace(PUSH, resync_seconds=0.5)
    accounts = [account_at(processes[0], push=often), account_at(processes[1])]
    folder = tmp_path_factory.mktemp("resync")
    async with on_stage(folder, accounts, shops, stock={"A-1": 10}) as stage:
        await stage.expect("A-1", shown=10)
        for shop in shops:
            await shop.edit(A_1=25)

        async def check_put_right() -> None:
            assert await shops[0].stock("A-1") == 10

        await eventually(check_put_right)
        assert await shops[1].stock("A-1") == 25  # nobody has looked there
        await stage.client.call("CHANNEL", "RESYNC", "shop-b")
        await stage.expect("A-1", shown=10)


async def test_webhooks_stored_before_a_restart_are_handled_after_it(
    gateway: Gateway, processes: tuple[ShopProcess, ...], shops: list[Shop]
) -> None:
    """Lesson D13: acknowledged is stored. The shop's API is down after the restart, so only the journal can tell."""
    frames: list[Frame] = []
    async with listening(gateway, processes, shops, frames=frames) as stage:
        await stage.client.call("CHANNEL", "PAUSE", "shop-a")
    off = [account_at(process, mode="off") for process in processes]
    async with on_stage(gateway.folder, off, shops, frames=frames, gateway_url=gateway.url) as stage:
        await gateway.ready()
        await shops[0].buy(A_1=2)

        async def check_stored() -> None:
            topics = [each.headers[TOPIC_HEADER] for each in stage.events(WebhookStored)]
            assert "order.created" in topics

        await eventually(check_stored)
        assert (await stage.stock("A-1"))["committed"] == 0
    await shops[0].faults(error_share=1)
    accounts = [account_at(process, orders=NO_POLLS) for process in processes]
    async with on_stage(gateway.folder, accounts, shops, frames=frames, gateway_url=gateway.url) as stage:

        async def check_sold() -> None:
            assert (await stage.stock("A-1"))["committed"] == 2
            assert await shops[1].stock("A-1") == 8

        await eventually(check_sold)
        assert stage.heard.polls["shop-a"] == 0
        stored = {each.delivery_key for each in stage.events(WebhookStored)}
        await eventually(lambda: all_handled(stage, stored))
        # each is handled once: another start finds nothing left
    async with on_stage(gateway.folder, accounts, shops, frames=frames, gateway_url=gateway.url) as stage:
        handled = [each.delivery_key for each in stage.events(WebhookHandled)]
        assert sorted(handled) == sorted(set(handled))
        assert all(account.intake.arrivals.unhandled == {} for account in stage.node.accounts.values())


async def all_handled(stage: Stage, stored: set[str]) -> None:
    assert {each.delivery_key for each in stage.events(WebhookHandled)} >= stored
