"""Snapshots of a real daemon's journal: their process is killed, the daemon, too; their bytes are harmed.

Whatever is left of them, the next daemon knows all that was answered, and knows it as the whole journal gives it.
"""

import json
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
import trio

from config.loader import STORE_SECRETS, load_settings
from ops.bystander import build_bystander
from ops.clock import SteadyClock
from ops.recovery import catch_up
from ops.snapshots.taking import open_snapshots, restore_newest
from ops.state import digests
from ops.storetool import open_journal
from tests.fakes.grounds import Ground, SqliteGround
from tests.fakes.processes import Daemon, fill_shelves, running_daemon
from tests.fakes.storm import KILLS, Storm, report_of

pytestmark = [pytest.mark.process, pytest.mark.slow]

LIVES: Final = max(2, KILLS // 5)
_WORK_SECONDS_MAX: Final = 2.0
"""About what such a process takes here: it is killed while it starts, reads, writes, or not at all."""
NO_LAST_WORD: Final = "[snapshots]\nstop_seconds_max = 0"


def command(folder: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "ops.cli.main", "-c", str(folder / "lastunit.toml"), "store", *words]


async def run(folder: Path, *words: str) -> Any:
    """Run `lastunit store ...` to its end; return its JSON."""
    done = await trio.run_process(command(folder, *words, "--json"), capture_stdout=True)
    return json.loads(done.stdout)


@asynccontextmanager
async def making(folder: Path) -> AsyncIterator[trio.Process]:
    """Start making a snapshot; make sure that it has ended afterwards."""
    with (folder / "snapshot.log").open("ab") as log:
        process = await trio.lowlevel.open_process(command(folder, "snapshot"), stdout=log, stderr=log)
    try:
        yield process
    finally:
        with trio.CancelScope(shield=True):
            await process.wait()


async def check_the_same(folder: Path) -> None:
    """From a snapshot and from the first frame: both know the same."""
    settings = load_settings(folder / "lastunit.toml", secrets=STORE_SECRETS)
    make_node = partial(build_bystander, settings, SteadyClock())
    source, snapshots = await open_journal(settings), open_snapshots(settings)
    node, whole = await restore_newest(make_node, source, snapshots), make_node()
    assert node.journal.position > 0
    await catch_up(node, source)
    await catch_up(whole, source)
    (last,) = await source.read(whole.journal.position - 1, 1)
    assert digests(node, last.written_at) == digests(whole, last.written_at)
    await snapshots.aclose()
    await source.aclose()


async def test_killed_at_random_with_its_daemon_it_leaves_nothing_by_half(ground: Ground, rng: random.Random) -> None:
    ground.configure(accounts=NO_LAST_WORD)
    starts: list[int] = []

    async def kill_both(daemon: Daemon) -> None:
        starts.extend(line["position"] for line in daemon.events("snapshot.restored"))
        async with making(ground.folder) as process:
            with trio.move_on_after(rng.uniform(0.2, _WORK_SECONDS_MAX)):
                await process.wait()
            if rng.random() < 0.5:
                await daemon.kill()
                await trio.sleep(rng.uniform(0, 0.2))
            process.kill()
        if daemon.process.returncode is None:
            await daemon.kill()

    await Storm(rng).outlive(ground, kill_both, report_of("a snapshot's process", ground.name), LIVES)
    made = await run(ground.folder, "snapshot")
    assert made["differing"] == []
    await check_the_same(ground.folder)
    kept = (await run(ground.folder, "info"))["snapshots"]
    assert [each["problem"] for each in kept] == [""] * len(kept)
    assert starts == sorted(starts)
    assert (ground.folder / "snapshot.log").read_text().count("Traceback") == 0


async def test_what_a_daemon_says_at_its_end_is_what_the_journal_gives(ground: Ground, rng: random.Random) -> None:
    """A stop under load: its successor starts from its last word, and the next snapshot proves that it was true."""
    ground.configure(accounts="[snapshots]\nstop_seconds_max = 60")

    async def stop(daemon: Daemon) -> None:
        daemon.signal(signal.SIGTERM)
        assert await daemon.wait_exit() == 0
        (left,) = daemon.events("snapshot.left")
        (stopped,) = daemon.events("daemon.stopped")
        assert left["position"] == stopped["position"]

    await Storm(rng).outlive(ground, stop, report_of("last words", ground.name), max(1, KILLS // 50))
    async with running_daemon(ground.folder, "--no-gateway") as daemon:
        (restored,) = daemon.events("snapshot.restored")
        assert restored["origin"] == "live"
        (replayed,) = daemon.events("journal.replayed")
        assert (replayed["after"], replayed["events"]) == (restored["position"], 0)
        assert (await run(ground.folder, "snapshot"))["differing"] == []
        await daemon.kill()
    await check_the_same(ground.folder)


async def test_a_daemon_has_one_made_and_its_successor_begins_there(tmp_path: Path) -> None:
    ground = SqliteGround(tmp_path)
    ground.configure(accounts="[snapshots]\nevents = 20\nshare_max = 1.0")
    async with running_daemon(tmp_path) as daemon:
        await fill_shelves(daemon, {f"S-{number}": 1 for number in range(30)})
        (made,) = await daemon.wait_event("snapshot.made")
        assert made["process"] == "snapshot"
        with trio.fail_after(30):
            while await read_metric(daemon, "lastunit_snapshot_position") != made["position"]:  # noqa: ASYNC110
                await trio.sleep(0.05)  # until the daemon has seen that the process ended
        assert await read_metric(daemon, "lastunit_snapshot_failures") == 0
        await daemon.kill()
    async with running_daemon(tmp_path) as daemon:
        assert daemon.events("snapshot.restored")[0]["position"] == made["position"]
        assert await daemon.figures("S-7") == (1, 0, 0)
        await daemon.stop()


async def read_metric(daemon: Daemon, name: str) -> float:
    wire = await daemon.connect()
    text = str(await wire.call("METRICS"))
    await wire.aclose()
    (value,) = [line.split()[1] for line in text.splitlines() if line.startswith(f"{name} ")]
    return float(value)


async def sell(daemon: Daemon, run_of: str, holds: int) -> None:
    wire = await daemon.connect()
    for number in range(holds):
        await wire.map("HOLD", f"{run_of}-{number}", "900", "MUG", "1")
    await wire.aclose()


async def make_two(folder: Path) -> list[Path]:
    """Sell, make a snapshot, sell on, make another, sell on, and die; return them, the older first."""
    SqliteGround(folder).configure(accounts=NO_LAST_WORD)
    async with running_daemon(folder) as daemon:
        await fill_shelves(daemon, {"MUG": 100})
        for run_of in ("a", "b"):
            await sell(daemon, run_of, 5)
            await run(folder, "snapshot")
        await sell(daemon, "c", 5)
        await daemon.kill()
    return sorted((folder / "data" / "snapshots").glob("*.snapshot"))


async def test_a_harmed_one_is_named_and_the_one_before_is_used(tmp_path: Path, rng: random.Random) -> None:
    older, newer = await make_two(tmp_path)
    whole = newer.read_bytes()
    flipped = bytearray(whole)
    flipped[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
    for harmed in (bytes(flipped), whole[: rng.randrange(len(whole))]):
        newer.write_bytes(harmed)
        async with running_daemon(tmp_path) as daemon:
            (damaged,) = daemon.events("snapshot.damaged")
            assert damaged["snapshot"] == newer.stem
            assert daemon.events("snapshot.restored")[0]["snapshot"] == older.stem
            assert await daemon.figures("MUG") == (100, 0, 15)
            await daemon.kill()
    older.write_bytes(b"")
    async with running_daemon(tmp_path) as daemon:
        assert len(daemon.events("snapshot.damaged")) == 2
        assert daemon.events("journal.replayed")[0]["after"] == 0
        assert await daemon.figures("MUG") == (100, 0, 15)
        await daemon.stop()


async def test_a_journal_brought_back_does_not_meet_the_snapshots_of_another_future(tmp_path: Path) -> None:
    """A backup, more sales, a snapshot of those; then the backup is all there is, and other sales."""
    SqliteGround(tmp_path).configure(accounts=NO_LAST_WORD)
    backup, data = tmp_path / "backup.gz", tmp_path / "data"
    async with running_daemon(tmp_path) as daemon:
        await fill_shelves(daemon, {"MUG": 100})
        await sell(daemon, "a", 5)
        await run(tmp_path, "backup", str(backup))
        await sell(daemon, "b", 7)
        made = await run(tmp_path, "snapshot")
        await daemon.kill()
    for path in data.glob("journal.sqlite3*"):
        path.unlink()
    await run(tmp_path, "restore", str(backup))
    async with running_daemon(tmp_path) as daemon:
        (refused,) = daemon.events("snapshot.refused")
        assert refused["reason"] == f"it is of frame {made['position']}, and the journal has fewer"
        assert await daemon.figures("MUG") == (100, 0, 5)
        await sell(daemon, "c", 20)
        await daemon.kill()
    async with running_daemon(tmp_path) as daemon:
        (refused,) = daemon.events("snapshot.refused")
        assert "is not the one that it was made of" in refused["reason"]
        assert await daemon.figures("MUG") == (100, 0, 25)
        assert (await run(tmp_path, "snapshot"))["made"]
        await daemon.kill()
    await check_the_same(tmp_path)


async def test_two_at_once_do_not_get_into_each_others_way(tmp_path: Path) -> None:
    SqliteGround(tmp_path).configure(accounts=NO_LAST_WORD)
    async with running_daemon(tmp_path) as daemon:
        await fill_shelves(daemon, {"MUG": 100})
        async with making(tmp_path) as one, making(tmp_path) as another:
            codes = {await one.wait(), await another.wait()}
        assert codes <= {0, 1}
        assert 0 in codes
        (kept,) = (await run(tmp_path, "info"))["snapshots"]
        assert not kept["problem"]
        await daemon.stop()
    await check_the_same(tmp_path)


async def test_a_folder_that_cannot_be_written_costs_nothing_but_time(tmp_path: Path) -> None:
    """Neither the daemon nor its end waits for snapshots."""
    SqliteGround(tmp_path).configure()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "snapshots").touch()
    async with running_daemon(tmp_path) as daemon:
        await fill_shelves(daemon, {"MUG": 100})
        await daemon.stop()
        (left_out,) = daemon.events("snapshot.left_out")
        assert "snapshots" in left_out["reason"]
    async with running_daemon(tmp_path) as daemon:
        assert await daemon.figures("MUG") == (100, 0, 0)
        await daemon.stop()
