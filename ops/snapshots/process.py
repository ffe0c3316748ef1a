"""`lastunit store snapshot`: makes a new snapshot of the journal beside its daemon, and lets old ones go.

It begins with the newest snapshot that was made of the journal alone, so that what a daemon says of itself is never
handed on: a live snapshot that it comes past is compared with what the journal gives, and goes if the two differ.
"""

from collections.abc import Sequence
from functools import partial

import msgspec
import structlog
import trio

from adapters.store.snapshots import Kept, Snapshots
from config.schema import Settings
from engine.domain.errors import StockError
from ops.archiving import put_away_old
from ops.bystander import build_bystander
from ops.clock import SteadyClock
from ops.node import Node
from ops.recovery import catch_up, collector_at_rest
from ops.replay.state import StateProof
from ops.snapshots.taking import (
    NotOurs,
    check_belongs,
    frames_not_needed_through,
    open_snapshots,
    restore_newest,
    surplus,
    take,
)
from ops.storetool import Source, open_journal

log = structlog.get_logger(__name__)


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """What became of it."""

    place: str
    position: int
    """Of the newest snapshot made of the journal; 0: the journal is empty."""
    made: bool
    """False: there was one of the last frame already."""
    events: int
    """That were read since the one before."""
    statements: int
    stored_bytes: int
    seconds: float
    differing: tuple[str, ...] = ()
    """Sections in which a daemon said something else of itself than the journal does."""


async def make_snapshot(settings: Settings) -> Made:
    """Bring the newest snapshot up to the end of the journal and keep the result; drop those that are too many.

    Raises:
        StoreInUse: another one is being made.
        StoreCorrupt: the journal is damaged, or what was read back is not what was written.
        ConfigError, JournalUnavailable: journal or snapshots cannot be opened or read, or there is no room.
    """
    settings.node.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    source = await open_journal(settings)
    try:
        snapshots = open_snapshots(settings)
        try:
            made = await _make(settings, source, snapshots)
            await _put_away(settings, snapshots)
        finally:
            await snapshots.aclose()
    finally:
        await source.aclose()
    return made


async def _put_away(settings: Settings, snapshots: Snapshots) -> None:
    """Let frames go that no start needs any more, where the settings say so; the snapshot is made either way."""
    try:
        await put_away_old(settings, through=await frames_not_needed_through(snapshots))
    except StockError as error:
        log.warning("frames.not_put_away", reason=str(error))


async def _make(settings: Settings, source: Source, snapshots: Snapshots) -> Made:
    started = trio.current_time()
    kept = await snapshots.kept()
    with collector_at_rest():
        node = await restore_newest(
            partial(build_bystander, settings, SteadyClock()), source, snapshots, origins=("replayed",)
        )
        before = node.journal.position
        events, differing = await _follow(node, source, snapshots, kept)
        position = node.journal.position
        made = position > before
        if made:
            (last,) = await source.read(position - 1, 1)
            await take(node, last, last.written_at, "replayed", snapshots)
    kept = await snapshots.kept()
    await snapshots.drop(surplus(kept, settings.snapshots.keep))
    found = next((each for each in kept if _is_replayed(each, position)), None)
    done = Made(
        place=snapshots.place,
        position=position,
        made=made,
        events=events,
        statements=0 if found is None else _statements(found),
        stored_bytes=0 if found is None else found.stored_bytes,
        seconds=round(trio.current_time() - started, 3),
        differing=tuple(differing),
    )
    if made:
        log.info(
            "snapshot.made",
            position=position,
            events=events,
            statements=done.statements,
            stored_bytes=done.stored_bytes,
            seconds=done.seconds,
        )
    return done


async def _follow(node: Node, source: Source, snapshots: Snapshots, kept: Sequence[Kept]) -> tuple[int, list[str]]:
    """Tell the node the rest of the journal; return how many events that was, and where a live snapshot differs."""
    events, differing = 0, list[str]()
    for each in reversed(kept):
        head = each.head
        if head is None or head.origin != "live" or head.position < node.journal.position:
            continue
        try:
            await check_belongs(head, source)
        except NotOurs:
            continue  # a start refuses it, too
        events += (await catch_up(node, source, until=head.position)).events
        differing += await _prove(node, snapshots, each)
    return events + (await catch_up(node, source)).events, differing


async def _prove(node: Node, snapshots: Snapshots, kept: Kept) -> list[str]:
    """Compare what a daemon said of itself with a node that was told the journal up to there; what is not true goes."""
    proof = StateProof(node)
    await proof.compare(kept, snapshots)
    result = proof.result()
    for name, reason in result.refused.items():
        log.error("snapshot.damaged", snapshot=name, reason=reason)
    different = result.differences
    for each in different:
        log.error(
            "snapshot.differs",
            snapshot=kept.name,
            position=each.position,
            section=each.section,
            said=each.said,
            replayed=each.replayed,
        )
    if different or result.refused:
        await snapshots.drop([kept.name])
    else:
        log.info("snapshot.agrees", snapshot=kept.name, position=node.journal.position)
    return [each.section for each in different]


def _is_replayed(kept: Kept, position: int) -> bool:
    return kept.head is not None and kept.head.origin == "replayed" and kept.head.position == position


def _statements(kept: Kept) -> int:
    return 0 if kept.head is None else sum(each.statements for each in kept.head.sections.values())
