"""A few digits that tell one book from another."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from engine.domain.audit import fingerprints
from engine.domain.audit.fingerprints import count_records, fingerprint
from engine.domain.commands import ReleaseHold
from engine.domain.events import SkuAdded
from engine.domain.stock.book import Book
from engine.domain.units import HoldId, Sku
from tests.fakes.books import HERE, A, Shelf, place_hold


def make_shelf() -> Shelf:
    """Units, a hold, and one that was given back."""
    shelf = Shelf(A=20, B=3)
    shelf.do(place_hold("open", (A, 2)))
    shelf.do(place_hold("back", (A, 1)))
    shelf.do(ReleaseHold(hold_id=HoldId("back")))
    return shelf


def print_of(shelf: Shelf, seconds: float = 0) -> str:
    ((sku, digits),) = fingerprint(shelf.ledgers[A], [A], shelf.now + timedelta(seconds=seconds))
    assert (sku, len(digits)) == (A, 16)
    return digits


def more_on_hand(book: Book) -> None:
    book.position(HERE).on_hand += 1


def less_reserved(book: Book) -> None:
    book.position(HERE).reserved -= 1


def lost_hold(book: Book) -> None:
    del book.holds[HoldId("open")]


def lost_answer(book: Book) -> None:
    book.ended.clear()


def other_name(book: Book) -> None:
    book.name = "another"


@pytest.mark.parametrize("harm", [more_on_hand, less_reserved, lost_hold, lost_answer, other_name])
def test_a_book_that_is_another_one_has_another_fingerprint(harm: Callable[[Book], None]) -> None:
    shelf = make_shelf()
    before = print_of(shelf)
    harm(shelf.book(A))
    assert print_of(shelf) != before


def test_books_of_the_same_events_have_the_same_one() -> None:
    shelf = make_shelf()
    assert fingerprint(shelf.replayed().ledgers[A], [A], shelf.now) == ((A, print_of(shelf)),)


def test_what_may_be_forgotten_counts_for_nothing() -> None:
    shelf = make_shelf()
    late = 2 * 3600.0
    before = print_of(shelf, late)
    assert before != print_of(shelf)
    shelf.ledgers[A].forget(shelf.now + timedelta(seconds=late))
    assert print_of(shelf, late) == before


def test_a_busy_book_is_left_out_and_the_others_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = make_shelf()
    ledger = shelf.ledgers[A]
    ledger.apply(SkuAdded(at=shelf.now, sku=Sku("quiet")))
    names = [A, Sku("quiet")]
    monkeypatch.setattr(fingerprints, "RECORDS_MAX", count_records(shelf.book(A)))
    assert [sku for sku, _ in fingerprint(ledger, names, shelf.now)] == names
    assert [sku for sku, _ in fingerprint(ledger, [A, *names], shelf.now)] == names
    monkeypatch.setattr(fingerprints, "RECORDS_MAX", count_records(shelf.book(A)) - 1)
    assert [sku for sku, _ in fingerprint(ledger, names, shelf.now)] == names[1:]
