"""How far an import is: what must not happen is refused before it changes anything."""

from collections.abc import Sequence

import pytest

from engine.domain.catalogue.underway import Underway
from engine.domain.events import ImportAdvanced, ImportDecided, ImportEvent, ImportStaged
from tests.fakes.clocks import START


def staged(piece: int, number: int = 7) -> ImportStaged:
    return ImportStaged(at=START, number=number, piece=piece, packed=b"%d" % piece)


def decided(pieces: int, number: int = 7) -> ImportDecided:
    return ImportDecided(at=START, number=number, pieces=pieces)


def advanced(applied: int, number: int = 7) -> ImportAdvanced:
    return ImportAdvanced(at=START, number=number, applied=applied)


def after(*events: ImportEvent) -> Underway:
    underway = Underway()
    for event in events:
        underway.apply(event)
    return underway


def test_pieces_are_done_in_the_order_in_which_they_were_staged() -> None:
    underway = after(staged(0), staged(1))
    assert underway.left == 0, "nothing is decided"
    underway.apply(decided(2))
    assert (underway.left, underway.next_piece) == (2, b"0")
    underway.apply(advanced(1))
    assert (underway.left, underway.next_piece) == (1, b"1")
    underway.apply(advanced(2))
    assert (underway.left, underway.applied, underway.is_decided) == (0, 2, False)


def test_an_import_that_begins_makes_one_that_was_never_decided_forgotten() -> None:
    fresh = after(staged(0), staged(1), staged(0, number=9), decided(1, number=9))
    assert (fresh.number, fresh.left) == (9, 1)


@pytest.mark.parametrize(
    ("before", "event", "rule"),
    [
        ((staged(0),), staged(2), "staged in order"),
        ((staged(0),), staged(1, number=8), "staged in order"),
        ((staged(0), staged(1)), decided(1), "what is decided is what was staged"),
        ((staged(0),), decided(1, number=8), "what is decided is what was staged"),
        ((staged(0), decided(1)), staged(0, number=9), "is under way"),
        ((staged(0),), advanced(1), "was not decided"),
        ((staged(0), staged(1), decided(2)), advanced(2), "once, in order"),
        ((staged(0), staged(1), decided(2), advanced(1)), advanced(1), "once, in order"),
        ((staged(0), decided(1), advanced(1)), advanced(2), "was not decided"),
    ],
)
def test_an_event_out_of_turn_changes_nothing(before: Sequence[ImportEvent], event: ImportEvent, rule: str) -> None:
    underway = after(*before)
    known = (underway.number, underway.left, underway.applied, underway.is_decided)
    with pytest.raises(AssertionError, match=rule):
        underway.apply(event)
    assert (underway.number, underway.left, underway.applied, underway.is_decided) == known
