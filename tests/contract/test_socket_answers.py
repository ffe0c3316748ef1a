"""Replies to reads of plain holds alone: all of them, once, in order, however slow the disk and the client are."""

from collections.abc import Sequence
from pathlib import Path

import trio
import trio.testing

from tests.fakes.served import serving
from tests.fakes.stores import QuickStore, SlowStore
from tests.fakes.wire import Wire, pack

MANY = 20_000


def hold(name: str) -> bytes:
    return pack("HOLD", name, "NEVER", "A-1", "1")


async def read_names(wire: Wire, count: int) -> Sequence[str]:
    """Read replies and return the ids of the holds that they grant."""
    return [(await wire.read())[1] for _ in range(count)]


async def test_who_sends_on_while_the_disk_hesitates_is_heard_when_it_has_answered(tmp_path: Path) -> None:
    store = SlowStore()
    store.open()
    async with serving(tmp_path, store) as served:
        wire = await served.connect()
        store.shut()
        for name in ("h0", "h1", "h2"):
            await wire.send_raw(hold(name))
            await trio.testing.wait_all_tasks_blocked(0.001)
        store.open()
        assert await read_names(wire, 3) == ["h0", "h1", "h2"]
        assert await wire.call("PING") == "PONG"


async def test_a_client_that_reads_late_gets_every_reply_once(tmp_path: Path) -> None:
    """More replies than the kernel takes at once: what is left over is sent when it takes more."""
    async with serving(tmp_path, QuickStore(), stock={"A-1": MANY}) as served:
        wire = await served.connect()
        names = [f"h{number}" for number in range(MANY)]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wire.send_raw, b"".join(map(hold, names)))
            await trio.testing.wait_all_tasks_blocked(0.001)
            assert await read_names(wire, MANY) == names
        assert await served.figures("A-1") == (MANY, 0, MANY)
