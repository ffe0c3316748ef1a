"""What keeping tables for reading does at a server, over the bridge in asyncio: one session, which has the lock.

A lost connection is the end of it: whoever uses it begins again with a new one, and finds in the tables how far they
are. So it need not be known whether a commit that was cut short took effect.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import asyncpg

from adapters.store import reading_postgres_sql as sql
from adapters.store.postgres_link import CANNOT_CONNECT, Session, Terms, is_answer, tell
from adapters.store.postgres_sql import quote
from adapters.store.reading_schema import SCHEMA_VERSION
from adapters.store.reading_tables import Mark, ReadingError, ReadingUnavailable, check_version
from engine.domain.errors import ConfigError, JournalUnavailable
from engine.domain.reading.rows import Asked, Changes, Values

_LOCK_WAIT_MS: Final = 15_000
"""For the lock of one that writes already: the server lets go of a machine that is gone within 11 s."""
_TURN_WAIT_MS: Final = 500
"""How long the views wait for reports that are under way, and new ones for them; then again later."""
_LONG_SECONDS: Final = 7 * 86_400.0
"""For making indexes, which has no limit of its own."""
_FOR_NOW: Final = ("40", "53", "55", "57")
"""Classes of SQLSTATE that pass: conflicts, no room, somebody is in the way, somebody intervened."""
_SETTINGS: Final = {
    # a crash of the server may undo whole batches, position and all, which are read again
    "synchronous_commit": "off",
    "timezone": "UTC",
    # keys that are asked for are few beside the table, whatever is known of it while it grows
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",
}


class Work:
    """The one who writes."""

    def __init__(self, terms: Terms, readers: Sequence[str]) -> None:
        """Connect when opened."""
        self.terms = terms
        self.live: str | None = None
        """The slot that is read; None: there are no tables yet."""
        self._readers = readers
        self._session = Session(terms, "reading", needs_schema=False, server_settings=_SETTINGS)
        self._connection: Any = None
        """The one that has the lock: never another one, which would not."""

    async def open(self) -> None:
        """Come in, take the lock, and see that all is as it must be.

        Raises:
            ConfigError: server, schema or role will not do.
            ReadingError: somebody else writes the tables, or they are of a newer version.
            ReadingUnavailable: no answer.
        """
        with translated(self.terms):
            connection = self._connection = await self._session.ready()
            await self._lock()
            await self._check()
            await connection.execute(sql.WHICH)
            row = await connection.fetchrow(sql.WHICH_NOW)
            if row is not None:
                check_version(self.terms.place, row["version"], known=SCHEMA_VERSION, mend="drop the schema")
                self.live = row["slot"]
                if row["version"] == SCHEMA_VERSION:
                    async with connection.transaction():
                        await self._grant()

    async def mark(self) -> Mark | None:
        """Say how far the tables are; None: they have to be made anew."""
        with translated(self.terms):
            return await _mark(self._connection, self.terms)

    async def find(self, slot: str, asked: Sequence[Asked]) -> list[tuple[Asked, list[Values]]]:
        """Find the rows of keys that may still change: one statement per table."""
        by_table: dict[str, list[Asked]] = {}
        for each in asked:
            by_table.setdefault(each[0].name, []).append(each)
        found: list[tuple[Asked, list[Values]]] = []
        with translated(self.terms):
            for name, those in by_table.items():
                statement = sql.build_find(name, slot)
                rows = await self._ask(statement, [key for _, key in those])
                held: list[list[Values]] = [[] for _ in those]
                for number, *values in rows:
                    held[number - 1].append(tuple(values))
                found.extend(zip(those, held, strict=True))
        return found

    async def write(self, slot: str, changes: Sequence[Changes], mark: Mark) -> None:
        """Bring a slot to a position: all of it, or nothing."""
        with translated(self.terms):
            try:
                await self._write(slot, changes, mark)
            except (asyncpg.CharacterNotInRepertoireError, asyncpg.UntranslatableCharacterError):
                cleaned = [each._replace(put=_cleaned(each), dropped=[*map(_clean, each.dropped)]) for each in changes]
                await self._write(slot, cleaned, mark)

    async def begin(self) -> str:
        """Make the tables of the slot that nobody reads; return it."""
        slot = next(each for each in sql.SLOTS if each != self.live)
        with translated(self.terms):
            async with self._connection.transaction():
                await self._drop(slot)
                await self._connection.execute(sql.build_tables(slot))
        return slot

    async def complete(self, slot: str) -> None:
        """Make the indexes of a slot that has all its rows."""
        with translated(self.terms):
            for statement in sql.build_indexes(slot):
                async with self._connection.transaction():
                    await self._connection.execute("SET LOCAL statement_timeout = 0")
                    await self._connection.execute(statement, timeout=_LONG_SECONDS)

    async def turn(self, slot: str) -> bool:
        """Turn the views to a slot; False: reports are under way that would have to be waited for."""
        with translated(self.terms):
            try:
                async with self._connection.transaction():
                    await self._connection.execute(f"SET LOCAL lock_timeout = {_TURN_WAIT_MS}")
                    # and all commits before it: making them anew takes too long to be undone
                    await self._connection.execute("SET LOCAL synchronous_commit = on")
                    for statement in sql.build_views(slot):
                        await self._connection.execute(statement)
                    await self._connection.execute(sql.TURN, SCHEMA_VERSION, slot)
                    await self._grant()
            except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
                return False
        self.live = slot
        return True

    async def tidy(self) -> bool:
        """Drop the tables that are not read any more; False: somebody still reads them."""
        with translated(self.terms):
            try:
                async with self._connection.transaction():
                    await self._connection.execute(f"SET LOCAL lock_timeout = {_TURN_WAIT_MS}")
                    for slot in sql.SLOTS:
                        if slot != self.live:
                            await self._drop(slot)
            except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
                return False
        return True

    async def close(self) -> None:
        """End the session, and with it the lock; the caller has a deadline."""
        await self._session.close()

    async def _lock(self) -> None:
        try:
            async with self._connection.transaction():
                await self._connection.execute(f"SET LOCAL lock_timeout = {_LOCK_WAIT_MS}")
                await self._connection.execute(sql.WAIT_LOCK, sql.lock_class(self.terms.schema))
        except asyncpg.LockNotAvailableError as error:
            raise ReadingError(f"{self.terms.place} is being written by another process: stop that first") from error

    async def _check(self) -> None:
        terms = self.terms
        found = await self._connection.fetchrow(sql.LOOK, terms.schema)
        problems = []
        if not found["there"] or not found["may_create"]:
            made = f"CREATE SCHEMA {quote(terms.schema)} AUTHORIZATION {quote(terms.user)}"
            what = "this role may make no tables in it" if found["there"] else "there is no such schema"
            problems.append(f"{terms.place}: {what}: as the server's administrator, `{made}`")
        elif not found["ours"] and found["something"] is not None:
            raise ReadingError(f"{terms.place} is of another program, it has {found['something']}: give it another one")
        missing = await self._connection.fetch(sql.MISSING_ROLES, list(self._readers))
        problems += [f"readers: {terms.place}: there is no role {row['role']!r}" for row in missing]
        if problems:
            raise ConfigError([f"{terms.section}: {problem}" for problem in problems])

    async def _grant(self) -> None:
        for role in self._readers:
            for statement in sql.grants(self.terms.schema, role):
                await self._connection.execute(statement)

    async def _drop(self, slot: str) -> None:
        rows = await self._connection.fetch(sql.LEFT_BEHIND, slot)
        if rows:
            await self._connection.execute(f"DROP TABLE {', '.join(quote(row[0]) for row in rows)}")

    async def _ask(self, statement: str, keys: list[Values]) -> list[Any]:
        try:
            rows: list[Any] = await self._connection.fetch(statement, *_columns(keys))
        except (asyncpg.CharacterNotInRepertoireError, asyncpg.UntranslatableCharacterError):
            rows = await self._connection.fetch(statement, *_columns([*map(_clean, keys)]))
        return rows

    async def _write(self, slot: str, changes: Sequence[Changes], mark: Mark) -> None:
        connection = self._connection
        async with connection.transaction():
            for table, put, dropped in changes:
                if dropped:
                    await connection.execute(sql.build_drop(table.name, slot), *_columns(dropped))
                if put:
                    await connection.execute(sql.build_put(table.name, slot), *_columns(put))
            await connection.execute(sql.build_progress(slot), *mark)


async def look(terms: Terms) -> Mark | None:
    """Say how far the tables are, beside whoever writes them (`Work.mark`)."""
    session = Session(terms, "status", needs_schema=False, server_settings=_SETTINGS)
    with translated(terms):
        connection = await session.ready()
        try:
            found = await connection.fetchrow(sql.LOOK, terms.schema)
            return await _mark(connection, terms) if found["ours"] else None
        finally:
            await session.close()


@contextmanager
def translated(terms: Terms) -> Iterator[None]:
    """Say what went wrong in words of ours."""
    try:
        yield
    except JournalUnavailable as error:
        raise ReadingUnavailable(str(error)) from error
    except CANNOT_CONNECT as error:
        passes = not is_answer(error) or str(getattr(error, "sqlstate", "")).startswith(_FOR_NOW)
        if passes and not isinstance(error, asyncpg.DataError):
            raise ReadingUnavailable(f"{terms.place}: {tell(error)}") from error
        raise ReadingError(f"{terms.place}: {tell(error)}") from error


async def _mark(connection: Any, terms: Terms) -> Mark | None:  # noqa: ANN401 - asyncpg has no types
    which = await connection.fetchrow(sql.WHICH_NOW)
    if which is None or not check_version(terms.place, which["version"], known=SCHEMA_VERSION, mend="drop the schema"):
        return None
    row = await connection.fetchrow(sql.build_mark(which["slot"]))
    return None if row is None else Mark(*row)


def _columns(rows: Sequence[Values]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _cleaned(changes: Changes) -> list[Values]:
    """Replace what PostgreSQL cannot keep in a text; no two rows of one key may come of it."""
    if not changes.table.key:
        return [*map(_clean, changes.put)]
    width = len(changes.table.key) + len(changes.table.tail)
    return [*{row[:width]: row for row in map(_clean, changes.put)}.values()]


def _clean(values: Values) -> Values:
    """Put the replacement character in place of NUL, which JSON writes as an escape."""
    return tuple(
        each.replace("\0", "\ufffd").replace("\\u0000", "\\ufffd") if isinstance(each, str) else each for each in values
    )
