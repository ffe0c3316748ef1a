"""What runs out by the clock alone, and when: open holds and the reserved parts of order lines.

What came with one read of a client runs out at one instant, so entries are kept by instant, and only the instants are
in order. An entry is the event itself: nothing more is kept of it here.
"""

import heapq
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Final

from engine.domain.events import DemandSet, UnitsHeld

Due = UnitsHeld | DemandSet
_EXPIRY: Final = attrgetter("expires_at")


class Dues:
    """A due list. What ended or changed early stays in it until its time has come, or until `keep`."""

    __slots__ = ("_count", "_entries", "_instants")

    def __init__(self) -> None:
        """Start empty."""
        self._instants: list[datetime] = []
        """A heap of the keys of `_entries`."""
        self._entries: dict[datetime, list[Due]] = {}
        """In the order in which they were added."""
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, at: datetime, due: Due) -> None:
        """Note that something runs out at an instant."""
        entries = self._entries.get(at)
        if entries is None:
            self._entries[at] = [due]
            heapq.heappush(self._instants, at)
        else:
            entries.append(due)
        self._count += 1

    def extend(self, dues: Sequence[UnitsHeld]) -> None:
        """Add holds in their order; those that never run out are none of ours."""
        for at, alike in groupby(dues, _EXPIRY):
            if at is not None:
                group: list[Due] = list(alike)
                entries = self._entries.get(at)
                if entries is None:
                    self._entries[at] = group
                    heapq.heappush(self._instants, at)
                else:
                    entries += group
                self._count += len(group)

    @property
    def next_at(self) -> datetime | None:
        """The earliest instant; None: nothing ever runs out."""
        return self._instants[0] if self._instants else None

    def are_due(self, now: datetime) -> bool:
        """Whether anything has run out by `now`."""
        return bool(self._instants) and self._instants[0] <= now

    def take_next(self) -> list[Due]:
        """Take out what runs out at the earliest instant; there is one."""
        entries = self._entries.pop(heapq.heappop(self._instants))
        self._count -= len(entries)
        return entries

    def keep(self, wanted: Callable[[Due], object]) -> None:
        """Drop every entry that is not wanted any more."""
        left = {at: [due for due in entries if wanted(due)] for at, entries in self._entries.items()}
        self._entries = {at: entries for at, entries in left.items() if entries}
        self._instants = sorted(self._entries)
        self._count = sum(map(len, left.values()))

    def clear(self) -> None:
        """Drop every entry."""
        self.keep(lambda _due: False)

    def copy(self) -> list[Due]:
        """Return what is on the list at this moment, in no order."""
        return [due for entries in self._entries.values() for due in entries]
