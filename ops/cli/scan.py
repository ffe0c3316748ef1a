"""`scan`: whether every figure adds up, and what happened to those that do not."""

from typing import Final

import click
from rich.console import Console
from rich.text import Text

from ops.cli.client import Map, as_map
from ops.cli.errors import EXIT_REFUSED
from ops.cli.invocation import Invocation
from ops.cli.present import Column, plain, print_json, print_table, terminal
from ops.cli.session import connected, data_options

SCAN_SECONDS_MAX: Final = 3600.0
"""A deep scan reads the whole journal."""
_VIOLATIONS: Final = (
    Column("sku", "sku"),
    Column("location", "location"),
    Column("what does not hold", "law", wrap=True),
    Column("expected", "expected", right=True),
    Column("found", "found", right=True),
    Column("detail", "detail", wrap=True),
    Column("since (UTC)", "since"),
)
_EVENTS: Final = (
    Column("frame", "position", right=True),
    Column("at (UTC)", "at"),
    Column("what", "text", wrap=True),
)


@click.command()
@data_options
@click.option("--deep", is_flag=True, help="Add up the whole journal, too, and compare every figure with that.")
@click.option("--open", "listed", is_flag=True, help="Check nothing: list what was found and is not gone.")
@click.argument("sku", required=False)
@click.pass_context
def scan(ctx: click.Context, invocation: Invocation, sku: str | None, *, deep: bool, listed: bool) -> None:
    """Check that every figure adds up, of one SKU or of all; exit code 1 when one does not. Repairs nothing."""
    if listed and (deep or sku):
        raise click.UsageError("--open lists what was found before: it goes with neither --deep nor a SKU")
    words = ["VIOLATIONS"] if listed else ["SCAN", *([sku] if sku else []), *(["DEEP"] if deep else [])]
    with connected(invocation) as client:
        report = as_map(client.call(*words, seconds_max=SCAN_SECONDS_MAX))
    if invocation.as_json:
        print_json(report)
    else:
        _print(report, listed=listed)
    ctx.exit(EXIT_REFUSED if report.get("found") else 0)


def _print(report: Map, *, listed: bool) -> None:
    console = terminal()
    found = report.get("found", 0)
    if not listed:
        against = f" and the journal to frame {report.get('position')}" if report.get("deep") else ""
        checked = f"{_count(report.get('books', 0), 'book')}, {_count(report.get('records', 0), 'hold or order line')}"
        console.print(Text(f"Checked {checked}{against} in {report.get('seconds')} s."), soft_wrap=True)
    if report.get("asked"):
        asked = as_map(report["asked"])
        what = f"{'deep ' if asked.get('deep') else ''}scan of {plain(asked.get('sku') or 'all books')}"
        console.print(Text(f"A {what} is under way since {plain(asked.get('began_at'))} UTC."), soft_wrap=True)
    if not found:
        console.print(Text("Everything adds up.", style="green"), soft_wrap=True)
        return
    console.print(Text(f"{_count(found, 'violation')}:\n", style="bold red"), soft_wrap=True)
    shown = report.get("violations", [])
    print_table(console, _VIOLATIONS, shown, empty="", optional="location detail since")
    if len(shown) < found:
        console.print(Text(f"and {found - len(shown)} more"), soft_wrap=True)
    for origin in report.get("origins", []):
        _print_origin(console, origin)


def _print_origin(console: Console, origin: Map) -> None:
    console.print(Text(f"\n{plain(origin.get('sku'))}", style="bold"), soft_wrap=True)
    first = origin.get("first")
    if first:
        told = as_map(first)
        said = f"the journal adds up until frame {told.get('position')}: {plain(told.get('text'))}"
    else:
        said = "the journal adds up: only the memory of this daemon is wrong, a restart reads it anew"
    console.print(Text(f"  {said}"), soft_wrap=True)
    print_table(console, _EVENTS, origin.get("events") or [], empty="  It has no events.")


def _count(number: int, what: str) -> str:
    plural = what.replace("hold or order line", "holds and order lines") if "hold" in what else f"{what}s"
    return f"{number} {what if number == 1 else plural}"
