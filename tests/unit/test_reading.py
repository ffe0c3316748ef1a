"""The file of tables: whose it is, when it is made anew, how far it is, and what of a day was in stock."""

import math
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, closing
from datetime import timedelta
from pathlib import Path

import pytest
import structlog
import trio
from click.testing import CliRunner, Result
from trio.testing import MockClock

from adapters.store import reading_schema
from adapters.store.reading import ReadingFile, hint_of, look, open_reading
from adapters.store.reading_tables import Mark, ReadingError
from adapters.store.sqlite import open_store
from config.schema import Location, Node, Settings, Store
from engine.domain.errors import JournalUnavailable, StoreCorrupt
from engine.ports import Frame
from ops import reading
from ops.cli.invocation import Invocation
from ops.cli.main import main
from tests.fakes.books import A, Shelf
from tests.fakes.clocks import START
from tests.fakes.processes import write_config
from tests.fakes.reading import MemorySource, dump, frames_of, rows


@pytest.fixture
async def file(tmp_path: Path) -> AsyncIterator[ReadingFile]:
    async with aclosing(open_reading(tmp_path / "reading.sqlite3")) as opened:
        yield opened


def a_journal(*, steps: int = 4) -> list[Frame]:
    """Five units come, then holds of one unit each, a frame per command."""
    shelf = Shelf(A=5)
    batches = [list(shelf.events)]
    for number in range(steps):
        shelf.wait(60)
        shelf.hold(f"h{number}", (A, 1), seconds=None)
        batches.append(list(shelf.new))
    return frames_of(batches)


async def rebuild(frames: list[Frame], file: ReadingFile) -> Mark | None:
    return await reading.rebuild(MemorySource(frames), file, lambda _what, _frames: None)


async def test_who_reads_sees_the_old_tables_until_the_new_ones_are_whole(file: ReadingFile) -> None:
    await rebuild(a_journal(steps=2), file)
    seen: list[object] = []
    progress = lambda _what, _frames: seen.extend(rows(file.path, "SELECT count(*) FROM holds"))  # noqa: E731
    await reading.rebuild(MemorySource(a_journal(steps=4)), file, progress)
    assert seen == [(2,)]
    assert rows(file.path, "SELECT count(*) FROM holds") == [(4,)]


async def test_a_rebuild_that_fails_leaves_the_old_tables(file: ReadingFile) -> None:
    await rebuild(a_journal(), file)
    before, mark = dump(file.path), await file.mark()
    broken = [*a_journal(steps=1), Frame(position=3, written_at=START, payload=b"\xc1")]
    with pytest.raises(StoreCorrupt, match="frame 3 holds what this version cannot read"):
        await rebuild(broken, file)
    assert (dump(file.path), await file.mark()) == (before, mark)


async def test_the_daemon_s_metrics_know_how_far_the_tables_are(file: ReadingFile) -> None:
    """By a few bytes beside them: a scrape waits for no database, whatever state a killed process left it in."""
    watched: dict[str, Callable[[], float]] = {}

    class Telemetry:
        def watch(self, name: str, _text: str, read: Callable[[], float]) -> None:
            watched[name] = read

    settings = Settings(node=Node(data=file.path.parent), locations=(Location(id="here"),))
    reading.watch_reading(Telemetry(), settings)  # type: ignore[arg-type]
    assert watched["reading_position"]() == 0
    frames = a_journal()
    await rebuild(frames[:2], file)
    assert watched["reading_position"]() == 2
    await reading.catch_up(MemorySource(frames), file, await file.mark())
    assert watched["reading_position"]() == len(frames)
    hint_of(file.path).write_text("?")
    assert math.isnan(watched["reading_position"]())


async def test_one_process_writes_it_and_it_is_the_owner_s_alone(file: ReadingFile) -> None:
    assert file.path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(ReadingError, match="is being written by another process"):
        open_reading(file.path)


def test_another_program_s_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "reading.sqlite3"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    with pytest.raises(ReadingError, match="another program"):
        open_reading(path)
    with pytest.raises(ReadingError, match="another program"):
        look(path)
    path.write_bytes(b"not a database at all, but long enough to be looked at" * 20)
    with pytest.raises(ReadingError, match="delete it if it is damaged"):
        open_reading(path)


@pytest.mark.parametrize("what", ["version", "journal", "shorter", "same"])
async def test_tables_of_another_version_or_journal_are_made_anew(
    file: ReadingFile, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = a_journal()
    await rebuild(frames, file)
    match what:
        case "version":
            monkeypatch.setattr("adapters.store.reading.SCHEMA_VERSION", reading_schema.SCHEMA_VERSION + 1)
        case "journal":
            later = frames[-1].written_at + timedelta(microseconds=1)
            frames[-1] = Frame(position=frames[-1].position, written_at=later, payload=frames[-1].payload)
        case "shorter":
            frames = frames[:-1]
        case _:
            pass
    reason = await reading.why_anew(MemorySource(frames), await file.mark())
    wanted = {"version": "of this version", "journal": "not the one", "shorter": "has fewer", "same": None}[what]
    assert reason is wanted if wanted is None else wanted in str(reason)


async def test_it_follows_a_journal_as_it_grows(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal is not there yet; then it is, and grows; then it is another one."""
    frames, source = a_journal(), MemorySource([])
    tries = 0

    async def open_journal(_settings: object) -> MemorySource:
        nonlocal tries
        tries += 1
        await trio.lowlevel.checkpoint()
        if tries == 1:
            raise JournalUnavailable("nobody has made it yet")
        return source

    monkeypatch.setattr(reading, "open_journal", open_journal)
    async with aclosing(open_reading(tmp_path / "reading.sqlite3")) as file:
        with structlog.testing.capture_logs() as logs:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(reading.follow, Settings(locations=()), file)
                for frame in frames:
                    await trio.sleep(5)
                    source.frames.append(frame)
                await trio.sleep(5)
                nursery.cancel_scope.cancel()
        followed = dump(file.path)
        await rebuild(frames, file)
        assert dump(file.path) == followed
    assert [line["event"] for line in logs[:4]] == [
        "store.unavailable", "reading.begun_anew", "reading.rebuilt", "reading.following",
    ]  # fmt: skip


async def test_a_damaged_journal_ends_it_with_the_reason(tmp_path: Path) -> None:
    """No group around the error: the command line tells it in one line, with exit code 1."""
    journal = tmp_path / "journal.sqlite3"
    await write_journal(journal)
    with closing(sqlite3.connect(journal, isolation_level=None)) as connection:
        connection.execute("UPDATE frames SET payload = x'90' WHERE position = 3")
    settings = Settings(node=Node(data=tmp_path), store=Store(path=journal), locations=(Location(id="here"),))
    with pytest.raises(StoreCorrupt, match="frame 3 does not match its digest"):
        await reading.run(settings)
    assert look(tmp_path / "reading.sqlite3") is None


async def test_days_in_stock_are_told_by_the_second(file: ReadingFile) -> None:
    shelf = Shelf()
    batches = [list(shelf.events)]
    noon = START.replace(hour=12, minute=0, second=0, microsecond=0)
    acts: tuple[tuple[int, Callable[[], object]], ...] = (
        (6, lambda: shelf.receive(A, 1)),
        (30, lambda: shelf.hold("h", (A, 1), seconds=None)),
        (31, lambda: shelf.release("h")),
        (32, lambda: shelf.hold("i", (A, 1), seconds=None)),
        (80, lambda: shelf.release("i")),
    )
    for hours, act in acts:
        shelf.now = noon + timedelta(hours=hours)
        act()
        batches.append(list(shelf.new))
    frames = frames_of(batches)
    frames[-1] = Frame(position=len(frames), written_at=shelf.now + timedelta(seconds=90), payload=frames[-1].payload)
    await rebuild(frames, file)
    days = [f"{noon + timedelta(days=number):%Y-%m-%d}" for number in range(4)]
    expected = [(days[0], 6 * 3600.0), (days[1], 19 * 3600.0), (days[3], 90.0)]
    assert rows(file.path, "SELECT day, seconds FROM stocked_days WHERE sku = 'A' ORDER BY day") == expected


# -- the command


async def write_journal(path: Path) -> None:
    store = await open_store(path, inline_seconds_max=1)
    await store.claim("test")
    for frame in a_journal():
        await store.append(frame)
    await store.aclose()


@pytest.fixture
def lastunit(tmp_path: Path) -> Callable[..., Result]:
    """Return what runs `lastunit reading ...` on a journal of five frames."""
    write_config(tmp_path)
    (tmp_path / "data").mkdir()
    trio.run(write_journal, tmp_path / "data" / "journal.sqlite3")

    def run(*words: str) -> Result:
        config = tmp_path / "lastunit.toml"
        return CliRunner().invoke(main, ["reading", *words], obj=Invocation(config=config))

    return run


def test_status_says_how_far_behind_the_tables_are(lastunit: Callable[..., Result], tmp_path: Path) -> None:
    before = lastunit("status", "--json")
    assert (before.exit_code, '"behind_frames": 5' in before.output) == (0, True)
    assert '"behind_seconds": null' in before.output
    made = lastunit("rebuild")
    assert (made.exit_code, made.output.endswith("reading.sqlite3: 5 frames\n")) == (0, True)
    after = lastunit("status")
    assert "behind frames     0" in after.output
    assert "behind seconds    0.0" in after.output
    assert rows(tmp_path / "data" / "reading.sqlite3", "SELECT count(*) FROM holds") == [(4,)]


def test_a_journal_that_is_not_there_is_said_so(lastunit: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "data" / "journal.sqlite3").unlink()
    refused = lastunit("rebuild")
    assert (refused.exit_code, "there is no such file" in refused.output) == (1, True)
