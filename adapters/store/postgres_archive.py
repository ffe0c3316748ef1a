"""What putting frames away means at a PostgreSQL server. Over the bridge, in asyncio."""

from typing import Any, Final

import asyncpg
import msgspec

from adapters.store import postgres_sql as sql
from adapters.store.postgres_link import CANNOT_CONNECT, Session, Terms, is_taken
from adapters.store.segments import Outline, Segment
from engine.domain.errors import ConfigError

_TRIMMED_MAX: Final = 500
"""Frames in one transaction: some milliseconds, and no append waits for it."""


async def segments(session: Session) -> list[Segment]:
    """Read the records of all segments, in order."""
    return [msgspec.convert(dict(row), Segment) for row in await session.fetch(sql.SEGMENTS)]


async def segment_of(session: Session, position: int) -> Segment | None:
    """Find where a frame is that is not here any more; None: it is here, or there is no record of it."""
    rows = await session.fetch(sql.SEGMENT_OF, position)
    return msgspec.convert(dict(rows[0]), Segment) if rows else None


async def outline(session: Session, after: int, limit: int) -> list[Outline]:
    """Say how old frames are and how large, in order."""
    return [Outline(*row) for row in await session.fetch(sql.OUTLINE, after, limit)]


async def record(session: Session, terms: Terms, segment: Segment) -> bool:
    """Put on record which file has frames; from then on they may go.

    Returns:
        Whether it is on record now; False: it does not begin behind the last one, or has the newest frame of all.

    Raises:
        ConfigError: the role may not.
        JournalUnavailable: no answer; it may be on record.
    """
    values = (
        segment.first,
        segment.last,
        segment.file,
        segment.file_bytes,
        segment.sha256,
        segment.put_away_at,
    )
    try:
        return bool(await _change(session, terms, sql.RECORD_SEGMENT, *values))
    except asyncpg.UniqueViolationError:  # at this moment, by another one
        return False


async def trim(session: Session, terms: Terms) -> int:
    """Delete some of the oldest frames that segments have; return how many, 0 when there are no more.

    Raises:
        ConfigError: the role may not.
        JournalUnavailable: no answer; they may be deleted.
    """
    return int((await _change(session, terms, sql.TRIM, _TRIMMED_MAX))[0][0])


async def _change(session: Session, terms: Terms, statement: str, *values: object) -> list[Any]:
    connection = await session.ready()
    try:
        rows: list[Any] = await connection.fetch(statement, *values)
    except asyncpg.InsufficientPrivilegeError as error:
        mend = f"`lastunit store migrate --grant-archive {terms.user}`, as the owner of the schema"
        raise ConfigError([f"{terms.section}: {terms.place}: the role may not put frames away: {mend}"]) from error
    except CANNOT_CONNECT as error:
        if is_taken(error):
            raise
        session.drop_broken(error)
        raise session.unavailable(error) from error
    return rows
