"""Whether a recorded sum adds up, without asking what made it."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.audit.sums import find_flaw
from engine.domain.availability import Availability, Component
from engine.domain.offers.offers import Facts, Fence, Offer
from engine.domain.offers.rules import OfferTerms
from engine.domain.units import LocationId, Sku
from tests.fakes.clocks import START
from tests.fakes.rules import HERE, MARKET, THERE, A, B, level_of, offering_of

units = st.integers(-50, 500)
places = st.fixed_dictionaries({HERE: units, THERE: units})
few = st.none() | st.integers(0, 20)
rules = st.builds(
    OfferTerms,
    share=st.none() | st.integers(0, 1000).map(lambda part: part / 1000) | st.floats(0, 1),
    buffer=few,
    count_error=few,
    zero_below=few,
    cap=st.none() | st.integers(0, 300),
    floor=few,
)


def offer_of(rule: OfferTerms, level: Availability, *, pack: int = 1, fenced: int = 0) -> Offer:
    fences = lambda *_: (Fence(MARKET, fenced, "quota"),) if fenced else ()  # noqa: E731
    return offering_of(rule, Facts(fences=fences)).explain(level, pack, START)


@given(rule=rules, atp=places, pack=st.integers(1, 12), fenced=st.integers(0, 30))
def test_every_sum_that_we_make_adds_up(
    rule: OfferTerms, atp: Mapping[LocationId, int], pack: int, fenced: int
) -> None:
    offer = offer_of(rule, level_of(atp), pack=pack, fenced=fenced)
    assert find_flaw(offer.quantity, offer.terms) is None


@given(
    rule=rules, one=places, other=places, counts=st.tuples(st.integers(1, 5), st.integers(1, 5)), together=st.booleans()
)
def test_every_sum_of_a_bundle_adds_up(
    rule: OfferTerms,
    one: Mapping[LocationId, int],
    other: Mapping[LocationId, int],
    counts: tuple[int, int],
    together: bool,
) -> None:
    components = (Component(counts[0], level_of(one, A)), Component(counts[1], level_of(other, B)))
    level = Availability(sku=Sku("KIT"), position=1, atp=(), changed_at=START, components=components, together=together)
    offer = offer_of(rule, level)
    assert find_flaw(offer.quantity, offer.terms) is None


RULE = OfferTerms(share=0.5, buffer=2, count_error=1, zero_below=1, cap=90, floor=0)
OFFER = offer_of(RULE, level_of({HERE: 60, THERE: 41}), pack=2, fenced=1)
NUMBERS = [index for index, (term, _, _) in enumerate(OFFER.terms) if term not in {"zero below", "floor", "cap"}]
"""A limit that does not bind may be any other one that does not."""


@pytest.mark.parametrize("index", NUMBERS)
@pytest.mark.parametrize("by", [-2, 2])
def test_no_number_of_a_sum_can_be_another_one(index: int, by: int) -> None:
    term, value, rule = OFFER.terms[index]
    terms = [*OFFER.terms]
    terms[index] = (term, f"{float(value) + by:g}", rule)
    assert find_flaw(OFFER.quantity, terms) is not None


def test_names_the_line_that_does_not_follow() -> None:
    assert (
        find_flaw(OFFER.quantity + 1, OFFER.terms)
        == f"the offer is {OFFER.quantity}, and {OFFER.quantity + 1} was pushed"
    )
    changed = [(term, "7" if term == "shared" else value, rule) for term, value, rule in OFFER.terms]
    assert find_flaw(OFFER.quantity, changed) == "shared is 7, not 100 x 0.5"
    assert find_flaw(OFFER.quantity, OFFER.terms[1:]) == "atp is 101, and adds up to 41"
    assert find_flaw(OFFER.quantity, [each for each in OFFER.terms if each[0] != "cap"]) == "there is no cap"
    words = [(term, "many" if term == "buffer" else value, rule) for term, value, rule in OFFER.terms]
    assert "many" in str(find_flaw(OFFER.quantity, words))
