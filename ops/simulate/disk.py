"""The store of a simulated daemon: frames in memory that outlive it, and every way in which a disk fails."""

import hashlib
import random
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import trio

from adapters.store.memory import MemoryStore
from engine.domain.errors import AppendUnknown, JournalUnavailable
from engine.ports import Found, Frame
from ops.simulate.faults import Faults

_SYNC_SECONDS: Final = (0.0005, 0.02)
_SLOW_SYNC_CHANCE: Final = 0.2
_STALL_SECONDS: Final = (1.0, 12.0)
_READ_SECONDS: Final = (0.0, 0.1)
"""While a successor replays, the one that it took over from may go on."""


class Owner(Protocol):
    """The daemon that writes; a daemon that has died writes nothing more."""

    number: int
    """Which one it is, counted from 1."""

    @property
    def alive(self) -> bool:
        """Whether it is."""
        ...

    @property
    def frozen(self) -> bool:
        """Whether it stands still just now."""
        ...

    def crash(self, why: str) -> None:
        """Kill it, now."""
        ...

    async def go_on(self) -> None:
        """Return when it may go on: never, once it is dead; when it wakes, while it is frozen."""
        ...


class Platter:
    """What is on the disk, and how it behaves; shared by all daemons of a run."""

    def __init__(self, rng: random.Random, faults: Faults, *, quick: bool) -> None:
        """Start empty. `quick`: commits are made at once where nothing is the matter, as on a good disk."""
        self.frames: list[Frame] = []
        self.owners: list[str] = []
        self.rng = rng
        self.faults = faults
        self.quick = quick
        self.written: Callable[[Frame, int], None] = lambda _frame, _life: None
        """Called with every frame that is on the disk, and the number of the daemon that wrote it."""
        self.complain: Callable[[str], None] = lambda _: None
        self._stalled_until = 0.0

    def note(self, frame: Frame, life: int, epoch: int) -> None:
        """Note a frame that is on the disk; whoever wrote it must be the newest owner."""
        if epoch != len(self.owners):
            self.complain(f"life {life} wrote frame {frame.position} when {self.owners[-1]} had claimed the store")
        self.written(frame, life)

    def is_stalled(self) -> bool:
        """Whether appends are refused now; now and then that begins here."""
        now = trio.current_time()
        if now >= self._stalled_until and self.faults.strikes("store_stalls", 0.0006):
            self._stalled_until = now + self.rng.uniform(*_STALL_SECONDS)
        return now < self._stalled_until

    def heal(self) -> None:
        """Refuse nothing any more."""
        self._stalled_until = 0.0

    def opened(self) -> MemoryStore:
        """Return its frames as a store in which nothing goes wrong, for reading."""
        return MemoryStore(self.frames, self.owners)

    def digest(self) -> str:
        """Return a digest of all frames."""
        digest = hashlib.sha256()
        for frame in self.frames:
            digest.update(f"{frame.position} {frame.written_at.isoformat()} ".encode())
            digest.update(frame.payload)
        return digest.hexdigest()


class Disk(MemoryStore):
    """One daemon's handle on the platter."""

    def __init__(self, platter: Platter, owner: Owner) -> None:
        """Open it."""
        super().__init__(platter.frames, platter.owners)
        self._platter = platter
        self._owner = owner

    async def append(self, frame: Frame) -> None:
        """Append, unless something happens before, meanwhile or after (`engine.ports.Store.append`)."""
        platter, faults = self._platter, self._platter.faults
        await self._owner.go_on()
        if platter.is_stalled():
            await trio.lowlevel.checkpoint()
            raise JournalUnavailable("disk full")
        if faults.strikes("crash_before_append", 0.0012):
            self._owner.crash("before it wrote a frame")
        await self._owner.go_on()
        await self._spin(frame)
        unsure = faults.strikes("store_unsure", 0.0006)
        if not unsure or platter.rng.random() < 0.5:
            await super().append(frame)
            platter.note(frame, self._owner.number, self._epoch)
        if unsure:
            raise AppendUnknown("the disk did not say whether it wrote")
        if faults.strikes("crash_after_append", 0.0012):
            self._owner.crash("after it wrote a frame")
        await self._owner.go_on()

    def append_nowait(self, frame: Frame) -> bool:
        """Append at once on a quick disk (`engine.ports.Store.append_nowait`)."""
        platter = self._platter
        if not platter.quick or not self._owner.alive or self._owner.frozen or platter.is_stalled():
            return False
        if not self.is_ours:
            return False
        if platter.faults.strikes("crash_before_append", 0.0012):
            self._owner.crash("before it wrote a frame")
            return False
        if frame.position != len(self.frames) + 1:
            return False
        self._write(frame)
        if platter.faults.strikes("crash_after_append", 0.0012):
            self._owner.crash("after it wrote a frame")
        return True

    async def read(self, after: int, limit: int) -> tuple[Frame, ...]:
        """Read, some at a time: replay may be cut short (`engine.ports.Store.read`)."""
        if after and self._platter.faults.strikes("crash_in_recovery", 0.08):
            self._owner.crash("in the middle of recovery")
        await self._owner.go_on()
        await trio.sleep(self._platter.rng.uniform(*_READ_SECONDS))
        return await super().read(after, min(limit, 100))

    async def search(self, after: int, until: int, needles: Sequence[bytes]) -> Found:
        """Look at some frames (`engine.ports.Store.search`)."""
        await self._owner.go_on()
        return await super().search(after, until, needles)

    def _write(self, frame: Frame) -> None:
        self.frames.append(frame)
        self._platter.note(frame, self._owner.number, self._epoch)

    async def _spin(self, frame: Frame) -> None:
        """Take a moment. A frame that a dying daemon has handed over may be written all the same."""
        rng = self._platter.rng
        if rng.random() > _SLOW_SYNC_CHANCE:
            return
        try:
            await trio.sleep(rng.uniform(*_SYNC_SECONDS))
        except trio.Cancelled:
            if rng.random() < 0.5 and self.is_ours and frame.position == len(self.frames) + 1:
                self._write(frame)
            raise
