"""The demo's final check: it agrees with right numbers and with no other."""

from typing import Any

import pytest

from ops.demo.verdict import Verdict, judge

FIGURES = {"on_hand": 10, "committed": 5, "reserved": 1, "unavailable": 0, "oversold": 0}


def right() -> dict[str, Any]:
    """Ten came in: two sold at a, one of three given back at b, one by the storefront; one is held."""
    return {
        "opening": {"A-1": 10},
        "stocks": {"A-1": dict(FIGURES)},
        "offers": {"A-1": [{"account": "a", "offer": 4}, {"account": "b", "offer": 4}]},
        "shops": {
            "a": {"skus": {"A-1": {"stock": 4, "units_sold": 2, "units_returned": 0}}},
            "b": {"skus": {"A-1": {"stock": 4, "units_sold": 3, "units_returned": 1}}},
        },
        "storefront_units": {"A-1": 1},
        "short": set(),
    }


def short_by_two() -> dict[str, Any]:
    """Seven sold of five, and the incident is open."""
    case = right()
    case["opening"]["A-1"] = 5
    case["stocks"]["A-1"] |= {"on_hand": 5, "committed": 7, "reserved": 0, "oversold": 2}
    case["shops"]["a"]["skus"]["A-1"] |= {"stock": 0, "units_sold": 4}
    case["shops"]["b"]["skus"]["A-1"]["stock"] = 0
    case["offers"]["A-1"] = [{"account": "a", "offer": 0}, {"account": "b", "offer": 0}]
    case["short"] = {"A-1"}
    return case


def test_right_numbers_are_good() -> None:
    verdict = judge(**right())
    assert verdict == Verdict(2, (), 1, ())
    assert verdict.good


def test_an_oversell_on_record_is_good() -> None:
    """Shown openly with its incident, it is the truth."""
    assert judge(**short_by_two()).good


def test_a_shop_that_shows_something_else_is_wrong() -> None:
    case = right()
    case["shops"]["b"]["skus"]["A-1"]["stock"] = 5
    verdict = judge(**case)
    assert not verdict.good
    assert verdict.listings_wrong == ("b shows 5 of A-1, its offer is 4",)
    assert verdict.skus_wrong == ()


def test_an_offer_that_nobody_knows_is_wrong() -> None:
    case = right()
    case["offers"]["A-1"][0]["offer"] = None
    assert not judge(**case).good


def test_a_listing_that_is_not_mapped_is_wrong() -> None:
    case = right()
    del case["offers"]["A-1"][1]
    assert judge(**case).listings_wrong == ("1 listings are mapped, 2 were stocked",)


@pytest.mark.parametrize(
    ("where", "change"),
    [
        ("stocks", {"on_hand": 11}),
        ("stocks", {"on_hand": 9}),
        ("stocks", {"committed": 4}),
        ("stocks", {"committed": 6}),
        ("a", {"units_sold": 1}),
        ("b", {"units_returned": 0}),
    ],
)
def test_units_that_do_not_add_up_are_wrong(where: str, change: dict[str, int]) -> None:
    case = right()
    target = case["stocks"]["A-1"] if where == "stocks" else case["shops"][where]["skus"]["A-1"]
    target |= change
    verdict = judge(**case)
    assert not verdict.good
    assert "on hand less committed is" in verdict.skus_wrong[0]


def test_units_of_the_storefront_count() -> None:
    case = right()
    case["storefront_units"] = {}
    assert not judge(**case).good


@pytest.mark.parametrize(
    ("figures", "short", "problem"),
    [
        ({"oversold": 0}, {"A-1"}, "-2 units free, but 0 recorded as oversold"),
        ({"oversold": 1}, {"A-1"}, "-2 units free, but 1 recorded as oversold"),
        ({"oversold": 2}, set(), "oversold by 2, incident open: False"),
        ({"reserved": 1}, {"A-1"}, "-3 units free, but 2 recorded as oversold"),
    ],
)
def test_a_hidden_oversell_is_wrong(figures: dict[str, int], short: set[str], problem: str) -> None:
    case = short_by_two()
    case["stocks"]["A-1"] |= figures
    case["short"] = short
    assert any(problem in each for each in judge(**case).skus_wrong)


def test_an_incident_that_stayed_open_is_wrong() -> None:
    case = right()
    case["short"] = {"A-1"}
    assert judge(**case).skus_wrong == ("A-1: oversold by 0, incident open: True",)


@pytest.mark.parametrize("name", ["on_hand", "committed", "reserved"])
def test_a_negative_figure_is_wrong(name: str) -> None:
    case = right()
    case["stocks"]["A-1"][name] = -1
    assert any("a negative figure" in each for each in judge(**case).skus_wrong)


def test_nothing_checked_is_not_good() -> None:
    assert not judge({}, {}, {}, {}, {}, set()).good
