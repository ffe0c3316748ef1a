"""One task that notices what people must hear of, keeps it on record and sends it: a loop around the alert machines.

It is told of what is durable only. What it decides is journalled through `Recorder` before anything is sent, and comes
back to it by the same road as everything else (`Projections`), live and in replay.
"""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from functools import partial
from typing import Any, Final, get_args

import structlog
import trio

from engine.actors.alerting import AlerterSettings, AlertListener, log_alert
from engine.actors.projections import Projections
from engine.actors.remembered import Remembered
from engine.actors.stockwatch import ALERTS, StockWatch
from engine.domain.alerts import AlertId, AlertKey, AlertKind, Message, is_of_snapshot
from engine.domain.errors import ChannelError, OutcomeUnknown
from engine.domain.events import (
    AccountPaused,
    AccountResumed,
    AlertDelivered,
    AlertEvent,
    AlertRaised,
    AlertResolved,
    AlertUndeliverable,
    DeliveryEvent,
    DemandSet,
    DriftFound,
    LetterKept,
    LetterSettled,
    ListingDropped,
    OrderRecorded,
    OversellCleared,
    OversellRecorded,
    PushVerified,
    SkuMerged,
    SnapshotFused,
    StockConfirmed,
    StockCounted,
    StockObserved,
    ViolationCleared,
    ViolationFound,
)
from engine.domain.stock.places import Pools
from engine.domain.units import AccountId, Sku
from engine.machines.alerts.accounthealth import AccountHealth, Standing
from engine.machines.alerts.alerts import BY_HAND, Alert, Alerts
from engine.machines.alerts.cancellations import Cancellations
from engine.machines.alerts.conditions import Conditions
from engine.machines.alerts.deliveries import Deliveries, Destination
from engine.machines.alerts.findings import Findings
from engine.machines.alerts.storage import Room, Storage
from engine.ports import Clock, Notifier, Recorder

log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 15.0
"""Between two looks at the accounts, and the longest sleep: what ripens by time alone is noticed so late at most."""
_OF_ACCOUNTS: Final = frozenset(
    {
        AlertKind.FUSE,
        AlertKind.DRIFT,
        AlertKind.SYNC_FAILURE,
        AlertKind.UNREADABLE_ORDER,
        AlertKind.STOCK_CANCELLATIONS,
        AlertKind.CREDENTIALS_EXPIRING,
    }
)


class Alerter:
    """Owns the alerts. Methods that are not `async` never block and may be called from any task."""

    def __init__(
        self,
        settings: AlerterSettings,
        destinations: Sequence[Destination],
        notifiers: Mapping[str, Notifier],
        *,
        accounts: Mapping[AccountId, date | None],
        standings: Callable[[], Iterable[Standing]],
        daily_sales: Callable[[Sku, datetime], float | None],
        pools: Pools,
        clock: Clock,
        rng: random.Random,
        recorder: Recorder,
        listener: AlertListener,
    ) -> None:
        """Start without alerts; replay brings them.

        Args:
            settings: thresholds and terms.
            destinations: who wants to hear of what.
            notifiers: the way to each destination, by its name.
            accounts: the configured ones, and the day their credentials expire, where known.
            standings: how they stand now.
            daily_sales: mean units sold on a day in stock; None: not known.
            pools: which locations make good what another one is short of.
            clock: the time.
            rng: jitter.
            recorder: the way into the journal.
            listener: telemetry.
        """
        self.deliveries = Deliveries(destinations, settings.deliveries, rng)
        self.alerts = Alerts(settings.alerts, self.deliveries.addressees)
        self._settings = settings
        self._notifiers = notifiers
        self._accounts = accounts
        self._standings = standings
        self._clock = clock
        self._recorder = recorder
        self._listener = listener
        self._findings = Findings(ignored=settings.ignored, is_known=self.alerts.is_known)
        self._conditions = Conditions(self._findings, settings.conditions)
        self._cancellations = Cancellations(self._findings, settings.cancellations, self._conditions.oversold)
        self._stock = StockWatch(
            self._findings,
            settings,
            daily_sales=daily_sales,
            pools=pools,
            is_known=self.alerts.is_known,
            clock=clock,
            stir=self._stir,
        )
        self.availability = self._stock.availability
        """To be told the newest level of every SKU and bundle: at any time, as late as may be, in any order."""
        days = {account: day for account, day in accounts.items() if day is not None}
        self._health = AccountHealth(self._findings, settings.health, days)
        self._storage = Storage(self._findings, settings.storage)
        self.remembered = Remembered(
            self.alerts, self.deliveries, self._conditions, self._findings, self._cancellations, self._stock
        )
        self._room: Callable[[], Room] | None = None
        self._look_seconds = 0.0
        self._stirred = trio.Event()
        self._deciding = trio.Lock()
        """Whoever decides holds it until the decision is on record: nobody decides on what may still change."""
        self._lines = {each.name: trio.Lock() for each in destinations}
        """At most one message is under way to a destination, tests included."""

    # -- what it is told ----------------------------------------------------------------------------------------------

    def keep(self, projections: Projections) -> None:
        """Ask for the events that matter here."""
        conditions, cancellations = self._conditions, self._cancellations
        hears: tuple[tuple[type[Any], Callable[[Any], None]], ...] = (
            (OversellRecorded, conditions.oversell_recorded),
            (OversellCleared, conditions.oversell_cleared),
            (DriftFound, conditions.drift_found),
            (PushVerified, conditions.drift_over),
            (ListingDropped, conditions.drift_over),
            (AccountPaused, conditions.account_paused),
            (AccountResumed, conditions.account_resumed),
            (SnapshotFused, conditions.snapshot_fused),
            (LetterKept, conditions.letter_kept),
            (LetterSettled, conditions.letter_settled),
            (StockObserved, conditions.observed),
            (StockConfirmed, conditions.observed),
            (StockCounted, conditions.counted),
            (SkuMerged, self._merged),
            (ViolationFound, conditions.violation_found),
            (ViolationCleared, conditions.violation_cleared),
        )
        self._stock.keep(projections)
        for kind, hear in hears:
            projections.add((kind,), partial(self._hear, hear), said_in=ALERTS)
        projections.add((OrderRecorded,), partial(self._hear_in_frame, cancellations.recorded), said_in=ALERTS)
        projections.add((DemandSet,), partial(self._hear_in_frame, cancellations.changed), said_in=ALERTS)
        projections.add(get_args(AlertEvent), self._apply_alert, said_in=ALERTS)
        projections.add(get_args(DeliveryEvent), self._apply_delivery, said_in=ALERTS)

    def watch_room(self, room: Callable[[], Room]) -> None:
        """Look at the disk of the journal from now on, too."""
        self._room = room

    def _hear(self, hear: Callable[[Any], None], _position: int, event: object) -> None:
        hear(event)
        if self._findings:
            self._stir()

    def _hear_in_frame(self, hear: Callable[[Any, int], None], position: int, event: object) -> None:
        hear(event, position)
        if self._findings:
            self._stir()

    def _merged(self, event: SkuMerged) -> None:
        """Nobody counts a SKU again that is another one now: what the last count found is over."""
        for kind, subject in [alert.key for alert in self.alerts.open.values()]:
            if kind is AlertKind.COUNT_VARIANCE and subject.startswith(f"{event.sku}@"):
                self._findings.end((kind, subject))

    def _apply_alert(self, _position: int, event: AlertEvent) -> None:
        alert = self.alerts.apply(event)
        if alert is None:
            return
        self.deliveries.owe(event, alert)
        if isinstance(event, AlertResolved) and event.how == BY_HAND:
            self._conditions.resolved_by_hand(alert.key)
        if self._findings.live:
            if isinstance(event, AlertRaised):
                self._listener.alert_raised(event.alert_kind)
            log_alert(event, alert)
        elif not isinstance(event, AlertRaised | AlertResolved):
            return
        self._findings.settle(alert.key)

    def _apply_delivery(self, _position: int, event: DeliveryEvent) -> None:
        self.deliveries.apply(event)
        if not self._findings.live:
            return
        match event:
            case AlertDelivered(destination=destination, message_id=message_id):
                log.debug("alert.delivered", destination=destination, message=message_id)
            case AlertUndeliverable(destination=destination, items=items, reason=reason):
                log.warning("alert.undeliverable", destination=destination, transitions=len(items), reason=reason)
                outcome = reason.partition(":")[0]
                self._listener.alert_delivery_ended(destination, outcome, len(items))
            case _:
                pass

    # -- what people do -----------------------------------------------------------------------------------------------

    async def acknowledge(self, alert_id: AlertId, by: str) -> Alert | None:
        """Note who looks after an alert; return it once that is durable, None when there is none of this id."""
        return await self._by_hand(alert_id, partial(self.alerts.acknowledge, by=by))

    async def resolve(self, alert_id: AlertId, by: str) -> Alert | None:
        """End an alert by hand; return it once that is durable, None when there is none of this id."""
        return await self._by_hand(alert_id, partial(self.alerts.resolve, by=by))

    async def send_test(self, destination: str) -> None:
        """Send a message that means nothing.

        Raises:
            ChannelError: it did not arrive, or nobody knows whether it did.
        """
        now = self._clock.now()
        message_id = f"{destination}-test-{now:%Y%m%dT%H%M%S}"
        error = await self._try(Message(message_id=message_id, destination=destination, at=now, notices=()))
        if error is not None:
            raise error

    async def _by_hand(self, alert_id: AlertId, decide: Callable[..., list[AlertEvent]]) -> Alert | None:
        async with self._deciding:
            alert = self.alerts.find(alert_id)
            if alert is not None:
                await self._record_alerts(decide(alert, now=self._clock.now()))
        self._stir()
        return alert

    # -- what it does -------------------------------------------------------------------------------------------------

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Notice, record and send until cancelled. Being cut off at any point is safe.

        Raises:
            JournalError: the journal takes nothing more.
        """
        self._begin()
        async with trio.open_nursery() as nursery:
            task_status.started()
            while True:
                # no checkpoint from here to the decision: what is told later must find the event waited for
                stirred = self._stirred
                busy = await self._decide()
                for message in self.deliveries.take(self._clock.now()):
                    nursery.start_soon(self._send, message)
                if self._stock.is_new_day():
                    nursery.start_soon(self._judge_again)
                if busy:
                    await trio.lowlevel.checkpoint()
                    continue
                with trio.move_on_after(self._idle_seconds()):
                    await stirred.wait()

    def _begin(self) -> None:
        """Compare what the predecessor said with what holds: it may have died between the two."""
        self._findings.live = True
        self._stock.begin()
        now = self.alerts.started_at = self._clock.now()
        self._conditions.look(now)
        held = {finding.key: finding for finding in self._conditions.holding() if not self._is_gone(finding.key)}
        for key in self.alerts.put_aside():
            if self._conditions.decides(key[0]) and key not in held:
                self._findings.end(key)
        for key, finding in held.items():
            if not self.alerts.is_open(key) and not self.alerts.is_put_aside(key):
                self._findings.begin(finding)
        for alert in self.alerts.open.values():
            kind, _ = alert.key
            over = self._conditions.decides(kind) and alert.key not in held
            if over or self._is_gone(alert.key) or kind in self._settings.ignored:
                self._findings.end(alert.key)

    def _is_gone(self, key: AlertKey) -> bool:
        """Whether nobody will ever say that this is over: the account, or its last day, is configured no more."""
        kind, subject = key
        account = AccountId(subject.partition("/")[0])
        if kind is AlertKind.CREDENTIALS_EXPIRING:
            return self._accounts.get(account) is None
        if kind is AlertKind.DISK:
            return self._room is None or self._room().place != subject
        return kind in _OF_ACCOUNTS and not is_of_snapshot(key) and account not in self._accounts

    async def _judge_again(self) -> None:
        await self._stock.judge_again()
        self._stir()

    async def _decide(self) -> bool:
        """Decide on all that is due; True when there is more to do at once."""
        async with self._deciding:
            now = self._clock.now()
            self._look(now)
            changed = self.alerts.decide(self._findings.take(), now)
            await self._record_alerts(changed)
            due = [*self.deliveries.give_up_gone(now), *self.deliveries.dispatch(now)]
            if due:
                await self._recorder.record(due)
        return bool(changed or due or self._findings or self._stock.wait_seconds <= 0)

    async def _record_alerts(self, decided: Sequence[AlertEvent]) -> None:
        if not decided:
            return
        severities: dict[AlertId, str] = {}
        for event in decided:
            known = self.alerts.open.get(event.alert_id)
            if isinstance(event, AlertRaised):
                severities[event.alert_id] = event.severity
            elif known is not None:
                severities[event.alert_id] = known.raised.severity
        given_up = self.deliveries.make_room(decided, severities, decided[0].at)
        await self._recorder.record([*decided, *given_up])

    def _look(self, now: datetime) -> None:
        self._conditions.look(now)
        self._stock.look(now)
        if trio.current_time() >= self._look_seconds:
            self._look_seconds = trio.current_time() + LOOK_SECONDS
            self._health.look(self._standings(), now)
            self._cancellations.look(now)
            if self._room is not None:
                self._storage.look(self._room(), now)

    async def _send(self, message: Message) -> None:
        error = await self._try(message)
        async with self._deciding:
            events = self.deliveries.ended(message, error, self._clock.now())
            if events:
                await self._recorder.record(events)
        if error is not None:
            log.warning("alert.delivery_failed", destination=message.destination, reason=str(error))
        if error is None or not events:
            outcome = "delivered" if error is None else "retried"
            self._listener.alert_delivery_ended(message.destination, outcome, len(message.notices))
        self._stir()

    async def _try(self, message: Message) -> ChannelError | None:
        async with self._lines[message.destination]:
            try:
                with trio.fail_after(self._settings.send_seconds_max):
                    await self._notifiers[message.destination].send(message)
            except trio.TooSlowError:
                reason = f"no answer within {self._settings.send_seconds_max:g} s"
                return OutcomeUnknown(message.destination, "send", reason)
            except ChannelError as error:
                return error
        return None

    def _idle_seconds(self) -> float:
        now = self._clock.now()
        waits = [
            self._look_seconds - trio.current_time(),
            min(self.alerts.due_at(), self._conditions.due_at()) - now.timestamp(),
            self._stock.wait_seconds,
        ]
        wake_at = self.deliveries.wake_at()
        if wake_at is not None:
            waits.append((wake_at - now).total_seconds())
        return max(0.0, min(waits))

    def _stir(self) -> None:
        self._stirred.set()
        self._stirred = trio.Event()
