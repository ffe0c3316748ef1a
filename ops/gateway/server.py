"""The gateway's process: listens, serves until told to stop or left alone, drains, exits."""

import asyncio
import contextlib
import gc
import os
import signal
import socket
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import structlog
import uvicorn
import uvloop
from litestar.types import ASGIApp
from prometheus_client import disable_created_metrics
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from config.schema import Settings
from ops.gateway.app import build_app
from ops.gateway.client import DaemonClient, find_address
from ops.telemetry.logs import configure_logging

log = structlog.get_logger()

CONNECTIONS_MAX = 4096
"""Callers connected at once; uvicorn answers one more with a plain 503."""
HEAD_BYTES_MAX = 64 << 10
"""Largest head of a request; the parser itself has no limit."""
DRAIN_SECONDS_MAX = 8
"""How long requests under way may take after SIGTERM. Below the 10 s after which the supervisor kills."""
IDLE_SECONDS_MAX = 75
"""Keep-alive. Above the 60 s of common proxies, so that the proxy is the one to hang up."""
_BACKLOG = 1024

_CONNECT_SECONDS_MAX = 3.0
"""Longest wait for the daemon before listening without it: health checks must find somebody at home."""


def run_gateway(settings: Settings, base: Path) -> None:
    """Serve until SIGTERM or SIGINT, or until the parent closes our stdin; return after draining.

    Args:
        settings: as loaded; `GATEWAY_SECRETS` are enough.
        base: folder of the configuration file.

    Raises:
        OSError: the address cannot be listened on.
        ValueError: the settings name no way to the daemon.
    """
    configure_logging(settings.node, process="gateway")
    disable_created_metrics()  # type: ignore[no-untyped-call]  # twice the series, and nobody reads them
    address = find_address(settings, base)
    listener = open_listener(settings.gateway.listen)

    async def serve() -> None:
        async with DaemonClient(address) as daemon:
            await daemon.wait_connected(_CONNECT_SECONDS_MAX)
            server = GatewayServer(build_app(settings, daemon))
            gc.collect()
            gc.freeze()  # the framework's objects live as long as the process; scanning them made the p99
            await server.serve_until_stopped(listener)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())


def open_listener(listen: str) -> socket.socket:
    """Bind `host:port`; port 0 takes a free one.

    Raises:
        OSError: in use, not ours, or no such host.
    """
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, int(port)), family=family, backlog=_BACKLOG)


class BoundedHttp(HttpToolsProtocol):
    """uvicorn's HTTP protocol with a limit on the head, which its parser lacks."""

    _head_bytes = 0
    _in_head = True

    def data_received(self, data: bytes) -> None:
        """Parse; hang up on a head without end."""
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX and not self.transport.is_closing():
                self.send_400_response(f"The head of the request is larger than {HEAD_BYTES_MAX} bytes.")

    def on_message_begin(self) -> None:
        """Begin to count."""
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Stop counting: the body has a limit of its own."""
        self._in_head, self._head_bytes = False, 0
        super().on_headers_complete()


class GatewayServer(uvicorn.Server):
    """uvicorn, stopped by us: its own signal handling would end the process by the signal instead of with 0."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                access_log=False,
                http=BoundedHttp,
                interface="asgi3",
                lifespan="off",
                limit_concurrency=CONNECTIONS_MAX,
                log_config=None,
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=DRAIN_SECONDS_MAX,
                timeout_keep_alive=IDLE_SECONDS_MAX,
                ws="none",
            )
        )

    async def serve_until_stopped(self, listener: socket.socket) -> None:
        """Serve on a bound socket; signals and the parent's end of our stdin stop it."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop, number.name)
        if _has_parent_pipe():
            loop.add_reader(sys.stdin.fileno(), self._read_stdin)
        await self.serve([listener])
        log.info("gateway.stopped")

    def stop(self, reason: str) -> None:
        """Take no new connections, finish what is under way, return from `serve`."""
        if not self.should_exit:
            log.info("gateway.stopping", reason=reason)
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Say where we listen, for people and for tests that asked for port 0."""
        await super().startup(sockets)
        for listener in sockets or ():
            host, port = listener.getsockname()[:2]
            log.info("gateway.listening", host=host, port=port)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone; `serve_until_stopped` has taken care of them."""
        yield

    def _read_stdin(self) -> None:
        if not os.read(sys.stdin.fileno(), 4096):
            asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
            self.stop("the parent has closed our stdin")


def _has_parent_pipe() -> bool:
    """Whether stdin is a pipe or socket that a supervisor holds; a terminal or /dev/null says nothing about it."""
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (AttributeError, OSError, ValueError):  # closed, or replaced by something that is not a file
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
