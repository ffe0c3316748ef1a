"""What comes out about channels and the daemon."""

from typing import Any

from engine.domain.units import Instant
from ops.gateway.base import Out


class Channel(Out, frozen=True, kw_only=True):
    """One account and how far it is in step."""

    account: str
    channel: str
    mode: str
    state: str
    """`live`, `shadow`, `off`, `paused`, `catching_up` or `unreachable`."""
    reason: str | None = None
    listings: int
    dirty: int
    in_flight: int
    accepted: int
    drifted: int
    refused: int
    unmatched: int
    orders_through: Instant | None = None
    lag_seconds: float | None = None
    problems: tuple[str, ...] = ()
    """Rows of its catalogue that could not be read; notes of the newest orders that have any."""


class Channels(Out, frozen=True, kw_only=True):
    """Every configured account."""

    channels: tuple[Channel, ...]


class ChannelDone(Out, frozen=True, kw_only=True):
    """The command was taken."""

    account: str
    action: str


class Ready(Out, frozen=True, kw_only=True):
    """The daemon is in business."""

    ready: bool
    journal: Any = None
    accounts: tuple[dict[str, Any], ...] = ()


class Alive(Out, frozen=True, kw_only=True):
    """This process is up; nothing is said of the daemon."""

    alive: bool = True
