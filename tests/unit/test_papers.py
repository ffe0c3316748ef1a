"""Purchase orders and transfers as people read them: states, sums, what is remembered."""

from datetime import datetime, timedelta

import pytest

from engine.domain.events import (
    Event,
    PaperForgotten,
    PurchaseOrdered,
    PurchaseOrderEnded,
    StockReceived,
    TransferArrived,
    TransferLost,
    TransferSent,
)
from engine.domain.stock import papers
from engine.domain.stock.papers import Papers, PurchaseOrder, PurchaseState, Transfer, TransferState
from engine.domain.units import DocumentId, Key, LocationId, Sku
from tests.fakes.clocks import START

A, B = Sku("A"), Sku("B")
HERE, THERE = LocationId("here"), LocationId("there")


def ordered(sku: Sku, quantity: int, document: str = "P", at: datetime = START) -> PurchaseOrdered:
    return PurchaseOrdered(at=at, sku=sku, purchase_order=DocumentId(document), location=HERE, quantity=quantity)


def received(sku: Sku, quantity: int, document: str = "P", at: datetime = START) -> StockReceived:
    return StockReceived(
        at=at,
        sku=sku,
        key=Key("k"),
        location=HERE,
        quantity=quantity,
        on_hand=quantity,
        purchase_order=DocumentId(document),
    )


def ended(sku: Sku, *, cancelled: bool, document: str = "P", at: datetime = START) -> PurchaseOrderEnded:
    return PurchaseOrderEnded(at=at, sku=sku, purchase_order=DocumentId(document), cancelled=cancelled)


def sent(sku: Sku, quantity: int, document: str = "T", at: datetime = START) -> TransferSent:
    return TransferSent(
        at=at, sku=sku, transfer=DocumentId(document), source=HERE, target=THERE, quantity=quantity, on_hand=0
    )


def arrived(sku: Sku, quantity: int, document: str = "T", at: datetime = START) -> TransferArrived:
    return TransferArrived(
        at=at,
        sku=sku,
        key=Key("k"),
        transfer=DocumentId(document),
        location=THERE,
        quantity=quantity,
        on_hand=quantity,
    )


def lost(sku: Sku, quantity: int, document: str = "T", at: datetime = START) -> TransferLost:
    return TransferLost(at=at, sku=sku, key=Key("k"), transfer=DocumentId(document), location=THERE, quantity=quantity)


def forgotten(sku: Sku, document: str = "P") -> PaperForgotten:
    return PaperForgotten(at=START, sku=sku, purchase_order=DocumentId(document))


def told(*events: Event) -> Papers:
    known = Papers()
    for event in events:
        known.apply(event)
    return known


def purchase(known: Papers, document: str = "P") -> PurchaseOrder:
    paper = known.purchases.find(DocumentId(document))
    assert paper is not None
    return paper


def transfer(known: Papers, document: str = "T") -> Transfer:
    paper = known.transfers.find(DocumentId(document))
    assert paper is not None
    return paper


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ([ordered(A, 4)], PurchaseState.OPEN),
        ([ordered(A, 4), received(A, 1)], PurchaseState.PARTLY_RECEIVED),
        ([ordered(A, 4), ordered(B, 1), received(A, 4)], PurchaseState.PARTLY_RECEIVED),
        ([ordered(A, 4), ordered(B, 1), received(A, 4), received(B, 2)], PurchaseState.RECEIVED),
        ([ordered(A, 4), received(A, 4), ordered(A, 5)], PurchaseState.PARTLY_RECEIVED),
        ([ordered(A, 4), ordered(A, 0)], PurchaseState.CLOSED),
        ([ordered(A, 4), received(A, 1), ended(A, cancelled=False)], PurchaseState.CLOSED),
        ([ordered(A, 4), ended(A, cancelled=True)], PurchaseState.CANCELLED),
    ],
)
def test_a_purchase_order_is_in_one_word_how_far_it_is(events: list[Event], state: PurchaseState) -> None:
    known = told(*events)
    paper = purchase(known)
    assert paper.state is state
    finished = state not in {PurchaseState.OPEN, PurchaseState.PARTLY_RECEIVED}
    assert (DocumentId("P") in known.purchases.finished) is finished
    assert (DocumentId("P") in known.purchases.open) is not finished


def test_what_came_beyond_the_order_is_told_and_nothing_more_is_expected() -> None:
    line = purchase(told(ordered(A, 4), received(A, 3), received(A, 3))).lines[A]
    assert (line.received, line.open, line.over) == (6, 0, 2)


def test_a_receipt_without_a_purchase_order_is_none_of_its_business() -> None:
    event = StockReceived(at=START, sku=A, key=Key("k"), location=HERE, quantity=1, on_hand=1)
    assert not told(event).purchases.finished
    assert not told(received(A, 1, "unknown")).purchases.open


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ([sent(A, 4)], TransferState.IN_TRANSIT),
        ([sent(A, 4), arrived(A, 1)], TransferState.PARTLY_ARRIVED),
        ([sent(A, 4), lost(A, 1)], TransferState.PARTLY_ARRIVED),
        ([sent(A, 4), sent(B, 1), arrived(A, 4)], TransferState.PARTLY_ARRIVED),
        ([sent(A, 4), sent(B, 1), arrived(A, 3), lost(A, 1), lost(B, 1)], TransferState.ARRIVED),
    ],
)
def test_a_transfer_is_in_one_word_how_far_it_is(events: list[Event], state: TransferState) -> None:
    known = told(*events)
    assert transfer(known).state is state
    assert (DocumentId("T") in known.transfers.finished) is (state is TransferState.ARRIVED)


def test_a_number_that_is_used_again_is_a_new_document() -> None:
    """The books forget what was finished long ago; then the number is free."""
    again = told(ordered(A, 4), ended(A, cancelled=True), ordered(B, 2), sent(A, 1), arrived(A, 1), sent(B, 3))
    assert list(purchase(again).lines) == [B]
    assert purchase(again).state is PurchaseState.OPEN
    assert {sku: line.open for sku, line in transfer(again).lines.items()} == {B: 3}


def test_what_came_on_a_forgotten_order_does_not_count_for_the_next_one_of_its_number() -> None:
    """Received in full, so nothing but the books' word says that the number is free."""
    once: list[Event] = [ordered(A, 4), ordered(B, 2), received(A, 4), received(B, 2), forgotten(A), forgotten(B)]
    known = told(*once)
    first = purchase(known)
    assert (first.state, first.units_received) == (PurchaseState.RECEIVED, 6), "it can be read as long as before"
    for event in (ordered(A, 5), ordered(B, 3)):
        known.apply(event)
    again = purchase(known)
    assert (again.state, again.units_ordered, again.units_received) == (PurchaseState.OPEN, 8, 0)
    assert again.number == first.number + 1
    assert {sku: line.open for sku, line in again.lines.items()} == {A: 5, B: 3}
    assert known.purchases.finished == {}


def test_a_line_that_was_forgotten_begins_anew_where_the_order_is_known_still() -> None:
    """Each SKU's book forgets its own line; the order is the same one until all of them have."""
    known = told(ordered(A, 4), ordered(B, 2), received(A, 4), forgotten(A), ordered(A, 5))
    paper = purchase(known)
    assert {sku: (line.ordered, line.received, line.open) for sku, line in paper.lines.items()} == {
        A: (5, 0, 5),
        B: (2, 0, 2),
    }
    assert (paper.number, paper.units_ordered, paper.units_received, paper.units_open) == (1, 7, 0, 7)
    for event in (received(A, 5), received(B, 2), forgotten(B), ordered(B, 1)):
        known.apply(event)
    assert purchase(known).number == 1, "the line of A is known"
    for event in (received(B, 1), forgotten(A), forgotten(B), ordered(A, 1)):
        known.apply(event)
    assert purchase(known).number == 2


def test_what_is_not_kept_any_more_may_be_forgotten() -> None:
    transfer = PaperForgotten(at=START, sku=A, transfer=DocumentId("T"))
    known = told(forgotten(A), transfer, ordered(B, 1), forgotten(A), forgotten(A, "other"))
    assert list(purchase(known).lines) == [B]
    assert not purchase(known).is_forgotten


def test_the_newest_come_first_and_finished_ones_when_asked() -> None:
    known = told(*(ordered(A, 1, str(number)) for number in range(5)), ended(A, cancelled=True, document="3"))
    assert [paper.id for paper in known.purchases.newest(2, also_finished=False)] == ["4", "2"]
    assert [paper.id for paper in known.purchases.newest(9, also_finished=True)] == ["4", "3", "2", "1", "0"]


def test_finished_papers_are_forgotten_after_their_time_and_open_ones_never() -> None:
    later = START + timedelta(seconds=200)
    known = Papers(documents_seconds=100)
    for event in (sent(A, 1, "done"), arrived(A, 1, "done"), sent(A, 1, "open")):
        known.apply(event)
    known.apply(sent(A, 1, "other", at=later - timedelta(seconds=1)))
    known.apply(arrived(A, 1, "other", at=later - timedelta(seconds=1)))
    assert set(known.transfers.finished) == {"done", "other"}
    known.apply(sent(A, 1, "next", at=later))
    assert set(known.transfers.finished) == {"other"}
    assert set(known.transfers.open) == {"open", "next"}


def test_no_more_finished_papers_are_kept_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Law 10: nothing is unbounded; those touched longest ago go first."""
    monkeypatch.setattr(papers, "FINISHED_MAX", 2)
    known = told(*(event for name in "abc" for event in (ordered(A, 1, name), received(A, 1, name))))
    assert set(known.purchases.finished) == {"b", "c"}
    known.apply(received(A, 1, "b"))
    known.apply(ordered(A, 0, "d"))
    assert list(known.purchases.finished) == ["b", "d"]
