"""What destinations are owed: filters, digests, tries, limits."""

from datetime import timedelta

import pytest

from engine.domain.alerts import AlertKind, Message, Transition
from engine.domain.errors import ChannelError, CredentialsRejected, NotSent, OutcomeUnknown, Refused, Throttled
from engine.domain.events import AlertDelivered, AlertDispatched, AlertUndeliverable
from engine.machines.alerts.deliveries import DIGEST_MAX, GIVEN_UP, GONE, NO_ROOM, REFUSED, DeliveryTerms, Destination
from tests.fakes.alerts import Desk, found

LOW = found(AlertKind.LOW_STOCK)
OVERSELL = found(AlertKind.OVERSELL)
DOWN = NotSent("ops", "send", "connection refused")


def items(message: Message) -> list[tuple[int, str]]:
    return [(notice.alert_id, notice.transition) for notice in message.notices]


def fail(error: ChannelError) -> object:
    return lambda _message: error


@pytest.mark.parametrize(
    ("destination", "wanted"),
    [
        (Destination(name="all"), [True, True, True]),
        (Destination(name="critical", severity="critical"), [True, False, False]),
        (Destination(name="warning", severity="warning"), [True, True, False]),
        (Destination(name="kinds", kinds=frozenset({"drift", "low_stock"})), [False, True, True]),
        (Destination(name="both", kinds=frozenset({"low_stock"}), severity="warning"), [False, False, False]),
        (Destination(name="ends", transitions=frozenset({"resolved"})), [False, False, False]),
    ],
)
def test_a_destination_is_told_what_it_wants(destination: Destination, wanted: list[bool]) -> None:
    told = [("oversell", "critical"), ("drift", "warning"), ("low_stock", "notice")]
    assert [destination.wants(kind, severity, Transition.RAISED) for kind, severity in told] == wanted


def test_what_is_critical_goes_at_once_and_takes_along_who_waits() -> None:
    desk = Desk(deliveries=DeliveryTerms(digest_seconds=10))
    desk.begin(LOW)
    assert desk.send() == []
    assert desk.deliveries.wake_at() == desk.now + timedelta(seconds=10)
    desk.begin(OVERSELL)
    [message] = desk.send()
    assert items(message) == [(2, "raised"), (1, "raised")]
    assert desk.deliveries.owed("ops") == 0
    assert isinstance(desk.events[-1], AlertDelivered)


def test_what_waits_together_goes_as_one_digest() -> None:
    desk = Desk(deliveries=DeliveryTerms(digest_seconds=10))
    desk.begin(LOW)
    desk.wait(5)
    desk.end(LOW)
    desk.begin(found(AlertKind.DRIFT, "shop/1"))
    desk.wait(5)
    [message] = desk.send()
    assert items(message) == [(2, "raised"), (1, "raised"), (1, "resolved")]


def test_a_full_digest_waits_no_longer_and_the_rest_goes_next() -> None:
    desk = Desk(deliveries=DeliveryTerms(digest_seconds=10))
    desk.begin(*(found(AlertKind.LOW_STOCK, str(number)) for number in range(DIGEST_MAX + 3)))
    [first] = desk.send()
    assert len(first.notices) == DIGEST_MAX
    assert desk.send() == []
    desk.wait(10)
    [second] = desk.send()
    assert [number for number, _ in items(second)] == [DIGEST_MAX + 1, DIGEST_MAX + 2, DIGEST_MAX + 3]
    assert first.message_id != second.message_id


def test_a_message_is_on_record_before_it_is_sent() -> None:
    desk = Desk()
    desk.begin(OVERSELL)
    assert desk.deliveries.take(desk.now) == []
    [dispatched] = desk.deliveries.dispatch(desk.now)
    assert isinstance(dispatched, AlertDispatched)
    assert dispatched.message_id == "ops-1-raised-20261111T120000"
    desk.happen([dispatched])
    assert [message.message_id for message in desk.deliveries.take(desk.now)] == [dispatched.message_id]


def test_one_message_is_under_way_at_a_time() -> None:
    desk = Desk()
    desk.begin(OVERSELL)
    desk.happen(desk.deliveries.dispatch(desk.now))
    [message] = desk.deliveries.take(desk.now)
    desk.begin(found(AlertKind.OVERSELL, "B"))
    assert desk.deliveries.dispatch(desk.now) == []
    assert desk.deliveries.take(desk.now) == []
    decided = desk.deliveries.ended(message, None, desk.now)
    assert desk.deliveries.take(desk.now) == [], "taken, and that is not on record yet"
    desk.happen(decided)
    [following] = desk.send()
    assert items(following) == [(2, "raised")]


def test_a_failed_message_is_sent_again_unchanged_and_later() -> None:
    desk = Desk(deliveries=DeliveryTerms(retry_seconds=8, retry_seconds_max=100))
    desk.begin(OVERSELL)
    [message] = desk.send(lambda _: DOWN)
    desk.begin(found(AlertKind.OVERSELL, "B"))
    assert desk.send() == []
    wake_at = desk.deliveries.wake_at()
    assert wake_at is not None
    assert 4 <= (wake_at - desk.now).total_seconds() <= 8
    desk.wait((wake_at - desk.now).total_seconds())
    assert desk.send() == [message]
    assert [items(each) for each in desk.send()] == [[(2, "raised")]]


def test_waits_grow_up_to_their_limit() -> None:
    desk = Desk(deliveries=DeliveryTerms(retry_seconds=5, retry_seconds_max=60))
    desk.begin(OVERSELL)
    waits = []
    for _ in range(40):
        assert len(desk.send(lambda _: DOWN)) == 1
        wake_at = desk.deliveries.wake_at()
        assert wake_at is not None
        waits.append((wake_at - desk.now).total_seconds())
        desk.wait(waits[-1])
    assert all(2.5 <= wait <= 60 for wait in waits)
    assert max(waits[:3]) <= 20
    assert max(waits) > 40


def test_who_asks_for_patience_gets_it() -> None:
    desk = Desk()
    desk.begin(OVERSELL)
    desk.send(lambda _: Throttled("ops", "send", "429", 120))
    wake_at = desk.deliveries.wake_at()
    assert wake_at is not None
    assert wake_at >= desk.now + timedelta(seconds=120)


@pytest.mark.parametrize("error", [DOWN, OutcomeUnknown("ops", "send", "?"), CredentialsRejected("ops", "send", "401")])
def test_after_a_day_a_message_is_given_up_on_record(error: ChannelError) -> None:
    desk = Desk(deliveries=DeliveryTerms(give_up_hours=24))
    desk.begin(OVERSELL)
    desk.send(lambda _: error)
    desk.wait(24 * 3600 - 1)
    desk.send(lambda _: error)
    assert desk.deliveries.owed("ops") == 1
    desk.wait(3600)
    desk.send(lambda _: error)
    given_up = desk.events[-1]
    assert isinstance(given_up, AlertUndeliverable)
    assert given_up.items == ((1, "raised"),)
    assert given_up.reason.startswith(f"{GIVEN_UP}: ops: send:")
    assert desk.deliveries.owed("ops") == 0
    assert desk.deliveries.wake_at() is None


def test_what_is_refused_is_not_repeated_and_blocks_nobody() -> None:
    desk = Desk()
    desk.begin(OVERSELL)
    desk.send(lambda _: Refused("ops", "send", "HTTP 400"))
    given_up = desk.events[-1]
    assert isinstance(given_up, AlertUndeliverable)
    assert given_up.reason == f"{REFUSED}: ops: send: HTTP 400"
    desk.begin(found(AlertKind.OVERSELL, "B"))
    assert [items(message) for message in desk.send()] == [[(2, "raised")]]


def test_each_destination_has_a_queue_of_its_own() -> None:
    desk = Desk(destinations=[Destination(name="ops"), Destination(name="mail", severity="critical")])
    desk.begin(OVERSELL)
    sent = desk.send(lambda message: DOWN if message.destination == "ops" else None)
    assert sorted(message.destination for message in sent) == ["mail", "ops"]
    assert (desk.deliveries.owed("ops"), desk.deliveries.owed("mail")) == (1, 0)
    desk.begin(LOW)
    assert (desk.deliveries.owed("ops"), desk.deliveries.owed("mail")) == (2, 0)


# -- too much


def test_beyond_the_limit_the_oldest_of_the_least_severe_is_given_up() -> None:
    desk = Desk(deliveries=DeliveryTerms(waiting_max=3))
    desk.begin(found(AlertKind.LOW_STOCK, "1"), found(AlertKind.DRIFT, "2"), found(AlertKind.LOW_STOCK, "3"))
    happened = desk.begin(found(AlertKind.LOW_STOCK, "4"), found(AlertKind.DRIFT, "5"))
    given_up = happened[-1]
    assert isinstance(given_up, AlertUndeliverable)
    assert (given_up.items, given_up.reason, given_up.message_id) == (((1, "raised"), (3, "raised")), NO_ROOM, "")
    assert [number for number, _ in desk.deliveries._queues["ops"].waiting] == [2, 4, 5]


def test_an_oversell_is_never_given_up_for_want_of_room() -> None:
    desk = Desk(deliveries=DeliveryTerms(waiting_max=3))
    desk.begin(found(AlertKind.LOW_STOCK, "1"), *(found(AlertKind.OVERSELL, str(number)) for number in range(2, 9)))
    assert [number for number, _ in desk.deliveries._queues["ops"].waiting] == [2, 3, 4, 5, 6, 7, 8]


def test_what_is_owed_to_a_destination_that_is_gone_is_given_up() -> None:
    desk = Desk(destinations=[Destination(name="ops"), Destination(name="old")])
    desk.begin(OVERSELL, LOW)
    desk.happen([event for event in desk.deliveries.dispatch(desk.now) if event.destination == "old"])
    desk.begin(found(AlertKind.OVERSELL, "B"))
    desk.destinations = (Destination(name="ops"),)
    successor = desk.successor()
    [given_up] = successor.deliveries.give_up_gone(successor.now)
    assert isinstance(given_up, AlertUndeliverable)
    assert (given_up.destination, given_up.reason) == ("old", GONE)
    assert sorted(given_up.items) == [(1, "raised"), (2, "raised"), (3, "raised")]
    successor.happen([given_up])
    assert successor.deliveries.give_up_gone(successor.now) == []
    assert len(successor.send()) == 1


def test_a_new_destination_is_not_told_what_was_before_it() -> None:
    desk = Desk()
    desk.begin(OVERSELL)
    desk.destinations = (*desk.destinations, Destination(name="new"))
    successor = desk.successor()
    assert successor.deliveries.owed("new") == 0
    assert successor.deliveries.owed("ops") == 1


def test_after_a_restart_the_same_message_is_sent_again() -> None:
    desk = Desk()
    desk.begin(OVERSELL, LOW)
    desk.happen(desk.deliveries.dispatch(desk.now))
    [message] = desk.deliveries.take(desk.now)
    desk.begin(found(AlertKind.OVERSELL, "B"))
    successor = desk.successor()
    assert successor.send() == [message]
    assert [items(each) for each in successor.send()] == [[(3, "raised")]]
