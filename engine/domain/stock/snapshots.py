"""A partner's snapshot, many rows at a time: each has its verdict, and what changed nothing is kept as one event.

A large feed tells mostly what is known. In its book such a row is an observation like any other, for without its
instant an older snapshot could follow it; in the journal all of them are one `StockConfirmed`.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from engine.domain.commands import Moved, Observe, Observed, Refusal, TakeSnapshot
from engine.domain.events import StockConfirmed, StockObserved
from engine.domain.stock.decide import decide
from engine.domain.stock.decision import Books
from engine.domain.units import Sku


class Fuse(NamedTuple):
    """When a snapshot is taken for a broken feed: much falls to zero at once (DESIGN.md law 8, lesson I2)."""

    share_max: float
    """More than this share of the rows..."""
    rows_min: int
    """...and at least so many."""

    def blows(self, falls: int, rows: int) -> bool:
        """Whether so many falls among the rows are too much."""
        return falls >= self.rows_min and falls > self.share_max * rows


class Taken(NamedTuple):
    """What the rows of a snapshot come to."""

    seen: Sequence[StockObserved]
    """To be put into the books, in the order in which the journal keeps them: those without a delta last."""
    answer: Observed


def count_falls(books: Books, told: Observe) -> int:
    """Count the books with units where the partner says that there are none; where it nets, beyond what is owed.

    Args:
        books: of the SKUs that it tells zero of.
        told: any of those rows. A book that knows its key has taken this snapshot already: its row is answered as the
            first time.
    """
    new = [book for book in books.values() if told.key not in book.movements]
    positions = [book.positions[told.location] for book in new if told.location in book.positions]
    return sum(position.on_hand - (position.committed if told.nets_open_orders else 0) > 0 for position in positions)


def take_snapshot(books: Books, command: TakeSnapshot, now: datetime) -> Taken:
    """Decide each row on its book; one that is refused keeps no other from being applied."""
    seen: dict[Sku, StockObserved] = {}
    verdicts: list[Moved | Refusal] = []
    for row in command.rows:
        decision = decide(books, row, now)
        verdict = decision.answer
        assert isinstance(verdict, Moved | Refusal), verdict
        if decision.events and row.sku in seen:  # two codes of one SKU, on a book that has not heard the first
            verdict = Refusal(code="CONFLICT", text=f"sku={row.sku}: stands in the snapshot twice")
        elif decision.events:
            (event,) = decision.events
            assert isinstance(event, StockObserved), event
            seen[row.sku] = event
        verdicts.append(verdict)
    in_order = sorted(seen.values(), key=_changes_nothing)
    return Taken(in_order, Observed(verdicts=tuple(verdicts)))


def _changes_nothing(event: StockObserved) -> bool:
    return event.delta == 0


def build_record(seen: Sequence[StockObserved]) -> list[StockObserved | StockConfirmed]:
    """Return what the journal keeps of the rows of one snapshot: `read_row` finds again what is not there."""
    kept: list[StockObserved | StockConfirmed] = [event for event in seen if event.delta]
    same = [event for event in seen if not event.delta]
    if same:
        first = same[0]
        kept.append(
            StockConfirmed(
                at=first.at,
                key=first.key,
                location=first.location,
                source=first.source,
                as_of=first.as_of,
                nets_open_orders=first.nets_open_orders,
                rows=tuple([(event.sku, event.quantity) for event in same]),
                by=first.by,
                reference=first.reference,
            )
        )
    return kept


def read_row(event: StockConfirmed, sku: Sku, quantity: int, on_hand: int) -> StockObserved:
    """Return one row as it stands in its book, where there were `on_hand` at that moment."""
    return StockObserved(
        at=event.at,
        sku=sku,
        key=event.key,
        location=event.location,
        source=event.source,
        quantity=quantity,
        as_of=event.as_of,
        nets_open_orders=event.nets_open_orders,
        delta=0,
        on_hand=on_hand,
        by=event.by,
        reference=event.reference,
    )
