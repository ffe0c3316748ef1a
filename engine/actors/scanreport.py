"""What the scanner is told, and what it tells of a scan that was asked for."""

from datetime import datetime
from typing import NamedTuple

import msgspec

from engine.domain.audit.laws import Violation
from engine.domain.audit.origin import Origin
from engine.domain.units import Sku


class ScanTerms(msgspec.Struct, frozen=True, kw_only=True):
    """How hard the background works."""

    pass_seconds: float
    """All books are checked once in this time."""
    share_max: float
    """Most of one processor it may take; a catalogue that needs more takes longer."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a scan on demand found."""

    sku: Sku | None
    """None: all of them."""
    deep: bool
    books: int
    records: int
    """Holds and order lines."""
    position: int
    """Of the journal, when it ended."""
    seconds: float
    violations: tuple[Violation, ...]
    origins: dict[Sku, Origin]
    """Of the first SKUs that violate a law: what their events say."""


class Asked(NamedTuple):
    """A scan on demand that is under way."""

    sku: Sku | None
    deep: bool
    began_at: datetime


class ScanBusy(Exception):
    """A scan on demand is under way."""
