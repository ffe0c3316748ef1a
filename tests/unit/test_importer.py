"""IMPORT APPLY on a whole node: all rows or none, in one frame, and the books stay in step with their incidents."""

import msgspec
from trio.testing import MockClock

from adapters.store.memory import MemoryStore
from engine.actors.router import Waiter
from engine.domain.commands import Refusal
from engine.domain.units import DIRECT, Sku
from ops.importer import Staged
from ops.node import Node
from tests.fakes.clocks import NoonClock
from tests.fakes.orders import order, order_line
from tests.fakes.running import running_node, settings_for

A = Sku("A")
ADD = {"kind": "sku", "sku": "A", "name": "Anvil"}
HAMBURG = {"kind": "stock", "sku": "A", "location": "hamburg", "on_hand": 5}


async def apply(node: Node, *chunks: list[object] | bytes) -> object:
    staged = Staged()
    for each in chunks:
        staged.add(each if isinstance(each, bytes) else msgspec.json.encode(each))
    return await node.importer.apply(staged)


def problems(answer: object) -> list[tuple[int, str, str]]:
    assert isinstance(answer, Refusal)
    assert answer.code == "BADROWS"
    return [(each["row"], each["field"], each["problem"]) for each in msgspec.json.decode(answer.text)]


async def test_an_import_is_one_frame_and_a_repeat_is_none(autojump_clock: MockClock) -> None:
    store = MemoryStore()
    async with running_node(settings_for(None), store, clock=NoonClock(), serve=False) as node:
        assert await apply(node, [ADD], [HAMBURG]) == {"skus": 1, "items": 0, "listings": 0, "stock": 1, "recipes": 0}
        assert len(store.frames) == 1
        assert await apply(node, [HAMBURG, ADD]) == {"skus": 0, "items": 0, "listings": 0, "stock": 0, "recipes": 0}
        assert len(store.frames) == 1


async def test_rows_are_counted_over_all_chunks_and_nothing_is_done_while_one_is_wrong(
    autojump_clock: MockClock,
) -> None:
    store = MemoryStore()
    async with running_node(settings_for(None), store, clock=NoonClock(), serve=False) as node:
        unreadable = await apply(node, [ADD], [HAMBURG | {"on_hand": -1}, {"kind": "price"}], b"{")
        assert [(row, field) for row, field, _ in problems(unreadable)] == [(1, "on_hand"), (2, "kind"), (3, "")]
        undecided = await apply(node, [ADD], [HAMBURG | {"location": "moon"}])
        assert problems(undecided) == [(1, "location", "no location 'moon'")]
        assert store.frames == []
        assert not node.router.knows(A)


async def test_opening_stock_of_one_place_clears_what_another_was_short_of(autojump_clock: MockClock) -> None:
    store = MemoryStore()
    async with running_node(settings_for(None), store, clock=NoonClock(), serve=False) as node:
        await apply(node, [ADD])
        waiter = Waiter()
        await node.desk.tell(order(order_line("A", 7), account=DIRECT), waiter)
        await waiter.wait()
        assert list(node.incidents.open) == [(A, None)]
        await apply(node, [HAMBURG])
        book = node.router.ledger_of(A).books[A]
        assert (book.oversold, book.records.oversells[None].cause) == (2, "relieved")
    async with running_node(settings_for(None), store, clock=NoonClock(), serve=False) as successor:
        assert successor.router.ledger_of(A).books[A] == book
