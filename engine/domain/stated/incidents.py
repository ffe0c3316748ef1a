"""Oversell incidents of late."""

from engine.domain.events import OversellRecorded
from engine.domain.stated.base import BaseStatement
from engine.domain.units import Instant


class IncidentStated(BaseStatement, frozen=True, kw_only=True, tag="incident_stated", gc=False):
    """An incident; the oldest stands first."""

    recorded: OversellRecorded
    cleared_at: Instant | None = None
    is_listed: bool = True
    """False: too many came after it for it to be shown, but it is open still."""


class IncidentsStated(BaseStatement, frozen=True, kw_only=True, tag="incidents_stated", gc=False):
    """What all incidents come to."""

    units_total: int = 0
