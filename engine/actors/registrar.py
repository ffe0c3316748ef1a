"""The one writer of the catalogue: decides about names while every shard lends its books. Runs in its callers' tasks.

What it decides is in the catalogue at once, as a shard's decisions are in its books, and answered when it is durable.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

import structlog

from engine.actors.journal import Journal
from engine.actors.order_desk import OrderDesk
from engine.actors.router import Router
from engine.domain.catalogue.catalogue import Catalogue, decide_rename, decide_standing
from engine.domain.catalogue.merging import decide_merge, find_obstacles, inherit_barcodes, refuse_merge
from engine.domain.commands import Refusal
from engine.domain.events import Event, ItemDescribed, ListingMapped, SkuMerged, SkuRenamed, SkuRetired, SkuRevived
from engine.domain.units import Sku

log = structlog.get_logger(__name__)

Decided = SkuRenamed | SkuMerged | SkuRetired | SkuRevived
"""What became of a SKU."""


class Remapper(Protocol):
    """What a merge asks of a channel account."""

    def remap(self, gone: Sku, into: Sku, at: datetime) -> Sequence[ListingMapped]:
        """Return the events that make every listing of one SKU sell the other."""
        ...

    def look_again(self) -> None:
        """Match listings and order lines again."""
        ...


class Registrar:
    """Renames, merges, retires and revives."""

    def __init__(
        self,
        catalogue: Catalogue,
        *,
        router: Router,
        journal: Journal,
        desk: OrderDesk,
        accounts: Sequence[Remapper],
        recipes_with: Callable[[Sku], Sequence[Sku]],
        alone: Callable[[], AbstractAsyncContextManager[None]],
    ) -> None:
        """Write `catalogue`.

        `recipes_with` names the bundles that a SKU is a component of. `alone` is entered for every change: an import
        that is being carried out was planned on names as they are.
        """
        self.catalogue = catalogue
        self.router = router
        self.journal = journal
        self._desk = desk
        self._accounts = accounts
        self._recipes_with = recipes_with
        self._alone = alone

    async def rename(self, sku: Sku, code: Sku, *, by: str) -> object:
        """Give an id a new code; a `Refusal` when the code is another SKU's."""
        answer = await self._decide(lambda now: decide_rename(self.catalogue, sku, code, by=by, now=now))
        if isinstance(answer, SkuRenamed):
            log.info("sku.renamed", sku=sku, was=answer.was, code=code, by=by)
            for account in self._accounts:
                account.look_again()  # a shop may have used the new code before we did
        return answer

    async def set_standing(self, sku: Sku, *, retired: bool, by: str) -> object:
        """Retire an id or revive it."""
        answer = await self._decide(lambda now: decide_standing(self.catalogue, sku, retired=retired, by=by, now=now))
        if isinstance(answer, SkuRetired | SkuRevived):
            if retired:
                log.info("sku.retired", sku=sku, by=by)
            else:
                log.info("sku.revived", sku=sku, by=by)
        return answer

    async def merge(self, gone: Sku, into: Sku, *, by: str) -> object:
        """Move everything one id has to another and let its codes lead there; a `Refusal` names what is in the way.

        The order desk stands still meanwhile: what it has matched with the old id is decided before, the rest after.
        """
        async with self._alone(), self._desk.at_rest():
            answer = await self.router.together(lambda now: self._merge(gone, into, by, now))
        if isinstance(answer, SkuMerged):
            log.info("sku.merged", sku=gone, into=into, by=by)
            for account in self._accounts:
                account.look_again()
        return answer

    async def _decide(self, decide: Callable[[datetime], Decided | Refusal | None]) -> object:
        def run(now: datetime) -> tuple[Sequence[Event], object]:
            event = decide(now)
            if event is None or isinstance(event, Refusal):
                return (), event
            self._apply(event)
            return (event,), event

        async with self._alone():
            return await self.router.together(run)

    def _merge(self, gone: Sku, into: Sku, by: str, now: datetime) -> tuple[Sequence[Event], object]:
        for sku in (gone, into):
            if sku not in self.catalogue:
                return (), Refusal(code="NOSUCHSKU", text=f"sku={sku}")
        if gone == into:
            return (), Refusal(code="BADARG", text=f"sku={gone}: these are one SKU already")
        left, right = self.router.ledger_of(gone).books[gone], self.router.ledger_of(into).books[into]
        obstacles = find_obstacles(left, right, recipes_with=self._recipes_with(gone))
        if obstacles:
            return (), refuse_merge(gone, obstacles)
        details = self.catalogue.details_of(gone)
        events: list[Event] = []
        for event in decide_merge(left, right, by=by, now=now):
            self._apply(event)
            events.append(event)
        merged = events[-1]
        heir = inherit_barcodes(into, self.catalogue.details_of(into), details, by=by, now=now)
        if heir is not None:
            self._apply(heir)
            events.append(heir)
        for sku in (gone, into):
            events += self.router.ledger_of(sku).watch(sku, None, now)
        events += [event for account in self._accounts for event in account.remap(gone, into, now)]
        return events, merged

    def _apply(self, event: Event) -> None:
        if isinstance(event, ItemDescribed | SkuRenamed):
            self.catalogue.apply(event)
            return
        if isinstance(event, SkuMerged | SkuRetired | SkuRevived):
            self.catalogue.apply(event)
        self.router.apply(event)  # type: ignore[arg-type]
