"""GTINs: check digits, spellings, and what a spreadsheet does to them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.catalogue.barcodes import LENGTHS, barcode_key, check_barcode, compute_check_digit, tidy_barcode

RULE = "a GTIN has 8, 12, 13 or 14"
VALID = ("96385074", "036000291452", "4006381333931", "10614141000415", "0012345678905")
"""GTIN-8, GTIN-12, GTIN-13, GTIN-14 as GS1 and others print them in their manuals."""


@pytest.mark.parametrize("digits", VALID)
def test_what_is_printed_on_real_things_is_a_gtin(digits: str) -> None:
    assert check_barcode(digits) is None


@pytest.mark.parametrize(
    ("digits", "problem"),
    [
        ("4006381333932", "barcode '4006381333932' ends in 2, its check digit would be 1: is a digit mistyped?"),
        ("400638133393X", "barcode '400638133393X' must be digits"),
        ("", "barcode '' must be digits"),
        ("٤006381333931", "barcode '٤006381333931' must be digits"),
        ("12345", "barcode '12345' has 5 digits, a GTIN has 8, 12, 13 or 14"),
        ("36000291452", f"barcode '36000291452' has 11 digits, {RULE}; did a spreadsheet take a leading zero away?"),
    ],
)
def test_a_bad_one_is_named_with_its_rule(digits: str, problem: str) -> None:
    assert check_barcode(digits) == problem


def test_blanks_and_hyphens_are_for_people() -> None:
    assert tidy_barcode("0 36000-29145 2") == "036000291452"


def test_upc_and_ean_of_one_thing_are_the_same() -> None:
    assert barcode_key("036000291452") == barcode_key("0036000291452") == barcode_key("00036000291452")


@given(st.sampled_from(LENGTHS), st.data())
def test_one_wrong_digit_is_always_noticed(length: int, data: st.DataObject) -> None:
    """The weights 1 and 3 have no factor in common with 10, so no single digit can change unseen."""
    body = data.draw(st.text("0123456789", min_size=length - 1, max_size=length - 1))
    good = body + compute_check_digit(body)
    assert check_barcode(good) is None
    place = data.draw(st.integers(0, length - 1))
    other = data.draw(st.sampled_from([digit for digit in "0123456789" if digit != good[place]]))
    assert check_barcode(good[:place] + other + good[place + 1 :]) is not None
