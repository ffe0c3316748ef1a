"""`alerts`: what people must hear of, and what they do about it."""

from typing import Final

import click

from ops.cli.client import as_map, as_maps
from ops.cli.invocation import Invocation
from ops.cli.listing import list_options
from ops.cli.present import Column, plain, print_json, print_table, terminal
from ops.cli.session import connected, data_options

_COLUMNS: Final = (
    Column("alert", "alert", right=True),
    Column("raised (UTC)", "raised_at"),
    Column("severity", "severity"),
    Column("kind", "kind"),
    Column("state", "state"),
    Column("by", "by"),
    Column("what", "text", wrap=True),
)


@click.group(invoke_without_command=True)
@data_options
@click.pass_context
def alerts(ctx: click.Context, invocation: Invocation) -> None:
    """Show what is the matter, and say who looks after it."""
    if ctx.invoked_subcommand is None:
        _list(invocation, "OPEN", 50)


@alerts.command("list")
@data_options
@list_options("the last that were resolved")
def list_(invocation: Invocation, every: bool, limit: int) -> None:  # noqa: FBT001 - click's signature
    """Show alerts, newest first."""
    _list(invocation, "ALL" if every else "OPEN", limit)


def _list(invocation: Invocation, which: str, limit: int) -> None:
    with connected(invocation) as client:
        found = as_maps(client.call("ALERTS", which, "LIMIT", str(limit)))
    if invocation.as_json:
        print_json(found)
        return
    rows = [{**row, "by": row.get("resolved_by") or row.get("acknowledged_by")} for row in found]
    print_table(terminal(), _COLUMNS, rows, empty="Nothing is the matter.", optional="by")


def _act(verb: str, word: str, done: str, about: str) -> None:
    """Add `alerts <verb> ALERT`."""

    @alerts.command(verb, help=about)
    @data_options
    @click.option("--by", metavar="NAME", default=None, help="Who does it.  [default: the user of this machine]")
    @click.argument("alert", type=click.IntRange(min=1))
    def act(invocation: Invocation, by: str | None, alert: int) -> None:
        named = [] if by is None else ["BY", by]
        with connected(invocation) as client:
            found = as_map(client.call("ALERT", word, str(alert), *named))
        if invocation.as_json:
            print_json(found)
        else:
            click.echo(f"{alert} {done}: {plain(found.get('text'))}")


_act("ack", "ACK", "acknowledged", "Say that you look after an alert.")
_act("resolve", "RESOLVE", "resolved", "End an alert by hand; raised again after the cooldown if it is not over.")


@alerts.command()
@data_options
@click.argument("destination")
def test(invocation: Invocation, destination: str) -> None:
    """Send a test message to a destination of the configuration."""
    with connected(invocation) as client:
        client.call("ALERT", "TEST", destination)
    if invocation.as_json:
        print_json({"destination": destination, "delivered": True})
    else:
        click.echo(f"{destination} took the test message")
