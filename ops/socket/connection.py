"""One client: its socket, what it has begun to send, and what it has still to take."""

import selectors
import socket as sockets

import hiredis

from ops.socket.session import Session


class Connection:
    """What the server keeps of a client that was let in."""

    __slots__ = ("_selector", "_watched", "busy", "held", "reader", "rest", "session", "socket", "unfinished")

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
        self.rest = memoryview(b"")
        """Replies that the kernel has not taken yet."""
        self._selector = selector
        self._watched = 0

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self.socket.fileno() < 0

    @property
    def is_writing(self) -> bool:
        """Whether the server waits for it to take replies."""
        return self._watched == selectors.EVENT_WRITE

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

    def send_nowait(self) -> bool:
        """Send of `rest` what the kernel takes now; return whether that was all.

        Raises:
            OSError: the connection is lost.
        """
        try:
            self.rest = self.rest[self.socket.send(self.rest) :]
        except BlockingIOError:
            return False
        return not self.rest

    def close(self) -> None:
        """Close the socket and forget it."""
        self.watch(0)
        self.socket.close()
