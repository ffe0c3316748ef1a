"""How the command line ends when it cannot do what it was told: one line on stderr and an exit code."""

import sys
from collections.abc import Collection
from typing import IO, Any, Final

import click

EXIT_REFUSED: Final = 1
EXIT_USAGE: Final = 2
EXIT_UNREACHABLE: Final = 3

_HINTS: Final = {
    "NOSUCHSKU": "No SKU has this name; `lastunit import --catalogue` brings SKUs.",
    "NOSUCHACCOUNT": "`lastunit channels` shows the accounts.",
    "NOSUCHLOCATION": "Locations stand in the configuration.",
    "NOAUTH": "Set socket.password in the configuration.",
    "WRONGPASS": "socket.password is not the one that the daemon was started with.",
    "BUSY": "The daemon is at a limit: try again.",
    "STALLED": "The daemon cannot write its journal just now (disk full?): try again.",
}
"""What a person may do, by the code of docs/socket.md."""


class Refusal(click.ClickException):
    """The daemon said no."""

    exit_code = EXIT_REFUSED

    def __init__(self, code: str, text: str) -> None:
        """`code` is stable (docs/socket.md), `text` is for people."""
        said, hint = f"{code} {text}".strip(), _HINTS.get(code)
        super().__init__(f"{said}\n{hint}" if hint else said)
        self.code = code
        self.text = text


class Unreachable(click.ClickException):
    """No daemon answered."""

    exit_code = EXIT_UNREACHABLE


class Unusable(click.ClickException):
    """The configuration or an input file has problems; each is a line of its own."""

    exit_code = EXIT_USAGE

    def __init__(self, problems: Collection[str]) -> None:
        """Keep whole sentences: they name file, place and rule."""
        super().__init__("\n".join(problems))

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the problems without a prefix: each names its file."""
        click.echo(self.message, file=file or sys.stderr)


class RowsRefused(Unusable):
    """The daemon took none of an import's rows."""

    exit_code = EXIT_REFUSED
