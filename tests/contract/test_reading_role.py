"""Who keeps the tables for reading reads a journal in PostgreSQL as a role that may read it and do nothing else."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio
from click.testing import CliRunner, Result
from msgspec.structs import replace

from adapters.store.postgres import PostgresStore, open_store
from adapters.store.postgres_sql import RIGHTS, RIGHTS_TO_READ
from engine.domain.errors import ConfigError, JournalUnavailable
from engine.ports import Frame
from ops.cli.invocation import Invocation
from ops.cli.main import main
from tests.fakes.clocks import START
from tests.fakes.postgres import ADMIN, Database, migrated_database, shared_server
from tests.fakes.processes import write_config
from tests.fakes.readingtables import FileTarget, dump
from tests.golden.recording import read_frames

ROLE = "stock_reader"
FRAMES = read_frames("journal-imports")
UNSET = 'database_password = "env:NOT_SET_ON_THIS_HOST"\n'


@pytest.fixture
def database() -> Database:
    """A journal, and a role that has no right to it."""

    async def make() -> Database:
        made = await migrated_database(shared_server())
        store = await open_store(made.terms())
        await store.claim("test")
        await store.load(FRAMES)
        await store.aclose()
        return made

    made = trio.run(make)
    made.execute(f"DO $$ BEGIN CREATE ROLE {ROLE} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    return made


def lastunit(folder: Path, store: str, *words: str) -> Result:
    write_config(folder, store=store)
    return CliRunner().invoke(main, list(words), obj=Invocation(config=folder / "lastunit.toml"))


def grant(folder: Path, database: Database) -> None:
    """Let the role read the journal, as the owner of the schema does it."""
    granted = lastunit(folder, database.toml(), "store", "migrate", "--as", ADMIN, "--grant-read", ROLE)
    assert f"is already there; granted to {ROLE}" in granted.output


def test_tables_are_made_without_a_right_to_write_the_journal_or_the_daemon_s_password(
    tmp_path: Path, database: Database
) -> None:
    store = f'{database.toml()}{UNSET}[reading]\njournal_user = "{ROLE}"\n'
    refused = lastunit(tmp_path, store, "reading", "rebuild")
    assert refused.exit_code == 2
    assert "has no such schema, or this role may not use it" in refused.output
    database.execute(f"GRANT USAGE ON SCHEMA lastunit TO {ROLE}; GRANT SELECT ON lastunit.schema_versions TO {ROLE}")
    refused = lastunit(tmp_path, store, "reading", "rebuild")
    assert refused.exit_code == 2
    mend = f"the role lacks SELECT on frames, SELECT on segments: `lastunit store migrate --grant-read {ROLE}`"
    assert mend in " ".join(refused.output.split())
    grant(tmp_path, database)
    # as careful people set it: no session of this role may write anything, whatever it asks for first
    database.execute(f"ALTER ROLE {ROLE} IN DATABASE {database.name} SET default_transaction_read_only = on")
    made = lastunit(tmp_path, store, "reading", "rebuild")
    assert made.exit_code == 0, made.output
    assert "behind frames     0" in lastunit(tmp_path, store, "reading", "status").output
    assert dump(FileTarget(tmp_path / "data" / "reading.sqlite3"))["progress"][0][1] == len(FRAMES)


def test_the_role_reads_what_it_must_and_nothing_else(tmp_path: Path, database: Database) -> None:
    grant(tmp_path, database)
    held = f"""
        SELECT table_name || ' ' || string_agg(privilege_type, ',') FROM information_schema.role_table_grants
        WHERE grantee = '{ROLE}' GROUP BY table_name ORDER BY 1
    """
    assert database.execute(held).splitlines() == [f"{table} SELECT" for table in sorted(RIGHTS_TO_READ)]
    assert database.execute(f"SELECT has_schema_privilege('{ROLE}', 'lastunit', 'CREATE')") == "f"
    assert (
        database.execute(f"SELECT has_function_privilege('{ROLE}', 'lastunit.trim_frames(integer)', 'EXECUTE')") == "f"
    )
    assert RIGHTS_TO_READ.keys() < RIGHTS.keys()


async def write(store: PostgresStore) -> None:
    await store.append(Frame(position=len(FRAMES) + 1, written_at=START, payload=b"\x90"))


@pytest.mark.parametrize("attempt", [lambda store: store.claim("somebody"), write], ids=["claim", "append"])
def test_whoever_came_to_read_cannot_write_with_any_role(
    database: Database, attempt: Callable[[PostgresStore], Awaitable[object]]
) -> None:
    """A mistake of ours is refused by the server, though the daemon's role could."""

    async def check() -> None:
        store = await open_store(replace(database.terms(), only_reads=True))
        try:
            assert len(await store.read(0, 99)) == len(FRAMES)
            with pytest.raises(JournalUnavailable, match="read-only transaction"):
                await attempt(store)
        finally:
            await store.aclose()

    trio.run(check)
    assert database.execute("SELECT count(*) FROM lastunit.owners") == "1"


def test_a_daemon_still_needs_all_of_its_rights(tmp_path: Path, database: Database) -> None:
    grant(tmp_path, database)

    async def check() -> None:
        with pytest.raises(ConfigError, match="the role lacks INSERT on frames"):
            await open_store(database.terms(user=ROLE))

    trio.run(check)
    with pytest.raises(AssertionError, match="permission denied"):
        database.execute("DELETE FROM lastunit.frames", user=ROLE)
