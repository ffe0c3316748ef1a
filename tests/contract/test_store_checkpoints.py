"""SQLite's log is moved into the database beside the commits: bounded, closed cleanly, and no harm when it fails."""

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import trio

from adapters.store import checkpoints
from adapters.store.sqlite import SqliteStore, open_store
from engine.domain.errors import JournalUnavailable
from engine.ports import Frame
from tests.fakes.clocks import START

PAYLOAD = b"x" * 10_000
FRAME_BYTES = 4120 + len(PAYLOAD) * 4120 // 4096
"""What a frame of this size adds to the log, as the store counts."""


def frame(position: int) -> Frame:
    return Frame(position=position, written_at=START + timedelta(microseconds=position), payload=PAYLOAD)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite3"


@pytest.fixture(autouse=True)
def small_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """A move is due after ten frames, and overdue after forty."""
    monkeypatch.setattr(checkpoints, "_MOVED_BYTES", 10 * FRAME_BYTES)
    monkeypatch.setattr(checkpoints, "LOG_BYTES_MAX", 40 * FRAME_BYTES)


class Heard:
    """What operators would be told."""

    def __init__(self) -> None:
        self.failed: list[str] = []
        self.overdue: list[int] = []
        self.untrimmed: list[str] = []

    def checkpoint_failed(self, reason: str, log_bytes: int) -> None:
        assert log_bytes > 0
        self.failed.append(reason)

    def checkpoint_overdue(self, log_bytes: int) -> None:
        self.overdue.append(log_bytes)

    def trim_failed(self, reason: str) -> None:
        self.untrimmed.append(reason)


@asynccontextmanager
async def opened(
    path: Path, *, inline_seconds_max: float = 1e9, heard: Heard | None = None
) -> AsyncIterator[SqliteStore]:
    store = await open_store(path, inline_seconds_max=inline_seconds_max, listener=heard)
    await store.claim("test")
    try:
        yield store
    finally:
        await store.aclose()


async def append(store: SqliteStore, count: int) -> None:
    for position in range(store._last + 1, store._last + 1 + count):
        await store.append(frame(position))


async def wait_until(true: Callable[[], bool]) -> None:
    """The other side is a thread: there is nothing to await."""
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        await trio.to_thread.run_sync(os.sched_yield)


def log_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def size_of(path: Path) -> int:
    return path.stat().st_size


async def check_whole(path: Path, count: int) -> None:
    async with opened(path) as store:
        assert await store.read(0, count + 1) == tuple(frame(position) for position in range(1, count + 1))


@pytest.mark.parametrize("inline_seconds_max", [0, 1e9], ids=["thread", "inline"])
async def test_the_log_is_moved_beside_the_commits_and_begins_anew(path: Path, inline_seconds_max: float) -> None:
    """However many frames there are, the log stays as long as a few moves: it is written over from its beginning."""
    async with opened(path, inline_seconds_max=inline_seconds_max) as store:
        for _ in range(12):
            await append(store, 10)
            await wait_until(lambda: store.log_bytes < 10 * FRAME_BYTES)
        assert store.checkpoint_seconds > 0
        assert size_of(log_of(path)) < 25 * FRAME_BYTES
        assert size_of(path) > 100 * len(PAYLOAD), "it is in the database"
    assert not log_of(path).exists(), "an orderly end leaves one file"
    await check_whole(path, 120)


async def test_commits_wait_for_a_move_that_cannot_keep_up(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The defined end of a log that grows: the commit path moves it, whatever became of the thread."""
    monkeypatch.setattr(checkpoints.Checkpoints, "_run", lambda _self: None)
    heard = Heard()
    async with opened(path, heard=heard) as store:
        await append(store, 150)
        assert heard.overdue == [40 * FRAME_BYTES] * 3
        assert size_of(log_of(path)) < 60 * FRAME_BYTES
    await check_whole(path, 150)


async def test_a_commit_that_must_wait_for_a_move_does_not_stop_the_loop(path: Path) -> None:
    async with opened(path) as store:
        await append(store, 1)
        await append(store, 1)
        with store._checkpoints.committing:  # as the thread does for the last pages
            assert not store.append_nowait(frame(3))
        assert store.append_nowait(frame(3))


async def test_a_reader_keeps_its_pages_and_commits_go_on(path: Path) -> None:
    """A backup under way: the log grows meanwhile, and is moved when it is done."""
    async with opened(path) as store:
        await append(store, 1)
        reader = sqlite3.connect(path, isolation_level=None)
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM frames").fetchone() == (1,)
        await append(store, 99)
        assert store.log_bytes > 40 * FRAME_BYTES
        assert reader.execute("SELECT count(*) FROM frames").fetchone() == (1,)
        reader.close()
        await append(store, 10)
        await wait_until(lambda: store.log_bytes < 11 * FRAME_BYTES)
    await check_whole(path, 110)


async def test_a_move_that_fails_is_told_and_tried_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is in the log still; a commit notices by itself when the disk is full."""
    whole = checkpoints._checkpoint

    def fail(_connection: sqlite3.Connection) -> bool:
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error

    heard = Heard()
    async with opened(path, heard=heard) as store:
        monkeypatch.setattr(checkpoints, "_checkpoint", fail)
        await append(store, 11)
        await wait_until(lambda: heard.failed == ["database or disk is full"])
        with pytest.raises(JournalUnavailable, match="disk is full"):
            await append(store, 60)
        for _ in range(2):
            with pytest.raises(JournalUnavailable, match="disk is full"):
                await append(store, 1)
        reached = store._last
        assert reached >= 40
        monkeypatch.setattr(checkpoints, "_checkpoint", whole)
        await append(store, 20)
        await wait_until(lambda: store.log_bytes < 20 * FRAME_BYTES)
    await check_whole(path, reached + 20)


_WRITE_MOVE_AND_DIE = """
import os, sys, trio
from pathlib import Path
from adapters.store import checkpoints
from adapters.store.sqlite import open_store
from engine.domain.units import EPOCH
from engine.ports import Frame

checkpoints._MOVED_BYTES = 30_000
count, at = int(sys.argv[2]), sys.argv[3]
step = getattr(os, at) if at == "fdatasync" else checkpoints._checkpoint

def die(*arguments):
    step(*arguments)
    if store._last >= count:
        os._exit(9)

async def main():
    global store
    store = await open_store(Path(sys.argv[1]), inline_seconds_max=1e9)
    await store.claim("test")
    if at == "fdatasync":
        os.fdatasync = die
    else:
        checkpoints._checkpoint = die
    position = 0
    while True:
        position += 1
        await store.append(Frame(position=position, written_at=EPOCH, payload=b"%d," % position * 2000))
        print(position, flush=True)

trio.run(main)
"""


@pytest.mark.slow
@pytest.mark.process
@pytest.mark.parametrize("at", ["_checkpoint", "fdatasync"])
@pytest.mark.parametrize("count", [5, 60])
async def test_a_process_that_dies_while_it_moves_loses_nothing(path: Path, count: int, at: str) -> None:
    died = await trio.to_thread.run_sync(
        lambda: subprocess.run(
            [sys.executable, "-c", _WRITE_MOVE_AND_DIE, str(path), str(count), at],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )
    )
    assert died.returncode == 9, died.stderr
    acknowledged = int(died.stdout.split()[-1])
    assert acknowledged >= count - 1
    async with opened(path) as store:
        found = await store.read(0, 100_000)
    assert len(found) >= acknowledged
    assert [each.payload for each in found] == [b"%d," % n * 2000 for n in range(1, len(found) + 1)]
