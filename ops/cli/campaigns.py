"""`campaign`: units set aside for an account's campaign, and what became of them."""

from collections.abc import Sequence
from typing import Final, get_args

import click

from engine.domain.events.campaigns import Lock
from ops.cli.client import as_maps
from ops.cli.invocation import Invocation
from ops.cli.keyed import by_option, option_words, say
from ops.cli.listing import list_options
from ops.cli.present import Column, print_json, print_table, terminal
from ops.cli.session import connected, data_options
from ops.sizes import RETURN_HOURS_MAX

_CAMPAIGNS: Final = (
    Column("campaign", "campaign"),
    Column("account", "account"),
    Column("sku", "sku"),
    Column("listing", "listing"),
    Column("phase", "phase"),
    *(Column(word, word, right=True) for word in ("quota", "sold", "remainder")),
    Column("lock", "lock"),
    Column("starts (UTC)", "starts_at"),
    Column("ends (UTC)", "ends_at"),
    Column("returned (UTC)", "returned_at"),
    Column("note", "note", wrap=True),
)
_note = click.option("--note", help="Why, for the history.")


@click.group(invoke_without_command=True)
@data_options
@click.pass_context
def campaign(ctx: click.Context, invocation: Invocation) -> None:
    """Set units aside for an account's campaign; show and end them."""
    if ctx.invoked_subcommand is None:
        _list(invocation, "OPEN", 50)


@campaign.command("list")
@data_options
@list_options("the last that are over")
def list_(invocation: Invocation, *, every: bool, limit: int) -> None:
    """Show campaigns, newest first."""
    _list(invocation, "ALL" if every else "OPEN", limit)


@campaign.command("show")
@data_options
@click.argument("key")
def show_(invocation: Invocation, key: str) -> None:
    """Show one campaign."""
    say(invocation, "CAMPAIGN", "GET", key)


@campaign.command("set")
@data_options
@by_option
@_note
@click.option("--from", "starts", metavar="INSTANT", required=True, help="When the channel locks the units.")
@click.option("--to", "ends", metavar="INSTANT", required=True, help="When it ends.")
@click.option(
    "--lock",
    type=click.Choice(get_args(Lock)),
    default="open",
    show_default=True,
    help="What the channel refuses meanwhile: nothing, lower numbers, every number.",
)
@click.option("--listing", help="The one listing it is about; every one of the SKU unless told.")
@click.option(
    "--return-hours",
    type=click.IntRange(0, RETURN_HOURS_MAX),
    default=24,
    show_default=True,
    help="How long after the end the channel may take to give back what is left.",
)
@click.argument("key")
@click.argument("account")
@click.argument("sku")
@click.argument("quota")
def set_(
    invocation: Invocation,
    *,
    signed: Sequence[str],
    note: str | None,
    starts: str,
    ends: str,
    lock: str,
    listing: str | None,
    return_hours: int,
    key: str,
    account: str,
    sku: str,
    quota: str,
) -> None:
    """Set QUOTA units of SKU aside for a campaign of ACCOUNT: from the start on nobody else shows them.

    KEY is your name for it; the same again changes nothing. An INSTANT has its offset: 2026-11-11T00:00:00+08:00.
    """
    window = ("FROM", starts, "TO", ends, "LOCK", lock)
    more = (*option_words(LISTING=listing), "RETURN", str(return_hours), *option_words(NOTE=note), *signed)
    say(invocation, "CAMPAIGN", "SET", key, account, sku, quota, *window, *more)


@campaign.command("end")
@data_options
@by_option
@_note
@click.argument("key")
def end(invocation: Invocation, *, signed: Sequence[str], note: str | None, key: str) -> None:
    """End a campaign before its time. What is left comes back once its listing was read."""
    say(invocation, "CAMPAIGN", "END", key, *option_words(NOTE=note), *signed)


@campaign.command("return")
@data_options
@by_option
@_note
@click.argument("key")
def return_(invocation: Invocation, *, signed: Sequence[str], note: str | None, key: str) -> None:
    """Say that the channel gave back what was left: it belongs to everybody from now on.

    For a campaign that is over and whose listing nobody could read; without it, the return window decides.
    """
    say(invocation, "CAMPAIGN", "RETURN", key, *option_words(NOTE=note), *signed)


def _list(invocation: Invocation, which: str, limit: int) -> None:
    with connected(invocation) as client:
        found = as_maps(client.call("CAMPAIGN", "LIST", which, "LIMIT", str(limit)))
    if invocation.as_json:
        print_json(found)
        return
    empty = "There never was a campaign." if which == "ALL" else "No campaign is planned, running or returning."
    print_table(terminal(), _CAMPAIGNS, found, empty=empty, optional="listing returned_at note")
