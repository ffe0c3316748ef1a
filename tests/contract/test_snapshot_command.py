"""`lastunit store snapshot` on either kind of journal: made, made again, compared with what a daemon said of itself."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
import trio
from click.testing import CliRunner

from adapters.store.postgres import open_store as open_postgres
from adapters.store.snapshots import Snapshots
from adapters.store.sqlite import open_store as open_sqlite
from config.loader import load_settings
from config.schema import Settings
from engine.ports import Frame, Store
from ops.bystander import build_bystander
from ops.cli.invocation import Invocation
from ops.cli.main import main
from ops.clock import SteadyClock
from ops.recovery import catch_up
from ops.snapshots.taking import open_snapshots, take
from ops.storetool import open_journal
from tests.fakes.postgres import migrated_database, shared_server
from tests.fakes.processes import write_config
from tests.golden.recording import read_frames

FRAMES = read_frames("journal-imports")


class Journal(NamedTuple):
    """A configured journal, and the command on it."""

    config: Path
    open: Callable[[], Awaitable[Store]]

    @property
    def settings(self) -> Settings:
        return load_settings(self.config, secrets=())

    async def append(self, frames: list[Frame]) -> None:
        store = await self.open()
        await store.claim("test")
        for frame in frames:
            await store.append(frame)
        await store.aclose()

    def run(self, *words: str, code: int = 0) -> str:
        done = CliRunner().invoke(main, ["store", *words], obj=Invocation(config=self.config))
        assert done.exit_code == code, done.output
        return done.output if code else done.stdout

    def make(self) -> Any:
        return json.loads(self.run("snapshot", "--json"))

    def kept(self) -> list[tuple[int, str]]:
        found = json.loads(self.run("info", "--json"))["snapshots"]
        return [(each["position"], each["origin"]) for each in found]


@pytest.fixture(autouse=True)
def as_nice_as_before(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The command runs in this process here, which goes on afterwards."""
    asked: list[int] = []
    monkeypatch.setattr("os.nice", asked.append)
    return asked


@pytest.fixture(params=["sqlite", "postgres"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Journal:
    (tmp_path / "data").mkdir()
    if request.param == "sqlite":
        write_config(tmp_path)
        return Journal(tmp_path / "lastunit.toml", lambda: open_sqlite(tmp_path / "data" / "journal.sqlite3"))
    database = trio.run(migrated_database, shared_server())
    write_config(tmp_path, store=database.toml())
    return Journal(tmp_path / "lastunit.toml", lambda: open_postgres(database.terms()))


async def say_live(journal: Journal, position: int, *, lie: bool) -> None:
    """Write what a daemon would have said of itself when it had written so many frames."""
    source, snapshots = await open_journal(journal.settings), open_snapshots(journal.settings)
    node = build_bystander(journal.settings, SteadyClock())
    await catch_up(node, source, until=position)
    if lie:
        books = [book for shard in node.shards for book in shard.ledger.books.values()]
        next(position for book in books for position in book.positions.values()).on_hand += 1
    (last,) = await source.read(position - 1, 1)
    await take(node, last, last.written_at, "live", snapshots)
    await snapshots.aclose()
    await source.aclose()


def test_it_is_made_once_for_a_position_and_again_behind_it(journal: Journal, as_nice_as_before: list[int]) -> None:
    half = len(FRAMES) // 2
    trio.run(journal.append, FRAMES[:half])
    made = journal.make()
    assert (made["position"], made["made"], made["differing"]) == (half, True, [])
    assert made["events"] > 0
    assert made["statements"] > 0
    assert as_nice_as_before == [19]
    assert journal.kept() == [(half, "replayed")]
    again = journal.make()
    assert (again["made"], again["events"], again["stored_bytes"]) == (False, 0, made["stored_bytes"])
    assert f"frame {half}, {made['statements']} statements" in journal.run("snapshot")
    trio.run(journal.append, FRAMES[half:])
    assert journal.make()["position"] == len(FRAMES)
    assert journal.kept() == [(len(FRAMES), "replayed"), (half, "replayed")]
    assert "replayed" in journal.run("info")


def test_of_an_empty_journal_none_is_made(journal: Journal) -> None:
    trio.run(journal.append, [])
    assert "an empty journal has none" in journal.run("snapshot")
    assert journal.kept() == []
    assert "a start reads the whole journal" in journal.run("info")


def test_what_a_daemon_said_of_itself_is_compared_and_never_built_upon(journal: Journal) -> None:
    """The base of a snapshot is the journal: a daemon that was wrong must not be believed for ever."""
    trio.run(journal.append, FRAMES)
    position = len(FRAMES) - 2

    async def say(*, lie: bool) -> None:
        await say_live(journal, position, lie=lie)

    trio.run(lambda: say(lie=True))
    assert journal.kept() == [(position, "live")]
    made = journal.make()
    assert made["differing"] == ["books"]
    assert journal.kept() == [(len(FRAMES), "replayed")]

    async def forget_and_say() -> None:
        snapshots: Snapshots = open_snapshots(journal.settings)
        await snapshots.drop([kept.name for kept in await snapshots.kept()])
        await snapshots.aclose()
        await say(lie=False)

    trio.run(forget_and_say)
    made = journal.make()
    assert made["differing"] == []
    assert journal.kept() == [(len(FRAMES), "replayed")]


def test_where_none_is_wanted_the_command_says_so(tmp_path: Path) -> None:
    write_config(tmp_path, accounts="[snapshots]\nenabled = false")
    done = CliRunner().invoke(main, ["store", "snapshot"], obj=Invocation(config=tmp_path / "lastunit.toml"))
    assert done.exit_code == 2
    assert "snapshots.enabled: false: none is made, and none would be read" in done.output


def test_a_damaged_one_is_shown_with_what_is_wrong(tmp_path: Path) -> None:
    write_config(tmp_path)
    journal = Journal(tmp_path / "lastunit.toml", lambda: open_sqlite(tmp_path / "data" / "journal.sqlite3"))
    (tmp_path / "data" / "snapshots").mkdir(parents=True)
    trio.run(journal.append, FRAMES)
    (tmp_path / "data" / "snapshots" / "1.snapshot").write_bytes(b"lastunit snapshot 1\n")
    (row,) = msgspec.json.decode(journal.run("info", "--json"))["snapshots"]
    assert "cut short" in row["problem"]
    assert "1.snapshot is cut short" in journal.run("info").replace("\n", "")
    assert journal.make()["position"] == len(FRAMES)
    assert journal.kept() == [(len(FRAMES), "replayed")]
