"""Rows on their way into tables: those that a batch of frames touches, read when they are first asked for.

A row is a struct that is changed in place; what its table is to be told, it is told once per batch.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any, Final, Generic, NamedTuple, TypeVar

import msgspec

R = TypeVar("R", bound=msgspec.Struct)
Values = tuple[Any, ...]
"""Of some columns, in their order."""

_KNOWN_MAX: Final = 50_000
"""Groups of rows kept from batch to batch in each table, some 30 MB; what was put away costs a look-up."""

_MOMENTS: Final = 1024
"""Texts kept: events of one moment come together, and writing an instant costs more than the rest of a row."""


class Table(NamedTuple, Generic[R]):
    """What a table is called, and how its rows are found. `key` and `tail` together are its primary key."""

    name: str
    row: type[R]
    """Its fields are the columns behind the primary key."""
    key: tuple[str, ...] = ()
    """What rows are asked for by; all that have it are asked for at once. Empty: they are only ever added."""
    tail: tuple[str, ...] = ()
    open_while_null: str | None = None
    """Rows in which this column has a value never change again and are not asked for; None: all may change."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Return all columns in their order."""
        return (*self.key, *self.tail, *self.row.__struct_fields__)


Asked = tuple[Table[Any], Values]
"""A table, and the key of rows in it."""
Load = Callable[[Table[Any], Values], Iterable[Values]]
"""Finds the rows of a key that may still change: their values behind the key."""


class Changes(NamedTuple):
    """What a table is to be told of a batch."""

    table: Table[Any]
    put: list[Values]
    """Whole rows, in place of those with the same primary key."""
    dropped: list[Values]
    """Primary keys."""


class Rows(Generic[R]):
    """The rows of one table, as far as they were asked for."""

    def __init__(self, table: Table[R], load: Load) -> None:
        """Know none yet."""
        self.table = table
        self._load = load
        self._known: dict[Values, dict[Values, R]] = {}
        self._changed: dict[Values, R | None] = {}

    def of(self, key: Values) -> dict[Values, R]:
        """Return the rows of a key that may still change, by what follows in their primary key. Not to be changed."""
        known = self._known.get(key)
        if known is None:
            self.know(key, self._load(self.table, key))
            known = self._known[key]
        return known

    def knows(self, key: Values) -> bool:
        """Whether `of` can say without asking."""
        return key in self._known

    def know(self, key: Values, found: Iterable[Values]) -> None:
        """Take in what `Load` would have found."""
        width, build = len(self.table.tail), self.table.row
        self._known[key] = {values[:width]: build(*values[width:]) for values in found}

    def one(self, key: Values) -> R | None:
        """Return the row of a key that is a whole primary key."""
        return self.of(key).get(())

    def begin(self, key: Values, row: R, tail: Values = ()) -> None:
        """Put the only row of its key that may change, without asking whether there is one."""
        self._known[key] = {tail: row}
        self._changed[key + tail] = row

    def put(self, key: Values, row: R, tail: Values = ()) -> None:
        """Put a row, a new one or one that was changed."""
        self.of(key)[tail] = row
        self._changed[key + tail] = row

    def end(self, key: Values) -> None:
        """Put the rows of a key for the last time: none of them changes again."""
        for tail, row in self.of(key).items():
            self._changed[key + tail] = row
        self._known[key] = {}

    def end_one(self, key: Values, tail: Values) -> None:
        """Put one row of a key for the last time."""
        self._changed[key + tail] = self.of(key).pop(tail)

    def forget(self, key: Values) -> None:
        """Keep nothing of a key that is not asked for again."""
        self._known.pop(key, None)

    def drop(self, key: Values, tail: Values = ()) -> None:
        """Take a row out."""
        del self.of(key)[tail]
        self._changed[key + tail] = None

    def take(self) -> Changes:
        """Return what changed since the last time."""
        put = [key + msgspec.structs.astuple(row) for key, row in self._changed.items() if row is not None]
        dropped = [key for key, row in self._changed.items() if row is None]
        self._changed = {}
        if len(self._known) > _KNOWN_MAX:
            self._known = {}
        return Changes(self.table, put, dropped)


@lru_cache(_MOMENTS)
def moment(at: datetime) -> str:
    """Write an instant as SQLite's own functions do, with microseconds: texts in the order of time, in UTC."""
    return (at if at.tzinfo is UTC else at.astimezone(UTC)).isoformat(" ", "microseconds")[:26]


def moment_or_none(at: datetime | None) -> str | None:
    """Write an instant that there may not be."""
    return None if at is None else moment(at)


def day(at: date) -> str:
    """Write the day of an instant, as `engine.domain.offers.demand` counts it."""
    return at.isoformat()[:10]
