"""What else may happen to a real daemon under load: a stop, a pause, a disk that is full or takes no more writes."""

import random
import resource
import signal
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tests.fakes.disks import fill_up, immutable, make_read_only, make_writable, small_disk
from tests.fakes.grounds import Ground, SqliteGround
from tests.fakes.processes import Daemon, fill_shelves, run_daemon, running_daemon
from tests.fakes.storm import ROUNDS, Storm, report_of

pytestmark = [pytest.mark.process, pytest.mark.slow]


async def test_a_stop_under_load_keeps_what_was_answered_and_ends_with_0(ground: Ground, rng: random.Random) -> None:
    async def stop(daemon: Daemon) -> None:
        started = trio.current_time()
        daemon.signal(signal.SIGTERM)
        assert await daemon.wait_exit() == 0
        assert trio.current_time() - started < 8
        assert daemon.events("daemon.stopping")[0]["reason"] == "SIGTERM"
        assert daemon.events("daemon.stopped")
        assert "Traceback" not in daemon.text()
        assert not daemon.socket_path.exists()

    await Storm(rng).outlive(ground, stop, report_of("SIGTERM", ground.name), ROUNDS)


async def test_a_pause_makes_clients_hang_up_and_loses_nothing(ground: Ground, rng: random.Random) -> None:
    """SIGSTOP, as of a suspended machine. What was on its way is decided after it, beside whoever asks again."""
    report, storm = report_of("SIGSTOP", ground.name), Storm(rng)

    async def pause(daemon: Daemon) -> None:
        daemon.signal(signal.SIGSTOP)
        await trio.sleep(rng.uniform(0.0, 0.2))
        storm.hang_up()
        await wait_all_tasks_blocked()  # they are gone before it wakes up
        if rng.random() < 0.3:
            await daemon.kill()
        else:
            daemon.signal(signal.SIGCONT)

    await storm.outlive(ground, pause, report, ROUNDS)
    assert report.total("unknown") > 0


# -- disks: the journal as a file


async def test_a_disk_that_fills_up_under_load_loses_nothing(tmp_path: Path, rng: random.Random) -> None:
    """Stalled until there is room; or killed while it was full, and a successor that starts with room."""
    ground, report = SqliteGround(tmp_path), report_of("a full disk", "sqlite")

    async def fill(daemon: Daemon) -> None:
        ballast = ground.journal.with_name("ballast")
        stalls = len(daemon.events("journal.stalled"))
        fill_up(ballast)
        await daemon.wait_event("journal.stalled", stalls + 1)
        if rng.random() < 0.5:
            await daemon.kill()
            ballast.unlink()
        else:
            ballast.unlink()
            await daemon.wait_event("journal.recovered", stalls + 1)

    with small_disk(tmp_path / "data", 24):
        await Storm(rng).outlive(ground, fill, report, ROUNDS)


async def test_a_file_that_takes_only_half_of_a_write_ends_the_daemon_and_loses_nothing(
    tmp_path: Path, rng: random.Random
) -> None:
    """An append whose outcome is unknown."""
    ground, report = SqliteGround(tmp_path), report_of("half a write", "sqlite")

    async def cut_short(daemon: Daemon) -> None:
        size = ground.journal.with_name("journal.sqlite3-wal").stat().st_size
        most = size + rng.randint(0, 40_000)
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
        assert await daemon.wait_exit() == 1
        assert "disk I/O error" in daemon.failure()

    await Storm(rng).outlive(ground, cut_short, report, ROUNDS)


async def test_a_file_that_takes_no_more_writes_ends_the_daemon_and_loses_nothing(
    tmp_path: Path, rng: random.Random
) -> None:
    ground, report = SqliteGround(tmp_path), report_of("a read-only file", "sqlite")

    async def turn_read_only(daemon: Daemon) -> None:
        with immutable(ground.journal.with_name("journal.sqlite3-wal")):
            assert await daemon.wait_exit() == 1
        assert "disk I/O error" in daemon.failure()

    await Storm(rng).outlive(ground, turn_read_only, report, ROUNDS)


async def test_a_disk_that_is_read_only_at_the_start_is_named_and_left_alone(tmp_path: Path) -> None:
    ground = SqliteGround(tmp_path)
    ground.configure()
    with small_disk(tmp_path / "data", 24):
        async with running_daemon(tmp_path) as daemon:
            await fill_shelves(daemon, {"A-1": 5})
            await daemon.kill()
        make_read_only(tmp_path / "data")
        code, daemon = await run_daemon(tmp_path)
        assert (code, daemon.failure()) == (1, f"{ground.journal}.lock: Read-only file system")
        make_writable(tmp_path / "data")
        async with running_daemon(tmp_path) as daemon:
            assert await daemon.figures("A-1") == (5, 0, 0)
            await daemon.stop()
