"""The tables for reading that the settings name: a file, or a schema at a server."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Final, Protocol

import trio

from adapters.store.postgres_link import Terms
from adapters.store.reading import hint_of, look, open_reading
from adapters.store.reading_postgres import look_at_server, open_at_server
from adapters.store.reading_tables import Mark
from config.schema import Settings
from engine.domain.events import Event
from engine.domain.reading.reading import Reading
from engine.domain.reading.rows import Changes, Table, Values
from ops.stores import terms_at

FILE_NAME: Final = "reading.sqlite3"
"""In the data folder."""


class Shelf(Protocol):
    """Tables that rows are put into."""

    def load(self, table: Table[Any], key: Values) -> Iterable[Values]:
        """Find rows that may still change (`engine.domain.reading.rows.Load`)."""
        ...

    async def foresee(self, reading: Reading, frames: Sequence[Sequence[Event]]) -> None:
        """Let it know what hearing these frames will ask for, where `load` is a long way."""
        ...

    async def write(self, changes: Iterable[Changes], mark: Mark) -> None:
        """Bring them to a position."""
        ...


class Tables(Shelf, Protocol):
    """The tables, as their one writer has them: each `write` is one transaction."""

    @property
    def place(self) -> str:
        """How people know them."""
        ...

    async def mark(self) -> Mark | None:
        """Say how far they are; None: they have to be made anew."""
        ...

    def anew(self) -> AbstractAsyncContextManager[Shelf]:
        """Make them anew: who reads sees the old ones until the block ends."""
        ...

    async def tidy(self) -> bool:
        """Give back what older states of them took, as far as nobody reads those; whether that is all."""
        ...

    async def aclose(self) -> None:
        """Close; idempotent."""
        ...


def file_of(settings: Settings) -> Path:
    """Return where the tables are, if they are in a file."""
    return settings.node.data / FILE_NAME


async def open_tables(settings: Settings) -> Tables:
    """Open the configured tables to write them.

    Raises:
        ConfigError: server, schema or role will not do.
        ReadingUnavailable: the server does not answer.
        ReadingError: somebody else writes them, or they cannot be used.
    """
    settings.node.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    if settings.reading.kind == "sqlite":
        await trio.lowlevel.checkpoint()
        return open_reading(file_of(settings))
    server = settings.reading.postgres
    return await open_at_server(reading_terms(settings), server.readers, hint_of(file_of(settings)))


def reading_terms(settings: Settings) -> Terms:
    """Say where the PostgreSQL tables of these settings are, and how to get in."""
    server = settings.reading.postgres
    return terms_at(settings, server, server.reading_password, section="reading.postgres")


async def look_at_tables(settings: Settings) -> tuple[str, Mark | None]:
    """Return where the tables are and how far, beside whoever writes them; None: there are none of this version.

    Raises:
        ConfigError: the server will not do.
        ReadingError: they cannot be looked at.
    """
    if settings.reading.kind == "sqlite":
        path = file_of(settings)
        return str(path), await trio.to_thread.run_sync(look, path)
    terms = reading_terms(settings)
    return terms.place, await look_at_server(terms)
