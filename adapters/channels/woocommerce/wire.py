"""WooCommerce REST v3 as it is on the wire, only the fields that are used, and the settings of one shop.

PHP writes the same field as a number, a string, a boolean or null, depending on version and plugins. Fields that do
so are `Scalar` here and are read by `whole_units`, `read_id` and `read_text`, which never turn nonsense into zero.
"""

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

import msgspec

from engine.domain.orders import OrderStatus
from engine.domain.units import UNITS_MAX, AccountId, LocationId

Scalar = int | float | str | bool | None
Minutes = Annotated[float, msgspec.Meta(ge=0, le=60 * 24 * 365)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=3600)]

_SECRETS: Final = ("consumer_key", "consumer_secret", "webhook_secret")
# Woo passes a delivery address through esc_url_raw; of these characters it changes none, so ours compare equal later.
_DELIVERY_URL: Final = re.compile(r"https?://[A-Za-z0-9.:-]+(?:/[A-Za-z0-9._~/-]*)?")
_YEARS: Final = range(1990, 2200)


class WooCommerceSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One shop. Over https keys go as HTTP Basic, over http they only ever sign (OAuth 1.0a); nothing changes that."""

    account: AccountId
    url: str
    """Site address as WordPress has it (Settings > General), without `/wp-json`: over http it is part of signatures."""
    consumer_key: str
    consumer_secret: str
    webhook_secret: str = ""
    """Best without `& < > " '`: WordPress may store them as entities."""
    query_string_auth: bool = False
    """For https hosts that drop the Authorization header: keys in the query. Over http they only ever sign."""
    signature_method: Literal["HMAC-SHA256", "HMAC-SHA1"] = "HMAC-SHA256"
    pending_minutes: Minutes | None = 60.0
    """WooCommerce > Settings > Products > Inventory > Hold stock. None (a blank field there): held until paid."""
    draft_minutes: Minutes = 10.0
    """0: checkouts hold nothing, as in WooCommerce 9.2 and later."""
    refund_restock: Literal["meta", "always", "never"] = "meta"
    """Do refunded units come back? `meta`: as the shop noted on the line, `always` where it noted nothing."""
    trashed: Literal["keep", "cancel"] = "keep"
    """`keep`: an order in the trash stays what it was, as in WooCommerce itself."""
    status_map: dict[str, OrderStatus] = {}
    """Statuses that plugins add (without `wc-`), in our words. It may also overrule a built-in one."""
    pickup: dict[str, LocationId] | None = None
    """Where orders are picked up, see `find_pickup`. None: it is all one place, so nothing is said of it."""
    delivery_url: str | None = None
    """Where webhooks go, reachable from the shop on port 80, 443 or 8080; None: none are managed."""
    page_size: Annotated[int, msgspec.Meta(ge=1, le=100)] = 100
    retry_after_seconds_max: Seconds = 900.0
    """Longest wait a shop may ask for; WordPress asks for 600 during an update."""
    connect_timeout_seconds: Seconds = 10.0
    read_timeout_seconds: Seconds = 60.0
    """A batch of 100 rows takes a small host half a minute."""
    write_timeout_seconds: Seconds = 30.0
    pool_timeout_seconds: Seconds = 30.0
    connections_max: Annotated[int, msgspec.Meta(ge=1, le=32)] = 4
    reply_bytes_max: Annotated[int, msgspec.Meta(ge=1024)] = 32 * 1024 * 1024
    verify_tls: bool = True
    ca_file: str | None = None

    def __repr__(self) -> str:
        return f"WooCommerceSettings({', '.join(f'{name}={value!r}' for name, value in self._shown())})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Hide keys from pretty tracebacks too."""
        return self._shown()

    def _shown(self) -> list[tuple[str, Any]]:
        return [(name, "***" if name in _SECRETS else getattr(self, name)) for name in self.__struct_fields__]


def check_settings(settings: WooCommerceSettings) -> tuple[str, ...]:
    """Name every reason why these settings cannot work; empty when they can."""
    problems: list[str] = []
    site = urlsplit(settings.url)
    if site.scheme not in {"http", "https"} or not site.hostname or "@" in site.netloc or site.query or site.fragment:
        problems.append(f"{settings.account}: url must be http(s)://host[/path] without user, query or fragment")
    problems.extend(
        f"{settings.account}: {name} must be printable ASCII without blanks"
        for name in ("consumer_key", "consumer_secret")
        if not re.fullmatch(r"[!-~]+", getattr(settings, name))
    )
    if ":" in settings.consumer_key:
        problems.append(f"{settings.account}: consumer_key must not contain a colon")
    if settings.delivery_url is not None:
        if not _DELIVERY_URL.fullmatch(settings.delivery_url):
            problems.append(f"{settings.account}: delivery_url must be a plain http(s) address without a query")
        if not settings.webhook_secret:
            problems.append(f"{settings.account}: webhook_secret is empty, anybody could forge a webhook")
    return tuple(problems)


class WireProduct(msgspec.Struct, frozen=True):
    """A product or variation: `/products`, `/products/{id}/variations`, `product.*` webhooks."""

    id: int
    type: str = ""
    """Variation lists of older versions do not say it."""
    parent_id: Scalar = None
    status: str = ""
    name: str | None = None
    sku: Scalar = None
    manage_stock: Scalar = None
    """true, false, or "parent" on a variation that shares its parent's stock."""
    stock_quantity: Scalar = None


class WireLine(msgspec.Struct, frozen=True):
    """A line of an order or of a refund; quantities of refunds are negative in core."""

    id: int
    quantity: Scalar
    product_id: Scalar = None
    variation_id: Scalar = None
    sku: Scalar = None
    meta_data: Any = None
    """A list of {id, key, value}; PHP turns a filtered list into an object."""


class WireRefundRef(msgspec.Struct, frozen=True):
    """A refund as the order mentions it, without its lines."""

    id: int


class WireOrder(msgspec.Struct, frozen=True):
    """`/orders`, `order.*` webhooks. Lines and refunds are required: without them nothing can be said of stock."""

    id: int
    status: str
    line_items: list[WireLine]
    refunds: list[WireRefundRef]
    date_created_gmt: str | None = None
    date_modified_gmt: str | None = None
    date_completed_gmt: str | None = None
    shipping_lines: Any = None
    """A list of {method_id, instance_id, meta_data}, or what plugins make of it: it must not cost us the order."""


class WireRefund(msgspec.Struct, frozen=True):
    """`/orders/{id}/refunds`."""

    id: int
    line_items: list[WireLine]
    date_created_gmt: str | None = None


class WireStub(msgspec.Struct, frozen=True):
    """What is left to name when the rest of a resource cannot be read."""

    id: int
    date_modified_gmt: Any = None


class WireError(msgspec.Struct, frozen=True):
    """WordPress' error object; `data.status` is the HTTP status it stands for."""

    code: Scalar
    message: Scalar = ""
    data: Any = None


class WireWrittenRow(msgspec.Struct, frozen=True):
    """One row of a batch reply: the resource as it is now, or an error."""

    id: Scalar = None
    error: WireError | None = None
    manage_stock: Scalar = None
    stock_quantity: Scalar = None


class WireBatchReply(msgspec.Struct, frozen=True):
    """`products/batch`, `products/{id}/variations/batch`."""

    update: list[WireWrittenRow]


class WireWebhook(msgspec.Struct, frozen=True):
    """`/webhooks`; the secret is never shown again."""

    id: int
    topic: str
    status: str
    delivery_url: str
    name: str = ""


def whole_units(value: Scalar) -> int | None:
    """Read a quantity in whole units; None when there is none (null or a blank).

    Raises:
        ValueError: a fraction, a boolean, not a number, or out of any warehouse's range.
    """
    if value is None or value == "":
        return None
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,12}(?:\.[0-9]{1,12})?", value):
        value = float(value) if "." in value else int(value)
    if isinstance(value, (bool, str)):
        raise ValueError(f"{value!r:.40} is not a quantity")  # noqa: TRY004  # a wrong value from outside, not a bug
    if isinstance(value, float):
        if not math.isfinite(value) or not value.is_integer():
            raise ValueError(f"{value} is not a whole number of units")
        value = int(value)
    if abs(value) > UNITS_MAX:
        raise ValueError(f"a quantity of {value!r:.40} is beyond {UNITS_MAX}")
    return value


def read_id(value: Scalar) -> int:
    """Read a reference to another resource; 0 when it names none."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,18}", value):
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def read_text(value: Scalar) -> str:
    """Read a text that PHP may have written as a number; "" when there is none."""
    return "" if value is None or isinstance(value, bool) else str(value).strip()


def parse_instant(value: object) -> datetime | None:
    """Read a `_gmt` field, which has no zone and is UTC; None when it holds no usable date.

    WordPress writes zero dates as `-0001-11-30T00:00:00`.
    """
    if not isinstance(value, str):
        return None
    try:
        instant = datetime.fromisoformat(value)
    except ValueError:
        return None
    if instant.year not in _YEARS:
        return None
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def format_instant(instant: datetime) -> str:
    """Write a date for a query with `dates_are_gmt=true`: no zone, whole seconds, never later than `instant`."""
    return instant.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat()


def list_rows(value: object) -> list[Any]:
    """Read a list that PHP turns into an object when a plugin has filtered it; empty when it is neither."""
    rows = list(value.values()) if isinstance(value, dict) else value
    return rows if isinstance(rows, list) else []


def read_meta(meta_data: object, key: str) -> Scalar:
    """Value among metadata, {id, key, value} each; None when there is none of that key, or one that is no scalar."""
    for row in list_rows(meta_data):
        if isinstance(row, dict) and row.get("key") == key:
            value = row.get("value")
            return value if isinstance(value, int | float | str) else None
    return None


def add_minutes(instant: datetime, minutes: float) -> datetime:
    """`instant` later; cannot overflow, as `parse_instant` and `Minutes` bound both."""
    return instant + timedelta(minutes=minutes)


RAW_ROWS: Final = msgspec.json.Decoder(list[msgspec.Raw])
PRODUCT: Final = msgspec.json.Decoder(WireProduct)
ORDER: Final = msgspec.json.Decoder(WireOrder)
REFUNDS: Final = msgspec.json.Decoder(list[WireRefund])
STUB: Final = msgspec.json.Decoder(WireStub)
ERROR: Final = msgspec.json.Decoder(WireError)
BATCH_REPLY: Final = msgspec.json.Decoder(WireBatchReply)
WEBHOOK: Final = msgspec.json.Decoder(WireWebhook)
WEBHOOKS: Final = msgspec.json.Decoder(list[WireWebhook])
ENCODE: Final = msgspec.json.Encoder().encode
