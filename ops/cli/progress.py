"""Tells how far long work is, on stderr: a bar on a terminal, plain lines elsewhere, nothing for small work."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

WORTH_TELLING: Final = 10_000
"""Rows; fewer are done before anybody wonders."""
_LINES: Final = 10
"""Plain lines per piece of work."""

Tick = Callable[[int], None]
"""Told how many are done."""


@contextmanager
def progress(what: str, total: int, *, worth: int = WORTH_TELLING) -> Iterator[Tick]:
    """Show how far `what` is while the block runs.

    Args:
        what: as `checking`.
        total: how many there will be.
        worth: fewer than this are not shown.
    """
    if total < worth:
        yield lambda _done: None
    elif sys.stderr.isatty():
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(what, total=total)
            yield lambda done: bar.update(task, completed=done)
    else:
        yield _Lines(what, total).tick


class _Lines:
    def __init__(self, what: str, total: int) -> None:
        self._what = what
        self._total = total
        self._told = 0

    def tick(self, done: int) -> None:
        """Print a line for every tenth of the work."""
        tenth = done * _LINES // self._total
        if tenth > self._told:
            self._told = tenth
            click.echo(f"{self._what}: {done} of {self._total}", err=True)
