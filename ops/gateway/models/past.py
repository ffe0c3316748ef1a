"""What goes out over REST about the past of a SKU."""

from engine.domain.units import Instant
from ops.gateway.base import Out


class HistoryLine(Out, frozen=True, kw_only=True):
    """One fact in the ledger of a SKU, and the figures over all locations after it."""

    place: str
    """Where it stands: `before` takes it."""
    at: Instant
    kind: str
    """The kind of the event: `units_held`, `stock_received`, `push_planned`, ..."""
    text: str
    """For people."""
    account: str | None = None
    order: str | None = None
    hold: str | None = None
    listing: str | None = None
    key: str | None = None
    """Its caller's key, or the number of its document."""
    reason: str | None = None
    by: str | None = None
    reference: str | None = None
    delta: int
    """What on hand changed by."""
    on_hand: int
    committed: int
    reserved: int
    atp: int


class History(Out, frozen=True, kw_only=True):
    """A page of the ledger of a SKU, the newest line last."""

    sku: str
    lines: tuple[HistoryLine, ...]
    older: str | None = None
    """Ask again with `before` set to this for the page before; null: there is none."""
