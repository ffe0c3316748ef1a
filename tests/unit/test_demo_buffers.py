"""What the demo's shops do not show: rules that the daemon takes, and what they cost."""

import tomllib
from typing import Any, get_args

import msgspec
import pytest

from engine.domain.offers.rules import RuleBook, check_book
from ops.demo.buffers import REASONS, RULES, Choice, Withheld, build_offers, sum_causes, weigh
from tests.fakes.clocks import START


@pytest.mark.parametrize("choice", get_args(Choice))
def test_its_rules_are_what_a_seller_could_write(choice: Choice) -> None:
    book = msgspec.convert(tomllib.loads(build_offers(choice, START))["offers"], RuleBook)
    assert check_book(book, {}) == []
    assert RULES[choice]
    if choice == "none":
        assert (book.default.buffer, book.windows) == (0, ())
        return
    (window,) = book.windows
    assert (book.default.buffer_from, book.default.last_units) == ("computed", True)
    assert window.starts_at < START < window.ends_at


def test_what_is_withheld_is_what_no_shop_shows_of_what_there_is() -> None:
    stocks = {"A": {"atp": 9}, "B": {"atp": 3}, "C": {"atp": -2}, "D": {"atp": 4}}
    offers: dict[str, list[dict[str, Any]]] = {
        "A": [{"offer": 5}, {"offer": 7}],
        "B": [{"offer": 0}, {"offer": None}],
        "C": [{"offer": 0}],
        "D": [{"offer": 4}],
    }
    assert weigh(stocks, offers) == Withheld(units_left=16, units_shown_nowhere=2 + 3, skus_shown_nowhere=1)
    assert weigh({}, {}) == Withheld(units_left=0, units_shown_nowhere=0, skus_shown_nowhere=0)


def test_causes_are_summed_for_one_shop_and_for_all() -> None:
    incidents = [
        {"account": "a", "cause": "lag", "units": 2},
        {"account": "b", "cause": "race", "units": 1},
        {"account": "a", "cause": "lag", "units": 1},
        {"account": "a", "cause": "drift", "units": 0},
    ]
    assert sum_causes(incidents) == {"lag": 3, "race": 1}
    assert sum_causes(incidents, "a") == {"lag": 3}
    assert sum_causes(incidents, "c") == {}
    assert REASONS.keys() >= {"lag", "race"}
