"""`items`: look things up in the catalogue, rename, merge, retire."""

from typing import Any, Final

import click

from ops.cli.client import Map, as_map, as_maps
from ops.cli.invocation import Invocation
from ops.cli.present import Column, plain, print_facts, print_json, print_table, terminal
from ops.cli.session import connected, data_options

_FOUND: Final = (
    Column("sku", "sku"),
    Column("name", "name", wrap=True),
    Column("category", "category"),
    Column("barcode", "barcode"),
    Column("retired", "retired"),
)
_BY: Final = click.option("--by", default=None, help="Who decides; your user name unless told.")


@click.group()
def items() -> None:
    """Look things up in the catalogue, rename, merge, retire."""


@items.command()
@data_options
@click.argument("sku")
def show(invocation: Invocation, sku: str) -> None:
    """Show an item by SKU (any it ever had) or barcode."""
    with connected(invocation) as client:
        _print_item(invocation, as_map(client.call("ITEM", "GET", sku)))


@items.command()
@data_options
@click.argument("text")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000), help="At most this many.")
def find(invocation: Invocation, text: str, limit: int) -> None:
    """Find items by the start of a SKU, a barcode, or words of the name."""
    with connected(invocation) as client:
        rows = as_maps(client.call("ITEM", "FIND", text, "LIMIT", str(limit)))
    if invocation.as_json:
        print_json(rows)
        return
    shown = [row | {"retired": "retired" if row.get("retired") else ""} for row in rows]
    print_table(
        terminal(), _FOUND, shown, empty=f"Nothing is called {plain(text)}.", optional="category barcode retired"
    )


@items.command()
@data_options
@click.argument("sku")
@click.argument("new")
@_BY
def rename(invocation: Invocation, sku: str, new: str, by: str | None) -> None:
    """Call a SKU something else. Its history stays, and the old name leads to it for ever."""
    _decide(invocation, "RENAME", sku, new, by=by)


@items.command()
@data_options
@click.argument("sku")
@click.argument("into")
@_BY
@click.confirmation_option(prompt="This cannot be taken back. Merge?")
def merge(invocation: Invocation, sku: str, into: str, by: str | None) -> None:
    """Move all units, order lines and listings of SKU to INTO, which it turned out to be."""
    _decide(invocation, "MERGE", sku, into, by=by)


@items.command()
@data_options
@click.argument("sku")
@_BY
def retire(invocation: Invocation, sku: str, by: str | None) -> None:
    """Promise and show nothing more of a SKU; orders of it count as ever."""
    _decide(invocation, "RETIRE", sku, by=by)


@items.command()
@data_options
@click.argument("sku")
@_BY
def revive(invocation: Invocation, sku: str, by: str | None) -> None:
    """Sell a retired SKU again."""
    _decide(invocation, "REVIVE", sku, by=by)


def _decide(invocation: Invocation, *words: str, by: str | None) -> None:
    who = () if by is None else ("BY", by)
    with connected(invocation) as client:
        _print_item(invocation, as_map(client.call("ITEM", *words, *who)))


def _print_item(invocation: Invocation, item: Map) -> None:
    if invocation.as_json:
        print_json(item)
        return
    facts = {name.replace("_", " "): _written(value) for name, value in item.items()}
    if item.get("id") == item.get("sku"):
        del facts["id"]
    print_facts(terminal(), {name: value for name, value in facts.items() if value not in {"", None}})


def _written(value: Any) -> object:  # noqa: ANN401 - any RESP value
    """Write a value of ITEM GET in one line."""
    match value:
        case dict():
            return ", ".join(f"{name} {each}" for name, each in value.items())
        case list():
            return ", ".join(_alias(each) if isinstance(each, dict) else str(each) for each in value)
        case bool():
            return "yes" if value else ""
        case _:
            return value


def _alias(alias: Map) -> str:
    return f"{alias.get('code')} (until {plain(alias.get('until'))})" if alias.get("until") else str(alias.get("code"))
