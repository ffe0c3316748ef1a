"""Purchase orders and transfers as rows, line by line, and what they let expect."""

from typing import Any, Final

import msgspec

from engine.domain.events import (
    PurchaseOrdered,
    PurchaseOrderEnded,
    StockReceived,
    TransferArrived,
    TransferLost,
    TransferSent,
)
from engine.domain.reading.rows import Changes, Load, Rows, Table, moment, moment_or_none
from engine.domain.reading.stock import Deltas
from engine.domain.units import LocationId


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


PURCHASES: Final = Table("purchase_lines", PurchaseLine, ("purchase_order", "sku"))
TRANSFERS: Final = Table("transfer_lines", TransferLine, ("transfer", "sku"))


class Papers:
    """Keeps both."""

    def __init__(self, load: Load) -> None:
        """Know none yet."""
        self._purchases = Rows(PURCHASES, load)
        self._transfers = Rows(TRANSFERS, load)
        self.rows: tuple[Rows[Any], ...] = (self._purchases, self._transfers)

    def take(self) -> list[Changes]:
        """Return what changed since the last time."""
        return [rows.take() for rows in self.rows]

    def order(self, event: PurchaseOrdered, deltas: Deltas) -> None:
        """Bring a line to its quantity; the number of one that was ended may be given again once that is forgotten."""
        key = (event.purchase_order, event.sku)
        line = self._purchases.one(key)
        received = 0
        if line is not None and line.ended_at is None:
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
        self._purchases.put(key, line)

    def receive(self, event: StockReceived, deltas: Deltas) -> None:
        """Take units off what is expected."""
        key = (event.purchase_order, event.sku)
        line = self._purchases.one(key)
        if line is not None:
            expected = line.expected
            line.received = line.received + event.quantity if event.received is None else event.received
            deltas[LocationId(line.location)].incoming += line.expected - expected
            self._purchases.put(key, line)

    def end(self, event: PurchaseOrderEnded, deltas: Deltas) -> None:
        """Expect nothing more on a line."""
        key = (event.purchase_order, event.sku)
        line = self._purchases.one(key)
        if line is not None:
            deltas[LocationId(line.location)].incoming -= line.expected
            line.ended_at, line.cancelled = moment(event.at), int(event.cancelled)
            self._purchases.put(key, line)

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
        self._transfers.begin((event.transfer, event.sku), line)

    def arrive(self, event: TransferArrived | TransferLost, deltas: Deltas) -> None:
        """Let units arrive, or give them up."""
        fact = deltas[event.location]
        fact.in_transit -= event.quantity
        key = (event.transfer, event.sku)
        line = self._transfers.one(key)
        if isinstance(event, TransferArrived):
            fact.on_hand += event.quantity
        if line is not None:
            if isinstance(event, TransferArrived):
                line.arrived += event.quantity
            else:
                line.lost += event.quantity
            self._transfers.put(key, line)
