"""Counts and partners' snapshots: what was seen at an instant, corrected by all that has moved since, once."""

from datetime import timedelta

import pytest

from engine.domain.commands import Answer, Moved, Observe, Refusal
from engine.domain.events import OversellRecorded, StockConfirmed, StockCounted, StockObserved
from engine.domain.states import State
from engine.domain.stock import records
from engine.domain.stock.records import History
from engine.domain.stock.snapshots import Fuse, read_row
from engine.domain.units import Key, LocationId, Sku
from tests.fakes.books import HERE, THERE, A, B, Shelf
from tests.fakes.clocks import START

MINUTE = 60.0
DAY = 86_400.0


def refused(answer: Answer) -> str:
    assert isinstance(answer, Refusal), answer
    return str(answer)


def counted(answer: Answer) -> StockCounted:
    assert isinstance(answer, Moved), answer
    (event,) = answer.movements
    assert isinstance(event, StockCounted)
    return event


def told(answer: Answer) -> tuple[int, int, bool]:
    """Expected, variance, applied."""
    event = counted(answer)
    return (event.expected, event.delta, event.applied)


def moments(shelf: Shelf) -> Shelf:
    """100 at noon, 90 after the tenth minute, 110 after the twentieth; now it is half past."""
    shelf.wait(10 * MINUTE)
    shelf.record(0, shipped=10, locations=(HERE,))
    shelf.wait(10 * MINUTE)
    shelf.receive(A, 20)
    shelf.wait(10 * MINUTE)
    return shelf


# -- counts


def test_a_count_is_compared_with_what_the_books_had_when_it_was_taken() -> None:
    """Lessons A7, E10: sales between count and entry are not lost, and not taken off twice."""
    for seconds_ago, expected in ((30, 100), (25, 100), (20, 90), (15, 90), (10, 110), (0, 110)):
        shelf = moments(Shelf(A=100))
        assert told(shelf.count(expected - 1, seconds_ago=seconds_ago * MINUTE)) == (expected, -1, True)
        assert shelf.at().on_hand == 109


def test_a_change_at_the_very_instant_of_the_count_has_happened() -> None:
    shelf = Shelf(A=100)
    shelf.wait(MINUTE)
    shelf.adjust(-1)
    assert counted(shelf.count(100, seconds_ago=0.000001)).expected == 100
    assert counted(shelf.count(99, key="after")).expected == 99


def test_a_count_of_another_place_knows_only_what_moved_there() -> None:
    shelf = moments(Shelf(A=100))
    shelf.receive(A, 5, THERE)
    assert told(shelf.count(5, at=THERE)) == (5, 0, True)
    assert told(shelf.count(0, at=LocationId("new"), key="new")) == (0, 0, True)


@pytest.mark.parametrize("seen", [97, 103, 100])
def test_a_variance_within_the_tolerance_is_applied_at_once(seen: int) -> None:
    shelf = Shelf(A=100)
    assert told(shelf.count(seen)) == (100, seen - 100, True)
    assert shelf.at().on_hand == seen


@pytest.mark.parametrize(
    ("on_hand", "seen", "units", "applied"),
    [
        (100, 96, 0, False),
        (100, 104, 0, False),
        (100, 96, 4, True),
        (100, 95, 4, False),
        (1000, 971, 4, True),
        (0, 1, 0, False),
        (0, 1, 1, True),
        (3, 0, 2, False),
    ],
)
def test_a_variance_beyond_both_tolerances_asks_for_a_recount(
    on_hand: int, seen: int, units: int, applied: bool
) -> None:
    shelf = Shelf(A=on_hand)
    event = counted(shelf.count(seen, units=units))
    assert (event.applied, event.on_hand) == (applied, seen if applied else on_hand)
    assert shelf.at().on_hand == event.on_hand
    assert (HERE in shelf.book().records.recounts) is not applied


def test_a_recount_that_agrees_is_applied_whatever_was_sold_in_between() -> None:
    shelf = Shelf(A=100)
    shelf.count(80, key="first")
    shelf.wait(MINUTE)
    shelf.record(0, shipped=7, locations=(HERE,))
    shelf.wait(MINUTE)
    event = counted(shelf.count(73, key="second"))
    assert (event.expected, event.delta, event.applied, event.confirms) == (93, -20, True, "first")
    assert shelf.at().on_hand == 73
    assert shelf.book().records.recounts == {}


def test_a_recount_that_agrees_with_the_books_ends_the_doubt() -> None:
    shelf = Shelf(A=100)
    shelf.count(80, key="first")
    shelf.wait(MINUTE)
    event = counted(shelf.count(100, key="second"))
    assert (event.applied, event.confirms, shelf.at().on_hand) == (True, None, 100)
    shelf.wait(MINUTE)
    assert not counted(shelf.count(80, key="third")).applied, "the first one is not waiting any more"


def test_a_recount_that_agrees_with_neither_is_the_one_to_be_confirmed() -> None:
    shelf = Shelf(A=100)
    shelf.count(80, key="first")
    shelf.wait(MINUTE)
    assert not counted(shelf.count(60, key="second")).applied
    shelf.wait(MINUTE)
    assert not counted(shelf.count(80, key="third")).applied
    shelf.wait(MINUTE)
    assert counted(shelf.count(80, key="fourth")).confirms == "third"
    assert shelf.at().on_hand == 80


def test_one_look_told_under_two_keys_does_not_confirm_itself() -> None:
    shelf = Shelf(A=100)
    shelf.count(80, key="first")
    assert not counted(shelf.count(80, key="second")).applied
    assert shelf.at().on_hand == 100


def test_a_count_taken_earlier_than_the_one_that_waits_neither_confirms_nor_replaces_it() -> None:
    shelf = Shelf(A=100)
    shelf.wait(10 * MINUTE)
    shelf.count(80, key="newer")
    assert not counted(shelf.count(80, key="older", seconds_ago=MINUTE)).applied
    assert shelf.book().records.recounts[HERE].key == "newer"


def test_each_place_waits_for_its_own_recount() -> None:
    shelf = Shelf(A=100)
    shelf.receive(A, 100, THERE)
    shelf.count(80, key="here")
    shelf.wait(MINUTE)
    assert not counted(shelf.count(80, key="there", at=THERE)).applied


def test_what_was_seen_before_the_newest_look_is_stale() -> None:
    """Its difference from the books may be the very one that the newer look has corrected."""
    shelf = Shelf(A=100)
    shelf.wait(10 * MINUTE)
    shelf.count(98, key="newer", seconds_ago=MINUTE)
    assert refused(shelf.count(98, key="older", seconds_ago=2 * MINUTE)) == (
        "STALE taken_at=2026-11-11T12:08:00.000000Z: the newest look at sku=A location=here"
        " was at 2026-11-11T12:09:00.000000Z"
    )
    assert told(shelf.count(98, key="same", seconds_ago=MINUTE)) == (98, 0, True)
    assert shelf.at().on_hand == 98


def test_a_correction_holds_since_the_count_was_taken() -> None:
    """Two people count the shelf within the hour and both come to the desk later: their finding counts once."""
    shelf = Shelf(A=100)
    shelf.wait(60 * MINUTE)
    shelf.count(98, key="ann", seconds_ago=50 * MINUTE)
    assert told(shelf.count(98, key="bob", seconds_ago=40 * MINUTE)) == (98, 0, True)
    assert shelf.at().on_hand == 98


def test_a_count_in_the_future_is_refused() -> None:
    shelf = Shelf(A=5)
    assert refused(shelf.count(5, seconds_ago=-1)) == (
        "BADARG taken_at '2026-11-11T12:00:01.000000Z': must not be in the future; it is 2026-11-11T12:00:00.000000Z"
    )


def test_a_count_from_before_the_books_reach_is_refused_and_says_how_far_they_do() -> None:
    shelf = Shelf(A=5, history_seconds=100)
    assert refused(shelf.count(5, seconds_ago=1)) == (
        "TOOOLD taken_at=2026-11-11T11:59:59.000000Z: figures can be told back to 2026-11-11T12:00:00.000000Z"
    ), "the SKU did not exist"
    shelf.wait(50)
    shelf.adjust(-1)
    shelf.wait(100)
    shelf.ledgers[A].forget(shelf.now)
    assert refused(shelf.count(5, seconds_ago=101)) == (
        "TOOOLD taken_at=2026-11-11T12:00:49.000000Z: figures can be told back to 2026-11-11T12:00:50.000000Z"
    )
    assert told(shelf.count(4, seconds_ago=100)) == (4, 0, True)


def test_a_count_covers_units_in_every_state_and_cannot_leave_fewer_than_are_set_aside() -> None:
    shelf = Shelf(A=10)
    shelf.put(4, State.SELLABLE, State.DAMAGED)
    assert refused(shelf.count(3, percent=100)) == (
        "NEGATIVE sku=A location=here on_hand=10 unavailable=4 expected=10 counted=3 delta=-7"
    )
    assert told(shelf.count(4, percent=100)) == (10, -6, True)
    assert (shelf.at().on_hand, shelf.at().atp) == (4, 0)


def test_a_count_that_would_leave_fewer_than_none_is_refused() -> None:
    """Ten were there, the count says four, and eight have left since: somebody is wrong, and it is not decided here."""
    shelf = Shelf(A=10)
    shelf.wait(MINUTE)
    shelf.record(0, shipped=8, locations=(HERE,))
    shelf.wait(MINUTE)
    assert refused(shelf.count(4, seconds_ago=2 * MINUTE, percent=100)) == (
        "NEGATIVE sku=A location=here on_hand=2 expected=10 counted=4 delta=-6"
    )
    assert shelf.at().on_hand == 2


def test_a_count_that_finds_less_than_was_promised_is_an_incident() -> None:
    shelf = Shelf(A=10)
    shelf.record(9)
    shelf.count(5, percent=100)
    (incident,) = [event for event in shelf.new if isinstance(event, OversellRecorded)]
    assert (incident.units, incident.cause, incident.detail) == (4, "count", "count count: 5 were at here")


# -- partners' snapshots


def test_a_snapshot_replaces_what_was_there_as_of_its_instant_and_keeps_what_moved_since() -> None:
    """Lessons E8, E10."""
    for seconds_ago, then, now in ((30, 100, 110), (15, 90, 110), (5, 110, 110)):
        shelf = moments(Shelf(A=100))
        answer = shelf.observe(then + 7, seconds_ago=seconds_ago * MINUTE)
        assert isinstance(answer, Moved)
        (event,) = answer.movements
        assert isinstance(event, StockObserved)
        assert (event.delta, event.on_hand) == (7, now + 7)


def test_a_snapshot_s_correction_holds_since_its_instant_and_not_since_it_was_told() -> None:
    """A count of an hour ago agrees with a feed of two hours ago that came in only now: nothing is found twice."""
    shelf = Shelf(A=100)
    shelf.wait(180 * MINUTE)
    shelf.observe(90, seconds_ago=120 * MINUTE)
    assert told(shelf.count(90, seconds_ago=60 * MINUTE)) == (90, 0, True)
    assert shelf.at().on_hand == 90


@pytest.mark.parametrize(("nets", "on_hand"), [(False, 10), (True, 14)])
def test_a_partner_who_has_taken_open_orders_off_tells_less_than_lies_there(nets: bool, on_hand: int) -> None:
    """Lesson E13: 4 of the 14 units there are owed; taken for all there is, they would be taken off twice."""
    shelf = Shelf(A=14)
    shelf.record(4)
    shelf.wait(MINUTE)
    shelf.observe(10, nets=nets)
    assert (shelf.at().on_hand, shelf.at().committed) == (on_hand, 4)


def test_orders_that_came_after_the_snapshot_were_not_taken_off_it() -> None:
    shelf = Shelf(A=14)
    shelf.record(4)
    shelf.wait(10 * MINUTE)
    shelf.record(9)
    shelf.observe(10, nets=True, seconds_ago=MINUTE)
    assert (shelf.at().on_hand, shelf.atp()) == (14, 5)
    shelf.wait(MINUTE)
    shelf.record(2, shipped=7)
    shelf.observe(5, nets=True, key="next")
    assert (shelf.at().on_hand, shelf.atp()) == (7, 5)


def test_an_older_or_equal_snapshot_is_stale_whoever_tells_it() -> None:
    """One place has one truth in time: a second partner, or our own count, competes by its instant alone."""
    shelf = Shelf(A=100)
    shelf.wait(10 * MINUTE)
    shelf.observe(90, seconds_ago=MINUTE)
    text = (
        "STALE as_of=2026-11-11T12:0{}:00.000000Z: the newest look at sku=A location=here"
        " was at 2026-11-11T12:09:00.000000Z"
    )
    assert refused(shelf.observe(95, seconds_ago=2 * MINUTE, key="older")) == text.format(8)
    assert refused(shelf.observe(95, seconds_ago=MINUTE, key="equal", source="erp")) == text.format(9)
    assert refused(shelf.count(95, seconds_ago=2 * MINUTE)).startswith("STALE taken_at=")
    assert isinstance(shelf.observe(95, source="erp", key="newer"), Moved)
    assert shelf.at().on_hand == 95


def test_the_same_snapshot_again_is_answered_as_the_first_time() -> None:
    shelf = Shelf(A=100)
    first = shelf.observe(90)
    again = Observe(
        key=Key("feed"), sku=A, location=HERE, source="3pl", quantity=90, as_of=START, nets_open_orders=False
    )
    shelf.wait(MINUTE)
    assert shelf.do(again) == first
    assert shelf.new == []


def test_rows_are_judged_one_by_one_and_those_that_change_nothing_are_one_event() -> None:
    shelf = Shelf(A=100, B=7)
    shelf.wait(MINUTE)
    row = shelf.row
    verdicts = shelf.snapshot(row(90), row(7, sku=B), row(5, sku=Sku("NEW")), row(3, at=THERE, sku=Sku("OLD")))
    assert [type(verdict) for verdict in verdicts] == [Moved, Moved, Refusal, Refusal]
    assert [type(event) for event in shelf.new] == [StockObserved, StockConfirmed]
    confirmed = shelf.new[-1]
    assert isinstance(confirmed, StockConfirmed)
    assert confirmed.rows == ((B, 7),)
    observed = shelf.book(B).movements[Key("feed")]
    assert (
        read_row(confirmed, B, 7, 7)
        == observed
        == StockObserved(
            at=shelf.now,
            sku=B,
            key=Key("feed"),
            location=HERE,
            source="3pl",
            quantity=7,
            as_of=shelf.now,
            nets_open_orders=False,
            delta=0,
            on_hand=7,
        )
    )


def test_a_sku_under_two_codes_in_one_snapshot_is_corrected_once() -> None:
    """Both stand on a book that has heard neither: applied, the second would correct what the first one did already."""
    shelf = Shelf(A=100)
    shelf.wait(MINUTE)
    first, second = shelf.snapshot(shelf.row(90), shelf.row(80))
    assert isinstance(first, Moved)
    assert refused(second) == "CONFLICT sku=A: stands in the snapshot twice"
    assert shelf.at().on_hand == 90


def test_each_sku_that_a_snapshot_finds_short_has_its_own_words() -> None:
    shelf = Shelf(A=10, B=10)
    shelf.record(9)
    shelf.record(8, sku=B, order_id="2")
    shelf.wait(MINUTE)
    shelf.snapshot(shelf.row(4), shelf.row(3, sku=B))
    incidents = [event for event in shelf.new if isinstance(event, OversellRecorded)]
    assert [(each.sku, each.units, each.cause, each.detail) for each in incidents] == [
        (sku, 5, "observed", f"3pl told {units} at here as of 2026-11-11T12:01:00Z") for sku, units in ((A, 4), (B, 3))
    ]


@pytest.mark.parametrize(
    ("falls", "rows", "blows"), [(9, 20, False), (10, 20, True), (10, 33, True), (10, 34, False), (0, 0, False)]
)
def test_a_fuse_blows_above_a_share_and_from_a_number_of_rows_on(falls: int, rows: int, blows: bool) -> None:
    assert Fuse(0.3, 10).blows(falls, rows) == blows


def test_a_snapshot_settles_a_count_that_waits() -> None:
    shelf = Shelf(A=100)
    shelf.count(80, key="first")
    shelf.wait(MINUTE)
    shelf.observe(100)
    shelf.wait(MINUTE)
    assert not counted(shelf.count(80, key="second")).applied


@pytest.mark.parametrize("nets", [False, True])
def test_a_snapshot_from_the_future_or_from_before_the_books_is_refused(nets: bool) -> None:
    shelf = Shelf(A=5)
    assert refused(shelf.observe(5, seconds_ago=-1, nets=nets)).startswith("BADARG as_of '2026-11-11T12:00:01")
    assert refused(shelf.observe(5, seconds_ago=1, nets=nets)).startswith("TOOOLD as_of=2026-11-11T11:59:59")


def test_a_snapshot_that_would_leave_fewer_than_none_is_refused() -> None:
    shelf = Shelf(A=10)
    shelf.wait(MINUTE)
    shelf.adjust(-8)
    assert refused(shelf.observe(4, seconds_ago=MINUTE)) == (
        "NEGATIVE sku=A location=here on_hand=2 quantity=4 delta=-6"
    )


def test_a_snapshot_of_less_than_was_promised_is_an_incident() -> None:
    shelf = Shelf(A=10)
    shelf.record(9)
    shelf.observe(5)
    (incident,) = [event for event in shelf.new if isinstance(event, OversellRecorded)]
    assert (incident.units, incident.cause) == (4, "observed")
    assert incident.detail == "3pl told 5 at here as of 2026-11-11T12:00:00Z"


def test_lesson_e9_what_a_snapshot_does_not_mention_stays() -> None:
    """Unknown is not zero: neither at the places nor of the SKUs that it leaves out."""
    shelf = Shelf(A=5, B=7)
    shelf.receive(A, 3, THERE)
    shelf.observe(0)
    assert (shelf.at().on_hand, shelf.at(THERE).on_hand) == (0, 3)
    assert shelf.ledgers.keys() == {"A", "B"}


# -- history


def test_history_tells_a_figure_s_change_since_any_instant_it_reaches() -> None:
    history = History()
    keep = timedelta(days=1)
    for minute in range(10):
        at = START + timedelta(minutes=minute)
        history.note(at, HERE if minute % 2 else THERE, minute, keep, at)
    assert history.after(START + timedelta(minutes=4), HERE) == 5 + 7 + 9
    assert history.after(START + timedelta(minutes=9), HERE) == 0
    history.prune(START + timedelta(minutes=3))
    assert (len(history), history.since) == (6, START + timedelta(minutes=3))
    assert history.after(history.since, THERE) == 4 + 6 + 8


def test_history_is_bounded_in_age_and_in_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "HISTORY_MAX", 256)
    old, busy = History(), History()
    for second in range(5000):
        at = START + timedelta(seconds=second)
        old.note(at, HERE, 1, timedelta(seconds=100), at)
        busy.note(at, HERE, 1, timedelta(days=7), at)
        assert len(old) <= 100 + 64
        assert len(busy) <= 256 + 64
    assert old.after(old.since, HERE) == len(old)
    assert busy.after(busy.since, HERE) == len(busy)
    assert busy.since == START + timedelta(seconds=4999 - len(busy))


def test_books_at_rest_forget_their_history_in_turn() -> None:
    shelf = Shelf(A=5, history_seconds=100)
    shelf.record(1)
    assert (len(shelf.book().on_hand_history), len(shelf.book().committed_history)) == (1, 1)
    shelf.ledgers[A].forget(START + timedelta(seconds=101))
    assert (len(shelf.book().on_hand_history), len(shelf.book().committed_history)) == (0, 0)
