"""IMPORT: staged rows, planned in slices while holds go on, and applied as one frame in one step over all books."""

import gc
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import datetime
from typing import Final, Protocol

import msgspec
import trio

from engine.actors.journal import Journal, encode_event
from engine.actors.recipe_owner import RecipeOwner
from engine.actors.registrar import Registrar
from engine.actors.router import Router, Waiter
from engine.domain.availability import Availability
from engine.domain.catalogue.catalogue import Catalogue
from engine.domain.catalogue.importing import ListingRow, Plan, Planner, Row, RowProblem, SkuRow, count_changes
from engine.domain.commands import Refusal
from engine.domain.events import Event, ListingMapped, SkuAdded
from engine.domain.stock.book import Book
from engine.domain.units import AccountId, LocationId, Sku
from engine.ports import Clock
from ops.prepared import Prepared
from ops.socket.arguments import UNREADABLE

_ROWS: Final = msgspec.json.Decoder(list[msgspec.Raw])
_ROW: Final = msgspec.json.Decoder(Row)
_PROBLEMS_MAX: Final = 10_000
"""An import with more problems than this is not a file that was mistyped but the wrong file."""
_SLICE_ROWS: Final = 16
"""Rows planned between two checkpoints: about half a millisecond, which a hold that comes then has to wait."""
_SLICE_SKUS: Final = 64
"""SKUs whose newest level is looked up at once to be told."""
_SLICE_TOLD: Final = 8
"""SKUs that every account is told of between two checkpoints."""
_LARGE_SKUS: Final = 10_000
"""New SKUs from which on the collector is not to look at them again and again."""
_TRIES_MAX: Final = 5
"""Plans made anew because somebody changed the catalogue meanwhile."""


class MappedAccount(Protocol):
    """What an import asks of a channel account."""

    id: AccountId

    def mapping(self, row: ListingRow) -> ListingMapped | None:
        """Return the event that maps a listing as the row says; None when it is mapped so."""
        ...

    def look_again(self) -> None:
        """Match listings and order lines again: there are SKUs now that there were not."""
        ...


class Outlet(Protocol):
    """Who tells pushers what there is."""

    def availability(self, availability: Availability) -> None:
        """Hear of the newest level of a SKU."""
        ...


class Staged:
    """The rows of one import, and how far they were read."""

    def __init__(self, by: str = "") -> None:
        """Start without rows; `by` is who imports."""
        self.chunks: list[bytes] = []
        self.bytes = 0
        self.by = by
        self._walk: Iterator[None] | None = None
        self._planner: Planner | None = None

    def add(self, chunk: bytes) -> None:
        """Add rows; what was planned without them is forgotten."""
        self.chunks.append(chunk)
        self.bytes += len(chunk)
        self.forget()

    def forget(self) -> None:
        """Plan from the first row when asked again."""
        self._walk = self._planner = None

    @property
    def rows(self) -> int:
        """How many rows were read."""
        return 0 if self._planner is None else self._planner.rows

    def plan(self) -> Plan:
        """Return the plan of rows that were all read."""
        assert self._planner is not None, "rows are read first"
        return self._planner.plan()

    def walk(self, make: "Importer") -> Iterator[None]:
        """Go on reading and planning where it stopped, with a pause after every row."""
        if self._walk is None:
            self._planner = make.planner(self.by)
            self._walk = self._read(self._planner)
        return self._walk

    def _read(self, planner: Planner) -> Iterator[None]:
        for chunk in self.chunks:
            try:
                raws = _ROWS.decode(chunk)
            except UNREADABLE as error:
                problem = RowProblem(row=planner.rows, field="", problem=f"not a list of rows: {error}")
                planner.problems.append(problem)
                continue
            for raw in raws:
                _read_row(planner, raw)
                yield
        yield from planner.settle()


class Importer:
    """Takes catalogue, listings and opening stock: all rows or none, in one frame."""

    def __init__(
        self,
        registrar: Registrar,
        *,
        locations: Collection[LocationId],
        accounts: Sequence[MappedAccount],
        recipe_owner: RecipeOwner,
        outlet: Outlet,
        clock: Clock,
    ) -> None:
        """Import for these locations and accounts; `outlet` hears of what changed once it is durable."""
        self._recipe_owner = recipe_owner
        self._registrar = registrar
        self._router: Router = registrar.router
        self._journal: Journal = registrar.journal
        self._catalogue: Catalogue = registrar.catalogue
        self._locations = frozenset(locations)
        self._accounts = {account.id: account for account in accounts}
        self._outlet = outlet
        self._clock = clock
        self._under_way = 0
        """Steps of imports that keep the collector still."""

    def planner(self, by: str = "") -> Planner:
        """Begin a plan on what is known now."""
        return Planner(
            self._book_of,
            catalogue=self._catalogue,
            locations=self._locations,
            accounts=self._accounts,
            recipes=self._recipe_owner.recipes,
            now=self._clock.now(),
            by=by,
        )

    async def describe(self, row: SkuRow, *, by: str) -> object:
        """Change the item of one SKU; a `Refusal` names what is wrong with the row."""

        def plan() -> Plan:
            planner = self.planner(by)
            planner.take(row)
            for _ in planner.settle():
                pass
            return planner.plan()

        planned = plan()
        while not planned.problems:
            answer = await self._carry_out(planned)
            if answer is not None:
                return answer
            planned = plan()  # somebody was quicker
        return Refusal(code="BADARG", text="; ".join(f"{each.field}: {each.problem}" for each in planned.problems))

    async def check(self, staged: Staged, rows_max: int) -> dict[str, object]:
        """Read and plan some more rows; return how many there were so far and whether that was all."""
        done = await self._walk(staged, rows_max)
        return {"checked": staged.rows, "done": done}

    async def apply(self, staged: Staged) -> object:
        """Plan what is left and do it.

        Returns:
            The counts of what changed, or a `Refusal` with every problem.
        """
        for _ in range(_TRIES_MAX):
            await self._walk(staged, None)
            plan = staged.plan()
            if plan.problems:
                return _bad_rows(plan.problems)
            answer = await self._carry_out(plan)
            if answer is not None:
                return answer
            staged.forget()
        return Refusal(code="BUSY", text=f"the catalogue changed {_TRIES_MAX} times while the import was planned")

    async def _walk(self, staged: Staged, rows_max: int | None) -> bool:
        with self._collector_at_rest():
            for taken, _ in enumerate(staged.walk(self), start=1):
                if taken == rows_max:
                    return False
                if taken % _SLICE_ROWS == 0:
                    await trio.lowlevel.checkpoint()
        return True

    @contextmanager
    def _collector_at_rest(self) -> Iterator[None]:
        """Keep the garbage collector still: all that an import makes stays, and each look at it keeps holds waiting."""
        self._under_way += 1
        gc.disable()
        try:
            yield
        finally:
            self._under_way -= 1
            if not self._under_way:
                gc.enable()

    async def _carry_out(self, plan: Plan) -> object:
        """Apply a plan, unless something happened that would make it another one: then None."""
        if not plan.events and not plan.listings and not plan.recipes:
            return count_changes(plan) | {"listings": 0}
        told: dict[Sku, None] = {}
        prepared = Prepared(plan, self._catalogue, self._router)
        with self._collector_at_rest():
            for done, _ in enumerate(prepared.walk()):
                if done % _SLICE_ROWS == 0:
                    await trio.lowlevel.checkpoint()
            if len(prepared.new) >= _LARGE_SKUS:
                gc.freeze()  # as the daemon does with what it finds at a start

        def run(now: datetime) -> tuple[Sequence[Event], object]:
            if not plan.still_holds(self._book_of, self._catalogue):
                return (), None
            if not plan.recipes_still_hold(self._book_of, self._recipe_owner.recipes):
                return (), None
            more = self._apply(prepared, now, told)
            mapped = [event for row in plan.listings if (event := self._accounts[row.account].mapping(row)) is not None]
            more += mapped
            if prepared.events or more:
                # not through the shard: it would tell every level at once, in the step that holds wait for
                encoded = b"".join((prepared.payload, *map(encode_event, more)))
                self._journal.enqueue(prepared.events + more, None, encoded)
            return (), count_changes(plan) | {"listings": len(mapped)}

        async with self._recipe_owner.at_rest() if plan.recipes else nullcontext():
            answer = await self._router.together(run)
        if answer is not None:
            await self._tell_levels(list(told))
            if any(isinstance(event, SkuAdded) for event in plan.events):
                for account in self._accounts.values():
                    account.look_again()
        return answer

    def _apply(self, prepared: Prepared, now: datetime, told: dict[Sku, None]) -> list[Event]:
        """Take over what was prepared, and do the rest; return the events of that."""
        plan, router = prepared.plan, self._router
        self._catalogue.adopt(prepared.draft)
        router.adopt(prepared.ledgers)
        told.update(prepared.new)
        events: list[Event] = []
        changed: dict[Sku, None] = {}
        for planned in prepared.rest:
            # it may come behind what moved elsewhere since it was planned, and histories are in order
            event = msgspec.structs.replace(planned, at=now)
            router.apply(event)
            events.append(event)
            changed[event.sku] = None
        for recipe in plan.recipes:
            made = msgspec.structs.replace(recipe, at=now)
            self._recipe_owner.apply(made)
            events.append(made)
            changed.update(dict.fromkeys((made.sku, *(component for component, _ in made.components))))
        for sku in changed:
            events += router.ledger_of(sku).watch(sku, None, now)
        told.update(changed)
        return events

    async def _tell_levels(self, skus: Sequence[Sku]) -> None:
        """Tell pushers of the SKUs that changed, a few at a time and only what is durable by then."""
        for start in range(0, len(skus), _SLICE_SKUS):
            waiter = Waiter()
            some = skus[start : start + _SLICE_SKUS]
            await self._router.look_at(some, _levels, waiter)
            levels = await waiter.wait()
            assert isinstance(levels, list), levels
            for told, (sku, atp, now) in enumerate(levels):
                if told % _SLICE_TOLD == 0:
                    await trio.lowlevel.checkpoint()
                position = self._journal.position
                self._outlet.availability(Availability(sku=sku, position=position, atp=atp, changed_at=now))

    def _book_of(self, sku: Sku) -> Book | None:
        return self._router.ledger_of(sku).books.get(sku)


def _levels(books: dict[Sku, Book], now: datetime) -> object:
    return [(sku, book.levels(), now) for sku, book in books.items()]


def _read_row(planner: Planner, raw: msgspec.Raw) -> None:
    try:
        row = _ROW.decode(raw)
    except UNREADABLE as error:
        what, _, where = str(error).partition(" - at `$.")
        planner.problems.append(RowProblem(row=planner.rows, field=where.rstrip("`"), problem=what))
        planner.skip()
    else:
        planner.take(row)


def _bad_rows(problems: Sequence[RowProblem]) -> Refusal:
    return Refusal(code="BADROWS", text=msgspec.json.encode(problems[:_PROBLEMS_MAX]).decode())


__all__ = ["Importer", "Row", "SkuRow", "Staged"]
