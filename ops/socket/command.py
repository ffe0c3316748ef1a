"""What a command of the socket is: its handler, its syntax and its help."""

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from ops.node import Node
from ops.socket.session import Reply, Session

Arguments = Sequence[bytes]
Handler = Callable[[Node, Session, Arguments, Reply], Awaitable[None] | None]
"""Returns what is to be awaited before the next command of the connection, if anything is."""


class Command(NamedTuple):
    """One command of the socket."""

    handler: Handler
    syntax: str
    """Arguments as in the manual, without the name."""
    summary: str
    least: int
    """Arguments after the name, at least..."""
    most: int | None
    """...and at most; None: no limit but the size of a command."""
    group: str = "stock"
