"""EXPORT: the catalogue, its listings and its stock, page by page, in the order in which SKUs were added.

A page is a slice of that order, so a walk meets every SKU once, whatever is changed, added or renamed meanwhile.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from engine.actors.router import Router, Waiter
from engine.domain.catalogue.catalogue import Catalogue, Item
from engine.domain.catalogue.items import Details
from engine.domain.catalogue.recipes import Recipes
from engine.domain.stock.book import Book
from engine.domain.units import AccountId, LocationId, Sku

Row = dict[str, Any]

KINDS: Final = ("catalogue", "listings", "stock", "recipes")
PAGE_SKUS_MAX: Final = 500
"""SKUs in one page: some milliseconds of work, a few hundred KB."""


class Mapped(Protocol):
    """A listing as an export needs it."""

    @property
    def listing_id(self) -> str:
        """The channel's own spelling."""
        ...

    @property
    def pack_units(self) -> int:
        """Units of the SKU in one unit of it."""
        ...


class Exporter:
    """Reads pages for EXPORT."""

    def __init__(
        self,
        catalogue: Catalogue,
        router: Router,
        listings_of: Mapping[AccountId, "ListingsOf"],
        recipes: Recipes | None = None,
    ) -> None:
        """Read from these; `listings_of` finds the listings of a SKU by account, `recipes` are durable ones."""
        self._recipes = recipes if recipes is not None else Recipes()
        self._catalogue = catalogue
        self._router = router
        self._listings_of = listings_of

    async def page(self, kind: str, start: int, count: int) -> dict[str, Any]:
        """Return rows as import takes them, all durable, and the cursor of the next page; null: that was all."""
        items, cursor = self._catalogue.page(start, min(count, PAGE_SKUS_MAX))
        durable = Waiter()
        read = {"catalogue": self._describe, "listings": self._list, "stock": self._count, "recipes": self._unpack}[
            kind
        ]
        await self._router.look_at([item.sku for item in items], lambda books, _now: read(items, books), durable)
        return {"rows": await durable.wait(), "cursor": cursor}

    def _describe(self, items: Sequence[Item], books: Mapping[Sku, Book]) -> list[Row]:
        return [
            {"sku": self._catalogue.codes.code_of(item.sku), "name": item.name}
            | {"safety_stock": _safety_stock(books[item.sku])}
            | said_of(item.details)
            for item in items
        ]

    def _list(self, items: Sequence[Item], _books: Mapping[Sku, Book]) -> list[Row]:
        return [
            {
                "account": account,
                "listing": listing.listing_id,
                "sku": self._catalogue.codes.code_of(item.sku),
                "pack_units": listing.pack_units,
            }
            for item in items
            for account, listings_of in self._listings_of.items()
            for listing in listings_of(item.sku)
        ]

    def _count(self, items: Sequence[Item], books: Mapping[Sku, Book]) -> list[Row]:
        return [
            {"sku": self._catalogue.codes.code_of(item.sku), "location": location, "on_hand": position.on_hand}
            for item in items
            for location, position in sorted(books[item.sku].positions.items())
            if position.moved
        ]

    def _unpack(self, items: Sequence[Item], _books: Mapping[Sku, Book]) -> list[Row]:
        code_of = self._catalogue.codes.code_of
        return [
            {
                "sku": code_of(item.sku),
                "component": code_of(component),
                "quantity": units,
                "together": recipe.together,
            }
            for item in items
            if (recipe := self._recipes.current.get(item.sku)) is not None
            for component, units in recipe.components
        ]


class ListingsOf(Protocol):
    """Finds the listings of a SKU at one account."""

    def __call__(self, sku: Sku, /) -> Sequence[Mapped]:
        """Return them in the order of their mapping."""
        ...


def _safety_stock(book: Book) -> dict[LocationId, int]:
    return {at: position.safety_stock for at, position in sorted(book.positions.items()) if position.safety_stock}


def said_of(details: Details) -> Row:
    """What somebody has said: an export leaves out the rest, as an import does."""
    made: Row = {}
    for field in Details.__struct_fields__:
        value = getattr(details, field)
        if value in (None, "", ()):
            continue
        if field in {"attributes", "prices"}:
            value = dict(value)
        made[field] = list(value) if isinstance(value, tuple) else value
    return made


def read_cursor(text: str) -> int | None:
    """Read a cursor: the place in the order; None when it is not one."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
