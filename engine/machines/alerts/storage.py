"""Whether the disk of the journal will last: looked at now and then, before it is full."""

from collections import deque
from datetime import datetime
from typing import Final, NamedTuple

import msgspec

from engine.domain.alerts import AlertKey, AlertKind, Finding
from engine.machines.alerts.findings import Findings

_SAMPLES: Final = 60
_SAMPLE_SECONDS: Final = 60.0
"""An hour of samples tells the pace; a burst of a minute does not."""
_SAMPLED_SECONDS_MIN: Final = 600.0
"""Before that nothing is said of the pace."""


class StorageTerms(msgspec.Struct, frozen=True, kw_only=True):
    """When room is short; the configuration has options of the same names."""

    disk_free_bytes: int = 1 << 30
    """Fewer are left..."""
    disk_hours: float = 24.0
    """...or those that are left are used up within so many hours, at the pace of the last one."""


class Room(NamedTuple):
    """What one look at the disk found."""

    place: str
    free_bytes: int
    """That the daemon may still write."""


class Storage:
    """What the looks found. Bounded: one sample a minute, for an hour."""

    def __init__(self, findings: Findings, terms: StorageTerms) -> None:
        """Start without a look."""
        self._findings = findings
        self._terms = terms
        self._samples: deque[tuple[datetime, int]] = deque(maxlen=_SAMPLES)

    def look(self, room: Room, now: datetime) -> None:
        """Compare what is left with what is asked for."""
        if not self._samples or (now - self._samples[-1][0]).total_seconds() >= _SAMPLE_SECONDS:
            self._samples.append((now, room.free_bytes))
        key: AlertKey = (AlertKind.DISK, room.place)
        hours = self.hours_left(room, now)
        if room.free_bytes >= self._terms.disk_free_bytes and (hours is None or hours >= self._terms.disk_hours):
            self._findings.end(key)
            return
        left = f"{room.free_bytes / 1e9:.1f} GB free"
        pace = "" if hours is None else f", full in {hours:.0f} h at the pace of the last hour"
        text = f"{room.place}: {left}{pace}; when it is full the daemon stalls: nothing is promised or pushed"
        details = (("place", room.place), ("free_bytes", str(room.free_bytes)))
        self._findings.begin(Finding(kind=key[0], subject=key[1], text=text, details=details))

    def hours_left(self, room: Room, now: datetime) -> float | None:
        """Return how long the rest lasts; None: not known yet, or nothing is being used up."""
        if not self._samples:
            return None
        since, before = self._samples[0]
        seconds, used = (now - since).total_seconds(), before - room.free_bytes
        if seconds < _SAMPLED_SECONDS_MIN or used <= 0:
            return None
        return room.free_bytes / used * seconds / 3600
