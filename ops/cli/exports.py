"""`export`: the catalogue, the listings, the stock or the recipes as CSV, page by page, so that any size will do."""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any, Final

import click

from ops.cli.client import Client, as_map
from ops.cli.csvcells import guard
from ops.cli.csvfiles import SAFETY_STOCK
from ops.cli.csvitems import COLUMNS, PRICE, write_item
from ops.cli.invocation import Invocation
from ops.cli.session import config_option, connected, load_client_settings

Row = Mapping[str, Any]
Write = Callable[[Row], Sequence[str]]

_LISTINGS: Final = ("account", "listing", "sku", "pack_units")
_STOCK: Final = ("sku", "location", "on_hand")
_RECIPES: Final = ("sku", "component", "quantity", "together")


@click.command("export")
@config_option
@click.argument("kind", type=click.Choice(["catalogue", "listings", "stock", "recipes"]))
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--raw", is_flag=True, help="Leave cells that a spreadsheet would run as formulas as they are.")
@click.option("--bom", is_flag=True, help="Begin with a byte order mark, which Excel needs to read umlauts.")
def export(invocation: Invocation, *, kind: str, file: Path | None, raw: bool, bom: bool) -> None:
    """Write the catalogue, the listings, the stock or the recipes as CSV.

    To FILE, or to stdout. `lastunit import` reads it back, and changes nothing then. A cell that begins like a formula
    (= + - @) gets an apostrophe in front, which import takes away again; --raw leaves it out.
    """
    accounts = [account.id for account in load_client_settings(invocation).accounts]
    columns, write = _shape(kind, accounts)
    shown: Callable[[str], str] = str if raw else guard
    count = 0
    with connected(invocation) as client, _open(file) as out:
        if bom:
            out.write("\ufeff")
        rows = csv.writer(out)  # RFC 4180: commas, CRLF, quotes where needed
        rows.writerow(columns)
        for row in pages(client, kind):
            rows.writerow([shown(cell) for cell in write(row)])
            count += 1
    if file is not None:
        click.echo(f"{file}: {count} rows", err=True)


def pages(client: Client, kind: str) -> Iterator[Row]:
    """Yield every row, a page at a time."""
    cursor = "0"
    while True:
        answer = as_map(client.call("EXPORT", kind, "CURSOR", cursor))
        yield from answer["rows"]
        if answer["cursor"] is None:
            return
        cursor = str(answer["cursor"])


def _shape(kind: str, accounts: Sequence[str]) -> tuple[Sequence[str], Write]:
    match kind:
        case "catalogue":
            columns = ("sku", SAFETY_STOCK, *COLUMNS, *(PRICE + account for account in accounts))
            return columns, lambda row: list(write_item(row, accounts))
        case "listings":
            return _LISTINGS, lambda row: [str(row[column]) for column in _LISTINGS]
        case "recipes":
            return _RECIPES, _write_recipe
        case _:
            return _STOCK, lambda row: [str(row[column]) for column in _STOCK]


def _open(file: Path | None) -> AbstractContextManager[IO[str]]:
    if file is None:
        return click.open_file("-", "w", encoding="utf-8")
    return file.open("w", encoding="utf-8", newline="")


def _write_recipe(row: Row) -> Sequence[str]:
    return [*(str(row[column]) for column in _RECIPES[:-1]), "yes" if row["together"] else "no"]
