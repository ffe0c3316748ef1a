"""What may be asked of the books, and what they answer.

Whoever builds a command has checked identifiers and bounds; the books check what only they can know.
"""

from datetime import datetime

import msgspec

from engine.domain.events import Line, Part
from engine.domain.orders import OrderSnapshot
from engine.domain.units import AccountId, HoldId, Key, LineId, LocationId, OrderId, Sku


class _Message(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    pass


class PlaceHold(_Message, frozen=True, kw_only=True, gc=False):
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

    @property
    def skus(self) -> tuple[Sku, ...]:
        """SKUs this hold needs, sorted."""
        lines = self.lines
        return (lines[0][0],) if len(lines) == 1 else tuple([sku for sku, _ in lines])


class CommitHold(_Message, frozen=True, kw_only=True, gc=False):
    """Turn held units into demand of an order."""

    hold_id: HoldId
    order_id: OrderId | None
    owed: bool = True
    """False: the order's own snapshot claims these units already."""


class ReleaseHold(_Message, frozen=True, kw_only=True, gc=False):
    """Give held units back."""

    hold_id: HoldId


class Adjust(_Message, frozen=True, kw_only=True, gc=False):
    """Correct on hand by a delta."""

    key: Key
    sku: Sku
    location: LocationId
    delta: int
    reason: str


class Receive(_Message, frozen=True, kw_only=True, gc=False):
    """Take in units."""

    key: Key
    sku: Sku
    location: LocationId
    quantity: int


class DemandLevel(_Message, frozen=True, kw_only=True, gc=False):
    """Where one order line stands now."""

    line_id: LineId
    sku: Sku
    open_units: int = 0
    shipped: int = 0
    returned: int = 0


class RecordOrder(_Message, frozen=True, kw_only=True, gc=False):
    """Bring every SKU of an order to the level its newest snapshot tells."""

    snapshot: OrderSnapshot
    skus_of_lines: tuple[Sku | None, ...]
    packs_of_lines: tuple[int, ...] = ()
    """As in `OrderRecorded`; the levels are in units of the SKU already."""
    levels: tuple[DemandLevel, ...]
    """First, at zero, the lines that earlier snapshots or committed holds had and this one has not; then its own."""
    locations: tuple[LocationId, ...]
    causes: tuple[tuple[Sku, str, str], ...] = ()
    """Should a SKU be oversold by this order: SKU, cause, detail, as the pusher of the account sees it."""

    @property
    def skus(self) -> tuple[Sku, ...]:
        """SKUs whose demand this changes, sorted."""
        return tuple(sorted({level.sku for level in self.levels}))


class AddSku(_Message, frozen=True, kw_only=True, gc=False):
    """Make a SKU exist, or give it a new name or safety stock."""

    sku: Sku
    name: str
    safety_stock: tuple[Part, ...] = ()


class OpenStock(_Message, frozen=True, kw_only=True, gc=False):
    """Opening stock of a SKU at a location that never moved."""

    sku: Sku
    location: LocationId
    on_hand: int


Command = PlaceHold | CommitHold | ReleaseHold | Adjust | Receive | RecordOrder | AddSku | OpenStock


class Granted(_Message, frozen=True, kw_only=True, gc=False):
    """The units are yours until `expires_at`."""

    hold_id: HoldId
    expires_at: datetime | None
    lines: tuple[tuple[Sku, LocationId, int], ...]


class Committed(_Message, frozen=True, kw_only=True, gc=False):
    """The units are owed to the order."""

    hold_id: HoldId
    order_id: OrderId | None
    committed_at: datetime


class Released(_Message, frozen=True, kw_only=True, gc=False):
    """The units are free again since `released_at`."""

    hold_id: HoldId
    released_at: datetime


class Moved(_Message, frozen=True, kw_only=True, gc=False):
    """Stock was adjusted or received."""

    key: Key
    sku: Sku
    location: LocationId
    delta: int
    on_hand: int
    received: bool


class Done(_Message, frozen=True, kw_only=True, gc=False):
    """Recorded; there is nothing more to say."""


class Refusal(_Message, frozen=True, kw_only=True, gc=False):
    """No, and why: a code that is kept as API and a text for people."""

    code: str
    text: str

    def __str__(self) -> str:
        return f"{self.code} {self.text}"


Answer = Granted | Committed | Released | Moved | Done | Refusal


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
