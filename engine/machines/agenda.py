"""What comes next, without looking at everything: keys by rank, and keys by rank that are fetched in batches."""

from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar

from engine.domain.units import ListingId

K = TypeVar("K")

Rank = tuple[float, ...]
"""Lowest first. A deadline is a rank of one number."""


class Agenda(Generic[K]):
    """At most one entry per key, the lowest rank first, equal ranks in order of entry. O(log n) per call."""

    def __init__(self) -> None:
        """Start empty."""
        self._heap: list[tuple[Rank, int, K]] = []
        self._live: dict[K, tuple[Rank, int]] = {}
        self._entries = 0

    def __len__(self) -> int:
        return len(self._live)

    def __contains__(self, key: K) -> bool:
        return key in self._live

    def put(self, key: K, rank: Rank) -> None:
        """Enter a key, or move it."""
        known = self._live.get(key)
        if known is not None and known[0] == rank:
            return
        self._entries += 1
        self._live[key] = (rank, self._entries)
        heappush(self._heap, (rank, self._entries, key))
        if len(self._heap) > 2 * len(self._live) + 64:  # moved and discarded keys leave entries behind
            self._heap = [(rank, entry, key) for key, (rank, entry) in self._live.items()]
            heapify(self._heap)

    def rank(self, key: K) -> Rank | None:
        """Return the rank of a key, None when it has no entry."""
        known = self._live.get(key)
        return None if known is None else known[0]

    def discard(self, key: K) -> None:
        """Forget a key, if it is there."""
        self._live.pop(key, None)

    def first(self) -> tuple[Rank, K] | None:
        """Return what `pop` would take."""
        while self._heap:
            rank, entry, key = self._heap[0]
            if self._live.get(key) == (rank, entry):
                return rank, key
            heappop(self._heap)
        return None

    def pop(self, until: Rank = (float("inf"),)) -> K | None:
        """Take the first key whose rank is at most `until`."""
        first = self.first()
        if first is None or first[0] > until:
            return None
        del self._live[first[1]]
        return first[1]


class BatchQueue:
    """Listings that wait for a call, fetched together with others that may share it."""

    def __init__(self) -> None:
        """Start empty."""
        self._all: Agenda[ListingId] = Agenda()
        self._batches: dict[str, Agenda[ListingId]] = {}
        self._batch_of: dict[ListingId, str] = {}

    def __len__(self) -> int:
        return len(self._all)

    def __contains__(self, listing_id: ListingId) -> bool:
        return listing_id in self._all

    def put(self, listing_id: ListingId, batch: str, rank: Rank) -> None:
        """Enter a listing, or move it; `batch` names the call it may share."""
        if self._batch_of.get(listing_id, batch) != batch:
            self.discard(listing_id)
        self._batch_of[listing_id] = batch
        self._all.put(listing_id, rank)
        self._batches.setdefault(batch, Agenda()).put(listing_id, rank)

    def rank(self, listing_id: ListingId) -> Rank | None:
        """Return the rank of a listing, None when it does not wait."""
        return self._all.rank(listing_id)

    def discard(self, listing_id: ListingId) -> None:
        """Forget a listing, if it is there."""
        batch = self._batch_of.pop(listing_id, None)
        if batch is None:
            return
        self._all.discard(listing_id)
        self._batches[batch].discard(listing_id)
        if not self._batches[batch]:
            del self._batches[batch]

    def first(self) -> Rank | None:
        """Return the rank of the first listing."""
        first = self._all.first()
        return None if first is None else first[0]

    def take(self, rows_max: int, until: Rank = (float("inf"),)) -> list[ListingId]:
        """Take the first listing and the next ones of its batch, all of a rank of at most `until`."""
        first = self._all.first()
        if first is None or first[0] > until:
            return []
        batch = self._batch_of[first[1]]
        agenda = self._batches[batch]
        taken: list[ListingId] = []
        while len(taken) < rows_max and (listing_id := agenda.pop(until)) is not None:
            taken.append(listing_id)
            self._all.discard(listing_id)
            del self._batch_of[listing_id]
        if not agenda:
            del self._batches[batch]
        return taken
