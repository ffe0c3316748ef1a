"""Webhooks: genuine, new, and what they tell."""

import hmac
import json
import subprocess
import sys
from base64 import b64encode
from contextlib import suppress

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.channels.woocommerce.protocol import (
    KEPT_HEADERS,
    decode_entities,
    delivery_key,
    is_creation_ping,
    parse_webhook,
    verify_signature,
)
from adapters.channels.woocommerce.wire import PRODUCT
from engine.domain.errors import MalformedReply
from engine.domain.orders import OrderStatus
from engine.domain.units import AccountId, OrderId
from engine.ports import ListingHint, NoHint, OrderHint, RefetchHint, WebhookDelivery, WebhookHint
from tests.unit.test_woocommerce_listings import PRODUCT_ROW
from tests.unit.test_woocommerce_orders import NOW, ORDER_ROW, Json, set_up, tell


def test_the_signature_vector_of_the_fact_sheet_verifies() -> None:
    body = b'{"id":727,"status":"processing"}'
    assert verify_signature("woo_secret", body, "nWbaPeePlhim5GCx1IjiFzls5VUYQAfOEGirnR5j3gA=")
    assert not verify_signature("woo_secret", body + b" ", "nWbaPeePlhim5GCx1IjiFzls5VUYQAfOEGirnR5j3gA=")


@given(secret=st.text(st.characters(codec="utf-8", exclude_characters="&"), min_size=1), body=st.binary())
def test_any_signed_body_verifies_and_no_other_does(secret: str, body: bytes) -> None:
    signature = b64encode(hmac.digest(secret.encode(), body, "sha256")).decode()
    assert verify_signature(secret, body, signature)
    assert not verify_signature(secret + "x", body, signature)
    assert not verify_signature(secret, body + b"x", signature)


@given(header=st.none() | st.text())
def test_no_header_and_no_empty_secret_verifies(header: str | None) -> None:
    assert not verify_signature("", b"", header)
    assert not verify_signature("s", b"", header)


@pytest.mark.parametrize(
    ("stored", "used"),
    [
        ("plain", "plain"),
        ("a&b", "a&b"),
        ("a&amp;b", "a&b"),
        ("&lt;&gt;&quot;&#039;", "<>\"'"),
        ("&#39;&#x27;&#X027;&#0038;&#60;", "'''&<"),
        ("&amp;lt;", "&lt;"),
        ("&copy;&#65;", "&copy;&#65;"),
    ],
)
def test_a_secret_stored_with_entities_signs_as_woocommerce_does(stored: str, used: str) -> None:
    """As wp_specialchars_decode with ENT_QUOTES: once, and only these."""
    assert decode_entities(stored) == used
    assert verify_signature(stored, b"{}", b64encode(hmac.digest(used.encode(), b"{}", "sha256")).decode())


@pytest.mark.parametrize(
    ("headers", "body", "ping"),
    [
        ({}, b"webhook_id=12", True),
        ({"content-type": "application/x-www-form-urlencoded"}, b"webhook_id=12", True),
        ({"x-wc-webhook-signature": "x"}, b"webhook_id=12", False),
        ({}, b"webhook_id=12&x=1", False),
        ({}, b"webhook_id=12\n", False),
        ({}, b'{"id":12}', False),
    ],
)
def test_only_the_bare_form_is_a_creation_ping(headers: dict[str, str], body: bytes, ping: bool) -> None:
    assert is_creation_ping(headers, body) is ping


def heads(topic: str, delivery_id: str = "d1") -> dict[str, str]:
    return {"x-wc-webhook-topic": topic, "x-wc-webhook-delivery-id": delivery_id, "x-wc-webhook-id": "3"}


def test_a_repeat_has_the_same_key_and_two_events_of_one_second_have_two() -> None:
    """Lesson D11, and the fact sheet: a delivery id is a webhook and a second."""
    first = json.dumps(ORDER_ROW).encode()
    second = json.dumps(ORDER_ROW | {"status": "completed"}).encode()
    key = delivery_key(heads("order.updated"), first)
    assert key == delivery_key(heads("order.updated", "another request"), first)
    assert key != delivery_key(heads("order.updated"), second)
    assert key != delivery_key(heads("order.created"), first)
    assert key.startswith("order.updated|727|2026-11-11T11:00:00+00:00|")


@pytest.mark.parametrize(
    ("topic", "body"), [("order.deleted", b'{"id":7}'), ("product.updated", json.dumps(PRODUCT_ROW).encode())]
)
def test_what_may_truly_happen_twice_is_not_taken_for_a_repeat(topic: str, body: bytes) -> None:
    """Lesson E1: deleted, restored, deleted again; stock 5, 4, 5."""
    assert delivery_key(heads(topic, "d1"), body) != delivery_key(heads(topic, "d2"), body)
    assert delivery_key(heads(topic, "d1"), body) == delivery_key(heads(topic, "d1"), body)


@given(body=st.binary(max_size=40), topic=st.text(max_size=80))
def test_any_bytes_have_a_short_key(body: bytes, topic: str) -> None:
    assert 64 <= len(delivery_key(heads(topic), body)) <= 250
    assert delivery_key({}, body) == delivery_key({}, body)


def receive(topic: str, body: bytes | Json, **changed: object) -> WebhookHint:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    kept = {name: value for name, value in heads(topic).items() if name in KEPT_HEADERS}
    delivery = WebhookDelivery(account=AccountId("shop"), headers=kept, body=raw, received_at=NOW)
    return parse_webhook(set_up(**changed), delivery)


@pytest.mark.parametrize("topic", ["order.created", "order.updated", "order.restored"])
def test_an_order_webhook_carries_a_snapshot_of_unknown_age(topic: str) -> None:
    """Lesson D15: out-of-order webhooks; its age is for the reader of versions to judge."""
    hint = receive(topic, ORDER_ROW)
    assert isinstance(hint, OrderHint)
    assert hint.snapshot == msgspec.structs.replace(tell({}), read_at=None)


def test_refunds_and_deletions_can_only_be_asked_for() -> None:
    refunded = ORDER_ROW | {"refunds": [{"id": 800, "reason": "", "total": "-5"}]}
    assert receive("order.updated", refunded) == RefetchHint(order_id=OrderId("727"))
    assert receive("order.deleted", {"id": 727}) == RefetchHint(order_id=OrderId("727"))
    assert isinstance(receive("order.updated", refunded | {"status": "cancelled"}), OrderHint)


def test_an_order_in_the_trash_says_nothing_unless_trashed_orders_are_cancelled() -> None:
    trashed = ORDER_ROW | {"status": "trash"}
    assert isinstance(receive("order.updated", trashed), NoHint)
    hint = receive("order.updated", trashed, trashed="cancel")
    assert isinstance(hint, OrderHint)
    assert hint.snapshot.status is OrderStatus.CANCELLED


def test_a_product_webhook_shows_an_edit_by_hand() -> None:
    """Lesson E11."""
    hint = receive("product.updated", PRODUCT_ROW)
    assert isinstance(hint, ListingHint)
    assert (hint.listing.listing_id, hint.listing.shown) == ("11", 7)
    hint = receive("product.updated", PRODUCT_ROW | {"id": 12, "type": "variation", "parent_id": 10})
    assert isinstance(hint, ListingHint)
    assert hint.listing.listing_id == "10/12"


@pytest.mark.parametrize(
    ("topic", "body"),
    [
        ("product.updated", PRODUCT_ROW | {"type": "variable"}),
        ("product.updated", PRODUCT_ROW | {"status": "trash"}),
        ("product.updated", PRODUCT_ROW | {"type": "variation"}),
        ("product.deleted", {"id": 11}),
        ("customer.created", {"id": 1}),
        ("", b"\xff"),
    ],
)
def test_what_says_nothing_about_units_is_no_hint(topic: str, body: bytes | Json) -> None:
    """Lesson E9: a product that is gone is not a product at zero."""
    hint = receive(topic, body)
    assert isinstance(hint, NoHint)
    assert hint.reason


@pytest.mark.parametrize(
    ("topic", "body"),
    [
        ("order.updated", b"webhook_id=3"),
        ("order.updated", {"code": "woocommerce_rest_cannot_view", "message": "Sorry", "data": {"status": 401}}),
        ("order.updated", {"id": 727}),
        ("order.updated", ORDER_ROW | {"status": "awaiting-pickup"}),
        ("order.updated", ORDER_ROW | {"line_items": None}),
        ("order.updated", PRODUCT_ROW),
        ("order.deleted", b"[]"),
        ("product.updated", ORDER_ROW),
        ("product.updated", {"code": "woocommerce_rest_product_invalid_id", "message": "Invalid ID."}),
    ],
)
def test_a_body_that_is_not_what_its_topic_promises_is_refused(topic: str, body: bytes | Json) -> None:
    """Headers are not signed: a replayed body under another topic must not be believed. Lesson D16 too."""
    with pytest.raises(MalformedReply, match=f"shop: webhook '{topic}'"):
        receive(topic, body)


@settings(max_examples=30)
@given(
    topic=st.sampled_from(["order.updated", "order.deleted", "product.updated", "coupon.created"]),
    body=st.binary(max_size=50)
    | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(lambda value: json.dumps(value).encode()),
)
def test_any_bytes_as_a_webhook_raise_only_malformed_reply(topic: str, body: bytes) -> None:
    with suppress(MalformedReply):
        receive(topic, body)


def test_whoever_only_receives_webhooks_loads_no_http_library() -> None:
    """The gateway is another process, and has no business with channel credentials or connections."""
    code = "import sys, adapters.channels.woocommerce as w; w.verify_signature; sys.exit('httpx' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_rows_are_decoded_by_what_is_used_and_grow_freely() -> None:
    row = PRODUCT.decode(json.dumps(PRODUCT_ROW | {"brand_new_field": {"deep": [1]}}))
    assert row.id == 11
