"""A node whose oldest frames are in segments knows and tells what it did before; one that lacks a file says which."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.store import trimming
from adapters.store.sqlite import SqliteStore, open_store
from engine.domain.errors import JournalCut
from ops import archiving
from ops.bystander import build_bystander
from ops.recovery import catch_up
from ops.state import digests
from tests.contract.test_socket import SetClock
from tests.fakes.running import settings_for
from tests.fakes.served import order_json, serving
from tests.fakes.tiers import tidy
from tests.fakes.wire import Wire

COMMANDS = (
    ("HOLD", "cart-1", "30", "A-1", "3"),
    ("RECEIVE", "r-1", "A-1", "hamburg", "5"),
    ("RECORD", order_json(shipped=1)),
    ("HOLD", "cart-2", "900", "A-1", "2", "B-2", "1"),
    ("ADJUST", "k-1", "A-1", "berlin", "-2", "damaged"),
    ("COMMIT", "cart-2", "ORDER", "78"),
)
QUESTIONS = (("HISTORY", "A-1"), ("EXPLAIN", "A-1", "AT", "-3s"), ("HISTORY", "B-2"))


@pytest.fixture
async def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SqliteStore]:
    monkeypatch.setattr(archiving, "_SEGMENT_BYTES", 600)
    monkeypatch.setattr(trimming, "_PAUSE_SECONDS", 0)
    opened = await open_store(tmp_path / "journal.sqlite3", archive=tmp_path / "archive")
    await opened.claim("test")
    yield opened
    await opened.aclose()


async def sell(wire: Wire, clock: SetClock) -> None:
    for words in COMMANDS:
        clock.advance(1)
        assert not str(await wire.call(*words)).startswith("ERR")


async def ask(wire: Wire) -> list[dict[str, Any]]:
    return [await wire.map(*words) for words in QUESTIONS]


async def know(store: SqliteStore, clock: SetClock) -> dict[str, str]:
    """Replay the journal into a new node; return what that knows."""
    node = build_bystander(settings_for(None), clock)
    await catch_up(node, store)
    return digests(node, clock.now() + timedelta(hours=1))


async def test_what_is_known_and_told_is_the_same(tmp_path: Path, store: SqliteStore) -> None:
    """Lesson I5: the past is answered, and replayed, wherever its frames are; the daemon that put them away goes on."""
    clock = SetClock()
    async with serving(tmp_path, store, clock=clock) as served:
        clock.advance(60)
        wire = await served.connect(3)
        await sell(wire, clock)
        told, known = await ask(wire), await know(store, clock)
        done = await tidy(store, tmp_path / "archive")
        assert len(done.made) >= 2
        assert await ask(wire) == told
        assert await know(store, clock) == known
        assert (await wire.map("SCAN", "DEEP"))["found"] == 0
        assert (await wire.map("HOLD", "cart-3", "900", "A-1", "1"))["hold"] == "cart-3"
    assert any(known.values())


async def test_a_segment_that_is_missing_is_named_and_sales_go_on(tmp_path: Path, store: SqliteStore) -> None:
    clock = SetClock()
    async with serving(tmp_path, store, clock=clock) as served:
        clock.advance(60)
        wire = await served.connect(3)
        await sell(wire, clock)
        told = await ask(wire)
        segment = (await tidy(store, tmp_path / "archive")).made[1]
        file = tmp_path / "archive" / segment.file
        file.rename(tmp_path / "tape")
        needed = f"frames {segment.first} to {segment.last} are needed and were put away: put {file} back"
        for words in (*QUESTIONS, ("SCAN", "DEEP")):
            assert await wire.error(*words) == f"PUTAWAY {store.place}: {needed}"
        assert (await wire.map("HOLD", "cart-3", "900", "A-1", "1"))["hold"] == "cart-3"
        with pytest.raises(JournalCut, match=needed):
            await know(store, clock)
        (tmp_path / "tape").rename(file)
        await wire.call("RELEASE", "cart-3")
        assert (await ask(wire))[1:] == told[1:]
