"""Reading the arguments of movements: options by keyword, instants, states, lines, and who asks."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from engine.domain.states import State
from engine.domain.units import UNITS_MAX, DocumentId, LineId, Sku
from ops.instants import read_instant
from ops.sizes import TEXT_CHARACTERS_MAX
from ops.socket import arguments as read
from ops.socket.resp import ErrorReply
from ops.socket.session import Session

_AGO: Final = re.compile(rb"-(\d{1,9})([smhd])")
_UNIT_SECONDS: Final = {b"s": 1, b"m": 60, b"h": 3600, b"d": 86_400}

Options = Mapping[str, Sequence[bytes]]
"""By keyword, its values; those that were not given are not there."""

WHO: Final = {"BY": 1, "REF": 1}
"""Options of every movement, with the number of values each takes."""


def options(arguments: Sequence[bytes], start: int, known: Mapping[str, int]) -> dict[str, Sequence[bytes]]:
    """Read trailing options, names in any case, each at most once.

    Args:
        arguments: the whole command.
        start: of the first option.
        known: keyword to the number of its values; 0 for a flag.
    """
    found: dict[str, Sequence[bytes]] = {}
    index = start
    while index < len(arguments):
        name = arguments[index].decode("utf-8", "backslashreplace").upper()
        if name not in known:
            raise read.bad("option", arguments[index], f"expected {', '.join(sorted(known))}")
        if name in found:
            raise read.bad("option", arguments[index], "given twice")
        values = arguments[index + 1 : index + 1 + known[name]]
        if len(values) < known[name]:
            raise read.bad("option", arguments[index], f"needs {'a value' if known[name] == 1 else 'two values'}")
        found[name] = values
        index += 1 + len(values)
    return found


def options_and_lines(
    arguments: Sequence[bytes], start: int, known: Mapping[str, int], *, least: int, lines_max: int
) -> tuple[dict[str, Sequence[bytes]], list[tuple[Sku, int]]]:
    """Read options, the word LINES, and behind it SKUs with quantities: there every word may be a SKU.

    Args:
        arguments: the whole command.
        start: of the first option.
        known: keyword to the number of its values.
        least: the smallest quantity of a line.
        lines_max: how many lines are taken.
    """
    index = start
    while index < len(arguments) and (name := arguments[index].upper()) != b"LINES":
        index += 1 + known.get(name.decode("utf-8", "replace"), 0)
    found = options(arguments[: min(index, len(arguments))], start, known)
    rest = arguments[index + 1 :]
    if not rest:
        raise ErrorReply("BADARG", "LINES is missing: it comes after the options, then sku quantity [sku quantity ...]")
    if len(rest) % 2:
        raise read.bad("sku", rest[-1], "needs a quantity")
    if len(rest) // 2 > lines_max:
        raise ErrorReply("BADARG", f"{len(rest) // 2} lines: at most {lines_max} in one command")
    return found, [
        (read.sku(rest[at]), read.integer("quantity", rest[at + 1], minimum=least, maximum=UNITS_MAX))
        for at in range(0, len(rest), 2)
    ]


def instant(what: str, value: bytes, now: datetime | None = None) -> datetime:
    """Read RFC 3339 with an offset, unix seconds, or, of what has been, `-15m` (s, m, h, d) before `now`."""
    ago = _AGO.fullmatch(value) if now is not None else None
    if now is not None and ago is not None:
        try:
            return now - timedelta(seconds=int(ago[1]) * _UNIT_SECONDS[ago[2]])
        except OverflowError:
            raise read.bad(what, value, "is before the year 1") from None
    try:
        return read_instant(value.decode())
    except UnicodeDecodeError:
        raise read.bad(what, value, "must be valid UTF-8") from None
    except ValueError as error:
        raise read.bad(what, value, str(error)) from None


def optional_instant(found: Options, name: str) -> datetime | None:
    """Read an option that is an instant."""
    return instant(name.lower(), found[name][0]) if name in found else None


def units(what: str, value: bytes) -> int:
    """Read a quantity that may be 0."""
    return read.integer(what, value, minimum=0, maximum=UNITS_MAX)


def document_id(what: str, value: bytes) -> DocumentId:
    """Read the number of a purchase order or a transfer."""
    return DocumentId(read.identifier(what, value))


def line_id(value: bytes) -> LineId:
    """Read the id of an order line."""
    return LineId(read.identifier("line", value))


def state(what: str, value: bytes) -> State:
    """Read a state that units can be in."""
    try:
        return State(value.decode().lower())
    except ValueError:  # a UnicodeDecodeError is one
        raise read.bad(what, value, f"must be one of {', '.join(State)}") from None


def yes_or_no(what: str, value: bytes) -> bool:
    """Read `yes` or `no`."""
    if value.lower() not in {b"yes", b"no"}:
        raise read.bad(what, value, "must be yes or no")
    return value.lower() == b"yes"


def text(found: Options, name: str) -> str:
    """Read an option that is free text on one line; empty when it is not there."""
    if name not in found:
        return ""
    value = read.text(name.lower(), found[name][0], maximum=TEXT_CHARACTERS_MAX).strip()
    if not value.isprintable():
        raise read.bad(name.lower(), value, "must be one line without control characters")
    return value


def who(found: Options, session: Session) -> str:
    """Say who asks: `BY`, else whoever the connection belongs to."""
    return text(found, "BY") or session.user
