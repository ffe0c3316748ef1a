"""`letters`: what channels told and nobody understood, and what people do about it."""

from typing import Final

import click

from ops.cli.client import as_map, as_maps
from ops.cli.invocation import Invocation
from ops.cli.present import Column, plain, print_json, print_table, terminal
from ops.cli.session import connected, data_options

_LIMIT_MAX: Final = 10_000
_COLUMNS: Final = (
    Column("account", "account"),
    Column("letter", "letter"),
    Column("kept (UTC)", "kept_at"),
    Column("bytes", "bytes", right=True),
    Column("why it was not understood", "reason", wrap=True),
)


@click.group(invoke_without_command=True)
@data_options
@click.pass_context
def letters(ctx: click.Context, invocation: Invocation) -> None:
    """Show webhooks and orders that could not be understood; try one again, or discard it."""
    if ctx.invoked_subcommand is None:
        _list(invocation, None, 50)


@letters.command("list")
@data_options
@click.option(
    "--limit",
    type=click.IntRange(1, _LIMIT_MAX),
    default=50,
    show_default=True,
    help="At most this many, newest first.",
)
@click.argument("account", required=False)
def list_(invocation: Invocation, account: str | None, limit: int) -> None:
    """Show what is kept, of one account or of all."""
    _list(invocation, account, limit)


def _list(invocation: Invocation, account: str | None, limit: int) -> None:
    with connected(invocation) as client:
        found = as_maps(client.call("LETTERS", *([account] if account else []), "LIMIT", str(limit)))
    if invocation.as_json:
        print_json(found)
    else:
        print_table(terminal(), _COLUMNS, found, empty="Everything was understood.")


@letters.command()
@data_options
@click.argument("account")
@click.argument("letter")
def show(invocation: Invocation, account: str, letter: str) -> None:
    """Show one whole, as the channel sent it."""
    with connected(invocation) as client:
        found = as_map(client.call("LETTER", "GET", account, letter))
    if invocation.as_json:
        print_json(found)
        return
    click.echo(f"{plain(found.get('account'))} {plain(found.get('letter'))}, kept {plain(found.get('kept_at'))}")
    click.echo(f"Not understood: {plain(found.get('reason'))}\n")
    headers = found.get("headers")
    for name, value in sorted(headers.items()) if isinstance(headers, dict) else ():
        click.echo(f"{plain(name)}: {plain(value)}")
    click.echo(plain(found.get("body")))


@letters.command()
@data_options
@click.argument("account")
@click.argument("letter")
def redrive(invocation: Invocation, account: str, letter: str) -> None:
    """Try once more: an order is asked for as it is now, a webhook is read as it came."""
    with connected(invocation) as client:
        client.call("LETTER", "REDRIVE", account, letter)
    _say(invocation, account, letter, "understood")


@letters.command()
@data_options
@click.option("--note", metavar="TEXT", default=None, help="Why it may go.")
@click.option("--by", metavar="NAME", default=None, help="Who does it.  [default: the user of this machine]")
@click.argument("account")
@click.argument("letter")
def discard(invocation: Invocation, account: str, letter: str, note: str | None, by: str | None) -> None:
    """Keep a letter no longer; the journal has it for ever."""
    given = [word for name, value in (("NOTE", note), ("BY", by)) if value is not None for word in (name, value)]
    with connected(invocation) as client:
        client.call("LETTER", "DISCARD", account, letter, *given)
    _say(invocation, account, letter, "discarded")


def _say(invocation: Invocation, account: str, letter: str, outcome: str) -> None:
    if invocation.as_json:
        print_json({"account": account, "letter": letter, "outcome": outcome})
    else:
        click.echo(f"{account} {letter}: {outcome}")
