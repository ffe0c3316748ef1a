"""Every place of snapshots is the same thing: whole ones, the newest first, and never one that is not what was written.

On the real clock, for real threads, files and a real server.
"""

import hashlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
import trio

from adapters.store.snapshot_files import SnapshotFiles
from adapters.store.snapshots import Kept, SectionSum, Snapshot, Snapshots
from adapters.store.snapshots_memory import MemorySnapshots
from adapters.store.snapshots_postgres import PostgresSnapshots
from engine.domain.errors import JournalUnavailable, StoreCorrupt, StoreInUse
from tests.fakes.clocks import START
from tests.fakes.postgres import Database, migrated_database, shared_server

PIECES = (b"one", b"", b"three" * 50_000, *(str(number).encode() for number in range(40)))


def head(position: int, origin: Any = "replayed", **changes: Any) -> Snapshot:
    base: dict[str, Any] = {
        "format": 1,
        "position": position,
        "frame_sha256": hashlib.sha256(str(position).encode()).hexdigest(),
        "written_at": START + timedelta(seconds=position),
        "as_of": START + timedelta(seconds=position, microseconds=7),
        "origin": origin,
        "program": "1.2.3",
        "sections": {"books": SectionSum(7, "ab"), "intake:ä shop": SectionSum(0, "cd")},
    }
    return Snapshot(**(base | changes))


class Place(NamedTuple):
    """One place, opened as often as one likes, and the ways to harm what is in it."""

    open: Callable[[], Snapshots]
    damage: Callable[[Snapshots, Kept], Awaitable[None]]
    """Change a byte of a piece."""
    shorten: Callable[[Snapshots, Kept], Awaitable[None]]
    """Lose the last piece, or the end."""


@pytest.fixture(params=["memory", "files", "postgres"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    opened: list[Snapshots] = []

    def remember(snapshots: Snapshots) -> Snapshots:
        opened.append(snapshots)
        return snapshots

    if request.param == "memory":
        shared = MemorySnapshots()
        yield Place(lambda: shared, damage_memory, shorten_memory)
    elif request.param == "files":
        files = Files(tmp_path / "data" / "snapshots")
        yield Place(lambda: remember(SnapshotFiles(files.folder)), files.damage, files.shorten)
    else:
        there = Rows(await migrated_database(shared_server()))
        yield Place(lambda: remember(PostgresSnapshots(there.database.terms())), there.damage, there.shorten)
    for each in opened:
        await each.aclose()
        await each.aclose()


async def damage_memory(snapshots: Snapshots, kept: Kept) -> None:
    assert isinstance(snapshots, MemorySnapshots)
    snapshots.by_name[kept.name].pieces[0] = b"two"


async def shorten_memory(snapshots: Snapshots, kept: Kept) -> None:
    assert isinstance(snapshots, MemorySnapshots)
    snapshots.by_name[kept.name].pieces.pop()


class Files(NamedTuple):
    folder: Path

    def path(self, kept: Kept) -> Path:
        return self.folder / f"{kept.name}.snapshot"

    async def damage(self, _: Snapshots, kept: Kept) -> None:
        data = self.path(kept).read_bytes()
        at = data.index(b"one")
        self.path(kept).write_bytes(data[:at] + b"two" + data[at + 3 :])

    async def shorten(self, _: Snapshots, kept: Kept) -> None:
        os.truncate(self.path(kept), self.path(kept).stat().st_size - 1)


class Rows(NamedTuple):
    database: Database

    async def damage(self, _: Snapshots, kept: Kept) -> None:
        self._change("UPDATE lastunit.snapshot_pieces SET payload = 'two'", kept, "number = 0")

    async def shorten(self, _: Snapshots, kept: Kept) -> None:
        self._change("DELETE FROM lastunit.snapshot_pieces", kept, f"number = {len(PIECES) - 1}")

    def _change(self, statement: str, kept: Kept, where: str) -> None:
        self.database.execute(f"{statement} WHERE snapshot = {kept.name} AND {where}")


async def write(snapshots: Snapshots, said: Snapshot, pieces: Sequence[bytes] = PIECES) -> Kept:
    async with snapshots.writer() as writer:
        for piece in pieces:
            await writer.add(piece)
        return await writer.finish(said)


def positions(kept: Sequence[Kept]) -> list[tuple[int, str]]:
    return [(each.head.position, each.head.origin) for each in kept if each.head is not None]


async def test_a_new_place_has_none(place: Place) -> None:
    assert await place.open().kept() == ()


async def test_what_was_written_is_read_back_by_anybody(place: Place) -> None:
    written = await write(place.open(), head(7))
    assert written.head == head(7)
    another = place.open()
    (kept,) = await another.kept()
    assert kept == written
    assert kept.stored_bytes >= sum(map(len, PIECES))
    assert await another.read(kept) == PIECES


async def test_one_without_pieces_is_one_too(place: Place) -> None:
    snapshots = place.open()
    assert await snapshots.read(await write(snapshots, head(1), ())) == ()


async def test_the_newest_comes_first_and_of_the_same_position_the_live_one(place: Place) -> None:
    snapshots = place.open()
    for said in (head(5), head(30), head(12, "live"), head(12)):
        await write(snapshots, said)
    assert positions(await snapshots.kept()) == [(30, "replayed"), (12, "live"), (12, "replayed"), (5, "replayed")]


async def test_what_is_dropped_is_gone_and_may_be_dropped_again(place: Place) -> None:
    snapshots = place.open()
    first, second = await write(snapshots, head(1)), await write(snapshots, head(2))
    await snapshots.drop([first.name])
    await snapshots.drop([first.name])
    assert await place.open().kept() == (second,)
    with pytest.raises(StoreCorrupt, match="gone"):
        await snapshots.read(first)
    assert await snapshots.read(second) == PIECES


async def test_a_changed_byte_is_found(place: Place) -> None:
    snapshots = place.open()
    kept = await write(snapshots, head(1))
    await place.damage(snapshots, kept)
    with pytest.raises(StoreCorrupt, match="SHA-256"):
        await snapshots.read(kept)


async def test_one_cut_short_is_found(place: Place) -> None:
    snapshots = place.open()
    kept = await write(snapshots, head(1))
    await place.shorten(snapshots, kept)
    with pytest.raises(StoreCorrupt):
        await snapshots.read(kept)


async def test_of_one_that_was_not_finished_nothing_is_seen(place: Place) -> None:
    snapshots = place.open()
    kept = await write(snapshots, head(1))

    async def fail() -> None:
        async with snapshots.writer() as writer:
            await writer.add(b"half")
            assert await place.open().kept() == (kept,)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await place.open().kept() == (kept,)
    await write(snapshots, head(2))


async def test_one_that_is_cancelled_leaves_nothing(place: Place) -> None:
    snapshots = place.open()
    with trio.CancelScope() as scope:
        async with snapshots.writer() as writer:
            await writer.add(b"half")
            scope.cancel()
            await trio.lowlevel.checkpoint()
    assert scope.cancelled_caught
    assert await write(snapshots, head(2)) == (await snapshots.kept())[0]


async def test_two_at_once_are_refused_and_the_first_is_whole(place: Place) -> None:
    snapshots, another = place.open(), place.open()
    async with snapshots.writer() as writer:
        await writer.add(b"one")
        with pytest.raises(StoreInUse, match="another snapshot is being written"):
            async with another.writer():
                pass
        kept = await writer.finish(head(3))
    assert await another.read(kept) == (b"one",)
    await write(another, head(4))


# -- files alone


def files_in(folder: Path) -> dict[str, int]:
    """Name and mode of what is there."""
    return {path.name: path.stat().st_mode for path in folder.iterdir()}


async def test_whichever_bit_of_a_file_flips_it_is_found(tmp_path: Path) -> None:
    """Whole, it is what was written; else it is refused, at the look or when it is read."""
    snapshots = SnapshotFiles(tmp_path)
    kept = await write(snapshots, head(1), (b"a piece", b"another"))
    path = tmp_path / f"{kept.name}.snapshot"
    data = path.read_bytes()
    for at in range(len(data)):
        path.write_bytes(data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :])
        (seen,) = await snapshots.kept()
        assert seen.head == kept.head if seen.head is not None else str(path) in seen.problem, at
        with pytest.raises(StoreCorrupt, match=str(path)):
            await snapshots.read(seen)


async def test_wherever_a_file_is_cut_it_is_found(tmp_path: Path) -> None:
    snapshots = SnapshotFiles(tmp_path)
    kept = await write(snapshots, head(1), (b"a piece", b"another"))
    path = tmp_path / f"{kept.name}.snapshot"
    data = path.read_bytes()
    for length in range(len(data)):
        path.write_bytes(data[:length])
        (seen,) = await snapshots.kept()
        assert seen.head is None, length
        assert str(path) in seen.problem
        with pytest.raises(StoreCorrupt):
            await snapshots.read(seen)


async def test_what_somebody_who_was_killed_left_behind_is_removed_by_the_next(tmp_path: Path) -> None:
    (tmp_path / "new.part").write_bytes(b"lastunit snapshot 1\nhalf")
    snapshots = SnapshotFiles(tmp_path)
    assert await snapshots.kept() == ()
    await write(snapshots, head(1))
    assert files_in(tmp_path).keys() == {f"{1:020}-replayed.snapshot", "lock"}


async def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    await write(SnapshotFiles(tmp_path / "new"), head(1))
    modes = files_in(tmp_path) | files_in(tmp_path / "new")
    assert len(modes) == 3
    assert [name for name, mode in modes.items() if mode & 0o077] == []


async def test_without_room_it_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(JournalUnavailable, match="Not a directory"):
        await write(SnapshotFiles(tmp_path / "file" / "folder"), head(1))


# -- PostgreSQL alone


async def test_a_session_that_is_lost_gives_the_place_back() -> None:
    """Killed at the server's side: what it had written is removed by the next one."""
    database = await migrated_database(shared_server())
    snapshots, another = PostgresSnapshots(database.terms()), PostgresSnapshots(database.terms())

    async def lose_it() -> None:
        async with snapshots.writer() as writer:
            await writer.add(b"half")
            database.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name LIKE '%snapshot'"
            )
            await writer.add(b"more")

    try:
        with pytest.raises(JournalUnavailable):
            await lose_it()
        assert database.execute("SELECT count(*) FROM lastunit.snapshots WHERE head IS NULL") == "1"
        await write(another, head(1))
        assert database.execute("SELECT count(*) FROM lastunit.snapshot_pieces") == str(len(PIECES))
    finally:
        await snapshots.aclose()
        await another.aclose()


async def test_a_head_of_another_program_is_named_and_not_used() -> None:
    database = await migrated_database(shared_server())
    snapshots = PostgresSnapshots(database.terms())
    try:
        kept = await write(snapshots, head(1))
        database.execute(f"UPDATE lastunit.snapshots SET head = '{{}}' WHERE snapshot = {kept.name}")
        (seen,) = await snapshots.kept()
        assert seen.head is None
        assert "cannot be read" in seen.problem
    finally:
        await snapshots.aclose()


def test_heads_may_grow() -> None:
    """A later version says more of a snapshot: this one reads what it knows."""
    grown = msgspec.json.decode(msgspec.json.encode(head(1)), type=dict[str, Any]) | {"something": "new"}
    assert msgspec.json.decode(msgspec.json.encode(grown), type=Snapshot) == head(1)
