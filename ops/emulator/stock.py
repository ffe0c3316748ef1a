"""What a stock write does to one product or variation: WooCommerce's rules, PHP's conversions. Pure."""

import copy
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ops.emulator.messages import invalid_param
from ops.emulator.model import Item

_LEADING_INT = re.compile(r"\s*[+-]?\d+")
_STOCK_STATUSES = ("instock", "outofstock", "onbackorder")


def patched(item: Item, row: Mapping[str, Any], now: datetime, *, pooled_with_parent: bool) -> Item:
    """Return a copy of `item` as it is after an API write; null fields count as not sent.

    `pooled_with_parent` says that the parent owns the stock: the write then stores a quantity that nobody is shown,
    and the shop reports success, as core does. A row without `stock_quantity` may carry `inventory_delta`.

    Source: class-wc-rest-products-controller.php and -product-variations-controller.php, prepare_object_for_database.
    """
    changed = copy.copy(item)
    changed.modified_at = now
    changed.writes += 1
    changed.name = row.get("name") or item.name
    changed.sku = row.get("sku") or item.sku
    changed.status = row.get("status") or item.status
    changed.backorders = row.get("backorders") or item.backorders
    if row.get("manage_stock") is not None:
        # "parent" is not a truth value: WordPress reads it as "not managed here", which then shows as "parent"
        changed.manage_stock = row["manage_stock"] in (True, "1", "true", "yes")
        pooled_with_parent = pooled_with_parent and not changed.manage_stock
    if row.get("stock_status") in _STOCK_STATUSES:
        changed.stock_status = row["stock_status"]
    if changed.manage_stock or pooled_with_parent:
        _set_quantity(changed, row)
    else:
        changed.stock_quantity, changed.low_stock_amount, changed.backorders = None, None, "no"
    settle(changed)
    return changed


def _set_quantity(item: Item, row: Mapping[str, Any]) -> None:
    if row.get("stock_quantity") is not None:
        item.stock_quantity = php_int(row["stock_quantity"])
    elif row.get("inventory_delta") is not None:
        item.stock_quantity = (item.stock_quantity or 0) + php_int(row["inventory_delta"])
    if "low_stock_amount" in row:
        item.low_stock_amount = None if row["low_stock_amount"] is None else php_int(row["low_stock_amount"])


def settle(item: Item) -> None:
    """Let the stock status follow the quantity, where stock is managed."""
    if item.manage_stock:
        empty = "outofstock" if item.backorders == "no" else "onbackorder"
        item.stock_status = "instock" if (item.stock_quantity or 0) > 0 else empty


def check_row(row: Mapping[str, Any]) -> None:
    """Refuse what the schema of a single write refuses. Batch rows are not checked, in core neither.

    Raises:
        Refusal: 400 `rest_invalid_param`.
    """
    quantity = row.get("stock_quantity")
    whole = isinstance(quantity, int) or (isinstance(quantity, str) and quantity.lstrip("-").isdigit())
    if quantity is not None and (isinstance(quantity, bool) or not whole):
        raise invalid_param("stock_quantity", "stock_quantity is not of type integer.")
    if row.get("stock_status") not in {None, *_STOCK_STATUSES}:
        raise invalid_param("stock_status", f"stock_status is not one of {', '.join(_STOCK_STATUSES)}.")


def php_int(value: object) -> int:
    """Convert as PHP's `intval`: digits in front count, everything else is 0."""
    match value:
        case bool() | int() | float():
            return int(value)
        case str() if found := _LEADING_INT.match(value):
            return int(found.group())
        case _:
            return 0
