"""Putting frames away, killed at random while a daemon sells, and the daemon killed too: no frame is ever nowhere."""

import itertools
import os
import random
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import pytest
import trio

from adapters.store.postgres import PostgresStore
from adapters.store.postgres import open_store as open_postgres
from adapters.store.sqlite import SqliteStore
from adapters.store.sqlite import open_store as open_sqlite
from engine.actors.journal import encode_events
from engine.ports import Frame
from ops.bench.past import tell_year
from tests.fakes.postgres import DAEMON, migrated_database, shared_server
from tests.fakes.processes import fill_shelves, running_daemon, wait_until, write_config
from tests.fakes.wire import Wire

pytestmark = [pytest.mark.process, pytest.mark.slow]

LIVES: Final = max(1, int(os.environ.get("KILLS", "4")) // 4)
_KILLS: Final = 2
"""Runs that are killed in each life of the daemon."""
_OLD: Final = 3000
"""Frames of long ago."""


def tell_old_frames() -> list[Frame]:
    events = tell_year(5 * _OLD, 40)
    frames: list[Frame] = []
    while told := list(itertools.islice(events, 5)):
        frames.append(Frame(position=len(frames) + 1, written_at=told[-1].at, payload=encode_events(told)))
    return frames


class Store:
    """One store, and what is done to it by processes of their own."""

    def __init__(self, folder: Path, opened: Callable[[], Awaitable[SqliteStore | PostgresStore]]) -> None:
        self.folder = folder
        self.archive = folder / "data" / "archive"
        self.opened = opened

    async def fill(self, frames: Sequence[Frame]) -> None:
        store = await self.opened()
        await store.claim("the year before")
        await store.load(frames)
        await store.aclose()

    async def read(self, limit: int) -> tuple[Frame, ...]:
        store = await self.opened()
        try:
            return await store.read(0, limit)
        finally:
            await store.aclose()

    async def run(self, *words: str) -> None:
        """Run `lastunit store ...` to its end."""
        done = await trio.run_process(self._words(*words), capture_stdout=True, capture_stderr=True, check=False)
        assert done.returncode == 0, done.stderr.decode()

    async def run_and_kill(self, delay_seconds: float, *words: str) -> None:
        """Start it, wait until it has begun to write a segment, or is done with that, and kill it a little later."""
        before = self._files()
        process = await trio.lowlevel.open_process(self._words(*words), stderr=subprocess.PIPE)
        await wait_until(lambda: self._files() != before or process.poll() is not None)
        await trio.sleep(delay_seconds)
        process.kill()
        await process.wait()

    def _words(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "ops.cli.main", "-c", str(self.folder / "lastunit.toml"), "store", *words]

    def _files(self) -> set[str]:
        return {each.name for each in self.archive.iterdir()} if self.archive.exists() else set()


@pytest.fixture(params=["sqlite", "postgres"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    (tmp_path / "data").mkdir()
    archive = tmp_path / "data" / "archive"
    here = '[[locations]]\nid = "here"\n'
    if request.param == "sqlite":
        write_config(tmp_path, accounts=here)
        return Store(tmp_path, partial(open_sqlite, tmp_path / "data" / "journal.sqlite3", archive=archive))
    database = await migrated_database(shared_server(), [DAEMON])
    write_config(tmp_path, accounts=here, store=database.toml())
    return Store(tmp_path, partial(open_postgres, database.terms(lease_seconds=0), archive=archive))


async def hold_on(wire: Wire, granted: list[str], numbers: Iterator[int]) -> None:
    """Hold one unit after another until the daemon is gone."""
    try:
        while True:
            hold = f"h-{next(numbers)}"
            if isinstance(await wire.call("HOLD", hold, "NEVER", "MUG", 1), dict):
                granted.append(hold)
    except (trio.EndOfChannel, trio.BrokenResourceError):
        pass


async def test_killed_at_random_no_frame_is_nowhere_and_no_answer_is_lost(store: Store) -> None:
    rng = random.Random(os.environ.get("SEED", "1"))
    frames = tell_old_frames()
    await store.fill(frames)
    await store.run("snapshot")
    granted: list[str] = []
    numbers, steps = itertools.count(), itertools.count(200, 200)
    async with running_daemon(store.folder) as daemon:
        await fill_shelves(daemon, {"MUG": 10**6})
        await daemon.stop()
    for _ in range(LIVES):
        async with running_daemon(store.folder) as daemon, trio.open_nursery() as nursery:
            nursery.start_soon(hold_on, await daemon.connect(), granted, numbers)
            for _ in range(_KILLS):
                await store.run_and_kill(rng.uniform(0, 0.05), "archive", "--through", str(next(steps)))
            await daemon.kill()
        assert await store.read(_OLD) == tuple(frames)
    await store.run("archive")
    async with running_daemon(store.folder) as daemon:
        wire = await daemon.connect()
        found = await wire.pipeline([("LOOKUP", hold) for hold in granted])
        assert [hold["state"] for hold in found] == ["held"] * len(granted)
        await store.run("check")
        assert (await wire.map("SCAN", "DEEP"))["found"] == 0
        await wire.aclose()
    assert granted
    assert await store.read(_OLD) == tuple(frames)
    files = sorted(store.archive.glob("journal-*.gz"))
    assert files
    assert not list(store.archive.glob("*.part"))
