"""How fast a SKU sells just now: against plain sums, bounded, and falling without an event."""

from datetime import timedelta
from itertools import pairwise

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from engine.actors.pacer import Pacer
from engine.domain.offers import pace as pacing
from engine.domain.offers.pace import FORGOTTEN_AFTER, SALES_KEPT, SALES_LEAST, SPAN_MIN, Pace
from engine.domain.stated.offers import PaceStated
from engine.domain.units import DIRECT, AccountId, Sku
from tests.fakes.clocks import START, HandClock
from tests.fakes.rules import MARKET, SHOP, A, B

SECOND = timedelta(seconds=1)
SALES = st.lists(
    st.tuples(st.floats(0, 60, allow_nan=False), st.sampled_from([SHOP, MARKET, DIRECT]), st.integers(-2, 5)),
    max_size=20,
)


@given(sales=SALES, later=st.floats(0, 100, allow_nan=False))
def test_it_is_the_units_of_others_since_the_oldest_of_the_last_sales(
    sales: list[tuple[float, AccountId, int]], later: float
) -> None:
    """Law: the pace is what a plain sum over the last sales gives, whoever asks."""
    pace, at, told = Pace(), START, []
    for gap, account, units in sales:
        at += gap * SECOND
        pace.sold(A, account, units, at)
        if units > 0:
            told.append((at, account, units))
    at += later * SECOND
    kept = told[-SALES_KEPT:]
    for account in (SHOP, MARKET, DIRECT):
        if len(kept) < SALES_LEAST:
            assert pace.rate_elsewhere(A, account, at) == pace.rate_of(A, account, at) == 0
            continue
        units = sum(units for _, seller, units in kept[1:] if seller != account)
        span = max(at - kept[0][0], SPAN_MIN).total_seconds()
        assert pace.rate_elsewhere(A, account, at) == pytest.approx(units / span)
        own = sum(units for _, seller, units in kept[1:] if seller == account)
        assert pace.rate_of(A, account, at) == pytest.approx(own / span)
    assert pace.rate_elsewhere(B, SHOP, at) == 0


def rush(pace: Pace, sku: Sku = A, *, gap: timedelta = SECOND / 10) -> None:
    for number in range(SALES_KEPT):
        pace.sold(sku, MARKET, 1, START + number * gap)


def test_a_pace_falls_by_itself_and_says_when_to_look() -> None:
    pace, looks = Pace(), []
    assert pace.next_turn_at() is None
    rush(pace)
    rates = []
    while (due_at := pace.next_turn_at()) is not None:
        assert pace.turns(due_at - timedelta(microseconds=1)) == []
        assert pace.turns(due_at) == [A]
        looks.append(due_at)
        rates.append(pace.rate_elsewhere(A, SHOP, due_at))
    assert all(later <= earlier * 0.51 for earlier, later in pairwise(rates[1:-1]))
    assert rates[-1] == 0, "an hour after its last sale it is forgotten"
    assert timedelta() <= looks[-1] - START - FORGOTTEN_AFTER <= 2 * SECOND
    assert len(looks) < 15, "each burst costs a few looks, not one a second"


def test_only_the_skus_that_sold_last_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing, "SKUS_MAX", 2)
    pace = Pace()
    for name in ("a", "b", "c"):
        rush(pace, Sku(name))
        rush(pace, Sku("b"))
    now = START + SECOND
    assert [pace.rate_elsewhere(Sku(name), SHOP, now) > 0 for name in ("a", "b", "c")] == [False, True, True]
    assert set(pace.turns(now + SECOND)) == {"b", "c"}


async def test_offers_follow_a_falling_pace_and_a_later_rush_is_not_waited_for(
    autojump_clock: trio.testing.MockClock,
) -> None:
    clock = HandClock()
    pace, told = Pace(), []
    pacer = Pacer(pace, lambda sku: told.append((sku, round(trio.current_time()))), clock=clock)

    async def pass_time(seconds: int) -> None:
        for _ in range(seconds):
            await trio.sleep(1)
            clock.pass_seconds(1)
            await trio.testing.wait_all_tasks_blocked()

    async with trio.open_nursery() as nursery:
        await nursery.start(pacer.run)
        pace.sold(A, MARKET, 1, clock.now())
        pacer.sold()
        await pass_time(70)
        looks = [at for sku, at in told if sku == A]
        assert len(looks) in range(5, 9)
        pace.sold(B, MARKET, 1, clock.now())
        pacer.sold()
        await pass_time(3)
        assert B in {sku for sku, _ in told}
        nursery.cancel_scope.cancel()


def test_sales_of_an_hour_ago_are_forgotten_whether_or_not_anybody_asked_for_turns() -> None:
    """Replay never does; a pace must not depend on it."""
    asked, did_not = Pace(), Pace()
    for pace in (asked, did_not):
        for _ in range(SALES_KEPT):
            pace.sold(A, SHOP, 5, START)
    later = START + FORGOTTEN_AFTER
    asked.turns(later)
    for pace in (asked, did_not):
        assert pace.rate_of(A, SHOP, later) == 0
        pace.sold(A, SHOP, 5, later)
        assert [*pace.state(later)] == [PaceStated(sku=A, sales=((later, SHOP, 5),))]
