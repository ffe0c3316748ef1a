"""An emulated shop as a process of its own, how tests steer it, and a tap on the wire that leads to it."""

import math
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple, TypeVar

import httpx
import msgspec
import trio

from ops.demo.world import Shop as SteeredShop

T = TypeVar("T")
Json = dict[str, Any]

_STOP_SECONDS = 10.0
_LOOK_SECONDS = 0.02


class ShopProcess(NamedTuple):
    """A running emulator; `announced` is the line it printed."""

    name: str
    announced: Json
    pid: int


@contextmanager
def shop_processes(*names: str) -> Iterator[tuple[ShopProcess, ...]]:
    """Start emulators, all at once; stop them at the end."""
    with ExitStack() as stack:
        started = [(name, stack.enter_context(_emulator(name))) for name in names]
        yield tuple(ShopProcess(name, _announced(process), process.pid) for name, process in started)


@contextmanager
def _emulator(name: str) -> Iterator["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-m", "ops.emulator", "--shop", name, "--port", "0", "--exit-with-stdin"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _announced(process: "subprocess.Popen[bytes]") -> Json:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, "the emulator ended before it was up"
    announced: Json = msgspec.json.decode(line)
    return announced


class Shop(SteeredShop):
    """One emulator in the hands of one test."""

    def __init__(self, process: ShopProcess) -> None:
        super().__init__(process.name, process.announced)

    async def seed(self, *products: Json, **more: object) -> dict[str, Json]:
        """Create products; returns the created items by SKU."""
        answer = await self.control("POST", "seed", {"products": products, **more})
        return {item["sku"]: item for item in answer["items"]}

    async def buy(self, status: str = "processing", **units: int) -> int:
        """Let a buyer buy, `A_1=2` being two units of A-1; returns the order's id."""
        return await self.buy_items({sku.replace("_", "-"): count for sku, count in units.items()}, status)

    async def buy_items(
        self, units: dict[str, int], status: str = "processing", pickup: dict[str, object] | None = None
    ) -> int:
        """Let a buyer buy units by SKU, to be sent or picked up."""
        items = [{"sku": sku, "quantity": count} for sku, count in units.items()]
        sale = await self.control("POST", "buy", {"items": items, "status": status, "pickup": pickup})
        return int(sale["id"])

    async def set_status(self, order_id: int, status: str) -> None:
        """Move an order."""
        await self.control("POST", f"orders/{order_id}/status", {"status": status})

    async def refund(self, order_id: int, units: int, *, restock: bool, amount: str = "1.00") -> None:
        """Refund units of an order's first line."""
        sales = (await self.control("GET", "orders"))["orders"]
        line = next(sale for sale in sales if sale["id"] == order_id)["lines"][0]["line_id"]
        rows = [{"id": line, "quantity": units, "refund_total": amount}]
        await self.control("POST", f"orders/{order_id}/refund", {"line_items": rows, "api_restock": restock})

    async def edit(self, **stock: int) -> None:
        """Edit stock by hand in the shop's admin."""
        items = [{"sku": sku.replace("_", "-"), "stock_quantity": units} for sku, units in stock.items()]
        await self.control("POST", "stock", {"items": items})

    async def faults(self, **faults: object) -> None:
        """Misbehave in these ways and no other; without any, behave."""
        await self.control("PUT", "faults", faults)

    async def state(self) -> Json:
        """The emulator's own truth."""
        state: Json = await self.control("GET", "state")
        return state

    async def stock(self, sku: str) -> int | None:
        """What the shop shows of a SKU."""
        shown: int | None = (await self.state())["skus"][sku]["stock"]
        return shown


class Exchange(msgspec.Struct, kw_only=True):
    """One call on the wire."""

    method: str
    path: str
    """Behind `/wp-json/wc/v3`."""
    query: dict[str, str]
    body: bytes
    started_seconds: float
    ended_seconds: float = math.inf
    status: int = 0
    """0: no answer."""
    headers: dict[str, str] = {}
    answer: bytes = b""

    @property
    def rows(self) -> dict[int, int]:
        """Quantities that a batch wants shown, by product or variation id; empty for any other call."""
        if not self.path.endswith("/batch"):
            return {}
        return {row["id"]: row["stock_quantity"] for row in msgspec.json.decode(self.body)["update"]}

    @property
    def ends_orders(self) -> bool:
        """Whether this was the last page of a look at all changed orders, and it was answered."""
        pages = int(self.headers.get("x-wp-totalpages") or 0)
        last = int(self.query.get("page", "1")) >= pages
        return self.method == "GET" and self.path == "/orders" and self.status == 200 and last and self.is_json

    @property
    def is_json(self) -> bool:
        """Whether the answer could be read."""
        try:
            msgspec.json.decode(self.answer)
        except msgspec.DecodeError:
            return False
        return True


class Wire(httpx.AsyncBaseTransport):
    """Keeps every exchange with a shop, the real bytes of both sides; an answer may be slowed or changed on its way."""

    def __init__(self) -> None:
        self.exchanges: list[Exchange] = []
        self.rewrite: Callable[[Exchange, bytes], bytes] = lambda _, answer: answer
        self.slow_seconds: dict[str, float] = {}
        """How long answers from a path are on their way."""
        self._real = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        exchange = Exchange(
            method=request.method,
            path=request.url.path.partition("/wc/v3")[2],
            query=dict(request.url.params),
            body=await request.aread(),
            started_seconds=trio.current_time(),
        )
        self.exchanges.append(exchange)
        response = await self._real.handle_async_request(request)
        try:
            answer = b"".join([chunk async for chunk in response.aiter_raw()])
        finally:
            await response.aclose()
        await trio.sleep(self.slow_seconds.get(exchange.path, 0))
        exchange.ended_seconds, exchange.status = trio.current_time(), response.status_code
        exchange.headers = {name.lower(): value for name, value in response.headers.items()}
        exchange.answer = self.rewrite(exchange, answer)
        headers = [pair for pair in response.headers.multi_items() if pair[0].lower() != "content-length"]
        return httpx.Response(response.status_code, headers=headers, stream=_Body(exchange.answer))

    async def aclose(self) -> None:
        await self._real.aclose()

    @property
    def writes(self) -> list[Exchange]:
        """Stock writes, in the order they were sent."""
        return [exchange for exchange in self.exchanges if exchange.rows]


class _Body(httpx.AsyncByteStream):
    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._content


async def eventually(check: Callable[[], Awaitable[T]], *, seconds: float = 30.0) -> T:
    """Ask until `check` raises no AssertionError; its last one is the failure when the deadline has passed."""
    deadline = trio.current_time() + seconds
    while True:
        try:
            return await check()
        except AssertionError:
            if trio.current_time() > deadline:
                raise
        await trio.sleep(_LOOK_SECONDS)


def rising_writes(exchanges: Sequence[Exchange], shown: dict[int, int]) -> list[Exchange]:
    """Writes with a row above what the shop showed, by id, just before them."""
    shown = dict(shown)
    rising: list[Exchange] = []
    for exchange in exchanges:
        if any(quantity > shown.get(item, quantity) for item, quantity in exchange.rows.items()):
            rising.append(exchange)
        if exchange.status == 200:
            shown.update(exchange.rows)
    return rising
