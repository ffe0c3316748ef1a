"""Group commit: while one frame is being written, the next one gathers.

Everything a unit holds lands in one frame, or nothing of it does. Units commit in the order they were handed over.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import msgspec
import structlog
import trio

from engine.actors.projections import Projections
from engine.domain.errors import AppendUnknown, Fenced, JournalUnavailable
from engine.domain.events import Event
from engine.ports import Clock, Frame, Store

log = structlog.get_logger(__name__)

_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(list[Event])
_RETRY_SECONDS = 0.25
"""Between two tries of an append that was certainly not written: a disk is freed by people, not by haste."""


def encode_events(events: Sequence[Event]) -> bytes:
    """Build a frame's payload: a msgpack array of tagged events."""
    return _ENCODER.encode(events)


def decode_events(frame: Frame) -> list[Event]:
    """Read a frame's payload.

    Raises:
        msgspec.ValidationError: bytes that this version cannot have written.
    """
    return _DECODER.decode(frame.payload)


class JournalListener(Protocol):
    """What telemetry wants to know."""

    def frame_committed(self, events: int, payload_bytes: int, seconds: float) -> None:
        """Report a frame that is durable; `seconds` is the time in the store."""
        ...

    def stalled(self, reason: str | None) -> None:
        """Report that appends are refused for a reason, or (None) taken again."""
        ...


class _Unit(NamedTuple):
    events: Sequence[Event]
    on_commit: Callable[[int], None] | None


class _Gathered(NamedTuple):
    """Units that share a frame, with nothing left to do but to write it."""

    units: list[_Unit]
    events: list[Event]
    frame: Frame | None
    """None: no unit has an event."""


class Journal:
    """The only writer of the store."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        entries_max: int,
        waiting_max: int,
        stall_seconds_max: float,
        listener: JournalListener,
        projections: Projections | None = None,
    ) -> None:
        """Start with an empty store; replay says where one that is not empty ends.

        `projections` hear of every durable event before any answer that depends on it is given.
        """
        self.position = 0
        """Of the last durable frame."""
        self.events = 0
        """That were read or have become durable since this process began."""
        self.stalled: str | None = None
        """Why appends are refused just now; None when all is well."""
        self._store = store
        self._clock = clock
        self._entries_max = entries_max
        self._waiting_max = waiting_max
        self._stall_seconds_max = stall_seconds_max
        self._listener = listener
        self._projections = projections if projections is not None else Projections()
        self._waiting: deque[_Unit] = deque()
        self._waiting_events = 0
        self._committing = False
        self._next: _Gathered | None = None
        """Gathered to be written at once, which the store could not."""
        self._failure: AppendUnknown | Fenced | None = None
        self._closing = False
        self._running = False
        self._ended = False
        self._recording: set[trio.Event] = set()
        self._work = trio.Event()
        self._room: trio.Event | None = None
        """Set when there is room again; None: nobody waits for it."""

    @property
    def waiting_events(self) -> int:
        """Events handed over and not yet in a frame."""
        return self._waiting_events

    @property
    def has_room(self) -> bool:
        """Whether the backlog is below its limit."""
        return self._waiting_events < self._waiting_max

    async def wait_room(self) -> None:
        """Wait while the backlog is at its limit: how a slow disk slows down whoever decides."""
        while not self.has_room:
            if self._room is None:
                self._room = trio.Event()
            await self._room.wait()

    def enqueue(self, events: Sequence[Event], on_commit: Callable[[int], None] | None) -> None:
        """Hand over one all-or-nothing unit; `on_commit(position)` runs when it is durable.

        A unit without events waits for all that was handed over before it: what it tells was decided on that.
        """
        if not events and not self._waiting and not self._committing and self._next is None:
            if on_commit is not None:
                on_commit(self.position)
            return
        self._waiting.append(_Unit(events, on_commit))
        self._waiting_events += len(events)
        self._work.set()

    def add(self, events: Sequence[Event], on_commit: Callable[[int], None] | None) -> None:
        """Hand over one of several units that come in one step; `commit_soon` follows the last of them."""
        self._waiting.append(_Unit(events, on_commit))
        self._waiting_events += len(events)

    def commit_soon(self) -> None:
        """Commit what waits here and now, where no frame is under way and the store is quick; else in the task."""
        while self._running and not self._committing and (self._waiting or self._next is not None):
            gathered, self._next = self._next or self._gather(), None
            if not self._append_nowait(gathered):
                self._next = gathered
                break
            self._settle(gathered)
        if self._waiting or self._next is not None or self._failure is not None:
            self._work.set()

    async def record(self, events: Sequence[Event]) -> int:
        """Hand over events and wait until they are durable (`engine.ports.Recorder`).

        Raises:
            AppendUnknown: the journal ended, and nobody knows whether with these.
        """
        await self.wait_room()
        done = trio.Event()
        positions: list[int] = []

        def committed(position: int) -> None:
            positions.append(position)
            done.set()

        if not self._ended:
            self.enqueue(events, committed)
            self._recording.add(done)
            with trio.CancelScope(shield=True):  # ends with the commit or with the journal
                await done.wait()
            self._recording.discard(done)
        if not positions:
            await trio.lowlevel.checkpoint_if_cancelled()
            raise AppendUnknown("the journal ended before these events were known to be durable")
        return positions[0]

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Commit until closed, then write what is left.

        Raises:
            AppendUnknown: nobody knows whether the last frame landed; the process must end.
            Fenced: the store is another owner's; the process must end.
            JournalUnavailable: the store refused for longer than `stall_seconds_max`.
        """
        task_status.started()
        self._running = True
        try:
            while self._waiting or self._next is not None or not self._closing:
                if self._failure is not None:
                    raise self._failure
                if not self._waiting and self._next is None:
                    self._work = trio.Event()
                    await self._work.wait()
                    continue
                gathered, self._next = self._next or self._gather(), None
                await self._commit(gathered)
        finally:
            self._running = False
            self._ended = True
            for done in self._recording:
                done.set()

    def close(self) -> None:
        """Take nothing more after what was handed over; `run` returns when that is durable."""
        self._closing = True
        self._work.set()

    def _gather(self) -> _Gathered:
        units: list[_Unit] = []
        events: list[Event] = []
        while self._waiting and (not units or len(events) + len(self._waiting[0].events) <= self._entries_max):
            unit = self._waiting.popleft()
            units.append(unit)
            events += unit.events
        frame: Frame | None = None
        if events:
            payload = encode_events(events)
            frame = Frame(position=self.position + 1, written_at=self._clock.now(), payload=payload)
        return _Gathered(units, events, frame)

    async def _commit(self, gathered: _Gathered) -> None:
        if gathered.frame is not None:
            self._committing = True
            started = trio.current_time()
            await self._append(gathered.frame)
            self._committing = False
            self._note_written(gathered, gathered.frame, trio.current_time() - started)
        self._settle(gathered)

    def _append_nowait(self, gathered: _Gathered) -> bool:
        """Append now if the store is quick; what it refuses or does not know of is for the task."""
        if gathered.frame is None:
            return True
        started = trio.current_time()
        try:
            if not self._store.append_nowait(gathered.frame):
                return False
        except JournalUnavailable:
            return False  # tried again there, with patience
        except (AppendUnknown, Fenced) as failure:
            self._failure = failure
            self._running = False
            return False
        self._note_written(gathered, gathered.frame, trio.current_time() - started)
        return True

    def _note_written(self, gathered: _Gathered, frame: Frame, seconds: float) -> None:
        self.position = frame.position
        self.events += len(gathered.events)
        self._waiting_events -= len(gathered.events)
        self._listener.frame_committed(len(gathered.events), len(frame.payload), seconds)
        if self._room is not None and self.has_room:
            self._room.set()
            self._room = None
        self._projections.committed(self.position, gathered.events)

    def _settle(self, gathered: _Gathered) -> None:
        # no checkpoint until every answer is given: they are all equally durable
        for unit in gathered.units:
            if unit.on_commit is not None:
                unit.on_commit(self.position)

    async def _append(self, frame: Frame) -> None:
        """Append, and again while the store says that it certainly did not; answers wait meanwhile."""
        with trio.CancelScope() as patience:
            while True:
                try:
                    await self._store.append(frame)
                except JournalUnavailable as refused:
                    if self.stalled is None:
                        patience.deadline = trio.current_time() + self._stall_seconds_max
                        log.warning("journal.stalled", reason=str(refused), gives_up_seconds=self._stall_seconds_max)
                    self.stalled = str(refused)
                    self._listener.stalled(self.stalled)
                else:
                    if self.stalled is not None:
                        log.info("journal.recovered", position=frame.position)
                        self.stalled = None
                        self._listener.stalled(None)
                    return
                await trio.sleep(_RETRY_SECONDS)
        raise JournalUnavailable(f"{self.stalled}; gave up after {self._stall_seconds_max:g} s")
