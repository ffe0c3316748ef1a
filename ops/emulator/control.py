"""The control API: seed, buy, break and look inside. For tests and demos; a real shop has none of it."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

import msgspec

from ops.emulator.crowd import CrowdPlan
from ops.emulator.emulator import Emulator
from ops.emulator.faults import Faults
from ops.emulator.messages import Refusal, Reply, Request, json_reply, refusal_reply
from ops.emulator.model import Item, Order, Pickup, Wanted
from ops.emulator.shop import cents
from ops.emulator.stock import php_int

PREFIX = "/_control/"
Handler = Callable[["Control", Request, int], object]


class Seed(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A product to create, with its variations; a variation has none."""

    sku: str = ""
    id: int = 0
    name: str = ""
    price: str = "10.00"
    stock_quantity: int | None = 0
    manage_stock: bool = True
    backorders: str = "no"
    status: str = "publish"
    variations: list["Seed"] = []

    def fields(self) -> dict[str, Any]:
        """Return what `Shop.add` takes."""
        names = ("sku", "id", "stock_quantity", "manage_stock", "backorders", "status")
        return {name: getattr(self, name) for name in names} | {
            "name": self.name or self.sku,
            "price_cents": cents(self.price),
        }


class Series(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Many products alike: `{prefix}{number}`, counted from `first` in five digits."""

    count: Annotated[int, msgspec.Meta(ge=1)]
    prefix: str = "SKU-"
    first: int = 1
    stock_quantity: int = 10


class SeedBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """POST seed."""

    products: list[Seed] = []
    series: Series | None = None


class BuyBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """POST buy."""

    items: list[Wanted]
    status: str = "processing"
    pickup: Pickup | None = None


class StatusBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """POST orders/{id}/status."""

    status: str


class Edit(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One SKU's stock set, or moved by `delta`, by hand in the shop's admin."""

    sku: str
    stock_quantity: int | None = None
    delta: int | None = None


class StockBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """POST stock."""

    items: list[Edit]


class FaultsBody(msgspec.Struct, kw_only=True):
    """The one field of PUT faults that is an act, not a setting."""

    disable_webhooks: bool = False


class Control:
    """Answers the control API. `fresh` makes the emulator that a reset puts in place of the old one."""

    def __init__(self, fresh: Callable[[], Emulator]) -> None:
        self._fresh = fresh
        self.emulator = fresh()

    def serve(self, request: Request) -> Reply:
        """Answer one control request; what is not understood is a 400 that says why."""
        parts = request.path.removeprefix(PREFIX).rstrip("/").split("/")
        pattern = "/".join("*" if part.isdigit() else part for part in parts)
        handler = _ROUTES.get((request.method, pattern), Control.refuse_route)
        number = next((int(part) for part in parts if part.isdigit()), 0)
        try:
            answer = handler(self, request, number)
        except Refusal as refusal:
            return refusal_reply(refusal)
        except msgspec.MsgspecError as error:
            return refusal_reply(Refusal("emulator_invalid_body", str(error), 400))
        self.emulator.publish()
        return json_reply(answer)

    # -- acts -------------------------------------------------------------------------------------------------------

    def seed(self, request: Request, _number: int) -> object:
        """Create products; no webhook tells of it."""
        body = msgspec.json.decode(request.body, type=SeedBody)
        seeds = body.products
        if series := body.series:
            numbers = range(series.first, series.first + series.count)
            skus = (f"{series.prefix}{number:05d}" for number in numbers)
            seeds = [*seeds, *(Seed(sku=sku, stock_quantity=series.stock_quantity) for sku in skus)]
        shop, now = self.emulator.shop, self.emulator.clock.now()
        created: list[Item] = []
        for seed in seeds:
            parent = shop.add(seed.fields(), now)
            created += [parent, *(shop.add(variation.fields(), now, parent) for variation in seed.variations)]
        return {"items": [{"sku": item.sku, "id": item.id, "parent_id": item.parent_id} for item in created]}

    def buy(self, request: Request, _number: int) -> object:
        """Let one buyer buy."""
        body = msgspec.json.decode(request.body, type=BuyBody)
        return _sale(self.emulator.shop.buy(body.items, body.status, self.emulator.clock.now(), body.pickup))

    def set_status(self, request: Request, number: int) -> object:
        """Move an order."""
        body = msgspec.json.decode(request.body, type=StatusBody)
        return _sale(self.emulator.shop.set_status(number, body.status, self.emulator.clock.now()))

    def refund(self, request: Request, number: int) -> object:
        """Refund an order; the body is that of the shop's own API."""
        self.emulator.shop.refund(number, request.json(), self.emulator.clock.now())
        return _sale(self.emulator.shop.order(number))

    def edit_stock(self, request: Request, _number: int) -> object:
        """Edit stock by hand; never ignored, never late."""
        shop, now = self.emulator.shop, self.emulator.clock.now()
        edited = {}
        for edit in msgspec.json.decode(request.body, type=StockBody).items:
            if edit.sku not in shop.by_sku:
                raise Refusal("emulator_unknown_sku", f"No SKU {edit.sku!r}.", 400)
            item = shop.items[shop.by_sku[edit.sku]]
            row = {"stock_quantity": edit.stock_quantity, "inventory_delta": edit.delta}
            planned = shop.plan_write(item.id, row, now, item.parent_id)
            planned.writes -= 1  # counts what came through the API
            shop.commit(planned)
            edited[edit.sku] = planned.stock_quantity
        return {"stock": edited}

    def put_faults(self, request: Request, _number: int) -> object:
        """Replace all faults: what is not named is off."""
        body = request.json()
        act = msgspec.convert({"disable_webhooks": body.pop("disable_webhooks", False)}, FaultsBody)
        self.emulator.dice.configure(msgspec.convert(body, Faults), self.emulator.clock.monotonic())
        if act.disable_webhooks:
            self.emulator.hooks.disable_all()
        return self.emulator.dice.faults

    def release_crowd(self, request: Request, _number: int) -> object:
        """Let a crowd loose."""
        self.emulator.release_crowd(msgspec.json.decode(request.body, type=CrowdPlan))
        return self.emulator.progress

    def reset(self, _request: Request, _number: int) -> object:
        """Start over with an empty shop, no webhooks, no faults, zero counts and the first seed."""
        self.emulator.stop()
        self.emulator = self._fresh()
        self.emulator.start()
        return {}

    def refuse_route(self, request: Request, _number: int) -> object:
        """Refuse what is not a route."""
        raise Refusal("emulator_no_route", f"No control route {request.method} {request.path}.", 404)

    # -- looks ------------------------------------------------------------------------------------------------------

    def get_faults(self, _request: Request, _number: int) -> object:
        """Tell what is switched on."""
        return self.emulator.dice.faults

    def get_crowd(self, _request: Request, _number: int) -> object:
        """Tell how the crowd is doing."""
        return self.emulator.progress

    def get_orders(self, request: Request, _number: int) -> object:
        """List the sales with an id above `after_id`, oldest first."""
        after = php_int(request.query.get("after_id"))
        orders = sorted((one for one in self.emulator.shop.orders.values() if one.id > after), key=lambda one: one.id)
        return {"orders": [_sale(one) for one in orders]}

    def get_state(self, request: Request, _number: int) -> object:
        """Tell the whole truth; `?skus=false` leaves out the largest part."""
        emulator = self.emulator
        shop, now = emulator.shop, emulator.clock.now()
        wants_skus = request.query.get("skus", "true") != "false"
        items = shop.items.values()
        return {
            "shop": emulator.site.name,
            "now": now,
            "skus": {one.sku or f"#{one.id}": self._sku(one, now) for one in items} if wants_skus else {},
            "units": {"sold": sum(i.units_sold for i in items), "returned": sum(i.units_returned for i in items)},
            "orders": {"total": len(shop.orders), "by_status": Counter(one.status for one in shop.orders.values())},
            "stock_rows": emulator.api.rows,
            "timers_pending": emulator.timers_pending,
            "calls": emulator.calls,
            "fates": emulator.fates,
            "deliveries": emulator.deliveries.counts,
            "webhooks": [
                {"id": hook.id, "topic": hook.topic, "status": hook.status, "failure_count": hook.failure_count}
                for hook in emulator.hooks.webhooks.values()
            ],
            "crowd": emulator.progress,
        }

    def _sku(self, item: Item, now: datetime) -> dict[str, object]:
        owner = self.emulator.shop.owner(item)
        return {
            "id": item.id,
            "parent_id": item.parent_id,
            "stock": owner.stock_quantity if owner else None,
            "held": self.emulator.shop.held(owner, now) if owner else 0,
            "units_sold": item.units_sold,
            "units_returned": item.units_returned,
            "api_writes": item.writes,
        }


def _sale(order: Order) -> dict[str, object]:
    return {
        "id": order.id,
        "status": order.status,
        "sold_at": order.created_at,
        "lines": [
            {"line_id": line.id, "sku": line.sku, "quantity": line.quantity, "reduced_stock": line.reduced_stock or 0}
            for line in order.lines
        ],
    }


_ROUTES: dict[tuple[str, str], Handler] = {
    ("POST", "seed"): Control.seed,
    ("POST", "buy"): Control.buy,
    ("GET", "orders"): Control.get_orders,
    ("POST", "orders/*/status"): Control.set_status,
    ("POST", "orders/*/refund"): Control.refund,
    ("POST", "stock"): Control.edit_stock,
    ("GET", "state"): Control.get_state,
    ("GET", "faults"): Control.get_faults,
    ("PUT", "faults"): Control.put_faults,
    ("GET", "crowd"): Control.get_crowd,
    ("POST", "crowd"): Control.release_crowd,
    ("POST", "reset"): Control.reset,
}
