"""Laws of the import files: what was written is read; whatever is read gives a report, never a failure."""

import csv
import io

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain.units import UNITS_MAX
from ops.cli.csvfiles import CATALOGUE, LISTINGS, STOCK, Known, ListingRow, Row, SkuRow, StockRow, Table, parse

KNOWN = Known(("berlin", "ham;burg"), ("shop", "the, other"))
LETTERS = st.characters(exclude_categories=("C", "Z")) | st.just(" ")
NAMES = st.text(LETTERS, max_size=8).map(lambda text: " ".join(text.split()))
IDS = st.text(LETTERS, min_size=1, max_size=8).map(str.strip).filter(bool)
UNITS = st.integers(0, UNITS_MAX)
SKUS = st.builds(SkuRow, IDS, NAMES, st.none() | st.dictionaries(st.sampled_from(KNOWN.locations), UNITS, min_size=1))
LISTING_ROWS = st.builds(ListingRow, st.sampled_from(KNOWN.accounts), IDS, IDS, st.integers(1, UNITS_MAX))
STOCK_ROWS = st.builds(StockRow, IDS, st.sampled_from(KNOWN.locations), UNITS)


def write(columns: list[str], records: list[list[object]], delimiter: str) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter).writerows([columns, *records])
    return out.getvalue().encode()


def check(table: Table, columns: list[str], rows: list[Row], records: list[list[object]], delimiter: str) -> None:
    parsed = parse(table, write(columns, records, delimiter), "f.csv", KNOWN)
    assert parsed.bad == []
    assert parsed.rows == rows


@settings(max_examples=40)
@given(st.lists(STOCK_ROWS, max_size=5, unique_by=lambda row: (row.sku, row.location)), st.sampled_from(",;\t"))
def test_stock_written_is_stock_read(rows: list[Row], delimiter: str) -> None:
    records: list[list[object]] = [[row.on_hand, row.sku, row.location] for row in rows if isinstance(row, StockRow)]
    check(STOCK, ["on_hand", "sku", "location"], rows, records, delimiter)


@settings(max_examples=40)
@given(st.lists(LISTING_ROWS, max_size=5, unique_by=lambda row: (row.account, row.listing)), st.sampled_from(",;\t"))
def test_listings_written_are_listings_read(rows: list[Row], delimiter: str) -> None:
    records: list[list[object]] = [
        [row.account, row.listing, row.sku, row.pack_units] for row in rows if isinstance(row, ListingRow)
    ]
    check(LISTINGS, ["account", "listing", "sku", "pack_units"], rows, records, delimiter)


@settings(max_examples=40)
@given(st.lists(SKUS, max_size=5, unique_by=lambda row: row.sku), st.sampled_from(",;\t"))
def test_a_catalogue_written_is_a_catalogue_read(rows: list[Row], delimiter: str) -> None:
    columns = ["sku", "name", *(f"safety_stock:{location}" for location in KNOWN.locations)]
    records: list[list[object]] = [
        [row.sku, row.name, *((row.safety_stock or {}).get(location, "") for location in KNOWN.locations)]
        for row in rows
        if isinstance(row, SkuRow)
    ]
    check(CATALOGUE, columns, rows, records, delimiter)


@given(
    st.sampled_from([CATALOGUE, LISTINGS, STOCK]),
    st.sampled_from([b"", b"sku,name,safety_stock\n", b"account;listing;sku\n", b"sku,location,on_hand\n"]),
    st.binary(max_size=80) | st.text('",;\n\r=Aa1', max_size=80).map(str.encode),
)
def test_any_bytes_give_a_report(table: Table, header: bytes, content: bytes) -> None:
    parsed = parse(table, header + content, "f.csv", KNOWN)
    assert len(parsed.rows) == len(parsed.lines)
    assert all(row.line >= 1 and row.problem for row in parsed.bad)
