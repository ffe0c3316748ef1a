"""The journal as tables for reading: made anew, kept up with, looked at. A process of its own, in nobody's way."""

import math
import signal
from pathlib import Path
from typing import Final

import msgspec
import structlog
import trio

from adapters.store.digests import digest_of
from adapters.store.postgres import open_store as open_postgres
from adapters.store.reading import Mark, ReadingFile, hint_of, look, open_reading
from adapters.store.sqlite_reader import open_to_read
from config.schema import Settings
from engine.actors.journal import decode_events
from engine.domain.errors import JournalUnavailable, StockError, StoreCorrupt
from engine.domain.reading.reading import Reading
from ops.stores import terms_of
from ops.storetool import Progress, Source
from ops.telemetry.metrics import Telemetry

log = structlog.get_logger(__name__)

FILE_NAME: Final = "reading.sqlite3"
"""In the data folder."""
_FRAMES_PER_READ: Final = 200
_EVENTS_PER_BATCH: Final = 20_000
"""In one transaction, and the frame that goes beyond: enough that the commit costs nothing, some 20 MB of rows."""
_LOOK_SECONDS: Final = 0.5
"""Between two looks at a journal that has no more."""
_AWAY_SECONDS: Final = 2.0
"""Between two tries to reach one that is away."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How far the tables are behind the journal."""

    path: str
    position: int
    """Frames that are in the tables; 0: there are no tables, or of another version."""
    journal_position: int
    behind_frames: int
    behind_seconds: float | None
    """Between the newest frame and the newest one in the tables, by their own instants; None: there are no tables."""


def file_of(settings: Settings) -> Path:
    """Return where the tables are."""
    return settings.node.data / FILE_NAME


async def open_journal(settings: Settings) -> Source:
    """Open the configured journal beside its daemon, to read it.

    Raises:
        ConfigError: server, schema or role will not do.
        StoreCorrupt: not ours, or of a newer version.
        JournalUnavailable: it cannot be read now.
    """
    if settings.store.kind == "sqlite":
        await trio.lowlevel.checkpoint()
        return open_to_read(settings.store.path, alone=False)
    return await open_postgres(terms_of(settings))


async def rebuild(source: Source, file: ReadingFile, progress: Progress) -> Mark | None:
    """Make the tables anew in one transaction: whoever reads sees the old ones until the new ones are whole.

    Returns:
        How far they are; None: the journal is empty.

    Raises:
        StoreCorrupt: the journal is damaged.
        JournalUnavailable: it cannot be read.
        ReadingError: the file cannot be written.
    """
    started = trio.current_time()
    with file.transaction():
        file.clear()
        reader = _Reader(source, file, 0)
        while await reader.read_batch():
            progress("read", reader.position)
        file.complete()
    file.announce(reader.position)
    file.shrink()
    seconds = round(trio.current_time() - started, 3)
    log.info("reading.rebuilt", position=reader.position, events=reader.events, seconds=seconds)
    return reader.mark


async def catch_up(source: Source, file: ReadingFile, mark: Mark | None) -> Mark | None:
    """Bring the tables from where they are to the end of the journal, a batch at a time; returns how far they are then.

    Raises:
        As `rebuild`.
    """
    reader = _Reader(source, file, mark.position if mark else 0)
    while await reader.read_batch(alone=True):
        pass
    return reader.mark or mark


async def run(settings: Settings) -> None:
    """Keep the tables up with the journal until SIGTERM or Ctrl-C.

    Raises:
        ConfigError, StoreCorrupt: as `open_journal`.
        ReadingError: the file is being written by another process, or cannot be.
    """
    settings.node.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    failures: list[StockError] = []
    file = open_reading(file_of(settings))
    try:
        async with trio.open_nursery() as nursery:

            async def keep() -> None:
                try:
                    await follow(settings, file)
                except StockError as error:  # told by whoever called, without a group around it
                    failures.append(error)
                    nursery.cancel_scope.cancel()

            with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
                nursery.start_soon(keep)
                async for number in signals:
                    log.info("reading.stopping", reason=signal.Signals(number).name)
                    break
            nursery.cancel_scope.cancel()
    finally:
        file.close()
    for failure in failures:
        raise failure


async def rebuild_now(settings: Settings, progress: Progress) -> Standing:
    """Make the tables anew; returns how they stand then.

    Raises:
        StockError: the journal cannot be read, or the file cannot be written.
    """
    settings.node.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    source = await open_journal(settings)
    try:
        file = open_reading(file_of(settings))
        try:
            await rebuild(source, file, progress)
        finally:
            file.close()
    finally:
        await source.aclose()
    return await inspect(settings)


async def follow(settings: Settings, file: ReadingFile) -> None:
    """Keep the tables up with the journal until cancelled; make them anew first if they are of no use.

    Raises:
        ConfigError, StoreCorrupt: as `open_journal`.
        ReadingError: the file cannot be written.
    """
    away = ""
    while True:
        try:
            source = await open_journal(settings)
            try:
                away = ""
                await _follow(source, file)
            finally:
                await source.aclose()
        except JournalUnavailable as error:  # no daemon has made it yet, or the server restarts
            if not away:
                log.warning("store.unavailable", reason=str(error), gives_up_seconds=None)
            away = str(error)
        await trio.sleep(_AWAY_SECONDS)


async def _follow(source: Source, file: ReadingFile) -> None:
    mark = file.mark()
    reason = await why_anew(source, mark)
    if reason is not None:
        log.info("reading.begun_anew", reason=reason)
        mark = await rebuild(source, file, lambda _what, _frames: None)
    log.info("reading.following", position=mark.position if mark else 0)
    reader = _Reader(source, file, mark.position if mark else 0)
    while True:
        while await reader.read_batch(alone=True):
            pass
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
    path = file_of(settings)
    mark = await trio.to_thread.run_sync(look, path)
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
        path=str(path),
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
    """Carries frames into the file, batch after batch."""

    def __init__(self, source: Source, file: ReadingFile, position: int) -> None:
        self.position = position
        self.events = 0
        self.mark: Mark | None = None
        self._source = source
        self._file = file
        self._reading = Reading(file.load)

    async def read_batch(self, *, alone: bool = False) -> bool:
        """Carry some frames over, in a transaction of its own or in the caller's; False: there were none."""
        events = 0
        last = None
        while events < _EVENTS_PER_BATCH:
            frames = await self._source.read(self.position, _FRAMES_PER_READ)
            for frame in frames:
                try:
                    decoded = decode_events(frame)
                except msgspec.MsgspecError as error:
                    raise StoreCorrupt(
                        f"frame {frame.position} holds what this version cannot read: {error}"
                    ) from error
                self._reading.hear(frame.position, decoded)
                events += len(decoded)
                self.position, last = frame.position, frame
            if len(frames) < _FRAMES_PER_READ:
                break
        if last is None:
            return False
        changes = self._reading.take()
        mark = Mark(last.position, last.written_at, digest_of(last))
        if alone:
            with self._file.transaction():
                self._file.write(changes, mark)
            self._file.announce(mark.position)
        else:
            self._file.write(changes, mark)
        self.events += events
        self.mark = mark
        return True
