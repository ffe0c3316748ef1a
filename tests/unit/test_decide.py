"""What a command makes of the books: every refusal with its exact words, and every repeat."""

from datetime import timedelta

import pytest

from engine.domain.commands import (
    AddSku,
    Adjust,
    Answer,
    Committed,
    Done,
    Granted,
    Moved,
    OpenStock,
    Receive,
    Refusal,
    Released,
    sum_lines,
)
from engine.domain.events import HoldExpired, HoldRefused, SkuAdded, StockAdjusted, StockReceived, UnitsHeld
from engine.domain.units import DIRECT, AccountId, HoldId, Key, LocationId, OrderId, Sku
from tests.fakes.books import BOTH, HERE, THERE, A, B, Shelf
from tests.fakes.clocks import START
from tests.fakes.orders import SHOP

NOWHERE = Sku("NOPE")
MINUTE = timedelta(minutes=1)


def refused(answer: Answer) -> str:
    """The refusal as a client reads it."""
    assert isinstance(answer, Refusal), answer
    return str(answer)


# -- holds


def test_a_hold_takes_units_out_of_what_others_may_have() -> None:
    shelf = Shelf(A=5)
    answer = shelf.hold("h", (A, 2))
    assert answer == Granted(hold_id=HoldId("h"), expires_at=START + MINUTE, lines=((A, HERE, 2),))
    assert (shelf.at().reserved, shelf.atp()) == (2, 3)


def test_a_hold_of_more_than_there_is_takes_nothing_and_is_remembered() -> None:
    shelf = Shelf(A=2)
    assert refused(shelf.hold("h", (A, 3))) == "OUTOFSTOCK sku=A requested=3 atp=2"
    assert isinstance(shelf.new[0], HoldRefused)
    assert shelf.atp() == 2
    shelf.receive(A, 10)
    assert refused(shelf.hold("h", (A, 3))) == "OUTOFSTOCK sku=A requested=3 atp=2", "answered as the first time"
    assert shelf.new == []


def test_lesson_a10_two_lines_of_one_sku_are_summed_before_the_check() -> None:
    shelf = Shelf(A=5)
    assert refused(shelf.hold("h", (A, 3), (A, 3))) == "OUTOFSTOCK sku=A requested=6 atp=5"
    assert isinstance(shelf.hold("i", (A, 3), (A, 2)), Granted)
    assert shelf.atp() == 0


def test_lesson_a11_lines_come_out_once_per_sku_and_in_order() -> None:
    assert sum_lines([(B, 1), (A, 2), (B, 3)]) == ((A, 2), (B, 4))
    assert sum_lines([(B, 1)]) == ((B, 1),)


def test_several_skus_are_all_or_nothing() -> None:
    shelf = Shelf(A=5, B=1)
    assert refused(shelf.hold("h", (A, 5), (B, 2))) == "OUTOFSTOCK sku=B requested=2 atp=1"
    assert (shelf.atp(A), shelf.atp(B)) == (5, 1)
    granted = shelf.hold("i", (B, 1), (A, 5))
    assert isinstance(granted, Granted)
    assert granted.lines == ((A, HERE, 5), (B, HERE, 1))
    assert [type(event) for event in shelf.new] == [UnitsHeld, UnitsHeld]
    shelf.release("i")
    assert (shelf.atp(A), shelf.atp(B)) == (5, 1)


def test_an_unknown_sku_is_refused_whatever_stands_beside_it() -> None:
    shelf = Shelf(A=5)
    assert refused(shelf.hold("h", (NOWHERE, 1))) == "NOSUCHSKU sku=NOPE"
    assert refused(shelf.hold("i", (A, 1), (NOWHERE, 1))) == "NOSUCHSKU sku=NOPE"
    assert shelf.new == []


def test_the_same_hold_id_answers_as_the_first_time() -> None:
    """Lessons B2, B7: with its id and expiry, and without holding the units again."""
    shelf = Shelf(A=5, B=5)
    first = shelf.hold("h", (A, 2), (B, 1), seconds=60)
    shelf.wait(10)
    assert shelf.hold("h", (A, 2), (B, 1), seconds=900) == first
    shelf.commit("h")
    assert shelf.hold("h", (A, 2), (B, 1)) == first, "even when it has ended"
    assert shelf.atp(A) == 3


def test_lesson_b6_only_the_hold_s_own_id_excuses_what_it_holds() -> None:
    shelf = Shelf(A=2)
    first = shelf.hold("h", (A, 2), account=SHOP)
    assert shelf.hold("h", (A, 2), account=SHOP) == first, "its own units are not in its way"
    assert refused(shelf.hold("i", (A, 2), account=SHOP)) == "OUTOFSTOCK sku=A requested=2 atp=0", "the buyer's are"


def test_lesson_a6_units_are_held_before_the_order_and_given_back_when_it_fails() -> None:
    shelf = Shelf(A=1)
    assert isinstance(shelf.hold("h", (A, 1), seconds=None), Granted)
    assert refused(shelf.hold("i", (A, 1))) == "OUTOFSTOCK sku=A requested=1 atp=0", "nobody else gets to the till"
    assert isinstance(shelf.release("h"), Released)  # the payment failed
    assert refused(shelf.commit("h")).startswith("RELEASED"), "no order comes of it after that"
    assert isinstance(shelf.hold("j", (A, 1)), Granted)


def test_lesson_a16_when_to_reserve_is_the_caller_s_choice() -> None:
    """In the cart for minutes, at the till for seconds, or only when the order is there: each costs what it holds."""
    shelf = Shelf(A=3)
    shelf.hold("cart", (A, 1), seconds=900)
    shelf.hold("till", (A, 1), seconds=30)
    shelf.record(1)
    assert shelf.atp() == 0
    shelf.wait(30)
    assert shelf.atp() == 1, "a till that was left"
    shelf.wait(870)
    assert shelf.atp() == 2, "a cart that was left; the order is still owed"


@pytest.mark.parametrize(
    ("again", "account", "at"),
    [
        (((A, 3),), DIRECT, None),
        (((B, 2),), DIRECT, None),
        (((A, 2), (B, 1)), DIRECT, None),
        (((A, 2),), SHOP, None),
        (((A, 2),), DIRECT, HERE),
    ],
    ids=["more units", "other sku", "one more sku", "other account", "other place"],
)
@pytest.mark.parametrize("end", [None, "commit", "release", "expire"])
def test_the_same_hold_id_for_something_else_is_a_conflict(
    again: tuple[tuple[Sku, int], ...], account: AccountId, at: LocationId | None, end: str | None
) -> None:
    shelf = Shelf(A=5, B=5)
    shelf.hold("h", (A, 2))
    match end:
        case "commit":
            shelf.commit()
        case "release":
            shelf.release()
        case "expire":
            shelf.wait(60)
    answer = shelf.hold("h", *again, account=account, at=at)
    assert refused(answer) == "CONFLICT hold=h was asked for A 2 at direct before"


def test_a_conflict_with_a_refused_hold_and_with_a_long_one_names_what_was_asked() -> None:
    shelf = Shelf(A=1, B=1)
    shelf.hold("h", (A, 1), (B, 2))
    assert refused(shelf.hold("h", (A, 1))) == "CONFLICT hold=h was asked for A 1 B 2 at direct before"


def test_at_insists_on_one_place() -> None:
    shelf = Shelf(A=2)
    shelf.receive(A, 3, THERE)
    assert refused(shelf.hold("h", (A, 3), at=HERE)) == "OUTOFSTOCK sku=A requested=3 atp=2"
    assert isinstance(answer := shelf.hold("i", (A, 3), at=THERE), Granted)
    assert answer.lines == ((A, THERE, 3),)


def test_at_gives_nothing_that_another_place_is_short_of() -> None:
    shelf = Shelf()
    shelf.receive(A, 3, THERE)
    shelf.record(2, locations=(HERE,))
    assert refused(shelf.hold("h", (A, 2), at=THERE)) == "OUTOFSTOCK sku=A requested=2 atp=1"


def test_safety_stock_is_not_for_holds() -> None:
    shelf = Shelf(A=5)
    shelf.do(AddSku(sku=A, name="A", safety_stock=((HERE, 4),)))
    assert refused(shelf.hold("h", (A, 2))) == "OUTOFSTOCK sku=A requested=2 atp=1"


# -- their ends


def test_lesson_b11_a_hold_is_over_at_its_instant_and_not_a_microsecond_before() -> None:
    shelf = Shelf(A=1)
    shelf.hold("h", seconds=60)
    shelf.wait(59.999999)
    assert refused(shelf.hold("i")) == "OUTOFSTOCK sku=A requested=1 atp=0"
    shelf.wait(0.000001)
    assert isinstance(shelf.hold("j"), Granted), "nobody has swept, and it is free all the same"
    assert isinstance(shelf.new[0], HoldExpired)


def test_lesson_b10_nobody_commits_a_hold_that_ran_out() -> None:
    shelf = Shelf(A=1)
    shelf.hold("h", seconds=60)
    shelf.wait(60)
    assert refused(shelf.commit()) == "EXPIRED hold=h expires_at=2026-11-11T12:01:00Z"
    assert (shelf.at().committed, shelf.atp()) == (0, 1)


def test_lesson_b8_a_hold_that_settles_later_never_runs_out() -> None:
    shelf = Shelf(A=1)
    shelf.hold("cod", seconds=None)
    shelf.wait(10 * 365 * 86_400)
    assert shelf.atp() == 0
    assert isinstance(shelf.commit("cod"), Committed)


def test_a_commit_turns_held_units_into_owed_ones_once() -> None:
    shelf = Shelf(A=5)
    shelf.hold("h", (A, 2))
    first = shelf.commit("h", "77")
    assert first == Committed(hold_id=HoldId("h"), order_id=OrderId("77"), committed_at=START)
    shelf.wait(5)
    assert shelf.commit("h", "77") == first
    assert shelf.commit("h") == first, "a repeat need not name the order"
    assert (shelf.at().reserved, shelf.at().committed) == (0, 2)


@pytest.mark.parametrize(("order", "was"), [("77", "for order 77"), (None, "without an order")])
def test_a_commit_for_another_order_is_a_conflict(order: str | None, was: str) -> None:
    shelf = Shelf(A=5)
    shelf.hold()
    shelf.commit("h", order)
    assert refused(shelf.commit("h", "78")) == f"CONFLICT hold=h was committed {was}, not for 78"


def test_a_released_hold_gives_back_once_and_cannot_be_committed() -> None:
    """Lessons B2, B9."""
    shelf = Shelf(A=5)
    shelf.hold("h", (A, 2))
    first = shelf.release()
    assert first == Released(hold_id=HoldId("h"), released_at=START)
    shelf.wait(5)
    assert shelf.release() == first, "lesson B2: a second release gives nothing back"
    assert (shelf.at().reserved, shelf.atp()) == (0, 5)
    assert refused(shelf.commit()) == "RELEASED hold=h released_at=2026-11-11T12:00:00Z"


def test_releasing_what_ran_out_says_since_when_it_is_free() -> None:
    shelf = Shelf(A=1)
    shelf.hold("h", seconds=60)
    shelf.wait(100)
    assert shelf.release() == Released(hold_id=HoldId("h"), released_at=START + MINUTE)


def test_a_committed_hold_cannot_be_released() -> None:
    shelf = Shelf(A=1)
    shelf.hold()
    shelf.commit()
    assert refused(shelf.release()) == "COMMITTED hold=h committed_at=2026-11-11T12:00:00Z"
    assert shelf.atp() == 0


def test_an_unknown_hold_is_neither_committed_nor_released() -> None:
    shelf = Shelf(A=1)
    assert refused(shelf.commit("x")) == "NOSUCHHOLD hold=x"
    assert refused(shelf.release("x")) == "NOSUCHHOLD hold=x"
    shelf.hold("r", (A, 2))
    assert refused(shelf.commit("r")) == "NOSUCHHOLD hold=r", "one that was refused never was"
    assert refused(shelf.release("r")) == "NOSUCHHOLD hold=r"


# -- movements


def test_movements_count_once_per_key() -> None:
    """Lesson E8: a change that is imported twice is one change."""
    shelf = Shelf(A=5)
    first = shelf.adjust(-2, key="k")
    assert isinstance(first, Moved)
    (adjusted,) = first.movements
    assert isinstance(adjusted, StockAdjusted)
    assert (adjusted.key, adjusted.location, adjusted.delta, adjusted.on_hand) == ("k", HERE, -2, 3)
    shelf.receive(A, 4, key="r")
    assert shelf.adjust(-2, key="k") == first
    again = shelf.receive(A, 4, key="r")
    assert isinstance(again, Moved)
    assert [event.on_hand for event in again.movements if isinstance(event, StockReceived)] == [7]
    assert shelf.at().on_hand == 7


@pytest.mark.parametrize(
    ("again", "was"),
    [
        (Adjust(key=Key("k"), sku=A, location=HERE, delta=-3, reason="counted"), "ADJUST A here -2 'counted'"),
        (Adjust(key=Key("k"), sku=A, location=THERE, delta=-2, reason="counted"), "ADJUST A here -2 'counted'"),
        (Adjust(key=Key("k"), sku=A, location=HERE, delta=-2, reason="theft"), "ADJUST A here -2 'counted'"),
        (Receive(key=Key("k"), sku=A, location=HERE, quantity=2), "ADJUST A here -2 'counted'"),
        (Receive(key=Key("r"), sku=A, location=HERE, quantity=5), "RECEIVE A here 4"),
        (Receive(key=Key("r"), sku=A, location=THERE, quantity=4), "RECEIVE A here 4"),
        (Adjust(key=Key("r"), sku=A, location=HERE, delta=4, reason="counted"), "RECEIVE A here 4"),
    ],
)
def test_a_key_that_was_used_for_something_else_is_a_conflict(again: Adjust | Receive, was: str) -> None:
    shelf = Shelf(A=5)
    shelf.adjust(-2, key="k")
    shelf.receive(A, 4, key="r")
    assert refused(shelf.do(again)) == f"CONFLICT key={again.key} was used for {was} before"


def test_fewer_than_none_cannot_be_on_hand() -> None:
    shelf = Shelf(A=5)
    assert refused(shelf.adjust(-6)) == "NEGATIVE sku=A location=here on_hand=5 delta=-6"
    assert refused(shelf.adjust(-1, location=THERE)) == "NEGATIVE sku=A location=there on_hand=0 delta=-1"
    assert isinstance(shelf.adjust(-5), Moved)


def test_movements_of_an_unknown_sku_are_refused() -> None:
    shelf = Shelf()
    assert refused(shelf.adjust(1, sku=NOWHERE)) == "NOSUCHSKU sku=NOPE"
    assert refused(shelf.receive(NOWHERE, 1)) == "NOSUCHSKU sku=NOPE"
    assert refused(shelf.do(OpenStock(sku=NOWHERE, location=HERE, on_hand=1))) == "NOSUCHSKU sku=NOPE"


# -- catalogue


def test_a_sku_is_added_once_and_renamed_as_often_as_told() -> None:
    shelf = Shelf()
    stock = ((THERE, 2), (HERE, 0))
    assert shelf.do(AddSku(sku=A, name="Anvil", safety_stock=stock)) == Done()
    assert shelf.new == [SkuAdded(at=START, sku=A, name="Anvil", safety_stock=((THERE, 2),))]
    assert shelf.do(AddSku(sku=A, name="Anvil", safety_stock=stock)) == Done()
    assert shelf.new == [], "zero safety stock is the same as none"
    shelf.do(AddSku(sku=A, name="Anvil"))
    assert shelf.at(THERE).safety_stock == 0


def test_opening_stock_counts_once_and_never_where_stock_has_moved() -> None:
    shelf = Shelf()
    opening = OpenStock(sku=A, location=HERE, on_hand=7)
    assert shelf.do(opening) == Done()
    assert isinstance(shelf.new[0], StockAdjusted)
    assert shelf.do(opening) == Done()
    assert (shelf.new, shelf.at().on_hand) == ([], 7)
    again = OpenStock(sku=A, location=HERE, on_hand=8)
    moved = "CONFLICT sku=A location=here has moved before: use ADJUST"
    assert refused(shelf.do(again)) == moved
    shelf.record(1, locations=(THERE,))
    assert refused(shelf.do(OpenStock(sku=A, location=THERE, on_hand=8))) == moved.replace("here", "there")


# -- orders


def test_an_order_that_cannot_be_kept_is_recorded_all_the_same() -> None:
    shelf = Shelf(A=2)
    shelf.record(5)
    assert (shelf.at().committed, shelf.book().oversold, shelf.atp()) == (5, 3, -3)


def test_an_order_may_eat_safety_stock_before_it_is_an_oversell() -> None:
    shelf = Shelf(A=5)
    shelf.do(AddSku(sku=A, name="A", safety_stock=((HERE, 4),)))
    shelf.record(5)
    assert (shelf.book().oversold, shelf.atp()) == (0, -4)


def test_units_of_an_order_stay_where_they_were_placed() -> None:
    shelf = Shelf(A=1)
    shelf.receive(A, 3, THERE)
    shelf.record(2)
    assert (shelf.at(HERE).committed, shelf.at(THERE).committed) == (0, 2)
    shelf.receive(A, 9, HERE)
    shelf.record(3)
    assert (shelf.at(HERE).committed, shelf.at(THERE).committed) == (1, 2)
    shelf.record(1, shipped=2)
    assert (shelf.at(HERE).on_hand, shelf.at(THERE).on_hand) == (10, 1)
    shelf.record(1, shipped=2, returned=1)
    assert (shelf.at(THERE).on_hand, shelf.at(HERE).committed) == (2, 1)


def test_units_of_an_unpaid_order_are_only_held_and_run_out() -> None:
    shelf = Shelf(A=2)
    shelf.record(2, held_until=START + MINUTE)
    assert (shelf.at().reserved, shelf.at().committed, shelf.atp()) == (2, 0, 0)
    shelf.wait(60)
    assert shelf.atp() == 2
    shelf.record(2, held_until=START + MINUTE)
    assert shelf.new[1:] == [], "what has run out already holds nothing"
    shelf.record(2)
    assert (shelf.at().reserved, shelf.at().committed) == (0, 2), "paid after all: owed"


def test_all_places_of_an_account_are_used_and_no_other() -> None:
    shelf = Shelf(A=1)
    shelf.receive(A, 5, THERE)
    answer = shelf.hold("h", (A, 2), locations=(HERE,))
    assert refused(answer) == "OUTOFSTOCK sku=A requested=2 atp=1"
    assert isinstance(shelf.hold("i", (A, 6), locations=BOTH), Granted)
