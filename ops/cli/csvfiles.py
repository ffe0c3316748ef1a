"""The three files of `lastunit import`: pure, and every bad row is named by file, line and column.

The first line names the columns, in any order; upper case and blanks in their names do not matter.
"""

from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from typing import Any, Final, Generic, TypeVar

import msgspec

from config.rules import show
from config.walk import did_you_mean, unknown_id
from engine.domain.catalogue.importing_rows import SkuRow
from engine.domain.units import UNITS_MAX, check_identifier
from ops.cli.csvcells import split_pair, split_raw
from ops.cli.csvitems import ATTRIBUTE, COLUMNS, PRICE, read_item
from ops.cli.csvtext import BadRow, Sheet

SAFETY_STOCK: Final = "safety_stock"
TICK_ROWS: Final = 1000
"""Rows between two words about progress."""
_PER_LOCATION: Final = f"{SAFETY_STOCK}:"
"""Start of the name of a column with the safety stock of one location."""


class _Row(msgspec.Struct, tag_field="kind", omit_defaults=True):
    """One row as `IMPORT STAGE` takes it."""


class ListingRow(_Row, tag="listing"):
    """One SKU as one account knows it."""

    account: str
    listing: str
    sku: str
    pack_units: int = 1


class StockRow(_Row, tag="stock"):
    """Opening stock."""

    sku: str
    location: str
    on_hand: int


class RecipeRow(_Row, tag="recipe"):
    """One component of a bundle."""

    sku: str
    component: str
    quantity: int
    together: bool = False


Row = SkuRow | ListingRow | StockRow | RecipeRow
R = TypeVar("R")
"""What a table's rows become."""


class Known(msgspec.Struct, frozen=True):
    """The ids that the configuration has."""

    locations: tuple[str, ...]
    accounts: tuple[str, ...]
    clear: bool = False
    """Whether an empty cell of the catalogue clears its field."""


class Parsed(msgspec.Struct, Generic[R], frozen=True):
    """What a file holds."""

    file: str
    rows: list[R]
    lines: list[int]
    """Where each row stands."""
    columns: dict[str, str]
    """Our name of each column: as the file spells it."""
    bad: list[BadRow]

    def locate(self, row: int, field: str) -> tuple[int, str]:
        """Return line and column of a row's field, as the daemon names it: `on_hand`, `safety_stock.berlin`."""
        name = field.replace(".", ":", 1).replace("prices:", PRICE).replace("attributes:", ATTRIBUTE)
        column = self.columns.get(name) or self.columns.get(field.partition(".")[0]) or field
        return self.lines[row], column


class Cells:
    """One record by column; bad cells are gathered, so that a row shows all of them."""

    __slots__ = ("_cells", "bad", "known")

    def __init__(self, cells: dict[str, str], known: Known) -> None:
        self._cells = cells
        self.known = known
        self.bad: list[tuple[str, str]] = []

    @property
    def by_column(self) -> Mapping[str, str]:
        """Every cell by our name of its column."""
        return self._cells

    def get(self, column: str) -> str:
        """Return a cell, empty when the file has no such column."""
        return self._cells.get(column, "")

    def identifier(self, column: str) -> str:
        """Return an id that the daemon will take."""
        value = self.get(column)
        if problem := check_identifier(column, value):
            self.bad.append((column, problem))
        return value

    def one_of(self, column: str, what: str, names: tuple[str, ...]) -> str:
        """Return an id that the configuration has."""
        value = self.get(column)
        if value not in names:
            self.bad.append((column, _unknown(what, value, names)))
        return value

    def units(self, column: str, text: str, least: int = 0) -> int:
        """Read a whole number: digits only, no sign, no point, no thousands."""
        if text.isascii() and text.isdigit() and len(text) <= 18 and least <= (value := int(text)) <= UNITS_MAX:
            return value
        self.bad.append((column, f"{show(text)}: must be a whole number from {least} to {UNITS_MAX}"))
        return least

    def safety_stock(self) -> dict[str, int] | None:
        """Gather units by location from `berlin=2;hamburg=1` and the columns of single locations."""
        found: dict[str, int] = {}
        for part in split_raw(self.get(SAFETY_STOCK)):
            location, text = split_pair(part) or ("", "")
            if not location:
                problem = f"{show(part.strip())}: must be location=units, with ; between several"
                self.bad.append((SAFETY_STOCK, problem))
            elif location not in self.known.locations:
                self.bad.append((SAFETY_STOCK, _unknown("location", location, self.known.locations)))
            elif location in found:
                self.bad.append((SAFETY_STOCK, f"{show(location)}: stands there twice"))
            else:
                found[location] = self.units(SAFETY_STOCK, text)
        for column, text in self._cells.items():
            location = column.removeprefix(_PER_LOCATION)
            if location == column or not text:
                continue
            if location in found:
                self.bad.append((column, f"stands in column {SAFETY_STOCK} too"))
            found[location] = self.units(column, text)
        return found or None


class Table(msgspec.Struct, Generic[R], frozen=True):
    """One kind of file."""

    required: tuple[str, ...]
    optional: tuple[str, ...]
    key: tuple[str, ...]
    """Columns that together may appear once; none: every row stands for itself."""
    build: Callable[[Cells], R]


def _sku_row(cells: Cells) -> SkuRow:
    row, bad = read_item(cells.identifier("sku"), cells.by_column, cells.safety_stock(), clear=cells.known.clear)
    cells.bad += bad
    return row


def _listing_row(cells: Cells) -> ListingRow:
    return ListingRow(
        account=cells.one_of("account", "account", cells.known.accounts),
        listing=cells.identifier("listing"),
        sku=cells.identifier("sku"),
        pack_units=cells.units("pack_units", cells.get("pack_units") or "1", least=1),
    )


def _stock_row(cells: Cells) -> StockRow:
    return StockRow(
        sku=cells.identifier("sku"),
        location=cells.one_of("location", "location", cells.known.locations),
        on_hand=cells.units("on_hand", cells.get("on_hand")),
    )


def _recipe_row(cells: Cells) -> RecipeRow:
    together = cells.get("together").lower() or "no"
    if together not in {"yes", "no"}:
        cells.bad.append(("together", f"{show(together)}: must be yes or no"))
    return RecipeRow(
        sku=cells.identifier("sku"),
        component=cells.identifier("component"),
        quantity=cells.units("quantity", cells.get("quantity"), least=1),
        together=together == "yes",
    )


CATALOGUE: Final = Table(("sku",), (*COLUMNS, SAFETY_STOCK), ("sku",), _sku_row)
"""`safety_stock` as `berlin=2;hamburg=1`, or a column `safety_stock:<location>` for each; likewise `attributes` and
`attribute:<name>`; `price:<account>`."""
LISTINGS: Final = Table(("account", "listing", "sku"), ("pack_units",), ("account", "listing"), _listing_row)
"""`pack_units`: units in one piece of the listing; 1 when empty."""
STOCK: Final = Table(("sku", "location", "on_hand"), (), ("sku", "location"), _stock_row)
RECIPES: Final = Table(("sku", "component", "quantity"), ("together",), ("sku", "component"), _recipe_row)
"""All rows of a bundle are its recipe. `together`: yes, its components must come from one location; no when empty."""


def parse(
    table: Table[R], content: bytes, file: str, known: Known, tick: Callable[[int], None] = lambda _rows: None
) -> Parsed[R]:
    """Read one file.

    Args:
        table: `CATALOGUE`, `LISTINGS`, `STOCK` or `RECIPES`.
        content: the whole file.
        file: how messages name it.
        known: ids that rows may name.
        tick: told now and then how many rows were read.

    Returns:
        The good rows and every problem; a file with a problem is not to be used, in whole or in part.
    """
    sheet = Sheet(content, file)
    records = iter(sheet)
    line, header = next(records, (1, []))
    columns = _read_header(table, sheet, line, header, known)
    parsed: Parsed[R] = Parsed(file, [], [], {name: header[n] for n, name in enumerate(columns) if name}, sheet.bad)
    if not set(table.required) <= set(columns):
        return parsed  # rows cannot be judged without them
    seen: dict[tuple[str, ...], int] = {}
    for line, record in records:
        if not _fits(sheet, line, record, len(columns)):
            continue
        found = dict(zip(columns, record, strict=False))
        cells = Cells(found, known)
        row = table.build(cells)
        key = tuple(found[name] for name in table.key)
        if key and (first := seen.setdefault(key, line)) != line:
            cells.bad.append((table.key[-1], f"the same {' and '.join(table.key)} as in line {first}"))
        for column, problem in cells.bad:
            sheet.note(line, parsed.columns.get(column, column), problem)
        parsed.rows.append(row)
        parsed.lines.append(line)
        if len(parsed.rows) % TICK_ROWS == 0:
            tick(len(parsed.rows))
    return parsed


def _read_header(table: Table[Any], sheet: Sheet, line: int, header: list[str], known: Known) -> list[str]:
    """Return our name for each column, empty for one that is not ours, and note what is wrong with the line."""
    wanted = (*table.required, *table.optional)
    if not header:
        if not sheet.bad:
            sheet.note(line, "", f"is empty; the first line names the columns: {', '.join(wanted)}")
        return []
    columns: list[str] = []
    for spelled in header:
        name = _column_name(spelled)
        problem = "stands there twice" if name in columns else _column_problem(name, wanted, known)
        if problem:
            sheet.note(line, spelled, problem)
        columns.append("" if problem else name)
    for name in table.required:
        if name not in columns:
            sheet.note(line, name, "this column is missing")
    return columns


def _column_name(spelled: str) -> str:
    """Return `On Hand` as `on_hand`; a location's id keeps its spelling."""
    name, colon, location = spelled.partition(":")
    return "_".join(name.casefold().replace("-", " ").split()) + colon + location.strip()


def _column_problem(name: str, wanted: tuple[str, ...], known: Known) -> str | None:
    if name in wanted:
        return None
    if SAFETY_STOCK in wanted and name.startswith(PRICE):
        account = name.removeprefix(PRICE)
        return None if account in known.accounts else _unknown("account", account, known.accounts)
    if SAFETY_STOCK in wanted and name.startswith(ATTRIBUTE):
        return None if name != ATTRIBUTE else "must name an attribute, as in attribute:colour"
    if SAFETY_STOCK in wanted and name.startswith(_PER_LOCATION):
        location = name.removeprefix(_PER_LOCATION)
        return None if location in known.locations else _unknown("location", location, known.locations)
    return "no such column" + (did_you_mean(name, wanted) or f" (known: {', '.join(wanted)})")


def _fits(sheet: Sheet, line: int, record: list[str], width: int) -> bool:
    if len(record) < width:
        sheet.note(line, "", f"has {len(record)} columns, the first line names {width}")
        return False
    if any(record[width:]):  # spreadsheets add empty ones
        sheet.note(line, "", f"has {len(record)} columns, the first line names {width}: is a comma not quoted?")
        return False
    return True


@lru_cache(maxsize=1024)
def _unknown(what: str, value: str, names: Collection[str]) -> str:
    """Cached: a whole file may name the same wrong id, and looking for a near one is slow."""
    return f"{show(value)}: {unknown_id(what, value, names)}"
