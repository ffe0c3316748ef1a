"""Papers against the books: every figure of a document is that of its lines in the books, live and replayed."""

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain.commands import (
    Command,
    EndPurchase,
    LoseTransfer,
    OrderPurchase,
    Receive,
    ReceiveTransfer,
    SendTransfer,
)
from engine.domain.stock.papers import PAPER_EVENTS, Papers
from engine.domain.units import DocumentId, Key, Sku
from tests.fakes.books import HERE, THERE, A, B, Shelf

DOCUMENTS = st.sampled_from([DocumentId("1"), DocumentId("2")])
KEYS = st.integers(0, 30).map(lambda number: Key(f"k{number}"))
SKUS = st.sampled_from([A, B])
UNITS = st.integers(1, 6)
LINES = st.dictionaries(SKUS, st.integers(0, 6), min_size=1).map(lambda lines: tuple(sorted(lines.items())))
SENT = st.dictionaries(SKUS, UNITS, min_size=1).map(lambda lines: tuple(sorted(lines.items())))
FORGET = timedelta(days=200)
"""Not a command but a time in which nothing happens, until the books forget what is done."""
COMMANDS: st.SearchStrategy[Command | timedelta] = st.one_of(
    st.just(FORGET),
    st.builds(OrderPurchase, purchase_order=DOCUMENTS, location=st.just(HERE), lines=LINES),
    st.builds(EndPurchase, purchase_order=DOCUMENTS, cancelled=st.booleans()),
    st.builds(
        Receive, key=KEYS, sku=SKUS, location=st.just(HERE), quantity=UNITS, purchase_order=st.none() | DOCUMENTS
    ),
    st.builds(SendTransfer, transfer=DOCUMENTS, source=st.just(HERE), target=st.just(THERE), lines=SENT),
    st.builds(ReceiveTransfer, key=KEYS, transfer=DOCUMENTS, sku=SKUS, quantity=UNITS),
    st.builds(LoseTransfer, key=KEYS, transfer=DOCUMENTS, sku=SKUS, quantity=UNITS),
)


FIRST: tuple[Command, ...] = (
    OrderPurchase(purchase_order=DocumentId("1"), location=HERE, lines=((A, 9), (B, 3))),
    SendTransfer(transfer=DocumentId("1"), source=HERE, target=THERE, lines=((A, 9), (B, 3))),
)
"""Papers to receive on, so that most of what is drawn is taken and not refused."""


def figures(papers: Papers) -> dict[tuple[str, str, Sku], tuple[int, ...]]:
    """Read them out of the papers, but for lines that the books have forgotten: those can be read for a while."""
    found: dict[tuple[str, str, Sku], tuple[int, ...]] = {}
    for order in (*papers.purchases.open.values(), *papers.purchases.finished.values()):
        for sku, line in order.lines.items():
            if not line.forgotten:
                found["purchase", order.id, sku] = (line.ordered, line.received, line.open)
    for transfer in (*papers.transfers.open.values(), *papers.transfers.finished.values()):
        for sku, way in transfer.lines.items():
            found["transfer", transfer.id, sku] = (way.sent, way.arrived, way.lost, way.open)
    return found


def booked(shelf: Shelf) -> dict[tuple[str, str, Sku], tuple[int, ...]]:
    """Read the same figures out of the books, which decide on them."""
    found: dict[tuple[str, str, Sku], tuple[int, ...]] = {}
    for sku in (A, B):
        records = shelf.book(sku).records
        for document, line in records.purchases.items():
            found["purchase", document, sku] = (line.ordered.quantity, line.received, line.expected)
        for document, way in records.transfers.items():
            found["transfer", document, sku] = (way.sent.quantity, way.arrived, way.lost, way.under_way)
    return found


@settings(max_examples=150)
@given(st.lists(COMMANDS, max_size=40))
def test_papers_say_what_the_books_say(commands: list[Command | timedelta]) -> None:
    shelf = Shelf(A=40, B=40)
    live = Papers()
    told = 0
    known: dict[tuple[str, str, Sku], tuple[int, ...]] = {}
    for command in (*FIRST, *commands):
        shelf.now += timedelta(seconds=1)
        if isinstance(command, timedelta):
            shelf.now += command
            shelf.forget_papers()
        else:
            shelf.do(command)
        for event in shelf.events[told:]:
            if isinstance(event, PAPER_EVENTS):
                live.apply(event)
        told = len(shelf.events)
        before, (there, known) = known, (figures(live), booked(shelf))
        for document in {key[1] for key in known if key[0] == "purchase"} - {
            key[1] for key in before if key[0] == "purchase"
        }:
            found = live.purchases.find(DocumentId(document))
            assert found is not None
            assert not found.lines_forgotten, "nobody knew its number: nothing of an older one is in it"
        assert known.items() <= there.items()
        for kind, _, _ in there.keys() - known.keys():
            assert kind == "transfer", "of a purchase order it is marked which lines are forgotten"
        for order in (*live.purchases.open.values(), *live.purchases.finished.values()):
            lines = order.lines.values()
            assert order.lines_open == sum(line.open > 0 for line in lines)
            assert order.lines_forgotten == sum(line.forgotten for line in lines)
            assert (order.lines_open > 0) == (order.id in live.purchases.open)
            assert (order.units_ordered, order.units_received, order.units_open, order.units_over) == tuple(
                sum(getattr(line, word) for line in lines) for word in ("ordered", "received", "open", "over")
            )
        for paper in (*live.transfers.open.values(), *live.transfers.finished.values()):
            ways = paper.lines.values()
            assert (paper.lines_open > 0) == (paper.id in live.transfers.open)
            assert (paper.units_sent, paper.units_arrived, paper.units_lost) == tuple(
                sum(getattr(line, word) for line in ways) for word in ("sent", "arrived", "lost")
            )
    replayed = Papers()
    for event in shelf.events:
        if isinstance(event, PAPER_EVENTS):
            replayed.apply(event)
    assert replayed.purchases.__dict__ == live.purchases.__dict__
    assert replayed.transfers.__dict__ == live.transfers.__dict__
