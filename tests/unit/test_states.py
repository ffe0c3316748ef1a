"""States of units on hand: what may leave which, and what that does to promises."""

import pytest

from engine.domain.commands import Answer, Moved, Refusal
from engine.domain.events import OversellRecorded, StateChanged
from engine.domain.states import SET_ASIDE, State
from engine.domain.stock.book import Position
from tests.fakes.books import HERE, THERE, A, Shelf

SELLABLE, HOLD, DAMAGED, DISPLAY, GONE = State


def refused(answer: Answer) -> str:
    assert isinstance(answer, Refusal), answer
    return str(answer)


def figures(shelf: Shelf) -> tuple[int, ...]:
    """On hand, unavailable and its three parts."""
    at = shelf.at()
    return (at.on_hand, at.unavailable, at.quality_hold, at.damaged, at.display)


def test_every_state_that_is_set_aside_has_a_figure_and_their_sum_is_unavailable() -> None:
    assert set(SET_ASIDE) == set(State) - {SELLABLE, GONE}
    assert set(SET_ASIDE) <= set(Position.__slots__)
    shelf = Shelf(A=9)
    for number, state in enumerate(SET_ASIDE, start=1):
        shelf.put(number, SELLABLE, state, key=state)
    assert figures(shelf) == (9, 6, 1, 2, 3)
    assert [shelf.at().standing(state) for state in State] == [3, 1, 2, 3, 0]
    assert (shelf.at().atp, shelf.at().free) == (3, 3)


@pytest.mark.parametrize("source", [SELLABLE, *SET_ASIDE])
@pytest.mark.parametrize("target", [SELLABLE, *SET_ASIDE, GONE])
def test_units_go_from_any_state_to_any_other_and_only_those_that_stand_there(source: State, target: State) -> None:
    shelf = Shelf(A=5)
    if source is not SELLABLE:
        shelf.put(2, SELLABLE, source, key="first")
    standing = shelf.at().standing(source)
    before = figures(shelf)
    if source is target:
        text = f"BADARG state '{source}': units cannot go from there to {target}"
        assert refused(shelf.put(1, source, target)) == text
        return
    text = f"EXCEEDS sku=A location=here {source}={standing} quantity={standing + 1}"
    assert refused(shelf.put(standing + 1, source, target)) == text
    assert figures(shelf) == before
    moved = shelf.put(standing, source, target, key="all")
    assert isinstance(moved, Moved)
    assert shelf.at().standing(source) == 0
    assert shelf.at().on_hand == 5 - (standing if target is GONE else 0)
    (event,) = moved.movements
    assert isinstance(event, StateChanged)
    assert event.on_hand == shelf.at().on_hand
    assert sum(shelf.at().standing(state) for state in State) == shelf.at().on_hand


def test_what_was_written_off_does_not_come_back_by_a_change_of_state() -> None:
    shelf = Shelf(A=5)
    shelf.put(2, SELLABLE, GONE)
    assert figures(shelf)[0] == 3
    assert refused(shelf.put(1, GONE, SELLABLE, key="undo")).startswith("BADARG state 'written_off'")


def test_nothing_stands_at_a_place_never_heard_of_and_asking_does_not_make_it_known() -> None:
    shelf = Shelf(A=5)
    assert refused(shelf.put(1, SELLABLE, DAMAGED, at=THERE)) == "EXCEEDS sku=A location=there sellable=0 quantity=1"
    assert list(shelf.book().positions) == [HERE]


@pytest.mark.parametrize("target", [HOLD, GONE])
def test_setting_promised_units_aside_is_no_secret(target: State) -> None:
    """They stay owed; that they are missing now is an incident with its own cause, and it closes when they are back."""
    shelf = Shelf(A=5)
    shelf.record(4)
    shelf.put(3, SELLABLE, target)
    (incident,) = [event for event in shelf.new if isinstance(event, OversellRecorded)]
    assert (incident.units, incident.cause) == (2, "set_aside")
    assert incident.detail == f"state: 3 from sellable to {target}"
    assert (shelf.at().committed, shelf.at().atp) == (4, -2)
    shelf.receive(A, 2)
    assert shelf.book().oversold == 0


def test_units_set_aside_are_neither_held_nor_adjusted_away_nor_shipped() -> None:
    """Lesson B3: what leaves is sellable; that more left than could is a count error on record."""
    shelf = Shelf(A=5)
    shelf.put(3, SELLABLE, DAMAGED)
    assert refused(shelf.hold("h", (A, 3))) == "OUTOFSTOCK sku=A requested=3 atp=2"
    assert refused(shelf.adjust(-3)) == "NEGATIVE sku=A location=here on_hand=5 unavailable=3 delta=-3"
    assert isinstance(shelf.adjust(-2), Moved)
    shelf.record(0, shipped=1, locations=(HERE,))
    assert figures(shelf) == (3, 3, 0, 3, 0)
    assert [type(event).__name__ for event in shelf.new] == ["OrderRecorded", "StockAdjusted", "DemandSet"]


def test_a_repeat_is_answered_as_the_first_time_and_moves_nothing() -> None:
    shelf = Shelf(A=5)
    first = shelf.put(2, SELLABLE, HOLD)
    assert shelf.put(2, SELLABLE, HOLD) == first
    assert figures(shelf) == (5, 2, 2, 0, 0)
    assert refused(shelf.put(2, SELLABLE, DAMAGED)) == (
        "CONFLICT key=state was used for INSPECT A here 2 source=sellable target=quality_hold before"
    )
