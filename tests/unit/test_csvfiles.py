"""Every bad row of an import is named by file, line and column."""

from typing import Any

import msgspec
import pytest

from engine.domain.catalogue.importing_rows import SkuRow
from engine.domain.units import Sku
from ops.cli.csvfiles import CATALOGUE, LISTINGS, STOCK, Known, ListingRow, Parsed, StockRow, Table, parse

KNOWN = Known(("berlin", "hamburg"), ("shop",))


def sku_row(sku: str, **fields: Any) -> SkuRow:
    return SkuRow(sku=Sku(sku), **fields)


def read(table: Table[Any], text: str | bytes) -> Parsed[Any]:
    return parse(table, text if isinstance(text, bytes) else text.encode(), "f.csv", KNOWN)


def bad(table: Table[Any], text: str | bytes) -> list[str]:
    return [str(row).removeprefix("f.csv:") for row in read(table, text).bad]


def test_stock_is_read_with_its_lines() -> None:
    parsed = read(STOCK, "sku,location,on_hand\nA-1,berlin,4\n\nA-1,hamburg,0\n,,\n")
    assert parsed.rows == [StockRow("A-1", "berlin", 4), StockRow("A-1", "hamburg", 0)]
    assert parsed.lines == [2, 4]
    assert parsed.bad == []


@pytest.mark.parametrize(
    "text",
    [
        "sku,location,on_hand\nA-1,berlin,4\n",
        "\ufeffsku,location,on_hand\r\nA-1,berlin,4\r\n",
        "on_hand;SKU; Location\n4;A-1;berlin",
        '"On Hand"\t"sku"\t"location"\n"4"\t"A-1"\t" berlin "\n',
        "sku,location,on-hand,,\nA-1,berlin,4,,\n".replace(",,", ""),
        "sku,location,on_hand\rA-1,berlin,4\r",
        "sku,location,on_hand\nA-1,berlin,4,,,\n",
    ],
)
def test_files_are_read_as_spreadsheets_write_them(text: str) -> None:
    parsed = read(STOCK, text)
    assert parsed.bad == []
    assert parsed.rows == [StockRow("A-1", "berlin", 4)]


def test_safety_stock_is_read_from_one_column_or_from_one_per_location() -> None:
    text = 'sku,name,safety_stock,Safety Stock:hamburg\nA,"Mug, blue",berlin=2; ,1\nB,,,\nC,c,berlin=1;hamburg=0,\n'
    assert read(CATALOGUE, text).rows == [
        sku_row("A", name="Mug, blue", safety_stock={"berlin": 2, "hamburg": 1}),
        sku_row("B"),
        sku_row("C", name="c", safety_stock={"berlin": 1, "hamburg": 0}),
    ]


def test_a_listing_is_one_unit_unless_told() -> None:
    parsed = read(LISTINGS, "account,listing,sku,pack_units\nshop,1,A,\nshop,2,A,6\n")
    assert parsed.rows == [ListingRow("shop", "1", "A"), ListingRow("shop", "2", "A", 6)]


def test_rows_are_written_as_the_daemon_takes_them() -> None:
    rows = [sku_row("A", name="a"), ListingRow("shop", "1", "A", 6), StockRow("A", "berlin", 0)]
    assert msgspec.to_builtins(rows) == [
        {"kind": "sku", "sku": "A", "name": "a"},
        {"kind": "listing", "account": "shop", "listing": "1", "sku": "A", "pack_units": 6},
        {"kind": "stock", "sku": "A", "location": "berlin", "on_hand": 0},
    ]


MISTYPED = "barcode '4006381333932' ends in 2, its check digit would be 1: is a digit mistyped?"
NUMBER = "must be a whole number from 0 to 1000000000"
HEADER = "sku,location,on_hand\n"


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("", ["1: is empty; the first line names the columns: sku, location, on_hand"]),
        (b"\xff\xfes\x00k\x00", ["1: is UTF-16: save the file as CSV UTF-8"]),
        ("sku,on_hand\nA,1\n", ["1: location: this column is missing"]),
        (
            "sku,locatoin,on_hand\n",
            ["1: locatoin: no such column; did you mean 'location'?", "1: location: this column is missing"],
        ),
        ("sku,location,on_hand,ean\n", ["1: ean: no such column (known: sku, location, on_hand)"]),
        ("sku,location,SKU,on_hand\n", ["1: SKU: stands there twice"]),
        (HEADER + "A,berlin,1.0\n", [f"2: on_hand: '1.0': {NUMBER}"]),
        (
            HEADER + "A,berlin,-1\nB,berlin,\nC,berlin,٣\n",
            [f"2: on_hand: '-1': {NUMBER}", f"3: on_hand: '': {NUMBER}", f"4: on_hand: '٣': {NUMBER}"],
        ),
        (HEADER + "A,berlin,99999999999999999999\n", [f"2: on_hand: '99999999999999999999': {NUMBER}"]),
        (
            HEADER + "A,berlni,1\n",
            ["2: location: 'berlni': no location has this id (known: berlin, hamburg); did you mean 'berlin'?"],
        ),
        (HEADER + ",berlin,1\n", ["2: sku: sku is empty"]),
        (HEADER + "A\0,berlin,1\n", ["2: sku: sku 'A\\x00' has control characters or blanks at an end"]),
        (HEADER + "A,berlin,1\nB,berlin,1\nA,berlin,2\n", ["4: location: the same sku and location as in line 2"]),
        (HEADER + "A,berlin\n", ["2: has 2 columns, the first line names 3"]),
        (HEADER + "A,berlin,1,2\n", ["2: has 4 columns, the first line names 3: is a comma not quoted?"]),
        (
            HEADER + 'A,berlin,"1\nB,berlin,1\n',
            ["2: broken quotes (unexpected end of data); the rest of the file was not read"],
        ),
        (
            HEADER + 'A,"ber"lin,1\nB,x,1',
            ["2: broken quotes (',' expected after '\"'); the rest of the file was not read"],
        ),
        (
            HEADER + '"A\nB",berlin,1\nC,x,x\n',
            [
                "2: sku: sku 'A\\nB' has control characters or blanks at an end",
                "4: location: 'x': no location has this id (known: berlin, hamburg)",
                f"4: on_hand: 'x': {NUMBER}",
            ],
        ),
        (
            HEADER.encode() + b"A,k\xf6ln,x\nB,berlin,x\n",
            ["2: byte 4 (0xf6) is not UTF-8: save as CSV UTF-8", f"3: on_hand: 'x': {NUMBER}"],
        ),
    ],
)
def test_a_bad_row_is_named_with_its_line_and_column(text: str | bytes, problems: list[str]) -> None:
    assert bad(STOCK, text) == problems


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("sku,name,safety_stock\nA,a,5\n", ["2: safety_stock: '5': must be location=units, with ; between several"]),
        ("sku,name,safety_stock\nA,a,berlin=x\n", [f"2: safety_stock: 'x': {NUMBER}"]),
        ("sku,name,safety_stock\nA,a,berlin=1;berlin=2\n", ["2: safety_stock: 'berlin': stands there twice"]),
        (
            "sku,name,safety_stock\nA,a,ulm=1\n",
            ["2: safety_stock: 'ulm': no location has this id (known: berlin, hamburg)"],
        ),
        (
            "sku,name,safety_stock:ulm\nA,a,1\n",
            ["1: safety_stock:ulm: 'ulm': no location has this id (known: berlin, hamburg)"],
        ),
        ("sku,name,safety_stock:berlin\nA,a,-\n", [f"2: safety_stock:berlin: '-': {NUMBER}"]),
        (
            "sku,name,safety_stock,safety_stock:berlin\nA,a,berlin=1,1\n",
            ["2: safety_stock:berlin: stands in column safety_stock too"],
        ),
        ("sku,name\nA,a\nA,b\n", ["3: sku: the same sku as in line 2"]),
        ("sku,name\nA,\x1b[2J\n", ["2: name: name '\\x1b[2J' has control characters"]),
        ("sku,barcodes\nA,4006381333932\n", [f"2: barcodes: {MISTYPED}"]),
        (
            "sku,barcodes\nA,4006381333931;04006381333931\n",
            ["2: barcodes: barcode '04006381333931' stands there twice"],
        ),
        ("sku,weight_grams\nA,1.5\n", ["2: weight_grams: '1.5': must be a whole number from 0 to 100000000"]),
        ('sku,cost\nA,"12,50"\n', ["2: cost: '12,50' is not an amount and a currency, as in 12.50 EUR"]),
        ("sku,price:shop\nA,12\n", ["2: price:shop: '12' is not an amount and a currency, as in 12.50 EUR"]),
        ("sku,price:shp\n", ["1: price:shp: 'shp': no account has this id (known: shop); did you mean 'shop'?"]),
        ("sku,attributes\nA,red\n", ["2: attributes: 'red': must be name=value, with ; between several"]),
        ("sku,attributes\nA,c=1;c=2\n", ["2: attributes: 'c': stands there twice"]),
        ("sku,attributes,attribute:c\nA,c=1,2\n", ["2: attribute:c: stands in column attributes too"]),
        ("sku,attribute:\n", ["1: attribute:: must name an attribute, as in attribute:colour"]),
        ("sku,images\nA,a b\n", ["2: images: 'a b' is not an address: it is empty or has blanks"]),
        ("sku,barcode\n", ["1: barcode: no such column; did you mean 'barcodes'?"]),
    ],
)
def test_a_bad_row_of_the_catalogue_is_named(text: str, problems: list[str]) -> None:
    assert bad(CATALOGUE, text) == problems


def test_a_bad_row_of_the_listings_is_named() -> None:
    text = "account,listing,sku,pack_units\nshp,1,A,0\nshop,1,A,1\nshop,1,B,1\n"
    assert bad(LISTINGS, text) == [
        "2: account: 'shp': no account has this id (known: shop); did you mean 'shop'?",
        "2: pack_units: '0': must be a whole number from 1 to 1000000000",
        "4: listing: the same account and listing as in line 3",
    ]


def test_the_daemon_s_fields_are_found_in_the_file() -> None:
    parsed = read(CATALOGUE, "SKU,name,safety_stock,Safety_Stock:hamburg\nA,a,berlin=1,1\n")
    assert parsed.locate(0, "sku") == (2, "SKU")
    assert parsed.locate(0, "safety_stock") == (2, "safety_stock")
    assert parsed.locate(0, "safety_stock.berlin") == (2, "safety_stock")
    assert parsed.locate(0, "safety_stock.hamburg") == (2, "Safety_Stock:hamburg")
    assert parsed.locate(0, "colour") == (2, "colour")


FULL = """\
sku,name,category,attributes,attribute:size,barcodes,weight_grams,length_mm,width_mm,height_mm,cost,price:shop,supplier,\
lead_days,images
A,Mug,Kitchen,colour=red|note=a\\;b,L,0 12345 67890 5|40063813-33931,350,90,80,100,002.50 EUR,9.99 EUR,Potter,14,\
https://x/1.jpg;https://x/2.jpg
"""


def test_a_row_may_say_all_that_there_is_to_say() -> None:
    parsed = read(CATALOGUE, FULL)
    assert parsed.bad == []
    assert parsed.rows == [
        sku_row(
            "A",
            name="Mug",
            category="Kitchen",
            attributes={"colour": "red", "note": "a;b", "size": "L"},
            barcodes=("0 12345 67890 5", "40063813-33931"),
            weight_grams=350,
            length_mm=90,
            width_mm=80,
            height_mm=100,
            cost="002.50 EUR",
            prices={"shop": "9.99 EUR"},
            supplier="Potter",
            lead_days=14,
            images=("https://x/1.jpg", "https://x/2.jpg"),
        )
    ]


def test_an_empty_cell_says_nothing_unless_it_is_to_clear() -> None:
    """Lesson E9: empty is not zero. A spreadsheet that lost its figures must not empty the catalogue."""
    text = b"sku,name,cost,weight_grams,barcodes,price:shop,attribute:size\nA,,,,,,\n"
    assert parse(CATALOGUE, text, "f.csv", KNOWN).rows == [sku_row("A")]
    clearing = Known(KNOWN.locations, KNOWN.accounts, clear=True)
    nothing = {"cost": None, "weight_grams": None, "barcodes": None, "prices": {"shop": None}}
    assert parse(CATALOGUE, text, "f.csv", clearing).rows == [
        sku_row("A", name="", attributes={"size": None}, **nothing)
    ]


def test_the_fields_of_maps_are_found_in_the_file() -> None:
    parsed = read(CATALOGUE, FULL)
    assert parsed.locate(0, "prices.shop") == (2, "price:shop")
    assert parsed.locate(0, "attributes.size") == (2, "attribute:size")
    assert parsed.locate(0, "attributes.colour") == (2, "attributes")
