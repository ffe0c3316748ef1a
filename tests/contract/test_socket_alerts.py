"""ALERTS and ALERT over a real unix socket."""

from pathlib import Path

import msgspec
import pytest
import trio

from adapters.store.memory import MemoryStore
from config.alerts import Alerts, WebhookDestination
from config.schema import Secret, Stock
from engine.actors.journal import decode_events
from engine.domain.errors import NotSent
from engine.domain.events import SnapshotFused
from tests.fakes.alerts import FakeNotifier
from tests.fakes.served import Served, order_json, serving
from tests.fakes.wire import Wire

OPS = WebhookDestination(name="ops", url="https://ops.example", signing_secret=Secret("s"))
ALERTS = Alerts(destinations=(OPS,), ignore=("negative_atp", "out_of_stock", "low_stock"))


async def oversell(served: Served, ops: FakeNotifier) -> Wire:
    """Sell A-1 beyond what there is, and wait until that was told."""
    wire = await served.connect(3)
    await wire.call("RECORD", order_json(ordered=12))
    await ops.wait_tried(1)
    return wire


async def test_an_oversell_is_listed_acknowledged_and_resolved(tmp_path: Path) -> None:
    ops, store = FakeNotifier(), MemoryStore()
    async with serving(tmp_path, store, notifiers={"ops": ops}, alerts=ALERTS) as served:
        wire = await oversell(served, ops)
        [alert] = await wire.call("ALERTS")
        raised_at = alert.pop("raised_at")
        details = alert.pop("details")
        assert alert == {
            "alert": 1,
            "kind": "oversell",
            "subject": "A-1",
            "severity": "critical",
            "state": "raised",
            "text": "A-1: 2 promised beyond what there is, order direct/77; cause: no_hold",
            "acknowledged_at": None,
            "acknowledged_by": None,
            "resolved_at": None,
            "resolved_by": None,
            "how": None,
            "suppressed": 0,
            "suppressed_since": None,
        }
        assert details["open_units"] == "2"
        for who in ("ann", "bob"):
            acknowledged = await wire.call("ALERT", "ACK", "1", "BY", who)
            assert (acknowledged["state"], acknowledged["acknowledged_by"]) == ("acknowledged", "ann")
        resolved = await wire.call("alert", "resolve", "1")
        assert (resolved["state"], resolved["how"]) == ("resolved", "by_hand")
        assert resolved["resolved_by"], "the user of the connection"
        assert await wire.call("ALERTS", "OPEN", "LIMIT", "5") == []
        [known] = await wire.call("ALERTS", "ALL")
        assert (known["state"], known["raised_at"]) == ("resolved", raised_at)
        assert await wire.call("ALERT", "RESOLVE", "1") == known


async def test_maps_are_flat_lists_before_hello(tmp_path: Path) -> None:
    ops = FakeNotifier()
    async with serving(tmp_path, notifiers={"ops": ops}, alerts=ALERTS) as served:
        await oversell(served, ops)
        old = await served.connect()
        [alert] = await old.maps("ALERTS")
        assert (alert["alert"], alert["kind"]) == (1, "oversell")


@pytest.mark.parametrize("limit", [1, 2, 9])
async def test_the_newest_come_first(tmp_path: Path, limit: int) -> None:
    ops = FakeNotifier()
    async with serving(tmp_path, notifiers={"ops": ops}, alerts=ALERTS) as served:
        wire = await oversell(served, ops)
        await wire.call("ALERT", "RESOLVE", "1")
        for order_id, sku in (("78", "B-2"), ("79", "C-3")):
            await wire.call("RECORD", order_json(order_id, sku=sku, ordered=99))
        with trio.fail_after(5):
            while (await wire.call("ALERTS", "ALL", "LIMIT", "1"))[0]["alert"] < 3:
                await trio.lowlevel.checkpoint()
        found = await wire.call("ALERTS", "ALL", "LIMIT", str(limit))
        assert [alert["alert"] for alert in found] == [3, 2, 1][:limit]


async def test_a_destination_is_tried(tmp_path: Path) -> None:
    ops = FakeNotifier()
    async with serving(tmp_path, notifiers={"ops": ops}, alerts=ALERTS) as served:
        wire = await served.connect()
        assert await wire.call("ALERT", "TEST", "ops") == "OK"
        assert [message.notices for message in ops.messages] == [()]
        ops.errors = [NotSent("ops", "send", "connection refused")]
        assert await wire.error("ALERT", "TEST", "ops") == "UNDELIVERED ops: send: connection refused"
        assert await wire.error("ALERT", "TEST", "opps") == "NOSUCHDESTINATION destination=opps (known: ops)"


async def test_a_refused_snapshot_is_on_record_and_an_alert_until_the_next_one_is_applied(tmp_path: Path) -> None:
    """DESIGN.md law 8, lesson I2: nobody reads the log of a feed that comes at night."""
    ops, store = FakeNotifier(), MemoryStore()
    alerts = msgspec.structs.replace(ALERTS, digest_seconds=0.0)
    options = Stock(fuse_zero_share=0.5, fuse_zero_rows_min=2)
    async with serving(tmp_path, store, notifiers={"ops": ops}, alerts=alerts, stock_options=options) as served:
        wire = await served.connect(3)

        async def send(key: str, *words: str) -> object:
            now = served.node.clock.now().isoformat()
            return await wire.call("SNAPSHOT", key, "berlin", "3pl", "AS_OF", now, "NETS", "no", *words)

        broken = ("LINES", "A-1", "0", "B-2", "0", "C-3", "31")
        for key in ("s", "t"):
            refused = str(await send(key, "BY", "feed", *broken))
            assert refused.startswith("FUSE location=berlin source=3pl: 2 of 3 rows")
        events = [event for frame in store.frames for event in decode_events(frame)]
        fused = [event for event in events if isinstance(event, SnapshotFused)]
        said = [(each.key, each.rows, each.falling, each.share_max, each.rows_min, each.by) for each in fused]
        assert said == [("s", 3, 2, 0.5, 2, "feed"), ("t", 3, 2, 0.5, 2, "feed")]
        await ops.wait_tried(1)
        [alert] = await wire.call("ALERTS")
        assert (alert["kind"], alert["subject"], alert["severity"]) == ("fuse", "3pl@berlin", "warning")
        assert "look at the feed, and if it is true send it again with FORCE" in alert["text"]
        assert alert["details"]["snapshot"] == "s"
        await send("u", "FORCE", *broken)
        await ops.wait_tried(2)
        assert await wire.call("ALERTS") == []
        assert await served.figures("A-1") == (0, 0, 0)
