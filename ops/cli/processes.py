"""`run`, `gateway`, `demo`: the commands that stay. Their modules are heavy and loaded when needed."""

from importlib import import_module

import click
from msgspec.structs import replace

from config.loader import DAEMON_SECRETS, GATEWAY_SECRETS
from ops.cli.errors import Unusable
from ops.cli.invocation import Invocation
from ops.cli.session import config_option, load_config


@click.command()
@config_option
@click.option("--no-gateway", is_flag=True, help="Only the daemon: the gateway runs elsewhere, or not at all.")
@click.option("--standby", is_flag=True, help="Wait until the daemon that has the store is gone, then take over.")
@click.pass_context
def run(ctx: click.Context, invocation: Invocation, *, no_gateway: bool, standby: bool) -> None:
    """Start the daemon, and the gateway beside it, until SIGTERM or Ctrl-C."""
    loaded = load_config(invocation, DAEMON_SECRETS)
    for note in loaded.notes:
        click.echo(f"note: {note}", err=True)
    settings = loaded.settings
    if no_gateway:
        settings = replace(settings, gateway=replace(settings.gateway, enabled=False))
    if standby and settings.store.kind != "postgres":
        raise Unusable(
            [f"{invocation.config}: store.kind: '{settings.store.kind}': --standby needs one that two machines reach"]
        )
    ctx.exit(import_module("ops.daemon").main(settings, invocation.config, standby=standby))


@click.command()
@config_option
def gateway(invocation: Invocation) -> None:
    """Start only the HTTP gateway: webhooks, REST, health, metrics."""
    settings = load_config(invocation, GATEWAY_SECRETS).settings
    try:
        import_module("ops.gateway.server").run_gateway(settings, invocation.config.absolute().parent)
    except OSError as error:
        raise Unusable([f"{invocation.config}: gateway.listen: '{settings.gateway.listen}': {error}"]) from error


@click.command()
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Same seed, same customers.")
@click.option("--seconds", type=click.IntRange(min=1), default=20, show_default=True, help="Length of the sale.")
@click.option(
    "--buffer",
    type=click.Choice(("computed", "none")),
    default="computed",
    show_default=True,
    help="What the shops are not shown; none: compare what it is worth and what it costs.",
)
@click.option("--keep", is_flag=True, help="Stay up afterwards and print the addresses.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@click.pass_context
def demo(ctx: click.Context, /, **plan: object) -> None:
    """Watch shops share stock through a flash sale."""
    ctx.exit(import_module("ops.demo").run_demo(**plan))
