"""A connection that asyncpg itself no longer understands is a lost one, whoever was using it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from adapters.store import postgres_schema
from adapters.store.postgres_link import CANNOT_CONNECT, Session, Terms, is_answer
from adapters.store.postgres_work import Work
from adapters.store.reading_postgres_work import Work as ReadingWork
from adapters.store.reading_tables import Mark, ReadingError, ReadingUnavailable
from engine.domain.errors import AppendUnknown, JournalUnavailable, StockError
from engine.ports import Frame
from tests.fakes.clocks import START

FRAME = Frame(position=1, written_at=START, payload=b"x")
CONFUSED = asyncpg.InternalClientError("got result for unknown protocol state 3")
"""What asyncpg says when a server dies between two messages; no PostgresError, no InterfaceError, no OSError."""


def terms(host: Path) -> Terms:
    return Terms(
        host=str(host),
        port=1,
        database="d",
        user="u",
        password=None,
        schema="s",
        application_name="test",
        tls="disable",
        ca_file=None,
        connect_seconds_max=1.0,
        statement_seconds_max=1.0,
        lease_seconds=6.0,
    )


class Confused:
    """A connection in no state at all, which does not know that it is lost."""

    def __init__(self) -> None:
        self.terminated = False

    def is_closed(self) -> bool:
        return self.terminated

    def terminate(self) -> None:
        self.terminated = True

    async def close(self, *, timeout: float) -> None:  # noqa: ASYNC109 - asyncpg's own
        await self.fetch(timeout=timeout)

    async def fetch(self, *_values: object, timeout: float | None = None) -> list[object]:  # noqa: ASYNC109 - as close
        raise CONFUSED

    execute = fetchrow = fetchval = prepare = fetch

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        yield


def confuse(session: Session) -> Confused:
    connection = Confused()
    session._connection = connection
    return connection


def test_it_is_not_an_answer_and_counts_as_a_lost_connection() -> None:
    assert isinstance(CONFUSED, CANNOT_CONNECT)
    assert not is_answer(CONFUSED)


Case = tuple[Callable[[Work], Session], Callable[[Work], Awaitable[object]], type[StockError]]
CASES: dict[str, Case] = {
    "append": (lambda work: work.writer, lambda work: work.append(FRAME, 1), JournalUnavailable),
    "load": (lambda work: work.writer, lambda work: work.load([FRAME], 1), AppendUnknown),
    "approach": (lambda work: work.keeper, lambda work: work.approach(), JournalUnavailable),
    "renew": (lambda work: work.keeper, lambda work: work.renew(1), JournalUnavailable),
    "read": (lambda work: work.reader, lambda work: work.read(0, 1), JournalUnavailable),
    "check": (
        lambda work: work.reader,
        lambda work: postgres_schema.check(work.reader, work.terms),
        JournalUnavailable,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_whoever_used_it_drops_it_and_says_so(tmp_path: Path, name: str) -> None:
    """A frame that may have been written is unknown; nobody sees an error of the library."""
    session_of, act, expected = CASES[name]

    async def check() -> None:
        work = Work(terms(tmp_path))
        connection = confuse(session_of(work))
        with pytest.raises(expected, match="unknown protocol state 3"):
            await act(work)
        assert connection.terminated
        assert not session_of(work).is_open

    asyncio.run(check())


def test_an_append_under_way_is_unknown(tmp_path: Path) -> None:
    """The statement was prepared when the connection was still good."""

    async def check() -> None:
        work = Work(terms(tmp_path))
        connection = confuse(work.writer)
        work._prepared = (connection, connection)
        with pytest.raises(AppendUnknown, match="frame 1: got result for unknown protocol state 3"):
            await work.append(FRAME, 1)
        assert connection.terminated

    asyncio.run(check())


def test_closing_it_in_order_ends_it_anyway(tmp_path: Path) -> None:
    async def check() -> None:
        session = Session(terms(tmp_path), "test")
        connection = confuse(session)
        await session.close()
        assert connection.terminated

    asyncio.run(check())


def test_coming_in_is_tried_again_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = Confused()

    async def connect(**_settings: object) -> Confused:
        return connection

    async def check() -> None:
        with pytest.raises(JournalUnavailable, match="unknown protocol state 3"):
            await Session(terms(tmp_path), "test").ready()
        assert connection.terminated

    monkeypatch.setattr(asyncpg, "connect", connect)
    asyncio.run(check())


def test_tables_for_reading_begin_again_with_another_one(tmp_path: Path) -> None:
    async def check() -> None:
        work = ReadingWork(terms(tmp_path), ())
        work._connection = Confused()
        for act in (work.mark(), work.tidy(), work.write("a", [], Mark(1, START, 0))):
            with pytest.raises(ReadingUnavailable, match="unknown protocol state 3") as raised:
                await act
            assert isinstance(raised.value, ReadingError)

    asyncio.run(check())
