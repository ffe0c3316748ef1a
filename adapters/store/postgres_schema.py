"""The tables of a store at a PostgreSQL server: made, brought to this version, checked. Over the bridge, in asyncio."""

from collections.abc import Sequence
from typing import Any

import msgspec

from adapters.store import postgres_sql as sql
from adapters.store.postgres_link import CANNOT_CONNECT, Session, Terms, is_answer, tell
from engine.domain.errors import ConfigError, StoreCorrupt


class Migrated(msgspec.Struct, frozen=True, kw_only=True):
    """What a migration found and made."""

    before: int
    """Version of the schema; 0: there was none."""
    after: int


async def migrate(
    terms: Terms, program: str, roles: Sequence[str], archivers: Sequence[str], readers: Sequence[str]
) -> Migrated:
    """Bring the schema to this version, in one transaction; do nothing where it is there already.

    Args:
        terms: as whom: a role that may create the schema, or owns it.
        program: which version of us does it; kept with the version of the schema.
        roles: who gets the rights that a daemon needs, and no others.
        archivers: who may put frames away, too.
        readers: who may read the journal, and nothing else.

    Raises:
        StoreCorrupt: tables of another program, or of a newer version of this one.
        ConfigError: it cannot be done until somebody changes something.
        JournalUnavailable: no answer; nothing was changed, or all of it.
    """
    session = Session(terms, "migrate", needs_schema=False)
    connection = await session.ready()
    try:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1::int, -1)", sql.lock_class(terms.schema))
            before = await _version(connection, terms)
            if before == 0:
                await _create(connection, terms)
            for version in range(before + 1, sql.SCHEMA_VERSION + 1):
                await connection.execute(sql.STEPS[version - 1])
                await connection.execute(
                    "INSERT INTO schema_versions (version, program) VALUES ($1, $2)", version, program
                )
            grants = [grant for role in roles for grant in sql.grants(terms.schema, role)]
            grants += [grant for role in archivers for grant in sql.archive_grants(role)]
            grants += [grant for role in readers for grant in sql.reading_grants(terms.schema, role)]
            for grant in grants:
                await connection.execute(grant)
    except CANNOT_CONNECT as error:
        if is_answer(error):
            raise ConfigError([f"store.postgres: {terms.place}: {tell(error)}"]) from error
        raise session.unavailable(error) from error
    finally:
        await session.close()
    return Migrated(before=before, after=sql.SCHEMA_VERSION)


async def check(session: Session, terms: Terms) -> None:
    """See that the schema is this version's and that our role may do what it must.

    Raises:
        StoreCorrupt: of another program, or of a newer version of this one.
        ConfigError: with every problem, and what mends it.
        JournalUnavailable: no answer.
    """
    connection = await session.ready()
    try:
        version = await _version(connection, terms)
        if version < sql.SCHEMA_VERSION:
            what = f"has schema version {version}" if version else "has no tables yet"
            raise ConfigError(
                [f"store.postgres: {terms.place} {what}, this one needs {sql.SCHEMA_VERSION}: `lastunit store migrate`"]
            )
        wanted = sql.RIGHTS_TO_READ if terms.only_reads else sql.RIGHTS
        pairs = [(table, right) for table, rights in wanted.items() for right in rights]
        rows = await connection.fetch(sql.MISSING_RIGHTS, *map(list, zip(*pairs, strict=True)))
    except CANNOT_CONNECT as error:
        session.drop_broken(error)
        raise session.unavailable(error) from error
    if rows:
        missing = ", ".join(row[0] for row in rows)
        option = "--grant-read" if terms.only_reads else "--grant"
        mend = f"`lastunit store migrate {option} {terms.user}`, as the owner of the schema"
        raise ConfigError([f"store.postgres: {terms.place}: the role lacks {missing}: {mend}"])


async def may_change_frames(session: Session) -> bool:
    """Whether our role could change what is written: a daemon needs no such right."""
    rows = await session.fetch(sql.MAY_CHANGE_FRAMES)
    return bool(rows[0][0])


async def _version(connection: Any, terms: Terms) -> int:  # noqa: ANN401 - asyncpg has no types
    tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = $1", terms.schema)
    names = {row["tablename"] for row in tables}
    if "schema_versions" not in names:
        if names & sql.RIGHTS.keys():
            raise StoreCorrupt(f"{terms.place} has tables of another program: {', '.join(sorted(names)[:5])}")
        return 0
    version = int(await connection.fetchval(f"SELECT coalesce(max(version), 0) FROM {_table(terms)}"))  # noqa: S608
    if version > sql.SCHEMA_VERSION:
        raise StoreCorrupt(
            f"{terms.place} was written by a newer lastunit (schema {version}, this one knows {sql.SCHEMA_VERSION})"
        )
    return version


def _table(terms: Terms) -> str:
    return f"{sql.quote(terms.schema)}.schema_versions"


async def _create(connection: Any, terms: Terms) -> None:  # noqa: ANN401
    exists = await connection.fetchval("SELECT true FROM pg_namespace WHERE nspname = $1", terms.schema)
    if not exists:  # creating it asks for a right on the database even where it is there
        await connection.execute(f"CREATE SCHEMA {sql.quote(terms.schema)}")
    await connection.execute(sql.VERSIONS_TABLE)
