"""CAMPAIGN over a real socket. Lesson I3: campaign stock is typed in by hand; here once, not once per channel."""

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.domain.units import AccountId, Sku
from tests.fakes.channel import FakeChannel
from tests.fakes.served import Served, serving

SET = ("CAMPAIGN", "SET", "11.11", "shop", "A-1", "6", "FROM", "2099-11-10T00:00:00Z", "TO", "2099-11-12T00:00:00Z")


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    channel = FakeChannel(random.Random(1), account="shop", latency_seconds=(0, 0))
    async with serving(tmp_path, channels={AccountId("shop"): ("fake", channel)}) as running:
        yield running


@pytest.mark.parametrize("protocol", [2, 3])
async def test_a_campaign_is_set_shown_listed_and_ended(served: Served, protocol: int) -> None:
    wire = await served.connect(protocol)
    options = ("LOCK", "increase_only", "LISTING", "17", "RETURN", "48", "NOTE", "big day", "BY", "ann")
    made = await wire.map(*SET, *options)
    assert made == {
        "campaign": "11.11",
        "account": "shop",
        "sku": "A-1",
        "listing": "17",
        "phase": "planned",
        "quota": 6,
        "sold": 0,
        "remainder": 6,
        "lock": "increase_only",
        "starts_at": "2099-11-10T00:00:00.000000Z",
        "ends_at": "2099-11-12T00:00:00.000000Z",
        "returns_at": "2099-11-14T00:00:00.000000Z",
        "returned_at": None,
        "returned_by": None,
        "shown": None,
        "by": "ann",
        "note": "big day",
    }
    assert await wire.map(*SET, *options) == made
    assert await wire.maps("CAMPAIGN", "LIST") == [made] == await wire.maps("CAMPAIGN", "LIST", "ALL", "LIMIT", "1")
    ended = await wire.map("CAMPAIGN", "END", "11.11", "NOTE", "called off")
    assert ended["phase"] in {"returning", "over"}
    assert (await wire.map("CAMPAIGN", "END", "11.11"))["ends_at"] == ended["ends_at"]
    assert (await wire.map("CAMPAIGN", "GET", "11.11"))["campaign"] == "11.11"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ((*SET[:4], "NONE", *SET[5:]), "NOSUCHSKU sku=NONE"),
        ((*SET[:3], "shp", *SET[4:]), "NOSUCHACCOUNT account=shp (known: direct, shop)"),
        ((*SET[:5], "0", *SET[6:]), "BADARG quota='0': must be a whole number from 1 to 1000000000"),
        ((*SET, "LOCK", "shut"), "BADARG lock='shut': must be one of open, increase_only, closed"),
        (
            (*SET[:-1], "2099-11-09T00:00:00Z"),
            "BADARG to=2099-11-09T00:00:00+00:00: must be after from, 2099-11-10T00:00:00+00:00",
        ),
        (
            (*SET[:6], "FROM", "2020-01-01T00:00:00Z", "TO", "2020-01-02T00:00:00Z"),
            "BADARG to=2020-01-02T00:00:00+00:00: is over already",
        ),
        (("CAMPAIGN", "GET", "9.9"), "NOSUCHCAMPAIGN campaign=9.9"),
        (("CAMPAIGN", "END", "9.9"), "NOSUCHCAMPAIGN campaign=9.9"),
        (("CAMPAIGN", "RETURN", "9.9"), "NOSUCHCAMPAIGN campaign=9.9"),
    ],
)
async def test_a_mistake_is_named_and_nothing_is_set(served: Served, words: tuple[str, ...], problem: str) -> None:
    wire = await served.connect()
    assert await wire.error(*words) == problem
    assert await wire.call("CAMPAIGN", "LIST", "ALL") == []


async def test_other_terms_under_the_same_key_and_a_second_one_at_that_time_are_conflicts(served: Served) -> None:
    wire = await served.connect()
    await wire.map(*SET)
    assert await wire.error(*SET[:5], "7", *SET[6:]) == "CONFLICT campaign=11.11 was set with other terms before"
    other = (*SET[:2], "other", *SET[3:])
    assert await wire.error(*other) == "CONFLICT campaign 11.11 has A-1 at shop at that time already"


async def test_an_unknown_action_and_a_missing_window_say_what_is_wanted(served: Served) -> None:
    wire = await served.connect()
    assert (await wire.error("CAMPAIGN", "START")).startswith("ERR CAMPAIGN SET <key>")
    assert (await wire.error(*SET[:6])).startswith("BADARG FROM is missing: CAMPAIGN SET <key>")


async def test_somebody_says_that_the_rest_is_back_once_the_campaign_is_over(served: Served) -> None:
    """Lesson D18: for a listing that nobody can read, a person's word is better than the return window."""
    wire = await served.connect(3)
    await wire.map(*SET)
    refused = await wire.error("CAMPAIGN", "RETURN", "11.11")
    assert refused == "RUNNING campaign=11.11 ends at 2099-11-12T00:00:00+00:00: end it first"
    assert (await wire.map("CAMPAIGN", "GET", "11.11"))["phase"] == "planned"
    assert (await wire.map("CAMPAIGN", "END", "11.11", "BY", "ann"))["phase"] == "returning", "no listing was read"
    back = await wire.map("CAMPAIGN", "RETURN", "11.11", "NOTE", "seen in the seller centre", "BY", "ben")
    assert (back["phase"], back["returned_by"], back["remainder"], back["shown"]) == ("over", "ben", 6, None)
    assert await wire.map("CAMPAIGN", "RETURN", "11.11", "BY", "eve") == back, "the first one counts"
    assert await wire.maps("CAMPAIGN", "LIST") == []
    assert served.node.offers.campaigns.claims(Sku("A-1"), served.node.clock.now()) == []
