"""Laws of telling levels: what may soon be zero at once, the rest soon and seldom, and in the end all of it."""

from datetime import timedelta

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from engine.domain.stock.book import Book
from engine.domain.units import LocationId, Sku
from engine.machines import untold
from engine.machines.untold import PLENTY_UNITS, TOLD_PAUSE, TOLD_WITHIN, Untold
from tests.fakes.books import HERE, THERE
from tests.fakes.clocks import START

SLICE = 3
"""In place of `TOLD_MAX`, so that few SKUs are many."""

SKUS = st.integers(0, 7).map(lambda number: Sku(f"S{number}"))
TAKEN = st.tuples(SKUS, st.sampled_from([HERE, THERE]), st.integers(1, 40))
STEPS = st.lists(st.tuples(st.lists(TAKEN, max_size=10), st.integers(0, 400)), min_size=1, max_size=20)
"""Of each step: units that plain holds take, and milliseconds until the next."""


def shelves(on_hand: int) -> dict[Sku, Book]:
    books = {Sku(f"S{number}"): Book(Sku(f"S{number}")) for number in range(8)}
    for book in books.values():
        for place in (HERE, THERE):
            book.position(place).on_hand = on_hand
    return books


def take_units(book: Book, place: LocationId, units: int) -> bool:
    """Hold units as a plain hold does: only what is there."""
    if book.atp_at(place) < units:
        return False
    book.position(place).reserved += units
    return True


@given(steps=STEPS, on_hand=st.integers(0, 400))
def test_scarce_levels_are_told_in_their_step_and_all_others_within_a_bound(
    steps: list[tuple[list[tuple[Sku, LocationId, int]], int]], on_hand: int
) -> None:
    """The owner takes at the end of each step, and when `due_at` says so."""
    books, waiting, now = shelves(on_hand), Untold(), START
    changed = dict.fromkeys(books, START)
    """When the first change came that nobody was told of."""
    open_skus: set[Sku] = set()
    bound = TOLD_WITHIN + 2 * (len(books) // SLICE + 1) * TOLD_PAUSE

    def take() -> set[Sku]:
        taken = waiting.take(now)
        for sku, (book, since) in taken.items():
            assert book is books[sku]
            assert sku not in open_skus or since <= changed[sku], "a delay is never made to look shorter"
        told = set(taken)
        assert all(now - changed[sku] <= bound for sku in told & open_skus)
        open_skus.difference_update(told)
        return told

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(untold, "TOLD_MAX", SLICE)
        for holds, pause in steps:
            scarce: set[Sku] = set()
            for sku, place, units in holds:
                if take_units(books[sku], place, units):
                    waiting.hold(books[sku], books[sku].atp_at(place), now)
                    if sku not in open_skus:
                        open_skus.add(sku)
                        changed[sku] = now
                    if books[sku].atp_at(place) < PLENTY_UNITS:
                        scarce.add(sku)
            told = take()
            event(f"{len(scarce)} scarce, {len(told)} told, {len(open_skus)} wait")
            assert scarce <= told
            after = now + timedelta(milliseconds=pause)
            while waiting.due_at is not None and waiting.due_at <= after:
                now = max(now, waiting.due_at)
                assert take(), "it was due"
            now = after
        while waiting.due_at is not None:
            now = max(now, waiting.due_at)
            take()
    assert not open_skus, "when nothing waits, all was told"


def test_under_load_a_level_of_which_there_is_plenty_is_told_once_in_a_while() -> None:
    """Told at once after a rest; then once for the thousand holds of each quarter of a second."""
    book, waiting, now = shelves(1_000_000)[Sku("S0")], Untold(), START
    told_at = []
    for _ in range(4000):
        assert take_units(book, HERE, 1)
        waiting.hold(book, book.atp_at(HERE), now)
        if waiting.take(now):
            told_at.append(now)
        now += timedelta(milliseconds=0.25)
    assert told_at == [START + TOLD_WITHIN * number for number in range(4)]


def test_what_was_told_at_once_waits_again_when_there_is_plenty_again() -> None:
    """The same SKU, twice in a row: it must not be taken for one that waits already."""
    book, waiting = shelves(1000)[Sku("S0")], Untold()
    waiting.hold(book, 999, START)
    waiting.change(book, START)
    assert set(waiting.take(START)) == {book.sku}
    assert waiting.due_at is None
    waiting.hold(book, 998, START)
    assert waiting.due_at is not None
