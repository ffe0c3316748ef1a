"""What one account tells us: webhooks, stored before they are acknowledged, and polls, which are the truth.

A webhook is a hint (lesson D15). The poll reads every order modified since the watermark, less an overlap, so whatever
a webhook lost, doubled or reordered is healed by the next poll; the watermark moves only when all of it is durable.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple, Protocol, TypeVar

import msgspec
import structlog
import trio

from engine.actors.journal import Journal
from engine.actors.mailbox import Mailbox
from engine.actors.order_desk import OrderDesk
from engine.actors.router import Waiter
from engine.actors.shard import Slot
from engine.domain.commands import Refusal
from engine.domain.errors import ChannelError, MalformedReply
from engine.domain.events import IntakeEvent, OrdersCaughtUp, WebhookHandled, WebhookStored
from engine.domain.orders import Freshness, OrderSnapshot
from engine.domain.units import AccountId, OrderId
from engine.ports import (
    Channel,
    Clock,
    ListingHint,
    NoHint,
    OrderHint,
    RefetchHint,
    SeenListing,
    WebhookDelivery,
    WebhookHealth,
    WebhookHint,
)

log = structlog.get_logger(__name__)

T = TypeVar("T")

_TAKEN_MAX = 256
_REFETCH_MAX = 4
"""More orders than this to look at again: one poll costs less than a call for each."""


class IntakeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`config.schema.Orders`, and what bounds memory."""

    poll_seconds: float
    overlap_seconds: float
    lookback_hours: float
    webhook_check_seconds: float
    remembered_seconds: float
    remembered_max: int
    mailbox_max: int


class Gate(Protocol):
    """The account's budget, deadline and breaker: every call to the channel goes through it."""

    async def call(self, operation: str, call: Callable[[], Awaitable[T]]) -> T:
        """Make one call when the budget allows it.

        Raises:
            ChannelError: it failed, or the account is being left alone for now.
        """
        ...


class Pushing(Protocol):
    """What intake tells the pusher of the same account."""

    def orders_caught_up(self) -> None:
        """Every order up to now has been decided: stock may go up again (law 7)."""
        ...

    def orders_behind(self, reason: str) -> None:
        """Orders may be missing: stock may only go down."""
        ...

    def listing_hint(self, seen: SeenListing) -> None:
        """Hear that the channel says a listing changed."""
        ...


class IntakeListener(Protocol):
    """What telemetry wants to know."""

    def webhook_handled(self, account: AccountId, outcome: str) -> None:
        """Report what a delivery came to."""
        ...

    def polled(self, account: AccountId, orders: int, seconds: float, problem: str | None) -> None:
        """Report one poll, whole or failed."""
        ...

    def order_unreadable(self, account: AccountId, order_id: OrderId, reason: str) -> None:
        """Report an order that the adapter could not make sense of."""
        ...

    def webhooks_checked(self, account: AccountId, health: WebhookHealth) -> None:
        """Report the state of our subscriptions."""
        ...


class _Delivery(NamedTuple):
    key: str
    delivery: WebhookDelivery


class Intake:
    """One account's ear. Two tasks: one handles deliveries, one polls and looks after the subscriptions."""

    def __init__(
        self,
        channel: Channel,
        *,
        settings: IntakeSettings,
        desk: OrderDesk,
        journal: Journal,
        clock: Clock,
        gate: Gate,
        pushing: Pushing,
        listener: IntakeListener,
    ) -> None:
        """Start with nothing stored and no watermark; replay brings both."""
        self.account = channel.account
        self.through_at: datetime | None = None
        """Every order the channel modified up to then (its time) has been decided."""
        self.inbox: Mailbox[_Delivery] = Mailbox(f"intake-{channel.account}", settings.mailbox_max)
        self._channel = channel
        self._settings = settings
        self._desk = desk
        self._journal = journal
        self._clock = clock
        self._gate = gate
        self._pushing = pushing
        self._listener = listener
        self._seen: dict[str, datetime] = {}
        """Delivery keys, oldest first (lesson D11: long retention)."""
        self._unhandled: dict[str, WebhookDelivery] = {}
        """Stored before a restart and not handled by then."""
        self._poll_wanted = trio.Event()

    # -- replay

    def apply(self, event: IntakeEvent) -> None:
        """Replay one event."""
        match event:
            case WebhookStored(delivery_key=key, headers=headers, body=body, at=at):
                self._remember(key, at)
                self._unhandled[key] = WebhookDelivery(account=self.account, headers=headers, body=body, received_at=at)
            case WebhookHandled(delivery_key=key):
                self._unhandled.pop(key, None)
            case OrdersCaughtUp(through_at=through_at):
                self.through_at = through_at

    # -- webhooks

    def store(self, key: str, headers: dict[str, str], body: bytes, slot: Slot) -> None:
        """Store a delivery whose signature is good; `slot` hears STORED or REPEAT when it is durable (lesson D13)."""
        now = self._clock.now()
        if key in self._seen:
            self._journal.enqueue((), lambda _position: slot.resolve("REPEAT"))
            return
        if self._journal.stalled is not None:
            slot.resolve(Refusal(code="STALLED", text=f"the journal cannot be written: {self._journal.stalled}"))
            return
        if not self.inbox.has_room():
            slot.resolve(Refusal(code="BUSY", text=f"account={self.account} has {len(self.inbox)} webhooks waiting"))
            return
        self._remember(key, now)
        delivery = WebhookDelivery(account=self.account, headers=headers, body=body, received_at=now)
        self.inbox.put_nowait(_Delivery(key, delivery))
        stored = WebhookStored(at=now, account=self.account, delivery_key=key, headers=headers, body=body)
        self._journal.enqueue((stored,), lambda _position: slot.resolve("STORED"))

    def _remember(self, key: str, at: datetime) -> None:
        self._seen[key] = at
        horizon = at - timedelta(seconds=self._settings.remembered_seconds)
        while self._seen:
            oldest = next(iter(self._seen))
            if self._seen[oldest] >= horizon and len(self._seen) <= self._settings.remembered_max:
                break
            del self._seen[oldest]

    async def run_webhooks(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Handle deliveries until cancelled, those that a restart interrupted first."""
        task_status.started()
        left_over = [_Delivery(key, delivery) for key, delivery in self._unhandled.items()]
        self._unhandled.clear()
        for start in range(0, len(left_over), _TAKEN_MAX):
            await self._handle(left_over[start : start + _TAKEN_MAX])
        while True:
            await self.inbox.wait()
            await self._handle(self.inbox.take_nowait(_TAKEN_MAX))

    async def _handle(self, deliveries: Sequence[_Delivery]) -> None:
        outcomes: dict[str, str] = {}
        told: list[tuple[str, OrderSnapshot, Waiter]] = []
        refetch: dict[OrderId, list[str]] = {}
        for key, delivery in deliveries:
            match self._parse(delivery):
                case OrderHint(snapshot=snapshot):
                    waiter = Waiter()
                    told.append((key, snapshot, waiter))
                    await self._desk.tell(snapshot, waiter)
                case RefetchHint(order_id=order_id):
                    refetch.setdefault(order_id, []).append(key)
                case ListingHint(listing=listing):
                    self._pushing.listing_hint(listing)
                    outcomes[key] = "listing"
                case NoHint(reason=reason):
                    outcomes[key] = "ignored"
                    log.debug("webhook.ignored", account=self.account, reason=reason)
        for key, snapshot, waiter in told:
            answer = await waiter.wait()
            if answer is Freshness.UNSURE:
                refetch.setdefault(snapshot.order_id, []).append(key)
            elif isinstance(answer, Refusal):
                outcomes[key] = "left_to_poll"
                log.warning("webhook.refused", account=self.account, order=snapshot.order_id, reason=str(answer))
                self.request_poll()
            else:
                outcomes[key] = str(answer)
        if refetch:
            outcome = await self._refetch(list(refetch))
            outcomes.update({key: outcome for keys in refetch.values() for key in keys})
        now = self._clock.now()
        handled = [
            WebhookHandled(at=now, account=self.account, delivery_key=key, outcome=outcome)
            for key, outcome in outcomes.items()
        ]
        await self._journal.wait_room()
        self._journal.enqueue(handled, None)
        for outcome in outcomes.values():
            self._listener.webhook_handled(self.account, outcome)

    def _parse(self, delivery: WebhookDelivery) -> WebhookHint:
        try:
            return self._channel.parse_webhook(delivery)
        except MalformedReply as error:
            # Signed by the shop and still not what its topic promises: the poll will tell.
            log.warning("webhook.malformed", account=self.account, reason=error.reason)
            self.request_poll()
            return NoHint(reason=f"malformed: {error.reason}")

    async def _refetch(self, order_ids: Sequence[OrderId]) -> str:
        """Look at orders again; where that fails or costs too much, the poll does it."""
        if len(order_ids) > _REFETCH_MAX:
            self.request_poll()
            return "left_to_poll"
        try:
            for order_id in order_ids:
                snapshot = await self._gate.call("read_order", partial(self._channel.read_order, order_id))
                if snapshot is None:
                    log.info("order.gone", account=self.account, order=order_id)  # absence never changes stock
                    continue
                waiter = Waiter()
                await self._desk.tell(snapshot, waiter)
                if isinstance(answer := await waiter.wait(), Refusal):
                    log.warning("order.refused", account=self.account, order=order_id, reason=str(answer))
        except ChannelError as error:
            log.info("order.refetch_failed", account=self.account, reason=str(error))
            self.request_poll()
            return "left_to_poll"
        return "refetched"

    # -- polls

    def request_poll(self) -> None:
        """Ask for a poll now rather than at its time."""
        self._poll_wanted.set()

    async def run_polls(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Poll at start, at intervals and on request, and look after the subscriptions, until cancelled."""
        task_status.started()
        poll_at = check_at = trio.current_time()
        while True:
            if self._poll_wanted.is_set() or trio.current_time() >= poll_at:
                self._poll_wanted = trio.Event()
                await self._poll()
                poll_at = trio.current_time() + self._settings.poll_seconds
            if self._channel.subscribes and trio.current_time() >= check_at:
                await self._check_webhooks()
                check_at = trio.current_time() + self._settings.webhook_check_seconds
            with trio.move_on_at(min(poll_at, check_at) if self._channel.subscribes else poll_at):
                await self._poll_wanted.wait()

    async def _poll(self) -> None:
        started = trio.current_time()
        orders = 0
        problem: str | None = None
        try:
            orders = await self._read_all()
        except (ChannelError, _NotDecided) as error:
            problem = str(error)
        if problem is None:
            self._pushing.orders_caught_up()
            await self._desk.rematch(self.account)
        else:
            log.warning("orders.poll_failed", account=self.account, reason=problem)
            self._pushing.orders_behind(problem)
        self._listener.polled(self.account, orders, trio.current_time() - started, problem)

    async def _read_all(self) -> int:
        now = self._clock.now()
        since = self.through_at or now - timedelta(hours=self._settings.lookback_hours)
        after = since - timedelta(seconds=self._settings.overlap_seconds)
        newest, stop_at = self.through_at, now
        cursor: str | None = None
        orders = 0
        while True:
            page = await self._gate.call("read_orders", partial(self._channel.read_orders, after, cursor))
            orders += len(page.orders)
            refused = await self._tell_all(page.orders)
            for order_id, modified_at, reason in (*page.unreadable, *refused):
                self._listener.order_unreadable(self.account, order_id, reason)
                log.warning("order.unreadable", account=self.account, order=order_id, reason=reason)
                # lesson E4: the watermark stays in front of what was not understood, so that it is asked for again
                stop_at = min(stop_at, (modified_at or since) - timedelta(seconds=1))
            # one order stamped 2099 must not take the watermark past all the others of today
            stamps = [order.modified_at for order in page.orders if order.modified_at <= now]
            newest = max((*stamps, newest)) if newest is not None else max(stamps, default=None)
            cursor = page.cursor
            if cursor is None:
                break
        await self._move_watermark(newest, stop_at)
        return orders

    async def _tell_all(self, snapshots: Sequence[OrderSnapshot]) -> list[tuple[OrderId, datetime | None, str]]:
        """Bring snapshots to the desk and wait until all are durable; return those it would not have."""
        told: list[tuple[OrderSnapshot, Waiter]] = []
        for snapshot in snapshots:
            waiter = Waiter()
            told.append((snapshot, waiter))
            await self._desk.tell(snapshot, waiter)
        refused: list[tuple[OrderId, datetime | None, str]] = []
        for snapshot, waiter in told:
            answer = await waiter.wait()
            if isinstance(answer, Refusal) and answer.code == "STALLED":
                raise _NotDecided(f"order {snapshot.order_id}: {answer}")
            if isinstance(answer, Refusal):
                refused.append((snapshot.order_id, snapshot.modified_at, str(answer)))
        return refused

    async def _move_watermark(self, newest: datetime | None, stop_at: datetime) -> None:
        if newest is None:
            return
        if newest > stop_at:
            log.warning("orders.watermark_held", account=self.account, newest=newest, held_at=stop_at)
            newest = stop_at
        if self.through_at is None or newest > self.through_at:
            event = OrdersCaughtUp(at=self._clock.now(), account=self.account, through_at=newest)
            await self._journal.record((event,))
            self.through_at = newest

    async def _check_webhooks(self) -> None:
        try:
            health = await self._gate.call("ensure_webhooks", self._channel.ensure_webhooks)
        except ChannelError as error:
            log.warning("webhooks.check_failed", account=self.account, reason=str(error))
            return
        self._listener.webhooks_checked(self.account, health)
        if health.revived:
            # deliveries were lost while it was off: the watermark still stands before them
            log.warning("webhooks.revived", account=self.account, topics=health.revived)
            self.request_poll()
        if health.created:
            log.info("webhooks.created", account=self.account, topics=health.created)


class _NotDecided(Exception):
    """A page was read but cannot be decided just now: the watermark stays."""
