"""Alerts and their delivery: the alerter decides these."""

from engine.domain.alerts import AlertId, AlertItem
from engine.domain.events.base import BaseEvent
from engine.domain.units import Instant


class AlertRaised(BaseEvent, frozen=True, kw_only=True, tag="alert_raised", gc=False):
    """A condition began to hold that people want to hear of."""

    alert_id: AlertId
    alert_kind: str
    subject: str
    severity: str
    text: str
    details: tuple[tuple[str, str], ...] = ()
    suppressed: int = 0
    """Times it came back within the cooldown since it was raised last..."""
    suppressed_since: Instant | None = None
    """...or since this start, where one came in between: what was suppressed before is counted no more."""
    to: tuple[str, ...] = ()
    """Destinations that are owed this transition, as configured that day."""


class AlertAcknowledged(BaseEvent, frozen=True, kw_only=True, tag="alert_acknowledged", gc=False):
    """Somebody looks after it."""

    alert_id: AlertId
    by: str
    to: tuple[str, ...] = ()


class AlertResolved(BaseEvent, frozen=True, kw_only=True, tag="alert_resolved", gc=False):
    """It is over."""

    alert_id: AlertId
    how: str
    """`ended` (the condition did), `by_hand`, `displaced` (too many were open)."""
    by: str = ""
    """Who, where it was by hand."""
    to: tuple[str, ...] = ()


class AlertDispatched(BaseEvent, frozen=True, kw_only=True, tag="alert_dispatched", gc=False):
    """These are one message from now on, and about to be sent: on record first, so that its id never means another."""

    destination: str
    message_id: str
    items: tuple[AlertItem, ...]


class AlertDelivered(BaseEvent, frozen=True, kw_only=True, tag="alert_delivered", gc=False):
    """The destination took the message."""

    destination: str
    message_id: str


class AlertUndeliverable(BaseEvent, frozen=True, kw_only=True, tag="alert_undeliverable", gc=False):
    """These will not be sent, or not again."""

    destination: str
    items: tuple[AlertItem, ...]
    reason: str
    message_id: str = ""
    """Empty: they were in no message yet."""


AlertEvent = AlertRaised | AlertAcknowledged | AlertResolved
"""What changes an alert."""
DeliveryEvent = AlertDispatched | AlertDelivered | AlertUndeliverable
