"""RULES over a real socket: what it shows, tries, takes and refuses."""

import json
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from engine.domain.units import AccountId
from tests.fakes.channel import FakeChannel
from tests.fakes.served import Served, serving

BOOK = '{"default":{"buffer":2},"skus":{"A-1":{"cap":3}}}'


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """One account, `shop`, that lists A-1 and B-2."""
    channel = FakeChannel(random.Random(1), account="shop", latency_seconds=(0, 0))
    channel.add("17", "A-1", 10)
    channel.add("18", "B-2", 20)
    async with serving(tmp_path, channels={AccountId("shop"): ("fake", channel)}) as running:
        yield running


async def offer_of(served: Served, sku: str, expected: int) -> None:
    """Wait until a SKU's offer is this number."""
    wire = await served.connect(3)
    with trio.fail_after(10):
        while [row["offer"] for row in (await wire.map("OFFERS", sku))["offers"]] != [expected]:
            await trio.lowlevel.checkpoint()


@pytest.mark.parametrize("protocol", [2, 3])
async def test_a_book_is_set_shown_listed_and_its_effect_is_seen(served: Served, protocol: int) -> None:
    wire = await served.connect(protocol)
    shown = await wire.map("RULES", "SHOW")
    assert (shown["version"], shown["source"], shown["rules"], shown["in_force"]) == (0, "built in", "{}", 0)
    made = await wire.map("RULES", "SET", BOOK, "NOTE", "a bad week", "BY", "ann")
    assert (made["version"], made["by"], made["note"], made["source"]) == (1, "ann", "a bad week", "command")
    assert made["rules_set"] == 2
    await offer_of(served, "A-1", 3)
    await offer_of(served, "B-2", 18)
    again = await wire.map("RULES", "SHOW", 1)
    assert (json.loads(again["rules"]), again["offers_left"]) == (json.loads(BOOK), 0)
    assert (await wire.map("RULES", "SHOW", 0))["rules"] == "{}"
    assert [row["version"] for row in await wire.maps("RULES", "HISTORY")] == [1, 0]


async def test_a_rule_for_no_sku_is_set_and_said(served: Served) -> None:
    """A typing error in a code is a rule that never counts."""
    wire = await served.connect()
    made = await wire.map("RULES", "SET", '{"skus": {"A-l": {"buffer": 2}}}')
    assert (made["version"], made["notes"]) == (1, ["skus.A-l: no SKU has this code yet"])
    assert (await wire.map("RULES", "SET", '{"skus": {"A-1": {"buffer": 2}}}'))["notes"] == []


async def test_the_same_book_again_is_the_same_version(served: Served) -> None:
    wire = await served.connect()
    made = await wire.map("RULES", "SET", BOOK)
    assert await wire.map("RULES", "SET", BOOK, "NOTE", "again") == made


async def test_an_edit_of_an_older_version_is_refused_when_asked_to(served: Served) -> None:
    wire = await served.connect()
    assert (await wire.map("RULES", "SET", BOOK, "IF", 0))["version"] == 1
    refused = await wire.error("RULES", "SET", "{}", "IF", 0)
    assert refused == "STALE version 1 is in force, not 0: look at it and edit anew"
    assert (await wire.map("RULES", "SHOW"))["version"] == 1


async def test_a_preview_lists_what_would_change_and_changes_nothing(served: Served) -> None:
    wire = await served.connect(3)
    await offer_of(served, "A-1", 10)
    await offer_of(served, "B-2", 20)
    told = await wire.map("RULES", "PREVIEW", BOOK, "LIMIT", 1)
    assert (told["version"], told["listings"], told["changed"], told["lowered"], told["to_zero"]) == (0, 2, 2, 2, 0)
    assert told["rows"] == [
        {
            "account": "shop",
            "listing": "17",
            "sku": "A-1",
            "from": 10,
            "to": 3,
            "because": "buffer: 0 (built in) -> 2 (default v1)",
        }
    ]
    assert told["accounts"] == [{"account": "shop", "changed": 2}]
    assert (await wire.map("RULES", "SHOW"))["version"] == 0
    await offer_of(served, "A-1", 10)


@pytest.mark.parametrize("action", ["SET", "PREVIEW"])
@pytest.mark.parametrize(
    ("book", "problem"),
    [
        (
            '{"accounts":{"shp":{"share":1}},"default":{"floor":2,"cap":1}}',
            (
                "BADARG rules: accounts.shp: no account has the id 'shp' (known: shop); "
                "default.floor: 2 must not be above the cap, which is 1"
            ),
        ),
        ('{"default":{"share":2}}', "BADARG rules: Expected `float` <= 1.0 - at `$.default.share`"),
        ('{"defualt":{}}', "BADARG rules: Object contains unknown field `defualt`"),
        ("{", "BADARG rules: Input data was truncated"),
        (b"\xff{}", "BADARG rules: JSON is malformed: invalid character (byte 0)"),
    ],
)
async def test_a_book_that_cannot_be_used_is_refused_whole_and_nothing_is_half_done(
    served: Served, action: str, book: str | bytes, problem: str
) -> None:
    wire = await served.connect()
    assert await wire.error("RULES", action, book) == problem
    assert (await wire.map("RULES", "SHOW"))["version"] == 0
    assert (await wire.map("RULES", "SET", BOOK))["version"] == 1


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("SHOW", "7"), "NOSUCHVERSION version=7 (kept: 0 to 0; the journal has all)"),
        (("SHOW", "x"), "BADARG version='x': must be a whole number from 0 to 9007199254740992"),
        (("SET", "{}", "WHY", "x"), "BADARG option='WHY': expected BY, IF, NOTE"),
        (("SET", "{}", "NOTE"), "BADARG option='NOTE': needs a value"),
        (("PREVIEW", "{}", "LIMIT", "0"), "BADARG limit='0': must be a whole number from 1 to 10000"),
    ],
)
async def test_other_mistakes_are_named(served: Served, words: tuple[str, ...], problem: str) -> None:
    wire = await served.connect()
    assert await wire.error("RULES", *words) == problem


async def test_an_unknown_action_says_what_there_is(served: Served) -> None:
    wire = await served.connect()
    assert (await wire.error("RULES", "EDIT")).startswith("ERR RULES SHOW [<version>] | RULES HISTORY")
