"""Purchase orders and transfers: all lines or none, each unit once, and what is said when it cannot be."""

from datetime import timedelta

import pytest

from engine.domain.commands import AddSku, Answer, EndPurchase, Moved, OrderPurchase, Refusal, SendTransfer
from engine.domain.events import OversellRecorded, PaperForgotten, PurchaseOrdered, PurchaseOrderEnded, TransferSent
from engine.domain.stock.records import NO_RECORDS, Records
from engine.domain.units import DocumentId, Sku
from tests.fakes.books import HERE, THERE, A, B, Shelf
from tests.fakes.clocks import START

NOWHERE = Sku("NOPE")
DAY = 86_400.0


def refused(answer: Answer) -> str:
    assert isinstance(answer, Refusal), answer
    return str(answer)


def incoming(shelf: Shelf) -> tuple[int, int]:
    """Of A, here and there."""
    return (shelf.at(HERE).incoming, shelf.at(THERE).incoming)


def under_way(shelf: Shelf, sku: Sku = A) -> tuple[int, int, int]:
    """On hand here, in transit there, on hand there."""
    here, there = shelf.at(HERE, sku), shelf.at(THERE, sku)
    return (here.on_hand, there.in_transit, there.on_hand)


# -- purchase orders


def test_what_is_ordered_is_incoming_until_it_comes_and_sellable_only_then() -> None:
    shelf = Shelf()
    shelf.purchase((A, 10))
    assert (incoming(shelf), shelf.atp()) == ((10, 0), 0)
    shelf.receive_ordered(4)
    assert (incoming(shelf), shelf.atp()) == ((6, 0), 4)
    shelf.receive_ordered(6, key="second")
    assert (incoming(shelf), shelf.atp()) == ((0, 0), 10)


def test_a_purchase_order_is_a_level() -> None:
    shelf = Shelf()
    first = shelf.purchase((A, 10), (B, 3))
    assert shelf.purchase((A, 10), (B, 3)) == first
    assert shelf.new == []
    shelf.receive_ordered(4)
    shelf.purchase((A, 12), (B, 3))
    assert [(event.sku, event.quantity) for event in shelf.new if isinstance(event, PurchaseOrdered)] == [(A, 12)]
    assert (incoming(shelf)[0], shelf.at(HERE, B).incoming) == (8, 3)
    shelf.purchase((A, 3), (B, 3))
    assert incoming(shelf) == (0, 0), "more has come than is wanted now"


def test_a_line_that_is_named_no_more_stands_at_nothing() -> None:
    shelf = Shelf()
    shelf.purchase((A, 10), (B, 3))
    answer = shelf.purchase((B, 3))
    assert isinstance(answer, Moved)
    assert [movement.sku for movement in answer.movements] == [B]
    assert (incoming(shelf), shelf.at(HERE, B).incoming) == ((0, 0), 3)
    assert refused(shelf.receive_ordered(1)) == (
        "NOSUCHPO purchase_order=po-1 sku=A: there is no such order, or this SKU is not on it"
    )
    assert shelf.purchase((B, 3)) == answer
    assert shelf.new == []


def test_an_order_may_be_sent_to_another_place_and_brings_its_units_along() -> None:
    shelf = Shelf()
    shelf.purchase((A, 10))
    shelf.receive_ordered(4)
    shelf.purchase((A, 10), at=THERE)
    assert incoming(shelf) == (0, 6)
    assert refused(shelf.receive_ordered(1, key="second")) == (
        "BADARG location 'here': purchase_order=po-1 expects sku=A at there"
    )


def test_what_comes_beyond_the_order_is_there_all_the_same() -> None:
    """All of it received ends a line by itself: nothing more is expected, and what comes late is still taken."""
    shelf = Shelf()
    shelf.purchase((A, 10))
    shelf.receive_ordered(12)
    shelf.receive_ordered(1, key="straggler")
    assert (incoming(shelf), shelf.at().on_hand) == ((0, 0), 13)
    assert shelf.book().records.purchases[DocumentId("po-1")].received == 13


def test_lines_are_all_taken_or_none() -> None:
    shelf = Shelf()
    assert refused(shelf.purchase((A, 10), (NOWHERE, 1))) == "NOSUCHSKU sku=NOPE"
    assert (incoming(shelf), shelf.new) == ((0, 0), [])


@pytest.mark.parametrize("cancelled", [False, True], ids=["closed", "cancelled"])
def test_an_order_ends_once_and_one_way(cancelled: bool) -> None:
    how = "cancelled" if cancelled else "closed"
    shelf = Shelf()
    shelf.purchase((A, 10), (B, 3))
    shelf.receive_ordered(4)
    ended = shelf.end_purchase(cancelled=cancelled)
    assert [type(event) for event in shelf.new] == [PurchaseOrderEnded, PurchaseOrderEnded]
    assert (incoming(shelf), shelf.at(HERE, B).incoming) == ((0, 0), 0)
    shelf.wait(5)
    assert shelf.end_purchase(cancelled=cancelled) == ended
    assert shelf.new == []
    at = "2026-11-11T12:00:00Z"
    assert refused(shelf.end_purchase(cancelled=not cancelled)) == f"CONFLICT purchase_order=po-1 was {how} at {at}"
    assert refused(shelf.receive_ordered(1, key="late")) == (
        f"ENDED purchase_order=po-1 was {how} at {at}: receive the units without naming it"
    )
    assert refused(shelf.purchase((A, 11), (B, 3))) == f"ENDED purchase_order=po-1 was {how} at {at}"
    assert isinstance(shelf.purchase((A, 10), (B, 3)), Moved), "told again every night: no news"
    assert shelf.new == []
    assert shelf.at().on_hand == 4


def test_a_receipt_that_was_taken_is_answered_when_its_order_has_ended() -> None:
    shelf = Shelf()
    shelf.purchase((A, 10))
    first = shelf.receive_ordered(4)
    shelf.end_purchase()
    assert shelf.receive_ordered(4) == first


def test_unknown_orders_are_refused() -> None:
    shelf = Shelf()
    text = "NOSUCHPO purchase_order=po-9 sku=A: there is no such order, or this SKU is not on it"
    assert refused(shelf.receive_ordered(1, number="po-9")) == text
    assert refused(shelf.end_purchase("po-9")) == "NOSUCHPO purchase_order=po-9"


def test_supplier_and_date_may_change_without_the_units() -> None:
    shelf = Shelf()
    order = OrderPurchase(purchase_order=DocumentId("po-1"), location=HERE, lines=((A, 10),))
    shelf.do(order)
    shelf.do(OrderPurchase(purchase_order=order.purchase_order, location=HERE, lines=order.lines, expected_at=START))
    (event,) = shelf.new
    assert isinstance(event, PurchaseOrdered)
    assert (event.expected_at, incoming(shelf)) == (START, (10, 0))


# -- transfers


def test_units_of_a_transfer_are_sellable_nowhere_until_they_arrive() -> None:
    """Lesson E13."""
    shelf = Shelf(A=10)
    shelf.send((A, 6))
    assert (under_way(shelf), shelf.atp()) == ((4, 6, 0), 4)
    shelf.arrive(2)
    assert (under_way(shelf), shelf.atp()) == ((4, 4, 2), 6)
    shelf.lose(1)
    shelf.arrive(3, key="rest")
    assert (under_way(shelf), shelf.atp()) == ((4, 0, 5), 9)


def test_all_lines_travel_or_none() -> None:
    shelf = Shelf(A=10, B=2)
    assert refused(shelf.send((A, 6), (B, 3))) == "OUTOFSTOCK sku=B requested=3 free=2 location=here"
    assert (under_way(shelf), shelf.new) == ((10, 0, 0), [])
    assert refused(shelf.send((A, 6), (NOWHERE, 3))) == "NOSUCHSKU sku=NOPE"
    answer = shelf.send((A, 6), (B, 2))
    assert isinstance(answer, Moved)
    assert [(event.sku, event.on_hand) for event in shelf.new if isinstance(event, TransferSent)] == [(A, 4), (B, 0)]


def test_only_units_that_are_neither_promised_nor_set_aside_travel_and_safety_stock_may() -> None:
    shelf = Shelf(A=10)
    shelf.do(AddSku(sku=A, name=A, safety_stock=((HERE, 4),)))
    shelf.record(2)
    shelf.hold("h", (A, 1))
    assert refused(shelf.send((A, 8))) == "OUTOFSTOCK sku=A requested=8 free=7 location=here"
    assert isinstance(shelf.send((A, 7)), Moved)
    assert shelf.at().free == 0


def test_a_transfer_told_again_is_answered_as_the_first_time_and_otherwise_a_conflict() -> None:
    """Lesson E8."""
    shelf = Shelf(A=10, B=10)
    first = shelf.send((A, 6), (B, 1))
    assert shelf.send((A, 6), (B, 1)) == first
    assert shelf.new == []
    was = "CONFLICT transfer=t-1 was sent from here to there with A 6 B 1"
    assert refused(shelf.send((A, 6))) == was
    assert refused(shelf.send((A, 6), (B, 2))) == was
    assert refused(shelf.send((B, 1))) == was
    assert refused(shelf.send((A, 6), (B, 1), source=THERE, target=HERE)) == was
    assert under_way(shelf) == (4, 6, 0)
    shelf.arrive(6)
    shelf.arrive(1, sku=B, key="b")
    assert shelf.send((A, 6), (B, 1)) == first


def test_a_transfer_to_itself_is_refused() -> None:
    shelf = Shelf(A=10)
    assert refused(shelf.send((A, 1), target=HERE)) == "BADARG target 'here': transfer=t-1 is sent from there"


def test_no_more_arrives_or_is_lost_than_is_under_way() -> None:
    shelf = Shelf(A=10)
    shelf.send((A, 6))
    shelf.arrive(4)
    shelf.lose(1)
    text = "EXCEEDS transfer=t-1 sku=A sent=6 arrived=4 lost=1 quantity=2"
    assert refused(shelf.arrive(2, key="more")) == text
    assert refused(shelf.lose(2, key="more")) == text
    assert isinstance(shelf.arrive(1, key="last"), Moved)
    assert refused(shelf.lose(1, key="none")) == "EXCEEDS transfer=t-1 sku=A sent=6 arrived=5 lost=1 quantity=1"


def test_units_of_an_unknown_transfer_or_of_a_sku_that_is_not_on_it_do_not_arrive() -> None:
    shelf = Shelf(A=10, B=1)
    shelf.send((A, 6))
    text = "NOSUCHTRANSFER transfer={} sku={}: there is no such transfer, or this SKU is not on it"
    assert refused(shelf.arrive(1, number="t-9")) == text.format("t-9", "A")
    assert refused(shelf.arrive(1, sku=B)) == text.format("t-1", "B")
    assert refused(shelf.lose(1, sku=B)) == text.format("t-1", "B")


def test_units_that_leave_while_another_place_is_short_are_no_secret() -> None:
    shelf = Shelf(A=5)
    shelf.record(3, locations=(THERE,))
    shelf.send((A, 4))
    (incident,) = [event for event in shelf.new if isinstance(event, OversellRecorded)]
    assert (incident.units, incident.cause) == (2, "transfer")
    assert incident.detail == "transfer t-1 took units from here that another location is short of"
    shelf.arrive(4)
    assert shelf.book().oversold == 0


# -- how long they are kept


def test_papers_that_are_done_are_forgotten_late_and_those_under_way_never() -> None:
    shelf = Shelf(A=50)
    ledger = shelf.ledgers[A]
    shelf.purchase((A, 5))
    shelf.purchase((A, 5), number="open")
    shelf.receive_ordered(5)
    shelf.send((A, 6))
    shelf.send((A, 6), number="open")
    shelf.arrive(6)
    records = shelf.book().records
    assert ledger.forget_papers(START + timedelta(seconds=180 * DAY)) == []
    later = START + timedelta(seconds=180 * DAY + 1)
    assert ledger.forget_papers(later) == [
        PaperForgotten(at=later, sku=A, purchase_order=DocumentId("po-1")),
        PaperForgotten(at=later, sku=A, transfer=DocumentId("t-1")),
    ]
    assert (list(records.purchases), list(records.transfers)) == (["open"], ["open"])
    assert ledger.forget_papers(START + timedelta(seconds=3600 * DAY)) == []


def test_a_paper_that_changed_lately_is_kept() -> None:
    shelf = Shelf()
    shelf.purchase((A, 5))
    shelf.wait(100 * DAY)
    shelf.receive_ordered(5)
    assert shelf.ledgers[A].forget_papers(START + timedelta(seconds=280 * DAY)) == []
    assert len(shelf.ledgers[A].forget_papers(START + timedelta(seconds=281 * DAY))) == 1


def test_a_number_that_was_forgotten_is_a_new_purchase_order_live_and_in_replay() -> None:
    """What was received on the old one does not count for the new one, and it may end again."""
    shelf = Shelf(A=0, remembered_max=1)
    for _ in range(2):
        shelf.purchase((A, 5))
        shelf.receive_ordered(5, key=f"delivery-{len(shelf.events)}")
        shelf.wait(1)
        shelf.purchase((A, 0), number=f"other-{len(shelf.events)}")
        shelf.wait(200 * DAY)
        shelf.forget_papers()
    shelf.purchase((A, 7))
    assert shelf.at().incoming == 7
    replayed = shelf.replayed()
    assert replayed.book() == shelf.book()
    assert replayed.at().incoming == 7


def test_a_journal_that_does_not_say_what_was_forgotten_is_replayed_as_it_was_meant() -> None:
    """Nobody amends an order that has ended: one of its number is another one."""
    shelf = Shelf()
    shelf.purchase((A, 5))
    shelf.end_purchase()
    shelf.wait(200 * DAY)
    shelf.forget_papers()
    shelf.purchase((A, 7))
    shelf.events = [event for event in shelf.events if not isinstance(event, PaperForgotten)]
    assert shelf.replayed().at().incoming == 7


def test_no_more_papers_are_kept_than_there_is_room_for() -> None:
    shelf = Shelf(A=50, remembered_max=3)
    for number in range(10):
        shelf.send((A, 1), number=f"t-{number}")
        shelf.arrive(1, number=f"t-{number}", key=f"a-{number}")
        shelf.wait(1)
        shelf.ledgers[A].forget_papers(shelf.now)
    assert list(shelf.book().records.transfers) == ["t-7", "t-8", "t-9"]


def test_returns_are_known_as_long_as_their_order_line_is() -> None:
    """Lesson C1: its channel may tell of these very units months later."""
    shelf = Shelf(A=5)
    shelf.record(0, shipped=1)
    shelf.take_back(1)
    shelf.take_back(1, sku=B, key="never seen")
    later = START + timedelta(seconds=181 * DAY)
    for sku in (A, B):
        shelf.ledgers[sku].forget_papers(later)
    assert len(shelf.book(A).records.returns) == 1
    assert shelf.book(B).records.returns == {}


def test_the_empty_records_that_books_share_stay_empty() -> None:
    shelf = Shelf(A=9)
    shelf.purchase((A, 5), (B, 1))
    shelf.send((A, 2))
    shelf.record(0, shipped=1)
    shelf.take_back(1)
    shelf.count(9, percent=0)
    assert NO_RECORDS.facts() == Records().facts()


def test_both_kinds_number_their_own() -> None:
    shelf = Shelf(A=9)
    shelf.purchase((A, 5), number="7")
    assert isinstance(shelf.send((A, 5), number="7"), Moved)
    shelf.do(EndPurchase(purchase_order=DocumentId("7"), cancelled=True))
    assert (incoming(shelf), under_way(shelf)) == ((0, 0), (4, 5, 0))


def test_a_refused_document_is_unknown_again() -> None:
    """Its number may be used for another one, and closing it says that there is none."""
    shelf = Shelf(A=5)
    shelf.do(SendTransfer(transfer=DocumentId("t"), source=HERE, target=THERE, lines=((A, 99),)))
    assert isinstance(shelf.send((A, 5), number="t"), Moved)
    assert under_way(shelf) == (0, 5, 0)
