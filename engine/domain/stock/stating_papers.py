"""Documents as statements, and back. What the lines of one come to is added up again."""

from collections.abc import Iterator
from datetime import datetime
from itertools import chain

from engine.domain.stated.papers import OrderedStated, PapersStated, PurchaseStated, SentStated, TransferStated
from engine.domain.stock.papers import (
    Papers,
    PurchaseLine,
    PurchaseOrder,
    Transfer,
    TransferLine,
    add_purchase_line,
)


class PapersState:
    """Documents towards snapshots (`engine.domain.stated.Stateful`). Holds nothing of its own."""

    def __init__(self, papers: Papers) -> None:
        """Speak for `papers`."""
        self._papers = papers

    def state(self, as_of: datetime) -> Iterator[PurchaseStated | TransferStated | PapersStated]:  # noqa: ARG002
        """State every document that is kept, open ones first. Only documents that come after it forget one."""
        purchases, transfers = self._papers.purchases, self._papers.transfers
        for purchase in chain(purchases.open.values(), purchases.finished.values()):
            yield _state_purchase(purchase)
        for transfer in chain(transfers.open.values(), transfers.finished.values()):
            yield _state_transfer(transfer)
        yield PapersStated(purchases=purchases.numbered, transfers=transfers.numbered)

    def restore(self, statement: PurchaseStated | TransferStated | PapersStated) -> None:
        """Take in a document, or how many there were."""
        purchases, transfers = self._papers.purchases, self._papers.transfers
        match statement:
            case PurchaseStated():
                purchases.restore(_read_purchase(statement))
            case TransferStated():
                transfers.restore(_read_transfer(statement))
            case PapersStated():
                purchases.numbered, transfers.numbered = statement.purchases, statement.transfers


def _state_purchase(paper: PurchaseOrder) -> PurchaseStated:
    return PurchaseStated(
        id=paper.id,
        number=paper.number,
        location=paper.location,
        ordered_at=paper.ordered_at,
        changed_at=paper.changed_at,
        expected_at=paper.expected_at,
        supplier=paper.supplier,
        by=paper.by,
        reference=paper.reference,
        lines=tuple(
            [
                OrderedStated(sku, line.ordered, line.received, line.ended, line.forgotten)
                for sku, line in paper.lines.items()
            ]
        ),
        ended=paper.ended,
    )


def _read_purchase(stated: PurchaseStated) -> PurchaseOrder:
    paper = PurchaseOrder(
        id=stated.id,
        number=stated.number,
        location=stated.location,
        ordered_at=stated.ordered_at,
        changed_at=stated.changed_at,
        expected_at=stated.expected_at,
        supplier=stated.supplier,
        by=stated.by,
        reference=stated.reference,
        ended=stated.ended,
    )
    for each in stated.lines:
        line = paper.lines[each.sku] = PurchaseLine(
            ordered=each.ordered, received=each.received, ended=each.ended, forgotten=each.forgotten
        )
        paper.lines_forgotten += each.forgotten
        add_purchase_line(paper, line, 1)
    return paper


def _state_transfer(paper: Transfer) -> TransferStated:
    return TransferStated(
        id=paper.id,
        number=paper.number,
        source=paper.source,
        target=paper.target,
        sent_at=paper.sent_at,
        changed_at=paper.changed_at,
        expected_at=paper.expected_at,
        reason=paper.reason,
        by=paper.by,
        reference=paper.reference,
        lines=tuple([SentStated(sku, line.sent, line.arrived, line.lost) for sku, line in paper.lines.items()]),
    )


def _read_transfer(stated: TransferStated) -> Transfer:
    paper = Transfer(
        id=stated.id,
        number=stated.number,
        source=stated.source,
        target=stated.target,
        sent_at=stated.sent_at,
        changed_at=stated.changed_at,
        expected_at=stated.expected_at,
        reason=stated.reason,
        by=stated.by,
        reference=stated.reference,
    )
    for each in stated.lines:
        line = paper.lines[each.sku] = TransferLine(sent=each.sent, arrived=each.arrived, lost=each.lost)
        paper.lines_open += line.open > 0
        paper.units_sent += each.sent
        paper.units_arrived += each.arrived
        paper.units_lost += each.lost
    return paper
