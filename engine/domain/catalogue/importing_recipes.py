"""Recipes as rows of an import: each names one component of a bundle, and all rows of a bundle are its recipe."""

from collections.abc import Callable, Iterator
from datetime import datetime

from engine.domain.catalogue.recipes import Recipe, Recipes
from engine.domain.catalogue.set_recipes import RecipeDecision
from engine.domain.events import RecipeSet
from engine.domain.stock.book import Book
from engine.domain.units import Sku

Note = Callable[[int, str, str], None]
"""Takes row, field and what is wrong with it."""


class RecipePlanner:
    """The recipes of one import, in the making."""

    def __init__(self, recipes: Recipes, note: Note) -> None:
        """Plan on what is known now."""
        self._recipes = recipes
        self._note = note
        self._parts: dict[Sku, dict[Sku, tuple[int, int]]] = {}
        """Bundle and component to units and row."""
        self._together: dict[Sku, tuple[bool, int]] = {}
        self.version = recipes.changes
        """Of the graph that it plans on."""
        self.events: tuple[RecipeSet, ...] = ()
        """The recipes that change, once decided."""

    def take(self, row: int, sku: Sku, component: Sku, units: int, *, together: bool) -> None:
        """Note one component of a bundle."""
        _, first = self._parts.setdefault(sku, {}).setdefault(component, (units, row))
        if first != row:
            self._note(row, "component", f"row {first} says it already")
        flag, first = self._together.setdefault(sku, (together, row))
        if flag != together:
            self._note(row, "together", f"row {first} says otherwise for {sku!r}")

    def is_bundle(self, sku: Sku) -> bool:
        """Whether a SKU is a bundle, or will be one after this import."""
        return sku in self._recipes or sku in self._parts

    def decide(
        self, *, knows: Callable[[Sku], bool], book_of: Callable[[Sku], Book | None], now: datetime, by: str
    ) -> Iterator[None]:
        """Set `events`, or note every row that stands in the way (cycles across rows, too); a step per recipe."""
        changes = {
            sku: Recipe(tuple(sorted((part, units) for part, (units, _) in parts.items())), self._together[sku][0])
            for sku, parts in self._parts.items()
        }
        decision = RecipeDecision(self._recipes, changes, knows=knows, book_of=book_of, now=now, by=by)
        yield from decision.steps()
        for sku, component, problem in decision.decided.problems:
            parts = self._parts[sku]
            row = parts[component][1] if component is not None else min(row for _, row in parts.values())
            self._note(row, "component" if component is not None else "sku", problem)
        self.events = decision.decided.events
