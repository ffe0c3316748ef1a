"""The tables that people read, as PostgreSQL makes them, and every statement for them. docs/sql.md says what they mean.

What people read are views. Behind them are the tables of one of two slots: while one is read, the other can be made
anew at leisure, and then the views turn to it. So a view keeps its name, its rights and whatever somebody has built on
it; therefore none is ever taken away, and a view's columns are only added to, at the end.
"""

import zlib
from functools import cache
from typing import Any, Final, NamedTuple

import msgspec

from adapters.store.postgres_sql import quote
from engine.domain.reading.reading import TABLES
from engine.domain.reading.rows import Table

SLOTS: Final = ("a", "b")
_TEXT: Final = 'text COLLATE "C"'
_TYPES: Final = {str: _TEXT, int: "bigint"}
_OF_KEY: Final = {"position": "bigint", "number": "bigint", "version": "bigint"}
"""Columns of primary keys that are not texts."""
_SPECIAL: Final = {
    ("sales", "day"): "date",
    ("skus", "bundle"): "boolean",
    ("purchase_lines", "cancelled"): "boolean",
    ("holds", "places"): "jsonb",
    ("pushes", "terms"): "jsonb",
}
_LATER: Final = {("purchase_lines", "position"), ("transfer_lines", "position")}
"""Columns that views were given later, wherever rows have them."""
_READ: Final = {
    "timestamptz": "to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')",
    "date": "to_char({}, 'YYYY-MM-DD')",
    "boolean": "{}::int",
    "jsonb": "{}::text",
}
"""What makes of a column what rows have: texts and numbers."""
_WRITE: Final = {
    "timestamptz": "{}::timestamptz",
    "date": "{}::date",
    "boolean": "({} <> 0)",
    "jsonb": "{}::jsonb",
}
"""The way back; the session's time zone is UTC."""


class Column(NamedTuple):
    """One of a table's."""

    name: str
    type: str
    null: bool

    @property
    def sent(self) -> str:
        """The type of its values on the way to the server."""
        return "bigint" if self.type in {"bigint", "boolean"} else "text"


@cache
def columns_of(name: str) -> tuple[Column, ...]:
    """Return the columns of a table: what its rows have, by their types."""
    table = table_named(name)
    found = [Column(each, _OF_KEY.get(each, _TEXT), null=False) for each in (*table.key, *table.tail)]
    for field in msgspec.structs.fields(table.row):
        kinds = set(getattr(field.type, "__args__", (field.type,)))
        null = type(None) in kinds
        (kind,) = kinds - {type(None)}
        instant = field.name == "at" or field.name.endswith("_at") or field.name == "held_until"
        type_ = "timestamptz" if instant else _SPECIAL.get((name, field.name), _TYPES[kind])
        found.append(Column(field.name, type_, null))
    return tuple(found)


def shown(name: str) -> list[Column]:
    """Return the columns of a table as people see them: those that came later behind the others."""
    return sorted(columns_of(name), key=lambda column: (name, column.name) in _LATER)


def table_named(name: str) -> Table[Any]:
    """Find a table."""
    return next(table for table in TABLES if table.name == name)


def behind(name: str, slot: str) -> str:
    """Return the quoted name of the table behind a view."""
    return quote(f"{name}__{slot}")


# -- what there is

WHICH: Final = """
CREATE TABLE IF NOT EXISTS which__ (
    one integer PRIMARY KEY CHECK (one = 1),
    version integer NOT NULL,
    slot text NOT NULL
);
COMMENT ON TABLE which__ IS 'Which tables are behind the views: those that end in its slot. Made by lastunit.';
"""
LOOK: Final = """
SELECT
    EXISTS (SELECT FROM pg_namespace WHERE nspname = $1) AS there,
    coalesce((SELECT has_schema_privilege(oid, 'CREATE') FROM pg_namespace WHERE nspname = $1), false) AS may_create,
    to_regclass(quote_ident($1) || '.which__') IS NOT NULL AS ours,
    (SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(quote_ident($1)) AND relkind <> 'i'
        ORDER BY relname LIMIT 1) AS something
"""
WHICH_NOW: Final = "SELECT version, slot FROM which__"
WAIT_LOCK: Final = "SELECT pg_advisory_lock($1::int, 0)"
LEFT_BEHIND: Final = """
SELECT relname FROM pg_class
WHERE relnamespace = to_regnamespace(current_schema()) AND relkind = 'r' AND relname LIKE '%\\_\\_' || $1
"""
MISSING_ROLES: Final = """
SELECT role FROM unnest($1::text[]) AS role WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role)
"""


def lock_class(schema: str) -> int:
    """Return the first key of the lock of who writes the tables in this schema."""
    return zlib.crc32(b"lastunit reading " + schema.encode()) & 0x7FFFFFFF


_PROGRESS: Final = """
    one integer PRIMARY KEY CHECK (one = 1), position bigint NOT NULL, written_at timestamptz NOT NULL,
    digest bigint NOT NULL
"""


def build_tables(slot: str) -> str:
    """Build the script that makes the tables of a slot, without the indexes that only reports need."""
    script = [f"CREATE TABLE {behind('progress', slot)} ({_PROGRESS})"]
    for table in TABLES:
        lines = [f"{quote(each.name)} {each.type}{'' if each.null else ' NOT NULL'}" for each in columns_of(table.name)]
        if table.key:
            lines.append(f"PRIMARY KEY ({', '.join(map(quote, (*table.key, *table.tail)))})")
        script.append(f"CREATE TABLE {behind(table.name, slot)} ({', '.join(lines)})")
    return ";\n".join(script)


def build_indexes(slot: str) -> list[str]:
    """Build what is done when a slot has all its rows."""
    indexes = [
        f"CREATE {kind} INDEX ON {behind(name, slot)} ({columns})"
        for kind, name, columns in (
            ("UNIQUE", "ledger", "position, number, location"),
            ("", "ledger", "sku, position"),
            ("", "orders", "placed_at"),
            ("", "order_lines", "sku"),
            ("", "sales", "day"),
        )
    ]
    names = ("progress", *(table.name for table in TABLES))
    return [*indexes, *(f"ANALYZE {behind(name, slot)}" for name in names)]


_ASIDE: Final = "quality_hold + damaged + display"
_MORE: Final = {
    "ledger": f", {_ASIDE} AS unavailable",
    "stock": f", {_ASIDE} AS unavailable, on_hand - committed - reserved - ({_ASIDE}) - safety_stock AS atp",
    "pushes": ", round(extract(epoch FROM verified_at - planned_at), 3)::float8 AS verified_seconds",
}
"""What a view has beside its table's columns."""
_DEMAND: Final = """
CREATE OR REPLACE VIEW demand AS
SELECT
    sku, account, day,
    sum(units)::bigint AS units,
    coalesce(sum(units) FILTER (WHERE bundle IS NOT NULL), 0)::bigint AS units_in_bundles
FROM sales
WHERE units > 0
GROUP BY sku, account, day
"""
_STOCKED_DAYS: Final = """
CREATE OR REPLACE VIEW stocked_days AS
SELECT sku, day::date AS day, round(sum(extract(
    epoch FROM least(until_at, day + interval '1 day') - greatest(since_at, day)
)), 3)::float8 AS seconds
FROM (
    SELECT
        sku,
        since_at AT TIME ZONE 'UTC' AS since_at,
        coalesce(until_at, (SELECT written_at FROM progress)) AT TIME ZONE 'UTC' AS until_at
    FROM stocked
) AS spans
CROSS JOIN generate_series(date_trunc('day', since_at), until_at, interval '1 day') AS days (day)
GROUP BY sku, day
"""
VIEWS: Final = ("progress", *(table.name for table in TABLES), "demand", "stocked_days")


def build_views(slot: str) -> list[str]:
    """Build what turns the views to a slot."""
    turned = [f"CREATE OR REPLACE VIEW progress AS SELECT * FROM {behind('progress', slot)}"]  # noqa: S608
    for table in TABLES:
        names = ", ".join(quote(each.name) for each in shown(table.name))
        more = _MORE.get(table.name, "")
        turned.append(
            f"CREATE OR REPLACE VIEW {quote(table.name)} AS SELECT {names}{more} FROM {behind(table.name, slot)}"  # noqa: S608
        )
    return [*turned, _DEMAND, _STOCKED_DAYS]


def grants(schema: str, role: str) -> list[str]:
    """Build what lets a role read, and do nothing else."""
    views = ", ".join(map(quote, VIEWS))
    return [f"GRANT USAGE ON SCHEMA {quote(schema)} TO {quote(role)}", f"GRANT SELECT ON {views} TO {quote(role)}"]


TURN: Final = """
INSERT INTO which__ VALUES (1, $1, $2) ON CONFLICT (one) DO UPDATE SET version = excluded.version, slot = excluded.slot
"""


# -- rows


@cache
def build_find(name: str, slot: str) -> str:
    """Build what finds the rows of many keys, with the number of the key in front; $1... are the keys' columns."""
    table = table_named(name)
    columns = {each.name: each for each in columns_of(name)}
    wanted = ", ".join(
        _READ.get(columns[each].type, "{}").format(f"held.{quote(each)}")
        for each in (*table.tail, *table.row.__struct_fields__)
    )
    arrays = ", ".join(f"${n}::{columns[each].sent}[]" for n, each in enumerate(table.key, 1))
    names = ", ".join(f"k{n}" for n in range(len(table.key)))
    same = " AND ".join(f"held.{quote(each)} = asked.k{n}" for n, each in enumerate(table.key))
    still = "" if table.open_while_null is None else f" AND held.{quote(table.open_while_null)} IS NULL"
    return (
        f"SELECT asked.number, {wanted} FROM unnest({arrays}) WITH ORDINALITY AS asked ({names}, number)"  # noqa: S608
        f" JOIN {behind(name, slot)} AS held ON {same}{still}"
    )


@cache
def build_put(name: str, slot: str) -> str:
    """Build what puts many rows; $1... are their columns."""
    table, columns = table_named(name), columns_of(name)
    names = ", ".join(quote(each.name) for each in columns)
    arrays = ", ".join(f"${n}::{each.sent}[]" for n, each in enumerate(columns, 1))
    sent = ", ".join(f"c{n}" for n in range(len(columns)))
    values = ", ".join(_WRITE.get(each.type, "{}").format(f"c{n}") for n, each in enumerate(columns))
    statement = f"INSERT INTO {behind(name, slot)} ({names}) SELECT {values} FROM unnest({arrays}) AS sent ({sent})"  # noqa: S608
    if table.key:
        key = (*table.key, *table.tail)
        news = ", ".join(
            f"{quote(each.name)} = excluded.{quote(each.name)}" for each in columns if each.name not in key
        )
        statement += f" ON CONFLICT ({', '.join(map(quote, key))}) DO UPDATE SET {news}"
    return statement


@cache
def build_drop(name: str, slot: str) -> str:
    """Build what takes many rows out; $1... are the columns of their primary keys."""
    table = table_named(name)
    columns = {each.name: each for each in columns_of(name)}
    key = (*table.key, *table.tail)
    arrays = ", ".join(f"${n}::{columns[each].sent}[]" for n, each in enumerate(key, 1))
    names = ", ".join(f"k{n}" for n in range(len(key)))
    same = " AND ".join(f"held.{quote(each)} = gone.k{n}" for n, each in enumerate(key))
    return f"DELETE FROM {behind(name, slot)} AS held USING unnest({arrays}) AS gone ({names}) WHERE {same}"  # noqa: S608


def build_progress(slot: str) -> str:
    """Build what says how far a slot is."""
    return (
        f"INSERT INTO {behind('progress', slot)} VALUES (1, $1, $2, $3) ON CONFLICT (one) DO UPDATE SET"  # noqa: S608
        " position = excluded.position, written_at = excluded.written_at, digest = excluded.digest"
    )


def build_mark(slot: str) -> str:
    """Build what asks how far a slot is."""
    return f"SELECT position, written_at, digest FROM {behind('progress', slot)}"  # noqa: S608 - one of two names
