"""`run`, `gateway`, `demo`: the commands that stay. Their modules are heavy and loaded when needed."""

from importlib import import_module

import click
from msgspec.structs import replace

from config.loader import GATEWAY_SECRETS
from ops.cli.errors import Unusable
from ops.cli.invocation import Invocation
from ops.cli.session import config_option, load_config


@click.command()
@config_option
@click.option("--no-gateway", is_flag=True, help="Only the daemon: the gateway runs elsewhere, or not at all.")
@click.pass_context
def run(ctx: click.Context, invocation: Invocation, *, no_gateway: bool) -> None:
    """Start the daemon, and the gateway beside it, until SIGTERM or Ctrl-C."""
    loaded = load_config(invocation)
    for note in loaded.notes:
        click.echo(f"note: {note}", err=True)
    settings = loaded.settings
    if no_gateway:
        settings = replace(settings, gateway=replace(settings.gateway, enabled=False))
    ctx.exit(import_module("ops.daemon").main(settings, invocation.config))


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
@click.option("--keep", is_flag=True, help="Stay up afterwards and print the addresses.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
@click.pass_context
def demo(ctx: click.Context, *, seed: int, seconds: int, keep: bool, as_json: bool) -> None:
    """Watch shops share stock through a flash sale."""
    ctx.exit(import_module("ops.demo").run_demo(seed=seed, seconds=seconds, keep=keep, as_json=as_json))
