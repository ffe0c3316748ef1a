"""Products, variations and the verdicts on writing them; unknown is never zero."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.channels.woocommerce.listings import (
    CatalogueCursor,
    Target,
    build_cursor,
    build_listing_id,
    build_write,
    parse_cursor,
    parse_listing_id,
    parse_write,
    read_product,
    turn_page,
)
from adapters.channels.woocommerce.replies import Call
from adapters.channels.woocommerce.wire import (
    Scalar,
    WireProduct,
    whole_units,
)
from engine.domain.errors import (
    OutcomeUnknown,
    Refused,
)
from engine.domain.units import ListingId
from engine.ports import StockWrite, Verdict

CALL = Call(channel="shop", operation="op", retry_after_seconds_max=900, secrets=("cs_test",))
WRITE = msgspec.structs.replace(CALL, writes=True)

Json = dict[str, Any]


@given(parent=st.integers(0, 10**17), item=st.integers(1, 10**17))
def test_a_listing_id_reads_back_as_written(parent: int, item: int) -> None:
    assert parse_listing_id(build_listing_id(parent, item)) == Target(parent, item)


@pytest.mark.parametrize("text", ["", "0", "a", "1/", "/1", "1/2/3", "-1", "01", "1 ", "1\n", "\u0661", "9" * 30])
def test_other_channels_listing_ids_are_not_taken_for_ours(text: str) -> None:
    assert parse_listing_id(ListingId(text)) is None


@given(
    page=st.integers(0, 9999),
    total=st.none() | st.integers(0, 10**6),
    parents=st.lists(st.integers(1, 10**9), max_size=5).map(tuple),
    variation_page=st.integers(1, 99),
)
def test_a_cursor_reads_back_as_written(
    page: int, total: int | None, parents: tuple[int, ...], variation_page: int
) -> None:
    cursor = CatalogueCursor(page=page, total=total, parents=parents, variation_page=variation_page)
    text = build_cursor(cursor)
    assert (text is None) == (page == 0 and not parents)
    assert text is None or parse_cursor(CALL, text) == cursor


@pytest.mark.parametrize("text", ["", "{}x", "[]", '{"p":"a"}'])
def test_a_foreign_cursor_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="not one of ours"):
        parse_cursor(CALL, text)


@pytest.mark.parametrize(
    ("headers", "rows", "total_before", "following"),
    [
        ({"x-wp-totalpages": "5", "x-wp-total": "50"}, 10, None, (3, 50)),
        ({"x-wp-totalpages": "5", "x-wp-total": "50"}, 7, 50, (3, 50)),  # a short page is not the last one
        ({"x-wp-totalpages": "2", "x-wp-total": "20"}, 10, 20, (0, 20)),
        ({}, 10, None, (3, None)),
        ({}, 9, None, (0, None)),
        ({"x-wp-totalpages": "many"}, 10, None, (3, None)),
        ({"x-wp-totalpages": "2", "x-wp-total": "19"}, 9, 20, (1, 19)),  # deleted meanwhile: look again
        ({"x-wp-totalpages": "2", "x-wp-total": "0"}, 0, 500, (1, 0)),
    ],
)
def test_pages_end_where_the_shop_says_and_a_shrinking_list_is_read_again(
    headers: dict[str, str], rows: int, total_before: int | None, following: tuple[int, int | None]
) -> None:
    assert turn_page(headers, page=2, page_size=10, rows=rows, total_before=total_before) == following


@given(units=st.integers(-(10**9), 10**9))
def test_whole_quantities_are_read_however_php_writes_them(units: int) -> None:
    assert [whole_units(value) for value in (units, float(units), str(units), f"{units}.00")] == [units] * 4


@pytest.mark.parametrize("value", [1.5, "1.5", True, "many", float("inf"), float("nan"), 10**10, "1e3", "9" * 5000])
def test_anything_else_is_not_a_quantity(value: Scalar) -> None:
    with pytest.raises(ValueError, match=r"quantity|whole"):
        whole_units(value)


@given(value=st.none() | st.booleans() | st.integers() | st.floats() | st.text())
def test_only_a_zero_is_read_as_zero(value: Scalar) -> None:
    """Law 8: unknown is not zero."""
    try:
        units = whole_units(value)
    except ValueError:
        return
    if units == 0:
        assert float(value or "nan") == 0 or value == 0


PRODUCT_ROW: Json = {
    "id": 11,
    "type": "simple",
    "status": "publish",
    "name": "Shirt",
    "sku": "A-1",
    "manage_stock": True,
    "stock_quantity": 7,
}


@pytest.mark.parametrize(
    ("changes", "shown", "managed", "problem"),
    [
        ({}, 7, True, None),
        ({"stock_quantity": -2}, -2, True, None),
        ({"stock_quantity": "7"}, 7, True, None),
        ({"stock_quantity": None}, None, True, None),
        ({"manage_stock": False, "stock_quantity": 0}, None, True, None),
        ({"stock_quantity": 1.5}, None, True, "11: stock_quantity: 1.5 is not a whole number of units"),
        ({"status": "draft"}, 7, True, None),
        ({"status": "private"}, 7, True, None),
        ({"sku": "x" * 300}, 7, True, "11: sku is longer than 200 bytes"),
    ],
)
def test_a_product_shows_what_it_counts_and_none_when_it_does_not(
    changes: Json, shown: int | None, managed: bool, problem: str | None
) -> None:
    listing, said = read_product(msgspec.convert(PRODUCT_ROW | changes, WireProduct))
    assert listing is not None
    assert (listing.shown, listing.managed, said) == (shown, managed, problem)


@pytest.mark.parametrize(
    "changes", [{"status": "trash"}, {"type": "variable"}, {"type": "grouped"}, {"type": "external"}, {"id": 0}]
)
def test_what_cannot_be_sold_is_no_listing(changes: Json) -> None:
    assert read_product(msgspec.convert(PRODUCT_ROW | changes, WireProduct)) == (None, None)


@pytest.mark.parametrize(("sku", "read"), [("", None), (None, None), ("  ", None), (" A ", "A"), (42, "42")])
def test_a_blank_sku_is_none(sku: Scalar, read: str | None) -> None:
    listing, _ = read_product(msgspec.convert(PRODUCT_ROW | {"sku": sku}, WireProduct))
    assert listing is not None
    assert listing.sku == read


def test_a_variation_that_shares_its_parent_s_stock_is_not_written() -> None:
    row = msgspec.convert(PRODUCT_ROW | {"id": 12, "type": "variation", "manage_stock": "parent"}, WireProduct)
    listing, problem = read_product(row, parent_id=10)
    assert listing is not None
    assert (listing.listing_id, listing.shown, listing.managed) == ("10/12", None, False)
    assert problem == "10/12 shares the stock of product 10; manage stock on the variation"


WRITES = [
    (Target(0, 11), StockWrite(listing_id=ListingId("11"), quantity=7, version=1)),
    (Target(0, 12), StockWrite(listing_id=ListingId("12"), quantity=0, version=1)),
]


def test_a_write_is_an_absolute_quantity() -> None:
    assert json.loads(build_write(WRITES)) == {
        "update": [
            {"id": 11, "manage_stock": True, "stock_quantity": 7},
            {"id": 12, "manage_stock": True, "stock_quantity": 0},
        ]
    }


INVALID = {"code": "woocommerce_rest_product_invalid_id", "message": "Invalid ID.", "data": {"status": 400}}
FIRST = {"id": 11, "manage_stock": True, "stock_quantity": 7}


@pytest.mark.parametrize(
    ("rows", "verdict", "shown", "reason"),
    [
        ([FIRST, {"id": 12, "manage_stock": True, "stock_quantity": 0}], Verdict.APPLIED, 0, ""),
        ([FIRST, {"id": 12, "stock_quantity": 98}], Verdict.ACCEPTED, 98, "sent 0, answered with 98"),
        ([FIRST, {"id": 12, "stock_quantity": None}], Verdict.ACCEPTED, None, "sent 0, answered without a quantity"),
        ([FIRST, {"id": 12}], Verdict.ACCEPTED, None, "sent 0, answered without a quantity"),
        (
            [FIRST, {"id": 12, "manage_stock": False, "stock_quantity": 0}],
            Verdict.ACCEPTED,
            None,
            "answered manage_stock False",
        ),
        ([FIRST, {"id": 12, "stock_quantity": 0.5}], Verdict.ACCEPTED, None, "answered with 0.5 is not a whole"),
        ([FIRST, {"id": 12, "error": INVALID}], Verdict.REFUSED, None, "woocommerce_rest_product_invalid_id: Invalid"),
        ([FIRST, {"id": 12, "error": INVALID | {"data": {"status": 500}}}], Verdict.UNKNOWN, None, "woocommerce_rest"),
        ([{"id": 12, "stock_quantity": 0}, FIRST], Verdict.APPLIED, 0, ""),
        ([FIRST], Verdict.UNKNOWN, None, "the answer has no row for it"),
        ([FIRST, FIRST], Verdict.UNKNOWN, None, "the answer has no row for it"),
    ],
)
def test_each_row_of_a_write_has_its_own_verdict(
    rows: list[Json], verdict: Verdict, shown: int | None, reason: str
) -> None:
    """Lessons D8, D9: HTTP 200 while the quantity stays 98."""
    first, second = parse_write(WRITE, WRITES, json.dumps({"update": rows}).encode())
    assert first.verdict is Verdict.APPLIED
    assert (second.listing_id, second.verdict, second.shown) == ("12", verdict, shown)
    assert second.reason.startswith(reason)


@pytest.mark.parametrize("body", [b"{}", b"[]", b"<html>blocked</html>", b'{"update":[', b'{"update":{"0":1}}'])
def test_a_write_without_a_readable_answer_has_an_unknown_outcome(body: bytes) -> None:
    with pytest.raises(OutcomeUnknown):
        parse_write(WRITE, WRITES, body)
