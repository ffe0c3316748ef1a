"""The listener: sockets in, commands out, replies back in order.

One task attends to all clients: it hands over all commands of a read, and the answer to the last of them, when it is
durable, sends the replies in one go. So a client has at most one read's worth of commands under way, what it sends
meanwhile waits in the kernel, and a client that does not read its replies holds up nobody else. Only what must wait (a
full inbox, a command that asks several actors, a farewell) gets a task of its own.
"""

import contextlib
import os
import selectors
import socket as sockets
import time
from collections.abc import Awaitable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final, Protocol

import structlog
import trio

from config.schema import Socket
from ops.node import Node
from ops.socket.connection import Connection
from ops.socket.dispatch import CommandListener, Dispatcher
from ops.socket.framing import parse
from ops.socket.haste import Haste
from ops.socket.listen import listen_tcp, listen_unix, name_user, peer_of
from ops.socket.patience import Patience
from ops.socket.plain import PlainHolds
from ops.socket.resp import ErrorReply
from ops.socket.session import Replies, Session

log = structlog.get_logger(__name__)

_READ_BYTES: Final = 64 * 1024
_BYTES_BEFORE_AUTH_MAX: Final = 16 * 1024
"""A password needs no more; who has not given it must not fill memory."""
_REPLY_BYTES_MAX: Final = 1 << 20
"""Replies that are sent before the rest of a read is looked at: a few bytes may ask for every order there is."""
_LINGER_SECONDS: Final = 1.0
"""How long a client that is thrown out may go on sending, so that it comes to read why."""
_READS_MAX: Final = 64
"""Clients attended to between two checkpoints; some milliseconds when all of them bring full pipelines."""


class SocketListener(CommandListener, Protocol):
    """What telemetry wants to know."""

    def connections_changed(self, change: int) -> None:
        """Report a connection opened (1) or closed (-1)."""
        ...

    def connection_refused(self, reason: str) -> None:
        """Report a connection that was not let in, or was thrown out."""
        ...


class CommandServer:
    """Serves `docs/socket.md` on a unix socket, on TCP, or both."""

    def __init__(self, node: Node, settings: Socket, *, version: str, listener: SocketListener) -> None:
        """Serve `node`; `settings.path` is absolute by now."""
        self._clock = node.clock
        self._turn = node.router.turn
        self._plain = PlainHolds(node)
        self._granted: list[tuple[Connection, bytes]] = []
        """Reads of this turn that were nothing but plain holds, all of them granted, and the replies."""
        self._settings = settings
        self._dispatcher = Dispatcher(node, version=version, password=settings.password, listener=listener)
        self._listener = listener
        self._selector = selectors.DefaultSelector()
        self._clients = 0
        self._open: dict[Connection, None] = {}
        self._left = trio.Event()
        self._patience = Patience(settings.send_seconds_max, self._drop)
        self._accepting: trio.CancelScope | None = None
        self._draining = False
        self.tcp_address: tuple[str, int] | None = None
        """Where TCP really listens, for port 0."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Listen until cancelled; started when the sockets are there.

        Raises:
            OSError: a socket cannot be bound; the message names it.
        """
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._attend, nursery)
                nursery.start_soon(self._patience.run)
                await self._listen(nursery, task_status)
                await self._wait_empty()
                nursery.cancel_scope.cancel()
        finally:
            for connection in list(self._open):
                self._close(connection)
            self._selector.close()

    async def _listen(self, nursery: trio.Nursery, task_status: trio.TaskStatus[None]) -> None:
        """Let clients in until there is a drain."""
        listening: list[trio.socket.SocketType] = []
        ours: Path | None = None
        try:
            if self._settings.path is not None:
                listening.append(await listen_unix(self._settings.path))
                ours = self._settings.path
            if self._settings.tcp is not None:
                listening.append(await listen_tcp(self._settings.tcp))
                self.tcp_address = listening[-1].getsockname()[:2]
            with trio.CancelScope() as self._accepting:
                async with trio.open_nursery() as acceptors:
                    for listening_socket in listening:
                        acceptors.start_soon(self._accept, listening_socket, nursery)
                    task_status.started()
        finally:
            for listening_socket in listening:
                listening_socket.close()
            if ours is not None:
                ours.unlink(missing_ok=True)

    async def drain(self) -> None:
        """Take no new client and no new command, and wait until every command under way has its reply."""
        self._draining = True
        if self._accepting is not None:
            self._accepting.cancel()
        for connection in self._open:
            with contextlib.suppress(OSError):  # the client was faster
                connection.socket.shutdown(sockets.SHUT_RD)
        await self._wait_empty()

    async def _wait_empty(self) -> None:
        while self._open:
            await self._left.wait()

    # -- coming and going

    async def _accept(self, listening: trio.socket.SocketType, nursery: trio.Nursery) -> None:
        while True:
            try:
                accepted, _ = await listening.accept()
            except OSError as error:
                # out of file descriptors: those that are open go on, new ones wait
                log.warning("socket.accept_failed", reason=error.strerror)
                await trio.sleep(0.1)
                continue
            client = sockets.socket(fileno=accepted.detach())
            client.settimeout(0)
            if len(self._open) >= self._settings.connections_max:
                self._listener.connection_refused("too_many")
                with contextlib.suppress(OSError):  # it may have gone already
                    client.send(b"-BUSY too many connections (socket.connections_max)\r\n")
                client.close()
                continue
            self._admit(client, nursery)

    def _admit(self, client: sockets.socket, nursery: trio.Nursery) -> None:
        self._clients += 1
        session = Session(self._clients, "", authenticated=False)
        connection = Connection(client, session, self._selector)
        self._open[connection] = None
        self._listener.connections_changed(1)
        if client.family == sockets.AF_UNIX:
            pid, uid = peer_of(client)
            session.peer = f"unix:{pid}"
            session.authenticated = uid in {None, 0, os.getuid()}
            session.user = name_user(uid)
            if not session.authenticated:
                log.warning("socket.peer_refused", uid=uid, pid=pid)
                self._listener.connection_refused("peer")
                replies = Replies()
                replies.expect(2).give(ErrorReply("NOPERM", "this socket belongs to another user"))
                nursery.start_soon(self._part, connection, replies, None)
                return
        else:
            with contextlib.suppress(OSError):  # it may have gone already: its end is there to read
                client.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_NODELAY, 1)
                session.peer = "{}:{}".format(*client.getpeername()[:2])
        connection.watch(selectors.EVENT_READ)

    def _close(self, connection: Connection) -> None:
        if connection.closed:
            return
        connection.close()
        self._patience.is_over(connection)
        del self._open[connection]
        self._left.set()
        self._left = trio.Event()
        self._listener.connections_changed(-1)

    def _lost(self, connection: Connection, error: OSError) -> None:
        log.debug("socket.lost", reason=str(error))
        self._close(connection)

    # -- reading

    async def _attend(self, nursery: trio.Nursery) -> None:
        """Read from whoever has sent something, and write to whoever takes again what was left over."""
        haste = Haste(lambda: self._selector.select(0), time.perf_counter)
        while True:
            await trio.lowlevel.wait_readable(self._selector.fileno())
            ready = haste.wake()
            while ready:
                rest = iter(ready)
                while self._take_turn(rest, nursery):
                    await trio.lowlevel.checkpoint()
                alone = len(ready) == 1 and not ready[0][0].data.busy
                ready = haste.stay() if alone else ()

    def _take_turn(self, ready: Iterator[tuple[selectors.SelectorKey, int]], nursery: trio.Nursery) -> bool:
        """Attend to some of those who are ready: what they bring is decided and handed over together.

        Returns:
            Whether some may be left.
        """
        # no checkpoint until the turn has ended: an instant is one instant
        turn, more = self._turn, False
        turn.begin(self._clock.now())
        for attended, (key, _) in enumerate(ready, 1):
            connection: Connection = key.data
            if connection.is_writing:
                self._send_more(connection)
            elif connection.busy:
                connection.watch(0)
            elif not connection.closed:
                connection.busy = True
                self._read(connection, nursery)
            if attended == _READS_MAX or turn.is_full:
                more = True
                break
        if self._granted:
            granted, self._granted = self._granted, []
            turn.when_durable(partial(self._answer_all, granted))
        turn.end()
        if self._plain.granted:
            self._listener.command_received("hold", self._plain.granted)
            self._plain.granted = 0
        return more

    def _read(self, connection: Connection, nursery: trio.Nursery) -> None:
        """Handle one read: its plain holds at once, from the first other command on in steps that may have to wait."""
        try:
            data = connection.socket.recv(_READ_BYTES)
        except BlockingIOError:
            connection.busy = False
            return
        except OSError as error:
            self._lost(connection, error)
            return
        if not data:
            self._close(connection)
            return
        session, commands = connection.session, parse(connection, data)
        granted, reply = 0, b""
        if commands and session.authenticated and not self._draining:
            granted, reply = self._plain.grant(commands, session.protocol)
            if granted == len(commands):
                connection.unfinished = 0
                self._granted.append((connection, reply))
                return
        connection.unfinished += len(data)
        session.now = self._turn.now
        steps = self._handle(connection, reply, commands[granted:])
        waiting = next(steps, None)
        if waiting is not None:
            nursery.start_soon(self._walk, connection, steps, waiting)

    async def _walk(
        self, connection: Connection, steps: Iterator[Awaitable[None]], waiting: Awaitable[None] | None
    ) -> None:
        """Go on with a read that has to wait."""
        try:
            while waiting is not None:
                await waiting
                waiting = next(steps, None)
        except OSError as error:
            self._lost(connection, error)

    def _handle(self, connection: Connection, granted: bytes, commands: Sequence[object]) -> Iterator[Awaitable[None]]:
        """Handle the rest of a read, up to handing over its last command; yields what must be awaited before going on.

        Args:
            connection: whose read it is.
            granted: the replies to what was granted of it in this turn.
            commands: those that follow.
        """
        session = connection.session
        replies = Replies()
        if granted:
            replies.add_granted(granted, self._turn)
        if self._draining:
            yield self._part(connection, replies, ErrorReply("SHUTTINGDOWN", "the daemon is stopping"))
            return
        problem: ErrorReply | None = None
        for command in commands:
            if isinstance(command, ErrorReply):
                problem = command
                break
            connection.unfinished = 0
            if session.authenticated:
                is_granted, reply = self._plain.grant((command,), session.protocol)
                if is_granted:
                    replies.add_granted(reply, self._turn)
                    continue
            waiting = self._dispatcher.begin(session, command, replies.expect(session.protocol))
            if waiting is not None:
                yield waiting
            if session.closing:
                break
            if replies.bytes_given > _REPLY_BYTES_MAX:
                yield self._send(connection, replies)
                replies = Replies()
        if problem is None and connection.unfinished > self._bytes_max(session):
            problem = ErrorReply("TOOBIG", f"a command of more than {self._bytes_max(session)} bytes")
        if problem is None and not session.closing:
            replies.then(lambda: self._answer(connection, replies.joined()))
        else:
            yield self._part(connection, replies, problem)

    def _bytes_max(self, session: Session) -> int:
        most = self._settings.command_bytes_max
        return most if session.authenticated else min(most, _BYTES_BEFORE_AUTH_MAX)

    # -- writing

    def _answer_all(self, granted: Sequence[tuple[Connection, bytes]]) -> None:
        """Send the replies to reads of nothing but plain holds. In the step of whoever commits: must not block."""
        for connection, data in granted:
            try:
                sent = connection.socket.send(data)
            except OSError:
                sent = 0  # full, lost or closed by us: told apart on the road of all others
            if sent == len(data):
                connection.busy = False
                connection.watch(selectors.EVENT_READ)
            else:
                self._answer(connection, memoryview(data)[sent:])

    def _answer(self, connection: Connection, data: bytes | memoryview) -> None:
        """Send the replies to a read. In the step of whoever commits: must not block."""
        connection.rest = data
        self._send_more(connection)

    def _send_more(self, connection: Connection) -> None:
        if connection.closed:
            return
        try:
            left = len(connection.rest)
            sent = not left or connection.send_nowait()
        except OSError as error:
            self._lost(connection, error)
            return
        if sent:
            connection.busy = False
            self._patience.is_over(connection)
            connection.watch(selectors.EVENT_READ)
        else:
            self._patience.has_to_wait(connection, took_some=len(connection.rest) < left)
            connection.watch(selectors.EVENT_WRITE)

    def _drop(self, connection: Connection) -> None:
        log.warning("socket.reader_too_slow", seconds=self._settings.send_seconds_max)
        self._listener.connection_refused("slow_reader")
        self._close(connection)

    async def _send(self, connection: Connection, replies: Replies) -> None:
        """Send what a read has been answered so far, in a task that is the connection's own.

        Raises:
            OSError: the connection is lost.
        """
        connection.rest = await replies.wait()
        with trio.CancelScope() as patience:
            while connection.rest and not connection.send_nowait():
                patience.deadline = trio.current_time() + self._settings.send_seconds_max
                await trio.lowlevel.wait_writable(connection.socket)
        if patience.cancelled_caught:
            self._drop(connection)
            raise TimeoutError("took no bytes")

    async def _part(self, connection: Connection, replies: Replies, problem: ErrorReply | None) -> None:
        """Send the last replies and say what is wrong, if anything is; then close.

        What a client that is thrown out still sends is swallowed for a moment: one that finds the door shut reads
        nothing.
        """
        try:
            if problem is not None:
                self._listener.connection_refused(problem.code.lower())
                replies.expect(2).give(problem)
            await self._send(connection, replies)
            if problem is not None:
                connection.watch(0)
                connection.socket.shutdown(sockets.SHUT_WR)
                with trio.move_on_after(_LINGER_SECONDS):
                    await connection.swallow()
        except OSError as error:
            self._lost(connection, error)
        finally:
            self._close(connection)
