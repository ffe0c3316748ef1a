"""A real daemon, killed under load at random moments: what it answered is there, once, and all of it or none."""

import os
import random
from pathlib import Path
from typing import Final

import pytest
import trio

from tests.fakes.processes import Daemon, fill_shelves, running_daemon, start_daemon, write_config
from tests.fakes.storm import STOCK, Tally, Trader, audit, counts, storm

pytestmark = [pytest.mark.process, pytest.mark.slow]

KILLS: Final = int(os.environ.get("KILLS", "5"))
SEED: Final = int(os.environ.get("SEED", "20261111"))
_TRADERS: Final = 6
_KILLS_PER_STORE: Final = 20
"""Then a new journal: recovery reads all of it, and the hundredth kill should not take longer than the first."""


@pytest.mark.parametrize("first", range(0, KILLS, _KILLS_PER_STORE))
async def test_nothing_answered_is_lost_or_doubled_by_kill_9(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], first: int
) -> None:
    """Laws 1 and 2; lessons A7, A8, A10, B2, E8. SEED repeats the traders' choices, not the scheduler's."""
    rng = random.Random(SEED + first)
    traders: list[Trader] = []
    since: list[int] = []
    tallies: list[Tally] = []
    for kill in range(first, min(first + _KILLS_PER_STORE, KILLS) + 1):
        # small frames: a kill may fall between any two commands
        write_config(tmp_path, limits=f"commit_entries_max = {rng.choice((3, 20_000))}")
        async with running_daemon(tmp_path) as daemon:
            if kill == first:
                await fill_shelves(daemon, STOCK)
            else:
                tallies.append(await _audit(daemon, traders, since, rng, kill))
            traders += [Trader(f"{kill}-{number}", random.Random(rng.random())) for number in range(_TRADERS)]
            since = [len(trader.said) for trader in traders]
            if len(tallies) == min(_KILLS_PER_STORE, KILLS - first):
                await daemon.stop()
                break
            active = rng.sample(traders, _TRADERS)
            await storm(daemon, active, answers=rng.randint(50, 1500), seconds=rng.uniform(0.0, 0.02))
        if rng.random() < 0.2:
            await _kill_while_it_recovers(tmp_path, rng.uniform(0.0, 0.5))
    found = counts(tallies)
    with capsys.disabled():
        print(f"\n{len(tallies)} kills, seed {SEED}: {found}")  # noqa: T201  # what `make crash` is run for
    assert found["answered"] > 100 * len(tallies)
    assert found["unknown"] > 0


async def _audit(daemon: Daemon, traders: list[Trader], since: list[int], rng: random.Random, kill: int) -> Tally:
    try:
        return await audit(daemon, traders, since, rng)
    except AssertionError as error:
        error.add_note(f"after kill {kill}: SEED={SEED} KILLS={KILLS}")
        raise


async def _kill_while_it_recovers(folder: Path, seconds: float) -> None:
    daemon = await start_daemon(folder)
    await trio.sleep(seconds)
    await daemon.kill()
