"""A command socket that says what a test tells it to: threaded, over a real unix socket or TCP."""

import socketserver
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import hiredis


class Failure(Exception):
    """Answered as an error: `CODE text`."""


class HangUp(Exception):
    """Close the connection instead of answering."""


Answer = Callable[[list[str]], object]
"""Turns the words of one command into its reply."""


@contextmanager
def serve(answer: Answer, path: Path | None = None) -> Iterator[str]:
    """Serve until the block ends; the handshake of client libraries is answered here.

    Returns:
        `host:port`, or the path of the unix socket.
    """
    handler = type("Handler", (_Connection,), {"answer": staticmethod(answer)})
    server: socketserver.BaseServer
    if path is not None:
        server = _UnixServer(str(path), handler)
        address = str(path)
    else:
        server = _TcpServer(("127.0.0.1", 0), handler)
        address = "{}:{}".format(*server.server_address[:2])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield address
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _UnixServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


class _TcpServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True


class _Connection(socketserver.BaseRequestHandler):
    answer: ClassVar[Answer]

    def handle(self) -> None:
        reader = hiredis.Reader(encoding="utf-8")
        while received := self.request.recv(1 << 16):
            reader.feed(received)
            while (words := reader.gets()) is not False:
                try:
                    self.request.sendall(encode(self._reply(words)))
                except HangUp:
                    return

    def _reply(self, words: list[str]) -> object:
        try:
            if words[0] == "HELLO" and "AUTH" not in words:
                return {"server": "lastunit", "proto": int(words[1])}
            if words[0] == "CLIENT":
                return "OK"
            return type(self).answer(words)
        except Failure as failure:
            return failure


def encode(value: object) -> bytes:
    """Write one reply in RESP3."""
    match value:
        case None:
            return b"_\r\n"
        case bool():
            return b"#t\r\n" if value else b"#f\r\n"
        case int():
            return b":%d\r\n" % value
        case float():
            return f",{value}\r\n".encode()
        case Failure():
            return f"-{value}\r\n".encode()
        case list():
            return b"*%d\r\n" % len(value) + b"".join(map(encode, value))
        case Mapping():
            items: list[Any] = [part for pair in value.items() for part in pair]
            return b"%%%d\r\n" % len(value) + b"".join(map(encode, items))
        case _:
            text = str(value).encode()
            return b"$%d\r\n%s\r\n" % (len(text), text)
