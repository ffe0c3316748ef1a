"""Snapshots of state as every place keeps them: a head, pieces of bytes, and a hash over all that was written.

None of them is a fact: each can be made again of the journal. So one that is damaged is passed over, never mended.
"""

from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Literal, Protocol

import msgspec

from engine.domain.units import Instant


class SectionSum(msgspec.Struct, frozen=True):
    """What one owner said of itself in a snapshot."""

    statements: int
    sha256: str
    """Over the statements as they were encoded, one behind the other."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The head of a snapshot: all that a node knew at a position of the journal."""

    format: int
    """How its pieces are to be read."""
    position: int
    """Of the last frame that it knows of."""
    frame_sha256: str
    """Of that frame: a journal that has another one there is another journal."""
    written_at: Instant
    """When that frame was written."""
    as_of: Instant
    """What may be forgotten by then is not in it."""
    origin: Literal["replayed", "live"]
    """replayed: made of the journal alone. live: said by a daemon of itself, when it stopped."""
    program: str
    """Which version of us made it."""
    sections: dict[str, SectionSum]
    """In the order of the pieces."""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot that is kept, as far as one sees without reading it."""

    name: str
    """Of this one among all that are kept in the place."""
    stored_bytes: int
    head: Snapshot | None
    """None: it cannot be used."""
    problem: str = ""
    """Why not."""


class SnapshotWriter(Protocol):
    """A snapshot that is being written."""

    async def add(self, piece: bytes) -> None:
        """Write a piece behind those before it.

        Raises:
            JournalUnavailable: no room, or no answer.
        """
        ...

    async def finish(self, head: Snapshot) -> Kept:
        """Read it back, and let it count: from here on it is kept, and survives power loss.

        Raises:
            StoreCorrupt: what is read back is not what was written.
            JournalUnavailable: as `add`.
        """
        ...


class Snapshots(Protocol):
    """Where snapshots are kept. None of them is a fact: each can be made again of the journal."""

    @property
    def place(self) -> str:
        """How people know it."""
        ...

    async def kept(self) -> tuple[Kept, ...]:
        """Look what there is, the newest first; of what is still being written nothing is seen.

        Raises:
            JournalUnavailable: the place cannot be looked at.
        """
        ...

    def writer(self) -> AbstractAsyncContextManager[SnapshotWriter]:
        """Write one; whoever leaves before `finish` leaves nothing behind, nor does one who is killed, for long.

        Raises:
            StoreInUse: somebody else is writing one.
            JournalUnavailable: the place cannot be written.
        """
        ...

    async def read(self, kept: Kept) -> tuple[bytes, ...]:
        """Read all pieces of one, in their order.

        Raises:
            StoreCorrupt: not what was written, or gone.
            JournalUnavailable: it cannot be read.
        """
        ...

    async def drop(self, names: Sequence[str]) -> None:
        """Remove some; whose names are not there any more are no matter.

        Raises:
            JournalUnavailable: it cannot be done.
        """
        ...

    async def aclose(self) -> None:
        """Close; idempotent."""
        ...


def name_of(head: Snapshot) -> str:
    """Name a snapshot; one of the same position and origin takes the place of the other."""
    return f"{head.position:020}-{head.origin}"


def newest_first(kept: Iterable[Kept]) -> tuple[Kept, ...]:
    """Put snapshots in order: of the same position the live one first, those that cannot be used last."""
    return tuple(sorted(kept, key=_age))


def _age(kept: Kept) -> tuple[int, str]:
    return (1, "") if kept.head is None else (-kept.head.position, kept.head.origin)
