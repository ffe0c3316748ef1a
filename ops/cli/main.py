"""The command `lastunit`: what commands there are; each is imported when it is run, so that `--help` is quick."""

from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import click

from ops.cli.invocation import Invocation

SECTIONS: Final[dict[str, dict[str, tuple[str, str]]]] = {
    "Set up": {
        "init": ("ops.cli.setup:init", "Write a first configuration and sample files."),
        "check-config": ("ops.cli.setup:check_config", "Name every problem of the configuration."),
        "import": ("ops.cli.imports:import_", "Bring in SKUs, listings, opening stock and recipes."),
        "export": ("ops.cli.exports:export", "Write the catalogue, the listings, the stock or the recipes as CSV."),
        "completion": ("ops.cli.setup:completion", "Print the completion script of a shell."),
    },
    "Run": {
        "run": ("ops.cli.processes:run", "Start the daemon, and the gateway beside it."),
        "gateway": ("ops.cli.processes:gateway", "Start only the HTTP gateway."),
        "store": ("ops.cli.store:store", "Make, check, copy, back up the store of the journal; take snapshots."),
        "reading": ("ops.cli.reading:reading", "Keep tables of the journal that any SQL tool reads."),
        "replay": ("ops.cli.replay:replay", "Replay the journal: prove it, or try other rules on the past."),
        "demo": ("ops.cli.processes:demo", "Watch shops share stock through a flash sale."),
        "simulate": ("ops.cli.simulate:simulate", "Try the daemon in a world where everything goes wrong."),
    },
    "Look": {
        "status": ("ops.cli.status:status", "Show the daemon and its channels."),
        "stock": ("ops.cli.stock:stock", "Show what there is of SKUs."),
        "offers": ("ops.cli.stock:offers", "Show what each channel is told of a SKU."),
        "explain": ("ops.cli.explain:explain", "Tell how each number of a SKU came about."),
        "history": ("ops.cli.history:history", "Show the ledger of a SKU, line by line."),
        "scan": ("ops.cli.scan:scan", "Check that every figure adds up."),
        "orders": ("ops.cli.orders:orders", "Show orders, newest first, or one of them."),
        "alerts": ("ops.cli.alerts:alerts", "Show what is the matter, and say who looks after it."),
        "items": ("ops.cli.items:items", "Look things up in the catalogue, rename, merge, retire."),
        "incidents": ("ops.cli.orders:incidents", "Show where more was sold than there was."),
    },
    "Act": {
        "channels": ("ops.cli.channels:channels", "Show, pause and resume channel accounts."),
        "rules": ("ops.cli.rules:rules", "Show, try and change what channels may show."),
        "letters": ("ops.cli.letters:letters", "Show webhooks and orders that could not be understood."),
        "campaign": ("ops.cli.campaigns:campaign", "Set units aside for an account's campaign; show and end them."),
        "recipes": ("ops.cli.recipes:recipes", "Show every bundle; set, show or drop the recipe of one."),
        "hold": ("ops.cli.holds:hold", "Promise units to a basket."),
        "commit": ("ops.cli.holds:commit", "Turn a hold into a sale."),
        "release": ("ops.cli.holds:release", "Give a hold's units back."),
        "reallocate": ("ops.cli.movements:reallocate", "Owe the open units of an order line from another location."),
    },
    "Move": {
        "receive": ("ops.cli.movements:receive", "Book units that arrived."),
        "return": ("ops.cli.movements:return_", "Take back a buyer's units."),
        "inspect": ("ops.cli.movements:inspect", "Say what state units are in."),
        "count": ("ops.cli.movements:count", "Enter what was counted."),
        "adjust": ("ops.cli.movements:adjust", "Correct what lies at a location."),
        "po": ("ops.cli.documents:po", "Announce units that are to come."),
        "transfer": ("ops.cli.documents:transfer", "Move units between locations."),
        "snapshot": ("ops.cli.documents:snapshot", "Enter what a partner says it has of yours."),
        "movements": ("ops.cli.movements:movements", "Enter movements of any kind from a CSV file."),
    },
}
"""Commands by section: where each lives and its help in one line."""


class LazyGroup(click.Group):
    """Knows its commands by name and imports them one at a time."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return every command, in the order of the help."""
        del ctx
        return [name for section in SECTIONS.values() for name in section]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        del ctx
        for section in SECTIONS.values():
            if cmd_name in section:
                module, _, attribute = section[cmd_name][0].partition(":")
                command: click.Command = getattr(import_module(module), attribute)
                return command
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which one was probably meant."""
        near = get_close_matches(args[0], self.list_commands(ctx), n=1)
        if near and args[0] not in self.list_commands(ctx) and not ctx.resilient_parsing:
            ctx.fail(f"No such command '{args[0]}'; did you mean '{near[0]}'?")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands by section without importing any."""
        del ctx
        for title, section in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, help_line) for name, (_, help_line) in section.items()])


def _print_version(ctx: click.Context, _option: click.Parameter, value: Any) -> None:  # noqa: ANN401 - click's signature
    if value and not ctx.resilient_parsing:
        click.echo(f"lastunit {version('lastunit')}")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    "-c",
    type=click.Path(path_type=Path),
    envvar="LASTUNIT_CONFIG",
    default=None,
    help="The configuration file.  [default: lastunit.toml, or LASTUNIT_CONFIG]",
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Show it.")
@click.pass_context
def main(ctx: click.Context, config: Path | None) -> None:
    """Keep stock true and every sales channel in step with it.

    Exit codes: 0 done, 1 the daemon said no, 2 configuration or usage, 3 no daemon.
    """
    ctx.obj = ctx.obj or Invocation()
    if config is not None:
        ctx.obj.config = config


if __name__ == "__main__":
    main(prog_name="lastunit")
