"""From the level of a component to those of every bundle above it, between the shards' outlet and the pushers.

Most of it runs in the journal's task, right behind the commit: who sold a bundle must not be told to write its old
number. Only a component of very many bundles (the carton that everything is shipped in) is worked off by a task, in
slices that let holds pass; while it is at it, newer levels of that component replace older ones.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

import trio

from engine.domain.availability import Availability, Component
from engine.domain.catalogue.recipes import Recipes
from engine.domain.events import RecipeSet, SkuRetired, SkuRevived
from engine.domain.stated.catalogue import RetiredStated
from engine.domain.units import LocationId, Sku

AT_ONCE_MAX = 64
"""Bundles that are told within one commit, or between two checkpoints: some milliseconds with six accounts."""


class Fanout:
    """Knows the durable recipes and the newest level of every SKU that one of them names."""

    def __init__(self, tell: Callable[[Availability], None]) -> None:
        """Pass levels on to `tell`, which must not block."""
        self.recipes = Recipes()
        """As far as they are durable: the journal is ahead of whoever decides on them."""
        self._tell = tell
        self._levels: dict[Sku, Availability] = {}
        self._retired: set[Sku] = set()
        self._waiting: dict[Sku, None] = {}
        """Components of many bundles whose level has changed."""
        self._some = trio.Event()

    @property
    def waiting(self) -> int:
        """Components whose change is not told for all bundles above them yet."""
        return len(self._waiting)

    # -- what is durable

    def keep_recipe(self, _position: int, event: RecipeSet) -> None:
        """Take in a recipe (`engine.actors.projections.Keeper`); the levels of its components come right behind it."""
        before = self.recipes.current.get(event.sku)
        self.recipes.apply(event)
        for sku, _ in ((event.sku, 1), *(before.components if before is not None else ())):
            if sku in self.recipes or not self.recipes.is_component(sku):
                self._levels.pop(sku, None)

    def keep_retired(self, _position: int, event: SkuRetired | SkuRevived) -> None:
        """Note whether a SKU may be shown (`engine.actors.projections.Keeper`); its level comes right behind it."""
        if isinstance(event, SkuRetired):
            self._retired.add(event.sku)
        else:
            self._retired.discard(event.sku)

    def is_retired(self, sku: Sku) -> bool:
        """Whether nothing more of a SKU is to be sold."""
        return sku in self._retired

    def state(self, as_of: datetime) -> Iterator[RecipeSet | RetiredStated]:
        """State recipes and what is retired (`engine.domain.stated.Stateful`); levels are told anew at every start."""
        yield from self.recipes.state(as_of)
        for sku in sorted(self._retired):
            yield RetiredStated(sku=sku)

    def restore(self, statement: RecipeSet | RetiredStated) -> None:
        """Take in one of them."""
        if isinstance(statement, RetiredStated):
            self._retired.add(statement.sku)
        else:
            self.recipes.restore(statement)

    def availability(self, availability: Availability) -> None:
        """Pass on the newest level of a SKU, and what it makes of the bundles above it.

        The level of a bundle's own book says nothing but that its recipe has changed.
        """
        sku = availability.sku
        if sku in self.recipes:
            self._tell_bundles((sku, *self.recipes.bundles_above(sku)), availability)
            return
        self._tell(availability)
        if not self.recipes.is_component(sku):
            return
        known = self._levels.get(sku)
        if known is None or availability.position >= known.position:
            self._levels[sku] = availability
        above = self.recipes.bundles_above(sku)
        if len(above) > AT_ONCE_MAX:
            self._waiting[sku] = None
            self._some.set()
        else:
            self._tell_bundles(above, availability)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Work off components of very many bundles until cancelled."""
        task_status.started()
        while True:
            await self._some.wait()
            self._some = trio.Event()
            while self._waiting:
                sku = next(iter(self._waiting))
                del self._waiting[sku]
                above = self.recipes.bundles_above(sku)
                for start in range(0, len(above), AT_ONCE_MAX):
                    level = self._levels.get(sku)
                    if level is not None:  # recipes may change at a checkpoint
                        self._tell_bundles(above[start : start + AT_ONCE_MAX], level)
                    await trio.lowlevel.checkpoint()

    def _tell_bundles(self, bundles: Sequence[Sku], cause: Availability) -> None:
        for bundle in bundles:
            level = self._compose(bundle, cause)
            if level is not None:
                self._tell(level)

    def _compose(self, bundle: Sku, cause: Availability) -> Availability | None:
        """Return the level of a bundle; None while a component has not been heard of, which is not zero (law 8)."""
        if bundle not in self.recipes:
            return None
        made = self.recipes.made(bundle)
        components: list[Component] = []
        for leaf, units in made.leaves:
            level = self._levels.get(leaf)
            if level is None:
                return None
            components.append(Component(units, level))
        position = max(cause.position, *(level.position for _, level in components))
        retired = bundle in self._retired
        return Availability(
            sku=bundle,
            position=position,
            atp=() if retired else at_each(components),
            changed_at=cause.changed_at,
            components=() if retired else tuple(components),
            together=made.together,
        )


def at_each(components: Sequence[Component]) -> tuple[tuple[LocationId, int], ...]:
    """Return what each location alone could make."""
    places = dict.fromkeys(place for _, level in components for place, _ in level.atp)
    found = [(units, dict(level.atp)) for units, level in components]
    return tuple([(place, min([atp.get(place, 0) // units for units, atp in found])) for place in places])
