"""A disk that is full, a database that is locked: STALLED, then on or out, and nothing answered is lost."""

import resource
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from tests.fakes.disks import fill_up, small_disk
from tests.fakes.processes import Daemon, fill_shelves, running_daemon, write_config
from tests.fakes.wire import Wire

pytestmark = [pytest.mark.process, pytest.mark.slow]

UNITS = 1_000_000


class Holder:
    """Holds one unit after another for as long as it is answered."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.granted: list[str] = []
        self.refusal = ""
        """The first refusal, or "closed"."""

    async def run(self) -> None:
        while not self.refusal:
            hold = f"h{len(self.granted)}"
            try:
                answer = await self.wire.call("HOLD", hold, "NEVER", "A-1", "1")
            except (trio.EndOfChannel, trio.BrokenResourceError):
                self.refusal = "closed"
            else:
                if isinstance(answer, dict):
                    self.granted.append(hold)
                else:
                    self.refusal = str(answer)

    async def check_all_there(self, daemon: Daemon) -> None:
        """Every hold that was granted is there; one more may be, of which nobody heard."""
        wire = await daemon.connect()
        found = await wire.pipeline([("LOOKUP", hold) for hold in self.granted])
        assert [hold["state"] for hold in found] == ["held"] * len(self.granted)
        await wire.aclose()
        on_hand, _, reserved = await daemon.figures("A-1")
        assert on_hand == UNITS
        assert reserved - len(self.granted) in {0, 1}


@pytest.fixture
def small_data(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte as the data folder."""
    with small_disk(tmp_path / "data", 1):
        yield tmp_path / "data"


@asynccontextmanager
async def holding(folder: Path) -> AsyncIterator[tuple[Daemon, Holder, Wire]]:
    """Start a daemon, a holder that has got its first answers, and a bystander."""
    async with running_daemon(folder) as daemon, trio.open_nursery() as nursery:
        await fill_shelves(daemon, {"A-1": UNITS})
        holder, bystander = Holder(await daemon.connect()), await daemon.connect()
        nursery.start_soon(holder.run)
        while len(holder.granted) < 20:  # noqa: ASYNC110  # a goal, not a moment
            await trio.sleep(0.001)
        yield daemon, holder, bystander
        nursery.cancel_scope.cancel()
        await holder.wire.aclose()
        await bystander.aclose()


async def check_stalled(bystander: Wire, reason: str) -> None:
    """What would change something is refused by name; what only looks is answered or waits."""
    refused = await bystander.error("ADJUST", "k", "A-1", "berlin", "1", "found")
    assert refused.startswith("STALLED the journal cannot be written: ")
    assert reason in refused
    health = await bystander.map("HEALTH")
    assert not health["ready"]
    assert reason in health["journal"]


async def test_a_full_disk_stalls_the_journal_until_there_is_room_again(tmp_path: Path, small_data: Path) -> None:
    write_config(tmp_path)
    async with holding(tmp_path) as (daemon, holder, bystander):
        ballast = small_data / "ballast"
        fill_up(ballast)
        await daemon.wait_event("journal.stalled")
        await check_stalled(bystander, "disk is full")
        assert not holder.refusal  # its last one waits
        ballast.unlink()
        await daemon.wait_event("journal.recovered")
        adjusted = await bystander.map("ADJUST", "k", "A-1", "berlin", "1", "found")
        assert adjusted["on_hand"] == UNITS + 1
        await bystander.map("ADJUST", "l", "A-1", "berlin", "-1", "lost")
        await daemon.stop()
        await holder.run()
    async with running_daemon(tmp_path) as daemon:
        await holder.check_all_there(daemon)
        await daemon.stop()


async def test_a_disk_that_stays_full_ends_the_daemon_with_the_reason(tmp_path: Path, small_data: Path) -> None:
    write_config(tmp_path, store="stall_seconds_max = 0.5")
    async with holding(tmp_path) as (daemon, holder, _):
        ballast = small_data / "ballast"
        fill_up(ballast)
        assert await daemon.wait_exit() == 1
        assert daemon.failure() == f"{small_data / 'journal.sqlite3'}: database or disk is full; gave up after 0.5 s"
        await holder.run()
        assert holder.refusal.startswith(("closed", "STALLED "))
        ballast.unlink()
    async with running_daemon(tmp_path) as daemon:
        await holder.check_all_there(daemon)
        await daemon.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="limits of another process are set with prlimit")
async def test_a_write_that_fails_halfway_ends_the_daemon_and_its_successor_knows(tmp_path: Path) -> None:
    """An append whose outcome is unknown: what SQLite says of a file that may not grow is no clear refusal."""
    write_config(tmp_path)
    async with holding(tmp_path) as (daemon, holder, _):
        size = (tmp_path / "data" / "journal.sqlite3-wal").stat().st_size
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (size + 10_000, resource.RLIM_INFINITY))
        assert await daemon.wait_exit() == 1
        assert "disk I/O error" in daemon.failure()
        await holder.run()
        assert holder.refusal == "closed"
    async with running_daemon(tmp_path) as daemon:
        await holder.check_all_there(daemon)
        await daemon.stop()


async def test_a_database_locked_by_another_program_stalls_the_journal_until_it_lets_go(tmp_path: Path) -> None:
    """The loop goes on meanwhile: who only asks how it is does not wait for the lock."""
    write_config(tmp_path)
    async with holding(tmp_path) as (daemon, holder, bystander):
        other = sqlite3.connect(tmp_path / "data" / "journal.sqlite3", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        await daemon.wait_event("journal.stalled")
        await check_stalled(bystander, "database is locked")
        with trio.fail_after(1):
            for _ in range(3):
                assert await bystander.call("PING") == "PONG"
        other.execute("ROLLBACK")
        other.close()
        await daemon.wait_event("journal.recovered")
        daemon.signal(signal.SIGTERM)
        assert await daemon.wait_exit() == 0
        await holder.run()
    async with running_daemon(tmp_path) as daemon:
        await holder.check_all_there(daemon)
        await daemon.stop()
