"""Where the units of an order line are owed from, and how a person may change that."""

from engine.domain.commands import Answer, Done, Reallocate, Refusal
from engine.domain.events import DemandSet, OversellRecorded
from engine.domain.units import AccountId, LineId, LocationId, OrderId, Sku
from tests.fakes.books import HERE, THERE, A, Shelf
from tests.fakes.clocks import START
from tests.fakes.orders import SHOP

ELSEWHERE = LocationId("elsewhere")


def refused(answer: Answer) -> str:
    assert isinstance(answer, Refusal), answer
    return str(answer)


def move(shelf: Shelf, location: LocationId, *, order: str = "1", sku: Sku = A, account: AccountId = SHOP) -> Answer:
    return shelf.do(
        Reallocate(account=account, order_id=OrderId(order), line_id=LineId("1"), sku=sku, location=location)
    )


def committed(shelf: Shelf) -> tuple[int, int]:
    return (shelf.at(HERE).committed, shelf.at(THERE).committed)


def oversold(shelf: Shelf) -> list[tuple[int, int]]:
    return [(event.units, event.open_units) for event in shelf.new if isinstance(event, OversellRecorded)]


# -- by a person


def test_an_order_line_moves_to_where_there_is_room_and_stays_there() -> None:
    """Lesson H2: what has left already does not move."""
    shelf = Shelf(A=5)
    shelf.receive(A, 5, THERE)
    shelf.record(3, shipped=1, locations=(HERE, THERE))
    assert move(shelf, THERE) == Done()
    assert committed(shelf) == (0, 3)
    assert (shelf.at(HERE).on_hand, shelf.at(THERE).on_hand) == (4, 5)
    assert move(shelf, THERE) == Done()
    assert shelf.new == []
    shelf.record(2, shipped=1, locations=(HERE, THERE))
    assert committed(shelf) == (0, 2), "the next snapshot leaves it where it is"


def test_the_event_says_who_moved_a_line_why_and_on_what_paper() -> None:
    shelf = Shelf(A=5)
    shelf.receive(A, 5, THERE)
    shelf.record(3)
    shelf.do(
        Reallocate(
            account=SHOP,
            order_id=OrderId("1"),
            line_id=LineId("1"),
            sku=A,
            location=THERE,
            reason="nearer",
            by="ann",
            reference="T-1",
        )
    )
    (event,) = shelf.new
    assert isinstance(event, DemandSet)
    assert (event.reason, event.by, event.reference) == ("nearer", "ann", "T-1")
    shelf.record(2)
    event = shelf.new[-1]
    assert isinstance(event, DemandSet)
    assert (event.reason, event.by, event.reference) == ("", "", ""), "an order's own snapshot is nobody's doing"


def test_units_that_are_only_held_move_and_run_out_as_before() -> None:
    shelf = Shelf(A=5)
    shelf.receive(A, 5, THERE)
    until = START.replace(hour=13)
    shelf.record(3, held_until=until)
    move(shelf, THERE)
    assert (shelf.at(HERE).reserved, shelf.at(THERE).reserved) == (0, 3)
    shelf.wait(3600)
    assert shelf.atp() == 10


def test_a_split_line_needs_room_for_those_that_are_not_there_yet() -> None:
    shelf = Shelf(A=2)
    shelf.receive(A, 3, THERE)
    shelf.record(4)
    assert committed(shelf) == (1, 3)
    assert refused(move(shelf, THERE)) == "OUTOFSTOCK sku=A requested=1 free=0 location=there"
    shelf.receive(A, 1, THERE, key="one more")
    assert move(shelf, THERE) == Done()
    assert committed(shelf) == (0, 4)


def test_a_line_that_owes_nothing_cannot_move() -> None:
    shelf = Shelf(A=5)
    shelf.record(0, shipped=1)
    text = "NOSUCHLINE account={} order={} line=1 sku=A: nothing is owed on it"
    assert refused(move(shelf, THERE)) == text.format("shop", "1")
    assert refused(move(shelf, THERE, order="9")) == text.format("shop", "9")
    assert refused(move(shelf, THERE, account=AccountId("other"))) == text.format("other", "1")
    assert refused(move(shelf, THERE, sku=Sku("NOPE"))) == "NOSUCHSKU sku=NOPE"


def test_moving_a_line_relieves_the_place_that_was_short() -> None:
    shelf = Shelf(A=0)
    shelf.record(2, locations=(HERE, THERE))
    assert oversold(shelf) == [(2, 2)]
    shelf.receive(A, 2, THERE)
    assert shelf.at(HERE).atp == -2
    move(shelf, THERE)
    assert (shelf.at(HERE).atp, shelf.at(THERE).atp) == (0, 0)


# -- by the buyer: pick-up


def test_a_pickup_is_owed_by_its_store_and_nobody_else_however_short_it_is() -> None:
    shelf = Shelf(A=9)
    shelf.receive(A, 1, THERE)
    shelf.record(3, pickup=THERE)
    assert committed(shelf) == (0, 3)
    assert oversold(shelf) == [(2, 2)], "units elsewhere do not help the buyer at the counter"
    assert (
        refused(move(shelf, HERE))
        == "BOUND account=shop order=1 line=1 sku=A is picked up at there: it is owed from nowhere else"
    )
    shelf.send((A, 2))
    assert shelf.book().oversold
    shelf.arrive(2)
    assert not shelf.book().oversold


def test_other_promises_beside_a_short_pickup_are_still_kept() -> None:
    """Two units are missing at the store; the seven here serve the five that others want from anywhere."""
    shelf = Shelf(A=7)
    shelf.record(2, pickup=THERE)
    shelf.hold("h", (A, 5), locations=(HERE,))
    assert shelf.book().oversold == 2
    shelf.hold("i", (A, 2), locations=(HERE,))
    assert shelf.book().oversold == 2
    shelf.adjust(-3)
    assert shelf.book().oversold == 2 + 3


def test_a_pickup_is_shipped_from_its_store_and_bound_no_more() -> None:
    shelf = Shelf(A=9)
    shelf.receive(A, 3, THERE)
    shelf.record(3, pickup=THERE)
    assert shelf.book().records.bound == {THERE: 3}
    shelf.record(0, shipped=3, pickup=THERE)
    assert (shelf.at(HERE).on_hand, shelf.at(THERE).on_hand) == (9, 0)
    assert shelf.book().records.bound == {}


def test_a_line_may_become_a_pickup_and_stop_being_one() -> None:
    shelf = Shelf(A=9)
    shelf.receive(A, 3, THERE)
    shelf.record(2)
    assert committed(shelf) == (2, 0)
    shelf.record(2, pickup=THERE)
    assert (committed(shelf), shelf.book().records.bound) == ((0, 2), {THERE: 2})
    shelf.record(2)
    assert (committed(shelf), shelf.book().records.bound) == ((0, 2), {})
    (event,) = [event for event in shelf.new if isinstance(event, DemandSet)]
    assert not event.bound


def test_an_unpaid_pickup_that_runs_out_is_bound_no_more() -> None:
    shelf = Shelf(A=9)
    shelf.record(2, pickup=THERE, held_until=START.replace(hour=13))
    assert shelf.book().records.bound == {THERE: 2}
    shelf.wait(3600)
    assert shelf.atp() == 9
    assert shelf.book().records.bound == {}
