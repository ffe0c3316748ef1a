"""The one door to httpx: bytes out, bytes in, and every failure named by what the caller may do about it."""

import logging
import ssl
import zlib
from collections.abc import AsyncIterator, Mapping, Sequence
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import msgspec
import trio

from engine.domain.errors import NotSent, OutcomeUnknown

# Both libraries log whole addresses and header values, and those carry keys.
for _chatty in ("httpx", "httpcore"):
    logging.getLogger(_chatty).setLevel(logging.WARNING)

# httpx says "connect" for name lookup, TCP, TLS and proxy tunnels: in all of them the request itself was never written.
_NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
)
# Their texts quote what was sent, which may be an Authorization header, so neither text nor traceback may show them.
_QUOTES_US = (httpx.LocalProtocolError, httpx.InvalidURL, httpx.UnsupportedProtocol)


class TransportSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of one channel's connections. The time of a whole call is the caller's to limit."""

    connect_timeout_seconds: float = 10.0
    read_timeout_seconds: float = 60.0
    """Longest silence while waiting for a reply or its next bytes."""
    write_timeout_seconds: float = 30.0
    pool_timeout_seconds: float = 30.0
    """Longest wait for a free connection of ours."""
    connections_max: int = 4
    reply_bytes_max: int = 32 * 1024 * 1024
    """Largest body after decompression; a page of 100 rows with long descriptions stays below 5 MB."""
    verify_tls: bool = True
    ca_file: str | None = None
    """Certificates to trust instead of the public ones, PEM."""


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What came back, whatever its status. Its `repr` shows no header and no byte of the body."""

    status: int
    headers: Mapping[str, str]
    """Lower-case names; values of repeated headers joined by commas."""
    body: bytes
    """Decompressed."""

    def __repr__(self) -> str:
        return f"Reply(status={self.status}, body={len(self.body)} bytes)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Show no more than `repr` does in pretty tracebacks."""
        return [("status", self.status), ("body_bytes", len(self.body))]


class Transport:
    """Connections to one channel account. Follows no redirect, keeps no cookie, retries nothing."""

    def __init__(
        self, channel: str, settings: TransportSettings, *, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        """Open no connection yet.

        `channel` is how errors name it, usually the account; `transport` replaces the network in tests.
        """
        self._channel = channel
        self._reply_bytes_max = settings.reply_bytes_max
        connections = settings.connections_max
        self._client = httpx.AsyncClient(
            transport=transport,
            verify=_build_tls(settings) if transport is None else True,
            follow_redirects=False,
            cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            timeout=httpx.Timeout(
                connect=settings.connect_timeout_seconds,
                read=settings.read_timeout_seconds,
                write=settings.write_timeout_seconds,
                pool=settings.pool_timeout_seconds,
            ),
        )

    async def send(
        self,
        operation: str,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Sequence[tuple[str, str]] = (),
        content: bytes | None = None,
    ) -> Reply:
        """Send one request and read its whole reply, whatever the status.

        `operation` says in error messages what was tried. `url` has no query; `params` become one, in this order and
        percent-encoded as RFC 3986 has it: a space is %20, never a plus.

        Raises:
            NotSent: the channel cannot have seen the request.
            OutcomeUnknown: it may have; the reply is missing, broken or larger than allowed.
        """
        query = "?" + urlencode(params, quote_via=quote, safe="") if params else ""
        try:
            request = self._client.build_request(
                method,
                url + query,
                headers={"User-Agent": "lastunit", **(headers or {}), "Accept-Encoding": "gzip"},
                content=content,
            )
            if content is not None:
                request.stream = _Content(content)
            response = await self._client.send(request, stream=True)
            try:
                body = await self._read_body(response, operation)
            finally:
                # httpcore shields its own closing from cancellation, and closing a half-read reply never waits.
                await response.aclose()
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            kind = NotSent if isinstance(error, _NEVER_SENT) else OutcomeUnknown
            raise kind(self._channel, operation, _explain(error)) from (
                None if isinstance(error, _QUOTES_US) else error
            )
        return Reply(status=response.status_code, headers=_join_headers(response.headers), body=body)

    async def aclose(self) -> None:
        """Close every connection; idempotent."""
        await self._client.aclose()

    async def _read_body(self, response: httpx.Response, operation: str) -> bytes:
        """Collect and decompress a body under the size limit, so that a small bomb cannot unfold in memory."""
        encoding = response.headers.get("content-encoding", "identity").strip().lower() or "identity"
        if encoding not in {"identity", "gzip", "x-gzip"}:
            raise OutcomeUnknown(self._channel, operation, f"the reply is encoded as {encoding[:20]!r}, not gzip")
        inflate = None if encoding == "identity" else zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        body = bytearray()
        complaint = ""
        # httpx reads through a chain of async generators. Cancelled from inside they all unwind; left half read they
        # would wait for the garbage collector.
        with trio.CancelScope() as reading:
            async for chunk in response.aiter_raw():
                complaint = complaint or self._take(chunk, body, inflate)
                if complaint:
                    reading.cancel()
        if not complaint and inflate is not None and body and not inflate.eof:
            complaint = "the reply's gzip stream ends early"
        if complaint:
            raise OutcomeUnknown(self._channel, operation, complaint)
        return bytes(body)

    def _take(self, chunk: bytes, body: bytearray, inflate: "zlib._Decompress | None") -> str:
        """Add a chunk to the body; say what is wrong with it, if anything."""
        room = self._reply_bytes_max + 1 - len(body)  # one byte above the limit tells "too large" from "just fits"
        try:
            body += chunk[:room] if inflate is None else inflate.decompress(chunk, room)
        except zlib.error:
            return "the reply's gzip stream is broken"
        if len(body) > self._reply_bytes_max:
            return f"the reply is larger than {self._reply_bytes_max} bytes"
        return ""


class _Content(httpx.AsyncByteStream):
    """A request body in one piece. httpx's own is a generator, which a broken connection leaves half read."""

    def __init__(self, content: bytes) -> None:
        self._rest = [content]

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if not self._rest:
            raise StopAsyncIteration
        return self._rest.pop()


def _build_tls(settings: TransportSettings) -> ssl.SSLContext:
    if not settings.verify_tls:
        return httpx.create_ssl_context(verify=False)
    return ssl.create_default_context(cafile=settings.ca_file) if settings.ca_file else httpx.create_ssl_context()


def _explain(error: Exception) -> str:
    """Name a failure without quoting the request."""
    name = type(error).__name__
    # Before anything is sent, the texts are the system's own (name lookup, certificate) and tell what to mend.
    text = str(error) if isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout)) else ""
    return f"{name}: {text}" if text else name


def _join_headers(headers: httpx.Headers) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
