"""Archives: frames in one file, whole or refused, whatever is done to the bytes."""

import gzip
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from adapters.store import archive
from adapters.store.archive import ArchiveReader, ArchiveWriter
from engine.domain.errors import JournalUnavailable, StoreCorrupt
from engine.ports import Frame
from tests.fakes.clocks import START

PAYLOADS = (b"", b"one", b"\x00" * 5000, b"four")


def frames(payloads: Sequence[bytes] = PAYLOADS, *, after: int = 0) -> list[Frame]:
    return [
        Frame(position=after + n, written_at=START + timedelta(microseconds=n), payload=payload)
        for n, payload in enumerate(payloads, 1)
    ]


def write(path: Path, written: Sequence[Frame], *, after: int = 0) -> Path:
    with ArchiveWriter(path, after=after) as writer:
        writer.add(written)
        writer.finish()
    return path


def read(path: Path, *, after: int = 0, limit: int = 2, at_once: int = 1 << 18) -> list[Frame]:
    """Read all of it; no more than `at_once` bytes of it are unpacked at a time."""

    async def run() -> list[Frame]:
        reader = ArchiveReader(path)
        found: list[Frame] = []
        try:
            while batch := await reader.read(found[-1].position if found else after, limit):
                found += batch
        finally:
            await reader.aclose()
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archive, "_UNPACKED_BYTES", at_once)
        return trio.run(run)


@pytest.mark.parametrize("count", range(len(PAYLOADS) + 1))
@pytest.mark.parametrize("after", [0, 1000])
def test_what_was_written_is_read(tmp_path: Path, count: int, after: int) -> None:
    written = frames(PAYLOADS[:count], after=after)
    path = write(tmp_path / "a.gz", written, after=after)
    assert read(path, after=after) == written
    assert [each.name for each in tmp_path.iterdir()] == ["a.gz"]
    assert path.stat().st_mode & 0o777 == 0o600, "buyers are named in it"


def test_what_fails_leaves_no_file_and_no_stream_behind(tmp_path: Path) -> None:
    """A stream that is forgotten writes its end into a closed file when it is collected, and Python says so."""
    with pytest.raises(StoreCorrupt, match="frame 1 after frame 4"), ArchiveWriter(tmp_path / "a", after=0) as writer:
        writer.add([*frames(), frames()[0]])
    assert list(tmp_path.iterdir()) == []
    assert (writer._zipped.closed, writer._file.closed) == (True, True)


AT_ONCE = st.sampled_from((1, 7, 33, 1 << 18))


@given(payloads=st.lists(st.binary(max_size=90), max_size=12), at_once=AT_ONCE, limit=st.integers(1, 5))
def test_frames_are_the_same_however_little_is_unpacked_at_once(
    tmp_path_factory: pytest.TempPathFactory, payloads: list[bytes], at_once: int, limit: int
) -> None:
    path = write(tmp_path_factory.mktemp("archive") / "a", frames(payloads))
    assert read(path, limit=limit, at_once=at_once) == frames(payloads)


def test_the_same_frames_are_the_same_bytes(tmp_path: Path) -> None:
    one, other = write(tmp_path / "a", frames()), write(tmp_path / "b", frames())
    assert one.read_bytes() == other.read_bytes()


async def test_it_can_be_read_again_and_from_the_middle(tmp_path: Path) -> None:
    reader = ArchiveReader(write(tmp_path / "a", frames()))
    assert list(await reader.read(2, 9)) == frames()[2:]
    assert list(await reader.read(0, 1)) == frames()[:1]
    assert await reader.read(4, 1) == ()
    found = await reader.summary()
    assert (found.frames, found.last_at) == (4, frames()[-1].written_at)
    await reader.aclose()


def test_a_part_of_a_journal_says_where_it_begins(tmp_path: Path) -> None:
    path = write(tmp_path / "a", frames(after=10), after=10)
    with pytest.raises(StoreCorrupt, match="begins behind frame 10, not behind 0"):
        read(path)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("archive") / "whole", frames())


@given(data=st.data())
def test_a_file_cut_short_anywhere_is_refused(whole: Path, data: st.DataObject) -> None:
    intact = whole.read_bytes()
    cut = whole.with_name("cut")
    cut.write_bytes(intact[: data.draw(st.integers(0, len(intact) - 1))])
    with pytest.raises(StoreCorrupt):
        read(cut, at_once=data.draw(AT_ONCE))


@given(data=st.data())
def test_a_flipped_bit_in_what_it_says_is_refused(whole: Path, data: st.DataObject) -> None:
    """Below the compression, where gzip's own check has been made to fit."""
    said = bytearray(gzip.decompress(whole.read_bytes()))
    said[data.draw(st.integers(0, len(said) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    flipped = whole.with_name("flipped")
    flipped.write_bytes(gzip.compress(bytes(said)))
    with pytest.raises(StoreCorrupt):
        read(flipped, at_once=data.draw(AT_ONCE))


@given(data=st.data())
def test_a_flipped_bit_of_the_file_never_changes_a_frame(whole: Path, data: st.DataObject) -> None:
    """Gzip has bits that mean nothing: its flags, its time."""
    bits = bytearray(whole.read_bytes())
    bits[data.draw(st.integers(0, len(bits) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    flipped = whole.with_name("bits")
    flipped.write_bytes(bytes(bits))
    try:
        found = read(flipped, at_once=data.draw(AT_ONCE))
    except StoreCorrupt:
        return
    assert found == frames()


@pytest.mark.parametrize("at_once", [1, 1 << 18])
def test_something_behind_the_end_is_refused(whole: Path, tmp_path: Path, at_once: int) -> None:
    path = tmp_path / "two"
    path.write_bytes(whole.read_bytes() * 2)
    with pytest.raises(StoreCorrupt, match="something follows its end"):
        read(path, at_once=at_once)
    path.write_bytes(gzip.compress(gzip.decompress(whole.read_bytes()) + b"x"))
    with pytest.raises(StoreCorrupt, match="something follows its end"):
        read(path, at_once=at_once)


def test_a_damaged_frame_that_a_search_passes_over_is_found_at_the_end(tmp_path: Path) -> None:
    """Its own digest is looked at only where it is told; the file's covers it."""
    said = gzip.decompress(write(tmp_path / "a", frames([b"jar 1", b"mug 2", b"jar 3"])).read_bytes())
    damaged = tmp_path / "damaged"
    damaged.write_bytes(gzip.compress(said.replace(b"mug 2", b"mug 9")))
    reader = ArchiveReader(damaged)
    found = reader.search_now(0, 3, (b"jar",), bytes_max=1000)
    assert ([frame.position for frame in found.frames], found.through) == ([1, 3], 3)
    with pytest.raises(StoreCorrupt, match="does not match the SHA-256 at its end"):
        reader.finish()
    with pytest.raises(StoreCorrupt, match="frame 2 does not match its digest"):
        reader.search_now(0, 3, (b"mug",), bytes_max=1000)
    reader.close()


def test_what_is_no_archive_is_named(tmp_path: Path) -> None:
    path = tmp_path / "notes.gz"
    path.write_bytes(gzip.compress(b"bread, milk and a good deal of butter"))
    with pytest.raises(StoreCorrupt, match=r"notes.gz is not an archive of a journal that this version knows"):
        read(path)
    path.write_bytes(b"bread")
    with pytest.raises(StoreCorrupt, match="damaged or cut short at its beginning"):
        read(path)
    with pytest.raises(JournalUnavailable, match="No such file"):
        ArchiveReader(tmp_path / "none")


def test_an_archive_is_never_written_over(whole: Path) -> None:
    with pytest.raises(JournalUnavailable, match="is there already"):
        ArchiveWriter(whole, after=0)


def test_a_missing_frame_is_not_papered_over_and_leaves_nothing(tmp_path: Path) -> None:
    def skip() -> None:
        with ArchiveWriter(tmp_path / "a", after=0) as writer:
            writer.add(frames()[:1])
            writer.add(frames()[2:])

    with pytest.raises(StoreCorrupt, match="frame 3 after frame 1"):
        skip()
    assert list(tmp_path.iterdir()) == []
