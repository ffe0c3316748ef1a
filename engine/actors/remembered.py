"""What an alerter knows from the journal alone, as one owner of state."""

from collections.abc import Iterator
from datetime import datetime
from typing import assert_never

from engine.actors.stockwatch import StockWatch
from engine.domain.stated.alerts import (
    AlertsStated,
    AlertStated,
    AlertStatement,
    CancellationsStated,
    ConditionStated,
    FoundStated,
    OwedStated,
    UnsoldStated,
)
from engine.machines.alerts.alerts import Alerts
from engine.machines.alerts.cancellations import Cancellations
from engine.machines.alerts.conditions import Conditions
from engine.machines.alerts.deliveries import Deliveries
from engine.machines.alerts.findings import Findings


class Remembered:
    """The machines of an alerter. How accounts and the disk stand, and levels of stock, are looked at anew."""

    def __init__(
        self,
        alerts: Alerts,
        deliveries: Deliveries,
        conditions: Conditions,
        findings: Findings,
        cancellations: Cancellations,
        stock: StockWatch,
    ) -> None:
        """Speak for these."""
        self._alerts = alerts
        self._deliveries = deliveries
        self._conditions = conditions
        self._findings = findings
        self._cancellations = cancellations
        self._stock = stock

    def state(self, as_of: datetime) -> Iterator[AlertStatement]:
        """Say what each of them knows."""
        yield from self._alerts.state(as_of)
        yield from self._deliveries.state(as_of)
        yield from self._conditions.state(as_of)
        yield from self._findings.state(as_of)
        yield from self._cancellations.state(as_of)
        yield from self._stock.levels.state(as_of)

    def restore(self, statement: AlertStatement) -> None:
        """Take in one of what `state` says."""
        match statement:
            case AlertsStated() | AlertStated():
                self._alerts.restore(statement)
            case OwedStated():
                self._deliveries.restore(statement)
            case ConditionStated():
                self._conditions.restore(statement)
            case FoundStated():
                self._findings.restore(statement)
            case CancellationsStated():
                self._cancellations.restore(statement)
            case UnsoldStated():
                self._stock.levels.restore(statement)
            case _:
                assert_never(statement)

    def replayed_until(self, at: datetime) -> None:
        """Hear that the predecessor was there at this instant: what was due by then it has seen to."""
        self._alerts.forget(at)
        self._stock.replayed_until(at)
