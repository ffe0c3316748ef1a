"""Every command of docs/socket.md over a real unix socket: its reply in RESP2 and RESP3, and the same on a repeat."""

import json
import random
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trio

from engine.domain.units import AccountId
from tests.fakes.channel import FakeChannel
from tests.fakes.served import Served, order_json, serving
from tests.fakes.wire import Wire, Word, as_map

FIGURES = (
    *("on_hand", "committed", "reserved", "unavailable", "quality_hold", "damaged", "display"),
    *("safety_stock", "incoming", "in_transit", "atp"),
)


class SetClock:
    """Stands still until moved."""

    def __init__(self) -> None:
        self.at = datetime(2026, 11, 11, 12, 0, 0, 123456, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def advance(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
async def served(tmp_path: Path, clock: SetClock) -> AsyncIterator[Served]:
    async with serving(tmp_path, clock=clock) as running:
        yield running


@pytest.fixture
async def with_shop(tmp_path: Path) -> AsyncIterator[Served]:
    """One account, `shop`, whose channel lists A-1 and something that no SKU matches."""
    channel = FakeChannel(random.Random(1), account="shop", latency_seconds=(0, 0))
    channel.add("17", "A-1", 3)
    channel.add("18", "NOT-OURS", 3)
    async with serving(tmp_path, channels={AccountId("shop"): ("fake", channel)}) as running:
        await _wait(running, lambda offers: offers["offers"] and offers["offers"][0]["verified_at"])
        yield running


async def _wait(served: Served, met: Callable[[dict[str, Any]], object]) -> None:
    wire = await served.connect(3)
    with trio.fail_after(10):
        while not met(await wire.map("OFFERS", "A-1")):  # each round is a round trip
            pass
    await wire.aclose()


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
async def wire(served: Served, request: pytest.FixtureRequest) -> AsyncIterator[Wire]:
    connection = await served.connect(request.param)
    yield connection
    await connection.aclose()


# -- holds


async def test_a_hold_says_what_is_held_where_and_until_when(wire: Wire) -> None:
    """Lesson B7: the caller gets the hold's id and its expiry."""
    granted = await wire.map("HOLD", "cart-1", "900", "A-1", "3")
    assert [as_map(line) for line in granted.pop("lines")] == [{"sku": "A-1", "location": "berlin", "quantity": 3}]
    assert granted == {"hold": "cart-1", "expires_at": "2026-11-11T12:15:00.123456Z"}


async def test_a_hold_that_never_ends_has_a_null_expiry(wire: Wire) -> None:
    """Lesson B8: methods of payment that settle later."""
    assert (await wire.map("HOLD", "cart-1", "never", "A-1", "1"))["expires_at"] is None


async def test_several_skus_are_held_all_or_none_and_summed_first(served: Served, wire: Wire) -> None:
    """Lesson A10: two lines of one SKU must not pass the check one by one."""
    granted = await wire.map("HOLD", "cart-1", "60", "C-3", "1", "A-1", "4", "C-3", "2")
    assert [tuple(as_map(line).values()) for line in granted["lines"]] == [("A-1", "berlin", 4), ("C-3", "berlin", 3)]
    assert await wire.error("HOLD", "cart-2", "60", "B-2", "1", "A-1", "4", "A-1", "3") == (
        "OUTOFSTOCK sku=A-1 requested=7 atp=6"
    )
    assert await served.figures("B-2") == (20, 0, 0)
    assert await served.figures("A-1") == (10, 0, 4)


async def test_a_hold_at_a_location_takes_from_there_or_not_at_all(wire: Wire) -> None:
    await wire.map("RECEIVE", "r", "A-1", "hamburg", "2")
    lines = (await wire.map("HOLD", "h1", "60", "A-1", "2", "AT", "hamburg"))["lines"]
    assert as_map(lines[0])["location"] == "hamburg"
    assert await wire.error("HOLD", "h2", "60", "A-1", "1", "at", "hamburg") == "OUTOFSTOCK sku=A-1 requested=1 atp=0"
    lines = (await wire.map("HOLD", "h3", "60", "A-1", "10"))["lines"]
    assert [as_map(line)["quantity"] for line in lines] == [10]


async def test_a_hold_may_be_spread_over_locations(wire: Wire) -> None:
    await wire.map("RECEIVE", "r", "A-1", "hamburg", "5")
    lines = (await wire.map("HOLD", "h", "60", "A-1", "12"))["lines"]
    assert [tuple(as_map(line).values()) for line in lines] == [("A-1", "berlin", 10), ("A-1", "hamburg", 2)]


async def test_a_hold_for_an_account_is_that_accounts(with_shop: Served) -> None:
    wire = await with_shop.connect(3)
    await wire.map("HOLD", "h", "60", "A-1", "1", "CHANNEL", "shop", "AT", "berlin")
    assert (await wire.map("LOOKUP", "h"))["account"] == "shop"
    assert (await wire.error("HOLD", "h", "60", "A-1", "1")).startswith("CONFLICT hold=h ")
    assert (await wire.error("HOLD", "i", "60", "A-1", "1", "CHANNEL", "none")).startswith(
        "NOSUCHACCOUNT account=none "
    )


async def test_skus_may_be_named_like_options(wire: Wire) -> None:
    await wire.call("IMPORT", "STAGE", "i", '[{"kind": "sku", "sku": "AT"}, {"kind": "sku", "sku": "CHANNEL"}]')
    await wire.call("IMPORT", "APPLY", "i")
    assert await wire.error("HOLD", "h", "60", "AT", "1", "AT", "berlin") == "OUTOFSTOCK sku=AT requested=1 atp=0"
    assert (await wire.map("STOCK", "CHANNEL"))["atp"] == 0


async def test_a_repeat_is_answered_byte_for_byte_as_the_first_time(
    served: Served, wire: Wire, clock: SetClock
) -> None:
    """Lessons B2, E1: idempotent by id, whatever happened in between, refusals and movements too."""
    commands: list[tuple[Word, ...]] = [
        ("HOLD", "one", "900", "A-1", "3"),
        ("HOLD", "many", "NEVER", "C-3", "1", "A-1", "2", "C-3", "1"),
        ("HOLD", "refused", "900", "A-1", "6"),
        ("HOLD", "refused-many", "900", "A-1", "6", "B-2", "1"),
        ("ADJUST", "a", "A-1", "berlin", "-1", "damaged"),
        ("RECEIVE", "r", "B-2", "hamburg", "7"),
        ("COMMIT", "one", "ORDER", "77"),
        ("RELEASE", "many"),
    ]
    first = [await wire.bytes_of(*words) for words in commands]
    clock.advance(100)
    await wire.call("ADJUST", "later", "A-1", "berlin", "50", "found")
    again = [await wire.bytes_of(*words) for words in commands]
    assert again == first
    assert await served.figures("A-1") == (59, 3, 0)
    assert await served.figures("B-2") == (27, 0, 0)


async def test_the_lines_of_a_hold_may_come_in_another_order(wire: Wire) -> None:
    first = await wire.bytes_of("HOLD", "h", "60", "A-1", "1", "B-2", "2")
    assert await wire.bytes_of("HOLD", "h", "60", "B-2", "1", "A-1", "1", "B-2", "1") == first


async def test_a_hold_ends_at_its_instant_and_is_looked_up_by_its_id(
    served: Served, wire: Wire, clock: SetClock
) -> None:
    """Lessons B10, B11: expiry comes from the clock, not from a sweeper."""
    held = await wire.map("HOLD", "h", "60", "A-1", "10")
    looked = await wire.map("LOOKUP", "h")
    assert looked == {"hold": "h", "state": "held", "account": "direct", "order": None} | {
        "expires_at": held["expires_at"],
        "lines": held["lines"],
    }
    clock.advance(59.999)
    assert (await wire.map("LOOKUP", "h"))["state"] == "held"
    clock.advance(0.001)
    assert (await wire.map("HOLD", "next", "60", "A-1", "10"))["hold"] == "next"
    assert (await wire.map("LOOKUP", "h"))["state"] == "expired"
    assert await wire.error("COMMIT", "h") == "EXPIRED hold=h expires_at=2026-11-11T12:01:00Z"
    assert (await wire.map("RELEASE", "h"))["released_at"] == "2026-11-11T12:01:00.123456Z"


async def test_commit_and_release_are_repeatable_and_exclude_each_other(wire: Wire) -> None:
    for hold in ("a", "b", "c"):
        await wire.map("HOLD", hold, "60", "A-1", "1")
    committed = {"hold": "a", "order": None, "committed_at": "2026-11-11T12:00:00.123456Z"}
    assert await wire.map("COMMIT", "a") == committed
    assert await wire.map("COMMIT", "a") == committed
    assert await wire.map("COMMIT", "b", "order", "77") == committed | {"hold": "b", "order": "77"}
    assert await wire.error("COMMIT", "b", "ORDER", "78") == "CONFLICT hold=b was committed for order 77, not for 78"
    assert await wire.error("RELEASE", "a") == "COMMITTED hold=a committed_at=2026-11-11T12:00:00Z"
    assert await wire.map("RELEASE", "c") == {"hold": "c", "released_at": "2026-11-11T12:00:00.123456Z"}
    assert await wire.error("COMMIT", "c") == "RELEASED hold=c released_at=2026-11-11T12:00:00Z"
    states = [(await wire.map("LOOKUP", hold))["state"] for hold in ("a", "b", "c")]
    assert states == ["committed", "committed", "released"]
    assert (await wire.map("LOOKUP", "b"))["order"] == "77"
    await wire.error("HOLD", "d", "60", "A-1", "99")
    assert (await wire.map("LOOKUP", "d")) == {"hold": "d", "state": "refused", "lines": []} | dict.fromkeys(
        ("expires_at", "account", "order")
    )


# -- stock


async def test_movements_say_what_is_on_hand_after_them(wire: Wire) -> None:
    assert await wire.map("ADJUST", "k", "A-1", "berlin", "-3", "damaged") == {"key": "k", "sku": "A-1"} | {
        "location": "berlin",
        "delta": -3,
        "on_hand": 7,
    }
    assert await wire.map("RECEIVE", "l", "A-1", "hamburg", "4") == {"key": "l", "sku": "A-1"} | {
        "location": "hamburg",
        "quantity": 4,
        "on_hand": 4,
    }


async def test_stock_has_the_sums_and_every_location(wire: Wire) -> None:
    await wire.call("RECEIVE", "k", "A-1", "hamburg", "5")
    await wire.call("HOLD", "h", "60", "A-1", "12")
    await wire.call("HOLD", "i", "60", "A-1", "1")
    await wire.call("COMMIT", "i", "ORDER", "77")
    stock = await wire.map("STOCK", "A-1")
    locations = [as_map(place) for place in stock.pop("locations")]
    figures = dict.fromkeys(FIGURES, 0)
    assert stock == figures | {"sku": "A-1", "name": "Item A-1", "oversold": 0, "shortages": [], "holds": 1} | {
        "documents": [],
        "on_hand": 15,
        "committed": 1,
        "reserved": 12,
        "atp": 2,
    }
    assert locations == [
        figures | {"location": "berlin", "kind": "own", "on_hand": 10, "reserved": 10},
        figures | {"location": "hamburg", "kind": "own", "on_hand": 5, "reserved": 2, "committed": 1, "atp": 2},
    ]


async def test_explain_without_channels_lists_what_is_held_and_owed(wire: Wire) -> None:
    await wire.call("HOLD", "h", "60", "A-1", "2")
    await wire.call("HOLD", "i", "60", "A-1", "1")
    await wire.call("COMMIT", "i", "ORDER", "77")
    explained = await wire.map("EXPLAIN", "A-1")
    held, owed = as_map(explained["open_holds"][0]), as_map(explained["demand"][0])
    assert (held["hold"], held["quantity"], held["account"]) == ("h", 2, "direct")
    assert (owed["order"], owed["committed"], owed["reserved"]) == ("77", 1, 0)
    assert explained["offers"] == []
    assert not explained["truncated"]


# -- orders


async def test_an_order_goes_through_its_life(served: Served, wire: Wire) -> None:
    """Lessons C2, C9: levels, so repeats and older snapshots change nothing."""
    steps = [
        (order_json(), "newer", (10, 2, 0)),
        (order_json(), "repeat", (10, 2, 0)),
        (order_json(version=1, cancelled=1), "newer", (10, 1, 0)),
        (order_json(version=1, cancelled=2), "unsure", (10, 1, 0)),
        (order_json(), "stale", (10, 1, 0)),
        (order_json(version=2, cancelled=1, shipped=1), "newer", (9, 0, 0)),
        (order_json(version=3, cancelled=1, shipped=1, returned=1), "newer", (10, 0, 0)),
    ]
    for snapshot, outcome, figures in steps:
        assert await wire.map("RECORD", snapshot) == {"account": "direct", "order": "77", "outcome": outcome}
        assert await served.figures("A-1") == figures
    order = await wire.map("ORDER", "direct", "77")
    line = as_map(order.pop("lines")[0])
    assert (order["account"], order["order"], order["status"]) == ("direct", "77", "accepted")
    assert order["placed_at"] == "2026-11-11T12:00:00.000000Z"
    assert order["held_until"] is None
    assert order["notes"] == []
    counts = {"ordered": 2, "cancelled": 1, "shipped": 1, "returned": 1, "open": 0}
    found: dict[str, object] = {
        "line": "1",
        "sku": "A-1",
        "listing": None,
        "matched": True,
        "pickup": None,
        "allocation": [],
        "components": [],
    }
    assert line == counts | found


async def test_a_hold_committed_into_an_order_is_the_orders_until_its_snapshot_comes(
    served: Served, wire: Wire
) -> None:
    await wire.call("HOLD", "h", "60", "A-1", "2")
    await wire.call("COMMIT", "h", "ORDER", "77")
    assert await served.figures("A-1") == (10, 2, 0)
    line = as_map((await wire.map("ORDER", "direct", "77"))["lines"][0])
    assert (line["open"], as_map(line["allocation"][0])) == (2, {"location": "berlin", "quantity": 2})
    assert (await wire.map("RECORD", order_json()))["outcome"] == "newer"
    assert await served.figures("A-1") == (10, 2, 0)


async def test_a_commit_that_is_refused_makes_no_order(wire: Wire) -> None:
    await wire.call("HOLD", "h", "60", "A-1", "2")
    await wire.call("RELEASE", "h")
    await wire.error("COMMIT", "h", "ORDER", "77")
    assert await wire.error("ORDER", "direct", "77") == "NOSUCHORDER account=direct order=77"
    assert await wire.call("ORDERS") == []


async def test_orders_lists_the_newest_first(wire: Wire) -> None:
    for number in range(5):
        await wire.call("RECORD", order_json(str(number), version=number))
    rows = await wire.maps("ORDERS", "direct", "LIMIT", "2")
    assert [row["order"] for row in rows] == ["4", "3"]
    assert set(rows[0]) == {"account", "order", "status", "placed_at", "modified_at", "units_open"}
    assert rows[0]["units_open"] == 2
    assert len(await wire.maps("ORDERS")) == 5


async def test_an_order_beyond_the_stock_is_an_incident_with_its_cause(wire: Wire, clock: SetClock) -> None:
    """An order that was placed cannot be refused, and what it breaks is never hidden by clamping."""
    await wire.call("RECORD", order_json(ordered=13))
    incident = (await wire.maps("INCIDENTS"))[0]
    assert incident.pop("detail")
    at = "2026-11-11T12:00:00.123456Z"
    assert incident == {"sku": "A-1", "units": 3, "account": "direct", "order": "77", "cause": "no_hold"} | {
        "location": None,
        "at": at,
        "cleared_at": None,
    }
    stock = await wire.map("STOCK", "A-1")
    assert (stock["oversold"], len(stock["shortages"])) == (3, 1)
    clock.advance(1)
    await wire.call("RECEIVE", "k", "A-1", "berlin", "3")
    assert (await wire.maps("INCIDENTS", "LIMIT", "1"))[0]["cleared_at"] == "2026-11-11T12:00:01.123456Z"


# -- the catalogue


async def test_an_import_is_staged_in_parts_and_applied_once(wire: Wire) -> None:
    assert (
        await wire.call("IMPORT", "STAGE", "i", '[{"kind": "sku", "sku": "N", "safety_stock": {"berlin": 2}}]') == "OK"
    )
    assert await wire.call(
        "IMPORT", "STAGE", "i", '[{"kind": "stock", "sku": "N", "location": "berlin", "on_hand": 9}]'
    )
    assert await wire.error("STOCK", "N") == "NOSUCHSKU sku=N"
    assert await wire.map("IMPORT", "APPLY", "i") == {
        "skus": 1, "items": 0, "listings": 0, "stock": 1, "recipes": 0,
    }  # fmt: skip
    stock = await wire.map("STOCK", "N")
    assert (stock["on_hand"], stock["safety_stock"], stock["atp"]) == (9, 2, 7)
    assert (await wire.error("IMPORT", "APPLY", "i")).startswith("BADARG import-id=")


async def test_an_import_with_one_wrong_row_changes_nothing_and_names_every_wrong_row(wire: Wire) -> None:
    rows = [
        {"kind": "sku", "sku": "N"},
        {"kind": "stock", "sku": "A-1", "location": "berlin", "on_hand": 5},
        {"kind": "stock", "sku": "N", "location": "nowhere", "on_hand": 5},
        {"kind": "stock", "sku": "N", "location": "berlin", "on_hand": -5},
    ]
    await wire.call("IMPORT", "STAGE", "i", json.dumps(rows[:2]))
    await wire.call("IMPORT", "STAGE", "i", json.dumps(rows[2:]))
    refused = await wire.error("IMPORT", "APPLY", "i")
    problems = json.loads(refused.removeprefix("BADROWS "))
    wrong = [(1, "on_hand"), (2, "location"), (3, "on_hand")]
    assert [(problem["row"], problem["field"]) for problem in problems] == wrong, "unreadable ones among the others"
    await wire.call("IMPORT", "STAGE", "i", json.dumps(rows[:3]))
    problems = json.loads((await wire.error("IMPORT", "APPLY", "i")).removeprefix("BADROWS "))
    assert [(problem["row"], problem["field"]) for problem in problems] == [(1, "on_hand"), (2, "location")]
    assert await wire.error("STOCK", "N") == "NOSUCHSKU sku=N"


async def test_a_dropped_import_is_forgotten_and_so_is_that_of_a_closed_connection(served: Served, wire: Wire) -> None:
    await wire.call("IMPORT", "STAGE", "i", '[{"kind": "sku", "sku": "N"}]')
    assert await wire.call("IMPORT", "DROP", "i") == "OK"
    assert (await wire.error("IMPORT", "APPLY", "i")).startswith("BADARG ")
    other = await served.connect()
    await other.call("IMPORT", "STAGE", "i", '[{"kind": "sku", "sku": "N"}]')
    await other.aclose()
    assert (await wire.error("IMPORT", "APPLY", "i")).startswith("BADARG ")


# -- channels


@pytest.mark.parametrize("protocol", [2, 3])
async def test_a_channel_account_is_shown_steered_and_explained(with_shop: Served, protocol: int) -> None:
    wire = await with_shop.connect(protocol)
    (row,) = await wire.maps("CHANNEL", "LIST")
    assert {"account", "channel", "mode", "state", "reason", "listings", "dirty", "in_flight", "accepted"} <= set(row)
    assert {"drifted", "refused", "unmatched", "orders_through", "lag_seconds"} <= set(row)
    assert (row["account"], row["channel"], row["mode"], row["listings"]) == ("shop", "fake", "live", 1)
    (unmatched,) = await wire.maps("CHANNEL", "UNMATCHED", "shop")
    assert (unmatched["listing"], unmatched["sku"]) == ("18", "NOT-OURS")
    offer = as_map((await wire.map("OFFERS", "A-1"))["offers"][0])
    assert {"account", "listing", "offer", "shown", "state", "version"} <= set(offer)
    assert {"sent_at", "accepted_at", "verified_at", "reason"} <= set(offer)
    assert (offer["offer"], offer["shown"], offer["state"]) == (10, 10, "verified")
    explained = as_map((await wire.map("EXPLAIN", "A-1", "shop"))["offers"][0])
    assert {"term", "value", "rule"} == set(as_map(explained["terms"][0]))
    pushed = as_map(explained["pushes"][-1])
    assert {"version", "quantity", "sent_at", "verdict", "verified_at", "basis"} <= set(pushed)
    assert pushed["quantity"] == 10
    for action in ("FLUSH", "RESYNC", "PAUSE"):
        assert await wire.call("CHANNEL", action, "shop") == "OK"
    assert (await wire.maps("CHANNEL", "LIST"))[0]["state"] == "paused"
    assert as_map((await wire.map("HEALTH"))["accounts"][0])["state"] == "paused"
    assert await wire.call("CHANNEL", "RESUME", "shop") == "OK"
    assert (await wire.maps("CHANNEL", "LIST"))[0]["state"] != "paused"


async def test_a_webhook_is_stored_once(with_shop: Served) -> None:
    """Lesson D11."""
    wire = await with_shop.connect()
    words = ("WEBHOOK", "shop", "delivery-1", '{"topic": "order.created"}', b"\x00\xff\r\n*1000000")
    assert [await wire.call(*words) for _ in range(3)] == ["STORED", "REPEAT", "REPEAT"]
    assert (await wire.error("WEBHOOK", "none", "d", "{}", "")).startswith("NOSUCHACCOUNT ")
    assert (await wire.error("WEBHOOK", "shop", "d", "[]", "")).startswith("BADARG headers: ")
    assert (await wire.error("WEBHOOK", "shop", "d", b'{"a": "\xff"}', "")).startswith("BADARG headers: ")


# -- the daemon


async def test_the_daemon_describes_itself(wire: Wire) -> None:
    assert await wire.map("HEALTH") == {"ready": True, "journal": "ok", "accounts": []}
    info = await wire.call("INFO")
    assert "# Stock\r\nskus:3\r\n" in info
    assert "# Server" in info
    assert (await wire.call("INFO", "stock")).startswith("# Stock\r\n")
    assert "# Server" not in await wire.call("INFO", "STOCK")
    assert isinstance(await wire.call("METRICS"), str)


async def test_shutdown_is_answered_and_asked_for(served: Served, wire: Wire) -> None:
    assert await wire.call("SHUTDOWN") == "OK"
    assert await wire.read_to_end() == b""
    assert served.node.shutdown_wanted.is_set()
    assert (await (await served.connect()).map("HEALTH"))["ready"] == 0


async def test_truth_values_are_booleans_in_resp3_and_numbers_before(served: Served) -> None:
    assert b"ready\r\n:1\r\n" in await (await served.connect(2)).bytes_of("HEALTH")
    assert b"ready\r\n#t\r\n" in await (await served.connect(3)).bytes_of("HEALTH")
