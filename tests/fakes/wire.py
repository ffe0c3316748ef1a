"""A client of the command socket that shows the bytes: for tests of the wire itself."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hiredis
import trio

Word = str | bytes | int
Reply = Any
"""None, bool, int, float, str, list, dict, or `hiredis.ReplyError` (a value here: tests compare its text)."""

ANSWER_SECONDS_MAX = 20.0
"""No answer within this is a failure of the test, not patience."""


class Wire:
    """One connection; a whole reply at a time, as a value or as bytes."""

    def __init__(self, stream: trio.abc.HalfCloseableStream) -> None:
        """Use `connect` or `connect_tcp`."""
        self.stream = stream
        self._reader = hiredis.Reader(encoding="utf-8", errors="backslashreplace")
        self._raw = b""

    @classmethod
    async def connect(cls, path: Path, protocol: int = 2) -> "Wire":
        """Connect to a unix socket; say HELLO for RESP3."""
        wire = cls(await trio.open_unix_socket(path))
        await wire._choose(protocol)
        return wire

    @classmethod
    async def connect_tcp(cls, address: tuple[str, int]) -> "Wire":
        """Connect over TCP and say nothing."""
        return cls(await trio.open_tcp_stream(*address))

    async def _choose(self, protocol: int) -> None:
        if protocol == 3:
            assert (await self.call("HELLO", 3))["proto"] == 3

    async def call(self, *words: Word) -> Reply:
        """Send one command and return its reply."""
        await self.send(*words)
        return await self.read()

    async def error(self, *words: Word) -> str:
        """Send one command that must be refused; return `CODE text`."""
        reply = await self.call(*words)
        assert isinstance(reply, hiredis.ReplyError), reply
        return str(reply)

    async def map(self, *words: Word) -> dict[str, Any]:
        """Send one command that answers with a map, under either protocol."""
        return as_map(await self.call(*words))

    async def maps(self, *words: Word) -> list[dict[str, Any]]:
        """Send one command that answers with a list of maps."""
        reply = await self.call(*words)
        assert isinstance(reply, list), reply
        return [as_map(item) for item in reply]

    async def bytes_of(self, *words: Word) -> bytes:
        """Send one command and return its reply as it came; nothing else may be under way."""
        assert not self._reader.has_data()
        self._raw = b""
        await self.call(*words)
        return self._raw

    async def pipeline(self, commands: Sequence[Sequence[Word]]) -> list[Reply]:
        """Send all commands in one go and read their replies."""
        async with trio.open_nursery() as nursery:  # reads while it writes: the daemon stops reading before we do
            nursery.start_soon(self.send_raw, b"".join(pack(*command) for command in commands))
            return [await self.read() for _ in commands]

    async def send(self, *words: Word) -> None:
        """Send one command."""
        await self.send_raw(pack(*words))

    async def send_raw(self, data: bytes) -> None:
        """Send bytes."""
        await self.stream.send_all(data)

    async def read(self) -> Reply:
        """Return the next reply.

        Raises:
            trio.EndOfChannel: the daemon closed the connection.
        """
        with trio.fail_after(ANSWER_SECONDS_MAX):
            while (reply := self._reader.gets()) is False:
                self._reader.feed(await self._receive())
        return reply

    async def read_to_end(self) -> bytes:
        """Return what still comes until the daemon closes the connection."""
        received = b""
        with trio.fail_after(ANSWER_SECONDS_MAX):
            while True:
                try:
                    received += await self._receive()
                except trio.EndOfChannel:
                    return received

    async def _receive(self) -> bytes:
        try:
            data = bytes(await self.stream.receive_some(1 << 16))
        except trio.BrokenResourceError:  # it closed with bytes of ours unread
            data = b""
        if not data:
            raise trio.EndOfChannel
        self._raw += data
        return data

    async def aclose(self) -> None:
        """Close the connection."""
        await self.stream.aclose()


def pack(*words: Word) -> bytes:
    """Build one command."""
    return bytes(hiredis.pack_command(words))  # type: ignore[arg-type]  # its stub means tuples of one


def as_map(reply: Reply) -> dict[str, Any]:
    """Return a map as a dict, from RESP2's flat list too."""
    if isinstance(reply, list):
        assert len(reply) % 2 == 0, reply
        return dict(zip(reply[::2], reply[1::2], strict=True))
    assert isinstance(reply, dict), reply
    return reply
