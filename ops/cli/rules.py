"""`rules`: what accounts may show, what an edit would do, and who changed it when."""

import json
import re
import tomllib
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.text import Text

from ops.cli.client import Client, Map, as_map, as_maps
from ops.cli.errors import Unusable
from ops.cli.invocation import Invocation
from ops.cli.present import Column, plain, print_facts, print_json, print_table, terminal
from ops.cli.session import connected, data_options

PREVIEW_SECONDS_MAX: Final = 120.0
"""A million listings take seconds; a busy daemon lets holds go first."""
_LIMIT_MAX: Final = 10_000
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")

_HISTORY: Final = (
    Column("version", "version", right=True),
    Column("at (UTC)", "at"),
    Column("rules", "rules_set", right=True),
    Column("source", "source"),
    Column("by", "by"),
    Column("note", "note", wrap=True),
)
_ROWS: Final = (
    Column("account", "account"),
    Column("listing", "listing"),
    Column("sku", "sku"),
    Column("from", "from", right=True),
    Column("to", "to", right=True),
    Column("because", "because", wrap=True),
)
_FILE: Final = click.Path(path_type=Path, exists=True, dir_okay=False)
_LIMIT: Final = click.option(
    "--limit", type=click.IntRange(1, _LIMIT_MAX), default=50, show_default=True, help="At most this many listings."
)


@click.group(invoke_without_command=True)
@data_options
@click.pass_context
def rules(ctx: click.Context, invocation: Invocation) -> None:
    """Show, try and change what channels may show."""
    if ctx.invoked_subcommand is None:
        _show(invocation, ())


@rules.command()
@data_options
@click.argument("version", required=False, type=click.IntRange(min=0))
def show(invocation: Invocation, version: int | None) -> None:
    """Show the rules in force, or an older version, as TOML."""
    _show(invocation, () if version is None else (str(version),))


@rules.command()
@data_options
def history(invocation: Invocation) -> None:
    """Show who changed the rules when."""
    with connected(invocation) as client:
        found = as_maps(client.call("RULES", "HISTORY"))
    if invocation.as_json:
        print_json(found)
        return
    print_table(terminal(), _HISTORY, found, empty="No rule was ever set.", optional="by note")


@rules.command()
@data_options
@_LIMIT
@click.argument("file", type=_FILE)
def preview(invocation: Invocation, file: Path, limit: int) -> None:
    """Show what FILE would change, and change nothing."""
    with connected(invocation) as client:
        found = as_map(_preview(client, read_rules(file), limit))
    if invocation.as_json:
        print_json(found)
        return
    _print_preview(terminal(), found)


@rules.command()
@data_options
@click.option("--note", default="", help="Why, for the history.")
@click.option("--by", default="", help="Who, for the history; else whoever the connection belongs to.")
@click.argument("file", type=_FILE)
def apply(invocation: Invocation, file: Path, note: str, by: str) -> None:
    """Let the rules in FILE hold from now on, in place of all that hold now."""
    with connected(invocation) as client:
        _set(invocation, client, read_rules(file), note, by)


@rules.command()
@data_options
@click.option("--note", default="", help="Why, for the history.")
@click.option("--by", default="", help="Who, for the history; else whoever the connection belongs to.")
@click.argument("version", type=click.IntRange(min=0))
def revert(invocation: Invocation, version: int, note: str, by: str) -> None:
    """Let an older version hold again, under a new number."""
    with connected(invocation) as client:
        book = as_map(client.call("RULES", "SHOW", str(version)))["rules"]
        _set(invocation, client, book, note or f"back to version {version}", by)


def read_rules(path: Path) -> str:
    """Read a file of the shape of `[offers]`, or a configuration that has it, as the JSON that RULES takes.

    Raises:
        Unusable: it is no TOML.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Unusable([f"{path}: {error}"]) from error
    return json.dumps(table.get("offers", table), default=_instant, ensure_ascii=False)


def as_toml(book: Mapping[str, Any]) -> str:
    """Write a book as TOML: tables of tables, one option per line."""
    return "\n".join(_tables("", book)).strip()


def _instant(value: object) -> str:
    if isinstance(value, datetime | date):
        return value.isoformat()
    raise TypeError(f"TOML has no {type(value).__name__}")


def _show(invocation: Invocation, words: tuple[str, ...]) -> None:
    with connected(invocation) as client:
        found = as_map(client.call("RULES", "SHOW", *words))
    book = json.loads(found.pop("rules"))
    if invocation.as_json:
        print_json({**found, "rules": book})
        return
    console = terminal()
    in_force = "in force" if found["version"] == found["in_force"] else f"version {found['in_force']} is in force"
    facts = {"version": f"{found['version']} ({in_force})", "set at (UTC)": found["at"], "by": found["by"]}
    print_facts(console, facts | {"note": found["note"], "source": found["source"]})
    if found["offers_left"]:
        console.print(Text(f"{found['offers_left']} offers are still to be computed"), soft_wrap=True)
    console.print()
    console.print(Text(as_toml(book) or "# no rule: everything that is available is shown"), soft_wrap=True)


def _preview(client: Client, book: str, limit: int) -> object:
    found: object = client.call("RULES", "PREVIEW", book, "LIMIT", str(limit), seconds_max=PREVIEW_SECONDS_MAX)
    return found


def _set(invocation: Invocation, client: Client, book: str, note: str, by: str) -> None:
    options = (*(("NOTE", note) if note else ()), *(("BY", by) if by else ()))
    found = as_map(client.call("RULES", "SET", book, *options))
    if invocation.as_json:
        print_json(found)
    else:
        click.echo(f"version {found['version']} is in force")
        for noted in found.get("notes", ()):
            click.echo(f"Note: {plain(noted)}")


def _print_preview(console: Console, found: Map) -> None:
    console.print(
        Text(
            f"{found['changed']} of {found['listings']} listings would change: {found['raised']} up,"
            f" {found['lowered']} down, {found['to_zero']} to zero, {found['from_zero']} from zero."
        ),
        soft_wrap=True,
    )
    for warning in found["warnings"]:
        console.print(Text(f"Careful: {plain(warning)}", style="yellow"), soft_wrap=True)
    for note in found["notes"]:
        console.print(Text(f"Note: {plain(note)}"), soft_wrap=True)
    rows = as_maps(found["rows"])
    if rows:
        console.print()
        print_table(console, _ROWS, rows, empty="")
    if len(rows) < found["changed"]:
        console.print(Text(f"... and {found['changed'] - len(rows)} more: --limit"), soft_wrap=True)


def _tables(path: str, table: Mapping[str, Any]) -> list[str]:
    """Write a table: its own options first, then the tables in it."""
    lines: list[str] = []
    own = {key: value for key, value in table.items() if not _is_table(key, value)}
    if own and path:
        lines += ["", f"[{path}]"]
    lines += [f"{_key(key)} = {_value(key, value)}" for key, value in own.items()]
    for key, value in table.items():
        name = f"{path}.{_key(key)}" if path else _key(key)
        if isinstance(value, list) and _is_table(key, value):
            for item in value:
                lines += ["", f"[[{name}]]", *_tables("", item)]
        elif _is_table(key, value):
            lines += _tables(name, value)
    return lines


def _is_table(key: str, value: object) -> bool:
    if isinstance(value, list):
        return bool(value) and isinstance(value[0], dict)
    return isinstance(value, dict) and key != "quotas"


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else json.dumps(key, ensure_ascii=False)


def _value(key: str, value: object) -> str:
    match value:
        case dict():
            return "{" + ", ".join(f"{_key(name)} = {_value(name, each)}" for name, each in value.items()) + "}"
        case list():
            return "[" + ", ".join(_value(key, each) for each in value) + "]"
        case str() if key.endswith("_at"):
            return value  # an instant stands without quotes
        case _:
            return json.dumps(value, ensure_ascii=False)
