"""A real process that keeps the tables, killed while the daemon sells: its successors make what rebuilding makes."""

import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Final

import pytest
import trio

from adapters.store.reading import look, open_reading
from adapters.store.sqlite_reader import open_to_read
from ops.reading import rebuild
from tests.fakes.processes import Daemon, fill_shelves, running_daemon, wait_until, write_config
from tests.fakes.reading import dump

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


async def test_killed_at_random_it_goes_on_where_it_was(tmp_path: Path) -> None:
    write_config(tmp_path)
    rng = random.Random(os.environ.get("SEED", "1"))
    path, journal = tmp_path / "data" / "reading.sqlite3", tmp_path / "data" / "journal.sqlite3"
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
    with closing(open_reading(tmp_path / "anew.sqlite3")) as anew:
        source = open_to_read(journal, alone=False)
        mark = await rebuild(source, anew, lambda _what, _frames: None)
        await source.aclose()
    assert mark is not None
    async with running_reading(tmp_path, KILLS) as reading:
        await wait_until(lambda: look(path) == mark)
        reading.signal(signal.SIGTERM)
        assert await reading.wait_exit() == 0, reading.text()
    tables = dump(path)
    assert tables == dump(tmp_path / "anew.sqlite3")
    assert [row[3] for row in tables["holds"]] == ["released"] * (_HOLDS * KILLS)
