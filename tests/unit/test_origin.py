"""Which event made a book wrong: named, or the journal is cleared of blame (lesson I5)."""

import msgspec
import pytest

from engine.domain.audit.laws import JOURNAL, Violation
from engine.domain.audit.origin import Origin
from engine.domain.events import Event, HoldReleased, StockAdjusted, StockReceived
from engine.domain.stock import booking
from engine.domain.stock.book import Book
from engine.domain.units import HoldId
from tests.fakes.books import HERE, A, B, Shelf
from tests.fakes.clocks import START


def hear(events: list[Event]) -> Origin:
    origin = Origin(A)
    for position, event in enumerate(events, start=1):
        origin.apply(position, event)
    return origin


def busy_events() -> list[Event]:
    shelf = Shelf(A=10, B=5)
    shelf.hold("h", (A, 2), (B, 1))
    shelf.record(3, shipped=1)
    shelf.adjust(-1)
    shelf.release("h")
    return [*shelf.events]


def test_a_journal_that_adds_up_has_no_origin() -> None:
    events = busy_events()
    origin = hear(events)
    assert (origin.first, origin.violation) == (None, None)
    assert [told.position for told in origin.told] == [
        position for position, event in enumerate(events, start=1) if getattr(event, "sku", None) == A
    ][-10:]
    assert all(told.text for told in origin.told)
    assert B not in {getattr(event, "sku", None) for _, event in origin._last}


def test_an_event_that_disagrees_with_the_sum_is_named() -> None:
    events = busy_events()
    at = next(index for index, event in enumerate(events) if isinstance(event, StockAdjusted))
    events[at] = msgspec.structs.replace(events[at], on_hand=99)
    origin = hear(events)
    assert origin.first == (at + 1, events[at])
    assert origin.violation is None, "it cannot be applied at all"


def test_an_event_that_ends_what_was_not_there_is_named() -> None:
    events = [*busy_events(), HoldReleased(at=START, sku=A, hold_id=HoldId("h"))]
    assert hear(events).first == (len(events), events[-1])


def test_a_mistake_in_apply_is_named_at_the_first_event_it_touches(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sums share no code with it."""
    events = busy_events()
    right = booking._APPLY[StockReceived]

    def forgetful(book: Book, event: StockReceived) -> None:
        right(book, event)
        book.positions[event.location].on_hand -= 1

    monkeypatch.setitem(booking._APPLY, StockReceived, forgetful)
    origin = hear(events)
    assert origin.first is not None
    assert isinstance(origin.first[1], StockReceived)
    assert origin.violation == Violation(law=f"on hand {JOURNAL}", sku=A, location=HERE, expected=10, found=9)
