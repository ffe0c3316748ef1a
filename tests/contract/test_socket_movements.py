"""Movements and their papers over a real unix socket: what they answer, what they refuse, and the same on a repeat."""

import os
import pwd
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.store.memory import MemoryStore
from config.schema import Location, Secret, Stock
from engine.actors.journal import decode_events
from engine.domain.events import StockConfirmed
from engine.domain.units import Key, Sku
from tests.contract.test_socket import SetClock
from tests.fakes.served import Served, order_json, serving
from tests.fakes.wire import Wire, Word, as_map

NOON = "2026-11-11T12:00:00Z"
ME = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
async def served(tmp_path: Path, clock: SetClock) -> AsyncIterator[Served]:
    async with serving(tmp_path, clock=clock) as running:
        yield running


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
async def wire(served: Served, request: pytest.FixtureRequest) -> AsyncIterator[Wire]:
    connection = await served.connect(request.param)
    yield connection
    await connection.aclose()


async def place(wire: Wire, sku: str = "A-1", location: str = "berlin") -> dict[str, Any]:
    """Return the figures of a SKU at a location that are not zero."""
    places = [as_map(each) for each in (await wire.map("STOCK", sku))["locations"]]
    found: dict[str, Any] = next((each for each in places if each["location"] == location), {})
    return {name: value for name, value in found.items() if value and name not in {"location", "kind"}}


def row(view: dict[str, Any], number: int = 0, name: str = "lines") -> dict[str, Any]:
    return as_map(view[name][number])


# -- who and why


async def test_a_movement_bears_the_name_of_whoever_the_connection_belongs_to(served: Served, wire: Wire) -> None:
    await wire.map("ADJUST", "k", "A-1", "berlin", "-1", "lost")
    await wire.map("ADJUST", "l", "A-1", "berlin", "-1", "lost", "by", "Ada at gate 3", "REF", "memo 7")
    movements = served.node.router.ledger_of(Sku("A-1")).books[Sku("A-1")].movements
    said = {key: (event.by, event.reference) for key, event in movements.items()}
    assert said[Key("k")] == (ME, "")
    assert said[Key("l")] == ("Ada at gate 3", "memo 7")


async def test_over_tcp_a_movement_bears_the_name_that_auth_gave(tmp_path: Path) -> None:
    async with serving(tmp_path, socket={"tcp": "127.0.0.1:0", "password": Secret("open")}) as served:
        for words, name in ((("AUTH", "till-4", "open"), "till-4"), (("HELLO", "3", "AUTH", "erp", "open"), "erp")):
            wire = await served.connect_tcp()
            await wire.call(*words)
            await wire.map("RECEIVE", name, "A-1", "berlin", "1")
            movements = served.node.router.ledger_of(Sku("A-1")).books[Sku("A-1")].movements
            assert movements[Key(name)].by == name


async def test_reasons_come_from_the_list_in_its_spelling_with_details_after_a_colon(wire: Wire) -> None:
    first = await wire.map("ADJUST", "k", "A-1", "berlin", "-1", "Damaged:  fell off the pallet ")
    assert await wire.map("ADJUST", "k", "A-1", "berlin", "-1", "damaged: fell off the pallet") == first
    listed = "correction, count, damaged, expired, found, lost, opening, other, sample, theft"
    refused = await wire.error("ADJUST", "l", "A-1", "berlin", "-1", "damagd: wet")
    assert refused == (
        f"BADARG reason='damagd: wet': must be one of stock.reasons, details after a colon: {listed};"
        " did you mean 'damaged'?"
    )


async def test_an_empty_list_of_reasons_takes_any_text(tmp_path: Path) -> None:
    async with serving(tmp_path, stock_options=Stock(reasons=())) as served:
        wire = await served.connect()
        assert (await wire.map("ADJUST", "k", "A-1", "berlin", "-1", "fell: into the Spree"))["on_hand"] == 9


# -- one SKU


async def test_returned_units_wait_in_quality_hold_until_somebody_has_looked(wire: Wire) -> None:
    """Lesson C8: good, damaged and elsewhere are different things."""
    assert await wire.map("RETURN", "r", "A-1", "hamburg", "3") == {
        "key": "r",
        "sku": "A-1",
        "location": "hamburg",
        "quantity": 3,
        "on_hand": 3,
        "state": "quality_hold",
        **dict.fromkeys(("account", "order", "line")),
        "taken_back": 0,
    }
    assert await place(wire, location="hamburg") == {"on_hand": 3, "unavailable": 3, "quality_hold": 3}
    inspected = await wire.map("INSPECT", "i", "A-1", "hamburg", "1", "RESTOCK", "REASON", "as new")
    assert inspected == {"key": "i", "sku": "A-1", "location": "hamburg", "quantity": 1, "on_hand": 3} | {
        "source": "quality_hold",
        "target": "sellable",
    }
    await wire.map("INSPECT", "j", "A-1", "hamburg", "1", "damaged")
    assert await place(wire, location="hamburg") == {
        "on_hand": 3,
        "unavailable": 2,
        "quality_hold": 1,
        "damaged": 1,
        "atp": 1,
    }
    await wire.map("INSPECT", "k", "A-1", "hamburg", "1", "WRITEOFF", "FROM", "damaged")
    await wire.map("INSPECT", "l", "A-1", "hamburg", "1", "WRITEOFF")
    assert await place(wire, location="hamburg") == {"on_hand": 1, "atp": 1}


async def test_units_are_put_on_show_and_set_aside_from_the_shelf(wire: Wire) -> None:
    await wire.map("INSPECT", "i", "A-1", "berlin", "2", "DISPLAY")
    await wire.map("INSPECT", "j", "A-1", "berlin", "3", "HOLD")
    assert await place(wire) == {"on_hand": 10, "unavailable": 5, "quality_hold": 3, "display": 2, "atp": 5}


async def test_a_return_of_an_order_finds_its_line_by_itself(served: Served, wire: Wire) -> None:
    """Lessons C1, C2: what the channel says was restocked counts no second time."""
    await wire.call("RECORD", order_json(shipped=2))
    returned = await wire.map("RETURN", "r", "A-1", "hamburg", "1", "ORDER", "direct", "77", "INTO", "sellable")
    assert (returned["account"], returned["order"], returned["line"]) == ("direct", "77", "1")
    await wire.call("RECORD", order_json(version=1, shipped=2, returned=1))
    assert (await wire.map("STOCK", "A-1"))["on_hand"] == 9
    assert await wire.error("RETURN", "s", "A-1", "berlin", "2", "ORDER", "direct", "77", "LINE", "1") == (
        "EXCEEDS order=77 line=1 sku=A-1 shipped=2 returned=1 quantity=2"
    )


async def test_a_return_says_which_line_where_there_are_several(wire: Wire) -> None:
    lines = '[{"line_id": "1", "sku": "A-1", "ordered": 1, "shipped": 1}, {"line_id": "2", "sku": "A-1", "ordered": 1}]'
    await wire.call(
        "RECORD",
        order_json().partition('"lines"')[0] + f'"lines": {lines}, "placed_at": "{NOON}", '
        f'"modified_at": "{NOON}"' + "}",
    )
    asked = ("RETURN", "r", "A-1", "berlin", "1", "ORDER", "direct", "77")
    assert await wire.error(*asked) == "BADARG LINE is missing: order 77 has lines 1, 2 with sku=A-1"
    assert (await wire.map(*asked, "LINE", "1"))["line"] == "1"
    nothing = "NOSUCHORDER account=direct order=77 line=3: no such line with sku=A-1"
    assert await wire.error("RETURN", "s", *asked[2:], "LINE", "3") == nothing
    assert await wire.error("RETURN", "s", "B-2", *asked[3:]) == (
        "NOSUCHORDER account=direct order=77: no such line with sku=B-2"
    )


# -- counts


@pytest.mark.parametrize("protocol", [2, 3])
async def test_a_count_corrects_what_was_there_when_it_was_taken(
    served: Served, clock: SetClock, protocol: int
) -> None:
    """What was sold between count and entry is not lost."""
    wire = await served.connect(protocol)
    clock.advance(60)
    await wire.map("RECEIVE", "r", "A-1", "berlin", "90")
    clock.advance(60)
    taken_at = clock.at.isoformat()
    clock.advance(60)
    await wire.map("ADJUST", "a", "A-1", "berlin", "-40", "lost")
    assert await wire.map("COUNT", "c", "A-1", "berlin", "98", "AT", taken_at) == {
        "key": "c",
        "sku": "A-1",
        "location": "berlin",
        "counted": 98,
        "taken_at": "2026-11-11T12:02:00.123456Z",
        "applied": True,
        "recount": False,
        "confirms": None,
        "expected": 100,
        "variance": -2,
        "on_hand": 58,
        "percent": -2.0 if protocol == 3 else "-2.0",
    }


async def test_a_count_may_say_how_long_ago_it_was_taken(wire: Wire, clock: SetClock) -> None:
    clock.advance(600)
    counted = await wire.map("COUNT", "c", "A-1", "berlin", "10", "AT", "-5m")
    assert (counted["taken_at"], counted["applied"]) == ("2026-11-11T12:05:00.123456Z", True)
    assert (await wire.error("COUNT", "d", "A-1", "berlin", "10", "AT", "-5x")).startswith("BADARG at='-5x': must be")


async def test_a_large_variance_is_applied_only_when_a_second_count_agrees(wire: Wire, clock: SetClock) -> None:
    clock.advance(60)
    first = await wire.map("COUNT", "c", "A-1", "berlin", "7", "AT", clock.at.isoformat())
    assert (first["applied"], first["recount"], first["variance"], first["on_hand"]) == (False, True, -3, 10)
    clock.advance(60)
    second = await wire.map("COUNT", "d", "A-1", "berlin", "7", "AT", clock.at.isoformat())
    assert (second["applied"], second["confirms"], second["on_hand"]) == (True, "c", 7)


async def test_a_blind_count_tells_nothing_until_it_is_applied(wire: Wire, clock: SetClock) -> None:
    clock.advance(60)
    at = clock.at.isoformat()
    blind = await wire.map("COUNT", "c", "A-1", "berlin", "7", "AT", at, "BLIND")
    assert set(blind) == {"key", "sku", "location", "counted", "taken_at", "applied", "recount", "confirms"}
    assert blind["recount"]
    clock.advance(60)
    again = await wire.map("COUNT", "d", "A-1", "berlin", "7", "BLIND", "AT", clock.at.isoformat())
    assert (again["applied"], again["expected"], again["on_hand"]) == (True, 10, 7)


async def test_the_tolerance_is_configured(tmp_path: Path) -> None:
    async with serving(tmp_path, stock_options=Stock(count_tolerance_percent=30, count_tolerance_units=0)) as served:
        wire = await served.connect(3)
        now = served.node.clock.now().isoformat()
        assert (await wire.map("COUNT", "c", "A-1", "berlin", "7", "AT", now))["applied"]


async def test_what_a_marketplace_keeps_is_not_counted_by_us(tmp_path: Path) -> None:
    places = (Location(id="berlin"), Location(id="fba", kind="channel_fulfilled"))
    async with serving(tmp_path, locations=places) as served:
        wire = await served.connect()
        assert await wire.error("COUNT", "c", "A-1", "fba", "1", "AT", NOON) == (
            "BADARG location='fba': nobody of ours counts at a channel_fulfilled place: send SNAPSHOT"
        )
        await wire.map("RECEIVE", "r", "A-1", "fba", "2")
        kinds = {
            as_map(each)["location"]: as_map(each)["kind"] for each in (await wire.map("STOCK", "A-1"))["locations"]
        }
        assert kinds == {"berlin": "own", "fba": "channel_fulfilled"}


# -- external snapshots


def snapshot(key: str, at: str, *rows: Word, nets: str = "no", more: tuple[str, ...] = ()) -> tuple[Word, ...]:
    return ("SNAPSHOT", key, "berlin", "3pl", "AS_OF", at, "NETS", nets, *more, "LINES", *rows)


async def test_a_snapshot_has_a_verdict_for_each_row_and_leaves_the_others(wire: Wire, clock: SetClock) -> None:
    """Lesson E9: what is not mentioned is not zero."""
    clock.advance(60)
    at = clock.at.isoformat()
    words = snapshot("s", at, "A-1", 8, "Z-9", 1)
    taken = await wire.map(*words)
    counts = {name: taken[name] for name in ("applied", "stale", "unknown_sku", "refused")}
    assert counts == {"applied": 1, "stale": 0, "unknown_sku": 1, "refused": 0}
    unknown = {"sku": "Z-9", "outcome": "unknown_sku", "quantity": 1, "delta": None, "on_hand": None}
    assert row(taken, 0, "rows") == {"sku": "A-1", "outcome": "applied", "quantity": 8, "delta": -2, "on_hand": 8} | {
        "problem": None
    }
    assert row(taken, 1, "rows") == unknown | {"problem": "NOSUCHSKU sku=Z-9"}
    assert (await wire.map("STOCK", "B-2"))["on_hand"] == 20
    clock.advance(60)
    await wire.map("ADJUST", "a", "A-1", "berlin", "5", "found")
    assert await wire.map(*words) == taken
    older = await wire.map(*snapshot("t", "2026-11-11T12:00:30Z", "A-1", 1))
    assert older["stale"] == 1
    assert (await wire.map("STOCK", "A-1"))["on_hand"] == 13


async def test_a_partner_who_nets_open_orders_is_believed_so(wire: Wire, clock: SetClock) -> None:
    """Routing edge case 16: snapshot feeds may already net the order just routed."""
    await wire.call("RECORD", order_json())
    clock.advance(60)
    taken = await wire.map(*snapshot("s", clock.at.isoformat(), "A-1", 8, nets="yes"))
    assert row(taken, 0, "rows")["delta"] == 0
    clock.advance(60)
    taken = await wire.map(*snapshot("t", clock.at.isoformat(), "A-1", 8, nets="no"))
    assert row(taken, 0, "rows")["delta"] == -2


async def test_a_feed_that_zeroes_much_is_a_broken_feed_until_it_is_forced(tmp_path: Path) -> None:
    """DESIGN.md law 8, lessons E9, I2: nothing of it is applied, not even the good rows."""
    async with serving(tmp_path, stock_options=Stock(fuse_zero_share=0.5, fuse_zero_rows_min=2)) as served:
        wire = await served.connect(3)
        rows = ("A-1", 0, "B-2", 0, "C-3", 31)
        now = served.node.clock.now().isoformat()
        refused = await wire.error(*snapshot("s", now, *rows))
        assert refused == (
            "FUSE location=berlin source=3pl: 2 of 3 rows fall to zero (more than 50% and at least 2 is a broken feed"
            " until somebody has looked); nothing was applied. If it is true, send it with FORCE"
        )
        await served.check_unharmed()
        assert (await wire.map(*snapshot("t", now, "A-1", 0, "C-3", 31, "B-2", 20)))["applied"] == 3
        now = served.node.clock.now().isoformat()
        assert (await wire.map(*snapshot("u", now, *rows, more=("FORCE",))))["applied"] == 3
        assert await served.figures("B-2") == (0, 0, 0)
        now = served.node.clock.now().isoformat()
        assert (await wire.map(*snapshot("v", now, *rows)))["applied"] == 3, "what was zero before does not fall"
        for sku in ("A-1", "B-2"):
            await wire.map("RECEIVE", "r", sku, "berlin", "9")
        assert (await wire.map(*snapshot("v", now, *rows)))["applied"] == 3, "a repeat is answered as the first time"
        assert await served.figures("B-2") == (9, 0, 0)


async def test_rows_that_change_nothing_are_one_event_and_count_by_their_instant(
    tmp_path: Path, clock: SetClock
) -> None:
    """A feed tells mostly what is known. An older one loses all the same, and a repeat is one, over a start too."""
    store = MemoryStore()
    shelves = {f"S-{number}": 7 for number in range(400)}
    rows: list[Word] = [word for sku in shelves for word in (sku, 7)]
    async with serving(tmp_path, store, clock=clock, stock=shelves) as served:
        wire = await served.connect(3)
        clock.advance(60)
        newer, older = clock.at.isoformat(), (clock.at - timedelta(seconds=20)).isoformat()
        before = len(store.frames)
        first = await wire.map(*snapshot("s", newer, *rows, "NEW", 1, nets="yes"))
        assert (first["applied"], first["unknown_sku"]) == (400, 1)
        assert [each["sku"] for each in map(as_map, first["rows"])] == [*shelves, "NEW"], "in the order of the rows"
        kept = [event for frame in store.frames[before:] for event in decode_events(frame)]
        assert {type(event) for event in kept} == {StockConfirmed}
        assert len(kept) <= 400 // 100 + served.node.settings.node.shards
        assert sum(len(frame.payload) for frame in store.frames[before:]) < 30 * 400
        assert (await wire.map("HISTORY", "S-3"))["lines"][-1]["text"].startswith("3pl has 7 at berlin as of ")
    async with serving(tmp_path, store, clock=clock, stock=None) as served:
        wire = await served.connect(3)
        late = await wire.map(*snapshot("t", older, *rows))
        assert (late["stale"], late["applied"]) == (400, 0)
        await wire.map("ADJUST", "a", "S-3", "berlin", "5", "found")
        clock.advance(1)
        assert await wire.map(*snapshot("s", newer, *rows, "NEW", 1, nets="yes")) == first
        changed = await wire.map(*snapshot("u", clock.at.isoformat(), "S-3", 7, "S-4", 7))
        assert [each["delta"] for each in map(as_map, changed["rows"])] == [-5, 0]
        assert await served.figures("S-3") == (7, 0, 0)


# -- purchase orders


async def test_a_purchase_order_goes_through_its_life(wire: Wire, clock: SetClock) -> None:
    header = ("PO", "SET", "PO-1", "berlin", "EXPECTED", "2026-11-13T08:00:00+08:00", "SUPPLIER", "Mug Works")
    ordered = await wire.map(*header, "LINES", "A-1", "24", "B-2", "5", "A-1", "24")
    lines = [as_map(line) for line in ordered.pop("lines")]
    assert ordered == {
        "purchase_order": "PO-1",
        "state": "open",
        "location": "berlin",
        "supplier": "Mug Works",
        "expected_at": "2026-11-13T00:00:00.000000Z",
        "reference": "",
        "by": ME,
        "reason": "",
        "ended_by": "",
        **dict.fromkeys(("ordered_at", "changed_at"), "2026-11-11T12:00:00.123456Z"),
        "units_ordered": 53,
        "units_received": 0,
        "units_open": 53,
        "units_over": 0,
    }
    assert lines == [
        {"sku": "A-1", "ordered": 48, "received": 0, "open": 48, "over": 0},
        {"sku": "B-2", "ordered": 5, "received": 0, "open": 5, "over": 0},
    ]
    stock = await wire.map("STOCK", "A-1")
    assert stock["incoming"] == 48
    assert row(stock, 0, "documents") == {
        "kind": "purchase_order",
        "document": "PO-1",
        "location": "berlin",
        "quantity": 48,
        "expected_at": "2026-11-13T00:00:00.000000Z",
    }
    receipt = await wire.map("RECEIVE", "d-1", "A-1", "berlin", "50", "PO", "PO-1", "REF", "DN 881")
    assert receipt == {
        "key": "d-1",
        "sku": "A-1",
        "location": "berlin",
        "quantity": 50,
        "on_hand": 60,
        "purchase_order": "PO-1",
        "ordered": 48,
        "received": 50,
        "over": 2,
    }
    clock.advance(1)
    shown = await wire.map("PO", "GET", "PO-1")
    assert (shown["state"], shown["units_received"], shown["units_open"], shown["units_over"]) == (
        *("partly_received", 50, 5, 2),
    )
    amended = await wire.map("PO", "SET", "PO-1", "berlin", "LINES", "A-1", "48")
    assert (amended["state"], amended["units_open"]) == ("received", 0)
    assert (await wire.map("STOCK", "B-2"))["incoming"] == 0


@pytest.mark.parametrize(("action", "state"), [("CLOSE", "closed"), ("CANCEL", "cancelled")])
async def test_a_purchase_order_ends_once_and_one_way(wire: Wire, action: str, state: str) -> None:
    await wire.map("PO", "SET", "PO-1", "berlin", "LINES", "A-1", "4", "B-2", "5")
    await wire.map("RECEIVE", "d", "A-1", "berlin", "1", "PO", "PO-1")
    ended = await wire.map("PO", action, "PO-1", "REASON", "sold out at the mill", "BY", "Ada")
    assert (ended["state"], ended["reason"], ended["ended_by"], ended["units_open"]) == (
        *(state, "sold out at the mill", "Ada", 0),
    )
    assert (await wire.map("STOCK", "A-1"))["incoming"] == 0
    assert await wire.map("PO", action, "PO-1") == ended
    other = "CANCEL" if action == "CLOSE" else "CLOSE"
    assert (await wire.error("PO", other, "PO-1")).startswith(f"CONFLICT purchase_order=PO-1 was {state} at ")
    late = await wire.error("RECEIVE", "e", "A-1", "berlin", "1", "PO", "PO-1")
    assert late.startswith(f"ENDED purchase_order=PO-1 was {state} at ")
    assert late.endswith(": receive the units without naming it")


async def test_purchase_orders_are_listed_the_newest_first(wire: Wire) -> None:
    for number in ("1", "2", "3"):
        await wire.map("PO", "SET", f"PO-{number}", "berlin", "LINES", "A-1", number)
    await wire.map("PO", "CANCEL", "PO-2")
    assert [each["purchase_order"] for each in await wire.maps("PO", "LIST")] == ["PO-3", "PO-1"]
    listed = await wire.maps("po", "list", "ALL", "LIMIT", "2")
    assert [(each["purchase_order"], each["state"]) for each in listed] == [("PO-3", "open"), ("PO-2", "cancelled")]


async def test_what_was_asked_in_one_write_is_seen_by_what_was_asked_behind_it(wire: Wire) -> None:
    replies = await wire.pipeline(
        [
            ("PO", "SET", "PO-1", "berlin", "LINES", "A-1", "4", "C-3", "5"),
            ("PO", "CLOSE", "PO-1"),
            ("PO", "GET", "PO-1"),
            ("TRANSFER", "SEND", "T-1", "berlin", "hamburg", "LINES", "A-1", "4"),
            ("TRANSFER", "RECEIVE", "k", "T-1", "A-1", "4"),
            ("TRANSFER", "GET", "T-1"),
        ]
    )
    states = [as_map(replies[at])["state"] for at in (0, 1, 2, 3, 5)]
    assert states[1:3] == ["closed", "closed"]
    assert states[4] == "arrived"


# -- transfers


async def test_a_transfer_takes_days_and_is_sellable_nowhere_meanwhile(wire: Wire) -> None:
    header = ("TRANSFER", "SEND", "T-7", "berlin", "hamburg", "EXPECTED", "1763000000", "REASON", "Xmas")
    sent = await wire.map(*header, "REF", "van 2", "LINES", "A-1", "6", "B-2", "1")
    assert (sent["state"], sent["source"], sent["target"], sent["units_open"]) == ("in_transit", "berlin", "hamburg", 7)
    assert (sent["expected_at"], sent["reason"], sent["reference"], sent["by"]) == (
        *("2025-11-13T02:13:20.000000Z", "Xmas", "van 2", ME),
    )
    stock = await wire.map("STOCK", "A-1")
    assert (stock["on_hand"], stock["in_transit"], stock["atp"]) == (4, 6, 4)
    assert row(stock, 0, "documents")["kind"] == "transfer"
    arrived = await wire.map("TRANSFER", "RECEIVE", "k", "T-7", "A-1", "4")
    assert {name: arrived[name] for name in ("key", "transfer", "sku", "quantity", "on_hand")} == {
        "key": "k",
        "transfer": "T-7",
        "sku": "A-1",
        "quantity": 4,
        "on_hand": 4,
    }
    lost = await wire.map("TRANSFER", "LOSE", "l", "T-7", "A-1", "1", "crushed")
    assert (lost["key"], lost["quantity"]) == ("l", 1)
    assert await wire.error("TRANSFER", "RECEIVE", "m", "T-7", "A-1", "2") == (
        "EXCEEDS transfer=T-7 sku=A-1 sent=6 arrived=4 lost=1 quantity=2"
    )
    shown = await wire.map("TRANSFER", "GET", "T-7")
    assert shown["state"] == "partly_arrived"
    assert row(shown) == {"sku": "A-1", "sent": 6, "arrived": 4, "lost": 1, "open": 1}
    assert [each["transfer"] for each in await wire.maps("TRANSFER", "LIST", "OPEN")] == ["T-7"]
    await wire.map("TRANSFER", "RECEIVE", "n", "T-7", "A-1", "1")
    await wire.map("TRANSFER", "RECEIVE", "n", "T-7", "B-2", "1")
    assert await wire.maps("TRANSFER", "LIST") == []
    assert (await wire.maps("TRANSFER", "LIST", "ALL"))[0]["state"] == "arrived"
    assert await wire.map(*header, "REF", "van 2", "LINES", "A-1", "6", "B-2", "1") == await wire.map(
        "TRANSFER", "GET", "T-7"
    )
    assert (await wire.error(*header[:5], "LINES", "A-1", "1")).startswith("CONFLICT transfer=T-7 was sent from berlin")


async def test_a_transfer_sends_all_lines_or_none(served: Served, wire: Wire) -> None:
    await wire.map("HOLD", "h", "60", "B-2", "18")
    refused = await wire.error("TRANSFER", "SEND", "T-1", "berlin", "hamburg", "LINES", "A-1", "1", "B-2", "3")
    assert refused == "OUTOFSTOCK sku=B-2 requested=3 free=2 location=berlin"
    assert await served.figures("A-1") == (10, 0, 0)
    assert await wire.error("TRANSFER", "GET", "T-1") == "NOSUCHTRANSFER transfer=T-1"


# -- allocation


async def test_an_order_line_is_owed_from_another_location(wire: Wire) -> None:
    await wire.call("RECORD", order_json())
    words = ("REALLOCATE", "direct", "77", "1", "A-1", "hamburg")
    assert await wire.error(*words) == "OUTOFSTOCK sku=A-1 requested=2 free=0 location=hamburg"
    await wire.map("RECEIVE", "r", "A-1", "hamburg", "5")
    assert await wire.map(*words) == {"account": "direct", "order": "77", "line": "1", "sku": "A-1"} | {
        "location": "hamburg"
    }
    assert await wire.map(*words)
    assert (await place(wire, location="hamburg"))["committed"] == 2
    line = row(await wire.map("ORDER", "direct", "77"))
    assert as_map(line["allocation"][0]) == {"location": "hamburg", "quantity": 2}


async def test_history_tells_who_moved_an_order_line_why_and_on_what_paper(wire: Wire) -> None:
    await wire.call("RECORD", order_json())
    await wire.map("RECEIVE", "r", "A-1", "hamburg", "5")
    who = ("REASON", "the buyer lives next door", "BY", "ann", "REF", "ticket 9")
    await wire.map("REALLOCATE", "direct", "77", "1", "A-1", "hamburg", *who)
    told = as_map((await wire.map("HISTORY", "A-1", "LIMIT", "1"))["lines"][0])
    assert told["text"].startswith("order 77 of direct, line 1: 2 owed (2 from hamburg), moved there by hand")
    assert (told["by"], told["reason"], told["reference"]) == ("ann", "the buyer lives next door", "ticket 9")
    assert await wire.error(*("REALLOCATE", "direct", "77", "1", "A-1", "hamburg", "WHY", "x")) == (
        "BADARG option='WHY': expected BY, REASON, REF"
    )
    await wire.call("RECORD", order_json(version=1, shipped=2))
    told = as_map((await wire.map("HISTORY", "A-1", "LIMIT", "1"))["lines"][0])
    assert (told["by"], told["reason"], told["reference"]) == ("", "", ""), "what the order tells is nobody's doing"


# -- repeats, and bad input


async def test_every_movement_is_answered_byte_for_byte_as_the_first_time(wire: Wire, clock: SetClock) -> None:
    """Lessons B2, E8: idempotent by the caller's key, whatever happened in between."""
    clock.advance(60)
    at = clock.at.isoformat()
    await wire.map("PO", "SET", "PO-1", "berlin", "LINES", "A-1", "4")
    await wire.map("TRANSFER", "SEND", "T-1", "berlin", "hamburg", "LINES", "A-1", "3")
    commands: list[tuple[Word, ...]] = [
        ("RECEIVE", "r", "A-1", "berlin", "7", "PO", "PO-1", "BY", "Ada"),
        ("RETURN", "s", "A-1", "hamburg", "2", "INTO", "damaged", "REASON", "chipped"),
        ("INSPECT", "t", "A-1", "hamburg", "1", "WRITEOFF", "FROM", "damaged"),
        ("COUNT", "u", "B-2", "berlin", "20", "AT", at),
        ("COUNT", "v", "C-3", "berlin", "3", "AT", at, "BLIND"),
        snapshot("w", at, "B-2", 19),
        ("TRANSFER", "RECEIVE", "x", "T-1", "A-1", "1"),
        ("TRANSFER", "LOSE", "y", "T-1", "A-1", "1", "gone"),
    ]
    clock.advance(1)
    first = [await wire.bytes_of(*words) for words in commands]
    assert not [reply for reply in first if reply.startswith(b"-")]
    clock.advance(100)
    await wire.map("ADJUST", "later", "A-1", "berlin", "50", "found")
    assert [await wire.bytes_of(*words) for words in commands] == first
    assert await wire.bytes_of(*commands[0][:-1], "somebody else") == first[0], "who asks again changes nothing"


LATER = "2026-11-11T12:00:01Z"
BAD: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("COUNT", "k", "A-1", "berlin", "9", "AT", LATER),
        "BADARG taken_at '2026-11-11T12:00:01.000000Z': must not be in the future; it is 2026-11-11T12:00:00.123456Z",
    ),
    (
        ("COUNT", "k", "A-1", "berlin", "9", "AT", "2026-11-11T12:00:00"),
        (
            "BADARG at='2026-11-11T12:00:00': says no"
            " offset; must be an instant with its offset, as 2026-11-11T12:00:00+08:00, or unix seconds"
        ),
    ),
    (
        ("COUNT", "k", "A-1", "berlin", "9", "AT", "yesterday"),
        "BADARG at='yesterday': must be an instant with its offset, as 2026-11-11T12:00:00+08:00, or unix seconds",
    ),
    (
        ("COUNT", "k", "A-1", "berlin", "9", "AT", "999999999999"),
        "BADARG at='999999999999': must be from year 1 to 9999 in UTC; are these milliseconds?",
    ),
    (
        ("COUNT", "k", "A-1", "berlin", "9"),
        "BADARG AT is missing: a count names the instant it was taken, as AT 2026-11-11T12:00:00Z",
    ),
    (
        ("COUNT", "k", "A-1", "berlin", "-1", "AT", NOON),
        "BADARG counted='-1': must be a whole number from 0 to 1000000000",
    ),
    (
        ("RECEIVE", "k", "A-1", "berlin", "1", "PO", "PO-9"),
        "NOSUCHPO purchase_order=PO-9 sku=A-1: there is no such order, or this SKU is not on it",
    ),
    (
        ("RECEIVE", "k", "A-1", "hamburg", "1", "PO", "PO-1"),
        "BADARG location 'hamburg': purchase_order=PO-1 expects sku=A-1 at berlin",
    ),
    (("RECEIVE", "k", "A-1", "berlin", "1", "PO"), "BADARG option='PO': needs a value"),
    (("RECEIVE", "k", "A-1", "berlin", "1", "PU", "PO-1"), "BADARG option='PU': expected BY, PO, REF"),
    (("RECEIVE", "k", "A-1", "berlin", "1", "REF", "a", "ref", "b"), "BADARG option='ref': given twice"),
    (("RETURN", "k", "A-1", "berlin", "1", "ORDER", "direct"), "BADARG option='ORDER': needs two values"),
    (("RETURN", "k", "A-1", "berlin", "1", "ORDER", "direct", "9"), "NOSUCHORDER account=direct order=9"),
    (("RETURN", "k", "A-1", "berlin", "1", "LINE", "1"), "BADARG option='LINE': needs ORDER account id before it"),
    (
        ("RETURN", "k", "A-1", "berlin", "1", "INTO", "limbo"),
        "BADARG into='limbo': must be one of sellable, quality_hold, damaged, display, written_off",
    ),
    (
        ("RETURN", "k", "A-1", "berlin", "1", "INTO", "written_off"),
        "BADARG into='written_off': returned units are on hand: INSPECT ... WRITEOFF takes them off",
    ),
    (
        ("RETURN", "k", "A-1", "berlin", "1", "REASON", "a\nb"),
        "BADARG reason='a\\nb': must be one line without control characters",
    ),
    (
        ("INSPECT", "k", "A-1", "berlin", "1", "PONDER"),
        "BADARG outcome='PONDER': must be one of RESTOCK, DAMAGED, WRITEOFF, DISPLAY, HOLD",
    ),
    (("INSPECT", "k", "A-1", "berlin", "1", "RESTOCK"), "EXCEEDS sku=A-1 location=berlin quality_hold=0 quantity=1"),
    (
        ("INSPECT", "k", "A-1", "berlin", "1", "HOLD", "FROM", "quality_hold"),
        "BADARG from='quality_hold': HOLD leads to the same state",
    ),
    (
        ("SNAPSHOT", "k", "berlin", "3pl", "AS_OF", NOON, "NETS", "maybe", "LINES", "A-1", "1"),
        "BADARG nets='maybe': must be yes or no",
    ),
    (
        ("SNAPSHOT", "k", "berlin", "3pl", "AS_OF", NOON, "BY", "me", "LINES", "A-1", "1"),
        "BADARG NETS is missing: say NETS yes or NETS no",
    ),
    (
        ("SNAPSHOT", "k", "berlin", "3pl", "AS_OF", NOON, "NETS", "no", "LINES", "A-1", "1", "A-1", "2"),
        "BADARG sku=A-1: stands in the snapshot twice; which of them is true?",
    ),
    (("PO", "SET", "PO-2", "berlin", "LINES", "A-1"), "BADARG sku='A-1': needs a quantity"),
    (
        ("PO", "SET", "PO-2", "berlin", "SUPPLIER", "LINES"),
        "BADARG LINES is missing: it comes after the options, then sku quantity [sku quantity ...]",
    ),
    (("PO", "SET", "PO-2", "berlin", "LINES", "A-1", "1", "Z-9", "1"), "NOSUCHSKU sku=Z-9"),
    (("PO", "GET", "PO-2"), "NOSUCHPO purchase_order=PO-2"),
    (("PO", "CLOSE", "PO-2"), "NOSUCHPO purchase_order=PO-2"),
    (("PO", "BUY", "PO-2"), "ERR PO SET|CLOSE|CANCEL|GET|LIST ..."),
    (("PO", "GET"), "ERR PO GET id"),
    (
        ("TRANSFER", "SEND", "T-9", "berlin", "berlin", "LINES", "A-1", "1"),
        "BADARG target='berlin': must be another location than the source: units that stay are no transfer",
    ),
    (
        ("TRANSFER", "RECEIVE", "k", "T-9", "A-1", "1"),
        "NOSUCHTRANSFER transfer=T-9 sku=A-1: there is no such transfer, or this SKU is not on it",
    ),
    (
        ("TRANSFER", "LOSE", "k", "T-9", "A-1", "1", " "),
        "BADARG reason=' ': must be one line and not empty: units do not vanish without a word",
    ),
    (("REALLOCATE", "direct", "77", "1", "A-1", "hamburg"), "NOSUCHORDER account=direct order=77"),
)


async def test_bad_input_is_refused_in_words_and_changes_nothing(served: Served, wire: Wire) -> None:
    """A count in the future, a receipt for an unknown purchase order, a transfer to itself, and their like."""
    await wire.map("PO", "SET", "PO-1", "berlin", "LINES", "A-1", "4")
    for words, expected in BAD:
        assert await wire.error(*words) == expected, words
    await served.check_unharmed()


async def test_words_of_lines_may_be_skus_of_any_name(wire: Wire) -> None:
    rows = '[{"kind": "sku", "sku": "BY"}, {"kind": "sku", "sku": "LINES"}]'
    await wire.call("IMPORT", "STAGE", "i", rows)
    await wire.call("IMPORT", "APPLY", "i")
    ordered = await wire.map("PO", "SET", "PO-1", "berlin", "BY", "LINES", "LINES", "LINES", "2", "BY", "3")
    assert [(line["sku"], line["ordered"]) for line in map(as_map, ordered["lines"])] == [("BY", 3), ("LINES", 2)]
    assert ordered["by"] == "LINES"
