"""What one account tells us: webhooks, stored before they are acknowledged, and polls, which are the truth.

A webhook is a hint (lesson D15). The poll reads every order modified since the watermark, less an overlap, so whatever
a webhook lost, doubled or reordered is healed by the next poll; the watermark moves only when all of it is durable.
What nobody understands is kept whole as a dead letter, asked for again, and listed for people.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

import msgspec
import structlog
import trio

from engine.actors.journal import Journal
from engine.actors.mailbox import Mailbox
from engine.actors.messages import Slot
from engine.actors.order_desk import OrderDesk
from engine.actors.order_reader import Gate, NotDecided, OrderReader, OrderReaderListener
from engine.actors.router import Waiter
from engine.domain.commands import Refusal
from engine.domain.errors import ChannelError, MalformedReply
from engine.domain.events import (
    IntakeEvent,
    LetterEvent,
    LetterKept,
    OrdersCaughtUp,
    WebhookHandled,
    WebhookStored,
)
from engine.domain.orders import Freshness, OrderSnapshot
from engine.domain.units import AccountId, LetterId, OrderId
from engine.machines.arrivals import Arrivals
from engine.machines.letters import delivery_key_of
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
)

log = structlog.get_logger(__name__)

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
    letters_max: int
    mailbox_max: int


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


class IntakeListener(OrderReaderListener, Protocol):
    """What telemetry wants to know."""

    def webhook_handled(self, account: AccountId, outcome: str) -> None:
        """Report what a delivery came to."""
        ...

    def polled(self, account: AccountId, orders: int, seconds: float, problem: str | None) -> None:
        """Report one poll, whole or failed."""
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
        self.arrivals = Arrivals(
            channel.account,
            remembered_seconds=settings.remembered_seconds,
            remembered_max=settings.remembered_max,
            letters_max=settings.letters_max,
        )
        self.letters = self.arrivals.letters
        self.inbox: Mailbox[_Delivery] = Mailbox(f"intake-{channel.account}", settings.mailbox_max)
        self._channel = channel
        self._settings = settings
        self._desk = desk
        self._journal = journal
        self._clock = clock
        self._gate = gate
        self._pushing = pushing
        self._listener = listener
        self._reader = OrderReader(
            channel, letters=self.letters, desk=desk, journal=journal, clock=clock, gate=gate, listener=listener
        )
        self._poll_wanted = trio.Event()

    # -- replay

    def apply(self, event: IntakeEvent | LetterEvent) -> None:
        """Replay one event."""
        self.arrivals.apply(event)

    @property
    def through_at(self) -> datetime | None:
        """Every order the channel modified up to then (its time) has been decided."""
        return self.arrivals.through_at

    # -- webhooks

    def store(self, key: str, headers: dict[str, str], body: bytes, slot: Slot) -> None:
        """Store a delivery whose signature is good; `slot` hears STORED or REPEAT when it is durable (lesson D13)."""
        now = self._clock.now()
        if self.arrivals.knows(key, now):
            self._journal.enqueue((), lambda _position: slot.resolve("REPEAT"))
            return
        if self._journal.stalled is not None:
            slot.resolve(Refusal(code="STALLED", text=f"the journal cannot be written: {self._journal.stalled}"))
            return
        if not self.inbox.has_room():
            slot.resolve(Refusal(code="BUSY", text=f"account={self.account} has {len(self.inbox)} webhooks waiting"))
            return
        stored = WebhookStored(at=now, account=self.account, delivery_key=key, headers=headers, body=body)
        self.arrivals.apply(stored)
        self.inbox.put_nowait(_delivery_of(stored))
        self._journal.enqueue((stored,), lambda _position: slot.resolve("STORED"))

    async def run_webhooks(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Handle deliveries until cancelled, those that a restart interrupted first."""
        task_status.started()
        self.inbox.take_nowait(self.inbox.maximum)  # whatever waits there already is left over, too
        left_over = [_delivery_of(stored) for stored in self.arrivals.unhandled.values()]
        for start in range(0, len(left_over), _TAKEN_MAX):
            await self._handle(left_over[start : start + _TAKEN_MAX])
        while True:
            await self.inbox.wait()
            await self._handle(self.inbox.take_nowait(_TAKEN_MAX))

    async def _handle(self, deliveries: Sequence[_Delivery]) -> None:
        outcomes: dict[str, str] = {}
        letters: list[LetterKept] = []
        told: list[tuple[str, OrderSnapshot, Waiter]] = []
        refetch: dict[OrderId, list[str]] = {}
        for key, delivery in deliveries:
            try:
                hint = self._channel.parse_webhook(delivery)
            except MalformedReply as error:
                letters += self._keep(key, delivery, error.reason)
                outcomes[key] = "not_understood"
                continue
            match hint:
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
        understood: list[OrderId] = []
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
                understood.append(snapshot.order_id)
        await self._reader.understood(understood)
        if refetch:
            outcome = await self._refetch(list(refetch))
            outcomes.update({key: outcome for keys in refetch.values() for key in keys})
        await self._note_handled(outcomes, letters)

    async def _note_handled(self, outcomes: Mapping[str, str], letters: Sequence[LetterKept]) -> None:
        now = self._clock.now()
        handled = [
            WebhookHandled(at=now, account=self.account, delivery_key=key, outcome=outcome)
            for key, outcome in outcomes.items()
        ]
        await self._journal.wait_room()
        events: list[LetterKept | WebhookHandled] = [*letters, *handled]
        self._journal.enqueue(events, lambda _position: self._applied(events))
        for outcome in outcomes.values():
            self._listener.webhook_handled(self.account, outcome)

    def _applied(self, events: Sequence[LetterKept | WebhookHandled]) -> None:
        for event in events:
            self.arrivals.apply(event)

    def _keep(self, key: str, delivery: WebhookDelivery, reason: str) -> list[LetterKept]:
        """Signed by the shop and still not what its topic promises: the poll will tell."""
        log.warning("webhook.malformed", account=self.account, reason=reason)
        self.request_poll()
        letter = self.letters.keep_webhook(key, delivery, reason, self._clock.now())
        return [letter] if letter is not None else []

    async def _refetch(self, order_ids: Sequence[OrderId]) -> str:
        """Look at orders again; where that fails or costs too much, the poll does it."""
        if len(order_ids) > _REFETCH_MAX:
            self.request_poll()
            return "left_to_poll"
        try:
            for order_id in order_ids:
                await self._reader.read(order_id)
        except (ChannelError, NotDecided) as error:
            log.info("order.refetch_failed", account=self.account, reason=str(error))
            self.request_poll()
            return "left_to_poll"
        return "refetched"

    # -- dead letters

    async def redrive(self, letter_id: LetterId) -> str | None:
        """Try to understand a letter once more; return None when it is settled, else why it is still kept.

        An order is asked for as it is now; a webhook is read as it came.

        Raises:
            ChannelError: the channel could not be asked.
        """
        letter = self.letters.open.get(letter_id)
        if letter is None:
            return None
        if letter.order_id is not None:
            return await self._reader.read(letter.order_id)
        delivery = WebhookDelivery(
            account=self.account, headers=letter.headers, body=letter.body, received_at=letter.at
        )
        try:
            self._channel.parse_webhook(delivery)
        except MalformedReply as error:
            return error.reason
        await self._handle([_Delivery(delivery_key_of(letter_id), delivery)])
        await self._reader.settle([letter_id])
        return None

    async def discard(self, letter_id: LetterId, *, by: str, note: str) -> bool:
        """Keep a letter no longer; return whether there was one."""
        known = letter_id in self.letters.open
        await self._reader.settle([letter_id], outcome="discarded", by=by, note=note)
        return known

    async def _ask_again(self) -> None:
        """Ask for some of the orders that could not be read: most were changed while they were."""
        for order_id in self.letters.take_due(self._clock.now(), _REFETCH_MAX):
            if (reason := await self._reader.read(order_id)) is not None:
                log.info("letter.tried", account=self.account, order=order_id, reason=reason)

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
            await self._ask_again()
        except (ChannelError, NotDecided) as error:
            problem = str(error)
        if problem is None:
            self._pushing.orders_caught_up()
            await self._desk.rematch(self.account)
        else:
            log.warning("orders.poll_failed", account=self.account, reason=problem)
            self._pushing.orders_behind(problem)
        self._listener.polled(self.account, orders, trio.current_time() - started, problem)

    async def _read_all(self) -> int:
        since = self.through_at or self._clock.now() - timedelta(hours=self._settings.lookback_hours)
        window = await self._reader.read_since(since, timedelta(seconds=self._settings.overlap_seconds))
        # without any order it stands where this poll began to read: no later clock or pause may move that on
        await self._move_watermark(window.newest or since, window.stop_at)
        return window.orders

    async def _move_watermark(self, newest: datetime, stop_at: datetime) -> None:
        if newest > stop_at:
            log.warning("orders.watermark_held", account=self.account, newest=newest, held_at=stop_at)
            newest = stop_at
        if self.through_at is None or newest > self.through_at:
            event = OrdersCaughtUp(at=self._clock.now(), account=self.account, through_at=newest)
            await self._journal.record((event,))
            self.arrivals.apply(event)

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


def _delivery_of(stored: WebhookStored) -> _Delivery:
    delivery = WebhookDelivery(account=stored.account, headers=stored.headers, body=stored.body, received_at=stored.at)
    return _Delivery(stored.delivery_key, delivery)
