"""Reasons of adjustments, from a managed list."""

import pytest

from config.schema import Stock
from ops.reasons import settle_reason

LISTED = ("damaged", "Lost in the post")


@pytest.mark.parametrize(
    ("said", "recorded"),
    [
        ("damaged", "damaged"),
        (" DAMAGED ", "damaged"),
        ("damaged:fell off", "damaged: fell off"),
        ("Damaged :  fell: off", "damaged: fell: off"),
        ("damaged:", "damaged"),
        ("lost in the POST", "Lost in the post"),
    ],
)
def test_a_reason_is_recorded_in_the_spelling_of_the_list(said: str, recorded: str) -> None:
    assert settle_reason(said, LISTED) == recorded
    assert settle_reason(recorded, LISTED) == recorded


@pytest.mark.parametrize("said", ["damagd", "lost", "fell off: damaged", ": damaged", ""])
def test_what_is_not_listed_is_refused_with_the_list(said: str) -> None:
    with pytest.raises(ValueError, match=r"must be one of stock\.reasons, details after a colon: damaged, Lost in the"):
        settle_reason(said, LISTED)


def test_the_near_word_is_suggested() -> None:
    with pytest.raises(ValueError, match="did you mean 'damaged'"):
        settle_reason("Damged: wet", LISTED)


def test_an_empty_list_takes_any_text() -> None:
    assert settle_reason(" fell: off ", ()) == "fell: off"


def test_the_default_list_takes_the_words_of_the_trade() -> None:
    for word in ("found", "lost", "damaged", "theft", "correction", "sample", "opening", "other"):
        assert settle_reason(word, Stock().reasons) == word
