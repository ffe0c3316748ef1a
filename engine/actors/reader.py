"""Reads the journal again, beside whoever writes it: for questions about the past and for checks.

The store looks for frames that name what is asked for; only their events that do are decoded, a few at a time, so that
holds are decided and committed in between.
"""

from collections.abc import Callable, Sequence

import msgspec
import trio

from engine.actors.journal import Journal
from engine.domain.errors import StoreCorrupt
from engine.domain.events import Event
from engine.domain.units import EPOCH, Instant
from engine.ports import Store

_EVENTS_MAX = 1000
"""Events looked at between two pauses: a millisecond..."""
_TOLD_AS = 12
"""...where one that is told, and so decoded and folded, counts as so many."""
PAUSE_SECONDS = 0.001
"""As long as the work before it. A checkpoint lets other tasks go on, but not the thread that commits: that one waits
for the interpreter until the loop sleeps, or 5 ms."""
_SPLIT = msgspec.msgpack.Decoder(list[msgspec.Raw])
_EVENT = msgspec.msgpack.Decoder(Event)
_WORD = msgspec.msgpack.Encoder()

Hear = Callable[[int, Event], None]
"""Gets the position of the frame and one event of it."""


def needle_for(word: str) -> bytes:
    """Return the bytes by which an event that has this text in a field, or as its kind, is found."""
    return _WORD.encode(word)


class JournalReader:
    """The way to the past. Several may ask at once; the store takes their steps by turns."""

    def __init__(self, store: Store, journal: Journal) -> None:
        """Read what `journal` has written to `store`."""
        self._store = store
        self._journal = journal

    @property
    def position(self) -> int:
        """Of the last frame that can be read."""
        return self._journal.position

    async def started_at(self) -> Instant | None:
        """Return the instant of the first event there is; None: the journal is empty."""
        if self.position == 0:
            return None
        frame = (await self._store.search(0, 1, ())).frames[0]
        raws = _SPLIT.decode(frame.payload)
        return _EVENT.decode(raws[0]).at if raws else EPOCH

    async def tell(self, hear: Hear, *, needles: Sequence[bytes] = (), after: int = 0, until: int) -> None:
        """Tell every event in the frames behind `after` up to `until` that has one of the needles, in order.

        Args:
            hear: who is told; must not block.
            needles: as `needle_for` makes them; none: every event is told.
            after: the position to begin behind.
            until: at most `position`.

        Raises:
            StoreCorrupt: a frame is damaged, or holds what this version cannot read.
        """
        looked = 0
        while after < until:
            found = await self._store.search(after, until, needles)
            assert found.through > after, "each step comes further"
            for frame in found.frames:
                try:
                    for raw in _SPLIT.decode(frame.payload):
                        if not needles or _has_any(bytes(raw), needles):
                            hear(frame.position, _EVENT.decode(raw))
                            looked += _TOLD_AS
                        looked += 1
                        if looked >= _EVENTS_MAX:
                            looked = 0
                            await trio.sleep(PAUSE_SECONDS)
                except msgspec.MsgspecError as error:
                    raise StoreCorrupt(
                        f"frame {frame.position} holds what this version cannot read: {error}"
                    ) from error
            after = found.through


def _has_any(payload: bytes, needles: Sequence[bytes]) -> bool:
    for needle in needles:  # noqa: SIM110 - a generator would cost four times as much, a million times
        if needle in payload:
            return True
    return False
