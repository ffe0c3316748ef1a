"""Frames in a list: for simulation under a virtual clock. Keeps the store's contract, survives nothing."""

import trio

from engine.domain.errors import AppendUnknown
from engine.ports import Frame


class MemoryStore:
    """A store whose frames outlive the daemon object, so that a simulated crash can be recovered from."""

    def __init__(self, frames: list[Frame] | None = None) -> None:
        """Keep frames in the caller's list, or in a new one."""
        self.frames: list[Frame] = [] if frames is None else frames

    async def append(self, frame: Frame) -> None:
        """Append; a checkpoint first, as a disk would be one."""
        await trio.lowlevel.checkpoint()
        if frame.position != len(self.frames) + 1:
            raise AppendUnknown(f"frame {frame.position} after frame {len(self.frames)}: another writer is at work")
        self.frames.append(frame)

    async def read(self, after: int, limit: int) -> tuple[Frame, ...]:
        """Read in order."""
        await trio.lowlevel.checkpoint()
        return tuple(self.frames[after : after + limit])

    async def aclose(self) -> None:
        """Nothing to close."""
        await trio.lowlevel.checkpoint()
