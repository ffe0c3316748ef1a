"""Reading the journal again: what names a word is told, in order and whole; what cannot be read is said."""

from collections.abc import Sequence

import pytest
import trio
from trio.testing import MockClock

from adapters.store.memory import MemoryStore
from engine.actors import reader as reading
from engine.actors.journal import Journal, encode_events
from engine.actors.reader import JournalReader, needle_for
from engine.domain.errors import StoreCorrupt
from engine.domain.events import Event, SkuAdded
from engine.domain.units import Sku
from engine.ports import Frame
from tests.fakes.clocks import START, NoonClock
from tests.fakes.running import SilentTelemetry


def added(*names: str) -> list[Event]:
    return [SkuAdded(at=START, sku=Sku(name), name=f"about A-1, not {name}") for name in names]


def reader_of(*frames: Sequence[Event] | bytes) -> JournalReader:
    store = MemoryStore(
        [
            Frame(position=n, written_at=START, payload=each if isinstance(each, bytes) else encode_events(each))
            for n, each in enumerate(frames, start=1)
        ]
    )
    journal = Journal(
        store, NoonClock(), entries_max=9, waiting_max=9, stall_seconds_max=60, listener=SilentTelemetry()
    )
    journal.position = len(frames)
    return JournalReader(store, journal)


async def told(reader: JournalReader, *words: str, after: int = 0, until: int | None = None) -> list[tuple[int, str]]:
    heard: list[tuple[int, str]] = []

    def hear(position: int, event: Event) -> None:
        assert isinstance(event, SkuAdded)
        heard.append((position, event.sku))

    needles = [needle_for(word) for word in words]
    await reader.tell(hear, needles=needles, after=after, until=reader.position if until is None else until)
    return heard


async def test_only_events_that_name_a_word_as_a_whole_are_told(autojump_clock: MockClock) -> None:
    """A SKU within a longer text, or at the end of another SKU, is not that SKU."""
    reader = reader_of(added("A-1", "BA-1", "A-10"), added("B"), added("A-1", "B"), [])
    assert await told(reader, "A-1") == [(1, "A-1"), (3, "A-1")]
    assert await told(reader, "B", "A-10") == [(1, "A-10"), (2, "B"), (3, "B")]
    assert await told(reader, "B", after=2) == [(3, "B")]
    assert await told(reader, "B", until=2) == [(2, "B")]
    assert await told(reader) == [(1, "A-1"), (1, "BA-1"), (1, "A-10"), (2, "B"), (3, "A-1"), (3, "B")]


@pytest.mark.parametrize("length", [1, 31, 32, 200])
async def test_words_of_any_length_are_found(autojump_clock: MockClock, length: int) -> None:
    """A text's length stands in front of it in one byte or two."""
    assert await told(reader_of(added("x" * length)), "x" * length) == [(1, "x" * length)]


async def test_others_go_on_meanwhile(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_EVENTS_MAX", 10)
    reader = reader_of(added(*(f"S-{n}" for n in range(100))))
    steps = 0

    async def count() -> None:
        nonlocal steps
        while True:
            await trio.sleep(reading.PAUSE_SECONDS)
            steps += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(count)
        assert len(await told(reader, "none")) == 0
        nothing, steps = steps, 0
        assert len(await told(reader)) == 100
        nursery.cancel_scope.cancel()
    assert nothing == 0, "a frame without the word is not even split"
    assert steps >= 90


@pytest.mark.parametrize("payload", [b"\xc1", b"\x91\x81\xa4kind\xa5never", encode_events(added("A-1"))[:-1]])
async def test_what_cannot_be_read_is_said_with_its_frame(autojump_clock: MockClock, payload: bytes) -> None:
    with pytest.raises(StoreCorrupt, match="frame 2 holds what this version cannot read"):
        await told(reader_of(added("A-1"), payload))


async def test_the_journal_says_when_it_began(autojump_clock: MockClock) -> None:
    assert await reader_of().started_at() is None
    assert await reader_of(added("A-1")).started_at() == START
