"""The listener: sockets in, commands out, replies back in order.

One task per connection. It takes what a read brought, hands all its commands over, waits for the last of their answers
and writes them in one go. So a client has at most one read's worth of commands under way, what it sends meanwhile waits
in the kernel, and a client that does not read its replies holds up nobody else.
"""

import contextlib
import os
import re
import socket as sockets
from collections.abc import Sequence
from typing import Final, Protocol

import hiredis
import structlog
import trio

from config.schema import Socket
from ops.node import Node
from ops.socket.commands import COMMANDS, check_arity
from ops.socket.handshake import HANDSHAKE, Handshake
from ops.socket.listen import listen_tcp, listen_unix, peer_of
from ops.socket.resp import ErrorReply, encode
from ops.socket.session import Replies, Reply, Session

log = structlog.get_logger(__name__)

_READ_BYTES: Final = 64 * 1024
_ARRAY_MAX: Final = re.compile(rb"(?:^|\r\n)\*\d{6}")
"""A command of 100,000 arguments or more. hiredis reserves room for as many as a client names, so this comes first."""
_CARRY: Final = 16
_BEFORE_AUTH: Final = frozenset({"hello", "auth", "quit", "ping"})
_NAMES: Final = {name.encode(): name for name in (*COMMANDS, *HANDSHAKE)} | {
    name.upper().encode(): name for name in (*COMMANDS, *HANDSHAKE)
}


class SocketListener(Protocol):
    """What telemetry wants to know."""

    def command_received(self, name: str) -> None:
        """Report a command of the table, before it is handled."""
        ...

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
        self._node = node
        self._settings = settings
        self._handshake = Handshake(version=version, password=settings.password)
        self._listener = listener
        self._connections = 0
        self._clients = 0
        self._open: set[trio.socket.SocketType] = set()
        self._idle = trio.Event()
        self._accepting: trio.CancelScope | None = None
        self.tcp_address: tuple[str, int] | None = None
        """Where TCP really listens, for port 0."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Listen until cancelled; started when the sockets are there.

        Raises:
            OSError: a socket cannot be bound; the message names it.
        """
        listening: list[trio.socket.SocketType] = []
        try:
            if self._settings.path is not None:
                listening.append(await listen_unix(self._settings.path))
            if self._settings.tcp is not None:
                listening.append(await listen_tcp(self._settings.tcp))
                self.tcp_address = listening[-1].getsockname()[:2]
            async with trio.open_nursery() as nursery:
                with trio.CancelScope() as self._accepting:
                    async with trio.open_nursery() as acceptors:
                        for listening_socket in listening:
                            acceptors.start_soon(self._accept, listening_socket, nursery)
                        task_status.started()
        finally:
            for listening_socket in listening:
                listening_socket.close()
            if self._settings.path is not None:
                self._settings.path.unlink(missing_ok=True)

    async def drain(self) -> None:
        """Take no new client and no new command, and wait until every command under way has its reply."""
        if self._accepting is not None:
            self._accepting.cancel()
        for client in self._open:
            with contextlib.suppress(OSError):  # the client was faster
                client.shutdown(sockets.SHUT_RD)
        while self._open:
            self._idle = trio.Event()
            await self._idle.wait()

    async def _accept(self, listening: trio.socket.SocketType, nursery: trio.Nursery) -> None:
        while True:
            try:
                client, _ = await listening.accept()
            except OSError as error:
                # out of file descriptors: those that are open go on, new ones wait
                log.warning("socket.accept_failed", reason=error.strerror)
                await trio.sleep(0.1)
                continue
            if self._connections >= self._settings.connections_max:
                self._listener.connection_refused("too_many")
                with trio.move_on_after(1):
                    await _send_all(client, b"-BUSY too many connections (socket.connections_max)\r\n")
                client.close()
                continue
            self._connections += 1
            nursery.start_soon(self._serve, client)

    async def _serve(self, client: trio.socket.SocketType) -> None:
        self._listener.connections_changed(1)
        self._open.add(client)
        try:
            session = self._admit(client)
            if session is not None:
                await self._converse(client, session)
        except (OSError, trio.BrokenResourceError) as error:
            log.debug("socket.lost", reason=str(error))
        finally:
            client.close()
            self._open.discard(client)
            self._idle.set()
            self._connections -= 1
            self._listener.connections_changed(-1)

    def _admit(self, client: trio.socket.SocketType) -> Session | None:
        self._clients += 1
        if client.family == sockets.AF_UNIX:
            pid, uid = peer_of(client)
            if uid not in {None, 0, os.getuid()}:
                log.warning("socket.peer_refused", uid=uid, pid=pid)
                self._listener.connection_refused("peer")
                return None
            return Session(self._clients, f"unix:{pid}", authenticated=True)
        client.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_NODELAY, 1)
        host, port = client.getpeername()[:2]
        return Session(self._clients, f"{host}:{port}", authenticated=False)

    async def _converse(self, client: trio.socket.SocketType, session: Session) -> None:
        reader = hiredis.Reader()
        unfinished, carry = 0, b""
        while not session.closing:
            data = await client.recv(_READ_BYTES)
            if not data:
                return
            unfinished += len(data)
            if _ARRAY_MAX.search(carry + data):
                await self._throw_out(client, "TOOBIG", "a command of 100000 arguments or more")
                return
            carry = data[-_CARRY:]
            reader.feed(data)
            replies = Replies()
            problem: str | None = None
            try:
                while (command := reader.gets()) is not False:
                    unfinished = 0
                    await self._handle(session, command, replies.expect(session))
                    if session.closing:
                        break
            except hiredis.ProtocolError as error:
                problem = str(error)
            out = await replies.wait()
            if out and not await self._send(client, out):
                return
            if problem is not None:
                await self._throw_out(client, "ERR", f"Protocol error: {problem}")
                return
            if unfinished > self._settings.command_bytes_max:
                text = f"a command of more than {self._settings.command_bytes_max} bytes (socket.command_bytes_max)"
                await self._throw_out(client, "TOOBIG", text)
                return

    async def _handle(self, session: Session, command: object, reply: Reply) -> None:
        if not isinstance(command, list) or not command or not all(type(part) is bytes for part in command):
            session.closing = True
            reply.give(ErrorReply("ERR", "Protocol error: a command is an array of bulk strings"))
            return
        arguments: Sequence[bytes] = command
        try:
            await self._answer(session, arguments, reply)
        except ErrorReply as error:
            reply.give(error)

    async def _answer(self, session: Session, arguments: Sequence[bytes], reply: Reply) -> None:
        name = _NAMES.get(arguments[0]) or _NAMES.get(arguments[0].lower())
        if name is None:
            shown = arguments[0][:60].decode("utf-8", "backslashreplace")
            raise ErrorReply("ERR", f"unknown command '{shown}': COMMAND DOCS lists them")
        if not session.authenticated and name not in _BEFORE_AUTH:
            raise ErrorReply("NOAUTH", "AUTH first")
        known = COMMANDS.get(name)
        if known is None:
            value = self._handshake.answer(session, name, arguments)
            reply.protocol = session.protocol  # HELLO is answered in the protocol it chose
            reply.give(value)
            return
        check_arity(name, known, arguments)
        self._listener.command_received(name)
        await known.handler(self._node, session, arguments, reply)

    async def _send(self, client: trio.socket.SocketType, data: bytes) -> bool:
        with trio.move_on_after(self._settings.send_seconds_max) as patience:
            await _send_all(client, data)
        if patience.cancelled_caught:
            log.warning("socket.reader_too_slow", seconds=self._settings.send_seconds_max)
            self._listener.connection_refused("slow_reader")
            return False
        return True

    async def _throw_out(self, client: trio.socket.SocketType, code: str, text: str) -> None:
        self._listener.connection_refused(code.lower())
        await self._send(client, encode(ErrorReply(code, text), 2))


async def _send_all(client: trio.socket.SocketType, data: bytes) -> None:
    sent = await client.send(data)
    if sent < len(data):
        rest = memoryview(data)[sent:]
        while rest:
            rest = rest[await client.send(rest) :]
