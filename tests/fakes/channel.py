"""A sales channel in memory: a small server with latency, a rate limit and grudges. Needs a trio clock."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import msgspec
import trio

from engine.domain.errors import MalformedReply, NotSent, OutcomeUnknown, Throttled
from engine.domain.events import Event
from engine.domain.orders import OrderSnapshot
from engine.domain.units import EPOCH, AccountId, ListingId, OrderId, Sku
from engine.ports import (
    ListingPage,
    NoHint,
    OrderPage,
    RowVerdict,
    SeenListing,
    SeenStock,
    StockWrite,
    Verdict,
    WebhookDelivery,
    WebhookHealth,
    WebhookHint,
)


class FakeClock:
    """UTC that follows trio's clock."""

    def now(self) -> datetime:
        return EPOCH + timedelta(days=20_000, seconds=trio.current_time())


class FakeRecorder:
    """A journal that takes a moment and keeps everything."""

    def __init__(self, seconds: float = 0.002) -> None:
        self.events: list[Event] = []
        self.seconds = seconds

    async def record(self, events: Sequence[Event]) -> int:
        self.events.extend(events)
        await trio.sleep(self.seconds)
        return len(self.events)


class Grudges(msgspec.Struct, kw_only=True):
    """How often a call or a row goes wrong, each from 0 to 1. All zero: an honest channel."""

    down: float = 0
    """Cannot be reached."""
    throttled: float = 0
    timeout_after_effect: float = 0
    """Does it, then hangs or answers rubbish."""
    garbled_read: float = 0
    swallowed: float = 0
    """Says yes and changes nothing (lessons D8, D9, D10)."""
    late: float = 0
    """Says yes and changes it up to `late_seconds` later, maybe after newer writes (lessons D4, D6)."""
    late_seconds: float = 20


class FakeChannel:
    """One account. Wrong use is an assertion error: two writes of a listing at once, a call over the limit."""

    subscribes = True

    def __init__(
        self,
        rng: random.Random,
        *,
        account: str = "shop",
        batch_rows_max: int = 10,
        calls_per_second_max: float | None = None,
        burst: int = 8,
        latency_seconds: tuple[float, float] = (0.02, 0.2),
    ) -> None:
        self.account = AccountId(account)
        self.batch_rows_max = batch_rows_max
        self.page_rows = 50
        self.grudges = Grudges()
        self.refused: set[ListingId] = set()
        self.locked: set[ListingId] = set()
        self.listings: dict[ListingId, SeenListing] = {}
        self.writes: list[tuple[float, StockWrite]] = []
        self.reads: Counter[ListingId] = Counter()
        self.calls: list[tuple[float, str]] = []
        self.rows_may_rise: Callable[[], bool] = lambda: True
        """Law 7: while False, a row above what the last read showed is an assertion error."""
        self._told: dict[ListingId, int | None] = {}
        self._late: list[tuple[float, ListingId, int]] = []
        self._held_back: float | None = None
        self._writing: Counter[ListingId] = Counter()
        self._rng = rng
        self._rate = calls_per_second_max
        self._burst = burst
        self._latency = latency_seconds

    # -- for tests

    def add(self, listing_id: str, sku: str | None, shown: int | None = 0, *, managed: bool = True) -> None:
        listing = ListingId(listing_id)
        self.listings[listing] = SeenListing(
            listing_id=listing, sku=None if sku is None else Sku(sku), title=listing_id, shown=shown, managed=managed
        )

    def hold_back(self, seconds: float) -> None:
        """Apply the next row so much later."""
        self._held_back = seconds

    def shown(self, listing_id: str) -> int | None:
        self._apply_late(trio.current_time())
        return self.listings[ListingId(listing_id)].shown

    def edit(self, listing_id: str, shown: int | None) -> None:
        """Change a number by hand, or sell."""
        listing = ListingId(listing_id)
        self.listings[listing] = msgspec.structs.replace(self.listings[listing], shown=shown)

    def sell(self, listing_id: str, units: int) -> int:
        """Sell up to `units`; returns how many there were."""
        shown = self.shown(listing_id) or 0
        sold = min(shown, units)
        self.edit(listing_id, shown - sold)
        return sold

    def sent(self, listing_id: str) -> list[int]:
        return [row.quantity for _, row in self.writes if row.listing_id == listing_id]

    # -- the port

    def batch_key(self, listing_id: ListingId) -> str:
        return listing_id.split("/")[0]

    async def read_listings(self, cursor: str | None) -> ListingPage:
        await self._call("read_listings")
        if self._chance(self.grudges.garbled_read):
            raise MalformedReply(self.account, "read_listings", "not JSON")
        start = int(cursor or 0)
        rows = list(self.listings.values())[start : start + self.page_rows]
        self._told.update((row.listing_id, row.shown) for row in rows)
        end = start + self.page_rows
        await self._answer()
        return ListingPage(listings=tuple(rows), cursor=str(end) if end < len(self.listings) else None)

    async def write_stock(self, rows: Sequence[StockWrite]) -> tuple[RowVerdict, ...]:
        assert 1 <= len(rows) <= self.batch_rows_max, f"{len(rows)} rows"
        assert len({self.batch_key(row.listing_id) for row in rows}) == 1, "rows of one call share a batch key"
        for row in rows:
            self._check(row)
        self._writing.update(row.listing_id for row in rows)
        try:
            await self._call("write_stock")
            verdicts = tuple(self._write(row) for row in rows)
            if self._chance(self.grudges.timeout_after_effect):
                await trio.sleep(self._rng.choice((0.1, 1e6)))
                raise OutcomeUnknown(self.account, "write_stock", "connection reset")
            await self._answer()
            return verdicts
        finally:
            self._writing.subtract(row.listing_id for row in rows)

    async def read_stock(self, listing_ids: Sequence[ListingId]) -> tuple[SeenStock, ...]:
        assert 1 <= len(listing_ids) <= self.batch_rows_max, f"{len(listing_ids)} rows"
        await self._call("read_stock")
        if self._chance(self.grudges.garbled_read):
            raise MalformedReply(self.account, "read_stock", "not JSON")
        self.reads.update(listing_ids)
        known = [self.listings[listing_id] for listing_id in listing_ids if listing_id in self.listings]
        self._told.update((row.listing_id, row.shown) for row in known)
        await self._answer()
        return tuple(SeenStock(listing_id=row.listing_id, shown=row.shown) for row in known)

    async def read_orders(self, modified_after: datetime, cursor: str | None) -> OrderPage:
        await self._call("read_orders")
        await self._answer()
        return OrderPage(orders=(), cursor=None)

    async def read_order(self, order_id: OrderId) -> OrderSnapshot | None:
        await self._call("read_order")
        await self._answer()
        return None

    async def ensure_webhooks(self) -> WebhookHealth:
        await self._call("ensure_webhooks")
        return WebhookHealth(active=0)

    def parse_webhook(self, delivery: WebhookDelivery) -> WebhookHint:
        return NoHint(reason="a fake has no webhooks")

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()

    # -- inside

    async def _call(self, operation: str) -> None:
        now = trio.current_time()
        self.calls.append((now, operation))
        if self._rate is not None:
            for start in range(max(0, len(self.calls) - 50), len(self.calls)):
                allowed = self._burst + (now - self.calls[start][0]) * self._rate + 1e-6
                assert len(self.calls) - start <= allowed, f"over the limit of {self._rate} calls a second"
        if self._chance(self.grudges.down):
            raise NotSent(self.account, operation, "connection refused")
        if self._chance(self.grudges.throttled):
            raise Throttled(self.account, operation, "429", self._rng.choice((None, 0.5, 3.0)))
        await trio.sleep(self._rng.uniform(*self._latency) / 2)
        self._apply_late(trio.current_time())

    async def _answer(self) -> None:
        await trio.sleep(self._rng.uniform(*self._latency) / 2)

    def _check(self, row: StockWrite) -> None:
        self.writes.append((trio.current_time(), row))
        assert self._writing[row.listing_id] == 0, f"two writes of {row.listing_id} at once"
        versions = [known.version for _, known in self.writes if known.listing_id == row.listing_id]
        assert versions == sorted(set(versions)), f"versions of {row.listing_id} do not rise: {versions}"
        if not self.rows_may_rise() and row.quantity > 0:
            told = self._told.get(row.listing_id)
            assert told is not None, f"{row.listing_id} written up to {row.quantity} unseen (law 7)"
            assert row.quantity < told, f"{row.listing_id} raised from {told} to {row.quantity} (law 7)"

    def _write(self, row: StockWrite) -> RowVerdict:
        if row.listing_id in self.refused or row.listing_id not in self.listings:
            return RowVerdict(listing_id=row.listing_id, verdict=Verdict.REFUSED, reason="no")
        if row.listing_id in self.locked:
            return RowVerdict(listing_id=row.listing_id, verdict=Verdict.LOCKED, reason="campaign")
        if self._held_back is not None:
            self._late.append((trio.current_time() + self._held_back, row.listing_id, row.quantity))
            self._held_back = None
        elif self._chance(self.grudges.late):
            due = trio.current_time() + self._rng.uniform(0, self.grudges.late_seconds)
            self._late.append((due, row.listing_id, row.quantity))
        elif not self._chance(self.grudges.swallowed):
            self.edit(row.listing_id, row.quantity)
        return RowVerdict(listing_id=row.listing_id, verdict=Verdict.ACCEPTED)

    def _apply_late(self, now: float) -> None:
        for due, listing_id, quantity in sorted(self._late):
            if due <= now:
                self.edit(listing_id, quantity)
        self._late = [late for late in self._late if late[0] > now]

    def _chance(self, probability: float) -> bool:
        return self._rng.random() < probability
