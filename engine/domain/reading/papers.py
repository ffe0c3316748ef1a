"""Purchase orders and transfers as rows, line by line, and what they let expect.

A number may be given again when the books have forgotten what was done under it: then it is another document. The
position of the frame that began a document tells it from others of its number; of each, only the newest has lines that
are not forgotten.
"""

from datetime import datetime
from typing import Any, Final, Generic, TypeVar

import msgspec

from engine.domain.events import (
    PaperForgotten,
    PurchaseOrdered,
    PurchaseOrderEnded,
    StockReceived,
    TransferArrived,
    TransferLost,
    TransferSent,
)
from engine.domain.reading.rows import Changes, Load, Rows, Table, moment, moment_or_none
from engine.domain.reading.stock import Deltas
from engine.domain.units import DocumentId, LocationId, Sku


class PurchaseLine(msgspec.Struct, gc=False):
    """One SKU of a purchase order."""

    location: str
    ordered: int
    ordered_at: str
    received: int = 0
    expected_at: str | None = None
    supplier: str = ""
    ended_at: str | None = None
    cancelled: int = 0
    forgotten_at: str | None = None

    @property
    def expected(self) -> int:
        """Units still to come."""
        return 0 if self.ended_at is not None else max(0, self.ordered - self.received)


class TransferLine(msgspec.Struct, gc=False):
    """One SKU of a transfer."""

    source: str
    target: str
    sent: int
    sent_at: str
    arrived: int = 0
    lost: int = 0
    expected_at: str | None = None
    forgotten_at: str | None = None


PURCHASES: Final = Table(
    "purchase_lines", PurchaseLine, ("purchase_order",), ("position", "sku"), open_while_null="forgotten_at"
)
TRANSFERS: Final = Table(
    "transfer_lines", TransferLine, ("transfer",), ("position", "sku"), open_while_null="forgotten_at"
)
Line = TypeVar("Line", PurchaseLine, TransferLine)


class Papers:
    """Keeps both."""

    def __init__(self, load: Load) -> None:
        """Know none yet."""
        self._purchases = _Documents(PURCHASES, load)
        self._transfers = _Documents(TRANSFERS, load)
        self.rows: tuple[Rows[Any], ...] = (self._purchases.rows, self._transfers.rows)

    def take(self) -> list[Changes]:
        """Return what changed since the last time."""
        return [rows.take() for rows in self.rows]

    def order(self, event: PurchaseOrdered, deltas: Deltas) -> None:
        """Bring a line to its quantity."""
        known = self._purchases
        any_line = known.first(event.purchase_order)
        if any_line is not None and any_line.ended_at is not None:
            # nobody amends what has ended: a program that did not say so has forgotten it
            known.forget_all(event.purchase_order, event.at)
        line = known.find(event.purchase_order, event.sku)
        received = 0
        if line is not None:
            deltas[LocationId(line.location)].incoming -= line.expected
            received = line.received
        line = PurchaseLine(
            event.location,
            event.quantity,
            moment(event.at),
            received,
            moment_or_none(event.expected_at),
            event.supplier,
        )
        deltas[event.location].incoming += line.expected
        known.put(event.purchase_order, event.sku, line, deltas.position)

    def receive(self, number: DocumentId, event: StockReceived, deltas: Deltas) -> None:
        """Take units off what is expected."""
        line = self._purchases.find(number, event.sku)
        if line is not None:
            expected = line.expected
            line.received = line.received + event.quantity if event.received is None else event.received
            deltas[LocationId(line.location)].incoming += line.expected - expected
            self._purchases.put(number, event.sku, line, deltas.position)

    def end(self, event: PurchaseOrderEnded, deltas: Deltas) -> None:
        """Expect nothing more on a line."""
        line = self._purchases.find(event.purchase_order, event.sku)
        if line is not None:
            deltas[LocationId(line.location)].incoming -= line.expected
            line.ended_at, line.cancelled = moment(event.at), int(event.cancelled)
            self._purchases.put(event.purchase_order, event.sku, line, deltas.position)

    def send(self, event: TransferSent, deltas: Deltas) -> None:
        """Let units leave."""
        deltas[event.source].on_hand -= event.quantity
        deltas[event.target].in_transit += event.quantity
        line = TransferLine(
            event.source,
            event.target,
            event.quantity,
            moment(event.at),
            expected_at=moment_or_none(event.expected_at),
        )
        if self._transfers.begun(event.transfer) != deltas.position:
            # a transfer is never added to: a program that did not say so has forgotten what there was
            self._transfers.forget_all(event.transfer, event.at)
        self._transfers.put(event.transfer, event.sku, line, deltas.position)

    def arrive(self, event: TransferArrived | TransferLost, deltas: Deltas) -> None:
        """Let units arrive, or give them up."""
        fact = deltas[event.location]
        fact.in_transit -= event.quantity
        line = self._transfers.find(event.transfer, event.sku)
        if isinstance(event, TransferArrived):
            fact.on_hand += event.quantity
        if line is not None:
            if isinstance(event, TransferArrived):
                line.arrived += event.quantity
            else:
                line.lost += event.quantity
            self._transfers.put(event.transfer, event.sku, line, deltas.position)

    def forget(self, event: PaperForgotten) -> None:
        """Leave a line as it is, for good."""
        if event.purchase_order is not None:
            self._purchases.forget(event.purchase_order, event.sku, event.at)
        if event.transfer is not None:
            self._transfers.forget(event.transfer, event.sku, event.at)


class _Documents(Generic[Line]):
    """Documents of one kind by their numbers, as long as a line is known to its book. O(1) but for `forget_all`."""

    def __init__(self, table: Table[Line], load: Load) -> None:
        self.rows: Rows[Line] = Rows(table, load)

    def begun(self, number: DocumentId) -> int | None:
        """Return the position of the frame with which it began; None: there is none of this number."""
        for position, _ in self.rows.of((number,)):
            return int(position)
        return None

    def first(self, number: DocumentId) -> Line | None:
        """Return one of its lines."""
        return next(iter(self.rows.of((number,)).values()), None)

    def find(self, number: DocumentId, sku: Sku) -> Line | None:
        """Return a line."""
        return self.rows.of((number,)).get((self.begun(number), sku))

    def put(self, number: DocumentId, sku: Sku, line: Line, position: int) -> None:
        """Put a line, a new one or one that was changed; if there is no document yet, one begins at this position."""
        begun = self.begun(number)
        self.rows.put((number,), line, (position if begun is None else begun, sku))

    def forget(self, number: DocumentId, sku: Sku, at: datetime) -> None:
        """Let a line be history."""
        line = self.find(number, sku)
        if line is not None:
            line.forgotten_at = moment(at)
            self.rows.end_one((number,), (self.begun(number), sku))

    def forget_all(self, number: DocumentId, at: datetime) -> None:
        """Let the whole document be history."""
        for line in self.rows.of((number,)).values():
            line.forgotten_at = moment(at)
        self.rows.end((number,))
