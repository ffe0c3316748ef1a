"""`orders` and `incidents`: what was sold, and where it was too much."""

from typing import Final

import click
from rich.text import Text

from ops.cli.client import Map, as_map, as_maps
from ops.cli.invocation import Invocation
from ops.cli.present import Column, parts, plain, print_facts, print_json, print_table, terminal
from ops.cli.session import connected, data_options

LIMIT_MAX: Final = 10_000
_ORDERS: Final = (
    Column("account", "account"),
    Column("order", "order"),
    Column("status", "status"),
    Column("placed (UTC)", "placed_at"),
    Column("modified (UTC)", "modified_at"),
    Column("units open", "units_open", right=True),
)
_LINES: Final = (
    Column("line", "line"),
    Column("sku", "sku"),
    Column("listing", "listing"),
    *(Column(word, word, right=True) for word in ("ordered", "cancelled", "shipped", "returned", "open")),
    Column("picked up at", "pickup"),
    Column("from", "from"),
    Column("matched", "matched"),
)
_INCIDENTS: Final = (
    Column("at (UTC)", "at"),
    Column("sku", "sku"),
    Column("units", "units", right=True),
    Column("location", "location"),
    Column("account", "account"),
    Column("order", "order"),
    Column("cause", "cause"),
    Column("cleared (UTC)", "cleared_at"),
    Column("detail", "detail", wrap=True),
)
_limit = click.option(
    "--limit", type=click.IntRange(1, LIMIT_MAX), default=50, show_default=True, help="At most this many, newest first."
)


@click.command()
@data_options
@_limit
@click.argument("account", required=False)
@click.argument("order_id", metavar="[ID]", required=False)
def orders(invocation: Invocation, account: str | None, order_id: str | None, limit: int) -> None:
    """Show orders, newest first, or one of them with its lines."""
    with connected(invocation) as client:
        if account and order_id:
            _print_order(invocation, as_map(client.call("ORDER", account, order_id)))
            return
        found = as_maps(client.call("ORDERS", *([account] if account else []), "LIMIT", str(limit)))
    if invocation.as_json:
        print_json(found)
        return
    print_table(terminal(), _ORDERS, found, empty=f"No order{f' of {plain(account)}' if account else ''} yet.")


@click.command()
@data_options
@_limit
def incidents(invocation: Invocation, limit: int) -> None:
    """Show where more was sold than there was, newest first, and why."""
    with connected(invocation) as client:
        found = as_maps(client.call("INCIDENTS", "LIMIT", str(limit)))
    if invocation.as_json:
        print_json(found)
        return
    print_table(
        terminal(), _INCIDENTS, found, empty="No unit was ever sold twice.", optional="detail cleared_at order location"
    )


def _print_order(invocation: Invocation, order: Map) -> None:
    if invocation.as_json:
        print_json(order)
        return
    console = terminal()
    words = ("account", "order", "status", "channel_status", "placed_at", "modified_at", "held_until")
    print_facts(console, {word.removesuffix("_at").replace("_", " "): order.get(word) for word in words})
    for note in order.get("notes") or ():
        console.print(Text(f"Careful: {plain(note)}", style="yellow"), soft_wrap=True)
    console.print()
    rows = [{**line, "from": parts(line.get("allocation"))} for line in order.get("lines", [])]
    print_table(console, _LINES, rows, empty="The order has no lines.", optional="listing pickup from")
