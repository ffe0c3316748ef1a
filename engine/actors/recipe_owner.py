"""Owner of the recipes that decisions go by. Not a task: whoever changes one waits here while everybody else rests."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime

from engine.actors.journal import Journal
from engine.actors.order_desk import OrderDesk
from engine.actors.router import Router
from engine.domain.catalogue.recipes import Recipe, Recipes
from engine.domain.catalogue.set_recipes import SetRecipes, set_recipes
from engine.domain.commands import Refusal
from engine.domain.events import Event, RecipeSet
from engine.domain.units import Sku


class RecipeOwner:
    """Changes recipes while all shards lend their books and the order desk has nothing under way.

    So no order can be read by one recipe and decided under another, and whatever is decided by a recipe stands behind
    it in the journal.
    """

    def __init__(
        self,
        recipes: Recipes,
        *,
        router: Router,
        desk: OrderDesk,
        journal: Journal,
        alone: Callable[[], AbstractAsyncContextManager[None]],
    ) -> None:
        """Own `recipes`; replay brings them. `alone` is entered for every change: no import is under way meanwhile."""
        self.recipes = recipes
        self._router = router
        self._desk = desk
        self._journal = journal
        self._alone = alone

    def apply(self, event: RecipeSet) -> None:
        """Take in a recipe, in replay or while the books are lent."""
        self.recipes.apply(event)
        self._router.apply(event)

    def at_rest(self) -> AbstractAsyncContextManager[None]:
        """Let nothing be under way that was read by the recipes as they are; enter it before the books are lent."""
        return self._desk.at_rest()

    async def set(self, sku: Sku, recipe: Recipe, *, by: str = "") -> object:
        """Make a bundle of a SKU, change what it is made of, or (an empty recipe) make an ordinary SKU of it.

        Returns:
            The `RecipeSet` that holds now, durable; a `Refusal` where nothing changed.
        """
        if self._journal.stalled is not None:
            return Refusal(code="STALLED", text=f"the journal cannot be written: {self._journal.stalled}")

        def run(now: datetime) -> tuple[Sequence[Event], object]:
            decided = self.decide({sku: recipe}, now, by=by)
            if decided.problems:
                return (), Refusal(code="BADRECIPE", text="; ".join(each.problem for each in decided.problems))
            for event in decided.events:
                self.apply(event)
            newest = self.recipes.newest(sku)
            return decided.events, newest or Refusal(code="NOSUCHRECIPE", text=f"sku={sku} never was a bundle")

        async with self._alone(), self.at_rest():
            return await self._router.together(run)

    def decide(
        self,
        changes: Mapping[Sku, Recipe],
        now: datetime,
        *,
        knows: Callable[[Sku], bool] | None = None,
        by: str = "",
    ) -> SetRecipes:
        """Decide recipes while the books are lent; `apply` what comes of it. `knows`: SKUs that are about to exist."""
        return set_recipes(
            self.recipes,
            changes,
            knows=knows or self._router.knows,
            book_of=lambda sku: self._router.ledger_of(sku).books.get(sku),
            now=now,
            by=by,
        )
