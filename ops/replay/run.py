"""`lastunit replay`: what was asked, and what came of it."""

import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Final, NamedTuple

import msgspec

from adapters.store.snapshots import Kept, Snapshots
from config.schema import Settings
from engine.domain.errors import StockError
from engine.domain.offers.rules import RuleBook
from engine.domain.units import EPOCH, Instant
from ops.bystander import build_bystander
from ops.clock import SteadyClock
from ops.node import Node
from ops.recovery import Frames, collector_at_rest, forget
from ops.replay.offers import OfferProof, OffersProved
from ops.replay.state import StateProof, StateProved
from ops.replay.walk import Onlooker, Replay, Until
from ops.replay.whatif import Trial, WhatIfFound
from ops.snapshots.taking import NotOurs, SnapshotDamaged, open_snapshots, restore_one
from ops.state import digests
from ops.storetool import Progress, open_journal

_FRAMES_PER_PROGRESS: Final = 2000
"""Between two words to whoever waits."""


class NoSuchSnapshot(StockError):
    """There is none to begin with; the text says where there are some."""


class Asked(NamedTuple):
    """What is to be replayed, and what for."""

    until: Until = None
    snapshot: int | None = None
    """Begin with the newest snapshot at or before this frame; 0: at or before the end. None: with the first frame."""
    verify: bool = False
    rules: RuleBook | None = None
    """Try these on the past."""
    since: datetime = EPOCH
    """From when on they are tried."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    place: str
    began: int
    """Frames that were known from a snapshot."""
    position: int
    """Of the last frame that was told."""
    last_at: Instant | None
    """When that was written; None: there was no frame."""
    frames: int
    events: int
    kinds: dict[str, int]
    """Events by kind."""
    seconds: float
    cpu_seconds: float
    events_per_cpu_second: int
    sections: dict[str, str]
    """What the node knows then: SHA-256 of what each section says of itself, as of that instant."""
    state: StateProved | None = None
    offers: OffersProved | None = None
    what_if: WhatIfFound | None = None

    @property
    def different(self) -> int:
        """How much was found that the journal does not bear out."""
        return (self.state.different if self.state else 0) + (self.offers.different if self.offers else 0)


async def replay_now(settings: Settings, asked: Asked, progress: Progress) -> Report:
    """Replay the configured journal beside its daemon, reading only.

    Raises:
        NoSuchSnapshot: none to begin with.
        StoreCorrupt: the journal is damaged.
        ConfigError, JournalUnavailable: journal or snapshots cannot be opened or read.
    """
    source = await open_journal(settings)
    try:
        snapshots = open_snapshots(settings)
        try:
            make_node = partial(build_bystander, settings, SteadyClock())
            return await run(make_node, source, snapshots, asked, place=source.place, progress=progress)
        finally:
            await snapshots.aclose()
    finally:
        await source.aclose()


async def run(
    make_node: Callable[[], Node],
    source: Frames,
    snapshots: Snapshots,
    asked: Asked,
    *,
    place: str = "",
    progress: Progress = lambda _what, _frames: None,
) -> Report:
    """Replay a journal. Arguments as in `replay_now`; `make_node` makes one that runs nothing.

    Raises:
        As `replay_now`.
    """
    started, cpu_started = time.perf_counter(), time.process_time()
    with collector_at_rest():
        node = make_node() if asked.snapshot is None else await _begin_with(make_node, source, snapshots, asked)
        began = node.journal.position
        trial = None if asked.rules is None else Trial(node, asked.rules, asked.since)
        offers = OfferProof(node, trial) if asked.verify or trial is not None else None
        state = StateProof(node) if asked.verify else None
        onlookers: list[Onlooker] = [each for each in (offers, trial) if each is not None]
        replay = Replay(node, source, asked.until, onlookers)
        if state is not None:
            for kept in await state.find(source, snapshots):
                if _lies_within(kept, asked.until):
                    await replay.advance(_position_of(kept))
                    progress("replayed", node.journal.position)
                    await state.compare(kept, snapshots)
        while await replay.advance(node.journal.position + _FRAMES_PER_PROGRESS):
            progress("replayed", node.journal.position)
        last_at = None if replay.last is None else replay.last.written_at
        if last_at is not None:
            forget(node, last_at)
        cpu_seconds = time.process_time() - cpu_started
        return Report(
            place=place,
            began=began,
            position=node.journal.position,
            last_at=last_at,
            frames=replay.frames,
            events=replay.events,
            kinds={
                str(kind.__struct_config__.tag): count
                for kind, count in sorted(replay.kinds.items(), key=lambda each: (-each[1], each[0].__name__))
            },
            seconds=round(time.perf_counter() - started, 3),
            cpu_seconds=round(cpu_seconds, 3),
            events_per_cpu_second=round(replay.events / max(cpu_seconds, 1e-3)),
            sections={} if last_at is None else digests(node, last_at),
            state=None if state is None else state.result(),
            offers=None if offers is None or not asked.verify else offers.result(),
            what_if=None if trial is None else trial.result(),
        )


async def _begin_with(make_node: Callable[[], Node], source: Frames, snapshots: Snapshots, asked: Asked) -> Node:
    """Make a node of the newest snapshot that will do."""
    problems: list[str] = []
    for kept in await snapshots.kept():
        if kept.head is None:
            problems.append(f"{kept.name}: {kept.problem}")
        elif (not asked.snapshot or kept.head.position <= asked.snapshot) and _lies_within(kept, asked.until):
            try:
                return await restore_one(make_node, source, snapshots, kept)
            except (NotOurs, SnapshotDamaged) as error:
                problems.append(f"{kept.name}: {error}")
        else:
            problems.append(f"{kept.name}: lies behind")
    raise NoSuchSnapshot(f"no snapshot to begin with ({'; '.join(problems) or 'there is none at all'})")


def _lies_within(kept: Kept, until: Until) -> bool:
    """Whether a snapshot lies before the end of what is asked for."""
    if kept.head is None:
        return False
    match until:
        case int():
            return kept.head.position <= until
        case datetime():
            return kept.head.written_at <= until
        case None:
            return True


def _position_of(kept: Kept) -> int:
    assert kept.head is not None, "only those with a head are found"
    return kept.head.position
