"""What goes in and out over REST about whether every figure adds up. Answers mirror `docs/socket.md`."""

from engine.domain.units import Instant
from ops.gateway.base import Identifier, In, Out


class ScanRequest(In, frozen=True, kw_only=True):
    """What to check."""

    sku: Identifier | None = None
    """Null: all of them."""
    deep: bool = False
    """Add up the whole journal, too, and compare every figure with that."""


class ScannedViolation(Out, frozen=True, kw_only=True):
    """A law of the ledger that does not hold."""

    law: str
    sku: str
    location: str | None = None
    """Null: it is about the SKU as a whole."""
    expected: int
    found: int
    detail: str | None = None


class OriginEvent(Out, frozen=True, kw_only=True):
    """One of the last facts of a SKU."""

    position: int
    """Its frame."""
    at: Instant
    kind: str
    text: str
    """For people."""


class OriginFact(OriginEvent, frozen=True, kw_only=True):
    """The fact after which the journal does not add up any more."""

    law: str | None = None


class Origin(Out, frozen=True, kw_only=True):
    """What the events of a SKU that violates a law say."""

    sku: str
    blame: str
    """`journal`: it does not add up; `memory`: it does, a restart reads it anew."""
    first: OriginFact | None = None
    events: tuple[OriginEvent, ...] = ()


class ScanReport(Out, frozen=True, kw_only=True):
    """What a scan found. It repairs nothing."""

    sku: str | None = None
    deep: bool
    books: int
    records: int
    """Holds and order lines."""
    position: int
    """Of the journal, when it ended."""
    seconds: float
    found: int
    """Violations; the first 100 are listed."""
    violations: tuple[ScannedViolation, ...]
    origins: tuple[Origin, ...] = ()
    """Of the first eight SKUs."""


class LastScan(ScanReport, frozen=True, kw_only=True):
    """The last scan that was asked for and is done."""

    ended_at: Instant


class AskedScan(Out, frozen=True, kw_only=True):
    """A scan that is under way."""

    sku: str | None = None
    deep: bool
    began_at: Instant


class ScanUnderWay(Out, frozen=True, kw_only=True):
    """It takes longer than a request may: look at GET /v1/scan for what it found."""

    sku: str | None = None
    deep: bool


class Violation(ScannedViolation, frozen=True, kw_only=True):
    """A law of the ledger that did not hold when it was last checked."""

    since: Instant
    positions: tuple[int, ...] = ()
    """Frames of the journal with the last events of the SKU, the newest last."""
    origin: int | None = None
    """The frame from which on the journal itself does not add up; null: it does, or nobody looked."""


class Scan(Out, frozen=True, kw_only=True):
    """What was found and has not been found gone, how far the background is, and what was asked for."""

    found: int
    unlisted: int
    """Found beyond those that are kept on record."""
    passed_at: Instant | None = None
    """When all books had last been checked; null: not yet since the start."""
    books: int
    """Checked since the start, on demand too."""
    pass_books: int
    """Checked in the pass under way..."""
    pass_of: int
    """...of as many as there are."""
    asked: AskedScan | None = None
    last: LastScan | None = None
    """Null: nobody asked since the start."""
    violations: tuple[Violation, ...]
