"""Building RESP replies; parsing is hiredis' work.

Maps become RESP3 maps or, for RESP2 clients, flat arrays; instants become ISO 8601 with microseconds and a Z.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import Final

import msgspec

_JSON: Final = msgspec.json.Encoder()


class SimpleString(str):
    """`+OK` instead of a bulk string."""

    __slots__ = ()


OK = SimpleString("OK")


class ErrorReply(Exception):
    """`-CODE text`. Raised by command handlers, sent as the reply."""

    def __init__(self, code: str, text: str) -> None:
        """Keep the stable code and the text for people."""
        super().__init__(f"{code} {text}")
        self.code = code
        self.text = text


def encode(value: object, protocol: int) -> bytes:
    """Build one reply.

    Args:
        value: None, bool, int, float, str, bytes, datetime, ErrorReply, or sequences and mappings of these.
        protocol: 2 or 3.
    """
    parts: list[bytes] = []
    _add(parts, value, protocol)
    return b"".join(parts)


def _add(parts: list[bytes], value: object, protocol: int) -> None:
    match value:
        case SimpleString():
            parts.append(b"+%s\r\n" % value.encode())
        case Enum():
            _add_bulk(parts, str(value.value).encode())
        case str():
            _add_bulk(parts, value.encode("utf-8", "surrogateescape"))
        case bytes():
            _add_bulk(parts, value)
        case None:
            parts.append(b"_\r\n" if protocol >= 3 else b"$-1\r\n")
        case bool():
            parts.append((b"#t\r\n" if value else b"#f\r\n") if protocol >= 3 else b":%d\r\n" % value)
        case int():
            parts.append(b":%d\r\n" % value)
        case float():
            text = repr(value).encode()
            if protocol >= 3:
                parts.append(b",%s\r\n" % text)
            else:
                _add_bulk(parts, text)
        case datetime():
            parts.append(encode_instant(value))
        case ErrorReply():
            parts.append(b"-%s\r\n" % _one_line(str(value)).encode("utf-8", "replace"))
        case Mapping():
            parts.append(b"%%%d\r\n" % len(value) if protocol >= 3 else b"*%d\r\n" % (2 * len(value)))
            for key, item in value.items():
                _add(parts, key, protocol)
                _add(parts, item, protocol)
        case Sequence():
            parts.append(b"*%d\r\n" % len(value))
            for item in value:
                _add(parts, item, protocol)
        case _:
            raise TypeError(f"no RESP form for {type(value).__name__}")


def _add_bulk(parts: list[bytes], data: bytes) -> None:
    parts.append(b"$%d\r\n%s\r\n" % (len(data), data))


def _one_line(text: str) -> str:
    """An error reply ends at the first line break; a caller's text must not forge a second reply."""
    return text.replace("\r", "\\r").replace("\n", "\\n")


def encode_instant(instant: datetime) -> bytes:
    """Build the reply of an instant, which has 27 characters."""
    return b"$27\r\n%b\r\n" % _instant_bytes(instant)


def instant_text(instant: datetime) -> str:
    """Write an instant as `2026-11-11T12:00:00.000000Z`."""
    return _instant_bytes(instant).decode()


def _instant_bytes(instant: datetime) -> bytes:
    if instant.tzinfo is not UTC:
        instant = instant.astimezone(UTC)
    text = _JSON.encode(instant)[1:-1]  # a tenth of the time that `isoformat` takes
    return text if instant.microsecond else text[:-1] + b".000000Z"
