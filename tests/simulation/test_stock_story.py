"""One SKU's life as a warehouse tells it: ordered, received, moved, lost, sold, shipped, returned, inspected, counted.

Over the socket of a whole node, each step's figures read back with STOCK, and all of it again from the journal.
"""

from pathlib import Path
from typing import Any

from adapters.store.memory import MemoryStore
from tests.contract.test_socket import SetClock
from tests.fakes.served import Served, order_json, serving
from tests.fakes.wire import Wire, as_map

FIGURES = ("on_hand", "committed", "quality_hold", "incoming", "in_transit", "atp")


async def figures(wire: Wire) -> dict[str, tuple[int, ...]]:
    """Return the figures of A-1 by location."""
    places = [as_map(place) for place in (await wire.map("STOCK", "A-1"))["locations"]]
    return {place["location"]: tuple(place[name] for name in FIGURES) for place in places}


async def told(wire: Wire) -> list[dict[str, Any]]:
    """Return everything that reads the story: figures, papers, the order."""
    answers = [await wire.map("EXPLAIN", "A-1"), await wire.map("PO", "GET", "PO-1")]
    answers += [await wire.map("TRANSFER", "GET", "T-1"), await wire.map("ORDER", "direct", "77")]
    return answers


async def test_a_unit_is_followed_from_its_purchase_to_its_last_count(tmp_path: Path) -> None:
    clock, store = SetClock(), MemoryStore()
    async with serving(tmp_path, store, clock=clock, stock={"A-1": 0}) as served:
        await live_through_it(served, clock)
        before = await told(await served.connect(3))
    async with serving(tmp_path, store, clock=clock, stock=None) as served:
        assert await told(await served.connect(3)) == before


async def live_through_it(served: Served, clock: SetClock) -> None:
    wire = await served.connect(3)

    async def step(*words: str, berlin: tuple[int, ...], hamburg: tuple[int, ...] | None = None) -> dict[str, Any]:
        """Do one thing an hour later and compare every figure."""
        clock.advance(3600)
        answer = await wire.map(*words)
        expected = {"berlin": berlin} | ({"hamburg": hamburg} if hamburg is not None else {})
        assert await figures(wire) == expected, words
        return answer

    # on hand, committed, quality hold, incoming, in transit, atp
    await step("PO", "SET", "PO-1", "berlin", "LINES", "A-1", "100", berlin=(0, 0, 0, 100, 0, 0))
    part = await step("RECEIVE", "d-1", "A-1", "berlin", "60", "PO", "PO-1", berlin=(60, 0, 0, 40, 0, 60))
    assert (part["received"], part["over"]) == (60, 0)
    sent = ("TRANSFER", "SEND", "T-1", "berlin", "hamburg", "LINES", "A-1", "20")
    await step(*sent, berlin=(40, 0, 0, 40, 0, 40), hamburg=(0, 0, 0, 0, 20, 0))
    receive = ("TRANSFER", "RECEIVE", "a-1", "T-1", "A-1", "18")
    await step(*receive, berlin=(40, 0, 0, 40, 0, 40), hamburg=(18, 0, 0, 0, 2, 18))
    lose = ("TRANSFER", "LOSE", "l-1", "T-1", "A-1", "2", "crushed by the carrier")
    await step(*lose, berlin=(40, 0, 0, 40, 0, 40), hamburg=(18, 0, 0, 0, 0, 18))
    for words in (sent, receive, lose):  # a nervous scanner
        await step(*words, berlin=(40, 0, 0, 40, 0, 40), hamburg=(18, 0, 0, 0, 0, 18))
    sold = order_json(ordered=5)
    await step("RECORD", sold, berlin=(40, 5, 0, 40, 0, 35), hamburg=(18, 0, 0, 0, 0, 18))

    counted_at = clock.at.isoformat()  # somebody walks along the shelf, and finds 39: one is missing
    shipped = order_json(version=1, ordered=5, shipped=5)
    await step("RECORD", shipped, berlin=(35, 0, 0, 40, 0, 35), hamburg=(18, 0, 0, 0, 0, 18))
    words = ("COUNT", "c-1", "A-1", "berlin", "39", "AT", counted_at)
    count = await step(*words, berlin=(34, 0, 0, 40, 0, 34), hamburg=(18, 0, 0, 0, 0, 18))
    assert (count["expected"], count["variance"], count["applied"], count["on_hand"]) == (40, -1, True, 34)

    back = ("RETURN", "rma-1", "A-1", "hamburg", "2", "ORDER", "direct", "77", "REASON", "too blue")
    await step(*back, berlin=(34, 0, 0, 40, 0, 34), hamburg=(20, 0, 2, 0, 0, 18))
    restocked = order_json(version=2, ordered=5, shipped=5, returned=2)  # the channel tells the same two
    await step("RECORD", restocked, berlin=(34, 0, 0, 40, 0, 34), hamburg=(20, 0, 2, 0, 0, 18))
    await step(
        *("INSPECT", "i-1", "A-1", "hamburg", "1", "RESTOCK"),
        berlin=(34, 0, 0, 40, 0, 34),
        hamburg=(20, 0, 1, 0, 0, 19),
    )
    await step(
        *("INSPECT", "i-2", "A-1", "hamburg", "1", "WRITEOFF", "REASON", "cracked"),
        berlin=(34, 0, 0, 40, 0, 34),
        hamburg=(19, 0, 0, 0, 0, 19),
    )
    closed = await step(
        *("PO", "CLOSE", "PO-1", "REASON", "the mill burned down"),
        berlin=(34, 0, 0, 0, 0, 34),
        hamburg=(19, 0, 0, 0, 0, 19),
    )
    assert (closed["state"], closed["units_received"]) == ("closed", 60)
    # 60 came; 5 were sold and 2 of them came back; 2 were crushed, 1 was missing, 1 cracked
    assert (await wire.map("STOCK", "A-1"))["on_hand"] == 60 - 5 + 2 - 2 - 1 - 1
    assert await wire.maps("INCIDENTS") == []
