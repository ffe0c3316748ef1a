"""A real daemon, killed in the middle of a large import: its successor knows nothing of it or has all of it."""

import json
import os
import random
from pathlib import Path
from typing import Any, Final

import pytest
import trio

from tests.fakes.processes import Daemon, running_daemon, write_config

pytestmark = [pytest.mark.process, pytest.mark.slow]

KILLS: Final = max(1, int(os.environ.get("KILLS", "4")) // 4)
_SKUS: Final = 1500
_APPLY_SECONDS: Final = 0.6
"""About how long it takes."""


def rows() -> list[dict[str, Any]]:
    """Every SKU, then its stock."""
    skus = [f"S-{number:05}" for number in range(_SKUS)]
    named: list[dict[str, Any]] = [{"kind": "sku", "sku": sku, "name": f"Article {sku}"} for sku in skus]
    return named + [{"kind": "stock", "sku": sku, "location": "berlin", "on_hand": 3} for sku in skus]


async def exported(daemon: Daemon, kind: str) -> int:
    """Count what the daemon has."""
    wire, count, cursor = await daemon.connect(), 0, 0
    while cursor is not None:
        page = await wire.map("EXPORT", kind, "CURSOR", cursor, "LIMIT", 500)
        count, cursor = count + len(page["rows"]), page["cursor"]
    await wire.aclose()
    return count


async def send_import(daemon: Daemon) -> None:
    """Bring everything in; nobody waits for the answer."""
    wire = await daemon.connect()
    for start in range(0, 2 * _SKUS, 1000):
        assert await wire.call("IMPORT", "STAGE", "i", json.dumps(rows()[start : start + 1000])) == "OK"
    await wire.send("IMPORT", "APPLY", "i")


async def test_an_import_killed_after_its_decision_is_finished_by_the_successor(tmp_path: Path) -> None:
    write_config(tmp_path)
    async with running_daemon(tmp_path) as daemon:
        await send_import(daemon)
        await daemon.wait_event("import.decided")
        await daemon.kill()
        assert daemon.events("import.finished") == [], "it was killed in time"
    async with running_daemon(tmp_path) as successor:
        (resumed,) = successor.events("import.resumed")
        assert 0 < resumed["pieces_left"] <= daemon.events("import.decided")[0]["pieces"]
        assert (await exported(successor, "catalogue"), await exported(successor, "stock")) == (_SKUS, _SKUS)
        await successor.stop()
    async with running_daemon(tmp_path) as grandchild:
        assert grandchild.events("import.resumed") == []
        assert await exported(grandchild, "stock") == _SKUS


async def test_an_import_killed_at_any_moment_is_there_or_is_not(tmp_path: Path, rng: random.Random) -> None:
    for number in range(KILLS):
        folder = tmp_path / str(number)
        folder.mkdir()
        write_config(folder)
        async with running_daemon(folder) as daemon:
            await send_import(daemon)
            await trio.sleep(rng.uniform(0, _APPLY_SECONDS))
            await daemon.kill()
        async with running_daemon(folder) as successor:
            found = (await exported(successor, "catalogue"), await exported(successor, "stock"))
            assert found in {(0, 0), (_SKUS, _SKUS)}
            if daemon.events("import.finished"):
                assert found == (_SKUS, _SKUS)
