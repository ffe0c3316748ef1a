"""What could have been known of a SKU at a frame."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from engine.domain.events import OversellCleared, SkuMerged, UnitsHeld
from engine.domain.units import DIRECT, HoldId
from engine.machines.toldlevels import KEPT, Levels, ToldLevels, Touched, touched_by
from engine.machines.untold import PLENTY_UNITS
from tests.fakes.books import HERE, THERE, A, B
from tests.fakes.clocks import START

MUCH = 10 * PLENTY_UNITS


def level(units: int) -> Levels:
    return ((HERE, units), (THERE, 1))


def held(*units: int, only: bool = True) -> Touched:
    touched = Touched()
    touched.holds = [(HERE, each) for each in units]
    touched.only_holds = only
    return touched


def changed() -> Touched:
    return held(only=False)


def hold(units: int) -> UnitsHeld:
    return UnitsHeld(at=START, sku=A, hold_id=HoldId("h"), parts=((HERE, units),), expires_at=None, account=DIRECT)


def levels_of(*frames: tuple[int, int, Touched]) -> ToldLevels:
    found = ToldLevels()
    for position, units, touched in frames:
        found.note(position, START, A, level(units), touched)
    return found


def test_the_newest_level_behind_a_frame_is_known() -> None:
    levels = levels_of((1, 5, changed()), (4, 7, changed()))
    assert levels.find(A, 4, durable=9) == ([level(7)], None)
    assert levels.find(A, 8, durable=9) == ([level(7)], None)
    assert levels.find(B, 8, durable=9) is None


def test_an_older_level_is_outdated_once_a_change_is_durable() -> None:
    levels = levels_of((1, 5, changed()), (4, 7, changed()))
    assert levels.find(A, 3, durable=4) == ([level(5)], 4)
    assert levels.find(A, 3, durable=3) == ([level(5)], None)


def test_what_leaves_the_level_as_it_was_outdates_nothing() -> None:
    levels = levels_of((1, 5, changed()), (4, 5, changed()))
    assert levels.find(A, 1, durable=9) == ([level(5)], None)
    assert levels.find(A, 7, durable=9) == ([level(5)], None)


def test_of_a_frame_any_number_of_its_last_plain_holds_may_be_untold() -> None:
    levels = levels_of((1, MUCH, changed()), (2, MUCH - 6, held(1, 2, 3)))
    known = levels.find(A, 2, durable=2)
    assert known == ([level(MUCH - 6), level(MUCH - 3), level(MUCH - 1), level(MUCH)], None)
    assert levels.find(A, 1, durable=2) == ([level(MUCH)], None)


def test_a_level_that_was_told_itself_has_all_of_the_frames_before() -> None:
    levels = levels_of((1, MUCH, changed()), (2, MUCH - 1, held(1)))
    assert levels.find(A, 3, durable=3) == ([level(MUCH - 1)], None)
    assert levels.find(A, 3, durable=3, alone=False) == ([level(MUCH - 1), level(MUCH)], None)


def test_whatever_else_happens_is_told_with_all_before_it() -> None:
    levels = levels_of((1, MUCH, changed()), (2, MUCH - 9, held(3, only=False)))
    assert levels.find(A, 2, durable=2) == ([level(MUCH - 9), level(MUCH - 6)], None)


def test_a_hold_that_leaves_little_is_told_at_once() -> None:
    levels = levels_of((1, PLENTY_UNITS, changed()), (2, PLENTY_UNITS - 1, held(1)))
    assert levels.find(A, 2, durable=2, alone=False) == ([level(PLENTY_UNITS - 1)], None)


def test_what_is_older_than_any_level_waits_is_kept_no_more() -> None:
    levels = levels_of((1, MUCH, changed()), (2, MUCH - 1, held(1)))
    late = START + KEPT + timedelta(seconds=1)
    levels.note(3, late, A, level(MUCH - 2), held(1))
    levels.note(4, late + KEPT + timedelta(seconds=1), A, level(MUCH - 3), held(1))
    assert levels.find(A, 1, durable=4) == ((), None)
    levels.note(5, late, A, level(7), changed())
    assert levels.find(A, 1, durable=5) == ((), 5)


def test_what_a_replay_begins_with_is_known_from_ever() -> None:
    levels = ToldLevels()
    levels.begin(A, level(3))
    assert levels.find(A, 1, durable=900) == ([level(3)], None)


def test_tells_what_a_frame_did() -> None:
    one, two = hold(1), hold(2)
    found = touched_by([one, OversellCleared(at=START, sku=A), two, SkuMerged(at=START, sku=B, into=A)])
    assert found[A].holds == []
    assert not found[B].only_holds
    found = touched_by([OversellCleared(at=START, sku=A), one, two])
    assert (found[A].holds, found[A].only_holds) == ([(HERE, 1), (HERE, 2)], False)


@given(st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=4), max_size=6))
def test_every_state_behind_plain_holds_is_one_that_may_be_known(frames: list[list[int]]) -> None:
    levels, units = ToldLevels(), MUCH
    levels.note(1, START, A, level(units), changed())
    states = [units]
    for position, taken in enumerate(frames, start=2):
        units -= sum(taken)
        states += [states[-1] - sum(taken[: index + 1]) for index in range(len(taken))]
        levels.note(position, START, A, level(units), held(*taken))
    known = levels.find(A, len(frames) + 1, durable=len(frames) + 1, alone=False)
    assert known is not None
    assert list(known.levels) == [level(each) for each in reversed(states)]
