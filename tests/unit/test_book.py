"""A book is changed by events alone, and its figures are the sums of its records."""

import pytest

from engine.domain.events import DemandSet, HoldCommitted, SkuAdded, StockAdjusted, StockReceived, UnitsHeld
from engine.domain.stock.book import Book, hold_line_id, units_of
from engine.domain.stock.booking import apply
from engine.domain.units import DIRECT, HoldId, Key, LineId, LocationId, OrderId
from tests.fakes.books import HERE, THERE, A, Shelf
from tests.fakes.clocks import START
from tests.fakes.orders import SHOP

HELD = UnitsHeld(at=START, sku=A, hold_id=HoldId("h"), parts=((HERE, 1), (THERE, 2)), expires_at=None, account=DIRECT)


def receipt(units: int, on_hand: int, location: LocationId = HERE) -> StockReceived:
    return StockReceived(at=START, sku=A, key=Key(f"r{on_hand}"), location=location, quantity=units, on_hand=on_hand)


def demand(**levels: tuple[tuple[LocationId, int], ...]) -> DemandSet:
    return DemandSet(at=START, sku=A, account=SHOP, order_id=OrderId("1"), line_id=LineId("1"), **levels)  # type: ignore[arg-type]


def test_a_place_never_heard_of_has_zeros_and_asking_does_not_make_it_known() -> None:
    book = Book(A)
    assert (book.atp_at(HERE), book.atp_over((HERE, THERE)), book.levels(), book.oversold) == (0, 0, (), 0)


def test_available_is_what_is_left_of_every_other_figure() -> None:
    book = Book(A)
    position = book.position(HERE)
    position.on_hand, position.committed, position.reserved = 20, 5, 3
    position.unavailable, position.safety_stock, position.incoming, position.in_transit = 2, 4, 9, 9
    assert (position.free, position.atp) == (10, 6)
    assert book.levels() == ((HERE, 6),)


def test_a_place_that_is_short_takes_from_the_others() -> None:
    book = Book(A)
    apply(book, receipt(3, 3))
    apply(book, demand(committed=((THERE, 5),)))
    assert (book.atp_over((HERE, THERE)), book.atp_over((HERE,))) == (-2, 3)


def test_a_committed_hold_is_owed_under_its_own_line_where_it_was_held() -> None:
    book = Book(A)
    apply(book, HELD)
    assert (book.position(HERE).reserved, book.position(THERE).reserved) == (1, 2)
    apply(book, HoldCommitted(at=START, sku=A, hold_id=HELD.hold_id, account=DIRECT, order_id=OrderId("7")))
    owed = book.demand[DIRECT, OrderId("7"), hold_line_id(HELD.hold_id)]
    assert owed.committed == HELD.parts
    assert (book.position(HERE).reserved, book.position(THERE).committed) == (0, 2)


def test_a_hold_whose_order_claims_the_units_already_is_not_owed_twice() -> None:
    book = Book(A)
    apply(book, HELD)
    apply(book, HoldCommitted(at=START, sku=A, hold_id=HELD.hold_id, account=DIRECT, order_id=OrderId("7"), owed=False))
    assert (book.demand, book.position(HERE).committed, book.position(HERE).reserved) == ({}, 0, 0)


def test_a_line_at_zero_leaves_no_record() -> None:
    book = Book(A)
    apply(book, demand(committed=((HERE, 2),), shipped=((THERE, 1),)))
    assert (book.position(HERE).committed, book.position(THERE).on_hand) == (2, -1)
    apply(book, demand())
    assert (book.demand, book.position(HERE).committed, book.position(THERE).on_hand) == ({}, 0, 0)


def test_returned_units_are_on_hand_again() -> None:
    book = Book(A)
    apply(book, receipt(3, 3))
    apply(book, demand(shipped=((HERE, 3),)))
    apply(book, demand(shipped=((HERE, 3),), returned=((HERE, 2),)))
    assert book.position(HERE).on_hand == 2


def test_a_movement_whose_sum_is_not_ours_is_a_bug_and_stops_us() -> None:
    book = Book(A)
    with pytest.raises(AssertionError):
        apply(book, StockAdjusted(at=START, sku=A, key=Key("k"), location=HERE, delta=2, on_hand=3, reason="x"))


def test_a_new_safety_stock_replaces_the_old_one_everywhere() -> None:
    book = Book(A)
    apply(book, SkuAdded(at=START, sku=A, name="a", safety_stock=((HERE, 2), (THERE, 1))))
    apply(book, SkuAdded(at=START, sku=A, name="b", safety_stock=((THERE, 3),)))
    assert (book.name, book.position(HERE).safety_stock, book.position(THERE).safety_stock) == ("b", 0, 3)


def test_books_are_equal_when_every_figure_and_record_is() -> None:
    one, other = Shelf(A=3), Shelf(A=3)
    assert one.book() == other.book()
    one.book().position(THERE)
    assert one.book() == other.book(), "zeros at a place are nothing"
    one.hold("h")
    assert one.book() != other.book()
    other.hold("h")
    assert one.book() == other.book()
    one.release("h")
    other.commit("h")
    assert one.book() != other.book()


def test_a_book_knows_holds_that_are_open_ended_and_refused() -> None:
    shelf = Shelf(A=2)
    shelf.hold("open")
    shelf.hold("ended")
    shelf.release("ended")
    shelf.hold("refused", (A, 9))
    knows = shelf.book().knows_hold
    assert [knows(HoldId(hold)) for hold in ("open", "ended", "refused", "other")] == [True, True, True, False]


def test_units_of_parts_are_their_sum() -> None:
    assert units_of(HELD.parts) == 3
    assert units_of(()) == 0
