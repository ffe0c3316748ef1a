"""`lastunit reading` on either kind of journal makes the same tables."""

from pathlib import Path

import trio
from click.testing import CliRunner

from adapters.store.postgres import open_store as open_postgres
from adapters.store.sqlite import open_store as open_sqlite
from engine.ports import Store
from ops.cli.invocation import Invocation
from ops.cli.main import main
from tests.fakes.postgres import migrated_database, shared_server
from tests.fakes.processes import write_config
from tests.fakes.reading import dump
from tests.golden.recording import read_frames


async def fill(store: Store) -> None:
    await store.claim("test")
    for frame in read_frames("journal-imports"):
        await store.append(frame)
    await store.aclose()


def test_tables_of_a_journal_in_postgres_are_those_of_one_in_a_file(tmp_path: Path) -> None:
    async def prepare() -> str:
        database = await migrated_database(shared_server())
        await fill(await open_postgres(database.terms()))
        (tmp_path / "sqlite" / "data").mkdir(parents=True)
        await fill(await open_sqlite(tmp_path / "sqlite" / "data" / "journal.sqlite3"))
        return database.toml()

    toml = trio.run(prepare)
    tables = []
    for kind, store in (("sqlite", ""), ("postgres", toml)):
        (tmp_path / kind).mkdir(exist_ok=True)
        write_config(tmp_path / kind, store=store)
        config = Invocation(config=tmp_path / kind / "lastunit.toml")
        made = CliRunner().invoke(main, ["reading", "rebuild"], obj=config)
        assert made.exit_code == 0, made.output
        looked = CliRunner().invoke(main, ["reading", "status"], obj=config)
        assert "behind frames     0" in looked.output
        tables.append(dump(tmp_path / kind / "data" / "reading.sqlite3"))
    assert tables[0] == tables[1]
    assert tables[0]["pushes"]
