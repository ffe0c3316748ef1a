"""A journal put into one file while its daemon goes on, and brought back from there."""

import hashlib
from pathlib import Path

import trio

from adapters.store.archive import ArchiveReader, ArchiveWriter
from config.schema import Settings
from engine.domain.errors import StoreCorrupt
from ops import storetool
from ops.storetool import Checked, Progress

_FRAMES_PER_READ = 200


async def back_up(settings: Settings, path: Path, progress: Progress) -> Checked:
    """Write every frame that is durable now to a new file, read it back, and compare what both hash to.

    Raises:
        JournalUnavailable: the file is there already or cannot be written, or the store cannot be read.
        JournalCut: a segment is needed and not there.
        StoreCorrupt: a frame of the journal is damaged, or the file is not what was written.
    """
    source = await storetool.open_journal(settings)
    digest = hashlib.sha256()
    try:
        until = (await source.summary()).frames
        with ArchiveWriter(path, after=0) as writer:
            while writer.position < until:
                frames = await source.read(writer.position, min(_FRAMES_PER_READ, until - writer.position))
                if not frames:
                    raise StoreCorrupt(
                        f"{source.place}: frames {writer.position + 1} to {until} are not there any more"
                    )
                await trio.to_thread.run_sync(writer.add, frames)
                storetool.add_frames(digest.update, frames)
                progress("written", writer.position)
            await trio.to_thread.run_sync(writer.finish)
    finally:
        await source.aclose()
    checked = await verify(path, progress)
    if checked.sha256 != digest.hexdigest():
        raise StoreCorrupt(f"{path}: what was read back is not what was written")
    return checked


async def verify(path: Path, progress: Progress) -> Checked:
    """Read a backup or a segment from end to end; of a backup the SHA-256 is that of `ops.storetool.check`.

    Raises:
        JournalUnavailable: it cannot be read.
        StoreCorrupt: it is damaged, cut short or not a backup.
    """
    reader = ArchiveReader(path)
    try:
        after = await trio.to_thread.run_sync(reader.begins_behind)
    except StoreCorrupt:
        await reader.aclose()
        raise
    return await storetool.examine(reader, progress, after=after)


async def restore(settings: Settings, path: Path, *, owner: str, resume: bool, progress: Progress) -> Checked:
    """Bring a backup into the configured store, which must be empty, and compare every frame.

    Arguments and errors as `ops.storetool.copy`.
    """
    await verify(path, progress)
    source = ArchiveReader(path)
    try:
        name = "postgres" if settings.store.kind == "postgres" else str(settings.store.path)
        target = await storetool.open_target(settings, name)
        try:
            return await storetool.copy(source, target, owner=owner, resume=resume, progress=progress)
        finally:
            await target.aclose()
    finally:
        await source.aclose()
