"""One listing at one channel: where its number stands, and the only ways it may move."""

from datetime import datetime
from enum import StrEnum

from engine.domain.units import ListingId, Sku
from engine.ports import Verdict

NEVER = float("-inf")


class State(StrEnum):
    """Where the number that a listing should show stands."""

    NEW = "new"
    """Mapped; nobody has compared the two sides yet."""
    DIRTY = "dirty"
    """The channel is to be told another number, or the same one again."""
    IN_FLIGHT = "in_flight"
    ACCEPTED = "accepted"
    """The channel said yes; nobody has looked yet, or the last look left a doubt."""
    VERIFIED = "verified"
    DRIFTED = "drifted"
    """The channel keeps showing something else; tried again slowly."""
    LOCKED = "locked"
    REFUSED = "refused"


class Change(StrEnum):
    """What may happen to a listing."""

    CHANGED = "changed"
    """What it should show is not what was sent last."""
    CALMED = "calmed"
    """What it should show is what was sent last, after all."""
    PLANNED = "planned"
    ACCEPTED = "accepted"
    FAILED = "failed"
    LOCKED = "locked"
    REFUSED = "refused"
    VERIFIED = "verified"
    MATCHED = "matched"
    """It was read and shows what it should; nothing had to be sent."""
    DOUBTED = "doubted"
    """It was read and shows less than it should: sold at the channel, or not yet applied."""
    DRIFTED = "drifted"
    GAVE_UP = "gave_up"
    """It drifted as often as we put up with."""


_REST = (State.NEW, State.DIRTY, State.ACCEPTED, State.VERIFIED, State.DRIFTED, State.LOCKED, State.REFUSED)

TRANSITIONS: dict[tuple[State, Change], State] = {
    **{(state, Change.CHANGED): State.DIRTY for state in (State.NEW, State.ACCEPTED, State.VERIFIED, State.DRIFTED)},
    (State.DIRTY, Change.CALMED): State.ACCEPTED,
    # From everywhere but IN_FLIGHT: at most one push of a listing is under way. Replay has no CHANGED to pass through.
    **{(state, Change.PLANNED): State.IN_FLIGHT for state in _REST},
    (State.IN_FLIGHT, Change.ACCEPTED): State.ACCEPTED,
    (State.IN_FLIGHT, Change.FAILED): State.DIRTY,
    (State.IN_FLIGHT, Change.LOCKED): State.LOCKED,
    (State.DIRTY, Change.LOCKED): State.LOCKED,  # known before anything is sent
    (State.IN_FLIGHT, Change.REFUSED): State.REFUSED,
    (State.ACCEPTED, Change.VERIFIED): State.VERIFIED,
    (State.DRIFTED, Change.VERIFIED): State.VERIFIED,
    **{(state, Change.MATCHED): State.VERIFIED for state in _REST},
    (State.VERIFIED, Change.DOUBTED): State.ACCEPTED,
    **{(state, Change.DRIFTED): State.DIRTY for state in (State.ACCEPTED, State.VERIFIED, State.DRIFTED)},
    (State.DIRTY, Change.GAVE_UP): State.DRIFTED,
}
"""Every legal move. Any other changes nothing."""

SETTLED: dict[str, Change] = {
    Verdict.APPLIED: Change.ACCEPTED,
    Verdict.ACCEPTED: Change.ACCEPTED,
    Verdict.LOCKED: Change.LOCKED,
    Verdict.REFUSED: Change.REFUSED,
}
"""What a verdict does to a listing; any other is a failure: the level is sent again under a new version."""

OWING: frozenset[State] = frozenset({State.DIRTY, State.LOCKED, State.REFUSED})
"""After a restart a number that the journal leaves in one of these is sent again."""

MAY_HAVE_LANDED: frozenset[str] = frozenset({Verdict.APPLIED, Verdict.ACCEPTED, Verdict.UNKNOWN})
"""Verdicts after which a number may turn up at the channel."""


class Push:
    """One number that was, or was about to be, sent."""

    __slots__ = (
        "basis", "changed_at", "planned_at", "quantity", "reason", "sent_at", "settled_at", "verdict", "verified_at",
        "version",
    )  # fmt: skip

    def __init__(self, version: int, quantity: int, basis: int, planned_at: datetime) -> None:
        """Begin as planned."""
        self.version = version
        self.quantity = quantity
        self.basis = basis
        """Journal position of the availability behind it."""
        self.planned_at = planned_at
        self.changed_at: datetime | None = None
        """When the oldest change that this push carries was decided; None: unknown, or a correction."""
        self.sent_at: datetime | None = None
        """None: not sent, or sent before a restart (then `planned_at` is a moment earlier)."""
        self.settled_at: datetime | None = None
        self.verdict = ""
        """Empty: under way, or its answer was lost."""
        self.reason = ""
        self.verified_at: datetime | None = None

    @property
    def is_loose(self) -> bool:
        """Whether nobody has seen it land, and it still may."""
        return self.verified_at is None and (self.verdict in MAY_HAVE_LANDED or not self.verdict)

    def may_land_late(self, at: datetime, seconds_max: float) -> bool:
        """Whether it may land after `at`: it is loose, or so young that its number may have been seen by chance.

        A channel that has sold three of five shows two, whether or not it has applied the two that it was told.

        Args:
            at: the instant.
            seconds_max: after so long nothing lands that has been seen.
        """
        is_young = (at - self.planned_at).total_seconds() < seconds_max
        return self.is_loose or (is_young and self.verdict in MAY_HAVE_LANDED)


class Listing:
    """A mapped listing. `Listings` applies events to the upper half, the publisher keeps the lower half."""

    __slots__ = (
        "changed_at", "checks", "dark", "drift_version", "given_back", "given_up", "last", "listing_id", "loose_until",
        "moved_seconds", "not_before", "offer", "owed", "pack_units", "pushed", "read_at", "read_seconds", "reason",
        "remapped", "shown", "sku", "sold", "solo", "source", "state", "strikes", "touched_seconds", "tries",
        "verified_quantity", "version",
    )  # fmt: skip

    def __init__(self, listing_id: ListingId, sku: Sku, pack_units: int, source: str) -> None:
        """Start new."""
        self.listing_id = listing_id
        self.sku = sku
        self.pack_units = pack_units
        self.source = source
        self.state, self.reason = State.NEW, ""
        self.version = 0
        """Of the newest push; rises for ever, across restarts and mappings (lesson E1)."""
        self.pushed: int | None = None
        """The number sent last, or found at the first look; None: neither."""
        self.last: Push | None = None
        self.strikes = 0
        """Drifts in a row."""
        self.drift_version = 0
        """Of the newest push that a drift was found of and that was not seen right since; 0: of none."""
        self.remapped = False
        """It was mapped anew since the newest push."""
        self.owed = False
        """To be written even if the number equals the last one: the channel may show another one."""
        self.dark = False
        """Verified at zero: nobody can buy it there."""
        self.verified_quantity: int | None = None
        """The last number that was seen at the channel after we had sent it."""

        self.offer: int | None = None
        """What it should show; None: nobody has told what there is, which is not zero."""
        self.shown: int | None = None
        """What the last look saw."""
        self.read_at: datetime | None = None
        self.read_seconds = NEVER
        """When that look began; NEVER once something happened that it cannot have seen."""
        self.moved_seconds = NEVER
        """When a write last left or came back: looks that began before prove nothing."""
        self.changed_at: datetime | None = None
        """When the oldest change that was not sent yet was decided."""
        self.touched_seconds: float | None = None
        """When we heard of that."""
        self.not_before = NEVER
        """No push earlier: it failed and waits."""
        self.tries = 0
        """Pushes that failed in a row."""
        self.checks = 0
        """Looks at the newest push that did not find it."""
        self.sold = self.given_back = 0
        """Units the channel itself took out of, or put back into, its count since the newest push was sent."""
        self.loose_until = NEVER
        """Until then an older write may still land: look once more after the newest one was seen."""
        self.given_up = False
        """It drifted as often as we put up with, and was not seen right since."""
        self.solo = False
        """Its last call was refused as a whole: send it alone, so that one bad row cannot hold up others."""

    @property
    def wants_write(self) -> bool:
        """Whether the channel is to be told something."""
        return self.offer is not None and (self.owed or self.offer != self.pushed)

    @property
    def standing(self) -> State:
        """The state as people see it: a listing that keeps drifting is shown as drifted while it is tried again."""
        return State.DRIFTED if self.given_up and self.state is not State.VERIFIED else self.state

    @property
    def recorded(self) -> State:
        """The state as far as the journal tells it: what a restart goes on from."""
        if self.last is None:
            return State.NEW
        if self.last.settled_at is None:
            return State.IN_FLIGHT
        if self.drift_version == self.version:
            return State.DIRTY
        state = TRANSITIONS[State.IN_FLIGHT, SETTLED.get(self.last.verdict, Change.FAILED)]
        return State.VERIFIED if state is State.ACCEPTED and self.last.verified_at is not None else state

    def step(self, change: Change) -> bool:
        """Move as the table says; an illegal change returns False and changes nothing."""
        state = TRANSITIONS.get((self.state, change))
        if state is None:
            return False
        self.state = state
        if change is Change.GAVE_UP:
            self.given_up = True
        elif state is State.VERIFIED:
            self.given_up = False
        return True
