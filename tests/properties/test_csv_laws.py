"""Laws of the import files: what was written is read; whatever is read gives a report, never a failure."""

import csv
import io
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain.catalogue.barcodes import LENGTHS, compute_check_digit
from engine.domain.catalogue.importing_rows import SkuRow
from engine.domain.catalogue.items import (
    DAYS_MAX,
    GRAMS_MAX,
    MILLIMETRES_MAX,
    NO_DETAILS,
    Barcode,
    Details,
    Money,
    Problems,
    patched,
    tidy_line,
)
from engine.domain.units import UNITS_MAX, AccountId
from ops.cli.csvcells import guard
from ops.cli.csvfiles import CATALOGUE, LISTINGS, SAFETY_STOCK, STOCK, Known, ListingRow, Row, StockRow, Table, parse
from ops.cli.csvitems import COLUMNS, PRICE, write_item
from ops.exporter import said_of

KNOWN = Known(("berlin", "ham;burg"), ("shop", "the, other"))
ACCOUNTS = [AccountId(account) for account in KNOWN.accounts]
LETTERS = st.characters(exclude_categories=("C", "Z")) | st.just(" ")
IDS = st.text(LETTERS, min_size=1, max_size=8).map(str.strip).filter(bool)
UNITS = st.integers(0, UNITS_MAX)
LISTING_ROWS = st.builds(ListingRow, st.sampled_from(KNOWN.accounts), IDS, IDS, st.integers(1, UNITS_MAX))
STOCK_ROWS = st.builds(StockRow, IDS, st.sampled_from(KNOWN.locations), UNITS)


def write(columns: list[str], records: list[list[object]], delimiter: str) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter).writerows([columns, *records])
    return out.getvalue().encode()


def check(table: Table[Any], columns: list[str], rows: list[Row], records: list[list[object]], delimiter: str) -> None:
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


TIDY = st.text(LETTERS | st.sampled_from(";|=\\'+-@"), max_size=8).map(tidy_line)
TEXTS = st.text(LETTERS | st.sampled_from(";|=\\'\"\n,+-@"), max_size=8).map(str.strip)
ADDRESSES = st.text(LETTERS | st.sampled_from(";|=\\'"), min_size=1, max_size=8).filter(
    lambda text: text.split() == [text]
)
MONEY = st.from_regex(r"(0|[1-9][0-9]{0,3})(\.[0-9]{1,4})? [A-Z]{3}", fullmatch=True).map(Money)


@st.composite
def barcodes(draw: st.DrawFn) -> Barcode:
    """Return a GTIN of any length; it may begin with zeros."""
    digits = draw(st.integers(1, 10**13 - 1))
    length = draw(st.sampled_from([length for length in LENGTHS if length > len(str(digits))]))
    body = str(digits).zfill(length - 1)
    return Barcode(body + compute_check_digit(body))


@st.composite
def details(draw: st.DrawFn) -> Details:
    """Return what an item may be like, with everything that CSV, spreadsheets and our own lists make hard."""
    return Details(
        category=draw(TIDY),
        attributes=tuple(sorted(draw(st.dictionaries(TIDY.filter(bool), TEXTS.filter(bool), max_size=3)).items())),
        barcodes=tuple(draw(st.lists(barcodes(), unique_by=int, max_size=3))),
        weight_grams=draw(st.none() | st.integers(0, GRAMS_MAX)),
        length_mm=draw(st.none() | st.integers(0, MILLIMETRES_MAX)),
        cost=draw(st.none() | MONEY),
        prices=tuple(sorted(draw(st.dictionaries(st.sampled_from(ACCOUNTS), MONEY)).items())),
        supplier=draw(TIDY),
        lead_days=draw(st.none() | st.integers(0, DAYS_MAX)),
        images=tuple(draw(st.lists(ADDRESSES, unique=True, max_size=3))),
    )


ITEMS = st.dictionaries(
    IDS, st.tuples(TIDY, details(), st.dictionaries(st.sampled_from(KNOWN.locations), UNITS)), max_size=3
)


@given(ITEMS)
def test_an_exported_catalogue_comes_back_as_it_was(items: dict[str, tuple[str, Details, dict[str, int]]]) -> None:
    """Into an empty catalogue it brings everything, into the same one nothing."""
    rows: list[list[object]] = []
    for sku, (name, said, stock) in items.items():
        exported = {"sku": sku, "name": name, "safety_stock": stock, **said_of(said)}
        rows.append([guard(cell) for cell in write_item(exported, KNOWN.accounts)])
    header = ["sku", SAFETY_STOCK, *COLUMNS, *(PRICE + account for account in KNOWN.accounts)]
    parsed = parse(CATALOGUE, write(header, rows, ","), "f.csv", KNOWN)
    assert parsed.bad == []
    for row, (sku, (name, said, stock)) in zip(parsed.rows, items.items(), strict=True):
        assert isinstance(row, SkuRow)
        assert (row.sku, row.name or "", row.safety_stock or {}) == (sku, name, stock)
        wrong: Problems = []
        assert patched(NO_DETAILS, row, wrong) == said
        assert patched(said, row, wrong) is said
        assert wrong == []


@given(
    st.sampled_from([CATALOGUE, LISTINGS, STOCK]),
    st.sampled_from([b"", b"sku,name,safety_stock\n", b"account;listing;sku\n", b"sku,location,on_hand\n"]),
    st.binary(max_size=80) | st.text('",;\n\r=Aa1', max_size=80).map(str.encode),
)
def test_any_bytes_give_a_report(table: Table[Any], header: bytes, content: bytes) -> None:
    parsed = parse(table, header + content, "f.csv", KNOWN)
    assert len(parsed.rows) == len(parsed.lines)
    assert all(row.line >= 1 and row.problem for row in parsed.bad)
