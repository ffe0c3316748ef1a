"""Two daemons, one PostgreSQL store: one at a time, and the other one takes over."""

import itertools
import platform
import signal
import socket as sockets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import httpx
import pytest
import trio

from tests.fakes.postgres import Database, migrated_database, shared_server
from tests.fakes.processes import (
    Daemon,
    fill_shelves,
    run_daemon,
    running_daemon,
    start_daemon,
    wait_until,
    write_config,
)

pytestmark = [pytest.mark.process, pytest.mark.slow]

TAKEOVER_SECONDS_MAX: Final = 10.0


@pytest.fixture
async def database() -> Database:
    return await migrated_database(shared_server())


@pytest.fixture
def folders(tmp_path: Path, database: Database) -> tuple[Path, Path]:
    """Two machines, as far as a store can tell."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_config(tmp_path / name, node=f'name = "{name}"', store=database.toml())
    return tmp_path / "one", tmp_path / "two"


@asynccontextmanager
async def standby(folder: Path) -> AsyncIterator[Daemon]:
    daemon = await start_daemon(folder, "--standby")
    try:
        await daemon.wait_event("standby.following")
        yield daemon
    finally:
        with trio.CancelScope(shield=True):
            if daemon.process.returncode is None:
                await daemon.kill()


async def sell_until_it_dies(daemon: Daemon) -> list[str]:
    """Hold one unit after the other; return those that were answered."""
    answered: list[str] = []
    wire = await daemon.connect()
    try:
        for number in itertools.count():
            await wire.map("HOLD", f"basket-{number}", "600", "A-1", "1")
            answered.append(f"basket-{number}")
    except (trio.EndOfChannel, trio.BrokenResourceError):
        await wire.aclose()
    return answered


async def held(daemon: Daemon, holds: list[str]) -> list[str]:
    wire = await daemon.connect()
    found = [hold for hold in holds if (await wire.map("LOOKUP", hold))["state"] == "held"]
    await wire.aclose()
    return found


def free_address() -> str:
    with sockets.create_server(("127.0.0.1", 0)) as free:
        return f"127.0.0.1:{free.getsockname()[1]}"


def is_ready(address: str) -> bool:
    try:
        return httpx.get(f"http://{address}/readyz").status_code == 200
    except httpx.HTTPError:
        return False


async def test_a_standby_takes_over_from_an_owner_that_is_killed_under_load(
    folders: tuple[Path, Path], database: Database
) -> None:
    """Socket and gateway follow, and every answer that was given is there."""
    address = free_address()
    write_config(folders[1], node='name = "two"', store=database.toml(), listen=address)
    async with running_daemon(folders[0]) as owner, standby(folders[1]) as follower:
        await fill_shelves(owner, {"A-1": 100_000})
        async with trio.open_nursery() as nursery:
            answered: list[str] = []

            async def sell() -> None:
                answered.extend(await sell_until_it_dies(owner))

            nursery.start_soon(sell)
            await trio.sleep(0.5)  # a while of selling
            started = trio.current_time()
            await owner.kill()
        await follower.wait_ready()
        await wait_until(lambda: is_ready(address))
        assert trio.current_time() - started < TAKEOVER_SECONDS_MAX
        assert len(answered) > 10
        assert await held(follower, answered) == answered
        (taken,) = follower.events("standby.took_over")
        assert taken["epoch"] == 2
        assert taken["last"].startswith("one on ")
        await follower.stop()


async def test_an_owner_that_was_paused_and_given_up_ends_when_it_wakes(folders: tuple[Path, Path]) -> None:
    """What it would have written is not there, and its exit code tells the supervisor to leave it."""
    async with running_daemon(folders[0]) as owner, standby(folders[1]) as follower:
        await fill_shelves(owner, {"A-1": 5})
        wire = await owner.connect()
        owner.signal(signal.SIGSTOP)
        await wire.send("HOLD", "of-the-paused", "600", "A-1", "5")
        await follower.wait_ready()
        owner.signal(signal.SIGCONT)
        assert await owner.wait_exit() == 4
        assert "belongs to two on " in owner.failure()
        assert "(epoch 2): epoch 1 of this process is over, nothing more is written" in owner.failure()
        with pytest.raises((trio.EndOfChannel, trio.BrokenResourceError)):
            await wire.read()
        assert await follower.figures("A-1") == (5, 0, 0)
        await wire.aclose()
        await follower.stop()


async def test_an_orderly_stop_hands_over_at_once(folders: tuple[Path, Path]) -> None:
    async with running_daemon(folders[0]) as owner, standby(folders[1]) as follower:
        await fill_shelves(owner, {"A-1": 5})
        await owner.stop()
        started = trio.current_time()
        assert await (await follower.wait_ready()).figures("A-1") == (5, 0, 0)
        assert trio.current_time() - started < 3.0
        assert follower.events("standby.took_over")[0]["silent_seconds"] is None
        await follower.stop()


async def test_a_second_daemon_is_refused_while_the_first_lives(folders: tuple[Path, Path]) -> None:
    """Lesson H4. A standby that is told to stop has nothing to drain."""
    async with running_daemon(folders[0]) as owner:
        code, second = await run_daemon(folders[1])
        assert code == 1
        assert f"belongs to one on {owner_place(owner)}" in second.failure()
        async with standby(folders[1]) as follower:
            await follower.stop()
        await owner.stop()
    async with running_daemon(folders[1]) as second:
        await second.stop()


def owner_place(daemon: Daemon) -> str:
    return f"{platform.node()}, process {daemon.process.pid}"


async def test_a_store_without_tables_is_a_matter_of_configuration(folders: tuple[Path, Path]) -> None:
    write_config(folders[0], store=shared_server().create_database().toml())
    code, daemon = await run_daemon(folders[0])
    assert code == 2
    assert daemon.failure().endswith("`lastunit store migrate` creates it")
