"""The past is what it was, the ledger reads true, and no history breaks a law: for all histories."""

import copy
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain.audit.history import History, Window
from engine.domain.audit.laws import check_book
from engine.domain.audit.naive import NaiveLedger
from engine.domain.audit.origin import Origin
from engine.domain.audit.timetravel import Moment
from engine.domain.stock.book import Book
from engine.domain.units import Sku
from ops.socket.views.stock import explain_view
from tests.fakes.books import A, B
from tests.fakes.histories import HISTORIES, Story


def figures(book: Book) -> tuple[int, int, int, int]:
    places = book.positions.values()
    return (
        sum(place.on_hand for place in places),
        sum(place.committed for place in places),
        sum(place.reserved for place in places),
        sum(place.atp for place in places),
    )


def look_at_a_copy(story: Story, now: datetime) -> dict[Sku, object]:
    """Say what EXPLAIN would say at an instant, without leaving a trace."""
    ledgers = copy.deepcopy(story.shelf.ledgers)
    for ledger in ledgers.values():
        ledger.lapse(now)
    return {sku: explain_view(ledger.books[sku]) for sku, ledger in ledgers.items()}


@settings(max_examples=100, deadline=None)
@given(history=HISTORIES)
def test_explain_of_any_past_instant_is_what_explain_said_then(history: list[tuple[Any, ...]]) -> None:
    """Law 9 of the design: the journal can answer what a SKU's state was at any instant.

    Also between two commands, where the clock alone may have ended a hold and nobody had noted it yet.
    """
    story = Story()
    said: list[tuple[datetime, dict[Sku, object]]] = []
    for step in history:
        until = story.shelf.now + timedelta(seconds=0.2 + (step[1] / 2 if step[0] == "wait" else 0))
        said.append((until, look_at_a_copy(story, until)))
        story.play(step)
        said.append((story.shelf.now, {sku: explain_view(story.shelf.book(sku)) for sku in (A, B)}))
    for at, views in said:
        for sku, view in views.items():
            moment = Moment(sku, at)
            for position, frame in enumerate(story.frames, start=1):
                for event in frame:
                    moment.apply(position, event)
            book = moment.book()
            assert book is not None
            assert explain_view(book) == view


@settings(max_examples=150, deadline=None)
@given(history=HISTORIES, sku=st.sampled_from((A, B)), limit=st.integers(1, 7))
def test_a_history_read_page_by_page_is_the_whole_ledger(history: list[tuple[Any, ...]], sku: Sku, limit: int) -> None:
    """Each line's change of on hand leads from the figure before to the figure after, and the last line is today."""
    story = Story()
    for step in history:
        story.play(step)

    def read(window: Window) -> History:
        page = History(sku, window)
        for position, frame in enumerate(story.frames, start=1):
            for event in frame:
                page.apply(position, event, listing_event=False)
        return page

    whole = read(Window(limit=10_000))
    assert not whole.more
    on_hand = 0
    for line in whole.lines:
        on_hand += line.delta
        assert line.on_hand == on_hand
        assert line.text
    last = whole.lines[-1]
    assert (last.on_hand, last.committed, last.reserved, last.atp) == figures(story.shelf.book(sku))

    paged = (page := read(Window(limit=limit))).lines
    while page.more:
        page = read(Window(limit=limit, before=paged[0].place))
        paged = page.lines + paged
    assert paged == whole.lines


@settings(max_examples=300, deadline=None)
@given(history=HISTORIES)
def test_no_history_breaks_a_law(history: list[tuple[Any, ...]]) -> None:
    """Lesson B4: no false alarm, whatever happened; and the plain sums of the journal are the figures of the books."""
    story, naive = Story(), NaiveLedger()
    told = 0
    for step in [("wait", 1), *history]:
        story.play(step)
        for event in story.shelf.events[told:]:
            naive.apply(event)
        told = len(story.shelf.events)
        for sku in (A, B):
            book = story.shelf.book(sku)
            assert list(check_book(book)) == []
            assert list(naive.compare(book)) == []


@settings(max_examples=100, deadline=None)
@given(history=HISTORIES)
def test_a_journal_that_adds_up_is_not_blamed(history: list[tuple[Any, ...]]) -> None:
    """The search for the event that made a violation looks behind every single event, not only where a step ends."""
    story = Story()
    for step in history:
        story.play(step)
    for sku in (A, B):
        origin = Origin(sku)
        for position, frame in enumerate(story.frames, start=1):
            for event in frame:
                origin.apply(position, event)
        assert origin.first is None, origin.violation
        assert origin.positions == tuple(told.position for told in origin.told)
