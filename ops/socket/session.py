"""One client's state, and the place where the replies to one read of its socket gather."""

from collections.abc import Callable

import trio

from ops.socket.resp import ErrorReply, encode
from ops.socket.views import render


class Session:
    """What HELLO, AUTH and CLIENT have set."""

    __slots__ = ("authenticated", "closing", "id", "name", "peer", "protocol", "staged")

    def __init__(self, client_id: int, peer: str, *, authenticated: bool) -> None:
        """Start with RESP2, as every client expects before HELLO."""
        self.id = client_id
        self.peer = peer
        self.protocol = 2
        self.name = ""
        self.authenticated = authenticated
        self.closing = False
        """Close after the replies to this read."""
        self.staged: dict[str, list[bytes]] = {}
        """IMPORT chunks by import id; gone with the connection."""


class Replies:
    """The replies to the commands of one read, in order; complete when each has been given."""

    __slots__ = ("_complete", "_missing", "_parts")

    def __init__(self) -> None:
        """Expect nothing yet."""
        self._parts: list[bytes] = []
        self._missing = 0
        self._complete: trio.Event | None = None

    def expect(self, session: Session) -> "Reply":
        """Make the place for the next reply."""
        self._parts.append(b"")
        self._missing += 1
        return Reply(self, len(self._parts) - 1, session.protocol)

    def put(self, index: int, data: bytes) -> None:
        """Fill one place; once each."""
        self._parts[index] = data
        self._missing -= 1
        if self._missing == 0 and self._complete is not None:
            self._complete.set()

    async def wait(self) -> bytes:
        """Return all replies when the last one is there."""
        if self._missing:
            self._complete = trio.Event()
            await self._complete.wait()
        return b"".join(self._parts)


class Reply:
    """One reply to come; the `Slot` that the engine resolves."""

    __slots__ = ("_index", "_replies", "protocol")

    def __init__(self, replies: Replies, index: int, protocol: int) -> None:
        """Use `Replies.expect`."""
        self._replies = replies
        self._index = index
        self.protocol = protocol

    def resolve(self, answer: object) -> None:
        """Take an answer of the engine."""
        self._replies.put(self._index, render(answer, self.protocol))

    def give(self, value: object) -> None:
        """Take a plain value."""
        self._replies.put(self._index, encode(value, self.protocol))


class Mapped:
    """A slot that turns the answer into something else before the reply gets it."""

    __slots__ = ("_make", "_reply")

    def __init__(self, reply: Reply, make: Callable[[object], object]) -> None:
        """Apply `make` to the answer; an `ErrorReply` it raises is the reply."""
        self._reply = reply
        self._make = make

    def resolve(self, answer: object) -> None:
        """Take an answer of the engine."""
        try:
            value = self._make(answer)
        except ErrorReply as error:
            value = error
        self._reply.resolve(value)
