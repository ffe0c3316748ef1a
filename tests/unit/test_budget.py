"""A budget is spent, not spaced out, and never exceeded."""

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.machines.budget import Budget, BudgetTerms, Lane

TERMS = BudgetTerms(calls_per_second=4, burst=8, concurrency=1000, orders_share=0.25)


def spend(budget: Budget, lane: Lane, seconds: float, begin: float = 0.0) -> list[float]:
    """Ask and wait as told, as a saturated caller does; returns when each call started."""
    now, starts = begin, []
    while now < begin + seconds:
        wait = budget.wait_seconds(lane, now)
        if wait == 0:
            budget.start(lane, now)
            starts.append(now)
        else:
            now += wait
    return starts


def test_a_saturated_lane_spends_at_least_95_percent_whoever_is_alone() -> None:
    """Lesson G9: 34 of 60 permits were used by spacing calls."""
    for lane in (Lane.OPEN, Lane.ORDERS):
        for share in (0.0, 0.25, 0.9):
            for burst in (1, 2, 8):
                terms = BudgetTerms(calls_per_second=4, burst=burst, concurrency=10_000, orders_share=share)
                assert len(spend(Budget(terms), lane, 100)) >= 0.95 * 400


def test_writes_leave_the_reserve_to_orders_and_reads() -> None:
    budget = Budget(TERMS)
    assert spend(budget, Lane.OPEN, 0.001) == [0.0] * 6
    assert budget.wait_seconds(Lane.OPEN, 0) > 0
    budget.start(Lane.ORDERS, 0)
    budget.start(Lane.RESERVE, 0)
    assert budget.wait_seconds(Lane.ORDERS, 0) > 0


def test_a_waiting_order_call_gets_the_last_slot_and_the_reserved_tokens() -> None:
    budget = Budget(BudgetTerms(calls_per_second=4, burst=8, concurrency=2))
    budget.orders_waiting = 1
    budget.start(Lane.OPEN, 0)
    assert budget.wait_seconds(Lane.OPEN, 0) == float("inf")
    assert budget.wait_seconds(Lane.RESERVE, 0) == float("inf")
    assert budget.wait_seconds(Lane.ORDERS, 0) == 0


def test_no_call_starts_without_a_slot() -> None:
    budget = Budget(BudgetTerms(concurrency=1))
    budget.start(Lane.ORDERS, 0)
    assert budget.wait_seconds(Lane.ORDERS, 100) == float("inf")
    budget.end()
    assert budget.wait_seconds(Lane.ORDERS, 100) == 0


def test_after_a_429_nothing_starts_and_no_burst_follows() -> None:
    budget = Budget(TERMS)
    budget.wait_seconds(Lane.OPEN, 0)
    budget.hold(30)
    assert budget.wait_seconds(Lane.ORDERS, 10) == 20
    assert len(spend(budget, Lane.OPEN, 1, begin=30)) <= 4


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(Lane), st.floats(0, 3)), max_size=200),
    st.integers(1, 10),
    st.floats(0.1, 20),
    st.sampled_from((0.0, 0.2, 0.5, 0.9)),
)
def test_over_any_time_no_more_calls_start_than_burst_and_rate_allow(
    steps: list[tuple[Lane, float]], burst: int, rate: float, share: float
) -> None:
    budget = Budget(BudgetTerms(calls_per_second=rate, burst=burst, concurrency=1000, orders_share=share))
    now, starts = 0.0, []
    for lane, pause in steps:
        now += pause
        if budget.wait_seconds(lane, now) == 0:
            budget.start(lane, now)
            starts.append(now)
    assert_allowed(starts, burst, rate)


def assert_allowed(starts: list[float], burst: int, rate: float) -> None:
    for first, begin in enumerate(starts):
        for last in range(first, len(starts)):
            assert last - first + 1 <= burst + (starts[last] - begin) * rate + 1e-6


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(("call", "promise", "leave", "forgo")), st.sampled_from((0.0, 0.0, 0.0, 0.3, 5.0))),
        min_size=20,
        max_size=80,
    ),
    st.integers(1, 10),
    st.floats(0.1, 20),
    st.sampled_from((0.0, 0.2, 0.5)),
)
def test_calls_that_leave_long_after_they_were_promised_count_when_they_leave(
    steps: list[tuple[str, float]], burst: int, rate: float, share: float
) -> None:
    """A write waits for the journal: however long that takes, what leaves then is within the budget."""
    budget = Budget(BudgetTerms(calls_per_second=rate, burst=burst, concurrency=1000, orders_share=share))
    now, promised, starts = 0.0, 0, []
    for step, pause in steps:
        now += pause
        if step == "call" and budget.wait_seconds(Lane.ORDERS, now) == 0:
            budget.start(Lane.ORDERS, now)
            starts.append(now)
        elif step == "promise" and budget.wait_seconds(Lane.OPEN, now) == 0:
            budget.put_by(now)
            promised += 1
        elif step == "leave" and promised:
            budget.leave(now)
            promised -= 1
            starts.append(now)
        elif step == "forgo" and promised:
            budget.forgo()
            promised -= 1
    assert_allowed(starts, burst, rate)
    assert budget.spent == len(starts)


def test_a_token_that_was_put_by_is_there_for_the_next_when_its_call_was_given_up() -> None:
    budget = Budget(BudgetTerms(calls_per_second=1, burst=1, concurrency=2, orders_share=0.0))
    budget.put_by(0)
    assert budget.wait_seconds(Lane.OPEN, 0) > 0
    budget.forgo()
    assert (budget.wait_seconds(Lane.OPEN, 0), budget.running) == (0, 0)
