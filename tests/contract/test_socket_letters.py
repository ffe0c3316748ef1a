"""LETTERS and LETTER over a real unix socket: what nobody understood is kept, tried again, discarded."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import trio

from engine.domain.units import OrderId
from tests.fakes.clocks import START, HandClock
from tests.fakes.feed import OrderFeed
from tests.fakes.orders import SHOP, order, order_line
from tests.fakes.served import Served, serving
from tests.fakes.wire import Wire

UNREADABLE = (START - timedelta(seconds=30), "unknown status wc-lost")


@pytest.fixture
def feed() -> OrderFeed:
    """A shop with one order that nobody understands."""
    feed = OrderFeed(HandClock())
    feed.put(order(order_line("A-1", 1), order_id="7", second=-30))
    feed.unreadable[OrderId("7")] = UNREADABLE
    return feed


@pytest.fixture
async def served(tmp_path: Path, feed: OrderFeed) -> AsyncIterator[Served]:
    async with serving(tmp_path, clock=HandClock(), channels={SHOP: ("fake", feed)}) as running:
        yield running


async def kept(served: Served, count: int) -> Wire:
    """Wait until so many letters are kept."""
    wire = await served.connect(3)
    with trio.fail_after(5):
        while len(await wire.call("LETTERS")) < count:  # the shop is polled beside us
            await trio.lowlevel.checkpoint()
    return wire


async def test_an_order_is_listed_shown_and_understood_at_last(served: Served, feed: OrderFeed) -> None:
    wire = await kept(served, 1)
    row = {
        "account": "shop",
        "letter": "order-7",
        "order": "7",
        "kept_at": "2026-11-11T12:00:00.000000Z",
        "modified_at": "2026-11-11T11:59:30.000000Z",
        "bytes": 10,
        "reason": "unknown status wc-lost",
    }
    assert await wire.call("LETTERS", "shop", "LIMIT", "5") == [row]
    assert await wire.call("LETTER", "GET", "shop", "order-7") == row | {"headers": {}, "body": "what is 7?"}
    failed = await wire.error("LETTER", "REDRIVE", "shop", "order-7")
    assert failed == "NOTUNDERSTOOD account=shop letter=order-7: unknown status wc-lost"
    feed.fails_at_order = True
    assert await wire.error("LETTER", "REDRIVE", "shop", "order-7") == "UNREACHABLE shop: read_order: refused"
    feed.fails_at_order = False
    feed.unreadable.clear()
    assert await wire.call("LETTER", "REDRIVE", "shop", "order-7") == "OK"
    assert await wire.call("LETTERS") == []
    assert await served.figures("A-1") == (10, 1, 0), "its unit is accounted for"


async def test_a_webhook_is_kept_whole_and_discarded_by_name(served: Served) -> None:
    wire = await kept(served, 1)
    assert await wire.call("WEBHOOK", "shop", "d1", '{"x-topic": "order.updated"}', b"<html>\xff") == "STORED"
    await kept(served, 2)
    letter = await wire.call("LETTER", "GET", "shop", "webhook-d1")
    assert (letter["order"], letter["headers"], letter["body"]) == (None, {"x-topic": "order.updated"}, r"<html>\xff")
    assert await wire.call("LETTER", "DISCARD", "shop", "webhook-d1", "NOTE", "a test", "BY", "ann") == "OK"
    gone = "NOSUCHLETTER account=shop letter=webhook-d1: none is kept by that name"
    for words in (("GET",), ("REDRIVE",), ("DISCARD",)):
        assert await wire.error("LETTER", *words, "shop", "webhook-d1") == gone
    assert [letter["letter"] for letter in await wire.call("LETTERS")] == ["order-7"]
