"""The oracle of the simulation on orders that buyers come for: owed from one place, and from nowhere else."""

from collections.abc import Mapping
from typing import Any

import pytest

from ops.simulate.oracle.figures import final_figures_at, misplaced
from ops.simulate.oracle.oracle import Oracle
from ops.simulate.oracle.orders import Claim
from ops.simulate.oracle.shortages import worst_shortage

MAIN, STORE, DEPOT = "main", "store", "depot"


@pytest.fixture
def oracle() -> Oracle:
    """Ten units of A at the main location, four at the store, two at the depot; `moody` sells from all of them."""
    places = {"web": (MAIN, STORE), "moody": (DEPOT, MAIN, STORE)}
    found = Oracle((MAIN, STORE), places, ((MAIN, STORE), (DEPOT,)))
    found.added("A", {})
    for place, units in ((MAIN, 10), (STORE, 4), (DEPOT, 2)):
        found.move_sent(0.0, place, "A", {place: units}, {place: units}, {})
        found.move_answered(0.0, place, "A", {place: units})
    for account in ("web", "moody", "direct"):
        found.listed(account, "A", "A", 1)
    return found


def claim(ordered: int, pickup: str = "", *, shipped: int = 0) -> Claim:
    return Claim("1", "A", ordered, 0, shipped, 0, pickup)


def tell(line: Claim, *at: tuple[str, int], pickup: str | None) -> Mapping[str, Any]:
    allocation = [{"location": place, "quantity": units} for place, units in at]
    counts = {"ordered": line.ordered, "cancelled": 0, "shipped": line.shipped, "returned": 0}
    told = {"line": "1", "sku": "A", "matched": True, "pickup": pickup, "allocation": allocation, "components": []}
    return {"channel_status": "state 1", "lines": [told | counts]}


def see(oracle: Oracle, account: str, line: Claim, *at: tuple[str, int], pickup: str | None = None) -> None:
    oracle.order_changed(1.0, account, "o1", [line], None)
    oracle.order_seen(2.0, account, "o1", 1, tell(line, *at, pickup=pickup or line.pickup or None))


def texts(oracle: Oracle) -> str:
    return "\n".join(problem.text for problem in oracle.problems)


def test_what_is_owed_where_its_buyer_comes_is_well(oracle: Oracle) -> None:
    see(oracle, "web", claim(6, STORE), (STORE, 6))
    assert oracle.problems == []
    assert list(misplaced(oracle, oracle.orders["web", "o1"], 9.0)) == []


def test_what_is_owed_from_elsewhere_is_found(oracle: Oracle) -> None:
    see(oracle, "web", claim(3, STORE), (STORE, 1), (MAIN, 2))
    assert texts(oracle) == "order o1 line 1 is picked up at store, and 2 are owed from main"


def test_what_is_owed_from_nowhere_is_found_in_the_end(oracle: Oracle) -> None:
    see(oracle, "web", claim(3, STORE))
    assert oracle.problems == [], "it may be on its way"
    assert "must be owed" in "".join(misplaced(oracle, oracle.orders["web", "o1"], 9.0))


def test_a_place_that_was_forgotten_is_found(oracle: Oracle) -> None:
    oracle.order_changed(1.0, "web", "o1", [claim(1, STORE)], None)
    oracle.order_seen(2.0, "web", "o1", 1, tell(claim(1), (STORE, 1), pickup=None))
    assert texts(oracle) == "order o1 line 1 is picked up at None, must be store"


@pytest.mark.parametrize(("pickup", "found"), [(STORE, True), (DEPOT, False), ("", False)])
def test_what_must_come_from_the_storefront_leaves_less_for_holds(oracle: Oracle, pickup: str, *, found: bool) -> None:
    """An account that sells from the depot, too: only what is picked up elsewhere is surely not owed from there."""
    see(oracle, "moody", claim(3, pickup), (pickup or DEPOT, 3))
    oracle.hold_sent(3.0, "h1", {"A": 12})
    oracle.hold_granted(4.0, "h1", {("A", MAIN): 10, ("A", STORE): 2}, None, 4.0)
    assert ("12 units of A are held and 3 owed" in texts(oracle)) is found


@pytest.mark.parametrize(("pickup", "found"), [(STORE, False), (DEPOT, True)])
def test_what_is_picked_up_at_the_depot_refuses_no_hold(oracle: Oracle, pickup: str, *, found: bool) -> None:
    see(oracle, "moody", claim(3, pickup), (pickup, 3))
    oracle.hold_sent(3.0, "h1", {"A": 14})
    oracle.refusal_decided("h1", "A", 11, 4.0)
    assert ("there were 14 at least" in texts(oracle)) is found


def test_every_place_has_its_figures(oracle: Oracle) -> None:
    """Two shipped from the store and three owed there; five of an order that may come from anywhere of ours."""
    oracle.order_changed(1.0, "web", "o1", [claim(5, STORE, shipped=2)], None)
    oracle.order_changed(1.0, "web", "o2", [claim(5)], None)
    store, depot = (final_figures_at(oracle, "A", place, 9.0) for place in (STORE, DEPOT))
    assert (store.on_hand, store.committed, store.bound) == ((2, 2), (3, 8), 3)
    assert (depot.on_hand, depot.committed, depot.bound) == ((2, 2), (0, 0), 0)


def test_no_other_place_makes_good_what_one_alone_owes(oracle: Oracle) -> None:
    """Fourteen are there; an incident of two is right all the same, and one of three is not."""
    oracle.order_changed(1.0, "web", "o1", [claim(6, STORE)], None)
    assert worst_shortage(oracle, "A", pool=0) == 2
    oracle.order_changed(2.0, "web", "o2", [claim(3)], None)
    assert worst_shortage(oracle, "A", pool=0) == 2, "what is sent may come from the other place"
    oracle.order_changed(3.0, "web", "o2", [claim(3, shipped=3)], None)
    assert worst_shortage(oracle, "A", pool=0) == 5, "it may have left from there"
