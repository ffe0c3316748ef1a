"""The oracle of the simulation: what it demands, on stories made up by hand."""

import random
from collections.abc import Mapping
from typing import Any

import pytest

from ops.simulate.faults import FAULTS, Faults, choose_faults, draw_faults
from ops.simulate.oracle.figures import Figures, final_figures
from ops.simulate.oracle.formula import expected_offer
from ops.simulate.oracle.oracle import Oracle
from ops.simulate.oracle.orders import Claim
from ops.simulate.oracle.shortages import worst_shortage

HERE, DEPOT = "main", "depot"


@pytest.fixture
def oracle() -> Oracle:
    """Ten units of A at the main location and two at a depot that only `shop` sells from."""
    found = Oracle((HERE,), {"shop": (DEPOT,), "web": (HERE,)}, ((HERE,), (DEPOT,)))
    found.added("A", {})
    for place, units in ((HERE, 10), (DEPOT, 2)):
        found.move_sent(0.0, place, "A", {place: units}, {place: units}, {})
        found.move_answered(0.0, place, "A", {place: units})
    for account in ("shop", "web", "direct"):
        found.listed(account, "A", "A", 1)
    return found


def hold(oracle: Oracle, name: str, units: int, *, sent: float, answered: float, expires: float | None = None) -> None:
    oracle.hold_sent(sent, name, {"A": units})
    oracle.hold_granted(answered, name, {("A", HERE): units}, expires, answered)


def claim(ordered: int, cancelled: int = 0, shipped: int = 0, returned: int = 0) -> Claim:
    return Claim("1", "A", ordered, cancelled, shipped, returned)


def tell(number: int, line: Claim, *, sku: str = "A", at: str = HERE) -> Mapping[str, Any]:
    """Answer ORDER as the daemon would: what is owed is owed from `at`."""
    return {
        "channel_status": f"state {number}",
        "lines": [
            {
                "line": line.line,
                "ordered": line.ordered,
                "cancelled": line.cancelled,
                "shipped": line.shipped,
                "returned": line.returned,
                "sku": sku,
                "matched": True,
                "pickup": line.pickup or None,
                "allocation": [{"location": at, "quantity": line.open}] if line.open else [],
                "components": [],
            }
        ],
    }


def texts(oracle: Oracle) -> str:
    return "\n".join(problem.text for problem in oracle.problems)


def test_units_may_be_promised_up_to_the_last_one_and_not_beyond(oracle: Oracle) -> None:
    hold(oracle, "h1", 7, sent=1, answered=2)
    hold(oracle, "h2", 3, sent=3, answered=4)
    assert oracle.problems == []
    hold(oracle, "h3", 1, sent=5, answered=6)
    assert "11 units of A are held and 0 owed beyond doubt, and 10 can have been there" in texts(oracle)


def test_holds_that_were_asked_for_at_once_are_counted_together(oracle: Oracle) -> None:
    """Neither was answered when the other was asked for; both are open when both are answered."""
    oracle.hold_sent(1, "h1", {"A": 6})
    oracle.hold_sent(1, "h2", {"A": 6})
    oracle.hold_granted(2, "h1", {("A", HERE): 6}, None, 2)
    oracle.hold_granted(3, "h2", {("A", HERE): 6}, None, 3)
    assert "12 units of A" in texts(oracle)


@pytest.mark.parametrize("why", ["release", "expiry", "receipt"])
def test_what_may_have_come_free_meanwhile_may_be_promised(oracle: Oracle, why: str) -> None:
    """Unknown outcomes widen the gap."""
    hold(oracle, "h1", 10, sent=1, answered=2, expires=6.0 if why == "expiry" else None)
    oracle.hold_sent(5, "h2", {"A": 3})
    if why == "release":
        oracle.release_sent("h1")
    if why == "receipt":
        oracle.move_sent(6, "k", "A", {HERE: 3}, {HERE: 3}, {})
    oracle.hold_granted(7, "h2", {("A", HERE): 3}, None, 7)
    assert oracle.problems == []


def test_a_refused_receipt_closes_the_gap(oracle: Oracle) -> None:
    hold(oracle, "h1", 10, sent=1, answered=2)
    oracle.move_sent(3, "k", "A", {HERE: 3}, {HERE: 3}, {})
    oracle.move_answered(4, "k", "A", None)
    hold(oracle, "h2", 3, sent=5, answered=6)
    assert "13 units of A are held" in texts(oracle)


def test_an_order_counts_from_the_moment_the_daemon_has_told_of_it(oracle: Oracle) -> None:
    oracle.order_changed(1, "web", "o1", [claim(4)], None)
    hold(oracle, "h1", 7, sent=2, answered=3)
    assert oracle.problems == [], "the daemon may not have heard of it"
    oracle.order_seen(4, "web", "o1", 1, tell(1, claim(4)))
    hold(oracle, "h2", 1, sent=5, answered=6)
    assert "8 units of A are held and 4 owed" in texts(oracle)


def test_what_was_answered_stays_so(oracle: Oracle) -> None:
    hold(oracle, "h1", 2, sent=1, answered=2)
    oracle.hold_refused("h1", "OUTOFSTOCK")
    oracle.hold_ended(3, "h1", "released", 3)
    oracle.move_answered(4, HERE, "A", None)
    oracle.order_changed(1, "web", "o1", [claim(4)], None)
    oracle.order_changed(2, "web", "o1", [claim(4, cancelled=4)], None)
    oracle.order_seen(3, "web", "o1", 2, tell(2, claim(4, cancelled=4)))
    oracle.order_seen(4, "web", "o1", 1, tell(1, claim(4)))
    assert [problem.text for problem in oracle.problems] == [
        "hold h1 was granted and is refused now: OUTOFSTOCK",
        "hold h1 is released, which nobody asked for",
        "hold h1 was refused and is released now",
        "movement main was done and is refused now",
        "order o1: the daemon knew state 2 and knows 1 now",
    ]


def test_a_hold_is_over_the_instant_its_time_is(oracle: Oracle) -> None:
    """Lessons B10, B11."""
    hold(oracle, "h1", 2, sent=1, answered=2, expires=10.0)
    oracle.commit_sent("h1", "")
    oracle.committed_at("h1", 9.5)
    assert oracle.problems == []
    oracle.committed_at("h1", 10.0)
    assert texts(oracle) == "hold h1 was committed 0.000 s after its time"


def test_what_ran_out_is_free_at_that_instant_whoever_has_noticed(oracle: Oracle) -> None:
    """Lessons B10, B11: eight of ten are held until 10; a hold is refused as if that went on."""
    hold(oracle, "h1", 8, sent=1, answered=2, expires=10.0)
    oracle.hold_sent(9.99, "h2", {"A": 5})
    oracle.refusal_decided("h2", "A", 2, 9.999)
    assert oracle.problems == []
    oracle.refusal_decided("h2", "A", 2, 10.0)
    assert texts(oracle) == "hold h2 was refused because only 2 of A were there; there were 10 at least"


@pytest.mark.parametrize("why", ["asked", "order", "safety", "movement"])
def test_a_refusal_is_right_where_there_may_have_been_less(oracle: Oracle, why: str) -> None:
    if why == "asked":
        oracle.hold_sent(1, "h1", {"A": 3})
    if why == "order":
        oracle.order_changed(1, "web", "o1", [claim(3)], None)
    if why == "safety":
        oracle.shelves["A"].safety[HERE] = 3
    if why == "movement":
        oracle.move_sent(1, "k", "A", {HERE: -3}, {HERE: -3}, {})
    oracle.hold_sent(2, "h2", {"A": 8})
    oracle.refusal_decided("h2", "A", 7, 3.0)
    assert oracle.problems == []
    oracle.refusal_decided("h2", "A", 6, 3.0)
    assert "there were 7 at least" in texts(oracle)


def test_what_suppliers_owe_is_what_was_ordered_last_less_what_came(oracle: Oracle) -> None:
    papers = oracle.purchases
    papers.ordered("po1", {"A": 5, "B": 1})
    papers.received("po1", "A", 2)
    assert (papers.incoming(["A"]), papers.incoming(["B"])) == ((3, 3), (1, 1))
    papers.ordered("po1", {"A": 1})
    papers.ordered("po2", {"A": 4})
    assert (papers.incoming(["A"]), papers.incoming(["B"])) == ((4, 4), (0, 0))
    papers.ended("po2")
    assert papers.incoming(["A"]) == (0, 0)


def test_the_next_hold_to_run_out_is_found(oracle: Oracle) -> None:
    assert oracle.next_expiry(0.0) is None
    hold(oracle, "h1", 1, sent=1, answered=2, expires=10.0)
    hold(oracle, "h2", 1, sent=1, answered=2, expires=7.0)
    hold(oracle, "h3", 1, sent=1, answered=2)
    assert (oracle.next_expiry(5.0), oracle.next_expiry(7.0)) == (2.0, 3.0)
    assert oracle.soonest_to_expire(5.0, within_seconds=1.0) is None


def test_an_order_is_told_as_its_channel_has_it(oracle: Oracle) -> None:
    oracle.order_changed(1, "web", "o1", [claim(4)], None)
    oracle.order_seen(2, "web", "o1", 1, tell(1, claim(3)))
    oracle.order_seen(3, "web", "o1", 2, tell(2, claim(4)))
    oracle.order_seen(4, "web", "o2", 1, tell(1, claim(4)))
    assert "state 1 is (4, 0, 0, 0), told" in oracle.problems[0].text
    assert [problem.text for problem in oracle.problems[1:]] == [
        "order o1 of web: the daemon knows state 2, which never was",
        "order o2 of web: the daemon knows state 1, which never was",
    ]


def test_the_last_figures_are_plain_sums(oracle: Oracle) -> None:
    hold(oracle, "h1", 2, sent=1, answered=2)
    hold(oracle, "h2", 1, sent=1, answered=2, expires=5.0)
    hold(oracle, "h3", 1, sent=1, answered=2)
    oracle.commit_sent("h3", "")
    oracle.hold_ended(3, "h3", "committed", 3)
    oracle.order_changed(3, "web", "o1", [claim(5, cancelled=1, shipped=2, returned=1)], None)
    oracle.order_changed(3, "shop", "o2", [claim(1)], 20.0)
    oracle.move_sent(4, "aside", "A", {}, {}, {HERE: 1})
    oracle.move_answered(4, "aside", "A", {})
    assert final_figures(oracle, "A", 10.0) == Figures(on_hand=11, committed=3, reserved=3, unavailable=1)
    assert final_figures(oracle, "A", 30.0).reserved == 2, "nobody paid in time"


def test_a_shortage_is_judged_pool_by_pool(oracle: Oracle) -> None:
    """What the depot lacks the main location does not make good (decision 0037)."""
    oracle.order_changed(3, "shop", "o1", [claim(5)], None)
    assert worst_shortage(oracle, "A", pool=1) == 3
    assert worst_shortage(oracle, "A", pool=0) == 0


@pytest.mark.parametrize(
    ("book", "expected"),
    [
        ({}, 11),
        ({"default": {"buffer": 2}}, 9),
        ({"default": {"share": 0.5}}, 5),
        ({"default": {"buffer_percent": 33.3}, "accounts": {"shop": {"buffer": 1}}}, 10),
        ({"default": {"buffer": 5}, "accounts": {"shop": {"view": "real_time"}}}, 11),
        ({"accounts": {"shop": {"view": "regional", "locations": ["b"]}}}, 4),
        ({"skus": {"A": {"cap": 3}}, "default": {"cap": 9}}, 3),
        ({"skus": {"A": {"zero_below": 12}}}, 0),
        ({"default": {"count_error_percent": 12.5}}, 9),
        ({"windows": [{"starts_at": "1", "ends_at": "9", "accounts": [], "percent_least": 10, "percent_most": 30}]}, 8),
        (
            {"windows": [{"starts_at": "6", "ends_at": "9", "accounts": [], "percent_least": 10, "percent_most": 30}]},
            11,
        ),
    ],
)
def test_the_formula_is_the_documented_one(book: Mapping[str, Any], expected: int) -> None:
    atp = {"a": 7, "b": 4}
    found = expected_offer(
        book,
        "shop",
        "A",
        places=("a", "b"),
        pack_units=1,
        made_of={"A": 1},
        together=False,
        atp=lambda _, place: atp[place],
        now="5",
    )
    assert found == (expected, expected)


@pytest.mark.parametrize(
    ("book", "least", "most"),
    [
        ({"default": {"buffer_from": "computed"}}, 0, 11),
        ({"default": {"buffer_from": "tiers", "count_error": 1}}, 0, 10),
        # eleven or ten: 11 - 2 - 2, for each part is rounded up, or 10 - 1 - 1
        ({"default": {"buffer_percent": 10.0, "count_error_percent": 10.0, "quotas": {"web": 1}}}, 7, 8),
        ({"default": {"buffer_from": "tiers"}, "accounts": {"shop": {"buffer": 2}}}, 9, 9),
        ({"default": {"buffer_from": "computed"}, "accounts": {"shop": {"view": "real_time"}}}, 11, 11),
        ({"default": {"buffer": 3, "last_units": True}}, 8, 11),
        ({"default": {"quotas": {"web": 4}}}, 7, 11),
        ({"default": {"quotas": {"shop": 4}}}, 11, 11),
        ({"default": {"quotas": {"web": 4}}, "skus": {"A": {"quotas": {"web": 1}}}}, 10, 11),
        ({"default": {"quotas": {"web": 40}, "cap": 5}}, 0, 5),
    ],
)
def test_what_follows_from_what_was_measured_has_a_least_and_a_most(
    book: Mapping[str, Any], least: int, most: int
) -> None:
    found = expected_offer(
        book,
        "shop",
        "A",
        places=("a", "b"),
        pack_units=1,
        made_of={"A": 1},
        together=False,
        atp=lambda _, place: {"a": 7, "b": 4}[place],
        now="5",
    )
    assert found == (least, most)


@pytest.mark.parametrize(("together", "expected"), [(False, 3), (True, 2)])
def test_a_bundle_shows_what_its_components_make(together: bool, expected: int) -> None:
    """Lesson F1: the least of the sums; together, the sum of the least at each place."""
    atp = {("A", "a"): 4, ("A", "b"): 3, ("B", "a"): 1, ("B", "b"): 2}
    found = expected_offer(
        {},
        "shop",
        "KIT",
        places=("a", "b"),
        pack_units=1,
        made_of={"A": 2, "B": 1},
        together=together,
        atp=lambda sku, place: atp[sku, place],
        now="5",
    )
    assert found == (expected, expected)


@pytest.mark.parametrize(
    ("spec", "chosen"),
    [
        ("", ("down", "locks")),
        ("-locks", ("down",)),
        ("latency,down", ("latency", "down")),
        ("none", ()),
        ("all", tuple(FAULTS)),
        ("all,-down", tuple(name for name in FAULTS if name != "down")),
    ],
)
def test_faults_are_drawn_or_said(spec: str, chosen: tuple[str, ...]) -> None:
    assert choose_faults(("locks", "down"), spec) == chosen


def test_a_fault_happens_while_it_is_on_and_is_counted() -> None:
    faults = Faults(random.Random(1), ("down",))
    assert not any(faults.strikes("down", 1.0) for _ in range(50)), "before it begins"
    faults.begin()
    struck = sum(faults.strikes("down", 1.0) for _ in range(50))
    assert 0 < struck == faults.fired["down"]
    assert not any(faults.strikes("locks", 1.0) for _ in range(50)), "it is off"
    faults.heal()
    assert not any(faults.strikes("down", 1.0) for _ in range(50))
    assert draw_faults(random.Random(4)) == draw_faults(random.Random(4))
