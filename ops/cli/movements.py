"""Units that come, go, change state or are counted: `adjust`, `receive`, `return`, `inspect`, `count`, `reallocate`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from ops.cli.client import Client, Map, as_map, parse_info
from ops.cli.countfile import Sheet, read_counts
from ops.cli.csvfiles import Known
from ops.cli.invocation import Invocation
from ops.cli.keyed import key_option, new_key, option_words, say, say_keyed, sign_options
from ops.cli.movementfile import ON_HAND, OUTCOMES, read_movements
from ops.cli.present import Column, plain, print_table, terminal
from ops.cli.sending import Answered, refuse_file, report, send_all
from ops.cli.session import connected, data_options, load_client_settings

SIGNED: Final = {"ignore_unknown_options": True}
"""So that -3 is a number, not an option."""
_FILE: Final = click.Path(path_type=Path, exists=True, dir_okay=False)
_COUNTS: Final = (
    Column("line", "line", right=True),
    Column("sku", "sku"),
    Column("location", "location"),
    Column("counted", "counted", right=True),
    Column("expected", "expected", right=True),
    Column("variance", "variance", right=True),
    Column("%", "percent", right=True),
    Column("applied", "applied"),
    Column("confirms", "confirms"),
)


@click.command(context_settings=SIGNED)
@data_options
@key_option
@sign_options
@click.argument("sku")
@click.argument("location")
@click.argument("delta")
@click.argument("reason")
def adjust(
    invocation: Invocation, key: str, signed: Sequence[str], sku: str, location: str, delta: str, reason: str
) -> None:
    """Correct what lies at a location by DELTA units.

    REASON is one of `stock.reasons`, with details after a colon: "damaged: fell off the pallet".
    """
    say_keyed(invocation, key, "ADJUST", key, sku, location, delta, reason, *signed)


@click.command()
@data_options
@key_option
@sign_options
@click.argument("sku")
@click.argument("location")
@click.argument("quantity")
@click.option("--po", help="The purchase order that announced them.")
def receive(
    invocation: Invocation, key: str, signed: Sequence[str], sku: str, location: str, quantity: str, po: str | None
) -> None:
    """Book units that arrived, announced by a purchase order or not."""
    say_keyed(invocation, key, "RECEIVE", key, sku, location, quantity, *option_words(PO=po), *signed)


@click.command("return")
@data_options
@key_option
@sign_options
@click.argument("sku")
@click.argument("location")
@click.argument("quantity")
@click.option("--into", type=click.Choice(ON_HAND), default="quality_hold", show_default=True, help="Their state.")
@click.option("--order", nargs=2, metavar="ACCOUNT ID", help="Where they were sold.")
@click.option("--line", help="The order's line, where several have this SKU.")
@click.option("--reason", help="Why they came back.")
def return_(
    invocation: Invocation,
    key: str,
    signed: Sequence[str],
    sku: str,
    location: str,
    quantity: str,
    *,
    into: str,
    order: tuple[str, str] | None,
    line: str | None,
    reason: str | None,
) -> None:
    """Take back a buyer's units, at any location.

    They wait in quality hold until `lastunit inspect` says what becomes of them. Name the order, and what its channel
    says was restocked counts no second time.
    """
    sold = ("ORDER", *order) if order else ()
    more = option_words(INTO=into), sold, option_words(LINE=line, REASON=reason)
    say_keyed(
        invocation, key, "RETURN", key, sku, location, quantity, *(word for each in more for word in each), *signed
    )


@click.command()
@data_options
@key_option
@sign_options
@click.argument("sku")
@click.argument("location")
@click.argument("quantity")
@click.argument("outcome", type=click.Choice(OUTCOMES, case_sensitive=False))
@click.option("--from", "source", type=click.Choice(ON_HAND), help="The state they are in.")
@click.option("--reason", help="What was found.")
def inspect(
    invocation: Invocation,
    key: str,
    signed: Sequence[str],
    sku: str,
    location: str,
    quantity: str,
    *,
    outcome: str,
    source: str | None,
    reason: str | None,
) -> None:
    """Say what state units are in.

    restock, damaged and writeoff decide about units in quality hold; display and hold take sellable ones off the shelf.
    --from says otherwise.
    """
    more = option_words(FROM=source, REASON=reason)
    say_keyed(invocation, key, "INSPECT", key, sku, location, quantity, outcome.upper(), *more, *signed)


@click.command()
@data_options
@click.option("--key", help="Makes a repeat harmless; a fresh one unless told. Not for a file: its rows have keys.")
@sign_options
@click.argument("what", metavar="SKU LOCATION COUNTED | FILE.csv", nargs=-1, required=True)
@click.option("--at", metavar="INSTANT", default="now", show_default=True, help="When it was counted.")
@click.option("--location", help="Of the rows of a file that name none.")
@click.option("--blind", is_flag=True, help="Do not tell what was expected unless the count is applied.")
@click.pass_context
def count(
    ctx: click.Context,
    invocation: Invocation,
    *,
    key: str | None,
    signed: Sequence[str],
    what: tuple[str, ...],
    at: str,
    location: str | None,
    blind: bool,
) -> None:
    """Enter what was counted, as of the instant it was counted.

    What was sold and received between count and entry is not lost. A variance beyond `stock.count_tolerance_percent`
    changes nothing until a second count, with a key of its own, says the same.

    A file has the columns sku, counted and, where --location and --at do not say it, location and at; also key, ref.
    """
    if len(what) == 1:
        if key:
            raise click.UsageError("--key is for one count; rows of a file have a column key")
        sheet = Sheet(location, None if at == "now" else at, blind, tuple(signed))
        _count_file(ctx, invocation, Path(what[0]), sheet)
        return
    if len(what) != 3 or location:
        raise click.UsageError("say SKU LOCATION COUNTED, or name one FILE.csv")
    with connected(invocation) as client:
        instant = _now(client) if at == "now" else at
    key = key or new_key()
    flags = ("BLIND",) if blind else ()
    say_keyed(invocation, key, "COUNT", key, *what, "AT", instant, *flags, *signed)


@click.command()
@data_options
@sign_options
@click.option("--reason", help="Why.")
@click.argument("account")
@click.argument("order")
@click.argument("line")
@click.argument("sku")
@click.argument("location")
def reallocate(
    invocation: Invocation,
    *,
    signed: Sequence[str],
    reason: str | None,
    account: str,
    order: str,
    line: str,
    sku: str,
    location: str,
) -> None:
    """Owe the open units of an order line from another location, if it has room for them.

    An order that is picked up at its store is owed from there and nowhere else.
    """
    say(invocation, "REALLOCATE", account, order, line, sku, location, *option_words(REASON=reason), *signed)


@click.command()
@data_options
@click.argument("file", type=_FILE)
@click.option("--dry-run", is_flag=True, help="Check the file, send nothing.")
@click.pass_context
def movements(ctx: click.Context, invocation: Invocation, file: Path, *, dry_run: bool) -> None:
    """Enter movements of any kind from a CSV file.

    The column kind says what a row is: adjust, receive, return, inspect, count, snapshot, po, po close, po cancel,
    transfer, transfer receive, transfer lose, reallocate. Every bad row is named before anything is sent.

    A row that the daemon refuses is named too, and the others stay applied: mend it and run the same file again, no row
    counts twice.
    """
    settings = load_client_settings(invocation)
    known = Known(tuple(place.id for place in settings.locations), tuple(account.id for account in settings.accounts))
    commands, bad = read_movements(file.read_bytes(), str(file), known, settings.stock.reasons)
    if bad:
        refuse_file(ctx, invocation, bad)
    if dry_run:
        click.echo(f"{file}: {sum(len(said.lines) for said in commands)} rows; all good, nothing was sent")
        return
    with connected(invocation) as client:
        answered = send_all(client, commands)
    report(ctx, invocation, file, answered)


def _count_file(ctx: click.Context, invocation: Invocation, file: Path, sheet: Sheet) -> None:
    if not file.is_file():
        raise click.UsageError(f"'{file}' is no file; a single count is SKU LOCATION COUNTED")
    settings = load_client_settings(invocation)
    known = Known(tuple(place.id for place in settings.locations), ())
    commands, bad = read_counts(file.read_bytes(), str(file), known, sheet)
    if bad:
        refuse_file(ctx, invocation, bad)
    with connected(invocation) as client:
        answered = send_all(client, commands)
    if not invocation.as_json:
        _print_counts(answered)
    report(ctx, invocation, file, answered)


def _print_counts(answered: Sequence[Answered]) -> None:
    rows: list[Map] = [
        {"line": each.said.lines[0], **as_map(each.answer)} for each in answered if each.answer is not None
    ]
    print_table(terminal(), _COUNTS, rows, empty="no counts", optional="expected variance percent confirms")
    again = [row for row in rows if row.get("recount")]
    if again:
        named = ", ".join(f"{plain(row.get('sku'))} at {plain(row.get('location'))}" for row in again[:20])
        click.echo(f"to be counted again: {named}{', ...' if len(again) > 20 else ''}")


def _now(client: Client) -> str:
    """Return the daemon's time: by its clock a count must not lie in the future."""
    return parse_info(str(client.call("INFO", "persistence")))["now"]
