"""Every failure of a connection is named by what the caller may do; no reply fills memory; no message shows a key."""

import gzip
import logging
import ssl
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial

import httpx
import pytest
import trio

from adapters.http import Reply, Transport, TransportSettings, _build_tls
from engine.domain.errors import ChannelError, NotSent, OutcomeUnknown

Handler = Callable[[httpx.Request], httpx.Response] | Callable[[httpx.Request], Coroutine[None, None, httpx.Response]]
URL = "https://shop.test/wp-json/wc/v3/orders"
SECRET = "cs_0123456789"


def transport(handler: Handler, **limits: object) -> Transport:
    settings = TransportSettings(**limits)  # type: ignore[arg-type]
    return Transport("shop-de", settings, transport=httpx.MockTransport(handler))


async def send(handler: Handler, **limits: object) -> Reply:
    return await transport(handler, **limits).send("read_orders", "GET", URL)


class Chunks(httpx.AsyncByteStream):
    """A body that arrives in pieces and counts how many were taken."""

    def __init__(self, chunk: bytes, count: int) -> None:
        self.chunk, self.count, self.taken = chunk, count, 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for _ in range(self.count):
            await trio.lowlevel.checkpoint()
            self.taken += 1
            yield self.chunk


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (httpx.ConnectError("[Errno -2] Name or service not known"), NotSent),
        (httpx.ConnectTimeout("timed out"), NotSent),
        (httpx.PoolTimeout("no connection free"), NotSent),
        (httpx.ProxyError("407"), NotSent),
        (httpx.UnsupportedProtocol("no scheme"), NotSent),
        (httpx.InvalidURL("bad port"), NotSent),
        (httpx.ReadError("reset"), OutcomeUnknown),
        (httpx.ReadTimeout("slow"), OutcomeUnknown),
        (httpx.WriteError("broken pipe"), OutcomeUnknown),
        (httpx.WriteTimeout("slow"), OutcomeUnknown),
        (httpx.CloseError("?"), OutcomeUnknown),
        (httpx.RemoteProtocolError("Server disconnected"), OutcomeUnknown),
        (httpx.LocalProtocolError(f"Illegal header value b'Basic {SECRET}'"), OutcomeUnknown),
        (httpx.StreamConsumed(), OutcomeUnknown),
    ],
)
async def test_a_failure_before_sending_is_safe_to_repeat_and_any_later_one_is_not(
    failure: Exception, kind: type[ChannelError]
) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise failure

    with pytest.raises(kind) as caught:
        await send(fail)
    assert type(caught.value) is kind
    assert str(caught.value).startswith(f"shop-de: read_orders: {type(failure).__name__}")
    assert SECRET not in "".join(traceback.format_exception(caught.value))


async def test_a_refused_connection_was_not_sent_and_a_closed_one_may_have_been() -> None:
    async def hang_up(stream: trio.SocketStream) -> None:
        await stream.receive_some(1)
        await stream.aclose()

    client = Transport("shop-de", TransportSettings(verify_tls=False))
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, hang_up, 0, host="127.0.0.1"))
        port = listeners[0].socket.getsockname()[1]
        with pytest.raises(OutcomeUnknown):
            await client.send("write_stock", "POST", f"http://127.0.0.1:{port}/", content=b"{}")
        nursery.cancel_scope.cancel()
    with pytest.raises(NotSent, match="ConnectError"):
        await client.send("write_stock", "POST", f"http://127.0.0.1:{port}/", content=b"{}")
    await client.aclose()
    await client.aclose()


async def test_the_request_carries_what_was_asked_and_nothing_of_an_earlier_reply() -> None:
    seen: list[httpx.Request] = []

    async def answer(request: httpx.Request) -> httpx.Response:
        await request.aread()
        seen.append(request)
        headers = [("Set-Cookie", "a=1"), ("X-WP-Total", "3"), ("X-A", "1"), ("x-a", "2")]
        return httpx.Response(200, headers=headers, stream=Chunks(b"", 0))

    client = transport(answer)
    reply = await client.send("op", "POST", URL, headers={"Authorization": "Basic x"}, content=b"{}")
    await client.send("op", "GET", URL, params=(("include", "1,2"), ("s", "a b+c&d"), ("name", "é")))
    assert reply.status == 200
    assert reply.headers["x-wp-total"] == "3"
    assert reply.headers["x-a"] == "1, 2"
    assert seen[0].headers["authorization"] == "Basic x"
    assert seen[0].content == b"{}"
    assert seen[1].url.raw_path.endswith(b"/orders?include=1%2C2&s=a%20b%2Bc%26d&name=%C3%A9")
    assert "cookie" not in seen[1].headers


async def test_redirects_are_reported_never_followed() -> None:
    reply = await send(lambda _: httpx.Response(301, headers={"Location": "https://evil.test/"}, stream=Chunks(b"", 0)))
    assert (reply.status, reply.headers["location"]) == (301, "https://evil.test/")


async def test_a_reply_that_does_not_end_is_dropped_at_the_limit() -> None:
    body = Chunks(b"x" * 1000, 1_000_000)
    with pytest.raises(OutcomeUnknown, match="larger than 5000 bytes"):
        await send(lambda _: httpx.Response(200, stream=body), reply_bytes_max=5000)
    assert body.taken == 6
    exact = await send(lambda _: httpx.Response(200, stream=Chunks(b"x" * 1000, 5)), reply_bytes_max=5000)
    assert len(exact.body) == 5000


async def test_a_compression_bomb_does_not_unfold() -> None:
    bomb = gzip.compress(b"0" * 10_000_000)
    headers = {"Content-Encoding": "gzip"}
    with pytest.raises(OutcomeUnknown, match="larger than 5000 bytes"):
        await send(lambda _: httpx.Response(200, headers=headers, stream=Chunks(bomb, 1)), reply_bytes_max=5000)


@pytest.mark.parametrize(
    ("encoding", "body", "complaint"),
    [
        ("gzip", gzip.compress(b"[]")[:-4], "ends early"),
        ("gzip", b"[]", "is broken"),
        ("br", b"[]", "encoded as 'br'"),
    ],
)
async def test_a_body_that_cannot_be_unpacked_tells_nothing(encoding: str, body: bytes, complaint: str) -> None:
    headers = {"Content-Encoding": encoding}
    with pytest.raises(OutcomeUnknown, match=complaint):
        await send(lambda _: httpx.Response(200, headers=headers, stream=Chunks(body, 1)))


async def test_a_compressed_reply_arrives_unpacked() -> None:
    packed = Chunks(gzip.compress(b"[1,2]"), 1)
    reply = await send(lambda _: httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=packed))
    assert reply.body == b"[1,2]"


def test_nothing_of_a_reply_shows_in_its_repr() -> None:
    reply = Reply(status=200, headers={"set-cookie": SECRET}, body=SECRET.encode())
    assert repr(reply) == "Reply(status=200, body=13 bytes)"
    assert SECRET not in str(reply.__rich_repr__())


async def test_the_http_libraries_do_not_log_addresses(caplog: pytest.LogCaptureFixture) -> None:
    """The httpx library logs the whole address, and keys may be in its query."""
    with caplog.at_level(logging.DEBUG):
        client = transport(lambda _: httpx.Response(200, stream=Chunks(b"", 0)))
        await client.send("op", "GET", URL, params=(("consumer_secret", SECRET),))
    assert SECRET not in caplog.text


def test_certificates_are_checked_unless_switched_off() -> None:
    assert _build_tls(TransportSettings()).verify_mode is ssl.CERT_REQUIRED
    assert _build_tls(TransportSettings(verify_tls=False)).verify_mode is ssl.CERT_NONE
