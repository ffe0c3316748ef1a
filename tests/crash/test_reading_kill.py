"""A real process that keeps the tables, killed while the daemon sells: its successors make what rebuilding makes."""

import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Final

import pytest
import trio

from adapters.store.sqlite_reader import open_to_read
from ops.reading import rebuild
from tests.fakes.processes import Daemon, fill_shelves, running_daemon, write_config
from tests.fakes.readingtables import FileTarget, dump, target_of

pytestmark = [pytest.mark.process, pytest.mark.slow]

KILLS: Final = max(2, int(os.environ.get("KILLS", "4")) // 4)
_HOLDS: Final = 300
"""Per life: each is granted and released, in frames of their own."""


@asynccontextmanager
async def running_reading(folder: Path, life: int) -> AsyncIterator[Daemon]:
    """Start `lastunit reading run`; wait until it follows; make sure that it is gone afterwards."""
    log_path = folder / f"reading-{life}.log"
    words = [sys.executable, "-m", "ops.cli.main", "-c", str(folder / "lastunit.toml"), "reading", "run"]
    with log_path.open("wb") as log:
        process = await trio.lowlevel.open_process(words, stdout=log, stderr=log, cwd=Path(__file__).parents[2])
    reading = Daemon(folder, process, log_path)
    try:
        await reading.wait_event("reading.following")
        yield reading
    finally:
        with trio.CancelScope(shield=True):
            if process.returncode is None:
                await reading.kill()


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_killed_at_random_it_goes_on_where_it_was(tmp_path: Path, kind: str) -> None:
    (tmp_path / "data").mkdir()
    target = target_of(kind, tmp_path / "data")
    write_config(tmp_path, store=target.toml())
    rng = random.Random(os.environ.get("SEED", "1"))
    async with running_daemon(tmp_path) as daemon:
        await fill_shelves(daemon, {"MUG": 1000})
        wire = await daemon.connect()
        for life in range(KILLS):
            async with running_reading(tmp_path, life) as reading:
                killed_at = rng.randrange(_HOLDS)
                for number in range(_HOLDS):
                    hold = f"h-{life}-{number}"
                    await wire.call("HOLD", hold, 900, "MUG", 1)
                    await wire.call("RELEASE", hold)
                    if number == killed_at:
                        await reading.kill()
        await wire.aclose()
        await daemon.stop()
    anew = FileTarget(tmp_path / "anew.sqlite3")
    async with aclosing(await anew.open()) as tables:
        source = open_to_read(tmp_path / "data" / "journal.sqlite3", alone=False)
        mark = await rebuild(source, tables, lambda _what, _frames: None)
        await source.aclose()
    assert mark is not None
    async with running_reading(tmp_path, KILLS) as reading:
        with trio.fail_after(60):
            while await target.look() != mark:  # noqa: ASYNC110 - another process's doing
                await trio.sleep(0.02)
        reading.signal(signal.SIGTERM)
        assert await reading.wait_exit() == 0, reading.text()
    found = dump(target)
    assert found == dump(anew)
    assert [row[3] for row in found["holds"]] == ["released"] * (_HOLDS * KILLS)
