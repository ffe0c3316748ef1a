"""A catalogue, its listings and its opening stock, taken in as one decision: all rows or none.

Planning is done ahead, row by row, while the books go on being used; `Plan.still_holds` is what has to be asked again
when they are lent. What a row leaves out stays as it is: empty is not zero (lesson E9).
"""

from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import UNSET

from engine.domain.catalogue.barcodes import barcode_key
from engine.domain.catalogue.catalogue import Catalogue
from engine.domain.catalogue.importing_recipes import RecipePlanner
from engine.domain.catalogue.items import TEXT_MAX, Barcode, Details, Patch, Problems, check_text, patched, tidy_line
from engine.domain.catalogue.recipes import QUANTITY_MAX, Recipes
from engine.domain.catalogue.set_recipes import may_be_bundle
from engine.domain.commands import AddSku, OpenStock, Refusal
from engine.domain.events import BookEvent, ItemDescribed, RecipeSet, SkuAdded, StockAdjusted
from engine.domain.stock.book import Book
from engine.domain.stock.decide import decide
from engine.domain.units import AccountId, ListingId, LocationId, Sku, Units, check_identifier


class _Row(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    pass


class SkuRow(Patch, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="sku"):
    """A SKU to exist, and what is to change of its item."""

    sku: Sku
    """Any code of it."""
    safety_stock: dict[LocationId, Units] | None = None
    """Locations left out keep theirs."""


class ListingRow(_Row, frozen=True, kw_only=True, tag="listing"):
    """A listing to map by hand."""

    account: AccountId
    listing: ListingId
    sku: Sku
    pack_units: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1


class StockRow(_Row, frozen=True, kw_only=True, tag="stock"):
    """Opening stock."""

    sku: Sku
    location: LocationId
    on_hand: Units


class RecipeRow(_Row, frozen=True, kw_only=True, tag="recipe"):
    """One component of a bundle; all rows of a bundle together are its recipe."""

    sku: Sku
    component: Sku
    quantity: Annotated[int, msgspec.Meta(ge=1, le=QUANTITY_MAX)]
    together: bool = False
    """Whether all components of one unit must come from one location; the same in all rows of a bundle."""


Row = SkuRow | ListingRow | StockRow | RecipeRow


class RowProblem(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with one row."""

    row: int
    """From 0, over the whole import."""
    field: str
    problem: str


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What an import comes to: events to apply, listings to map, or problems and nothing else."""

    events: tuple[BookEvent | ItemDescribed, ...] = ()
    listings: tuple[ListingRow, ...] = ()
    """Of ids."""
    recipes: tuple[RecipeSet, ...] = ()
    """To apply behind the events, while the order desk rests."""
    problems: tuple[RowProblem, ...] = ()
    version: int = 0
    """Of the catalogue it was made for."""
    opened: tuple[tuple[Sku, LocationId], ...] = ()
    """Where SKUs that were there before get their opening stock: still untouched, or the plan is no good."""

    recipes_version: int = 0
    """Of the graph of recipes that they were checked against."""

    def recipes_still_hold(self, book_of: Callable[[Sku], Book | None], recipes: Recipes) -> bool:
        """Whether nothing has happened since that would make other recipes of the same rows."""
        if not self.recipes:
            return True
        return recipes.changes == self.recipes_version and all(
            event.sku in recipes or may_be_bundle(book_of(event.sku)) for event in self.recipes
        )

    def still_holds(self, book_of: Callable[[Sku], Book | None], catalogue: Catalogue) -> bool:
        """Whether nothing has happened since that would make another plan of the same rows."""
        if catalogue.version != self.version:
            return False
        for sku, location in self.opened:
            book = book_of(sku)
            if book is None or _has_moved(book, location):
                return False
        return True


class Planner:
    """A plan in the making. Between two rows the caller may let others work."""

    def __init__(
        self,
        book_of: Callable[[Sku], Book | None],
        *,
        catalogue: Catalogue,
        locations: Collection[LocationId],
        accounts: Collection[AccountId],
        recipes: Recipes | None = None,
        now: datetime,
        by: str = "",
    ) -> None:
        """Plan for these books, as of `now`; `by` is who imports."""
        self._book_of = book_of
        self._catalogue = catalogue
        self._codes = catalogue.codes
        self._locations = locations
        self._accounts = accounts
        self._now = now
        self._by = by
        self._version = catalogue.version
        self._count = 0
        self._new: dict[Sku, Book] = {}
        self._later: list[tuple[int, ListingRow | StockRow | RecipeRow]] = []
        self.recipes = RecipePlanner(recipes or Recipes(), self._problem)
        self._seen: dict[tuple[str, ...], int] = {}
        self._claimed: dict[int, tuple[int, Sku, Barcode]] = {}
        """Barcodes of described items by key: row, SKU, and how the row spells it."""
        self._freed: set[int] = set()
        """Barcodes that described items had."""
        self.problems: list[RowProblem] = []
        self._events: list[BookEvent | ItemDescribed] = []
        self._listings: list[ListingRow] = []
        self._opened: list[tuple[Sku, LocationId]] = []

    @property
    def rows(self) -> int:
        """How many rows were taken."""
        return self._count

    def take(self, row: Row) -> None:
        """Plan the next row; what may depend on a later one waits for `settle`."""
        index = self._count
        self._count += 1
        if isinstance(row, SkuRow):
            self._add_sku(index, row)
        else:
            self._later.append((index, row))

    def skip(self) -> None:
        """Count a row that could not be read."""
        self._count += 1

    def settle(self) -> Iterator[None]:
        """Plan what had to wait until all rows were taken, and yield after each of them."""
        for index, row in self._later:
            if isinstance(row, RecipeRow):
                self._add_recipe(index, row)
                yield
        yield from self.recipes.decide(
            knows=lambda sku: sku in self._new or self._book_of(sku) is not None,
            book_of=self._book_of,
            now=self._now,
            by=self._by,
        )
        for index, row in self._later:
            if isinstance(row, ListingRow):
                self._add_listing(index, row)
            elif isinstance(row, StockRow):
                self._add_stock(index, row)
            yield
        self._later.clear()
        for key, (index, sku, barcode) in self._claimed.items():
            owner = self._catalogue.owner_of_key(key)
            if owner is not None and owner != sku and key not in self._freed:
                self._problem(index, "barcodes", f"barcode {barcode} is {self._codes.code_of(owner)}'s already")
            yield

    def plan(self) -> Plan:
        """Return what was planned, or every problem in the order of the rows and nothing else."""
        if self.problems:
            return Plan(problems=tuple(sorted(self.problems, key=lambda problem: problem.row)))
        return Plan(
            events=tuple(self._events),
            listings=tuple(self._listings),
            recipes=self.recipes.events,
            recipes_version=self.recipes.version,
            version=self._version,
            opened=tuple(self._opened),
        )

    def _add_sku(self, index: int, row: SkuRow) -> None:
        if not self._usable(index, "sku", row.sku):
            return
        sku = self._codes.resolve(row.sku)
        if not self._once(index, "sku", ("sku", sku)):
            return
        for location in row.safety_stock or ():
            if location not in self._locations:
                self._problem(index, "safety_stock", f"no location {location!r}")
        book = self._book_of(sku)
        name = row.name
        if name is UNSET:
            name = "" if book is None else book.name
        elif problem := check_text("name", name := tidy_line(name), TEXT_MAX):
            self._problem(index, "name", problem)
        safety_stock = {} if book is None else {at: p.safety_stock for at, p in book.positions.items()}
        safety_stock |= row.safety_stock or {}
        command = AddSku(sku=sku, name=name, safety_stock=tuple(safety_stock.items()))
        added = decide({} if book is None else {sku: book}, command, self._now).events
        self._events += added
        if book is None:
            self._new[sku] = Book(sku)
        self._describe(index, sku, row)

    def _describe(self, index: int, sku: Sku, row: SkuRow) -> None:
        before = self._catalogue.details_of(sku)
        wrong: Problems = []
        after = patched(before, row, wrong)
        for field, problem in wrong:
            self._problem(index, field, problem)
        if after is before:
            return
        if row.prices is not UNSET:
            for account in row.prices or ():
                if account not in self._accounts:
                    self._problem(index, f"prices.{account}", f"no account {account!r}")
        if after.barcodes != before.barcodes:
            self._claim(index, sku, before, after)
        self._events.append(ItemDescribed(at=self._now, sku=sku, details=after, by=self._by))

    def _claim(self, index: int, sku: Sku, before: Details, after: Details) -> None:
        """Note whose barcodes these will be; whether somebody has them still is seen when all rows are known."""
        self._freed.update(map(barcode_key, before.barcodes))
        for barcode in after.barcodes:
            first, other, _ = self._claimed.setdefault(barcode_key(barcode), (index, sku, barcode))
            if other != sku:
                self._problem(index, "barcodes", f"barcode {barcode} stands in row {first} too, for {other}")

    def _add_listing(self, index: int, row: ListingRow) -> None:
        self._usable(index, "listing", row.listing)
        if row.account not in self._accounts:
            self._problem(index, "account", f"no account {row.account!r}")
        sku = self._known_sku(index, row.sku)
        if self._once(index, "listing", ("listing", row.account, row.listing)) and sku is not None:
            self._listings.append(row if sku == row.sku else msgspec.structs.replace(row, sku=sku))

    def _add_stock(self, index: int, row: StockRow) -> None:
        if row.location not in self._locations:
            self._problem(index, "location", f"no location {row.location!r}")
        sku = self._known_sku(index, row.sku)
        if sku is None or not self._once(index, "sku", ("stock", sku, row.location)):
            return
        known = self._book_of(sku)
        book = known or self._new[sku]
        if _has_moved(book, row.location) and book.on_hand_at(row.location) == row.on_hand:
            return  # so it is: a file that was exported and comes back changes nothing
        if self.recipes.is_bundle(sku):
            self._problem(index, "sku", f"{row.sku!r} is a bundle, or will be one: it has no stock of its own")
            return
        command = OpenStock(sku=sku, location=row.location, on_hand=row.on_hand)
        decided = decide({sku: book}, command, self._now)
        if isinstance(decided.answer, Refusal):
            self._problem(index, "on_hand", decided.answer.text)
        elif known is not None and decided.events:
            self._opened.append((sku, row.location))
        self._events += decided.events

    def _add_recipe(self, index: int, row: RecipeRow) -> None:
        sku, component = self._known_sku(index, row.sku), self._known_sku(index, row.component, "component")
        if sku is not None and component is not None:
            self.recipes.take(index, sku, component, row.quantity, together=row.together)

    def _known_sku(self, index: int, code: Sku, field: str = "sku") -> Sku | None:
        sku = self._codes.resolve(code)
        if sku in self._new or self._book_of(sku) is not None:
            return sku
        self._problem(index, field, f"no SKU {code!r} in the catalogue or in this import")
        return None

    def _usable(self, index: int, field: str, value: str) -> bool:
        problem = check_identifier(field, value)
        if problem is not None:
            self._problem(index, field, problem)
        return problem is None

    def _once(self, index: int, field: str, key: tuple[str, ...]) -> bool:
        first = self._seen.setdefault(key, index)
        if first != index:
            self._problem(index, field, f"row {first} says it already")
        return first == index

    def _problem(self, index: int, field: str, problem: str) -> None:
        self.problems.append(RowProblem(row=index, field=field, problem=problem))


def _has_moved(book: Book, location: LocationId) -> bool:
    position = book.positions.get(location)
    return position is not None and position.moved


def count_changes(plan: Plan) -> dict[str, int]:
    """Return how many SKUs, items and opening stocks a plan changes; a SKU that is new is not counted as an item."""
    added = {event.sku for event in plan.events if isinstance(event, SkuAdded)}
    return {
        "skus": len(added),
        "items": sum(isinstance(event, ItemDescribed) and event.sku not in added for event in plan.events),
        "stock": sum(isinstance(event, StockAdjusted) for event in plan.events),
        "recipes": len(plan.recipes),
    }
