"""One task per shard: the only owner of its books.

Decide, apply, hand to the journal; answers and availability leave when the frame is durable. A command over SKUs of
several shards is a `Rendezvous`: every shard it names comes to it in the order of its inbox, lends its books to the
last one to arrive, and goes on when that has decided.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple, Protocol, get_args

import msgspec
import trio

from engine.actors.journal import Journal
from engine.actors.mailbox import Mailbox
from engine.domain.availability import Availability
from engine.domain.book import Book
from engine.domain.commands import Answer, Command, PlaceHold, Refusal
from engine.domain.events import BookEvent, Event, OrderRecorded
from engine.domain.ledger import Ledger, handle
from engine.domain.units import AccountId, HoldId, Sku
from engine.ports import Clock

_TAKEN_MAX = 1024
"""Messages between two checkpoints; about 10 ms of decisions."""


class Slot(Protocol):
    """Where an answer goes once it is durable."""

    def resolve(self, answer: object) -> None:
        """Take an `Answer`, or what a `Look` made. Called once, in the journal's task; must not block."""
        ...


class Request(msgspec.Struct, frozen=True, gc=False):
    """A command whose SKUs one shard owns."""

    command: Command
    skus: Sequence[Sku]
    slot: Slot | None


class Look(NamedTuple):
    """A question about books. The reply is made at once and given when everything it shows is durable."""

    skus: Sequence[Sku]
    read: Callable[[dict[Sku, Book], datetime], object]
    """Gets the books that exist."""
    slot: Slot


class Together(NamedTuple):
    """A step over the books of all shards at once: an import. `run` decides and applies; its events are one frame."""

    run: Callable[[datetime], tuple[Sequence[Event], object]]
    slot: Slot


class Rendezvous:
    """A command that several shards must come to.

    Every inbox gets it in the same step, so all shards meet such commands in the same order and none waits in a circle.
    """

    def __init__(self, message: Request | Look | Together, parties: int) -> None:
        """Wait for `parties` shards."""
        self.message = message
        self._missing = parties
        self._decided = trio.Event()

    def arrive(self) -> bool:
        """Come to it; True for the last one, which decides."""
        self._missing -= 1
        return self._missing == 0

    def leave(self) -> None:
        """Let the others go on with their books."""
        self._decided.set()

    async def wait_decided(self) -> None:
        """Lend the books until it is decided."""
        await self._decided.wait()


class Placed(msgspec.Struct, frozen=True, gc=False):
    """Where a hold is found: its id alone says nothing."""

    skus: tuple[Sku, ...]
    account: AccountId


@lru_cache(maxsize=1 << 16)
def _placed_on_one(sku: Sku, account: AccountId) -> Placed:
    return Placed((sku,), account)


def placed_on(skus: tuple[Sku, ...], account: AccountId) -> Placed:
    """Return the entry of a hold; those over one SKU share theirs, for there are millions of them."""
    return _placed_on_one(skus[0], account) if len(skus) == 1 else Placed(skus, account)


Directory = dict[HoldId, Placed]
Message = Request | Look | Rendezvous
_BOOK_EVENTS = get_args(BookEvent)


class Outlet(Protocol):
    """Who hears of durable levels. Runs in the journal's task; must not block."""

    def availability(self, availability: Availability) -> None:
        """Hear of the newest level of a SKU."""
        ...


class ShardListener(Protocol):
    """What telemetry wants to know."""

    def decided(self, command: Command, answer: Answer, events: Sequence[BookEvent | OrderRecorded]) -> None:
        """Report one decision."""
        ...

    def lapsed(self, events: Sequence[BookEvent]) -> None:
        """Report what the clock decided."""
        ...


class Shard:
    """Books, their inbox, and the loop between them."""

    def __init__(
        self,
        index: int,
        *,
        ledger: Ledger,
        owner: Callable[[Sku], Ledger],
        directory: Directory,
        journal: Journal,
        clock: Clock,
        outlet: Outlet,
        listener: ShardListener,
        mailbox_max: int,
    ) -> None:
        """Make an idle shard.

        Args:
            index: its number, from 0.
            ledger: its books.
            owner: finds the ledger of any SKU; used at a rendezvous, when all of its shards have come.
            directory: hold id to its SKUs, for commands that name no SKU; the router adds, the shard takes away.
            journal: where decisions go.
            clock: the time of decisions.
            outlet: who hears of what is durable.
            listener: telemetry.
            mailbox_max: messages that may wait.
        """
        self.index = index
        self.ledger = ledger
        self.inbox: Mailbox[Message] = Mailbox(f"shard-{index}", mailbox_max)
        self._owner = owner
        self._directory = directory
        self._journal = journal
        self._clock = clock
        self._outlet = outlet
        self._listener = listener
        self._events: list[Event] = []
        self._answers: list[tuple[Slot, object]] = []

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Own the books until cancelled. What is decided is with the journal before any checkpoint."""
        task_status.started()
        while True:
            await self._wait_for_work()
            await self._journal.wait_room()
            now = self._clock.now()
            self._lapse(self.ledger, now)
            for message in self.inbox.take_nowait(_TAKEN_MAX):
                # no checkpoint until all of these are decided, but at a rendezvous, before which all is handed over
                match message:
                    case Request():
                        self._decide(message, self._own, now)
                    case Look():
                        self._show(message, now)
                    case Rendezvous():
                        self._hand_over(now)
                        await self._meet(message)
                        now = self._clock.now()
            self.forget(now)
            self._hand_over(now)
            await trio.lowlevel.checkpoint()

    def _own(self, _sku: Sku) -> Ledger:
        return self.ledger

    async def _wait_for_work(self) -> None:
        due_at = self.ledger.next_due_at
        if due_at is None:
            await self.inbox.wait()
            return
        with trio.move_on_after(max(0.0, (due_at - self._clock.now()).total_seconds())):
            await self.inbox.wait()

    def _decide(self, request: Request, owner: Callable[[Sku], Ledger], now: datetime) -> None:
        command = request.command
        handled = handle(owner, command, request.skus, now)
        events, answer = handled.events, handled.answer
        self._events += events
        self._listener.decided(command, answer, events)
        if request.slot is not None:
            self._answers.append((request.slot, answer))
        if isinstance(command, PlaceHold):
            if isinstance(answer, Refusal) and answer.code == "NOSUCHSKU":
                self._forget_hold(command.hold_id)
            elif command.hold_id not in self._directory:
                # taken away while this one waited: an earlier one of its id was forgotten, or named no SKU that exists
                self._directory[command.hold_id] = placed_on(command.skus, command.account)

    def _show(self, look: Look, now: datetime) -> None:
        for sku in look.skus:
            self._lapse(self._owner(sku), now)
        books = {sku: book for sku in look.skus if (book := self._owner(sku).books.get(sku)) is not None}
        self._answers.append((look.slot, look.read(books, now)))

    def forget(self, now: datetime) -> None:
        """Drop what was remembered long enough."""
        for hold_id in self.ledger.forget(now):
            self._forget_hold(hold_id)

    def _forget_hold(self, hold_id: HoldId) -> None:
        """Take a hold id out of the directory, unless a book of it knows it still."""
        placed = self._directory.get(hold_id)
        for sku in placed.skus if placed is not None else ():
            book = self._owner(sku).books.get(sku)
            if book is not None and book.knows_hold(hold_id):
                return
        self._directory.pop(hold_id, None)

    async def _meet(self, rendezvous: Rendezvous) -> None:
        if not rendezvous.arrive():
            await rendezvous.wait_decided()
            return
        now = self._clock.now()
        match rendezvous.message:
            case Request() as request:
                self._decide(request, self._owner, now)
            case Look() as look:
                self._show(look, now)
            case Together(run=run, slot=slot):
                events, answer = run(now)
                self._events.extend(events)
                self._answers.append((slot, answer))
        self._hand_over(now)
        rendezvous.leave()

    def _lapse(self, ledger: Ledger, now: datetime) -> None:
        due_at = ledger.next_due_at
        if due_at is not None and due_at <= now:
            events = ledger.lapse(now)
            self._events.extend(events)
            self._listener.lapsed(events)

    def _hand_over(self, now: datetime) -> None:
        """Give the journal what was decided, with what is to happen when it is durable."""
        if not self._events and not self._answers:
            return
        events, answers = self._events, self._answers
        self._events, self._answers = [], []
        touched = {event.sku: None for event in events if isinstance(event, _BOOK_EVENTS)}
        # The position is known only at the commit, so availability is copied now and stamped then.
        levels = [(sku, self._owner(sku).books[sku].levels()) for sku in touched]

        def committed(position: int) -> None:
            for sku, atp in levels:
                self._outlet.availability(Availability(sku=sku, position=position, atp=atp, changed_at=now))
            for slot, answer in answers:
                slot.resolve(answer)

        self._journal.enqueue(events, committed)
