"""A small RESP client on trio, as a storefront would have one: one connection, one command at a time."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import hiredis
import trio

Map = dict[str, Any]


class Declined(Exception):
    """The daemon answered with an error."""

    def __init__(self, text: str) -> None:
        """Split the stable code from the text for people."""
        super().__init__(text)
        self.code = text.partition(" ")[0]


class RespClient:
    """One connection to the command socket, RESP3."""

    def __init__(self, stream: trio.SocketStream) -> None:
        """Use `connect`."""
        self._stream = stream
        self._reader = hiredis.Reader(encoding="utf-8")

    @classmethod
    async def connect(cls, path: Path) -> "RespClient":
        """Connect and choose RESP3."""
        client = cls(await trio.open_unix_socket(path))
        await client.call("HELLO", "3")
        return client

    async def call(self, *words: str | int) -> Any:  # noqa: ANN401  # a RESP reply is any shape
        """Send one command and wait for its reply; maps arrive as dicts.

        Raises:
            Declined: an error reply.
            trio.BrokenResourceError: the connection is gone.
        """
        await self._stream.send_all(hiredis.pack_command(words))  # type: ignore[arg-type]  # its stub wants one word
        while (reply := self._reader.gets()) is False:
            data = await self._stream.receive_some(65536)
            if not data:
                raise trio.BrokenResourceError("the daemon closed the connection")
            self._reader.feed(data)
        if isinstance(reply, hiredis.ReplyError):
            raise Declined(str(reply))
        return reply

    async def map(self, *words: str | int) -> Map:
        """Call a command that answers with a map."""
        reply = await self.call(*words)
        assert isinstance(reply, Mapping), reply
        return dict(reply)

    async def maps(self, *words: str | int) -> list[Map]:
        """Call a command that answers with a list of maps."""
        return [dict(row) for row in await self.call(*words)]

    async def aclose(self) -> None:
        """Close the connection."""
        await self._stream.aclose()
