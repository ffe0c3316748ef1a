"""`explain`: every number of a SKU as a sum that can be checked by hand, then what was sent and when it was seen."""

from collections.abc import Iterable
from typing import Final

import click
from rich.console import Console
from rich.text import Text

from ops.cli.client import ANSWER_SECONDS_MAX, Map, as_map
from ops.cli.history import PAST_SECONDS_MAX
from ops.cli.invocation import Invocation
from ops.cli.present import Column, parts, plain, print_json, print_table, styled, terminal
from ops.cli.session import connected, data_options
from ops.cli.stock import headline, print_expected, set_aside

_SUM: Final = (
    (" ", "on hand", "on_hand"),
    ("-", "committed to orders", "committed"),
    ("-", "reserved by baskets", "reserved"),
    ("-", "unavailable", "unavailable"),
    ("-", "safety stock", "safety_stock"),
)
_SIGNS: Final = {
    "atp": "=",
    "share": "x",
    "shared": "=",
    "ring-fenced": "-",
    "buffer": "-",
    "count error": "-",
    "pack": "/",
    "packs": "=",
    "floor": ">",
    "cap": "<",
}
"""How each term of an offer acts on what stands above it; `atp berlin` and the like are added up."""
_LABEL_WIDTH: Final = 28
_VALUE_WIDTH: Final = 10
_HOLDS: Final = (
    Column("hold", "hold"),
    Column("units", "quantity", right=True),
    Column("from", "from"),
    Column("account", "account"),
    Column("placed (UTC)", "placed_at"),
    Column("expires (UTC)", "expires"),
)
_DEMAND: Final = (
    Column("account", "account"),
    Column("order", "order"),
    Column("line", "line"),
    Column("committed", "committed", right=True),
    Column("reserved", "reserved", right=True),
    Column("from", "from"),
    Column("since (UTC)", "set_at"),
)
_PUSHES: Final = (
    Column("version", "version", right=True),
    Column("sent (UTC)", "sent_at"),
    Column("quantity", "quantity", right=True),
    Column("verdict", "verdict"),
    Column("verified (UTC)", "verified_at"),
    Column("because", "basis", wrap=True),
)


@click.command()
@data_options
@click.option(
    "--at", metavar="TIME", help="As of then: 2026-11-11T12:00:00+08:00, unix seconds, or -15m (s, m, h, d) ago."
)
@click.argument("sku")
@click.argument("account", required=False)
def explain(invocation: Invocation, sku: str, account: str | None, at: str | None) -> None:
    """Tell how each number of a SKU came about, and what channels were told; now, or as of an instant."""
    words = [*([account] if account else []), *(["AT", at] if at else [])]
    with connected(invocation) as client:
        story = as_map(client.call("EXPLAIN", sku, *words, seconds_max=PAST_SECONDS_MAX if at else ANSWER_SECONDS_MAX))
    if invocation.as_json:
        print_json(story)
        return
    console = terminal()
    console.print(headline(story), soft_wrap=True)
    if at:
        told = f"as of {plain(story.get('as_of'))} UTC; the last that was known of it is frame {story.get('position')}"
        console.print(Text(told), soft_wrap=True)
    for pause in story.get("paused", []):
        console.print(Text(f"{plain(pause.get('account'))} was paused: {plain(pause.get('reason'))}"), soft_wrap=True)
    console.print()
    _print_stock(console, story)
    _print_claims(console, story)
    offers = story.get("offers", [])
    if not offers:
        console.print(
            Text(f"\nNo listing of this SKU at {plain(account) if account else 'any channel'}."), soft_wrap=True
        )
    for offer in offers:
        _print_offer(console, offer)
    if not_told := story.get("not_told"):
        console.print(Text(f"\n{plain(not_told)}"), soft_wrap=True)


def sum_lines(terms: Iterable[tuple[str, str, object, str]], total: tuple[str, object]) -> list[str]:
    """Write an arithmetic column.

    Args:
        terms: sign, label, value and rule of each line.
        total: label and value below the line.
    """
    lines = [
        f"  {sign} {label:<{_LABEL_WIDTH}}{plain(value):>{_VALUE_WIDTH}}  {rule}".rstrip()
        for sign, label, value, rule in terms
    ]
    lines.append("  " + "-" * (_LABEL_WIDTH + _VALUE_WIDTH + 2))
    lines.append(f"  = {total[0]:<{_LABEL_WIDTH}}{plain(total[1]):>{_VALUE_WIDTH}}")
    return lines


def _print_stock(console: Console, story: Map) -> None:
    aside = {"unavailable": set_aside(story)}
    terms = [(sign, label, story.get(field), aside.get(field, "")) for sign, label, field in _SUM]
    _print_lines(console, sum_lines(terms, ("available to promise", story.get("atp"))))
    soon = [f"{story[field]} {field.replace('_', ' ')}" for field in ("incoming", "in_transit") if story.get(field)]
    if soon:
        console.print(f"  not counted: {', '.join(soon)}")
    print_expected(console, story)


def _print_claims(console: Console, story: Map) -> None:
    """Print what makes up `reserved` and `committed`: baskets and order lines."""
    more = " (the newest)" if story.get("truncated") else ""
    for title, field, columns in (("Open holds", "open_holds", _HOLDS), ("Open order lines", "demand", _DEMAND)):
        claims = [
            {**claim, "from": parts(claim.get("locations")), "expires": claim.get("expires_at") or "never"}
            for claim in story.get(field) or []
        ]
        if claims:
            console.print(f"\n{title}{more}", style="bold")
            print_table(console, columns, claims, empty="", optional="from")


def _print_offer(console: Console, offer: Map) -> None:
    head = Text.assemble(
        ("\n" + plain(offer.get("account")), "bold"),
        f", listing {plain(offer.get('listing'))}: ",
        styled(offer.get("state")),
    )
    console.print(head, soft_wrap=True)
    if reason := offer.get("reason"):
        console.print(Text(f"  {plain(reason)}"), soft_wrap=True)
    terms = [
        (_sign(term["term"]), plain(term["term"]), term.get("value"), plain(term.get("rule")))
        for term in offer.get("terms", [])
        if term.get("term") not in {None, "offer"}  # the offer stands below the line
    ]
    _print_lines(console, sum_lines(terms, ("offer", offer.get("offer"))))
    console.print(Text(f"    {'the channel shows':<{_LABEL_WIDTH}}{_shown(offer):>{_VALUE_WIDTH}}"), soft_wrap=True)
    pushes = offer.get("pushes") or []
    if pushes:
        console.print()
    print_table(console, _PUSHES, pushes, empty="  Nothing was sent yet.", optional="basis")


def _sign(term: str) -> str:
    return _SIGNS.get(term, "+" if term.startswith("atp ") else " ")


def _shown(offer: Map) -> str:
    return "unknown" if offer.get("shown") is None else plain(offer["shown"])


def _print_lines(console: Console, lines: Iterable[str]) -> None:
    for line in lines:
        console.print(Text(line), soft_wrap=True)
