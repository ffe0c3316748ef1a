"""`lastunit store`: a journal is made, looked at, checked, and carried from SQLite to PostgreSQL and back."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import trio
from click.testing import CliRunner, Result

from adapters.store.postgres import open_store as open_postgres
from adapters.store.sqlite import SqliteStore
from adapters.store.sqlite import open_store as open_sqlite
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
        for frame in frames:
            await made.append(frame)
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
    assert made.output.endswith("schema lastunit: version 1 made; granted to lastunit\n")
    again = store("migrate", "--as", ADMIN)
    assert (again.exit_code, again.output.endswith("version 1 is already there\n")) == (0, True)
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
    assert (found["frames"], found["schema_version"], found["claims"][0]["owner"]) == (11, 2, "a daemon")
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
