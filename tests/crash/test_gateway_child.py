"""The gateway as the daemon's child: restarted when it dies, gone when the daemon is, however that ends."""

import os
import signal
import socket as sockets
from pathlib import Path

import pytest

from tests.fakes.processes import Daemon, answers, free_address, running_daemon, wait_until, write_config

pytestmark = [pytest.mark.process, pytest.mark.slow]


def is_free(address: str) -> bool:
    host, _, port = address.partition(":")
    try:
        sockets.create_server((host, int(port))).close()
    except OSError:
        return False
    return True


async def gateway_pid(daemon: Daemon, starts: int) -> int:
    return int((await daemon.wait_event("gateway.started", starts))[-1]["pid"])


async def test_a_gateway_that_is_killed_is_started_again(tmp_path: Path) -> None:
    address = free_address()
    write_config(tmp_path, listen=address)
    async with running_daemon(tmp_path) as daemon:
        await wait_until(lambda: answers(address))
        os.kill(await gateway_pid(daemon, 1), signal.SIGKILL)
        assert (await daemon.wait_event("gateway.died"))[0]["code"] == -signal.SIGKILL
        await gateway_pid(daemon, 2)
        await wait_until(lambda: answers(address))
        await daemon.stop()
        assert is_free(address)


async def test_a_daemon_that_is_killed_leaves_no_orphan(tmp_path: Path) -> None:
    """The gateway's standard input ends with the daemon; its successor gets the address."""
    address = free_address()
    write_config(tmp_path, listen=address)
    async with running_daemon(tmp_path) as daemon:
        await wait_until(lambda: answers(address))
        await daemon.kill()
        await wait_until(lambda: is_free(address))
    async with running_daemon(tmp_path) as daemon:
        await wait_until(lambda: answers(address))
        await daemon.stop()
