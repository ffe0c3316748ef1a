"""Merging two SKUs moves every unit once, whatever became of it, and leaves nothing open behind."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from engine.domain.catalogue.items import Barcode, Details
from engine.domain.catalogue.merging import decide_merge, find_obstacles, inherit_barcodes, refuse_merge
from engine.domain.commands import Done, Moved, Reallocate, Refusal
from engine.domain.events import BookEvent, DemandSet, SkuMerged, StockReturned
from engine.domain.states import SET_ASIDE, State
from engine.domain.stock.book import Book
from engine.domain.units import LineId, LocationId, OrderId, Sku
from tests.fakes.books import BOTH, HERE, THERE, A, B, Shelf
from tests.fakes.clocks import START
from tests.fakes.orders import SHOP


def merge(shelf: Shelf) -> tuple[BookEvent, ...]:
    assert find_obstacles(shelf.book(A), shelf.book(B)) == ()
    events = decide_merge(shelf.book(A), shelf.book(B), by="ann", now=shelf.now)
    for event in events:
        shelf.ledgers[event.sku].apply(event)
    shelf.events += events
    shelf.ledgers[B].inherit(B, shelf.book(A), shelf.now)
    return events


def figures(book: Book) -> dict[tuple[LocationId, State], int]:
    states = (State.SELLABLE, *SET_ASIDE)
    found = {(at, state): position.standing(state) for at, position in book.positions.items() for state in states}
    return {where: units for where, units in found.items() if units}


def test_units_move_as_they_stand() -> None:
    shelf = Shelf(A=10, B=4)
    shelf.receive(A, 5, THERE)
    shelf.put(2, State.SELLABLE, State.DAMAGED)
    events = merge(shelf)
    assert figures(shelf.book(A)) == {}
    assert figures(shelf.book(B)) == {(HERE, State.SELLABLE): 12, (HERE, State.DAMAGED): 2, (THERE, State.SELLABLE): 5}
    assert events[-1] == SkuMerged(at=shelf.now, sku=A, into=B, by="ann")
    assert (shelf.book(A).merged_into, shelf.book(A).retired) == (B, True)


def test_a_line_that_was_shipped_can_still_be_refunded() -> None:
    """Lesson C6: what was sold under the one comes back under the other, and counts once."""
    shelf = Shelf(A=10, B=4)
    shelf.record(0, shipped=3)
    merge(shelf)
    assert figures(shelf.book(B)) == {(HERE, State.SELLABLE): 11}
    shelf.record(0, shipped=3, returned=2, sku=B)
    assert figures(shelf.book(B)) == {(HERE, State.SELLABLE): 13}
    shelf.record(0, sku=B)
    assert figures(shelf.book(B)) == {(HERE, State.SELLABLE): 14}


def test_what_came_back_physically_is_not_taken_back_again_on_a_channel_s_word() -> None:
    shelf = Shelf(A=10, B=4)
    shelf.record(0, shipped=3)
    shelf.take_back(2)
    events = merge(shelf)
    assert [event.quantity for event in events if isinstance(event, StockReturned)] == [2]
    assert figures(shelf.book(B)) == {(HERE, State.SELLABLE): 11, (HERE, State.QUALITY_HOLD): 2}
    shelf.record(0, shipped=3, returned=2, sku=B)
    assert figures(shelf.book(B)) == {(HERE, State.SELLABLE): 11, (HERE, State.QUALITY_HOLD): 2}


def test_who_moved_a_line_before_is_not_who_merges() -> None:
    shelf = Shelf(A=10, B=4)
    shelf.receive(A, 5, THERE)
    shelf.record(2, shipped=1, held_until=START + timedelta(minutes=1))
    moved = Reallocate(
        account=SHOP, order_id=OrderId("1"), line_id=LineId("1"), sku=A, location=THERE, by="ann", reason="nearer"
    )
    assert shelf.do(moved) == Done()
    shelf.wait(3600)
    shelf.receive(A, 1, key="whatever comes next lets the unpaid part lapse")
    told = [event for event in merge(shelf) if isinstance(event, DemandSet)]
    assert [(event.sku, event.by, event.reason) for event in told] == [(B, "", ""), (A, "", "")]


def test_a_repeated_movement_is_recognised_after_the_merge() -> None:
    """Lesson E8: a receipt whose answer was lost is sent again, and by now names the other SKU."""
    shelf = Shelf(A=1, B=1)
    first = shelf.receive(A, 5, key="delivery")
    merge(shelf)
    before = figures(shelf.book(B))
    assert shelf.receive(B, 5, key="delivery") == first
    assert figures(shelf.book(B)) == before
    other = shelf.receive(B, 4, key="delivery")
    assert isinstance(other, Refusal)
    assert (other.code, other.text) == ("CONFLICT", "key=delivery was used for RECEIVE A here 5 before")


def test_a_look_from_before_the_merge_is_not_taken_for_one_at_both() -> None:
    """Lessons E8, E13: a partner's level of A, refused as stale once, arrives again and names B by now."""
    shelf = Shelf(A=9, B=28)
    shelf.wait(10)
    merge(shelf)
    before = figures(shelf.book(B))
    late = shelf.observe(9, sku=B, seconds_ago=5, key="level of A")
    assert isinstance(late, Refusal)
    assert late.code == "STALE"
    assert figures(shelf.book(B)) == before
    shelf.wait(10)
    assert isinstance(shelf.observe(36, sku=B, key="level of both"), Moved)
    assert figures(shelf.book(B)) == {(HERE, State.SELLABLE): 36}


def test_a_repeated_transfer_is_recognised_after_the_merge() -> None:
    """By either name, whatever has arrived of it since."""
    shelf = Shelf(A=5, B=4)
    first = shelf.send((A, 2), (B, 1))
    shelf.arrive(2)
    shelf.arrive(1, sku=B, key="the rest")
    merge(shelf)
    before = figures(shelf.book(B))
    assert shelf.send((B, 3)) == first
    assert figures(shelf.book(B)) == before
    other = shelf.send((B, 2))
    assert isinstance(other, Refusal)
    assert other.code == "CONFLICT"


def test_the_ended_book_takes_nothing_more() -> None:
    shelf = Shelf(A=5, B=1)
    merge(shelf)
    assert shelf.receive(A, 1) == Refusal(code="MERGED", text="sku=A was merged into B meanwhile: repeat")
    assert shelf.hold("h", (A, 1)) == Refusal(code="RETIRED", text="sku=A")


def test_all_that_is_open_is_listed() -> None:
    shelf = Shelf(A=20, B=4)
    shelf.hold("basket-1")
    shelf.hold("basket-2")
    shelf.record(2)
    shelf.purchase((A, 5))
    shelf.send((A, 1))
    obstacles = find_obstacles(shelf.book(A), shelf.book(B), recipes_with=(Sku("KIT"),))
    assert refuse_merge(A, obstacles) == Refusal(
        code="INUSE",
        text="sku=A cannot be merged while there are open holds basket-1, basket-2; open order lines shop/1 line 1;"
        " purchase orders po-1; transfers t-1; recipes KIT",
    )
    for hold in ("basket-1", "basket-2"):
        shelf.release(hold)
    shelf.record(0, shipped=2)
    shelf.end_purchase()
    shelf.arrive(1)
    assert find_obstacles(shelf.book(A), shelf.book(B)) == ()


def test_barcodes_are_inherited_behind_one_s_own() -> None:
    mine, theirs = Details(barcodes=(Barcode("4006381333931"),)), Details(barcodes=(Barcode("036000291452"),))
    event = inherit_barcodes(B, mine, theirs, by="ann", now=START)
    assert event is not None
    assert event.details.barcodes == ("4006381333931", "036000291452")
    assert inherit_barcodes(B, mine, Details(), by="ann", now=START) is None


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["receive", "adjust", "record", "return", "set aside", "wait"]),
        st.sampled_from([A, B]),
        st.integers(0, 6),
        st.integers(0, 6),
        st.sampled_from(BOTH),
    ),
    max_size=12,
)


@given(STEPS)
def test_no_unit_is_made_or_lost(steps: list[tuple[str, Sku, int, int, LocationId]]) -> None:
    """For any history without anything open: each place has in each state what both had there, and so it replays."""
    shelf = Shelf(A=9, B=9)
    sold = A
    for number, (what, sku, units, more, at) in enumerate(steps):
        key = f"k{number}"
        match what:
            case "receive":
                shelf.receive(sku, units + 1, at, key=key)
            case "adjust":
                shelf.adjust(-units, sku=sku, location=at, key=key)
            case "record":
                shelf.record(0, shipped=units, returned=min(units, more), sku=sold)
            case "return":
                shelf.take_back(units + 1, at=at, key=key)
            case "set aside":
                shelf.put(units + 1, State.SELLABLE, SET_ASIDE[more % 3], sku=sku, at=at, key=key)
            case _:
                shelf.now += timedelta(seconds=units)
    before = figures(shelf.book(A))
    expected = figures(shelf.book(B))
    for where, units in before.items():
        expected[where] = expected.get(where, 0) + units
    merge(shelf)
    assert figures(shelf.book(A)) == {}
    assert figures(shelf.book(B)) == {where: units for where, units in expected.items() if units}
    assert {key[:2] for key in shelf.book(A).demand} == set()
    again = Shelf()
    for event in shelf.events:
        if isinstance(event, BookEvent):
            again.ledgers[event.sku].apply(event)
            if isinstance(event, SkuMerged):
                again.ledgers[B].inherit(B, again.book(A), event.at)
    assert (again.book(A), again.book(B)) == (shelf.book(A), shelf.book(B))
