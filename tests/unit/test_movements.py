"""Movements by key, and returns that the channel tells of as well."""

from typing import get_args

import msgspec
import pytest

from engine.domain.commands import Adjust, Answer, Command, Moved, Receive, ReceiveTransfer, Refusal, Return
from engine.domain.events import DemandSet, OversellRecorded, StockAdjusted, StockReturned
from engine.domain.states import State
from engine.domain.stock.book import Keyed
from engine.domain.stock.repeats import KeyedCommand
from engine.domain.units import AccountId, DocumentId, Key, LineId, OrderId, Sku
from tests.fakes.books import HERE, THERE, A, B, Shelf
from tests.fakes.orders import SHOP

NOWHERE = Sku("NOPE")


def refused(answer: Answer) -> str:
    assert isinstance(answer, Refusal), answer
    return str(answer)


def figures(shelf: Shelf) -> tuple[int, int, int, int]:
    """On hand here, in quality hold here, on hand there, in quality hold there."""
    here, there = shelf.at(HERE), shelf.at(THERE)
    return (here.on_hand, here.quality_hold, there.on_hand, there.quality_hold)


# -- keys


def full_shelf() -> Shelf:
    """Every kind of movement once, each under a key of its own; a purchase order and a transfer under way."""
    shelf = Shelf(A=50)
    shelf.purchase((A, 10))
    shelf.send((A, 10))
    shelf.record(0, shipped=4, locations=(HERE,))
    shelf.adjust(-2, key="adjust")
    shelf.receive_ordered(3, key="receive")
    shelf.take_back(1, key="return")
    shelf.put(1, State.QUALITY_HOLD, State.DAMAGED, key="inspect")
    shelf.arrive(2, key="arrive")
    shelf.lose(1, key="lose")
    shelf.count(30, key="count", percent=100)
    shelf.wait(1)
    shelf.observe(29, key="observe")
    return shelf


KEYS = ("adjust", "receive", "return", "inspect", "arrive", "lose", "count", "observe")


def asked(shelf: Shelf, key: str) -> KeyedCommand:
    """Rebuild the command that a movement was recorded for."""
    event = shelf.book().movements[Key(key)]
    fields = msgspec.structs.asdict(event)
    fields |= {"tolerance_percent": 100.0, "tolerance_units": 0}
    for kind in get_args(KeyedCommand):
        if kind.__name__ == COMMANDS[type(event).__name__]:
            made: KeyedCommand = kind(**{name: fields[name] for name in kind.__struct_fields__})
            return made
    raise AssertionError(event)


COMMANDS = {
    "StockAdjusted": "Adjust",
    "StockReceived": "Receive",
    "StockReturned": "Return",
    "StateChanged": "ChangeState",
    "StockCounted": "Count",
    "StockObserved": "Observe",
    "TransferArrived": "ReceiveTransfer",
    "TransferLost": "LoseTransfer",
}


def test_every_movement_with_a_key_has_a_command() -> None:
    assert {kind.__name__ for kind in get_args(Keyed)} == set(COMMANDS)
    assert {kind.__name__ for kind in get_args(KeyedCommand)} == set(COMMANDS.values())
    assert {type(event).__name__ for event in full_shelf().book().movements.values()} == set(COMMANDS)


@pytest.mark.parametrize("key", KEYS)
def test_lesson_e8_a_movement_told_twice_is_one_movement(key: str) -> None:
    """Whoever tells it the second time, and however late."""
    shelf = full_shelf()
    command = asked(shelf, key)
    figures = [getattr(shelf.at(), name) for name in type(shelf.at()).__slots__]
    shelf.wait(600)
    answer = shelf.do(msgspec.structs.replace(command, by="somebody else"))
    assert answer == Moved(movements=(shelf.book().movements[Key(key)],))
    assert shelf.new == []
    assert [getattr(shelf.at(), name) for name in type(shelf.at()).__slots__] == figures


CHANGED: dict[str, object] = {
    "sku": None,
    "key": None,
    "by": None,
    "tolerance_percent": None,
    "tolerance_units": None,
    "state": State.DISPLAY,
    "source": State.DISPLAY,
    "target": State.DISPLAY,
    "account": AccountId("other"),
    "order_id": OrderId("other"),
    "line_id": LineId("other"),
    "location": THERE,
    "purchase_order": DocumentId("other"),
    "transfer": DocumentId("other"),
    "reason": "other",
    "reference": "other",
    "nets_open_orders": True,
}


@pytest.mark.parametrize("key", KEYS)
def test_a_key_for_anything_else_is_a_conflict_that_names_the_first_use(key: str) -> None:
    shelf = full_shelf()
    command = asked(shelf, key)
    for field in command.__struct_fields__:
        value = getattr(command, field)
        if field in CHANGED:
            other = CHANGED[field]
        elif isinstance(value, int):
            other = value + 1
        else:
            other = value.replace(microsecond=7) if hasattr(value, "microsecond") else "other"
        if other is None:
            continue
        changed = msgspec.structs.replace(command, **{field: other})
        assert refused(shelf.do(changed)).startswith(f"CONFLICT key={key} was used for "), field
        assert shelf.new == []


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("other", KEYS)
def test_a_key_is_not_shared_between_kinds(key: str, other: str) -> None:
    shelf = full_shelf()
    command = msgspec.structs.replace(asked(shelf, other), key=Key(key))
    answer = shelf.do(command)
    assert isinstance(answer, Moved if key == other else Refusal)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("adjust", "ADJUST A here -2 'counted'"),
        ("receive", "RECEIVE A here 3 purchase_order=po-1"),
        ("return", "RETURN A here 1 state=quality_hold account=shop order_id=1 line_id=1"),
        ("inspect", "INSPECT A here 1 source=quality_hold target=damaged"),
        ("arrive", "TRANSFER RECEIVE transfer=t-1 A 2"),
        ("lose", "TRANSFER LOSE transfer=t-1 A 1 'rain'"),
        ("count", "COUNT A here 30 taken_at=2026-11-11 12:00:00+00:00"),
        ("observe", "SNAPSHOT A here source=3pl 29 as_of=2026-11-11 12:00:01+00:00 nets_open_orders=False"),
    ],
)
def test_a_conflict_speaks_the_words_of_the_socket(key: str, said: str) -> None:
    shelf = full_shelf()
    answer = shelf.do(msgspec.structs.replace(asked(shelf, key), reference="other"))
    assert refused(answer) == f"CONFLICT key={key} was used for {said} before"


def test_a_reference_is_said_when_there_was_one() -> None:
    shelf = Shelf()
    receipt = Receive(key=Key("k"), sku=A, location=HERE, quantity=1, reference="DN 7")
    shelf.do(receipt)
    answer = shelf.do(msgspec.structs.replace(receipt, reference=""))
    assert refused(answer) == "CONFLICT key=k was used for RECEIVE A here 1 reference=DN 7 before"


def test_a_key_counts_within_its_sku() -> None:
    shelf = Shelf(A=5, B=5)
    assert isinstance(shelf.adjust(-1, key="k"), Moved)
    assert isinstance(shelf.adjust(-1, key="k", sku=B), Moved)


def test_who_and_why_stand_on_the_event() -> None:
    shelf = Shelf(A=5)
    answer = shelf.do(
        Adjust(key=Key("k"), sku=A, location=HERE, delta=-1, reason="theft", by="ann", reference="case 9")
    )
    assert isinstance(answer, Moved)
    (event,) = answer.movements
    assert isinstance(event, StockAdjusted)
    assert (event.reason, event.by, event.reference) == ("theft", "ann", "case 9")


@pytest.mark.parametrize(
    "command",
    [
        Receive(key=Key("k"), sku=NOWHERE, location=HERE, quantity=1),
        Return(key=Key("k"), sku=NOWHERE, location=HERE, quantity=1),
        ReceiveTransfer(key=Key("k"), transfer=DocumentId("t"), sku=NOWHERE, quantity=1),
    ],
)
def test_movements_of_an_unknown_sku_are_refused(command: Command) -> None:
    assert refused(Shelf().do(command)) == "NOSUCHSKU sku=NOPE"


# -- what comes back


def sold(shipped: int = 3, on_hand: int = 10) -> Shelf:
    shelf = Shelf(A=on_hand)
    shelf.record(0, shipped=shipped, locations=(HERE,))
    return shelf


def test_lesson_c8_returned_units_wait_until_somebody_has_looked_at_them() -> None:
    shelf = sold()
    assert isinstance(shelf.take_back(2), Moved)
    assert figures(shelf) == (9, 2, 0, 0)
    assert shelf.at().atp == 7


@pytest.mark.parametrize("state", [State.SELLABLE, State.DAMAGED, State.DISPLAY])
def test_a_return_may_go_into_any_state_at_any_place(state: State) -> None:
    shelf = sold()
    shelf.take_back(2, at=THERE, into=state)
    there = shelf.at(THERE)
    assert (shelf.at().on_hand, there.on_hand, there.standing(state)) == (7, 2, 2)


def test_a_return_cannot_be_written_off_before_it_is_there() -> None:
    assert refused(sold().take_back(1, into=State.WRITTEN_OFF)) == (
        "BADARG state 'written_off': take the units back as damaged, then write them off"
    )


@pytest.mark.parametrize("word", [1, 2, 3])
@pytest.mark.parametrize("physical", [1, 2, 3])
@pytest.mark.parametrize("first", ["word", "physical"])
def test_lesson_c1_what_the_channel_restocked_and_what_came_back_count_once(
    word: int, physical: int, first: str
) -> None:
    """Whichever is told first, on hand rises by the larger of the two, and what came back is where it is."""
    shelf = sold(3)
    for told in ("word", "physical") if first == "word" else ("physical", "word"):
        if told == "word":
            shelf.record(0, shipped=3, returned=word)
        else:
            shelf.take_back(physical, at=THERE)
    assert figures(shelf) == (7 + max(0, word - physical), 0, physical, physical)
    shelf.record(0, shipped=3, returned=word)
    assert shelf.new[1:] == [], "the same word again is no news"


def test_lesson_c2_units_that_came_back_must_have_left_whatever_the_channel_says_later() -> None:
    """A status flips, or the line is deleted after its refund: on hand does not rise a second time."""
    shelf = sold(2)
    shelf.take_back(2)
    assert figures(shelf) == (10, 2, 0, 0)
    shelf.record(0, shipped=0)
    assert figures(shelf) == (10, 2, 0, 0), "cancelled: the line is at zero"
    shelf.record(2, shipped=0)
    assert (shelf.at().on_hand, shelf.at().committed) == (10, 2), "processing again: owed again"
    shelf.record(0, shipped=2)
    assert figures(shelf) == (10, 2, 0, 0)
    shelf.record(0, shipped=2, returned=2)
    assert figures(shelf) == (10, 2, 0, 0)


def test_a_return_may_come_before_the_order_is_known() -> None:
    """Its units were on hand in our books all the time: the order takes them off when it comes, once."""
    shelf = Shelf(A=10)
    shelf.take_back(2)
    assert figures(shelf) == (12, 2, 0, 0)
    shelf.record(0, shipped=2)
    assert figures(shelf) == (10, 2, 0, 0)
    shelf.record(0, shipped=2, returned=2)
    assert figures(shelf) == (10, 2, 0, 0)


def test_a_return_of_an_order_nobody_names_just_comes_in() -> None:
    shelf = sold()
    shelf.take_back(5, line=False)
    assert figures(shelf) == (12, 5, 0, 0)
    assert shelf.book().records.returns == {}


def test_more_than_was_shipped_cannot_come_back() -> None:
    shelf = sold(3)
    shelf.take_back(2)
    text = "EXCEEDS order=1 line=1 sku=A shipped=3 returned=2 quantity=2"
    assert refused(shelf.take_back(2, key="more")) == text
    assert isinstance(shelf.take_back(1, key="rest"), Moved)


def test_nothing_comes_back_of_a_line_that_has_not_left() -> None:
    shelf = Shelf(A=5)
    shelf.record(2)
    assert refused(shelf.take_back(1)) == "EXCEEDS order=1 line=1 sku=A shipped=0 returned=0 quantity=1"


def test_half_an_order_line_is_no_order_line() -> None:
    command = Return(key=Key("k"), sku=A, location=HERE, quantity=1, account=SHOP, order_id=OrderId("1"))
    assert refused(Shelf().do(command)) == (
        "BADARG order '1': account, order and line are named together or not at all"
    )


def test_lesson_c5_a_return_takes_back_the_word_of_its_own_line_alone() -> None:
    """Line 2 was restocked by the channel; a parcel of line 1 does not touch that."""
    shelf = sold(3)
    shelf.record(0, shipped=3, returned=1)
    other = Return(
        key=Key("k"), sku=A, location=HERE, quantity=1, account=SHOP, order_id=OrderId("1"), line_id=LineId("2")
    )
    shelf.do(other)
    assert figures(shelf) == (9, 1, 0, 0)
    assert shelf.book().demand[SHOP, OrderId("1"), LineId("1")].returned == ((HERE, 1),)


def test_units_the_channel_had_put_on_the_shelf_and_that_were_promised_since_are_an_incident() -> None:
    shelf = sold(3, on_hand=3)
    shelf.record(0, shipped=3, returned=2)
    shelf.hold("h", (A, 2))
    shelf.take_back(2)
    (incident,) = [event for event in shelf.new if isinstance(event, OversellRecorded)]
    assert (incident.units, incident.cause, incident.account, incident.order_id) == (2, "return", SHOP, "1")
    assert incident.detail == "return back came as quality_hold; the channel had it on the shelf"


def test_units_the_channel_had_put_on_the_shelf_and_that_left_since_prove_the_count_wrong() -> None:
    """They cannot have left before they came: whatever was shipped in their place was found, on record."""
    shelf = sold(3, on_hand=3)
    shelf.record(0, shipped=3, returned=2)
    shelf.adjust(-2, key="sold at the till")
    shelf.take_back(2, at=THERE)
    found, returned = shelf.new
    assert isinstance(found, StockAdjusted)
    assert (found.location, found.delta, found.on_hand) == (HERE, 2, 2)
    assert isinstance(returned, StockReturned)
    assert returned.taken_back == ((HERE, 2),)
    assert figures(shelf) == (0, 0, 2, 2)


def test_a_return_knows_what_the_word_left_on_the_shelf_of_several_places() -> None:
    shelf = Shelf(A=2)
    shelf.receive(A, 2, THERE)
    shelf.record(0, shipped=4)
    shelf.record(0, shipped=4, returned=3)
    assert figures(shelf) == (2, 0, 1, 0)
    shelf.take_back(2, into=State.SELLABLE)
    assert figures(shelf) == (3, 0, 0, 0)
    line = shelf.book().demand[SHOP, OrderId("1"), LineId("1")]
    assert isinstance(line, DemandSet)
    assert line.returned == ((HERE, 1),)
