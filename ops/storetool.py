"""What operators do with stores while no daemon has them, or beside it: look, check, copy."""

import hashlib
import itertools
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

import msgspec
import trio
from msgspec.structs import replace

from adapters.store.claims import Claim, Summary
from adapters.store.postgres import PostgresStore
from adapters.store.postgres import open_store as open_postgres
from adapters.store.segments import Segment
from adapters.store.sqlite import open_store as open_sqlite
from adapters.store.sqlite_reader import find_owner, open_to_read
from config.schema import Settings
from engine.domain.errors import StockError, StoreCorrupt
from engine.ports import Frame
from ops.stores import terms_of

_FRAMES_PER_READ: Final = 200
_CLAIMS_SHOWN: Final = 5

Progress = Callable[[str, int], None]
"""Hears what is being done, and how many frames of it are."""


class StoreRefused(StockError):
    """Not done, and nothing was changed; the text says why."""


class Source(Protocol):
    """A store that can be read."""

    @property
    def place(self) -> str:
        """How people know it."""
        ...

    async def read(self, after: int, limit: int) -> tuple[Frame, ...]:
        """Read frames in order (`engine.ports.Store.read`)."""
        ...

    async def claims(self, limit: int) -> list[Claim]:
        """Read the newest claims, the newest first."""
        ...

    async def summary(self) -> Summary:
        """Look what is there."""
        ...

    async def aclose(self) -> None:
        """Close; idempotent."""
        ...


class Tiered(Source, Protocol):
    """A store of which frames may have been put away."""

    async def segments(self) -> list[Segment]:
        """Read the records of all segments, in order."""
        ...


class Target(Protocol):
    """A store that can be filled."""

    @property
    def place(self) -> str:
        """How people know it."""
        ...

    async def read(self, after: int, limit: int) -> tuple[Frame, ...]:
        """Read frames in order (`engine.ports.Store.read`)."""
        ...

    async def claims(self, limit: int) -> list[Claim]:
        """Read the newest claims, the newest first."""
        ...

    async def claim(self, owner: str) -> int:
        """Become the owner (`engine.ports.Store.claim`)."""
        ...

    async def load(self, frames: Sequence[Frame]) -> None:
        """Write frames in one transaction."""
        ...

    async def aclose(self) -> None:
        """Close; idempotent."""
        ...


class Info(msgspec.Struct, frozen=True, kw_only=True):
    """A store at one moment."""

    kind: str
    place: str
    server: str | None
    """Version of the server; None: there is none."""
    frames: int
    first: int
    """Position of the oldest frame in the store itself; those before it are in segments."""
    segments: int
    segment_bytes: int
    last_at: datetime | None
    stored_bytes: int
    schema_version: int
    alive: str | None
    """Who has it now; None: nobody, as far as the store knows."""
    claims: tuple[Claim, ...]
    """The newest first."""


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """A journal that was read from end to end: every digest is right, no position is missing."""

    place: str
    frames: int
    """Position of the last one."""
    sha256: str
    """Over positions, instants and payloads: equal journals have equal ones, wherever they are."""
    notes: tuple[str, ...] = ()
    """What is allowed and should not be."""
    first: int = 1
    """Position of the first frame: of a segment, where it begins."""


async def inspect(settings: Settings) -> Info:
    """Look at the configured store, beside its daemon if it has one.

    Raises:
        StockError: it cannot be looked at.
    """
    if settings.store.kind == "sqlite":
        reader = open_to_read(settings.store.path, alone=False, archive=settings.store.archive)
        owner = find_owner(settings.store.path)
        return await _inspect(reader, "sqlite", None, None if owner is None else f"process {owner}")
    store = await open_postgres(terms_of(settings))
    tenant = await store.tenant()
    alive = None if store.is_vacant(tenant) else tenant.owner or "a session that has claimed nothing"
    return await _inspect(store, "postgres", None if store.look is None else store.look.version, alive)


async def _inspect(source: Tiered, kind: str, server: str | None, alive: str | None) -> Info:
    try:
        found, claims = await source.summary(), await source.claims(_CLAIMS_SHOWN)
        segments = await source.segments()
    finally:
        await source.aclose()
    return Info(
        kind=kind,
        place=source.place,
        server=server,
        frames=found.frames,
        first=found.first,
        segments=len(segments),
        segment_bytes=sum(segment.file_bytes for segment in segments),
        last_at=found.last_at,
        stored_bytes=found.stored_bytes,
        schema_version=found.schema_version,
        alive=alive,
        claims=tuple(claims),
    )


async def check(settings: Settings, progress: Progress) -> Checked:
    """Read the configured journal from end to end, segments included, beside its daemon if it has one.

    Raises:
        StoreCorrupt: a frame is missing or damaged.
        ConfigError: server, schema or role will not do.
        JournalUnavailable: it cannot be read.
    """
    if settings.store.kind == "sqlite":
        return await examine(await open_journal(settings), progress)
    store = await open_postgres(terms_of(settings), archive=settings.store.archive)
    notes = store.look.notes if store.look is not None else ()
    if await store.may_change_frames():
        notes += (
            "the role may change or delete frames; a daemon needs no such right (`lastunit store migrate --grant`)",
        )
    return await examine(store, progress, notes=notes)


async def open_journal(settings: Settings) -> Source:
    """Open the configured journal to read it, segments included, beside its daemon.

    Raises:
        ConfigError: server, schema or role will not do.
        StoreCorrupt: not ours, or of a newer version.
        JournalUnavailable: it cannot be read now.
    """
    if settings.store.kind == "sqlite":
        await trio.lowlevel.checkpoint()
        return open_to_read(settings.store.path, alone=False, archive=settings.store.archive)
    return await open_postgres(replace(terms_of(settings), only_reads=True), archive=settings.store.archive)


async def examine(source: Source, progress: Progress, *, after: int = 0, notes: tuple[str, ...] = ()) -> Checked:
    """Read a journal from end to end, or from behind a position, and close it.

    Raises:
        StoreCorrupt: a frame is missing or damaged.
        JournalUnavailable: it cannot be read.
    """
    digest, position = hashlib.sha256(), after
    try:
        while frames := await source.read(position, _FRAMES_PER_READ):
            add_frames(digest.update, frames)
            position = frames[-1].position
            progress("checked", position)
    finally:
        await source.aclose()
    return Checked(place=source.place, frames=position, sha256=digest.hexdigest(), notes=notes, first=after + 1)


async def open_source(settings: Settings, name: str) -> Source:
    """Open a store to copy from; no daemon has it, and none gets it meanwhile.

    Args:
        settings: whose `[store.postgres]` is meant by the name `postgres`.
        name: `postgres`, or the path of a SQLite file.

    Raises:
        StoreInUse: a daemon has it.
        StockError: it cannot be read.
    """
    if name != "postgres":
        return open_to_read(Path(name), alone=True, archive=settings.store.archive)
    return await _open_reserved(settings)


async def open_target(settings: Settings, name: str) -> Target:
    """Open a store to copy to; a SQLite file is created. Arguments and errors as `open_source`."""
    if name != "postgres":
        return await open_sqlite(Path(name), archive=settings.store.archive)
    return await _open_reserved(settings)


async def _open_reserved(settings: Settings) -> PostgresStore:
    store = await open_postgres(terms_of(settings), archive=settings.store.archive)
    try:
        await store.reserve()
    except BaseException:
        await store.aclose()
        raise
    return store


async def copy(source: Source, target: Target, *, owner: str, resume: bool, progress: Progress) -> Checked:
    """Copy a journal, then read both and compare every frame.

    Args:
        source: opened by `open_source`; the caller closes both.
        target: opened by `open_target`.
        owner: who copies; kept as the claim of the target.
        resume: go on where an earlier copy was cut short; else a target that is not empty is refused.
        progress: hears how far it is.

    Raises:
        StoreRefused: the target is not empty.
        StoreCorrupt: a frame of either is missing or damaged, or they are not the same.
        JournalError: as the stores say.
    """
    if resume:
        await _compare_begun(source, target, progress)
    elif await target.read(0, 1):
        raise StoreRefused(f"{target.place} is not empty: copy into a new one, or --resume a copy that was cut short")
    await target.claim(owner)
    position = (await target.claims(1))[0].after_position
    while frames := await source.read(position, _FRAMES_PER_READ):
        await target.load(frames)
        position = frames[-1].position
        progress("copied", position)
    return await _compare(source, target, progress)


async def _compare_begun(source: Source, target: Target, progress: Progress) -> None:
    """See that what the target has is how the source begins."""
    position = 0
    while theirs := await target.read(position, _FRAMES_PER_READ):
        check_same(await source.read(position, len(theirs)), theirs, source.place, target.place)
        position = theirs[-1].position
        progress("compared", position)


async def _compare(source: Source, target: Target, progress: Progress) -> Checked:
    digest, position = hashlib.sha256(), 0
    while True:
        ours = await source.read(position, _FRAMES_PER_READ)
        theirs = await target.read(position, _FRAMES_PER_READ)
        check_same(ours, theirs, source.place, target.place)
        if not ours:
            return Checked(place=target.place, frames=position, sha256=digest.hexdigest())
        add_frames(digest.update, ours)
        position = ours[-1].position
        progress("compared", position)


def check_same(ours: Sequence[Frame], theirs: Sequence[Frame], source: str, target: str) -> None:
    """Compare frames of two places.

    Raises:
        StoreCorrupt: one differs, or only one place has it.
    """
    for frame, copied in itertools.zip_longest(ours, theirs):
        if frame != copied:
            number = (frame or copied).position
            raise StoreCorrupt(f"frame {number} of {target} is not that of {source}")


def add_frames(update: Callable[[bytes], None], frames: Sequence[Frame]) -> None:
    """Hash frames: equal journals come to equal digests, wherever they are kept."""
    for frame in frames:
        head = f"{frame.position} {frame.written_at.isoformat()} {len(frame.payload)}\n"
        update(head.encode())
        update(frame.payload)
