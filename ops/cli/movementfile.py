"""The file of `lastunit movements`: movements of any kind, a row each, every bad row named before anything is sent.

Rows of one purchase order, one transfer or one snapshot are one command; all others stand for themselves. The kinds
are a table: what a row needs, what it may have, and the words it becomes.
"""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from config.rules import show
from config.walk import did_you_mean
from engine.domain.states import State
from engine.domain.units import DIRECT, UNITS_MAX
from ops.cli.csvfiles import Cells, Known, Parsed, Table, parse
from ops.cli.csvtext import BadRow
from ops.instants import read_instant
from ops.reasons import settle_reason
from ops.sizes import DOCUMENT_LINES_MAX, SNAPSHOT_ROWS_MAX, TEXT_CHARACTERS_MAX

COLUMNS: Final = (
    *("key", "sku", "location", "quantity", "at", "reason", "ref", "by", "po", "transfer", "target"),
    *("state", "outcome", "account", "order", "line", "supplier", "expected", "source", "nets"),
)
"""All columns besides `kind`; each kind uses some of them."""
OUTCOMES: Final = ("restock", "damaged", "writeoff", "display", "hold")
ON_HAND: Final = tuple(state.value for state in State if state is not State.WRITTEN_OFF)
_SIGNED: Final = {"ref": "REF", "by": "BY"}


class MovementRow(msgspec.Struct):
    """One row as it was read."""

    kind: str
    cells: dict[str, str]
    """Those that are not empty."""
    good: bool = False
    """All of them keep their rules."""


class Kind(msgspec.Struct, frozen=True):
    """What a row of one kind has, and the words it becomes."""

    words: Callable[[dict[str, str]], list[str]]
    needs: tuple[str, ...]
    may_have: tuple[str, ...] = ()
    together: tuple[str, ...] = ()
    """Rows that are equal in these are one command; they must agree in all but SKU and quantity."""
    least: int = 1
    """The smallest quantity."""
    lines_max: int = DOCUMENT_LINES_MAX
    """Rows that one command may have."""


class Said(msgspec.Struct):
    """One command and where its rows stand."""

    words: list[str]
    lines: list[int]


def _with(cells: dict[str, str], options: dict[str, str], words: list[str]) -> list[str]:
    """Append the options that have a value."""
    for column, option in {**options, **_SIGNED}.items():
        if column in cells:
            words += [option, cells[column]]
    return words


def _plain(name: str, *columns: str, **options: str) -> Callable[[dict[str, str]], list[str]]:
    """Build the words of a kind: its name, columns in order, then options by column."""
    return lambda cells: _with(cells, options, [*name.split(), *(cells[column] for column in columns)])


def _return(cells: dict[str, str]) -> list[str]:
    words = ["RETURN", *(cells[column] for column in ("key", "sku", "location", "quantity"))]
    if "order" in cells:
        words += ["ORDER", cells["account"], cells["order"]]
    return _with(cells, {"state": "INTO", "line": "LINE", "reason": "REASON"}, words)


def _inspect(cells: dict[str, str]) -> list[str]:
    words = ["INSPECT", *(cells[column] for column in ("key", "sku", "location", "quantity"))]
    return _with(cells, {"state": "FROM", "reason": "REASON"}, [*words, cells["outcome"].upper()])


def _end(action: str) -> Callable[[dict[str, str]], list[str]]:
    def words(cells: dict[str, str]) -> list[str]:
        said = ["PO", action, cells["po"]]
        for column, option in (("reason", "REASON"), ("by", "BY")):
            said += [option, cells[column]] if column in cells else []
        return said

    return words


_MOVED: Final = ("key", "sku", "location", "quantity")
_WHO: Final = ("ref", "by")
KINDS: Final[dict[str, Kind]] = {
    "adjust": Kind(
        _plain("ADJUST", "key", "sku", "location", "quantity", "reason"), (*_MOVED, "reason"), _WHO, least=-UNITS_MAX
    ),
    "receive": Kind(_plain("RECEIVE", *_MOVED, po="PO"), _MOVED, ("po", *_WHO)),
    "return": Kind(_return, _MOVED, ("state", "account", "order", "line", "reason", *_WHO)),
    "inspect": Kind(_inspect, (*_MOVED, "outcome"), ("state", "reason", *_WHO)),
    "count": Kind(_plain("COUNT", *_MOVED, at="AT"), (*_MOVED, "at"), _WHO, least=0),
    "snapshot": Kind(
        _plain("SNAPSHOT", "key", "location", "source", at="AS_OF", nets="NETS"),
        (*_MOVED, "source", "at", "nets"),
        _WHO,
        together=("key", "location", "source"),
        least=0,
        lines_max=SNAPSHOT_ROWS_MAX,
    ),
    "po": Kind(
        _plain("PO SET", "po", "location", expected="EXPECTED", supplier="SUPPLIER"),
        ("po", "location", "sku", "quantity"),
        ("expected", "supplier", *_WHO),
        together=("po",),
        least=0,
    ),
    "po close": Kind(_end("CLOSE"), ("po",), ("reason", "by")),
    "po cancel": Kind(_end("CANCEL"), ("po",), ("reason", "by")),
    "transfer": Kind(
        _plain("TRANSFER SEND", "transfer", "location", "target", expected="EXPECTED", reason="REASON"),
        ("transfer", "location", "target", "sku", "quantity"),
        ("expected", "reason", *_WHO),
        together=("transfer",),
    ),
    "transfer receive": Kind(
        _plain("TRANSFER RECEIVE", "key", "transfer", "sku", "quantity"), ("key", "transfer", "sku", "quantity"), _WHO
    ),
    "transfer lose": Kind(
        _plain("TRANSFER LOSE", "key", "transfer", "sku", "quantity", "reason"),
        ("key", "transfer", "sku", "quantity", "reason"),
        _WHO,
    ),
    "reallocate": Kind(
        _plain("REALLOCATE", "account", "order", "line", "sku", "location", reason="REASON"),
        ("account", "order", "line", "sku", "location"),
        ("reason", *_WHO),
    ),
}
"""`location` is where units are, come to or leave from; `state` the one they come from (inspect) or go to (return)."""


def read_movements(content: bytes, file: str, known: Known, reasons: Sequence[str]) -> tuple[list[Said], list[BadRow]]:
    """Read a file of movements.

    Args:
        content: the whole file.
        file: how messages name it.
        known: ids that rows may name.
        reasons: why stock may be adjusted (`stock.reasons`).

    Returns:
        The commands in the order of the file, and every problem; with a problem nothing is to be sent.
    """
    table = Table(("kind",), COLUMNS, (), lambda cells: _read_row(cells, reasons))
    parsed = parse(table, content, file, known)
    bad = list(parsed.bad)
    said = _gather(parsed, bad)
    return said, sorted(bad, key=lambda row: row.line)


def _read_row(cells: Cells, reasons: Sequence[str]) -> MovementRow:
    name = " ".join(cells.get("kind").casefold().replace("_", " ").replace("-", " ").split())
    kind = KINDS.get(name)
    if kind is None:
        near = did_you_mean(name, KINDS) or f" (known: {', '.join(KINDS)})"
        cells.bad.append(("kind", f"{show(cells.get('kind'))}: no such kind{near}"))
        return MovementRow(name, {})
    found = {column: cells.get(column) for column in COLUMNS if cells.get(column)}
    for column in kind.needs:
        if column not in found:
            cells.bad.append((column, f"is empty; a row of kind {name} needs it"))
    for column, value in found.items():
        if column not in kind.needs and column not in kind.may_have:
            cells.bad.append((column, f"{show(value)}: a row of kind {name} does not use it"))
        elif problem := _check(column, value, kind, name, cells, reasons):
            cells.bad.append((column, problem))
    if name == "return" and ("order" in found) != ("account" in found):
        cells.bad.append(("account" if "order" in found else "order", "is empty; account and order come together"))
    return MovementRow(name, found, good=not cells.bad)


def _check(column: str, value: str, kind: Kind, name: str, cells: Cells, reasons: Sequence[str]) -> str | None:
    """Say what is wrong with a cell that is not empty."""
    match column:
        case "location" | "target":
            cells.one_of(column, "location", cells.known.locations)
        case "account":
            cells.one_of(column, "account", (*cells.known.accounts, DIRECT))
        case "key" | "sku" | "po" | "transfer" | "order" | "line" | "source":
            cells.identifier(column)
        case "quantity" if kind.least < 0:
            return _check_delta(value)
        case "quantity":
            cells.units(column, value, least=kind.least)
        case "at" | "expected":
            return _problem(lambda: read_instant(value), value)
        case "reason" if name == "adjust":
            return _problem(lambda: settle_reason(value, reasons), value)
        case "state":
            return None if value in ON_HAND else f"{show(value)}: must be one of {', '.join(ON_HAND)}"
        case "outcome":
            return None if value.casefold() in OUTCOMES else f"{show(value)}: must be one of {', '.join(OUTCOMES)}"
        case "nets":
            return None if value.casefold() in {"yes", "no"} else f"{show(value)}: must be yes or no"
        case _ if len(value) > TEXT_CHARACTERS_MAX:
            return f"{show(value)}: at most {TEXT_CHARACTERS_MAX} characters"
        case _ if not value.isprintable():
            return f"{show(value)}: has control characters"
    return None


def _check_delta(value: str) -> str | None:
    digits = value.removeprefix("-")
    if digits.isascii() and digits.isdigit() and len(digits) <= 10 and 1 <= int(digits) <= UNITS_MAX:
        return None
    return f"{show(value)}: must be a whole number from -{UNITS_MAX} to {UNITS_MAX}, not 0"


def _problem(read: Callable[[], object], value: str) -> str | None:
    try:
        read()
    except ValueError as error:
        return f"{show(value)}: {error}"
    return None


def _gather(parsed: Parsed[MovementRow], bad: list[BadRow]) -> list[Said]:
    """Make commands of the rows; note keys that are used twice and rows of a document that disagree."""
    said: list[Said] = []
    keys: dict[tuple[str, str], int] = {}
    documents: dict[tuple[str, ...], tuple[Said, dict[str, str]]] = {}
    for row, line in zip(parsed.rows, parsed.lines, strict=True):
        if not row.good:
            continue
        kind, cells = KINDS[row.kind], row.cells

        def note(column: str, problem: str, line: int = line) -> None:
            bad.append(BadRow(parsed.file, line, parsed.columns.get(column, column), problem))

        if "key" in cells and (first := keys.setdefault((cells["sku"], cells["key"]), line)) != line:
            note("key", f"{show(cells['key'])}: the same sku and key as in line {first}")
        if not kind.together:
            said.append(Said(kind.words(cells), [line]))
            continue
        document = (row.kind, *(cells[column] for column in kind.together))
        header = {column: value for column, value in cells.items() if column not in {"sku", "quantity"}}
        command, first_header = documents.setdefault(document, (Said([*kind.words(cells), "LINES"], []), header))
        if not command.lines:
            said.append(command)
        for column in COLUMNS:
            if header.get(column) != first_header.get(column):
                note(
                    column, f"{show(header.get(column, ''))}: line {command.lines[0]} of this {row.kind} says otherwise"
                )
        if len(command.lines) == kind.lines_max:
            note("", f"more than {kind.lines_max} rows of one {row.kind}")
        command.words += [cells["sku"], cells["quantity"]]
        command.lines.append(line)
    return said
