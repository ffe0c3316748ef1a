"""What a book keeps beside holds and demand: papers under way, physical returns, counts, and how figures came to be."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from engine.domain.events import OversellRecorded, PurchaseOrdered, PurchaseOrderEnded, StockCounted, TransferSent
from engine.domain.stock.places import Pool
from engine.domain.units import EPOCH, AccountId, DocumentId, Key, LineId, LocationId, OrderId

DemandKey = tuple[AccountId, OrderId, LineId]

HISTORY_SECONDS: Final = 7 * 86_400.0
"""How far back a count may name its instant, unless told: a stock-take is entered within the week."""
HISTORY_MAX: Final = 16_384
"""Changes of one figure of one SKU that are kept, about 2 MB; a SKU that moves more often reaches less far back.

At every half of so many changes all but the last half go: by their number alone, so that live and replay forget alike.
"""
_PRUNED_EVERY: Final = 64
"""Changes between two looks at the oldest one."""

Change = tuple[datetime, LocationId, int, datetime]
"""When it was decided, where, by how much, and since when it holds: a count corrects from when it was taken."""


class History:
    """Changes of one figure of a SKU, by location, so that its value at a past instant can be told.

    Every note is O(1). A look back costs the changes since that instant.
    """

    __slots__ = ("_changes", "noted", "since")

    def __init__(self, since: datetime = EPOCH, changes: Iterable[Change] = (), *, noted: int = 0) -> None:
        """Start with these changes: there were none before them back to `since`; earlier ones are not known."""
        self._changes = list(changes)
        self.since = since
        """The value at this instant and at any later one can be told."""
        self.noted = noted
        """Changes ever, those that are forgotten included."""

    def __len__(self) -> int:
        return len(self._changes)

    def __iter__(self) -> Iterator[Change]:
        return iter(self._changes)

    def note(self, at: datetime, location: LocationId, delta: int, keep: timedelta, holds_since: datetime) -> None:
        """Note a change decided at `at`, no earlier than those before; forget some that are older than `keep`."""
        changes = self._changes
        changes.append((at, location, delta, holds_since))
        self.noted += 1
        if self.noted % _PRUNED_EVERY == 0:
            self.prune(at - keep)
            if self.noted % (HISTORY_MAX // 2) == 0 and len(changes) > HISTORY_MAX // 2:
                self._drop(len(changes) - HISTORY_MAX // 2)

    def after(self, instant: datetime, location: LocationId) -> int:
        """Sum what the figure has changed by at a location since the instant, which is not before `since`."""
        total = 0
        for decided_at, place, delta, holds_since in reversed(self._changes):
            if decided_at <= instant:
                break  # and so were all before it
            if place == location and holds_since > instant:
                total += delta
        return total

    def prune(self, horizon: datetime) -> None:
        """Forget what was decided up to `horizon`."""
        old = self._count_until(horizon)
        if old:
            self._drop(old)

    def after_pruning(self, horizon: datetime) -> tuple[datetime, Sequence[Change]]:
        """Return what `since` and the changes would be after forgetting what was decided up to `horizon`."""
        return self.reach(horizon), self._changes[self._count_until(horizon) :]

    def reach(self, horizon: datetime) -> datetime:
        """Return what `since` would be after forgetting what was decided up to `horizon`: whoever forgot when."""
        old = self._count_until(horizon)
        return max(self.since, self._changes[old - 1][0]) if old else self.since

    def _count_until(self, horizon: datetime) -> int:
        changes = self._changes
        old = 0
        while old < len(changes) and changes[old][0] <= horizon:
            old += 1
        return old

    def _drop(self, count: int) -> None:
        self.since = max(self.since, self._changes[count - 1][0])
        del self._changes[:count]


class PurchaseLine(msgspec.Struct):
    """One SKU of a purchase order."""

    ordered: PurchaseOrdered
    """As it stands: the newest."""
    received: int = 0
    ended: PurchaseOrderEnded | None = None
    made_at: datetime = EPOCH
    touched_at: datetime = EPOCH
    """When it last changed."""

    @property
    def expected(self) -> int:
        """Units still to come: none when it was ended, or when all have come."""
        return 0 if self.ended is not None else max(0, self.ordered.quantity - self.received)


class TransferLine(msgspec.Struct):
    """One SKU of a transfer."""

    sent: TransferSent
    arrived: int = 0
    lost: int = 0
    touched_at: datetime = EPOCH

    @property
    def under_way(self) -> int:
        """Units that have neither arrived nor been given up."""
        return self.sent.quantity - self.arrived - self.lost


class Records:
    """What most SKUs have none of most of the time; so those share one that is empty (`NO_RECORDS`)."""

    __slots__ = (
        "bound",
        "inherited",
        "oversells",
        "purchases",
        "recounts",
        "returned_at",
        "returns",
        "settled",
        "transfers",
    )

    def __init__(self) -> None:
        """Start empty."""
        self.purchases: dict[DocumentId, PurchaseLine] = {}
        self.transfers: dict[DocumentId, TransferLine] = {}
        self.returns: dict[DemandKey, int] = {}
        """Units of an order line that came back physically..."""
        self.returned_at: dict[DemandKey, datetime] = {}
        """...and when the last of them did, or the line ended."""
        self.recounts: dict[LocationId, StockCounted] = {}
        """The newest count of a location that waits for another one to confirm it."""
        self.settled: dict[LocationId, datetime] = {}
        """The newest instant at which somebody looked and the books followed: what was seen before is stale."""
        self.bound: dict[LocationId, int] = {}
        """Open units of order lines that only this location may owe; no zeros."""
        self.inherited: dict[Key, datetime] = {}
        """Keys that came with a SKU which was merged into this one, and when: they are remembered from then on."""
        self.oversells: dict[Pool, OversellRecorded] = {}
        """The newest incident of every pool of locations of which more is promised than there is."""

    def facts(self) -> tuple[object, ...]:
        """Return everything, to be compared."""
        return tuple(getattr(self, name) for name in Records.__slots__)


NO_RECORDS: Final = Records()
"""Shared by all books that have none: read, never changed."""
