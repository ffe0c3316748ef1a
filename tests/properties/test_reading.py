"""The tables for reading: for all histories they say what the engine knows, however often whoever makes them dies."""

import sqlite3
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import example, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from adapters.store.memory import MemoryStore
from adapters.store.reading import ReadingFile, open_reading
from engine.domain.events import Event
from engine.domain.reading import rows as domain_rows
from engine.domain.reading.reading import Reading
from engine.domain.reading.rows import Table, Values
from engine.domain.units import DIRECT
from engine.ports import Frame
from ops.reading import catch_up, rebuild
from tests.fakes.books import HERE, THERE, A
from tests.fakes.clocks import HandClock
from tests.fakes.engine import Engine, FakeAccount
from tests.fakes.histories import HISTORIES, Story
from tests.fakes.orders import SHOP
from tests.fakes.reading import MemorySource, compare, compare_books, compare_demand, dump, frames_of
from tests.golden.recording import FOLDER, read_frames, recover
from tests.properties.test_seller import ITS_PLACE, KITS, LEAVES, MARKETPLACE, POOLS, STEPS, Seller, made_of

RECORDED = sorted(path.stem for path in FOLDER.glob("*.jsonl"))


def reading_in(folder: str, name: str = "reading.sqlite3") -> aclosing[ReadingFile]:
    return aclosing(open_reading(Path(folder) / name))


class Far(ReadingFile):
    """Brings no row that was not foreseen, as a server far away, and then all at once."""

    async def foresee(self, reading: Reading, frames: Sequence[Sequence[Event]]) -> None:
        asked = reading.asked(frames)
        while asked:
            further = set()
            for each in asked:
                further |= reading.know(each, list(ReadingFile.load(self, *each)))
            asked = further

    def load(self, table: Table[Any], key: Values) -> Iterable[Values]:
        raise AssertionError(f"nobody has foreseen that {table.name} would be asked for {key}")


def far_in(folder: str) -> aclosing[ReadingFile]:
    near = open_reading(Path(folder) / "far.sqlite3")
    near.__class__ = Far
    return aclosing(near)


async def rebuilt(folder: str, frames: list[Frame]) -> Path:
    async with reading_in(folder, "rebuilt.sqlite3") as file:
        await rebuild(MemorySource(frames), file, lambda _what, _frames: None)
        return file.path


async def followed(folder: str, frames: list[Frame], cuts: list[int]) -> Path:
    """Follow a journal that has grown to each of these lengths, each time as a new process."""
    for length in [0, *sorted(cut % (len(frames) + 1) for cut in cuts), len(frames)]:
        async with reading_in(folder) as file:
            if await file.mark() is None:
                await rebuild(MemorySource([]), file, lambda _what, _frames: None)
            await catch_up(MemorySource(frames[:length]), file, await file.mark())
    return Path(folder) / "reading.sqlite3"


async def followed_far(folder: str, frames: list[Frame], cuts: list[int]) -> Path:
    """Follow it as one process that is told all rows it needs ahead, some frames at a time."""
    async with far_in(folder) as file:
        mark = await rebuild(MemorySource([]), file, lambda _what, _frames: None)
        for length in [*sorted(cut % (len(frames) + 1) for cut in cuts), len(frames)]:
            mark = await catch_up(MemorySource(frames[:length]), file, mark)
        return file.path


def play(history: list[tuple[Any, ...]]) -> list[Frame]:
    """Return the journal of a history."""
    story = Story()
    for step in history:
        story.play(step)
    return frames_of(story.frames)


@settings(max_examples=40, deadline=None)
@given(history=HISTORIES, cuts=st.lists(st.integers(0, 50), max_size=6), known_max=st.sampled_from([0, 50_000]))
def test_tables_agree_with_the_engine_and_following_makes_what_rebuilding_makes(
    history: list[tuple[Any, ...]], cuts: list[int], known_max: int
) -> None:
    """Sums of the ledger are STOCK's figures, open holds are open, demand per day is the engine's."""
    frames = play(history)

    async def check() -> None:
        with tempfile.TemporaryDirectory() as folder:
            whole = await rebuilt(folder, frames)
            compare(whole, await recover(frames))
            assert dump(await followed(folder, frames, cuts)) == dump(whole)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(domain_rows, "_KNOWN_MAX", known_max)
                assert dump(await followed_far(folder, frames, cuts)) == dump(whole)

    trio.run(check)


@settings(max_examples=15, deadline=None)
@given(schedule=st.random_module(), opening=st.integers(0, 30), kit=made_of, box=st.integers(0, 2), steps=STEPS)
def test_tables_agree_with_the_engine_over_bundles_orders_and_committed_holds(
    schedule: object, opening: int, kit: dict[Any, int], box: int, steps: list[tuple[Any, ...]]
) -> None:
    """What the whole engine journals, and demand of what was sold within bundles (lessons F1 to F5)."""

    async def check() -> None:
        store, heard = MemoryStore(), []
        accounts = {DIRECT: FakeAccount(), SHOP: FakeAccount(), MARKETPLACE: FakeAccount((ITS_PLACE,))}
        clock = HandClock()
        async with Engine(store, clock=clock, accounts=accounts, pools=POOLS).running() as engine:
            await engine.stock(**dict.fromkeys(LEAVES, opening), **dict.fromkeys(KITS, 0))
            seller = Seller(engine, clock)
            seller.model.came_in.update(dict.fromkeys(LEAVES, opening))
            await seller.recipe(KITS[0], kit)
            await seller.recipe(KITS[1], {KITS[0]: box, LEAVES[0]: 1} if box else {})
            for what, *arguments in steps:
                await getattr(seller, what)(*arguments)
                await seller.compare()
            heard = list(store.frames)
        with tempfile.TemporaryDirectory() as folder:
            path = await rebuilt(folder, heard)
            compare_books(path, engine.books().values())
            compare_demand(path, seller.demand)
            assert dump(await followed(folder, heard, list(range(0, len(heard), 5)))) == dump(path)
            assert dump(await followed_far(folder, heard, list(range(0, len(heard), 5)))) == dump(path)

    trio.run(check, clock=MockClock(autojump_threshold=0))


@pytest.mark.parametrize("name", RECORDED)
async def test_every_kind_of_event_is_read_from_journals_on_record(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where every row has to be looked up again, one by one or all that are foreseen at once."""
    frames = read_frames(name)
    whole = await rebuilt(str(tmp_path), frames)
    compare(whole, await recover(frames))
    monkeypatch.setattr(domain_rows, "_KNOWN_MAX", 0)
    assert dump(await followed(str(tmp_path), frames, list(range(len(frames))))) == dump(whole)
    assert dump(await followed_far(str(tmp_path), frames, list(range(len(frames))))) == dump(whole)


class Killed(BaseException):
    """Nothing that would be done for an exception is done for a process that is killed."""


class Mortal(sqlite3.Connection):
    """Dies in front of the n-th statement; nothing gets through afterwards, no rollback either."""

    left = 0

    def execute(self, *args: Any) -> sqlite3.Cursor:
        self._live(args[0])
        return super().execute(*args)

    def executemany(self, *args: Any) -> sqlite3.Cursor:
        self._live(args[0])
        return super().executemany(*args)

    def _live(self, statement: str) -> None:
        if statement.startswith(("PRAGMA", "SELECT")):
            return
        Mortal.left -= 1
        if Mortal.left < 0:
            raise Killed


_SPREAD = [
    ("receive", A, HERE, 5, None),
    ("receive", A, THERE, 5, None),
    ("order", A, 5, 2, 0, None),
    ("order", A, 0, 0, 0, None),
]
"""An order line over two locations: the order of its rows must not depend on where they were remembered."""


@settings(max_examples=15, deadline=None)
@example(history=[("order", A, 20, 0, 0, None), *_SPREAD], lives=[1])
@given(history=HISTORIES, lives=st.lists(st.integers(1, 60), min_size=1, max_size=6))
def test_killed_between_any_two_writes_it_goes_on_to_the_same_tables(
    history: list[tuple[Any, ...]], lives: list[int]
) -> None:
    """Exactly once: rows and the position they came from are one transaction."""
    frames = play(history)
    connect = sqlite3.connect

    async def live(folder: str, statements: int) -> None:
        Mortal.left = statements
        async with reading_in(folder) as file:
            mark = await file.mark()
            if mark is None:
                await rebuild(MemorySource(frames[: len(frames) // 3]), file, lambda _what, _frames: None)
            for length in range(1, len(frames) + 1):
                await catch_up(MemorySource(frames[:length]), file, await file.mark())

    async def check() -> None:
        with tempfile.TemporaryDirectory() as folder:
            whole = dump(await rebuilt(folder, frames))
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(sqlite3, "connect", lambda *args, **named: connect(*args, factory=Mortal, **named))
                for statements in lives:
                    with suppress(Killed):
                        await live(folder, statements)
                await live(folder, 10**9)
            assert dump(Path(folder) / "reading.sqlite3") == whole

    trio.run(check)
