"""A real daemon, killed under load at random moments: what it answered is there, once, and all of it or none."""

import random
from functools import partial
from typing import Final

import pytest
import trio

from tests.fakes.grounds import Ground
from tests.fakes.processes import Daemon, free_address, running_gateway, start_daemon
from tests.fakes.shopper import ACCOUNT, SECRET, Shopper
from tests.fakes.storm import KILLS, Storm, report_of

pytestmark = [pytest.mark.process, pytest.mark.slow]

_KILLS_PER_JOURNAL: Final = 20
"""Then a new journal: recovery reads all of it, and the hundredth kill should not take longer than the first."""


@pytest.mark.parametrize("first", range(0, KILLS, _KILLS_PER_JOURNAL))
async def test_nothing_answered_is_lost_or_doubled_by_kill_9(ground: Ground, rng: random.Random, first: int) -> None:
    """Laws 1 and 2; lessons A7, A8, A10, B2, D13, E8. The gateway lives on and finds every successor."""
    report = report_of("kill -9", ground.name)
    address = free_address()
    secret = ground.folder / "secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    ground.configure(listen=address, accounts=ACCOUNT)
    storm = Storm(rng, shopper=Shopper(random.Random(rng.random()), address))
    async with running_gateway(ground.folder):
        await storm.outlive(ground, partial(_kill, ground, rng), report, min(_KILLS_PER_JOURNAL, KILLS - first))
    assert report.total("answered") > 100 * len(report.tallies)
    assert report.total("unknown") > 0
    assert report.total("webhooks") > 0


async def _kill(ground: Ground, rng: random.Random, daemon: Daemon) -> None:
    """Kill at any moment; half the time while a commit waits, which is when no answer may be out yet."""
    if rng.random() < 0.5:
        await trio.sleep(rng.uniform(0.0, 0.02))
        await daemon.kill()
    else:
        async with ground.hesitating():
            await trio.sleep(rng.uniform(0.0, 0.03))
            await daemon.kill()
    if rng.random() < 0.1:
        successor = await start_daemon(ground.folder, "--no-gateway")
        await trio.sleep(rng.uniform(0.0, 1.0))
        await successor.kill()  # while it recovers
