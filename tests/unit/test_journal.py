"""Group commit: in order, whole units, and no answer before the frame is durable."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import msgspec
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from adapters.store.memory import MemoryStore
from engine.actors.journal import Journal, decode_events, encode_events
from engine.domain.errors import AppendUnknown, Fenced, JournalUnavailable
from engine.domain.events import Event, HoldReleased
from engine.domain.units import EPOCH, HoldId
from engine.ports import Frame
from tests.fakes.books import A
from tests.fakes.clocks import PATIENCE_SECONDS, START, NoonClock
from tests.fakes.stores import FaultyStore, SlowStore


class Listener:
    """Keeps what telemetry would hear."""

    def __init__(self) -> None:
        self.frames: list[tuple[int, int]] = []
        self.stalls: list[str | None] = []

    def frame_committed(self, events: int, payload_bytes: int, seconds: float) -> None:
        self.frames.append((events, payload_bytes))

    def stalled(self, reason: str | None) -> None:
        self.stalls.append(reason)


def make(
    store: MemoryStore, *, entries_max: int = 10, waiting_max: int = 20, stall_seconds_max: float = 60
) -> tuple[Journal, Listener]:
    listener = Listener()
    journal = Journal(
        store,
        NoonClock(),
        entries_max=entries_max,
        waiting_max=waiting_max,
        stall_seconds_max=stall_seconds_max,
        listener=listener,
    )
    return journal, listener


@asynccontextmanager
async def running(journal: Journal) -> AsyncIterator[None]:
    with trio.fail_after(PATIENCE_SECONDS):
        async with trio.open_nursery() as nursery:
            await nursery.start(journal.run)
            yield
            nursery.cancel_scope.cancel()


def facts(*names: str) -> list[Event]:
    return [HoldReleased(at=START, sku=A, hold_id=HoldId(name)) for name in names]


def written(store: MemoryStore) -> list[list[str]]:
    return [[event.hold_id for event in decode_events(frame)] for frame in store.frames]  # type: ignore[union-attr]


async def test_while_one_frame_is_written_the_next_one_gathers(autojump_clock: MockClock) -> None:
    store = SlowStore()
    journal, listener = make(store)
    answers: list[tuple[str, int]] = []
    async with running(journal):
        for name in "abc":
            journal.enqueue(facts(name), lambda position, name=name: answers.append((name, position)))  # type: ignore[misc]
            await wait_all_tasks_blocked()
        assert (answers, journal.position, journal.waiting_events) == ([], 0, 3)
        store.open()
        await wait_all_tasks_blocked()
    assert written(store) == [["a"], ["b", "c"]]
    assert answers == [("a", 1), ("b", 2), ("c", 2)]
    assert (journal.position, journal.waiting_events) == (2, 0)
    assert [events for events, _ in listener.frames] == [1, 2]


async def test_a_unit_is_never_split_over_two_frames(autojump_clock: MockClock) -> None:
    store = SlowStore()
    journal, _ = make(store, entries_max=3)
    async with running(journal):
        for names in ("a", "bc", "def", "ghijk", "l"):
            journal.enqueue(facts(*names), None)
        store.open()
        await wait_all_tasks_blocked()
    assert ["".join(frame) for frame in written(store)] == ["abc", "def", "ghijk", "l"]


async def test_a_unit_without_events_waits_for_what_was_before_it(autojump_clock: MockClock) -> None:
    store = SlowStore()
    journal, _ = make(store)
    answers: list[tuple[str, int]] = []
    journal.enqueue((), lambda position: answers.append(("at rest", position)))
    assert answers == [("at rest", 0)]
    async with running(journal):
        journal.enqueue(facts("a"), None)
        journal.enqueue((), lambda position: answers.append(("gathering", position)))
        await wait_all_tasks_blocked()
        journal.enqueue((), lambda position: answers.append(("committing", position)))
        await wait_all_tasks_blocked()
        assert len(answers) == 1
        store.open()
        await wait_all_tasks_blocked()
        assert answers[1:] == [("gathering", 1), ("committing", 1)]
    assert written(store) == [["a"]], "nothing is no frame"


async def test_closing_writes_what_is_left_and_returns(autojump_clock: MockClock) -> None:
    store = MemoryStore()
    journal, _ = make(store)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(journal.run)
        journal.enqueue(facts("a"), None)
        journal.enqueue(facts("b"), None)
        journal.close()
    assert written(store) == [["a", "b"]]
    with pytest.raises(AppendUnknown):
        await journal.record(facts("too late"))


async def test_whoever_decides_waits_while_the_backlog_is_full(autojump_clock: MockClock) -> None:
    store = SlowStore()
    journal, _ = make(store, entries_max=2, waiting_max=4)
    async with running(journal):
        await journal.wait_room()
        for names in ("ab", "cd"):
            journal.enqueue(facts(*names), None)
        with trio.move_on_after(1000) as patience:
            await journal.wait_room()
        assert patience.cancelled_caught
        store.open()
        await journal.wait_room()


async def test_a_recorder_returns_the_position_once_it_is_durable(autojump_clock: MockClock) -> None:
    store = SlowStore()
    journal, _ = make(store)
    positions: list[int] = []

    async def record() -> None:
        positions.append(await journal.record(facts("a", "b")))

    async with running(journal), trio.open_nursery() as nursery:
        nursery.start_soon(record)
        await wait_all_tasks_blocked()
        assert positions == []
        store.open()
    assert positions == [1]
    assert written(store) == [["a", "b"]]


async def test_a_recorder_that_is_cancelled_after_handing_over_still_hears_of_the_commit(
    autojump_clock: MockClock,
) -> None:
    """As `Recorder.record` promises: who is cancelled in between would not know what is on record."""
    store = SlowStore()
    journal, _ = make(store)
    async with running(journal):
        with trio.move_on_after(1) as patience:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_open_after, store, 10)
                assert await journal.record(facts("a")) == 1
        assert patience.cancel_called
    assert written(store) == [["a"]]


async def _open_after(store: SlowStore, seconds: float) -> None:
    with trio.CancelScope(shield=True):
        await trio.sleep(seconds)
    store.open()


# -- when the store says no


async def test_a_refused_append_is_tried_again_and_answers_wait(autojump_clock: MockClock) -> None:
    store = FaultyStore()
    journal, listener = make(store)
    store.refuse("disk full")
    answers: list[int] = []
    async with running(journal):
        journal.enqueue(facts("a"), answers.append)
        await trio.sleep(10)
        assert (journal.stalled, answers) == ("disk full", [])
        assert 35 <= store.tries <= 45
        store.mend()
        await trio.sleep(1)
        assert (journal.stalled, answers) == (None, [1])
        journal.enqueue(facts("b"), answers.append)
        await trio.sleep(1)
    assert written(store) == [["a"], ["b"]]
    assert (listener.stalls[0], listener.stalls[-1]) == ("disk full", None)


async def test_a_store_that_keeps_refusing_ends_the_run(autojump_clock: MockClock) -> None:
    store = FaultyStore()
    journal, _ = make(store, stall_seconds_max=30)
    store.refuse("disk full")
    started = trio.current_time()
    with pytest.RaisesGroup(pytest.RaisesExc(JournalUnavailable, match="disk full; gave up after 30 s")):
        async with running(journal):
            journal.enqueue(facts("a"), None)
            await trio.sleep(100)
    assert trio.current_time() - started == pytest.approx(30)


async def test_each_stall_has_its_own_patience(autojump_clock: MockClock) -> None:
    store = FaultyStore()
    journal, _ = make(store, stall_seconds_max=30)
    async with running(journal):
        for name in "abc":
            store.refuse()
            journal.enqueue(facts(name), None)
            await trio.sleep(25)
            store.mend()
            await trio.sleep(1)
    assert written(store) == [["a"], ["b"], ["c"]]


FINAL = [AppendUnknown("connection lost"), Fenced("the store", epoch=1, newest=2, owner="another")]
"""What an append raises when nothing may be written after it."""


@pytest.mark.parametrize("failure", FINAL, ids=lambda failure: type(failure).__name__)
async def test_an_append_of_unknown_outcome_or_by_a_replaced_owner_ends_the_run_and_answers_nobody(
    autojump_clock: MockClock, failure: Exception
) -> None:
    store = FaultyStore(lambda: failure)
    journal, _ = make(store)
    answers: list[int] = []
    with pytest.RaisesGroup(type(failure)):
        async with running(journal):
            journal.enqueue(facts("a"), answers.append)
            await trio.sleep(100)
    assert (answers, journal.position, store.tries) == ([], 0, 1)


async def test_a_recorder_ends_with_the_journal(autojump_clock: MockClock) -> None:
    """Shielded or not: it neither hangs nor believes that the events are durable."""
    store = FaultyStore(lambda: AppendUnknown("connection lost"))
    journal, _ = make(store)
    with pytest.RaisesGroup(AppendUnknown):
        async with running(journal):
            await journal.record(facts("a"))
    with pytest.raises(AppendUnknown, match="the journal ended"):
        await journal.record(facts("b"))


async def test_a_run_cancelled_during_an_append_answers_nobody(autojump_clock: MockClock) -> None:
    store = SlowStore()
    journal, _ = make(store)
    answers: list[int] = []
    async with trio.open_nursery() as nursery:
        await nursery.start(journal.run)
        journal.enqueue(facts("a"), answers.append)
        nursery.start_soon(journal.record, facts("b"))
        await wait_all_tasks_blocked()
        assert store.appending == 1
        nursery.cancel_scope.cancel()
    assert (answers, journal.position, store.frames) == ([], 0, [])


# -- payloads


def test_a_payload_is_read_back_as_it_was_built() -> None:
    events: Sequence[Event] = facts("a", "b")
    frame = Frame(position=1, written_at=EPOCH, payload=encode_events(events))
    assert decode_events(frame) == events


def test_a_payload_of_another_version_is_refused() -> None:
    payload = msgspec.msgpack.encode([{"kind": "from the future", "at": START}])
    with pytest.raises(msgspec.ValidationError):
        decode_events(Frame(position=1, written_at=EPOCH, payload=payload))
