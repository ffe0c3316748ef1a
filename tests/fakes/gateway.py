"""The real gateway over real sockets, in front of a scripted daemon."""

import asyncio
import threading
from pathlib import Path
from typing import Any, Self

import httpx
import uvloop

from config.schema import Gateway, Location, Node, Scope, Secret, Settings, Socket, Token, WooCommerceAccount
from ops.gateway.app import build_app
from ops.gateway.client import DaemonClient, Lane, find_address
from ops.gateway.problems import MEDIA_TYPE
from ops.gateway.server import GatewayServer, open_listener

BODY_BYTES_MAX = 64 << 10
WEBHOOK_SECRET = "s3cret & co"
EVERYTHING: tuple[Scope, ...] = (
    "holds",
    "stock:read",
    "stock:write",
    "orders:read",
    "orders:write",
    "metrics",
    "admin",
)


def shop(account: str, secret: str | None) -> WooCommerceAccount:
    return WooCommerceAccount(
        id=account,
        locations=("main",),
        url="https://shop.example",
        consumer_key=Secret(""),
        consumer_secret=Secret(""),
        webhook_secret=None if secret is None else Secret(secret),
    )


def configure(folder: Path) -> Settings:
    return Settings(
        node=Node(data=folder, log_level="error"),
        socket=Socket(path=Path("d.sock")),
        gateway=Gateway(
            listen="127.0.0.1:0",
            body_bytes_max=BODY_BYTES_MAX,
            tokens=(
                Token(name="all", secret=Secret("all-token"), scopes=EVERYTHING),
                Token(name="reader", secret=Secret("reader-token"), scopes=("stock:read",)),
            ),
        ),
        locations=(Location(id="main"),),
        accounts=(shop("shop", WEBHOOK_SECRET), shop("mute", None)),
    )


class RunningGateway:
    """The real server on a free port, in a thread with its own loop."""

    def __init__(self, configuration: Settings) -> None:
        self._settings = configuration
        self._listener = open_listener(configuration.gateway.listen)
        self.port: int = self._listener.getsockname()[1]
        self._connected = threading.Event()
        self._server: GatewayServer | None = None
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._connected.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.stop("the test is over")
        self._thread.join(10)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        async with DaemonClient(find_address(self._settings, Path("/"))) as daemon:
            self._server = GatewayServer(build_app(self._settings, daemon))
            while not all(daemon.connected(lane) == 2 for lane in Lane):  # noqa: ASYNC110
                await asyncio.sleep(0.005)
            self._connected.set()
            await self._server.serve([self._listener])


def connect(port: int, token: str = "all-token") -> httpx.Client:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=10)


def problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Check that this is a whole problem document; return it."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == MEDIA_TYPE
    document: dict[str, Any] = response.json()
    assert document["status"] == status
    assert document["code"] == code
    assert document["type"] == f"urn:lastunit:problem:{code.lower()}"
    assert document["title"]
    assert document["detail"]
    return document
