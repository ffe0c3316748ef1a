"""From the words of a command to its handler."""

import sys
from collections.abc import Awaitable
from typing import Final, NamedTuple, Protocol

from config.schema import Secret
from ops.node import Node
from ops.socket.command import Arguments, Handler
from ops.socket.commands import COMMANDS, wrong_arity
from ops.socket.handshake import HANDSHAKE, Handshake
from ops.socket.resp import ErrorReply
from ops.socket.session import Reply, Session

_BEFORE_AUTH: Final = frozenset({"hello", "auth", "quit", "ping"})
_BYTES: Final = frozenset({bytes})


class _Known(NamedTuple):
    """What the road of every command needs of it: handler, and the bounds of the number of arguments."""

    name: str
    handler: Handler
    least: int
    most: int


_KNOWN: Final = {
    spelt.encode(): _Known(name, command.handler, command.least, sys.maxsize if command.most is None else command.most)
    for name, command in COMMANDS.items()
    for spelt in (name, name.upper())
}


class CommandListener(Protocol):
    """What telemetry wants to know."""

    def command_received(self, name: str, count: int = 1) -> None:
        """Report commands of the table: one before it is handled, or plain holds that were granted together."""
        ...


class Dispatcher:
    """Begins commands, one after the other per connection."""

    def __init__(self, node: Node, *, version: str, password: Secret | None, listener: CommandListener) -> None:
        """Serve `node`."""
        self._node = node
        self._codes = node.catalogue.codes
        self._handshake = Handshake(version=version, password=password)
        self._listener = listener

    def begin(self, session: Session, command: object, reply: Reply) -> Awaitable[None] | None:
        """Begin a command; return what is to be awaited before the next one, if anything is."""
        if type(command) is not list or not command or not _BYTES.issuperset(map(type, command)):
            session.closing = True
            reply.give(ErrorReply("ERR", "Protocol error: a command is an array of bulk strings"))
            return None
        try:
            known = _KNOWN.get(command[0]) or _KNOWN.get(command[0].lower())
            if known is None or not session.authenticated:
                self._shake_hands(session, command, reply)
                return None
            if not known.least <= len(command) - 1 <= known.most:
                raise wrong_arity(known.name)
            self._listener.command_received(known.name)
            if self._codes.active:
                reply.codes = self._codes
            waiting = known.handler(self._node, session, command, reply)
        except ErrorReply as error:
            reply.give(error)
            return None
        return None if waiting is None else _finish(waiting, reply)

    def _shake_hands(self, session: Session, arguments: Arguments, reply: Reply) -> None:
        """Answer a command that concerns the connection and not the stock; there is no other before AUTH."""
        name = arguments[0].lower().decode("utf-8", "backslashreplace")
        if name not in HANDSHAKE and name not in COMMANDS:
            shown = arguments[0][:60].decode("utf-8", "backslashreplace")
            raise ErrorReply("ERR", f"unknown command '{shown}': COMMAND DOCS lists them")
        if not session.authenticated and name not in _BEFORE_AUTH:
            raise ErrorReply("NOAUTH", "AUTH first")
        value = self._handshake.answer(session, name, arguments)
        reply.protocol = session.protocol  # HELLO is answered in the protocol it chose
        reply.give(value)


async def _finish(waiting: Awaitable[None], reply: Reply) -> None:
    try:
        await waiting
    except ErrorReply as error:
        reply.give(error)
