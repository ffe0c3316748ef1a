"""What a shard tells the pushers after a commit: the newest level, never a change."""

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
