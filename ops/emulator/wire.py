"""Products, orders, refunds and webhooks as the v3 API spells them. Pure.

The structs list the fields in WooCommerce's order; what this shop never varies has its constant as default.

Source: woocommerce-rest-api-docs, wp-api-v3.
"""

from datetime import datetime, timedelta
from typing import Any

import msgspec

from ops.emulator.model import Item, Line, Order, Pickup, Refund
from ops.emulator.shop import Shop
from ops.emulator.subscriptions import Webhook

_EMPTY: tuple[()] = ()
_BLANK_ADDRESS = dict.fromkeys(
    ("first_name", "last_name", "company", "address_1", "address_2", "city", "state", "postcode", "country", "phone"),
    "",
)
_DIMENSIONS = {"length": "", "width": "", "height": ""}


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """What the shop knows of itself: its home address, and how far its local time is from UTC."""

    name: str
    home_url: str
    utc_offset: timedelta = timedelta()

    @property
    def api_url(self) -> str:
        """Where the v3 API begins."""
        return f"{self.home_url}/wp-json/wc/v3"

    def local(self, instant: datetime) -> str:
        """Write an instant in the shop's time zone, to the second, without saying which zone that is."""
        return gmt(instant + self.utc_offset)


class WireItem(msgspec.Struct, kw_only=True):
    """A product or variation; `GET /products?sku=` answers with either."""

    id: int
    name: str
    slug: str
    permalink: str
    date_created: str
    date_created_gmt: str
    date_modified: str
    date_modified_gmt: str
    type: str
    status: str
    featured: bool = False
    catalog_visibility: str = "visible"
    description: str = ""
    short_description: str = ""
    sku: str
    price: str
    regular_price: str
    sale_price: str = ""
    date_on_sale_from: None = None
    date_on_sale_from_gmt: None = None
    date_on_sale_to: None = None
    date_on_sale_to_gmt: None = None
    on_sale: bool = False
    purchasable: bool = True
    total_sales: int
    virtual: bool = False
    downloadable: bool = False
    downloads: tuple[()] = _EMPTY
    download_limit: int = -1
    download_expiry: int = -1
    external_url: str = ""
    button_text: str = ""
    tax_status: str = "taxable"
    tax_class: str = ""
    manage_stock: bool | str
    stock_quantity: int | None
    stock_status: str
    backorders: str
    backorders_allowed: bool
    backordered: bool
    low_stock_amount: int | None
    sold_individually: bool = False
    weight: str = ""
    dimensions: dict[str, str] = msgspec.field(default_factory=lambda: _DIMENSIONS)
    shipping_required: bool = True
    shipping_taxable: bool = True
    shipping_class: str = ""
    shipping_class_id: int = 0
    reviews_allowed: bool = True
    average_rating: str = "0.00"
    rating_count: int = 0
    upsell_ids: tuple[()] = _EMPTY
    cross_sell_ids: tuple[()] = _EMPTY
    parent_id: int
    purchase_note: str = ""
    categories: tuple[()] = _EMPTY
    tags: tuple[()] = _EMPTY
    images: tuple[()] = _EMPTY
    attributes: tuple[()] = _EMPTY
    default_attributes: tuple[()] = _EMPTY
    variations: list[int]
    grouped_products: tuple[()] = _EMPTY
    menu_order: int = 0
    meta_data: tuple[()] = _EMPTY
    _links: dict[str, Any]


class WireLine(msgspec.Struct, kw_only=True):
    """An order line, or (negative quantity and money) a refunded one."""

    id: int
    name: str
    product_id: int
    variation_id: int
    quantity: int
    tax_class: str = ""
    subtotal: str
    subtotal_tax: str = "0.00"
    total: str
    total_tax: str = "0.00"
    taxes: tuple[()] = _EMPTY
    meta_data: list[dict[str, Any]]
    sku: str
    price: float
    image: dict[str, str] = msgspec.field(default_factory=lambda: {"id": "", "src": ""})
    parent_name: str | None = None


class WireOrder(msgspec.Struct, kw_only=True):
    """An order."""

    id: int
    parent_id: int = 0
    status: str
    currency: str = "EUR"
    version: str = "9.4.0"
    prices_include_tax: bool = False
    date_created: str
    date_modified: str
    discount_total: str = "0.00"
    discount_tax: str = "0.00"
    shipping_total: str = "0.00"
    shipping_tax: str = "0.00"
    cart_tax: str = "0.00"
    total: str
    total_tax: str = "0.00"
    customer_id: int = 0
    order_key: str
    billing: dict[str, str] = msgspec.field(default_factory=lambda: {**_BLANK_ADDRESS, "email": ""})
    shipping: dict[str, str] = msgspec.field(default_factory=lambda: _BLANK_ADDRESS)
    payment_method: str = "bacs"
    payment_method_title: str = "Direct bank transfer"
    transaction_id: str = ""
    customer_ip_address: str = ""
    customer_user_agent: str = ""
    created_via: str = "checkout"
    customer_note: str = ""
    date_completed: str | None = None
    date_paid: str | None
    cart_hash: str = ""
    number: str
    meta_data: tuple[()] = _EMPTY
    line_items: list[WireLine]
    tax_lines: tuple[()] = _EMPTY
    shipping_lines: list[dict[str, Any]]
    fee_lines: tuple[()] = _EMPTY
    coupon_lines: tuple[()] = _EMPTY
    refunds: list[dict[str, Any]]
    date_created_gmt: str
    date_modified_gmt: str
    date_completed_gmt: str | None = None
    date_paid_gmt: str | None
    currency_symbol: str = "€"
    _links: dict[str, Any]


def gmt(instant: datetime) -> str:
    """Write an instant as WordPress does: whole seconds, no zone."""
    return instant.strftime("%Y-%m-%dT%H:%M:%S")


def item(shop: Shop, site: Site, shown: Item) -> WireItem:
    """Render a product or variation; stock is that of whoever owns the pool."""
    owner = shop.owner(shown)
    is_variation = shown.parent_id != 0
    collection = f"{site.api_url}/products/{shown.parent_id}/variations" if is_variation else f"{site.api_url}/products"
    # `shown` may be a write that was only planned: then it, not the stored twin, speaks for itself
    pool = shown if owner is not None and owner.id == shown.id else owner
    slug = shown.sku.lower() or str(shown.id)
    return WireItem(
        id=shown.id,
        name=shown.name,
        slug=slug,
        permalink=f"{site.home_url}/product/{slug}/",
        date_created=site.local(shown.created_at),
        date_created_gmt=gmt(shown.created_at),
        date_modified=site.local(shown.modified_at),
        date_modified_gmt=gmt(shown.modified_at),
        type=shown.kind,
        status=shown.status,
        sku=shown.sku,
        price=money(shown.price_cents),
        regular_price=money(shown.price_cents),
        total_sales=shown.units_sold,
        manage_stock=True if pool is shown else "parent" if pool is not None else False,
        stock_quantity=pool.stock_quantity if pool is not None else None,
        stock_status=pool.stock_status if pool is not None else shop.stock_status(shown),
        backorders=shown.backorders,
        backorders_allowed=shown.backorders != "no",
        backordered=pool is not None and (pool.stock_quantity or 0) < 0,
        low_stock_amount=shown.low_stock_amount,
        parent_id=shown.parent_id,
        variations=shop.children.get(shown.id, []),
        _links=_links(f"{collection}/{shown.id}", collection),
    )


def order(site: Site, shown: Order) -> WireOrder:
    """Render an order."""
    collection = f"{site.api_url}/orders"
    return WireOrder(
        id=shown.id,
        status=shown.status,
        date_created=site.local(shown.created_at),
        date_modified=site.local(shown.modified_at),
        total=money(shown.total_cents),
        order_key=f"wc_order_{shown.id:013x}",
        date_completed=site.local(shown.completed_at) if shown.completed_at else None,
        date_paid=site.local(shown.paid_at) if shown.paid_at else None,
        number=str(shown.id),
        line_items=[_line(line, line.id, line.quantity, line.price_cents * line.quantity) for line in shown.lines],
        shipping_lines=[] if shown.pickup is None else [_pickup(shown.id, shown.pickup)],
        refunds=[{"id": one.id, "reason": one.reason, "total": money(-one.amount_cents)} for one in shown.refunds],
        date_created_gmt=gmt(shown.created_at),
        date_modified_gmt=gmt(shown.modified_at),
        date_completed_gmt=gmt(shown.completed_at) if shown.completed_at else None,
        date_paid_gmt=gmt(shown.paid_at) if shown.paid_at else None,
        _links=_links(f"{collection}/{shown.id}", collection),
    )


def refund(site: Site, order_id: int, shown: Refund) -> dict[str, Any]:
    """Render a refund; units and money are negative."""
    collection = f"{site.api_url}/orders/{order_id}/refunds"
    lines = [_line(one.line, one.id, -one.quantity, -one.amount_cents) for one in shown.lines]
    for wire, one in zip(lines, shown.lines, strict=True):
        wire.meta_data = [_meta(one.id * 10, "_refunded_item_id", one.line.id)]
    return {
        "id": shown.id,
        "date_created": site.local(shown.created_at),
        "date_created_gmt": gmt(shown.created_at),
        "amount": money(shown.amount_cents),
        "reason": shown.reason,
        "refunded_by": 1,
        "refunded_payment": False,
        "meta_data": [],
        "line_items": lines,
        "tax_lines": [],
        "shipping_lines": [],
        "fee_lines": [],
        "_links": _links(f"{collection}/{shown.id}", collection),
    }


def webhook(site: Site, shown: Webhook) -> dict[str, Any]:
    """Render a webhook; the secret stays here."""
    collection = f"{site.api_url}/webhooks"
    return {
        "id": shown.id,
        "name": shown.name,
        "status": shown.status,
        "topic": shown.topic,
        "resource": shown.resource,
        "event": shown.event,
        "hooks": [],
        "delivery_url": shown.delivery_url,
        "date_created": site.local(shown.created_at),
        "date_created_gmt": gmt(shown.created_at),
        "date_modified": site.local(shown.modified_at),
        "date_modified_gmt": gmt(shown.modified_at),
        "_links": _links(f"{collection}/{shown.id}", collection),
    }


def money(cents: int) -> str:
    """Write cents as a decimal string."""
    return f"{cents / 100:.2f}"


def _line(line: Line, line_id: int, quantity: int, amount_cents: int) -> WireLine:
    meta = []
    if line.reduced_stock is not None:
        meta.append(_meta(line_id * 10, "_reduced_stock", line.reduced_stock))
    if line.restocked:
        meta.append(_meta(line_id * 10 + 1, "_restock_refunded_items", line.restocked))
    return WireLine(
        id=line_id,
        name=line.name,
        product_id=line.product_id,
        variation_id=line.variation_id,
        quantity=quantity,
        subtotal=money(amount_cents),
        total=money(amount_cents),
        meta_data=meta,
        sku=line.sku,
        price=line.price_cents / 100,
    )


def _pickup(line_id: int, shown: Pickup) -> dict[str, Any]:
    """Render how an order is picked up.

    The block's places have no id in orders, and their names come through `wp_kses_post` (Blocks/Shipping/
    PickupLocation.php; issue 47060); the classic method has its instance and no place.
    """
    place = shown.place.replace("&", "&amp;")
    return {
        "id": line_id,
        "method_title": f"Pickup ({place})" if place else "Local pickup",
        "method_id": "pickup_location" if place else "local_pickup",
        "instance_id": "0" if place else str(shown.instance_id),
        "total": "0.00",
        "total_tax": "0.00",
        "taxes": [],
        "meta_data": [_meta(line_id * 10, "pickup_location", place)] if place else [],
    }


def _meta(meta_id: int, key: str, value: int | str) -> dict[str, Any]:
    # WordPress keeps meta values as text
    return {"id": meta_id, "key": key, "value": str(value), "display_key": key, "display_value": str(value)}


def _links(self_url: str, collection_url: str) -> dict[str, Any]:
    return {"self": [{"href": self_url}], "collection": [{"href": collection_url}]}
