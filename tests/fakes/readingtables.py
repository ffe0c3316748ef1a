"""Both kinds of tables for reading, as people see them: rows are the same, whatever the types of their columns."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Protocol

import asyncpg
import msgspec
from msgspec.structs import replace

from adapters.store.postgres_link import Terms
from adapters.store.reading import hint_of, look, open_reading
from adapters.store.reading_postgres import look_at_server, open_at_server
from adapters.store.reading_tables import Mark
from engine.domain.reading.reading import TABLES
from engine.domain.reading.rows import moment
from ops.readingtables import Tables
from tests.fakes.postgres import Database, shared_server
from tests.fakes.reading import rows as rows_of_file

WRITER: Final = "tables_writer"
READER: Final = "analysts"
SCHEMA: Final = "reading"
NAMES: Final = (*(table.name for table in TABLES), "progress", "demand", "stocked_days")
Row = tuple[Any, ...]


class Target(Protocol):
    """Where tables are kept."""

    async def open(self) -> Tables:
        """Open them to write them."""
        ...

    async def look(self) -> Mark | None:
        """Ask how far they are, beside who writes them."""
        ...

    def rows(self, query: str) -> list[Row]:
        """Ask as people do, with a connection of one's own."""
        ...

    def set_version(self, version: int) -> None:
        """Let another version have made them."""
        ...

    def toml(self) -> str:
        """Write the sections for a configuration."""
        ...


class FileTarget:
    """A file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    async def open(self) -> Tables:
        return open_reading(self.path)

    async def look(self) -> Mark | None:
        return look(self.path)

    def rows(self, query: str) -> list[Row]:
        return [_plain(row) for row in rows_of_file(self.path, query)]

    def set_version(self, version: int) -> None:
        rows_of_file(self.path, f"PRAGMA user_version={version}")

    def toml(self) -> str:
        return ""


class ServerTarget:
    """A schema in a database of its own, with a role that writes and one that reads."""

    def __init__(self, database: Database, hint: Path, *, readers: Sequence[str] = (READER,)) -> None:
        self.database = database
        self.hint = hint
        self.readers = tuple(readers)
        for role in (WRITER, READER):
            _create_role(database, role)
        database.execute(f'CREATE SCHEMA "{SCHEMA}" AUTHORIZATION {WRITER}')

    @property
    def terms(self) -> Terms:
        return replace(self.database.terms(user=WRITER, schema=SCHEMA), section="reading.postgres")

    async def open(self) -> Tables:
        return await open_at_server(self.terms, self.readers, self.hint)

    async def look(self) -> Mark | None:
        return await look_at_server(self.terms)

    def rows(self, query: str, *, user: str = READER) -> list[Row]:
        return [_plain(row) for row in asyncio.run(_fetch(replace(self.terms, user=user), query))]

    def set_version(self, version: int) -> None:
        self.database.execute(f"UPDATE {SCHEMA}.which__ SET version = {version}", user=WRITER)

    def toml(self) -> str:
        return (
            f'[reading]\nkind = "postgres"\n[reading.postgres]\nhost = "{self.database.server.folder}"\n'
            f'database = "{self.database.name}"\nuser = "{WRITER}"\nschema = "{SCHEMA}"\nreaders = ["{READER}"]\n'
        )


def target_of(kind: str, folder: Path) -> Target:
    """Make one of the two, empty."""
    path = folder / "reading.sqlite3"
    return FileTarget(path) if kind == "sqlite" else ServerTarget(shared_server().create_database(), hint_of(path))


def dump(target: Target) -> dict[str, list[Row]]:
    """Return all that people can read, in an order that no target chooses."""
    return {name: sorted(target.rows(f'SELECT * FROM "{name}"'), key=repr) for name in NAMES}


def _create_role(database: Database, role: str) -> None:
    database.execute(f"DO $$ BEGIN CREATE ROLE {role} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")


async def _fetch(terms: Terms, query: str) -> list[Any]:
    connection = await asyncpg.connect(
        host=terms.host,
        port=terms.port,
        database=terms.database,
        user=terms.user,
        ssl=False,
        server_settings={"search_path": terms.schema, "timezone": "UTC"},
    )
    try:
        rows: list[Any] = await connection.fetch(query)
        return rows
    finally:
        await connection.close()


def _plain(row: Sequence[Any]) -> Row:
    return tuple(map(_plain_value, row))


def _plain_value(value: Any) -> Any:
    match value:
        case datetime():
            return moment(value.astimezone(UTC))
        case date():
            return value.isoformat()
        case bool():
            return int(value)
        case Decimal() | float():
            return round(float(value), 2)  # SQLite tells instants apart by the millisecond
        case str() if value[:1] in {"{", "["}:
            return msgspec.json.decode(value)
        case _:
            return value
