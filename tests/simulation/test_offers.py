"""Rules from the journal to the shops: edits, previews, windows, quotas, last units; real actors, virtual clock."""

from datetime import timedelta

import pytest
import trio
from trio.testing import MockClock

from config.offers import OfferRule, Offers
from engine.domain.commands import Adjust, Refusal
from engine.domain.errors import ConfigError
from engine.domain.events import CampaignSet, RulesSet
from engine.domain.events.campaigns import Lock
from engine.domain.offers.rules import OfferTerms, RuleBook, Window
from engine.domain.units import AccountId, Key, Sku
from engine.ports import Frame
from ops.preview import preview
from ops.reports import view_offers
from tests.fakes.books import HERE, THERE
from tests.fakes.clocks import START
from tests.fakes.shops import Shops, running_shops

A, SHOP, MARKET = Sku("A"), AccountId("shop"), AccountId("market")


async def settled(shops: Shops, **on_hand: int) -> None:
    await shops.stock(**on_hand)
    await shops.quiet()


async def test_an_edit_reaches_every_shop_in_seconds(autojump_clock: MockClock) -> None:
    async with running_shops("shop", "market") as shops:
        await settled(shops, A=20, B=7)
        assert (shops.shown("A"), shops.shown("B")) == ((20, 20), (7, 7))
        await shops.set(RuleBook(default=OfferTerms(buffer=5), accounts={MARKET: OfferTerms(cap=3)}))
        await shops.quiet(5)
        assert (shops.shown("A"), shops.shown("B")) == ((15, 3), (2, 2))
        await shops.set(RuleBook(skus={A: OfferTerms(share=0.5)}))
        await shops.quiet(5)
        assert (shops.shown("A"), shops.shown("B")) == ((10, 10), (7, 7))
        (offer, _) = view_offers(shops.node, A, explained=True)
        assert {"term": "share", "value": "0.5", "rule": "sku A v2"} in offer["terms"]


async def test_many_edits_at_once_end_with_the_newest(autojump_clock: MockClock) -> None:
    async with running_shops("shop", "market") as shops:
        await settled(shops, A=20)
        async with trio.open_nursery() as editors:
            for buffer in range(1, 9):
                editors.start_soon(shops.set, RuleBook(default=OfferTerms(buffer=buffer)))
        versions = shops.node.offers.versions
        await shops.quiet(5)
        assert versions.now.version == 8
        assert shops.shown() == (20 - (versions.now.book.default.buffer or 0),) * 2


async def test_the_configuration_is_the_seed_and_an_edit_outlives_it(autojump_clock: MockClock) -> None:
    """Restarted with the same file: the edit stays. With another file: the file counts, under a new version."""
    frames: list[Frame] = []
    first, other = Offers(default=OfferRule(buffer=1)), Offers(default=OfferRule(buffer=2))
    async with running_shops("shop", offers=first, frames=frames) as shops:
        now = shops.node.offers.versions.now
        assert (now.version, now.source, now.book.default.buffer) == (1, "file", 1)
        await shops.set(RuleBook(default=OfferTerms(buffer=9)))
    async with running_shops("shop", offers=first, frames=frames) as shops:
        now = shops.node.offers.versions.now
        assert (now.version, now.source, now.book.default.buffer) == (2, "command", 9)
        await settled(shops, A=20)
        assert shops.shown() == (11,)
    async with running_shops("shop", offers=other, frames=frames) as shops:
        now = shops.node.offers.versions.now
        assert (now.version, now.source, now.book.default.buffer) == (3, "file", 2)
        assert [each.version for each in shops.node.offers.versions] == [3, 2, 1, 0]


async def test_a_configuration_without_rules_makes_no_version(autojump_clock: MockClock) -> None:
    frames: list[Frame] = []
    async with running_shops("shop", frames=frames) as shops:
        assert shops.node.offers.versions.now.version == 0
    assert frames == []


async def test_a_configuration_that_cannot_be_used_stops_the_start(autojump_clock: MockClock) -> None:
    offers = Offers(default=OfferRule(buffer=1, buffer_percent=5))
    with pytest.raises(ConfigError, match=r"offers\.default\.buffer_percent: a rule takes one of"):
        async with running_shops("shop", offers=offers):
            raise AssertionError("it must not start")


async def test_a_preview_tells_what_the_edit_then_does_and_does_nothing_itself(autojump_clock: MockClock) -> None:
    """Lesson E12: a bulk correction is shown before it is made."""
    book = RuleBook(default=OfferTerms(buffer=5), accounts={MARKET: OfferTerms(buffer=0, cap=4)})
    async with running_shops("shop", "market") as shops:
        await settled(shops, A=20, B=5, C=0)
        before = {name: shops.shown(name) for name in "ABC"}
        told = await preview(shops.node.offers, book, shops.node.clock.now(), limit=10)
        await shops.quiet()
        assert {name: shops.shown(name) for name in "ABC"} == before
        assert shops.node.offers.versions.now.version == 0
        await shops.set(book)
        await shops.quiet()
        after = {name: shops.shown(name) for name in "ABC"}
    changed = {(row.account, row.sku, row.before, row.after, row.because.partition(" -> ")[2]) for row in told.rows}
    assert changed == {
        (SHOP, "A", 20, 15, "5 (default v1)"),
        (SHOP, "B", 5, 0, "5 (default v1)"),
        (MARKET, "A", 20, 4, "4 (account market v1)"),
        (MARKET, "B", 5, 4, "4 (account market v1)"),
    }
    assert {(row.account, row.sku, row.after) for row in told.rows} == {
        (account, name, number)
        for name, numbers in after.items()
        for account, number, old in zip((SHOP, MARKET), numbers, before[name], strict=True)
        if number != old
    }
    assert (told.listings, told.changed, told.raised, told.lowered, told.to_zero) == (6, 4, 0, 4, 1)
    assert told.rows[0].after == 0  # what leaves the shop stands first
    assert told.warnings == ("1 of 4 listings on sale would fall to zero",)
    assert told.accounts == {SHOP: 2, MARKET: 2}


async def test_a_preview_shows_no_more_rows_than_asked_and_counts_all(autojump_clock: MockClock) -> None:
    async with running_shops("shop") as shops:
        await settled(shops, A=20, B=30, C=2)
        book = RuleBook(default=OfferTerms(share=0.5), skus={Sku("Z"): OfferTerms()})
        told = await preview(shops.node.offers, book, shops.node.clock.now(), limit=2)
    assert [(row.sku, row.before, row.after) for row in told.rows] == [("B", 30, 15), ("A", 20, 10)]
    assert told.changed == 3
    assert told.notes == ("skus.Z: no SKU has this code yet",)


async def test_a_window_takes_effect_when_it_begins_and_ends_without_an_event(autojump_clock: MockClock) -> None:
    window = Window(
        name="11.11", starts_at=START + timedelta(hours=30), ends_at=START + timedelta(hours=40), around_hours=6
    )
    async with running_shops("shop") as shops:
        await settled(shops, A=100)
        await shops.set(RuleBook(default=OfferTerms(buffer_percent=5, severity=1), windows=(window,)))
        seen = []
        for hour in (23.9, 24.1, 45.9, 46.1):
            await trio.sleep_until(hour * 3600)
            seen.append(shops.shown()[0])
        assert seen == [95, 80, 80, 95]


async def test_a_quota_is_shown_by_its_account_alone(autojump_clock: MockClock) -> None:
    frames: list[Frame] = []
    async with running_shops("shop", "market", frames=frames) as shops:
        await settled(shops, A=10)
        await shops.set(RuleBook(skus={A: OfferTerms(quotas={MARKET: 4})}))
        await shops.quiet()
        assert shops.shown() == (6, 10)
        await shops.sold("market", "1", 3)
        await shops.quiet()
        assert shops.shown() == (6, 7)
        await shops.sold("shop", "2", 5)
        await shops.quiet()
        assert shops.shown() == (1, 2)
    async with running_shops("shop", "market", frames=frames) as shops:
        await settled(shops, B=1)
        assert view_offers(shops.node, A)[0]["offer"] == 1  # what was sold of a quota outlives a restart


async def test_the_last_units_are_shown_where_it_is_still_open_and_hidden_again(autojump_clock: MockClock) -> None:
    """Lesson B5: out of stock with stock on hand, because every shop keeps its buffer."""
    rule = OfferTerms(buffer=3, last_units=True)
    async with running_shops("shop", "market") as shops:
        await settled(shops, A=8)
        await shops.set(RuleBook(default=rule))
        await shops.quiet()
        assert shops.shown() == (5, 5)
        await shops.sold("shop", "1", 5)
        await shops.quiet()
        assert shops.shown() == (0, 3)  # the one that sold was verified at zero first: the other is still open
        (other, first) = view_offers(shops.node, A, explained=True)
        assert any("every other account is verified at zero" in term["rule"] for term in first["terms"])
        assert all("verified at zero" not in term["rule"] for term in other["terms"])
        await shops.receive("A", 2, key="more")
        await shops.quiet()
        assert shops.shown() == (2, 2)  # the other one sells again: both keep their buffers


async def test_a_rush_at_one_shop_is_withheld_at_the_other_and_forgotten_within_the_hour(
    autojump_clock: MockClock,
) -> None:
    """By the demand of four weeks, six units in six seconds are none."""
    rule = OfferTerms(buffer_from="computed", lag_seconds=10, epsilon=0.01)
    async with running_shops("shop", "market") as shops:
        await settled(shops, A=100)
        await shops.set(RuleBook(default=rule))
        await shops.quiet()
        assert shops.shown() == (100, 100)
        for number in range(6):
            await shops.sold("shop", str(number), 1, second=number)
            await trio.sleep(1)
        await trio.sleep(1)
        (own, other) = shops.shown()
        assert own == 94, "nobody else sells"
        assert other is not None
        assert other < 84, "some ten units may be sold elsewhere before a number lands"
        (_, explained) = view_offers(shops.node, A, explained=True)
        assert any("sold elsewhere in 10 s" in term["rule"] for term in explained["terms"])
        looks = []
        for _ in range(4):
            await trio.sleep(60)
            looks.append(shops.shown()[1] or 0)
        assert looks == sorted(looks)
        assert other < looks[0] <= looks[-1] < 94
        await trio.sleep(3600)
        assert shops.shown() == (94, 94)


async def test_demand_is_replayed_as_it_was_lived(autojump_clock: MockClock) -> None:
    frames: list[Frame] = []
    async with running_shops("shop", "market", frames=frames) as shops:
        await settled(shops, A=30, B=0)
        for number in range(12):
            await shops.sold("shop" if number % 3 else "market", str(number % 7), number % 4, second=number)
            await shops.quiet(30_000)
        await shops.receive("B", 3, key="late")
        lived, at = shops.node.offers.demand, shops.node.clock.now()
        assert (lived.daily_sales(A, at) or 0) > 0
    async with running_shops("shop", "market", frames=frames) as shops:
        replayed = shops.node.offers.demand
        assert replayed == lived
        for account in (SHOP, MARKET):
            assert replayed.rate_elsewhere(A, account, at) == lived.rate_elsewhere(A, account, at)


async def test_a_region_shows_only_what_lies_there(autojump_clock: MockClock) -> None:
    async with running_shops("shop") as shops:
        await settled(shops, A=6)
        await shops.receive("A", 4, key="there", location=THERE)
        await shops.set(RuleBook(accounts={SHOP: OfferTerms(view="regional", locations=(THERE,))}))
        await shops.quiet()
        assert shops.shown() == (4,)
        assert HERE not in shops.node.offers.offerings[SHOP].rule(A).where


async def test_a_version_is_on_record_with_who_and_why(autojump_clock: MockClock) -> None:
    frames: list[Frame] = []
    async with running_shops("shop", frames=frames) as shops:
        made = await shops.node.offers.set(RuleBook(default=OfferTerms(cap=1)), by="ann", note="11.11")
        assert (made.version, made.by, made.note, made.at) == (1, "ann", "11.11", shops.node.clock.now())
    assert RulesSet.__struct_config__.tag == "rules_set"
    assert b"rules_set" in frames[0].payload


async def test_a_campaign_s_units_are_its_account_s_until_the_rest_was_seen_to_be_back(
    autojump_clock: MockClock,
) -> None:
    """Lesson D18: the claim outlives the campaign until the listing was read, and replay knows where it stands."""
    frames: list[Frame] = []
    terms = CampaignSet(
        at=START,
        key=Key("11.11"),
        account=MARKET,
        sku=A,
        quota=6,
        starts_at=START + timedelta(hours=1),
        ends_at=START + timedelta(hours=3),
    )
    async with running_shops("shop", "market", frames=frames) as shops:
        await settled(shops, A=10)
        desk = shops.node.offers
        assert not isinstance(await desk.set_campaign(terms), Refusal)
        assert not isinstance(await desk.set_campaign(terms), Refusal)  # repeatable
        await shops.quiet()
        assert shops.shown() == (10, 10)
        await trio.sleep_until(3700)
        assert shops.shown() == (4, 10)
        await shops.sold("market", "1", 2)
        await shops.quiet()
        assert shops.shown() == (4, 8)
    async with running_shops("shop", "market", frames=frames) as shops:
        for shop in shops.shops.values():
            shop.add(f"{shop.account}/A", "A", 0)
        await trio.sleep_until(7000)
        (known,) = shops.node.offers.campaigns.open.values()
        assert (known.sold, known.remainder) == (2, 4)
        assert shops.shown() == (4, 8)
        await trio.sleep_until(3 * 3600 + 30)
        assert shops.shown() == (8, 8)
        (over,) = shops.node.offers.campaigns.over
        assert over.returned is not None
        assert (over.returned.sold, over.returned.remainder, over.returned.shown) == (2, 4, 8)
        assert over.returned.at >= terms.ends_at


async def test_a_campaign_whose_listing_cannot_be_read_keeps_its_claim_until_the_window_passed(
    autojump_clock: MockClock,
) -> None:
    async with running_shops("shop", "market") as shops:
        await settled(shops, A=10)
        hour = timedelta(hours=1)
        terms = CampaignSet(
            at=START,
            key=Key("k"),
            account=MARKET,
            sku=A,
            quota=6,
            starts_at=START + hour,
            ends_at=START + 2 * hour,
            return_hours=4,
        )
        await shops.node.offers.set_campaign(terms)
        await trio.sleep_until(3600 + 60)
        shops.shops[MARKET].grudges.down = 1
        await trio.sleep_until(5.9 * 3600)
        assert shops.shown()[0] == 4
        await trio.sleep_until(6 * 3600 + 60)
        assert shops.shown()[0] == 10


@pytest.mark.parametrize(("lock", "sent"), [("increase_only", [9]), ("closed", []), ("open", [5, 9])])
async def test_a_number_that_the_channel_would_refuse_is_not_sent_until_the_campaign_ends(
    autojump_clock: MockClock, lock: Lock, sent: list[int]
) -> None:
    """Lazada refuses lower pushes while locked, Choice takes only increases: a state with an end, not a fault."""
    async with running_shops("shop") as shops:
        await settled(shops, A=8)
        hour = timedelta(hours=1)
        terms = CampaignSet(
            at=START,
            key=Key("k"),
            account=SHOP,
            sku=A,
            quota=6,
            lock=lock,
            starts_at=START + hour,
            ends_at=START + 2 * hour,
        )
        await shops.node.offers.set_campaign(terms)
        await trio.sleep_until(3700)
        channel = shops.shops[SHOP]
        before = len(channel.sent("shop/A"))
        await shops.node.router.ask(Adjust(key=Key("less"), sku=A, location=HERE, delta=-3, reason="damaged"))
        await shops.quiet()
        if lock != "open":
            (offer,) = view_offers(shops.node, A)
            assert (offer["state"], offer["offer"]) == ("locked", 5)
            assert offer["reason"].startswith("campaign k until 2026-11-11 14:00Z: no ")
        await shops.receive("A", 4, key="more")
        await shops.quiet()
        assert channel.sent("shop/A")[before:] == sent
        await trio.sleep_until(2 * 3600 + 60)
        assert shops.shown() == (9,)


async def test_an_edit_that_allows_the_last_units_opens_what_was_closed_already(autojump_clock: MockClock) -> None:
    async with running_shops("shop", "market") as shops:
        await settled(shops, A=3)
        await shops.set(RuleBook(default=OfferTerms(buffer=3)))
        await shops.quiet()
        assert shops.shown() == (0, 0)
        await shops.set(RuleBook(default=OfferTerms(buffer=3), accounts={MARKET: OfferTerms(last_units=True)}))
        await shops.quiet()
        assert shops.shown() == (0, 3)
        await shops.set(RuleBook(default=OfferTerms(buffer=3)))
        await shops.quiet()
        assert shops.shown() == (0, 0)
