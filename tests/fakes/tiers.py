"""Stores whose frames do not stay: before each look at them, all that may go has been put away."""

import sqlite3
import threading
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from adapters.store.postgres import PostgresStore
from adapters.store.sqlite import SqliteStore
from adapters.store.sqlite_archive import open_to_archive
from adapters.store.trimming import trim
from engine.ports import Found, Frame
from ops.archiving import Archived, Bounds, put_away


class Tidied:
    """A store in every respect but one: it keeps nothing but its newest frame, and the rest is in segments."""

    def __init__(self, store: SqliteStore | PostgresStore, archive: Path) -> None:
        """Tidy up behind `store`, which was opened with this folder."""
        self.store = store
        self._archive = archive

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    async def read(self, after: int, limit: int) -> tuple[Frame, ...]:
        """Tidy up, then read."""
        await tidy(self.store, self._archive)
        return await self.store.read(after, limit)

    async def search(self, after: int, until: int, needles: Sequence[bytes]) -> Found:
        """Tidy up, then search."""
        await tidy(self.store, self._archive)
        return await self.store.search(after, until, needles)


async def tidy(store: SqliteStore | PostgresStore, archive: Path, *, through: int = 1 << 62) -> Archived:
    """Put away all frames up to a position but the newest of all, and see that they are gone from the store."""
    if isinstance(store, PostgresStore):
        return await put_away(store, archive, Bounds(through=through))
    source = open_to_archive(store.path, archive)
    try:
        done = await put_away(source, archive, Bounds(through=through))
    finally:
        await source.aclose()
    with closing(sqlite3.connect(store.path, isolation_level=None)) as connection:
        trim(connection, threading.Lock(), bytes_max=1 << 62, wanted=lambda: True)
    return done
