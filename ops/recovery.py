"""Recovery on start: every frame of the journal, in order, into whoever owns its events."""

from datetime import datetime
from typing import NamedTuple

import msgspec
import structlog
import trio

from engine.actors.journal import decode_events
from engine.domain.errors import StoreCorrupt
from engine.domain.events import (
    AccountPaused,
    AccountResumed,
    AlertEvent,
    BooksCompared,
    CampaignEnded,
    CampaignReturned,
    CampaignSet,
    DeliveryEvent,
    DriftFound,
    Event,
    HoldCommitted,
    ImportEvent,
    ItemDescribed,
    LetterKept,
    LetterSettled,
    ListingDropped,
    ListingMapped,
    OrderRecorded,
    OrdersCaughtUp,
    PushPlanned,
    PushSettled,
    PushVerified,
    RecipeSet,
    RulesSet,
    SkuRenamed,
    SnapshotFused,
    StockConfirmed,
    ViolationCleared,
    ViolationFound,
    WebhookHandled,
    WebhookStored,
)
from engine.domain.units import EPOCH
from engine.ports import Store
from ops.node import Node

log = structlog.get_logger(__name__)

_FRAMES_PER_READ = 500
_LARGE_BYTES = 64 * 1024


class Replayed(NamedTuple):
    """How far a replay came."""

    events: int
    written_at: datetime
    """Instant of the last frame; the epoch: there was none."""


async def replay(node: Node, store: Store) -> datetime:
    """Bring a new node to where its predecessor was; return the instant of the last frame (the epoch: there is none).

    Raises:
        StoreCorrupt: a frame is missing, damaged or not ours.
    """
    started = trio.current_time()
    replayed = await catch_up(node, store)
    seconds = round(trio.current_time() - started, 3)
    log.info("journal.replayed", position=node.journal.position, events=replayed.events, seconds=seconds)
    return replayed.written_at


async def last_instant(node: Node, store: Store) -> datetime:
    """Return when the last frame that the node knows was written; the epoch: there is none."""
    last = await store.read(node.journal.position - 1, 1) if node.journal.position else ()
    return last[0].written_at if last else EPOCH


async def catch_up(node: Node, store: Store) -> Replayed:
    """Apply the frames that the node does not know yet; its actors must not run.

    Raises:
        StoreCorrupt: as `replay`.
    """
    events, written_at = 0, EPOCH
    while frames := await store.read(node.journal.position, _FRAMES_PER_READ):
        for frame in frames:
            try:
                decoded = decode_events(frame)
            except msgspec.MsgspecError as error:
                raise StoreCorrupt(f"frame {frame.position} holds what this version cannot read: {error}") from error
            for event in decoded:
                apply_event(node, event)
                node.projections.replay(frame.position, event)
            node.offers.replayed(frame.position, decoded)
            if (
                len(frame.payload) > _LARGE_BYTES
            ):  # thousands of events: the lease of the store must be renewed meanwhile
                await trio.lowlevel.checkpoint()
            events += len(decoded)
        node.journal.position, written_at = frames[-1].position, frames[-1].written_at
        for shard in node.shards:  # what the predecessor had forgotten by then does not come back
            shard.forget(written_at)
    return Replayed(events, written_at)


def apply_event(node: Node, event: Event) -> None:
    """Replay one event. What belongs to an account that is configured no more is kept in the journal and left alone."""
    match event:
        case HoldCommitted():
            node.router.apply(event)
            node.desk.apply(event)
        case OrderRecorded():
            node.desk.apply(event)
        case StockConfirmed():
            node.router.confirm(event)
        case RecipeSet():
            node.recipe_owner.apply(event)
        case (
            WebhookStored(account=account_id)
            | WebhookHandled(account=account_id)
            | LetterKept(account=account_id)
            | LetterSettled(account=account_id)
        ):
            if (account := node.accounts.get(account_id)) is not None:
                account.intake.apply(event)
        case OrdersCaughtUp(account=account_id):
            if (account := node.accounts.get(account_id)) is not None:
                account.intake.apply(event)
                account.pusher.apply(event)
        case (
            ListingMapped(account=account_id)
            | ListingDropped(account=account_id)
            | PushPlanned(account=account_id)
            | PushSettled(account=account_id)
            | PushVerified(account=account_id)
            | DriftFound(account=account_id)
            | AccountPaused(account=account_id)
            | AccountResumed(account=account_id)
        ):
            if (account := node.accounts.get(account_id)) is not None:
                account.pusher.apply(event)
        case ItemDescribed() | SkuRenamed():
            pass  # the catalogue's alone, which keeps them through the projections
        case ViolationFound() | ViolationCleared() | BooksCompared():
            pass  # the scanner's alone, likewise
        case RulesSet() | CampaignSet() | CampaignEnded() | CampaignReturned():
            pass  # the offer desk's alone, likewise
        case _ if isinstance(event, ImportEvent):
            pass  # who carries imports out, likewise
        case _ if isinstance(event, AlertEvent | DeliveryEvent):
            pass  # the alerter's alone, likewise
        case SnapshotFused():
            pass  # likewise
        case _:
            node.router.apply(event)
