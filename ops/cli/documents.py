"""Over several SKUs: `po` (purchase orders), `transfer`, `snapshot` (what a partner says it has)."""

from collections.abc import Sequence
from typing import Final

import click

from ops.cli.client import Map, as_map, as_maps
from ops.cli.errors import EXIT_REFUSED
from ops.cli.invocation import Invocation
from ops.cli.keyed import by_option, key_option, option_words, say_keyed, show, sign_options
from ops.cli.present import Column, print_json, print_table, terminal
from ops.cli.session import connected, data_options

_PURCHASES: Final = (
    Column("purchase order", "purchase_order"),
    Column("state", "state"),
    Column("location", "location"),
    Column("supplier", "supplier"),
    Column("expected (UTC)", "expected_at"),
    *(Column(word, f"units_{word}", right=True) for word in ("ordered", "received", "open", "over")),
)
_PURCHASE_LINES: Final = (
    Column("sku", "sku"),
    *(Column(word, word, right=True) for word in ("ordered", "received", "open", "over")),
)
_TRANSFERS: Final = (
    Column("transfer", "transfer"),
    Column("state", "state"),
    Column("from", "source"),
    Column("to", "target"),
    Column("sent (UTC)", "sent_at"),
    Column("expected (UTC)", "expected_at"),
    *(Column(word, f"units_{word}", right=True) for word in ("sent", "arrived", "lost", "open")),
)
_TRANSFER_LINES: Final = (
    Column("sku", "sku"),
    *(Column(word, word, right=True) for word in ("sent", "arrived", "lost", "open")),
)
_VERDICTS: Final = (
    Column("sku", "sku"),
    Column("outcome", "outcome"),
    Column("quantity", "quantity", right=True),
    Column("delta", "delta", right=True),
    Column("on hand", "on_hand", right=True),
    Column("problem", "problem", wrap=True),
)

_lines = click.argument("lines", metavar="SKU=QUANTITY...", nargs=-1, required=True)
_expected = click.option("--expected", metavar="INSTANT", help="When they are to arrive.")
_reason = click.option("--reason", help="Why.")
_all = click.option("--all", "which", flag_value="ALL", default="OPEN", help="Finished ones too.")
_limit = click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="The newest.")


@click.group()
def po() -> None:
    """Announce units that are to come: purchase orders."""


@po.command("set")
@data_options
@sign_options
@click.argument("document", metavar="ID")
@click.argument("location")
@_lines
@_expected
@click.option("--supplier", help="Who sends them.")
def set_purchase_order(
    invocation: Invocation,
    signed: Sequence[str],
    document: str,
    location: str,
    lines: tuple[str, ...],
    *,
    expected: str | None,
    supplier: str | None,
) -> None:
    """Order, or amend: give all lines as they stand; one that is left out is expected no more."""
    more = option_words(EXPECTED=expected, SUPPLIER=supplier)
    words = ("PO", "SET", document, location, *more, *signed, *_line_words(lines))
    _show_document(invocation, _PURCHASE_LINES, *words)


@po.command("close")
@data_options
@by_option
@click.argument("document", metavar="ID")
@_reason
def close_purchase_order(invocation: Invocation, signed: Sequence[str], document: str, reason: str | None) -> None:
    """Expect nothing more, whatever has come."""
    _show_document(invocation, _PURCHASE_LINES, "PO", "CLOSE", document, *option_words(REASON=reason), *signed)


@po.command("cancel")
@data_options
@by_option
@click.argument("document", metavar="ID")
@_reason
def cancel_purchase_order(invocation: Invocation, signed: Sequence[str], document: str, reason: str | None) -> None:
    """Cancel; what has come stays."""
    _show_document(invocation, _PURCHASE_LINES, "PO", "CANCEL", document, *option_words(REASON=reason), *signed)


@po.command("show")
@data_options
@click.argument("document", metavar="ID")
def show_purchase_order(invocation: Invocation, document: str) -> None:
    """Show what was ordered, has come and is still expected."""
    _show_document(invocation, _PURCHASE_LINES, "PO", "GET", document)


@po.command("list")
@data_options
@_all
@_limit
def list_purchase_orders(invocation: Invocation, *, which: str, limit: int) -> None:
    """List purchase orders, the newest first."""
    _list_documents(invocation, _PURCHASES, "Nothing is on order.", "PO", "LIST", which, "LIMIT", str(limit))


@click.group()
def transfer() -> None:
    """Move units between locations; sellable nowhere until they arrive."""


@transfer.command("send")
@data_options
@sign_options
@click.argument("document", metavar="ID")
@click.argument("source")
@click.argument("target")
@_lines
@_expected
@_reason
def send_transfer(
    invocation: Invocation,
    signed: Sequence[str],
    document: str,
    source: str,
    target: str,
    lines: tuple[str, ...],
    *,
    expected: str | None,
    reason: str | None,
) -> None:
    """Send units off: all lines or none. The same again changes nothing."""
    more = option_words(EXPECTED=expected, REASON=reason)
    words = ("TRANSFER", "SEND", document, source, target, *more, *signed, *_line_words(lines))
    _show_document(invocation, _TRANSFER_LINES, *words)


@transfer.command("receive")
@data_options
@key_option
@sign_options
@click.argument("document", metavar="ID")
@click.argument("sku")
@click.argument("quantity")
def receive_transfer(
    invocation: Invocation, key: str, signed: Sequence[str], document: str, sku: str, quantity: str
) -> None:
    """Take in units that arrived, in parts if need be."""
    say_keyed(invocation, key, "TRANSFER", "RECEIVE", key, document, sku, quantity, *signed)


@transfer.command("lose")
@data_options
@key_option
@sign_options
@click.argument("document", metavar="ID")
@click.argument("sku")
@click.argument("quantity")
@click.argument("reason")
def lose_transfer(
    invocation: Invocation, key: str, signed: Sequence[str], document: str, sku: str, quantity: str, reason: str
) -> None:
    """Give up on units that will not arrive."""
    say_keyed(invocation, key, "TRANSFER", "LOSE", key, document, sku, quantity, reason, *signed)


@transfer.command("show")
@data_options
@click.argument("document", metavar="ID")
def show_transfer(invocation: Invocation, document: str) -> None:
    """Show what was sent, has arrived, is lost and is under way."""
    _show_document(invocation, _TRANSFER_LINES, "TRANSFER", "GET", document)


@transfer.command("list")
@data_options
@_all
@_limit
def list_transfers(invocation: Invocation, *, which: str, limit: int) -> None:
    """List transfers, the newest first."""
    _list_documents(invocation, _TRANSFERS, "Nothing is under way.", "TRANSFER", "LIST", which, "LIMIT", str(limit))


@click.command()
@data_options
@key_option
@sign_options
@click.argument("location")
@click.argument("source")
@_lines
@click.option("--as-of", metavar="INSTANT", required=True, help="When it was so.")
@click.option(
    "--nets",
    type=click.Choice(["yes", "no"]),
    required=True,
    help="Whether the partner has taken your open orders off already.",
)
@click.option("--force", is_flag=True, help="Apply it although much falls to zero.")
@click.pass_context
def snapshot(
    ctx: click.Context,
    invocation: Invocation,
    *,
    key: str,
    signed: Sequence[str],
    location: str,
    source: str,
    lines: tuple[str, ...],
    as_of: str,
    nets: str,
    force: bool,
) -> None:
    """Enter what a partner says it has of yours (3PL, ERP, FBA).

    SKUs that are not named stay as they are. Exit code 1 when a row was not applied. From a file: `lastunit movements`.
    """
    words = ["SNAPSHOT", key, location, source, "AS_OF", as_of, "NETS", nets]
    words += [*(["FORCE"] if force else []), *signed, *_line_words(lines)]
    with connected(invocation) as client:
        answer: Map = as_map(client.call(*words))
    show(invocation, answer, {"rows": _VERDICTS})
    if any(row.get("outcome") != "applied" for row in answer.get("rows", [])):
        ctx.exit(EXIT_REFUSED)


def _line_words(lines: Sequence[str]) -> list[str]:
    words = ["LINES"]
    for line in lines:
        sku, equals, quantity = line.rpartition("=")
        if not equals:
            raise click.BadParameter(f"'{line}' must be SKU=QUANTITY", param_hint="SKU=QUANTITY")
        words += [sku, quantity]
    return words


def _show_document(invocation: Invocation, columns: Sequence[Column], *words: str) -> None:
    with connected(invocation) as client:
        answer = as_map(client.call(*words))
    show(invocation, answer, {"lines": columns})


def _list_documents(invocation: Invocation, columns: Sequence[Column], empty: str, *words: str) -> None:
    with connected(invocation) as client:
        found = as_maps(client.call(*words))
    if invocation.as_json:
        print_json(found)
        return
    print_table(terminal(), columns, found, empty=empty, optional="expected_at supplier units_over units_lost")
