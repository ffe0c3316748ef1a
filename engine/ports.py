"""What actors need of the world. Adapters make these real; tests bring fakes that pass the same contract suites."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol

import msgspec

from engine.domain.alerts import Message
from engine.domain.events import Event
from engine.domain.orders import OrderSnapshot
from engine.domain.units import AccountId, Instant, ListingId, OrderId, Sku


class Clock(Protocol):
    """Where actors get the time. Decisions get it as an argument."""

    def now(self) -> datetime:
        """Aware UTC that never runs backwards within a process, whatever is done to the system clock."""
        ...


class SeenListing(msgspec.Struct, frozen=True, kw_only=True):
    """One listing as the channel shows it."""

    listing_id: ListingId
    sku: Sku | None
    """The seller's SKU as typed into the channel; None when the field is empty."""
    title: str = ""
    shown: int | None
    """Units the channel shows now. None: it does not count stock for this listing (yet), which is not zero."""
    managed: bool = True
    """False: a stock write would be refused or would not belong to this listing (it inherits its parent's stock)."""


class ListingPage(msgspec.Struct, frozen=True, kw_only=True):
    """One page of a catalogue. `cursor` None: the last one."""

    listings: tuple[SeenListing, ...]
    cursor: str | None
    problems: tuple[str, ...] = ()
    """Rows that could not be read, in words; the others are good."""


class UnreadableOrder(NamedTuple):
    """An order that the adapter could not make sense of."""

    order_id: OrderId
    modified_at: datetime | None
    """By the channel's clock; None when not even that could be read."""
    reason: str
    body: bytes = b""
    """The order as the channel sent it, as far as the adapter asked for it."""


class OrderPage(msgspec.Struct, frozen=True, kw_only=True):
    """One page of orders. `cursor` None: the last one."""

    orders: tuple[OrderSnapshot, ...]
    cursor: str | None
    unreadable: tuple[UnreadableOrder, ...] = ()
    """The watermark must not pass them before they are kept as dead letters."""


class StockWrite(msgspec.Struct, frozen=True, kw_only=True):
    """Show exactly this many units of one listing: a level, never a delta."""

    listing_id: ListingId
    quantity: int
    version: int
    """Rises with every write of this listing; idempotency keys are made of it, never of the quantity (lesson E1)."""


class Verdict(StrEnum):
    """What became of one row of a write."""

    APPLIED = "applied"
    """The channel answered with the new quantity itself. Still to be verified by reading back."""
    ACCEPTED = "accepted"
    """The channel said yes and no more."""
    THROTTLED = "throttled"
    STALE = "stale"
    """The channel already has a newer version, or its compare-and-set failed: read, then decide again."""
    LOCKED = "locked"
    """A state of the listing (campaign), not a fault: try again when it ends."""
    REFUSED = "refused"
    """Understood and declined: a person or a new mapping must mend it."""
    UNKNOWN = "unknown"
    """Sent, outcome not known: a level may be sent again."""
    NOT_SENT = "not_sent"
    """Certainly not seen by the channel."""


class RowVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on one row, with the channel's own words where it gave some."""

    listing_id: ListingId
    verdict: Verdict
    reason: str = ""
    shown: int | None = None
    """The quantity in the channel's answer to the write, if it gave one."""


class SeenStock(msgspec.Struct, frozen=True, kw_only=True):
    """What a channel shows for one listing. A listing that it no longer has is absent from a reply, not zero."""

    listing_id: ListingId
    shown: int | None


class WebhookDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """One webhook as received and stored, its signature already checked."""

    account: AccountId
    headers: Mapping[str, str]
    """Lower-case names; only those the adapter asked to keep."""
    body: bytes
    received_at: Instant


class OrderHint(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="order"):
    """The delivery carried a whole order."""

    snapshot: OrderSnapshot


class RefetchHint(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="refetch"):
    """Something happened to this order; only the channel can say what."""

    order_id: OrderId


class ListingHint(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="listing"):
    """A listing changed at the channel: what it shows now, an echo of our own write or an edit by hand (lesson E11)."""

    listing: SeenListing


class NoHint(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="none"):
    """Nothing to do, and why."""

    reason: str


WebhookHint = OrderHint | RefetchHint | ListingHint | NoHint


class WebhookHealth(msgspec.Struct, frozen=True, kw_only=True):
    """State of our subscriptions at the channel after a check."""

    active: int
    created: tuple[str, ...] = ()
    """Topics that had no subscription of ours and got one."""
    revived: tuple[str, ...] = ()
    """Topics that the channel had switched off and that are on again: deliveries were lost, poll the gap."""


class Channel(Protocol):
    """One account at one sales channel.

    Every call may raise `ChannelError`; deadlines are the caller's. A call that raises has told nothing about stock.
    """

    account: AccountId
    batch_rows_max: int
    """Most rows in one write or one read."""
    subscribes: bool
    """Whether there are subscriptions of ours to look after; False: orders are only polled."""

    def batch_key(self, listing_id: ListingId) -> str:
        """Rows with equal keys may share one call."""
        ...

    async def read_listings(self, cursor: str | None) -> ListingPage:
        """Read one page of the catalogue, from the start when `cursor` is None."""
        ...

    async def write_stock(self, rows: Sequence[StockWrite]) -> tuple[RowVerdict, ...]:
        """Write rows that share a batch key in one call; one verdict per row, in their order.

        Raises:
            ChannelError: the call as a whole failed; its class says what is known of the rows.
        """
        ...

    async def read_stock(self, listing_ids: Sequence[ListingId]) -> tuple[SeenStock, ...]:
        """Read what is shown for listings that share a batch key; those it does not know are left out."""
        ...

    async def read_orders(self, modified_after: datetime, cursor: str | None) -> OrderPage:
        """Read one page of the orders modified after an instant (the caller adds its overlap)."""
        ...

    async def read_order(self, order_id: OrderId) -> OrderSnapshot | None:
        """Read one order; None when the channel has no such order, which never changes stock."""
        ...

    async def ensure_webhooks(self) -> WebhookHealth:
        """Create missing subscriptions, switch disabled ones on again, leave others' alone."""
        ...

    def parse_webhook(self, delivery: WebhookDelivery) -> WebhookHint:
        """Turn a stored delivery into what it tells. Pure.

        Raises:
            MalformedReply: the body is not what the topic promises.
        """
        ...

    async def aclose(self) -> None:
        """Give connections back."""
        ...


class Notifier(Protocol):
    """The way to one destination of alerts."""

    async def send(self, message: Message) -> None:
        """Return when the destination has taken the message; its deadline is the caller's.

        Raises:
            Refused: understood and declined: the same will not be taken later.
            ChannelError: it was not taken, or nobody knows; may be sent again.
        """
        ...

    async def aclose(self) -> None:
        """Give connections back."""
        ...


class Recorder(Protocol):
    """The way into the journal for actors other than the shards."""

    async def record(self, events: Sequence[Event]) -> int:
        """Return the journal position once the events are durable, all in one frame.

        Raises:
            Cancelled: only before the events were handed over; after that the commit is waited for.
        """
        ...


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """One group commit, all or nothing."""

    position: int
    """1, 2, 3, ... without gaps."""
    written_at: Instant
    payload: bytes


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What one step of a search through the journal brought."""

    frames: tuple[Frame, ...]
    """In order."""
    through: int
    """Every frame up to this position was looked at; the next step goes on behind it."""


class Store(Protocol):
    """Durable, ordered frames with one writer: whoever claimed it last.

    An append is conditional on the writer's epoch in the very step that makes it durable, so an owner that was paused,
    or cut off and given up, cannot write beside its successor, whatever it believes.
    """

    async def claim(self, owner: str) -> int:
        """Become the owner; return its epoch, higher than every one before. Reading needs no claim.

        Args:
            owner: who that is, for people: kept with the epoch and the instant.

        Raises:
            StoreInUse: another owner lives.
            JournalUnavailable: certainly not claimed.
        """
        ...

    async def append(self, frame: Frame) -> None:
        """Return only when the frame survives power loss.

        Raises:
            Fenced: certainly not written; somebody else has claimed the store since, or we never did.
            JournalUnavailable: certainly not written; may be tried again.
            AppendUnknown: nobody knows; stop.
        """
        ...

    def append_nowait(self, frame: Frame) -> bool:
        """Append at once where that is quick just now; False: nothing was done, and `append` must be awaited.

        Raises:
            Fenced: as `append`.
            JournalUnavailable: as `append`.
            AppendUnknown: as `append`.
        """
        ...

    async def read(self, after: int, limit: int) -> tuple[Frame, ...]:
        """Up to `limit` frames with a position above `after`, in order; empty at the end.

        Raises:
            StoreCorrupt: a gap, a wrong digest, or bytes that are not a frame.
        """
        ...

    async def search(self, after: int, until: int, needles: Sequence[bytes]) -> Found:
        """Look for frames whose payload has any of these byte strings; without any: all of them.

        One step of bounded size, beside the writer and without delaying it: call again with `after=found.through`
        until that is `until`.

        Args:
            after: the position to begin behind.
            until: the last position to look at, not above the last durable one.
            needles: none of them empty.

        Raises:
            StoreCorrupt: as `read`; what a search passes over it does not check.
        """
        ...

    async def aclose(self) -> None:
        """Close; idempotent."""
        ...
