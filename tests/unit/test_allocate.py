"""Which location gives what: plain arithmetic on parts."""

import pytest

from engine.domain.events import Part
from engine.domain.stock.allocate import merge, place, place_all, take
from engine.domain.units import LocationId

X, Y, Z = LocationId("x"), LocationId("y"), LocationId("z")


@pytest.mark.parametrize(
    ("units", "room", "parts"),
    [
        (2, {X: 2}, ((X, 2),)),
        (3, {X: 2}, None),
        (2, {X: 1, Y: 2}, ((Y, 2),)),
        (2, {X: 2, Y: 9}, ((X, 2),)),
        (3, {X: 2, Y: 2}, ((X, 2), (Y, 1))),
        (3, {X: 0, Y: 2, Z: 2}, ((Y, 2), (Z, 1))),
        (5, {X: 2, Y: 2}, None),
        (2, {X: -1, Y: 2}, None),
        (1, {X: -1, Y: 2}, ((Y, 1),)),
        (6, {X: 1, Y: 2, Z: 5}, ((Y, 1), (Z, 5))),
        (8, {X: 1, Y: 2, Z: 5}, ((X, 1), (Y, 2), (Z, 5))),
        (5, {X: 3, Y: 1, Z: 3}, ((X, 3), (Z, 2))),
        (4, {X: 1, Y: 9, Z: 4}, ((Y, 4),)),
    ],
)
def test_one_place_that_has_all_is_better_than_those_that_have_most_and_a_shortage_counts_against_the_others(
    units: int, room: dict[LocationId, int], parts: tuple[Part, ...] | None
) -> None:
    assert place(units, tuple(room), room.__getitem__) == parts


@pytest.mark.parametrize(
    ("units", "room", "parts"),
    [
        (0, {X: 0}, ()),
        (2, {X: 1, Y: 2}, ((Y, 2),)),
        (5, {X: 2, Y: 2}, ((X, 3), (Y, 2))),
        (5, {X: -3, Y: 2}, ((X, 3), (Y, 2))),
        (1, {X: 0, Y: 0}, ((X, 1),)),
        (3, {X: -2, Y: 4}, ((Y, 3),)),
        (9, {X: 1, Y: 2, Z: 5}, ((X, 2), (Y, 2), (Z, 5))),
        (6, {X: -9, Y: 2, Z: 5}, ((Y, 1), (Z, 5))),
    ],
)
def test_what_cannot_be_refused_is_owed_by_the_first_place(
    units: int, room: dict[LocationId, int], parts: tuple[Part, ...]
) -> None:
    assert place_all(units, tuple(room), room.__getitem__) == parts


@pytest.mark.parametrize(
    ("units", "taken", "rest"),
    [
        (0, (), ((X, 2), (Y, 1))),
        (1, ((X, 1),), ((X, 1), (Y, 1))),
        (2, ((X, 2),), ((Y, 1),)),
        (3, ((X, 2), (Y, 1)), ()),
        (9, ((X, 2), (Y, 1)), ()),
    ],
)
def test_taking_splits_parts_and_loses_no_unit(units: int, taken: tuple[Part, ...], rest: tuple[Part, ...]) -> None:
    assert take(((X, 2), (Y, 1)), units) == (taken, rest)


def test_merging_adds_up_by_place_and_drops_zeros() -> None:
    assert merge(((X, 1), (Y, 0)), (), ((Z, 1), (X, 2))) == ((X, 3), (Z, 1))
