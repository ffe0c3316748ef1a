"""Other rules on a past that is written here: quotas, rushes, windows, bundles and edits of the rules in between."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
import trio

from engine.domain.audit.whatif import AccountSums
from engine.domain.events import ListingMapped, PushSettled, RecipeSet, SkuAdded
from engine.domain.offers.rules import RuleBook
from engine.domain.units import EPOCH, ListingId
from ops.replay.run import Asked
from ops.replay.whatif import WhatIfFound
from tests.fakes.books import A, B
from tests.fakes.clocks import START
from tests.fakes.orders import SHOP
from tests.fakes.pasts import Past
from tests.fakes.written import KIT, LISTING, MARKET, SETTINGS, Writing


@pytest.fixture
def journal() -> Writing:
    async def make() -> Writing:
        return Writing()

    return trio.run(make)


def attempt(journal: Writing, book: dict[str, Any], *, second: float | None = None) -> WhatIfFound:
    """Try rules on all of it, or from a second on."""
    since = EPOCH if second is None else START + timedelta(seconds=second)
    asked = Asked(rules=msgspec.convert(book, RuleBook), since=since)
    found = trio.run(Past(SETTINGS, tuple(journal.frames)).replay, asked).what_if
    assert found is not None
    return found


def sums(journal: Writing, book: dict[str, Any], *, second: float | None = None) -> AccountSums:
    return attempt(journal, book, second=second).accounts[SHOP]


def test_names_the_rule_that_would_have_made_the_difference(journal: Writing) -> None:
    journal.push()
    journal.receive(A, -70)
    journal.push()
    found = attempt(journal, {"default": {"cap": 50}, "accounts": {"shop": {"buffer": 3}}})
    assert found.accounts[SHOP].different == 2
    assert found.rules == {"shop: buffer, account shop v1": 2}
    assert attempt(journal, {"default": {"cap": 50}}).accounts[SHOP].different == 1


def test_rules_that_were_edited_meanwhile_are_those_that_are_compared_with(journal: Writing) -> None:
    journal.push()
    journal.set_rules(buffer=5)
    journal.push()
    journal.set_rules(buffer=9)
    journal.push()
    found = sums(journal, {"default": {"buffer": 5}})
    assert (found.pushes, found.different) == (3, 2)
    assert (found.less_unit_hours > 0, found.more_unit_hours > 0) == (True, True)


def test_a_quota_counts_what_is_sold_from_where_it_is_tried(journal: Writing) -> None:
    journal.push()
    journal.sell_elsewhere(4)
    journal.push()
    found = attempt(journal, {"default": {"quotas": {"market": 10}}})
    assert found.accounts[SHOP].different == 2
    plans = trio.run(Past(SETTINGS, tuple(journal.frames)).replay, Asked(verify=True))
    assert plans.different == 0
    # 100 less 10 fenced; then 96, of which 6 are fenced still: nothing that the shop shows has changed
    assert found.accounts[SHOP].not_sent == 1


def test_a_quota_that_stays_as_it_is_goes_on_as_it_is(journal: Writing) -> None:
    journal.set_rules(quotas={"market": 10})
    journal.sell_elsewhere(4)
    journal.push()
    journal.sell_elsewhere(6)
    journal.push()
    found = sums(journal, {"default": {"quotas": {"market": 10}}}, second=len(journal.frames) - 3)
    assert (found.pushes, found.different) == (2, 0)


def test_buffers_that_follow_a_rush_have_one_to_follow(journal: Writing) -> None:
    for units in (4, 8, 12, 16):
        journal.sell_elsewhere(units)
    journal.push()
    computed = {"default": {"buffer_from": "computed", "lag_seconds": 5.0}}
    assert sums(journal, computed).different == 1
    journal.set_rules(**computed["default"])
    journal.push(lag_seconds=5.0)
    assert sums(journal, computed, second=len(journal.frames) - 1).different == 0


def test_a_window_counts_from_its_beginning_without_any_event(journal: Writing) -> None:
    journal.push()
    began = journal.now + timedelta(seconds=100)
    window = {"name": "sale", "starts_at": began, "ends_at": began + timedelta(hours=1), "around_hours": 0}
    book = {"windows": [{**window, "percent_least": 50, "percent_most": 50}]}
    journal.receive(B, 1)
    journal.frames[-1] = msgspec.structs.replace(journal.frames[-1], written_at=began + timedelta(hours=2))
    found = sums(journal, book)
    assert found.less_unit_hours == pytest.approx(50.0)
    assert found.added == 2


def test_bundles_follow_their_components(journal: Writing) -> None:
    journal.write(SkuAdded(at=journal.now, sku=KIT))
    journal.write(RecipeSet(at=journal.now, sku=KIT, version=1, components=((A, 2),)))
    journal.write(ListingMapped(at=journal.now, account=SHOP, listing_id=ListingId("kit"), sku=KIT))
    journal.write(ListingMapped(at=journal.now, account=MARKET, listing_id=LISTING, sku=KIT))
    journal.receive(A, -20)
    second = len(journal.frames)
    journal.receive(B, 1)
    found = attempt(journal, {"skus": {"KIT": {"share": 0.5}}}, second=second - 1)
    hours = timedelta(seconds=1) / timedelta(hours=1)
    assert found.accounts[SHOP].less_unit_hours == pytest.approx(20 * hours)
    assert found.accounts[MARKET].less_unit_hours == pytest.approx(20 * hours)


def test_an_order_is_compared_with_what_its_listing_had_accepted(journal: Writing) -> None:
    journal.receive(A, -97)
    plan = journal.plan()
    journal.write(plan)
    journal.write(
        PushSettled(at=journal.now, account=SHOP, listing_id=LISTING, version=plan.version, verdict="accepted")
    )
    journal.buy(units=3)
    found = sums(journal, {"default": {"buffer": 2}})
    assert (found.order_lines, found.lines_at_risk, found.units_at_risk) == (1, 1, 2)
