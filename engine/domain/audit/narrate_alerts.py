"""Alerts and their delivery as sentences."""

from typing import assert_never

from engine.domain.events import (
    AlertAcknowledged,
    AlertDelivered,
    AlertDispatched,
    AlertEvent,
    AlertRaised,
    AlertResolved,
    AlertUndeliverable,
    DeliveryEvent,
)


def narrate_alert(event: AlertEvent | DeliveryEvent) -> str:
    """Say what became of an alert or of a message about some."""
    match event:
        case AlertRaised(alert_kind=kind, subject=subject, text=text):
            return f"alert {kind.replace('_', ' ')} about {subject}: {text}"
        case AlertAcknowledged(alert_id=alert, by=by):
            return f"alert {alert} is looked after" + (f" by {by}" if by else "")
        case AlertResolved(alert_id=alert, how=how, by=by):
            return f"alert {alert} is over ({how.replace('_', ' ')}" + (f", {by})" if by else ")")
        case AlertDispatched(destination=destination, message_id=message, items=items):
            return f"message {message} about {_alerts(len(items))} goes to {destination}"
        case AlertDelivered(destination=destination, message_id=message):
            return f"{destination} took message {message}"
        case AlertUndeliverable(destination=destination, items=items, reason=reason):
            return f"{destination} will not hear of {_alerts(len(items))}: {reason}"
        case _:
            assert_never(event)


def _alerts(count: int) -> str:
    return f"{count} alert{'' if count == 1 else 's'}"
