"""Dead letters: kept whole and once, bounded, asked for again less and less often."""

from datetime import timedelta
from itertools import pairwise

import pytest

from engine.domain.events import LetterKept
from engine.domain.units import LetterId, OrderId
from engine.machines.letters import Letters, delivery_key_of, letter_of_delivery, letter_of_order
from engine.ports import UnreadableOrder, WebhookDelivery
from tests.fakes.clocks import START
from tests.fakes.orders import SHOP

ODD = UnreadableOrder(OrderId("7"), START, "unknown status wc-lost", b'{"status": "wc-lost"}')
OTHER = UnreadableOrder(OrderId("8"), None, "no lines", b"{}")


def kept(letters: Letters, *orders: UnreadableOrder, second: float = 0) -> list[UnreadableOrder]:
    """Keep orders as an actor would; return those there was no room for."""
    events, left = letters.keep_orders(orders, START + timedelta(seconds=second))
    for event in events:
        letters.apply(event)
    return left


def due(letters: Letters, second: float, limit: int = 10) -> list[OrderId]:
    return letters.take_due(START + timedelta(seconds=second), limit)


def test_an_order_is_kept_whole() -> None:
    letters = Letters(SHOP, kept_max=2)
    assert kept(letters, ODD) == []
    assert letters.open == {
        LetterId("order-7"): LetterKept(
            at=START,
            account=SHOP,
            letter_id=letter_of_order(OrderId("7")),
            reason=ODD.reason,
            headers={},
            body=ODD.body,
            order_id=OrderId("7"),
            modified_at=START,
        )
    }


def test_the_same_order_in_the_same_state_is_kept_once() -> None:
    """Every poll of the overlap brings it again; a journal that grew with every poll would be no place for it."""
    letters = Letters(SHOP, kept_max=2)
    kept(letters, ODD)
    assert letters.keep_orders([ODD], START) == ([], [])
    changed = ODD._replace(modified_at=START + timedelta(seconds=5), body=b"{}")
    kept(letters, changed)
    assert [letter.body for letter in letters.open.values()] == [b"{}"]


def test_what_there_is_no_room_for_is_said() -> None:
    letters = Letters(SHOP, kept_max=1)
    assert kept(letters, ODD, OTHER) == [OTHER]
    assert kept(letters, ODD._replace(reason="another")) == [], "one that is kept may change"
    delivery = WebhookDelivery(account=SHOP, headers={}, body=b"<html>", received_at=START)
    assert letters.keep_webhook("d1", delivery, "no JSON", START) is None


def test_a_webhook_is_kept_with_its_headers_and_never_asked_for() -> None:
    letters = Letters(SHOP, kept_max=1)
    delivery = WebhookDelivery(account=SHOP, headers={"x-topic": "order"}, body=b"\xff", received_at=START)
    event = letters.keep_webhook("d1", delivery, "no JSON", START)
    assert event is not None
    letters.apply(event)
    assert (event.headers, event.body, event.order_id) == ({"x-topic": "order"}, b"\xff", None)
    assert delivery_key_of(letter_of_delivery("d1")) == "d1"
    assert due(letters, 10_000) == []


def test_an_order_is_asked_for_after_a_minute_and_at_last_every_hour() -> None:
    letters = Letters(SHOP, kept_max=2)
    kept(letters, ODD)
    asked = [second for second in range(0, 6 * 3600, 10) if due(letters, second)]
    assert asked[:4] == [60, 180, 420, 900]
    assert {later - earlier for earlier, later in pairwise(asked[6:])} == {3600}


def test_a_change_of_the_order_does_not_start_the_waiting_anew() -> None:
    """An order that its shop touches every minute would be asked for every minute."""
    letters = Letters(SHOP, kept_max=2)
    kept(letters, ODD)
    assert due(letters, 60) == ["7"]
    kept(letters, ODD._replace(modified_at=START + timedelta(seconds=61)), second=61)
    assert (due(letters, 170), due(letters, 180)) == ([], ["7"])


def test_an_order_that_a_poll_has_just_brought_again_is_not_asked_for_at_once() -> None:
    letters = Letters(SHOP, kept_max=2)
    kept(letters, ODD)
    kept(letters, ODD._replace(modified_at=START + timedelta(seconds=50)), second=50)
    assert (due(letters, 60), due(letters, 109), due(letters, 110)) == ([], [], ["7"])


def test_only_some_are_asked_for_at_once_and_all_of_them_in_turn() -> None:
    letters = Letters(SHOP, kept_max=9)
    kept(letters, *(ODD._replace(order_id=OrderId(str(number))) for number in range(5)))
    assert [due(letters, 60, 2), due(letters, 61, 2), due(letters, 62, 2)] == [["0", "1"], ["2", "3"], ["4"]]


@pytest.mark.parametrize("outcome", ["understood", "discarded"])
def test_what_is_settled_is_kept_no_longer(outcome: str) -> None:
    letters = Letters(SHOP, kept_max=1)
    kept(letters, ODD)
    unknown = LetterId("order-99")
    events = letters.settle([unknown, letter_of_order(ODD.order_id)], START, outcome=outcome, by="ann", note="a test")  # type: ignore[arg-type]
    assert [(event.letter_id, event.outcome, event.by, event.note) for event in events] == [
        ("order-7", outcome, "ann", "a test")
    ]
    letters.apply(events[0])
    assert (letters.open, due(letters, 10_000)) == ({}, [])
    assert kept(letters, OTHER) == [], "there is room again"
