"""A snapshot at any position and the frames behind it give what the whole journal gives."""

import random
from datetime import timedelta

import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from adapters.store.memory import MemoryStore
from adapters.store.snapshots_memory import MemorySnapshots
from ops.bystander import build_bystander
from ops.node import Node
from ops.recovery import catch_up
from ops.snapshots.taking import restore_newest, take
from ops.state import digests
from tests.fakes.clocks import NoonClock
from tests.fakes.feed import OrderFeed
from tests.unit.test_recovery import SETTINGS, SKUS, Customer, import_catalogue, living, make_node


def bystander() -> Node:
    return build_bystander(SETTINGS, NoonClock())


async def live(seed: int, actions: int) -> MemoryStore:
    """Let a whole node sell, listen and push for a while, and die; return what it leaves behind."""
    store, feed = MemoryStore(), OrderFeed(NoonClock())
    for sku in SKUS:
        feed.add(f"l/{sku}", sku)
    async with living(make_node(store, feed)) as node:
        await import_catalogue(node)
        customer = Customer(node, feed, random.Random(seed))
        for _ in range(actions):
            await customer.act()
    return store


async def check_any_position(seed: int, shares: list[float]) -> None:
    """Go on from a snapshot of a snapshot of a snapshot, each further into the journal."""
    store, snapshots = await live(seed, 50), MemorySnapshots()
    whole = bystander()
    await catch_up(whole, store)
    for share in sorted(shares):
        node = await restore_newest(bystander, store, snapshots)
        position = max(1, node.journal.position, round(share * len(store.frames)))
        await catch_up(node, store, until=position)
        last = store.frames[position - 1]
        await take(node, last, last.written_at, "replayed", snapshots)
        restored = await restore_newest(bystander, store, snapshots)
        assert restored.journal.position == position
        assert digests(restored, last.written_at) == digests(node, last.written_at)
        await catch_up(restored, store)
        for as_of in (store.frames[-1].written_at, store.frames[-1].written_at + timedelta(days=9)):
            assert digests(restored, as_of) == digests(whole, as_of)


@settings(max_examples=15, deadline=None)
@given(
    schedule=st.random_module(),
    seed=st.integers(0, 2**32),
    shares=st.lists(st.floats(0, 1), min_size=1, max_size=3),
)
def test_a_snapshot_at_any_position_and_the_rest_give_what_the_whole_journal_gives(
    schedule: object, seed: int, shares: list[float]
) -> None:
    trio.run(check_any_position, seed, shares, clock=MockClock(autojump_threshold=0))
