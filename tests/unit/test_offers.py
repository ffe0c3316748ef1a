"""The sum that decides what a channel may show."""

from datetime import timedelta
from fractions import Fraction

import pytest

from engine.domain.offers.buffers import Tier, cover_demand
from engine.domain.offers.offers import Facts, Fence
from engine.domain.offers.rules import OfferTerms, RuleBook, Window
from engine.domain.units import LocationId
from tests.fakes.clocks import START
from tests.fakes.rules import HERE, MARKET, SHOP, THERE, A, B, level_of, offering_of

SELLS_20 = Facts(daily_sales=lambda _sku, _at: 20.0)


def terms_of(book: RuleBook | OfferTerms, units: int, facts: Facts | None = None) -> dict[str, tuple[str, str]]:
    """Return the printed sum: term to value and rule."""
    offer = offering_of(book, facts).explain(level_of(units), 1, START)
    return {term: (value, rule) for term, value, rule in offer.terms}


@pytest.mark.parametrize(
    ("atp", "rule", "pack", "offer"),
    [
        ({HERE: 10}, OfferTerms(share=0.1), 1, 1),  # 0.1 of ten is one, whatever floats think
        ({HERE: 100}, OfferTerms(share=0.29), 1, 29),
        ({HERE: 9}, OfferTerms(share=0.5), 1, 4),
        ({HERE: 9}, OfferTerms(buffer=4), 1, 5),
        ({HERE: 3}, OfferTerms(buffer=4), 1, 0),
        ({HERE: 13}, OfferTerms(), 6, 2),
        ({HERE: 13}, OfferTerms(buffer=2), 6, 1),  # the buffer is base units: eleven left, one pack
        ({HERE: 60}, OfferTerms(cap=3), 6, 3),  # the cap is listing units
        ({HERE: 2}, OfferTerms(floor=4), 6, 4),
        ({HERE: 50}, OfferTerms(cap=2, floor=4), 1, 2),  # less is the safer mistake
        ({HERE: -3}, OfferTerms(), 1, 0),
        ({HERE: -3}, OfferTerms(floor=2), 1, 2),
        ({}, OfferTerms(), 1, 0),
        ({HERE: 5, THERE: -2}, OfferTerms(), 1, 3),  # owed to buyers of this account's other location
        ({HERE: -2, THERE: 5}, OfferTerms(share=0.5), 1, 1),
        ({HERE: 5, LocationId("abroad"): -9}, OfferTerms(), 1, 5),  # not this account's business
        ({HERE: 11}, OfferTerms(buffer_percent=10), 1, 9),  # 1.1 is two: a unit too few is the safer mistake
        ({HERE: 1}, OfferTerms(buffer_percent=10), 1, 0),
        ({HERE: 100}, OfferTerms(share=0.5, buffer_percent=10), 1, 45),  # of what could be shown
        ({HERE: -4}, OfferTerms(buffer_percent=10), 1, 0),
        ({HERE: 10}, OfferTerms(buffer=2, count_error=3), 1, 5),
        ({HERE: 10}, OfferTerms(count_error_percent=15), 1, 8),
        ({HERE: 10}, OfferTerms(zero_below=10), 1, 10),
        ({HERE: 9}, OfferTerms(zero_below=10), 1, 0),
        ({HERE: 59}, OfferTerms(zero_below=10), 6, 0),  # nine packs
        ({HERE: 9}, OfferTerms(zero_below=10, floor=1), 1, 1),  # a floor needs no stock at all
        ({HERE: 4, THERE: 9}, OfferTerms(view="regional", locations=(THERE,)), 1, 9),
        ({HERE: 9}, OfferTerms(view="real_time", buffer=3), 1, 9),
    ],
)
def test_an_offer_is_share_less_buffer_in_packs_between_floor_and_cap(
    atp: dict[LocationId, int], rule: OfferTerms, pack: int, offer: int
) -> None:
    offering = offering_of(rule)
    assert offering.quantity(level_of(atp), pack, START) == offer
    assert offering.explain(level_of(atp), pack, START).quantity == offer


def test_a_location_named_twice_counts_once() -> None:
    offering = offering_of(OfferTerms())
    twice = type(offering)(SHOP, (HERE, HERE))
    assert twice.quantity(level_of(5), 1, START) == 5
    assert twice.locations == (HERE,)


def test_the_whole_sum_is_printed_with_the_rule_and_the_version_behind_each_term() -> None:
    book = RuleBook(default=OfferTerms(share=0.5), accounts={SHOP: OfferTerms(buffer=1)}, skus={A: OfferTerms(cap=9)})
    assert offering_of(book).explain(level_of({HERE: 20, THERE: -1}), 2, START).terms == (
        ("atp here", "20", "stock"),
        ("atp there", "-1", "stock"),
        ("atp", "19", "sum over the account's locations"),
        ("share", "0.5", "default v1"),
        ("shared", "9", "atp x share, rounded down"),
        ("buffer", "1", "account shop v1"),
        ("pack", "2", "listing"),
        ("packs", "4", "(shared - buffer) / pack, rounded down"),
        ("floor", "0", "built in"),
        ("cap", "9", "sku A v1"),
        ("offer", "4", "packs between floor and cap, never negative"),
    )


def test_a_term_that_nobody_set_is_not_printed_unless_every_sum_has_it() -> None:
    printed = terms_of(OfferTerms(count_error=2, zero_below=3), 20, Facts(fences=lambda *_: [Fence(MARKET, 4, "x v1")]))
    assert printed["ring-fenced"] == ("4", "for market: x v1")
    assert printed["shared"] == ("16", "what is left x share, rounded down")
    assert printed["count error"] == ("2", "default v1")
    assert printed["zero below"] == ("3", "default v1")
    assert printed["packs"] == ("14", "(shared - buffer - count error) / pack, rounded down")
    assert {"ring-fenced", "count error", "zero below"}.isdisjoint(terms_of(OfferTerms(), 20))


def test_each_term_comes_from_the_most_particular_rule_that_sets_it() -> None:
    """SKU before category before account before default; zero is a value, not a gap."""
    book = RuleBook(
        default=OfferTerms(share=0.9, buffer=9, cap=90, floor=1, zero_below=9),
        accounts={SHOP: OfferTerms(buffer=8, cap=80, floor=2)},
        categories={"mugs": OfferTerms(buffer=0, cap=70)},
        skus={A: OfferTerms(cap=60)},
    )
    rule = offering_of(book, Facts(category_of=lambda _: "mugs")).rule(A)
    named = {name: getattr(rule, name).rule for name in ("cap", "buffer", "floor", "share", "epsilon")}
    assert named == {
        "cap": "sku A v1",
        "buffer": "category mugs v1",
        "floor": "account shop v1",
        "share": "default v1",
        "epsilon": "built in",
    }
    other = offering_of(book, account=MARKET).rule(B)
    assert (other.cap.value, other.floor.value) == (90, 1)


def test_a_buffer_of_one_kind_takes_the_place_of_another_kind_in_a_wider_rule() -> None:
    """A fixed buffer for one SKU is not added to, or lost behind, a percentage of its account."""
    book = RuleBook(
        accounts={SHOP: OfferTerms(buffer_percent=50, count_error=1)},
        skus={A: OfferTerms(buffer=1, count_error_percent=0)},
    )
    assert offering_of(book).quantity(level_of(10, A), 1, START) == 9
    assert offering_of(book).quantity(level_of(10, B), 1, START) == 4


def test_a_category_without_a_rule_and_a_sku_without_a_category_take_the_wider_one() -> None:
    book = RuleBook(default=OfferTerms(cap=5), categories={"mugs": OfferTerms(cap=2)})
    for category, cap in (("mugs", 2), ("cups", 5), (None, 5)):
        offering = offering_of(book, Facts(category_of=lambda _, category=category: category))  # type: ignore[misc]
        assert offering.quantity(level_of(9), 1, START) == cap


@pytest.mark.parametrize(
    ("sold", "severity", "percent"),
    [(None, 0.5, "25 %"), (0.2, 0, "20 %"), (9.9, 1, "30 %"), (10, 0.5, "15 %"), (49, 1, "20 %"), (50, 0.2, "6 %")],
)
def test_the_tier_of_the_daily_sales_and_the_severity_choose_the_percentage(
    sold: float | None, severity: float, percent: str
) -> None:
    """DESIGN.md section 5: 1-10 a day: 20-30 %, 10-50: 10-20 %, 50-200: 5-10 %."""
    facts = Facts(daily_sales=lambda _sku, _at: sold)
    value, rule = terms_of(OfferTerms(buffer_from="tiers", severity=severity), 100, facts)["buffer"]
    assert value == percent.split(maxsplit=1)[0]
    assert f"{percent} of shared" in rule


def test_the_last_tier_is_computed_and_a_table_of_one_s_own_is_used() -> None:
    facts = Facts(daily_sales=lambda _sku, _at: 300.0, rate_elsewhere=lambda *_: 0.01, lag_seconds=lambda _: 100.0)
    value, rule = terms_of(OfferTerms(buffer_from="tiers"), 1000, facts)["buffer"]
    assert value == "4"  # one expected elsewhere: more than four in 0.4 % of cases
    assert rule == "default v1: 300.0 sold a day: 1 sold elsewhere in 100 s, exceeded in 1 % of cases"
    book = RuleBook(default=OfferTerms(buffer_from="tiers"), tiers=(Tier(daily_sales=0, percent_least=40),))
    assert offering_of(book, facts).quantity(level_of(10), 1, START) == 6


def test_a_computed_buffer_covers_what_the_others_sell_until_the_number_lands() -> None:
    """Lesson I4: oversell has a probability; choose it, instead of a manual reserve."""
    asked: list[object] = []

    def rate(*args: object) -> float:
        asked.append(args)
        return 0.05

    facts = Facts(rate_elsewhere=rate, lag_seconds=lambda _: 40.0)
    offering = offering_of(OfferTerms(buffer_from="computed", epsilon=0.05), facts)
    assert offering.quantity(level_of(50), 1, START) == 45
    assert asked == [(A, SHOP, START)]


def test_an_account_whose_lag_was_never_measured_has_that_of_its_rule() -> None:
    """A shadow account pushes nothing that could be measured."""
    facts = Facts(rate_elsewhere=lambda *_: 0.05)
    offering = offering_of(OfferTerms(buffer_from="computed", epsilon=0.05, lag_seconds=40), facts)
    assert offering.quantity(level_of(50), 1, START) == 45
    assert offering_of(OfferTerms(), facts).lag_seconds(offering.rule(A)) == 40


def test_a_window_raises_the_buffer_around_its_event_and_never_lowers_it() -> None:
    window = Window(name="11.11", starts_at=START, ends_at=START + timedelta(hours=24), accounts=(SHOP,))
    book = RuleBook(default=OfferTerms(buffer_percent=5), windows=(window,), skus={B: OfferTerms(buffer=50)})
    offering, market = offering_of(book), offering_of(book, account=MARKET)
    expected = {-25: 95, -24: 82, 0: 82, 47.9: 82, 48: 95}
    for hours, quantity in expected.items():
        assert offering.quantity(level_of(100), 1, START + timedelta(hours=hours)) == quantity
        assert market.quantity(level_of(100), 1, START + timedelta(hours=hours)) == 95
    assert offering.quantity(level_of(100, B), 1, START) == 50
    (told,) = [rule for term, _, rule in offering.explain(level_of(100), 1, START).terms if term == "buffer"]
    assert told == "window 11.11 v1: 17.5 % of shared, rounded up"
    assert offering.rule(A).rises[0].part == Fraction(175, 1000)


def test_the_last_units_have_no_buffer_but_count_errors_stay() -> None:
    facts = Facts(last_open=lambda _sku, account: account == SHOP)
    rule = OfferTerms(buffer=3, last_units=True, count_error=1)
    assert offering_of(rule, facts).quantity(level_of(3), 1, START) == 2
    assert offering_of(rule, facts, MARKET).quantity(level_of(3), 1, START) == 0
    assert offering_of(OfferTerms(buffer=3), facts).quantity(level_of(3), 1, START) == 0
    assert terms_of(rule, 3, facts)["buffer"] == (
        "0",
        "default v1: last units, every other account is verified at zero",
    )


def test_the_last_units_are_kept_from_what_is_sold_directly_just_now() -> None:
    """Holds go by the true stock: a till that sells fast sells beside the last listing that is open."""
    facts = Facts(
        last_open=lambda _sku, _account: True,
        rate_elsewhere=lambda _sku, _account, _at: 4.0,
        rate_direct=lambda _sku, _at: 0.5,
        lag_seconds=lambda _account: 2.0,
    )
    rule = OfferTerms(buffer_from="computed", epsilon=0.05, last_units=True)
    assert cover_demand(1.0, 0.05) == 3
    assert offering_of(rule, facts).quantity(level_of(8), 1, START) == 5
    assert terms_of(rule, 8, facts)["buffer"] == (
        "3",
        "default v1: last units, every other account is verified at zero; 1 sold directly in 2 s",
    )


@pytest.mark.parametrize("buffer", [0, 1, 2, 9])
def test_whoever_shows_the_last_units_shows_no_less_for_it(buffer: int) -> None:
    """Else it would close for being the last one open, be it no longer, open again for that, and so on for ever."""
    rule = OfferTerms(buffer=buffer, last_units=True, epsilon=0.05)
    facts = Facts(last_open=lambda _sku, account: account == SHOP, rate_direct=lambda _sku, _at: 0.02)
    last, usual = (offering_of(rule, facts, account) for account in (SHOP, MARKET))
    assert cover_demand(0.02 * 60, 0.05) == 3
    assert usual.quantity(level_of(4), 1, START) == max(0, 4 - buffer)
    assert last.quantity(level_of(4), 1, START) == 4 - min(buffer, 3)
    if buffer < 3:
        assert terms_of(rule, 4, facts)["buffer"] == (str(buffer), "default v1")


def test_other_rules_can_be_tried_without_touching_those_in_force() -> None:
    """Lesson E12."""
    offering = offering_of(OfferTerms(buffer=1))
    tried = offering.under(offering_of(OfferTerms(buffer=9)).rules)
    assert tried.quantity(level_of(10), 1, START) == 1
    assert offering.quantity(level_of(10), 1, START) == 9


def test_a_retired_sku_is_offered_nowhere_whatever_its_floor() -> None:
    facts = Facts(is_retired=lambda sku: sku == A)
    offering = offering_of(OfferTerms(floor=4), facts)
    assert offering.quantity(level_of(9), 1, START) == 0
    offer = offering.explain(level_of(9), 1, START)
    assert offer.quantity == 0
    assert ("cap", "0", "retired") in offer.terms
