"""Order lines and where they stand."""

from engine.domain.commands.base import Message
from engine.domain.events import Line
from engine.domain.orders import OrderSnapshot
from engine.domain.units import AccountId, LineId, LocationId, OrderId, Sku


class DemandLevel(Message, frozen=True, kw_only=True, gc=False):
    """Where one order line stands now."""

    line_id: LineId
    sku: Sku
    open_units: int = 0
    shipped: int = 0
    returned: int = 0
    location: LocationId | None = None
    """The only place that may owe its open units; None: any."""
    together: bool = False
    """Whether the levels of this line, each of another SKU, should have what is missing from one location."""


class Reallocate(Message, frozen=True, kw_only=True, gc=False):
    """Owe the open units of an order line from another location."""

    account: AccountId
    order_id: OrderId
    line_id: LineId
    sku: Sku
    location: LocationId
    reason: str = ""
    by: str = ""
    reference: str = ""


class RecordOrder(Message, frozen=True, kw_only=True, gc=False):
    """Bring every SKU of an order to the level its newest snapshot tells."""

    snapshot: OrderSnapshot
    skus_of_lines: tuple[Sku | None, ...]
    packs_of_lines: tuple[int, ...] = ()
    """As in `OrderRecorded`; the levels are in units of the SKU already."""
    components_of_lines: tuple[tuple[Line, ...], ...] = ()
    """As in `OrderRecorded`; the levels are of SKUs with stock already."""
    levels: tuple[DemandLevel, ...]
    """First, at zero, the lines that earlier snapshots or committed holds had and this one has not; then its own."""
    locations: tuple[LocationId, ...]
    causes: tuple[tuple[Sku, str, str], ...] = ()
    """Should a SKU be oversold by this order: SKU, cause, detail, as the pusher of the account sees it."""

    @property
    def skus(self) -> tuple[Sku, ...]:
        """SKUs whose demand this changes, sorted."""
        return tuple(sorted({level.sku for level in self.levels}))
