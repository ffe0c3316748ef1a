"""The tables that people read at a PostgreSQL server: what happens there is in `reading_postgres_work`."""

from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar

import structlog
import trio

from adapters.store.bridge import Bridge, BridgeClosed, CutShort
from adapters.store.postgres_link import Terms
from adapters.store.reading_postgres_work import Work
from adapters.store.reading_postgres_work import look as look_there
from adapters.store.reading_tables import Mark, ReadingUnavailable, announce
from engine.domain.events import Event
from engine.domain.reading.reading import Reading
from engine.domain.reading.rows import Changes, Table, Values

log = structlog.get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

_CLOSE_SECONDS: Final = 3.0
_TURN_PAUSE_SECONDS: Final = 1.0
"""Between two tries to turn the views while reports are under way."""


class _Slot:
    """The tables of one slot."""

    def __init__(self, tables: "ReadingServer", slot: str) -> None:
        self.position = 0
        self._tables = tables
        self._slot = slot

    def load(self, table: Table[Any], key: Values) -> Iterable[Values]:
        """Never come to this: every row was foreseen."""
        raise AssertionError(f"nobody has foreseen that {table.name} would be asked for {key}")

    async def foresee(self, reading: Reading, frames: Sequence[Sequence[Event]]) -> None:
        """Ask for all rows at once that hearing these frames will ask for."""
        asked = reading.asked(frames)
        while asked:
            further = set()
            for each, found in await self._tables.call(self._tables.work.find, self._slot, list(asked)):
                further |= reading.know(each, found)
            asked = further

    async def write(self, changes: Iterable[Changes], mark: Mark) -> None:
        """Bring the tables to a position, in one transaction."""
        await self._tables.call(self._tables.work.write, self._slot, list(changes), mark)
        self.position = mark.position


class ReadingServer:
    """The one who writes them. Use `open_at_server`."""

    def __init__(self, terms: Terms, hint: Path, bridge: Bridge, work: Work) -> None:
        """Take a bridge over; `aclose` ends it."""
        self.place = terms.place
        self.work = work
        self._hint = hint
        self._bridge = bridge

    async def mark(self) -> Mark | None:
        """Return how far the tables have come; None: they have to be made anew.

        Raises:
            ReadingError: they are of a newer version.
            ReadingUnavailable: no answer.
        """
        return await self.call(self.work.mark)

    def load(self, table: Table[Any], key: Values) -> Iterable[Values]:
        """Never come to this (`_Slot.load`)."""
        return self._live.load(table, key)

    async def foresee(self, reading: Reading, frames: Sequence[Sequence[Event]]) -> None:
        """Ask for all rows at once that hearing these frames will ask for."""
        await self._live.foresee(reading, frames)

    async def write(self, changes: Iterable[Changes], mark: Mark) -> None:
        """Bring the tables to a position: all of it becomes visible at once, or nothing of it happens.

        Raises:
            ReadingError: nothing of it happened.
            ReadingUnavailable: nobody knows; `mark` will, once the server answers.
        """
        await self._live.write(changes, mark)
        announce(self._hint, mark.position)

    @asynccontextmanager
    async def anew(self) -> AsyncIterator[_Slot]:
        """Make the tables anew: who reads sees the old ones until the block ends, and for good if it fails.

        Raises:
            ReadingError, ReadingUnavailable: as `write`.
        """
        fresh = _Slot(self, slot := await self.call(self.work.begin))
        yield fresh
        await self.call(self.work.complete, slot)
        waiting = False
        while not await self.call(self.work.turn, slot):
            if not waiting:
                log.warning("tables.turn_waits", position=fresh.position)
            waiting = True
            await trio.sleep(_TURN_PAUSE_SECONDS)
        announce(self._hint, fresh.position)
        await self.tidy()

    async def tidy(self) -> bool:
        """Drop the tables that were read before, unless somebody still does; whether they are gone."""
        return await self.call(self.work.tidy)

    async def aclose(self) -> None:
        """End the session within a few seconds; idempotent."""
        with trio.move_on_after(_CLOSE_SECONDS, shield=True):
            try:
                await self._bridge.call(self.work.close)
            except BridgeClosed:
                await trio.lowlevel.checkpoint()
        self._bridge.close()

    @property
    def _live(self) -> _Slot:
        assert self.work.live is not None, "there are tables once they have been made anew"
        return _Slot(self, self.work.live)

    async def call(self, work: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do something over there."""
        try:
            return await self._bridge.call(work, *args, **kwargs)
        except (BridgeClosed, CutShort) as error:
            raise ReadingUnavailable(f"{self.place}: closed") from error


async def open_at_server(terms: Terms, readers: Sequence[str], hint: Path) -> ReadingServer:
    """Come in to write the tables, as nobody else does at the same time.

    Args:
        terms: where to, and as whom: a role that owns the schema.
        readers: roles that may read them.
        hint: a file that says how far they are (`adapters.store.reading_tables.announce`).

    Raises:
        ConfigError: this server, schema or role will not do until somebody changes something.
        ReadingError: another process writes them, they are of a newer version, or the schema is of another program.
        ReadingUnavailable: the server does not answer.
    """
    tables = ReadingServer(terms, hint, Bridge("reading"), Work(terms, readers))
    try:
        await tables.call(tables.work.open)
    except BaseException:
        await tables.aclose()
        raise
    return tables


async def look_at_server(terms: Terms) -> Mark | None:
    """Return how far the tables are, beside whoever writes them; None: there are none of this version.

    Raises:
        ConfigError, ReadingError: as `open_at_server`.
    """
    bridge = Bridge("reading")
    try:
        return await bridge.call(look_there, terms)
    finally:
        bridge.close()
