"""What a repeat is recognised by, until it is forgotten: by age, or for want of room, the oldest first.

All that one step of a shard decides happens at one instant. What came at one instant is in the order of its names, not
of its coming, where there is room for a part of it only: a ledger that was restored knows names, and no more.
"""

from collections import deque
from collections.abc import Iterator
from datetime import datetime, timedelta
from operator import itemgetter

from engine.domain.units import HoldId, Key, Sku

Entry = tuple[HoldId | Key, Sku, bool]
"""A hold id that ended or was refused, or the key of a movement; the SKU whose book has it; whether it is a hold id."""


class Answered:
    """Entries by the instant since which each is remembered."""

    def __init__(self, seconds: float, entries_max: int) -> None:
        """Remember so many at most, each for so long."""
        self._for = timedelta(seconds=seconds)
        self._entries_max = entries_max
        self._count = 0
        self._groups: deque[tuple[datetime, list[Entry]]] = deque()
        """By instant, the oldest first."""

    def __len__(self) -> int:
        return self._count

    def horizon(self, now: datetime) -> datetime:
        """Return the instant before which everything is forgotten."""
        return now - self._for

    def add(self, at: datetime, entry: Entry) -> None:
        """Remember something from now on; instants do not go back."""
        if self._groups and self._groups[-1][0] == at:
            self._groups[-1][1].append(entry)
        else:
            self._groups.append((at, [entry]))
        self._count += 1

    def restored(self) -> None:
        """Bring what was added in any order of instants into theirs."""
        found: dict[datetime, list[Entry]] = {}
        for at, entries in self._groups:
            found.setdefault(at, []).extend(entries)
        self._groups = deque(sorted(found.items(), key=itemgetter(0)))

    def forgettable(self, now: datetime) -> Iterator[tuple[datetime, list[Entry]]]:
        """Return what `forget` would return now."""
        horizon, surplus = self.horizon(now), self._count - self._entries_max
        for at, entries in self._groups:
            if at >= horizon and surplus <= 0:
                break
            yield at, entries if at < horizon or surplus >= len(entries) else sorted(entries)[:surplus]
            surplus -= len(entries)

    def forget(self, now: datetime) -> list[tuple[datetime, list[Entry]]]:
        """Drop what is too old, or too much, and return it by instant."""
        gone = list(self.forgettable(now))
        for at, entries in gone:
            self._count -= len(entries)
            _, kept = self._groups.popleft()
            if len(kept) > len(entries):
                self._groups.appendleft((at, sorted(kept)[len(entries) :]))
        return gone
