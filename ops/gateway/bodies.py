"""Bodies from the wire: bounded while they arrive, decoded strictly, errors with their JSON path."""

import re
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from urllib.parse import unquote_to_bytes

import msgspec
from litestar import Request
from litestar.types import Empty

from ops.gateway.problems import Problem

T = TypeVar("T")

BUFFERED_BYTES_MAX = 64 << 20
"""Bodies of all requests together while they arrive: many slow senders must not fill the memory."""

_PATH = re.compile(r"(?P<rule>.*) - at `(?P<path>[^`]*)`", re.DOTALL)


class ClientGone(Exception):
    """The caller hung up; nobody is left to answer."""


class BodyReader:
    """Reads whole bodies within two limits: one per body, one for all that are arriving."""

    def __init__(self, body_bytes_max: int) -> None:
        self._body_bytes_max = body_bytes_max
        self.buffered_bytes = 0

    async def read(self, receive: Callable[[], Awaitable[Any]]) -> bytes:
        """Return the whole body of one request, whether it announced its length or not.

        Raises:
            Problem: 413 as soon as it is too large, 503 when too many bodies arrive at once.
            ClientGone: the caller hung up first.
        """
        chunks: list[bytes] = []
        size = 0
        try:
            while True:
                event = await receive()
                if event["type"] == "http.disconnect":
                    raise ClientGone
                chunk = event.get("body", b"")
                size += len(chunk)
                self.buffered_bytes += len(chunk)
                if size > self._body_bytes_max:
                    raise Problem("TOOBIG", f"the body is larger than {self._body_bytes_max} bytes")
                if self.buffered_bytes > BUFFERED_BYTES_MAX:
                    raise Problem("BUSY", "too many bodies are arriving at once", headers={"connection": "close"})
                chunks.append(chunk)
                if not event.get("more_body", False):
                    return chunks[0] if len(chunks) == 1 else b"".join(chunks)
        finally:
            self.buffered_bytes -= size


class GatewayRequest(Request[Any, Any, Any]):
    """A request whose JSON body goes straight into the handler's type, without Litestar's leniency.

    Litestar would decode to plain objects first and then accept "2" for 2.
    """

    async def body(self) -> bytes:
        """Read the body within the limits."""
        if self._body is Empty:
            reader: BodyReader = self.app.state.bodies
            self._body = await reader.read(self.receive)
        return self._body

    async def json(self) -> object:
        """Decode the body into the type of the handler's `data`."""
        return decode_body(await self.body(), self.route_handler.parsed_fn_signature.parameters["data"].annotation)


def decode_body(body: bytes, kind: type[T]) -> T:
    """Decode JSON into `kind`.

    Raises:
        Problem: 400, with the JSON path of the first value that breaks its rule.
    """
    try:
        value: T = _find_decoder(kind).decode(body)
    except msgspec.ValidationError as error:
        at = _PATH.fullmatch(str(error))
        rule, path = (at["rule"], at["path"]) if at else (str(error), "$")
        raise Problem("BADREQUEST", f"{path}: {rule}", path=path) from error
    except msgspec.DecodeError as error:
        raise Problem("BADREQUEST", f"the body is not JSON: {error}") from error
    except UnicodeDecodeError as error:
        raise Problem("BADREQUEST", f"the body is not UTF-8: {error.reason}") from error
    except RecursionError as error:
        raise Problem("BADREQUEST", "the body is nested too deeply") from error
    return value


def decode_segment(segment: str, what: str) -> str:
    """Percent-decode one segment of the path; the front leaves them encoded so that `%2F` is not a separator.

    Raises:
        Problem: 400 when the bytes are not UTF-8.
    """
    try:
        return unquote_to_bytes(segment).decode()
    except UnicodeDecodeError as error:
        raise Problem("BADREQUEST", f"{what} in the path is not percent-encoded UTF-8") from error


def _find_decoder(kind: Any) -> msgspec.json.Decoder[Any]:  # noqa: ANN401  # a type or a union of types
    if kind not in _DECODERS:
        _DECODERS[kind] = msgspec.json.Decoder(kind)
    return _DECODERS[kind]


_DECODERS: dict[Any, msgspec.json.Decoder[Any]] = {}
