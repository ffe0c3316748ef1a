"""Snapshots of what a node knows: said by it piece by piece, kept, and told to a new node.

What a piece holds: zlib around msgpack, an array of a section's name and an array of its statements.
"""

import gc
import hashlib
import struct
import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from typing import Final, Literal, NamedTuple

import msgspec
import structlog
import trio

from adapters.store.snapshot_files import SnapshotFiles
from adapters.store.snapshots import Kept, SectionSum, Snapshot, Snapshots
from adapters.store.snapshots_postgres import PostgresSnapshots
from config.schema import Settings
from engine.domain.errors import JournalUnavailable, StoreCorrupt
from engine.domain.stated import Statement
from engine.ports import Frame
from ops.node import Node
from ops.recovery import Frames, collector_at_rest
from ops.state import Restorer, sections
from ops.stores import terms_of
from ops.storetool import add_frames
from ops.version import installed_version

log = structlog.get_logger(__name__)

FORMAT: Final = 2
"""Of the pieces and of what the sections mean: raise it when an owner begins to say more or less, or something else.
A snapshot of another format is passed over: the journal has it all."""
FOLDER_NAME: Final = "snapshots"
"""In the data folder."""
_OF_ACCOUNT: Final = ":"
"""In the names of sections that each account has: `intake:shop`."""
_PIECE_BYTES: Final = 512 << 10
"""Before it is compressed, and the statement that goes beyond: some milliseconds of work."""
_LEVEL: Final = 1
"""Three to six times smaller; a higher one costs more time than the disk would."""
_PIECE_HEAD: Final = b"\x92"
_ARRAY: Final = struct.Struct(">BI")
_ARRAY_32: Final = 0xDD
"""msgpack: an array of two; an array whose length has 32 bits."""

_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(tuple[str, list[Statement]])
_RAW_DECODER: Final = msgspec.msgpack.Decoder(tuple[str, msgspec.Raw])

Origin = Literal["replayed", "live"]


class NotOurs(Exception):
    """A snapshot that is whole and cannot be used; the text says why."""


class SnapshotDamaged(Exception):
    """A snapshot that is not what was written, or that this version cannot read; the text says what of it."""


class Taken(NamedTuple):
    """A snapshot that is kept now."""

    kept: Kept
    head: Snapshot


def open_snapshots(settings: Settings) -> SnapshotFiles | PostgresSnapshots:
    """Return where the snapshots of these settings are kept: beside the journal. The caller closes it."""
    if settings.store.kind == "postgres":
        return PostgresSnapshots(terms_of(settings))
    return SnapshotFiles(settings.node.data / FOLDER_NAME)


async def take(node: Node, last: Frame, as_of: datetime, origin: Origin, snapshots: Snapshots) -> Taken:
    """Write down what a node knows; its actors must not run.

    Args:
        node: knows the journal up to the frame.
        last: that frame.
        as_of: what may be forgotten by then is left out.
        origin: whether the node was told the journal, or has lived.
        snapshots: where to.

    Raises:
        StoreInUse: somebody else is writing one.
        StoreCorrupt: what was read back is not what was written.
        JournalUnavailable: no room, or no answer.
    """
    assert node.journal.position == last.position
    sums: dict[str, SectionSum] = {}
    async with snapshots.writer() as writer:
        for piece in _say(node, as_of, sums):
            await writer.add(zlib.compress(piece, _LEVEL))  # no thread: a virtual clock would leap ahead
        head = Snapshot(
            format=FORMAT,
            position=last.position,
            frame_sha256=fingerprint(last),
            written_at=last.written_at,
            as_of=as_of,
            origin=origin,
            program=installed_version(),
            sections=sums,
        )
        return Taken(await writer.finish(head), head)


def _say(node: Node, as_of: datetime, sums: dict[str, SectionSum]) -> Iterator[bytes]:
    """Return what a node knows in pieces; when the last one is there, so are the sums."""
    for section, owner in sections(node).items():
        sha256, count = hashlib.sha256(), 0
        for statements, encoded in _slices(owner.state(as_of)):
            sha256.update(encoded)
            count += statements
            yield b"".join((_PIECE_HEAD, _ENCODER.encode(section), _ARRAY.pack(_ARRAY_32, statements), encoded))
        sums[section] = SectionSum(count, sha256.hexdigest())


def _slices(statements: Iterator[Statement]) -> Iterator[tuple[int, bytes]]:
    """Encode statements one behind the other, so many that they make a piece; yields how many, and the bytes."""
    count, buffer = 0, bytearray()
    for statement in statements:
        _ENCODER.encode_into(statement, buffer, -1)
        count += 1
        if len(buffer) >= _PIECE_BYTES:
            yield count, bytes(buffer)
            count = 0
            buffer.clear()
    if count:
        yield count, bytes(buffer)


async def restore_newest(
    make_node: Callable[[], Node],
    source: Frames,
    snapshots: Snapshots,
    *,
    origins: Collection[str] = ("replayed", "live"),
) -> Node:
    """Make a node that knows what the newest usable snapshot says; without one, a node that knows nothing.

    Args:
        make_node: called again where a node has taken in a part of what turned out to be unusable.
        source: the journal that the snapshot must belong to.
        snapshots: where they are kept.
        origins: which ones will do.

    Raises:
        StoreCorrupt: the journal is damaged.
        JournalUnavailable: the journal cannot be read.
    """
    try:
        found = await snapshots.kept()
    except JournalUnavailable as error:
        log.warning("snapshot.unseen", reason=str(error))
        found = ()
    for kept in found:
        if kept.head is None:
            log.error("snapshot.damaged", snapshot=kept.name, reason=kept.problem)
    for kept in found:
        if kept.head is None or kept.head.origin not in origins:
            continue
        try:
            return await restore_one(make_node, source, snapshots, kept)
        except (NotOurs, SnapshotDamaged) as error:
            damaged, reason = isinstance(error, SnapshotDamaged), str(error)
        if damaged:
            log.error("snapshot.damaged", snapshot=kept.name, reason=reason)
            gc.collect()  # a node that has taken in half of it: a start looks for garbage nowhere else
        else:
            log.warning("snapshot.refused", snapshot=kept.name, reason=reason)
    return make_node()


async def restore_one(make_node: Callable[[], Node], source: Frames, snapshots: Snapshots, kept: Kept) -> Node:
    """Make a node that knows what one snapshot says.

    Raises:
        NotOurs: it is of another format or of another journal.
        SnapshotDamaged: it is not what was written, cannot be read, or holds what this version cannot read.
        StoreCorrupt, JournalUnavailable: as `restore_newest`.
    """
    head = kept.head
    if head is None:
        raise SnapshotDamaged(kept.problem)
    await check_belongs(head, source)
    started = trio.current_time()
    try:
        pieces = await snapshots.read(kept)
    except (StoreCorrupt, JournalUnavailable) as error:
        raise SnapshotDamaged(str(error)) from error
    node = make_node()
    check_complete(head, node)
    restorer = Restorer(node)
    with collector_at_rest():
        try:
            for section, statements in statements_of(pieces):
                restorer.restore(section, statements)
                await trio.lowlevel.checkpoint()  # a lease must be renewed meanwhile
        except (StoreCorrupt, msgspec.MsgspecError) as error:
            raise SnapshotDamaged(f"it holds what this version cannot read: {error}") from error
    node.journal.position = head.position
    log.info(
        "snapshot.restored",
        snapshot=kept.name,
        position=head.position,
        origin=head.origin,
        as_of=head.as_of.isoformat(),
        statements=sum(each.statements for each in head.sections.values()),
        stored_bytes=kept.stored_bytes,
        seconds=round(trio.current_time() - started, 3),
    )
    return node


async def check_belongs(head: Snapshot, source: Frames) -> None:
    """See that a snapshot is of this journal: that its last frame is the one that stands there.

    Raises:
        NotOurs: it is not, or of another format.
        StoreCorrupt: the journal is damaged.
        JournalUnavailable: the journal cannot be read.
    """
    if head.format != FORMAT:
        raise NotOurs(f"it has format {head.format}, this version reads {FORMAT}")
    frames = await source.read(head.position - 1, 1)
    if not frames:
        raise NotOurs(f"it is of frame {head.position}, and the journal has fewer")
    if fingerprint(frames[0]) != head.frame_sha256:
        raise NotOurs(f"frame {head.position} of the journal is not the one that it was made of")


def check_complete(head: Snapshot, node: Node) -> None:
    """See that a snapshot says something of every owner; one of an account that is new has nothing to say.

    Raises:
        NotOurs: it was made by a version that did not know one.
    """
    missing = [name for name in sections(node) if _OF_ACCOUNT not in name and name not in head.sections]
    if missing:
        raise NotOurs(f"it says nothing of {', '.join(missing)}")


def statements_of(pieces: Sequence[bytes]) -> Iterator[tuple[str, list[Statement]]]:
    """Read pieces one by one: section, and what it says there.

    Raises:
        StoreCorrupt: a piece is not compressed as ours are.
        msgspec.MsgspecError: it holds what this version cannot read.
    """
    for piece in pieces:
        yield _DECODER.decode(_inflate(piece))


def raw_statements_of(pieces: Sequence[bytes]) -> Iterator[tuple[str, bytes]]:
    """Read pieces one by one without decoding: section, and its statements as encoded, one behind the other."""
    for piece in pieces:
        section, statements = _RAW_DECODER.decode(_inflate(piece))
        yield section, bytes(statements)[_ARRAY.size :]


def _inflate(piece: bytes) -> bytes:
    try:
        return zlib.decompress(piece)
    except zlib.error as error:
        raise StoreCorrupt(f"a piece cannot be decompressed: {error}") from error


def fingerprint(frame: Frame) -> str:
    """Return the SHA-256 of a frame: its position, its instant and its payload."""
    sha256 = hashlib.sha256()
    add_frames(sha256.update, (frame,))
    return sha256.hexdigest()


def surplus(kept: Sequence[Kept], keep: int) -> list[str]:
    """Name what may go: all but the newest of each origin, and all that cannot be used.

    Args:
        kept: the newest first.
        keep: so many replayed ones stay; of the live ones the newest, while no replayed one is newer.
    """
    replayed = [each for each in kept if each.head is not None and each.head.origin == "replayed"]
    newest = replayed[0].head.position if replayed and replayed[0].head is not None else 0
    live = [each for each in kept if each.head is not None and each.head.origin == "live"]
    stay = {each.name for each in replayed[:keep]}
    stay |= {each.name for each in live[:1] if each.head is not None and each.head.position >= newest}
    return [each.name for each in kept if each.name not in stay]


async def look(settings: Settings) -> tuple[Kept, ...]:
    """Return the snapshots that are kept, the newest first.

    Raises:
        ConfigError, JournalUnavailable: the place cannot be looked at.
    """
    snapshots = open_snapshots(settings)
    try:
        return await snapshots.kept()
    finally:
        await snapshots.aclose()


async def frames_not_needed_through(snapshots: Snapshots) -> int:
    """Return the last frame that no start needs: the one before the oldest replayed snapshot; 0: all are needed.

    The frame of a snapshot itself is what it is known by.

    Raises:
        JournalUnavailable: the place cannot be looked at.
    """
    heads = [kept.head for kept in await snapshots.kept() if kept.head is not None]
    return min((head.position for head in heads if head.origin == "replayed" and head.format == FORMAT), default=1) - 1
