"""What commands share that work on the journal's store by themselves, without a daemon."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import click
import trio
from msgspec.structs import replace

from config.loader import APART_SECRETS, NO_SECRETS, READING_SECRETS, STORE_SECRETS
from config.schema import Settings
from engine.domain.errors import ConfigError, StockError
from ops.cli.errors import EXIT_REFUSED, Unusable
from ops.cli.invocation import Invocation
from ops.cli.present import terminal
from ops.cli.session import load_config
from ops.storetool import Progress

T = TypeVar("T")


class StoreFailed(click.ClickException):
    """The store said no, or is not there."""

    exit_code = EXIT_REFUSED


def store_settings(invocation: Invocation) -> Settings:
    """Read the configuration with no secret but the database's."""
    return load_config(invocation, STORE_SECRETS).settings


def reading_settings(invocation: Invocation) -> Settings:
    """Read the configuration as who keeps tables for reading has it: with the role that is to read the journal."""
    role = load_config(invocation, NO_SECRETS).settings.reading.journal_user
    if role is None:
        return load_config(invocation, READING_SECRETS).settings
    settings = load_config(invocation, APART_SECRETS).settings
    server = replace(settings.store.postgres, user=role, database_password=settings.reading.journal_password)
    return replace(settings, store=replace(settings.store, postgres=server))


def run_on_store(work: Callable[[], Awaitable[T]]) -> T:
    """Do the work, or end with what is wrong with the store or its settings."""
    try:
        return trio.run(work)
    except ConfigError as error:
        raise Unusable(error.problems) from error
    except StockError as error:
        raise StoreFailed(str(error)) from error


def show_progress(invocation: Invocation) -> Progress:
    """Return what shows the count on a terminal, and nowhere else."""
    console = terminal()

    def show(what: str, frames: int) -> None:
        if console.is_terminal and not invocation.as_json:
            click.echo(f"\r{frames} frames {what}", nl=False, err=True)

    return show
