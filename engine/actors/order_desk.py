"""Keeps the newest snapshot of every order and brings the books to the level it tells.

One task, so two snapshots of one order are always compared; shards' inboxes keep their order after that.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import NamedTuple, Protocol

import structlog
import trio

from engine.actors.journal import Journal
from engine.actors.mailbox import Mailbox
from engine.actors.messages import Slot
from engine.actors.router import Router
from engine.domain.availability import ChannelSale
from engine.domain.catalogue.known_orders import KnownOrders, OrderKey
from engine.domain.catalogue.recipes import Recipes
from engine.domain.catalogue.sold import (
    UNKNOWN,
    HoldLine,
    Order,
    check_units,
    list_channel_sales,
    list_levels,
    list_sold_as,
    pin_recipes,
)
from engine.domain.commands import CommitHold, RecordOrder, Refusal
from engine.domain.events import HoldCommitted, OrderRecorded
from engine.domain.orders import Freshness, OrderLine, OrderSnapshot, check_snapshot, judge_freshness
from engine.domain.stock.book import hold_line_id
from engine.domain.units import AccountId, HoldId, LocationId, OrderId, Sku
from engine.ports import Clock

log = structlog.get_logger(__name__)

_TAKEN_MAX = 256


class Account(Protocol):
    """What the desk asks of an account: the pusher knows its listings and what they may have shown."""

    locations: tuple[LocationId, ...]

    def sku_of(self, line: OrderLine) -> Sku | None:
        """Which SKU an order line means; None when no listing matches."""
        ...

    def pack_units_of(self, line: OrderLine) -> int:
        """How many units of that SKU are in one unit of the line."""
        ...

    def cause_of_oversell(self, sku: Sku, placed_at: datetime) -> tuple[str, str]:
        """Say why an order placed then could exceed what there is: cause and detail."""
        ...

    def channel_sale(self, sale: ChannelSale) -> None:
        """Hear that the channel itself changed its count."""
        ...


class Told(NamedTuple):
    """A snapshot, from wherever. Resolved with a `Freshness` when it is durable, or with a `Refusal`."""

    snapshot: OrderSnapshot
    slot: Slot


class CommitInto(NamedTuple):
    """COMMIT of a hold into a named order."""

    hold_id: HoldId
    order_id: OrderId
    slot: Slot


class Mark(NamedTuple):
    """A place in the inbox."""

    reached: trio.Event
    """Set when all that came in before is with the shards."""


class Rest(NamedTuple):
    """Time for somebody to change what orders are read by."""

    begun: trio.Event
    """Set when all that came in before is with the shards; nothing more goes there..."""
    over: trio.Event
    """...until this is set."""


class DeskListener(Protocol):
    """What telemetry wants to know."""

    def order_told(self, snapshot: OrderSnapshot, freshness: Freshness, unmatched: int) -> None:
        """Report one snapshot and how many of its lines no listing matches."""
        ...


_RECORDED = frozenset({Freshness.NEWER, Freshness.REPEAT})
"""A repeat is on record only where a line of it was matched with another SKU than before."""


class OrderDesk:
    """Owner of the newest snapshots."""

    def __init__(
        self,
        *,
        router: Router,
        journal: Journal,
        clock: Clock,
        accounts: Mapping[AccountId, Account],
        recipes: Recipes,
        heir_of: Callable[[Sku], Sku] = lambda sku: sku,
        listener: DeskListener,
        mailbox_max: int,
    ) -> None:
        """Start without orders; replay brings them.

        `recipes`, and what a SKU was merged into (`heir_of`), change only while the desk is `at_rest`.
        """
        self.inbox: Mailbox[Told | CommitInto | Mark | Rest] = Mailbox("order-desk", mailbox_max)
        self.orders = KnownOrders()
        self._undecided: dict[OrderKey, _Recorded] = {}
        """The newest snapshot of an order that is not durable yet."""
        self._router = router
        self._journal = journal
        self._clock = clock
        self._accounts = accounts
        self._recipes = recipes
        self._heir_of = heir_of
        self._listener = listener

    def apply(self, event: OrderRecorded | HoldCommitted) -> None:
        """Replay. Frames of two snapshots may land the other way round, so the newest wins here too."""
        match event:
            case OrderRecorded(snapshot=snapshot, skus=skus, packs=packs, components=made_of):
                key = (snapshot.account, snapshot.order_id)
                known = self.orders.get(key, UNKNOWN)
                if judge_freshness(known.snapshot, snapshot) in _RECORDED:
                    self.put(key, known._replace(snapshot=snapshot, skus=skus, packs=packs, components=made_of))
            case HoldCommitted(order_id=str() as order_id, account=account, hold_id=hold_id, sku=sku, owed=True):
                self._note_hold((account, OrderId(order_id)), hold_id, (sku,))
            case HoldCommitted():
                pass

    def is_deciding(self, key: OrderKey) -> bool:
        """Whether the newest snapshot of an order may not be in the books yet."""
        return key in self._undecided

    async def tell(self, snapshot: OrderSnapshot, slot: Slot) -> None:
        """Hand in a snapshot; waits while the inbox is full."""
        await self.inbox.put(Told(snapshot, slot))

    async def rematch(self, account_id: AccountId) -> None:
        """Tell again what has a line that no listing matched, where one does now: its units count from now on."""
        account = self._accounts[account_id]
        for key in sorted(key for key in self.orders.unmatched if key[0] == account_id):
            snapshot, skus, *_ = self.orders.get(key, UNKNOWN)
            lines = zip(snapshot.lines, skus, strict=True) if snapshot is not None else ()
            if snapshot is not None and any(sku is None and self._sku_of(account, line) for line, sku in lines):
                await self.tell(snapshot, _UNHEARD)

    async def wait_passed_on(self) -> None:
        """Wait until all that was handed in so far is with the shards: what the caller sends them next comes after."""
        mark = Mark(trio.Event())
        await self.inbox.put(mark)
        await mark.reached.wait()

    @asynccontextmanager
    async def at_rest(self) -> AsyncIterator[None]:
        """Pass on what was handed in so far, and take up no order until the block ends.

        Which SKUs an order claims is read here and decided by the shards later; what it is read by must not change on
        the way.
        """
        rest = Rest(trio.Event(), trio.Event())
        await self.inbox.put(rest)
        await rest.begun.wait()
        yield
        # Not in a `finally`: who is cancelled here leaves a change with the shards that may be decided yet, and the
        # process is ending. No order comes after that.
        rest.over.set()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Work through the inbox until cancelled."""
        task_status.started()
        while True:
            await self.inbox.wait()
            for message in self.inbox.take_nowait(_TAKEN_MAX):
                match message:
                    case Told():
                        await self._take(message)
                    case CommitInto():
                        await self._commit(message)
                    case Mark(reached=reached):
                        reached.set()
                    case Rest(begun=begun, over=over):
                        begun.set()
                        await over.wait()
            await trio.lowlevel.checkpoint()

    async def _commit(self, message: CommitInto) -> None:
        account = self._router.account_of(message.hold_id)
        known = UNKNOWN if account is None else self.orders.get((account, message.order_id), UNKNOWN)
        owed = known.snapshot is None
        slot = message.slot
        if owed and account is not None:
            # noted before it is decided: the next snapshot may be decided right behind it
            key = (account, message.order_id)
            skus = tuple(sku for sku in self._router.skus_of(message.hold_id) if self._router.knows(sku))
            slot = _Noted(self, key, self._note_hold(key, message.hold_id, skus), slot)
        command = CommitHold(hold_id=message.hold_id, order_id=message.order_id, owed=owed)
        await self._router.submit(command, slot)

    def _note_hold(self, key: OrderKey, hold_id: HoldId, skus: tuple[Sku, ...]) -> tuple[HoldLine, ...]:
        """Note that a hold is owed under this order; return what was not noted before."""
        known = self.orders.get(key, UNKNOWN)
        lines = ((hold_line_id(hold_id), sku) for sku in skus)
        new = tuple(line for line in lines if line not in known.hold_lines)
        if new:
            self.orders[key] = known._replace(hold_lines=(*known.hold_lines, *new))
        return new

    def strike(self, key: OrderKey, noted: tuple[HoldLine, ...]) -> None:
        """Take back what was noted of a hold that was not committed after all."""
        known = self.orders.get(key, UNKNOWN)
        self.put(key, known._replace(hold_lines=tuple(line for line in known.hold_lines if line not in noted)))

    def decided(self, key: OrderKey, recorded: "_Recorded") -> None:
        """Note that a snapshot is durable, or will not be."""
        if self._undecided.get(key) is recorded:
            del self._undecided[key]

    def take_back(self, key: OrderKey, snapshot: OrderSnapshot, before: Order) -> None:
        """Believe what was believed before a snapshot that was not decided after all."""
        known = self.orders[key]
        if known.snapshot == snapshot and key not in self._undecided:
            self.put(key, before._replace(hold_lines=known.hold_lines))

    def put(self, key: OrderKey, order: Order) -> None:
        """Know this of an order from now on."""
        if order == UNKNOWN:
            self.orders.pop(key, None)
        else:
            self.orders[key] = order

    async def _take(self, told: Told) -> None:
        snapshot = told.snapshot
        problem = check_snapshot(snapshot)
        account = self._accounts.get(snapshot.account)
        if account is None:
            told.slot.resolve(Refusal(code="NOSUCHACCOUNT", text=f"account={snapshot.account}"))
            return
        if problem is not None:
            told.slot.resolve(Refusal(code="BADARG", text=f"order={snapshot.order_id} {problem}"))
            return
        if self._journal.stalled is not None:
            told.slot.resolve(Refusal(code="STALLED", text=f"the journal cannot be written: {self._journal.stalled}"))
            return
        await self._journal.wait_room()
        key = (snapshot.account, snapshot.order_id)
        known = self.orders.get(key, UNKNOWN)
        freshness = judge_freshness(known.snapshot, snapshot)
        skus = tuple(self._sku_of(account, line) for line in snapshot.lines)
        packs = _packs_of(account, snapshot)
        made_of = pin_recipes(known, snapshot, skus, self._recipes, self._heir_of)
        order = known._replace(snapshot=snapshot, skus=skus, packs=packs, components=made_of)
        problem = check_units(order)
        if problem is not None:
            told.slot.resolve(Refusal(code="BADARG", text=f"order={snapshot.order_id} {problem}"))
            return
        if freshness is Freshness.REPEAT and order != known._replace(snapshot=snapshot):
            freshness = Freshness.NEWER  # a listing was mapped since: its lines count from now on
        self._listener.order_told(snapshot, freshness, sum(sku is None for sku in skus))
        if freshness is not Freshness.NEWER:
            # what made it old news may still be on its way to the disk, or not even decided
            if key in self._undecided:
                self._undecided[key].followers.append((told.slot, freshness))
            else:
                told.slot.resolve(freshness)
            return
        self.put(key, order)
        await self._record(account, known, order, snapshot, told.slot)

    def _sku_of(self, account: Account, line: OrderLine) -> Sku | None:
        sku = account.sku_of(line)
        return sku if sku is not None and self._router.knows(sku) else None

    async def _record(self, account: Account, known: Order, order: Order, snapshot: OrderSnapshot, slot: Slot) -> None:
        levels = list_levels(known, order, self._recipes)
        recorded = _Recorded(self, known, snapshot, account, list_channel_sales(known, order), slot)
        self._undecided[snapshot.account, snapshot.order_id] = recorded
        if not levels:
            event = OrderRecorded(
                at=self._clock.now(),
                snapshot=snapshot,
                skus=order.skus,
                packs=order.packs,
                components=order.components,
            )
            self._journal.enqueue((event,), lambda _position: recorded.resolve(None))
            return
        command = RecordOrder(
            snapshot=snapshot,
            skus_of_lines=order.skus,
            packs_of_lines=order.packs,
            components_of_lines=order.components,
            levels=levels,
            locations=account.locations,
            causes=_name_causes(account, order, snapshot, dict.fromkeys(level.sku for level in levels)),
        )
        await self._router.submit(command, recorded)


class _Unheard:
    """Slot of what nobody waits for."""

    def resolve(self, answer: object) -> None:
        """A refusal leaves the order as unmatched as it was: the next poll tries again."""


_UNHEARD = _Unheard()


class _Noted:
    """Slot of a commit into an order that no snapshot is known of."""

    def __init__(self, desk: OrderDesk, key: OrderKey, noted: tuple[HoldLine, ...], slot: Slot) -> None:
        self._desk = desk
        self._key = key
        self._noted = noted
        self._slot = slot

    def resolve(self, answer: object) -> None:
        if isinstance(answer, Refusal):
            self._desk.strike(self._key, self._noted)
        self._slot.resolve(answer)


class _Recorded:
    """Slot of a snapshot: tells the channel's pusher about the sale, then the one who brought it."""

    def __init__(
        self,
        desk: OrderDesk,
        before: Order,
        snapshot: OrderSnapshot,
        account: Account,
        sales: list[ChannelSale],
        slot: Slot,
    ) -> None:
        self._desk = desk
        self._before = before
        self._snapshot = snapshot
        self._account = account
        self._sales = sales
        self.followers: list[tuple[Slot, Freshness]] = [(slot, Freshness.NEWER)]
        """Who brought it, and whoever brought the same or older news before it was durable."""

    def resolve(self, answer: object) -> None:
        key = (self._snapshot.account, self._snapshot.order_id)
        self._desk.decided(key, self)
        refused = isinstance(answer, Refusal)
        if refused:  # not decided at all: the journal is stalled
            self._desk.take_back(key, self._snapshot, self._before)
        else:
            for sale in self._sales:
                self._account.channel_sale(sale)
        for slot, freshness in self.followers:
            slot.resolve(answer if refused else freshness)


def _packs_of(account: Account, snapshot: OrderSnapshot) -> tuple[int, ...]:
    packs = tuple(account.pack_units_of(line) for line in snapshot.lines)
    return packs if any(units != 1 for units in packs) else ()


def _name_causes(
    account: Account, order: Order, snapshot: OrderSnapshot, skus: Iterable[Sku]
) -> tuple[tuple[Sku, str, str], ...]:
    """Say for each SKU why its account could have sold too much of it: by the listing it was sold as (lesson F6)."""
    listed = list_sold_as(order)
    causes: list[tuple[Sku, str, str]] = []
    for sku in skus:
        sold_as = listed.get(sku, sku)
        cause, detail = account.cause_of_oversell(sold_as, snapshot.placed_at)
        causes.append((sku, cause, detail if sold_as == sku else f"sold as {sold_as}: {detail}"))
    return tuple(causes)
