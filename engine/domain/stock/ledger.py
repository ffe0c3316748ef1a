"""The books of one shard, with the two things that need all of them: the clock's due list and what is remembered.

`handle` is the one road of a command through the books, the same for live running, simulation and what-if; replay
takes only its second half, `apply`.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from engine.domain.commands import Answer, Command, Done, PlaceHold, RecordOrder, TakeSnapshot
from engine.domain.events import (
    BookEvent,
    DecidedEvent,
    DemandLapsed,
    DemandSet,
    HoldCommitted,
    HoldExpired,
    HoldRefused,
    HoldReleased,
    OrderRecorded,
    OversellCleared,
    OversellRecorded,
    PaperForgotten,
    PurchaseOrdered,
    PurchaseOrderEnded,
    SkuAdded,
    StateChanged,
    StockAdjusted,
    StockConfirmed,
    StockCounted,
    StockObserved,
    StockReceived,
    StockReturned,
    TransferArrived,
    TransferLost,
    UnitsHeld,
)
from engine.domain.stated.stock import BookContinued, BookStated
from engine.domain.stock.answered import Answered
from engine.domain.stock.book import Book, demand_key
from engine.domain.stock.booking import apply
from engine.domain.stock.causes import Regrouped, cause_of_shortage
from engine.domain.stock.decide import decide
from engine.domain.stock.dues import Due, Dues
from engine.domain.stock.filing import DOCUMENTS_SECONDS, Filing
from engine.domain.stock.levels import decide_levels
from engine.domain.stock.places import ONE_POOL, Pool, Pools
from engine.domain.stock.records import HISTORY_SECONDS
from engine.domain.stock.shortage import find_shortages
from engine.domain.stock.snapshots import build_record, read_row, take_snapshot
from engine.domain.stock.stating import list_answered, read_book, read_promises
from engine.domain.units import EPOCH, HoldId, Key, Sku

_DUES_MIN = 4096
"""Below this many, dues of holds that ended early are not worth a clean-up."""

_PRUNED_PER_STEP = 2
"""Books whose old history is forgotten at a step: those that move forget by themselves, the others are at rest..."""
_PRUNE_PAUSE = timedelta(milliseconds=10)
"""...and not where the processor looks just now: at least so long passes between two such steps."""


class Handled(NamedTuple):
    """What one command did: events in the order they were applied, and the answer to give once they are durable."""

    events: list[DecidedEvent]
    answer: Answer


class Ledger:
    """The books of one shard. Belongs to one task; nobody else reads it between that task's checkpoints."""

    def __init__(
        self,
        *,
        remembered_seconds: float,
        remembered_max: int,
        history_seconds: float = HISTORY_SECONDS,
        documents_seconds: float = DOCUMENTS_SECONDS,
        pools: Pools = ONE_POOL,
    ) -> None:
        """Start without books.

        Args:
            remembered_seconds: how long what has ended is remembered...
            remembered_max: ...and how many of it at most.
            history_seconds: how far back figures can be told.
            documents_seconds: how long a purchase order or transfer is kept when all of it is done.
            pools: which locations make good what another one is short of.
        """
        self.books: dict[Sku, Book] = {}
        self._pools = pools
        self._history_for = timedelta(seconds=history_seconds)
        self._unpruned: deque[Sku] = deque()
        """Every SKU; the next one to forget old history in front."""
        self._prune_at = EPOCH
        self._filing = Filing(timedelta(seconds=documents_seconds), remembered_max)
        self._dues = Dues()
        self._ended_early = 0
        """Dues that name what has ended or changed before, at most."""
        self._answered = Answered(remembered_seconds, remembered_max)

    def apply(self, event: BookEvent) -> None:
        """Apply one event to its book and to the due list. Replay and live running both come through here."""
        book = self.books.get(event.sku)
        if book is None:
            assert isinstance(event, SkuAdded), event
            book = self.books[event.sku] = Book(event.sku, history_for=self._history_for, since=event.at)
            self._unpruned.append(event.sku)
        apply(book, event)
        match event:
            case UnitsHeld(expires_at=due):
                if due is not None:
                    self._dues.add(due, event)
            case DemandSet(expires_at=due):
                self._ended_early += 1
                if due is not None:
                    self._dues.add(due, event)
                elif book.records.returns:
                    self._filing.note(book, event)
            case HoldCommitted() | HoldReleased():
                self._ended_early += 1
                self._answered.add(event.at, (event.hold_id, event.sku, True))
            case HoldExpired() | HoldRefused():
                self._answered.add(event.at, (event.hold_id, event.sku, True))
            case PurchaseOrdered() | PurchaseOrderEnded():
                self._filing.note(book, event)
            case (
                StockAdjusted()
                | StockReceived()
                | StockReturned()
                | StateChanged()
                | StockCounted()
                | StockObserved()
                | TransferArrived()
                | TransferLost()
            ):
                if book.records.inherited:  # it was forgotten, and is used again
                    book.own_records().inherited.pop(event.key, None)
                self._answered.add(event.at, (event.key, event.sku, False))
                if isinstance(event, StockReceived | StockReturned | TransferArrived | TransferLost):
                    self._filing.note(book, event)
            case _:
                pass

    def confirm(self, event: StockConfirmed, sku: Sku, quantity: int) -> None:
        """Apply one row of such an event, in replay: live, it was applied when it was decided."""
        self.apply(read_row(event, sku, quantity, self.books[sku].on_hand_at(event.location)))

    def note_grants(self, held: Sequence[UnitsHeld]) -> None:
        """Put on the due list what `hold_plain` has granted of books of ours: both together are `apply`.

        To be called before the clock is asked again: what was granted at an instant runs out later.
        """
        self._dues.extend(held)

    @property
    def next_due_at(self) -> datetime | None:
        """When the clock alone changes something next; may name a hold that ended early."""
        return self._dues.next_at

    def dues(self) -> Iterator[tuple[datetime, Sku, HoldId]]:
        """Return what is on the due list at this moment, in no order: for checks. An order line has no hold id."""
        return map(_name_due, self._dues.copy())

    def is_due(self, now: datetime) -> bool:
        """Whether the clock has something to decide."""
        return self._dues.are_due(now)

    @property
    def remembered(self) -> int:
        """Ended holds, refusals and movement keys that a repeat would be recognised by."""
        return len(self._answered)

    def lapse(self, now: datetime) -> list[BookEvent]:
        """Decide and apply what the clock has decided: holds whose time is over are available from that instant on.

        Lessons B10, B11: expiry comes from the record, not from a sweeper; `handle` calls this before every decision.
        """
        events: list[BookEvent] = []
        while self.is_due(now):
            for due in self._dues.take_next():
                event = _lapse(self.books[due.sku], due, now)
                if event is not None:
                    self.apply(event)
                    events += (event, *self.watch(due.sku, event, now))
        return events

    def watch(self, sku: Sku, cause: Command | BookEvent | Regrouped | None, now: datetime) -> Sequence[BookEvent]:
        """Bring the SKU's incidents in step with its shortages, which `cause` may have changed."""
        noted = _watch(self.books[sku], self._pools, cause, now)
        for event in noted:
            self.apply(event)
        return noted

    def judge_again(self, now: datetime) -> Iterator[Sequence[BookEvent]]:
        """Yield for each book what its incidents say otherwise by the pools of this ledger; mostly nothing.

        The journal says how its predecessor's pools were, so it is asked once, when all of it is replayed.
        """
        for sku in self.books:
            yield self.watch(sku, Regrouped(), now)

    def inherit(self, sku: Sku, gone: Book, now: datetime) -> None:
        """Remember what happened to a book that was merged into this one: no repeat and no old look may count twice."""
        self.books[sku].inherit_looks(gone, now)
        for key in self.books[sku].inherit_keys(gone, self._answered.horizon(now), now):
            self._answered.add(now, (key, sku, False))

    @property
    def papers(self) -> int:
        """Lines of documents, and returns of order lines, that wait to be forgotten some day."""
        return len(self._filing)

    def forget_papers(self, now: datetime) -> list[PaperForgotten]:
        """Decide and apply that papers which were done long ago mean nothing here any more."""
        events: list[PaperForgotten] = []
        if not self._filing:
            return events
        for event in self._filing.forget(self.books, now):
            self.apply(event)
            events.append(event)
        return events

    def forget(self, now: datetime) -> list[HoldId]:
        """Drop what was remembered long enough; return the hold ids that mean nothing here any more."""
        if self._ended_early >= _DUES_MIN and 2 * self._ended_early > len(self._dues):
            self._dues.keep(lambda due: _lapse(self.books[due.sku], due, now))
            self._ended_early = 0
        if now >= self._prune_at:
            self._prune_at = now + _PRUNE_PAUSE
            for _ in range(min(_PRUNED_PER_STEP, len(self._unpruned))):
                self._unpruned.rotate(-1)
                self.books[self._unpruned[-1]].forget_history(now)
        holds: list[HoldId] = []
        if not self._answered:
            return holds
        for at, entries in self._answered.forget(now):
            for what, sku, is_hold in entries:
                if is_hold:
                    self.books[sku].forget_hold(HoldId(what), at)
                    holds.append(HoldId(what))
                else:
                    self.books[sku].forget_key(Key(what), at)
        return holds

    # -- as statements

    def forgettable(self, now: datetime) -> dict[Sku, set[tuple[datetime, str]]]:
        """Return what `forget` would drop now, by SKU: since when it is remembered, and its hold's id or its key."""
        found: dict[Sku, set[tuple[datetime, str]]] = {}
        for at, entries in self._answered.forgettable(now):
            for what, sku, _ in entries:
                found.setdefault(sku, set()).add((at, what))
        return found

    def restore(self, stated: BookStated | BookContinued) -> None:
        """Take in a book of ours, or more of it; `restored` follows the last one."""
        sku = stated.sku
        if isinstance(stated, BookStated):
            book = self.books[sku] = read_book(stated, self._history_for)
            self._unpruned.append(sku)
            self._filing.restore(book)
        else:
            book = self.books[sku]
            read_promises(book, stated)
        for hold in stated.holds:
            if hold.expires_at is not None:
                self._dues.add(hold.expires_at, hold)
        for line in stated.demand:
            if line.expires_at is not None:
                self._dues.add(line.expires_at, book.demand[line.account, line.order_id, line.line_id])
        for since, entry in list_answered(stated):
            self._answered.add(since, entry)

    def restored(self) -> None:
        """Bring what may be forgotten into its order."""
        self._answered.restored()
        self._filing.restored()


def handle(owner: Callable[[Sku], Ledger], command: Command, skus: Iterable[Sku], now: datetime) -> Handled:
    """Decide one command, apply what was decided, and note what it did to promises made earlier.

    Args:
        owner: finds the ledger of a SKU; the caller owns all of those, and nobody else looks at them meanwhile.
        command: what is asked.
        skus: those the command names, and those its hold id was first seen with.
        now: the instant of the decision.
    """
    events: list[DecidedEvent] = []
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
            OrderRecorded(
                at=now,
                snapshot=command.snapshot,
                skus=command.skus_of_lines,
                packs=command.packs_of_lines,
                components=command.components_of_lines,
            )
        )
        for event in decide_levels(books, command, now):
            owner(event.sku).apply(event)
            events.append(event)
        answer: Answer = Done()
    elif isinstance(command, TakeSnapshot):
        taken = take_snapshot(books, command, now)
        for seen in taken.seen:
            owner(seen.sku).apply(seen)
        events += build_record(taken.seen)
        answer = taken.answer
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


def _name_due(due: Due) -> tuple[datetime, Sku, HoldId]:
    assert due.expires_at is not None, due
    return due.expires_at, due.sku, due.hold_id if isinstance(due, UnitsHeld) else HoldId("")


def _lapse(book: Book, due: Due, now: datetime) -> BookEvent | None:
    """Say what runs out, or None when it ended or changed before."""
    if isinstance(due, DemandSet):
        key = demand_key(due)
        demand = book.demand.get(key)
        if demand is None or demand.expires_at != due.expires_at:
            return None
        account, order_id, line_id = key
        return DemandLapsed(at=now, sku=book.sku, account=account, order_id=order_id, line_id=line_id)
    held = book.holds.get(due.hold_id)
    if held is None or held.expires_at != due.expires_at:
        return None
    return HoldExpired(at=now, sku=book.sku, hold_id=due.hold_id)


def _watch(
    book: Book, pools: Pools, cause: Command | BookEvent | Regrouped | None, now: datetime
) -> Sequence[BookEvent]:
    """Keep incidents in step with shortages: every further unit has a cause, and one closes when all is kept."""
    known = book.records.oversells
    short = find_shortages(book, pools)
    if not known and not short:
        return ()
    return [
        event
        for pool in dict.fromkeys((*known, *short))
        if (event := _judge(book, pool, short.get(pool, 0), cause, now)) is not None
    ]


def _judge(
    book: Book, pool: Pool, shortage: int, cause: Command | BookEvent | Regrouped | None, now: datetime
) -> OversellRecorded | OversellCleared | None:
    """Say what is to be recorded of one pool's shortage; None: nothing has changed."""
    known = book.records.oversells.get(pool)
    before = known.open_units if known is not None else 0
    if shortage == before:
        return None
    if shortage == 0:
        return OversellCleared(at=now, sku=book.sku, location=pool)
    found = cause_of_shortage(book.sku, cause)
    more = max(0, shortage - before)
    return OversellRecorded(
        at=now,
        sku=book.sku,
        units=more,
        open_units=shortage,
        account=found.account,
        order_id=found.order_id,
        cause=found.cause if more else "relieved",
        detail=found.detail,
        location=pool,
    )
