"""`recipes`: what bundles, kits and packs are made of."""

from collections.abc import Sequence
from typing import Final

import click

from ops.cli.client import Map, as_map, as_maps
from ops.cli.invocation import Invocation
from ops.cli.keyed import by_option
from ops.cli.present import Column, plain, print_facts, print_json, print_table, terminal
from ops.cli.session import connected, data_options

_PAGE: Final = 1000
_COLUMNS: Final = (
    Column("bundle", "sku"),
    Column("version", "version", right=True),
    Column("together", "together"),
    Column("made of", "made_of", wrap=True),
)
_LEAVES: Final = (Column("sku", "sku"), Column("in one", "quantity", right=True))


@click.group(invoke_without_command=True)
@data_options
@click.pass_context
def recipes(ctx: click.Context, invocation: Invocation) -> None:
    """Show every bundle; set, show or drop the recipe of one."""
    if ctx.invoked_subcommand is None:
        _list(invocation)


@recipes.command("list")
@data_options
def list_(invocation: Invocation) -> None:
    """Show every bundle and what it is made of."""
    _list(invocation)


def _list(invocation: Invocation) -> None:
    found: list[Map] = []
    with connected(invocation) as client:
        while page := as_maps(client.call("RECIPE", "LIST", *_after(found), "LIMIT", str(_PAGE))):
            found += page
            if len(page) < _PAGE:
                break
    if invocation.as_json:
        print_json(found)
        return
    rows = [{**row, "made_of": _made_of(row.get("components"))} for row in found]
    print_table(terminal(), _COLUMNS, rows, empty="No SKU is a bundle: `lastunit recipes set` makes one of a SKU.")


def _after(found: Sequence[Map]) -> Sequence[str]:
    return ("AFTER", str(found[-1].get("sku"))) if found else ()


@recipes.command("show")
@data_options
@click.argument("sku")
def show(invocation: Invocation, sku: str) -> None:
    """Show what a bundle is made of, and what that comes to in SKUs with stock."""
    _say(invocation, "RECIPE", "GET", sku)


@recipes.command("set")
@data_options
@by_option
@click.argument("sku")
@click.argument("components", metavar="COMPONENT=QUANTITY...", nargs=-1, required=True)
@click.option("--together", is_flag=True, help="All components of one bundle must come from one location.")
def set_(
    invocation: Invocation, signed: Sequence[str], sku: str, components: tuple[str, ...], *, together: bool
) -> None:
    """Make a bundle of a SKU, or change its recipe. Orders keep the recipe they were sold under."""
    words = ["LINES"]
    for each in components:
        component, equals, quantity = each.rpartition("=")
        if not equals:
            raise click.BadParameter(f"'{each}' must be COMPONENT=QUANTITY", param_hint="COMPONENT=QUANTITY")
        words += [component, quantity]
    _say(invocation, "RECIPE", "SET", sku, *(["TOGETHER"] if together else []), *signed, *words)


@recipes.command("drop")
@data_options
@by_option
@click.argument("sku")
def drop(invocation: Invocation, signed: Sequence[str], sku: str) -> None:
    """Make an ordinary SKU of a bundle. Its listings go to zero until it has stock of its own."""
    with connected(invocation) as client:
        answer = as_map(client.call("RECIPE", "DROP", sku, *signed))
    if invocation.as_json:
        print_json(answer)
    else:
        click.echo(f"{plain(answer.get('sku'))} is no bundle any more (version {answer.get('version')})")


def _say(invocation: Invocation, *words: str) -> None:
    with connected(invocation) as client:
        answer = as_map(client.call(*words))
    if invocation.as_json:
        print_json(answer)
        return
    console = terminal()
    above = ", ".join(plain(each.get("sku")) for each in answer.get("in", []))
    facts = {
        "bundle": answer.get("sku"),
        "version": answer.get("version"),
        "made of": _made_of(answer.get("components")),
        "from one location": answer.get("one_location"),
        "part of": above,
        "set (UTC)": answer.get("set_at"),
        "by": answer.get("by"),
    }
    print_facts(console, facts)
    console.print()
    print_table(console, _LEAVES, answer.get("leaves", []), empty="It is made of nothing.")


def _made_of(components: Sequence[Map] | None) -> str:
    return ", ".join(f"{part.get('quantity')} x {part.get('sku')}" for part in components or ())
