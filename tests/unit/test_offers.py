"""The sum that decides what a channel may show."""

import pytest

from engine.domain.offers import OfferTerms, ResolvedRule, compute_offer, compute_quantity, resolve_rule, rules_of
from engine.domain.units import AccountId, LocationId, Sku

SHOP, A = AccountId("shop"), Sku("A")
HERE, THERE = LocationId("here"), LocationId("there")


def rule(share: float = 1, buffer: int = 0, cap: int | None = None, floor: int = 0) -> ResolvedRule:
    return resolve_rule(A, SHOP, OfferTerms(share=share, buffer=buffer, cap=cap, floor=floor), {}, {})


@pytest.mark.parametrize(
    ("atp", "given", "pack", "offer"),
    [
        ({HERE: 10}, rule(share=0.1), 1, 1),  # 0.1 of ten is one, whatever floats think
        ({HERE: 100}, rule(share=0.29), 1, 29),
        ({HERE: 9}, rule(share=0.5), 1, 4),
        ({HERE: 9}, rule(buffer=4), 1, 5),
        ({HERE: 3}, rule(buffer=4), 1, 0),
        ({HERE: 13}, rule(), 6, 2),
        ({HERE: 13}, rule(buffer=2), 6, 1),  # the buffer is base units: eleven left, one pack
        ({HERE: 60}, rule(cap=3), 6, 3),  # the cap is listing units
        ({HERE: 2}, rule(floor=4), 6, 4),
        ({HERE: 50}, rule(cap=2, floor=4), 1, 2),  # less is the safer mistake
        ({HERE: -3}, rule(), 1, 0),
        ({HERE: -3}, rule(floor=2), 1, 2),
        ({}, rule(), 1, 0),
        ({HERE: 5, THERE: -2}, rule(), 1, 3),  # owed to buyers of this account's other location
        ({HERE: -2, THERE: 5}, rule(share=0.5), 1, 1),
        ({HERE: 5, LocationId("abroad"): -9}, rule(), 1, 5),  # not this account's business
    ],
)
def test_an_offer_is_share_less_buffer_in_packs_between_floor_and_cap(
    atp: dict[LocationId, int], given: ResolvedRule, pack: int, offer: int
) -> None:
    assert compute_quantity(atp, (HERE, THERE), given, pack) == offer
    assert compute_offer(atp, (HERE, THERE), given, pack).quantity == offer


def test_a_location_named_twice_counts_once() -> None:
    assert compute_quantity({HERE: 5}, (HERE, HERE), rule(), 1) == 5


def test_the_whole_sum_is_printed_with_the_rule_behind_each_term() -> None:
    given = resolve_rule(A, SHOP, OfferTerms(share=0.5), {SHOP: OfferTerms(buffer=1)}, {A: OfferTerms(cap=9)})
    assert compute_offer({HERE: 20, THERE: -1}, (HERE, THERE), given, 2).terms == (
        ("atp here", "20", "stock"),
        ("atp there", "-1", "stock"),
        ("atp", "19", "sum over the account's locations"),
        ("share", "0.5", "default"),
        ("shared", "9", "atp x share, rounded down"),
        ("buffer", "1", "account shop"),
        ("pack", "2", "listing"),
        ("packs", "4", "(shared - buffer) / pack, rounded down"),
        ("floor", "0", "built in"),
        ("cap", "9", "sku A"),
        ("offer", "4", "packs between floor and cap, never negative"),
    )


def test_each_field_comes_from_the_most_particular_rule_that_sets_it() -> None:
    default = OfferTerms(share=0.9, buffer=9, cap=90)
    accounts = {SHOP: OfferTerms(buffer=0, cap=80)}
    skus = {A: OfferTerms(cap=70)}
    resolved = resolve_rule(A, SHOP, default, accounts, skus)
    assert (resolved.buffer.value, resolved.buffer.rule) == (0, "account shop")  # zero is a value, not a gap
    assert (resolved.cap.value, resolved.cap.rule) == (70, "sku A")
    assert resolved.share.rule == "default"
    lookup = rules_of(SHOP, default, accounts, skus)
    assert lookup(A) == resolved
    assert lookup(Sku("B")) == resolve_rule(Sku("B"), SHOP, default, accounts, skus)
