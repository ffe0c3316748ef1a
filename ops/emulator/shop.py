"""A WooCommerce shop's stock and orders: state and rules, no IO. Instants come in as arguments.

The rules are those of core: `wc-stock-functions.php`, `wc-order-functions.php` and `ReserveStock`.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from ops.emulator import stock
from ops.emulator.messages import Refusal, invalid_param
from ops.emulator.model import Change, Item, Line, Order, Pickup, Refund, RefundLine, StockHold, Wanted

REDUCES = frozenset({"processing", "completed", "on-hold"})
RESTORES = frozenset({"cancelled", "pending"})
HOLD_SECONDS = {"pending": 3600, "checkout-draft": 600}  # `woocommerce_hold_stock_minutes`; the block checkout's own
RELEASES = REDUCES | {"cancelled"}
STATUSES = REDUCES | RESTORES | {"checkout-draft", "refunded", "failed", "trash"}


class Shop:
    """One shop. The instants it is told never go back.

    `items` and `orders` are kept oldest change first, so that "what changed since" is a short walk.
    """

    def __init__(self) -> None:
        self.items: dict[int, Item] = {}
        self.orders: dict[int, Order] = {}
        self.children: dict[int, list[int]] = {}
        self.by_sku: dict[str, int] = {}
        self._holds: dict[int, dict[int, StockHold]] = {}
        self._changes: list[Change] = []
        self._post_ids = count(11)  # products, orders and refunds share WordPress' post ids
        self._line_ids = count(1)

    def drain_changes(self) -> list[Change]:
        """Hand over what happened since the last call; a change within one request is told once, as in core."""
        changes, self._changes = list(dict.fromkeys(self._changes)), []
        return changes

    # -- catalogue and stock ----------------------------------------------------------------------------------------

    def add(self, fields: Mapping[str, Any], now: datetime, parent: Item | None = None) -> Item:
        """Create a product, or a variation of `parent`; `fields` are those of `Item`, plus an own id if wanted.

        Raises:
            Refusal: the id or the SKU is taken.
        """
        values = {"id": 0, "sku": "", "name": fields.get("sku", ""), **fields}
        values["id"] = values["id"] or self._free_id()
        if values["id"] in self.items.keys() | self.orders.keys() or values["sku"] in self.by_sku:
            raise Refusal("product_invalid_sku", f"Invalid or duplicated SKU or id: {values['sku']!r}.", 400)
        item = Item(**values, created_at=now, modified_at=now)
        if parent is not None:
            item.parent_id, item.kind, parent.kind = parent.id, "variation", "variable"
            self.children.setdefault(parent.id, []).append(item.id)
        if not item.manage_stock:
            item.stock_quantity, item.stock_status = None, "instock"
        stock.settle(item)
        self.items[item.id] = item
        if item.sku:
            self.by_sku[item.sku] = item.id
        return item

    def owner(self, item: Item) -> Item | None:
        """Find whose pool `item` sells from; None when nobody counts it."""
        if item.manage_stock:
            return item
        parent = self.items.get(item.parent_id)
        return parent if parent is not None and parent.manage_stock else None

    def stock_status(self, item: Item) -> str:
        """Tell what buyers see; an uncounted parent is in stock while a variation is."""
        owner = self.owner(item)
        if owner is None and item.kind == "variable":
            children = (self.items[child] for child in self.children.get(item.id, ()))
            return "instock" if any(self.stock_status(child) == "instock" for child in children) else "outofstock"
        return (owner or item).stock_status

    def held(self, owner: Item, now: datetime) -> int:
        """Sum the units of this pool that unpaid orders still hold."""
        return sum(hold.quantity for hold in self._holds.get(owner.id, {}).values() if hold.expires_at > now)

    def plan_write(self, item_id: int, row: Mapping[str, Any], now: datetime, parent_id: int = 0) -> Item:
        """Return how the item would look after this write; nothing changes until `commit`.

        Raises:
            Refusal: unknown id (of this parent), a variation under the product route, or a SKU that is taken.
        """
        item = self.items.get(item_id)
        if item is None or (parent_id and item.parent_id != parent_id):
            kind = "product_variation" if parent_id else "product"
            raise Refusal(f"woocommerce_rest_{kind}_invalid_id", "Invalid ID.", 400)
        if item.kind == "variation" and not parent_id:
            hint = (
                "To manipulate product variations you should use the /products/&lt;product_id&gt;/variations/&lt;id&gt;"
            )
            raise Refusal("woocommerce_rest_invalid_product_id", f"{hint} endpoint.", 404)
        if self.by_sku.get(row.get("sku") or item.sku, item_id) != item_id:
            raise Refusal("product_invalid_sku", "Invalid or duplicated SKU.", 400, resource_id=item_id)
        pooled = self.owner(item) is not item and self.owner(item) is not None
        return stock.patched(item, row, now, pooled_with_parent=pooled)

    def commit(self, planned: Item) -> None:
        """Make a planned write true; nothing may have happened to the item since it was planned."""
        item = self.items[planned.id]
        if planned.sku != item.sku:
            self.by_sku.pop(item.sku, None)
            self.by_sku[planned.sku] = planned.id
        self.items[planned.id] = planned
        self._touch_item(planned, planned.modified_at)

    # -- orders -----------------------------------------------------------------------------------------------------

    def buy(self, basket: Sequence[Wanted], status: str, now: datetime, pickup: Pickup | None = None) -> Order:
        """Sell a basket, whole or not at all, to a buyer who sees the shop's own stock less what others hold.

        Raises:
            Refusal: 409 `out_of_stock`; 400 for an empty basket, an unknown item or status.
        """
        if not basket or status not in REDUCES | HOLD_SECONDS.keys():
            raise Refusal("emulator_invalid_purchase", f"Cannot buy {len(basket)} lines as {status!r}.", 400)
        bought = [(self._find(wanted), wanted.quantity) for wanted in basket]
        self._refuse_shortage(bought, now)
        lines = [self._line(item, quantity) for item, quantity in bought]
        order = Order(id=self._free_id(), status="", created_at=now, modified_at=now, lines=lines, pickup=pickup)
        self.orders[order.id] = order
        self._changes.append(Change("order.created", order.id))
        if status in HOLD_SECONDS:
            self._hold(order, bought, now + timedelta(seconds=HOLD_SECONDS[status]))
        self._enter(order, status, now)
        return order

    def set_status(self, order_id: int, status: str, now: datetime) -> Order:
        """Move an order to another status, with core's effects on stock and holds. The same status changes nothing.

        Raises:
            Refusal: 404 for an unknown order, 400 for an unknown status.
        """
        order = self.order(order_id)
        if status not in STATUSES:
            raise invalid_param("status", f"status is not one of {', '.join(sorted(STATUSES))}.")
        if order.status != status:
            was_trash = order.status == "trash"
            self._enter(order, status, now)
            topic = "deleted" if status == "trash" else "restored" if was_trash else "updated"
            self._changes.append(Change(f"order.{topic}", order_id))
        return order

    def refund(self, order_id: int, body: Mapping[str, Any], now: datetime) -> Refund:
        """Give money back; units return to stock if `api_restock` (the default) and the line had taken them.

        Without `amount`, it is the sum of the lines' `refund_total`. An order refunded in full becomes `refunded`.

        Raises:
            Refusal: unknown order, or more money than is left to refund.
        """
        order = self.order(order_id)
        rows = {stock.php_int(row["id"]): row for row in body.get("line_items") or () if "id" in row}
        lines = [self._refund_line(line, rows[line.id]) for line in order.lines if line.id in rows]
        amount = cents(body["amount"]) if "amount" in body else sum(line.amount_cents for line in lines)
        left = order.total_cents - sum(refund.amount_cents for refund in order.refunds)
        if not 0 <= amount <= left:
            raise Refusal("woocommerce_rest_cannot_create_order_refund", "Invalid refund amount.", 500)
        reason = body.get("reason") or ""
        refund = Refund(id=self._free_id(), created_at=now, reason=reason, amount_cents=amount, lines=lines)
        order.refunds.append(refund)
        if body.get("api_restock", True):
            self._restock(lines, now)
        if amount == left:
            self._enter(order, "refunded", now)
        self._touch_order(order, now)
        self._changes.append(Change("order.updated", order_id))
        return refund

    def refund_all(self, order_id: int, now: datetime) -> Refund:
        """Give all money and all units of an order back."""
        rows = [
            {"id": line.id, "quantity": line.quantity, "refund_total": line.price_cents * line.quantity / 100}
            for line in self.order(order_id).lines
        ]
        return self.refund(order_id, {"line_items": rows}, now)

    def order(self, order_id: int) -> Order:
        """Look an order up.

        Raises:
            Refusal: 404 `woocommerce_rest_shop_order_invalid_id`.
        """
        if order_id not in self.orders:
            raise Refusal("woocommerce_rest_shop_order_invalid_id", "Invalid ID.", 404)
        return self.orders[order_id]

    # -- rules ------------------------------------------------------------------------------------------------------

    def _enter(self, order: Order, status: str, now: datetime) -> None:
        order.status = status
        if status in {"processing", "completed"} and order.paid_at is None:
            order.paid_at = now
        if status == "completed":
            order.completed_at = now
        if status in REDUCES and not order.stock_reduced:
            self._reduce(order, now)
        elif status in RESTORES and order.stock_reduced:
            self._restore(order, now)
        if status in RELEASES:
            for holds in self._pools_of(order):
                holds.pop(order.id, None)
        self._touch_order(order, now)

    def _reduce(self, order: Order, now: datetime) -> None:
        order.stock_reduced = True
        for line in order.lines:
            if not line.reduced_stock and self._move(line, -line.quantity, now):
                line.reduced_stock = line.quantity

    def _restore(self, order: Order, now: datetime) -> None:
        order.stock_reduced = False
        for line in order.lines:
            if line.reduced_stock and self._move(line, line.reduced_stock, now):
                line.reduced_stock = None

    def _restock(self, lines: Iterable[RefundLine], now: datetime) -> None:
        for refunded in lines:
            line = refunded.line
            if line.reduced_stock and refunded.quantity and self._move(line, refunded.quantity, now):
                line.reduced_stock -= refunded.quantity
                line.restocked += refunded.quantity

    def _move(self, line: Line, units: int, now: datetime) -> bool:
        """Add units to the pool behind a line; False when nobody counts it. Stock may fall below zero here."""
        item = self.items[line.item_id]
        owner = self.owner(item)
        if owner is None:
            return False
        owner.stock_quantity = (owner.stock_quantity or 0) + units
        item.units_sold += max(0, -units)
        item.units_returned += max(0, units)
        stock.settle(owner)
        self._touch_item(owner, now)
        return True

    def _refuse_shortage(self, bought: Sequence[tuple[Item, int]], now: datetime) -> None:
        wanted: dict[int, int] = {}
        for item, quantity in bought:
            owner = self.owner(item)
            if owner is not None and owner.backorders == "no":
                wanted[owner.id] = wanted.get(owner.id, 0) + quantity
            elif owner is None and item.stock_status == "outofstock":
                raise _out_of_stock(item, shown=0, wanted=quantity)
        for owner_id, quantity in wanted.items():
            owner = self.items[owner_id]
            shown = (owner.stock_quantity or 0) - self.held(owner, now)
            if quantity > shown:
                raise _out_of_stock(owner, shown=shown, wanted=quantity)

    def _hold(self, order: Order, bought: Sequence[tuple[Item, int]], expires_at: datetime) -> None:
        for item, quantity in bought:
            if owner := self.owner(item):
                holds = self._holds.setdefault(owner.id, {})
                already = holds[order.id].quantity if order.id in holds else 0
                holds[order.id] = StockHold(quantity=already + quantity, expires_at=expires_at)

    def _pools_of(self, order: Order) -> list[dict[int, StockHold]]:
        pools = {pool_id for line in order.lines for pool_id in (line.product_id, line.variation_id)}
        return [self._holds[pool_id] for pool_id in pools if pool_id in self._holds]

    def _find(self, wanted: Wanted) -> Item:
        item_id = wanted.variation_id or wanted.product_id or self.by_sku.get(wanted.sku, 0)
        item = self.items.get(item_id)
        if item is None or item.kind == "variable" or wanted.quantity < 1:
            raise Refusal(
                "emulator_invalid_purchase", f"Cannot buy {wanted.quantity} of {wanted.sku or item_id!r}.", 400
            )
        return item

    def _line(self, item: Item, quantity: int) -> Line:
        return Line(
            id=next(self._line_ids),
            item_id=item.id,
            product_id=item.parent_id or item.id,
            variation_id=item.id if item.parent_id else 0,
            sku=item.sku,
            name=item.name,
            quantity=quantity,
            price_cents=item.price_cents,
        )

    def _refund_line(self, line: Line, row: Mapping[str, Any]) -> RefundLine:
        amount = cents(row.get("refund_total") or 0)
        return RefundLine(
            id=next(self._line_ids), line=line, quantity=stock.php_int(row.get("quantity")), amount_cents=amount
        )

    def _free_id(self) -> int:
        return next(post_id for post_id in self._post_ids if post_id not in self.items)

    def _touch_item(self, item: Item, now: datetime) -> None:
        item.modified_at = now
        self.items[item.id] = self.items.pop(item.id)
        self._changes.append(Change("product.updated", item.id))

    def _touch_order(self, order: Order, now: datetime) -> None:
        order.modified_at = now
        self.orders[order.id] = self.orders.pop(order.id)


def cents(amount: object) -> int:
    """Read money, given as a number or a decimal string, as whole cents.

    Raises:
        Refusal: 400 `rest_invalid_param`, when it is neither.
    """
    try:
        return round(float(str(amount)) * 100)
    except ValueError as error:
        raise invalid_param("amount", f"{amount!r} is not an amount.") from error


def _out_of_stock(item: Item, *, shown: int, wanted: int) -> Refusal:
    message = f"{item.sku or item.id} is out of stock: {shown} shown, {wanted} wanted."
    return Refusal("out_of_stock", message, 409, sku=item.sku, shown=shown, wanted=wanted)
