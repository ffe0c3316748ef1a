"""Kinds of locations, what each allows, and which of them make good what another one is short of."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final

import msgspec

from engine.domain.units import LocationId

Pool = LocationId | None
"""Locations whose units may serve one demand: a location that stands alone, or None, all that stand in for another."""


class Kind(StrEnum):
    """Who keeps the units of a location, and for whom."""

    OWN = "own"
    """Our warehouse."""
    STORE = "store"
    """Our shop: sells over the counter, ships, and keeps what buyers pick up."""
    THIRD_PARTY = "third_party"
    """A logistics partner ships for all channels and tells what it has."""
    CHANNEL_FULFILLED = "channel_fulfilled"
    """A marketplace keeps and ships them; only accounts that name the location sell from it."""
    CONSIGNMENT = "consignment"
    """Ours, at somebody else's; or somebody else's, with us to be sold."""
    IN_TRANSIT = "in_transit"
    """A place on paper, for what a partner's system reports as under way: never sold from."""


class Allowed(msgspec.Struct, frozen=True, kw_only=True):
    """What may be done with the units of a location."""

    sold: bool
    """An account may sell them."""
    sold_directly: bool
    """Also the seller's own storefront and tills, which name no locations of their own."""
    counted: bool
    """Our people can walk there and count."""
    stands_in: bool
    """Its units may be sent for what another such location is short of."""


_ALLOWED: Final = {
    Kind.OWN: Allowed(sold=True, sold_directly=True, counted=True, stands_in=True),
    Kind.STORE: Allowed(sold=True, sold_directly=True, counted=True, stands_in=True),
    Kind.THIRD_PARTY: Allowed(sold=True, sold_directly=True, counted=True, stands_in=True),
    Kind.CHANNEL_FULFILLED: Allowed(sold=True, sold_directly=False, counted=False, stands_in=False),
    Kind.CONSIGNMENT: Allowed(sold=True, sold_directly=True, counted=True, stands_in=False),
    Kind.IN_TRANSIT: Allowed(sold=False, sold_directly=False, counted=False, stands_in=False),
}
"""Receipts, returns, adjustments, transfers and partners' snapshots are for all of them."""


def allowed_at(kind: Kind) -> Allowed:
    """Return what a kind of location allows."""
    return _ALLOWED[kind]


class Pools:
    """Which locations stand in for one another."""

    __slots__ = ("_together",)

    def __init__(self, kinds: Mapping[LocationId, Kind] | None = None) -> None:
        """Know the configured locations; None: nobody has said what they are, and all of them stand in for another."""
        self._together = (
            None if kinds is None else frozenset(place for place, kind in kinds.items() if allowed_at(kind).stands_in)
        )

    def of(self, location: LocationId) -> Pool:
        """Return the pool of a location. One that is configured no more stands alone: nobody sells from it."""
        return None if self._together is None or location in self._together else location

    def sum_up(self, levels: Sequence[tuple[LocationId, int]]) -> int:
        """Sum what is available over all locations; where pools have less than nothing, return what those lack instead.

        So units that a marketplace keeps never hide, from whoever looks at one number, that the shelf owes some.
        """
        if len(levels) == 1:
            return levels[0][1]
        total = 0
        pools: dict[Pool, int] = {}
        for location, units in levels:
            total += units
            pool = self.of(location)
            pools[pool] = pools.get(pool, 0) + units
        lacking = sum([units for units in pools.values() if units < 0])
        return lacking or total


ONE_POOL: Final = Pools()
