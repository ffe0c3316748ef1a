"""Brings one account's orders from its channel to the order desk, and keeps whole those that nobody understands."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple, Protocol, TypeVar

import msgspec
import structlog

from engine.actors.journal import Journal
from engine.actors.order_desk import OrderDesk
from engine.actors.router import Waiter
from engine.domain.commands import Refusal
from engine.domain.errors import MalformedReply
from engine.domain.orders import OrderSnapshot
from engine.domain.units import AccountId, LetterId, OrderId
from engine.machines.letters import Letters, Outcome, letter_of_order
from engine.ports import Channel, Clock, UnreadableOrder

log = structlog.get_logger(__name__)

T = TypeVar("T")


class Gate(Protocol):
    """The account's budget, deadline and breaker: every call to the channel goes through it."""

    async def call(self, operation: str, call: Callable[[], Awaitable[T]]) -> T:
        """Make one call when the budget allows it.

        Raises:
            ChannelError: it failed, or the account is being left alone for now.
        """
        ...


class OrderReaderListener(Protocol):
    """What telemetry wants to know."""

    def order_unreadable(self, account: AccountId, order_id: OrderId, reason: str) -> None:
        """Report an order that could not be made sense of."""
        ...


class NotDecided(Exception):
    """A page was read but cannot be decided just now: the watermark stays."""


class Window(NamedTuple):
    """What reading all that changed since an instant brought; all of it is durable."""

    orders: int
    newest: datetime | None
    """Newest change among them by the channel's clock, stamps in the future left out; None: there is none."""
    stop_at: datetime
    """Where the watermark may stand at most."""


class OrderReader:
    """Reads windows of orders and single ones."""

    def __init__(
        self,
        channel: Channel,
        *,
        letters: Letters,
        desk: OrderDesk,
        journal: Journal,
        clock: Clock,
        gate: Gate,
        listener: OrderReaderListener,
    ) -> None:
        """Read nothing yet."""
        self.account = channel.account
        self._channel = channel
        self._letters = letters
        self._desk = desk
        self._journal = journal
        self._clock = clock
        self._gate = gate
        self._listener = listener

    async def read_since(self, since: datetime, overlap: timedelta) -> Window:
        """Read every order modified after `since` less `overlap`, page by page.

        Raises:
            ChannelError: a page could not be read.
            NotDecided: the journal cannot be written.
        """
        now = self._clock.now()
        stamps: list[datetime] = []
        stop_at, orders = now, 0
        cursor: str | None = None
        while True:
            call = partial(self._channel.read_orders, since - overlap, cursor)
            page = await self._gate.call("read_orders", call)
            orders += len(page.orders)
            # one order stamped 2099 must not take the watermark past all the others of today
            stamps += [order.modified_at for order in page.orders if order.modified_at <= now]
            for left in await self._keep([*page.unreadable, *await self._tell(page.orders)]):
                # lesson E4: the watermark stays in front of what was neither understood nor kept
                stop_at = min(stop_at, (left.modified_at or since) - timedelta(seconds=1))
            cursor = page.cursor
            if cursor is None:
                return Window(orders, max(stamps, default=None), stop_at)

    async def read(self, order_id: OrderId) -> str | None:
        """Read one order; return None when it is decided, else why it is not.

        Raises:
            ChannelError: the channel could not be asked.
        """
        try:
            snapshot = await self._gate.call("read_order", partial(self._channel.read_order, order_id))
        except MalformedReply as error:
            return error.reason
        if snapshot is None:
            log.info("order.gone", account=self.account, order=order_id)  # absence never changes stock
            return "the channel has no such order"
        for refused in await self._tell((snapshot,)):
            log.warning("order.refused", account=self.account, order=order_id, reason=refused.reason)
            return refused.reason
        return None

    async def understood(self, order_ids: Iterable[OrderId]) -> None:
        """Hear that these orders are decided: what was kept of them is settled."""
        await self.settle(map(letter_of_order, order_ids))

    async def settle(
        self, letter_ids: Iterable[LetterId], *, outcome: Outcome = "understood", by: str = "", note: str = ""
    ) -> None:
        """Keep these letters no longer, those of them that are kept; return when that is durable."""
        settled = self._letters.settle(letter_ids, self._clock.now(), outcome=outcome, by=by, note=note)
        if settled:
            await self._journal.record(settled)
            for event in settled:
                self._letters.apply(event)
                log.info("letter.settled", account=self.account, letter=event.letter_id, outcome=outcome, by=by)

    async def _tell(self, snapshots: Sequence[OrderSnapshot]) -> list[UnreadableOrder]:
        """Bring snapshots to the desk and wait until all are durable; return those it would not have."""
        told: list[tuple[OrderSnapshot, Waiter]] = []
        for snapshot in snapshots:
            waiter = Waiter()
            told.append((snapshot, waiter))
            await self._desk.tell(snapshot, waiter)
        taken: list[OrderId] = []
        refused: list[UnreadableOrder] = []
        for snapshot, waiter in told:
            answer = await waiter.wait()
            if not isinstance(answer, Refusal):
                taken.append(snapshot.order_id)
            elif answer.code == "STALLED":
                raise NotDecided(f"order {snapshot.order_id}: {answer}")
            else:
                body = msgspec.json.encode(snapshot)
                refused.append(UnreadableOrder(snapshot.order_id, snapshot.modified_at, str(answer), body))
        await self.understood(taken)
        return refused

    async def _keep(self, orders: Sequence[UnreadableOrder]) -> Sequence[UnreadableOrder]:
        """Keep orders as dead letters, durably; return those that there is no room for."""
        for order in orders:
            self._listener.order_unreadable(self.account, order.order_id, order.reason)
            log.warning("order.unreadable", account=self.account, order=order.order_id, reason=order.reason)
        kept, left = self._letters.keep_orders(orders, self._clock.now())
        if kept:
            await self._journal.record(kept)
            for event in kept:
                self._letters.apply(event)
        if left:
            log.warning("letters.full", account=self.account, open=len(self._letters.open), left=len(left))
        return left
