"""Carries large imports out: piece by piece, each in a step for which every shard lends its books, so that holds go on.

Pieces are journalled first and change nothing. One event decides that all of them will happen; from there on a task
of the daemon does them in order, and its successor goes on where it died. Meanwhile nobody else changes the catalogue.
"""

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from typing import Final, Protocol

import structlog
import trio
from msgspec.structs import replace

from engine.actors.journal import Journal
from engine.actors.router import Router
from engine.domain.catalogue.catalogue import Catalogue
from engine.domain.catalogue.pieces import Planned, open_now, unpack
from engine.domain.catalogue.underway import Underway
from engine.domain.events import (
    Event,
    ImportAdvanced,
    ImportDecided,
    ImportEvent,
    ImportStaged,
    ItemDescribed,
    ListingMapped,
    SkuAdded,
    StockAdjusted,
)
from engine.domain.units import AccountId, ListingId, Sku
from engine.ports import Clock

log = structlog.get_logger(__name__)

_STAGED_BYTES: Final = 64 * 1024
"""Of pieces in one frame: large enough for few commits, small enough not to hold up a hold behind it."""
_SETTLED_PIECES: Final = 16
"""Pieces after which `settle` is called: some ten thousand new objects."""


class MappedAccount(Protocol):
    """What an import asks of a channel account."""

    id: AccountId

    def mapping(self, listing: ListingId, sku: Sku, pack_units: int) -> ListingMapped | None:
        """Return the event that maps a listing by hand; None when it is mapped so."""
        ...

    def look_again(self) -> None:
        """Match listings and order lines again: there are SKUs now that there were not."""
        ...


class Applier:
    """One import at a time; `alone` keeps every other change of the catalogue away meanwhile."""

    def __init__(
        self,
        router: Router,
        catalogue: Catalogue,
        journal: Journal,
        *,
        accounts: Collection[MappedAccount],
        clock: Clock,
        settle: Callable[[], None],
    ) -> None:
        """Start idle; replay comes through `keep`.

        `settle` is called now and then while many objects are made that will stay: the moment to tell a garbage
        collector so.
        """
        self.router = router
        self.catalogue = catalogue
        self.accounts = {account.id: account for account in accounts}
        self.clock = clock
        self._journal = journal
        self._settle = settle
        self.underway = Underway()
        """How far the newest import is; `keep` brings the past, nobody else changes it."""
        self._turn = trio.Lock()
        self._work = trio.Event()
        self._over = trio.Event()
        """Set when all that was decided is done."""
        self._over.set()

    @property
    def number(self) -> int:
        """Of the import that was staged last."""
        return self.underway.number

    @property
    def pieces(self) -> int:
        """Pieces that the import under way had when it was decided; of the last one when none is."""
        return self.underway.applied + self.underway.left

    @property
    def pieces_left(self) -> int:
        """Pieces of a decided import that are still to be done."""
        return self.underway.left

    def keep(self, _position: int, event: ImportEvent) -> None:
        """Hear of the past (`engine.actors.projections.Keeper`)."""
        self.underway.apply(event)

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Be the only one to change names, items and recipes; waits for an import under way."""
        async with self._turn:
            await self._over.wait()
            yield

    async def stage(self, pieces: Sequence[bytes]) -> None:
        """Make pieces durable, to be decided on; who does so is `alone`.

        Raises:
            AppendUnknown: the journal ended.
        """
        number, start = self._journal.position, 0
        while start < len(pieces):
            end, size = start, 0
            while end < len(pieces) and (end == start or size + len(pieces[end]) <= _STAGED_BYTES):
                size += len(pieces[end])
                end += 1
            now = self.clock.now()
            events = [
                ImportStaged(at=now, number=number, piece=piece, packed=pieces[piece]) for piece in range(start, end)
            ]
            await self._journal.record(events)
            for event in events:
                self.underway.apply(event)
            start = end

    def decide(self, pieces: int, now: datetime, *, by: str) -> ImportDecided:
        """Return the event that lets all staged pieces happen; call it in a step, and hand the event to the journal."""
        event = ImportDecided(at=now, number=self.underway.number, pieces=pieces, by=by)
        self.underway.apply(event)
        self._over = trio.Event()
        self._work.set()
        return event

    async def wait_over(self) -> None:
        """Wait until all that was decided is done and durable."""
        await self._over.wait()

    def do(self, planned: Sequence[Planned], now: datetime) -> list[Event]:
        """Let a piece happen, while all shards lend their books; return what happened, in order."""
        events: list[Event] = []
        moved: dict[Sku, None] = {}
        for each in planned:
            event: Event | None
            match each:
                case SkuAdded():
                    event = replace(each, at=now)
                    self.catalogue.apply(event)
                    self.router.apply(event)
                    moved[each.sku] = None
                case ItemDescribed():
                    event = replace(each, at=now)
                    self.catalogue.apply(event)
                case StockAdjusted():
                    event = open_now(self.router.ledger_of(each.sku).books[each.sku], each, now)
                    if event is not None:
                        self.router.apply(event)
                        moved[each.sku] = None
                case ListingMapped():
                    event = self._map(each)
            if event is not None:
                events.append(event)
        for sku in moved:
            events += self.router.ledger_of(sku).watch(sku, None, now)
        return events

    def _map(self, planned: ListingMapped) -> ListingMapped | None:
        account = self.accounts.get(planned.account)
        if account is None:
            return None  # decided by a predecessor that had it configured
        return account.mapping(planned.listing_id, planned.sku, planned.pack_units)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Do what is decided, until cancelled; started when nothing is left of what a predecessor decided."""
        if self.underway.left:
            self._over = trio.Event()
            log.info("import.resumed", number=self.underway.number, pieces_left=self.underway.left)
            await self._finish()
        task_status.started()
        while True:
            await self._work.wait()
            self._work = trio.Event()
            await self._finish()

    async def _finish(self) -> None:
        while self.underway.left:
            planned = unpack(self.underway.next_piece)  # before any book is lent for it
            await self.router.together(partial(self._advance, planned))
            if self.underway.applied % _SETTLED_PIECES == 0:
                self._settle()
        for account in self.accounts.values():
            account.look_again()
        log.info("import.finished", number=self.underway.number, pieces=self.underway.applied)
        self._over.set()

    def _advance(self, planned: Sequence[Planned], now: datetime) -> tuple[Sequence[Event], object]:
        applied = self.underway.applied + 1
        advanced = ImportAdvanced(at=now, number=self.underway.number, applied=applied)
        events = [*self.do(planned, now), advanced]
        self.underway.apply(advanced)
        return events, applied
