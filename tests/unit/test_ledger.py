"""The clock's due list, what is remembered and for how long, and incidents that follow the shortage."""

from datetime import timedelta

import pytest

from engine.domain.commands import Granted, Moved, Refusal, ReleaseHold
from engine.domain.events import (
    DemandLapsed,
    HoldExpired,
    HoldReleased,
    OversellCleared,
    OversellRecorded,
    SkuAdded,
    StockAdjusted,
    UnitsHeld,
)
from engine.domain.stock import ledger as module
from engine.domain.stock.ledger import Ledger, handle
from engine.domain.units import DIRECT, HoldId, Key, Sku
from tests.fakes.books import BOTH, HERE, THERE, A, B, Shelf, place_hold
from tests.fakes.clocks import START
from tests.fakes.orders import SHOP

MINUTE = timedelta(minutes=1)


def noted(shelf: Shelf) -> list[tuple[int, int, str] | None]:
    """Incidents of the last command: more, open, cause; None: cleared."""
    return [
        (event.units, event.open_units, event.cause) if isinstance(event, OversellRecorded) else None
        for event in shelf.new
        if isinstance(event, OversellRecorded | OversellCleared)
    ]


def detail(shelf: Shelf) -> str:
    incident = shelf.book().records.oversells.get(None)
    assert incident is not None
    return incident.detail


# -- the clock


def test_what_is_due_first_is_known() -> None:
    shelf = Shelf(A=5)
    ledger = shelf.ledgers[A]
    assert ledger.next_due_at is None
    shelf.hold("late", seconds=90)
    shelf.hold("never", seconds=None)
    shelf.hold("soon", seconds=30)
    assert ledger.next_due_at == START + timedelta(seconds=30)
    assert [type(event) for event in ledger.lapse(START + timedelta(seconds=30))] == [HoldExpired]
    assert ledger.next_due_at == START + timedelta(seconds=90)


def test_a_hold_and_an_unpaid_order_may_run_out_at_the_same_instant() -> None:
    """Lesson B10: the due list once compared a hold's id with an order's key, and every restart would have again."""
    shelf = Shelf(A=9)
    for hold in ("h", "i", "j"):
        shelf.hold(hold, seconds=60)
    shelf.record(2, held_until=START + MINUTE)
    shelf.hold("k", seconds=60)
    events = shelf.ledgers[A].lapse(START + MINUTE)
    assert sorted(type(event).__name__ for event in events) == ["DemandLapsed", *["HoldExpired"] * 4]
    assert any(isinstance(event, DemandLapsed) for event in events)
    shelf.wait(60)
    assert shelf.atp() == 9


def test_a_hold_that_ended_early_is_not_ended_again_by_the_clock() -> None:
    shelf = Shelf(A=5)
    shelf.hold("h")
    shelf.commit("h")
    shelf.hold("i")
    shelf.release("i")
    shelf.wait(60)
    assert shelf.ledgers[A].lapse(shelf.now) == []
    assert shelf.ledgers[A].next_due_at is None


def test_an_unpaid_order_with_more_time_does_not_run_out_at_the_old_instant() -> None:
    shelf = Shelf(A=5)
    shelf.record(2, held_until=START + MINUTE)
    shelf.record(2, held_until=START + 3 * MINUTE)
    assert shelf.ledgers[A].lapse(START + 2 * MINUTE) == []
    assert len(shelf.ledgers[A].lapse(START + 3 * MINUTE)) == 1


def test_every_ledger_a_command_touches_is_brought_to_its_instant_first() -> None:
    shelf = Shelf(A=1, B=1)
    shelf.hold("a", (A, 1), seconds=10)
    shelf.hold("b", (B, 1), seconds=10)
    shelf.wait(10)
    assert isinstance(shelf.hold("both", (A, 1), (B, 1)), Granted)
    assert [type(event) for event in shelf.new] == [HoldExpired, HoldExpired, UnitsHeld, UnitsHeld]


def test_dues_of_holds_that_ended_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Holds of a month that are committed at once leave nothing behind, long before the first of them is due."""
    monkeypatch.setattr(module, "_DUES_MIN", 8)
    ledger = Ledger(remembered_seconds=60, remembered_max=10)
    ledger.apply(SkuAdded(at=START, sku=A))
    for number in range(500):
        hold = HoldId(str(number))
        held = UnitsHeld(at=START, sku=A, hold_id=hold, parts=(), expires_at=START + 9999 * MINUTE, account=DIRECT)
        ledger.apply(held)
        if number:
            handle(lambda _: ledger, ReleaseHold(hold_id=hold), (A,), START)
        ledger.forget(START)
        assert len(ledger._dues) <= 9
    assert ledger.next_due_at == START + 9999 * MINUTE


# -- what is remembered


def test_a_key_or_an_id_that_is_used_again_is_not_forgotten_with_its_first_use() -> None:
    """A replay forgets later than live did: what was used again since must be recognised after a start, too."""
    ledger = Ledger(remembered_seconds=100, remembered_max=10)
    ledger.apply(SkuAdded(at=START, sku=A))
    for number in range(2):
        at = START + timedelta(seconds=150 * number)
        ledger.apply(
            StockAdjusted(at=at, sku=A, key=Key("k"), location=HERE, delta=5, on_hand=5 + 5 * number, reason="found")
        )
        hold = HoldId("h")
        ledger.apply(UnitsHeld(at=at, sku=A, hold_id=hold, parts=((HERE, 1),), expires_at=None, account=DIRECT))
        ledger.apply(HoldReleased(at=at, sku=A, hold_id=hold))
    ledger.forget(START + timedelta(seconds=200))
    book = ledger.books[A]
    assert (list(book.movements), list(book.ended)) == (["k"], ["h"])
    ledger.forget(START + timedelta(seconds=251))
    assert (list(book.movements), list(book.ended)) == ([], [])


def test_what_ended_is_remembered_for_its_time_and_no_longer() -> None:
    shelf = Shelf(A=5, remembered_seconds=100)
    ledger = shelf.ledgers[A]
    ledger.forget(START + timedelta(seconds=101))
    assert ledger.remembered == 0
    shelf.wait(200)
    shelf.hold("released")
    shelf.release("released")
    shelf.hold("refused", (A, 99))
    shelf.adjust(1, key="k")
    shelf.hold("open", seconds=None)
    assert ledger.forget(shelf.now + timedelta(seconds=100)) == []
    assert ledger.forget(shelf.now + timedelta(seconds=100.000001)) == ["released", "refused"]
    assert (shelf.book().ended, shelf.book().refused, shelf.book().movements) == ({}, {}, {})
    assert list(shelf.book().holds) == ["open"], "what is still promised is never forgotten"


def test_no_more_is_remembered_than_there_is_room_for() -> None:
    shelf = Shelf(A=50, remembered_max=3)
    shelf.ledgers[A].forget(START)
    for number in range(10):
        shelf.wait(1)
        shelf.hold(f"h{number}")
        shelf.release(f"h{number}")
        shelf.ledgers[A].forget(shelf.now)
    assert shelf.ledgers[A].remembered == 3
    assert list(shelf.book().ended) == ["h7", "h8", "h9"]


def test_a_key_that_was_forgotten_counts_again() -> None:
    """The window is a promise to callers (`limits.remembered_seconds`), and this is its edge."""
    shelf = Shelf(A=5, remembered_seconds=100)
    shelf.adjust(-1, key="k")
    shelf.ledgers[A].forget(START + timedelta(seconds=100))
    assert isinstance(shelf.adjust(-1, key="k"), Moved)
    assert shelf.at().on_hand == 4
    shelf.ledgers[A].forget(START + timedelta(seconds=101))
    shelf.adjust(-1, key="k")
    assert shelf.at().on_hand == 3


def test_a_hold_that_one_of_its_ledgers_has_forgotten_is_forgotten_whole() -> None:
    """A busy shard forgets sooner than an idle one; a repeat must not stumble over half a memory."""
    shelf = Shelf(A=5, B=5)
    shelf.hold("h", (A, 2), (B, 2))
    shelf.release("h")
    shelf.ledgers[A].forget(START + timedelta(days=1))
    assert isinstance(shelf.hold("h", (A, 2), (B, 2)), Granted)
    assert (shelf.atp(A), shelf.atp(B)) == (3, 3)
    shelf.ledgers[B].forget(START + timedelta(days=1))
    assert isinstance(shelf.hold("h", (A, 2), (B, 2)), Granted), "a repeat of the second one"
    assert (shelf.atp(A), shelf.atp(B)) == (3, 3)
    shelf.release("h")
    assert (shelf.atp(A), shelf.atp(B)) == (5, 5)


# -- incidents


def test_an_oversell_is_recorded_with_its_cause_then_relieved_then_cleared() -> None:
    shelf = Shelf(A=2)
    shelf.record(5, causes=((A, "lag", "4 were shown for 2 s"),))
    assert noted(shelf) == [(3, 3, "lag")]
    incident = shelf.book().records.oversells.get(None)
    assert incident is not None
    assert (incident.account, incident.order_id, incident.detail) == (SHOP, "1", "4 were shown for 2 s")
    shelf.receive(A, 1)
    assert noted(shelf) == [(0, 2, "relieved")]
    shelf.record(6, causes=((A, "drift", ""),))
    assert noted(shelf) == [(1, 3, "drift")]
    shelf.receive(A, 3)
    assert noted(shelf) == [None]
    assert not shelf.book().records.oversells


def test_a_count_that_finds_less_than_was_promised_is_an_incident_with_that_cause() -> None:
    shelf = Shelf(A=5)
    shelf.record(4)
    shelf.adjust(-3, key="count-9")
    assert noted(shelf) == [(2, 2, "count")]
    assert detail(shelf) == "adjustment count-9: counted"


def test_an_order_nobody_explains_is_an_incident_all_the_same() -> None:
    shelf = Shelf()
    shelf.record(1)
    assert noted(shelf) == [(1, 1, "unknown")]


def test_an_order_that_is_cancelled_clears_the_incident_it_made() -> None:
    shelf = Shelf(A=1)
    shelf.record(3)
    shelf.record(0)
    assert noted(shelf) == [None]


def test_a_hold_that_runs_out_relieves_an_oversell() -> None:
    shelf = Shelf(A=3)
    shelf.hold("h", (A, 3), seconds=60)
    shelf.record(2)
    assert noted(shelf) == [(2, 2, "unknown")]
    shelf.wait(60)
    shelf.new = shelf.ledgers[A].lapse(shelf.now)
    assert noted(shelf) == [None]


def test_a_hold_of_units_that_another_place_is_short_of_is_no_secret() -> None:
    """An account sells from its own places; the shortage of the whole SKU is still told in full."""
    shelf = Shelf()
    shelf.receive(A, 6, THERE)
    shelf.record(5, locations=(HERE,))
    assert noted(shelf) == []
    assert isinstance(shelf.hold("h", (A, 3), locations=(THERE,)), Granted)
    assert noted(shelf) == [(2, 2, "elsewhere")]
    assert detail(shelf) == "hold h took units that another location is short of"
    shelf.release("h")
    assert noted(shelf) == [None]


def test_more_shipped_than_was_on_hand_proves_the_count_wrong_and_says_by_how_much() -> None:
    shelf = Shelf(A=1)
    shelf.record(0, shipped=4, locations=BOTH)
    found = [event for event in shelf.new if isinstance(event, StockAdjusted)]
    assert [(event.delta, event.on_hand, event.reason) for event in found] == [
        (3, 4, "count error: more shipped than on hand")
    ]
    assert (shelf.at().on_hand, shelf.book().oversold) == (0, 0)
    shelf.record(0, shipped=4, returned=4)
    assert shelf.at().on_hand == 4
    shelf.record(0, shipped=5, returned=0)
    assert [event.delta for event in shelf.new if isinstance(event, StockAdjusted)] == [1]


def test_a_refused_command_changes_nothing_at_all() -> None:
    shelf = Shelf(A=1)
    before = shelf.at().on_hand, shelf.atp()
    assert isinstance(shelf.do(place_hold("h", (Sku("NOPE"), 1))), Refusal)
    assert isinstance(shelf.adjust(-9), Refusal)
    assert (shelf.at().on_hand, shelf.atp()) == before
    assert shelf.ledgers[B].remembered == 0
