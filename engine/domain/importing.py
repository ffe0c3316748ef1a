"""A catalogue, its listings and its opening stock, taken in as one decision: all rows or none."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Annotated

import msgspec

from engine.domain.book import Book
from engine.domain.commands import AddSku, OpenStock, Refusal
from engine.domain.decide import decide
from engine.domain.events import BookEvent
from engine.domain.units import AccountId, ListingId, LocationId, Sku, Units, check_identifier


class _Row(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    pass


class SkuRow(_Row, frozen=True, kw_only=True, tag="sku"):
    """A SKU to exist."""

    sku: Sku
    name: str = ""
    safety_stock: dict[LocationId, Units] = {}


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


Row = SkuRow | ListingRow | StockRow


class RowProblem(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with one row."""

    row: int
    """From 0, over the whole import."""
    field: str
    problem: str


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What an import comes to: events to apply, listings to map, or problems and nothing else."""

    events: tuple[BookEvent, ...] = ()
    listings: tuple[ListingRow, ...] = ()
    problems: tuple[RowProblem, ...] = ()


def plan_import(
    rows: Sequence[Row],
    book_of: Callable[[Sku], Book | None],
    *,
    locations: Collection[LocationId],
    accounts: Collection[AccountId],
    now: datetime,
) -> Plan:
    """Check every row against the others and against the books; change nothing.

    Rows may come in any order: a stock row may name a SKU that a later row of the same import adds.
    """
    planner = _Planner(rows, book_of, locations, accounts, now)
    for index, row in enumerate(rows):
        match row:
            case SkuRow():
                planner.add_sku(index, row)
            case ListingRow():
                planner.add_listing(index, row)
            case StockRow():
                planner.add_stock(index, row)
    if planner.problems:
        return Plan(problems=tuple(planner.problems))
    return Plan(events=(*planner.skus, *planner.stock), listings=tuple(planner.listings))


class _Planner:
    def __init__(
        self,
        rows: Sequence[Row],
        book_of: Callable[[Sku], Book | None],
        locations: Collection[LocationId],
        accounts: Collection[AccountId],
        now: datetime,
    ) -> None:
        self._book_of = book_of
        self._locations = locations
        self._accounts = accounts
        self._now = now
        self._new = {row.sku for row in rows if isinstance(row, SkuRow)}
        self._seen: dict[tuple[str, ...], int] = {}
        self.problems: list[RowProblem] = []
        self.skus: list[BookEvent] = []
        self.stock: list[BookEvent] = []
        self.listings: list[ListingRow] = []

    def add_sku(self, index: int, row: SkuRow) -> None:
        if not (self._usable(index, "sku", row.sku) and self._once(index, "sku", ("sku", row.sku))):
            return
        for location in row.safety_stock:
            if location not in self._locations:
                self._problem(index, "safety_stock", f"no location {location!r}")
        command = AddSku(sku=row.sku, name=row.name, safety_stock=tuple(row.safety_stock.items()))
        self.skus += decide(self._books(row.sku), command, self._now).events

    def add_listing(self, index: int, row: ListingRow) -> None:
        self._usable(index, "listing", row.listing)
        if row.account not in self._accounts:
            self._problem(index, "account", f"no account {row.account!r}")
        self._known_sku(index, row.sku)
        if self._once(index, "listing", ("listing", row.account, row.listing)):
            self.listings.append(row)

    def add_stock(self, index: int, row: StockRow) -> None:
        if row.location not in self._locations:
            self._problem(index, "location", f"no location {row.location!r}")
        if not self._known_sku(index, row.sku) or not self._once(index, "sku", ("stock", row.sku, row.location)):
            return
        command = OpenStock(sku=row.sku, location=row.location, on_hand=row.on_hand)
        books = self._books(row.sku) or {row.sku: Book(row.sku)}
        decided = decide(books, command, self._now)
        if isinstance(decided.answer, Refusal):
            self._problem(index, "on_hand", decided.answer.text)
        self.stock += decided.events

    def _books(self, sku: Sku) -> dict[Sku, Book]:
        book = self._book_of(sku)
        return {} if book is None else {sku: book}

    def _known_sku(self, index: int, sku: Sku) -> bool:
        if sku in self._new or self._book_of(sku) is not None:
            return True
        self._problem(index, "sku", f"no SKU {sku!r} in the catalogue or in this import")
        return False

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
