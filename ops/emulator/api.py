"""The v3 routes: a request in, a reply out. No IO; what must happen later is handed to `later`."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from ops.emulator import queries, stock, wire
from ops.emulator.faults import Dice
from ops.emulator.messages import Refusal, Reply, Request, invalid_param, json_reply
from ops.emulator.model import Item
from ops.emulator.shop import Shop
from ops.emulator.subscriptions import Subscriptions

BATCH_ROWS_MAX = 100  # `woocommerce_rest_batch_items_limit`
PREFIX = "/wp-json/wc/v3/"
Later = Callable[[float, Callable[[datetime], None]], None]
Handler = Callable[["Api", Request, tuple[int, ...], datetime], Reply]


class Route(msgspec.Struct, frozen=True):
    """A route as the call counters name it, with the numbers that its stars stood for."""

    name: str
    handler: Handler
    ids: tuple[int, ...]


class Api:
    """The shop's API over its state.

    `later(seconds, action)` must call the action then, with that instant, or drop it when the shop is reset before.
    """

    def __init__(self, shop: Shop, hooks: Subscriptions, site: wire.Site, dice: Dice, later: Later) -> None:
        self.shop = shop
        self.hooks = hooks
        self.site = site
        self.rows = {"applied": 0, "ignored": 0, "late": 0, "refused": 0}
        self._dice = dice
        self._later = later

    # -- products ---------------------------------------------------------------------------------------------------

    def list_products(self, request: Request, _ids: tuple[int, ...], _now: datetime) -> Reply:
        """GET /products."""
        return self._items(queries.products(self.shop, self.site, request.query), request)

    def list_variations(self, request: Request, ids: tuple[int, ...], _now: datetime) -> Reply:
        """GET /products/{id}/variations."""
        self._product(ids[0])
        return self._items(queries.variations(self.shop, self.site, ids[0], request.query), request)

    def get_product(self, request: Request, ids: tuple[int, ...], _now: datetime) -> Reply:
        """GET /products/{id}; core answers for a variation's id too."""
        return self._item(self._product(ids[0]), request)

    def get_variation(self, request: Request, ids: tuple[int, ...], _now: datetime) -> Reply:
        """GET /products/{id}/variations/{id}."""
        variation = self._product(ids[1])
        if variation.parent_id != ids[0]:
            raise Refusal("woocommerce_rest_product_variation_invalid_id", "Invalid ID.", 404)
        return self._item(variation, request)

    def put_item(self, request: Request, ids: tuple[int, ...], now: datetime) -> Reply:
        """PUT /products/{id} and /products/{id}/variations/{id}."""
        row = request.json()
        stock.check_row(row)
        return self._item(self._write(ids[-1], row, now, ids[0] if len(ids) > 1 else 0), request)

    def batch(self, request: Request, ids: tuple[int, ...], now: datetime) -> Reply:
        """POST /products/batch and /products/{id}/variations/batch: each row succeeds or fails alone, in its place."""
        body = request.json()
        rows = {verb: body.get(verb) or [] for verb in ("create", "update", "delete")}
        if sum(len(some) for some in rows.values()) > BATCH_ROWS_MAX:
            message = f"Unable to accept more than {BATCH_ROWS_MAX} items for this request."
            raise Refusal("woocommerce_rest_request_entity_too_large", message, 413)
        answer: dict[str, list[object]] = {}
        if rows["update"]:
            answer["update"] = [self._batch_row(row, now, ids[0] if ids else 0) for row in rows["update"]]
        for verb in ("create", "delete"):
            if rows[verb]:
                answer[verb] = [_row_error(0, Refusal("emulator_unsupported", f"No {verb} here.", 501))] * len(
                    rows[verb]
                )
        return json_reply(answer)

    # -- orders -----------------------------------------------------------------------------------------------------

    def list_orders(self, request: Request, _ids: tuple[int, ...], _now: datetime) -> Reply:
        """GET /orders."""
        found = queries.orders(self.shop, self.site, request.query)
        chosen, headers = queries.page(found, request.query, f"{self.site.api_url}/orders")
        return self._list((wire.order(self.site, order) for order in chosen), request, headers)

    def get_order(self, request: Request, ids: tuple[int, ...], _now: datetime) -> Reply:
        """GET /orders/{id}."""
        return json_reply(_trimmed(wire.order(self.site, self.shop.order(ids[0])), request))

    def put_order(self, request: Request, ids: tuple[int, ...], now: datetime) -> Reply:
        """PUT /orders/{id}; only the status can be changed."""
        status = request.json().get("status")
        if status is not None:
            self.shop.set_status(ids[0], str(status), now)
        return json_reply(wire.order(self.site, self.shop.order(ids[0])))

    def list_refunds(self, request: Request, ids: tuple[int, ...], _now: datetime) -> Reply:
        """GET /orders/{id}/refunds, newest first."""
        refunds = self.shop.order(ids[0]).refunds[::-1]
        chosen, headers = queries.page(refunds, request.query, f"{self.site.api_url}/orders/{ids[0]}/refunds")
        return json_reply([wire.refund(self.site, ids[0], one) for one in chosen], headers=headers)

    def post_refund(self, request: Request, ids: tuple[int, ...], now: datetime) -> Reply:
        """POST /orders/{id}/refunds."""
        refund = self.shop.refund(ids[0], request.json(), now)
        return json_reply(wire.refund(self.site, ids[0], refund), 201)

    # -- webhooks ---------------------------------------------------------------------------------------------------

    def list_webhooks(self, request: Request, _ids: tuple[int, ...], _now: datetime) -> Reply:
        """GET /webhooks."""
        status = request.query.get("status", "all")
        found = [one for one in self.hooks.webhooks.values() if status in {"all", one.status}]
        found.sort(key=lambda one: one.id, reverse=request.query.get("order", "desc") == "desc")
        chosen, headers = queries.page(found, request.query, f"{self.site.api_url}/webhooks")
        return json_reply([wire.webhook(self.site, one) for one in chosen], headers=headers)

    def get_webhook(self, _request: Request, ids: tuple[int, ...], _now: datetime) -> Reply:
        """GET /webhooks/{id}."""
        return json_reply(wire.webhook(self.site, self.hooks.find(ids[0])))

    def post_webhook(self, request: Request, _ids: tuple[int, ...], now: datetime) -> Reply:
        """POST /webhooks; an active one is pinged before the answer goes out."""
        webhook = self.hooks.create(request.json(), now)
        reply = json_reply(wire.webhook(self.site, webhook), 201)
        reply.ping = webhook.id if webhook.status == "active" else 0
        return reply

    def put_webhook(self, request: Request, ids: tuple[int, ...], now: datetime) -> Reply:
        """PUT /webhooks/{id}; one that becomes active, or moves, is pinged."""
        must_ping = self.hooks.update(ids[0], request.json(), now)
        reply = json_reply(wire.webhook(self.site, self.hooks.find(ids[0])))
        reply.ping = ids[0] if must_ping else 0
        return reply

    def delete_webhook(self, request: Request, ids: tuple[int, ...], _now: datetime) -> Reply:
        """DELETE /webhooks/{id}?force=true."""
        if request.query.get("force", "").lower() not in {"true", "1"}:
            raise Refusal("woocommerce_rest_trash_not_supported", "Webhooks do not support trashing.", 501)
        return json_reply(wire.webhook(self.site, self.hooks.delete(ids[0])))

    # -- pieces -----------------------------------------------------------------------------------------------------

    def _product(self, item_id: int) -> Item:
        if item_id not in self.shop.items:
            raise Refusal("woocommerce_rest_product_invalid_id", "Invalid ID.", 404)
        return self.shop.items[item_id]

    def _write(self, item_id: int, row: Mapping[str, Any], now: datetime, parent_id: int) -> Item:
        """Write one stock row and return how the shop says it is now, whatever became of it."""
        planned = self.shop.plan_write(item_id, row, now, parent_id)
        fate = self._dice.row_fate()
        self.rows[fate] += 1
        if fate == "applied":
            self.shop.commit(planned)
        elif fate == "late":
            seconds = self._dice.faults.late_seconds
            self._later(seconds, lambda then: self.shop.commit(self.shop.plan_write(item_id, row, then, parent_id)))
        return planned

    def _batch_row(self, row: object, now: datetime, parent_id: int) -> object:
        if not isinstance(row, dict):
            return _row_error(0, invalid_param("update", "update is not of type object."))
        row_id = stock.php_int(row.get("id"))
        try:
            return wire.item(self.shop, self.site, self._write(row_id, row, now, parent_id))
        except Refusal as refusal:
            self.rows["refused"] += 1
            return _row_error(row_id, refusal)

    def _item(self, item: Item, request: Request) -> Reply:
        return json_reply(_trimmed(wire.item(self.shop, self.site, item), request))

    def _items(self, found: list[Item], request: Request) -> Reply:
        url = self.site.api_url + request.path.removeprefix(PREFIX[:-1])
        chosen, headers = queries.page(found, request.query, url)
        return self._list((wire.item(self.shop, self.site, item) for item in chosen), request, headers)

    def _list(self, rows: Iterable[object], request: Request, headers: tuple[tuple[str, str], ...]) -> Reply:
        return json_reply([_trimmed(row, request) for row in rows], headers=headers)


def find_route(request: Request) -> Route:
    """Find who answers; works on the path alone.

    Raises:
        Refusal: 404 `rest_no_route`.
    """
    parts = request.path.removeprefix(PREFIX).rstrip("/").split("/") if request.path.startswith(PREFIX) else []
    pattern = "/".join("*" if part.isdigit() else part for part in parts)
    method = "PUT" if request.method == "PATCH" else request.method
    found = _ROUTES.get((method, pattern))
    if found is None and method == "POST":  # WordPress edits with POST, PUT and PATCH alike
        found = _ROUTES.get(("PUT", pattern))
    if found is None:
        raise Refusal("rest_no_route", "No route was found matching the URL and request method.", 404)
    name = f"{request.method} /{pattern.replace('*', '{id}')}"
    return Route(name, found, tuple(int(part) for part in parts if part.isdigit()))


def not_admitted(request: Request, route: Route) -> Refusal:
    """Refuse a request without credentials, in the words of the route it asked for."""
    if request.path.endswith("/batch"):
        code, message = "cannot_batch", "Sorry, you are not allowed to batch manipulate this resource."
    elif request.method == "GET":
        code, message = "cannot_view", "Sorry, you cannot view this resource."
        if not request.path.rstrip("/")[-1].isdigit():
            message = "Sorry, you cannot list resources."
    elif request.method == "POST" and not route.ids:
        code, message = "cannot_create", "Sorry, you are not allowed to create resources."
    else:
        code, message = "cannot_edit", "Sorry, you are not allowed to edit this resource."
    return Refusal(f"woocommerce_rest_{code}", message, 401)


def _row_error(row_id: int, refusal: Refusal) -> dict[str, object]:
    return {"id": row_id, "error": refusal.body()}


def _trimmed(row: object, request: Request) -> object:
    """Keep the fields that `_fields` names; the id always stays."""
    names = request.query.get("_fields")
    if not names:
        return row
    wanted = {"id", *(name.strip() for name in names.split(","))}
    return {name: value for name, value in msgspec.to_builtins(row).items() if name in wanted}


_ROUTES: dict[tuple[str, str], Handler] = {
    ("GET", "products"): Api.list_products,
    ("PUT", "products/batch"): Api.batch,
    ("GET", "products/*"): Api.get_product,
    ("PUT", "products/*"): Api.put_item,
    ("GET", "products/*/variations"): Api.list_variations,
    ("PUT", "products/*/variations/batch"): Api.batch,
    ("GET", "products/*/variations/*"): Api.get_variation,
    ("PUT", "products/*/variations/*"): Api.put_item,
    ("GET", "orders"): Api.list_orders,
    ("GET", "orders/*"): Api.get_order,
    ("PUT", "orders/*"): Api.put_order,
    ("GET", "orders/*/refunds"): Api.list_refunds,
    ("POST", "orders/*/refunds"): Api.post_refund,
    ("GET", "webhooks"): Api.list_webhooks,
    ("POST", "webhooks"): Api.post_webhook,
    ("GET", "webhooks/*"): Api.get_webhook,
    ("PUT", "webhooks/*"): Api.put_webhook,
    ("DELETE", "webhooks/*"): Api.delete_webhook,
}
