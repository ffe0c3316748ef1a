"""One WooCommerce shop as a sales channel: which request comes next, and nothing about what bytes mean."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, Literal

import msgspec

from adapters.channels.woocommerce.listings import (
    PRODUCT_FIELDS,
    Target,
    build_cursor,
    build_write,
    parse_cursor,
    parse_listing_id,
    parse_write,
    read_listing_rows,
    read_stock_rows,
    turn_page,
)
from adapters.channels.woocommerce.orders import (
    ORDER_FIELDS,
    OrderUnreadable,
    build_snapshot,
    is_kept_in_trash,
    needs_refunds,
)
from adapters.channels.woocommerce.protocol import TOPICS, parse_webhook
from adapters.channels.woocommerce.replies import Call, decode
from adapters.channels.woocommerce.session import Session
from adapters.channels.woocommerce.wire import (
    ENCODE,
    ORDER,
    RAW_ROWS,
    REFUNDS,
    STUB,
    WEBHOOK,
    WEBHOOKS,
    WireOrder,
    WireRefund,
    WireWebhook,
    WooCommerceSettings,
    check_settings,
    format_instant,
    parse_instant,
)
from adapters.http import Transport
from engine.domain.errors import ConfigError, MalformedReply, OutcomeUnknown, Refused
from engine.domain.orders import OrderSnapshot
from engine.domain.units import ListingId, OrderId
from engine.ports import (
    Clock,
    ListingPage,
    OrderPage,
    RowVerdict,
    SeenStock,
    StockWrite,
    UnreadableOrder,
    Verdict,
    WebhookDelivery,
    WebhookHealth,
    WebhookHint,
)

BATCH_ROWS_MAX: Final = 100
"""WooCommerce's own limit for one batch, filter `woocommerce_rest_batch_items_limit`."""

_WEBHOOK_NAME: Final = "lastunit"
_REFUNDS_KEPT_MAX: Final = 4096
_NOT_OURS: Final = "not a listing id of this channel: product, or parent/variation"


class OrderCursor(msgspec.Struct, frozen=True, kw_only=True):
    """Where reading a window of orders stands."""

    status: Literal["any", "trash"] = "any"
    page: int = 1
    total: int | None = None


_ORDER_CURSOR: Final = msgspec.json.Decoder(OrderCursor)


class WooCommerceChannel:
    """`engine.ports.Channel` over WooCommerce REST v3. Any number of tasks may call it at once."""

    def __init__(
        self,
        settings: WooCommerceSettings,
        *,
        clock: Clock,
        new_nonce: Callable[[], str],
        http: Transport | None = None,
    ) -> None:
        """Open no connection yet.

        `new_nonce` brings texts that are unguessable and never the same twice; they are used over plain http only.
        `http` is built from the settings when None.

        Raises:
            ConfigError: the settings cannot work.
        """
        if problems := check_settings(settings):
            raise ConfigError(problems)
        self.account = settings.account
        self.subscribes = settings.delivery_url is not None
        self.batch_rows_max = BATCH_ROWS_MAX
        """Shrinks when the shop refuses a batch as too large."""
        self._settings = settings
        self._clock = clock
        self._session = Session(settings, clock=clock, new_nonce=new_nonce, http=http)
        self._refunds: OrderedDict[tuple[int, ...], tuple[WireRefund, ...]] = OrderedDict()

    def batch_key(self, listing_id: ListingId) -> str:
        """Products go together, variations per parent."""
        target = parse_listing_id(listing_id)
        return target.collection if target else "malformed"

    async def read_listings(self, cursor: str | None) -> ListingPage:
        """Read one page of products, or of one variable product's variations: always exactly one request."""
        call = self._session.call("read_listings")
        at = parse_cursor(call, cursor)
        parent_id = at.parents[0] if at.parents else 0
        page = at.variation_page if parent_id else at.page
        params = (*self._session.page_params(page), ("_fields", PRODUCT_FIELDS))
        get = self._session.find if parent_id else self._session.read
        reply = await get(call, Target(parent_id, 0).collection, params)
        if reply is None:  # the product was deleted since its page was read
            return ListingPage(listings=(), cursor=build_cursor(at.next_parent()))
        rows = decode(call, RAW_ROWS, reply.body)
        listings, parents, problems = read_listing_rows(rows, parent_id=parent_id)
        following, total = turn_page(
            reply.headers,
            page=page,
            page_size=self._settings.page_size,
            rows=len(rows),
            total_before=None if parent_id else at.total,
        )
        if not parent_id:
            rest = msgspec.structs.replace(at, page=following, total=total, parents=tuple(parents))
        elif following:
            rest = msgspec.structs.replace(at, variation_page=following)
        else:
            rest = at.next_parent()
        return ListingPage(listings=tuple(listings), cursor=build_cursor(rest), problems=tuple(problems))

    async def write_stock(self, rows: Sequence[StockWrite]) -> tuple[RowVerdict, ...]:
        """Write absolute quantities in one request.

        A shop with a lower batch limit answers 413 before it looks at any row: the limit is halved and every row is
        NOT_SENT, as are rows beyond the limit ever after. A single row that is too large is refused.
        """
        call = self._session.call("write_stock", writes=True)
        targets = [(target, row) for row in rows if (target := parse_listing_id(row.listing_id))]
        assert len({target.collection for target, _ in targets}) <= 1, "rows of one write share a batch key"
        batch = targets[: self.batch_rows_max]
        judged: dict[ListingId, RowVerdict] = {}
        if batch:
            reply = await self._session.write(call, "POST", f"{batch[0][0].collection}/batch", build_write(batch))
            if reply.status == 413 and len(batch) > 1:
                self.batch_rows_max = len(batch) // 2
            else:
                verdicts = parse_write(call, batch, self._session.check(call, reply).body)
                judged = {verdict.listing_id: verdict for verdict in verdicts}
        return tuple(judged.get(row.listing_id) or self._judge_unsent(row) for row in rows)

    async def read_stock(self, listing_ids: Sequence[ListingId]) -> tuple[SeenStock, ...]:
        """Read what is shown for listings of one collection in one request."""
        call = self._session.call("read_stock")
        targets = [target for name in listing_ids if (target := parse_listing_id(name))]
        if not targets:
            return ()
        assert len({target.collection for target in targets}) == 1, "listings of one read share a batch key"
        assert len(targets) <= BATCH_ROWS_MAX, "the caller keeps to batch_rows_max"
        include = ",".join(str(target.item_id) for target in targets)
        params = (("include", include), ("per_page", str(BATCH_ROWS_MAX)), ("_fields", PRODUCT_FIELDS))
        get = self._session.find if targets[0].parent_id else self._session.read
        reply = await get(call, targets[0].collection, params)
        rows = decode(call, RAW_ROWS, reply.body) if reply else []
        return read_stock_rows(rows, listing_ids, parent_id=targets[0].parent_id)

    async def read_orders(self, modified_after: datetime, cursor: str | None) -> OrderPage:
        """Read one page of changed orders, with the refunds of those that have any.

        `status=any` covers every registered status with `checkout-draft` (registered with `exclude_from_search` false,
        src/Blocks/Domain/Services/DraftOrders.php; with HPOS it means all of `wc_get_order_statuses`, which DraftOrders
        extends, src/Internal/DataStores/Orders/OrdersTableQuery.php) and never the trash. Naming both does not work:
        `any` swallows the rest of the list (Version3/class-wc-rest-orders-controller.php). So the trash is a second
        round, and only for those who want trashed orders cancelled.
        """
        call = self._session.call("read_orders")
        at = _parse_order_cursor(call, cursor)
        asked_at = self._clock.now()
        window = (("modified_after", format_instant(modified_after)), ("dates_are_gmt", "true"), ("status", at.status))
        params = (*window, *self._session.page_params(at.page), ("_fields", ORDER_FIELDS))
        reply = await self._session.read(call, "/orders", params)
        rows = decode(call, RAW_ROWS, reply.body)
        orders: list[OrderSnapshot] = []
        unreadable: list[UnreadableOrder] = []
        for raw in rows:
            stub = decode(call, STUB, raw)  # a row without an id cannot even be named: the page is malformed
            try:
                snapshot = await self._tell_order(call, raw, asked_at)
            except (OrderUnreadable, MalformedReply, Refused, OutcomeUnknown) as error:
                number, modified_at = OrderId(str(stub.id)), parse_instant(stub.date_modified_gmt)
                unreadable.append(UnreadableOrder(number, modified_at, str(error), bytes(raw)))
            else:
                orders.extend([snapshot] if snapshot else [])
        following, total = turn_page(
            reply.headers, page=at.page, page_size=self._settings.page_size, rows=len(rows), total_before=at.total
        )
        rest = self._build_order_cursor(at, following, total)
        return OrderPage(orders=tuple(orders), cursor=rest, unreadable=tuple(unreadable))

    async def read_order(self, order_id: OrderId) -> OrderSnapshot | None:
        """Read one order. None also for one in the trash when trashed orders stay what they were.

        Raises:
            MalformedReply: it cannot be told without guessing.
        """
        call = self._session.call("read_order")
        if not (order_id.isascii() and order_id.isdigit()):
            return None
        asked_at = self._clock.now()
        reply = await self._session.find(call, f"/orders/{order_id}", (("_fields", ORDER_FIELDS),))
        if reply is None:
            return None
        try:
            return await self._tell_order(call, reply.body, asked_at)
        except OrderUnreadable as error:
            raise call.fail(MalformedReply, f"order {order_id}: {error}") from error

    async def ensure_webhooks(self) -> WebhookHealth:
        """Keep one active subscription per topic; ours are those with our address and a name that begins with ours."""
        address, secret = self._settings.delivery_url, self._settings.webhook_secret
        if address is None:
            return WebhookHealth(active=0)
        ours: dict[str, list[WireWebhook]] = {topic: [] for topic in TOPICS}
        for hook in await self._session.read_all(self._session.call("read_webhooks"), "/webhooks", WEBHOOKS):
            if hook.delivery_url == address and hook.name.startswith(_WEBHOOK_NAME) and hook.topic in ours:
                ours[hook.topic].append(hook)
        created = tuple(topic for topic, hooks in ours.items() if not hooks)
        asleep = [hooks[0] for hooks in ours.values() if hooks and all(hook.status != "active" for hook in hooks)]
        wanted = {"status": "active", "secret": secret}
        for topic in created:
            named = {"name": f"{_WEBHOOK_NAME} {topic}", "topic": topic, "delivery_url": address}
            await self._write_webhook("POST", "/webhooks", named | wanted)
        for hook in asleep:  # the secret again: it may have been changed since
            await self._write_webhook("PUT", f"/webhooks/{hook.id}", wanted)
        return WebhookHealth(active=len(TOPICS), created=created, revived=tuple(hook.topic for hook in asleep))

    def parse_webhook(self, delivery: WebhookDelivery) -> WebhookHint:
        """See `protocol.parse_webhook`."""
        return parse_webhook(self._settings, delivery)

    async def aclose(self) -> None:
        """Give connections back; idempotent."""
        await self._session.aclose()

    async def _tell_order(self, call: Call, raw: bytes | msgspec.Raw, asked_at: datetime) -> OrderSnapshot | None:
        """Decode one order and tell it, with its refunds; None when there is nothing to say of it."""
        order = decode(call, ORDER, raw)
        if is_kept_in_trash(order, self._settings):
            return None
        refunds = await self._read_refunds(order) if needs_refunds(order, self._settings) else ()
        return build_snapshot(order, refunds, self._settings, read_at=asked_at)

    async def _read_refunds(self, order: WireOrder) -> tuple[WireRefund, ...]:
        """Lines of an order's refunds. They never change, so they are read once per set of refunds.

        That also lets a caller whose deadline cut a page of refunded orders short get further with every attempt.
        """
        key = (order.id, *sorted(ref.id for ref in order.refunds))
        if key in self._refunds:
            self._refunds.move_to_end(key)
            return self._refunds[key]
        call = self._session.call("read_refunds")
        path, fields = f"/orders/{order.id}/refunds", (("_fields", "id,date_created_gmt,line_items"),)
        refunds = tuple(await self._session.read_all(call, path, REFUNDS, fields))
        if not {ref.id for ref in order.refunds} <= {refund.id for refund in refunds}:
            raise OrderUnreadable("its refunds changed while they were read")
        self._refunds[key] = refunds
        if len(self._refunds) > _REFUNDS_KEPT_MAX:
            self._refunds.popitem(last=False)
        return refunds

    async def _write_webhook(self, method: str, path: str, fields: dict[str, str]) -> None:
        call = self._session.call("write_webhook", writes=True)
        reply = self._session.check(call, await self._session.write(call, method, path, fields))
        if decode(call, WEBHOOK, reply.body).status != "active":
            raise call.fail(Refused, f"{method} {path} answered with a webhook that is not active")

    def _judge_unsent(self, row: StockWrite) -> RowVerdict:
        if parse_listing_id(row.listing_id) is None:
            return RowVerdict(listing_id=row.listing_id, verdict=Verdict.REFUSED, reason=_NOT_OURS)
        reason = f"the shop takes {self.batch_rows_max} rows at once"
        return RowVerdict(listing_id=row.listing_id, verdict=Verdict.NOT_SENT, reason=reason)

    def _build_order_cursor(self, at: OrderCursor, following: int, total: int | None) -> str | None:
        if following:
            return ENCODE(OrderCursor(status=at.status, page=following, total=total)).decode()
        if at.status == "any" and self._settings.trashed == "cancel":
            return ENCODE(OrderCursor(status="trash")).decode()
        return None


def _parse_order_cursor(call: Call, cursor: str | None) -> OrderCursor:
    try:
        return _ORDER_CURSOR.decode(cursor) if cursor is not None else OrderCursor()
    except msgspec.MsgspecError as error:
        raise call.fail(Refused, f"the cursor is not one of ours: {error}") from error
