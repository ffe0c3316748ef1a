"""Laws of what may be shown, for any rules, any stock and any day."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import count
from math import ceil, floor
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.domain.availability import Availability, Component
from engine.domain.offers.buffers import TIERS, cover_demand, find_tier
from engine.domain.offers.offers import Facts, Fence, Offering
from engine.domain.offers.rules import OfferTerms, RuleBook, Window
from engine.domain.units import AccountId, LocationId, Sku
from tests.fakes.clocks import START
from tests.fakes.rules import HERE, MARKET, SHOP, THERE, A, B, level_of, version_of

KIT = Sku("KIT")
UNITS = st.none() | st.integers(0, 30)
PARTS = st.none() | st.sampled_from([0.0, 0.1, 0.29, 0.5, 0.9, 1.0])
PERCENTS = st.sampled_from([0.0, 2.5, 7.0, 10.0, 33.3, 100.0])
BUFFERS: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.just({}),
    st.integers(0, 20).map(lambda units: {"buffer": units}),
    PERCENTS.map(lambda percent: {"buffer_percent": percent}),
    st.sampled_from(["tiers", "computed"]).map(lambda kind: {"buffer_from": kind}),
)
ERRORS: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.just({}),
    st.integers(0, 5).map(lambda units: {"count_error": units}),
    PERCENTS.map(lambda percent: {"count_error_percent": percent}),
)
VIEWS: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [{}, {"view": "real_time"}, {"view": "buffered"}, {"view": "regional", "locations": (THERE,)}]
)


@st.composite
def terms(draw: st.DrawFn) -> OfferTerms:
    """One rule that keeps its own rules."""
    return OfferTerms(
        **draw(BUFFERS),
        **draw(ERRORS),
        **draw(VIEWS),
        share=draw(PARTS),
        severity=draw(PARTS),
        epsilon=draw(st.none() | st.sampled_from([0.001, 0.05])),
        lag_seconds=draw(st.none() | st.sampled_from([0.0, 5.0, 600.0])),
        last_units=draw(st.none() | st.booleans()),
        zero_below=draw(UNITS),
        floor=draw(UNITS),
        cap=draw(UNITS),
    )


WINDOWS = st.lists(
    st.builds(
        Window,
        name=st.text("ab", min_size=1, max_size=3),
        starts_at=st.integers(-40, 40).map(lambda hours: START + timedelta(hours=hours)),
        ends_at=st.just(START + timedelta(hours=50)),
        accounts=st.sampled_from([(), (SHOP,), (MARKET,)]),
    ),
    max_size=2,
)
BOOKS = st.builds(
    RuleBook,
    default=terms(),
    accounts=st.dictionaries(st.sampled_from([SHOP, MARKET]), terms()),
    categories=st.dictionaries(st.just("mugs"), terms()),
    skus=st.dictionaries(st.sampled_from([A, B]), terms()),
    windows=WINDOWS.map(tuple),
)
STOCK = st.dictionaries(st.sampled_from([HERE, THERE, LocationId("abroad")]), st.integers(-20, 60))


class Day:
    """What offers depend on, as the examples draw it."""

    def __init__(
        self, sold: float | None, rate: float, fenced: int, *, last: bool, lag: float | None, direct: float = 0.0
    ) -> None:
        self.sold, self.rate, self.fenced, self.last, self.lag, self.direct = sold, rate, fenced, last, lag, direct
        self.facts = Facts(
            category_of=lambda sku: "mugs" if sku == B else None,
            daily_sales=lambda _sku, _at: sold,
            rate_elsewhere=lambda _sku, _account, _at: rate,
            rate_beside=lambda component, _bundle, _account, _at: rate * (1 + ord(component[0]) - ord("A")),
            lag_seconds=lambda _account: lag,
            fences=lambda *_: [Fence(MARKET, fenced, "quota")] if fenced else (),  # of every SKU, bundles too
            last_open=lambda _sku, _account: last,
            rate_direct=lambda _sku, _at: direct,
        )


DAYS = st.builds(
    Day,
    st.none() | st.sampled_from([0.0, 5.0, 10.0, 120.0, 5000.0]),
    st.sampled_from([0.0, 0.001, 0.2]),
    st.integers(0, 9),
    last=st.booleans(),
    lag=st.none() | st.sampled_from([0.5, 90.0]),
    direct=st.sampled_from([0.0, 0.05]),
)


Stocks = Mapping[Sku, Mapping[LocationId, int]]


def naive_left(stocks: Stocks, made_of: Mapping[Sku, int], places: Sequence[LocationId], fenced: int) -> dict[Sku, int]:
    """Units of each component that may be shown at some places."""
    return {leaf: sum(stocks[leaf].get(place, 0) for place in places) - fenced for leaf in made_of}


def naive_made(
    stocks: Stocks, made_of: Mapping[Sku, int], places: Sequence[LocationId], fenced: int, *, together: bool
) -> int:
    """Count what can be made by making one after the other, place by place where that is asked for."""
    left = naive_left(stocks, made_of, places, fenced)
    made = min(left[leaf] // units for leaf, units in made_of.items())
    if together and made > 0:
        apart = [min(stocks[leaf].get(place, 0) // units for leaf, units in made_of.items()) for place in places]
        made = min(made, sum(max(0, each) for each in apart) - fenced)
    return made


def naive(
    book: RuleBook,
    sku: Sku,
    stocks: Stocks,
    pack: int,
    at: datetime,
    day: Day,
    made_of: Mapping[Sku, int] | None = None,
    *,
    together: bool = False,
) -> int:
    """The sum written down a second time: slow and obvious, for the account `shop`, which sells from both places.

    `made_of`: of a bundle, SKUs and units in one.
    """
    layers = [
        book.skus.get(sku),
        book.categories.get("mugs") if sku == B else None,
        book.accounts.get(SHOP),
        book.default,
    ]
    rules = [layer for layer in layers if layer is not None]

    def pick(*names: str) -> OfferTerms:
        return next((rule for rule in rules if any(getattr(rule, name) is not None for name in names)), OfferTerms())

    def value(name: str, otherwise: float) -> float:
        found = getattr(pick(name), name)
        return otherwise if found is None else found

    view = pick("view")
    places = (THERE,) if view.view == "regional" else (HERE, THERE)
    if made_of is None:
        left = naive_left(stocks, {sku: 1}, places, day.fenced)[sku]
    else:
        left = naive_made(stocks, made_of, places, day.fenced, together=together)
    share = Fraction(str(float(value("share", 1))))
    shared = floor(share * left) if left > 0 else left

    def part(percent: float) -> int:
        return ceil(Fraction(str(percent)) / 100 * shared) if shared > 0 else 0

    severity = value("severity", 0.5)
    lag = value("lag_seconds", 60) if day.lag is None else day.lag
    computed = cover_demand(day.rate * lag, value("epsilon", 0.01))
    if made_of is not None:
        # each component must last: so many bundles are not shown that what then is beyond them covers what others sell
        rest = naive_left(stocks, made_of, places, day.fenced)
        wanted = {leaf: (day.facts.rate_beside((leaf, n), sku, SHOP, at) * lag / n, n) for leaf, n in made_of.items()}
        computed = next(
            units
            for units in count()
            if all(
                cover_demand(mean, value("epsilon", 0.01)) <= rest[leaf] // n - (left - units)
                for leaf, (mean, n) in wanted.items()
            )
        )
    rule = pick("buffer", "buffer_percent", "buffer_from")
    buffer = 0
    if rule.buffer is not None:
        buffer = rule.buffer
    elif rule.buffer_percent is not None:
        buffer = part(rule.buffer_percent)
    elif rule.buffer_from == "computed":
        buffer = computed
    elif rule.buffer_from == "tiers":
        tier = find_tier(TIERS, day.sold or 0)
        least, most = tier.percent_least, tier.percent_most
        buffer = computed if least is None or most is None else part(round(least + (most - least) * severity, 6))
    for window in book.windows:
        around = timedelta(hours=24)
        meant = not window.accounts or SHOP in window.accounts
        if meant and window.starts_at - around <= at < window.ends_at + around:
            buffer = max(buffer, part(round(15 + 5 * severity, 6)))
    if value("last_units", 0) and day.last:
        buffer = cover_demand(day.direct * lag, value("epsilon", 0.01))
    if view.view == "real_time":
        buffer = 0
    errors = pick("count_error", "count_error_percent")
    error = errors.count_error or (0 if errors.count_error_percent is None else part(errors.count_error_percent))
    packs = (shared - buffer - error) // pack
    shown = max(0 if packs < value("zero_below", 0) else packs, int(value("floor", 0)), 0)
    cap = pick("cap").cap
    return int(shown if cap is None else min(shown, cap))


@pytest.mark.slow
@given(book=BOOKS, stock=STOCK, pack=st.integers(1, 7), hours=st.integers(-80, 90), day=DAYS)
def test_an_offer_is_the_sum_written_down_a_second_time(
    book: RuleBook, stock: dict[LocationId, int], pack: int, hours: int, day: Day
) -> None:
    """Law: the number and the number with its reasons are one, and both are the naive one."""
    at = START + timedelta(hours=hours)
    offering = Offering(SHOP, (HERE, THERE), day.facts, version_of(book))
    for sku in (A, B):
        level = level_of(stock, sku)
        quantity = offering.quantity(level, pack, at)
        assert quantity == offering.explain(level, pack, at).quantity == naive(book, sku, {sku: stock}, pack, at, day)


COMPUTED = RuleBook(default=OfferTerms(buffer_from="computed"))
"""Drawn as often as all others: it is what looks at each component."""


@pytest.mark.slow
@given(
    book=st.just(COMPUTED) | BOOKS,
    stocks=st.fixed_dictionaries({A: STOCK, B: STOCK}),
    made_of=st.dictionaries(st.sampled_from([A, B]), st.integers(1, 3), min_size=1),
    together=st.booleans(),
    pack=st.integers(1, 3),
    day=DAYS,
)
@example(
    book=COMPUTED,
    stocks={A: {HERE: 9, THERE: 9}, B: {HERE: 40}},
    made_of={A: 1, B: 1},
    together=True,
    pack=1,
    day=Day(None, 0.001, 0, last=False, lag=90.0, direct=0.0),
)
@example(
    book=COMPUTED,
    stocks={A: {HERE: 30}, B: {HERE: 20}},
    made_of={A: 1, B: 1},
    together=False,
    pack=1,
    day=Day(None, 0.1, 0, last=False, lag=90.0, direct=0.0),
)
def test_an_offer_of_a_bundle_is_the_sum_written_down_a_second_time(
    book: RuleBook,
    stocks: dict[Sku, dict[LocationId, int]],
    made_of: dict[Sku, int],
    together: bool,
    pack: int,
    day: Day,
) -> None:
    """Lesson F1; and others who sell its components, bundled or not, are covered where they are short first."""
    offering = Offering(SHOP, (HERE, THERE), day.facts, version_of(book))
    level = Availability(
        sku=KIT,
        position=1,
        atp=((HERE, 0),),
        changed_at=START,
        components=tuple(Component(units, level_of(stocks[leaf], leaf)) for leaf, units in sorted(made_of.items())),
        together=together,
    )
    quantity = offering.quantity(level, pack, START)
    assert quantity == offering.explain(level, pack, START).quantity
    assert quantity == naive(book, KIT, stocks, pack, START, day, made_of, together=together)


@pytest.mark.slow
@given(book=BOOKS, stock=st.integers(-20, 60), more=st.integers(0, 40), day=DAYS)
def test_more_stock_never_shows_less(book: RuleBook, stock: int, more: int, day: Day) -> None:
    offering = Offering(SHOP, (HERE, THERE), day.facts, version_of(book))
    assert offering.quantity(level_of(stock), 1, START) <= offering.quantity(level_of(stock + more), 1, START)


@pytest.mark.slow
@given(book=BOOKS, stock=STOCK, day=DAYS, account=st.sampled_from([SHOP, MARKET]))
def test_no_more_is_shown_than_there_is_but_for_a_floor(
    book: RuleBook, stock: dict[LocationId, int], day: Day, account: AccountId
) -> None:
    offering = Offering(account, (HERE, THERE), day.facts, version_of(book))
    rule = offering.rule(A)
    there_is = max(0, sum(stock.get(place, 0) for place in rule.where))
    shown = offering.quantity(level_of(stock), 1, START)
    assert 0 <= shown <= max(there_is, rule.floor.value)
    assert rule.cap.value is None or shown <= rule.cap.value
