"""IMPORT: staged rows, planned in slices while holds go on, and carried out in pieces: all of them or none."""

import gc
from collections.abc import Collection, Iterator, Sequence
from contextlib import nullcontext
from datetime import datetime
from typing import Final

import msgspec
import structlog
import trio

from engine.actors.applier import Applier
from engine.actors.recipe_owner import RecipeOwner
from engine.domain.catalogue.importing import Plan, Planner
from engine.domain.catalogue.importing_rows import ListingRow, Row, RowProblem, SkuRow
from engine.domain.catalogue.pieces import EVENTS_MAX, unpack
from engine.domain.commands import Refusal
from engine.domain.events import Event, ListingMapped, RecipeSet
from engine.domain.stock.book import Book
from engine.domain.units import LocationId, Sku
from ops.socket.arguments import UNREADABLE

log = structlog.get_logger(__name__)

_ROWS: Final = msgspec.json.Decoder(list[msgspec.Raw])
_ROW: Final = msgspec.json.Decoder(Row)
_PROBLEMS_MAX: Final = 10_000
"""An import with more problems than this is not a file that was mistyped but the wrong file."""
_SLICE_ROWS: Final = 16
"""Rows planned between two checkpoints: about half a millisecond, which a hold that comes then has to wait."""
_SLICE_CHECKS: Final = 512
"""Opening stocks looked at once more between two checkpoints: likewise."""
_TRIES_MAX: Final = 5
"""Plans made anew because somebody moved what they rely on."""


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

    def clear(self) -> None:
        """Let go of everything: it was decided on."""
        self.chunks.clear()
        self.forget()

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
    """Takes catalogue, listings, opening stock and recipes: all rows or none."""

    def __init__(
        self,
        applier: Applier,
        *,
        locations: Collection[LocationId],
        recipe_owner: RecipeOwner,
        piece_events_max: int = EVENTS_MAX,
    ) -> None:
        """Import for these locations and the accounts of `applier`, which carries out what is more than one piece."""
        self._recipe_owner = recipe_owner
        self._applier = applier
        self._router = applier.router
        self._catalogue = applier.catalogue
        self._locations = frozenset(locations)
        self._accounts = applier.accounts
        self._clock = applier.clock
        self._piece_events_max = piece_events_max

    def planner(self, by: str = "") -> Planner:
        """Begin a plan on what is known now."""
        return Planner(
            self._book_of,
            catalogue=self._catalogue,
            locations=self._locations,
            accounts=self._accounts,
            recipes=self._recipe_owner.recipes,
            mapping=self._mapping,
            now=self._clock.now(),
            by=by,
            events_max=self._piece_events_max,
        )

    async def describe(self, row: SkuRow, *, by: str) -> object:
        """Change the item of one SKU; a `Refusal` names what is wrong with the row."""
        async with self._applier.alone():
            planner = self.planner(by)
            planner.take(row)
            for _ in planner.settle():
                pass
            plan = planner.plan()
            if plan.problems:
                text = "; ".join(f"{each.field}: {each.problem}" for each in plan.problems)
                return Refusal(code="BADARG", text=text)
            answer = await self._carry_out(plan, by)
        assert answer is not None, "one row without stock relies on names alone, and nobody else changes those"
        return answer

    async def check(self, staged: Staged, rows_max: int) -> dict[str, object]:
        """Read and plan some more rows; return how many there were so far and whether that was all."""
        done = await self._walk(staged, rows_max)
        return {"checked": staged.rows, "done": done}

    async def apply(self, staged: Staged) -> object:
        """Plan what is left and do it.

        Returns:
            The counts of what changed, all of it durable, or a `Refusal` with every problem.
        """
        await self._walk(staged, None)
        async with self._applier.alone():
            for _ in range(_TRIES_MAX):
                plan = staged.plan()
                if plan.version == self._catalogue.version:
                    if plan.problems:
                        return _bad_rows(plan.problems)
                    answer = await self._carry_out(plan, staged.by)
                    if answer is not None:
                        break
                staged.forget()  # from here on nobody but who moves stock can be in the way
                await self._walk(staged, None)
            else:
                return Refusal(code="BUSY", text=f"stock moved {_TRIES_MAX} times while the import was planned")
        staged.clear()
        del plan
        await self._applier.wait_over()
        return answer

    async def _walk(self, staged: Staged, rows_max: int | None) -> bool:
        for taken, _ in enumerate(staged.walk(self), start=1):
            if taken == rows_max:
                return False
            if taken % _SLICE_ROWS == 0:
                await trio.lowlevel.checkpoint()
        return True

    async def _carry_out(self, plan: Plan, by: str) -> dict[str, int] | None:
        """Decide a plan while no other change of the catalogue is, unless something moved that it relies on: None."""
        if plan.is_empty:
            return plan.counts
        for looked, has_moved in enumerate(plan.find_moved(self._book_of), start=1):
            if has_moved:
                return None
            if looked % _SLICE_CHECKS == 0:
                await trio.lowlevel.checkpoint()
        later = plan.pieces[1:]
        await self._applier.stage(later)
        first = unpack(plan.pieces[0]) if plan.pieces else []

        def run(now: datetime) -> tuple[Sequence[Event], object]:
            if not plan.still_holds(self._book_of, self._catalogue, self._recipe_owner.recipes):
                return (), None
            events = self._applier.do(first, now)
            events += self._set_recipes(plan.recipes, now)
            if later:
                events.append(self._applier.decide(len(later), now, by=by))
            return events, plan.counts

        async with self._recipe_owner.at_rest() if plan.recipes else nullcontext():
            answer = await self._router.together(run)
        if answer is None:
            return None
        if later:
            log.info("import.decided", number=self._applier.number, pieces=len(later), by=by)
        elif plan.counts["skus"]:
            for account in self._accounts.values():
                account.look_again()
        return plan.counts

    def _set_recipes(self, recipes: Sequence[RecipeSet], now: datetime) -> list[Event]:
        events: list[Event] = []
        changed: dict[Sku, None] = {}
        for recipe in recipes:
            # it may come behind what moved elsewhere since it was planned, and histories are in order
            made = msgspec.structs.replace(recipe, at=now)
            self._recipe_owner.apply(made)
            events.append(made)
            changed.update(dict.fromkeys((made.sku, *(component for component, _ in made.components))))
        for sku in changed:
            events += self._router.ledger_of(sku).watch(sku, None, now)
        return events

    def _mapping(self, row: ListingRow) -> ListingMapped | None:
        return self._accounts[row.account].mapping(row.listing, row.sku, row.pack_units)

    def _book_of(self, sku: Sku) -> Book | None:
        return self._router.ledger_of(sku).books.get(sku)


def settle_objects() -> None:
    """Tell the garbage collector that what has been made stays, as the daemon does after a start.

    Else it would look at every new book again and again, a tenth of a second each time. What is in use now is let go of
    by its count still. Circles that are garbage at this instant stay for good: some twenty objects in a whole import.
    To collect them first costs ten milliseconds. The collector is never turned off.
    """
    gc.freeze()


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
