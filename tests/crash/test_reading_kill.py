"""A real process that keeps the tables, killed while the daemon sells: its successors make what rebuilding makes."""

import os
import random
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Final

import pytest
import trio

from adapters.store.reading import open_reading
from adapters.store.sqlite_reader import open_to_read
from ops.reading import rebuild
from tests.fakes.processes import fill_shelves, running_daemon, running_reading, write_config
from tests.fakes.reading import dump

pytestmark = [pytest.mark.process, pytest.mark.slow]

KILLS: Final = max(2, int(os.environ.get("KILLS", "4")) // 4)
_HOLDS: Final = 300
"""Per life: each is granted and released, in frames of their own."""


async def test_killed_at_random_it_goes_on_where_it_was(tmp_path: Path) -> None:
    write_config(tmp_path)
    rng = random.Random(os.environ.get("SEED", "1"))
    path = tmp_path / "data" / "reading.sqlite3"
    async with running_daemon(tmp_path) as daemon:
        await fill_shelves(daemon, {"MUG": 1000})
        wire = await daemon.connect()
        for life in range(KILLS + 1):
            async with running_reading(tmp_path) as reading:
                await reading.wait_event("reading.following")
                killed_after = rng.randrange(_HOLDS) if life < KILLS else _HOLDS
                for number in range(_HOLDS):
                    hold = f"h-{life}-{number}"
                    assert await wire.call("HOLD", hold, "900", "MUG", "1")
                    assert await wire.call("RELEASE", hold)
                    if number == killed_after:
                        await reading.kill()
                if life == KILLS:
                    await reading.wait_event("reading.following")
                    position = (await wire.map("HEALTH"))["position"]
                    await reading.wait_position(path, position)
                    await reading.stop()
        await wire.aclose()
        await daemon.stop()
    followed = dump(path)
    with closing(open_reading(tmp_path / "anew.sqlite3")) as file:
        source = open_to_read(tmp_path / "data" / "journal.sqlite3", alone=False)
        await rebuild(source, file, lambda _what, _frames: None)
        await source.aclose()
    assert dump(tmp_path / "anew.sqlite3") == followed
    assert [row[3] for row in followed["holds"]] == ["released"] * _HOLDS * (KILLS + 1)
