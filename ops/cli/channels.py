"""`channels`: what each account does, and the levers on it."""

from typing import Final

import click
from rich.text import Text

from ops.cli.client import as_maps
from ops.cli.invocation import Invocation
from ops.cli.present import Column, plain, print_json, print_table, terminal
from ops.cli.session import connected, data_options

COLUMNS: Final = (
    Column("account", "account"),
    Column("channel", "channel"),
    Column("mode", "mode"),
    Column("state", "state"),
    Column("listings", "listings", right=True),
    Column("dirty", "dirty", right=True),
    Column("in flight", "in_flight", right=True),
    Column("accepted", "accepted", right=True),
    Column("drifted", "drifted", right=True),
    Column("refused", "refused", right=True),
    Column("unmatched", "unmatched", right=True),
    Column("orders through (UTC)", "orders_through"),
    Column("lag s", "lag_seconds", right=True),
    Column("reason", "reason", wrap=True),
)
_PROBLEMS_MAX: Final = 20
EMPTY: Final = "No channel yet: add [[accounts]] to the configuration and start the daemon again."
_UNMATCHED: Final = (
    Column("listing", "listing"),
    Column("sku", "sku"),
    Column("title", "title", wrap=True),
    Column("reason", "reason", wrap=True),
)


@click.group(invoke_without_command=True)
@data_options
@click.pass_context
def channels(ctx: click.Context, invocation: Invocation) -> None:
    """Show, pause and resume channel accounts."""
    if ctx.invoked_subcommand is not None:
        return
    with connected(invocation) as client:
        found = as_maps(client.call("CHANNEL", "LIST"))
    if invocation.as_json:
        print_json(found)
        return
    console = terminal()
    print_table(console, COLUMNS, found, empty=EMPTY, optional="reason orders_through lag_seconds")
    problems = [f"{row.get('account')}: {problem}" for row in found for problem in row.get("problems") or ()]
    for problem in problems[:_PROBLEMS_MAX]:
        console.print(Text(f"Careful: {plain(problem)}", style="yellow"), soft_wrap=True)
    if len(problems) > _PROBLEMS_MAX:
        console.print(Text(f"... and {len(problems) - _PROBLEMS_MAX} more: --json"), soft_wrap=True)


@channels.command()
@data_options
@click.argument("account")
def unmatched(invocation: Invocation, account: str) -> None:
    """Show listings that belong to no SKU."""
    with connected(invocation) as client:
        found = as_maps(client.call("CHANNEL", "UNMATCHED", account))
    if invocation.as_json:
        print_json(found)
        return
    print_table(terminal(), _UNMATCHED, found, empty=f"Every listing of {account} has its SKU.", optional="sku reason")


def _lever(verb: str, done: str, about: str) -> None:
    """Add `channels <verb> ACCOUNT`."""

    @channels.command(verb, help=about)
    @data_options
    @click.argument("account")
    def pull(invocation: Invocation, account: str) -> None:
        with connected(invocation) as client:
            client.call("CHANNEL", verb.upper(), account)
        if invocation.as_json:
            print_json({"account": account, "command": verb})
        else:
            click.echo(f"{account}: {done}")


_lever("pause", "paused; stays so over restarts", "Write nothing to the account until it is resumed.")
_lever("resume", "resumed", "Let a paused account, or one held by a fuse, go on.")
_lever("flush", "what is dirty is being pushed", "Push what is dirty now.")
_lever("resync", "catalogue and recent orders are being read", "Read the catalogue and recent orders again.")
