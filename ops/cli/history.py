"""`history`: the ledger of a SKU as a person reads it, the newest line at the bottom."""

from typing import Final

import click
from rich.text import Text

from ops.cli.client import as_map
from ops.cli.invocation import Invocation
from ops.cli.present import Column, plain, print_json, print_table, terminal
from ops.cli.session import connected, data_options

PAST_SECONDS_MAX: Final = 600.0
"""The journal may be long, and somebody else may be asking."""
LIMIT_MAX: Final = 1000
_LINES: Final = (
    Column("at (UTC)", "at"),
    Column("what", "text", wrap=True),
    Column("change", "delta", right=True),
    Column("on hand", "on_hand", right=True),
    Column("committed", "committed", right=True),
    Column("reserved", "reserved", right=True),
    Column("atp", "atp", right=True),
    Column("key", "key"),
    Column("why", "reason", wrap=True),
    Column("who", "by"),
    Column("reference", "reference"),
)


@click.command()
@data_options
@click.option("--from", "since", metavar="TIME", help="From then on: 2026-11-11T12:00:00+08:00, unix seconds, or -2h.")
@click.option("--to", "until", metavar="TIME", help="Up to then.")
@click.option("--account", help="Only what names this account.")
@click.option("--before", metavar="PLACE", help="The page before this line; the page after it names it.")
@click.option("--limit", type=click.IntRange(1, LIMIT_MAX), default=50, show_default=True, help="At most this many.")
@click.argument("sku")
def history(
    invocation: Invocation,
    sku: str,
    since: str | None,
    until: str | None,
    account: str | None,
    before: str | None,
    limit: int,
) -> None:
    """Show the ledger of a SKU, line by line: the newest at the bottom, with what there was after each fact."""
    options = {"FROM": since, "TO": until, "ACCOUNT": account, "BEFORE": before, "LIMIT": str(limit)}
    words = [word for name, value in options.items() if value is not None for word in (name, value)]
    with connected(invocation) as client:
        page = as_map(client.call("HISTORY", sku, *words, seconds_max=PAST_SECONDS_MAX))
    if invocation.as_json:
        print_json(page)
        return
    console = terminal()
    # what moved nothing has no change to show: a nought in every second line hides the others
    lines = [{**line, "delta": f"{line['delta']:+d}" if line.get("delta") else None} for line in page["lines"]]
    empty = f"Nothing happened to {plain(sku)} then."
    print_table(console, _LINES, lines, empty=empty, optional="key reason by reference")
    if page.get("older"):
        console.print(Text(f"\nOlder: lastunit history {plain(sku)} --before {page['older']}"), soft_wrap=True)
