"""One HTTP request and one reply, as the handlers see them."""

from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import parse_qsl

import msgspec

Defect = Literal["none", "closed", "truncated", "cut"]

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Refusal(Exception):
    """The shop says no, in WordPress' words: `{"code", "message", "data": {"status", ...}}`."""

    def __init__(self, code: str, message: str, status: int, **data: object) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.data = data

    def body(self) -> dict[str, object]:
        """Return the error object, as a body of its own or inside a batch row."""
        return {"code": self.code, "message": self.message, "data": {"status": self.status, **self.data}}


def invalid_param(name: str, reason: str) -> Refusal:
    """Refuse one parameter the way WordPress' schema check does."""
    return Refusal("rest_invalid_param", f"Invalid parameter(s): {name}", 400, params={name: reason})


class Request:
    """A request whose body has arrived.

    `pairs` keeps the query as sent, repeats and brackets included, for the signature. `query` is what PHP makes of it:
    the last of equal names wins, and `name[]=1&name[]=2` reads as `"1,2"`.
    """

    __slots__ = ("body", "headers", "method", "pairs", "path", "query")

    def __init__(self, method: str, path: str, raw_query: str, headers: Mapping[str, str], body: bytes) -> None:
        self.method = method
        self.path = path
        self.headers = headers
        self.body = body
        self.pairs = parse_qsl(raw_query, keep_blank_values=True) if raw_query else []
        self.query = _php_query(self.pairs)

    @property
    def is_write(self) -> bool:
        """Whether the request may change something."""
        return self.method not in {"GET", "HEAD"}

    def json(self) -> dict[str, Any]:
        """Decode the body as an object; an empty body is an empty object.

        Raises:
            Refusal: 400 `rest_invalid_json`, when the body is anything else.
        """
        if not self.body:
            return {}
        try:
            value = _decode(self.body)
        except msgspec.DecodeError as error:
            raise Refusal("rest_invalid_json", "Invalid JSON body passed.", 400) from error
        if not isinstance(value, dict):
            raise Refusal("rest_invalid_json", "Invalid JSON body passed.", 400)
        return value


class Reply(msgspec.Struct, kw_only=True):
    """What goes back, and what must happen around it."""

    body: bytes
    status: int = 200
    content_type: str = "application/json; charset=UTF-8"
    headers: tuple[tuple[str, str], ...] = ()
    defect: Defect = "none"
    ping: int = 0
    """A webhook to ping before the reply goes out, since the shop waits for that ping; 0 for none."""


def json_reply(value: object, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    """Encode `value` as the body of a reply."""
    return Reply(body=_encode(value), status=status, headers=headers)


def refusal_reply(refusal: Refusal) -> Reply:
    """Turn a refusal into its reply."""
    return json_reply(refusal.body(), refusal.status)


def _php_query(pairs: list[tuple[str, str]]) -> dict[str, str]:
    query: dict[str, str] = {}
    lists: dict[str, list[str]] = {}
    for name, value in pairs:
        base, bracket, _ = name.partition("[")
        if bracket:
            lists.setdefault(base, []).append(value)
        else:
            query[name] = value
    return query | {name: ",".join(values) for name, values in lists.items()}
