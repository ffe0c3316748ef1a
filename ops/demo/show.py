"""What a person sees: a live display on a terminal, plain lines elsewhere, and the report at the end."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ops.demo.buffers import REASONS
from ops.demo.sale import Storefront

Map = dict[str, Any]


class Progress(Protocol):
    """Told of the course of things."""

    def stage(self, text: str) -> None:
        """Begin a stage."""
        ...

    def shelves(self, rows: Sequence[Map], skus: int) -> None:
        """Show how far the listings are."""
        ...

    def sale(
        self, part: float, rows: Sequence[Map], crowds: dict[str, Map], storefront: Storefront, oversold: int
    ) -> None:
        """Show the sale; `part` of its time is over."""
        ...

    def settling(self, rows: Sequence[Map]) -> None:
        """Show what is still on its way."""
        ...

    def close(self) -> None:
        """Clear the display before the report."""
        ...


@contextmanager
def make_progress(*, quiet: bool) -> Iterator[Progress]:
    """Choose the display: live on a terminal, lines when piped, lines on standard error when `quiet`."""
    console = Console(stderr=quiet)
    if quiet or not console.is_terminal:
        yield _Lines(console)
        return
    with Live(console=console, refresh_per_second=8, transient=True) as live:
        yield _Screen(live, console)


class _Lines:
    """One line per stage and one every few seconds of the sale."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._said = -1

    def stage(self, text: str) -> None:
        self._say(text)

    def shelves(self, rows: Sequence[Map], skus: int) -> None:
        pass

    def sale(
        self, part: float, rows: Sequence[Map], crowds: dict[str, Map], storefront: Storefront, oversold: int
    ) -> None:
        fifth = int(part * 5)
        if fifth > self._said:
            self._said = fifth
            shops = ", ".join(f"{name} sold {crowd['units_bought']}" for name, crowd in crowds.items())
            lag = max((row["lag_seconds"] for row in rows), default=0.0)
            baskets = f"storefront granted {storefront.granted} and refused {storefront.refused}"
            self._say(f"  {part:4.0%}  {shops}, {baskets}, lag {lag:.2f} s, oversold {oversold}")

    def settling(self, rows: Sequence[Map]) -> None:
        pass

    def close(self) -> None:
        pass

    def _say(self, text: str) -> None:
        self._console.print(text, highlight=False, soft_wrap=True)


class _Screen:
    """A table that moves."""

    def __init__(self, live: Live, console: Console) -> None:
        self._live = live
        self._console = console
        self._title = ""

    def stage(self, text: str) -> None:
        if self._title:
            self._console.print(Text(f"✓ {self._title}", style="green"))
        self._title = text
        self._live.update(Text(text, style="bold"))

    def shelves(self, rows: Sequence[Map], skus: int) -> None:
        done = sum(row["verified"] for row in rows)
        self._live.update(Group(Text(self._title, style="bold"), ProgressBar(skus * max(1, len(rows)), done, width=60)))

    def sale(
        self, part: float, rows: Sequence[Map], crowds: dict[str, Map], storefront: Storefront, oversold: int
    ) -> None:
        table = Table(box=None, pad_edge=False)
        for name in ("", "sold", "turned away", "waiting", "under way", "verified", "lag"):
            table.add_column(name, justify="left" if not name else "right")
        for row in rows:
            crowd = crowds.get(row["account"], {})
            table.add_row(
                row["account"],
                str(crowd.get("units_bought", 0)),
                str(crowd.get("refused", 0)),
                str(row["dirty"]),
                str(row["in_flight"] + row["accepted"]),
                str(row["verified"]),
                f"{row['lag_seconds']:.2f} s",
            )
        table.add_row("storefront", str(sum(storefront.units.values())), str(storefront.refused), "", "", "", "")
        over = Text(f"oversold so far: {oversold}", style="bold red" if oversold else "green")
        self._live.update(Group(Text(self._title, style="bold"), ProgressBar(1.0, part, width=60), table, over))

    def settling(self, rows: Sequence[Map]) -> None:
        waiting = sum(row["dirty"] + row["in_flight"] + row["accepted"] + row["drifted"] for row in rows)
        self._live.update(Text(f"{self._title} ({waiting} to go)", style="bold"))

    def close(self) -> None:
        self._live.update(Text(""))
        self._live.stop()
        self._console.print(Text(f"✓ {self._title}", style="green"))


def print_report(report: Map) -> None:
    """Print the report for people."""
    console = Console(file=sys.stdout, highlight=False)
    own = report["storefront"]
    console.print()
    console.print(
        f"{report['skus']} SKUs, {report['units']} units; seed {report['seed']}, {report['seconds']} s of sale, "
        f"settled {report['settled_seconds']:.1f} s after the doors closed"
    )
    console.print(
        f"storefront: {own['holds_granted']} holds granted, {own['holds_refused']} refused, {own['committed']} bought, "
        f"{own['released']} left; hold answered in {own['hold_p50_ms']} ms (p50), {own['hold_p99_ms']} ms (p99)"
    )
    console.print(_shops_table(report["shops"]))
    _print_buffer(console, report["buffer"])
    _print_oversold(console, report)
    _print_check(console, report["check"], settled=report["settled"])


def _shops_table(shops: dict[str, Map]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("")
    for name in shops:
        table.add_column(name, justify="right")
    rows: list[tuple[str, Any]] = [
        ("orders", lambda shop: shop["orders"]),
        ("units sold (given back)", lambda shop: f"{shop['units_sold']} ({shop['units_returned']})"),
        ("shoppers turned away", lambda shop: shop["shoppers_turned_away"]),
        ("webhooks sent, lost, repeated", lambda shop: _fates(shop["webhooks"])),
        ("sale to accepted p50/p95/p99", lambda shop: _quantiles(shop["accepted_lag_seconds"])),
        ("sale to verified p50/p95/p99", lambda shop: _quantiles(shop["verified_lag_seconds"])),
        ("pushes", lambda shop: _counts(shop["pushes"])),
        ("API calls", lambda shop: shop["calls"]),
        ("units oversold", lambda shop: _counts(shop["oversold_units_by_cause"])),
    ]
    for label, read in rows:
        table.add_row(label, *(str(read(shop)) for shop in shops.values()))
    return table


def _fates(webhooks: Map) -> str:
    return f"{webhooks['sent']}, {webhooks['lost']}, {webhooks['repeated']}"


def _quantiles(found: Map) -> str:
    return " / ".join("-" if value is None else f"{value:.2f}" for value in found.values()) + " s"


def _counts(found: Map) -> str:
    return ", ".join(f"{units:g} {name}" for name, units in sorted(found.items())) or "0"


def _print_buffer(console: Console, buffer: Map) -> None:
    console.print(f"buffer {buffer['choice']}: {buffer['rule']}", soft_wrap=True)
    console.print(
        f"  it cost: of {buffer['units_left']} units that are left, no shop shows {buffer['units_shown_nowhere']}; "
        f"{buffer['skus_shown_nowhere']} SKUs in stock are shown nowhere; the storefront sells them all the same",
        soft_wrap=True,
    )


def _print_oversold(console: Console, report: Map) -> None:
    units, sold = report["units_oversold"], sum(shop["units_sold"] for shop in report["shops"].values())
    if not units:
        console.print(f"[green]0 of {sold} units that the shops sold were oversold[/green]")
        return
    console.print(f"[bold red]{units} of {sold} units that the shops sold were oversold[/bold red], by cause:")
    for cause, of_it in sorted(report["oversold_units_by_cause"].items()):
        console.print(f"  {of_it} {cause}: {REASONS.get(cause, 'see the incidents')}", soft_wrap=True)
    console.print("each is recorded; the newest:")
    for incident in report["incidents"][:5]:
        where = f"{incident['account']} order {incident['order']}"
        console.print(
            f"  {incident['units']} of {incident['sku']} at {where}: {incident['cause']}, {incident['detail']}"
        )


def _print_check(console: Console, check: Map, *, settled: bool) -> None:
    wrong = [*check["listings_wrong"], *check["skus_wrong"]]
    if not settled:
        console.print("[bold red]✗ it never came to rest[/bold red]")
    for problem in wrong[:20]:
        console.print(f"[bold red]✗[/bold red] {problem}")
    if not check["listings_wrong"]:
        console.print(f"[green]✓ each shop shows exactly its offer ({check['listings_checked']} listings)[/green]")
    if not check["skus_wrong"]:
        console.print(f"[green]✓ the ledger balances ({check['skus_checked']} SKUs, unit by unit)[/green]")
