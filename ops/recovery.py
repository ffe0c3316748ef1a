"""Recovery on start: every frame of the journal, in order, into whoever owns its events."""

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, Protocol, get_args

import msgspec
import structlog
import trio

from engine.actors.journal import decode_events
from engine.actors.stockwatch import MOVED_SECONDS
from engine.domain.errors import StoreCorrupt
from engine.domain.events import (
    AlertEvent,
    BookEvent,
    CampaignEvent,
    DeliveryEvent,
    Event,
    HoldCommitted,
    ImportEvent,
    IntakeEvent,
    ItemDescribed,
    LawEvent,
    LetterEvent,
    OrderRecorded,
    PushEvent,
    RecipeSet,
    RulesSet,
    SkuRenamed,
    SnapshotFused,
    StockConfirmed,
)
from engine.domain.units import EPOCH
from engine.ports import Frame
from ops.node import Node

log = structlog.get_logger(__name__)

_FRAMES_PER_READ = 500
_LARGE_BYTES = 64 * 1024


class Frames(Protocol):
    """What has a journal's frames."""

    async def read(self, after: int, limit: int) -> tuple[Frame, ...]:
        """Read frames in order (`engine.ports.Store.read`)."""
        ...


class Replayed(NamedTuple):
    """How far a replay came."""

    events: int
    written_at: datetime
    """Instant of the last frame; the epoch: there was none."""


async def replay(node: Node, store: Frames) -> datetime:
    """Bring a node from where it is to where its predecessor was; return the instant of the last frame.

    Returns:
        The epoch: there was no frame that it did not know.

    Raises:
        StoreCorrupt: a frame is missing, damaged or not ours.
    """
    started, after = trio.current_time(), node.journal.position
    with collector_at_rest():
        replayed = await catch_up(node, store)
    seconds = round(trio.current_time() - started, 3)
    log.info("journal.replayed", position=node.journal.position, after=after, events=replayed.events, seconds=seconds)
    return replayed.written_at


async def last_instant(node: Node, store: Frames) -> datetime:
    """Return when the last frame that the node knows was written; the epoch: there is none."""
    last = await store.read(node.journal.position - 1, 1) if node.journal.position else ()
    return last[0].written_at if last else EPOCH


async def catch_up(node: Node, store: Frames, until: int | None = None) -> Replayed:
    """Apply the frames that the node does not know yet; its actors must not run.

    Args:
        node: knows all frames up to the position of its journal.
        store: has the others.
        until: the last frame to apply; None: all that there are.

    Raises:
        StoreCorrupt: as `replay`.
    """
    events, written_at = 0, EPOCH
    node.projections.tells_after(node.journal.position)
    while frames := await store.read(node.journal.position, _limit(node.journal.position, until)):
        for frame in frames:
            decoded = read_events(frame)
            tell(node, frame, decoded)
            events += len(decoded)
            if len(frame.payload) > _LARGE_BYTES:  # thousands of events: a lease must be renewed meanwhile
                await trio.lowlevel.checkpoint()
        written_at = frames[-1].written_at
        forget(node, written_at)
        if node.journal.position == until:
            break
    return Replayed(events, written_at)


async def recall(node: Node, store: Frames) -> None:
    """Tell a node that came from a snapshot the last minute of the journal: some need that, and no more of the past.

    Raises:
        StoreCorrupt: as `replay`.
    """
    now, told_after = await last_instant(node, store), node.projections.told_after
    if told_after is None:
        told_after = node.journal.position
    node.alerter.remembered.replayed_until(now)
    since, after = now - timedelta(seconds=MOVED_SECONDS), told_after
    while after and (await store.read(after - 1, 1))[0].written_at >= since:
        after = max(0, after - _FRAMES_PER_READ)
    while after < told_after and (frames := await store.read(after, min(_FRAMES_PER_READ, told_after - after))):
        for frame in frames:
            if frame.written_at >= since:
                for event in read_events(frame):
                    node.projections.recall(frame.position, event)
        after = frames[-1].position


def _limit(position: int, until: int | None) -> int:
    return _FRAMES_PER_READ if until is None else max(0, min(_FRAMES_PER_READ, until - position))


def read_events(frame: Frame) -> list[Event]:
    """Decode the events of a frame.

    Raises:
        StoreCorrupt: it holds what this version cannot read.
    """
    try:
        return decode_events(frame)
    except msgspec.MsgspecError as error:
        raise StoreCorrupt(f"frame {frame.position} holds what this version cannot read: {error}") from error


def tell(node: Node, frame: Frame, events: Sequence[Event]) -> None:
    """Apply the next frame, whose events these are."""
    for event in events:
        apply_event(node, event)
        node.projections.replay(frame.position, event)
    node.offers.replayed(frame.position, events)
    node.journal.position = frame.position
    node.journal.events += len(events)


def forget(node: Node, now: datetime) -> None:
    """Forget what the predecessor had forgotten by then: it does not come back."""
    for shard in node.shards:
        shard.forget(now)
    node.alerter.remembered.replayed_until(now)


def apply_event(node: Node, event: Event) -> None:
    """Replay one event."""
    OWNERS[type(event)](node, event)


def _tell_books(node: Node, event: BookEvent) -> None:
    node.router.apply(event)


def _tell_books_and_desk(node: Node, event: HoldCommitted) -> None:
    node.router.apply(event)
    node.desk.apply(event)


def _tell_desk(node: Node, event: OrderRecorded) -> None:
    node.desk.apply(event)


def _confirm(node: Node, event: StockConfirmed) -> None:
    node.router.confirm(event)


def _tell_recipes(node: Node, event: RecipeSet) -> None:
    node.recipe_owner.apply(event)


def _tell_arrivals(node: Node, event: IntakeEvent | LetterEvent) -> None:
    account = node.accounts.get(event.account)
    arrivals = node.left_alone.arrivals(event.account) if account is None else account.intake.arrivals
    arrivals.apply(event)


def _tell_listings(node: Node, event: PushEvent) -> None:
    account = node.accounts.get(event.account)
    if account is None:
        node.left_alone.push_event(event.account, event)
    else:
        account.pusher.apply(event)


def _leave_to_projections(_node: Node, _event: Event) -> None:
    """Nobody decides on it: who keeps it hears of it otherwise (`engine.actors.projections`)."""


OWNERS: Final[Mapping[type[Event], Callable[[Node, Any], None]]] = {
    **dict.fromkeys(get_args(BookEvent), _tell_books),
    HoldCommitted: _tell_books_and_desk,
    OrderRecorded: _tell_desk,
    StockConfirmed: _confirm,
    RecipeSet: _tell_recipes,
    **dict.fromkeys((*get_args(IntakeEvent), *get_args(LetterEvent)), _tell_arrivals),
    **dict.fromkeys(get_args(PushEvent), _tell_listings),
    **dict.fromkeys((ItemDescribed, SkuRenamed, SnapshotFused), _leave_to_projections),
    **dict.fromkeys((RulesSet, *get_args(CampaignEvent)), _leave_to_projections),
    **dict.fromkeys((*get_args(ImportEvent), *get_args(LawEvent)), _leave_to_projections),
    **dict.fromkeys((*get_args(AlertEvent), *get_args(DeliveryEvent)), _leave_to_projections),
}
"""Who applies which kind of event itself."""


@contextmanager
def collector_at_rest() -> Iterator[None]:
    """Keep the garbage collector from walking millions of new objects again and again, none of which is garbage."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
