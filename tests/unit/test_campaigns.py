"""Campaign stock as an object: lock, quota, sold, remainder, and when the rest is everybody's again."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.events import CampaignEnded, CampaignReturned, CampaignSet
from engine.domain.events.campaigns import Lock
from engine.domain.offers.campaigns import OVER_MAX, Campaigns, Locked, Phase, check_campaign
from engine.domain.offers.fences import Claim
from engine.domain.units import AccountId, Key, ListingId
from tests.fakes.clocks import START
from tests.fakes.rules import MARKET, SHOP, A, B

HOUR = timedelta(hours=1)
ELEVEN, OTHER = Key("11.11"), Key("12.12")
ONE, TWO = ListingId("l/1"), ListingId("l/2")


def campaign_set(key: Key = ELEVEN, account: AccountId = MARKET, **changes: Any) -> CampaignSet:
    """A campaign of ten units from one hour after the start for two hours."""
    terms = CampaignSet(
        at=START, key=key, account=account, sku=A, quota=10, starts_at=START + HOUR, ends_at=START + 3 * HOUR
    )
    return msgspec.structs.replace(terms, **changes)


def campaigns_of(*terms: CampaignSet) -> Campaigns:
    campaigns = Campaigns()
    for each in terms:
        campaigns.apply(each)
    return campaigns


def at(hours: float) -> datetime:
    return START + hours * HOUR


def test_its_units_are_claimed_from_the_start_until_the_rest_is_believed_to_be_back() -> None:
    """Lesson D18: returned silently at the end, so read before believing."""
    campaigns = campaigns_of(campaign_set())
    campaigns.sell(A, MARKET, 3, at(0.5))  # before it began
    assert [campaigns.claims(A, at(hours)) for hours in (0, 0.99)] == [[], []]
    campaigns.sell(A, MARKET, 4, at(1))
    campaigns.sell(A, SHOP, 9, at(1))
    campaigns.sell(B, MARKET, 9, at(1))
    (claim,) = campaigns.claims(A, at(2))
    assert claim == Claim(MARKET, 6, "campaign 11.11, running: 10, 4 sold")
    campaigns.sell(A, MARKET, 2, at(3))  # after its end: an ordinary sale
    (claim,) = campaigns.claims(A, at(3))
    assert claim == Claim(MARKET, 6, "campaign 11.11, returning: 10, 4 sold")
    assert campaigns.seen(MARKET, A, ONE, 7, at(2.9)) == []
    assert campaigns.seen(MARKET, A, ONE, None, at(3)) == []
    assert campaigns.seen(SHOP, A, ONE, 7, at(3)) == []
    assert campaigns.seen(MARKET, A, ONE, 7, at(3)) == [ELEVEN]
    campaigns.apply(CampaignReturned(at=at(3), key=ELEVEN, sold=4, remainder=6, shown=7))
    assert campaigns.claims(A, at(3)) == []
    assert not campaigns
    over = campaigns.get(ELEVEN)
    assert over is not None
    assert (over.phase(at(3)), over.sold, over.remainder) == (Phase.OVER, 4, 6)


def test_a_cancelled_sale_is_sold_no_more_and_more_than_the_quota_leaves_nothing() -> None:
    campaigns = campaigns_of(campaign_set())
    campaigns.sell(A, MARKET, 12, at(1))
    assert campaigns.open[ELEVEN].remainder == 0
    campaigns.sell(A, MARKET, -5, at(2))
    assert campaigns.open[ELEVEN].remainder == 3


@pytest.mark.parametrize(
    ("lock", "refused"),
    [("open", []), ("increase_only", [4]), ("closed", [4, 5, 6])],
)
def test_the_lock_says_which_numbers_the_channel_would_refuse(lock: Lock, refused: list[int]) -> None:
    campaigns = campaigns_of(campaign_set(lock=lock, listing_id=ONE))
    locked = campaigns.lock(MARKET, A, ONE, at(2))
    assert [offer for offer in (4, 5, 6) if locked is not None and locked.refuses(offer, 5)] == refused
    assert campaigns.lock(MARKET, A, TWO, at(2)) is None
    assert campaigns.lock(SHOP, A, ONE, at(2)) is None
    assert campaigns.lock(MARKET, A, ONE, at(0)) is campaigns.lock(MARKET, A, ONE, at(3)) is None


def test_a_lock_has_an_end_and_a_reason() -> None:
    locked = campaigns_of(campaign_set(lock="increase_only")).lock(MARKET, A, TWO, at(1))
    assert locked == Locked("increase_only", at(3), "campaign 11.11 until 2026-11-11 15:00Z: no lower number is taken")
    assert not locked.refuses(0, None)  # nobody knows what it shows: let the channel say


def test_ending_it_by_hand_ends_the_lock_and_the_window_counts_from_there() -> None:
    campaigns = campaigns_of(campaign_set(lock="closed", return_hours=1))
    campaigns.apply(CampaignEnded(at=at(2), key=ELEVEN))
    campaigns.apply(CampaignEnded(at=at(2.5), key=ELEVEN))
    ended = campaigns.open[ELEVEN]
    assert (ended.ends_at, ended.returns_at, ended.phase(at(2))) == (at(2), at(3), Phase.RETURNING)
    assert campaigns.lock(MARKET, A, ONE, at(2)) is None


def test_the_clock_turns_it_at_its_start_its_end_and_when_the_window_has_passed() -> None:
    campaigns = campaigns_of(campaign_set(return_hours=5))
    turns, now = [], START
    while (turn := campaigns.next_turn_at(now)) is not None:
        turns.append(turn)
        now = turn
    assert turns == [at(1), at(3), at(8)]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, None),
        ({"sku": B}, "NOSUCHSKU"),
        ({"ends_at": at(1)}, "BADARG"),
        ({"at": at(3)}, "BADARG"),
        ({"key": OTHER}, "CONFLICT"),
        ({"key": OTHER, "account": SHOP}, None),
        ({"key": OTHER, "starts_at": at(26), "ends_at": at(28)}, "CONFLICT"),  # the rest may not be back yet
        ({"key": OTHER, "starts_at": at(27), "ends_at": at(28)}, None),
        ({"key": OTHER, "starts_at": at(0), "ends_at": at(1)}, None),
    ],
)
def test_what_cannot_be_is_refused_with_its_reason(changes: dict[str, object], code: str | None) -> None:
    terms = msgspec.structs.replace(campaign_set(), **changes)
    problem = check_campaign(campaigns_of(campaign_set()), terms, lambda sku: sku == A)
    assert (None if problem is None else problem[0]) == code


def test_what_is_over_is_kept_for_a_while() -> None:
    campaigns = Campaigns()
    for number in range(OVER_MAX + 1):
        campaigns.apply(campaign_set(Key(str(number))))
        campaigns.apply(CampaignReturned(at=at(4), key=Key(str(number)), sold=0, remainder=10))
    assert campaigns.get(Key("0")) is None
    assert campaigns.get(Key("1")) is not None
    assert not campaigns.of(A)


@given(st.lists(st.tuples(st.integers(-20, 20), st.floats(0, 5)), max_size=20))
def test_no_more_than_the_quota_is_ever_claimed(sales: list[tuple[int, float]]) -> None:
    campaigns = campaigns_of(campaign_set())
    for units, hours in sales:
        campaigns.sell(A, MARKET, units, at(hours))
        for claim in campaigns.claims(A, at(2)):
            assert 0 <= claim.unsold <= 10
