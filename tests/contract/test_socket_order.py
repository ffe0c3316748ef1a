"""Order and durability on the command socket: replies in the order of the commands, none before its commit."""

import time
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import hiredis
import pytest
import trio
import trio.testing

from adapters.store.memory import MemoryStore
from config.schema import Limits
from engine.actors.journal import decode_events
from engine.domain.partition import shard_of
from engine.domain.units import Sku
from ops.clock import SteadyClock
from tests.fakes.served import STOCK, Served, order_json, serving
from tests.fakes.stores import FaultyStore, SlowStore
from tests.fakes.wire import Wire, Word, as_map


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path) as running:
        yield running


async def test_replies_come_in_the_order_of_the_commands(served: Served) -> None:
    """Commands that are answered at once, by one shard, by all of them, and by the order desk, in one pipeline."""
    wire = await served.connect()
    skus = {shard_of(Sku(sku), 3) for sku in STOCK}
    assert len(skus) > 1, "the SKUs of this test should not share one shard"
    for turn in range(30):
        hold, order = f"h{turn}", f"o{turn}"
        replies = await wire.pipeline(
            [
                ("PING", turn),
                ("HOLD", hold, "60", "A-1", "1", "B-2", "1"),
                ("NONSENSE",),
                ("STOCK", "C-3"),
                ("COMMIT", hold, "ORDER", order),
                ("LOOKUP", hold),
                ("RELEASE", hold),
                ("RECORD", order_json(order, cancelled=2)),
                ("ORDER", "direct", order),
                ("ORDERS", "LIMIT", "1"),
                ("STOCK", "A-1"),
                ("ECHO", turn),
            ]
        )
        assert (replies[0], replies[-1]) == (str(turn), str(turn))
        assert as_map(replies[1])["hold"] == hold
        assert str(replies[2]).startswith("ERR unknown command")
        assert as_map(replies[3])["sku"] == "C-3"
        assert as_map(replies[4])["order"] == order
        assert as_map(replies[5])["state"] == "committed"
        assert str(replies[6]).startswith("COMMITTED ")
        assert as_map(replies[7])["outcome"] == "newer"
        assert as_map(as_map(replies[8])["lines"][0])["cancelled"] == 2
        assert replies[9]
        assert as_map(replies[10])["committed"] == 0


async def test_no_answer_leaves_before_its_commit(tmp_path: Path) -> None:
    """Law 2. What only reads waits too when it shows what is not durable yet."""
    store = SlowStore()
    store.open()
    async with serving(tmp_path, store) as served:
        store.shut()
        first, *others = [await served.connect() for _ in range(9)]
        await first.send("HOLD", "h", "60", "A-1", "1")
        with trio.fail_after(5):
            while not store.appending:
                await trio.lowlevel.checkpoint()
        asked: list[tuple[Word, ...]] = [
            ("STOCK", "A-1"),
            ("LOOKUP", "h"),
            ("HOLD", "h", "60", "A-1", "1"),
            ("COMMIT", "h"),
            ("ADJUST", "k", "B-2", "berlin", "1", "found"),
            ("RECORD", order_json()),
            ("ORDER", "direct", "77"),
            ("ORDERS",),
        ]
        for wire, words in zip(others, asked, strict=True):
            await wire.send(*words)
            await trio.testing.wait_all_tasks_blocked(0.002)
        early: list[object] = []

        async def listen(wire: Wire) -> None:
            early.append(await wire.read())

        async with trio.open_nursery() as nursery:
            for wire in (first, *others):
                nursery.start_soon(listen, wire)
            await trio.testing.wait_all_tasks_blocked(0.02)
            assert early == []
            assert await (await served.connect()).call("PING") == "PONG"
            store.open()
        assert len(early) == 9
        assert not [answer for answer in early if isinstance(answer, hiredis.ReplyError)]


async def test_a_stalled_journal_says_so_and_nothing_answered_is_lost(tmp_path: Path) -> None:
    store = FaultyStore()
    async with serving(tmp_path, store) as served:
        wire, other = await served.connect(), await served.connect()
        store.refuse("disk full")
        await wire.send("HOLD", "h", "60", "A-1", "1")
        with trio.fail_after(5):
            while served.node.journal.stalled is None:
                await trio.lowlevel.checkpoint()
        assert await other.call("IMPORT", "STAGE", "i", '[{"kind": "sku", "sku": "N"}]') == "OK"
        refused: list[tuple[Word, ...]] = [
            ("HOLD", "i", "60", "A-1", "1"),
            ("COMMIT", "h"),
            ("COMMIT", "h", "ORDER", "77"),
            ("RELEASE", "h"),
            ("ADJUST", "k", "A-1", "berlin", "1", "found"),
            ("RECEIVE", "k", "A-1", "berlin", "1"),
            ("RECORD", order_json()),
            ("IMPORT", "APPLY", "i"),
        ]
        for words in refused:
            assert await other.error(*words) == "STALLED the journal cannot be written: disk full", words
        assert await other.map("HEALTH") == {"ready": 0, "journal": "stalled: disk full", "accounts": []}
        store.mend()
        assert as_map(await wire.read())["hold"] == "h"
        assert await other.error("LOOKUP", "i") == "NOSUCHHOLD hold=i"
        applied = await other.map("IMPORT", "APPLY", "i")
        assert (applied["skus"], applied["listings"], applied["stock"]) == (1, 0, 0)
        assert await served.figures("A-1") == (10, 0, 1)


async def test_a_hold_of_several_skus_is_one_frame_of_the_journal(tmp_path: Path) -> None:
    """A crash keeps all of it or none, however small the frames are: the SKUs lie in different shards."""
    store = MemoryStore()
    async with serving(tmp_path, store, limits=Limits(commit_entries_max=1)) as served:
        wire = await served.connect(3)
        for commands in (
            [("HOLD", "h", "60", "A-1", "1", "B-2", "1", "C-3", "1"), ("RELEASE", "h")],
            [("HOLD", "i", "60", "A-1", "1", "B-2", "1", "C-3", "1"), ("COMMIT", "i", "ORDER", "77")],
        ):
            before = len(store.frames)
            await wire.pipeline(commands)
            assert [len(decode_events(frame)) for frame in store.frames[before:]] == [3, 3]


@pytest.mark.parametrize("step_seconds", [3600.0, -3600.0])
async def test_a_hold_keeps_its_time_when_the_system_clock_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step_seconds: float
) -> None:
    """A hold promises a duration: a clock set forward must not end it, one set back must not prolong it."""
    monotonic = time.monotonic()
    system = time.clock_gettime(time.CLOCK_REALTIME)
    set_by = 0.0
    monkeypatch.setattr("ops.clock.time.clock_gettime", lambda _id: system + set_by + time.monotonic() - monotonic)
    clock = SteadyClock()
    async with serving(tmp_path, clock=clock) as served:
        wire = await served.connect(3)
        held = await wire.map("HOLD", "h", "60", "A-1", "1")
        set_by = step_seconds
        assert clock.follow() == pytest.approx(step_seconds, abs=1)
        looked = await wire.map("LOOKUP", "h")
        assert (looked["state"], looked["expires_at"]) == ("held", held["expires_at"])
        later = await wire.map("HOLD", "i", "60", "A-1", "1")
        gap = datetime.fromisoformat(later["expires_at"]) - datetime.fromisoformat(held["expires_at"])
        assert timedelta(0) < gap < timedelta(seconds=10)
