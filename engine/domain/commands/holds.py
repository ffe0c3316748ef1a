"""Promises to baskets, and what is answered."""

from datetime import datetime
from typing import NamedTuple

from engine.domain.commands.base import Message
from engine.domain.events import Line
from engine.domain.units import AccountId, HoldId, LocationId, OrderId, Sku


class BundleLine(NamedTuple):
    """Units of a bundle that somebody wants, and what they come to."""

    sku: Sku
    units: int
    leaves: tuple[Line, ...]
    """What one unit is made of: SKUs with stock, in SKU order."""
    together: bool
    """Whether the leaves of a unit must come from one location."""


class PlaceHold(Message, frozen=True, kw_only=True, gc=False):
    """Promise units to a basket; all lines or none."""

    hold_id: HoldId
    lines: tuple[Line, ...]
    """One per SKU, in SKU order, quantities summed: `sum_lines` makes it so."""
    expires_at: datetime | None
    account: AccountId
    locations: tuple[LocationId, ...]
    """Where the units may come from, in order of preference."""
    location: LocationId | None = None
    """The only one, if the caller insisted."""
    wanted: tuple[Line, ...] = ()
    """What the caller named when a bundle is among it, one per SKU, in SKU order; `lines` is what that comes to."""
    bundles: tuple[BundleLine, ...] = ()
    """The bundles among `wanted`."""
    retired: Sku | None = None
    """One of them that is sold no more."""

    @property
    def skus(self) -> tuple[Sku, ...]:
        """SKUs this hold needs, sorted."""
        lines = self.lines
        return (lines[0][0],) if len(lines) == 1 else tuple([sku for sku, _ in lines])


class CommitHold(Message, frozen=True, kw_only=True, gc=False):
    """Turn held units into demand of an order."""

    hold_id: HoldId
    order_id: OrderId | None
    owed: bool = True
    """False: the order's own snapshot claims these units already."""


class ReleaseHold(Message, frozen=True, kw_only=True, gc=False):
    """Give held units back."""

    hold_id: HoldId


class Granted(Message, frozen=True, kw_only=True, gc=False):
    """The units are yours until `expires_at`."""

    hold_id: HoldId
    expires_at: datetime | None
    lines: tuple[tuple[Sku, LocationId, int], ...]


class Committed(Message, frozen=True, kw_only=True, gc=False):
    """The units are owed to the order."""

    hold_id: HoldId
    order_id: OrderId | None
    committed_at: datetime


class Released(Message, frozen=True, kw_only=True, gc=False):
    """The units are free again since `released_at`."""

    hold_id: HoldId
    released_at: datetime


def sum_lines(lines: list[Line]) -> tuple[Line, ...]:
    """Sum quantities per SKU and sort by SKU, so that two lines never pass the check one by one.

    Lessons A10 (two cart lines sharing one component) and A11 (keys de-duplicated and sorted).
    """
    if len(lines) == 1:
        return (lines[0],)
    total: dict[Sku, int] = {}
    for sku, quantity in lines:
        total[sku] = total.get(sku, 0) + quantity
    return tuple(sorted(total.items()))
