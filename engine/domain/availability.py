"""What a shard tells the pushers after a commit: the newest level, never a change."""

from typing import NamedTuple

import msgspec

from engine.domain.units import AccountId, Instant, LocationId, Sku


class Availability(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Available to promise of one SKU, location by location, as of one journal position."""

    sku: Sku
    position: int
    """Of the frame that made it so: newer is higher."""
    atp: tuple[tuple[LocationId, int], ...]
    """Every location that ever had a unit of this SKU; may be negative."""
    changed_at: Instant
    """When the change was decided."""
    components: tuple["Component", ...] = ()
    """Of a bundle: what it is made of, in SKU order; `count_available` of the catalogue says how many that makes.

    `atp` is then what each location alone could make, negative where it owes: its sum never promises too much, and may
    be less than can be made across locations.
    """
    together: bool = False
    """Of a bundle: whether the components of one unit must come from one location."""


class Component(NamedTuple):
    """One of the SKUs with stock that a bundle comes to."""

    units: int
    """In one unit of the bundle, at least 1."""
    level: Availability


class ChannelSale(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A channel's own order changed what it shows: write and verify its listing again, whatever we believe.

    DESIGN.md section 6: the shop may have sold one while our older number was under way, and the write put it back.
    """

    account: AccountId
    sku: Sku
    units: int
    """Change of units the channel itself has taken out of its count: positive sold, negative given back."""
    channel_at: Instant
    """The channel's time of the change."""
