"""Oversell incidents, newest last: a projection of the journal."""

from collections import deque
from collections.abc import Iterator
from datetime import datetime

import msgspec

from engine.domain.events import BookEvent, OversellCleared, OversellRecorded
from engine.domain.stated.incidents import IncidentsStated, IncidentStated
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

    # -- as statements (`engine.domain.stated.Stateful`)

    def state(self, as_of: datetime) -> Iterator[IncidentStated | IncidentsStated]:  # noqa: ARG002 - none goes by time
        """State open ones that are too old to be shown, then those that are shown; the oldest first."""
        listed = {id(incident) for incident in self.newest}
        for incidents in self.open.values():
            for incident in incidents:
                if id(incident) not in listed:
                    yield IncidentStated(recorded=incident.recorded, is_listed=False)
        for incident in self.newest:
            yield IncidentStated(recorded=incident.recorded, cleared_at=incident.cleared_at)
        yield IncidentsStated(units_total=self.units_total)

    def restore(self, statement: IncidentStated | IncidentsStated) -> None:
        """Take in an incident, or what all come to."""
        if isinstance(statement, IncidentsStated):
            self.units_total = statement.units_total
            return
        recorded = statement.recorded
        incident = Incident(recorded=recorded, cleared_at=statement.cleared_at)
        if statement.is_listed:
            self.newest.append(incident)
        if incident.cleared_at is None:
            self.open.setdefault((recorded.sku, recorded.location), []).append(incident)
