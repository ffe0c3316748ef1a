"""Old frames move into segments beside whoever writes, and nobody who reads notices; on both kinds of store."""

import errno
import fcntl
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import trio
from msgspec.structs import replace

from adapters.store import trimming
from adapters.store.archive import ArchiveWriter
from adapters.store.postgres import PostgresStore
from adapters.store.postgres import open_store as open_postgres
from adapters.store.sqlite import SqliteStore
from adapters.store.sqlite import open_store as open_sqlite
from adapters.store.sqlite_archive import SqliteArchiver, open_to_archive
from config.schema import Settings
from config.schema import Store as StoreSettings
from engine.domain.errors import ConfigError, JournalUnavailable, StoreCorrupt, StoreInUse
from engine.ports import Frame
from ops import archiving
from ops.archiving import Bounds, leave_recent, put_away, put_away_old
from tests.fakes.clocks import START
from tests.fakes.disks import small_disk
from tests.fakes.postgres import DAEMON, Database, migrated_database, shared_server
from tests.fakes.running import settings_for
from tests.fakes.tiers import tidy

COUNT = 20
ALL = Bounds(through=1 << 40)


def frame(position: int, size: int = 100) -> Frame:
    return Frame(
        position=position, written_at=START + timedelta(hours=position), payload=bytes([position % 256]) * size
    )


FRAMES = [frame(position) for position in range(1, COUNT + 1)]


class Ground:
    """A store that somebody owns, and where its segments are to go."""

    def __init__(self, folder: Path, database: Database | None) -> None:
        self.path = folder / "journal.sqlite3"
        self.archive = folder / "archive"
        self.database = database

    async def open(self) -> SqliteStore | PostgresStore:
        if self.database is None:
            return await open_sqlite(self.path, archive=self.archive)
        return await open_postgres(self.database.terms(), archive=self.archive)

    @asynccontextmanager
    async def source(self) -> AsyncIterator[SqliteArchiver | PostgresStore]:
        """Open it as another process does."""
        opened = (
            open_to_archive(self.path, self.archive)
            if self.database is None
            else await open_postgres(self.database.terms(), archive=self.archive)
        )
        try:
            yield opened
        finally:
            await opened.aclose()

    async def put_away(self, bounds: Bounds = ALL) -> archiving.Archived:
        async with self.source() as source:
            return await put_away(source, self.archive, bounds)

    def files(self) -> list[str]:
        return sorted(each.name for each in self.archive.iterdir() if each.name != "archive.lock")


@pytest.fixture(params=["sqlite", "postgres"])
async def ground(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ground:
    monkeypatch.setattr(archiving, "_SEGMENT_BYTES", 500)
    monkeypatch.setattr(trimming, "_PAUSE_SECONDS", 0)
    database = await migrated_database(shared_server(), [DAEMON]) if request.param == "postgres" else None
    return Ground(tmp_path, database)


@pytest.fixture
async def store(ground: Ground) -> AsyncIterator[SqliteStore | PostgresStore]:
    opened = await ground.open()
    await opened.claim("a daemon")
    await opened.load(FRAMES)
    yield opened
    await opened.aclose()


def name(first: int, last: int) -> str:
    return f"journal-{first:012d}-{last:012d}.gz"


async def test_frames_go_in_segments_of_bounded_size_and_the_newest_stays(
    ground: Ground, store: SqliteStore | PostgresStore
) -> None:
    done = await ground.put_away()
    assert [(each.first, each.last) for each in done.made] == [(1, 5), (6, 10), (11, 15), (16, 19)]
    assert ground.files() == [each.file for each in done.made] == [name(1, 5), name(6, 10), name(11, 15), name(16, 19)]
    assert done.through == 19
    await tidy(store, ground.archive)
    async with ground.source() as source:
        assert (await source.summary()).first == COUNT
        assert [each.position for each in await source.outline(0, 99)] == [COUNT]
        assert list(await source.read(0, 99)) == FRAMES
    await store.append(frame(COUNT + 1))
    assert list(await store.read(0, 99)) == [*FRAMES, frame(COUNT + 1)], "it goes on behind them"
    again = await ground.put_away()
    assert [(each.first, each.last) for each in again.made] == [(20, 20)]


@pytest.mark.parametrize(
    ("bounds", "made"),
    [
        (Bounds(through=0), []),
        (Bounds(through=4), [(1, 4)]),
        (Bounds(through=7), [(1, 5), (6, 7)]),
        (Bounds(through=7, whole=True), [(1, 5)]),
        (Bounds(through=4, whole=True), []),
        (Bounds(through=5, whole=True), [(1, 5)]),
        (Bounds(through=99, before=START + timedelta(hours=8)), [(1, 5), (6, 7)]),
        (Bounds(through=6, before=START + timedelta(hours=8)), [(1, 5), (6, 6)]),
        (Bounds(through=99, before=START), []),
    ],
)
async def test_only_what_may_go_goes(
    ground: Ground, store: SqliteStore | PostgresStore, bounds: Bounds, made: list[tuple[int, int]]
) -> None:
    done = await ground.put_away(bounds)
    assert [(each.first, each.last) for each in done.made] == made
    assert done.through == (made[-1][1] if made else 0)
    await tidy(store, ground.archive, through=0)
    async with ground.source() as source:
        assert (await source.outline(0, 1))[0].position == done.through + 1


class Died(Exception):
    """As SIGKILL would have it: nothing after it happens."""


def dying(calls: list[int], at: int, inner: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def call(*args: object) -> object:
        calls.append(1)
        if len(calls) == at:
            raise Died
        done = await inner(*args)
        calls.append(1)
        if len(calls) == at:
            raise Died
        return done

    return call


@pytest.mark.parametrize("at", [1, 2, 3, 4, 7, 8, 9, 10])
async def test_dying_before_or_after_any_step_loses_nothing(
    ground: Ground, store: SqliteStore | PostgresStore, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """Each frame is in the store, in a segment, or in both; the next run makes the rest."""
    calls: list[int] = []
    async with ground.source() as source:
        for step in ("record", "trim"):
            monkeypatch.setattr(source, step, dying(calls, at, getattr(source, step)))
        with pytest.raises(Died):
            await put_away(source, ground.archive, ALL)
    assert list(await store.read(0, 99)) == FRAMES
    await tidy(store, ground.archive)
    assert ground.files() == [name(1, 5), name(6, 10), name(11, 15), name(16, 19)]
    assert list(await store.read(0, 99)) == FRAMES


async def test_a_segment_that_was_half_written_is_written_anew(
    ground: Ground, store: SqliteStore | PostgresStore
) -> None:
    ground.archive.mkdir()
    for left in (name(1, 5), name(1, 3)):
        (ground.archive / f"{left}.part").write_bytes(b"begun")
    (ground.archive / "notes.part").write_bytes(b"somebody else's")
    await tidy(store, ground.archive, through=5)
    assert ground.files() == [name(1, 5), "notes.part"]
    assert list(await store.read(0, 99)) == FRAMES


async def test_a_segment_of_another_journal_is_not_taken_for_ours(
    ground: Ground, store: SqliteStore | PostgresStore
) -> None:
    """A journal that was set back and went on otherwise finds the files of its other life."""
    ground.archive.mkdir()
    with ArchiveWriter(ground.archive / name(1, 5), after=0) as writer:
        writer.add([*FRAMES[:4], frame(5, 99)])
        writer.finish()
    with pytest.raises(StoreCorrupt, match=rf"frame 5 of .*{name(1, 5)} is not that of"):
        await ground.put_away()
    (ground.archive / name(1, 5)).write_bytes(b"rubbish")
    with pytest.raises(StoreCorrupt, match=name(1, 5)):
        await ground.put_away()
    assert list(await store.read(0, 99)) == FRAMES
    (ground.archive / name(1, 5)).unlink()
    assert len((await ground.put_away()).made) == 4


async def test_a_full_disk_leaves_everything_as_it_was(
    ground: Ground, store: SqliteStore | PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync, synced = os.fsync, [0]

    def full(descriptor: int) -> None:
        synced[0] += 1
        if synced[0] == 3:  # the file and the folder of the first segment, then the file of the second
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    monkeypatch.setattr("adapters.store.archive.os.fsync", full)
    with pytest.raises(JournalUnavailable, match="No space left on device"):
        await ground.put_away()
    assert ground.files() == [name(1, 5)]
    assert list(await store.read(0, 99)) == FRAMES
    assert [each.first for each in (await ground.put_away()).made] == [6, 11, 16]


async def test_a_disk_that_is_too_small_for_a_segment_leaves_nothing_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground = Ground(tmp_path, None)
    store = await ground.open()
    await store.claim("a daemon")
    noise = random.Random(1)
    frames = [replace(frame(n), payload=noise.randbytes(300_000)) for n in range(1, 9)]
    await store.load(frames)
    with small_disk(ground.archive, 1):
        with pytest.raises(JournalUnavailable, match="No space left on device"):
            await ground.put_away()
        assert ground.files() == []
        monkeypatch.setattr(archiving, "_SEGMENT_BYTES", 500_000)
        with pytest.raises(JournalUnavailable, match="No space left on device"):
            await ground.put_away()
        assert ground.files() == [name(1, 2)], "what has room is put away all the same"
        assert list(await store.read(0, 99)) == frames
    await store.aclose()


def settings(ground: Ground, keep_days: float | None) -> Settings:
    return settings_for(None, store=StoreSettings(path=ground.path, archive=ground.archive, keep_days=keep_days))


async def test_behind_a_snapshot_only_whole_segments_of_old_frames_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archiving, "_SEGMENT_BYTES", 500)
    ground = Ground(tmp_path, None)
    store = await ground.open()
    await store.claim("a daemon")
    await store.load([frame(n) for n in range(1, 1041)])
    assert await put_away_old(settings(ground, None), through=1039) is None, "everything stays unless it is wanted"
    assert not ground.archive.exists()
    assert await put_away_old(settings(ground, 1e5), through=1039) is not None
    assert ground.files() == [], "nothing is so old"
    done = await put_away_old(settings(ground, 1), through=1039)
    assert done is not None
    assert done.through == 40, "the newest thousand stay, whatever else may go"
    done = await put_away_old(settings(ground, 1), through=1039)
    assert done is not None
    assert (done.made, done.through) == ((), 40)
    await store.aclose()


async def test_what_was_written_within_the_hour_stays(tmp_path: Path) -> None:
    ground = Ground(tmp_path, None)
    store = await ground.open()
    await store.claim("a daemon")
    await store.load([replace(frame(n), written_at=START + timedelta(seconds=n)) for n in range(1, 5001)])
    async with ground.source() as source:
        bounds = await leave_recent(source, Bounds(through=4900))
        done = await put_away(source, ground.archive, bounds)
    assert done.through == 1399, "frame 1400 was written an hour before the last one"
    await store.aclose()


async def test_one_run_at_a_time(ground: Ground, store: SqliteStore | PostgresStore) -> None:
    ground.archive.mkdir()
    with (ground.archive / "archive.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(StoreInUse, match="another run is putting frames away"):
            await ground.put_away()
    assert len((await ground.put_away()).made) == 4
    assert await store.read(0, 1) == (FRAMES[0],)


async def test_of_two_machines_one_puts_a_frame_away(ground: Ground, store: SqliteStore | PostgresStore) -> None:
    """They know nothing of each other's folder; the store does."""
    async with ground.source() as source:
        record = source.record

        async def overtaken(segment: Any) -> bool:
            async with ground.source() as other:
                await put_away(other, ground.archive.with_name("elsewhere"), Bounds(through=segment.last))
            return await record(segment)

        source.record = overtaken  # type: ignore[method-assign]
        with pytest.raises(StoreInUse, match="frames 1 to 5 were put away by another run meanwhile"):
            await put_away(source, ground.archive, ALL)
        assert [each.last for each in await source.segments()] == [5]
    assert await store.read(19, 1) == (FRAMES[19],)


async def test_a_record_that_leaves_a_gap_or_takes_the_newest_frame_is_refused(
    ground: Ground, store: SqliteStore | PostgresStore
) -> None:
    async with ground.source() as source:
        (made,) = (await put_away(source, ground.archive, Bounds(through=5))).made
        assert not await source.record(made)
        assert not await source.record(replace(made, first=7, last=9))
        assert not await source.record(replace(made, first=5, last=9))
        assert not await source.record(replace(made, first=6, last=COUNT))
        assert await source.segments() == [made]
    assert list(await store.read(5, 99)) == FRAMES[5:]


async def test_a_frame_that_is_missing_is_not_papered_over(ground: Ground, store: SqliteStore | PostgresStore) -> None:
    await _delete(ground, store, 3)
    with pytest.raises(StoreCorrupt, match="frame 3 is missing, the next one is 4"):
        await ground.put_away()
    assert ground.files() == []


async def _delete(ground: Ground, store: SqliteStore | PostgresStore, position: int) -> None:
    if ground.database is not None:
        ground.database.execute(f"DELETE FROM lastunit.frames WHERE position = {position}")
    else:
        assert isinstance(store, SqliteStore)
        store._connection.execute("DELETE FROM frames WHERE position = ?", (position,))


async def test_a_role_without_the_right_is_told_who_can_give_it(tmp_path: Path) -> None:
    database = await migrated_database(shared_server())
    ground = Ground(tmp_path, database)
    store = await ground.open()
    await store.claim("a daemon")
    await store.load(FRAMES)
    with pytest.raises(
        ConfigError, match=f"may not put frames away: `lastunit store migrate --grant-archive {DAEMON}`"
    ):
        await ground.put_away()
    await store.aclose()


async def test_who_may_put_frames_away_may_still_not_change_any(tmp_path: Path) -> None:
    """Nor delete one that is in no segment, nor the newest, whatever is on record."""
    database = await migrated_database(shared_server(), [DAEMON])
    store = await Ground(tmp_path, database).open()
    await store.claim("a daemon")
    await store.load(FRAMES)
    for statement in (
        "DELETE FROM lastunit.frames",
        "UPDATE lastunit.frames SET digest = 0",
        "DELETE FROM lastunit.segments",
        "UPDATE lastunit.segments SET last = 99",
    ):
        with pytest.raises(AssertionError, match="permission denied"):
            database.execute(statement, user=DAEMON)
    assert database.execute("SELECT lastunit.trim_frames(99)", user=DAEMON) == "0"
    database.execute("INSERT INTO lastunit.segments VALUES (0, 1, 99, 'none', 0, '', now())", user=DAEMON)
    assert database.execute("SELECT lastunit.trim_frames(99)", user=DAEMON) == str(COUNT - 1)
    assert isinstance(store, PostgresStore)
    assert not await store.may_change_frames()
    await store.append(frame(COUNT + 1))
    await store.aclose()


async def test_nobody_else_may_call_what_deletes() -> None:
    database = await migrated_database(shared_server())
    with pytest.raises(AssertionError, match="permission denied for function trim_frames"):
        await trio.to_thread.run_sync(lambda: database.execute("SELECT lastunit.trim_frames(9)", user=DAEMON))
