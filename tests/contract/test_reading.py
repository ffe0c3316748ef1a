"""`lastunit reading`: the same tables in a file and at a PostgreSQL server, of either kind of journal."""

from contextlib import aclosing
from pathlib import Path

import pytest
import trio
from click.testing import CliRunner, Result

from adapters.store import reading_postgres_work
from adapters.store.postgres import open_store as open_postgres
from adapters.store.reading_schema import SCHEMA_VERSION
from adapters.store.reading_tables import Mark, ReadingError
from adapters.store.sqlite import open_store as open_sqlite
from engine.domain.errors import StoreCorrupt
from engine.domain.reading import rows as domain_rows
from engine.ports import Frame, Store
from ops.cli.invocation import Invocation
from ops.cli.main import main
from ops.reading import catch_up, rebuild
from ops.readingtables import Tables
from tests.fakes.books import HERE, THERE, A, B
from tests.fakes.histories import Story
from tests.fakes.postgres import migrated_database, shared_server
from tests.fakes.processes import write_config
from tests.fakes.reading import MemorySource, frames_of
from tests.fakes.readingtables import FileTarget, Target, dump, target_of
from tests.golden.recording import FOLDER, read_frames

RECORDED = sorted(path.stem for path in FOLDER.glob("*.jsonl"))
KINDS = ("sqlite", "postgres")


@pytest.fixture(params=KINDS)
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Target:
    return target_of(request.param, tmp_path)


async def make(tables: Tables, frames: list[Frame]) -> Mark | None:
    return await rebuild(MemorySource(frames), tables, lambda _what, _frames: None)


# -- both targets


@pytest.mark.parametrize("name", RECORDED)
async def test_both_targets_have_the_same_rows_however_they_came(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made anew in the file; at the server followed frame by frame, by one that remembers no row it has written."""
    frames = read_frames(name)
    file, server = FileTarget(tmp_path / "file.sqlite3"), target_of("postgres", tmp_path)
    async with aclosing(await file.open()) as tables:
        await make(tables, frames)
    monkeypatch.setattr(domain_rows, "_KNOWN_MAX", 0)
    async with aclosing(await server.open()) as tables:
        mark = await make(tables, [])
        for length in range(1, len(frames) + 1):
            mark = await catch_up(MemorySource(frames[:length]), tables, mark)
    assert dump(server) == dump(file)
    assert await server.look() == await file.look() == mark


async def test_who_reads_sees_the_old_tables_until_the_new_ones_are_whole(target: Target) -> None:
    frames, seen = read_frames("journal-imports"), []
    async with aclosing(await target.open()) as tables:
        await make(tables, frames[:4])
        before = target.rows("SELECT position FROM progress")
        progress = lambda _what, _frames: seen.extend(target.rows("SELECT position FROM progress"))  # noqa: E731
        await rebuild(MemorySource(frames), tables, progress)
        assert (seen, before) == ([(4,)], [(4,)])
        assert target.rows("SELECT position FROM progress") == [(len(frames),)]


async def test_what_fails_half_way_leaves_the_old_tables(target: Target) -> None:
    frames = read_frames("journal-imports")
    broken = [*frames[:3], Frame(position=4, written_at=frames[3].written_at, payload=b"\xc1")]
    async with aclosing(await target.open()) as tables:
        mark = await make(tables, frames[:5])
        before = dump(target)
        with pytest.raises(StoreCorrupt, match="frame 4 holds what this version cannot read"):
            await make(tables, broken)
        assert await tables.mark() == mark
        assert dump(target) == before
        await make(tables, frames)
        assert await tables.mark() != mark


async def test_tables_of_an_older_version_are_made_anew_and_of_a_newer_one_refused(target: Target) -> None:
    frames = read_frames("journal-imports")
    async with aclosing(await target.open()) as tables:
        mark = await make(tables, frames)
    whole = dump(target)
    target.set_version(SCHEMA_VERSION - 1)
    assert await target.look() is None
    async with aclosing(await target.open()) as tables:
        assert await tables.mark() is None
        assert await make(tables, frames) == mark
    assert dump(target) == whole
    target.set_version(SCHEMA_VERSION + 1)
    newer = f"of a newer lastunit .version {SCHEMA_VERSION + 1}, this one knows {SCHEMA_VERSION}"
    with pytest.raises(ReadingError, match=newer):
        async with aclosing(await target.open()) as tables:
            await tables.mark()
    with pytest.raises(ReadingError, match=newer):
        await target.look()


async def test_one_process_writes_them(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lesson H4: two of one kind, started by mistake. When the first is gone, the next one goes on."""
    monkeypatch.setattr(reading_postgres_work, "_LOCK_WAIT_MS", 50)
    frames = read_frames("journal-imports")
    async with aclosing(await target.open()) as first:
        mark = await make(first, frames[:5])
        with pytest.raises(ReadingError, match="is being written by another process"):
            await target.open()
        assert await target.look() == mark
    async with aclosing(await target.open()) as second:
        assert await second.mark() == mark
        await catch_up(MemorySource(frames), second, mark)
    assert target.rows("SELECT position FROM progress") == [(len(frames),)]


def reused() -> list[Frame]:
    """Return a journal in which numbers of a purchase order and a transfer are used a second time, a year later."""
    story = Story()
    for step in (
        ("purchase", 1, HERE, 4, 2),
        ("receive", A, HERE, 4, 1),
        ("receive", B, HERE, 2, 1),
        ("send", 1, 3, 1),
        ("arrive", 1, A, 3),
        ("lose", 1, B, 1),
        ("purchase", 2, HERE, 6, 0),
        ("end", 2, True),
        ("forget",),
        ("purchase", 1, THERE, 5, 0),
        ("receive", A, THERE, 1, 1),
        ("send", 1, 2, 0),
        ("purchase", 2, HERE, 1, 0),
    ):
        story.play(step)
    return frames_of(story.frames)


async def test_a_number_used_again_is_another_document_and_the_old_one_stays_as_it_was(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However the rows came: made anew, or followed frame by frame by one that has to look up each of them."""
    frames = reused()
    monkeypatch.setattr(domain_rows, "_KNOWN_MAX", 0)
    async with aclosing(await target.open()) as tables:
        mark = await make(tables, [])
        for length in range(1, len(frames) + 1):
            mark = await catch_up(MemorySource(frames[:length]), tables, mark)
        followed = dump(target)
        await make(tables, frames)
    assert dump(target) == followed
    lines = (
        "SELECT purchase_order, sku, location, ordered, received, cancelled, forgotten_at IS NULL FROM purchase_lines"
    )
    assert target.rows(f"{lines} ORDER BY purchase_order, position, sku") == [
        ("PO-1", A, HERE, 4, 4, 0, 0),
        ("PO-1", B, HERE, 2, 2, 0, 0),
        ("PO-1", A, THERE, 5, 1, 0, 1),
        ("PO-2", A, HERE, 6, 0, 1, 0),
        ("PO-2", A, HERE, 1, 0, 0, 1),
    ]
    lines = "SELECT transfer, sku, sent, arrived, lost, forgotten_at IS NULL FROM transfer_lines"
    assert target.rows(f"{lines} ORDER BY position, sku") == [
        ("T-1", A, 3, 3, 0, 0),
        ("T-1", B, 1, 0, 1, 0),
        ("T-1", A, 2, 0, 0, 1),
    ]
    (document,) = target.rows("SELECT count(DISTINCT position) FROM purchase_lines WHERE purchase_order = 'PO-1'")
    assert document == (2,)


# -- the command


async def fill(store: Store) -> None:
    await store.claim("test")
    for frame in read_frames("journal-imports"):
        await store.append(frame)
    await store.aclose()


@pytest.mark.parametrize("kind", KINDS)
def test_tables_of_a_journal_in_postgres_are_those_of_one_in_a_file(tmp_path: Path, kind: str) -> None:
    async def prepare() -> str:
        database = await migrated_database(shared_server())
        await fill(await open_postgres(database.terms()))
        (tmp_path / "sqlite" / "data").mkdir(parents=True)
        await fill(await open_sqlite(tmp_path / "sqlite" / "data" / "journal.sqlite3"))
        return database.toml()

    toml = trio.run(prepare)
    found = []
    for journal, store in (("sqlite", ""), ("postgres", toml)):
        folder = tmp_path / journal
        (folder / "data").mkdir(parents=True, exist_ok=True)
        target = target_of(kind, folder / "data")
        write_config(folder, store=f"{store}{target.toml()}")
        made = lastunit(folder, "rebuild")
        assert made.exit_code == 0, made.output
        assert "behind frames     0" in lastunit(folder, "status").output
        assert (folder / "data" / "reading.position").read_text() == f"{len(read_frames('journal-imports'))}\n"
        found.append(dump(target))
    assert found[0] == found[1]
    assert found[0]["pushes"]


def lastunit(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["reading", *words], obj=Invocation(config=folder / "lastunit.toml"))
