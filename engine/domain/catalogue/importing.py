"""A catalogue, its listings and its opening stock, taken in as one decision: all rows or none.

Planning is done ahead, row by row, while the books go on being used; what a plan relies on has to be asked again before
it is decided. What a row leaves out stays as it is: empty is not zero (lesson E9).
"""

from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator
from datetime import datetime

import msgspec
from msgspec import UNSET

from engine.domain.catalogue.barcodes import barcode_key
from engine.domain.catalogue.catalogue import Catalogue
from engine.domain.catalogue.importing_recipes import RecipePlanner
from engine.domain.catalogue.importing_rows import ListingRow, RecipeRow, Row, RowProblem, SkuRow, StockRow
from engine.domain.catalogue.items import TEXT_MAX, Barcode, Details, Problems, check_text, patched, tidy_line
from engine.domain.catalogue.pieces import EVENTS_MAX, Pieces
from engine.domain.catalogue.recipes import Recipes
from engine.domain.catalogue.set_recipes import may_be_bundle
from engine.domain.commands import AddSku, OpenStock, Refusal
from engine.domain.events import ItemDescribed, ListingMapped, RecipeSet, SkuAdded, StockAdjusted
from engine.domain.stock.book import Book
from engine.domain.stock.decide import decide
from engine.domain.units import AccountId, LocationId, Sku, check_identifier


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What an import comes to: pieces to carry out and recipes, or problems and nothing else."""

    pieces: tuple[bytes, ...] = ()
    """In order (`engine.domain.catalogue.pieces`). The first one happens with the decision: all that recipes need."""
    recipes: tuple[RecipeSet, ...] = ()
    """To apply behind the first piece, while the order desk rests."""
    problems: tuple[RowProblem, ...] = ()
    counts: dict[str, int] = {}
    """What changes: `skus`, `items` (of SKUs that are not among those), `listings`, `stock`, `recipes`."""
    version: int = 0
    """Of the catalogue it was made for."""
    opened: tuple[tuple[Sku, LocationId], ...] = ()
    """Where SKUs that were there before get their opening stock: untouched still, or it is another plan."""
    recipes_version: int = 0
    """Of the graph of recipes that they were checked against."""

    @property
    def is_empty(self) -> bool:
        """Whether all is so already."""
        return not self.pieces and not self.recipes

    def still_holds(self, book_of: Callable[[Sku], Book | None], catalogue: Catalogue, recipes: Recipes) -> bool:
        """Whether nobody has changed names, items or recipes since, or moved stock of what is to be a bundle."""
        if catalogue.version != self.version:
            return False
        return not self.recipes or (
            recipes.changes == self.recipes_version
            and all(event.sku in recipes or may_be_bundle(book_of(event.sku)) for event in self.recipes)
        )

    def find_moved(self, book_of: Callable[[Sku], Book | None]) -> Iterator[bool]:
        """Say of each opening stock whether its location has moved since: there are many, so pause where you like."""
        for sku, location in self.opened:
            book = book_of(sku)
            yield book is None or _has_moved(book, location)


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
        mapping: Callable[[ListingRow], ListingMapped | None],
        now: datetime,
        by: str = "",
        events_max: int = EVENTS_MAX,
    ) -> None:
        """Plan for these books, as of `now`.

        Args:
            book_of: finds the book of a SKU that exists.
            catalogue: names and items.
            locations: those that are configured.
            accounts: likewise.
            recipes: of bundles.
            mapping: makes the event that maps a listing of a known account; None: it is mapped so.
            now: the instant of the plan.
            by: who imports.
            events_max: in a piece.
        """
        self._book_of = book_of
        self._catalogue = catalogue
        self._codes = catalogue.codes
        self._locations = locations
        self._accounts = accounts
        self._mapping = mapping
        self._now = now
        self._by = by
        self._version = catalogue.version
        self._count = 0
        self._events_max = events_max
        self._new: set[Sku] = set()
        self._recipe_rows: deque[tuple[int, RecipeRow]] = deque()
        self._later: deque[tuple[int, ListingRow | StockRow]] = deque()
        self.recipes = RecipePlanner(recipes or Recipes(), self._problem)
        self._seen: dict[tuple[str, str], dict[str, int]] = {}
        """By kind of row and account or location: what rows were about, and the first of them."""
        self._claimed: dict[int, tuple[int, Sku, Barcode]] = {}
        """Barcodes of described items by key: row, SKU, and how the row spells it."""
        self._freed: set[int] = set()
        """Barcodes that described items had."""
        self.problems: list[RowProblem] = []
        self._collected = Pieces()
        self._pieces: list[bytes] = []
        self._counts = Counter[str]()
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
        elif isinstance(row, RecipeRow):
            self._recipe_rows.append((index, row))
        else:
            self._later.append((index, row))

    def skip(self) -> None:
        """Count a row that could not be read."""
        self._count += 1

    def settle(self) -> Iterator[None]:
        """Plan what had to wait until all rows were taken, cut it into pieces, and yield after each of either."""
        while self._recipe_rows:
            self._add_recipe(*self._recipe_rows.popleft())
            yield
        yield from self.recipes.decide(
            knows=lambda sku: sku in self._new or self._book_of(sku) is not None,
            book_of=self._book_of,
            now=self._now,
            by=self._by,
        )
        while self._later:
            index, row = self._later.popleft()
            if isinstance(row, ListingRow):
                self._add_listing(index, row)
            else:
                self._add_stock(index, row)
            yield
        for key, (index, sku, barcode) in self._claimed.items():
            owner = self._catalogue.owner_of_key(key)
            if owner is not None and owner != sku and key not in self._freed:
                self._problem(index, "barcodes", f"barcode {barcode} is {self._codes.code_of(owner)}'s already")
            yield
        if not self.problems:
            yield from self._cut()

    def _cut(self) -> Iterator[None]:
        recipes = self.recipes.events
        if recipes:  # a bundle must not be seen before it is one, nor without its components
            named = {sku: None for event in recipes for sku in (event.sku, *(part for part, _ in event.components))}
            self._pieces.append(self._collected.take(named))
        for number, piece in enumerate(self._collected.cut(self._events_max)):
            if number:
                yield
            self._pieces.append(piece)

    def plan(self) -> Plan:
        """Return what was planned, or every problem in the order of the rows and nothing else."""
        if self.problems:
            problems = tuple(sorted(self.problems, key=lambda problem: problem.row))
            return Plan(problems=problems, version=self._version)
        counts = {each: self._counts[each] for each in ("skus", "items", "listings", "stock")}
        return Plan(
            pieces=tuple(self._pieces),
            counts=counts | {"recipes": len(self.recipes.events)},
            recipes=self.recipes.events,
            recipes_version=self.recipes.version,
            version=self._version,
            opened=tuple(self._opened),
        )

    def _add_sku(self, index: int, row: SkuRow) -> None:
        if not self._usable(index, "sku", row.sku):
            return
        sku = self._codes.resolve(row.sku)
        if not self._once(index, "sku", ("sku", ""), sku):
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
        for event in added:
            assert isinstance(event, SkuAdded), event
            self._collected.add(event)
        if book is None:
            self._new.add(sku)
        described = self._describe(index, sku, row)
        self._counts["skus" if added else "items"] += bool(added or described)

    def _describe(self, index: int, sku: Sku, row: SkuRow) -> bool:
        """Plan what is to be said of an item; False: it is said already."""
        before = self._catalogue.details_of(sku)
        wrong: Problems = []
        after = patched(before, row, wrong)
        for field, problem in wrong:
            self._problem(index, field, problem)
        if after is before:
            return False
        if row.prices is not UNSET:
            for account in row.prices or ():
                if account not in self._accounts:
                    self._problem(index, f"prices.{account}", f"no account {account!r}")
        if after.barcodes != before.barcodes:
            self._claim(index, sku, before, after)
        self._collected.add(ItemDescribed(at=self._now, sku=sku, details=after, by=self._by))
        return True

    def _claim(self, index: int, sku: Sku, before: Details, after: Details) -> None:
        """Note whose barcodes these will be; whether somebody has them still is seen when all rows are known."""
        self._freed.update(map(barcode_key, before.barcodes))
        for barcode in after.barcodes:
            first, other, _ = self._claimed.setdefault(barcode_key(barcode), (index, sku, barcode))
            if other != sku:
                self._problem(index, "barcodes", f"barcode {barcode} stands in row {first} too, for {other}")

    def _add_listing(self, index: int, row: ListingRow) -> None:
        self._usable(index, "listing", row.listing)
        known = row.account in self._accounts
        if not known:
            self._problem(index, "account", f"no account {row.account!r}")
        sku = self._known_sku(index, row.sku)
        if not self._once(index, "listing", ("listing", row.account), row.listing) or sku is None or not known:
            return
        mapped = self._mapping(row if sku == row.sku else msgspec.structs.replace(row, sku=sku))
        if mapped is not None:
            self._collected.add_listing(mapped)
            self._counts["listings"] += 1

    def _add_stock(self, index: int, row: StockRow) -> None:
        if row.location not in self._locations:
            self._problem(index, "location", f"no location {row.location!r}")
        sku = self._known_sku(index, row.sku)
        if sku is None or not self._once(index, "sku", ("stock", row.location), sku):
            return
        known = self._book_of(sku)
        book = known or Book(sku)
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
        for event in decided.events:
            assert isinstance(event, StockAdjusted), event
            self._collected.add(event)
            self._counts["stock"] += 1

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

    def _once(self, index: int, field: str, kind: tuple[str, str], what: str) -> bool:
        first = self._seen.setdefault(kind, {}).setdefault(what, index)
        if first != index:
            self._problem(index, field, f"row {first} says it already")
        return first == index

    def _problem(self, index: int, field: str, problem: str) -> None:
        self.problems.append(RowProblem(row=index, field=field, problem=problem))


def _has_moved(book: Book, location: LocationId) -> bool:
    position = book.positions.get(location)
    return position is not None and position.moved
