"""The store at a PostgreSQL server: who may write, what a lost connection means, what is refused at the start."""

import os
import shutil
import socket as sockets
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import trio
import trio.testing
from msgspec.structs import replace

from adapters.store import postgres_sql as sql
from adapters.store import postgres_work
from adapters.store.bridge import Bridge
from adapters.store.postgres import PostgresStore, migrate, open_store
from adapters.store.postgres_link import Terms, is_answer
from adapters.store.postgres_work import Tenant
from engine.domain.errors import (
    AppendUnknown,
    ConfigError,
    Fenced,
    JournalUnavailable,
    StoreCorrupt,
    StoreInUse,
)
from engine.ports import Frame
from tests.fakes.clocks import START
from tests.fakes.postgres import ADMIN, DAEMON, Database, PostgresServer, make_server, migrated_database, shared_server


def frame(position: int, payload: bytes | None = None) -> Frame:
    return Frame(
        position=position,
        written_at=START + timedelta(microseconds=position),
        payload=f"payload {position}".encode() if payload is None else payload,
    )


@pytest.fixture
async def database() -> Database:
    return await migrated_database(shared_server())


@asynccontextmanager
async def opened(terms: Terms) -> AsyncIterator[PostgresStore]:
    store = await open_store(terms)
    try:
        yield store
    finally:
        await store.aclose()


@asynccontextmanager
async def owned(terms: Terms, frames: int = 0) -> AsyncIterator[PostgresStore]:
    """Open and claim it, with frames 1 to n in it."""
    async with opened(terms) as store:
        await store.claim("test")
        for position in range(1, frames + 1):
            await store.append(frame(position))
        yield store


class OtherSession:
    """A session of somebody else's, whose transaction a test holds open."""

    def __init__(self, database: Database) -> None:
        self._bridge = Bridge("other")
        self._terms = database.terms()
        self._connection: Any = None

    async def begin(self) -> None:
        self._connection = await self._bridge.call(
            asyncpg.connect,
            host=self._terms.host,
            port=self._terms.port,
            database=self._terms.database,
            user=ADMIN,
            ssl=False,
            server_settings={"search_path": self._terms.schema},
        )
        await self.execute("BEGIN")

    async def execute(self, statement: str, *values: object) -> None:
        await self._bridge.call(self._connection.execute, statement, *values)

    async def close(self) -> None:
        await self._bridge.call(self._connection.close)
        self._bridge.close()


@asynccontextmanager
async def other_session(database: Database) -> AsyncIterator[OtherSession]:
    other = OtherSession(database)
    await other.begin()
    try:
        yield other
    finally:
        await other.close()


async def wait_blocked(database: Database) -> None:
    """Wait until a session of the daemon's role waits for a lock."""
    waiting = f"SELECT count(*) FROM pg_stat_activity WHERE usename = '{DAEMON}' AND wait_event_type = 'Lock'"
    await wait_until(lambda: database.execute(f"{waiting} AND datname = current_database()") != "0")


async def wait_until(met: Callable[[], bool]) -> None:
    with trio.fail_after(10):
        while not await trio.to_thread.run_sync(met):  # noqa: ASYNC110 - another process's state
            await trio.sleep(0.005)


def end_sessions(database: Database, purpose: str) -> None:
    """End the daemon's sessions of one purpose at the server, as a network that breaks does."""
    database.execute(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '% {purpose}'"
        " AND datname = current_database()"
    )


# -- who may write


async def test_a_living_owner_keeps_others_away(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lesson H4: a second daemon started by mistake."""
    monkeypatch.setattr(postgres_work, "_LOCK_WAIT_MS", 10)
    async with owned(database.terms(), 1), opened(database.terms()) as second:
        with pytest.raises(StoreInUse, match=r"belongs to test, heard of \d\.\d s ago; one store, one daemon"):
            await second.claim("second")
        with pytest.raises(Fenced):
            await second.append(frame(2))
        assert [each.epoch for each in await second.claims(9)] == [1]


async def test_an_owner_that_left_or_died_is_succeeded_at_once(database: Database) -> None:
    async with owned(database.terms(), 1):
        pass
    async with opened(database.terms()) as second:
        assert (await second.tenant()).silent_seconds is None
        assert await second.claim("second") == 2
        await second.append(frame(2))
        end_sessions(database, "keeper")  # the lock goes with the process, the lease stays
        async with opened(database.terms()) as third:
            assert await third.claim("third") == 3
            await third.append(frame(3))
            with pytest.raises(Fenced):
                await second.append(frame(3, b"of the second"))
            assert (await third.read(2, 9)) == (frame(3),)


def fall_silent(database: Database) -> None:
    """Let a minute pass for the lease."""
    database.execute("UPDATE lastunit.leases SET heard_at = clock_timestamp() - interval '1 minute'")


async def test_an_owner_that_is_silent_for_longer_than_its_lease_is_given_up(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paused: its connections are open and it has its lock still."""
    monkeypatch.setattr(postgres_work, "_LOCK_WAIT_MS", 10)
    terms = database.terms(lease_seconds=30.0)
    async with owned(terms, 1) as paused, opened(terms) as standby:
        tenant = await standby.tenant()
        assert tenant.connected
        assert not standby.is_vacant(tenant)
        fall_silent(database)
        assert standby.is_vacant(await standby.tenant())
        assert await standby.claim("standby") == 2
        with pytest.raises(Fenced, match=r"belongs to standby \(epoch 2\)"):
            await paused.append(frame(2))
        with pytest.raises(Fenced):
            await paused.keep()


async def test_an_owner_that_renews_its_lease_is_heard_of(database: Database) -> None:
    terms = database.terms(lease_seconds=30.0)
    async with owned(terms) as owner, opened(terms) as standby, trio.open_nursery() as nursery:
        fall_silent(database)
        nursery.start_soon(owner.keep)
        with trio.fail_after(10):
            while standby.is_vacant(await standby.tenant()):  # noqa: ASYNC110 - the server's state
                await trio.sleep(0.005)
        nursery.cancel_scope.cancel()


async def test_an_owner_takes_its_lock_back_when_it_was_cut_off(database: Database) -> None:
    async with owned(database.terms(lease_seconds=0.3)) as owner, trio.open_nursery() as nursery:
        await nursery.start(owner.keep)
        end_sessions(database, "keeper")
        async with opened(database.terms()) as other:
            with trio.fail_after(5):
                while not (await other.tenant()).connected:  # noqa: ASYNC110 - another session's state
                    await trio.sleep(0.01)
        await owner.append(frame(1))
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("silent_seconds", "connected", "gone"),
    [
        (None, False, True),  # left, or was never there
        (None, True, False),  # about to claim, or copying
        (0.0, True, False),
        (5.9, True, False),
        (6.1, True, True),  # paused
        (2.9, False, False),  # cut off a moment ago
        (3.1, False, True),  # died
        (6.1, False, True),
    ],
)
def test_who_is_gone(silent_seconds: float | None, connected: bool, gone: bool) -> None:
    tenant = Tenant(epoch=1, owner="one", silent_seconds=silent_seconds, connected=connected)
    assert tenant.is_gone(lease_seconds=6.0, grace_seconds=3.0) is gone


async def test_an_append_that_meets_a_claim_waits_and_is_refused(database: Database) -> None:
    """The claim has its row, and commits: the condition of the append is judged anew, not as it was at its start."""
    async with owned(database.terms(), 1) as store, other_session(database) as other, trio.open_nursery() as nursery:
        await other.execute(sql.LOCK_PARTITION)
        fenced: list[bool] = []

        async def append() -> None:
            with pytest.raises(Fenced, match=r"belongs to other \(epoch 2\)"):
                await store.append(frame(2))
            fenced.append(True)

        nursery.start_soon(append)
        await wait_blocked(database)
        await other.execute(sql.CLAIM, "other")
        assert fenced == []
        await other.execute("COMMIT")
    assert database.execute("SELECT max(position) FROM lastunit.frames") == "1"


async def test_a_claim_that_meets_an_append_waits_and_sees_its_frame(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The append is not committed yet when the claim comes."""
    monkeypatch.setattr(postgres_work, "_LOCK_WAIT_MS", 10)
    async with owned(database.terms(lease_seconds=0.0), 1), other_session(database) as other:
        await other.execute(sql.APPEND, 2, START, 0, b"late", 1)
        async with opened(database.terms(lease_seconds=0.0)) as newer, trio.open_nursery() as nursery:
            nursery.start_soon(newer.claim, "newer")
            await wait_blocked(database)
            await other.execute("COMMIT")
            with trio.fail_after(5):
                while (await newer.claims(1))[0].epoch == 1:  # noqa: ASYNC110 - the server's state
                    await trio.sleep(0.005)
            assert (await newer.claims(1))[0].after_position == 2


async def test_a_server_that_lost_frames_is_not_carried_on_with_a_gap(database: Database) -> None:
    """An older replica was put in its place."""
    async with owned(database.terms(), 3) as store:
        database.execute("DELETE FROM lastunit.frames WHERE position = 3")
        with pytest.raises(StoreCorrupt, match="frame 3 is missing: the server has lost what it had confirmed"):
            await store.append(frame(4))
    assert database.execute("SELECT max(position) FROM lastunit.frames") == "2"


# -- connections


async def test_a_lost_connection_is_made_anew_where_nothing_was_sent(database: Database) -> None:
    async with owned(database.terms(), 1) as store:
        for purpose in ("writer", "reader"):
            session = getattr(store._work, purpose)
            await store.read(0, 9)
            end_sessions(database, purpose)
            await wait_until(lambda session=session: not session.is_open)  # type: ignore[misc]
        await store.append(frame(2))
        assert await store.read(0, 9) == (frame(1), frame(2))


async def test_an_append_whose_session_is_ended_leaves_its_outcome_unknown(database: Database) -> None:
    async with owned(database.terms(), 1) as store:
        async with other_session(database) as other, trio.open_nursery() as nursery:
            await other.execute(sql.LOCK_PARTITION)

            async def append() -> None:
                with pytest.raises(AppendUnknown, match="frame 2"):
                    await store.append(frame(2))

            nursery.start_soon(append)
            await wait_blocked(database)
            end_sessions(database, "writer")
        with pytest.raises(AppendUnknown):  # nothing may be written behind what nobody knows of
            await store.append(frame(2))
    async with owned(database.terms()) as successor:
        assert await successor.read(0, 9) == (frame(1),)
        await successor.append(frame(2, b"again"))


@pytest.mark.parametrize(
    ("error", "severity", "certain"),
    [
        (asyncpg.DiskFullError, "ERROR", True),
        (asyncpg.QueryCanceledError, "ERROR", True),
        (asyncpg.AdminShutdownError, "FATAL", False),  # it may come between a commit and its answer
        (asyncpg.CrashShutdownError, "PANIC", False),
        (asyncpg.ConnectionDoesNotExistError, None, False),
        (asyncpg.InterfaceError, None, False),
        (ConnectionResetError, None, False),
        (TimeoutError, None, False),
    ],
)
def test_only_an_answer_of_the_server_makes_it_certain(
    error: type[Exception], severity: str | None, certain: bool
) -> None:
    raised = error("as the library raises it")
    if severity is not None:
        raised.__dict__["severity_en"] = severity
    assert is_answer(raised) is certain


async def test_a_statement_that_takes_too_long_is_certainly_not_written(database: Database) -> None:
    terms = replace(database.terms(), statement_seconds_max=0.1)
    async with owned(terms, 1) as store:
        async with other_session(database) as other:
            await other.execute(sql.LOCK_PARTITION)
            with pytest.raises(JournalUnavailable, match="statement timeout"):
                await store.append(frame(2))
        assert await store.read(0, 9) == (frame(1),)
        await store.append(frame(2))


async def test_a_cancelled_append_waits_until_it_is_known(database: Database) -> None:
    async with owned(database.terms(), 1) as store:
        ended: list[str] = []
        async with other_session(database) as other, trio.open_nursery() as nursery:
            await other.execute(sql.LOCK_PARTITION)
            scope = trio.CancelScope()

            async def append() -> None:
                with scope:
                    await store.append(frame(2))
                    ended.append("known")
                ended.append("over")

            nursery.start_soon(append)
            await wait_blocked(database)
            scope.cancel()
            await trio.testing.wait_all_tasks_blocked(0.05)
            assert ended == []
            await other.execute("ROLLBACK")
        assert ended in (["known", "over"], ["over"])
        assert await store.read(0, 9) == (frame(1), frame(2))
        await store.append(frame(3))


async def test_a_cancelled_read_is_given_up(database: Database) -> None:
    async with owned(database.terms(), 1) as store:
        async with other_session(database) as other:
            await other.execute("LOCK TABLE frames")
            with trio.move_on_after(0.05) as patience:
                await store.read(0, 9)
            assert patience.cancelled_caught
        assert await store.read(0, 9) == (frame(1),)


@pytest.mark.slow
@pytest.mark.process
async def test_a_server_that_dies_and_comes_back_has_all_that_it_confirmed() -> None:
    server = await trio.to_thread.run_sync(make_server)
    server.start()
    try:
        database = await migrated_database(server)
        async with owned(database.terms(), 20) as store:
            server.kill()
            await wait_until(lambda: not store._work.writer.is_open)
            with pytest.raises(JournalUnavailable):
                await store.append(frame(21))
            server.start()
            with trio.fail_after(20):
                while True:
                    try:
                        await store.append(frame(21))
                        break
                    except JournalUnavailable:
                        await trio.sleep(0.05)
            assert await store.read(0, 99) == tuple(frame(n) for n in range(1, 22))
    finally:
        server.stop()


async def test_a_store_that_is_closed_says_so(database: Database) -> None:
    async with owned(database.terms(), 1) as store:
        await store.aclose()
        with pytest.raises(JournalUnavailable, match="the store is closed"):
            await store.append(frame(2))


# -- damage


@pytest.mark.parametrize(
    "damage",
    [
        "payload = set_byte(payload, 3, 1)",
        "digest = digest # 1",
        "written_at = written_at + interval '1 microsecond'",
    ],
)
async def test_a_flipped_bit_is_found_and_its_frame_named(database: Database, damage: str) -> None:
    async with owned(database.terms(), 3) as store:
        database.execute(f"UPDATE lastunit.frames SET {damage} WHERE position = 2")
        assert await store.read(0, 1) == (frame(1),)
        with pytest.raises(StoreCorrupt, match="frame 2 does not match its digest"):
            await store.read(0, 9)
        with pytest.raises(StoreCorrupt, match="frame 2 does not match its digest"):
            await store.search(1, 3, (b"p",))


@pytest.mark.parametrize("missing", [1, 2])
async def test_a_missing_frame_is_found_and_named(database: Database, missing: int) -> None:
    async with owned(database.terms(), 3) as store:
        database.execute(f"DELETE FROM lastunit.frames WHERE position = {missing}")
        with pytest.raises(StoreCorrupt, match=f"frame {missing} is missing, the next one is {missing + 1}"):
            await store.read(0, 9)
        with pytest.raises(StoreCorrupt, match="of frames 1 to 3 only 2 are there"):
            await store.search(0, 3, ())


# -- the start


async def refused(terms: Terms, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        await open_store(terms)


async def test_a_database_without_tables_says_what_to_run(database: Database) -> None:
    empty = shared_server().create_database()
    await refused(empty.terms(), ConfigError, "has no such schema.*`lastunit store migrate`")
    empty.execute("CREATE SCHEMA lastunit; GRANT USAGE ON SCHEMA lastunit TO public")
    await refused(empty.terms(), ConfigError, f"has no tables yet, this one needs {sql.SCHEMA_VERSION}: ")
    await refused(replace(database.terms(), database="nowhere"), ConfigError, 'database "nowhere" does not exist')
    await refused(replace(database.terms(), user="nobody"), ConfigError, 'role "nobody" does not exist')


async def test_tables_of_others_are_left_alone(database: Database) -> None:
    other = shared_server().create_database()
    other.execute("CREATE SCHEMA lastunit; CREATE TABLE lastunit.frames (id integer)")
    with pytest.raises(StoreCorrupt, match="tables of another program: frames"):
        await migrate(other.terms(user=ADMIN), program="test")
    assert other.execute("SELECT string_agg(tablename, ',') FROM pg_tables WHERE schemaname = 'lastunit'") == "frames"
    database.execute("INSERT INTO lastunit.schema_versions (version, program) VALUES (99, 'later')")
    await refused(database.terms(), StoreCorrupt, rf"\(schema 99, this one knows {sql.SCHEMA_VERSION}\)")


async def test_each_missing_right_is_named(database: Database) -> None:
    for table, right in ((table, right) for table, rights in sql.RIGHTS.items() for right in rights):
        database.execute(f"REVOKE {right} ON lastunit.{table} FROM {DAEMON}")
        if table == "schema_versions":
            await refused(database.terms(), JournalUnavailable, "permission denied for table schema_versions")
        else:
            await refused(database.terms(), ConfigError, f"the role lacks {right} on {table}: .*--grant {DAEMON}")
        database.execute(f"GRANT {right} ON lastunit.{table} TO {DAEMON}")
    async with opened(database.terms()):
        pass


async def test_the_daemon_s_role_cannot_rewrite_history(database: Database) -> None:
    """The whole contract suite runs as this role."""
    for statement in (
        "UPDATE lastunit.frames SET payload = ''",
        "DELETE FROM lastunit.frames",
        "TRUNCATE lastunit.frames",
        "DROP TABLE lastunit.frames",
        "ALTER TABLE lastunit.frames DISABLE TRIGGER ALL",
        "DELETE FROM lastunit.owners",
        "UPDATE lastunit.owners SET owner = ''",
        "DELETE FROM lastunit.partitions",
        "INSERT INTO lastunit.schema_versions VALUES (2, now(), '')",
        "CREATE TABLE lastunit.mine (id integer)",
    ):
        with pytest.raises(AssertionError, match=r"permission denied|must be owner"):
            database.execute(statement, user=DAEMON)


async def test_a_role_that_can_is_noticed(database: Database) -> None:
    async with opened(database.terms()) as store:
        assert not await store.may_change_frames()
        database.execute(f"GRANT DELETE ON lastunit.frames TO {DAEMON}")
        assert await store.may_change_frames()


async def test_commits_that_are_not_synced_are_refused(database: Database) -> None:
    """Law 2: an answer that a caller saw survives power loss."""
    database.execute(f"ALTER ROLE {DAEMON} IN DATABASE {database.name} SET synchronous_commit = off")
    await refused(database.terms(), ConfigError, "synchronous_commit = off")


async def test_how_commits_are_synced_does_not_change_under_a_session(database: Database) -> None:
    async with owned(database.terms(), 1) as store:
        database.server.psql("ALTER SYSTEM SET synchronous_commit = off")
        try:
            database.server.psql("SELECT pg_reload_conf()")
            rows = await store._bridge.call(store._work.writer.fetch, "SHOW synchronous_commit")
            assert rows[0][0] == "on"
        finally:
            database.server.psql("ALTER SYSTEM RESET synchronous_commit")
            database.server.psql("SELECT pg_reload_conf()")


async def test_a_server_that_can_only_be_read_is_not_started_on(database: Database) -> None:
    database.execute(f"ALTER DATABASE {database.name} SET default_transaction_read_only = on")
    await refused(database.terms(), JournalUnavailable, "is set to read only: nothing can be written there")


async def test_a_server_that_is_not_there_is_said_so(database: Database) -> None:
    await refused(replace(database.terms(), port=1), JournalUnavailable, r"PostgreSQL lastunit@.*:1/.*: .*No such file")
    missing = replace(database.terms(), host="localhost", tls="verify-full", ca_file="/nowhere.pem")
    await refused(missing, ConfigError, "store.postgres.ca_file: /nowhere.pem: No such file")


async def test_terms_do_not_show_the_password(database: Database) -> None:
    assert "open sesame" not in repr(replace(database.terms(), password="open sesame"))


# -- TLS and passwords

_SQL_PASSWORD = "open sesame"


def openssl(folder: Path, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


def make_certificates(folder: Path) -> None:
    """Write `ca.crt`, a server's `server.crt` and `server.key` for localhost, and `other.crt`, which signed nothing."""
    subject = ["-nodes", "-newkey", "rsa:2048", "-subj"]
    for name in ("ca", "other"):
        openssl(
            folder,
            "req",
            "-x509",
            *subject,
            f"/CN={name}",
            "-days",
            "2",
            "-addext",
            "keyUsage=critical,keyCertSign",
            "-keyout",
            f"{name}.key",
            "-out",
            f"{name}.crt",
        )
    openssl(folder, "req", *subject, "/CN=localhost", "-keyout", "server.key", "-out", "server.csr")
    # from 3.13 on Python takes no certificate without these
    (folder / "names").write_text("subjectAltName=DNS:localhost\nauthorityKeyIdentifier=keyid\n")
    signed = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names", "-days", "2"]
    openssl(folder, "x509", "-req", "-in", "server.csr", *signed, "-out", "server.crt")
    (folder / "server.key").chmod(0o600)


def make_encrypted(server: PostgresServer) -> None:
    make_certificates(server.folder)
    if os.geteuid() == 0:
        shutil.chown(server.folder / "server.key", user=server.data.owner())
    (server.data / "pg_hba.conf").write_text("local all all trust\nhostssl all all all scram-sha-256\n")
    listen = ["-c", "listen_addresses=localhost", "-c", "ssl=on"]
    files = [f"ssl_{kind}_file={server.folder}/server.{end}" for kind, end in (("cert", "crt"), ("key", "key"))]
    server.options = [*listen, "-c", files[0], "-c", files[1]]


@pytest.mark.slow
@pytest.mark.process
@pytest.mark.skipif(
    shutil.which("openssl") is None or not Path("/usr/lib/postgresql").is_dir(),
    reason="needs openssl and a PostgreSQL of the system: that of the wheel is built without TLS",
)
async def test_tls_and_the_password_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTGRES", "system")
    with sockets.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = await trio.to_thread.run_sync(make_server)
    server.port = port
    await trio.to_thread.run_sync(make_encrypted, server)
    server.start()
    try:
        database = server.create_database()
        await migrate(database.terms(user=ADMIN), program="test", roles=[DAEMON])
        database.execute(f"ALTER ROLE {DAEMON} PASSWORD '{_SQL_PASSWORD}'")
        terms = replace(
            database.terms(),
            host="localhost",
            tls="verify-full",
            ca_file=str(server.folder / "ca.crt"),
            password=_SQL_PASSWORD,
        )
        async with owned(terms, 1):
            unencrypted = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE NOT ssl"
            assert database.execute(f"{unencrypted} AND usename = '{DAEMON}'") == "0"
        await refused(replace(terms, password="guessed"), ConfigError, "password authentication failed")
        await refused(replace(terms, ca_file=str(server.folder / "other.crt")), ConfigError, r"store\.postgres\.tls")
        await refused(replace(terms, host="127.0.0.1"), ConfigError, r"store\.postgres\.tls.*127\.0\.0\.1")
        await refused(replace(terms, tls="disable"), ConfigError, "no encryption")
        for less in (replace(terms, host="127.0.0.1", tls="verify-ca"), replace(terms, ca_file=None, tls="require")):
            async with opened(less):
                pass
    finally:
        server.stop()


# -- migration


async def test_migrating_twice_at_once_makes_one_schema() -> None:
    database = shared_server().create_database()
    made: list[int] = []

    async def run() -> None:
        made.append((await migrate(database.terms(user=ADMIN), program="test", roles=[DAEMON])).before)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        nursery.start_soon(run)
    assert sorted(made) == [0, sql.SCHEMA_VERSION]
    async with owned(database.terms(), 1):
        pass


async def test_a_migration_that_fails_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    database = shared_server().create_database()
    monkeypatch.setattr(sql, "STEPS", (*sql.STEPS, "CREATE TABLE half (id integer); SELECT 1 / 0"))
    monkeypatch.setattr(sql, "SCHEMA_VERSION", len(sql.STEPS))
    with pytest.raises(ConfigError, match="division by zero"):
        await migrate(database.terms(user=ADMIN), program="test")
    assert database.execute("SELECT count(*) FROM pg_namespace WHERE nspname = 'lastunit'") == "0"


async def test_two_schemas_are_two_stores(database: Database) -> None:
    await migrate(database.terms(schema='odd "name"', user=ADMIN), program="test", roles=[DAEMON])
    async with owned(database.terms(), 1) as one, owned(database.terms(schema='odd "name"')) as two:
        assert await two.read(0, 9) == ()
        await two.append(frame(1, b"of the other"))
        assert await one.read(0, 9) == (frame(1),)
