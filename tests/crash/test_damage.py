"""A journal that is not as it was written: refused, never served. A log that was cut short: a whole prefix of it."""

import os
import random
import re
import shutil
from pathlib import Path
from typing import Final

import pytest

from adapters.store.sqlite import open_store
from engine.domain.errors import JournalUnavailable, StoreCorrupt
from engine.ports import Frame
from tests.fakes.grounds import SqliteGround
from tests.fakes.processes import Daemon, fill_shelves, run_daemon, running_daemon
from tests.fakes.storm import KILLS, Storm, report_of

pytestmark = [pytest.mark.process, pytest.mark.slow]

FLIPS: Final = 60 * KILLS
"""Of one bit each, per journal."""
CUTS: Final = 10 * KILLS
_WAL_HEADER: Final = 32
_WAL_FRAME_HEADER: Final = 24


async def kill_under_load(folder: Path, rng: random.Random) -> tuple[SqliteGround, Storm]:
    """Make a journal by a storm that ends with a kill."""
    ground, storm = SqliteGround(folder), Storm(rng)
    ground.configure()
    async with running_daemon(folder) as daemon:
        await storm.open(daemon)
        await storm.rage(daemon, 400, Daemon.kill)
    return ground, storm


async def read_all(path: Path) -> list[Frame]:
    """Open a journal and read it, as a start does; nobody claims it."""
    store = await open_store(path)
    try:
        frames: list[Frame] = []
        while more := await store.read(len(frames), 500):
            frames += more
        return frames
    finally:
        await store.aclose()


async def read_or_refuse(path: Path) -> list[Frame] | None:
    """Read a journal that may be damaged; None: it was refused, by its name."""
    try:
        return await read_all(path)
    except (StoreCorrupt, JournalUnavailable) as error:
        if not str(error).startswith(f"{path}"):
            raise
        return None


def put_aside(journal: Path, folder: Path) -> Path:
    """Copy a journal nobody has open, with its log."""
    folder.mkdir(exist_ok=True)
    for name in ("journal.sqlite3", "journal.sqlite3-wal", "journal.sqlite3-shm"):
        copy = folder / name
        copy.unlink(missing_ok=True)
        if (journal.with_name(name)).exists() and not name.endswith("-shm"):  # the index is built anew
            shutil.copyfile(journal.with_name(name), copy)
    return folder / "journal.sqlite3"


def flip(path: Path, offset: int, bit: int) -> None:
    """Change one bit of a file."""
    with path.open("r+b") as file:
        file.seek(offset)
        (byte,) = file.read(1)
        file.seek(offset)
        file.write(bytes([byte ^ 1 << bit]))


# -- flipped


async def test_a_flipped_bit_is_refused_or_harms_no_frame(tmp_path: Path, rng: random.Random) -> None:
    """Of the database after an orderly end: payload, position, instant, schema, SQLite's own pages, free space."""
    ground, _ = await kill_under_load(tmp_path, rng)
    frames = await read_all(ground.journal)  # and closed in order: all of it is in the database now
    assert not ground.journal.with_name("journal.sqlite3-wal").exists()
    size = ground.journal.stat().st_size
    refused = 0
    for _ in range(FLIPS):
        copy = put_aside(ground.journal, tmp_path / "copy")
        offset, bit = rng.randrange(size), rng.randrange(8)
        flip(copy, offset, bit)
        found = await read_or_refuse(copy)
        assert found in (frames, None), f"bit {bit} of byte {offset} of {size} was served"
        refused += found is None
    assert refused > FLIPS / 2


async def test_a_flipped_bit_in_the_log_costs_no_whole_frame_in_the_middle(tmp_path: Path, rng: random.Random) -> None:
    """SQLite ends the log at the first page whose sum is wrong: as if it had been cut there."""
    ground, _ = await kill_under_load(tmp_path, rng)
    frames = await read_all(put_aside(ground.journal, tmp_path / "whole"))
    log = ground.journal.with_name("journal.sqlite3-wal")
    size = log.stat().st_size
    for _ in range(CUTS):
        copy = put_aside(ground.journal, tmp_path / "copy")
        flip(copy.with_name(log.name), rng.randrange(size), rng.randrange(8))
        await check_prefix(copy, frames)


async def test_a_daemon_does_not_start_on_a_flipped_byte_and_names_the_frame(tmp_path: Path) -> None:
    """Neither does a running one serve it: asked for the past or for a scan it says what is damaged, and sells on."""
    ground = SqliteGround(tmp_path)
    ground.configure()
    async with running_daemon(tmp_path) as daemon:
        await fill_shelves(daemon, {f"S-{number:04}": 1 for number in range(300)})
        await daemon.stop()
    at = ground.journal.read_bytes().index(b"S-0123")
    async with running_daemon(tmp_path) as daemon:
        flip(ground.journal, at - 1, 0)
        wire = await daemon.connect()
        damaged = "DAMAGED the journal cannot be read: "
        for words in (("SCAN", "DEEP"), ("HISTORY", "S-0123"), ("EXPLAIN", "S-0123", "AT", "-0s")):
            refused = await wire.error(*words)
            assert refused.startswith(damaged), (words, refused)
            assert re.search(r"frame \d+ does not match its digest", refused), refused
        assert (await wire.map("HOLD", "h", "60", "S-0123", "1"))["hold"] == "h"
        await wire.aclose()
        await daemon.stop()
    code, daemon = await run_daemon(tmp_path)
    assert code == 1
    assert re.fullmatch(rf"{ground.journal}: frame \d+ does not match its digest", daemon.failure())


# -- cut short


async def test_a_log_cut_behind_its_last_commit_has_all_that_was_answered(tmp_path: Path, rng: random.Random) -> None:
    """What a write that was under way when the power failed leaves behind."""
    ground, storm = await kill_under_load(tmp_path, rng)
    log = ground.journal.with_name("journal.sqlite3-wal")
    end = end_of_commits(log.read_bytes())
    with log.open("r+b") as file:
        file.seek(0, os.SEEK_END)
        file.write(rng.randbytes(rng.randint(1, 20_000)))  # a torn last frame: never synced, so anything
        file.truncate(rng.randint(end, file.tell()))
    async with running_daemon(tmp_path) as daemon:
        report_of("torn log", "sqlite").add(await storm.audit(daemon, deep=True))
        await daemon.stop()


async def test_a_log_cut_anywhere_is_a_whole_prefix(tmp_path: Path, rng: random.Random) -> None:
    """A disk that lied about a sync: no frame is there by half, and a frame is there only with all before it."""
    ground, _ = await kill_under_load(tmp_path, rng)
    frames = await read_all(put_aside(ground.journal, tmp_path / "whole"))
    log = ground.journal.with_name("journal.sqlite3-wal")
    end = end_of_commits(log.read_bytes())
    for _ in range(CUTS):
        copy = put_aside(ground.journal, tmp_path / "copy")
        cut = rng.randrange(log.stat().st_size)
        os.truncate(copy.with_name(log.name), cut)
        there = await check_prefix(copy, frames)
        assert there == len(frames) or cut < end


async def check_prefix(copy: Path, frames: list[Frame]) -> int:
    """A journal is refused, or it has a prefix of these frames; return how many."""
    found = await read_or_refuse(copy) or []
    assert found == frames[: len(found)]
    return len(found)


def end_of_commits(log: bytes) -> int:
    """Return where the last commit of a write-ahead log ends.

    Source: SQLite, "WAL-mode File Format": a header of 32 bytes, then frames of 24 bytes and a page. A frame belongs to
    this log if its salt is the header's; one that ends a commit has the size of the database in it.
    """
    page = int.from_bytes(log[8:12], "big")
    end, at = _WAL_HEADER, _WAL_HEADER
    while log[at + 8 : at + 16] == log[16:24] and at + _WAL_FRAME_HEADER + page <= len(log):
        at += _WAL_FRAME_HEADER + page
        if int.from_bytes(log[at - _WAL_FRAME_HEADER - page + 4 :][:4], "big"):
            end = at
    return end
