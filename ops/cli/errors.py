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
    "NOSUCHALERT": "`lastunit alerts` shows the alerts.",
    "NOSUCHLETTER": "`lastunit letters` shows what is kept.",
    "NOTUNDERSTOOD": "`lastunit letters show` has it whole; a newer version of lastunit may understand it.",
    "NOSUCHDESTINATION": "Destinations stand in the configuration: [[alerts.destinations]].",
    "NOSUCHCAMPAIGN": "`lastunit campaign list --all` shows the campaigns.",
    "RUNNING": "`lastunit campaign end` ends it before its time.",
    "RETIRED": "`lastunit items revive` sells it again.",
    "INUSE": "A SKU can be merged when nothing of it is open: release, ship, receive or cancel first.",
    "NOSUCHPO": "`lastunit po list --all` shows the purchase orders.",
    "NOSUCHTRANSFER": "`lastunit transfer list --all` shows the transfers.",
    "FUSE": "Look at what the partner sent; if it is true, the same again with --force applies it.",
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

    def __init__(self, message: str, *, sent: bool = False) -> None:
        """`sent`: a command was under way, and whether it took effect is unknown."""
        super().__init__(message)
        self.sent = sent


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
