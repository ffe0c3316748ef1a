"""A whole node in this process on the real adapter, against shops that are processes, with a gateway if wanted."""

import os
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
import msgspec
import trio

from adapters.channels.woocommerce.client import WooCommerceChannel
from adapters.http import Transport, TransportSettings
from adapters.store.memory import MemoryStore
from config.schema import Budget, Location, Orders, Push, Secret, Settings, WooCommerceAccount
from engine.actors.journal import decode_events
from engine.domain.events import Event
from engine.domain.units import AccountId, OrderId
from engine.ports import Frame, WebhookHealth
from ops.channels import build_channel
from ops.clock import SteadyClock
from ops.demo.figures import samples
from ops.demo.resp import RespClient
from ops.node import Node
from tests.fakes.running import SilentTelemetry, running_node, settings_for
from tests.fakes.shop import Json, Shop, ShopProcess, Wire, eventually

T = TypeVar("T", bound=Event)

WEBHOOK_SECRET = "webhook_secret_of_the_tests"
NEVER_SECONDS = 3600.0

PUSH = Push(
    settle_seconds=0.02,
    staleness_seconds_max=0.2,
    verify_after_seconds=0.1,
    verify_tries_max=3,
    retry_seconds=0.1,
    retry_seconds_max=0.5,
    breaker_failures=4,
    breaker_seconds=0.4,
    call_seconds_max=5.0,
    resync_seconds=NEVER_SECONDS,
)
ORDERS = Orders(poll_seconds=0.2, overlap_seconds=3.0, lookback_hours=1.0, webhook_check_seconds=NEVER_SECONDS)
WATCHED = msgspec.structs.replace(ORDERS, webhook_check_seconds=0.1)
"""For accounts behind a gateway: subscriptions are looked after with every poll."""
NO_POLLS = msgspec.structs.replace(ORDERS, poll_seconds=NEVER_SECONDS)
BUDGET = Budget(calls_per_second=200.0, burst=100, concurrency=4)


def account_at(process: ShopProcess, **changes: object) -> WooCommerceAccount:
    """The settings of one shop's account, in a hurry."""
    base: dict[str, Any] = {
        "id": process.name,
        "url": process.announced["url"],
        "consumer_key": Secret(process.announced["consumer_key"]),
        "consumer_secret": Secret(process.announced["consumer_secret"]),
        "webhook_secret": Secret(WEBHOOK_SECRET),
        "locations": ("main",),
        "push": PUSH,
        "budget": BUDGET,
        "orders": ORDERS,
    }
    return WooCommerceAccount(**(base | changes))


class Heard(SilentTelemetry):
    """What the node reported of its ears."""

    def __init__(self) -> None:
        self.webhooks: Counter[tuple[str, str]] = Counter()
        """By account and outcome."""
        self.polls: Counter[str] = Counter()
        """Whole ones, by account."""
        self.failed_polls: Counter[str] = Counter()
        self.revived: Counter[str] = Counter()
        """Topics that were switched on again, by account."""

    def webhook_handled(self, account: AccountId, outcome: str) -> None:
        self.webhooks[account, outcome] += 1

    def polled(self, account: AccountId, orders: int, seconds: float, problem: str | None) -> None:
        (self.polls if problem is None else self.failed_polls)[account] += 1

    def webhooks_checked(self, account: AccountId, health: WebhookHealth) -> None:
        self.revived[account] += len(health.revived)

    def order_unreadable(self, account: AccountId, order_id: OrderId, reason: str) -> None:
        raise AssertionError(f"{account}: order {order_id}: {reason}")


class Stage:
    """A running node, its shops, and how people would ask it."""

    def __init__(
        self,
        node: Node,
        client: RespClient,
        store: MemoryStore,
        shops: Mapping[str, Shop],
        wires: Mapping[str, Wire],
        heard: Heard,
    ) -> None:
        self.node = node
        self.client = client
        self.frames: list[Frame] = store.frames
        self.shops = shops
        self.wires = wires
        self.heard = heard

    def events(self, kind: type[T]) -> list[T]:
        """What the journal holds of one kind, oldest first."""
        return [event for frame in self.frames for event in decode_events(frame) if isinstance(event, kind)]

    async def stock(self, sku: str) -> Json:
        """STOCK."""
        return await self.client.map("STOCK", sku)

    async def offers(self, sku: str) -> dict[str, Json]:
        """OFFERS, by account."""
        return {offer["account"]: offer for offer in (await self.client.map("OFFERS", sku))["offers"]}

    async def channel(self, account: str) -> Json:
        """One row of CHANNEL LIST."""
        return next(row for row in await self.client.maps("CHANNEL", "LIST") if row["account"] == account)

    async def incidents(self, sku: str) -> list[Json]:
        """INCIDENTS of one SKU."""
        return [each for each in await self.client.maps("INCIDENTS") if each["sku"] == sku]

    async def channel_status(self, account: str, order_id: int) -> str:
        """The shop's own word for an order, as we know it; empty when we know of none."""
        rows = await self.client.maps("ORDERS", account, "LIMIT", 1000)
        if str(order_id) not in {row["order"] for row in rows}:
            return ""
        return str((await self.client.map("ORDER", account, order_id))["channel_status"])

    async def expect(self, sku: str, *, shown: int | None = None, seconds: float = 10.0, **figures: int) -> None:
        """Wait until STOCK has these figures and every shop shows ATP (or `shown`), verified."""

        async def check() -> None:
            stock = await self.stock(sku)
            assert {name: stock[name] for name in figures} == figures
            await self._check_shown(sku, max(0, stock["atp"]) if shown is None else shown)

        await eventually(check, seconds=seconds)

    async def _check_shown(self, sku: str, shown: int) -> None:
        offers = await self.offers(sku)
        for name, shop in self.shops.items():
            assert name in offers, f"{name} has no listing of {sku}"
            told = offers[name]
            at_shop = await shop.stock(sku)
            assert (at_shop, told["offer"], told["state"]) == (shown, shown, "verified"), (name, told)

    async def all_polled(self, times: int = 2) -> None:
        """Wait until every account has read its orders this often from now: what was to happen has happened."""
        wanted = {name: self.heard.polls[name] + times for name in self.shops}

        async def check() -> None:
            assert all(self.heard.polls[name] >= count for name, count in wanted.items()), (self.heard.polls, wanted)

        await eventually(check)

    async def delivered(self) -> None:
        """Wait until the shops' webhook queues are empty and what came of them was handled."""

        async def check() -> None:
            for shop in self.shops.values():
                assert (await shop.state())["deliveries"]["pending"] == 0
            for account in self.node.accounts.values():
                assert len(account.intake.inbox) == 0

        await eventually(check)


@asynccontextmanager
async def on_stage(
    folder: Path,
    accounts: Sequence[WooCommerceAccount],
    shops: Sequence[Shop],
    *,
    stock: Mapping[str, int] | None = None,
    frames: list[Frame] | None = None,
    gateway_url: str | None = None,
    prepare: Callable[[Mapping[str, Wire]], None] = lambda _: None,
    **settings: object,
) -> AsyncIterator[Stage]:
    """Run a node over `accounts`; `stock` is imported before anything else, `frames` are a predecessor's journal.

    Only accounts of `shops` are looked at by `Stage.expect`. `prepare` may arrange the wires before the first call.
    """
    store, clock, heard = MemoryStore(frames), SteadyClock(), Heard()
    wires = {account.id: Wire() for account in accounts}
    prepare(wires)
    channels = {
        AccountId(account.id): build_channel_on(account, wires[account.id], gateway_url) for account in accounts
    }
    whole = stage_settings(folder, accounts, **settings)
    async with AsyncExitStack() as stack:
        for _, channel in channels.values():
            stack.push_async_callback(channel.aclose)
        node = await stack.enter_async_context(
            running_node(whole, store, channels=channels, clock=clock, listener=heard)
        )
        client = await RespClient.connect(folder / "d.sock")
        stack.push_async_callback(client.aclose)
        stage = Stage(node, client, store, {shop.name: shop for shop in shops}, wires, heard)
        if stock:
            await import_stock(client, stock)
        yield stage


def stage_settings(folder: Path, accounts: Sequence[WooCommerceAccount], **settings: object) -> Settings:
    """One location, unless told, and these accounts; the socket lies in the folder, where the gateway looks for it."""
    base: dict[str, Any] = {"locations": (Location(id="main"),), "accounts": tuple(accounts)}
    return settings_for(folder / "d.sock", **(base | settings))


def build_channel_on(
    account: WooCommerceAccount, wire: Wire, gateway_url: str | None
) -> tuple[str, WooCommerceChannel]:
    """Build the channel as the daemon does, with a tap on its wire."""
    clock = SteadyClock()
    channel = build_channel(account, public_url=gateway_url, clock=clock)
    assert isinstance(channel, WooCommerceChannel)
    channel._session._http = Transport(account.id, TransportSettings(), transport=wire)
    return "woocommerce", channel


async def import_stock(client: RespClient, stock: Mapping[str, int]) -> None:
    """Make SKUs and their opening stock known."""
    rows: list[Json] = [{"kind": "sku", "sku": sku, "name": sku} for sku in stock]
    rows += [{"kind": "stock", "sku": sku, "location": "main", "on_hand": units} for sku, units in stock.items()]
    await client.call("IMPORT", "STAGE", "tests", msgspec.json.encode(rows).decode())
    await client.call("IMPORT", "APPLY", "tests")


@asynccontextmanager
async def fresh_shops(processes: Sequence[ShopProcess]) -> AsyncIterator[list[Shop]]:
    """Empty every shop and hand it to one test."""
    shops = [Shop(process) for process in processes]
    try:
        for shop in shops:
            await shop.control("POST", "reset")
        yield shops
    finally:
        with trio.CancelScope(shield=True):
            for shop in shops:
                await shop.aclose()


class Gateway:
    """A gateway process that fronts whatever node listens in its folder; it may be stopped and started again."""

    def __init__(self, folder: Path, accounts: Sequence[str]) -> None:
        self.folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        self.url = f"http://{self.address}"
        self._process: subprocess.Popen[bytes] | None = None
        parts = [_GATEWAY.format(address=self.address), *(_GATEWAY_ACCOUNT.format(id=name) for name in accounts)]
        (folder / "lastunit.toml").write_text("".join(parts))

    def start(self) -> None:
        """Start the process; `ready` says when it can be reached."""
        assert self._process is None, "it runs already"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "ops.gateway", "--config", str(self.folder / "lastunit.toml")],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"SHOP_TEST_SECRET": WEBHOOK_SECRET},
        )

    def kill(self) -> None:
        """Kill the process, as a machine that fails does."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            assert process.stdin is not None
            process.stdin.close()

    async def up(self) -> None:
        """Wait until it answers."""
        await self._answers("healthz")

    async def ready(self) -> None:
        """Wait until it reaches a daemon that is ready."""
        await self._answers("readyz")

    async def _answers(self, path: str) -> None:
        async def check() -> None:
            try:
                async with httpx.AsyncClient() as client:
                    assert (await client.get(f"{self.url}/{path}")).status_code == 200
            except httpx.TransportError as error:
                raise AssertionError(f"no gateway: {error}") from error

        await eventually(check, seconds=20.0)

    async def webhooks(self, account: str) -> dict[str, float]:
        """Deliveries of an account by outcome, from /metrics."""
        async with httpx.AsyncClient() as client:
            text = (await client.get(f"{self.url}/metrics")).text
        return samples(text, "lastunit_webhooks", account=account)

    async def post(self, account: str, headers: dict[str, str], body: bytes) -> int:
        """Deliver by hand; returns the status."""
        async with httpx.AsyncClient() as client:
            return (await client.post(f"{self.url}/webhooks/{account}", headers=headers, content=body)).status_code


@contextmanager
def gateway_for(folder: Path, processes: Sequence[ShopProcess]) -> Iterator[Gateway]:
    """Start a gateway for these shops' accounts, and stop whatever runs of it at the end."""
    gateway = Gateway(folder, [process.name for process in processes])
    gateway.start()
    try:
        yield gateway
    finally:
        gateway.kill()


_GATEWAY = """\
[node]
data = "."
[socket]
path = "d.sock"
[gateway]
listen = "{address}"
[[locations]]
id = "main"
"""
_GATEWAY_ACCOUNT = """
[[accounts]]
channel = "woocommerce"
id = "{id}"
url = "https://not-used.test"
consumer_key = "env:NOT_READ_BY_THE_GATEWAY"
consumer_secret = "env:NOT_READ_BY_THE_GATEWAY"
webhook_secret = "env:SHOP_TEST_SECRET"
locations = ["main"]
"""
