"""What the socket says about alerts."""

from engine.machines.alerts.alerts import Alert
from ops.socket.views.stock import View


def alert_view(alert: Alert) -> View:
    """One alert, with all that happened to it."""
    raised, acknowledged, resolved = alert.raised, alert.acknowledged, alert.resolved
    state = "resolved" if resolved is not None else "acknowledged" if acknowledged is not None else "raised"
    return {
        "alert": raised.alert_id,
        "kind": raised.alert_kind,
        "subject": raised.subject,
        "severity": raised.severity,
        "state": state,
        "text": raised.text,
        "details": dict(raised.details),
        "raised_at": raised.at,
        "acknowledged_at": acknowledged.at if acknowledged is not None else None,
        "acknowledged_by": acknowledged.by if acknowledged is not None else None,
        "resolved_at": resolved.at if resolved is not None else None,
        "resolved_by": (resolved.by or None) if resolved is not None else None,
        "how": resolved.how if resolved is not None else None,
        "suppressed": raised.suppressed,
        "suppressed_since": raised.suppressed_since,
    }
