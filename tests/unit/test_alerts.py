"""The life of an alert: raised once, acknowledged, resolved, at rest; and what happens when there are too many."""

from datetime import timedelta

import pytest

from config.alerts import Kind
from engine.domain.alerts import MOMENTARY, RANK, AlertId, AlertKind, Severity, severity_of
from engine.domain.events import AlertAcknowledged, AlertRaised, AlertResolved
from engine.machines.alerts.alerts import BY_HAND, DISPLACED, ENDED, AlertTerms
from tests.fakes.alerts import Desk, found
from tests.fakes.clocks import START

LOW = found(AlertKind.LOW_STOCK)
OVERSELL = found(AlertKind.OVERSELL)
COUNT = found(AlertKind.COUNT_VARIANCE, "A@here")


def test_every_kind_has_a_severity_and_may_be_configured() -> None:
    assert {severity_of((kind, "A")) for kind in AlertKind} == set(Severity)
    assert set(AlertKind) == set(Kind.__args__)  # type: ignore[attr-defined]
    assert list(RANK) == [Severity.CRITICAL, Severity.WARNING, Severity.NOTICE]


def test_an_alert_is_raised_once_while_its_condition_holds() -> None:
    desk = Desk()
    [raised] = desk.begin(LOW)
    assert raised == AlertRaised(
        at=START,
        alert_id=AlertId(1),
        alert_kind="low_stock",
        subject="A",
        severity="notice",
        text="so it is",
        to=("ops",),
    )
    desk.now = START.replace(hour=13)
    assert desk.begin(found(AlertKind.LOW_STOCK, text="worse")) == []
    assert desk.open() == [("low_stock", "A")]
    [resolved] = desk.end(LOW)
    assert isinstance(resolved, AlertResolved)
    assert (resolved.alert_id, resolved.how, resolved.by) == (1, ENDED, "")
    assert desk.open() == []
    assert desk.end(LOW) == []


def test_subjects_and_kinds_have_alerts_of_their_own() -> None:
    desk = Desk()
    desk.begin(LOW, OVERSELL, found(AlertKind.LOW_STOCK, "B"))
    assert sorted(desk.open()) == [("low_stock", "A"), ("low_stock", "B"), ("oversell", "A")]
    desk.end(LOW)
    assert sorted(desk.open()) == [("low_stock", "B"), ("oversell", "A")]


def test_what_began_and_ended_between_two_decisions_is_told_whole() -> None:
    desk = Desk()
    desk.findings.begin(OVERSELL)
    desk.findings.end(OVERSELL.key)
    raised, resolved = desk.decide()
    assert isinstance(raised, AlertRaised)
    assert isinstance(resolved, AlertResolved)
    assert raised.alert_id == resolved.alert_id


def test_a_notice_is_sent_once() -> None:
    desk = Desk()
    desk.findings.happen(found(AlertKind.STOCK_BACK))
    raised, resolved = desk.decide()
    assert isinstance(raised, AlertRaised)
    assert isinstance(resolved, AlertResolved)
    assert (raised.to, resolved.to) == (("ops",), ())
    assert desk.open() == []


def test_an_end_that_comes_while_its_beginning_is_being_recorded_is_not_lost() -> None:
    desk = Desk()
    desk.findings.begin(LOW)
    decided = desk.alerts.decide(desk.findings.take(), desk.now)
    desk.findings.end(LOW.key)  # the alert is on its way into the journal: nobody knows it yet
    desk.happen_alerts(decided)
    assert [type(event) for event in desk.decide()] == [AlertResolved]


# -- cooldown


def test_within_the_cooldown_it_is_counted_and_said_later() -> None:
    desk = Desk(terms=AlertTerms(cooldown_seconds=100))
    desk.begin(LOW)
    desk.end(LOW)
    desk.wait(10)
    for _ in range(3):
        assert desk.begin(LOW) == []
        assert desk.end(LOW) == []
    assert desk.wait(89.9) == []
    assert desk.begin(LOW) == []
    assert desk.alerts.suppressed[AlertKind.LOW_STOCK] == 4
    [raised] = desk.wait(0.1)
    assert isinstance(raised, AlertRaised)
    assert raised.suppressed == 4
    desk.end(LOW)
    assert desk.alerts._rests[LOW.key].suppressed == 0


def test_what_holds_when_the_cooldown_is_over_is_raised_then() -> None:
    desk = Desk(terms=AlertTerms(cooldown_seconds=100))
    desk.begin(LOW)
    desk.end(LOW)
    desk.begin(LOW)
    assert desk.alerts.due_at() == desk.now.timestamp() + 100
    assert [type(event) for event in desk.wait(100)] == [AlertRaised]


def test_what_ended_within_the_cooldown_is_not_raised_after_it() -> None:
    desk = Desk(terms=AlertTerms(cooldown_seconds=100))
    desk.begin(LOW)
    desk.end(LOW)
    desk.begin(LOW)
    desk.end(LOW)
    assert desk.wait(100) == []
    assert [type(event) for event in desk.begin(LOW)] == [AlertRaised]


def test_a_rest_without_anything_to_say_is_forgotten() -> None:
    desk = Desk(terms=AlertTerms(cooldown_seconds=100))
    desk.begin(LOW)
    desk.end(LOW)
    assert desk.alerts.is_known(LOW.key)
    desk.wait(100)
    assert not desk.alerts.is_known(LOW.key)


def test_a_condition_found_again_while_it_waits_counts_once() -> None:
    desk = Desk(terms=AlertTerms(cooldown_seconds=100))
    desk.begin(LOW)
    desk.end(LOW)
    for _ in range(5):
        desk.begin(LOW)
    assert desk.alerts.suppressed[AlertKind.LOW_STOCK] == 1


@pytest.mark.parametrize("kind", [kind for kind in AlertKind if severity_of((kind, "A")) is Severity.CRITICAL])
def test_what_is_critical_has_no_cooldown(kind: AlertKind) -> None:
    desk = Desk()
    for _ in range(3):
        assert [type(event) for event in desk.begin(found(kind))] == [AlertRaised]
        assert [type(event) for event in desk.end(found(kind))] == [AlertResolved]


# -- people


def test_an_alert_is_acknowledged_once() -> None:
    desk = Desk()
    desk.begin(LOW)
    [event] = desk.happen_alerts(desk.alerts.acknowledge(desk.alert(1), "ann", desk.now))
    assert event == AlertAcknowledged(at=START, alert_id=AlertId(1), by="ann", to=("ops",))
    assert desk.alerts.acknowledge(desk.alert(1), "bob", desk.now) == []
    acknowledged = desk.alert(1).acknowledged
    assert acknowledged is not None
    assert acknowledged.by == "ann"
    assert desk.open() == [("low_stock", "A")]


def test_what_is_resolved_by_hand_and_lasts_comes_back_after_the_cooldown() -> None:
    desk = Desk(terms=AlertTerms(cooldown_seconds=100))
    desk.begin(OVERSELL)
    [resolved] = desk.happen_alerts(desk.alerts.resolve(desk.alert(1), "ann", desk.now))
    assert isinstance(resolved, AlertResolved)
    assert (resolved.how, resolved.by) == (BY_HAND, "ann")
    assert desk.wait(99) == []
    assert [type(event) for event in desk.wait(1)] == [AlertRaised]


def test_a_refused_snapshot_is_less_bad_than_an_account_held_back_and_over_when_a_person_says_so() -> None:
    """It has changed nothing. A feed that is broken every other hour must not be told every other hour."""
    refused = found(AlertKind.FUSE, "3pl@here")
    desk = Desk(terms=AlertTerms(cooldown_seconds=100))
    raised, _ = desk.begin(refused, found(AlertKind.FUSE, "shop"))
    assert isinstance(raised, AlertRaised)
    assert raised.severity == Severity.WARNING
    desk.happen_alerts(desk.alerts.resolve(desk.alert(1), "ann", desk.now))
    assert desk.begin(refused) == [], "within the cooldown"
    desk.end(refused)
    assert desk.wait(100) == []
    assert desk.open() == [("fuse", "shop")]


def test_what_was_suppressed_is_counted_since_the_start_where_one_came_in_between() -> None:
    desk = Desk(terms=AlertTerms(cooldown_seconds=100))
    desk.begin(LOW)
    desk.end(LOW)
    desk.begin(LOW)
    desk.end(LOW)
    started_at = desk.now + timedelta(seconds=10)
    desk.now = started_at
    desk = desk.successor()
    desk.alerts.started_at = started_at
    desk.begin(LOW)
    (raised,) = desk.wait(90)
    assert isinstance(raised, AlertRaised)
    assert (raised.suppressed, raised.suppressed_since) == (1, started_at), "two, but of one nothing is on record"
    desk.end(LOW)
    desk.begin(LOW)
    (again,) = desk.wait(100)
    assert isinstance(again, AlertRaised)
    assert (again.suppressed, again.suppressed_since) == (1, None), "all of them"


def test_what_is_resolved_by_hand_and_lasts_is_put_aside_until_its_cooldown_is_over() -> None:
    """So a start in between does not bring it back at once."""
    desk = Desk(terms=AlertTerms(cooldown_seconds=100))
    desk.begin(OVERSELL)
    desk.happen_alerts(desk.alerts.resolve(desk.alert(1), "ann", desk.now))
    desk = desk.successor()
    assert desk.alerts.is_put_aside(OVERSELL.key)
    desk.wait(100)
    assert not desk.alerts.is_put_aside(OVERSELL.key)
    desk.end(OVERSELL)
    assert not desk.alerts.is_put_aside(OVERSELL.key)


def test_what_is_resolved_by_hand_and_ends_does_not_come_back() -> None:
    desk = Desk(terms=AlertTerms(cooldown_seconds=100))
    desk.begin(LOW)
    desk.happen_alerts(desk.alerts.resolve(desk.alert(1), "ann", desk.now))
    desk.end(LOW)
    assert desk.wait(100) == []


def test_what_has_no_duration_is_over_when_it_is_resolved_by_hand() -> None:
    desk = Desk(terms=AlertTerms(cooldown_seconds=100))
    assert COUNT.kind in MOMENTARY
    desk.begin(COUNT)
    desk.happen_alerts(desk.alerts.resolve(desk.alert(1), "ann", desk.now))
    assert desk.wait(100) == []
    assert desk.alerts.resolve(desk.alert(1), "bob", desk.now) == []
    assert desk.alerts.acknowledge(desk.alert(1), "bob", desk.now) == []


# -- too many


def subjects(desk: Desk) -> list[str]:
    return [subject for _, subject in desk.open()]


def test_one_too_many_displaces_the_oldest_of_the_least_severe() -> None:
    desk = Desk(terms=AlertTerms(open_max=3))
    desk.begin(found(AlertKind.DRIFT, "d"))
    desk.begin(found(AlertKind.LOW_STOCK, "l1"))
    desk.begin(found(AlertKind.LOW_STOCK, "l2"))
    resolved, raised = desk.begin(found(AlertKind.DRIFT, "d2"))
    assert isinstance(resolved, AlertResolved)
    assert (resolved.how, resolved.alert_id) == (DISPLACED, 2)
    assert isinstance(raised, AlertRaised)
    assert subjects(desk) == ["d", "l2", "d2"]
    desk.begin(found(AlertKind.LOW_STOCK, "l3"))
    assert subjects(desk) == ["d", "d2", "l3"]


def test_what_is_less_severe_than_all_is_counted_and_not_raised() -> None:
    desk = Desk(terms=AlertTerms(open_max=2))
    desk.begin(found(AlertKind.DRIFT, "1"), found(AlertKind.DRIFT, "2"))
    assert desk.begin(found(AlertKind.LOW_STOCK, "3")) == []
    assert desk.alerts.suppressed[AlertKind.LOW_STOCK] == 1
    desk.end(found(AlertKind.DRIFT, "1"))
    assert [type(event) for event in desk.begin(found(AlertKind.LOW_STOCK, "3"))] == [AlertRaised]


def test_an_oversell_is_never_displaced_and_always_raised() -> None:
    desk = Desk(terms=AlertTerms(open_max=2))
    desk.begin(*(found(AlertKind.OVERSELL, str(number)) for number in range(4)))
    desk.begin(found(AlertKind.OVERSELL, "4"))
    assert subjects(desk) == ["0", "1", "2", "3", "4"]
    assert desk.begin(found(AlertKind.DRIFT, "d")) == []


def test_an_oversell_that_was_resolved_by_hand_comes_back_however_much_happens_meanwhile() -> None:
    desk = Desk(terms=AlertTerms(open_max=1, cooldown_seconds=100))
    desk.begin(OVERSELL)
    desk.happen_alerts(desk.alerts.resolve(desk.alert(1), "ann", desk.now))
    for number in range(5):
        desk.begin(found(AlertKind.DRIFT, str(number)))
        desk.end(found(AlertKind.DRIFT, str(number)))
    assert len(desk.alerts._rests) == 1
    desk.wait(100)
    assert ("oversell", "A") in desk.open()


def test_an_end_makes_room_for_a_beginning_of_the_same_moment() -> None:
    desk = Desk(terms=AlertTerms(open_max=1))
    desk.begin(found(AlertKind.DRIFT, "1"))
    desk.findings.begin(found(AlertKind.DRIFT, "2"))
    desk.findings.end((AlertKind.DRIFT, "1"))
    resolved, raised = desk.decide()
    assert isinstance(resolved, AlertResolved)
    assert resolved.how == ENDED
    assert isinstance(raised, AlertRaised)


def test_a_storm_keeps_to_the_limits() -> None:
    """Law 10."""
    desk = Desk(terms=AlertTerms(open_max=10, history_max=5))
    for number in range(100):
        desk.begin(found(AlertKind.DRIFT, str(number)))
        desk.wait(1)
    assert len(desk.alerts.open) == 10
    assert len(desk.alerts.history) == 5
    assert len(desk.alerts._rests) <= 10
    assert subjects(desk) == [str(number) for number in range(90, 100)]


def test_counts_by_kind_are_those_of_open_alerts() -> None:
    desk = Desk()
    desk.begin(LOW, OVERSELL, found(AlertKind.LOW_STOCK, "B"))
    counted = {kind: count for kind, count in desk.alerts.count_open().items() if count}
    assert counted == {AlertKind.LOW_STOCK: 2, AlertKind.OVERSELL: 1}


def test_an_alert_that_is_not_kept_any_more_is_nobody() -> None:
    desk = Desk(terms=AlertTerms(history_max=1))
    desk.begin(LOW, found(AlertKind.LOW_STOCK, "B"))
    desk.end(LOW, found(AlertKind.LOW_STOCK, "B"))
    assert desk.alert(2).raised.subject == "B"
    assert desk.alerts.find(AlertId(1)) is None
