"""What one channel account has told, as the journal has it: webhooks, letters, and how far its orders are known."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from engine.domain.events import (
    IntakeEvent,
    LetterEvent,
    LetterKept,
    LetterSettled,
    OrdersCaughtUp,
    WebhookHandled,
    WebhookStored,
)
from engine.domain.stated.accounts import DeliveriesStated
from engine.domain.stated.parts import in_parts
from engine.domain.units import AccountId
from engine.machines.letters import Letters

_SEEN_TOGETHER: Final = 1000
"""Keys in one statement: some 50 kB."""


class Arrivals:
    """A projection of the journal. `apply` is the only way in; live, a webhook is taken in before it is durable."""

    def __init__(self, account: AccountId, *, remembered_seconds: float, remembered_max: int, letters_max: int) -> None:
        """Start with nothing told; a repeat is known by its key so long, and so many are."""
        self.letters = Letters(account, kept_max=letters_max)
        self.unhandled: dict[str, WebhookStored] = {}
        """By delivery key: stored, and not all that it tells has been decided."""
        self.seen: dict[str, datetime] = {}
        """When each delivery was stored, by its key, oldest first (lesson D11: long retention)."""
        self._remembered = timedelta(seconds=remembered_seconds)
        self._remembered_max = remembered_max
        self._caught_up: OrdersCaughtUp | None = None

    @property
    def through_at(self) -> datetime | None:
        """Every order that the channel modified up to then (its time) has been decided; None: nobody knows."""
        return None if self._caught_up is None else self._caught_up.through_at

    def knows(self, key: str, at: datetime) -> bool:
        """Whether a delivery of this key is a repeat: one was stored, and not too long ago."""
        stored_at = self.seen.get(key)
        return stored_at is not None and stored_at >= at - self._remembered

    def apply(self, event: IntakeEvent | LetterEvent) -> None:
        """Take in one event."""
        match event:
            case LetterKept() | LetterSettled():
                self.letters.apply(event)
            case WebhookStored(delivery_key=key, at=at):
                self.unhandled[key] = event
                self._remember(key, at)
            case WebhookHandled(delivery_key=key):
                self.unhandled.pop(key, None)
            case OrdersCaughtUp():
                self._caught_up = event

    def _remember(self, key: str, at: datetime) -> None:
        self.seen.pop(key, None)
        self.seen[key] = at
        horizon = at - self._remembered
        while self.seen:
            oldest = next(iter(self.seen))
            if self.seen[oldest] >= horizon and len(self.seen) <= self._remembered_max:
                break
            del self.seen[oldest]

    # -- snapshots

    def state(self, as_of: datetime) -> Iterator[OrdersCaughtUp | DeliveriesStated | WebhookStored | LetterKept]:
        """Say how far orders are known, what a repeat is known by, what is not handled, and the open letters."""
        if self._caught_up is not None:
            yield self._caught_up
        horizon = as_of - self._remembered
        kept = ((key, at) for key, at in self.seen.items() if at >= horizon)
        yield from (DeliveriesStated(seen=some) for some in in_parts(kept, _SEEN_TOGETHER))
        yield from sorted(self.unhandled.values(), key=lambda stored: (stored.at, stored.delivery_key))
        yield from sorted(self.letters.open.values(), key=lambda letter: (letter.at, letter.letter_id))

    def restore(self, statement: OrdersCaughtUp | DeliveriesStated | WebhookStored | LetterKept) -> None:
        """Take in one of what `state` says."""
        match statement:
            case DeliveriesStated(seen=seen):
                self.seen.update(seen)
            case WebhookStored(delivery_key=key):
                self.unhandled[key] = statement
            case _:
                self.apply(statement)
