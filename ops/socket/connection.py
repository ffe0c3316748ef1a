"""One client: its socket, what it has begun to send, and what it has still to take."""

import contextlib
import selectors
import socket as sockets
from typing import Final

import hiredis
import trio

from ops.socket.session import Session

_SWALLOWED_BYTES: Final = 64 * 1024


class Connection:
    """What the server keeps of a client that was let in."""

    __slots__ = (
        "_selector",
        "_watched",
        "busy",
        "closed",
        "held",
        "is_writing",
        "reader",
        "rest",
        "session",
        "socket",
        "unfinished",
    )

    def __init__(self, client: sockets.socket, session: Session, selector: selectors.BaseSelector) -> None:
        """Take over a socket that does not block; nothing is watched yet."""
        self.socket = client
        self.session = session
        self.reader = hiredis.Reader()
        self.held = b""
        """What framing holds back."""
        self.unfinished = 0
        """Bytes since the last whole command."""
        self.busy = False
        """A read of it is being handled or answered: no other one is begun."""
        self.rest: bytes | memoryview = b""
        """Replies that the kernel has not taken yet."""
        self.closed = False
        """Whether `close` was called."""
        self.is_writing = False
        """Whether the server waits for it to take replies."""
        self._selector = selector
        self._watched = 0

    def watch(self, events: int) -> None:
        """Hear of these events of the socket, and of no others; 0: of none."""
        if events == self._watched:
            return
        if events == 0:
            self._selector.unregister(self.socket)
        elif self._watched == 0:
            self._selector.register(self.socket, events, self)
        else:
            self._selector.modify(self.socket, events, self)
        self._watched = events
        self.is_writing = events == selectors.EVENT_WRITE

    def send_nowait(self) -> bool:
        """Send of `rest` what the kernel takes now; return whether that was all.

        Raises:
            OSError: the connection is lost.
        """
        try:
            sent = self.socket.send(self.rest)
        except BlockingIOError:
            return False
        if sent == len(self.rest):
            self.rest = b""
            return True
        self.rest = memoryview(self.rest)[sent:]
        return False

    async def swallow(self) -> None:
        """Read until the client has closed its end, and look at none of it.

        Raises:
            OSError: the connection is lost.
        """
        while True:
            await trio.lowlevel.wait_readable(self.socket)
            with contextlib.suppress(BlockingIOError):
                if not self.socket.recv(_SWALLOWED_BYTES):
                    return

    def close(self) -> None:
        """Close the socket and forget it."""
        self.watch(0)
        self.closed = True
        self.socket.close()
