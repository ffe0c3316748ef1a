"""`hold`, `commit`, `release`: single decisions by hand."""

import click

from ops.cli.client import Map, as_map
from ops.cli.invocation import Invocation
from ops.cli.present import Column, print_facts, print_json, print_table, terminal
from ops.cli.session import connected, data_options

_LINES = (Column("sku", "sku"), Column("location", "location"), Column("quantity", "quantity", right=True))


@click.command()
@data_options
@click.argument("hold_id")
@click.argument("lines", metavar="SKU=QUANTITY...", nargs=-1, required=True)
@click.option("--ttl", metavar="SECONDS|never", default="900", show_default=True, help="Until it expires.")
@click.option("--account", help="The channel account that asks.")
@click.option("--at", "location", help="Only from this location.")
def hold(
    invocation: Invocation, hold_id: str, lines: tuple[str, ...], ttl: str, account: str | None, location: str | None
) -> None:
    """Promise units to a basket: all lines or none."""
    words = ["HOLD", hold_id, ttl.upper()]
    for line in lines:
        sku, equals, quantity = line.rpartition("=")
        if not equals:
            raise click.BadParameter(f"'{line}' must be SKU=QUANTITY", param_hint="SKU=QUANTITY")
        words += [sku, quantity]
    words += ["CHANNEL", account] if account else []
    words += ["AT", location] if location else []
    _tell(invocation, *words)


@click.command()
@data_options
@click.argument("hold_id")
@click.option("--order", help="The order that the hold became.")
def commit(invocation: Invocation, hold_id: str, order: str | None) -> None:
    """Turn a hold into a sale."""
    _tell(invocation, "COMMIT", hold_id, *(["ORDER", order] if order else []))


@click.command()
@data_options
@click.argument("hold_id")
def release(invocation: Invocation, hold_id: str) -> None:
    """Give a hold's units back."""
    _tell(invocation, "RELEASE", hold_id)


def _tell(invocation: Invocation, *words: str) -> None:
    """Send one command and print its answer."""
    with connected(invocation) as client:
        answer: Map = as_map(client.call(*words))
    if invocation.as_json:
        print_json(answer)
        return
    console = terminal()
    lines = answer.pop("lines", None)
    print_facts(console, {field.replace("_", " "): value for field, value in answer.items()})
    if lines is not None:
        print_table(console, _LINES, lines, empty="no lines")
