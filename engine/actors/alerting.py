"""What goes in and out of the alerter besides alerts: its settings, what it tells telemetry, its log lines."""

from collections.abc import Mapping
from typing import Protocol

import msgspec
import structlog

from engine.domain.alerts import AlertKind, Severity
from engine.domain.events import AlertAcknowledged, AlertEvent, AlertRaised, AlertResolved
from engine.domain.units import Sku
from engine.machines.alerts.accounthealth import AccountHealthTerms
from engine.machines.alerts.alerts import Alert, AlertTerms
from engine.machines.alerts.cancellations import CancellationTerms
from engine.machines.alerts.conditions import ConditionTerms
from engine.machines.alerts.deliveries import DeliveryTerms
from engine.machines.alerts.stocklevels import LowStockTerms
from engine.machines.alerts.storage import StorageTerms

log = structlog.get_logger(__name__)


class AlerterSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the alerter works; the terms of its machines."""

    ignored: tuple[AlertKind, ...] = ()
    settle_seconds: float = 1.0
    """A SKU whose stock changes all the time is looked at this often."""
    send_seconds_max: float = 15.0
    """Deadline of one message."""
    alerts: AlertTerms = AlertTerms()
    conditions: ConditionTerms = ConditionTerms()
    health: AccountHealthTerms = AccountHealthTerms()
    storage: StorageTerms = StorageTerms()
    cancellations: CancellationTerms = CancellationTerms()
    deliveries: DeliveryTerms = DeliveryTerms()
    low_stock: LowStockTerms = LowStockTerms()
    low_stock_of: Mapping[Sku, LowStockTerms] = {}


class AlertListener(Protocol):
    """What telemetry wants to know."""

    def alert_raised(self, kind: str) -> None:
        """Report an alert that is on record."""
        ...

    def alert_delivery_ended(self, destination: str, outcome: str, transitions: int) -> None:
        """Report what became of a try: `delivered`, `retried`, or why it was given up."""
        ...


def log_alert(event: AlertEvent, alert: Alert) -> None:
    """Write the line of one change of an alert."""
    raised = alert.raised
    match event:
        case AlertRaised():
            write = log.info if raised.severity == Severity.NOTICE else log.warning
            write(
                "alert.raised",
                alert=raised.alert_id,
                kind=raised.alert_kind,
                subject=raised.subject,
                severity=raised.severity,
                text=raised.text,
            )
        case AlertAcknowledged(by=by):
            log.info("alert.acknowledged", alert=raised.alert_id, kind=raised.alert_kind, by=by)
        case AlertResolved(how=how, by=by):
            log.info("alert.resolved", alert=raised.alert_id, kind=raised.alert_kind, how=how, by=by)
