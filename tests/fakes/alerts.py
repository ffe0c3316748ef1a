"""What tests of alerts share: findings, machines in hand, a notifier that obeys."""

import random
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import timedelta

import trio

from engine.domain.alerts import AlertId, AlertKind, Finding, Message
from engine.domain.errors import ChannelError
from engine.domain.events import AlertEvent, AlertRaised, DeliveryEvent
from engine.machines.alerts.alerts import Alert, Alerts, AlertTerms
from engine.machines.alerts.deliveries import Deliveries, DeliveryTerms, Destination
from engine.machines.alerts.findings import Findings
from tests.fakes.clocks import START
from tests.fakes.running import SilentTelemetry


def found(kind: AlertKind, subject: str = "A", text: str = "so it is") -> Finding:
    return Finding(kind=kind, subject=subject, text=text)


class Desk:
    """The machines of alerts without an actor: what is decided has happened at once."""

    def __init__(
        self,
        *,
        terms: AlertTerms | None = None,
        deliveries: DeliveryTerms | None = None,
        destinations: Iterable[Destination] = (Destination(name="ops"),),
    ) -> None:
        self.now = START
        self.events: list[AlertEvent | DeliveryEvent] = []
        self.terms, self.delivery_terms, self.destinations = terms, deliveries, tuple(destinations)
        self.deliveries = Deliveries(self.destinations, deliveries or DeliveryTerms(), random.Random(1))
        self.alerts = Alerts(terms or AlertTerms(), self.deliveries.addressees)
        self.findings = Findings(ignored=(), is_known=self.alerts.is_known)
        self.findings.live = True

    def wait(self, seconds: float) -> list[AlertEvent | DeliveryEvent]:
        self.now += timedelta(seconds=seconds)
        return self.decide()

    def begin(self, *findings: Finding) -> list[AlertEvent | DeliveryEvent]:
        for finding in findings:
            self.findings.begin(finding)
        return self.decide()

    def end(self, *findings: Finding) -> list[AlertEvent | DeliveryEvent]:
        for finding in findings:
            self.findings.end(finding.key)
        return self.decide()

    def decide(self) -> list[AlertEvent | DeliveryEvent]:
        return self.happen_alerts(self.alerts.decide(self.findings.take(), self.now))

    def happen_alerts(self, decided: list[AlertEvent]) -> list[AlertEvent | DeliveryEvent]:
        severities = {alert_id: alert.raised.severity for alert_id, alert in self.alerts.open.items()}
        severities |= {event.alert_id: event.severity for event in decided if isinstance(event, AlertRaised)}
        given_up = self.deliveries.make_room(decided, severities, self.now) if decided else []
        happened: list[AlertEvent | DeliveryEvent] = [*decided, *given_up]
        self.happen(happened)
        return happened

    def happen(self, events: Iterable[AlertEvent | DeliveryEvent]) -> None:
        for event in events:
            self.events.append(event)
            if isinstance(event, AlertEvent):
                alert = self.alerts.apply(event)
                if alert is not None:
                    self.deliveries.owe(event, alert)
                    self.findings.settle(alert.key)
            else:
                self.deliveries.apply(event)

    def send(self, answer: Callable[[Message], ChannelError | None] = lambda _: None) -> list[Message]:
        """Dispatch what is ripe and have it answered; return what was sent."""
        self.happen(self.deliveries.dispatch(self.now))
        sent = self.deliveries.take(self.now)
        for message in sent:
            self.happen(self.deliveries.ended(message, answer(message), self.now))
        return sent

    def successor(self) -> "Desk":
        """Come to where this one is by its events alone."""
        successor = Desk(terms=self.terms, deliveries=self.delivery_terms, destinations=self.destinations)
        successor.findings.live = False
        successor.happen(self.events)
        successor.findings.live = True
        successor.now = self.now
        return successor

    def statements(self) -> list[object]:
        """What it says of itself."""
        return [*self.alerts.state(self.now), *self.deliveries.state(self.now)]

    def restored(self) -> "Desk":
        """Come to where this one is by what it says."""
        restored = Desk(terms=self.terms, deliveries=self.delivery_terms, destinations=self.destinations)
        for alert in self.alerts.state(self.now):
            restored.alerts.restore(alert)
        for owed in self.deliveries.state(self.now):
            restored.deliveries.restore(owed)
        restored.now = self.now
        return restored

    def facts(self) -> object:
        """What replay must find again."""
        queues = {
            name: (list(queue.waiting.values()), queue.message)
            for name, queue in self.deliveries._queues.items()
            if queue.waiting or queue.message
        }
        rests = {key: rest.until for key, rest in self.alerts._rests.items() if rest.until > self.now}
        return list(self.alerts.open.values()), list(self.alerts.history), queues, rests, self.alerts._last_id

    def open(self) -> list[tuple[str, str]]:
        return [(alert.raised.alert_kind, alert.raised.subject) for alert in self.alerts.open.values()]

    def alert(self, number: int) -> Alert:
        found_alert = self.alerts.find(AlertId(number))
        assert found_alert is not None
        return found_alert


class FakeNotifier:
    """Keeps what it was sent; raises what it is told to."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.tried = 0
        self.errors: list[ChannelError] = []
        """Each answers one try."""
        self.silent = False
        self._changed = trio.Event()

    async def send(self, message: Message) -> None:
        await trio.lowlevel.checkpoint()
        self.tried += 1
        self._stir()
        if self.silent:
            await trio.sleep_forever()
        if self.errors:
            raise self.errors.pop(0)
        self.messages.append(message)

    async def wait_tried(self, count: int) -> None:
        """Wait until it was asked so often."""
        while self.tried < count:
            await self._changed.wait()

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()

    def _stir(self) -> None:
        self._changed.set()
        self._changed = trio.Event()


class HeardDeliveries(SilentTelemetry):
    """Hears what became of messages."""

    def __init__(self) -> None:
        self.ended: Counter[tuple[str, str]] = Counter()
        """Transitions by destination and outcome."""
        self._changed = trio.Event()

    def alert_delivery_ended(self, destination: str, outcome: str, transitions: int) -> None:
        self.ended[destination, outcome] += transitions
        self._changed.set()
        self._changed = trio.Event()

    async def wait_delivered(self, *destinations: str) -> None:
        """Wait until each of them took something."""
        with trio.fail_after(10):
            while not all(self.ended[destination, "delivered"] for destination in destinations):
                await self._changed.wait()
