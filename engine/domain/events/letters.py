"""Dead letters: what a channel told and nobody understood."""

from typing import Literal

from engine.domain.events.base import BaseEvent
from engine.domain.units import AccountId, Instant, LetterId, OrderId


class LetterKept(BaseEvent, frozen=True, kw_only=True, tag="letter_kept", gc=False):
    """Here it is, whole. It replaces an earlier one of the same id."""

    account: AccountId
    letter_id: LetterId
    reason: str
    """Why it was not understood."""
    headers: dict[str, str]
    """Of a webhook; an order has none."""
    body: bytes
    """As the channel sent it."""
    order_id: OrderId | None = None
    """Of an order; None: a webhook, of which nobody knows what it was about."""
    modified_at: Instant | None = None
    """When the channel changed the order last, by its own clock, where that much could be read."""


class LetterSettled(BaseEvent, frozen=True, kw_only=True, tag="letter_settled", gc=False):
    """It is kept no longer."""

    account: AccountId
    letter_id: LetterId
    outcome: Literal["understood", "discarded"]
    by: str = ""
    """Who discarded it."""
    note: str = ""


LetterEvent = LetterKept | LetterSettled
