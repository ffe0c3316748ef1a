"""From a command to the shard, or shards, that own its SKUs. Not a task: it runs in the caller's."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import assert_never

import trio

from engine.actors.directory import Directory, placed_on
from engine.actors.documents import Documents
from engine.actors.journal import Journal
from engine.actors.mailbox import Mailbox
from engine.actors.messages import Look, Message, Rendezvous, Request, Slot, Together
from engine.actors.shard import Shard
from engine.actors.turn import Turn
from engine.domain.catalogue.codes import Codes, name_by_id
from engine.domain.commands import (
    AddSku,
    Adjust,
    ChangeState,
    Command,
    CommitHold,
    Count,
    EndPurchase,
    LoseTransfer,
    OpenStock,
    OrderPurchase,
    PlaceHold,
    Reallocate,
    Receive,
    ReceiveTransfer,
    RecordOrder,
    Refusal,
    ReleaseHold,
    Return,
    SendTransfer,
    TakeSnapshot,
)
from engine.domain.events import (
    BookEvent,
    Event,
    HoldRefused,
    PaperForgotten,
    PurchaseOrdered,
    SkuMerged,
    StockConfirmed,
    TransferSent,
    UnitsHeld,
)
from engine.domain.partition import shard_of
from engine.domain.stock.book import Book
from engine.domain.stock.filing import Paper, document_of_forgotten
from engine.domain.stock.ledger import Ledger
from engine.domain.units import AccountId, DocumentId, HoldId, Sku


class Waiter:
    """A slot that one task waits on."""

    def __init__(self) -> None:
        """Wait with `await waiter.wait()`."""
        self._event = trio.Event()
        self._answer: object = None

    def resolve(self, answer: object) -> None:
        """Take the answer (`engine.actors.messages.Slot`)."""
        self._answer = answer
        self._event.set()

    async def wait(self) -> object:
        """Return the answer, once it is durable."""
        await self._event.wait()
        return self._answer


class Router:
    """Knows which shard owns a SKU, and which SKUs a hold id stands for."""

    def __init__(
        self,
        shards: Sequence[Shard],
        directory: Directory,
        documents: Documents,
        journal: Journal,
        codes: Codes | None = None,
    ) -> None:
        """Route to `shards`, which share `directory` and `documents`; `codes` say which SKU a caller means."""
        self.turn = Turn(shards, journal)
        """For who brings many commands at once: while it is open, owners that rest decide them in `begin`."""
        self._codes = codes if codes is not None else Codes()
        self._shards = shards
        self._inboxes = [shard.inbox for shard in shards]
        self._directory = directory
        self._documents = documents
        self._journal = journal

    def ledger_of(self, sku: Sku) -> Ledger:
        """Return the ledger that holds a SKU's book."""
        return self._shards[shard_of(sku, len(self._shards))].ledger

    def knows(self, sku: Sku) -> bool:
        """Whether the SKU exists."""
        return sku in self.ledger_of(sku).books

    def account_of(self, hold_id: HoldId) -> AccountId | None:
        """Return the account a hold was placed for; None for an unknown id."""
        placed = self._directory.get(hold_id)
        return placed.account if placed is not None else None

    def skus_of(self, hold_id: HoldId) -> tuple[Sku, ...]:
        """Return the SKUs of a hold; empty for an unknown id."""
        placed = self._directory.get(hold_id)
        return placed.skus if placed is not None else ()

    def skus_of_document(self, number: DocumentId) -> tuple[Sku, ...]:
        """Return the SKUs of the purchase order and of the transfer of this number, sorted."""
        found = (self._documents.skus_of((paper, number)) for paper in Paper)
        return tuple(sorted({sku for skus in found for sku in skus}))

    def apply(self, event: BookEvent) -> None:
        """Replay one event into the book it belongs to."""
        self.ledger_of(event.sku).apply(event)
        if isinstance(event, UnitsHeld | HoldRefused):
            skus = tuple(sku for sku, _ in event.asked) or (event.sku,)
            self._directory[event.hold_id] = placed_on(skus, event.account)
        elif isinstance(event, SkuMerged):
            gone = self.ledger_of(event.sku).books[event.sku]
            self.ledger_of(event.into).inherit(event.into, gone, event.at)
        elif isinstance(event, PurchaseOrdered):
            self._documents.note((Paper.PURCHASE, event.purchase_order), (event.sku,))
        elif isinstance(event, TransferSent):
            self._documents.note((Paper.TRANSFER, event.transfer), (event.sku,))
        elif isinstance(event, PaperForgotten) and (document := document_of_forgotten(event)) is not None:
            self._documents.settle(document, lambda sku: self.ledger_of(sku).books.get(sku))

    def confirm(self, event: StockConfirmed) -> None:
        """Replay an event that many books have a row in."""
        for sku, quantity in event.rows:
            self.ledger_of(sku).confirm(event, sku, quantity)

    async def submit(self, command: Command, slot: Slot | None) -> None:
        """Bring a command to its owner, waiting while that one's inbox is full."""
        waiting = self.begin(command, slot)
        if waiting is not None:
            await waiting

    def begin(self, command: Command, slot: Slot | None) -> Awaitable[None] | None:
        """Bring a command to its owner; return what is to be awaited where that one's inbox is full."""
        if self._journal.stalled is not None:
            if slot is not None:
                slot.resolve(Refusal(code="STALLED", text=f"the journal cannot be written: {self._journal.stalled}"))
            return None
        if self._codes.active:
            command = name_by_id(command, self._codes)
        skus = self._skus_of_command(command)
        if not skus:
            if slot is not None:
                slot.resolve(_no_such(command))
            return None
        request = Request(command, skus, slot)
        return None if self.turn.decide(request) else self._send(request, skus)

    async def ask(self, command: Command) -> object:
        """Submit a command and wait for its durable answer."""
        waiter = Waiter()
        await self.submit(command, waiter)
        return await waiter.wait()

    async def look(self, sku: Sku, read: Callable[[Book | None, datetime], object], slot: Slot) -> None:
        """Ask the owner of a book about it; `read` gets None for a SKU that does not exist."""
        sku = self._codes.resolve(sku)
        await self.look_at((sku,), lambda books, now: read(books.get(sku), now), slot)

    async def look_at(
        self, skus: Sequence[Sku], read: Callable[[dict[Sku, Book], datetime], object], slot: Slot
    ) -> None:
        """Ask about several books as of one instant; `read` gets those that exist."""
        waiting = self._send(Look(skus, read, slot), skus)
        if waiting is not None:
            await waiting

    async def together(self, run: Callable[[datetime], tuple[Sequence[Event], object]]) -> object:
        """Run one step while every shard lends its books; return its answer once its events are durable."""
        waiter = Waiter()
        await self._meet(Rendezvous(Together(run, waiter), len(self._inboxes)), self._inboxes)
        return await waiter.wait()

    def _skus_of_command(self, command: Command) -> tuple[Sku, ...]:
        match command:
            case PlaceHold():
                asked = placed_on(command.skus, command.account)
                first = self._directory.setdefault(command.hold_id, asked)
                return first.skus if first.skus == asked.skus else tuple(sorted({*first.skus, *asked.skus}))
            case CommitHold(hold_id=hold_id) | ReleaseHold(hold_id=hold_id):
                return self.skus_of(hold_id)
            case RecordOrder() | TakeSnapshot():
                return command.skus
            case OrderPurchase():
                return self._documents.note((Paper.PURCHASE, command.purchase_order), command.skus)
            case EndPurchase():
                return self._documents.skus_of((Paper.PURCHASE, command.purchase_order))
            case SendTransfer():
                return self._documents.note((Paper.TRANSFER, command.transfer), command.skus)
            case (
                Adjust(sku=sku)
                | Receive(sku=sku)
                | Return(sku=sku)
                | ChangeState(sku=sku)
                | Count(sku=sku)
                | ReceiveTransfer(sku=sku)
                | LoseTransfer(sku=sku)
                | Reallocate(sku=sku)
                | AddSku(sku=sku)
                | OpenStock(sku=sku)
            ):
                return (sku,)
            case _:
                assert_never(command)

    def _send(self, request: Request | Look, skus: Sequence[Sku]) -> Awaitable[None] | None:
        if len(skus) == 1:
            inbox = self._inboxes[shard_of(skus[0], len(self._inboxes))]
            try:
                inbox.put_nowait(request)
            except trio.WouldBlock:
                return inbox.put(request)
            return None
        owners = sorted({shard_of(sku, len(self._shards)) for sku in skus}) or [0]
        inboxes = [self._inboxes[index] for index in owners]
        return self._meet(Rendezvous(request, len(inboxes)) if len(inboxes) > 1 else request, inboxes)

    async def _meet(self, message: Message, inboxes: Sequence[Mailbox[Message]]) -> None:
        while not all(inbox.has_room() for inbox in inboxes):
            for inbox in inboxes:
                await inbox.wait_room()
        # no checkpoint until it is in every inbox: all shards meet it in the same order
        for inbox in inboxes:
            inbox.put_nowait(message)


def _no_such(command: Command) -> Refusal:
    """Refuse a command whose id stands for no SKU."""
    if isinstance(command, EndPurchase):
        return Refusal(code="NOSUCHPO", text=f"purchase_order={command.purchase_order}")
    return Refusal(code="NOSUCHHOLD", text=f"hold={getattr(command, 'hold_id', '')}")
