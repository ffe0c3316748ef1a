"""A small HTTP/1.1 server over asyncio that can also misbehave.

Not ASGI: closing a connection unanswered, or in the middle of a body, is what this server is for, and ASGI servers
rightly make that impossible.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import cast

import httptools

from ops.emulator.messages import Reply, Request

Handle = Callable[[Request], Awaitable[Reply]]

_PHRASES = {status.value: status.phrase for status in HTTPStatus}


class Connection(asyncio.Protocol):
    """One client. Requests are answered one by one, in the order in which they came."""

    def __init__(self, handle: Handle) -> None:
        self._handle = handle
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport
        self._waiting: deque[tuple[Request, bool]] = deque()
        self._serving: asyncio.Task[None] | None = None

    # -- the transport calls these ----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember whom to answer."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Feed the parser; what is not HTTP ends the connection."""
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Stop answering; what a request has done stays done."""
        self._waiting.clear()

    # -- the parser calls these -------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Start collecting a request."""
        self._target, self._body = b"", b""
        self._headers: dict[str, str] = {}

    def on_url(self, url: bytes) -> None:
        """Collect the target, which may come in pieces."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect a header."""
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        """Collect the body, which may come in pieces."""
        self._body += body

    def on_message_complete(self) -> None:
        """Queue the request behind those that came before it."""
        path, _, query = self._target.decode("latin-1").partition("?")
        request = Request(self._parser.get_method().decode(), path, query, self._headers, self._body)
        self._waiting.append((request, self._parser.should_keep_alive()))
        if self._serving is None:
            self._serving = asyncio.get_running_loop().create_task(self._serve())

    # -- answering --------------------------------------------------------------------------------------------------

    async def _serve(self) -> None:
        while self._waiting:
            request, keep_alive = self._waiting.popleft()
            try:
                reply = await self._handle(request)
            except BaseException:
                self._transport.close()  # a bug, or the end: the client must not wait for ever
                raise
            if self._transport.is_closing():
                break
            self._transport.write(_head_and_body(reply))
            if reply.defect in {"closed", "cut"} or not keep_alive:
                self._transport.close()
                break
        self._serving = None


def _head_and_body(reply: Reply) -> bytes:
    if reply.defect == "closed":
        return b""
    body = reply.body if reply.defect == "none" else reply.body[: len(reply.body) // 2]
    length = len(reply.body if reply.defect == "cut" else body)
    lines = [
        f"HTTP/1.1 {reply.status} {_PHRASES.get(reply.status, '')}",
        f"Content-Type: {reply.content_type}",
        f"Content-Length: {length}",
        *(f"{name}: {value}" for name, value in reply.headers),
    ]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body
