"""`lastunit store`: a journal is made, looked at, checked, and carried from SQLite to PostgreSQL and back."""

import json
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import trio
from click.testing import CliRunner, Result

from adapters.store import sqlite_file
from adapters.store.postgres import open_store as open_postgres
from adapters.store.postgres_sql import SCHEMA_VERSION
from adapters.store.sqlite import SqliteStore
from adapters.store.sqlite import open_store as open_sqlite
from engine.actors.journal import encode_events
from engine.ports import Frame
from ops import storetool
from ops.cli.invocation import Invocation
from ops.cli.main import main
from tests.fakes.clocks import START
from tests.fakes.postgres import ADMIN, DAEMON, Database, shared_server
from tests.fakes.processes import write_config

FRAMES = tuple(
    Frame(position=n, written_at=START + timedelta(microseconds=n), payload=bytes([n % 256]) * (n * 7 % 900))
    for n in range(1, 12)
)

Store = Callable[..., Result]


@pytest.fixture
def database() -> Database:
    return shared_server().create_database()


@pytest.fixture
def store(tmp_path: Path, database: Database) -> Store:
    """Return what runs `lastunit store ...` on PostgreSQL, or with `kind="sqlite"` on a file."""
    for kind in ("postgres", "sqlite"):
        (tmp_path / kind).mkdir()
        write_config(tmp_path / kind, store=database.toml() if kind == "postgres" else "")

    def run(*words: str, kind: str = "postgres") -> Result:
        config = tmp_path / kind / "lastunit.toml"
        return CliRunner().invoke(main, ["store", *words], obj=Invocation(config=config))

    return run


@pytest.fixture
def migrated(store: Store) -> Store:
    assert store("migrate", "--as", ADMIN, "--grant", DAEMON).exit_code == 0
    return store


@pytest.fixture(autouse=True)
def few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storetool, "_FRAMES_PER_READ", 3)


def journal(path: Path, frames: tuple[Frame, ...] = FRAMES) -> Path:
    """Write a SQLite journal."""

    async def write() -> None:
        made = await open_sqlite(path)
        await made.claim("test")
        await made.load(frames)
        await made.aclose()

    trio.run(write)
    return path


async def read_postgres(database: Database) -> tuple[Frame, ...]:
    opened = await open_postgres(database.terms())
    try:
        return await opened.read(0, 99)
    finally:
        await opened.aclose()


async def read_sqlite(path: Path) -> tuple[Frame, ...]:
    opened = await open_sqlite(path)
    try:
        return await opened.read(0, 99)
    finally:
        await opened.aclose()


def test_the_way_from_an_empty_database_to_a_daemon(store: Store, database: Database) -> None:
    """Each step that is missing is named, with what to run."""
    missing = store("check")
    assert missing.exit_code == 2
    assert "has no such schema, or this role may not use it: `lastunit store migrate` creates it" in missing.output
    refused = store("migrate")
    assert refused.exit_code == 2
    assert "permission denied for database" in refused.output
    made = store("migrate", "--as", ADMIN, "--grant", DAEMON)
    assert made.output.endswith(f"schema lastunit: version {SCHEMA_VERSION} made; granted to lastunit\n")
    again = store("migrate", "--as", ADMIN)
    assert (again.exit_code, again.output.endswith(f"version {SCHEMA_VERSION} is already there\n")) == (0, True)
    checked = store("check")
    assert (checked.exit_code, ": 0 frames, sha256 e3b0c442" in checked.output) == (0, True)
    database.execute(f"GRANT DELETE ON lastunit.frames TO {DAEMON}")
    assert "note: the role may change or delete frames" in store("check").output


def test_a_journal_goes_to_postgres_and_back_and_stays_the_same(
    migrated: Store, database: Database, tmp_path: Path
) -> None:
    source, back = journal(tmp_path / "source.sqlite3"), tmp_path / "back.sqlite3"
    there = migrated("copy", str(source), "postgres")
    assert there.exit_code == 0, there.output
    assert trio.run(read_postgres, database) == FRAMES
    returned = migrated("copy", "postgres", str(back))
    assert returned.exit_code == 0, returned.output
    assert trio.run(read_sqlite, back) == FRAMES
    digests = {result.output.split("sha256 ")[1] for result in (there, returned, migrated("check"))}
    assert len(digests) == 1
    assert "11 frames, compared one by one" in there.output


def test_a_target_that_is_not_empty_is_refused_but_a_copy_cut_short_is_resumed(
    migrated: Store, database: Database, tmp_path: Path
) -> None:
    source = journal(tmp_path / "source.sqlite3")
    part = journal(tmp_path / "part.sqlite3", FRAMES[:4])
    assert migrated("copy", str(part), "postgres").exit_code == 0
    refused = migrated("copy", str(source), "postgres")
    assert refused.exit_code == 1
    assert "is not empty: copy into a new one, or --resume a copy that was cut short" in refused.output
    assert migrated("copy", str(source), "postgres", "--resume").exit_code == 0
    assert trio.run(read_postgres, database) == FRAMES


def test_another_journal_is_not_taken_for_the_beginning_of_this_one(
    migrated: Store, database: Database, tmp_path: Path
) -> None:
    source = journal(tmp_path / "source.sqlite3")
    other = journal(tmp_path / "other.sqlite3", (*FRAMES[:2], Frame(position=3, written_at=START, payload=b"other")))
    assert migrated("copy", str(other), "postgres").exit_code == 0
    refused = migrated("copy", str(source), "postgres", "--resume")
    assert refused.exit_code == 1
    assert "frame 3 of PostgreSQL" in refused.output
    assert len(trio.run(read_postgres, database)) == 3, "nothing was written behind it"
    shorter = journal(tmp_path / "shorter.sqlite3", FRAMES[:2])
    longer = migrated("copy", str(shorter), "postgres", "--resume")
    assert longer.exit_code == 1
    assert "frame 3 of PostgreSQL" in longer.output


def test_a_source_or_target_in_use_is_refused(migrated: Store, database: Database, tmp_path: Path) -> None:
    source = journal(tmp_path / "source.sqlite3")

    async def while_a_daemon_has(terms_or_path: object) -> None:
        owner = await (open_sqlite(source) if terms_or_path is source else open_postgres(database.terms()))
        await owner.claim("a daemon")
        try:
            for words in ((str(source), "postgres"), ("postgres", str(source))):
                refused = await trio.to_thread.run_sync(migrated, "copy", *words)
                assert refused.exit_code == 1
                assert "one store, one daemon" in refused.output
        finally:
            await owner.aclose()

    trio.run(while_a_daemon_has, source)
    trio.run(while_a_daemon_has, database)
    assert migrated("copy", "postgres", "postgres").exit_code == 2


def test_a_damaged_source_is_not_copied_further(migrated: Store, database: Database, tmp_path: Path) -> None:
    source = journal(tmp_path / "source.sqlite3")
    content = source.read_bytes()
    source.write_bytes(content.replace(bytes([9]) * 63, bytes([9]) * 62 + b"x", 1))
    refused = migrated("copy", str(source), "postgres")
    assert refused.exit_code == 1
    assert f"{source}: frame 9 does not match its digest" in refused.output
    assert len(trio.run(read_postgres, database)) == 6


def test_info_says_who_has_it_and_who_had_it(migrated: Store, database: Database) -> None:
    async def while_owned() -> Result:
        owner = await open_postgres(database.terms())
        await owner.claim("a daemon")
        try:
            return await trio.to_thread.run_sync(migrated, "info", "--json")
        finally:
            await owner.aclose()

    during = json.loads(trio.run(while_owned).output)
    assert (during["alive"], during["claims"][0]["owner"], during["claims"][0]["epoch"]) == ("a daemon", "a daemon", 1)
    after = migrated("info")
    assert after.exit_code == 0
    assert "a daemon" in after.output.split("epoch", 1)[1]
    assert json.loads(migrated("info", "--json").output)["alive"] is None


def test_a_file_is_looked_at_beside_its_daemon(store: Store, tmp_path: Path) -> None:
    assert store("migrate", kind="sqlite").exit_code == 0
    path = tmp_path / "sqlite" / "data" / "journal.sqlite3"

    async def open_and_write() -> SqliteStore:
        opened = await open_sqlite(path)
        await opened.claim("a daemon")
        for frame in FRAMES:
            await opened.append(frame)
        return opened

    owner = trio.run(open_and_write)
    try:
        found = json.loads(store("info", "--json", kind="sqlite").output)
        checked = store("check", kind="sqlite")
    finally:
        owner.close()
    assert (found["frames"], found["schema_version"], found["claims"][0]["owner"]) == (
        11,
        sqlite_file.SCHEMA_VERSION,
        "a daemon",
    )
    assert found["alive"].startswith("process ")
    assert (checked.exit_code, f"{path}: 11 frames" in checked.output) == (0, True)
    assert json.loads(store("info", "--json", kind="sqlite").output)["alive"] is None


def test_what_cannot_be_meant_is_exit_code_two(store: Store, tmp_path: Path) -> None:
    roles = store("migrate", "--grant", "someone", kind="sqlite")
    assert (roles.exit_code, "roles are for postgres" in roles.output) == (2, True)
    secret = store("migrate", "--password", "open sesame")
    assert (secret.exit_code, "open sesame" in secret.output) == (2, False)
    nowhere = store("copy", str(tmp_path / "nowhere.sqlite3"), "postgres")
    assert (nowhere.exit_code, "there is no such file" in nowhere.output) == (1, True)


def test_a_standby_needs_a_store_that_others_reach(tmp_path: Path) -> None:
    write_config(tmp_path)
    told = CliRunner().invoke(main, ["run", "--standby"], obj=Invocation(config=tmp_path / "lastunit.toml"))
    assert (told.exit_code, "--standby needs one that two machines reach" in told.output) == (2, True)


def test_a_backup_of_one_kind_of_store_is_restored_into_the_other(
    migrated: Store, database: Database, tmp_path: Path
) -> None:
    (tmp_path / "sqlite" / "data").mkdir()
    journal(tmp_path / "sqlite" / "data" / "journal.sqlite3")
    saved, again = str(tmp_path / "a.gz"), str(tmp_path / "b.gz")
    done = json.loads(migrated("backup", saved, "--json", kind="sqlite").output)
    assert (done["place"], done["frames"]) == (saved, len(FRAMES))
    assert json.loads(migrated("check", "--json", kind="sqlite").output)["sha256"] == done["sha256"]
    assert migrated("verify", saved).output == f"{saved}: 11 frames, sha256 {done['sha256']}\n"

    restored = migrated("restore", saved)
    assert restored.exit_code == 0, restored.output
    assert trio.run(read_postgres, database) == FRAMES
    assert migrated("backup", again).exit_code == 0
    assert Path(again).read_bytes() == Path(saved).read_bytes(), "the same journal, wherever it is kept"

    refused = migrated("restore", saved)
    assert (refused.exit_code, "is not empty" in refused.output) == (1, True)
    over = migrated("backup", saved)
    assert (over.exit_code, "is there already: an archive is never written over" in over.output) == (1, True)
    Path(again).write_bytes(Path(saved).read_bytes()[:-9])
    cut = migrated("verify", again)
    assert (cut.exit_code, "damaged or cut short" in cut.output) == (1, True)


@pytest.fixture
def long_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many frames at a time; and what these commands do to the process' priority does not last."""
    monkeypatch.setattr(storetool, "_FRAMES_PER_READ", 500)
    monkeypatch.setattr(os, "nice", lambda _by: 0)


LONG = tuple(
    Frame(position=n, written_at=START + timedelta(minutes=n), payload=encode_events([])) for n in range(1, 1301)
)
"""A journal of which the first 240 frames are old enough to go."""


@pytest.mark.slow
@pytest.mark.usefixtures("long_ago")
def test_old_frames_are_put_away_and_everything_is_read_as_before(store: Store, tmp_path: Path) -> None:
    (tmp_path / "sqlite" / "data").mkdir()
    path = journal(tmp_path / "sqlite" / "data" / "journal.sqlite3", LONG)
    before = json.loads(store("check", "--json", kind="sqlite").output)

    refused = store("archive", kind="sqlite")
    assert (refused.exit_code, "nothing may go: a start needs every frame" in refused.output) == (1, True)
    assert "No frame was put away." in store("archive", "--list", kind="sqlite").output
    assert store("snapshot", kind="sqlite").exit_code == 0
    beyond = store("archive", "--through", "1300", kind="sqlite")
    assert (beyond.exit_code, "--through 1300: only frames up to 1299 may go" in beyond.output) == (1, True)
    both = store("archive", "--through", "9", "--keep-days", "3", kind="sqlite")
    assert (both.exit_code, "one of --keep-days, --through, --list and --shrink" in both.output) == (2, True)

    one = json.loads(store("archive", "--through", "100", "--json", kind="sqlite").output)
    assert [(each["first"], each["last"]) for each in one["made"]] == [(1, 100)]
    two = store("archive", "--keep-days", "0", kind="sqlite")
    assert "journal-000000000101-000000000300.gz: frames 101 to 300" in two.output
    assert f"{path}: frames up to 300 are put away" in two.output
    assert "nothing more may go" in store("archive", kind="sqlite").output
    assert " bytes given back" in store("archive", "--shrink", kind="sqlite").output

    found = json.loads(store("info", "--json", kind="sqlite").output)
    assert (found["first"], found["frames"], found["segments"]) == (301, 1300, 2)
    listed = json.loads(store("archive", "--list", "--json", kind="sqlite").output)
    assert [(each["first"], each["last"], each["there"]) for each in listed] == [(1, 100, "yes"), (101, 300, "yes")]
    assert found["segment_bytes"] == sum(each["file_bytes"] for each in listed)
    assert "journal-000000000001-000000000100.gz" in store("archive", "--list", kind="sqlite").output
    verified = store("verify", listed[1]["file"], kind="sqlite")
    assert "frames 101 to 300, sha256" in verified.output

    assert json.loads(store("check", "--json", kind="sqlite").output) == before
    saved = json.loads(store("backup", str(tmp_path / "b.gz"), "--json", kind="sqlite").output)
    assert (saved["frames"], saved["sha256"]) == (1300, before["sha256"]), "a backup has the segments, too"
    copied = store("copy", str(path), str(tmp_path / "copy.sqlite3"), kind="sqlite")
    assert copied.output.endswith(f"1300 frames, compared one by one, sha256 {before['sha256']}\n")


@pytest.mark.slow
@pytest.mark.usefixtures("long_ago")
def test_whoever_needs_a_segment_that_is_not_there_says_which(store: Store, tmp_path: Path) -> None:
    (tmp_path / "sqlite" / "data").mkdir()
    journal(tmp_path / "sqlite" / "data" / "journal.sqlite3", LONG)
    assert store("snapshot", kind="sqlite").exit_code == 0
    assert store("archive", "--through", "50", kind="sqlite").exit_code == 0
    assert store("archive", "--shrink", kind="sqlite").exit_code == 0
    (listed,) = json.loads(store("archive", "--list", "--json", kind="sqlite").output)
    file = Path(listed["file"])
    file.rename(tmp_path / "tape")
    assert json.loads(store("archive", "--list", "--json", kind="sqlite").output)[0]["there"] == "no"
    for words in (("check",), ("backup", str(tmp_path / "b.gz"))):
        told = store(*words, kind="sqlite")
        assert told.exit_code == 1
        assert f"frames 1 to 50 are needed and were put away: put {file} back" in told.output
    assert not (tmp_path / "b.gz").exists()
    assert store("snapshot", kind="sqlite").exit_code == 0, "what begins at a snapshot needs none"
    (tmp_path / "tape").rename(file)
    file.write_bytes(file.read_bytes() + b"x")
    assert json.loads(store("archive", "--list", "--json", kind="sqlite").output)[0]["there"] == "another size"
    assert "damaged, or another file" in store("check", kind="sqlite").output


@pytest.mark.slow
@pytest.mark.usefixtures("long_ago")
def test_putting_frames_away_at_a_server_asks_for_a_right_of_its_own(migrated: Store, tmp_path: Path) -> None:
    assert migrated("copy", str(journal(tmp_path / "long.sqlite3", LONG)), "postgres").exit_code == 0
    assert migrated("snapshot").exit_code == 0
    refused = migrated("archive")
    assert refused.exit_code == 2
    assert f"may not put frames away: `lastunit store migrate --grant-archive {DAEMON}`" in refused.output
    granted = migrated("migrate", "--as", ADMIN, "--grant-archive", DAEMON)
    assert f"is already there; granted to {DAEMON}" in granted.output
    assert "frames up to 300 are put away" in migrated("archive").output
    assert json.loads(migrated("info", "--json").output)["first"] == 301
    assert " 1300 frames, sha256 " in migrated("check").output
    shrunk = migrated("archive", "--shrink")
    assert (shrunk.exit_code, "there it is VACUUM" in shrunk.output) == (2, True)
