"""SCAN and VIOLATIONS over a real socket: a book is made wrong behind the daemon's back, and the scanner tells."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from adapters.store.memory import MemoryStore
from engine.actors import scanner as scanning
from engine.actors.journal import decode_events
from engine.domain.audit.laws import COMMITTED
from engine.domain.events import BooksCompared, StockAdjusted, ViolationCleared, ViolationFound
from engine.domain.stock.book import Book
from engine.domain.units import Key, LocationId, Sku
from tests.fakes.served import Served, order_json, serving
from tests.fakes.wire import Wire, as_map

BERLIN = LocationId("berlin")
ON_HAND = "on hand is what the journal adds up to"


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
async def served(tmp_path: Path, store: MemoryStore) -> AsyncIterator[Served]:
    async with serving(tmp_path, store) as running:
        yield running


@pytest.fixture
async def wire(served: Served) -> Wire:
    return await served.connect(3)


def book_of(served: Served, sku: str = "A-1") -> Book:
    return served.node.router.ledger_of(Sku(sku)).books[Sku(sku)]


def events_of(store: MemoryStore, *kinds: type) -> list[Any]:
    return [event for frame in store.frames for event in decode_events(frame) if isinstance(event, kinds)]


async def trade(wire: Wire) -> None:
    """A little of everything that a shop does."""
    await wire.map("HOLD", "open", "900", "A-1", "2")
    await wire.map("HOLD", "sold", "900", "A-1", "1", "B-2", "3")
    await wire.map("COMMIT", "sold")
    await wire.map("RECORD", order_json(shipped=1))
    await wire.map("RECEIVE", "r-1", "C-3", "hamburg", "4")


@pytest.mark.parametrize("words", [("SCAN",), ("SCAN", "DEEP"), ("SCAN", "A-1"), ("SCAN", "A-1", "DEEP")])
async def test_books_in_order_are_said_to_be(wire: Wire, store: MemoryStore, words: tuple[str, ...]) -> None:
    await trade(wire)
    report = await wire.map(*words)
    one = "A-1" in words
    assert report["sku"] == ("A-1" if one else None)
    assert report["deep"] == ("DEEP" in words)
    assert report["books"] == (1 if one else 3)
    assert report["records"] == (3 if one else 4)
    assert report["violations"] == report["origins"] == []
    assert report["found"] == 0
    assert report["position"] == len(store.frames)
    standing = await wire.map("VIOLATIONS")
    assert standing["found"] == 0
    assert (standing["asked"], standing["pass_of"]) == (None, 3)
    assert as_map(standing["last"]) == {"ended_at": standing["last"]["ended_at"], **report}
    assert events_of(store, ViolationFound) == []


async def test_a_wrong_figure_is_named_with_its_events_and_stays_listed_until_it_is_gone(
    served: Served, wire: Wire, store: MemoryStore
) -> None:
    """Never silently repaired: the book stays as wrong as it was."""
    await trade(wire)
    book_of(served).positions[BERLIN].committed += 5
    report = await wire.map("SCAN")
    violation = as_map(report["violations"][0])
    assert violation == {
        "law": COMMITTED,
        "sku": "A-1",
        "location": "berlin",
        "expected": 2,
        "found": 7,
        "detail": "",
    }
    assert book_of(served).positions[BERLIN].committed == 7
    (origin,) = map(as_map, report["origins"])
    assert (origin["sku"], origin["blame"], origin["first"]) == ("A-1", "memory", None)
    texts = [as_map(event)["text"] for event in origin["events"]]
    assert texts[-1] == "order 77 of direct, line 1: 1 owed (1 from berlin), 1 shipped"

    for _ in range(2):  # again is no news
        await wire.map("SCAN", "A-1")
    (event,) = [each for each in events_of(store, ViolationFound) if each.law == COMMITTED]
    assert (event.sku, event.expected, event.found, event.origin) == ("A-1", 2, 7, None)
    assert event.positions[-1] == as_map(origin["events"][-1])["position"]
    listed = await wire.map("VIOLATIONS")
    assert COMMITTED in [as_map(each)["law"] for each in listed["violations"]]

    book_of(served).positions[BERLIN].committed += 1  # another figure is news
    await wire.map("SCAN")
    assert [each.found for each in events_of(store, ViolationFound) if each.law == COMMITTED] == [7, 8]

    book_of(served).positions[BERLIN].committed = 2
    await wire.map("SCAN", "B-2")
    assert (await wire.map("VIOLATIONS"))["found"] > 0, "another SKU was scanned"
    assert (await wire.map("SCAN"))["found"] == 0
    assert (await wire.map("VIOLATIONS"))["found"] == 0
    assert COMMITTED in [each.law for each in events_of(store, ViolationCleared)]


async def test_what_was_found_is_known_after_a_restart(tmp_path: Path, store: MemoryStore) -> None:
    async with serving(tmp_path, store) as served:
        wire = await served.connect(3)
        book_of(served).positions[BERLIN].reserved += 1
        assert (await wire.map("SCAN"))["found"] > 0
        before = (await wire.map("VIOLATIONS"))["violations"]
    async with serving(tmp_path, store, stock=None) as served:
        wire = await served.connect(3)
        assert (await wire.map("VIOLATIONS"))["violations"] == before
        assert (await wire.map("SCAN"))["found"] == 0, "replay has made the book anew"
        assert (await wire.map("VIOLATIONS"))["violations"] == []


async def test_units_that_came_from_nowhere_are_found_by_a_deep_scan(served: Served, wire: Wire) -> None:
    """Lesson A7: what came in minus what went out is on hand; only the journal knows."""
    await trade(wire)
    book_of(served).positions[BERLIN].on_hand += 4
    assert (await wire.map("SCAN"))["found"] == 0
    for words in (("SCAN", "DEEP"), ("SCAN", "A-1", "DEEP")):
        report = await wire.map(*words)
        violation = as_map(report["violations"][0])
        assert (violation["law"], violation["expected"], violation["found"]) == (ON_HAND, 9, 13)
        assert as_map(report["origins"][0])["blame"] == "memory"
    await wire.map("SCAN")
    assert (await wire.map("VIOLATIONS"))["found"] == 1, "only a deep scan can find it gone"
    book_of(served).positions[BERLIN].on_hand -= 4
    await wire.map("SCAN", "DEEP")
    assert (await wire.map("VIOLATIONS"))["found"] == 0


async def test_the_event_that_the_journal_does_not_add_up_at_is_named(
    served: Served, wire: Wire, store: MemoryStore
) -> None:
    """Lesson I5: which event was it? Here one that says another figure than its own sum."""
    await trade(wire)
    book = book_of(served)
    wrong = StockAdjusted(
        at=served.node.clock.now(), sku=book.sku, key=Key("x"), location=BERLIN, delta=3, on_hand=99, reason="bug"
    )
    position = await served.node.journal.record([wrong])
    await wire.map("RECEIVE", "r-2", "A-1", "hamburg", "1")
    report = await wire.map("SCAN", "DEEP")
    violation = as_map(report["violations"][0])
    assert (violation["law"], violation["expected"], violation["found"]) == (ON_HAND, 12, 9)
    (origin,) = map(as_map, report["origins"])
    first = as_map(origin["first"])
    assert origin["blame"] == "journal"
    assert (first["position"], first["kind"], first["text"]) == (position, "stock_adjusted", "berlin corrected by +3")
    (event,) = events_of(store, ViolationFound)
    assert event.origin == position


async def test_a_deep_scan_is_exact_while_the_books_move(served: Served, wire: Wire, store: MemoryStore) -> None:
    """Figures are copied at a mark in the journal: what is sold meanwhile is on either side of it, never in doubt."""
    done = False
    other = await served.connect(3)

    async def sell() -> None:
        number = 0
        while not done:
            number += 1
            await other.map("HOLD", f"h-{number}", "900", "A-1", "1")
            await other.map("RELEASE", f"h-{number}")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(sell)
        for _ in range(5):
            assert (await wire.map("SCAN", "DEEP"))["found"] == 0
        done = True
    assert len(events_of(store, BooksCompared)) >= 5


async def test_one_scan_at_a_time(served: Served, wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    reading, go_on = trio.Event(), trio.Event()
    tell = served.node.reader.tell

    async def wait_for_the_test(hear: Callable[..., None], **more: Any) -> None:
        reading.set()
        await go_on.wait()
        await tell(hear, **more)

    monkeypatch.setattr(served.node.reader, "tell", wait_for_the_test)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wire.map, "SCAN", "DEEP")
        await reading.wait()
        other = await served.connect(3)
        assert await other.error("SCAN") == "BUSY another scan is under way: ask again when it is done"
        standing = await other.map("VIOLATIONS")
        assert as_map(standing["asked"]) == {"sku": None, "deep": True, "began_at": standing["asked"]["began_at"]}
        assert standing["last"] is None
        go_on.set()
    assert (await other.map("SCAN"))["found"] == 0


async def test_more_than_can_be_listed_is_counted(
    served: Served, wire: Wire, monkeypatch: pytest.MonkeyPatch, store: MemoryStore
) -> None:
    monkeypatch.setattr(scanning, "OPEN_MAX", 2)
    for sku in ("A-1", "B-2", "C-3"):
        book_of(served, sku).positions[BERLIN].safety_stock = -1
    assert (await wire.map("SCAN"))["found"] == 3
    listed = await wire.map("VIOLATIONS")
    assert (listed["found"], listed["unlisted"]) == (2, 1)
    assert len(events_of(store, ViolationFound)) == 2


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("NONE",), "NOSUCHSKU sku=NONE"),
        (("A-1", "SHALLOW"), "BADARG option='SHALLOW': expected DEEP, the only one"),
    ],
)
async def test_a_scan_of_nothing_is_refused(wire: Wire, words: tuple[str, ...], problem: str) -> None:
    assert await wire.error("SCAN", *words) == problem


async def test_a_hold_that_nobody_could_find_is_named(served: Served, wire: Wire) -> None:
    """A law between two owners: the directory leads to every open hold."""
    await wire.map("HOLD", "lost", "900", "A-1", "2")
    del served.node.directory[next(iter(served.node.directory))]
    violation = as_map((await wire.map("SCAN"))["violations"][0])
    assert violation["law"] == "every open hold is in the directory"
    assert violation["detail"] == "hold lost"


async def test_an_order_that_the_desk_does_not_know_is_named(served: Served, wire: Wire) -> None:
    await wire.map("RECORD", order_json())
    key = next(iter(served.node.desk.orders))
    order = served.node.desk.orders.pop(key)
    violation = as_map((await wire.map("SCAN"))["violations"][0])
    assert violation["law"] == "every order line that claims units is known to the order desk"
    assert violation["detail"] == "order 77 of direct, line 1"
    served.node.desk.orders[key] = order
    assert (await wire.map("SCAN"))["found"] == 0
