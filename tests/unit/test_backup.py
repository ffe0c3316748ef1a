"""A backup of a journal in use holds what was durable when it began, and comes back as the same journal."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.store.sqlite import SqliteStore, open_store
from config.schema import Settings
from config.schema import Store as StoreSettings
from engine.domain.errors import JournalUnavailable, StoreCorrupt, StoreInUse
from engine.ports import Frame
from ops import storetool
from ops.backup import back_up, restore, verify
from ops.storetool import StoreRefused
from tests.fakes.clocks import START
from tests.fakes.running import settings_for


def frames(first: int, last: int) -> list[Frame]:
    return [
        Frame(position=n, written_at=START + timedelta(seconds=n), payload=f"payload {n}".encode())
        for n in range(first, last + 1)
    ]


def settings(folder: Path) -> Settings:
    return settings_for(None, store=StoreSettings(path=folder / "journal.sqlite3"))


async def owned(folder: Path, written: Sequence[Frame]) -> SqliteStore:
    store = await open_store(folder / "journal.sqlite3")
    await store.claim("the daemon")
    if written:
        await store.load(written)
    return store


def silent(_what: str, _frames: int) -> None:
    """Show no progress."""


async def test_a_journal_in_use_is_backed_up_and_restored_as_it_was(tmp_path: Path) -> None:
    daemon = await owned(tmp_path, frames(1, 500))
    heard: list[str] = []
    done = await back_up(
        settings(tmp_path), tmp_path / "backup.gz", lambda what, count: heard.append(f"{what} {count}")
    )
    await daemon.append(frames(501, 501)[0])
    await daemon.aclose()
    assert (done.frames, heard[-1]) == (500, "checked 500")
    assert await verify(tmp_path / "backup.gz", silent) == done

    new = tmp_path / "new"
    new.mkdir()
    back = await restore(settings(new), tmp_path / "backup.gz", owner="restore", resume=False, progress=silent)
    assert (back.frames, back.sha256) == (500, done.sha256)
    assert (await storetool.check(settings(new), silent)).sha256 == done.sha256
    heir = await owned(new, frames(501, 502))
    assert await heir.read(498, 9) == tuple(frames(499, 502))
    await heir.aclose()


async def test_what_is_written_meanwhile_is_left_to_the_next_backup(tmp_path: Path) -> None:
    daemon = await owned(tmp_path, frames(1, 300))
    later = iter(frames(301, 400))

    def go_on(_what: str, _frames: int) -> None:
        daemon._append(next(later))  # what the daemon's own process would do between two reads of ours

    done = await back_up(settings(tmp_path), tmp_path / "b", go_on)
    await daemon.aclose()
    assert done.frames == 300


async def test_an_empty_journal_has_a_backup_too(tmp_path: Path) -> None:
    await (await owned(tmp_path, [])).aclose()
    assert (await back_up(settings(tmp_path), tmp_path / "b", silent)).frames == 0
    (tmp_path / "new").mkdir()
    back = await restore(settings(tmp_path / "new"), tmp_path / "b", owner="x", resume=False, progress=silent)
    assert back.frames == 0


async def test_a_store_that_is_not_empty_or_in_use_is_left_alone(tmp_path: Path) -> None:
    daemon = await owned(tmp_path, frames(1, 3))
    await back_up(settings(tmp_path), tmp_path / "b", silent)
    with pytest.raises(StoreInUse):
        await restore(settings(tmp_path), tmp_path / "b", owner="x", resume=False, progress=silent)
    await daemon.aclose()
    with pytest.raises(StoreRefused, match="is not empty"):
        await restore(settings(tmp_path), tmp_path / "b", owner="x", resume=False, progress=silent)
    with pytest.raises(JournalUnavailable, match="is there already"):
        await back_up(settings(tmp_path), tmp_path / "b", silent)


async def test_a_damaged_backup_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    await (await owned(tmp_path, frames(1, 50))).aclose()
    path = tmp_path / "b"
    await back_up(settings(tmp_path), path, silent)
    path.write_bytes(path.read_bytes()[:-20])
    new = tmp_path / "new"
    new.mkdir()
    with pytest.raises(StoreCorrupt, match="cut short"):
        await restore(settings(new), path, owner="x", resume=False, progress=silent)
    assert list(new.iterdir()) == []
