"""One task per shard: the only owner of its books.

Decide, apply, hand to the journal; answers and availability leave when the frame is durable. It does so in steps: in
its own task or, while that has nothing to do, in the `Turn` of whoever brings commands. A command over SKUs of several
shards is a `Rendezvous`: every shard it names comes to it in the order of its inbox, lends its books to the
last one to arrive, and goes on when that has decided.
"""

import math
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol, get_args

import trio

from engine.actors.directory import Directory, Placed, placed_on, placed_on_one
from engine.actors.documents import Documents, document_of
from engine.actors.journal import Journal
from engine.actors.mailbox import Mailbox
from engine.actors.messages import Look, Message, Rendezvous, Request, Slot, Together
from engine.domain.availability import Availability
from engine.domain.commands import Answer, Command, OrderPurchase, PlaceHold, Refusal, SendTransfer
from engine.domain.events import BookEvent, DecidedEvent, Event, RecipeSet, UnitsHeld
from engine.domain.stock.book import Book
from engine.domain.stock.filing import document_of_forgotten
from engine.domain.stock.ledger import Handled, Ledger, handle
from engine.domain.stock.plain import hold_plain
from engine.domain.units import EPOCH, AccountId, HoldId, LocationId, Sku
from engine.machines.untold import Untold
from engine.ports import Clock

_NOT_REMEMBERED = frozenset({"BUSY", "NOSUCHSKU", "RETIRED"})
"""Refusals of holds that no book keeps: the same hold may be granted once there is such a SKU."""
_TAKEN_MAX = 1024
"""Messages between two checkpoints; about 10 ms of decisions."""
Enqueue = Callable[[Sequence[Event], Callable[[int], None] | None], None]
"""`Journal.enqueue` or, where more is to come in the same step, `Journal.add`."""
_BOOK_EVENTS = get_args(BookEvent)


class Owned(NamedTuple):
    """The book of a SKU that exists, and the shard that owns it: neither is ever replaced by another."""

    shard: "Shard"
    book: Book
    placed: Placed
    """Where plain holds of the SKU for one account are found."""


class Outlet(Protocol):
    """Who hears of durable levels. Runs in the journal's task; must not block."""

    def availability(self, availability: Availability) -> None:
        """Hear of the newest level of a SKU."""
        ...


class ShardListener(Protocol):
    """What telemetry wants to know."""

    def decided(self, command: Command, answer: Answer, events: Sequence[DecidedEvent]) -> None:
        """Report one decision."""
        ...

    def granted(self, held: Sequence[UnitsHeld]) -> None:
        """Report plain holds that one step granted: each a decision with this one event."""
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
        documents: Documents,
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
            documents: the same for purchase orders and transfers.
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
        self._documents = documents
        self._journal = journal
        self._clock = clock
        self._outlet = outlet
        self._listener = listener
        self.stepping = False
        """Between `begin_step` and `end_step`."""
        self._now = EPOCH
        """The instant of the step."""
        self._events: list[Event] = []
        self._granted: list[UnitsHeld] = []
        """Plain holds that come behind all of those."""
        self._untold = Untold()
        """Books that they changed."""
        self._answers: list[tuple[Slot, object]] = []
        self._rest = trio.CancelScope()
        """Around the wait for work; its deadline is when there is something to do without..."""
        self._rest_until: datetime | None = None
        """...as the clock says it."""
        self._is_waiting = False

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Own the books until cancelled. What is decided is with the journal before any checkpoint."""
        task_status.started()
        while True:
            await self._wait_for_work()
            await self._journal.wait_room()
            self._now = self._clock.now()
            self._lapse(self.ledger)
            for message in self.inbox.take_nowait(_TAKEN_MAX):
                # no checkpoint until all of these are decided, but at a rendezvous, before which all is handed over
                match message:
                    case Request():
                        self.decide(message)
                    case Look():
                        self._show(message)
                    case Rendezvous():
                        self._hand_over(self._journal.enqueue)
                        await self._meet(message)
                        self._now = self._clock.now()
            self.forget(self._now)
            self._hand_over(self._journal.enqueue)

    # -- in a turn: no checkpoint from `begin_step` to `end_step`

    @property
    def at_rest(self) -> bool:
        """Whether its task waits for work and has none: it may be stepped in a turn."""
        return self._is_waiting and not self.inbox

    def begin_step(self, now: datetime) -> None:
        """Begin to decide in a turn; the shard rests."""
        self.stepping = True
        self._now = now
        self._lapse(self.ledger)

    def own(self, sku: Sku, account: AccountId) -> Owned | None:
        """Return what plain holds of a SKU of ours for an account need; None: there is no such SKU yet."""
        book = self.ledger.books.get(sku)
        return None if book is None else Owned(self, book, placed_on_one(sku, account))

    def grant_plain(
        self, owned: Owned, hold_id: HoldId, quantity: int, expires_at: datetime | None, locations: Sequence[LocationId]
    ) -> UnitsHeld | None:
        """Grant a plain hold (`engine.domain.stock.plain`) if its id is new; None: nothing was done. In a step.

        What it says must not be told before it is durable.
        """
        if hold_id in self._directory:
            return None
        _, book, placed = owned
        granted = hold_plain(book, hold_id, quantity, expires_at, placed.account, locations, self._now)
        if granted is None:
            return None
        held, left = granted
        self._untold.hold(book, left, self._now)
        self._granted.append(held)
        self._directory[hold_id] = placed
        return held

    def decide(self, request: Request) -> None:
        """Decide a command over SKUs of ours, in a step."""
        self._decide(request, self._own)

    def end_step(self) -> None:
        """Add what was decided to what the journal is to commit; `rest` follows."""
        self.stepping = False
        self._hand_over(self._journal.add)

    def rest(self) -> None:
        """See to what nobody waits for, when the step has been committed or will be."""
        self.forget(self._now)
        if self._find_due() != self._rest_until:
            self._rest.deadline = self._find_deadline()

    # -- a step

    def _own(self, _sku: Sku) -> Ledger:
        return self.ledger

    async def _wait_for_work(self) -> None:
        with trio.CancelScope(deadline=self._find_deadline()) as self._rest:
            self._is_waiting = True
            try:
                await trio.lowlevel.checkpoint()
                await self.inbox.wait()
            finally:
                self._is_waiting = False

    def _find_due(self) -> datetime | None:
        """Say when there is something to do that nobody asks for: holds run out, levels are to be told."""
        runs_out_at, tell_at = self.ledger.next_due_at, self._untold.due_at
        return min(runs_out_at, tell_at) if runs_out_at is not None and tell_at is not None else runs_out_at or tell_at

    def _find_deadline(self) -> float:
        """Say when that is, in trio's time."""
        due_at = self._rest_until = self._find_due()
        if due_at is None:
            return math.inf
        return trio.current_time() + max(0.0, (due_at - self._clock.now()).total_seconds())

    def _decide(self, request: Request, owner: Callable[[Sku], Ledger]) -> None:
        command = request.command
        taken = self._taken_since(command, request.skus) if isinstance(command, PlaceHold) else None
        handled = handle(owner, command, request.skus, self._now) if taken is None else Handled([], taken)
        events, answer = handled.events, handled.answer
        self._add(events)
        self._listener.decided(command, answer, events)
        if request.slot is not None:
            self._answers.append((request.slot, answer))
        if isinstance(command, PlaceHold):
            if isinstance(answer, Refusal) and answer.code in _NOT_REMEMBERED:
                self._forget_hold(command.hold_id)
            elif command.hold_id not in self._directory:
                # taken away while this one waited: an earlier one of its id was forgotten, or named no SKU that exists
                self._directory[command.hold_id] = placed_on(command.skus, command.account)
        elif isinstance(command, OrderPurchase | SendTransfer):
            document = document_of(command)
            if isinstance(answer, Refusal):
                self._documents.settle(document, self._book_of)
            else:  # an earlier one of its id may have been refused while this one waited
                self._documents.note(document, command.skus)

    def _taken_since(self, command: PlaceHold, skus: Sequence[Sku]) -> Refusal | None:
        """Refuse a hold whose id was given, since it was sent, to one of SKUs that are not at hand here."""
        placed = self._directory.get(command.hold_id)
        if placed is None or placed.skus == skus or set(placed.skus) <= set(skus):
            return None
        was = " ".join(placed.skus[:3]) + (" ..." if len(placed.skus) > 3 else "")
        return Refusal(code="CONFLICT", text=f"hold={command.hold_id} was asked for {was} at {placed.account} before")

    def _show(self, look: Look) -> None:
        for sku in look.skus:
            self._lapse(self._owner(sku))
        books = {sku: book for sku in look.skus if (book := self._owner(sku).books.get(sku)) is not None}
        self._answers.append((look.slot, look.read(books, self._now)))

    def forget(self, now: datetime) -> None:
        """Drop what was remembered long enough."""
        for hold_id in self.ledger.forget(now):
            self._forget_hold(hold_id)

    def _book_of(self, sku: Sku) -> Book | None:
        return self._owner(sku).books.get(sku)

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
        self._now = self._clock.now()
        also: Sequence[Sku] = ()
        match rendezvous.message:
            case Request() as request:
                self._decide(request, self._owner)
            case Look() as look:
                self._show(look)
            case Together(run=run, slot=slot):
                events, answer = run(self._now)
                self._add(events)
                self._answers.append((slot, answer))
                # whoever derives the levels of bundles has not kept those of SKUs that were no components until now
                also = [sku for event in events if isinstance(event, RecipeSet) for sku, _ in event.components]
        self._hand_over(self._journal.enqueue, also)
        rendezvous.leave()

    def _lapse(self, ledger: Ledger) -> None:
        if ledger.is_due(self._now):
            events = ledger.lapse(self._now)
            self._add(events)
            self._listener.lapsed(events)

    def _add(self, events: Sequence[Event]) -> None:
        """Add what was decided, but for plain holds: the levels that it changed are told with its commit."""
        if self._granted:
            self._add_granted()
        self._events.extend(events)
        for event in events:
            if isinstance(event, _BOOK_EVENTS):
                self._untold.change(self._owner(event.sku).books[event.sku], self._now)

    def _add_granted(self) -> None:
        """Add the plain holds since the last time, and see to what can be done for many of them at once."""
        granted, self._granted = self._granted, []
        self._events += granted
        self.ledger.note_grants(granted)
        self._listener.granted(granted)

    def _hand_over(self, enqueue: Enqueue, also: Sequence[Sku] = ()) -> None:
        """Give the journal what was decided, with what is to happen when it is durable.

        `also`: SKUs whose levels are to be told besides those that changed.
        """
        for forgotten in self.ledger.forget_papers(self._now):
            self._add((forgotten,))
            if (document := document_of_forgotten(forgotten)) is not None:
                self._documents.settle(document, self._book_of)
        if self._granted:
            self._add_granted()
        events, answers = self._events, self._answers
        for sku in also:
            self._untold.change(self._owner(sku).books[sku], self._now)
        changed = self._untold.take(self._now)
        if not events and not answers and not changed:
            return
        self._events, self._answers = [], []
        # The position is known only at the commit, so availability is copied now and stamped then.
        levels = [(sku, book.levels(), at) for sku, (book, at) in changed.items()]

        def committed(position: int) -> None:
            for sku, atp, at in levels:
                self._outlet.availability(Availability(sku=sku, position=position, atp=atp, changed_at=at))
            for slot, answer in answers:
                slot.resolve(answer)

        enqueue(events, committed if levels or answers else None)
