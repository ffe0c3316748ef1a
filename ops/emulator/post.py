"""POST over HTTP/1.1 to loopback addresses, with connections kept alive. Redirects are not followed."""

import asyncio
import ipaddress
from typing import cast
from urllib.parse import urlsplit

import httptools

IDLE_MAX = 32


class Unreachable(Exception):
    """No complete answer came: refused, closed, not HTTP, not in time, or not on this machine."""


class PostClient:
    """Posts bodies and tells the status; the answer's body is dropped."""

    def __init__(self) -> None:
        self._idle: dict[tuple[str, int], list[_Exchange]] = {}

    async def post(self, url: str, headers: dict[str, str], body: bytes, *, timeout_seconds: float) -> int:
        """Send one request and return the status of its answer.

        Raises:
            Unreachable: no answer, for whatever reason. The request may have arrived.
        """
        try:
            async with asyncio.timeout(timeout_seconds):
                return await self._post(url, headers, body)
        except (OSError, TimeoutError, ValueError, httptools.HttpParserError) as error:
            raise Unreachable(f"{url}: {error!r}") from error

    async def _post(self, url: str, headers: dict[str, str], body: bytes) -> int:
        parts = urlsplit(url)
        address = (parts.hostname or "", parts.port or 80)
        if parts.scheme != "http" or not _is_loopback(address[0]):
            raise OSError("the emulator delivers to http:// on loopback only")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = [f"POST {target} HTTP/1.1", f"Host: {parts.netloc}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        exchange = await self._connection(address)
        try:
            status = await exchange.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)
        except BaseException:
            exchange.transport.abort()
            raise
        idle = self._idle.setdefault(address, [])
        if exchange.reusable and len(idle) < IDLE_MAX:
            idle.append(exchange)
        else:
            exchange.transport.close()
        return status

    async def _connection(self, address: tuple[str, int]) -> "_Exchange":
        idle = self._idle.get(address, [])
        while idle:
            exchange = idle.pop()
            if not exchange.transport.is_closing():
                return exchange
        _, exchange = await asyncio.get_running_loop().create_connection(_Exchange, *address)
        return exchange

    def close(self) -> None:
        """Close the idle connections."""
        for idle in self._idle.values():
            for exchange in idle:
                exchange.transport.close()


class _Exchange(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self) -> None:
        self.reusable = False
        self.transport: asyncio.Transport
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[int] | None = None

    async def send(self, request: bytes) -> int:
        self.reusable = False
        self._parser = httptools.HttpResponseParser(self)
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self._answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._fail()

    def on_message_complete(self) -> None:
        self.reusable = self._parser.should_keep_alive()
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(self._parser.get_status_code())

    def _fail(self) -> None:
        self.transport.close()
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError("the listener closed without a whole answer"))


def _is_loopback(host: str) -> bool:
    return host == "localhost" or ipaddress.ip_address(host).is_loopback
