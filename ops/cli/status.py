"""`status`: is it alive, how far is it, what do the channels do."""

from typing import Final

import click
from rich.text import Text

from ops.cli.channels import COLUMNS, EMPTY
from ops.cli.client import Map, as_map, as_maps, parse_info
from ops.cli.invocation import Invocation
from ops.cli.present import plain, print_facts, print_json, print_table, terminal
from ops.cli.session import connected, data_options

FACTS: Final = {"journal position": "journal_position", "SKUs": "skus", "open holds": "holds_open"}
"""Our word: INFO's field."""
SHOWN: Final = frozenset(
    {"account", "state", "listings", "dirty", "in_flight", "drifted", "refused", "unmatched", "lag_seconds", "reason"}
)
"""What of a channel fits beside each other on a usual terminal; `channels` shows the rest."""


@click.command()
@data_options
@click.pass_context
def status(ctx: click.Context, invocation: Invocation) -> None:
    """Show the daemon and its channels; exit code 1 while it is not ready."""
    with connected(invocation) as client:
        info = parse_info(str(client.call("INFO")))
        health = as_map(client.call("HEALTH"))
        channels = as_maps(client.call("CHANNEL", "LIST"))
    if invocation.as_json:
        print_json({"info": info, "health": health, "channels": channels})
        ctx.exit(0 if health.get("ready") else 1)
    console = terminal()
    node, version, uptime = info.get("node"), info.get("lastunit_version"), info.get("uptime_in_seconds", "")
    title = f"{plain(node)}: lastunit {plain(version)}, up {duration(int(uptime) if uptime.isdigit() else 0)}"
    console.print(Text(title, style="bold"), soft_wrap=True)
    facts: Map = {"state": "ready" if health.get("ready") else "not ready", "journal": health.get("journal")}
    facts |= {name: info.get(field) for name, field in FACTS.items()}
    incidents = info.get("incidents_open")
    facts["open incidents"] = incidents if incidents in {None, "0"} else f"{incidents} (lastunit incidents)"
    print_facts(console, facts)
    console.print()
    columns = [column for column in COLUMNS if column.field in SHOWN]
    print_table(console, columns, channels, empty=EMPTY, optional="reason lag_seconds")
    ctx.exit(0 if health.get("ready") else 1)


def duration(seconds: int) -> str:
    """Write a time span in its two largest units."""
    spans = [(seconds // 86_400, "d"), (seconds // 3600 % 24, "h"), (seconds // 60 % 60, "min"), (seconds % 60, "s")]
    while len(spans) > 1 and not spans[0][0]:
        del spans[0]
    return " ".join(f"{count} {unit}" for count, unit in spans[:2])
