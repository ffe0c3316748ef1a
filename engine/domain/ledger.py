"""The books of one shard, with the two things that need all of them: the clock's due list and what is remembered.

`handle` is the one road of a command through the books, the same for live running, simulation and what-if; replay
takes only its second half, `apply`.
"""

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from engine.domain.book import Book, DemandKey, apply, demand_key
from engine.domain.commands import Adjust, Answer, Command, Done, PlaceHold, RecordOrder
from engine.domain.decide import decide
from engine.domain.events import (
    BookEvent,
    DemandLapsed,
    DemandSet,
    HoldCommitted,
    HoldExpired,
    HoldRefused,
    HoldReleased,
    OrderRecorded,
    OversellCleared,
    OversellRecorded,
    SkuAdded,
    StockAdjusted,
    StockReceived,
    UnitsHeld,
)
from engine.domain.levels import decide_level
from engine.domain.units import AccountId, HoldId, Key, OrderId, Sku

_DUES_MIN = 4096
"""Below this many, dues of holds that ended early are not worth a clean-up."""


class _Due(msgspec.Struct, frozen=True, order=True, gc=False):
    """When something of a SKU runs out: a hold or, with its id empty, an order line."""

    at: datetime
    sku: Sku
    hold_id: HoldId
    demand: DemandKey | tuple[()] = ()


_NO_HOLD = HoldId("")


class Handled(NamedTuple):
    """What one command did: events in the order they were applied, and the answer to give once they are durable."""

    events: list[BookEvent | OrderRecorded]
    answer: Answer


class Ledger:
    """The books of one shard. Belongs to one task; nobody else reads it between that task's checkpoints."""

    def __init__(self, *, remembered_seconds: float, remembered_max: int) -> None:
        """Start without books. What has ended is remembered this long, and at most this many."""
        self.books: dict[Sku, Book] = {}
        self._remembered_for = timedelta(seconds=remembered_seconds)
        self._remembered_max = remembered_max
        self._dues: list[_Due] = []
        self._ended_early = 0
        """Dues that name what has ended or changed before, at most."""
        self._remembered: deque[tuple[datetime, Sku, HoldId | Key, bool]] = deque()
        """What may be forgotten, oldest first; the flag tells a hold from a movement's key."""

    def apply(self, event: BookEvent) -> None:
        """Apply one event to its book and to the due list. Replay and live running both come through here."""
        book = self.books.get(event.sku)
        if book is None:
            assert isinstance(event, SkuAdded), event
            book = self.books[event.sku] = Book(event.sku)
        apply(book, event)
        match event:
            case UnitsHeld(expires_at=due):
                if due is not None:
                    heapq.heappush(self._dues, _Due(due, event.sku, event.hold_id))
            case DemandSet(expires_at=due):
                self._ended_early += 1
                if due is not None:
                    heapq.heappush(self._dues, _Due(due, event.sku, _NO_HOLD, demand_key(event)))
            case HoldCommitted() | HoldReleased():
                self._ended_early += 1
                self._remembered.append((event.at, event.sku, event.hold_id, True))
            case HoldExpired() | HoldRefused():
                self._remembered.append((event.at, event.sku, event.hold_id, True))
            case StockAdjusted() | StockReceived():
                self._remembered.append((event.at, event.sku, event.key, False))
            case _:
                pass

    @property
    def next_due_at(self) -> datetime | None:
        """When the clock alone changes something next; may name a hold that ended early."""
        return self._dues[0].at if self._dues else None

    def is_due(self, now: datetime) -> bool:
        """Whether the clock has something to decide."""
        return bool(self._dues) and self._dues[0].at <= now

    @property
    def remembered(self) -> int:
        """Ended holds, refusals and movement keys that a repeat would be recognised by."""
        return len(self._remembered)

    def lapse(self, now: datetime) -> list[BookEvent]:
        """Decide and apply what the clock has decided: holds whose time is over are available from that instant on.

        Lessons B10, B11: expiry comes from the record, not from a sweeper; `handle` calls this before every decision.
        """
        events: list[BookEvent] = []
        while self.is_due(now):
            due = heapq.heappop(self._dues)
            sku = due.sku
            event = _lapse(self.books[sku], due, now)
            if event is None:
                continue
            self.apply(event)
            events += (event, *self.watch(sku, event, now))
        return events

    def watch(self, sku: Sku, cause: Command | BookEvent | None, now: datetime) -> Sequence[BookEvent]:
        """Bring the SKU's incident in step with its shortage, which `cause` may have changed."""
        noted = _watch(self.books[sku], cause, now)
        for event in noted:
            self.apply(event)
        return noted

    def forget(self, now: datetime) -> list[HoldId]:
        """Drop what was remembered long enough; return the hold ids that mean nothing here any more."""
        if self._ended_early >= _DUES_MIN and 2 * self._ended_early > len(self._dues):
            self._dues = [due for due in self._dues if _lapse(self.books[due.sku], due, now)]
            heapq.heapify(self._dues)
            self._ended_early = 0
        horizon = now - self._remembered_for
        holds: list[HoldId] = []
        while self._remembered and (self._remembered[0][0] < horizon or len(self._remembered) > self._remembered_max):
            _, sku, what, is_hold = self._remembered.popleft()
            book = self.books[sku]
            if is_hold:
                hold_id = HoldId(what)
                book.ended.pop(hold_id, None)
                book.refused.pop(hold_id, None)
                holds.append(hold_id)
            else:
                book.movements.pop(Key(what), None)
        return holds


def handle(owner: Callable[[Sku], Ledger], command: Command, skus: Iterable[Sku], now: datetime) -> Handled:
    """Decide one command, apply what was decided, and note what it did to promises made earlier.

    Args:
        owner: finds the ledger of a SKU; the caller owns all of those, and nobody else looks at them meanwhile.
        command: what is asked.
        skus: those the command names, and those its hold id was first seen with.
        now: the instant of the decision.
    """
    events: list[BookEvent | OrderRecorded] = []
    books: dict[Sku, Book] = {}
    for sku in skus:
        ledger = owner(sku)
        if ledger.is_due(now):
            events += ledger.lapse(now)
        book = ledger.books.get(sku)
        if book is not None:
            books[sku] = book
    if isinstance(command, RecordOrder):
        events.append(
            OrderRecorded(at=now, snapshot=command.snapshot, skus=command.skus_of_lines, packs=command.packs_of_lines)
        )
        for level in command.levels:
            for event in decide_level(books[level.sku], level, command, now):
                owner(level.sku).apply(event)
                events.append(event)
        answer: Answer = Done()
    else:
        decision = decide(books, command, now)
        for decided in decision.events:
            owner(decided.sku).apply(decided)
        events += decision.events
        answer = decision.answer
    for sku, book in books.items():
        if len(book.positions) > 1 or not isinstance(command, PlaceHold):
            # a hold never takes more than there is, but for what another place is short of
            events += owner(sku).watch(sku, command, now)
    return Handled(events, answer)


def _lapse(book: Book, due: _Due, now: datetime) -> BookEvent | None:
    """Say what runs out, or None when it ended or changed before."""
    if due.demand:
        demand = book.demand.get(due.demand)
        if demand is None or demand.expires_at != due.at:
            return None
        account, order_id, line_id = due.demand
        return DemandLapsed(at=now, sku=book.sku, account=account, order_id=order_id, line_id=line_id)
    held = book.holds.get(due.hold_id)
    if held is None or held.expires_at != due.at:
        return None
    return HoldExpired(at=now, sku=book.sku, hold_id=due.hold_id)


def _watch(book: Book, cause: Command | BookEvent | None, now: datetime) -> Sequence[BookEvent]:
    """Keep the incident in step with the shortage: every further unit has a cause, and it closes when all is kept."""
    known = book.oversell
    shortage = book.shortage
    if shortage == (known.open_units if known is not None else 0):
        return ()
    if shortage == 0:
        return (OversellCleared(at=now, sku=book.sku),)
    account: AccountId | None = None
    order_id: OrderId | None = None
    why, detail = "unknown", ""
    match cause:
        case RecordOrder(snapshot=snapshot, causes=causes):
            account, order_id = snapshot.account, snapshot.order_id
            why, detail = next(((c, d) for sku, c, d in causes if sku == book.sku), ("unknown", ""))
        case Adjust(key=key, reason=reason):
            why, detail = "count", f"adjustment {key}: {reason}"
        case PlaceHold(account=account, hold_id=hold_id):
            why, detail = "elsewhere", f"hold {hold_id} took units that another location is short of"
        case _:
            pass
    more = max(0, shortage - (known.open_units if known is not None else 0))
    return (
        OversellRecorded(
            at=now,
            sku=book.sku,
            units=more,
            open_units=shortage,
            account=account,
            order_id=order_id,
            cause=why if more else "relieved",
            detail=detail,
        ),
    )
