"""Partners' snapshots as a whole: what of one the books had already, and one that was not believed."""

from engine.domain.events.base import BaseEvent, Line
from engine.domain.units import Instant, Key, LocationId, Total


class StockConfirmed(BaseEvent, frozen=True, kw_only=True, tag="stock_confirmed", gc=False):
    """A partner told what the books had already: many rows of a snapshot that changed nothing, in one event.

    Each stands in its book as a `StockObserved` without a delta: the instant it names orders it against older and newer
    ones, and a repeat is answered as the first time.
    """

    key: Key
    location: LocationId
    source: str
    as_of: Instant
    nets_open_orders: bool
    rows: tuple[Line, ...]
    """SKU and the partner's figure, each SKU once."""
    by: str = ""
    reference: str = ""


class SnapshotFused(BaseEvent, frozen=True, kw_only=True, tag="snapshot_fused", gc=False):
    """A snapshot in which too much falls to zero was refused as a whole."""

    key: Key
    location: LocationId
    source: str
    as_of: Instant
    rows: Total
    falling: Total
    """Rows that would fall from above zero to zero."""
    share_max: float
    """The rule: more than this share of the rows..."""
    rows_min: Total
    """...and at least so many."""
    by: str = ""
    reference: str = ""


SnapshotEvent = StockConfirmed | SnapshotFused
"""What concerns many SKUs: no book is named by it."""
