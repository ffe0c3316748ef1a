"""Oversell incidents, newest last: a projection of the journal."""

from collections import deque
from datetime import datetime

import msgspec

from engine.domain.events import BookEvent, OversellCleared, OversellRecorded
from engine.domain.stock.places import Pool
from engine.domain.units import Sku

INCIDENTS_MAX = 10_000
"""Kept for reading; the journal has them all."""


class Incident(msgspec.Struct, kw_only=True):
    """Units promised beyond what there was, by one cause."""

    recorded: OversellRecorded
    cleared_at: datetime | None = None


class Incidents:
    """The newest incidents, and which SKUs are short now."""

    def __init__(self) -> None:
        """Start without any."""
        self.newest: deque[Incident] = deque(maxlen=INCIDENTS_MAX)
        self.open: dict[tuple[Sku, Pool], list[Incident]] = {}
        """By SKU, and by the location that is short (None: those that stand in for one another)."""
        self.units_total = 0
        """Units oversold ever, whether made good since or not."""

    def apply(self, event: BookEvent) -> None:
        """Note an incident or its end; other events mean nothing here."""
        match event:
            case OversellRecorded(units=units, sku=sku, location=location) if units > 0:
                incident = Incident(recorded=event)
                self.newest.append(incident)
                self.open.setdefault((sku, location), []).append(incident)
                self.units_total += units
            case OversellCleared(sku=sku, at=at, location=location):
                for incident in self.open.pop((sku, location), ()):
                    incident.cleared_at = at
            case _:
                pass
