"""What commands share: their common options, the settings and a client."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from config.loader import ALL_SECRETS, CLIENT_SECRETS, NO_SECRETS, ConfigProblems, Loaded, load
from config.schema import Settings
from ops.cli.client import Client, SocketClient
from ops.cli.errors import Unusable
from ops.cli.invocation import Invocation


def config_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--config` after the command too, and hand the command its Invocation."""

    def keep(ctx: click.Context, _option: click.Parameter, value: Path | None) -> None:
        if value is not None:
            ctx.ensure_object(Invocation).config = value

    option = click.option(
        "--config",
        "-c",
        type=click.Path(path_type=Path),
        expose_value=False,
        callback=keep,
        help="The configuration file.",
    )
    return option(click.pass_obj(command))


def data_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--config` and `--json`, and hand the command its Invocation."""

    def keep(ctx: click.Context, _option: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's signature
        if value:
            ctx.ensure_object(Invocation).as_json = True

    option = click.option("--json", is_flag=True, expose_value=False, callback=keep, help="Print JSON, for programs.")
    return option(config_option(command))


def load_config(invocation: Invocation, secrets: Collection[str] = ALL_SECRETS) -> Loaded:
    """Read the configuration, or end with every problem of it."""
    try:
        return load(invocation.config, secrets=secrets)
    except ConfigProblems as problems:
        raise Unusable(problems.problems) from problems


def load_client_settings(invocation: Invocation) -> Settings:
    """Read what a client needs: no secret but the socket's password, and that only for TCP."""
    settings = load_config(invocation, NO_SECRETS).settings
    return settings if settings.socket.path else load_config(invocation, CLIENT_SECRETS).settings


@contextmanager
def connected(invocation: Invocation) -> Iterator[Client]:
    """Open a client to the configured daemon."""
    if invocation.connect is not None:
        yield invocation.connect()
        return
    hint = f"Start it with `lastunit run -c {invocation.config}`."
    with SocketClient(load_client_settings(invocation), start_hint=hint) as client:
        yield client
