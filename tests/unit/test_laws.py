"""Each law of the ledger is broken on purpose in a live book, and named; random histories break none (lesson B4)."""

from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest

from engine.domain.audit import laws
from engine.domain.audit.laws import Around, LineKnown, Violation, check_around, check_book, check_dues, check_listings
from engine.domain.audit.naive import NaiveLedger, read_figures
from engine.domain.commands import OrderPurchase, SendTransfer
from engine.domain.stock.book import Book
from engine.domain.stock.places import ONE_POOL, Kind, Pools
from engine.domain.stock.shortage import find_shortages
from engine.domain.units import AccountId, DocumentId, HoldId, LineId, ListingId, OrderId, Sku
from tests.fakes.books import BOTH, HERE, THERE, A, Shelf
from tests.fakes.clocks import START


def busy_shelf() -> Shelf:
    """A book with something of everything: holds, owed, kept and shipped units, papers under way."""
    shelf = Shelf(A=50)
    shelf.receive(A, 20, THERE)
    shelf.hold("open", (A, 3), seconds=900)
    shelf.hold("for-ever", (A, 2), seconds=None)
    shelf.hold("sold", (A, 4), seconds=None)
    shelf.commit("sold", "77")
    shelf.record(5, shipped=2, returned=1)
    shelf.do(OrderPurchase(purchase_order=DocumentId("PO-1"), location=HERE, lines=((A, 30),)))
    shelf.do(SendTransfer(transfer=DocumentId("T-1"), source=HERE, target=THERE, lines=((A, 6),)))
    return shelf


def found_in(book: Book) -> list[Violation]:
    return list(check_book(book))


def around(shelf: Shelf, **changes: object) -> Around:
    known = Around(shelf.now, BOTH, lambda _hold: True, lambda _sku, _key: LineKnown(known=True, open_units=None))
    return known._replace(**changes)  # type: ignore[arg-type]


def test_a_book_in_order_breaks_no_law() -> None:
    shelf = busy_shelf()
    assert found_in(shelf.book()) == []
    assert list(check_around(shelf.book(), around(shelf))) == []


def lose_the_hold(book: Book) -> None:
    del book.holds[HoldId("open")]


def lose_the_line(book: Book) -> None:
    del book.demand[next(iter(book.demand))]


def set_figure(name: str, units: int) -> Callable[[Book], None]:
    return lambda book: setattr(book.positions[HERE], name, units)


def lose_the_purchase(book: Book) -> None:
    book.own_records().purchases.clear()


def lose_the_transfer(book: Book) -> None:
    book.own_records().transfers.clear()


def bind(book: Book) -> None:
    book.own_records().bound[HERE] = 7


@pytest.mark.parametrize(
    ("corrupt", "law", "location", "expected", "found"),
    [
        (set_figure("committed", 4), laws.COMMITTED, HERE, 9, 4),
        (lose_the_line, laws.COMMITTED, HERE, 5, 9),
        (set_figure("reserved", 99), laws.RESERVED, HERE, 5, 99),
        (lose_the_hold, laws.RESERVED, HERE, 2, 5),
        (set_figure("unavailable", 1), laws.UNAVAILABLE, HERE, 0, 1),
        (set_figure("damaged", 2), laws.UNAVAILABLE, HERE, 2, 0),
        (set_figure("incoming", 0), laws.INCOMING, HERE, 30, 0),
        (lose_the_purchase, laws.INCOMING, HERE, 0, 30),
        (lose_the_transfer, laws.IN_TRANSIT, THERE, 0, 6),
        (bind, laws.BOUND, HERE, 0, 7),
        (set_figure("on_hand", -1), laws.NEGATIVE, HERE, 0, -1),
        (set_figure("safety_stock", -3), laws.NEGATIVE, HERE, 0, -3),
        (lambda book: book.positions.pop(THERE), laws.IN_TRANSIT, THERE, 6, 0),
    ],
)
def test_a_broken_law_is_named_with_place_and_figures(
    corrupt: Callable[[Book], None], law: str, location: str | None, expected: int, found: int
) -> None:
    """Lessons B3, B5: a figure that drifts away from what makes it up is seen for what it is."""
    shelf = busy_shelf()
    corrupt(shelf.book())
    named = {(each.law, each.location, each.expected, each.found) for each in found_in(shelf.book())}
    assert (law, location, expected, found) in named
    assert all(each.sku == A for each in found_in(shelf.book()))


def test_a_shortage_that_is_no_incident_is_named() -> None:
    """Lesson A7: nothing may be promised beyond what there is without anybody hearing of it."""
    shelf = busy_shelf()
    position = shelf.book().positions[HERE]
    position.on_hand -= 60
    short = find_shortages(shelf.book(), ONE_POOL)[None]
    assert Violation(law=laws.SHORTAGE, sku=A, expected=short, found=0) in found_in(shelf.book())


def test_a_shortage_that_another_pool_does_not_make_good_names_its_place() -> None:
    pools = Pools({HERE: Kind.OWN, THERE: Kind.CHANNEL_FULFILLED})
    shelf = Shelf(A=9)
    shelf.record(2, locations=(THERE,))
    assert found_in(shelf.book()) == [], "with one pool for all, what lies here makes it good"
    assert list(check_book(shelf.book(), pools)) == [
        Violation(law=laws.SHORTAGE, sku=A, location=THERE, expected=2, found=0)
    ]


def test_an_incident_without_a_shortage_is_named() -> None:
    shelf = Shelf(A=1)
    shelf.record(3)
    assert found_in(shelf.book()) == []
    shelf.book().positions[HERE].on_hand = 9
    assert found_in(shelf.book()) == [Violation(law=laws.SHORTAGE, sku=A, expected=0, found=2)]


def test_a_hold_that_outlives_its_time_is_named() -> None:
    """Lesson B10: whatever lost it from the due list, it shows."""
    shelf = busy_shelf()
    soon = around(shelf, now=START + timedelta(seconds=901))
    assert list(check_around(shelf.book(), soon)) == []
    late = around(shelf, now=START + timedelta(seconds=961))
    assert list(check_around(shelf.book(), late)) == [
        Violation(law=laws.EXPIRED, sku=A, expected=0, found=1, detail="hold open")
    ]


def test_a_hold_that_is_not_on_the_due_list_is_named() -> None:
    shelf = busy_shelf()
    ledger = shelf.ledgers[A]
    later = shelf.now + timedelta(seconds=1)
    assert list(check_dues(shelf.book(), set(ledger.dues()), later)) == []
    ledger._dues.clear()
    lost = Violation(law=laws.DUES, sku=A, expected=0, found=1, detail="hold open")
    assert list(check_dues(shelf.book(), set(ledger.dues()), later)) == [lost]
    assert list(check_dues(shelf.book(), set(ledger.dues()), START)) == [], "it was placed after the list was copied"


def test_what_others_do_not_know_is_named() -> None:
    shelf = busy_shelf()
    book = shelf.book()
    lost = list(check_around(book, around(shelf, knows_hold=lambda hold: hold == "open")))
    assert lost == [Violation(law=laws.HOLD_KNOWN, sku=A, expected=0, found=1, detail="hold for-ever")]
    elsewhere = list(check_around(book, around(shelf, locations=(HERE,))))
    assert elsewhere == [Violation(law=laws.PLACES, sku=A, location=THERE, expected=0, found=26)]
    one = (AccountId("shop"), OrderId("1"), LineId("1"))
    unknown = list(check_around(book, around(shelf, line_of=lambda _sku, key: LineKnown(key != one, None))))
    assert unknown == [Violation(law=laws.ORDER_KNOWN, sku=A, expected=1, found=0, detail="order 1 of shop, line 1")]
    level = list(
        check_around(book, around(shelf, line_of=lambda _sku, key: LineKnown(True, 8) if key == one else None))
    )
    assert level == [Violation(law=laws.ORDER_LEVEL, sku=A, expected=8, found=5, detail="order 1 of shop, line 1")]


def test_a_listing_of_nothing_is_named() -> None:
    listings = [(AccountId("shop"), ListingId("1"), A), (AccountId("shop"), ListingId("2"), Sku("GONE"))]
    assert list(check_listings(listings, lambda sku: sku == A)) == [
        Violation(law=laws.LISTING, sku=Sku("GONE"), expected=1, found=0, detail="listing 2 of shop")
    ]


def test_many_ids_are_counted_and_the_first_are_named() -> None:
    shelf = Shelf(A=9)
    for number in range(5):
        shelf.hold(f"h{number}", (A, 1))
    (lost,) = check_around(shelf.book(), around(shelf, knows_hold=lambda _hold: False))
    assert lost.detail == "hold h0, hold h1, hold h2 and 2 more"


@pytest.mark.parametrize(
    "figure", ["on_hand", "committed", "reserved", "quality_hold", "damaged", "display", "safety_stock", "incoming"]
)
def test_a_figure_that_is_not_what_the_journal_adds_up_to_is_named(figure: str) -> None:
    """Also on hand, which no record of the book itself adds up to."""
    shelf = busy_shelf()
    naive = NaiveLedger()
    for event in shelf.events:
        naive.apply(event)
    book = shelf.book()
    assert list(naive.compare(book)) == []
    before = getattr(book.positions[HERE], figure)
    setattr(book.positions[HERE], figure, before + 1)
    law = f"{figure.replace('_', ' ')} is what the journal adds up to"
    assert list(naive.compare(book)) == [Violation(law=law, sku=A, location=HERE, expected=before, found=before + 1)]


def test_an_event_that_the_book_never_saw_is_named() -> None:
    """Lesson I5: after an incident sellers want to know which event was missed."""
    shelf = busy_shelf()
    naive = NaiveLedger()
    for event in shelf.events:
        naive.apply(event)
    missed = msgspec.structs.replace(shelf.events[-1], at=shelf.now)
    naive.apply(missed)
    assert {each.law for each in naive.compare(shelf.book())} == {
        "on hand is what the journal adds up to",
        "in transit is what the journal adds up to",
    }
    assert read_figures(shelf.book())["in_transit", THERE] == 6
