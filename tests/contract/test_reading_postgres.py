"""The tables at a PostgreSQL server: whose they are, who waits for whom, and what a server that goes away means."""

import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import asyncpg
import msgspec
import pytest
import structlog
import trio
from msgspec.structs import replace

from adapters.store import postgres_sql, reading_postgres_sql
from adapters.store.bridge import Bridge
from adapters.store.postgres import migrate, open_store
from adapters.store.reading import hint_of
from adapters.store.reading_postgres import open_at_server
from adapters.store.reading_tables import ReadingError, ReadingUnavailable
from adapters.store.sqlite import open_store as open_sqlite
from adapters.store.sqlite_reader import open_to_read
from config.database import ReadingPostgres
from config.schema import Location, Node, Reading, Settings
from config.schema import Store as StoreSection
from engine.domain.errors import ConfigError
from engine.domain.events import Event, HoldRefused, UnitsHeld
from engine.domain.units import DIRECT, HoldId
from engine.ports import Frame
from ops import reading
from ops.reading import catch_up, rebuild
from ops.readingtables import Tables
from ops.storetool import copy, examine
from tests.fakes.clocks import START
from tests.fakes.postgres import ADMIN, DAEMON, PostgresServer, make_server, migrated_database, shared_server
from tests.fakes.reading import MemorySource, frames_of
from tests.fakes.readingtables import READER, SCHEMA, WRITER, ServerTarget, dump, target_of
from tests.fakes.rules import HERE, A
from tests.golden.recording import FOLDER, read_frames

FRAMES = read_frames("journal-imports")


@pytest.fixture
def target(tmp_path: Path) -> ServerTarget:
    return ServerTarget(shared_server().create_database(), hint_of(tmp_path / "reading.sqlite3"))


@asynccontextmanager
async def made(target: ServerTarget, frames: list[Frame]) -> AsyncIterator[Tables]:
    async with aclosing(await target.open()) as tables:
        await rebuild(MemorySource(frames), tables, lambda _what, _frames: None)
        yield tables


# -- rights


async def test_a_reader_reads_what_is_documented_and_nothing_else(target: ServerTarget) -> None:
    async with made(target, FRAMES):
        assert target.rows("SELECT count(*) FROM orders") != [(0,)]
        for refused in (
            "SELECT * FROM orders__a",
            "SELECT * FROM which__",
            "UPDATE stock SET on_hand = 0",
            "DELETE FROM ledger",
            "DROP VIEW orders",
            "CREATE TABLE mine (x int)",
            "CREATE VIEW mine AS SELECT 1",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                target.rows(refused)


async def test_the_writer_needs_its_schema_and_nothing_of_the_store(tmp_path: Path) -> None:
    """In one database with the journal: a role without rights on it, and without any on the database."""
    database = await migrated_database(shared_server())
    database.execute(f"REVOKE CREATE, TEMPORARY ON DATABASE {database.name} FROM PUBLIC")
    target = ServerTarget(database, hint_of(tmp_path / "reading.sqlite3"))
    async with made(target, FRAMES[:5]) as tables:
        await rebuild(MemorySource(FRAMES), tables, lambda _what, _frames: None)
    wanted = "SELECT rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls FROM pg_roles"
    assert target.rows(f"{wanted} WHERE rolname = '{WRITER}'") == [(0,)]
    for role, table in ((WRITER, "lastunit.frames"), (READER, "lastunit.frames"), (DAEMON, f"{SCHEMA}.stock")):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            target.rows(f"SELECT * FROM {table}", user=role)


async def test_whoever_is_named_later_may_read_from_the_next_start_on(target: ServerTarget) -> None:
    target.readers = ()
    async with made(target, FRAMES):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            target.rows(f"SELECT * FROM {SCHEMA}.orders")
    target.readers = (READER,)
    async with aclosing(await target.open()):
        assert target.rows("SELECT * FROM orders")


async def test_what_a_person_must_do_first_is_said(target: ServerTarget) -> None:
    target.readers = ("nobody here",)
    with pytest.raises(ConfigError, match=r"reading\.postgres: readers: .* there is no role 'nobody here'"):
        await target.open()
    target.readers = ()
    target.database.execute(f"DROP SCHEMA {SCHEMA}")
    mend = f'there is no such schema: as the server.s administrator, `CREATE SCHEMA "{SCHEMA}" AUTHORIZATION'
    with pytest.raises(ConfigError, match=mend):
        await target.open()
    target.database.execute(f"CREATE SCHEMA {SCHEMA}; GRANT USAGE ON SCHEMA {SCHEMA} TO {WRITER}")
    with pytest.raises(ConfigError, match="this role may make no tables in it"):
        await target.open()


async def test_another_program_s_schema_is_left_alone(target: ServerTarget) -> None:
    target.database.execute(f"CREATE TABLE {SCHEMA}.theirs (x int)", user=WRITER)
    with pytest.raises(ReadingError, match="is of another program, it has theirs"):
        await target.open()
    assert await target.look() is None


# -- reports


async def test_what_people_have_built_on_the_views_of_an_older_version_stays(target: ServerTarget) -> None:
    """On record is what they were; a view's columns are only added to, at the end."""
    recorded = msgspec.json.decode((FOLDER / "reading-views-2.json").read_bytes(), type=dict[str, dict[str, str]])
    database = target.database
    script = [reading_postgres_sql.WHICH, "INSERT INTO which__ VALUES (1, 2, 'a')"]
    for view, columns in recorded.items():
        nothing = ", ".join(f'NULL::{kind} AS "{name}"' for name, kind in columns.items())
        script += [f"CREATE VIEW {view} AS SELECT {nothing}", f"GRANT SELECT ON {view} TO {READER}"]
    database.execute(f"SET search_path = {SCHEMA}; {';'.join(script)}", user=WRITER)
    database.execute(f"CREATE SCHEMA theirs AUTHORIZATION {READER}; GRANT USAGE ON SCHEMA {SCHEMA} TO {READER}")
    for view in recorded:
        database.execute(f"CREATE VIEW theirs.{view} AS SELECT * FROM {SCHEMA}.{view}", user=READER)
    assert await target.look() is None
    async with made(target, FRAMES):
        for view, columns in recorded.items():
            names = ", ".join(columns)
            found = target.rows(f"SELECT {names} FROM {view}")
            assert found
            assert sorted(target.rows(f"SELECT * FROM theirs.{view}"), key=repr) == sorted(found, key=repr)


async def test_what_people_have_built_on_the_views_outlives_a_rebuild(target: ServerTarget) -> None:
    database = target.database
    async with made(target, FRAMES[:5]) as tables:
        database.execute(f"CREATE SCHEMA theirs AUTHORIZATION {READER}")
        view = f"CREATE VIEW theirs.owed AS SELECT sku, sum(committed) AS units FROM {SCHEMA}.stock GROUP BY sku"
        database.execute(view, user=READER)
        for _ in range(2):
            await rebuild(MemorySource(FRAMES), tables, lambda _what, _frames: None)
            assert target.rows("SELECT sku, units FROM theirs.owed") == target.rows(
                "SELECT sku, sum(committed) FROM stock GROUP BY sku"
            )
        tables_left = "SELECT DISTINCT right(relname, 3) FROM pg_class WHERE relkind = 'r' AND relname LIKE '%\\_\\_%'"
        assert [slot for (slot,) in target.rows(tables_left) if slot in {"__a", "__b"}] == ["__a"]


class Report:
    """Somebody who reads within a transaction."""

    def __init__(self, target: ServerTarget) -> None:
        self._target = target
        self._bridge = Bridge("report")

    async def begin(self) -> "Report":
        terms = replace(self._target.terms, user=READER)
        self.connection = await self._bridge.call(
            asyncpg.connect,
            host=terms.host,
            port=terms.port,
            database=terms.database,
            user=terms.user,
            ssl=False,
            server_settings={"search_path": SCHEMA},
        )
        await self.ask("BEGIN ISOLATION LEVEL REPEATABLE READ")
        return self

    async def ask(self, query: str) -> list[tuple[object, ...]]:
        return [tuple(row) for row in await self._bridge.call(self.connection.fetch, query)]

    async def aclose(self) -> None:
        await self._bridge.call(self.connection.close)
        self._bridge.close()


async def test_a_report_under_way_is_waited_for_and_waits_for_nobody(
    target: ServerTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The views turn when it is done; until then everybody reads the old tables, which go on being there for it."""
    monkeypatch.setattr("adapters.store.reading_postgres_work._TURN_WAIT_MS", 50)
    monkeypatch.setattr("adapters.store.reading_postgres._TURN_PAUSE_SECONDS", 0.05)
    async with made(target, FRAMES[:5]) as tables:
        report = await Report(target).begin()
        (before,) = await report.ask("SELECT position FROM progress")
        with structlog.testing.capture_logs() as logs:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(rebuild, MemorySource(FRAMES), tables, lambda _what, _frames: None)
                with trio.fail_after(20):
                    while not any(line["event"] == "tables.turn_waits" for line in logs):  # noqa: ASYNC110
                        await trio.sleep(0.01)
                assert await report.ask("SELECT position FROM progress") == [before]
                assert target.rows("SELECT position FROM progress") == [before]
                await report.aclose()
        assert target.rows("SELECT position FROM progress") == [(len(FRAMES),)]
        assert [line["event"] for line in logs].count("tables.turn_waits") == 1


async def test_old_tables_that_somebody_reads_are_dropped_later(
    target: ServerTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.store.reading_postgres_work._TURN_WAIT_MS", 50)
    async with made(target, FRAMES) as tables:
        await rebuild(MemorySource(FRAMES), tables, lambda _what, _frames: None)
        target.database.execute(f"CREATE TABLE {SCHEMA}.orders__a (x int)", user=WRITER)  # one was left behind...
        target.database.execute(f"GRANT SELECT ON {SCHEMA}.orders__a TO {READER}", user=WRITER)
        report = await Report(target).begin()
        await report.ask("SELECT * FROM orders__a")  # ...since it is being read
        assert not await tables.tidy()
        await report.aclose()
        assert await tables.tidy()
        assert target.rows("SELECT to_regclass('orders__a') IS NULL") == [(1,)]


# -- what is wrong with a batch


async def test_a_text_that_postgresql_cannot_keep_is_kept_as_far_as_it_can(target: ServerTarget) -> None:
    hold, at = HoldId("a\0b"), START
    events: list[list[Event]] = [
        [UnitsHeld(at=at, sku=A, account=DIRECT, hold_id=hold, parts=((HERE, 1),), expires_at=None)],
        [HoldRefused(at=at, sku=A, account=DIRECT, hold_id=HoldId("c\0"), requested=2, atp=1)],
    ]
    async with made(target, []) as tables:
        frames = frames_of(events)
        mark = await catch_up(MemorySource(frames), tables, None)
        assert mark is not None
        assert mark.position == 2
    assert target.rows("SELECT hold_id FROM holds ORDER BY 1") == [("a\ufffdb",), ("c\ufffd",)]


async def test_what_the_server_refuses_for_good_ends_it(target: ServerTarget) -> None:
    """Somebody has dropped a table: trying again would not bring it back."""
    async with made(target, FRAMES[:5]) as tables:
        mark = await tables.mark()
        target.database.execute(f"DROP TABLE {SCHEMA}.ledger__a CASCADE")
        with pytest.raises(ReadingError, match='"ledger__a" does not exist') as raised:
            await catch_up(MemorySource(FRAMES), tables, mark)
        assert not isinstance(raised.value, ReadingUnavailable)
        assert await tables.mark() == mark


async def test_a_statement_that_takes_too_long_is_tried_again_later(target: ServerTarget) -> None:
    """Somebody has locked a table: the server gives the statement up, and nothing was written."""
    quick = replace(target.terms, statement_seconds_max=0.1)
    async with made(target, FRAMES[:5]) as tables:
        mark = await tables.mark()
    async with aclosing(await open_at_server(quick, (), target.hint)) as tables:
        report = await Report(target).begin()
        target.database.execute(f"GRANT ALL ON {SCHEMA}.progress__a TO {READER}", user=WRITER)
        await report.ask("LOCK TABLE progress__a IN SHARE MODE")
        with pytest.raises(ReadingUnavailable, match="statement timeout"):
            await catch_up(MemorySource(FRAMES), tables, mark)
        await report.aclose()
        assert await tables.mark() == mark
        await catch_up(MemorySource(FRAMES), tables, mark)
    assert target.rows("SELECT position FROM progress") == [(len(FRAMES),)]


# -- a server that goes away


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """A server to be killed."""
    server = make_server()
    server.start()
    yield server
    server.stop()


@pytest.mark.slow
async def test_it_goes_on_by_itself_when_the_server_comes_back(
    tmp_path: Path, server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed with whatever was under way: afterwards every event counts once."""
    monkeypatch.setattr(reading, "_AWAY_SECONDS", 0.02)
    monkeypatch.setattr(reading, "_LOOK_SECONDS", 0.002)
    target = ServerTarget(server.create_database(), hint_of(tmp_path / "reading.sqlite3"))
    section = ReadingPostgres(
        host=str(server.folder), database=target.database.name, user=WRITER, schema=SCHEMA, readers=(READER,)
    )
    settings = Settings(
        node=Node(data=tmp_path),
        store=StoreSection(path=tmp_path / "journal.sqlite3"),
        reading=Reading(kind="postgres", postgres=section),
        locations=(Location(id="here"),),
    )
    store = await open_sqlite(tmp_path / "journal.sqlite3", inline_seconds_max=1)
    await store.claim("test")
    with structlog.testing.capture_logs() as logs:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(reading.keep, settings)
            for number, frame in enumerate(FRAMES, 1):
                await store.append(frame)
                if number in {3, 8}:
                    await wait_position(target, number)
                    await trio.to_thread.run_sync(server.kill)
                    server.start()
            await wait_position(target, len(FRAMES))
            nursery.cancel_scope.cancel()
    await store.aclose()
    assert any(line["event"] == "reading.unavailable" for line in logs)
    assert [line["event"] for line in logs].count("reading.rebuilt") == 1
    anew = target_of("sqlite", tmp_path)
    async with aclosing(await anew.open()) as tables:
        await rebuild(MemorySource(FRAMES), tables, lambda _what, _frames: None)
    assert dump(target) == dump(anew)


async def wait_position(target: ServerTarget, position: int) -> None:
    """Wait until the tables are there; what is asked meanwhile may find no server and no view."""
    with trio.fail_after(30):
        while True:
            try:
                if await trio.to_thread.run_sync(target.rows, "SELECT position FROM progress") == [(position,)]:
                    return
            except (OSError, asyncpg.PostgresError):
                pass
            await trio.sleep(0.01)


async def test_a_commit_cut_short_is_found_out_by_who_comes_next(target: ServerTarget) -> None:
    """Whatever became of it: rows and position are one transaction."""
    async with made(target, FRAMES[:5]) as tables:
        mark = await tables.mark()
        target.database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '%reading'"
            " AND datname = current_database()"
        )
        with pytest.raises(ReadingUnavailable):
            await catch_up(MemorySource(FRAMES), tables, mark)
        with pytest.raises(ReadingUnavailable):  # never by another session, which would not have the lock
            await tables.mark()
    async with aclosing(await target.open()) as tables:
        assert await tables.mark() == mark


# -- beside the store


async def test_the_store_s_tools_and_the_tables_leave_each_other_alone(tmp_path: Path) -> None:
    """In one database: copied to, migrated again, checked; and the tables are what they were."""
    database = await migrated_database(shared_server())
    target = ServerTarget(database, hint_of(tmp_path / "reading.sqlite3"))
    written = await open_sqlite(tmp_path / "journal.sqlite3", inline_seconds_max=1)
    await written.claim("test")
    for frame in FRAMES:
        await written.append(frame)
    await written.aclose()
    source = open_to_read(tmp_path / "journal.sqlite3", alone=True)
    async with made(target, FRAMES) as tables:
        before = dump(target)
        store = await open_store(database.terms())
        await store.reserve()  # the lock of daemons is another one
        copied = await copy(source, store, owner="test", resume=False, progress=lambda _what, _frames: None)
        await store.aclose()
        assert copied.frames == len(FRAMES)
        again = await migrate(database.terms(user=ADMIN), program="test", roles=[DAEMON])
        assert (again.before, again.after) == (postgres_sql.SCHEMA_VERSION,) * 2
        checked = await examine(await open_store(database.terms()), lambda _what, _frames: None)
        assert checked.sha256 == copied.sha256
        assert await tables.mark() is not None
        assert dump(target) == before
    await source.aclose()


def test_locks_of_stores_and_of_tables_are_never_the_same() -> None:
    names = ["lastunit", "lastunit_reading", "reading", "stock"]
    stores, tables = map(postgres_sql.lock_class, names), map(reading_postgres_sql.lock_class, names)
    both = list(itertools.chain(stores, tables))
    assert len(set(both)) == len(both)
