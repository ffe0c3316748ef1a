"""One client's state, and the place where the replies to one read of its socket gather."""

from collections.abc import Callable

import msgspec
import trio

from engine.actors.turn import Turn
from engine.domain.catalogue.codes import Codes
from engine.domain.units import EPOCH
from ops.importer import Staged
from ops.socket.codes import show_codes
from ops.socket.resp import ErrorReply, encode
from ops.socket.views.stock import render


class Session:
    """What HELLO, AUTH and CLIENT have set."""

    __slots__ = ("authenticated", "closing", "id", "name", "now", "peer", "protocol", "staged", "user")

    def __init__(self, client_id: int, peer: str, *, authenticated: bool) -> None:
        """Start with RESP2, as every client expects before HELLO."""
        self.id = client_id
        self.peer = peer
        self.protocol = 2
        self.name = ""
        self.user = ""
        """Who it is: the unix user, or the one that AUTH named; movements bear it."""
        self.authenticated = authenticated
        self.now = EPOCH
        """When the read came that is being handled: one instant for all its commands."""
        self.closing = False
        """Close after the replies to this read."""
        self.staged: dict[str, Staged] = {}
        """Rows of IMPORT by import id; gone with the connection."""


class Replies:
    """The replies to the commands of one read, in order; complete when each has been given."""

    __slots__ = ("_is_held_back", "_missing", "_replies", "_then", "bytes_given")

    def __init__(self) -> None:
        """Expect nothing yet."""
        self.bytes_given = 0
        """Size of the replies that were given at once; those of the engine are small."""
        self._replies: list[Reply | bytes] = []
        self._missing = 0
        self._is_held_back = False
        self._then: Callable[[], None] | None = None

    def expect(self, protocol: int) -> "Reply":
        """Make the place for the next reply."""
        reply = Reply(self, protocol)
        self._replies.append(reply)
        self._missing += 1
        return reply

    def add_granted(self, data: bytes, turn: Turn) -> None:
        """Add the reply to what was granted in a turn that is open still; none is sent before that is durable."""
        if not self._is_held_back:
            self._is_held_back = True
            self._missing += 1
            turn.when_durable(self.given)
        self._replies.append(data)

    def given(self) -> None:
        """Count a reply that is there; once each."""
        self._missing -= 1
        if self._missing == 0 and self._then is not None:
            complete, self._then = self._then, None  # it may know this object: no circle for the collector
            complete()

    def then(self, complete: Callable[[], None]) -> None:
        """Call `complete` when the last one is there: now, or in the task that gives it. Nothing is expected after."""
        if self._missing:
            self._then = complete
        else:
            complete()

    def joined(self) -> bytes:
        """Return all replies, which are complete, and let go of them: circles of references wait for the collector."""
        replies, self._replies = self._replies, []
        return b"".join([reply if isinstance(reply, bytes) else reply.data for reply in replies])

    async def wait(self) -> bytes:
        """Return all replies when the last one is there."""
        complete = trio.Event()
        self.then(complete.set)
        await complete.wait()
        return self.joined()


class Reply(msgspec.Struct, eq=False):
    """One reply to come; the `Slot` that the engine resolves. Made by `Replies.expect`."""

    replies: Replies
    protocol: int
    data: bytes = b""
    codes: Codes | None = None
    """What callers call SKUs; None while that is what the engine does."""

    def resolve(self, answer: object) -> None:
        """Take an answer of the engine."""
        if self.codes is not None:
            answer = show_codes(answer, self.codes)
        self.data = render(answer, self.protocol)
        self.replies.given()

    def give(self, value: object) -> None:
        """Take a plain value."""
        if self.codes is not None:
            value = show_codes(value, self.codes)
        self.data = encode(value, self.protocol)
        self.replies.bytes_given += len(self.data)
        self.replies.given()


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
