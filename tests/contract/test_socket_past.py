"""EXPLAIN AT and HISTORY over a real socket: what was, asked of a running node."""

import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from engine.domain.errors import StoreCorrupt
from engine.domain.units import AccountId
from engine.ports import Found
from ops import past
from tests.contract.test_socket import SetClock
from tests.fakes.channel import FakeChannel
from tests.fakes.served import Served, order_json, serving
from tests.fakes.wire import Wire, as_map


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
async def served(tmp_path: Path, clock: SetClock) -> AsyncIterator[Served]:
    async with serving(tmp_path, clock=clock) as running:
        clock.advance(60)
        yield running


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
async def wire(served: Served, request: pytest.FixtureRequest) -> AsyncIterator[Wire]:
    connection = await served.connect(request.param)
    yield connection
    await connection.aclose()


async def wait_for(wire: Wire, met: Callable[[dict[str, Any]], object], *words: str) -> dict[str, Any]:
    with trio.fail_after(10):
        while not met(answer := await wire.map(*words)):  # each round is a round trip
            pass
    return answer


# -- EXPLAIN AT


async def test_explain_of_an_instant_says_what_explain_said_then(clock: SetClock, wire: Wire) -> None:
    """Lesson I5: what was this SKU's state at 14:03:07? Holds that ran out by the clock alone are over there too."""
    said: list[tuple[str, dict[str, Any]]] = []
    steps = [
        ("HOLD", "cart-1", "30", "A-1", "3"),
        ("RECEIVE", "r-1", "A-1", "hamburg", "5"),
        ("RECORD", order_json(shipped=1)),
        ("HOLD", "cart-2", "900", "A-1", "2", "B-2", "1"),
        ("ADJUST", "k-1", "A-1", "berlin", "-2", "damaged"),
        ("COMMIT", "cart-2", "ORDER", "78"),
    ]
    for step in steps:
        await wire.call(*step)
        said.append((clock.at.isoformat(), await wire.map("EXPLAIN", "A-1")))
        clock.advance(20)
    answer: dict[str, Any] = {}
    for at, then in said:
        answer = await wire.map("EXPLAIN", "A-1", "AT", at)
        assert {field: answer[field] for field in then} == then
        assert answer["as_of"] == at.replace("+00:00", "Z")
        assert answer["not_told"].startswith("What no entry of the journal says is not shown: ")
    assert answer["position"] > 0


async def test_an_instant_may_be_ago_unix_or_rfc_3339(clock: SetClock, wire: Wire) -> None:
    await wire.map("RECEIVE", "r-1", "A-1", "berlin", "5")
    clock.advance(3600)
    for at, on_hand in (("-30m", 15), ("-3600s", 15), ("-1h", 15), ("-61m", 10), ("1794398400.2", 10)):
        assert (await wire.map("EXPLAIN", "A-1", "at", at))["on_hand"] == on_hand
    assert (await wire.map("EXPLAIN", "A-1", "AT", "2026-11-11T20:01:01+08:00"))["on_hand"] == 15


async def test_a_bundle_was_made_of_what_its_recipe_of_that_day_says(clock: SetClock, wire: Wire) -> None:
    """Lesson F1: how many can be made follows from the components as they were, kits in kits included."""
    await wire.call("IMPORT", "STAGE", "i", '[{"kind": "sku", "sku": "PAIR"}, {"kind": "sku", "sku": "SET"}]')
    await wire.call("IMPORT", "APPLY", "i")
    await wire.map("RECIPE", "SET", "PAIR", "LINES", "A-1", "2")
    await wire.map("RECIPE", "SET", "SET", "LINES", "PAIR", "1", "B-2", "3")
    then, at = await wire.map("EXPLAIN", "SET"), clock.at.isoformat()
    assert then["atp"] == 5
    clock.advance(60)
    await wire.map("ADJUST", "k-1", "A-1", "berlin", "-7", "damaged")
    await wire.map("RECIPE", "SET", "SET", "LINES", "A-1", "1")
    answer = await wire.map("EXPLAIN", "SET", "AT", at)
    assert {field: answer[field] for field in then} == then
    assert (await wire.map("EXPLAIN", "SET", "AT", "-0s"))["atp"] == 3
    texts = [line["text"] for line in await lines_of(wire, "SET")]
    assert "one unit is made of 3 B-2, 1 PAIR (version 1)" in texts


async def test_the_rules_of_that_day_are_named(clock: SetClock, wire: Wire) -> None:
    clock.advance(60)
    version = (await wire.map("RULES", "SET", '{"default": {"buffer": 2}}'))["version"]
    assert (await wire.map("EXPLAIN", "A-1", "AT", "-0s"))["rules_version"] == version
    assert (await wire.map("EXPLAIN", "A-1", "AT", "-30s"))["rules_version"] < version


@pytest.mark.parametrize(
    ("at", "problem"),
    [
        ("2026-11-11T13:00:00Z", "BADARG at='2026-11-11T13:00:00Z': is in the future: it is 2026-11-11T12:01:00Z"),
        (
            "-1d",
            "BADARG at='-1d': is before anything on record: the journal begins at 2026-11-11T12:00:00.123456Z",
        ),
        ("-999999999d", "BADARG at='-999999999d': is before the year 1"),
        ("yesterday", "BADARG at='yesterday': must be an instant with its offset, "),
        ("2026-11-11T12:00:00", "BADARG at='2026-11-11T12:00:00': says no offset; "),
    ],
)
async def test_an_instant_that_cannot_be_answered_is_refused(wire: Wire, at: str, problem: str) -> None:
    assert (await wire.error("EXPLAIN", "A-1", "AT", at)).startswith(problem)


async def test_a_sku_that_was_not_there_yet_is_said_so(clock: SetClock, wire: Wire) -> None:
    assert await wire.error("EXPLAIN", "NEW", "AT", "-10s") == "NOSUCHSKU sku=NEW"
    await wire.call("IMPORT", "STAGE", "i", '[{"kind": "sku", "sku": "NEW", "name": "New"}]')
    await wire.call("IMPORT", "APPLY", "i")
    clock.advance(60)
    assert (await wire.error("EXPLAIN", "NEW", "AT", "-61s")) == (
        "NOSUCHSKU sku=NEW did not exist then: added_at=2026-11-11T12:01:00.123456Z"
    )
    assert (await wire.map("EXPLAIN", "NEW", "AT", "-59s"))["name"] == "New"


async def test_an_option_must_be_at_and_have_a_value(wire: Wire) -> None:
    assert (await wire.error("EXPLAIN", "A-1", "SINCE", "-1h")).startswith("BADARG option='SINCE': expected AT")
    assert (await wire.error("EXPLAIN", "A-1", "none", "AT", "-1s")).startswith("NOSUCHACCOUNT account=none ")


@pytest.fixture
async def with_shop(tmp_path: Path) -> AsyncIterator[tuple[Served, Wire]]:
    """One account, `shop`, that sells A-1 and has been told what there is of it."""
    channel = FakeChannel(random.Random(1), account="shop", latency_seconds=(0, 0))
    channel.add("17", "A-1", 3)
    async with serving(tmp_path, channels={AccountId("shop"): ("fake", channel)}) as running:
        wire = await running.connect(3)
        await wait_for(wire, _is_verified_at(10), "OFFERS", "A-1")
        yield running, wire


def _is_verified_at(units: int) -> Callable[[dict[str, Any]], bool]:
    def is_so(answer: dict[str, Any]) -> bool:
        return any(offer["offer"] == units and offer["state"] == "verified" for offer in answer["offers"])

    return is_so


async def test_what_was_sent_when_and_why_is_told_of_the_past(with_shop: tuple[Served, Wire]) -> None:
    served, wire = with_shop
    then = (await wire.map("EXPLAIN", "A-1"))["offers"][0]
    at = served.node.clock.now().isoformat()
    await wire.map("ADJUST", "k-1", "A-1", "berlin", "-6", "damaged")
    await wait_for(wire, _is_verified_at(4), "OFFERS", "A-1")
    answer = await wire.map("EXPLAIN", "A-1", "shop", "AT", at)
    assert answer["on_hand"] == 10
    (offer,) = answer["offers"]
    for field in ("account", "listing", "offer", "shown", "state", "version", "verified_at", "pack_units", "terms"):
        assert offer[field] == then[field], field
    assert [push["quantity"] for push in offer["pushes"]] == [push["quantity"] for push in then["pushes"]]
    assert offer["pushes"][-1]["verified_at"] is not None
    assert answer["paused"] == []
    assert (await wire.map("EXPLAIN", "A-1", "AT", "-0s"))["offers"][0]["offer"] == 4


async def test_a_listing_that_is_another_skus_now_is_found_in_the_past(with_shop: tuple[Served, Wire]) -> None:
    """Answers of a channel name its listing and no SKU: the mapping of that day says whose they were."""
    served, wire = with_shop
    at = served.node.clock.now().isoformat()
    rows = '[{"kind": "listing", "account": "shop", "listing": "17", "sku": "B-2"}]'
    await wire.call("IMPORT", "STAGE", "i", rows)
    await wire.call("IMPORT", "APPLY", "i")
    await wait_for(wire, _is_verified_at(20), "OFFERS", "B-2")
    (offer,) = (await wire.map("EXPLAIN", "A-1", "AT", at))["offers"]
    assert (offer["listing"], offer["offer"], offer["state"]) == ("17", 10, "verified")
    assert (await wire.map("EXPLAIN", "A-1", "AT", "-0s"))["offers"] == []
    texts = [line["text"] for line in (await wire.map("HISTORY", "A-1"))["lines"]]
    assert any(text.startswith("shop shows 10 on listing 17: v") for text in texts)
    assert texts[-1] == "listing 17 of shop sells B-2 (by import)", "and nothing of what B-2 is told from then on"


async def test_a_paused_account_was_paused_then(with_shop: tuple[Served, Wire]) -> None:
    served, wire = with_shop
    await wire.call("CHANNEL", "PAUSE", "shop")
    at = served.node.clock.now().isoformat()
    await wire.call("CHANNEL", "RESUME", "shop")
    paused = (await wire.map("EXPLAIN", "A-1", "AT", at))["paused"]
    assert [as_map(each) for each in paused] == [{"account": "shop", "reason": "CHANNEL PAUSE"}]
    assert (await wire.map("EXPLAIN", "A-1", "AT", "-0s"))["paused"] == []


# -- HISTORY


async def lines_of(wire: Wire, *words: str) -> list[dict[str, Any]]:
    return [as_map(line) for line in (await wire.map("HISTORY", *words))["lines"]]


async def test_history_reads_like_a_ledger(clock: SetClock, wire: Wire) -> None:
    await wire.map("HOLD", "cart-1", "30", "A-1", "3")
    clock.advance(31)
    await wire.map("RECEIVE", "r-1", "A-1", "hamburg", "5", "BY", "ann", "REF", "delivery 9")
    await wire.call("RECORD", order_json(shipped=1))
    lines = await lines_of(wire, "A-1")
    assert [(line["text"], line["delta"], line["on_hand"], line["reserved"], line["atp"]) for line in lines] == [
        ("the SKU is called 'Item A-1'", 0, 0, 0, 0),
        ("berlin corrected by +10", 10, 10, 0, 10),
        ("hold cart-1 of direct took 3 from berlin, until 2026-11-11 12:01:30 UTC", 0, 10, 3, 7),
        ("hold cart-1 ran out of time", 0, 10, 0, 10),
        ("5 received at hamburg", 5, 15, 0, 15),
        ("order 77 of direct, line 1: 1 owed (1 from berlin), 1 shipped [accepted]", -1, 14, 0, 13),
    ]
    assert (lines[4]["by"], lines[4]["reference"], lines[4]["key"]) == ("ann", "delivery 9", "r-1")
    assert (lines[5]["account"], lines[5]["order"], lines[5]["committed"]) == ("direct", "77", 1)
    assert lines[2]["hold"] == "cart-1"
    assert lines[1]["reason"] == "opening stock"


async def test_history_is_read_in_pages_and_windows(clock: SetClock, wire: Wire) -> None:
    for number in range(6):
        clock.advance(60)
        await wire.map("RECEIVE", f"r-{number}", "A-1", "berlin", "1")
    whole = await lines_of(wire, "A-1")
    page = await wire.map("HISTORY", "A-1", "LIMIT", "3")
    assert [as_map(line) for line in page["lines"]] == whole[-3:]
    older = await wire.map("HISTORY", "A-1", "LIMIT", "3", "BEFORE", page["older"])
    assert [as_map(line) for line in older["lines"]] == whole[-6:-3]
    assert (await wire.map("HISTORY", "A-1", "LIMIT", "9", "BEFORE", older["older"]))["older"] is None
    assert [line["key"] for line in await lines_of(wire, "A-1", "FROM", "-150s", "TO", "-30s")] == ["r-3", "r-4"]
    assert await lines_of(wire, "A-1", "ACCOUNT", "direct") == []


async def test_history_of_an_account_is_what_names_it(with_shop: tuple[Served, Wire]) -> None:
    _, wire = with_shop
    await wire.map("HOLD", "h-1", "60", "A-1", "1")
    lines = await lines_of(wire, "A-1", "ACCOUNT", "shop")
    assert {line["account"] for line in lines} == {"shop"}
    texts = [line["text"] for line in lines]
    assert texts[0] == "listing 17 of shop sells A-1 (by sku match)"
    assert any(text.startswith("shop is told to show 10 on listing 17 (v") for text in texts)
    assert [line["hold"] for line in await lines_of(wire, "A-1", "ACCOUNT", "direct")] == ["h-1"]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("NONE",), "NOSUCHSKU sku=NONE"),
        (("A-1", "LIMIT", "0"), "BADARG limit='0': "),
        (("A-1", "LIMIT", "1001"), "BADARG limit='1001': "),
        (("A-1", "BEFORE", "7"), "BADARG before='7': must be `older` of a page, as 4711-2"),
        (("A-1", "FROM", "-1h", "TO", "-2h"), "BADARG from='-1h': must not be after `to`"),
        (("A-1", "ACCOUNT", "none"), "NOSUCHACCOUNT account=none "),
        (("A-1", "SINCE", "-1h"), "BADARG option='SINCE': expected ACCOUNT, BEFORE, FROM, LIMIT, TO"),
    ],
)
async def test_a_history_that_cannot_be_told_is_refused(wire: Wire, words: tuple[str, ...], problem: str) -> None:
    assert (await wire.error("HISTORY", *words)).startswith(problem)


# -- beside everything else


async def test_one_question_at_a_time_and_a_few_wait(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Holds are decided meanwhile; the first question that would wait too long is told so."""
    monkeypatch.setattr(past, "WAITING_MAX", 1)
    reading, go_on = trio.Event(), trio.Event()
    search = served.node.reader._store.search

    async def wait_for_the_test(after: int, until: int, needles: Any) -> Found:
        reading.set()
        await go_on.wait()
        return await search(after, until, needles)

    monkeypatch.setattr(served.node.reader._store, "search", wait_for_the_test)
    wires = [await served.connect(3) for _ in range(4)]
    answers: list[object] = []

    async def ask(wire: Wire) -> None:
        answers.append(await wire.map("HISTORY", "A-1"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask, wires[0])
        await reading.wait()
        nursery.start_soon(ask, wires[1])
        await wait_for(wires[3], lambda _: served.node.past._turn.statistics().tasks_waiting == 1, "STOCK", "A-1")
        assert (await wires[2].error("HISTORY", "A-1")).startswith("BUSY 1 questions about the past wait already")
        assert (await wires[3].map("HOLD", "h", "60", "A-1", "1"))["hold"] == "h"
        assert answers == []
        go_on.set()
    assert len(answers) == 2


async def test_a_damaged_journal_is_told_and_sales_go_on(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(after: int, until: int, needles: Any) -> Found:
        await trio.lowlevel.checkpoint()
        raise StoreCorrupt("frame 2 does not match its digest")

    wire = await served.connect(3)
    monkeypatch.setattr(served.node.reader._store, "search", refuse)
    damaged = "DAMAGED the journal cannot be read: frame 2 does not match its digest"
    assert await wire.error("HISTORY", "A-1") == damaged
    assert await wire.error("EXPLAIN", "A-1", "AT", "-1s") == damaged
    assert await wire.error("SCAN", "DEEP") == damaged
    assert (await wire.map("HOLD", "h", "60", "A-1", "1"))["hold"] == "h"
