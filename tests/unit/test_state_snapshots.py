"""What a start makes of the snapshots that are there: the newest usable one, and all the rest of the journal."""

import hashlib
import zlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
import structlog
from trio.testing import MockClock

from adapters.store.memory import MemoryStore
from adapters.store.snapshots import Kept, SectionSum, Snapshot
from adapters.store.snapshots_memory import MemorySnapshots
from engine.actors.journal import encode_events
from engine.domain.errors import JournalUnavailable
from engine.domain.events import Event, SkuAdded, StockReceived, UnitsHeld
from engine.domain.units import DIRECT, HoldId, Key, Sku
from engine.ports import Frame
from ops.bystander import build_bystander
from ops.node import Node
from ops.recovery import catch_up, replay
from ops.snapshots import taking as subject
from ops.snapshots.taking import (
    FORMAT,
    fingerprint,
    frames_not_needed_through,
    raw_statements_of,
    restore_newest,
    statements_of,
    surplus,
    take,
)
from ops.state import digests, state
from tests.fakes.books import HERE
from tests.fakes.clocks import START, NoonClock
from tests.fakes.running import settings_for

SKU = Sku("MUG")


def frame(position: int, *events: Event) -> Frame:
    return Frame(position=position, written_at=START + timedelta(seconds=position), payload=encode_events(events))


def held(position: int) -> Frame:
    hold_id = HoldId(f"h-{position}")
    parts = ((HERE, 1),)
    return frame(position, UnitsHeld(at=START, sku=SKU, hold_id=hold_id, parts=parts, expires_at=None, account=DIRECT))


FRAMES = (
    frame(
        1,
        SkuAdded(at=START, sku=SKU, name="Mug"),
        StockReceived(at=START, sku=SKU, key=Key("r"), location=HERE, quantity=90, on_hand=90),
    ),
    *map(held, range(2, 13)),
)


class Scene:
    """A journal, the snapshots made of it, and the log of whoever starts from them."""

    def __init__(self, frames: Sequence[Frame] = FRAMES) -> None:
        self.store = MemoryStore(list(frames))
        self.snapshots = MemorySnapshots()
        self.nodes = 0

    def make_node(self) -> Node:
        self.nodes += 1
        return build_bystander(settings_for(None), NoonClock())

    async def take(self, position: int, origin: Any = "replayed", as_of: datetime | None = None) -> Kept:
        node = self.make_node()
        await catch_up(node, self.store, until=position)
        last = self.store.frames[position - 1]
        return (await take(node, last, as_of or last.written_at, origin, self.snapshots)).kept

    async def restore(self, **more: Any) -> Node:
        return await restore_newest(self.make_node, self.store, self.snapshots, **more)

    def harm(self, kept: Kept, **changes: Any) -> None:
        """Change the head of a snapshot."""
        there = self.snapshots.by_name[kept.name]
        there.head = msgspec.structs.replace(there.head, **changes)

    def rewrite(self, kept: Kept, pieces: list[bytes]) -> None:
        """Put other pieces in, so that only who reads them finds out."""
        there = self.snapshots.by_name[kept.name]
        there.pieces = pieces
        there.sha256 = hashlib.sha256(b"".join(pieces)).digest()


def holds_of(node: Node) -> int:
    return sum(len(book.holds) for shard in node.shards for book in shard.ledger.books.values())


async def test_a_start_takes_the_newest_and_only_the_frames_behind_it(autojump_clock: MockClock) -> None:
    scene = Scene()
    await scene.take(3)
    await scene.take(9)
    with structlog.testing.capture_logs() as logs:
        node = await scene.restore()
        assert (node.journal.position, holds_of(node)) == (9, 8)
        scene.store.frames[:8] = [Frame(position=0, written_at=START, payload=b"never read")] * 8
        assert await replay(node, scene.store) == FRAMES[-1].written_at
    assert (node.journal.position, node.journal.events, holds_of(node)) == (12, 3, 11)
    restored, replayed = logs
    assert (restored["event"], restored["position"], restored["origin"]) == ("snapshot.restored", 9, "replayed")
    assert (replayed["event"], replayed["after"], replayed["events"]) == ("journal.replayed", 9, 3)


async def test_without_any_it_is_a_new_node(autojump_clock: MockClock) -> None:
    node = await Scene().restore()
    assert (node.journal.position, list(state(node, START))) == (
        0,
        list(state(build_bystander(settings_for(None), NoonClock()), START)),
    )


async def test_at_the_last_frame_there_is_nothing_left_to_read(autojump_clock: MockClock) -> None:
    scene = Scene()
    await scene.take(12)
    node = await scene.restore()
    assert (await catch_up(node, scene.store)).events == 0
    assert holds_of(node) == 11


def damage_a_piece(scene: Scene, kept: Kept) -> None:
    scene.snapshots.by_name[kept.name].pieces[0] += b"x"


def send_what_is_not_compressed(scene: Scene, kept: Kept) -> None:
    scene.rewrite(kept, [b"x"])


def send_what_nobody_knows(scene: Scene, kept: Kept) -> None:
    """The first piece is good: a node that has taken it in must not be used."""
    good = scene.snapshots.by_name[kept.name].pieces
    unknown = msgspec.msgpack.encode(["books", [{"kind": "teleported"}]])
    scene.rewrite(kept, [*good, zlib.compress(unknown)])


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (damage_a_piece, "SHA-256"),
        (send_what_is_not_compressed, "cannot be decompressed"),
        (send_what_nobody_knows, "teleported"),
    ],
)
async def test_a_damaged_one_is_named_and_the_one_before_is_used(
    autojump_clock: MockClock, harm: Callable[[Scene, Kept], None], reason: str
) -> None:
    scene = Scene()
    await scene.take(4)
    newest = await scene.take(8)
    harm(scene, newest)
    with structlog.testing.capture_logs() as logs:
        node = await scene.restore()
    assert (node.journal.position, holds_of(node)) == (4, 3)
    assert (logs[0]["event"], logs[0]["log_level"], logs[0]["snapshot"]) == ("snapshot.damaged", "error", newest.name)
    assert reason in logs[0]["reason"]


async def test_when_all_are_damaged_the_whole_journal_is_read(autojump_clock: MockClock) -> None:
    scene = Scene()
    for position in (4, 8):
        damage_a_piece(scene, await scene.take(position))
    with structlog.testing.capture_logs() as logs:
        node = await scene.restore()
        await replay(node, scene.store)
    assert [line["event"] for line in logs] == ["snapshot.damaged", "snapshot.damaged", "journal.replayed"]
    assert (logs[-1]["after"], holds_of(node)) == (0, 11)


async def test_one_that_is_ahead_of_the_journal_is_refused(autojump_clock: MockClock) -> None:
    """A backup was brought back under it."""
    scene = Scene()
    await scene.take(4)
    await scene.take(8)
    del scene.store.frames[6:]
    with structlog.testing.capture_logs() as logs:
        node = await scene.restore()
    assert node.journal.position == 4
    assert (logs[0]["event"], logs[0]["reason"]) == (
        "snapshot.refused",
        "it is of frame 8, and the journal has fewer",
    )


async def test_one_of_another_journal_is_refused(autojump_clock: MockClock) -> None:
    """A backup was brought back, and the shop has sold on: frame 8 is another one now."""
    scene = Scene()
    await scene.take(8)
    scene.store.frames[7] = msgspec.structs.replace(FRAMES[7], written_at=START + timedelta(hours=1))
    with structlog.testing.capture_logs() as logs:
        node = await scene.restore()
    assert node.journal.position == 0
    assert logs[0]["reason"] == "frame 8 of the journal is not the one that it was made of"


async def test_one_of_another_format_is_refused(autojump_clock: MockClock) -> None:
    scene = Scene()
    scene.harm(await scene.take(8), format=FORMAT + 1)
    with structlog.testing.capture_logs() as logs:
        node = await scene.restore()
    assert node.journal.position == 0
    assert logs[0]["reason"] == f"it has format {FORMAT + 1}, this version reads {FORMAT}"


async def test_one_that_says_nothing_of_an_owner_is_refused(autojump_clock: MockClock) -> None:
    """It was made before there was one: nothing known and nothing said are not the same."""
    scene = Scene()
    kept = await scene.take(8)
    assert kept.head is not None
    sections = {name: each for name, each in kept.head.sections.items() if name != "books"}
    scene.harm(kept, sections=sections)
    with structlog.testing.capture_logs() as logs:
        node = await scene.restore()
    assert node.journal.position == 0
    assert logs[0]["reason"] == "it says nothing of books"


async def test_a_live_one_is_for_those_who_want_it(autojump_clock: MockClock) -> None:
    scene = Scene()
    await scene.take(4)
    await scene.take(8, "live", START + timedelta(days=1))
    assert (await scene.restore()).journal.position == 8
    assert (await scene.restore(origins=("replayed",))).journal.position == 4


async def test_a_place_that_cannot_be_looked_at_is_told_and_does_without(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene()

    async def kept() -> tuple[Kept, ...]:
        raise JournalUnavailable("/data/snapshots: Input/output error")

    monkeypatch.setattr(scene.snapshots, "kept", kept)
    with structlog.testing.capture_logs() as logs:
        assert (await scene.restore()).journal.position == 0
    assert [line["event"] for line in logs] == ["snapshot.unseen"]


# -- what is in one


async def test_the_head_tells_what_every_section_says(autojump_clock: MockClock) -> None:
    """Whoever has the node at that position compares without reading the pieces."""
    scene = Scene()
    kept = await scene.take(12)
    assert kept.head is not None
    node = scene.make_node()
    await catch_up(node, scene.store)
    assert {name: each.sha256 for name, each in kept.head.sections.items()} == digests(node, FRAMES[-1].written_at)
    assert kept.head.frame_sha256 == fingerprint(FRAMES[-1])


async def test_pieces_are_small_and_come_back_in_order(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law 10: a piece has a size, whatever a section says."""
    monkeypatch.setattr(subject, "_PIECE_BYTES", 100)
    frames = [frame(position, SkuAdded(at=START, sku=Sku(f"S-{position:03}"), name="x")) for position in range(1, 60)]
    scene = Scene(frames)
    kept = await scene.take(59)
    pieces = await scene.snapshots.read(kept)
    assert len(pieces) > 30
    node = scene.make_node()
    await catch_up(node, scene.store)
    said = [(section, statement) for section, statements in statements_of(pieces) for statement in statements]
    assert said == list(state(node, frames[-1].written_at))
    hashed = hashlib.sha256(b"".join(raw for section, raw in raw_statements_of(pieces) if section == "books"))
    assert kept.head is not None
    assert kept.head.sections["books"].sha256 == hashed.hexdigest()
    again = await scene.restore()
    assert digests(again, START + timedelta(days=1)) == digests(node, START + timedelta(days=1))


# -- which ones stay


def kept_at(position: int, origin: Any = "replayed") -> Kept:
    said = Snapshot(
        format=FORMAT,
        position=position,
        frame_sha256="",
        written_at=START,
        as_of=START,
        origin=origin,
        program="",
        sections={"books": SectionSum(0, "")},
    )
    return Kept(name=f"{position}-{origin}", stored_bytes=1, head=said)


BROKEN = Kept(name="broken", stored_bytes=1, head=None, problem="cut short")


@pytest.mark.parametrize(
    ("kept", "goes"),
    [
        ([], []),
        ([kept_at(9), kept_at(8)], []),
        ([kept_at(9), kept_at(8), kept_at(7), kept_at(6)], ["7-replayed", "6-replayed"]),
        ([kept_at(9, "live"), kept_at(8), kept_at(7)], []),
        ([kept_at(8, "live"), kept_at(8), kept_at(7)], []),
        ([kept_at(9), kept_at(8, "live"), kept_at(7)], ["8-live"]),
        ([kept_at(9, "live"), kept_at(8, "live"), kept_at(7)], ["8-live"]),
        ([kept_at(9), BROKEN], ["broken"]),
    ],
)
def test_so_many_stay_and_what_is_of_no_use_goes(kept: list[Kept], goes: list[str]) -> None:
    assert surplus(kept, 2) == goes


async def test_no_start_needs_the_frames_before_the_oldest_one(autojump_clock: MockClock) -> None:
    scene = Scene()
    assert await frames_not_needed_through(scene.snapshots) == 0
    await scene.take(12, "live")
    assert await frames_not_needed_through(scene.snapshots) == 0
    await scene.take(9)
    await scene.take(5)
    assert await frames_not_needed_through(scene.snapshots) == 4
