"""What goes out over REST about the past of a SKU, and about what does not add up."""

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


class Violation(Out, frozen=True, kw_only=True):
    """A law of the ledger that did not hold when it was last checked."""

    law: str
    sku: str
    location: str | None = None
    """Null: it is about the SKU as a whole."""
    expected: int
    found: int
    detail: str | None = None
    since: Instant
    positions: tuple[int, ...] = ()
    """Frames of the journal with the last events of the SKU, the newest last."""
    origin: int | None = None
    """The frame from which on the journal itself does not add up; null: it does, or nobody looked."""


class Violations(Out, frozen=True, kw_only=True):
    """What the scanner found and has not found gone, newest first."""

    found: int
    unlisted: int
    """Found beyond those that are kept on record."""
    passed_at: Instant | None = None
    """When all books had last been checked; null: not yet since the start."""
    books: int
    """Checked since the start."""
    violations: tuple[Violation, ...]
