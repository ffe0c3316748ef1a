"""The journal at a server: one that is killed and started again, and an owner that wakes up beside its successor."""

import json
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tests.fakes.grounds import PostgresGround
from tests.fakes.postgres import PostgresServer, make_server, migrated_database
from tests.fakes.processes import Daemon, running_daemon
from tests.fakes.storm import ROUNDS, Storm, report_of

pytestmark = [pytest.mark.process, pytest.mark.slow]

_DECIDED_SECONDS_MAX: Final = 30.0
_FENCED: Final = 4
_LEASE_SECONDS: Final = 1.0


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A server to be killed."""
    server = make_server()
    server.start()
    yield server
    server.stop()


async def test_a_server_that_is_killed_and_comes_back_has_all_that_was_answered(
    tmp_path: Path, rng: random.Random, server: PostgresServer
) -> None:
    """The daemon goes on, or ends in order where it cannot know whether its last frame is there."""
    ground, report = PostgresGround(tmp_path, await migrated_database(server)), report_of("killed server", "postgresql")
    ends = 0

    async def kill_server(daemon: Daemon) -> None:
        nonlocal ends
        server.kill()
        await trio.sleep(rng.uniform(0.0, 0.2))
        server.start()
        await _wait_decided(daemon)
        if daemon.process.returncode is not None:
            ends += 1
            assert daemon.process.returncode == 1
            assert "frame" in daemon.failure()

    await Storm(rng).outlive(ground, kill_server, report, ROUNDS)
    assert ends <= ROUNDS


async def _wait_decided(daemon: Daemon) -> None:
    """Wait until the daemon has ended, or writes again."""
    with trio.fail_after(_DECIDED_SECONDS_MAX):
        while daemon.process.returncode is None and not await _writes(daemon):  # noqa: ASYNC110  # another process's doing
            await trio.sleep(0.02)


async def _writes(daemon: Daemon) -> bool:
    """Whether it is there and journals something that moves no stock."""
    try:
        wire = await daemon.connect()
        described = await wire.call("ITEM", "SET", "KIT", json.dumps({"name": f"kit {trio.current_time()}"}))
        await wire.aclose()
    except (OSError, trio.EndOfChannel, trio.BrokenResourceError):
        return False
    return isinstance(described, dict)


async def test_an_owner_that_was_paused_writes_nothing_beside_its_successor(
    tmp_path: Path, rng: random.Random, server: PostgresServer
) -> None:
    """Lesson H4. A standby takes over when the lease is out; the owner wakes up, is refused, and ends."""
    database = await migrated_database(server)
    ground = PostgresGround(tmp_path, database, lease_seconds=_LEASE_SECONDS)
    (tmp_path / "standby").mkdir()
    PostgresGround(tmp_path / "standby", database, lease_seconds=_LEASE_SECONDS).configure()
    ground.configure()
    storm, report = Storm(rng), report_of("paused owner", "postgresql")
    async with running_daemon(tmp_path) as owner:
        await storm.open(owner)
        async with running_daemon(tmp_path / "standby", "--standby", ready_event="standby.following") as standby:

            async def pause(owner: Daemon) -> None:
                owner.signal(signal.SIGSTOP)
                paused = trio.current_time()
                storm.hang_up()
                await wait_all_tasks_blocked()
                await standby.wait_ready()
                report.recoveries_seconds.append(trio.current_time() - paused)

            await storm.rage(owner, 400, pause)
            owner.signal(signal.SIGCONT)
            report.add(await storm.audit(standby, deep=True))
            assert not await _writes(owner)
            assert await owner.wait_exit() == _FENCED
            assert "Traceback" not in owner.text()
            await storm.audit(standby, deep=True)
            await standby.stop()
