"""What goes in and out of the publisher: its time, its settings, the calls it asks for, what it tells of itself."""

from collections.abc import Callable
from datetime import datetime
from typing import Literal, NamedTuple, Protocol

import msgspec

from engine.domain.events import Event, PushPlanned
from engine.domain.offers.campaigns import Locked
from engine.domain.units import AccountId, ListingId, Sku
from engine.machines.agenda import Rank

Mode = Literal["live", "shadow", "off"]


class Now(NamedTuple):
    """One moment on two clocks: intervals are measured on the first, events are stamped with the second."""

    seconds: float
    """Monotonic."""
    at: datetime
    """Aware UTC."""


class PushTerms(msgspec.Struct, frozen=True, kw_only=True):
    """How offers reach a channel; the configuration has options of the same names."""

    settle_seconds: float = 0.2
    """Wait this long after a change for more of the same listing..."""
    staleness_seconds_max: float = 2.0
    """...but no change waits longer than this for company."""
    verify_after_seconds: float = 1.0
    verify_tries_max: int = 5
    retry_seconds: float = 1.0
    retry_seconds_max: float = 120.0
    breaker_failures: int = 5
    breaker_seconds: float = 30.0
    call_seconds_max: float = 30.0
    resync_seconds: float = 3600.0


class Write(msgspec.Struct, frozen=True, kw_only=True):
    """Record these, ask `depart` what of them is still wanted, write it, tell `written`."""

    planned: tuple[PushPlanned, ...]


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """Read these listings, tell `stock_read`."""

    listing_ids: tuple[ListingId, ...]
    started: Now


class ReadCatalogue(msgspec.Struct, frozen=True, kw_only=True):
    """Read one page of the catalogue, tell `catalogue_read`."""

    cursor: str | None
    started: Now


class Journal(msgspec.Struct, frozen=True, kw_only=True):
    """Record what has happened."""

    events: tuple[Event, ...]


class PollOrders(msgspec.Struct, frozen=True, kw_only=True):
    """Look at the account's orders soon."""

    reason: str


Call = Write | Read | ReadCatalogue
Effect = Call | Journal | PollOrders


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A listing that waits to be written, as a priority function sees it."""

    believed: int | None
    """What the channel shows as far as we know; None: no idea."""
    offer: int
    waiting_since: float
    """Monotonic."""


Priority = Callable[[Candidate], Rank]
"""Lower is more urgent; asked when a listing starts to wait and whenever its offer changes."""

RISE_FROM_ZERO_GRACE_SECONDS = 5.0
RISE_GRACE_SECONDS = 30.0
"""How much longer a rising number may wait than a falling one. Ranks are ages plus grace, so nobody waits for ever."""


def rank_by_risk(candidate: Candidate) -> Rank:
    """Put falls to zero before everything (lesson D1), then falling numbers, then rises from zero, each by age."""
    falling = candidate.believed is None or candidate.offer <= candidate.believed
    if falling and candidate.offer == 0:
        return (0.0, candidate.waiting_since)
    if falling:
        return (1.0, candidate.waiting_since)
    grace = RISE_FROM_ZERO_GRACE_SECONDS if candidate.believed == 0 else RISE_GRACE_SECONDS
    return (1.0, candidate.waiting_since + grace)


class Around(Protocol):
    """What one account's pushing has to do with the other accounts and with campaigns. Must not block."""

    def darkened(self, sku: Sku, *, selling: bool, dark: bool) -> None:
        """Hear whether any listing sells a SKU, and whether all of those are verified at zero."""
        ...

    def lock(self, sku: Sku, listing_id: ListingId, at: datetime) -> Locked | None:
        """Return what the channel would refuse for a listing just now; None: nothing that we know of."""
        ...

    def seen(self, sku: Sku, listing_id: ListingId, shown: int | None, read_at: datetime) -> None:
        """Hear what a look saw that began at `read_at`."""
        ...


class Alone:
    """No other account, no campaign."""

    def darkened(self, sku: Sku, *, selling: bool, dark: bool) -> None:
        """Ignore."""

    def lock(self, sku: Sku, listing_id: ListingId, at: datetime) -> Locked | None:  # noqa: ARG002
        """Know of none."""
        return None

    def seen(self, sku: Sku, listing_id: ListingId, shown: int | None, read_at: datetime) -> None:
        """Ignore."""


class PusherListener(Protocol):
    """Told of what is worth measuring. Must not block."""

    def push_settled(self, account: AccountId, verdict: str) -> None:
        """Count a push by what became of it."""
        ...

    def push_accepted(self, account: AccountId, lag_seconds: float) -> None:
        """Note the time from the decision of a change to the channel's yes."""
        ...

    def push_verified(self, account: AccountId, lag_seconds: float) -> None:
        """Note the time from the decision of a change to seeing it at the channel."""
        ...

    def drift_found(self, account: AccountId) -> None:
        """Count a listing that shows something else."""
        ...

    def call_ended(self, account: AccountId, operation: str, seconds: float, outcome: str) -> None:
        """Note a call that was paid from the budget: `ok` or the error's name."""
        ...


class SilentListener:
    """Measures nothing."""

    def push_settled(self, account: AccountId, verdict: str) -> None:
        """Ignore."""

    def push_accepted(self, account: AccountId, lag_seconds: float) -> None:
        """Ignore."""

    def push_verified(self, account: AccountId, lag_seconds: float) -> None:
        """Ignore."""

    def drift_found(self, account: AccountId) -> None:
        """Ignore."""

    def call_ended(self, account: AccountId, operation: str, seconds: float, outcome: str) -> None:
        """Ignore."""
