"""Holds that name bundles: units found for all components at once, so that nothing is promised twice.

Bundles that must stay together choose first, in SKU order; everything else takes what they leave. A hold of one such
bundle is granted exactly where that many can be made. Where several of them get into each other's way, other choices of
locations are searched (`together.py`).
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

from engine.domain.catalogue.making import makeable_at
from engine.domain.commands import BundleLine, PlaceHold
from engine.domain.events import Part
from engine.domain.stock.allocate import merge, place
from engine.domain.stock.book import Book, units_of
from engine.domain.stock.together import spread_together
from engine.domain.units import LocationId, Sku


class Short(NamedTuple):
    """Why a hold cannot be granted."""

    sku: Sku
    """With stock, and too little of it."""
    bundle: tuple[Sku, int, int] | None
    """The bundle it is wanted for, units wanted and units there are beside the other lines; None: itself."""


class Placing:
    """One hold being placed: what there is, less what it has taken already."""

    def __init__(self, books: Mapping[Sku, Book], command: PlaceHold) -> None:
        """Read the books of the hold's lines."""
        self._books = books
        self._command = command
        self._wanted = dict(command.lines)
        self._locations = command.locations if command.location is None else (command.location,)
        self._taken: dict[tuple[Sku, LocationId], int] = {}
        self._grouped: dict[Sku, list[Sequence[Part]]] = {}
        """Units of each SKU that bundles have taken which stay together."""
        self.parts: dict[Sku, tuple[Part, ...]] = {}
        """Where the units of each SKU come from, once all are found."""

    def find(self) -> Short | None:
        """Find units for every line; say what is short, or None when `parts` has them all."""
        for bundle in self._command.bundles:
            left = self._count(bundle)
            if left < bundle.units:
                return Short(self._find_short(bundle), (bundle.sku, bundle.units, left))
        for sku, units in self._wanted.items():
            if self._available(sku) < units:
                return Short(sku, None)
        self._grouped = {sku: [] for sku in self._wanted}
        short = self._place_together([bundle for bundle in self._command.bundles if bundle.together])
        if short is not None:
            return short
        for sku, units in self._wanted.items():
            self.parts[sku] = self._fill_up(sku, units, self._grouped[sku])
        return None

    def _place_together(self, bundles: Sequence[BundleLine]) -> Short | None:
        """Place bundles whose components lie together: one after the other if that will do, else by search."""
        short = None
        for bundle in bundles:
            groups = place(bundle.units, self._locations, partial(self._makeable, bundle.leaves))
            if groups is None:
                short = Short(self._find_short(bundle), (bundle.sku, bundle.units, self._count_together(bundle)))
                break
            self._take_leaves(bundle, groups)
        if short is None or len(bundles) == 1:
            return short
        self._taken.clear()
        self._grouped = {sku: [] for sku in self._wanted}
        found = spread_together(bundles, self._locations, self._room)
        if found is None:
            return short
        for bundle, groups in zip(bundles, found, strict=True):
            self._take_leaves(bundle, groups)
        return None

    def _take_leaves(self, bundle: BundleLine, groups: Sequence[Part]) -> None:
        for leaf, each in bundle.leaves:
            self._grouped[leaf].append(self._take(leaf, [(location, units * each) for location, units in groups]))

    def _fill_up(self, sku: Sku, units: int, grouped: Sequence[Sequence[Part]]) -> tuple[Part, ...]:
        """Find the units of a SKU that need not lie where others do."""
        rest = units - sum(units_of(parts) for parts in grouped)
        if not rest:
            return merge(*grouped)
        found = place(rest, self._locations, partial(self._room, sku))
        assert found is not None, "all lines together fit, and bundles take no more than their share"
        return merge(*grouped, self._take(sku, found))

    def _available(self, sku: Sku) -> int:
        """What a hold may have: over its locations, and at the one it insists on no more than that place has."""
        book = self._books[sku]
        over = book.atp_over(self._command.locations)
        return over if self._command.location is None else min(over, book.atp_at(self._command.location))

    def _count(self, bundle: BundleLine) -> int:
        """Count the units of a bundle that there are, if the other lines get theirs."""
        left = min(self._left(bundle, leaf, each) for leaf, each in bundle.leaves)
        return min(left, self._count_together(bundle)) if bundle.together and left > 0 else left

    def _left(self, bundle: BundleLine, leaf: Sku, each: int) -> int:
        others = self._wanted[leaf] - bundle.units * each
        return (self._available(leaf) - others) // each

    def _count_together(self, bundle: BundleLine) -> int:
        return sum(self._makeable(bundle.leaves, location) for location in self._locations)

    def _find_short(self, bundle: BundleLine) -> Sku:
        """Name the component that there is least of; where each alone would do, that which lies in the wrong places."""
        counted = {leaf: self._left(bundle, leaf, each) for leaf, each in bundle.leaves}
        if min(counted.values()) >= bundle.units:
            counted = {leaf: self._count_alone(leaf, each) for leaf, each in bundle.leaves}
        return min(counted, key=lambda leaf: (counted[leaf], leaf))

    def _count_alone(self, leaf: Sku, each: int) -> int:
        return sum(self._makeable(((leaf, each),), location) for location in self._locations)

    def _makeable(self, leaves: Sequence[tuple[Sku, int]], location: LocationId) -> int:
        return makeable_at(leaves, location, self._room)

    def _room(self, sku: Sku, location: LocationId) -> int:
        return self._books[sku].atp_at(location) - self._taken.get((sku, location), 0)

    def _take(self, sku: Sku, parts: Sequence[Part]) -> Sequence[Part]:
        for location, units in parts:
            self._taken[sku, location] = self._taken.get((sku, location), 0) + units
        return parts
