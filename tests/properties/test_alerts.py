"""Laws of alerts, over any sequence of conditions, people, failures and restarts."""

import random
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from engine.domain.alerts import AlertItem, AlertKind, Finding, Message, Severity, severity_of
from engine.domain.availability import Availability
from engine.domain.errors import ChannelError, NotSent, OutcomeUnknown, Refused
from engine.domain.events import AlertAcknowledged, AlertRaised, AlertResolved, AlertUndeliverable
from engine.domain.units import LocationId, Sku
from engine.machines.alerts.alerts import AlertTerms
from engine.machines.alerts.deliveries import DeliveryTerms, Destination
from engine.machines.alerts.findings import Findings
from engine.machines.alerts.stocklevels import LowStockTerms, StockLevels
from tests.fakes.alerts import Desk, found
from tests.fakes.clocks import START

KINDS = (AlertKind.OVERSELL, AlertKind.DRIFT, AlertKind.COUNT_VARIANCE, AlertKind.LOW_STOCK)
FINDINGS = [*(found(kind, subject) for kind in KINDS for subject in "AB"), found(AlertKind.FUSE, "3pl@here")]
DESTINATIONS = (
    Destination(name="all"),
    Destination(name="worst", severity=Severity.CRITICAL),
    Destination(name="drifts", kinds=frozenset({AlertKind.DRIFT}), transitions=frozenset({"raised"})),
)
ERRORS: list[ChannelError | None] = [
    None,
    NotSent("x", "send", "refused"),
    OutcomeUnknown("x", "send", "timeout"),
    Refused("x", "send", "HTTP 400"),
]


class Lives(RuleBasedStateMachine):
    """Drives the machines as an alerter would; a crash keeps the events and nothing else."""

    @initialize(
        open_max=st.integers(1, 6),
        waiting_max=st.integers(1, 6),
        cooldown=st.sampled_from([0, 50]),
        history_max=st.sampled_from([1, 1000]),
    )
    def begin_life(self, open_max: int, waiting_max: int, cooldown: int, history_max: int) -> None:
        self.desk = Desk(
            terms=AlertTerms(open_max=open_max, cooldown_seconds=cooldown, history_max=history_max),
            deliveries=DeliveryTerms(waiting_max=waiting_max, digest_seconds=5, give_up_hours=0.1),
            destinations=DESTINATIONS,
        )
        self.holding: set[tuple[AlertKind, str]] = set()
        self.taken: dict[str, list[AlertItem]] = {each.name: [] for each in DESTINATIONS}
        self.said: dict[str, tuple[AlertItem, ...]] = {}

    @rule(finding=st.sampled_from(FINDINGS), decide=st.booleans())
    def condition_begins(self, finding: Finding, decide: bool) -> None:
        self.holding.add(finding.key)
        self.desk.findings.begin(finding)
        if decide:
            self.desk.decide()

    @rule(finding=st.sampled_from(FINDINGS), decide=st.booleans())
    def condition_ends(self, finding: Finding, decide: bool) -> None:
        self.holding.discard(finding.key)
        self.desk.findings.end(finding.key)
        if decide:
            self.desk.decide()

    @rule(number=st.integers(0, 5), resolve=st.booleans())
    def somebody_acts(self, number: int, resolve: bool) -> None:
        alerts = list(self.desk.alerts.open.values())
        if number < len(alerts):
            act = self.desk.alerts.resolve if resolve else self.desk.alerts.acknowledge
            self.desk.happen_alerts(act(alerts[number], "ann", self.desk.now))

    @rule(seconds=st.sampled_from([1, 6, 60, 500]))
    def time_passes(self, seconds: int) -> None:
        self.desk.wait(seconds)

    @rule(seed=st.integers(0, 2**16), crash=st.booleans())
    def messages_are_sent(self, seed: int, crash: bool) -> None:
        rng = random.Random(seed)
        self.desk.happen(self.desk.deliveries.dispatch(self.desk.now))
        sent = self.desk.deliveries.take(self.desk.now)
        for message in sent:
            error = rng.choice(ERRORS)
            if error is None or isinstance(error, OutcomeUnknown):
                self.arrive(message)
            if not crash:
                self.desk.happen(self.desk.deliveries.ended(message, error, self.desk.now))
        if crash:
            self.restart()

    @rule()
    def restart(self) -> None:
        pending = self.desk.findings.take()
        successor = self.desk.successor()
        assert successor.facts() == self.desk.facts(), "replay equals live"
        restored = self.desk.restored()
        said = self.desk.statements()
        assert successor.statements() == said
        assert restored.statements() == said
        assert restored.facts() == self.desk.facts(), "so does a snapshot"
        self.desk = successor
        for key, (finding, ended) in pending.items():  # what was durable is noticed again
            if finding is not None and not ended:
                self.desk.findings.begin(finding)
            elif ended:
                self.desk.findings.end(key)

    def arrive(self, message: Message) -> None:
        items = tuple(notice.item for notice in message.notices)
        assert self.said.setdefault(message.message_id, items) == items, "one id, one message"
        self.taken[message.destination] += items

    @invariant()
    def at_most_one_alert_of_a_subject_is_open(self) -> None:
        keys = Counter(alert.key for alert in self.desk.alerts.open.values())
        assert all(count == 1 for count in keys.values())
        assert set(keys) == set(self.desk.alerts._by_key)

    @invariant()
    def every_alert_is_raised_once_and_resolved_at_most_once(self) -> None:
        raised = Counter(event.alert_id for event in self.desk.events if isinstance(event, AlertRaised))
        resolved = Counter(event.alert_id for event in self.desk.events if isinstance(event, AlertResolved))
        assert set(raised.values()) <= {1}
        assert set(resolved.values()) <= {1}
        assert set(resolved) <= set(raised)
        assert set(self.desk.alerts.open) == set(raised) - set(resolved)

    @invariant()
    def nothing_grows_without_end(self) -> None:
        desk = self.desk
        assert desk.terms is not None
        assert desk.delivery_terms is not None
        lesser = [each for each in desk.alerts.open.values() if each.raised.severity != Severity.CRITICAL]
        assert len(lesser) <= desk.terms.open_max
        for queue in desk.deliveries._queues.values():
            waiting = [each for each in queue.waiting.values() if each.severity != Severity.CRITICAL]
            assert len(waiting) <= desk.delivery_terms.waiting_max

    @invariant()
    def what_is_owed_is_waiting_taken_or_given_up(self) -> None:
        """Every transition reaches every destination that wants it, or it is on record why not."""
        desk = self.desk
        given_up: set[tuple[str, AlertItem]] = set()
        owed: set[tuple[str, AlertItem]] = set()
        for event in desk.events:
            match event:
                case AlertRaised():
                    owed |= {(name, (event.alert_id, "raised")) for name in event.to}
                case AlertAcknowledged():
                    owed |= {(name, (event.alert_id, "acknowledged")) for name in event.to}
                case AlertResolved():
                    owed |= {(name, (event.alert_id, "resolved")) for name in event.to}
                case AlertUndeliverable(destination=destination, items=items):
                    given_up |= {(destination, item) for item in items}
        waiting = {
            (name, item)
            for name, queue in desk.deliveries._queues.items()
            for item in (*queue.waiting, *(each.item for each in (queue.message.notices if queue.message else ())))
        }
        taken = {(name, item) for name, items in self.taken.items() for item in items}
        assert owed == (waiting | taken | given_up) & owed
        assert waiting <= owed
        for name, item in owed - waiting - taken:
            assert (name, item) in given_up
        severe = {
            event.alert_id for event in desk.events if isinstance(event, AlertRaised) and event.severity == "critical"
        }
        for event in desk.events:
            if isinstance(event, AlertUndeliverable) and event.reason == "no_room":
                assert not severe & {alert_id for alert_id, _ in event.items}, "an oversell always goes out"

    def teardown(self) -> None:
        """In the end, when nothing fails any more, all is told, and what holds is open or was put aside on purpose."""
        if not hasattr(self, "desk"):
            return
        self.desk.decide()
        for key in self.holding:
            known = self.desk.alerts.is_known(key)
            if severity_of(key) is Severity.CRITICAL:
                assert known, "an oversell that holds is an alert, or somebody has resolved it"
        for _ in range(100):
            self.desk.wait(3600)
            for message in self.desk.send():
                self.arrive(message)
        assert all(self.desk.deliveries.owed(each.name) == 0 for each in DESTINATIONS)
        self.what_is_owed_is_waiting_taken_or_given_up()
        for key in self.holding:
            if severity_of(key) is Severity.CRITICAL:
                assert self.desk.alerts.is_open(key)


Lives.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestLives = Lives.TestCase


@given(
    steps=st.lists(st.tuples(st.integers(-2, 12), st.sampled_from((None, 0.0, 1.0, 3.0)), st.booleans()), max_size=20)
)
def test_to_judge_again_what_has_not_moved_says_what_its_stock_told_again_would_say(
    steps: list[tuple[int, float | None, bool]],
) -> None:
    """So whoever hears of stock alone, and looks again when demand may have moved, misses nothing."""
    demand: dict[str, float | None] = {"A": None}

    def make() -> tuple[Findings, StockLevels]:
        findings = Findings(ignored=(), is_known=lambda _: True)
        findings.live = True
        levels = StockLevels(
            findings,
            terms=LowStockTerms(units=2, days=3),
            terms_of={},
            daily_sales=lambda sku, _at: demand[sku],
            unsettled=lambda _key, _skus: False,
        )
        return findings, levels

    (findings, levels), (others, told_again) = make(), make()
    atp = 10
    for number, (units, sales, moves) in enumerate(((atp, None, True), *steps)):
        demand["A"] = sales
        atp = units if moves else atp
        level = Availability(sku=Sku("A"), position=number, atp=((LocationId("l"), atp),), changed_at=START)
        told_again.look(level, START)
        if moves:
            levels.look(level, START)
        else:
            levels.judge_again(levels.skus(), START)
        assert findings.take() == others.take(), (number, atp, sales)
