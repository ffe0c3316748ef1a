"""A marketplace's API as one daemon uses it: `engine.ports.Channel`, with everything that goes wrong on the way."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, TypeVar

import msgspec
import trio

from engine.domain.errors import ChannelError, CredentialsRejected, MalformedReply, NotSent, OutcomeUnknown, Throttled
from engine.domain.orders import OrderSnapshot
from engine.domain.units import AccountId, ListingId, OrderId, Sku
from engine.ports import (
    ListingPage,
    OrderPage,
    RowVerdict,
    SeenListing,
    SeenStock,
    StockWrite,
    WebhookDelivery,
    WebhookHealth,
    WebhookHint,
)
from ops.simulate.daemon import Life
from ops.simulate.faults import Faults
from ops.simulate.manners import Manners
from ops.simulate.market import Market, Ware
from ops.simulate.orders import read_by

T = TypeVar("T")

_HINT: Final[msgspec.json.Decoder[WebhookHint]] = msgspec.json.Decoder(WebhookHint)
_LATENCY_FAULT_SECONDS: Final = (1.0, 6.0)
_SILENCE_SECONDS: Final = (0.1, 30.0)
"""A call whose answer is lost ends with a broken connection, or with the caller's patience."""


class Outlet:
    """One account at one marketplace, for one daemon (`engine.ports.Channel`)."""

    def __init__(self, market: Market, life: Life, faults: Faults, manners: Manners) -> None:
        """Open it."""
        self.account = AccountId(market.account)
        self.batch_rows_max = market.temper.batch_rows
        self.subscribes = market.temper.webhooks != "none"
        self._market = market
        self._life = life
        self._faults = faults
        self._manners = manners

    def batch_key(self, listing_id: ListingId) -> str:
        """Share a call where the marketplace does not say otherwise."""
        return listing_id[-1] if self._market.temper.splits_batches else ""

    async def read_listings(self, cursor: str | None) -> ListingPage:
        """Read one page of the catalogue."""
        start, began = int(cursor or 0), trio.current_time()

        def read() -> tuple[list[SeenListing], int]:
            wares = list(self._market.wares.values())
            return [seen(ware) for ware in wares[start : start + self._market.temper.page_rows]], len(wares)

        rows, known = await self._call("read_listings", read)
        end = start + len(rows)
        if rows and self._faults.strikes("short_pages", 0.05):
            rows, end = rows[: len(rows) // 2], known
        for row in rows:
            self._manners.shown(self._life.number, row.listing_id, row.shown, began)
        return ListingPage(listings=tuple(rows), cursor=str(end) if end < known else None)

    async def read_stock(self, listing_ids: Sequence[ListingId]) -> tuple[SeenStock, ...]:
        """Read what is shown."""
        began = trio.current_time()

        def read() -> list[tuple[str, int | None]]:
            wares = [self._market.wares[each] for each in listing_ids if each in self._market.wares]
            return [(ware.listing, ware.shown) for ware in wares]

        found = await self._call("read_stock", read)
        if found and self._faults.strikes("short_pages", 0.02):
            found = found[:-1]
        for listing, shown in found:
            self._manners.shown(self._life.number, listing, shown, began)
        return tuple(SeenStock(listing_id=ListingId(listing), shown=shown) for listing, shown in found)

    async def write_stock(self, rows: Sequence[StockWrite]) -> tuple[RowVerdict, ...]:
        """Write rows; once sent, they land whatever becomes of the daemon."""
        await self._life.go_on()
        self._manners.write_began(self._life.number, rows)
        answer: tuple[RowVerdict, ...] | None = None
        try:
            answer = await self._call("write_stock", lambda: self._market.write(rows), lands=True)
        finally:
            self._manners.write_ended(self._life.number, rows, answer)
        return answer

    async def read_orders(self, modified_after: datetime, cursor: str | None) -> OrderPage:
        """Read one page of orders."""
        try:
            page = await self._call("read_orders", lambda: self._page(modified_after, cursor))
        except ChannelError:  # a daemon that stops and lets go of its call knows what it knew before
            self._manners.polled(self._life.number, whole=False)
            raise
        if page.cursor is None:
            self._manners.polled(self._life.number, whole=True)
        return page

    def _page(self, modified_after: datetime, cursor: str | None) -> OrderPage:
        found = self._market.orders_after(modified_after)
        if cursor is not None:
            found = [order for order in found if f"{order.modified_at.isoformat()} {order.order}" > cursor]
        rows = found[: self._market.temper.page_rows]
        more = len(rows) < len(found)
        if rows and self._faults.strikes("short_pages", 0.03):
            rows, more = rows[: len(rows) // 2], False
        last = f"{rows[-1].modified_at.isoformat()} {rows[-1].order}" if rows and more else None
        snapshots = [order.told[-1] for order in rows]
        return OrderPage(orders=read_by(snapshots, self._life.clock.now()), cursor=last)

    async def read_order(self, order_id: OrderId) -> OrderSnapshot | None:
        """Read one order."""

        def read() -> OrderSnapshot | None:
            order = self._market.orders.get(order_id)
            return None if order is None else read_by(order.told[-1:], self._life.clock.now())[0]

        return await self._call("read_order", read)

    async def ensure_webhooks(self) -> WebhookHealth:
        """Switch subscriptions on."""

        def ensure() -> bool:
            before, self._market.subscribed = self._market.subscribed, True
            return before

        was_on = await self._call("ensure_webhooks", ensure)
        return WebhookHealth(active=1, revived=() if was_on else ("orders",))

    def parse_webhook(self, delivery: WebhookDelivery) -> WebhookHint:
        """Read a delivery."""
        try:
            return _HINT.decode(delivery.body)
        except msgspec.MsgspecError as error:
            raise MalformedReply(self.account, "webhook", str(error)) from error

    async def aclose(self) -> None:
        """Give nothing back: there is nothing."""
        await trio.lowlevel.checkpoint()

    # -- the way there and back

    async def _call(self, operation: str, serve: Callable[[], T], *, lands: bool = False) -> T:
        """Make a call. `lands`: it may get there though it was given up, or the daemon died."""
        await self._life.go_on()
        market, rng = self._market, self._market.rng
        market.open_calls += 1
        self._manners.call_began(self._life.number)
        try:
            try:
                await self._refuse_or_travel(operation)
            except trio.Cancelled:
                if lands and rng.random() < 0.5:
                    market.nursery.start_soon(_land, serve, rng.uniform(0, 3.0))
                raise
            answer = serve()
            if self._faults.strikes("timeout_after", 0.02):
                market.tell(f"{operation}: done, and the answer is lost")
                await trio.sleep(rng.uniform(*_SILENCE_SECONDS))
                raise OutcomeUnknown(self.account, operation, "connection reset")
            await trio.sleep(rng.uniform(*market.temper.latency_seconds))
            await self._life.go_on()
            return answer
        finally:
            market.open_calls -= 1
            self._manners.call_ended(self._life.number)

    async def _refuse_or_travel(self, operation: str) -> None:
        """Take the time that a call takes to get there.

        Raises:
            ChannelError: it does not get there, or is not let in.
        """
        market, rng, now = self._market, self._market.rng, trio.current_time()
        seconds = rng.uniform(*market.temper.latency_seconds)
        if self._faults.strikes("latency", 0.03):
            seconds += rng.uniform(*_LATENCY_FAULT_SECONDS)
        if self._faults.strikes("timeout_before", 0.02):
            await trio.sleep(rng.uniform(*_SILENCE_SECONDS))
            raise OutcomeUnknown(self.account, operation, "no answer")
        await trio.sleep(seconds)
        if now < market.down_until:
            raise NotSent(self.account, operation, "connection refused")
        if now < market.locked_out_until:
            raise CredentialsRejected(self.account, operation, "token expired")
        if now < market.storm_until or self._faults.strikes("throttling", 0.01):
            if now >= market.storm_until:
                market.storm_until = now + rng.uniform(0.5, 8.0)
            raise Throttled(self.account, operation, "429", rng.choice((None, 0.5, 2.0)))


async def _land(serve: Callable[[], object], seconds: float) -> None:
    await trio.sleep(seconds)
    serve()


def seen(ware: Ware) -> SeenListing:
    """Return a listing as the marketplace tells of it."""
    return SeenListing(
        listing_id=ListingId(ware.listing),
        sku=None if ware.sku is None else Sku(ware.sku),
        title=ware.listing,
        shown=ware.shown,
    )
