"""Everything that is counted. `docs/telemetry.md` is the table of it.

Labels are bounded: accounts of the configuration, words of this code. Never a SKU, an order or a hold.
"""

import platform
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, get_args

import trio
from prometheus_client import CollectorRegistry, Metric, ProcessCollector
from prometheus_client.registry import Collector

from engine.actors.mailbox import Mailbox
from engine.domain.commands import Answer, Command, Granted, Observed, PlaceHold, Refusal
from engine.domain.events import (
    BookEvent,
    DecidedEvent,
    Event,
    HoldCommitted,
    HoldExpired,
    HoldReleased,
    OversellRecorded,
    UnitsHeld,
)
from engine.domain.orders import Freshness, OrderSnapshot
from engine.domain.units import AccountId, OrderId
from engine.ports import Clock, WebhookHealth
from ops.node import Node
from ops.telemetry.canonical import COMMAND_NAMES, log_decision, log_grant
from ops.telemetry.counted import Counted
from ops.telemetry.families import PREFIX, build_counter, build_gauge
from ops.telemetry.gauges import MailboxGauges, NodeGauges
from ops.telemetry.loop import LoopWatch
from ops.telemetry.text import render_text
from ops.version import installed_version

_BOOK_EVENTS: Final[tuple[type[Any], ...]] = get_args(DecidedEvent)
_HOLD_CHANGES: Final[dict[type, int]] = {UnitsHeld: 1, HoldCommitted: -1, HoldReleased: -1, HoldExpired: -1}
_NO_ACCOUNT: Final = "none"


class Telemetry:
    """Listens to all of the engine and to the socket (their `...Listener`s) and shows it as metrics.

    Belongs to the thread that runs trio; nothing here blocks or waits.
    """

    def __init__(self, registry: CollectorRegistry, *, clock: Clock, log_commands: bool = False) -> None:
        """Register everything with `registry`, once.

        Args:
            registry: whose exposition METRICS shows.
            clock: tells how old an order is when it gets here.
            log_commands: write a `command.decided` line per command.
        """
        self._registry = registry
        self._clock = clock
        self._log_commands = log_commands
        self._node: NodeGauges | None = None
        self._mailboxes = MailboxGauges()
        self._loop = LoopWatch(self._sample)
        self._watched: dict[str, tuple[str, Callable[[], float]]] = {}
        self._decisions: defaultdict[type, defaultdict[type | str, int]] = defaultdict(lambda: defaultdict(int))
        self._kinds: defaultdict[type[Any], int] = defaultdict(int, dict.fromkeys(_BOOK_EVENTS, 0))
        self._stalled = self._connections = 0
        self._active: dict[AccountId, int] = {}
        self._counted = Counted()
        self._about = (installed_version(), platform.python_version())
        ProcessCollector(namespace=PREFIX.rstrip("_"), registry=registry)
        registry.register(_Scrape(self._collect))

    # -- engine.actors.shard.ShardListener

    def decided(self, command: Command, answer: Answer, events: Sequence[DecidedEvent]) -> None:
        """Count one decision. On the road of every command: three dictionary entries, no more."""
        answers = answer.verdicts if type(answer) is Observed else (answer,)
        outcomes = self._decisions[type(command)]
        for each in answers:
            outcomes[each.code if type(each) is Refusal else type(each)] += 1
        kinds = self._kinds
        for event in events:
            kinds[type(event)] += 1
        if self._log_commands:
            log_decision(command, answer, len(events))

    def granted(self, held: Sequence[UnitsHeld]) -> None:
        """Count the plain holds that one step granted."""
        self._decisions[PlaceHold][Granted] += len(held)
        self._kinds[UnitsHeld] += len(held)
        if self._log_commands:
            for event in held:
                log_grant(event)

    def lapsed(self, events: Sequence[BookEvent]) -> None:
        """Count what the clock decided."""
        for event in events:
            self._kinds[type(event)] += 1

    # -- engine.actors.journal.JournalListener

    def frame_committed(self, events: int, payload_bytes: int, seconds: float) -> None:
        """Note a frame that is durable."""
        self._counted.commit_seconds.observe(seconds)
        self._counted.commit_events.observe(events)
        self._counted.commit_bytes.observe(payload_bytes)

    def stalled(self, reason: str | None) -> None:
        """Note that appends are refused, or (None) taken again."""
        self._stalled = int(reason is not None)

    # -- ops.node.NodeListener

    def committed(self, event: Event) -> None:
        """Count an oversell that is on record; one that only shrank is none."""
        if isinstance(event, OversellRecorded) and event.units > 0:
            labels = (event.account or _NO_ACCOUNT, event.cause)
            self._counted.oversells.counts[labels] += 1
            self._counted.oversold.counts[labels] += event.units

    # -- engine.actors.order_desk.DeskListener

    def order_told(self, snapshot: OrderSnapshot, freshness: Freshness, unmatched: int) -> None:
        """Count a snapshot; its age and its unmatched lines only when it is new, or every poll would count them."""
        account = snapshot.account
        self._counted.orders.counts[account, freshness] += 1
        if freshness is Freshness.NEWER:
            self._counted.unmatched.counts[account,] += unmatched
            age = (self._clock.now() - snapshot.modified_at).total_seconds()
            self._counted.order_lag.of(account).observe(max(0.0, age))

    # -- engine.actors.intake.IntakeListener

    def webhook_handled(self, account: AccountId, outcome: str) -> None:
        """Count a delivery."""
        self._counted.webhooks.counts[account, outcome] += 1

    def polled(self, account: AccountId, orders: int, seconds: float, problem: str | None) -> None:
        """Note a poll; why it failed is in the log, being free text."""
        self._counted.polls.of(account, "ok" if problem is None else "failed").observe(seconds)
        self._counted.polled.counts[account,] += orders

    def order_unreadable(self, account: AccountId, order_id: OrderId, reason: str) -> None:  # noqa: ARG002
        """Count an order that nobody could make sense of."""
        self._counted.unreadable.counts[account,] += 1

    def webhooks_checked(self, account: AccountId, health: WebhookHealth) -> None:
        """Note the state of our subscriptions."""
        self._active[account] = health.active
        self._counted.created.counts[account,] += len(health.created)
        self._counted.revived.counts[account,] += len(health.revived)

    # -- engine.machines.pushing.PusherListener

    def push_settled(self, account: AccountId, verdict: str) -> None:
        """Count a push."""
        self._counted.pushes.counts[account, verdict] += 1

    def push_accepted(self, account: AccountId, lag_seconds: float) -> None:
        """Note the time to the channel's yes."""
        self._counted.accepted.of(account).observe(lag_seconds)

    def push_verified(self, account: AccountId, lag_seconds: float) -> None:
        """Note the time until it was seen there."""
        self._counted.verified.of(account).observe(lag_seconds)

    def drift_found(self, account: AccountId) -> None:
        """Count a listing that shows something else."""
        self._counted.drifts.counts[account,] += 1

    def call_ended(self, account: AccountId, operation: str, seconds: float, outcome: str) -> None:
        """Note a call."""
        self._counted.calls.counts[account, operation, outcome] += 1
        self._counted.call_seconds.of(account, operation).observe(seconds)

    # -- engine.actors.alerting.AlertListener

    def alert_raised(self, kind: str) -> None:
        """Count an alert that is on record."""
        self._counted.alerts.counts[kind,] += 1

    def alert_delivery_ended(self, destination: str, outcome: str, transitions: int) -> None:
        """Count what became of transitions that a destination was owed, or (`retried`) of a try."""
        self._counted.alert_deliveries.counts[destination, outcome] += transitions

    # -- engine.actors.reoffer.ReofferListener

    def reoffered(self, reason: str, offers: int, changed: int, seconds: float) -> None:  # noqa: ARG002
        """Note that every offer was computed anew."""
        self._counted.reoffers.of(reason).observe(seconds)
        self._counted.reoffered.counts[reason,] += changed

    # -- ops.socket.server.SocketListener

    def command_received(self, name: str, count: int = 1) -> None:
        """Count commands of one name."""
        self._counted.commands.counts[name,] += count

    def connections_changed(self, change: int) -> None:
        """Note a connection opened (1) or closed (-1)."""
        self._connections += change

    def connection_refused(self, reason: str) -> None:
        """Count a connection that was not let in, or was thrown out."""
        self._counted.refused.counts[reason,] += 1

    # -- the process

    def clock_stepped(self, ahead_seconds: float) -> None:
        """Count a step of the system clock; positive: it was set forward."""
        self._counted.clock_steps.counts["forward" if ahead_seconds > 0 else "back",] += 1

    async def run_loop_watch(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Measure how late the event loop is, and what accounts spend, until cancelled."""
        task_status.started()
        await self._loop.run()

    def watch_mailbox(self, mailbox: Mailbox[Any]) -> None:
        """Show the depth of an inbox; its name must be its own."""
        self._mailboxes.mailboxes.append(mailbox)

    def watch(self, name: str, text: str, read: Callable[[], float]) -> None:
        """Show what `read` returns as the gauge `lastunit_<name>`; it must be quick and must not raise.

        Raises:
            ValueError: there is a metric of that name.
        """
        if PREFIX + name in {metric.name for metric in self._collect()}:
            raise ValueError(f"there is a metric {PREFIX}{name} already")
        self._watched[name] = (text, read)

    def watch_node(self, node: Node) -> None:
        """Show a node's figures; call it once, when the node has been replayed."""
        self._node = NodeGauges(node, self._holds_moved)
        for account in node.accounts:
            self._counted.expect(account)
        for destination in node.alerter.deliveries.destinations:
            self._counted.expect_destination(destination)

    def exposition(self) -> str:
        """Build the Prometheus text of all there is."""
        return render_text(self._registry.collect())

    def _sample(self, now: float) -> None:
        if self._node is not None:
            self._node.sample(now)

    def _holds_moved(self) -> int:
        return sum(change * self._kinds[kind] for kind, change in _HOLD_CHANGES.items())

    def _collect(self) -> Iterator[Metric]:
        decisions = (
            ((COMMAND_NAMES[command], outcome if isinstance(outcome, str) else outcome.__name__.lower()), count)
            for command, outcomes in self._decisions.items()
            for outcome, count in outcomes.items()
        )
        yield build_counter("decisions", "Commands decided, by answer.", decisions, "command", "outcome")
        kinds = (((kind.__struct_config__.tag,), count) for kind, count in self._kinds.items())
        yield build_counter("book_events", "What commands and the clock did to books and orders.", kinds, "kind")
        yield from self._counted.collect()
        active = (((account,), count) for account, count in self._active.items())
        yield build_gauge("webhook_subscriptions", "Our subscriptions at the channel.", active, "account")
        yield build_gauge("journal_stalled", "1 while the journal cannot be written.", [((), self._stalled)])
        yield build_gauge("connections", "Connections to the command socket.", [((), self._connections)])
        yield build_gauge("build_info", "1, with what is running.", [(self._about, 1.0)], "version", "python")
        yield from self._mailboxes.collect()
        yield from self._loop.collect()
        if self._node is not None:
            yield from self._node.collect()
        for name, (text, read) in self._watched.items():
            yield build_gauge(name, text, [((), read())])


class _Scrape(Collector):
    """Reads when the registry is read."""

    def __init__(self, collect: Callable[[], Iterator[Metric]]) -> None:
        self._collect = collect

    def collect(self) -> Iterator[Metric]:
        """Build every family."""
        return self._collect()
