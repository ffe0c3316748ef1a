"""What commands share that list things with an end: open ones, or all that are kept."""

from collections.abc import Callable
from typing import Any, Final

import click

LIMIT_MAX: Final = 10_000


def list_options(also: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add `--all` (handed over as `every`) and `--limit`.

    Args:
        also: what `--all` shows beside what is open.
    """

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        limit = click.option(
            "--limit",
            type=click.IntRange(1, LIMIT_MAX),
            default=50,
            show_default=True,
            help="At most this many, newest first.",
        )
        return click.option("--all", "every", is_flag=True, help=f"Show {also}, too.")(limit(command))

    return add
