"""Items are changed by merge patches: what is left out stays, null and empty clear, and every bad field is named."""

import msgspec
import pytest

from engine.domain.catalogue.items import (
    MANY_MAX,
    NO_DETAILS,
    TEXT_MAX,
    Barcode,
    Details,
    Money,
    Patch,
    Problems,
    patched,
    read_money,
)
from engine.domain.units import AccountId

SHOP, OTHER = AccountId("shop"), AccountId("other")
FULL = Details(
    category="Mugs",
    attributes=(("colour", "red"), ("size", "L")),
    barcodes=(Barcode("4006381333931"),),
    weight_grams=350,
    cost=Money("2.50 EUR"),
    prices=((OTHER, Money("8 EUR")), (SHOP, Money("9.99 EUR"))),
    supplier="Potter",
    lead_days=14,
    images=("https://x/1.jpg",),
)


def patch(document: str) -> Patch:
    return msgspec.json.decode(document, type=Patch)


def done(details: Details, document: str) -> Details:
    wrong: Problems = []
    made = patched(details, patch(document), wrong)
    assert wrong == []
    return made


def problems(document: str) -> Problems:
    wrong: Problems = []
    patched(NO_DETAILS, patch(document), wrong)
    return wrong


def test_what_is_left_out_stays_and_no_change_is_the_same_thing() -> None:
    assert done(FULL, "{}") is FULL
    assert done(FULL, '{"category": " Mugs ", "weight_grams": 350, "attributes": {"size": "L"}}') is FULL


def test_null_and_empty_clear() -> None:
    cleared = done(
        FULL,
        '{"category": "", "attributes": null, "barcodes": [], "weight_grams": null, "cost": null, "prices": null,'
        ' "supplier": null, "lead_days": null, "images": []}',
    )
    assert cleared == NO_DETAILS


def test_maps_are_merged_name_by_name() -> None:
    made = done(FULL, '{"attributes": {"size": null, "fit": "slim"}, "prices": {"shop": null, "other": "7 EUR"}}')
    assert made.attributes == (("colour", "red"), ("fit", "slim"))
    assert made.prices == ((OTHER, "7 EUR"),)


@pytest.mark.parametrize(
    ("document", "found"),
    [
        ('{"barcodes": ["123"]}', [("barcodes", "barcode '123' has 3 digits, a GTIN has 8, 12, 13 or 14")]),
        (
            '{"barcodes": ["036000291452", "0036000291452"]}',
            [("barcodes", "barcode '0036000291452' stands there twice")],
        ),
        ('{"cost": "2,50 EUR"}', [("cost", "'2,50 EUR' is not an amount and a currency, as in 12.50 EUR")]),
        ('{"cost": "2.50"}', [("cost", "'2.50' is not an amount and a currency, as in 12.50 EUR")]),
        (
            '{"prices": {"shop": "1e3 EUR"}}',
            [("prices.shop", "'1e3 EUR' is not an amount and a currency, as in 12.50 EUR")],
        ),
        ('{"category": "a\\u0000b"}', [("category", "category 'a\\x00b' has control characters")]),
        ('{"images": ["a b"]}', [("images", "'a b' is not an address: it is empty or has blanks")]),
        (
            '{"attributes": {" colour": "red"}}',
            [("attributes", "the name ' colour' is empty or has blanks that do not belong there")],
        ),
    ],
)
def test_a_bad_field_is_named_with_its_rule(document: str, found: Problems) -> None:
    assert problems(document) == found


def test_nothing_is_unbounded() -> None:
    many = {"attributes": {str(number): "x" for number in range(MANY_MAX + 1)}}
    assert problems(msgspec.json.encode(many).decode()) == [("attributes", "51 of them: at most 50")]
    long = msgspec.json.encode({"supplier": "x" * (TEXT_MAX + 1)}).decode()
    assert problems(long)[0][0] == "supplier"
    with pytest.raises(msgspec.ValidationError, match="weight_grams"):
        patch('{"weight_grams": 100000001}')
    with pytest.raises(msgspec.ValidationError, match="weight"):
        patch('{"weight": 1}')


def test_money_is_exact() -> None:
    """Two fifths of a cent stay two fifths of a cent: no binary fraction comes near an amount."""
    money = read_money("000.1040 EUR")
    assert money == "0.1040 EUR"
