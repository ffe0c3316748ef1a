"""The journal once more, into a node that runs nothing: as far as one likes, with whoever wants to look on."""

from collections import Counter, deque
from collections.abc import Sequence
from datetime import datetime
from typing import Final, Protocol

import trio

from engine.domain.events import Event
from engine.ports import Frame
from ops.node import Node
from ops.recovery import Frames, forget, read_events, tell

AHEAD: Final = 64
"""Frames that onlookers see before the node is told of them: more than can be decided while one is being written."""
_FRAMES_PER_READ: Final = 200
_FORGET_EVERY: Final = 500
"""Frames, as at a start."""

Until = int | datetime | None
"""The last frame by its position, or the instant before which the last one was written; None: the end."""


class Onlooker(Protocol):
    """Looks on while a journal is replayed. Must not block."""

    def ahead(self, frame: Frame, events: Sequence[Event]) -> None:
        """See a frame that the node does not know yet, nor up to `AHEAD` before it."""
        ...

    def told(self, frame: Frame, events: Sequence[Event]) -> None:
        """See the node right behind a frame."""
        ...


class Replay:
    """One way through a journal, from where the node stands; `advance` may be called again and again."""

    def __init__(self, node: Node, source: Frames, until: Until = None, onlookers: Sequence[Onlooker] = ()) -> None:
        """Begin where the node stands; nothing behind `until` is looked at."""
        self.node = node
        self.frames = 0
        self.events = 0
        self.kinds: Counter[type[Event]] = Counter()
        self.last: Frame | None = None
        """The newest that the node was told of; None: none was."""
        self._source = source
        self._until = until
        self._onlookers = tuple(onlookers)
        self._ahead: deque[tuple[Frame, list[Event]]] = deque()
        self._read = node.journal.position
        self._at_end = False

    async def advance(self, position: int | None = None) -> bool:
        """Tell the node all frames up to a position, or up to the end; False: there were none.

        Raises:
            StoreCorrupt: a frame is missing or damaged, or this version cannot read it.
            JournalUnavailable: the journal cannot be read.
        """
        began = self.node.journal.position
        while position is None or self.node.journal.position < position:
            await self._look_ahead()
            if not self._ahead:
                break
            self._tell(*self._ahead.popleft())
        return self.node.journal.position > began

    async def _look_ahead(self) -> None:
        while len(self._ahead) <= AHEAD and not self._at_end:
            frames = await self._source.read(self._read, _FRAMES_PER_READ)
            self._at_end = len(frames) < _FRAMES_PER_READ
            for frame in frames:
                if self._is_beyond(frame):
                    self._at_end = True
                    break
                events = read_events(frame)
                self._ahead.append((frame, events))
                self._read = frame.position
                for onlooker in self._onlookers:
                    onlooker.ahead(frame, events)
            await trio.lowlevel.checkpoint()

    def _is_beyond(self, frame: Frame) -> bool:
        match self._until:
            case int() as position:
                return frame.position > position
            case datetime() as instant:
                return frame.written_at > instant
            case None:
                return False

    def _tell(self, frame: Frame, events: list[Event]) -> None:
        tell(self.node, frame, events)
        self.frames += 1
        self.events += len(events)
        self.kinds.update(map(type, events))
        self.last = frame
        for onlooker in self._onlookers:
            onlooker.told(frame, events)
        if self.frames % _FORGET_EVERY == 0:
            forget(self.node, frame.written_at)
