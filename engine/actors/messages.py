"""What shards are asked: over the books of one of them, of several, or of all."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

import msgspec
import trio

from engine.domain.commands import Command
from engine.domain.events import Event
from engine.domain.stock.book import Book
from engine.domain.units import Sku


class Slot(Protocol):
    """Where an answer goes once it is durable."""

    def resolve(self, answer: object) -> None:
        """Take an `Answer`, or what a `Look` made. Called once, in the journal's task; must not block."""
        ...


class Request(msgspec.Struct, frozen=True, gc=False):
    """A command whose SKUs one shard owns."""

    command: Command
    skus: Sequence[Sku]
    slot: Slot | None


class Look(NamedTuple):
    """A question about books. The reply is made at once and given when everything it shows is durable."""

    skus: Sequence[Sku]
    read: Callable[[dict[Sku, Book], datetime], object]
    """Gets the books that exist."""
    slot: Slot


class Together(NamedTuple):
    """A step over the books of all shards at once: an import. `run` decides and applies; its events are one frame."""

    run: Callable[[datetime], tuple[Sequence[Event], object]]
    slot: Slot


class Rendezvous:
    """A command that several shards must come to.

    Every inbox gets it in the same step, so all shards meet such commands in the same order and none waits in a circle.
    """

    def __init__(self, message: Request | Look | Together, parties: int) -> None:
        """Wait for `parties` shards."""
        self.message = message
        self._missing = parties
        self._decided = trio.Event()

    def arrive(self) -> bool:
        """Come to it; True for the last one, which decides."""
        self._missing -= 1
        return self._missing == 0

    def leave(self) -> None:
        """Let the others go on with their books."""
        self._decided.set()

    async def wait_decided(self) -> None:
        """Lend the books until it is decided."""
        await self._decided.wait()


Message = Request | Look | Rendezvous
