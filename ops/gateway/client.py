"""The daemon as the gateway sees it: many requests over a few pipelined connections that mend themselves."""

import asyncio
import contextlib
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
import structlog

from config.schema import Secret, Settings
from ops.gateway.link import DaemonRefused, DaemonUnavailable, Link, Reply, Word

log = structlog.get_logger()

LINKS_PER_LANE = 2
ANSWER_SECONDS_MAX = 15.0
"""A connection whose oldest command waits longer is given up. Below the 30 s at which proxies and shops hang up."""
PAST_SECONDS_MAX = 120.0
"""The same for questions about the past."""
SCAN_SECONDS_MAX = 3600.0
"""And for scans: a deep one reads the whole journal."""
WATCH_SECONDS = 1.0
"""How often that is looked at."""
CONNECT_SECONDS_MAX = 5.0
RETRY_SECONDS = 0.05
RETRY_SECONDS_MAX = 2.0
"""First and longest wait between tries; no jitter, since a daemon has one gateway."""


class Lane(StrEnum):
    """Who shares a connection. Replies come in order, so a slow one delays only its own lane."""

    WRITE = "write"
    """Holds, adjustments, receipts, orders by hand, channel commands."""
    READ = "read"
    PAST = "past"
    """Questions that read the journal, one after the other: seconds, where it is long."""
    SCAN = "scan"
    """Scans on demand: minutes, where they are deep."""
    WEBHOOK = "webhook"
    """Bodies of megabytes must not stand in front of a hold."""


_PATIENCE_SECONDS = {Lane.PAST: PAST_SECONDS_MAX, Lane.SCAN: SCAN_SECONDS_MAX}


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where the command socket is. One of `path` and `host` is set."""

    path: Path | None = None
    host: str = ""
    port: int = 0
    password: Secret | None = None

    def __str__(self) -> str:
        return str(self.path) if self.path is not None else f"{self.host}:{self.port}"


def find_address(settings: Settings, base: Path) -> Address:
    """Choose how to reach the daemon: its unix socket if it has one, else TCP on this host.

    Args:
        settings: as loaded.
        base: folder of the configuration file, for paths that are still relative.

    Raises:
        ValueError: the daemon listens nowhere.
    """
    if settings.socket.path is not None:
        return Address(path=base / settings.node.data / settings.socket.path)
    if settings.socket.tcp is None:
        raise ValueError("the gateway needs socket.path or socket.tcp to reach the daemon; both are unset")
    host, _, port = settings.socket.tcp.rpartition(":")
    host = host.strip("[]")
    here = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # what listens everywhere listens here
    return Address(host=here.get(host, host), port=int(port), password=settings.socket.password)


class DaemonClient:
    """Commands to the daemon. Use as an async context manager; it connects in the background and never gives up."""

    def __init__(self, address: Address) -> None:
        self._lanes = {lane: tuple(_Keeper(address, lane) for _ in range(LINKS_PER_LANE)) for lane in Lane}
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        for keepers in self._lanes.values():
            self._tasks += [asyncio.create_task(keeper.run()) for keeper in keepers]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def call(self, lane: Lane, *words: Word) -> asyncio.Future[Reply]:
        """Send one command over the least loaded connection of a lane; await the future for its reply.

        Raises:
            DaemonRefused: from the future: the daemon's error reply; at once: BUSY.
            DaemonUnavailable: from the future: no answer, outcome unknown; at once: not connected, nothing sent.
        """
        return self.pick(lane).call(*words)

    def pick(self, lane: Lane) -> Link:
        """Choose the least loaded connection of a lane: what goes over one connection is done in order.

        Raises:
            DaemonUnavailable: none is up.
        """
        best: Link | None = None
        for keeper in self._lanes[lane]:
            link = keeper.link
            if link is not None and (best is None or link.in_flight < best.in_flight):
                best = link
        if best is None:
            raise DaemonUnavailable("the daemon is not connected", sent=False)
        return best

    async def wait_connected(self, seconds_max: float) -> None:
        """Wait until every connection was up once, at most this long: the first webhook should find the way open."""
        first = [keeper.came_up.wait() for keepers in self._lanes.values() for keeper in keepers]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds_max):
                await asyncio.gather(*first)

    def connected(self, lane: Lane) -> int:
        """Connections of a lane that are up."""
        return sum(keeper.link is not None for keeper in self._lanes[lane])

    def in_flight(self, lane: Lane) -> int:
        """Commands of a lane without an answer."""
        return sum(keeper.link.in_flight for keeper in self._lanes[lane] if keeper.link is not None)

    def connects(self, lane: Lane) -> int:
        """How often connections of a lane came up."""
        return sum(keeper.connects for keeper in self._lanes[lane])


class _Keeper:
    """Keeps one connection up: connect, shake hands, watch, and again."""

    def __init__(self, address: Address, lane: Lane) -> None:
        self.link: Link | None = None
        self.connects = 0
        self.came_up = asyncio.Event()
        self._address = address
        self._lane = lane

    async def run(self) -> None:
        """Run until cancelled. Logs when the state changes, not at every try."""
        wait_seconds = RETRY_SECONDS
        reported = ""
        while True:
            try:
                async with asyncio.timeout(CONNECT_SECONDS_MAX):
                    link = await self._connect()
            except (OSError, DaemonRefused, DaemonUnavailable) as error:
                reason = f"{type(error).__name__}: {error}"
                if reason != reported:
                    log.warning("daemon.not_reached", lane=self._lane, address=str(self._address), reason=reason)
                reported = reason
            else:
                wait_seconds, reported = RETRY_SECONDS, ""
                await self._watch(link)
                log.warning("daemon.lost", lane=self._lane)
            await asyncio.sleep(wait_seconds)
            wait_seconds = min(wait_seconds * 2, RETRY_SECONDS_MAX)

    async def _connect(self) -> Link:
        loop = asyncio.get_running_loop()
        if self._address.path is not None:
            _, link = await loop.create_unix_connection(Link, str(self._address.path))
        else:
            _, link = await loop.create_connection(Link, self._address.host, self._address.port)
        try:
            await link.call(*_handshake(self._address.password))
        except BaseException:
            link.abort("the handshake failed")
            raise
        return link

    async def _watch(self, link: Link) -> None:
        """Offer the connection to callers until it is closed or stops answering."""
        loop = asyncio.get_running_loop()
        patience_seconds = _PATIENCE_SECONDS.get(self._lane, ANSWER_SECONDS_MAX)
        self.link = link
        self.connects += 1
        self.came_up.set()
        try:
            while not link.closed.done():
                await asyncio.wait((link.closed,), timeout=WATCH_SECONDS)
                if loop.time() - link.oldest_at > patience_seconds:
                    link.abort(f"the daemon has not answered for {patience_seconds:g} s")
        finally:
            self.link = None
            link.abort("the gateway is stopping")


def _handshake(password: Secret | None) -> Sequence[Word]:
    login = () if password is None else ("AUTH", "default", password.reveal())
    return ("HELLO", 3, *login, "SETNAME", "lastunit-gateway")
