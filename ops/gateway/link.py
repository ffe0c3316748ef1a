"""One pipelined connection to the command socket: commands go out in order, replies are matched in order."""

import asyncio
import math
from collections import deque
from collections.abc import Mapping, Sequence
from typing import cast

import hiredis

Reply = None | bool | int | float | str | Sequence["Reply"] | Mapping[str, "Reply"]
"""What the socket answers after HELLO 3; `docs/socket.md` has the shapes."""
Word = str | bytes | int

IN_FLIGHT_MAX = 2048
"""Commands waiting on one connection; more is BUSY. A daemon that answers 20,000/s clears this in 0.1 s."""
IN_FLIGHT_BYTES_MAX = 32 << 20
"""Bytes of those commands: sixteen webhooks of the default `gateway.body_bytes_max`."""


class DaemonRefused(Exception):
    """The daemon understood the command and answered with an error."""

    def __init__(self, code: str, text: str) -> None:
        """Take a code of `docs/socket.md` and its text for people."""
        super().__init__(f"{code} {text}".rstrip())
        self.code = code
        self.text = text


class DaemonUnavailable(Exception):
    """There is no answer. Safe to repeat: every command that changes something names an id or a key."""

    def __init__(self, reason: str, *, sent: bool) -> None:
        """Say why; `sent` False means that the daemon has certainly not seen the command."""
        super().__init__(reason)
        self.sent = sent


class DaemonMisread(Exception):
    """The daemon answered something that `docs/socket.md` does not promise."""


def parse_refusal(line: str) -> DaemonRefused:
    """Split an error reply, `CODE text`, into its parts."""
    code, _, text = line.partition(" ")
    return DaemonRefused(code, text)


class Link(asyncio.Protocol):
    """A connection from its first byte to its last; never reused after `closed`.

    All commands of one loop tick leave in one write. A caller that is cancelled leaves its place in the queue, so
    the order of the others stands.
    """

    def __init__(self) -> None:
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._loop = asyncio.get_running_loop()
        self._reader = hiredis.Reader(
            replyError=parse_refusal, encoding="utf-8", errors="replace", notEnoughData=_NOTHING
        )
        self._waiting: deque[tuple[asyncio.Future[Reply], int, float]] = deque()
        self._outgoing: list[bytes] = []
        self._bytes_in_flight = 0
        self._transport: asyncio.Transport | None = None

    @property
    def in_flight(self) -> int:
        """Commands without an answer."""
        return len(self._waiting)

    @property
    def oldest_at(self) -> float:
        """Loop time at which the oldest unanswered command came in; infinity when there is none."""
        return self._waiting[0][2] if self._waiting else math.inf

    def call(self, *words: Word) -> asyncio.Future[Reply]:
        """Send one command; the future brings its reply, `DaemonRefused` or `DaemonUnavailable`.

        Raises:
            DaemonRefused: BUSY, too much is in flight here; nothing was sent.
            DaemonUnavailable: the connection is closed; nothing was sent.
        """
        if self.closed.done() or self._transport is None:
            raise DaemonUnavailable("the connection to the daemon is closed", sent=False)
        command = hiredis.pack_command(words)  # type: ignore[arg-type]  # its stub means tuples of one
        size = len(command)
        if len(self._waiting) >= IN_FLIGHT_MAX or (
            self._waiting and self._bytes_in_flight + size > IN_FLIGHT_BYTES_MAX
        ):
            raise DaemonRefused("BUSY", f"{len(self._waiting)} commands are waiting for the daemon")
        answer: asyncio.Future[Reply] = self._loop.create_future()
        self._waiting.append((answer, size, self._loop.time()))
        self._bytes_in_flight += size
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing.append(command)
        return answer

    def abort(self, reason: str) -> None:
        """Give the connection up at once; everything in flight fails with an unknown outcome."""
        if self._transport is not None:
            self._transport.abort()
        self._fail(reason)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport; the handshake is the caller's first command."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name

    def data_received(self, data: bytes) -> None:
        """Answer as many callers as there are whole replies."""
        self._reader.feed(data)
        try:
            while (reply := self._reader.gets()) is not _NOTHING:
                if isinstance(reply, hiredis.PushNotification):
                    continue
                self._answer(reply)
        except (hiredis.ProtocolError, IndexError) as error:
            self.abort(f"the daemon sent something that is not RESP: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what is in flight; nobody knows whether it was done."""
        self._fail(f"the connection to the daemon was lost: {exc}" if exc else "the daemon closed the connection")

    def _answer(self, reply: object) -> None:
        answer, size, _ = self._waiting.popleft()
        self._bytes_in_flight -= size
        if answer.done():  # its caller has gone
            return
        if isinstance(reply, DaemonRefused):
            answer.set_exception(reply)
        else:
            answer.set_result(reply)  # type: ignore[arg-type]  # hiredis is untyped

    def _flush(self) -> None:
        outgoing, self._outgoing = self._outgoing, []
        if self._transport is not None and outgoing and not self.closed.done():
            self._transport.write(b"".join(outgoing))

    def _fail(self, reason: str) -> None:
        waiting, self._waiting = self._waiting, deque()
        self._bytes_in_flight = 0
        if not self.closed.done():
            self.closed.set_result(None)
        for answer, _, _ in waiting:
            if not answer.done():
                answer.set_exception(DaemonUnavailable(reason, sent=True))


_NOTHING = object()
