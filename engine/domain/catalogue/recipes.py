"""Bundles, kits and packs: the graph of what is made of what, and what a bundle comes to in SKUs that have stock.

A bundle is a SKU with a recipe. It has no stock of its own: whatever is asked of it is asked of its leaves, the SKUs
at the ends of its recipes, and a change of a leaf's stock concerns every bundle above it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple

import msgspec

from engine.domain.commands import BundleLine, sum_lines
from engine.domain.events import Line, RecipeSet
from engine.domain.units import UNITS_MAX, Sku

COMPONENTS_MAX = 100
"""SKUs that one recipe may name. Large kits have some tens."""
LEAVES_MAX = 200
"""SKUs with stock that one bundle may come to: as many as `limits.hold_lines_max` allows by default."""
DEPTH_MAX = 8
"""Recipes under each other: a case of packs of kits is 3."""
QUANTITY_MAX = 1_000_000
"""Most of one component in one recipe; more is a slip of the keyboard."""


class Recipe(msgspec.Struct, frozen=True, gc=False):
    """What one unit of a SKU is to be made of."""

    components: tuple[Line, ...]
    """One per SKU, in SKU order. Empty: nothing, it is an ordinary SKU."""
    together: bool = False
    """Whether all components of one unit must come from one location."""


class RecipeProblem(NamedTuple):
    """Why recipes cannot be set."""

    sku: Sku
    """The one of the bundles to be set that is to blame."""
    component: Sku | None
    """The one of its components that is to blame; None: the recipe as a whole."""
    problem: str


class Made(NamedTuple):
    """What one unit of a bundle comes to."""

    leaves: tuple[Line, ...]
    """Units of each SKU with stock, in SKU order."""
    together: bool
    """Whether they must come from one location: its recipe says so, or that of a bundle in it."""
    depth: int
    """Recipes under each other, at least 1."""


class Recipes:
    """Every recipe there is. Changed by `apply` alone."""

    def __init__(self) -> None:
        """Start without bundles."""
        self.current: dict[Sku, RecipeSet] = {}
        """The recipe of every SKU that is a bundle now."""
        self._ended: dict[Sku, RecipeSet] = {}
        """How the recipes of SKUs ended that were bundles once: versions go on from there."""
        self._parents: dict[Sku, dict[Sku, None]] = {}
        """From a component to the bundles whose recipes name it; none is empty."""
        self._made: dict[Sku, Made] = {}
        """As far as asked since the recipes below changed last."""
        self._above: dict[Sku, tuple[Sku, ...]] = {}
        """As far as asked since any recipe changed."""
        self.changes = 0
        """How often any recipe has changed."""

    def __contains__(self, sku: Sku) -> bool:
        """Whether a SKU is a bundle."""
        return sku in self.current

    def __eq__(self, other: object) -> bool:
        """Compare every recipe and version: replay equals live."""
        return isinstance(other, Recipes) and (self.current, self._ended) == (other.current, other._ended)

    __hash__ = None  # type: ignore[assignment]

    def newest(self, sku: Sku) -> RecipeSet | None:
        """Return the last word on a SKU, the end of its recipe too; None: it never had one."""
        return self.current.get(sku) or self._ended.get(sku)

    def is_component(self, sku: Sku) -> bool:
        """Whether a recipe names the SKU."""
        return sku in self._parents

    def apply(self, event: RecipeSet) -> None:
        """Take in a recipe that `find_problems` found none with; live and in replay."""
        for bundle in (event.sku, *self.bundles_above(event.sku)):
            self._made.pop(bundle, None)
        self._above.clear()
        self.changes += 1
        before = self.current.pop(event.sku, None)
        for component, _ in before.components if before is not None else ():
            parents = self._parents[component]
            del parents[event.sku]
            if not parents:
                del self._parents[component]
        if not event.components:
            self._ended[event.sku] = event
            return
        self._ended.pop(event.sku, None)
        self.current[event.sku] = event
        for component, _ in event.components:
            self._parents.setdefault(component, {})[event.sku] = None

    def state(self, as_of: datetime) -> Iterator[RecipeSet]:  # noqa: ARG002 - nothing is forgotten here
        """State every recipe and how others ended (`engine.domain.stated.Stateful`), in the order of setting."""
        yield from self.current.values()
        yield from self._ended.values()

    def restore(self, statement: RecipeSet) -> None:
        """Take in a recipe, or how it ended."""
        self.apply(statement)

    def made(self, bundle: Sku) -> Made:
        """Return what one unit of a bundle comes to."""
        made = self._made.get(bundle)
        if made is None:
            event = self.current[bundle]
            below = {component: self.made(component) for component, _ in event.components if component in self.current}
            made = self._made[bundle] = _compose(event.components, below, together=event.together)
        return made

    def bundles_above(self, sku: Sku) -> tuple[Sku, ...]:
        """Return every bundle that has this SKU in it, however deep, the nearest first; each once."""
        if sku not in self._parents:
            return ()
        above = self._above.get(sku)
        if above is None:
            found: dict[Sku, None] = {}
            level = list(self._parents[sku])
            while level:
                new = [bundle for bundle in dict.fromkeys(level) if bundle not in found]
                found.update(dict.fromkeys(new))
                level = [parent for bundle in new for parent in self._parents.get(bundle, ())]
            above = self._above[sku] = tuple(found)
        return above

    def explode(self, wanted: Iterable[Line]) -> tuple[tuple[Line, ...], tuple[BundleLine, ...]]:
        """Turn lines that may name bundles into lines that do not.

        Returns:
            Units of each SKU with stock, summed over all lines and in SKU order (lesson A10), and the bundles among
            the lines with what each comes to.
        """
        lines: list[Line] = []
        bundles: list[BundleLine] = []
        for sku, units in wanted:
            if sku not in self.current:
                lines.append((sku, units))
                continue
            made = self.made(sku)
            bundles.append(BundleLine(sku, units, made.leaves, made.together))
            lines += [(leaf, units * each) for leaf, each in made.leaves]
        return sum_lines(lines), tuple(bundles)

    def find_problems(self, changes: Mapping[Sku, Recipe], knows: Callable[[Sku], bool]) -> list[RecipeProblem]:
        """Say why these recipes cannot be set together; empty when they can.

        Args:
            changes: new recipes by SKU; an empty one ends what was.
            knows: whether a SKU exists, or is about to.
        """
        check = RecipeCheck(self, changes, knows)
        for _ in check.steps():
            pass
        return check.problems


class RecipeCheck:
    """Looks through recipes as they would be after some changes, only where that concerns them."""

    def __init__(self, recipes: Recipes, changes: Mapping[Sku, Recipe], knows: Callable[[Sku], bool]) -> None:
        """Check as `Recipes.find_problems` does, in steps."""
        self.problems: list[RecipeProblem] = []
        """All of them once every step is done."""
        self._recipes = recipes
        self._changes = changes
        self._knows = knows
        self._components: dict[Sku, tuple[Line, ...]] = {}
        """Of every bundle that would be there and is concerned."""
        self._made: dict[Sku, Made] = {}
        self._blame = {sku: sku for sku in changes}
        self._cycles: dict[tuple[Sku, Sku], RecipeProblem] = {}

    def steps(self) -> Iterator[None]:
        """Go through it one recipe at a time; in between, others may work, but not change recipes."""
        for sku, recipe in self._changes.items():
            self.problems += _check_recipe(sku, recipe, self._knows)
            for bundle in (sku, *self._recipes.bundles_above(sku)):
                components = self._components_of(bundle)
                if components:
                    self._components[bundle] = components
            yield
        if self.problems:
            return
        for bundle in self._components:
            if bundle not in self._made:
                yield from self._unpack(bundle)
        self.problems = list(self._cycles.values()) or self.problems

    def _components_of(self, sku: Sku) -> tuple[Line, ...]:
        if sku in self._changes:
            return self._changes[sku].components
        current = self._recipes.current.get(sku)
        return current.components if current is not None else ()

    def _unpack(self, bundle: Sku) -> Iterator[None]:
        """Compose a bundle and all in it, components first."""
        open_boxes = {bundle: iter(self._components[bundle])}
        while open_boxes:
            sku, rest = next(reversed(open_boxes.items()))
            for part, _ in rest:
                if part in open_boxes:
                    way = list(open_boxes)
                    self._note_cycle(way[way.index(part) :])
                elif part in self._components and part not in self._made:
                    open_boxes[part] = iter(self._components[part])
                    break
            else:
                del open_boxes[sku]
                self._judge(sku)
                yield

    def _note_cycle(self, cycle: Sequence[Sku]) -> None:
        """Note each step of a way round that is to be set now; the last of the way contains the first."""
        start = next(number for number, sku in enumerate(cycle) if sku in self._changes)
        way = [*cycle[start:], *cycle[: start + 1]]
        problem = f"a bundle cannot contain itself: {' > '.join(way)}"
        for sku, part in pairwise(way):
            if sku in self._changes:
                self._cycles.setdefault((sku, part), RecipeProblem(sku, part, problem))

    def _judge(self, sku: Sku) -> None:
        """Compose a bundle whose components are composed, and note if it became too large."""
        components = self._components[sku]
        for part, _ in components:
            if part in self._recipes and part not in self._components and part not in self._changes:
                self._made[part] = self._recipes.made(part)
        made = self._made[sku] = _compose(components, self._made, together=False)
        if sku not in self._blame:
            self._blame[sku] = next(self._blame[part] for part, _ in components if part in self._blame)
        problem = _judge_size(sku, made)
        if problem is not None:
            self.problems.append(RecipeProblem(self._blame[sku], None, problem))
            self._made[sku] = Made((), together=False, depth=0)  # what is above it is not to be blamed as well


def _compose(components: Iterable[Line], below: Mapping[Sku, Made], *, together: bool) -> Made:
    leaves: dict[Sku, int] = {}
    depth = 0
    for component, units in components:
        made = below.get(component)
        if made is None:
            leaves[component] = leaves.get(component, 0) + units
            continue
        together = together or made.together
        depth = max(depth, made.depth)
        for leaf, each in made.leaves:
            leaves[leaf] = leaves.get(leaf, 0) + units * each
    return Made(tuple(sorted(leaves.items())), together, depth + 1)


def _check_recipe(sku: Sku, recipe: Recipe, knows: Callable[[Sku], bool]) -> Iterable[RecipeProblem]:
    if not knows(sku):
        yield RecipeProblem(sku, None, f"no SKU {sku!r}")
    if len(recipe.components) > COMPONENTS_MAX:
        yield RecipeProblem(
            sku, None, f"{len(recipe.components)} components of {sku!r}: at most {COMPONENTS_MAX} in one recipe"
        )
    seen: set[Sku] = set()
    for component, units in recipe.components:
        if component in seen:
            yield RecipeProblem(sku, component, f"component {component!r} of {sku!r} stands there twice")
        seen.add(component)
        if component == sku:
            yield RecipeProblem(sku, component, f"a bundle cannot contain itself: {sku} > {sku}")
        elif not knows(component):
            yield RecipeProblem(sku, component, f"no SKU {component!r} for {sku!r} to be made of")
        if not 1 <= units <= QUANTITY_MAX:
            yield RecipeProblem(
                sku, component, f"{units} of {component!r} in {sku!r}: must be from 1 to {QUANTITY_MAX}"
            )


def _judge_size(sku: Sku, made: Made) -> str | None:
    if not made.leaves:  # made only of what is too large by itself
        return None
    if made.depth > DEPTH_MAX:
        return f"{sku!r} would be {made.depth} recipes deep: at most {DEPTH_MAX}"
    if len(made.leaves) > LEAVES_MAX:
        return f"{sku!r} would come to {len(made.leaves)} SKUs: at most {LEAVES_MAX}"
    leaf, units = max(made.leaves, key=lambda line: line[1])
    if units > UNITS_MAX:
        return f"one {sku!r} would come to {units} of {leaf!r}: at most {UNITS_MAX}"
    return None
