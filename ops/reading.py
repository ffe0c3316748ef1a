"""The journal as tables for reading: made anew, kept up with, looked at. A process of its own, in nobody's way."""

import math
import signal
from contextlib import aclosing
from typing import Final

import msgspec
import structlog
import trio

from adapters.store.digests import digest_of
from adapters.store.reading import hint_of
from adapters.store.reading_tables import Mark, ReadingUnavailable
from config.schema import Settings
from engine.actors.journal import decode_events
from engine.domain.errors import JournalUnavailable, StockError, StoreCorrupt
from engine.domain.events import Event
from engine.domain.reading.reading import Reading
from ops.readingtables import Shelf, Tables, file_of, look_at_tables, open_tables
from ops.storetool import Progress, Source, open_journal
from ops.telemetry.metrics import Telemetry

log = structlog.get_logger(__name__)

_FRAMES_PER_READ: Final = 200
_EVENTS_PER_BATCH: Final = 20_000
"""In one transaction, and the frame that goes beyond: enough that the commit costs nothing, some 20 MB of rows."""
_LOOK_SECONDS: Final = 0.5
"""Between two looks at a journal that has no more."""
_AWAY_SECONDS: Final = 2.0
"""Between two tries to reach one that is away; of the tables doubled with each..."""
_AWAY_SECONDS_MAX: Final = 30.0
"""...up to this."""
_TIDY_SECONDS: Final = 60.0
"""Between two looks whether somebody has stopped reading an older state."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How far the tables are behind the journal."""

    place: str
    position: int
    """Frames that are in the tables; 0: there are no tables, or of another version."""
    journal_position: int
    behind_frames: int
    behind_seconds: float | None
    """Between the newest frame and the newest one in the tables, by their own instants; None: there are no tables."""


async def rebuild(source: Source, tables: Tables, progress: Progress) -> Mark | None:
    """Make the tables anew: whoever reads sees the old ones until the new ones are whole.

    Returns:
        How far they are; None: the journal is empty.

    Raises:
        StoreCorrupt: the journal is damaged.
        JournalUnavailable: it cannot be read.
        ReadingError: the tables cannot be written.
    """
    started = trio.current_time()
    async with tables.anew() as fresh:
        reader = _Reader(source, fresh, 0)
        while await reader.read_batch():
            progress("read", reader.position)
    seconds = round(trio.current_time() - started, 3)
    log.info("reading.rebuilt", position=reader.position, events=reader.events, seconds=seconds)
    return reader.mark


async def catch_up(source: Source, tables: Tables, mark: Mark | None) -> Mark | None:
    """Bring the tables from where they are to the end of the journal, a batch at a time; returns how far they are then.

    Raises:
        As `rebuild`.
    """
    reader = _Reader(source, tables, mark.position if mark else 0)
    while await reader.read_batch():
        pass
    return reader.mark or mark


async def run(settings: Settings) -> None:
    """Keep the tables up with the journal until SIGTERM or Ctrl-C.

    Raises:
        ConfigError, StoreCorrupt: as `storetool.open_journal`.
        ReadingError: as `open_tables`.
    """
    failures: list[StockError] = []
    async with trio.open_nursery() as nursery:

        async def work() -> None:
            try:
                await keep(settings)
            except StockError as error:  # told by whoever called, without a group around it
                failures.append(error)
                nursery.cancel_scope.cancel()

        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            nursery.start_soon(work)
            async for number in signals:
                log.info("reading.stopping", reason=signal.Signals(number).name)
                break
        nursery.cancel_scope.cancel()
    for failure in failures:
        raise failure


async def rebuild_now(settings: Settings, progress: Progress) -> Standing:
    """Make the tables anew; returns how they stand then.

    Raises:
        StockError: the journal cannot be read, or the tables cannot be written.
    """
    source = await open_journal(settings)
    try:
        async with aclosing(await open_tables(settings)) as tables:
            await rebuild(source, tables, progress)
    finally:
        await source.aclose()
    return await inspect(settings)


async def keep(settings: Settings) -> None:
    """Keep the tables up with the journal until cancelled, whichever server is away meanwhile.

    Raises:
        As `run`.
    """
    pause = first = _AWAY_SECONDS
    while True:
        begun = trio.current_time()
        try:
            async with aclosing(await open_tables(settings)) as tables:
                await follow(settings, tables)
        except ReadingUnavailable as error:
            if trio.current_time() - begun > pause:  # it was there for a while
                pause = first
            log.warning("reading.unavailable", reason=str(error), retry_seconds=pause)
        await trio.sleep(pause)
        pause = min(2 * pause, _AWAY_SECONDS_MAX)


async def follow(settings: Settings, tables: Tables) -> None:
    """Keep open tables up with the journal until cancelled; make them anew first if they are of no use.

    Raises:
        ConfigError, StoreCorrupt: as `storetool.open_journal`.
        ReadingError: the tables cannot be written.
    """
    away = ""
    while True:
        try:
            source = await open_journal(settings)
            try:
                away = ""
                await _follow(source, tables)
            finally:
                await source.aclose()
        except JournalUnavailable as error:  # no daemon has made it yet, or the server restarts
            if not away:
                log.warning("store.unavailable", reason=str(error), gives_up_seconds=None)
            away = str(error)
        await trio.sleep(_AWAY_SECONDS)


async def _follow(source: Source, tables: Tables) -> None:
    mark = await tables.mark()
    reason = await why_anew(source, mark)
    if reason is not None:
        log.info("reading.begun_anew", reason=reason)
        mark = await rebuild(source, tables, lambda _what, _frames: None)
    log.info("reading.following", position=mark.position if mark else 0)
    reader = _Reader(source, tables, mark.position if mark else 0)
    tidy_at = trio.current_time()
    while True:
        while await reader.read_batch():
            pass
        if trio.current_time() >= tidy_at:
            await tables.tidy()
            tidy_at = trio.current_time() + _TIDY_SECONDS
        await trio.sleep(_LOOK_SECONDS)


async def why_anew(source: Source, mark: Mark | None) -> str | None:
    """Say why tables cannot be gone on with; None: they can.

    Raises:
        StoreCorrupt: the journal is damaged.
        JournalUnavailable: it cannot be read.
    """
    if mark is None:
        return "there are no tables of this version"
    if mark.position == 0:
        return None
    frames = await source.read(mark.position - 1, 1)
    if not frames:
        return f"they are of frame {mark.position}, and the journal has fewer"
    if digest_of(frames[0]) != mark.digest:
        return f"frame {mark.position} of the journal is not the one that they were made of"
    return None


async def inspect(settings: Settings) -> Standing:
    """Compare the tables with the journal, beside whoever writes them.

    Raises:
        StockError: one of the two cannot be looked at.
    """
    place, mark = await look_at_tables(settings)
    source = await open_journal(settings)
    try:
        found = await source.summary()
    finally:
        await source.aclose()
    position = mark.position if mark else 0
    behind_seconds = None
    if mark is not None and found.last_at is not None:
        behind_seconds = (found.last_at - mark.written_at).total_seconds()
    return Standing(
        place=place,
        position=position,
        journal_position=found.frames,
        behind_frames=found.frames - position,
        behind_seconds=behind_seconds,
    )


def watch_reading(telemetry: Telemetry, settings: Settings) -> None:
    """Let the daemon's metrics show how far the tables are, whoever makes them: a few bytes are read per scrape."""
    path = hint_of(file_of(settings))

    def position() -> float:
        try:
            return int(path.read_bytes())
        except FileNotFoundError:
            return 0
        except (OSError, ValueError):
            return math.nan

    telemetry.watch(
        "reading_position", "Frames that are in the tables for reading; 0: there are no tables here.", position
    )


class _Reader:
    """Carries frames into tables, batch after batch; of no use after an error: what it knows may not be written."""

    def __init__(self, source: Source, shelf: Shelf, position: int) -> None:
        self.position = position
        self.events = 0
        self.mark: Mark | None = None
        self._source = source
        self._shelf = shelf
        self._reading = Reading(shelf.load)

    async def read_batch(self) -> bool:
        """Carry some frames over; False: there were none."""
        batch: list[list[Event]] = []
        first, last = self.position + 1, None
        events = 0
        while events < _EVENTS_PER_BATCH:
            frames = await self._source.read(self.position, _FRAMES_PER_READ)
            for frame in frames:
                try:
                    batch.append(decode_events(frame))
                except msgspec.MsgspecError as error:
                    raise StoreCorrupt(
                        f"frame {frame.position} holds what this version cannot read: {error}"
                    ) from error
                events += len(batch[-1])
                self.position, last = frame.position, frame
            if len(frames) < _FRAMES_PER_READ:
                break
        if last is None:
            return False
        await self._shelf.foresee(self._reading, batch)
        for position, decoded in enumerate(batch, first):
            self._reading.hear(position, decoded)
        mark = Mark(last.position, last.written_at, digest_of(last))
        await self._shelf.write(self._reading.take(), mark)
        self.events += events
        self.mark = mark
        return True
