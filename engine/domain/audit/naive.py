"""What the journal adds up to, by plain sums: the second opinion that books are compared with. Pure.

Nothing of `booking.apply` is used here, so that a mistake there shows. Every figure is a number by SKU and location,
changed by what each event says came and went; beside the numbers only what later events take back by name alone. It
takes whatever it is told: what cannot be shows as a difference.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, Final

from engine.domain.audit.laws import JOURNAL, Violation
from engine.domain.events import (
    DemandLapsed,
    DemandSet,
    Event,
    HoldCommitted,
    HoldExpired,
    HoldReleased,
    PaperForgotten,
    Part,
    PurchaseOrdered,
    PurchaseOrderEnded,
    SkuAdded,
    StateChanged,
    StockAdjusted,
    StockCounted,
    StockObserved,
    StockReceived,
    StockReturned,
    TransferArrived,
    TransferLost,
    TransferSent,
    UnitsHeld,
)
from engine.domain.states import State
from engine.domain.stock.book import Book
from engine.domain.units import AccountId, DocumentId, HoldId, LineId, LocationId, OrderId, Sku

_COMPARED: Final = (
    "on_hand", "committed", "reserved", "quality_hold", "damaged", "display", "safety_stock", "incoming", "in_transit",
)  # fmt: skip
_ASIDE: Final = frozenset({State.QUALITY_HOLD, State.DAMAGED, State.DISPLAY})

Figures = Counter[tuple[str, LocationId]]
_LineKey = tuple[Sku, AccountId, OrderId, LineId]


class _Paper:
    """A line of a purchase order."""

    __slots__ = ("ended", "location", "ordered", "received")

    def __init__(self) -> None:
        self.ordered = 0
        self.received = 0
        self.ended = False
        self.location = LocationId("")


class NaiveLedger:
    """All figures of all SKUs. Tell it every event of the journal, in order."""

    def __init__(self) -> None:
        """Begin with an empty journal."""
        self._figures: defaultdict[Sku, Figures] = defaultdict(Counter)
        self._holds: dict[tuple[Sku, HoldId], tuple[Part, ...]] = {}
        self._lines: dict[_LineKey, dict[str, tuple[Part, ...]]] = {}
        self._papers: dict[tuple[Sku, DocumentId], _Paper] = {}

    def skus(self) -> Iterable[Sku]:
        """Return the SKUs that an event moved a unit of."""
        return self._figures.keys()

    def compare(self, book: Book) -> Iterator[Violation]:
        """Name every figure of a book that is not what the events told so far add up to."""
        yield from self.compare_figures(book.sku, read_figures(book))

    def compare_figures(self, sku: Sku, found: Figures) -> Iterator[Violation]:
        """Do so for figures that were copied from a book when the last of those events was decided."""
        expected = self._figures[sku]
        for figure, location in sorted({*expected, *found}):
            wanted, has = expected[figure, location], found[figure, location]
            if wanted != has:
                law = f"{figure.replace('_', ' ')} {JOURNAL}"
                yield Violation(law=law, sku=sku, location=location, expected=wanted, found=has)

    def apply(self, event: Event) -> None:
        """Add one event up; those that move no unit of a book mean nothing here."""
        match event:
            case UnitsHeld(sku=sku, hold_id=hold_id, parts=parts):
                self._holds[sku, hold_id] = parts
                self._add(sku, "reserved", parts)
            case HoldReleased(sku=sku, hold_id=hold_id) | HoldExpired(sku=sku, hold_id=hold_id):
                self._add(sku, "reserved", self._holds.pop((sku, hold_id), ()), -1)
            case HoldCommitted():
                self._commit(event)
            case DemandSet(sku=sku, account=account, order_id=order_id, line_id=line_id):
                levels = {name: getattr(event, name) for name in ("committed", "reserved", "shipped", "returned")}
                self._stand((sku, account, order_id, line_id), levels)
            case DemandLapsed(sku=sku, account=account, order_id=order_id, line_id=line_id):
                key = (sku, account, order_id, line_id)
                self._stand(key, {**self._lines.get(key, {}), "reserved": ()})
            case SkuAdded(sku=sku, safety_stock=safety_stock):
                figures = self._figures[sku]
                for name, location in [each for each in figures if each[0] == "safety_stock"]:
                    figures[name, location] = 0
                self._add(sku, "safety_stock", safety_stock)
            case PaperForgotten(sku=sku, purchase_order=str() as paper):
                self._papers.pop((sku, paper), None)  # nothing is expected by it; its number may come again
            case PurchaseOrdered() | PurchaseOrderEnded() | TransferSent() | TransferArrived() | TransferLost():
                self._file(event)
            case _:
                self._move(event)

    def _add(self, sku: Sku, figure: str, parts: Iterable[Part], sign: int = 1) -> None:
        figures = self._figures[sku]
        for location, units in parts:
            figures[figure, location] += sign * units

    def _commit(self, event: HoldCommitted) -> None:
        parts = self._holds.pop((event.sku, event.hold_id), ())
        self._add(event.sku, "reserved", parts, -1)
        if event.owed:
            order_id = event.order_id if event.order_id is not None else OrderId(event.hold_id)
            key = (event.sku, event.account, order_id, LineId(f"hold:{event.hold_id}"))
            self._stand(key, {"committed": parts})

    def _stand(self, key: _LineKey, levels: dict[str, tuple[Part, ...]]) -> None:
        """Bring an order line to its levels, whatever it stood at before."""
        sku = key[0]
        for sign, line in ((-1, self._lines.pop(key, {})), (1, levels)):
            self._add(sku, "committed", line.get("committed", ()), sign)
            self._add(sku, "reserved", line.get("reserved", ()), sign)
            self._add(sku, "on_hand", line.get("shipped", ()), -sign)
            self._add(sku, "on_hand", line.get("returned", ()), sign)
        if any(levels.values()):
            self._lines[key] = levels

    def _move(self, event: Event) -> None:
        match event:
            case StockAdjusted(sku=sku, location=location, delta=delta):
                self._figures[sku]["on_hand", location] += delta
            case StockReceived(sku=sku, location=location, quantity=quantity, purchase_order=paper):
                self._figures[sku]["on_hand", location] += quantity
                if paper is not None:
                    self._expect(sku, paper, received=quantity)
            case StockReturned():
                self._give_back(event)
            case StateChanged(sku=sku, location=location, quantity=quantity, source=source, target=target):
                self._set_aside(sku, location, source, -quantity)
                self._set_aside(sku, location, target, quantity)
                if target is State.WRITTEN_OFF:
                    self._figures[sku]["on_hand", location] -= quantity
            case StockCounted(sku=sku, location=location, delta=delta, applied=applied):
                self._figures[sku]["on_hand", location] += delta if applied else 0
            case StockObserved(sku=sku, location=location, delta=delta):
                self._figures[sku]["on_hand", location] += delta
            case _:
                pass

    def _give_back(self, event: StockReturned) -> None:
        """Take in what came back; what the channel had put on the shelf for it goes from there."""
        sku = event.sku
        self._figures[sku]["on_hand", event.location] += event.quantity
        self._set_aside(sku, event.location, event.state, event.quantity)
        if event.taken_back:
            assert event.account is not None, "what is taken back from a channel names its order line"
            assert event.order_id is not None, "what is taken back from a channel names its order line"
            assert event.line_id is not None, "what is taken back from a channel names its order line"
            key = (sku, event.account, event.order_id, event.line_id)
            line = self._lines.get(key, {})
            left = Counter[LocationId](dict(line.get("returned", ())))
            left.subtract(dict(event.taken_back))
            self._stand(key, {**line, "returned": tuple((place, units) for place, units in left.items() if units)})

    def _set_aside(self, sku: Sku, location: LocationId, state: State, units: int) -> None:
        if state in _ASIDE:
            self._figures[sku][state.value, location] += units

    def _file(self, event: Event) -> None:
        match event:
            case PurchaseOrdered(sku=sku, purchase_order=paper):
                self._expect(sku, paper, ordered=event)
            case PurchaseOrderEnded(sku=sku, purchase_order=paper):
                self._expect(sku, paper, ended=True)
            case TransferSent(sku=sku, source=source, target=target, quantity=quantity):
                self._figures[sku]["on_hand", source] -= quantity
                self._figures[sku]["in_transit", target] += quantity
            case TransferArrived(sku=sku, location=location, quantity=quantity):
                self._figures[sku]["in_transit", location] -= quantity
                self._figures[sku]["on_hand", location] += quantity
            case TransferLost(sku=sku, location=location, quantity=quantity):
                self._figures[sku]["in_transit", location] -= quantity
            case _:
                pass

    def _expect(
        self,
        sku: Sku,
        number: DocumentId,
        *,
        ordered: PurchaseOrdered | None = None,
        received: int = 0,
        ended: bool = False,
    ) -> None:
        """Change a line of a purchase order, and what is expected by it."""
        paper = self._papers.setdefault((sku, number), _Paper())
        figures = self._figures[sku]
        figures["incoming", paper.location] -= _expected(paper)
        if ordered is not None:
            if paper.ended:  # its number was forgotten and is another order's now
                paper.received, paper.ended = 0, False
            paper.ordered, paper.location = ordered.quantity, ordered.location
        paper.received += received
        paper.ended = paper.ended or ended
        figures["incoming", paper.location] += _expected(paper)


def read_figures(book: Book) -> Figures:
    """Copy the figures of a book, zeros left out."""
    found: Figures = Counter()
    for location, position in book.positions.items():
        for figure in _COMPARED:
            units: Any = getattr(position, figure)
            if units:
                found[figure, location] = units
    return found


def _expected(paper: _Paper) -> int:
    return 0 if paper.ended else max(0, paper.ordered - paper.received)
