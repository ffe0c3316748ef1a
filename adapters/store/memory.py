"""Frames in a list: for simulation under a virtual clock. Keeps the store's contract, survives nothing."""

from collections.abc import Sequence

import trio

from engine.domain.errors import AppendUnknown, Fenced
from engine.ports import Found, Frame

_SEARCHED_MAX = 1000
"""Frames in one step of a search: other tasks go on in between."""


class MemoryStore:
    """A store whose frames outlive the daemon object, so that a simulated crash can be recovered from."""

    def __init__(self, frames: list[Frame] | None = None, owners: list[str] | None = None) -> None:
        """Keep frames and owners in the caller's lists, or in new ones.

        Args:
            frames: in order, from position 1 on.
            owners: who has claimed it, epoch 1 first. None: nobody else ever will, and no claim is needed to write.
        """
        self.frames: list[Frame] = [] if frames is None else frames
        self.owners: list[str] = ["its only user"] if owners is None else owners
        self._epoch = 1 if owners is None else 0

    async def claim(self, owner: str) -> int:
        """Become the owner; nobody here can tell whether another one lives."""
        await trio.lowlevel.checkpoint()
        self.owners.append(owner)
        self._epoch = len(self.owners)
        return self._epoch

    @property
    def is_ours(self) -> bool:
        """Whether nobody has claimed it since this handle did: only then it may write."""
        return self._epoch == len(self.owners) > 0

    async def append(self, frame: Frame) -> None:
        """Append; a checkpoint first, as a disk would be one."""
        await trio.lowlevel.checkpoint()
        if not self.is_ours:
            owner = self.owners[-1] if self.owners else ""
            raise Fenced("the store", epoch=self._epoch, newest=len(self.owners), owner=owner)
        if frame.position != len(self.frames) + 1:
            raise AppendUnknown(f"frame {frame.position} after frame {len(self.frames)}: another writer is at work")
        self.frames.append(frame)

    def append_nowait(self, frame: Frame) -> bool:  # noqa: ARG002
        """Never at once: a disk would not either."""
        return False

    async def read(self, after: int, limit: int) -> tuple[Frame, ...]:
        """Read in order."""
        await trio.lowlevel.checkpoint()
        return tuple(self.frames[after : after + limit])

    async def search(self, after: int, until: int, needles: Sequence[bytes]) -> Found:
        """Look at some frames (`engine.ports.Store.search`)."""
        await trio.lowlevel.checkpoint()
        through = min(until, after + _SEARCHED_MAX, len(self.frames))
        frames = self.frames[after:through]
        if needles:
            frames = [frame for frame in frames if any(needle in frame.payload for needle in needles)]
        return Found(frames=tuple(frames), through=through)

    async def aclose(self) -> None:
        """Nothing to close."""
        await trio.lowlevel.checkpoint()
