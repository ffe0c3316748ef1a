"""The oracle of the simulation on SKUs that become one, for certain or perhaps."""

from collections.abc import Mapping
from typing import Any

import pytest

from ops.simulate.oracle.figures import Figures, final_figures
from ops.simulate.oracle.oracle import Oracle
from ops.simulate.oracle.orders import Claim
from ops.simulate.oracle.shortages import worst_shortage

HERE = "main"


@pytest.fixture
def oracle() -> Oracle:
    """Ten units of A, two of which are kept back, four of B and one of C."""
    found = Oracle((HERE,), {"web": (HERE,)}, ((HERE,),))
    for sku, units in (("A", 10), ("B", 4), ("C", 1)):
        found.added(sku, {HERE: 2} if sku == "A" else {})
        found.move_sent(0.0, "opening", sku, {HERE: units}, {HERE: units}, {})
        found.move_answered(0.0, "opening", sku, {HERE: units})
        for account in ("web", "direct"):
            found.listed(account, sku, sku, 1)
    return found


def hold(oracle: Oracle, name: str, asked: Mapping[str, int], *, of: str, sent: float, expires: float | None) -> None:
    oracle.hold_sent(sent, name, asked)
    oracle.hold_granted(sent + 0.5, name, {(of, HERE): sum(asked.values())}, expires, sent + 0.5)


def merge(oracle: Oracle, gone: str, into: str, *, sent: float, done: float) -> None:
    oracle.merge_sent(sent, gone, into)
    oracle.merge_done(done, gone, done)


def order(oracle: Oracle, at: float, sku: str, open_units: int, shipped: int = 0) -> None:
    claim = Claim("1", sku, open_units + shipped, 0, shipped, 0)
    oracle.order_changed(at, "web", f"o-{sku}", [claim], None)
    number = len(oracle.orders["web", f"o-{sku}"].states)
    line: dict[str, Any] = {"line": "1", "sku": sku, "matched": True, "pickup": None, "allocation": []}
    line |= {"ordered": claim.ordered, "cancelled": 0, "shipped": shipped, "returned": 0, "components": []}
    oracle.order_seen(at, "web", f"o-{sku}", number, {"lines": [line]})


def texts(oracle: Oracle) -> str:
    return "\n".join(problem.text for problem in oracle.problems)


def test_the_heir_has_what_both_had(oracle: Oracle) -> None:
    order(oracle, 1.0, "B", 0, shipped=1)
    order(oracle, 1.0, "A", 2)
    merge(oracle, "B", "A", sent=2, done=3)
    assert final_figures(oracle, "A", 9.0) == Figures(on_hand=13, committed=2, reserved=0, unavailable=0)
    assert (oracle.sku("B"), oracle.codes("A")) == ("A", ["A", "B"])


def test_one_heir_goes_into_the_next_one(oracle: Oracle) -> None:
    oracle.names["B-2"] = "B"
    merge(oracle, "C", "B", sent=1, done=2)
    merge(oracle, "B", "A", sent=3, done=4)
    assert (oracle.sku("C"), oracle.sku("B-2")) == ("A", "A")
    assert final_figures(oracle, "A", 9.0).on_hand == 15
    assert sorted(oracle.merges.members("A", by=2.5)) == ["A"]
    assert sorted(oracle.merges.members("B", by=2.5)) == ["B", "C"]


@pytest.mark.parametrize(
    ("asked", "sent", "expected"),
    [(12, 4.0, True), (13, 4.0, False), (12, 1.5, True), (13, 1.5, False), (9, 0.5, True)],
    ids=["all", "one too many", "perhaps before", "too many for both", "heard when it was under way"],
)
def test_the_room_of_the_heir_is_that_of_both_from_the_moment_it_may_be(
    oracle: Oracle, asked: int, sent: float, *, expected: bool
) -> None:
    """Eight of A may be sold, and four of B; asked for at 1, merged at 3."""
    oracle.hold_sent(sent, "h", {"A": asked})
    merge(oracle, "B", "A", sent=1, done=3)
    oracle.hold_granted(5.0, "h", {("A", HERE): asked}, None, 5.0)
    assert (oracle.problems == []) is expected, texts(oracle)


def test_before_a_merge_nobody_has_the_units_of_another(oracle: Oracle) -> None:
    hold(oracle, "h", {"A": 9}, of="A", sent=1, expires=None)
    assert "9 units of A are held" in texts(oracle)


@pytest.mark.parametrize(("sent", "least"), [(4.0, 12), (2.0, 8)])
def test_a_refusal_counts_both_when_they_were_one_for_certain(oracle: Oracle, sent: float, least: int) -> None:
    oracle.hold_sent(sent, "h", {"A": 20})
    merge(oracle, "B", "A", sent=1, done=3)
    oracle.refusal_decided("h", "A", least, 5.0)
    assert oracle.problems == []
    oracle.refusal_decided("h", "A", least - 1, 5.0)
    assert f"there were {least} at least" in texts(oracle)


def test_what_was_short_of_the_one_may_be_short_of_the_other(oracle: Oracle) -> None:
    """B owes two more than it has; while the merge is under way A may have to make that good."""
    oracle.order_changed(0.5, "web", "o", [Claim("1", "B", 6, 0, 6, 0)], None)
    oracle.merge_sent(1.0, "B", "A")
    oracle.hold_sent(2.0, "h", {"A": 20})
    oracle.refusal_decided("h", "A", 6, 5.0)
    oracle.hold_refused("h", "OUTOFSTOCK")
    assert oracle.problems == []
    assert worst_shortage(oracle, "A", pool=0) == 0
    oracle.merge_done(6.0, "B", 6.0)
    assert worst_shortage(oracle, "A", pool=0) == 2, "that is how short B was, and A answers for it now"


def test_a_merge_that_is_refused_leaves_everything_as_it_was(oracle: Oracle) -> None:
    oracle.merge_sent(1.0, "B", "A")
    oracle.merge_refused("B")
    assert (oracle.sku("B"), final_figures(oracle, "A", 9.0).on_hand) == ("B", 10)
    hold(oracle, "h", {"A": 9}, of="A", sent=2, expires=None)
    assert "9 units of A are held" in texts(oracle)


@pytest.mark.parametrize("open_as", ["hold", "commit", "order"])
def test_a_merge_of_what_is_open_is_found(oracle: Oracle, open_as: str) -> None:
    """Lesson C6: whatever is open would lose its way."""
    if open_as == "order":
        order(oracle, 0.5, "B", 2)
    else:
        hold(oracle, "h", {"B": 1}, of="B", sent=0.1, expires=90.0)
    if open_as == "commit":
        oracle.commit_sent("h", "")
        oracle.hold_ended(0.8, "h", "committed", 0.8)
    merge(oracle, "B", "A", sent=1, done=2)
    assert "B was merged into A while" in texts(oracle)


def test_what_was_over_before_a_merge_stands_in_nobodys_way(oracle: Oracle) -> None:
    hold(oracle, "h", {"B": 1}, of="B", sent=0.1, expires=1.5)
    order(oracle, 0.5, "B", 0, shipped=2)
    merge(oracle, "B", "A", sent=1, done=2)
    assert oracle.problems == []
    oracle.hold_refused("h", "CONFLICT")
    assert oracle.problems == [], "asked again, it is another SKU's (decision 0029)"


def test_a_line_has_units_of_the_heir_or_of_nobody_else(oracle: Oracle) -> None:
    order(oracle, 0.5, "B", 0, shipped=2)
    merge(oracle, "B", "C", sent=1, done=2)
    line = {"line": "1", "sku": "A", "matched": True, "pickup": None, "allocation": [], "components": []}
    line |= {"ordered": 2, "cancelled": 0, "shipped": 2, "returned": 0}
    oracle.order_seen(3.0, "web", "o-B", 1, {"lines": [line | {"sku": "C"}]})
    assert oracle.problems == []
    oracle.order_seen(4.0, "web", "o-B", 1, {"lines": [line]})
    assert texts(oracle) == "order o-B line 1: B sells C, told A"


def test_what_suppliers_owe_of_both_is_known_within_bounds(oracle: Oracle) -> None:
    papers = oracle.purchases
    papers.ordered("po1", {"A": 5, "B": 2})
    papers.received("po1", "B", 3)
    assert papers.incoming(["A"]) == (5, 5)
    assert papers.incoming(["A", "B"]) == (4, 7)
