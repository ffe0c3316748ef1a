"""Reading command arguments: bytes in, checked values out, or a BADARG that names argument, value and rule."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final, TypeVar

import msgspec

from engine.domain.units import (
    ID_BYTES_MAX,
    UNITS_MAX,
    AccountId,
    HoldId,
    Key,
    LocationId,
    OrderId,
    Sku,
    check_identifier,
)
from ops.socket.resp import ErrorReply

T = TypeVar("T")

UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding a caller's JSON may raise: not JSON or not ours, not UTF-8, nested too deeply."""
_PRINTABLE: Final = bytes(code if code < 128 and chr(code).isprintable() else ord("?") for code in range(256))
"""Translates all that is not printable ASCII: found in a third of the time that `str.isprintable` takes."""
_SHOWN_MAX = 80
"""Characters of a bad value that an error repeats."""
_SKUS_MAX = 1 << 16
"""SKUs that are not read again: the text has been checked, and all holds of a SKU share it."""
_REMEMBERED_MAX = 1024
"""Quantities and times to live that are not read again."""


def bad(what: str, value: bytes | str, rule: str) -> ErrorReply:
    """Make a BADARG."""
    shown = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
    if len(shown) > _SHOWN_MAX:
        shown = shown[:_SHOWN_MAX] + "..."
    return ErrorReply("BADARG", f"{what}={shown!r}: {rule}")


def text(what: str, value: bytes, *, maximum: int = 1000) -> str:
    """Read free text in UTF-8."""
    try:
        read = value.decode()
    except UnicodeDecodeError:
        raise bad(what, value, "must be valid UTF-8") from None
    if len(read) > maximum:
        raise bad(what, read, f"at most {maximum} characters")
    return read


def document(what: str, decoder: msgspec.json.Decoder[T], value: bytes) -> T:
    """Read JSON."""
    try:
        return decoder.decode(value)
    except UNREADABLE as error:
        raise ErrorReply("BADARG", f"{what}: {str(error)[:1000]}") from error


def identifier(what: str, value: bytes) -> str:
    """Read an identifier in UTF-8."""
    try:
        read = value.decode()
    except UnicodeDecodeError:
        raise bad(what, value, "must be valid UTF-8") from None
    if 0 < len(value) <= ID_BYTES_MAX and read.isprintable() and " " not in {read[0], read[-1]}:
        return read
    problem = check_identifier(what, read)
    if problem is not None:
        raise ErrorReply("BADARG", problem if len(problem) < 2 * _SHOWN_MAX else bad(what, value, "too long").text)
    return read


def integer(what: str, value: bytes, *, minimum: int, maximum: int) -> int:
    """Read a whole number in plain decimal digits."""
    digits = value[1:] if value[:1] == b"-" else value
    if not digits.isdigit() or len(digits) > 19:
        raise bad(what, value, f"must be a whole number from {minimum} to {maximum}")
    number = int(value)
    if not minimum <= number <= maximum:
        raise bad(what, value, f"must be a whole number from {minimum} to {maximum}")
    return number


@lru_cache(maxsize=_REMEMBERED_MAX)
def quantity(value: bytes) -> int:
    """Read a quantity of at least 1."""
    return integer("quantity", value, minimum=1, maximum=UNITS_MAX)


@lru_cache(maxsize=_REMEMBERED_MAX)
def time_to_live(value: bytes, seconds_max: float) -> timedelta | None:
    """Read a time to live: whole seconds, or NEVER (None)."""
    if value.upper() == b"NEVER":
        return None
    if not value.isdigit() or len(value) > 10 or not 1 <= int(value) <= seconds_max:
        raise bad("ttl-seconds", value, f"must be NEVER or a whole number from 1 to {seconds_max:.0f}")
    return timedelta(seconds=int(value))


def expiry(value: bytes, now: datetime, seconds_max: float) -> datetime | None:
    """Read a time to live from `now` on as the instant at which it is over; NEVER is None."""
    lives = time_to_live(value, seconds_max)
    return None if lives is None else now + lives


@lru_cache(maxsize=_SKUS_MAX)
def sku(value: bytes) -> Sku:
    """Read a SKU."""
    return Sku(identifier("sku", value))


def hold_id(value: bytes) -> HoldId:
    """Read a hold id."""
    if 0 < len(value) <= ID_BYTES_MAX and value.translate(_PRINTABLE) == value == value.strip():
        return value.decode()  # type: ignore[return-value]  # each hold has another: calling a NewType costs as much
    return HoldId(identifier("hold-id", value))


def key(value: bytes) -> Key:
    """Read a caller's key."""
    return Key(identifier("key", value))


def account_id(value: bytes) -> AccountId:
    """Read an account id."""
    return AccountId(identifier("account", value))


def order_id(value: bytes) -> OrderId:
    """Read an order id."""
    return OrderId(identifier("order", value))


def location_id(value: bytes) -> LocationId:
    """Read a location id."""
    return LocationId(identifier("location", value))


def options(arguments: Sequence[bytes], start: int, known: frozenset[bytes]) -> dict[bytes, bytes]:
    """Read trailing `NAME value` pairs, names in any case, each at most once."""
    found: dict[bytes, bytes] = {}
    rest = arguments[start:]
    for index in range(0, len(rest), 2):
        name = rest[index].upper()
        if name not in known:
            expected = ", ".join(sorted(option.decode() for option in known))
            raise bad("option", rest[index], f"expected {expected}")
        if index + 1 == len(rest):
            raise bad("option", rest[index], "needs a value")
        if name in found:
            raise bad("option", rest[index], "given twice")
        found[name] = rest[index + 1]
    return found


def limit(arguments: Sequence[bytes], start: int) -> int:
    """Read `LIMIT n`, the only option there is from `start` on; 50 when it is left out."""
    given = options(arguments, start, frozenset({b"LIMIT"}))
    return integer("limit", given[b"LIMIT"], minimum=1, maximum=10_000) if b"LIMIT" in given else 50
