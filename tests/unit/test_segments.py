"""Frames in segments are read as if they had never left, and what is missing is named."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from adapters.store import segments as tier
from adapters.store.archive import ArchiveReader, ArchiveWriter
from adapters.store.segments import PutAway, Segment, Segments
from engine.domain.errors import JournalCut, StoreCorrupt
from engine.ports import Found, Frame
from tests.fakes.clocks import START

COUNT = 30
WORDS = (b"mug", b"cup", b"jar")


def frames(count: int = COUNT) -> list[Frame]:
    return [
        Frame(position=n, written_at=START + timedelta(seconds=n), payload=WORDS[n % 3] * (n % 5) + b"%d" % n)
        for n in range(1, count + 1)
    ]


class Left:
    """A store that has kept its newest frames, and a record of where the others are."""

    def __init__(self, folder: Path, lasts: Sequence[int], kept_from: int) -> None:
        """Put frames away: one segment up to each of `lasts`; the store itself begins at `kept_from`."""
        self.journal = frames()
        self.kept_from = kept_from
        self.asked: list[int] = []
        self.records: list[Segment] = []
        after = 0
        for last in lasts:
            path = folder / f"journal-{after + 1}-{last}.gz"
            path.unlink(missing_ok=True)
            with ArchiveWriter(path, after=after) as writer:
                writer.add(self.journal[after:last])
                writer.finish()
            reader = ArchiveReader(path)
            reader.read_now(after, COUNT)
            self.records.append(
                Segment(
                    first=after + 1,
                    last=last,
                    file=path.name,
                    file_bytes=path.stat().st_size,
                    sha256=reader.finish(),
                    put_away_at=START,
                )
            )
            reader.close()
            after = last

    async def read(self, after: int, limit: int) -> tuple[Frame, ...]:
        self._check(after)
        return tuple(self.journal[after : after + limit])

    async def search(self, after: int, until: int, needles: Sequence[bytes]) -> Found:
        self._check(after)
        through = min(until, after + 4)
        found = [each for each in self.journal[after:through] if any(needle in each.payload for needle in needles)]
        return Found(frames=tuple(found), through=through)

    def _check(self, after: int) -> None:
        self.asked.append(after)
        if after + 1 < self.kept_from:
            raise PutAway("the store", next(each for each in self.records if each.first <= after + 1 <= each.last))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("segments")


@given(data=st.data())
def test_a_journal_in_segments_is_the_journal(folder: Path, data: st.DataObject) -> None:
    """Wherever it is cut, and wherever who reads it has been before."""
    lasts = sorted(data.draw(st.sets(st.integers(1, COUNT - 1), min_size=1, max_size=4)))
    left = Left(folder, lasts, data.draw(st.integers(1, lasts[-1] + 1)))
    looks = data.draw(st.lists(st.tuples(st.integers(0, COUNT + 1), st.integers(1, 9), st.booleans()), max_size=9))

    async def run() -> None:
        segments = Segments(folder)
        for after, limit, searched in looks:
            if not searched:
                expected = tuple(left.journal[after : after + limit])
                assert await segments.read(left.read, after, limit) == expected
            elif after < (until := min(COUNT, after + limit)):
                found = await segments.search(left.search, after, until, (b"mug", b"7"))
                assert after < found.through <= until
                span = left.journal[after : found.through]
                assert list(found.frames) == [each for each in span if b"mug" in each.payload or b"7" in each.payload]
        segments.close()

    trio.run(run)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return the files that were opened, in order."""
    paths: list[Path] = []

    class Noted(ArchiveReader):
        def __init__(self, path: Path) -> None:
            paths.append(path)
            super().__init__(path)

    monkeypatch.setattr(tier, "ArchiveReader", Noted)
    return paths


async def test_going_on_unpacks_nothing_twice(
    tmp_path: Path, opened: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tier, "_SEARCHED_MAX", 2)
    left = Left(tmp_path, [10, 20], kept_from=21)
    segments = Segments(tmp_path)
    after = other = 0
    while after < COUNT:
        after = (await segments.search(left.search, after, COUNT, (b"jar",))).through
        if other < after - 3:  # somebody else reads the same, some way behind
            other = (await segments.read(left.read, other, 1))[-1].position
    assert len(opened) == 4, "each of the two opened each of the two files once"


async def test_few_files_are_open_however_many_read(
    tmp_path: Path, opened: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[Path] = []
    close = ArchiveReader.close

    def note_and_close(reader: ArchiveReader) -> None:
        closed.append(reader._path)
        close(reader)

    monkeypatch.setattr(ArchiveReader, "close", note_and_close)
    left = Left(tmp_path, [20], kept_from=21)
    closed.clear()
    segments = Segments(tmp_path)
    for after in range(15, 5, -1):  # each further back than all that are open
        await segments.read(left.read, after, 1)
    assert len(opened) == 10
    assert len(opened) - len(closed) == tier._CURSORS_MAX
    segments.close()
    assert len(opened) == len(closed)


async def test_a_segment_that_is_not_there_is_named_and_can_be_put_back(tmp_path: Path) -> None:
    left = Left(tmp_path, [10, 20], kept_from=21)
    segments = Segments(tmp_path)
    there, tape = tmp_path / left.records[1].file, tmp_path / "tape"
    there.rename(tape)
    assert await segments.read(left.read, 0, 10) == tuple(left.journal[:10])
    for _ in range(2):
        with pytest.raises(JournalCut, match=f"frames 11 to 20 are needed and were put away: put {there} back") as cut:
            await segments.read(left.read, 5, 10)
        assert (cut.value.first, cut.value.last, cut.value.file) == (11, 20, str(there))
        with pytest.raises(JournalCut):
            await segments.search(left.search, 10, 30, (b"mug",))
    assert await segments.read(left.read, 20, 99) == tuple(left.journal[20:]), "what is here needs no file"
    tape.rename(there)
    assert await segments.read(left.read, 5, 99) == tuple(left.journal[5:])
    with pytest.raises(JournalCut, match="frames 1 to 10"):
        await Segments(None).read(left.read, 0, 10)


async def test_a_damaged_segment_is_refused(tmp_path: Path) -> None:
    left = Left(tmp_path, [20], kept_from=21)
    path = tmp_path / left.records[0].file
    intact = path.read_bytes()
    path.write_bytes(intact[:-1])
    with pytest.raises(
        StoreCorrupt, match=f"has {len(intact) - 1} bytes, the segment of frames 1 to 20 .* damaged, or"
    ):
        await Segments(tmp_path).read(left.read, 0, 9)
    flipped = bytearray(intact)
    flipped[len(intact) // 2] ^= 1
    path.write_bytes(flipped)
    with pytest.raises(StoreCorrupt, match=str(path)):
        await Segments(tmp_path).read(left.read, 0, 20)


async def test_another_segment_under_its_name_is_refused(tmp_path: Path) -> None:
    """Whole, of the same size and of the same positions: that of another journal."""
    left = Left(tmp_path, [20], kept_from=21)
    (record,) = left.records
    left.records = [
        Segment(**{name: getattr(record, name) for name in record.__struct_fields__} | {"sha256": "0" * 64})
    ]
    with pytest.raises(StoreCorrupt, match="is whole and not the segment on record: its SHA-256 is"):
        await Segments(tmp_path).read(left.read, 0, 20)


async def test_a_segment_that_ends_early_is_refused(tmp_path: Path) -> None:
    left = Left(tmp_path, [20], kept_from=25)
    (record,) = left.records
    left.records = [Segment(**{name: getattr(record, name) for name in record.__struct_fields__} | {"last": 24})]
    with pytest.raises(StoreCorrupt, match="ends before frame 24, its last one"):
        await Segments(tmp_path).read(left.read, 0, 99)
