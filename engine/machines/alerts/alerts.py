"""The state of every alert: raised while its condition holds, acknowledged by people, resolved, and at rest afterwards.

`decide` and its like choose events and change no alert; `apply` alone does, live and in replay. Only the count of what
was suppressed is kept outside the journal until the next alert says it.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import count

import msgspec

from engine.domain.alerts import (
    RANK,
    AlertId,
    AlertKey,
    AlertKind,
    Finding,
    Severity,
    Transition,
    outlasts_resolve,
    severity_of,
)
from engine.domain.events.alerts import AlertAcknowledged, AlertEvent, AlertRaised, AlertResolved
from engine.domain.stated.alerts import AlertsStated, AlertStated
from engine.machines.agenda import Agenda
from engine.machines.alerts.findings import Noticed

ENDED, BY_HAND, DISPLACED = "ended", "by_hand", "displaced"
"""How an alert is resolved."""

Addressees = Callable[[str, str, Transition], tuple[str, ...]]
"""Names of the destinations that want this transition of an alert of this kind and severity."""


class AlertTerms(msgspec.Struct, frozen=True, kw_only=True):
    """How alerts live; the configuration has options of the same names."""

    cooldown_seconds: float = 3600.0
    """After an alert is over, the next about the same is held back this long, unless it is critical."""
    open_max: int = 10_000
    history_max: int = 1000


class Alert(msgspec.Struct, kw_only=True):
    """One alert: the events that made it."""

    raised: AlertRaised
    acknowledged: AlertAcknowledged | None = None
    resolved: AlertResolved | None = None

    @property
    def key(self) -> AlertKey:
        """What it is about."""
        return (AlertKind(self.raised.alert_kind), self.raised.subject)

    @property
    def finding(self) -> Finding:
        """The condition as it was when the alert was raised."""
        raised = self.raised
        kind = AlertKind(raised.alert_kind)
        return Finding(kind=kind, subject=raised.subject, text=raised.text, details=raised.details)


class _Rest(msgspec.Struct, kw_only=True):
    """What follows an alert: nothing more is said of its subject until then."""

    alert: Alert
    """What it follows."""
    began: datetime
    until: datetime
    suppressed: int = 0
    waiting: Finding | None = None
    """Holds although nobody is told: an alert when the rest is over."""


class Alerts:
    """Open alerts, the last that were resolved, and the rests of both."""

    def __init__(self, terms: AlertTerms, addressees: Addressees) -> None:
        """Start without any."""
        self.open: dict[AlertId, Alert] = {}
        """Oldest first."""
        self.history: deque[Alert] = deque(maxlen=terms.history_max)
        """Resolved ones, the newest last."""
        self.suppressed: dict[AlertKind, int] = dict.fromkeys(AlertKind, 0)
        """Times that a condition began and nobody was told, since the start."""
        self.started_at: datetime | None = None
        """When replay was over: what was suppressed before is not on record. None: it is not over."""
        self._terms = terms
        self._addressees = addressees
        self._cooldown = timedelta(seconds=terms.cooldown_seconds)
        self._by_key: dict[AlertKey, Alert] = {}
        self._by_severity: dict[str, dict[AlertId, None]] = {severity: {} for severity in Severity}
        self._rests: OrderedDict[AlertKey, _Rest] = OrderedDict()
        self._due: Agenda[AlertKey] = Agenda()
        self._last_id = AlertId(0)

    # -- looking

    def count_open(self) -> dict[AlertKind, int]:
        """Count open alerts of each kind."""
        counted = dict.fromkeys(AlertKind, 0)
        for kind, _ in self._by_key:
            counted[kind] += 1
        return counted

    def is_open(self, key: AlertKey) -> bool:
        """Whether there is an alert about this."""
        return key in self._by_key

    def is_known(self, key: AlertKey) -> bool:
        """Whether an alert about this is open or rests."""
        return key in self._by_key or key in self._rests

    def is_put_aside(self, key: AlertKey) -> bool:
        """Whether people have ended the alert of what lasts: it comes back by itself when its rest is over."""
        return key in self._rests and self._rests[key].waiting is not None

    def put_aside(self) -> list[AlertKey]:
        """Return all that is put aside like that."""
        return [key for key, rest in self._rests.items() if rest.waiting is not None]

    def find(self, alert_id: AlertId) -> Alert | None:
        """Return an alert that is open, or resolved and still kept."""
        return self.open.get(alert_id) or next(
            (each for each in self.history if each.raised.alert_id == alert_id), None
        )

    def due_at(self) -> float:
        """Return when the next rest is over, as a timestamp."""
        first = self._due.first()
        return first[0][0] if first is not None else float("inf")

    # -- deciding

    def decide(self, noticed: Mapping[AlertKey, Noticed], now: datetime) -> list[AlertEvent]:
        """Choose what becomes of what was noticed, and of rests that are over. Ends first: they make room."""
        decided: list[AlertEvent] = []
        gone: set[AlertId] = set()
        wanted: dict[AlertKey, tuple[Finding, bool]] = {}
        for key, (finding, ended) in noticed.items():
            known = self._by_key.get(key)
            if known is not None:
                if ended:
                    gone.add(known.raised.alert_id)
                    decided.append(self._resolve(known, now, how=ENDED))
            elif finding is not None and self._may_raise(key, finding, now, ended=ended):
                wanted[key] = (finding, ended)
            elif finding is None and key in self._rests:
                self._rests[key].waiting = None
        for finding in self._take_due(now):
            wanted.setdefault(finding.key, (finding, False))
        ids = map(AlertId, count(self._last_id + 1))
        room = self._terms.open_max - len(self.open) + len(gone)
        victims = {severity: iter(open_ids) for severity, open_ids in self._by_severity.items()}
        for finding, ended in wanted.values():
            severity = severity_of(finding.key)
            if room <= 0 and not ended:
                victim = self._displace(victims, gone, severity)
                if victim is not None:
                    gone.add(victim.raised.alert_id)
                    decided.append(self._resolve(victim, now, how=DISPLACED))
                elif severity is not Severity.CRITICAL:
                    self.suppressed[finding.kind] += 1
                    continue
            raised = self._raise(next(ids), finding, now)
            decided.append(raised)
            if ended:
                told = finding.kind is not AlertKind.STOCK_BACK  # a notice is told once
                decided.append(self._resolve(Alert(raised=raised), now, how=ENDED, told=told))
            else:
                room -= 1
        return decided

    def acknowledge(self, alert: Alert, by: str, now: datetime) -> list[AlertEvent]:
        """Note who looks after an open alert; once is enough."""
        if alert.acknowledged is not None or alert.resolved is not None:
            return []
        raised = alert.raised
        to = self._addressees(raised.alert_kind, raised.severity, Transition.ACKNOWLEDGED)
        return [AlertAcknowledged(at=now, alert_id=raised.alert_id, by=by, to=to)]

    def resolve(self, alert: Alert, by: str, now: datetime) -> list[AlertEvent]:
        """End an open alert by hand. If its condition lasts, it is raised again after the cooldown."""
        return [] if alert.resolved is not None else [self._resolve(alert, now, how=BY_HAND, by=by)]

    def _raise(self, alert_id: AlertId, finding: Finding, now: datetime) -> AlertRaised:
        severity = severity_of(finding.key)
        rest = self._rests.get(finding.key)
        return AlertRaised(
            at=now,
            alert_id=alert_id,
            alert_kind=finding.kind,
            subject=finding.subject,
            severity=severity,
            text=finding.text,
            details=finding.details,
            suppressed=rest.suppressed if rest is not None else 0,
            suppressed_since=self._counted_since(rest),
            to=self._addressees(finding.kind, severity, Transition.RAISED),
        )

    def _counted_since(self, rest: _Rest | None) -> datetime | None:
        """Say from when on a rest has counted, if that is not all of it."""
        if rest is None or self.started_at is None or rest.began >= self.started_at:
            return None
        return self.started_at

    def _resolve(self, alert: Alert, now: datetime, *, how: str, by: str = "", told: bool = True) -> AlertResolved:
        raised = alert.raised
        to = self._addressees(raised.alert_kind, raised.severity, Transition.RESOLVED) if told else ()
        return AlertResolved(at=now, alert_id=raised.alert_id, how=how, by=by, to=to)

    def _may_raise(self, key: AlertKey, finding: Finding, now: datetime, *, ended: bool) -> bool:
        rest = self._rests.get(key)
        if rest is None or now >= rest.until or severity_of(finding.key) is Severity.CRITICAL:
            return True
        if rest.waiting is None:  # else it is the same time as before
            rest.suppressed += 1
            self.suppressed[finding.kind] += 1
        rest.waiting = None if ended else finding
        return False

    def _take_due(self, now: datetime) -> Iterable[Finding]:
        while (key := self._due.pop((now.timestamp(),))) is not None:
            rest = self._rests[key]
            if rest.waiting is not None:
                yield rest.waiting
            elif not rest.suppressed:
                del self._rests[key]

    def _displace(
        self, victims: Mapping[str, Iterable[AlertId]], gone: set[AlertId], severity: Severity
    ) -> Alert | None:
        """Find who makes room: the oldest of the least severe, of those that are no worse than the new one."""
        for least in reversed(Severity):
            if least is Severity.CRITICAL or RANK[least] < RANK[severity]:
                return None
            for alert_id in victims[least]:
                if alert_id not in gone:
                    return self.open[alert_id]
        return None

    # -- what has happened

    def apply(self, event: AlertEvent) -> Alert | None:
        """Change an alert as the event says and return it; None: it was not open."""
        match event:
            case AlertRaised():
                return self._apply_raised(event)
            case AlertAcknowledged(alert_id=alert_id):
                alert = self.open.get(alert_id)
                if alert is not None:
                    alert.acknowledged = event
                return alert
            case AlertResolved():
                return self._apply_resolved(event)

    def _apply_raised(self, event: AlertRaised) -> Alert:
        alert = Alert(raised=event)
        self._last_id = max(self._last_id, event.alert_id)
        self.open[event.alert_id] = self._by_key[alert.key] = alert
        self._by_severity[event.severity][event.alert_id] = None
        self._rests.pop(alert.key, None)
        self._due.discard(alert.key)
        return alert

    def _apply_resolved(self, event: AlertResolved) -> Alert | None:
        alert = self.open.pop(event.alert_id, None)
        if alert is None:
            return None
        key = alert.key
        del self._by_key[key]
        del self._by_severity[alert.raised.severity][event.alert_id]
        alert.resolved = event
        self.history.append(alert)
        lasting = event.how == BY_HAND and outlasts_resolve(key)
        self._rests.pop(key, None)
        self._rests[key] = _Rest(
            alert=alert, began=event.at, until=event.at + self._cooldown, waiting=alert.finding if lasting else None
        )
        self._due.put(key, ((event.at + self._cooldown).timestamp(),))
        if len(self._rests) > self._terms.open_max:
            self._forget_rest()
        return alert

    def _forget_rest(self) -> None:
        """Forget the oldest rest, but none that a critical alert comes back from."""
        for key, rest in self._rests.items():
            if rest.waiting is None or severity_of(key) is not Severity.CRITICAL:
                del self._rests[key]
                self._due.discard(key)
                return

    # -- snapshots

    def state(self, as_of: datetime) -> Iterator[AlertsStated | AlertStated]:
        """Say the resolved ones that are shown or rest, in the order of their end; then the open ones."""
        if self._last_id:
            yield AlertsStated(last_id=self._last_id)
        resting = {rest.alert.raised.alert_id: rest.alert for rest in self._rests.values() if rest.until > as_of}
        shown = {alert.raised.alert_id for alert in self.history}
        for alert_id, alert in resting.items():
            if alert_id not in shown:
                yield _state_alert(alert, kept=False, rests=True)
        for alert in self.history:
            yield _state_alert(alert, kept=True, rests=alert.raised.alert_id in resting)
        for alert in self.open.values():
            yield _state_alert(alert, kept=True, rests=False)

    def restore(self, statement: AlertsStated | AlertStated) -> None:
        """Take in one of what `state` says."""
        match statement:
            case AlertsStated(last_id=last_id):
                self._last_id = last_id
            case AlertStated():
                for event in (statement.raised, statement.acknowledged, statement.resolved):
                    if event is not None:
                        self.apply(event)
                if not statement.kept and self.history:
                    self.history.pop()
                if statement.resolved is not None and not statement.rests:
                    self._end_rest((AlertKind(statement.raised.alert_kind), statement.raised.subject))

    def forget(self, now: datetime) -> None:
        """Forget rests that are over: what was to come of them has come of them. For replay."""
        while self._rests:
            key, rest = next(iter(self._rests.items()))
            if rest.until > now:
                return
            self._end_rest(key)

    def _end_rest(self, key: AlertKey) -> None:
        self._rests.pop(key, None)
        self._due.discard(key)


def _state_alert(alert: Alert, *, kept: bool, rests: bool) -> AlertStated:
    return AlertStated(
        raised=alert.raised, acknowledged=alert.acknowledged, resolved=alert.resolved, kept=kept, rests=rests
    )
