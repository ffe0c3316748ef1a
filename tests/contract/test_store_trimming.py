"""Frames that were put away leave a SQLite file beside the commits of its owner, and their room is used again."""

import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
import trio

from adapters.store import checkpoints, trimming
from adapters.store.sqlite import SqliteStore, open_store
from adapters.store.sqlite_archive import open_to_archive, shrink
from adapters.store.sqlite_file import SCHEMA_VERSION
from adapters.store.trimming import trim
from engine.domain.errors import JournalUnavailable, StoreInUse
from ops.archiving import Bounds, put_away
from tests.contract.test_store_checkpoints import FRAME_BYTES, Heard, append, frame, size_of, wait_until

ALL = 1 << 62


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite3"


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A move, and before it a trim, is due after ten frames; a transaction takes out four of them."""
    monkeypatch.setattr(checkpoints, "_MOVED_BYTES", 10 * FRAME_BYTES)
    monkeypatch.setattr(checkpoints, "_TRIMMED_BYTES", 20 * 10_000)
    monkeypatch.setattr(trimming, "_BATCH_BYTES", 4 * 10_000)


@asynccontextmanager
async def owned(path: Path, heard: Heard | None = None) -> AsyncIterator[SqliteStore]:
    store = await open_store(path, inline_seconds_max=1e9, listener=heard, archive=path.with_name("archive"))
    await store.claim("test")
    try:
        yield store
    finally:
        await store.aclose()


async def archive(path: Path, through: int = ALL) -> int:
    """Put away what may go, as another process does; return the last frame that was."""
    source = open_to_archive(path, path.with_name("archive"))
    try:
        return (await put_away(source, path.with_name("archive"), Bounds(through=through))).through
    finally:
        await source.aclose()


async def check_whole(store: SqliteStore, count: int) -> None:
    assert await store.read(0, count + 1) == tuple(frame(position) for position in range(1, count + 1))


@pytest.mark.slow
async def test_a_file_does_not_grow_when_archiving_keeps_up(path: Path) -> None:
    sizes: list[int] = []
    async with owned(path) as store:
        for _ in range(8):
            await append(store, 20)
            through = await archive(path)
            await append(store, 20)
            await wait_until(lambda through=through: store.first_position == through + 1)  # type: ignore[misc]
            sizes.append(size_of(path))
        assert max(sizes[3:]) <= sizes[3] * 1.1, "what is written uses the room of what went"
        await check_whole(store, 320)


@pytest.mark.slow
async def test_trimming_catches_up_with_whatever_was_left(path: Path) -> None:
    """Twice as much goes as comes, a little before each move of the log."""
    async with owned(path) as store:
        await append(store, 100)
        assert await archive(path) == 99
        for _ in range(7):
            await append(store, 10)
            await wait_until(lambda: store.log_bytes < 10 * FRAME_BYTES)
        await wait_until(lambda: store.first_position == 100)
        await check_whole(store, 170)


@pytest.mark.slow
async def test_no_commit_is_refused_and_no_frame_lost_while_frames_are_put_away(path: Path) -> None:
    """All at once: commits in this thread, trims in theirs, segments and their records in a third."""
    done = trio.Event()
    async with owned(path) as store:
        await append(store, 40)

        async def put_away_again_and_again() -> None:
            while await archive(path) < 300:
                await trio.lowlevel.checkpoint()
            done.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(put_away_again_and_again)
            while not done.is_set():
                await append(store, 3)
                await trio.lowlevel.checkpoint()
                assert (await store.read(10, 1))[0] == frame(11), "in the file or in a segment"
        await check_whole(store, store._last)


async def test_a_trim_that_fails_is_told_and_the_log_is_moved_all_the_same(path: Path) -> None:
    heard = Heard()
    async with owned(path, heard) as store:
        await append(store, 5)
        store._connection.execute(
            "CREATE TRIGGER keep BEFORE DELETE ON frames BEGIN SELECT RAISE(ABORT, 'no room, say'); END"
        )
        assert await archive(path) == 4
        await append(store, 15)
        await wait_until(lambda: bool(heard.untrimmed) and store.log_bytes < 10 * FRAME_BYTES)
        assert heard.untrimmed[0] == "no room, say"
        assert heard.failed == []
        store._connection.execute("DROP TRIGGER keep")
        await append(store, 15)
        await wait_until(lambda: store.first_position == 5)


async def test_commits_come_between_two_transactions_of_a_trim(path: Path) -> None:
    """A commit never waits for more than some frames, however many there are to go."""
    async with owned(path) as store:
        await append(store, 30)
        assert await archive(path) == 29
    committing, firsts, held = threading.Lock(), [], []
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.set_trace_callback(lambda sql: held.append(committing.locked()) if "DELETE" in sql else None)

        def look() -> bool:
            assert not committing.locked()
            firsts.append(trimming.first_position(connection))
            return len(firsts) < 5

        assert trim(connection, committing, bytes_max=ALL, wanted=look) == 16
    assert firsts == [1, 5, 9, 13, 17], "and it ends when it is told to"
    assert held == [True] * 4, "commits wait meanwhile, rather than meet a lock of SQLite's"


async def test_nothing_goes_without_a_record_and_the_newest_frame_never(path: Path) -> None:
    async with owned(path) as store:
        await append(store, 30)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        assert trim(connection, threading.Lock(), bytes_max=ALL, wanted=lambda: True) == 0
        assert trimming.first_position(connection) == 1
        connection.execute("INSERT INTO segments VALUES (1, 99, 'beyond the end', 0, '', 0)")
        assert trim(connection, threading.Lock(), bytes_max=ALL, wanted=lambda: True) == 29
        assert trimming.first_position(connection) == 30


@pytest.mark.slow
async def test_room_is_given_back_to_the_disk_when_no_daemon_has_the_file(path: Path) -> None:
    async with owned(path) as store:
        await append(store, 200)
        assert await archive(path, through=190) == 190
        with pytest.raises(StoreInUse, match="belongs to a running daemon"):
            await trio.to_thread.run_sync(shrink, path)
    before = size_of(path)
    freed = await trio.to_thread.run_sync(shrink, path)
    assert freed == before - size_of(path) > 1_500_000
    async with owned(path) as store:
        assert store.first_position == 191
        await append(store, 1)
        await check_whole(store, 201)
    with pytest.raises(JournalUnavailable, match="there is no such file"):
        await trio.to_thread.run_sync(shrink, path.with_name("nowhere"))


async def test_a_file_of_an_older_version_is_brought_to_this_one_first(path: Path) -> None:
    async with owned(path) as store:
        await append(store, 5)
        store._connection.execute("DROP TABLE segments")
        store._connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION - 1}")
    with pytest.raises(
        JournalUnavailable, match="is of another version: start the daemon, or `lastunit store migrate`"
    ):
        await archive(path)
    async with owned(path):
        pass
    assert await archive(path) == 4
