"""Signals, with real processes: stop at once, tell what is going on, sleep and wake. Under load: `test_storms.py`."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from tests.fakes.processes import Daemon, fill_shelves, running_daemon, start_daemon, write_config

pytestmark = [pytest.mark.process, pytest.mark.slow]


@pytest.fixture(autouse=True)
def _hangups_are_heard() -> Iterator[None]:
    """A suite that runs under `nohup` would hand on to its daemons that they are ignored."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP], ids=lambda number: number.name)
async def test_a_terminal_stops_it_in_order_too(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C, and a terminal that goes away."""
    write_config(tmp_path)
    async with running_daemon(tmp_path) as daemon:
        daemon.signal(number)
        assert await daemon.wait_exit() == 0
        assert daemon.events("daemon.stopping")[0]["reason"] == number.name
        assert daemon.events("daemon.stopped")


async def test_the_second_sigterm_means_now(tmp_path: Path) -> None:
    """A client that does not read its replies holds the first one up."""
    write_config(tmp_path)
    async with running_daemon(tmp_path) as daemon:
        deaf = await daemon.connect()
        with trio.move_on_after(0.5):
            while True:
                await deaf.send_raw(b"*2\r\n$7\r\nCOMMAND\r\n$4\r\nDOCS\r\n" * 100)
        daemon.signal(signal.SIGTERM)
        await daemon.wait_event("daemon.stopping")
        daemon.signal(signal.SIGTERM)
        with trio.fail_after(2):
            assert await daemon.process.wait() == 1
        assert daemon.events("daemon.killed")[0]["signal"] == "SIGTERM"
        await deaf.aclose()


async def test_a_terminal_that_goes_away_leaves_a_daemon_under_nohup_alone(tmp_path: Path) -> None:
    write_config(tmp_path)
    daemon = await start_daemon(tmp_path, runner=["nohup"])
    try:
        await daemon.wait_ready()
        daemon.signal(signal.SIGHUP)
        daemon.signal(signal.SIGUSR1)
        await daemon.wait_event("journal.dumped")
        assert not daemon.events("daemon.stopping")
        await daemon.stop()
    finally:
        await _end(daemon)


async def test_sigusr1_tells_what_every_actor_is_doing(tmp_path: Path) -> None:
    write_config(tmp_path, node="shards = 3")
    async with running_daemon(tmp_path) as daemon:
        await fill_shelves(daemon, {"A-1": 5})
        for count in (1, 2):
            daemon.signal(signal.SIGUSR1)
            await daemon.wait_event("journal.dumped", count)
        dumped = {line["mailbox"] for line in daemon.events("mailbox.dumped")}
        assert dumped == {"shard-0", "shard-1", "shard-2", "order-desk"}
        assert daemon.events("journal.dumped")[-1]["journal_position"] == 1
        assert await daemon.figures("A-1") == (5, 0, 0)
        await daemon.stop()


async def test_a_daemon_that_was_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    """SIGSTOP, as of a suspended machine: the time it slept counts for holds."""
    write_config(tmp_path)
    async with running_daemon(tmp_path) as daemon:
        await fill_shelves(daemon, {"A-1": 5})
        wire = await daemon.connect()
        await wire.map("HOLD", "short", "1", "A-1", "2")
        daemon.signal(signal.SIGSTOP)
        await wire.send("HOLD", "meanwhile", "60", "A-1", "4")
        await trio.sleep(1.1)  # no way to set another process's clock: its hold runs out while it sleeps
        daemon.signal(signal.SIGCONT)
        assert (await wire.read())["hold"] == "meanwhile"
        assert (await wire.map("LOOKUP", "short"))["state"] == "expired"
        await wire.aclose()
        await daemon.stop()


async def _end(daemon: Daemon) -> None:
    with trio.CancelScope(shield=True):
        if daemon.process.returncode is None:
            await daemon.kill()
