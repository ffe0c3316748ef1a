"""Webhooks: whether a delivery is genuine, whether it is new, and what it tells. Pure, and free of any HTTP library.

Header mappings have lower-case names. Headers are not signed, only the body is: a topic is a claim, and a body that is
not what its topic promises is refused.
"""

import hashlib
import hmac
import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Final

from adapters.channels.woocommerce.listings import read_product
from adapters.channels.woocommerce.orders import OrderUnreadable, build_snapshot, is_kept_in_trash, needs_refunds
from adapters.channels.woocommerce.replies import Call, decode, describe_error, read_error
from adapters.channels.woocommerce.wire import ORDER, PRODUCT, STUB, WireOrder, WooCommerceSettings, parse_instant
from engine.domain.errors import MalformedReply
from engine.domain.units import OrderId
from engine.ports import ListingHint, NoHint, OrderHint, RefetchHint, WebhookDelivery, WebhookHint

SIGNATURE_HEADER: Final = "x-wc-webhook-signature"
TOPIC_HEADER: Final = "x-wc-webhook-topic"
DELIVERY_ID_HEADER: Final = "x-wc-webhook-delivery-id"
KEPT_HEADERS: Final = frozenset({TOPIC_HEADER, DELIVERY_ID_HEADER, "x-wc-webhook-id", "x-wc-webhook-source"})
"""What the gateway stores with a delivery; the signature has done its work by then."""

TOPICS: Final = ("order.created", "order.updated", "order.deleted", "order.restored", "product.updated")
"""What a subscription is kept for. `product.updated` covers variations too."""

_ENTITY: Final = re.compile(r"&(?:(lt|gt|amp|quot)|#0*(39|34|60|62|38)|#[xX]0*(27|22|26));")
_NAMED: Final = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
_PING: Final = re.compile(rb"webhook_id=[0-9]{1,20}")


def verify_signature(secret: str, body: bytes, header: str | None) -> bool:
    """Whether `header` signs these raw bytes. An empty secret signs nothing.

    Source: WC_Webhook::generate_signature in woocommerce/includes/class-wc-webhook.php.
    """
    if not secret or not header:
        return False
    expected = b64encode(hmac.digest(decode_entities(secret).encode(), body, "sha256"))
    return hmac.compare_digest(expected, header.strip().encode())


def decode_entities(secret: str) -> str:
    """Read a secret as WooCommerce does before it signs: it may store `&` as `&amp;`, and undoes that once.

    Source: wp_specialchars_decode with ENT_QUOTES in wp-includes/formatting.php.
    """

    def replace(match: re.Match[str]) -> str:
        named, decimal, hexadecimal = match.groups()
        return _NAMED[named] if named else chr(int(decimal) if decimal else int(hexadecimal, 16))

    return _ENTITY.sub(replace, secret)


def is_creation_ping(headers: Mapping[str, str], body: bytes) -> bool:
    """Whether this is the unsigned `webhook_id=N` that a shop posts when a webhook is created.

    It must be answered with 200 and never stored. Source: WC_Webhook::deliver_ping.
    """
    return SIGNATURE_HEADER not in headers and _PING.fullmatch(body) is not None


def delivery_key(headers: Mapping[str, str], body: bytes) -> str:
    """Name a delivery so that a repeat has the same name and nothing else has.

    WooCommerce's delivery id is the webhook's id and the current second, so two events can share one and a repeat from
    another request has another: it is no name. The body's hash is, with the resource and its version. Only an order's
    body carries a version; anything else may truly happen twice with equal bytes (deleted, restored, deleted again;
    stock 5, 4, 5: lesson E1), so there the delivery id tells those apart.
    """
    topic = headers.get(TOPIC_HEADER, "")
    try:
        stub = STUB.decode(body)
    except (ValueError, RecursionError):
        stub = None
    modified_at = parse_instant(stub.date_modified_gmt) if stub else None
    version = (
        modified_at.isoformat() if modified_at and topic.startswith("order.") else headers.get(DELIVERY_ID_HEADER, "")
    )
    digest = hashlib.sha256(body).hexdigest()
    return f"{topic[:60]}|{stub.id if stub else ''}|{version[:64]}|{digest}"


def parse_webhook(settings: WooCommerceSettings, delivery: WebhookDelivery) -> WebhookHint:
    """Turn a verified delivery into what it tells.

    Raises:
        MalformedReply: the body is not what the topic promises.
    """
    topic = delivery.headers.get(TOPIC_HEADER, "")
    call = Call(
        channel=settings.account,
        operation=f"webhook {topic[:60]!r}",
        retry_after_seconds_max=settings.retry_after_seconds_max,
    )
    match topic:
        case "order.created" | "order.updated" | "order.restored":
            _refuse_error(call, delivery.body)
            return _parse_order(settings, call, decode(call, ORDER, delivery.body))
        case "order.deleted":
            return RefetchHint(order_id=OrderId(str(decode(call, STUB, delivery.body).id)))
        case "product.created" | "product.updated":
            _refuse_error(call, delivery.body)
            return _parse_product(call, delivery.body)
        case "product.deleted" | "product.restored":
            return NoHint(reason=f"{topic}: a listing that is gone or back says nothing about units")
        case _:
            return NoHint(reason=f"topic {topic[:60]!r} is of no use here")


def _refuse_error(call: Call, body: bytes) -> None:
    """Lesson D16: the payload is a REST answer, so it may be an error, properly signed."""
    error = read_error(body)
    if error is not None:
        raise call.fail(MalformedReply, f"the shop sent an error instead: {describe_error(error)}")


def _parse_order(settings: WooCommerceSettings, call: Call, order: WireOrder) -> WebhookHint:
    if is_kept_in_trash(order, settings):
        return NoHint(reason=f"order {order.id} is in the trash, where it stays what it was")
    try:
        if needs_refunds(order, settings):
            return RefetchHint(order_id=OrderId(str(order.id)))
        snapshot = build_snapshot(order, (), settings, read_at=None)
    except OrderUnreadable as error:
        raise call.fail(MalformedReply, f"order {order.id}: {error}") from error
    return OrderHint(snapshot=snapshot)


def _parse_product(call: Call, body: bytes) -> WebhookHint:
    row = decode(call, PRODUCT, body)
    if not row.type:
        raise call.fail(MalformedReply, f"product {row.id} without a type")
    listing, problem = read_product(row)
    if listing is None:
        return NoHint(reason=problem or f"product {row.id} ({row.type[:40]}, {row.status[:40]}) is no listing")
    return ListingHint(listing=listing)
