"""`stock` and `offers`: what there is, and what channels show of it."""

from typing import Final

import click
from rich.console import Console
from rich.text import Text

from ops.cli.client import Map, as_map
from ops.cli.errors import Refusal
from ops.cli.invocation import Invocation
from ops.cli.present import Column, plain, print_json, print_table, terminal
from ops.cli.session import connected, data_options

FIGURES: Final = ("on_hand", "committed", "reserved", "unavailable", "safety_stock", "atp", "incoming", "in_transit")
_COLUMNS: Final = (
    Column("location", "location"),
    Column("kind", "kind"),
    *(Column(figure.replace("_", " "), figure, right=True) for figure in FIGURES),
)
_STATES: Final = ("quality_hold", "damaged", "display")
"""What `unavailable` is made of: said below the table where there is any."""
_DOCUMENTS: Final = (
    Column("to come", "quantity", right=True),
    Column("at", "location"),
    Column("on", "kind"),
    Column("number", "document"),
    Column("expected (UTC)", "expected_at"),
)
_COMPONENTS: Final = (
    Column("component", "sku"),
    Column("in one", "quantity", right=True),
    Column("atp", "atp", right=True),
    Column("makes", "makes", right=True),
    Column("binds", "binds"),
)
_ONE_LOCATION: Final = {False: "", True: ", each from one location"}
_OFFERS: Final = (
    Column("account", "account"),
    Column("listing", "listing"),
    Column("offer", "offer", right=True),
    Column("shown", "shown", right=True),
    Column("state", "state"),
    Column("version", "version", right=True),
    Column("sent (UTC)", "sent_at"),
    Column("accepted (UTC)", "accepted_at"),
    Column("verified (UTC)", "verified_at"),
    Column("reason", "reason", wrap=True),
)


@click.command()
@data_options
@click.argument("skus", metavar="SKU...", nargs=-1, required=True)
def stock(invocation: Invocation, skus: tuple[str, ...]) -> None:
    """Show what there is of SKUs, by location; `atp` is available to promise."""
    found: list[Map] = []
    refused: Refusal | None = None
    with connected(invocation) as client:
        for sku in skus:
            try:
                found.append(as_map(client.call("STOCK", sku)))
            except Refusal as error:  # the others are still of use
                if refused:
                    refused.show()
                refused = error
    if invocation.as_json:
        print_json(found)
    else:
        _print(found)
    if refused:
        raise refused


@click.command()
@data_options
@click.argument("sku")
def offers(invocation: Invocation, sku: str) -> None:
    """Show what each channel is told of a SKU, and what it shows."""
    with connected(invocation) as client:
        answer = as_map(client.call("OFFERS", sku))
    if invocation.as_json:
        print_json(answer)
        return
    empty = (
        f"No channel lists {plain(sku)}: `lastunit import --listings` or the channel's own catalogue brings listings."
    )
    print_table(terminal(), _OFFERS, answer.get("offers", []), empty=empty, optional="reason accepted_at sent_at")


def headline(book: Map) -> Text:
    """Name a SKU, and say in red when more was sold than there is."""
    line = Text.assemble((plain(book.get("sku")), "bold"), "  ", plain(book.get("name")))
    if oversold := book.get("oversold"):
        named = [short for short in book.get("shortages", []) if short["location"]]
        apart = ", ".join(f"{short['units']} at {plain(short['location'])}" for short in named)
        line += Text(f"  oversold by {oversold}" + (f" ({apart})" if apart else ""), style="bold red")
    return line


def set_aside(place: Map) -> str:
    """Say what `unavailable` is made of: `2 quality hold, 1 damaged`; empty when it is nothing."""
    return ", ".join(f"{place[state]} {state.replace('_', ' ')}" for state in _STATES if place.get(state))


def print_expected(console: Console, book: Map) -> None:
    """Print what is to come, and on which paper."""
    if papers := book.get("documents"):
        console.print()
        named = [{**paper, "kind": str(paper.get("kind")).replace("_", " ")} for paper in papers]
        print_table(console, _DOCUMENTS, named, empty="", optional="expected_at")


def _print(books: list[Map]) -> None:
    console = terminal()
    for number, book in enumerate(books):
        if number:
            console.print()
        console.print(headline(book), soft_wrap=True)
        if bundle := book.get("bundle"):
            console.print(f"a bundle: {book.get('atp')} can be made{_ONE_LOCATION[bool(bundle.get('one_location'))]}")
            print_table(console, _COMPONENTS, bundle.get("components", []), empty="")
            continue
        places = book.get("locations", [])
        rows = [*places, {**book, "location": "all"}] if len(places) > 1 else places
        print_table(console, _COLUMNS, rows, empty="nothing at any location", optional="kind")
        for place in places:
            if aside := set_aside(place):
                console.print(Text(f"unavailable at {plain(place.get('location'))}: {aside}"), soft_wrap=True)
        print_expected(console, book)
        if holds := book.get("holds"):
            console.print(f"{holds} open hold{'' if holds == 1 else 's'}")
