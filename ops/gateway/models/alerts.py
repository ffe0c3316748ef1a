"""Alerts over REST. Answers mirror `docs/socket.md`."""

from typing import Annotated, Literal

import msgspec

from engine.domain.units import Instant
from ops.gateway.base import Out

Which = Literal["open", "all"]


class Alert(Out, frozen=True, kw_only=True):
    """Something that people must hear of, and what they did about it."""

    alert: Annotated[int, msgspec.Meta(ge=1)]
    kind: str
    subject: str
    """What it is about: a SKU, an account, a listing, as the kind has it."""
    severity: str
    """`critical`, `warning` or `notice`."""
    state: str
    """`raised`, `acknowledged` or `resolved`."""
    text: str
    details: dict[str, str]
    raised_at: Instant
    acknowledged_at: Instant | None = None
    acknowledged_by: str | None = None
    resolved_at: Instant | None = None
    resolved_by: str | None = None
    """Null: its condition ended."""
    how: str | None = None
    """`ended`, `by_hand` or `displaced`."""
    suppressed: int
    """Times it came back within the cooldown before it was raised..."""
    suppressed_since: Instant | None = None
    """...counted from here on, where there was a start in between. Null: all of them."""


class Alerts(Out, frozen=True, kw_only=True):
    """Newest first."""

    alerts: tuple[Alert, ...]
