"""Print for people and for programs: tables that never cut an id, colours on terminals only, JSON on request."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import click
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

_PIPE_WIDTH: Final = 100_000
"""Into a pipe nothing is wrapped: the reader is `grep`."""
_INSTANT: Final = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?Z")
_STYLES: Final = {
    **dict.fromkeys(("live", "verified", "ready", "accepted", "applied", "committed", "held"), "green"),
    **dict.fromkeys(
        ("shadow", "paused", "catching_up", "dirty", "in_flight", "locked", "throttled", "stale"), "yellow"
    ),
    **dict.fromkeys(("unreachable", "drifted", "refused", "unmapped", "not ready", "oversold", "unknown"), "red"),
    **dict.fromkeys(("off", "cancelled", "released", "expired"), "dim"),
}
"""Colour of a word that is a state."""


class Column(NamedTuple):
    """One column of a table."""

    title: str
    field: str
    right: bool = False
    """Numbers stand under each other."""
    wrap: bool = False
    """Prose may be broken over lines; ids may not."""


def terminal() -> Console:
    """Return where output goes; into a pipe without colour and without a right margin."""
    console = Console(markup=False, highlight=False, emoji=False)
    if console.is_terminal:
        return console
    return Console(markup=False, highlight=False, emoji=False, width=_PIPE_WIDTH)


def print_json(value: object) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def plain(value: object) -> str:
    """Write a value of a reply: instants short and in UTC, control characters harmless, nothing as a dash."""
    match value:
        case None | "":
            return "-"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.1f}"
        case str() if instant := _INSTANT.fullmatch(value):
            return f"{instant[1]} {instant[2]}"
        case _:
            # a listing's title comes from a channel and must not drive the terminal
            return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in str(value))


def styled(value: object) -> Text:
    """Write a value, in colour when it is a state."""
    text = plain(value)
    return Text(text, style=_STYLES.get(text, ""))


def parts(units_by_location: Sequence[Mapping[str, Any]] | None) -> str:
    """Write a list of maps `location`, `quantity` as `berlin 2, hamburg 1`."""
    return ", ".join(f"{part.get('location')} {part.get('quantity')}" for part in units_by_location or ())


def print_table(
    console: Console, columns: Sequence[Column], rows: Sequence[Mapping[str, Any]], *, empty: str, optional: str = ""
) -> None:
    """Print rows as a table, or one under the other where the terminal is too narrow for it.

    Args:
        console: where to.
        columns: what to show of each row.
        rows: maps as the daemon answered.
        empty: the sentence to print when there is no row.
        optional: names of fields whose columns are left out when no row has a value, separated by blanks.
    """
    if not rows:
        console.print(Text(empty), soft_wrap=True)
        return
    spare = {field for field in optional.split() if all(row.get(field) in {None, ""} for row in rows)}
    shown = [column for column in columns if column.field not in spare]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in shown:
        table.add_column(
            column.title, justify="right" if column.right else "left", no_wrap=not column.wrap, overflow="fold"
        )
    for row in rows:
        table.add_row(*(styled(row.get(column.field)) for column in shown))
    unbounded = console.options.update(width=_PIPE_WIDTH)
    if Measurement.get(console, unbounded, table).minimum <= console.width:
        console.print(table)
    else:
        _print_records(console, shown, rows)


def print_facts(console: Console, facts: Mapping[str, object]) -> None:
    """Print names and values under each other, the values in one column."""
    width = max(map(len, facts), default=0)
    for name, value in facts.items():
        console.print(Text.assemble((f"{name:<{width}}  ", "bold"), styled(value)), soft_wrap=True)


def _print_records(console: Console, columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> None:
    for number, row in enumerate(rows):
        if number:
            console.print()
        print_facts(console, {column.title: row.get(column.field) for column in columns})
