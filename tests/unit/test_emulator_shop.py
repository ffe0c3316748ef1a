"""The emulated shop's rules: what every act does to stock."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ops.emulator.messages import Refusal
from ops.emulator.model import Change, Order, Wanted
from ops.emulator.shop import STATUSES, Shop

NOW = datetime(2026, 11, 11, 0, 0, 0, 250_000, tzinfo=UTC)


def shop_with(quantity: int = 10, **fields: object) -> Shop:
    """A shop with the product 11, `A`, and 20, a parent whose variations 21 counts for itself and 22 does not."""
    shop = Shop()
    shop.add({"sku": "A", "id": 11, "stock_quantity": quantity, **fields}, NOW)
    parent = shop.add({"sku": "P", "id": 20, "stock_quantity": quantity}, NOW)
    shop.add({"sku": "P-own", "id": 21, "stock_quantity": quantity}, NOW, parent)
    shop.add({"sku": "P-shared", "id": 22, "manage_stock": False}, NOW, parent)
    return shop


def stock_of(shop: Shop, sku: str = "A") -> int | None:
    return shop.items[shop.by_sku[sku]].stock_quantity


def buy(shop: Shop, quantity: int = 3, status: str = "processing", sku: str = "A", now: datetime = NOW) -> Order:
    return shop.buy([Wanted(sku=sku, quantity=quantity)], status, now)


@pytest.mark.parametrize(
    ("path", "stock", "reduced"),
    [
        (["processing"], 7, 3),
        (["completed"], 7, 3),
        (["on-hold"], 7, 3),
        (["pending"], 10, None),
        (["checkout-draft"], 10, None),
        (["processing", "cancelled"], 10, None),
        (["processing", "pending"], 10, None),
        (["processing", "completed"], 7, 3),
        (["processing", "failed"], 7, 3),
        (["processing", "refunded"], 7, 3),
        (["processing", "trash"], 7, 3),
        (["processing", "failed", "cancelled"], 10, None),
        (["pending", "processing"], 7, 3),
        (["checkout-draft", "pending", "on-hold", "processing"], 7, 3),
        (["pending", "cancelled"], 10, None),
        (["processing", "cancelled", "cancelled"], 10, None),
        (["processing", "cancelled", "processing"], 7, 3),
    ],
)
def test_stock_follows_the_status_of_an_order(path: list[str], stock: int, reduced: int | None) -> None:
    shop = shop_with()
    order = buy(shop, status=path[0])
    for status in path[1:]:
        shop.set_status(order.id, status, NOW)
    assert (stock_of(shop), order.lines[0].reduced_stock, order.status) == (stock, reduced, path[-1])


def test_an_unpaid_order_holds_units_until_it_expires_without_lowering_stock() -> None:
    shop = shop_with(10)
    buy(shop, 8, "checkout-draft")
    with pytest.raises(Refusal, match="2 shown, 3 wanted"):
        buy(shop, 3)
    assert stock_of(shop) == 10
    assert buy(shop, 3, now=NOW + timedelta(seconds=601)).lines[0].reduced_stock == 3


@pytest.mark.parametrize("status", ["processing", "completed", "on-hold", "cancelled"])
def test_a_hold_ends_when_its_order_is_decided(status: str) -> None:
    shop = shop_with(10)
    order = buy(shop, 8, "pending")
    assert shop.held(shop.items[11], NOW) == 8
    shop.set_status(order.id, status, NOW)
    assert shop.held(shop.items[11], NOW) == 0


def test_paying_late_takes_stock_below_zero_when_it_was_lowered_meanwhile() -> None:
    shop = shop_with(3)
    order = buy(shop, 3, "pending")
    shop.commit(shop.plan_write(11, {"stock_quantity": 0}, NOW))
    shop.set_status(order.id, "processing", NOW)
    assert (stock_of(shop), shop.items[11].stock_status) == (-3, "outofstock")


def test_a_basket_is_sold_whole_or_not_at_all() -> None:
    shop = shop_with(3)
    with pytest.raises(Refusal) as refused:
        shop.buy([Wanted(sku="A", quantity=2), Wanted(product_id=11, quantity=2)], "processing", NOW)
    assert (refused.value.status, refused.value.data) == (409, {"sku": "A", "shown": 3, "wanted": 4})
    assert (stock_of(shop), shop.orders) == (3, {})


@pytest.mark.parametrize(
    ("basket", "status"),
    [
        ([], "processing"),
        ([Wanted(sku="nothing")], "processing"),
        ([Wanted(sku="P")], "processing"),
        ([Wanted(sku="A", quantity=0)], "processing"),
        ([Wanted(sku="A")], "refunded"),
    ],
)
def test_what_cannot_be_bought_is_refused(basket: list[Wanted], status: str) -> None:
    with pytest.raises(Refusal, match="Cannot buy"):
        shop_with().buy(basket, status, NOW)


def test_backorders_and_uncounted_products_sell_without_end() -> None:
    shop = shop_with(1, backorders="notify")
    buy(shop, 5)
    assert (stock_of(shop), shop.items[11].stock_status) == (-4, "onbackorder")
    shop.add({"sku": "U", "manage_stock": False}, NOW)
    assert buy(shop, 500, sku="U").lines[0].reduced_stock is None


def test_a_variation_sells_from_its_own_pool_or_from_its_parents() -> None:
    shop = shop_with(10)
    own, shared = buy(shop, 2, sku="P-own"), buy(shop, 3, sku="P-shared")
    assert (stock_of(shop, "P-own"), stock_of(shop, "P")) == (8, 7)
    assert (own.lines[0].product_id, own.lines[0].variation_id) == (20, 21)
    assert (shared.lines[0].product_id, shared.lines[0].variation_id) == (20, 22)


@pytest.mark.parametrize(
    ("rows", "restock", "stock", "reduced", "status"),
    [
        ([{"quantity": 1, "refund_total": 10}], True, 8, 2, "processing"),
        ([{"quantity": 1, "refund_total": 10}], False, 7, 3, "processing"),
        ([{"quantity": 3, "refund_total": "30.00"}], True, 10, 0, "refunded"),
        ([{"quantity": 3, "refund_total": 30}], False, 7, 3, "refunded"),
        ([{"refund_total": 10}], True, 7, 3, "processing"),
    ],
)
def test_a_refund_returns_units_only_if_asked(
    rows: list[dict[str, Any]], restock: bool, stock: int, reduced: int, status: str
) -> None:
    shop = shop_with()
    order = buy(shop)
    line = order.lines[0]
    shop.refund(order.id, {"api_restock": restock, "line_items": [{"id": line.id, **row} for row in rows]}, NOW)
    assert (stock_of(shop), line.reduced_stock, order.status) == (stock, reduced, status)


def test_cancelling_after_a_partial_restock_returns_only_the_rest() -> None:
    shop = shop_with()
    order = buy(shop)
    shop.refund(order.id, {"line_items": [{"id": order.lines[0].id, "quantity": 2, "refund_total": 20}]}, NOW)
    assert stock_of(shop) == 9
    shop.set_status(order.id, "cancelled", NOW)
    assert stock_of(shop) == 10


def test_money_is_not_refunded_twice() -> None:
    shop = shop_with()
    order = buy(shop)
    shop.refund_all(order.id, NOW)
    with pytest.raises(Refusal, match="Invalid refund amount"):
        shop.refund(order.id, {"amount": "0.01"}, NOW)


@pytest.mark.parametrize(
    ("row", "shown"),
    [
        ({"stock_quantity": 7}, (True, 7, "instock")),
        ({"stock_quantity": 0}, (True, 0, "outofstock")),
        ({"stock_quantity": -2}, (True, -2, "outofstock")),
        ({"stock_quantity": 0, "backorders": "yes"}, (True, 0, "onbackorder")),
        ({"stock_quantity": None}, (True, 10, "instock")),
        ({"stock_quantity": "7 pieces"}, (True, 7, "instock")),
        ({"inventory_delta": -4}, (True, 6, "instock")),
        ({"inventory_delta": -4, "stock_quantity": 9}, (True, 9, "instock")),
        ({"manage_stock": False, "stock_quantity": 7}, (False, None, "instock")),
        ({"stock_status": "outofstock"}, (True, 10, "instock")),
        ({"manage_stock": False, "stock_status": "outofstock"}, (False, None, "outofstock")),
    ],
)
def test_a_stock_write(row: dict[str, Any], shown: tuple[bool, int | None, str]) -> None:
    shop = shop_with()
    planned = shop.plan_write(11, row, NOW)
    assert shop.items[11].stock_quantity == 10, "planning changes nothing"
    shop.commit(planned)
    item = shop.items[11]
    assert (item.manage_stock, item.stock_quantity, shop.stock_status(item)) == shown


def test_a_write_to_a_variation_that_shares_its_parents_pool_is_accepted_and_has_no_effect() -> None:
    shop = shop_with(10)
    shop.commit(shop.plan_write(22, {"stock_quantity": 99}, NOW, parent_id=20))
    assert stock_of(shop, "P") == 10
    shop.commit(shop.plan_write(22, {"manage_stock": True, "stock_quantity": 5}, NOW, parent_id=20))
    shop.commit(shop.plan_write(21, {"manage_stock": "parent"}, NOW, parent_id=20))
    assert shop.owner(shop.items[22]) is shop.items[22]
    assert shop.owner(shop.items[21]) is shop.items[20]


@pytest.mark.parametrize(
    ("item_id", "parent_id", "code"),
    [
        (99, 0, "woocommerce_rest_product_invalid_id"),
        (21, 0, "woocommerce_rest_invalid_product_id"),
        (21, 11, "woocommerce_rest_product_variation_invalid_id"),
    ],
)
def test_a_write_to_what_is_not_there_is_refused(item_id: int, parent_id: int, code: str) -> None:
    with pytest.raises(Refusal) as refused:
        shop_with().plan_write(item_id, {"stock_quantity": 1}, NOW, parent_id)
    assert refused.value.code == code


def test_skus_stay_unique_and_can_be_renamed() -> None:
    shop = shop_with()
    with pytest.raises(Refusal, match="duplicated SKU"):
        shop.plan_write(11, {"sku": "P"}, NOW)
    shop.commit(shop.plan_write(11, {"sku": "A2"}, NOW))
    assert shop.by_sku == {"A2": 11, "P": 20, "P-own": 21, "P-shared": 22}


def test_changes_are_told_once_per_request() -> None:
    shop = shop_with()
    order = shop.buy([Wanted(sku="A"), Wanted(sku="A")], "processing", NOW)
    assert shop.drain_changes() == [Change("order.created", order.id), Change("product.updated", 11)]
    shop.set_status(order.id, "processing", NOW)
    assert shop.drain_changes() == []
    shop.set_status(order.id, "trash", NOW)
    shop.set_status(order.id, "processing", NOW)
    assert [change.topic for change in shop.drain_changes()] == ["order.deleted", "order.restored"]


class ShopMachine(RuleBasedStateMachine):
    """Random histories: no unit appears or vanishes but by a write, and nothing is sold that was not shown."""

    skus = st.sampled_from(["A", "P-own", "P-shared"])

    @initialize(quantity=st.integers(0, 12))
    def open_shop(self, quantity: int) -> None:
        self.shop = shop_with(quantity)
        self.now = NOW
        self.pools = {11: quantity, 20: quantity, 21: quantity}

    @rule(sku=skus, quantity=st.integers(1, 5), status=st.sampled_from(["processing", "pending", "checkout-draft"]))
    def buy(self, sku: str, quantity: int, status: str) -> None:
        owner = self.shop.owner(self.shop.items[self.shop.by_sku[sku]])
        assert owner is not None
        shown = (owner.stock_quantity or 0) - self.shop.held(owner, self.now)
        try:
            buy(self.shop, quantity, status, sku, self.now)
        except Refusal:
            assert quantity > shown
        else:
            assert quantity <= shown

    @rule(data=st.data(), status=st.sampled_from(sorted(STATUSES)))
    def move(self, data: st.DataObject, status: str) -> None:
        if self.shop.orders:
            self.shop.set_status(data.draw(st.sampled_from(sorted(self.shop.orders))), status, self.now)

    @rule(data=st.data(), quantity=st.integers(0, 3), restock=st.booleans())
    def refund(self, data: st.DataObject, quantity: int, restock: bool) -> None:
        if self.shop.orders:
            order = self.shop.orders[data.draw(st.sampled_from(sorted(self.shop.orders)))]
            rows = [{"id": order.lines[0].id, "quantity": quantity}]
            self.shop.refund(order.id, {"amount": 0, "api_restock": restock, "line_items": rows}, self.now)

    @rule(item_id=st.sampled_from([11, 20, 21]), quantity=st.integers(-2, 20))
    def write(self, item_id: int, quantity: int) -> None:
        self.pools[item_id] += quantity - (self.shop.items[item_id].stock_quantity or 0)
        parent_id = self.shop.items[item_id].parent_id
        self.shop.commit(self.shop.plan_write(item_id, {"stock_quantity": quantity}, self.now, parent_id))

    @rule(seconds=st.integers(1, 4000))
    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @invariant()
    def units_are_conserved(self) -> None:
        taken = dict.fromkeys(self.pools, 0)
        for order in self.shop.orders.values():
            for line in order.lines:
                owner = self.shop.owner(self.shop.items[line.item_id])
                assert owner is not None
                taken[owner.id] += line.reduced_stock or 0
        for item_id, came_in in self.pools.items():
            item = self.shop.items[item_id]
            assert item.stock_quantity == came_in - taken[item_id]
            assert item.stock_status == ("instock" if item.stock_quantity > 0 else "outofstock")

    @invariant()
    def the_counters_agree(self) -> None:
        items = self.shop.items.values()
        outstanding = sum(line.reduced_stock or 0 for order in self.shop.orders.values() for line in order.lines)
        assert sum(item.units_sold - item.units_returned for item in items) == outstanding


TestUnitsAreConserved = pytest.mark.slow(ShopMachine.TestCase)
TestUnitsAreConserved.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
