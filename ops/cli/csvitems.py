"""The columns of the catalogue: from cells to a row of `IMPORT STAGE`, and back from a row of EXPORT to cells.

A column left out of the file leaves its field as it is. So does an empty cell, unless the caller asked to clear: a
spreadsheet loses columns easily, and empty is not zero (lesson E9).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from engine.domain.catalogue.importing_rows import SkuRow
from engine.domain.catalogue.items import (
    DAYS_MAX,
    GRAMS_MAX,
    MILLIMETRES_MAX,
    NO_DETAILS,
    TEXT_MAX,
    Problems,
    check_text,
    patched,
    tidy_line,
)
from engine.domain.units import Sku
from ops.cli.csvcells import join_list, join_pairs, split_list, split_pair, split_raw

ATTRIBUTE: Final = "attribute:"
"""Start of the name of a column with one attribute."""
PRICE: Final = "price:"
"""Start of the name of a column with the prices of one account."""
WHOLE: Final[Mapping[str, int]] = {
    "weight_grams": GRAMS_MAX,
    "length_mm": MILLIMETRES_MAX,
    "width_mm": MILLIMETRES_MAX,
    "height_mm": MILLIMETRES_MAX,
    "lead_days": DAYS_MAX,
}
"""Columns of whole numbers, and the largest of each."""
COLUMNS: Final = (
    "name", "category", "attributes", "barcodes", "weight_grams", "length_mm", "width_mm", "height_mm", "cost",
    "supplier", "lead_days", "images",
)  # fmt: skip


def read_item(
    sku: str, cells: Mapping[str, str], safety_stock: dict[str, int] | None, *, clear: bool
) -> tuple[SkuRow, Problems]:
    """Read the item columns of one record.

    Args:
        sku: its SKU, checked by the caller.
        cells: by our names of the columns.
        safety_stock: units by location.
        clear: an empty cell clears its field.

    Returns:
        The row, and each bad cell by column.
    """
    bad: Problems = []
    fields: dict[str, Any] = {}
    for column, cell in cells.items():
        if not cell and not clear:
            continue
        if column in WHOLE:
            fields[column] = _whole(column, cell, WHOLE[column], bad)
        elif column in _READERS:
            fields[column] = _READERS[column](cell) if cell else _EMPTY[column]
    attributes = dict(_attributes(cells, bad, clear=clear))
    if attributes:
        fields["attributes"] = attributes
    prices = {
        column.removeprefix(PRICE): cell or None
        for column, cell in cells.items()
        if column.startswith(PRICE) and (cell or clear)
    }
    if prices:
        fields["prices"] = prices
    row = SkuRow(sku=Sku(sku), safety_stock=safety_stock, **fields)  # type: ignore[arg-type]
    if isinstance(row.name, str) and (problem := check_text("name", row.name, TEXT_MAX)):
        bad.append(("name", problem))
    wrong: Problems = []
    patched(NO_DETAILS, row, wrong)
    bad += [(_column_of(field, cells), problem) for field, problem in wrong]
    return row, bad


def write_item(row: Mapping[str, Any], accounts: Sequence[str]) -> Iterator[str]:
    """Write a row of EXPORT as cells: SKU, safety stock, `COLUMNS`, then a price for each account."""
    yield row["sku"]
    yield join_pairs(row.get("safety_stock", {}))
    for column in COLUMNS:
        value = row.get(column)
        if isinstance(value, dict):
            yield join_pairs(value)
        elif isinstance(value, list):
            yield join_list(value)
        else:
            yield "" if value is None else str(value)
    prices = row.get("prices", {})
    for account in accounts:
        yield prices.get(account, "")


def _whole(column: str, cell: str, most: int, bad: Problems) -> int | None:
    if not cell:
        return None
    if cell.isascii() and cell.isdigit() and len(cell) <= 18 and int(cell) <= most:
        return int(cell)
    bad.append((column, f"{cell[:40]!r}: must be a whole number from 0 to {most}"))
    return None


def _attributes(cells: Mapping[str, str], bad: Problems, *, clear: bool) -> Iterator[tuple[str, str | None]]:
    seen: set[str] = set()
    for piece in split_raw(cells.get("attributes", "")):
        pair = split_pair(piece)
        if pair is None or not pair[0]:
            bad.append(("attributes", f"{piece[:40]!r}: must be name=value, with ; between several"))
        elif pair[0] in seen:
            bad.append(("attributes", f"{pair[0]!r}: stands there twice"))
        else:
            seen.add(pair[0])
            yield pair[0], pair[1] or None
    for column, cell in cells.items():
        if not column.startswith(ATTRIBUTE) or not (cell or clear):
            continue
        name = column.removeprefix(ATTRIBUTE)
        if name in seen:
            bad.append((column, "stands in column attributes too"))
        yield name, cell or None


def _column_of(field: str, cells: Mapping[str, str]) -> str:
    """Return the column that a field of the row was read from: `prices.shop-de` from `price:shop-de`."""
    what, dot, name = field.partition(".")
    if what == "prices" and dot:
        return PRICE + name
    if what == "attributes" and dot and ATTRIBUTE + name in cells:
        return ATTRIBUTE + name
    return what


_READERS: Final[Mapping[str, Callable[[str], Any]]] = {
    "name": tidy_line,
    "category": tidy_line,
    "supplier": tidy_line,
    "cost": str,
    "barcodes": lambda cell: tuple(split_list(cell)),
    "images": lambda cell: tuple(split_list(cell)),
}
_EMPTY: Final[Mapping[str, Any]] = {
    "name": "",
    "category": None,
    "supplier": None,
    "cost": None,
    "barcodes": None,
    "images": None,
}
