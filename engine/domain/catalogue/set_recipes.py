"""Whether SKUs may be made bundles, or bundles of something else, and what is then on record. Changes nothing."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from engine.domain.catalogue.recipes import Recipe, RecipeCheck, RecipeProblem, Recipes
from engine.domain.events import RecipeSet
from engine.domain.stock.book import Book
from engine.domain.units import Sku


class SetRecipes(NamedTuple):
    """Events to apply and journal in one frame, or problems and no event."""

    events: tuple[RecipeSet, ...] = ()
    """None for a recipe that stands like that already."""
    problems: tuple[RecipeProblem, ...] = ()


class RecipeDecision:
    """New recipes, all or none, decided in steps: between two of them others may work, but not change recipes."""

    def __init__(
        self,
        recipes: Recipes,
        changes: Mapping[Sku, Recipe],
        *,
        knows: Callable[[Sku], bool],
        book_of: Callable[[Sku], Book | None],
        now: datetime,
        by: str = "",
    ) -> None:
        """Decide what `set_recipes` does."""
        self._recipes = recipes
        self._changes = changes
        self._knows = knows
        self._book_of = book_of
        self._now = now
        self._by = by
        self.decided = SetRecipes()
        """What comes of it, once every step is done."""

    def steps(self) -> Iterator[None]:
        """Go through it one recipe at a time."""
        check = RecipeCheck(self._recipes, self._changes, self._knows)
        yield from check.steps()
        problems = check.problems
        events: list[RecipeSet] = []
        for sku, recipe in self._changes.items():
            own = _name_own(self._book_of(sku)) if recipe.components and sku not in self._recipes else ""
            if own:
                problems.append(RecipeProblem(sku, None, f"{sku!r} has {own} of its own; a bundle has none"))
            event = _set_recipe(self._recipes, sku, recipe, self._now, self._by)
            if event is not None:
                events.append(event)
            yield
        self.decided = SetRecipes(problems=tuple(problems)) if problems else SetRecipes(events=tuple(events))


def set_recipes(
    recipes: Recipes,
    changes: Mapping[Sku, Recipe],
    *,
    knows: Callable[[Sku], bool],
    book_of: Callable[[Sku], Book | None],
    now: datetime,
    by: str = "",
) -> SetRecipes:
    """Decide new recipes, all or none.

    Args:
        recipes: as they are.
        changes: as they are to be, by SKU; an empty one makes an ordinary SKU of a bundle.
        knows: whether a SKU exists, or is about to.
        book_of: finds a book; None: there is none yet.
        now: the instant of the decision.
        by: who asks.
    """
    decision = RecipeDecision(recipes, changes, knows=knows, book_of=book_of, now=now, by=by)
    for _ in decision.steps():
        pass
    return decision.decided


def _set_recipe(recipes: Recipes, sku: Sku, recipe: Recipe, now: datetime, by: str) -> RecipeSet | None:
    known = recipes.newest(sku)
    components = tuple(sorted(recipe.components))
    together = recipe.together and bool(components)
    if (known.components, known.together) == (components, together) if known is not None else not components:
        return None
    return RecipeSet(
        at=now,
        sku=sku,
        version=1 if known is None else known.version + 1,
        components=components,
        together=together,
        by=by,
    )


def _name_own(book: Book | None) -> str:
    """Say what a book holds, owes or expects by itself; empty: nothing."""
    if book is None:
        return ""
    found = [f"{len(book.holds)} open holds"] if book.holds else []
    for location, position in sorted(book.positions.items()):
        figures = ("on_hand", "committed", "reserved", "unavailable", "incoming", "in_transit")
        named = [f"{name} {getattr(position, name)}" for name in figures if getattr(position, name)]
        found += [f"{', '.join(named)} at {location}"] if named else []
    return "; ".join(found)


def may_be_bundle(book: Book | None) -> bool:
    """Whether a SKU has nothing of its own that a bundle must not have."""
    return not _name_own(book)
