"""`reading`: the journal as tables for any SQL tool, in a file of their own."""

from functools import partial
from importlib import import_module

import click
import msgspec

from ops import reading as tables
from ops.cli.invocation import Invocation
from ops.cli.present import print_facts, print_json, terminal
from ops.cli.session import config_option, data_options
from ops.cli.storework import reading_settings, run_on_store, show_progress


@click.group()
def reading() -> None:
    """Keep tables of the journal that any SQL tool reads, in data/reading.sqlite3 or at a PostgreSQL server."""


@reading.command()
@config_option
def run(invocation: Invocation) -> None:
    """Follow the journal until SIGTERM or Ctrl-C, beside the daemon or without it."""
    settings = reading_settings(invocation)
    import_module("ops.telemetry.logs").configure_logging(settings.node, process="reading")
    run_on_store(partial(tables.run, settings))


@reading.command()
@data_options
def rebuild(invocation: Invocation) -> None:
    """Make the tables anew from the whole journal; who reads sees the old ones until then."""
    settings = reading_settings(invocation)
    standing = run_on_store(partial(tables.rebuild_now, settings, show_progress(invocation)))
    if invocation.as_json:
        print_json(msgspec.to_builtins(standing))
    else:
        click.echo(f"{standing.place}: {standing.position} frames")


@reading.command()
@data_options
def status(invocation: Invocation) -> None:
    """Show how far the tables are behind the journal."""
    standing = run_on_store(partial(tables.inspect, reading_settings(invocation)))
    answer = msgspec.to_builtins(standing)
    if invocation.as_json:
        print_json(answer)
    else:
        print_facts(terminal(), {name.replace("_", " "): value for name, value in answer.items()})
