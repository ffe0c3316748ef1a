"""As many clients as a daemon lets in, all of them silent but one."""

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from tests.fakes.processes import fill_shelves, running_daemon, write_config
from tests.fakes.wire import Wire

pytestmark = [pytest.mark.process, pytest.mark.slow]

_WANTED = 10_000
_SPARE = 300
"""Descriptors of ours and of the daemon's that are no connections."""
_AT_ONCE = 500
"""Fewer than the listener's backlog: a unix socket without room refuses instead of letting wait."""


@pytest.fixture
def most_connections() -> Iterator[int]:
    """How many connections both ends may have open; raises this process's soft limit for the test."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = _WANTED + _SPARE if hard == resource.RLIM_INFINITY else min(hard, _WANTED + _SPARE)
    if soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < 3 * _SPARE:
        pytest.skip(f"only {allowed} descriptors are allowed here")
    yield allowed - _SPARE
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_ten_thousand_silent_clients_do_not_delay_a_hold(tmp_path: Path, most_connections: int) -> None:
    write_config(tmp_path, socket=f"connections_max = {most_connections}")
    async with running_daemon(tmp_path) as daemon:
        await fill_shelves(daemon, {"A-1": 5})
        active = await daemon.connect()
        silent: list[Wire] = []
        while len(silent) < most_connections - 1:
            silent.append(await Wire.connect(daemon.socket_path))
            if len(silent) % _AT_ONCE == 0 or len(silent) == most_connections - 1:
                assert await silent[-1].call("PING") == "PONG"  # it and all before it were let in
        with trio.fail_after(2):
            assert (await active.map("HOLD", "h", "60", "A-1", "2"))["hold"] == "h"
        one_more = await Wire.connect(daemon.socket_path)
        assert await one_more.read_to_end() == b"-BUSY too many connections (socket.connections_max)\r\n"
        for wire in (*silent, one_more):
            await wire.aclose()
        assert (await active.map("STOCK", "A-1"))["reserved"] == 2
        await active.aclose()
        await daemon.stop()
