"""What each destination is owed: transitions wait, become messages, are sent until taken or given up.

At most one message per destination is under way. Transitions that wait together go as one digest. All that must survive
a restart is in the journal; the waits between tries are not.
"""

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from engine.domain.alerts import RANK, AlertId, AlertItem, Message, Notice, Severity, Transition
from engine.domain.errors import ChannelError, Refused, Throttled
from engine.domain.events.alerts import (
    AlertAcknowledged,
    AlertDelivered,
    AlertDispatched,
    AlertEvent,
    AlertRaised,
    AlertUndeliverable,
    DeliveryEvent,
)
from engine.domain.stated.alerts import OwedStated
from engine.machines.alerts.alerts import Alert
from engine.machines.backoff import Backoff

DIGEST_MAX: Final = 100
"""Transitions in one message: a screen or two for people, some 50 kB for programs."""
NO_ROOM, GONE, REFUSED, GIVEN_UP = "no_room", "gone", "refused", "given_up"
"""Why something is undeliverable, as metrics name it."""


class Destination(msgspec.Struct, frozen=True, kw_only=True):
    """What a destination wants to hear of."""

    name: str
    kinds: frozenset[str] = frozenset()
    """Empty: all."""
    severity: str = Severity.NOTICE
    """The least severe that is wanted."""
    transitions: frozenset[str] = frozenset(Transition)

    def wants(self, kind: str, severity: str, transition: Transition) -> bool:
        """Whether it is to be told."""
        wanted = not self.kinds or kind in self.kinds
        return wanted and RANK[severity] <= RANK[self.severity] and transition in self.transitions


class DeliveryTerms(msgspec.Struct, frozen=True, kw_only=True):
    """How alerts are sent; the configuration has options of the same names."""

    digest_seconds: float = 10.0
    """What is not critical waits this long for company."""
    retry_seconds: float = 5.0
    retry_seconds_max: float = 600.0
    give_up_hours: float = 24.0
    waiting_max: int = 1000


class _Queue:
    """What one destination is owed."""

    def __init__(self) -> None:
        self.waiting: dict[AlertItem, Notice] = {}
        """In no message yet, oldest first."""
        self.message: Message | None = None
        """Put together and neither taken nor given up."""
        self.sending = False
        self.tries = 0
        self.not_before: datetime | None = None


class Deliveries:
    """The queues of all destinations, those of the journal that are configured no more included."""

    def __init__(self, destinations: Sequence[Destination], terms: DeliveryTerms, rng: random.Random) -> None:
        """Start owing nothing."""
        self.destinations: Mapping[str, Destination] = {each.name: each for each in destinations}
        self._terms = terms
        self._rng = rng
        self._backoff = Backoff(seconds=terms.retry_seconds, seconds_max=terms.retry_seconds_max)
        self._queues: dict[str, _Queue] = {name: _Queue() for name in self.destinations}

    # -- looking

    def addressees(self, kind: str, severity: str, transition: Transition) -> tuple[str, ...]:
        """Return who wants to be told."""
        return tuple(name for name, each in self.destinations.items() if each.wants(kind, severity, transition))

    def owed(self, name: str) -> int:
        """Return how many transitions a destination has not taken."""
        queue = self._queues[name]
        return len(queue.waiting) + (len(queue.message.notices) if queue.message is not None else 0)

    def wake_at(self) -> datetime | None:
        """Return when there is something to do next; None: when something happens."""
        times: list[datetime] = []
        for name in self.destinations:
            queue = self._queues[name]
            if queue.message is None and queue.waiting:
                times.append(self._ripe_at(queue))
            elif queue.message is not None and not queue.sending and queue.not_before is not None:
                times.append(queue.not_before)
        return min(times, default=None)

    # -- deciding

    def make_room(
        self, decided: Iterable[AlertEvent], severity_of: Mapping[AlertId, str], now: datetime
    ) -> list[DeliveryEvent]:
        """Choose what is given up where more would wait than may: the oldest of the least severe, never a critical one.

        Args:
            decided: what is about to happen to alerts.
            severity_of: by alert id, of all that `decided` speaks of.
            now: the instant of the decision.
        """
        coming: dict[str, list[tuple[int, AlertItem]]] = {}
        for event in decided:
            rank = RANK[severity_of[event.alert_id]]
            for name in event.to:
                coming.setdefault(name, []).append((rank, (event.alert_id, _transition(event))))
        given_up: list[DeliveryEvent] = []
        for name, items in coming.items():
            waiting = [(RANK[each.severity], item) for item, each in self._queues[name].waiting.items()] + items
            excess = len(waiting) - self._terms.waiting_max
            if excess > 0:
                may_go = [each for each in waiting if each[0] > RANK[Severity.CRITICAL]]
                may_go.sort(key=lambda each: -each[0])  # stable: the oldest first
                left_out = tuple(item for _, item in may_go[:excess])
                if left_out:
                    given_up.append(AlertUndeliverable(at=now, destination=name, items=left_out, reason=NO_ROOM))
        return given_up

    def give_up_gone(self, now: datetime) -> list[DeliveryEvent]:
        """Give up what is owed to destinations that are configured no more."""
        return [
            AlertUndeliverable(at=now, destination=name, items=items, reason=GONE)
            for name, queue in self._queues.items()
            if name not in self.destinations and (items := _items(queue))
        ]

    def dispatch(self, now: datetime) -> list[DeliveryEvent]:
        """Put together the next message of every destination that has none and waited long enough for company."""
        dispatched: list[DeliveryEvent] = []
        for name in self.destinations:
            queue = self._queues[name]
            if queue.message is None and queue.waiting and self._ripe_at(queue) <= now:
                notices = sorted(queue.waiting.values(), key=lambda notice: RANK[notice.severity])[:DIGEST_MAX]
                first = notices[0]
                # the first transition is in no other message, so the id is in no other either
                message_id = f"{name}-{first.alert_id}-{first.transition}-{now:%Y%m%dT%H%M%S}"
                items = tuple(notice.item for notice in notices)
                dispatched.append(AlertDispatched(at=now, destination=name, message_id=message_id, items=items))
        return dispatched

    def take(self, now: datetime) -> list[Message]:
        """Take the messages that are to be sent now; tell `ended` of each."""
        taken: list[Message] = []
        for name in self.destinations:
            queue = self._queues[name]
            late = queue.not_before is None or queue.not_before <= now
            if queue.message is not None and not queue.sending and late:
                queue.sending = True
                taken.append(queue.message)
        return taken

    def ended(self, message: Message, error: ChannelError | None, now: datetime) -> list[DeliveryEvent]:
        """Choose what becomes of a message after a try; nothing: it is tried again."""
        name, queue = message.destination, self._queues[message.destination]
        if error is None:
            return [AlertDelivered(at=now, destination=name, message_id=message.message_id)]
        refused = isinstance(error, Refused)
        if refused or now >= message.at + timedelta(hours=self._terms.give_up_hours):
            items = tuple(notice.item for notice in message.notices)
            reason = REFUSED if refused else GIVEN_UP
            return [
                AlertUndeliverable(
                    at=now, destination=name, items=items, reason=f"{reason}: {error}", message_id=message.message_id
                )
            ]
        queue.tries += 1
        asked = error.retry_after_seconds if isinstance(error, Throttled) else None
        queue.sending = False  # where it is over, only when that is on record
        # full jitter may draw next to nothing, and a server that fails at once must not be asked again at once
        wait = self._backoff.wait_seconds(queue.tries, self._rng, retry_after_seconds=asked)
        queue.not_before = now + timedelta(seconds=max(wait, self._terms.retry_seconds / 2))
        return []

    def _ripe_at(self, queue: _Queue) -> datetime:
        first = next(iter(queue.waiting.values()))
        if len(queue.waiting) >= DIGEST_MAX or any(
            each.severity == Severity.CRITICAL for each in queue.waiting.values()
        ):
            return first.at
        return first.at + timedelta(seconds=self._terms.digest_seconds)

    # -- what has happened

    def owe(self, event: AlertEvent, alert: Alert) -> None:
        """Note what an event of this alert is owed to."""
        if not event.to:
            return
        raised = alert.raised
        notice = Notice(
            alert_id=raised.alert_id,
            transition=_transition(event),
            kind=raised.alert_kind,
            subject=raised.subject,
            severity=raised.severity,
            text=raised.text,
            details=raised.details,
            raised_at=raised.at,
            at=event.at,
            by="" if isinstance(event, AlertRaised) else event.by,
            suppressed=raised.suppressed,
            suppressed_since=raised.suppressed_since,
        )
        for name in event.to:
            self._queues.setdefault(name, _Queue()).waiting[notice.item] = notice

    def apply(self, event: DeliveryEvent) -> None:
        """Change a queue as the event says."""
        queue = self._queues.setdefault(event.destination, _Queue())
        match event:
            case AlertDispatched(items=items):
                notices = tuple(queue.waiting.pop(item) for item in items)
                queue.message = Message(
                    message_id=event.message_id, destination=event.destination, at=event.at, notices=notices
                )
                queue.tries, queue.not_before = 0, None
            case AlertDelivered():
                queue.message, queue.sending = None, False
            case AlertUndeliverable(items=items, message_id=message_id):
                if message_id or event.reason == GONE:
                    queue.message, queue.sending = None, False
                for item in items:
                    queue.waiting.pop(item, None)

    # -- snapshots

    def state(self, as_of: datetime) -> Iterator[OwedStated]:  # noqa: ARG002
        """Say what each destination is owed, by their names, those that are configured no more included."""
        for name, queue in sorted(self._queues.items()):
            if queue.message is not None or queue.waiting:
                yield OwedStated(destination=name, message=queue.message, waiting=tuple(queue.waiting.values()))

    def restore(self, statement: OwedStated) -> None:
        """Take in one of what `state` says."""
        queue = self._queues.setdefault(statement.destination, _Queue())
        queue.message = statement.message
        queue.waiting = {notice.item: notice for notice in statement.waiting}


def _transition(event: AlertEvent) -> Transition:
    match event:
        case AlertRaised():
            return Transition.RAISED
        case AlertAcknowledged():
            return Transition.ACKNOWLEDGED
        case _:
            return Transition.RESOLVED


def _items(queue: _Queue) -> tuple[AlertItem, ...]:
    notices = queue.message.notices if queue.message is not None else ()
    return (*(notice.item for notice in notices), *queue.waiting)
