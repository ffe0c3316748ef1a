"""The background scan: how it is paced, that it finds what is wrong unasked, and that it survives what it finds."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from adapters.store.memory import MemoryStore
from config.schema import Scan
from engine.actors import scanner as scanning
from engine.actors.journal import decode_events
from engine.domain.audit.laws import COMMITTED, EXPIRED, LISTING
from engine.domain.commands import AddSku, PlaceHold, Receive
from engine.domain.errors import StoreCorrupt
from engine.domain.events import ViolationCleared, ViolationFound
from engine.domain.units import DIRECT, AccountId, HoldId, Key, ListingId, LocationId, Sku
from engine.ports import Found
from ops.node import Node
from tests.fakes.clocks import NoonClock
from tests.fakes.running import running_node, settings_for

BERLIN = LocationId("berlin")
HOUR = 3600.0


@pytest.fixture
async def node(autojump_clock: MockClock) -> AsyncIterator[Node]:
    async with running_with(MemoryStore()) as running:
        yield running


def running_with(store: MemoryStore, **scan: Any) -> Any:
    settings = settings_for(None, scan=Scan(**({"hours": 1.0} | scan)))
    return running_node(settings, store, clock=NoonClock(), serve=False)


async def fill(node: Node, count: int) -> None:
    for number in range(count):
        sku = Sku(f"S-{number:03}")
        await node.router.ask(AddSku(sku=sku, name=sku))
        await node.router.ask(Receive(key=Key("r"), sku=sku, location=BERLIN, quantity=5))


async def test_all_books_are_checked_once_in_the_time_there_is(
    autojump_clock: MockClock, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanning, "BOOKS_PER_SLICE", 7)
    await trio.sleep(2 * HOUR)  # there is nothing to scan yet
    assert node.scanner.passed_at is None
    await fill(node, 30)
    await trio.sleep(61)  # it looks for a first book once a minute
    began = node.scanner.books_checked
    assert 0 < began <= 21, "one slice of each shard at most"
    await trio.sleep(HOUR / 2)
    assert 10 <= node.scanner.books_checked <= 24
    await trio.sleep(HOUR / 2)
    assert node.scanner.books_checked >= 30
    assert node.scanner.passed_at is not None
    await trio.sleep(10 * HOUR)
    assert 300 <= node.scanner.books_checked <= 360
    assert node.scanner.open == {}


async def test_it_takes_no_more_of_the_processor_than_it_may(
    autojump_clock: MockClock,
) -> None:
    """A catalogue that needs more takes longer."""
    async with running_with(MemoryStore(), hours=1e-9, share_max=0.001) as node:
        await fill(node, 50)
        before, began = node.scanner.busy_seconds, trio.current_time()
        await trio.sleep(HOUR / 30)
        busy = node.scanner.busy_seconds - before
        assert 0.0005 < busy / (trio.current_time() - began) < 0.0011


async def test_what_is_wrong_is_found_unasked_and_once(autojump_clock: MockClock, node: Node) -> None:
    await fill(node, 3)
    book = node.router.ledger_of(Sku("S-001")).books[Sku("S-001")]
    book.positions[BERLIN].committed = 2
    await trio.sleep(5 * HOUR)
    laws = {key[0] for key in node.scanner.open}
    assert COMMITTED in laws
    found = [event for event in recorded(node) if isinstance(event, ViolationFound) and event.law == COMMITTED]
    (event,) = found
    assert (event.sku, event.location, event.expected, event.found) == ("S-001", "berlin", 0, 2)
    assert len(event.positions) == 2
    book.positions[BERLIN].committed = 0
    await trio.sleep(2 * HOUR)
    assert node.scanner.open == {}
    assert COMMITTED in [event.law for event in recorded(node) if isinstance(event, ViolationCleared)]


async def test_a_hold_that_the_clock_forgot_is_found(autojump_clock: MockClock, node: Node) -> None:
    await fill(node, 1)
    sku = Sku("S-000")
    hold = PlaceHold(
        hold_id=HoldId("h"),
        lines=((sku, 1),),
        expires_at=NoonClock().now().replace(hour=13),
        account=DIRECT,
        locations=(BERLIN,),
    )
    await node.router.ask(hold)
    node.router.ledger_of(sku)._dues.clear()
    await trio.sleep(4 * HOUR)
    assert [(key[0], event.detail) for key, event in node.scanner.open.items()] == [(EXPIRED, "hold h")]


async def test_a_listing_of_what_does_not_exist_is_found_and_cleared(
    autojump_clock: MockClock, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(node, 1)
    gone = [(AccountId("shop"), ListingId("17"), Sku("GONE"))]
    monkeypatch.setattr(node.scanner._surroundings, "listings", lambda: gone)
    await trio.sleep(3 * HOUR)
    assert list(node.scanner.open) == [(LISTING, "GONE", None)]
    gone.clear()
    await trio.sleep(3 * HOUR)
    assert node.scanner.open == {}


async def test_a_journal_that_cannot_be_read_hides_nothing(
    autojump_clock: MockClock, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was found is on record without its events, and the daemon goes on."""
    await fill(node, 1)

    async def refuse(after: int, until: int, needles: object) -> Found:
        await trio.lowlevel.checkpoint()
        raise StoreCorrupt("frame 1 does not match its digest")

    monkeypatch.setattr(node.reader._store, "search", refuse)
    node.router.ledger_of(Sku("S-000")).books[Sku("S-000")].positions[BERLIN].reserved = 1
    await trio.sleep(3 * HOUR)
    assert {event.positions for event in node.scanner.open.values()} == {()}
    await fill(node, 2)


def recorded(node: Node) -> list[Any]:
    store = node.reader._store
    assert isinstance(store, MemoryStore)
    return [event for frame in store.frames for event in decode_events(frame)]
