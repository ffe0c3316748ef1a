"""Every store is the same thing: durable frames in order, one writer. On the real clock, for real threads and files."""

import os
import sqlite3
import stat
import subprocess
import sys
import threading
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
import trio
import trio.testing

from adapters.store import memory, postgres, postgres_work, segments, sqlite, sqlite_file, trimming
from adapters.store.memory import MemoryStore
from adapters.store.sqlite import SqliteStore, open_store
from engine.actors.journal import Journal
from engine.domain.errors import AppendUnknown, Fenced, JournalUnavailable, StoreCorrupt, StoreInUse
from engine.domain.events import SkuAdded
from engine.domain.units import Sku
from engine.ports import Frame, Store
from tests.fakes.clocks import START, NoonClock
from tests.fakes.postgres import DAEMON, migrated_database, shared_server
from tests.fakes.running import SilentTelemetry
from tests.fakes.tiers import Tidied

Reopen = Callable[[], Awaitable[Store]]


def frame(position: int, payload: bytes | None = None) -> Frame:
    return Frame(
        position=position,
        written_at=START + timedelta(microseconds=position),
        payload=f"payload {position}".encode() if payload is None else payload,
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite3"


KINDS = ["memory", "sqlite in a thread", "sqlite inline", "postgres", "sqlite put away", "postgres put away"]
"""Of the last two all frames but the newest are in segments whenever anybody looks."""
Open = Callable[..., Awaitable[Store]]


@pytest.fixture(params=KINDS)
async def opener(request: pytest.FixtureRequest, path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Open]:
    """Return what opens one store again and again; on PostgreSQL as a role that may do no more than it must.

    `lease_seconds` is for how long a silent owner keeps others away, where the store has such a thing.
    """
    frames: list[Frame] = []
    claims: list[str] = []
    opened: list[Store] = []
    archive = path.with_name("archive") if "put away" in request.param else None
    archivers = [DAEMON] if archive else []
    monkeypatch.setattr(trimming, "_PAUSE_SECONDS", 0)
    database = await migrated_database(shared_server(), archivers) if "postgres" in request.param else None

    async def open_once_more(lease_seconds: float = 6.0) -> Store:
        if archive is not None:
            store = (
                await open_store(path, archive=archive)
                if database is None
                else await postgres.open_store(database.terms(lease_seconds=lease_seconds), archive=archive)
            )
            opened.append(cast("Store", Tidied(store, archive)))
        elif database is not None:
            opened.append(await postgres.open_store(database.terms(lease_seconds=lease_seconds)))
        elif request.param == "memory":
            opened.append(MemoryStore(frames, claims))
        else:
            opened.append(await open_store(path, inline_seconds_max=1e9 if request.param == "sqlite inline" else 0))
        return opened[-1]

    yield open_once_more
    for store in opened:
        await store.aclose()


@pytest.fixture
def reopen(opener: Open) -> Reopen:
    """Return what closes the store, opens it again and claims it, as a restart does."""
    opened: list[Store] = []

    async def close_and_open() -> Store:
        for store in opened:
            await store.aclose()
        opened.append(await opener())
        assert await opened[-1].claim("test") == len(opened)
        return opened[-1]

    return close_and_open


@pytest.fixture
def another(opener: Open, path: Path, monkeypatch: pytest.MonkeyPatch) -> Reopen:
    """Return what opens the store beside those that have it, as a second machine does that has given the first one up.

    It takes what a store has against that away: the lock file of SQLite, the lease of PostgreSQL.
    """
    monkeypatch.setattr(postgres_work, "_LOCK_WAIT_MS", 1)

    async def open_another() -> Store:
        path.with_name(path.name + ".lock").unlink(missing_ok=True)
        return await opener(lease_seconds=0.0)

    return open_another


# -- the contract


async def test_a_new_store_is_empty(reopen: Reopen) -> None:
    store = await reopen()
    assert await store.read(0, 10) == ()


async def test_frames_are_read_back_whole_and_in_order(reopen: Reopen) -> None:
    store = await reopen()
    frames = tuple(frame(position, bytes([position]) * position * 30_000) for position in range(1, 6))
    for each in frames:
        await store.append(each)
    assert await store.read(0, 10) == frames
    store = await reopen()
    assert await store.read(0, 10) == frames
    await store.append(frame(6, b""))
    assert (await store.read(5, 10)) == (frame(6, b""),)


async def test_a_long_journal_is_read_page_by_page(reopen: Reopen) -> None:
    store = await reopen()
    frames = tuple(frame(position) for position in range(1, 8))
    for each in frames:
        await store.append(each)
    assert await store.read(0, 3) == frames[:3]
    assert await store.read(3, 3) == frames[3:6]
    assert await store.read(6, 3) == frames[6:]
    assert await store.read(7, 3) == ()
    assert await store.read(99, 3) == ()


@pytest.mark.parametrize("wrong", [0, 1, 2, 4])
async def test_a_position_that_is_not_the_next_is_another_writer_at_work(reopen: Reopen, wrong: int) -> None:
    store = await reopen()
    await store.append(frame(1))
    await store.append(frame(2))
    for _ in range(2):
        with pytest.raises(AppendUnknown):
            await store.append(frame(wrong))
        store = await reopen()
        assert await store.read(0, 10) == (frame(1), frame(2))
    await store.append(frame(3))


async def test_closing_twice_is_closing_once(reopen: Reopen) -> None:
    store = await reopen()
    await store.append(frame(1))
    await store.aclose()
    await store.aclose()


async def search_all(store: Store, after: int, until: int, *needles: bytes) -> list[Frame]:
    """Search to the end; every step must come further."""
    found: list[Frame] = []
    while after < until:
        step = await store.search(after, until, needles)
        assert after < step.through <= until
        found += step.frames
        after = step.through
    return found


async def test_a_search_brings_the_frames_that_have_any_of_the_words(reopen: Reopen) -> None:
    """Lesson I5: what happened to one SKU is found among all that happened to others."""
    store = await reopen()
    frames = [frame(n, b"\x00" + bytes([65 + n]) * 3 + b"\xa3A-1\xff" * (n % 3 == 0)) for n in range(1, 8)]
    for each in frames:
        await store.append(each)
    assert await search_all(store, 0, 7, b"\xa3A-1") == [frames[2], frames[5]]
    assert await search_all(store, 0, 7, b"BBB", b"\xa3A-1", b"none") == [frames[0], frames[2], frames[5]]
    assert await search_all(store, 3, 5, b"\xa3A-1") == [], "neither the first position nor what is behind the last"
    assert await search_all(store, 2, 6, b"\xa3A-1") == [frames[2], frames[5]]
    assert await search_all(store, 0, 7) == frames
    assert await search_all(store, 7, 7, b"\xa3A-1") == []


async def test_a_search_goes_in_steps(reopen: Reopen, monkeypatch: pytest.MonkeyPatch) -> None:
    """One step is bounded in frames looked at and in bytes kept, however much there is to find."""
    monkeypatch.setattr(memory, "_SEARCHED_MAX", 3)
    monkeypatch.setattr(sqlite, "_SEARCHED_MAX", 3)
    monkeypatch.setattr(sqlite, "_FOUND_BYTES_MAX", 12)
    monkeypatch.setattr(postgres_work, "_SEARCHED_MAX", 3)
    monkeypatch.setattr(postgres_work, "_FOUND_BYTES_MAX", 12)
    monkeypatch.setattr(segments, "_SEARCHED_MAX", 3)
    monkeypatch.setattr(segments, "_FOUND_BYTES_MAX", 12)
    store = await reopen()
    frames = [frame(n) for n in range(1, 12)]
    for each in frames:
        await store.append(each)
    step = await store.search(0, 11, (b"payload",))
    assert 0 < step.through <= 3
    assert len(step.frames) == step.through
    assert await search_all(store, 0, 11, b"payload") == frames
    assert await search_all(store, 0, 11) == frames
    assert (await store.search(0, 11, (b"payload 9",))).frames == ()


async def test_a_search_sees_what_was_appended_meanwhile(reopen: Reopen) -> None:
    store = await reopen()
    await store.append(frame(1))
    assert (await store.search(0, 1, (b"payload",))).frames == (frame(1),)
    await store.append(frame(2))
    assert (await store.search(1, 2, (b"payload",))).frames == (frame(2),)


# -- the contract: one owner


async def test_nobody_writes_without_a_claim(another: Reopen) -> None:
    store = await another()
    with pytest.raises(Fenced, match="this process has not claimed it"):
        await store.append(frame(1))
    assert await store.read(0, 10) == ()
    assert await store.claim("first") == 1
    await store.append(frame(1))


async def test_an_owner_that_was_replaced_writes_nothing_more(another: Reopen) -> None:
    """Lesson H4: paused and given up, it wakes and goes on where it was."""
    older, newer = await another(), await another()
    await older.claim("older")
    await older.append(frame(1))
    assert await newer.claim("newer") == 2
    for _ in range(2):
        with pytest.raises(Fenced, match=r"belongs to newer \(epoch 2\): epoch 1 of this process is over") as fenced:
            await older.append(frame(2, b"of the older"))
        assert (fenced.value.epoch, fenced.value.newest) == (1, 2)
    assert await newer.read(0, 10) == (frame(1),)
    await newer.append(frame(2, b"of the newer"))
    with pytest.raises(Fenced):
        await older.append(frame(2, b"of the older"))
    assert await older.read(0, 10) == (frame(1), frame(2, b"of the newer"))


async def test_a_claim_sees_what_the_one_before_it_wrote_last(another: Reopen) -> None:
    older, newer = await another(), await another()
    await older.claim("older")
    await newer.read(0, 10)
    await older.append(frame(1))
    await newer.claim("newer")
    assert await newer.read(0, 10) == (frame(1),)
    await newer.append(frame(2))


async def test_epochs_rise_whoever_claims(another: Reopen) -> None:
    first, second = await another(), await another()
    epochs = [await store.claim("again") for store in (first, second, first, first, second)]
    assert epochs == [1, 2, 3, 4, 5]
    await second.append(frame(1))
    with pytest.raises(Fenced):
        await first.append(frame(1))


async def test_an_append_and_a_claim_at_the_same_moment_come_one_after_the_other(another: Reopen) -> None:
    """Either the frame was there before the claim, and the newer sees it, or it is not there at all."""
    for _ in range(5):
        older, newer = await another(), await another()
        await older.claim("older")
        before = len(await older.read(0, 100))
        fenced: list[Fenced] = []

        async def append(store: Store = older, position: int = before + 1, told: list[Fenced] = fenced) -> None:
            try:
                await store.append(frame(position))
            except Fenced as error:
                told.append(error)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(append)
            nursery.start_soon(newer.claim, "newer")
        last = len(await newer.read(0, 100))
        assert last == before + (not fenced)
        await newer.append(frame(last + 1))
        await older.aclose()
        await newer.aclose()


# -- SQLite: one owner, ours, whole


@asynccontextmanager
async def opened(path: Path, *, inline_seconds_max: float = 0) -> AsyncIterator[SqliteStore]:
    store = await open_store(path, inline_seconds_max=inline_seconds_max)
    await store.claim("test")
    try:
        yield store
    finally:
        await store.aclose()


async def write(path: Path, count: int, payload: bytes | None = None) -> None:
    async with opened(path) as store:
        for position in range(1, count + 1):
            await store.append(frame(position, payload))


def execute(path: Path, statement: str) -> None:
    """Do something to the file behind our back."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(statement)
    connection.close()


def flip(path: Path, text: bytes, occurrence: int) -> None:
    """Change one bit where the file holds `text` for the so-manieth time."""
    content = bytearray(path.read_bytes())
    at = -1
    for _ in range(occurrence):
        at = content.index(text, at + 1)
    content[at] ^= 1
    path.write_bytes(content)


def truncate(path: Path, kept: float) -> None:
    os.truncate(path, int(path.stat().st_size * kept))


def changed_at(path: Path) -> float:
    return path.stat().st_mtime


def content_of(path: Path) -> bytes:
    return path.read_bytes()


async def read_all(path: Path) -> None:
    async with opened(path) as store:
        await store.read(0, 1000)


async def test_a_second_opener_is_told_who_has_it(path: Path) -> None:
    async with opened(path):
        with pytest.raises(StoreInUse, match=rf"belongs to a running daemon \(process {os.getpid()}\)"):
            await open_store(path)
    async with opened(path):
        pass


async def test_only_its_owner_may_read_it(path: Path) -> None:
    async with opened(path) as store:
        await store.append(frame(1))
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    assert modes == dict.fromkeys(modes, 0o600)
    assert {"journal.sqlite3", "journal.sqlite3.lock", "journal.sqlite3-wal"} <= modes.keys()


async def test_a_database_of_another_program_is_left_alone(path: Path) -> None:
    execute(path, "CREATE TABLE invoices (id INTEGER)")
    before = content_of(path)
    for _ in range(2):  # the second time is about the lock
        with pytest.raises(StoreCorrupt, match="database of another program"):
            await open_store(path)
    assert content_of(path) == before


async def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    with path.open("w") as file:  # a test has nobody to keep waiting
        file.write("sku,on_hand\nA,1\n" * 100)
    with pytest.raises(StoreCorrupt, match="not a database"):
        await open_store(path)


async def test_a_database_of_a_newer_program_is_refused(path: Path) -> None:
    await write(path, 1)
    execute(path, "PRAGMA user_version = 99")
    with pytest.raises(StoreCorrupt, match=r"newer lastunit \(schema 99"):
        await open_store(path)


async def test_a_journal_without_owners_is_brought_to_this_version(path: Path) -> None:
    """As 0.1 wrote it."""
    execute(path, f"PRAGMA application_id = {0x6C756E74}")
    execute(
        path,
        "CREATE TABLE frames (position INTEGER PRIMARY KEY, written_at INTEGER NOT NULL, "
        "digest INTEGER NOT NULL, payload BLOB NOT NULL) STRICT",
    )
    execute(path, f"INSERT INTO frames VALUES (1, 7, {zlib.crc32(b'old')}, CAST('old' AS BLOB))")
    execute(path, "PRAGMA user_version = 1")
    for epoch in (1, 2):
        async with opened(path) as store:
            assert [each.payload for each in await store.read(0, 1)] == [b"old"]
            await store.append(frame(1 + epoch))
            (newest,) = await store.claims(1)
            assert (newest.epoch, newest.owner, newest.after_position) == (epoch, "test", epoch)
            assert abs(newest.claimed_at.timestamp() - changed_at(path)) < 60


async def test_a_folder_that_does_not_exist_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(JournalUnavailable, match="No such file or directory"):
        await open_store(tmp_path / "nowhere" / "journal.sqlite3")


async def test_a_flipped_byte_is_found_and_its_frame_named(path: Path) -> None:
    await write(path, 3, b"the last unit is never sold twice")
    flip(path, b"never sold", occurrence=2)
    async with opened(path) as store:
        with pytest.raises(StoreCorrupt, match="frame 2 does not match its digest"):
            await store.read(0, 10)


async def test_a_search_checks_what_it_brings(path: Path) -> None:
    await write(path, 3, b"the last unit is never sold twice")
    flip(path, b"never sold", occurrence=2)
    async with opened(path) as store:
        assert (await store.search(0, 1, (b"last unit",))).frames[0].position == 1
        with pytest.raises(StoreCorrupt, match="frame 2 does not match its digest"):
            await store.search(0, 3, (b"last unit",))


async def test_a_search_through_all_frames_misses_none(path: Path) -> None:
    await write(path, 3)
    execute(path, "DELETE FROM frames WHERE position = 2")
    async with opened(path) as store:
        with pytest.raises(StoreCorrupt, match="of frames 1 to 3 only 2 are there"):
            await store.search(0, 3, ())


async def test_a_search_does_not_stand_in_the_way_of_an_append(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its connection and its thread are its own: the writer commits while a step is under way."""
    async with opened(path, inline_seconds_max=1e9) as store:
        await store.append(frame(1))
        checked, appended = sqlite_file.checked, threading.Event()

        def wait_for_the_append(*row: Any) -> Frame:
            assert appended.wait(10), "the append waited for the search"
            return checked(*row)

        monkeypatch.setattr(sqlite, "checked", wait_for_the_append)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.search, 0, 1, (b"payload",))
            await trio.testing.wait_all_tasks_blocked()
            await store.append(frame(2))
            appended.set()
        assert store._last == 2


@pytest.mark.parametrize("missing", [1, 2])
async def test_a_missing_frame_is_found_and_named(path: Path, missing: int) -> None:
    await write(path, 3)
    execute(path, f"DELETE FROM frames WHERE position = {missing}")
    with pytest.raises(StoreCorrupt, match=f"frame {missing} is missing, the next one is {missing + 1}"):
        await read_all(path)


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.99])
async def test_a_truncated_file_is_not_served_from(path: Path, kept: float) -> None:
    await write(path, 40, b"x" * 3000)
    truncate(path, kept)
    with pytest.raises(StoreCorrupt):
        await read_all(path)


# -- SQLite: when it cannot write


async def test_a_locked_database_refuses_and_goes_on_when_it_is_free(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_BUSY_SECONDS", 0.01)
    async with opened(path) as store:
        await store.append(frame(1))
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalUnavailable, match="locked"):
            await store.append(frame(2))
        assert await store.read(0, 10) == (frame(1),), "reading goes on"
        other.execute("ROLLBACK")
        other.close()
        await store.append(frame(2))
        assert await store.read(0, 10) == (frame(1), frame(2))


async def test_a_locked_database_is_not_waited_for_in_the_loop_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit is made in the loop's own thread only while the disk is quick; one long wait is enough."""
    monkeypatch.setattr(sqlite, "_BUSY_SECONDS", 0.05)
    threads: list[threading.Thread] = []
    async with opened(path, inline_seconds_max=1e9) as store:
        append = store._append

        def note_thread(each: Frame) -> None:
            threads.append(threading.current_thread())
            append(each)

        monkeypatch.setattr(store, "_append", note_thread)
        await store.append(frame(1))
        await store.append(frame(2))
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        for _ in range(2):
            with pytest.raises(JournalUnavailable):
                await store.append(frame(3))
        other.execute("ROLLBACK")
        other.close()
    assert threads[-1] is not threading.main_thread()


async def test_a_database_locked_at_the_start_is_said_so(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "_BUSY_SECONDS", 0.01)
    await write(path, 1)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(JournalUnavailable, match="locked"):
        await open_store(path)
    other.close()
    await read_all(path)


async def test_a_full_disk_refuses_and_goes_on_when_there_is_room(path: Path) -> None:
    async with opened(path) as store:
        await store.append(frame(1))
        pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
        store._connection.execute(f"PRAGMA max_page_count = {pages}")
        for _ in range(2):
            with pytest.raises(JournalUnavailable, match="full"):
                await store.append(frame(2, b"x" * 100_000))
        store._connection.execute("PRAGMA max_page_count = 1000000")
        await store.append(frame(2))
        assert await store.read(0, 10) == (frame(1), frame(2))


async def test_a_journal_over_a_full_disk_stalls_and_loses_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.actors.journal._RETRY_SECONDS", 0.001)
    stalled = trio.Event()

    class Listener(SilentTelemetry):
        def stalled(self, reason: str | None) -> None:
            stalled.set()

    async with opened(path) as store, trio.open_nursery() as nursery:
        journal = Journal(store, NoonClock(), entries_max=9, waiting_max=9, stall_seconds_max=60, listener=Listener())
        await nursery.start(journal.run)
        assert await journal.record([SkuAdded(at=START, sku=Sku("A"))]) == 1
        store._connection.execute("PRAGMA max_page_count = 1")
        answers: list[int] = []
        journal.enqueue([SkuAdded(at=START, sku=Sku("B"), name="x" * 50_000)], answers.append)
        await stalled.wait()
        assert answers == []
        store._connection.execute("PRAGMA max_page_count = 1000000")
        assert await journal.record([SkuAdded(at=START, sku=Sku("C"))]) == 3
        assert answers == [2]
        nursery.cancel_scope.cancel()


async def test_a_disk_that_fails_leaves_the_outcome_unknown(path: Path) -> None:
    """Nobody knows what a failed sync wrote: only a successor that reads it again does."""

    class Failing:
        def execute(self, *_: object) -> None:
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
            raise error

    async with opened(path) as store:
        whole, store._connection = store._connection, Failing()  # type: ignore[assignment]
        with pytest.raises(AppendUnknown, match="disk I/O error"):
            await store.append(frame(1))
        store._connection = whole


# -- SQLite: durable means after the process is gone

_WRITE_AND_DIE = """
import os, sys, trio
from pathlib import Path
from adapters.store.sqlite import open_store
from engine.domain.units import EPOCH
from engine.ports import Frame

async def main():
    store = await open_store(Path(sys.argv[1]), inline_seconds_max=float(sys.argv[2]))
    await store.claim("test")
    for position in (1, 2, 3):
        await store.append(Frame(position=position, written_at=EPOCH, payload=b"%d" % position))
    os._exit(9)

trio.run(main)
"""


@pytest.mark.slow
@pytest.mark.process
@pytest.mark.parametrize("inline_seconds_max", [0, 1e9], ids=["thread", "inline"])
async def test_what_was_appended_survives_the_process(path: Path, inline_seconds_max: float) -> None:
    died = await trio.to_thread.run_sync(
        lambda: subprocess.run(
            [sys.executable, "-c", _WRITE_AND_DIE, str(path), str(inline_seconds_max)], check=False, timeout=60
        )
    )
    assert died.returncode == 9
    async with opened(path) as store:
        assert [each.payload for each in await store.read(0, 10)] == [b"1", b"2", b"3"]
