"""The emulator's pure parts around the shop: routes, queries, signatures, faults, webhooks, crowd."""

import ast
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, get_args
from urllib.parse import parse_qsl, urlsplit

import msgspec
import oauthlib.oauth1
import pytest

import ops.emulator
from ops.emulator import api, wire
from ops.emulator.crowd import CrowdPlan, visits
from ops.emulator.faults import Dice, Fate, Faults
from ops.emulator.httpd import _head_and_body
from ops.emulator.messages import Defect, Refusal, Reply, Request
from ops.emulator.model import Change, Wanted
from ops.emulator.oauth import Gate, sign
from ops.emulator.post import _is_loopback
from ops.emulator.shop import Shop
from ops.emulator.subscriptions import Subscriptions
from ops.emulator.webhooks import delivery_id
from ops.emulator.webhooks import sign as sign_body

NOW = datetime(2026, 11, 11, 8, 0, 0, 900_000, tzinfo=UTC)
HOME = "http://127.0.0.1:8080"


class Desk:
    """An API over a shop of 25 products, SKU 01 to 25 changed a second apart, and one parent with two variations."""

    def __init__(self) -> None:
        self.shop = Shop()
        parent = self.shop.add({"sku": "P", "id": 200, "stock_quantity": 4}, NOW)
        self.shop.add({"sku": "P-1", "id": 201, "stock_quantity": 5}, NOW, parent)
        self.shop.add({"sku": "P-2", "id": 202, "manage_stock": False}, NOW, parent)
        for number in range(1, 26):
            fields = {"sku": f"{number:02}", "id": 100 + number, "stock_quantity": number % 3}
            self.shop.add(fields, NOW + timedelta(seconds=number))
        self.dice = Dice(random.Random(1))
        self.later: list[tuple[float, Callable[[datetime], None]]] = []
        site = wire.Site(name="a", home_url=HOME, utc_offset=timedelta(hours=7))
        self.api = api.Api(self.shop, Subscriptions(), site, self.dice, lambda s, a: self.later.append((s, a)))

    def call(self, method: str, target: str, body: object = None) -> Reply:
        path, _, query = target.partition("?")
        encoded = b"" if body is None else msgspec.json.encode(body)
        request = Request(method, "/wp-json/wc/v3" + path, query, {}, encoded)
        route = api.find_route(request)
        return route.handler(self.api, request, route.ids, NOW)

    def get(self, target: str) -> Any:  # JSON
        return msgspec.json.decode(self.call("GET", target).body)

    def refusal(self, method: str, target: str, body: object = None) -> Refusal:
        with pytest.raises(Refusal) as refused:
            self.call(method, target, body)
        return refused.value


def test_shares_no_code_with_what_it_tests() -> None:
    for path in Path(ops.emulator.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            ours = [name for name in names if name.split(".")[0] in {"adapters", "engine", "config", "ops", "tests"}]
            assert all(name.startswith("ops.emulator") for name in ours), (path.name, ours)


# -- collections


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("orderby=id&order=asc&per_page=3", [101, 102, 103]),
        ("per_page=3", [125, 124, 123]),
        ("include=105,101&order=asc", [101, 105]),
        ("include[]=105&include[]=101&order=asc", [101, 105]),
        ("sku=03,P-1,nothing&orderby=id&order=asc", [103, 201]),
        ("type=variable", [200]),
        ("status=draft", []),
        ("stock_status=outofstock&orderby=id&order=asc&per_page=2", [103, 106]),
        ("modified_after=2026-11-11T08:00:23&dates_are_gmt=true", [125, 124]),
        ("modified_after=2026-11-11T15:00:23", [125, 124]),
        ("modified_after=2026-11-11T08:00:23Z", [125, 124]),
        ("modified_after=2026-11-11T08:00:22&modified_before=2026-11-11T08:00:24&dates_are_gmt=1", [123]),
        ("orderby=modified&order=asc&per_page=2", [200, 101]),
    ],
)
def test_products_are_filtered_and_ordered(query: str, ids: list[int]) -> None:
    assert [row["id"] for row in Desk().get(f"/products?{query}")] == ids


def test_variations_are_filtered_by_change() -> None:
    desk = Desk()
    desk.shop.commit(desk.shop.plan_write(202, {}, NOW + timedelta(seconds=60), parent_id=200))
    changed = "/products/200/variations?modified_after=2026-11-11T08:00:00&dates_are_gmt=true"
    assert [row["id"] for row in desk.get(changed)] == [202]


def test_pages_cover_everything_once() -> None:
    desk = Desk()
    first = desk.call("GET", "/products?orderby=id&order=asc&page=2")
    assert dict(first.headers) == {
        "X-WP-Total": "26",
        "X-WP-TotalPages": "3",
        "Link": f'<{HOME}/wp-json/wc/v3/products?orderby=id&order=asc&page=1>; rel="prev", '
        f'<{HOME}/wp-json/wc/v3/products?orderby=id&order=asc&page=3>; rel="next"',
    }
    pages = [desk.get(f"/products?orderby=id&order=asc&page={page}") for page in (1, 2, 3, 4)]
    assert [len(page) for page in pages] == [10, 10, 6, 0]
    assert [row["id"] for page in pages for row in page] == [*range(101, 126), 200]


@pytest.mark.parametrize(
    "query", ["per_page=101", "per_page=0", "page=0", "page=x", "orderby=size", "order=up", "modified_after=soon"]
)
def test_invalid_parameters_are_named(query: str) -> None:
    refusal = Desk().refusal("GET", f"/products?{query}")
    assert (refusal.code, refusal.status) == ("rest_invalid_param", 400)
    assert list(refusal.body()["data"]["params"]) == [query.partition("=")[0]]  # type: ignore[index]


def test_orders_cannot_be_sorted_by_modification() -> None:
    assert Desk().refusal("GET", "/orders?orderby=modified").code == "rest_invalid_param"


def test_an_order_in_v3_form() -> None:
    desk = Desk()
    order = desk.shop.buy([Wanted(variation_id=201, quantity=2)], "processing", NOW)
    line_id = order.lines[0].id
    body = {"line_items": [{"id": line_id, "quantity": 1, "refund_total": 10}], "reason": "broken"}
    refund = msgspec.json.decode(desk.call("POST", f"/orders/{order.id}/refunds", body).body)
    shown = desk.get(f"/orders/{order.id}")
    assert {name: shown[name] for name in ("number", "status", "total", "date_created", "date_created_gmt")} == {
        "number": str(order.id),
        "status": "processing",
        "total": "20.00",
        "date_created": "2026-11-11T15:00:00",
        "date_created_gmt": "2026-11-11T08:00:00",
    }
    assert shown["refunds"] == [{"id": refund["id"], "reason": "broken", "total": "-10.00"}]
    line = shown["line_items"][0]
    assert (line["product_id"], line["variation_id"], line["sku"], line["quantity"]) == (200, 201, "P-1", 2)
    assert {meta["key"]: meta["value"] for meta in line["meta_data"]} == {
        "_reduced_stock": "1",
        "_restock_refunded_items": "1",
    }
    refunded = desk.get(f"/orders/{order.id}/refunds")[0]["line_items"][0]
    assert (refunded["quantity"], refunded["total"]) == (-1, "-10.00")
    assert refunded["meta_data"][0]["value"] == str(line_id)


def test_orders_are_filtered_by_status_and_change() -> None:
    desk = Desk()
    kept, cancelled, trashed = (desk.shop.buy([Wanted(sku="P-1")], "processing", NOW) for _ in range(3))
    later = NOW + timedelta(seconds=60)
    desk.shop.set_status(cancelled.id, "cancelled", later)
    desk.shop.set_status(trashed.id, "trash", later)
    assert [row["id"] for row in desk.get("/orders?order=asc")] == [kept.id, cancelled.id]
    assert [row["id"] for row in desk.get("/orders?status=cancelled,trash")] == [trashed.id, cancelled.id]
    changed = "/orders?modified_after=2026-11-11T08:00:00&dates_are_gmt=true"
    assert [row["id"] for row in desk.get(changed)] == [cancelled.id]
    assert desk.refusal("GET", "/orders?status=lost").code == "rest_invalid_param"


def test_only_the_named_fields_come_back() -> None:
    assert Desk().get("/products/101?_fields=sku,stock_quantity") == {"id": 101, "sku": "01", "stock_quantity": 1}


# -- writes


def test_batch_rows_succeed_or_fail_alone_in_their_place() -> None:
    desk = Desk()
    rows = [{"id": 101, "stock_quantity": 9}, {"id": 999, "stock_quantity": 9}, "nonsense", {"id": 201}]
    answer = msgspec.json.decode(desk.call("POST", "/products/batch", {"update": rows}).body)["update"]
    assert (answer[0]["id"], answer[0]["stock_quantity"], answer[0]["stock_status"]) == (101, 9, "instock")
    assert answer[1] == {
        "id": 999,
        "error": {
            "code": "woocommerce_rest_product_invalid_id",
            "message": "Invalid ID.",
            "data": {"status": 400},
        },
    }
    assert [row["error"]["code"] for row in answer[2:]] == ["rest_invalid_param", "woocommerce_rest_invalid_product_id"]


def test_variations_are_written_under_their_parent() -> None:
    desk = Desk()
    rows = [{"id": 201, "stock_quantity": 8}, {"id": 202, "stock_quantity": 8}, {"id": 101, "stock_quantity": 8}]
    answer = msgspec.json.decode(desk.call("POST", "/products/200/variations/batch", {"update": rows}).body)["update"]
    assert [(row.get("manage_stock"), row.get("stock_quantity")) for row in answer] == [
        (True, 8),
        ("parent", 4),
        (None, None),
    ]
    assert [row["id"] for row in desk.get("/products/200/variations?order=asc")] == [201, 202]
    assert desk.get("/products/202")["type"] == "variation"


def test_a_batch_has_a_hundred_rows_at_most() -> None:
    desk = Desk()
    refusal = desk.refusal("POST", "/products/batch", {"update": [{"id": 101}] * 99, "delete": [1, 2]})
    assert (refusal.code, refusal.status) == ("woocommerce_rest_request_entity_too_large", 413)


@pytest.mark.parametrize("quantity", ["many", 1.5, True, []])
def test_a_single_write_checks_types_and_a_batch_does_not(quantity: object) -> None:
    desk = Desk()
    assert desk.refusal("PUT", "/products/101", {"stock_quantity": quantity}).code == "rest_invalid_param"
    desk.call("POST", "/products/batch", {"update": [{"id": 101, "stock_quantity": quantity}]})


@pytest.mark.parametrize(("method", "target"), [("GET", "/coupons"), ("DELETE", "/products/101"), ("POST", "/orders")])
def test_other_routes_are_not_there(method: str, target: str) -> None:
    assert Desk().refusal(method, target).code == "rest_no_route"


def test_a_row_may_be_ignored_or_late_and_says_neither() -> None:
    desk = Desk()
    desk.dice.configure(Faults(ignored_share=1), 0)
    shown = msgspec.json.decode(desk.call("PUT", "/products/101", {"stock_quantity": 9}).body)
    assert (shown["stock_quantity"], desk.get("/products/101")["stock_quantity"]) == (9, 1)
    desk.dice.configure(Faults(late_share=1, late_seconds=3), 0)
    desk.call("PUT", "/products/101", {"stock_quantity": 9})
    assert desk.get("/products/101")["stock_quantity"] == 1
    [(seconds, action)] = desk.later
    action(NOW + timedelta(seconds=seconds))
    assert desk.get("/products/101")["stock_quantity"] == 9
    assert desk.api.rows == {"applied": 0, "ignored": 1, "late": 1, "refused": 0}


# -- who may come in


def test_signs_the_vector_of_the_fact_sheet() -> None:
    query = (
        "per_page=100&oauth_consumer_key=ck_test&oauth_nonce=abc123&oauth_signature_method=HMAC-SHA256"
        "&oauth_timestamp=1700000000"
    )
    signature = sign("GET", "http://example.test/wp-json/wc/v3/orders", parse_qsl(query), "cs_test")
    assert signature == "iNQCP6wxiCneWUtjD6vwG00PtQ7pbtCCVn1R2/jAE08="


def signed(
    target: str, method: str = "HMAC-SHA256", *, secret: str = "cs", key: str = "ck", at: datetime = NOW
) -> Request:
    client = oauthlib.oauth1.Client(
        key, secret, signature_method=method, signature_type="QUERY", timestamp=str(int(at.timestamp()))
    )
    url, _, _ = client.sign(HOME + target)
    parts = urlsplit(url)
    return Request("GET", parts.path, parts.query, {}, b"")


def gate(*, behind_tls: bool = False) -> Gate:
    return Gate(key="ck", secret="cs", home_url=HOME, behind_tls=behind_tls)


@pytest.mark.parametrize("method", ["HMAC-SHA1", "HMAC-SHA256"])
def test_admits_what_oauthlib_signs(method: str) -> None:
    request = signed("/wp-json/wc/v3/products?sku=A%201,B%2F2~&search=%C3%A9%26&empty=&modified_after=a:b", method)
    assert gate().admits(request, NOW)


def test_array_parameters_are_signed_as_php_spells_them() -> None:
    query = [("include[]", "5"), ("include[]", "6"), ("oauth_signature_method", "HMAC-SHA256")]
    spelled = [("include[0]", "5"), ("include[1]", "6"), ("oauth_signature_method", "HMAC-SHA256")]
    assert sign("GET", HOME, query, "cs") == sign("GET", HOME, spelled, "cs")


def test_a_nonce_counts_once() -> None:
    door = gate()
    request = signed("/wp-json/wc/v3/products")
    assert door.admits(request, NOW)
    with pytest.raises(Refusal, match="nonce has already been used"):
        door.admits(request, NOW)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (signed("/x", at=NOW - timedelta(minutes=16)), "Invalid timestamp"),
        (signed("/x", at=NOW + timedelta(minutes=16)), "Invalid timestamp"),
        (signed("/x", secret="other"), "signature does not match"),
        (signed("/x", key="other"), "Consumer key is invalid"),
        (signed("/x", "PLAINTEXT"), "signature method is invalid"),
        (Request("GET", "/x", "oauth_nonce=1&oauth_consumer_key=ck", {}, b""), "Missing OAuth parameters"),
    ],
)
def test_refuses_wrong_oauth(request_: Request, message: str) -> None:
    with pytest.raises(Refusal, match=message) as refused:
        gate().admits(request_, NOW)
    assert refused.value.status == 401


def test_plain_credentials_count_only_on_tls() -> None:
    basic = Request("GET", "/x", "", {"authorization": "Basic Y2s6Y3M="}, b"")
    in_query = Request("GET", "/x", "consumer_key=ck&consumer_secret=cs", {}, b"")
    for request in (basic, in_query):
        assert gate(behind_tls=True).admits(request, NOW)
        assert not gate().admits(request, NOW)
    assert not gate(behind_tls=True).admits(Request("GET", "/x", "", {"authorization": "Basic !"}, b""), NOW)
    with pytest.raises(Refusal, match="secret is invalid"):
        gate(behind_tls=True).admits(Request("GET", "/x", "consumer_key=ck&consumer_secret=no", {}, b""), NOW)


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "products", "cannot_view"),
        ("GET", "orders/5", "cannot_view"),
        ("POST", "products/batch", "cannot_batch"),
        ("POST", "webhooks", "cannot_create"),
        ("PUT", "products/5", "cannot_edit"),
    ],
)
def test_says_what_a_stranger_may_not_do(method: str, path: str, code: str) -> None:
    request = Request(method, f"/wp-json/wc/v3/{path}", "", {}, b"")
    refusal = api.not_admitted(request, api.find_route(request))
    assert (refusal.code, refusal.status) == (f"woocommerce_rest_{code}", 401)


# -- faults


def test_fates_come_in_their_shares_and_repeat_with_the_seed() -> None:
    faults = Faults(error_share=0.1, html_share=0.1, truncated_share=0.2, closed_share=0.2, lost_answer_share=0.1)

    def draw() -> list[Fate]:
        dice = Dice(random.Random(7))
        dice.configure(faults, 0)
        return [dice.fate(is_write=True) for _ in range(20_000)]

    fates = draw()
    assert fates == draw()
    shares = {fate: fates.count(fate) / len(fates) for fate in get_args(Fate)}
    assert shares == pytest.approx(dict.fromkeys(get_args(Fate), 0.1) | {"served": 0.3}, abs=0.01)


def test_reads_never_lose_only_their_answer() -> None:
    dice = Dice(random.Random(1))
    dice.configure(Faults(lost_answer_share=1), 0)
    assert (dice.fate(is_write=False), dice.fate(is_write=True)) == ("served", "lost_answer")


def test_the_rate_limit_is_a_bucket() -> None:
    dice = Dice(random.Random(1))
    assert dice.throttle_seconds(0) == 0
    dice.configure(Faults(rate_per_second=2, rate_burst=3), 100.0)
    assert [dice.throttle_seconds(100.0) for _ in range(4)] == [0, 0, 0, 0.5]
    assert [dice.throttle_seconds(100.5), dice.throttle_seconds(100.5)] == [0, 0.5]
    assert [dice.throttle_seconds(200.0) for _ in range(4)] == [0, 0, 0, 0.5]


@pytest.mark.parametrize(
    ("defect", "head", "body"),
    [
        ("none", b"Content-Length: 10\r\n", b"0123456789"),
        ("truncated", b"Content-Length: 5\r\n", b"01234"),
        ("cut", b"Content-Length: 10\r\n", b"01234"),
    ],
)
def test_defects_on_the_wire(defect: Defect, head: bytes, body: bytes) -> None:
    sent = _head_and_body(Reply(body=b"0123456789", defect=defect))
    assert sent.startswith(b"HTTP/1.1 200 OK\r\n")
    assert head in sent
    assert sent.endswith(b"\r\n\r\n" + body)
    assert _head_and_body(Reply(body=b"0123456789", defect="closed")) == b""


# -- webhooks and crowd


def test_signs_a_delivery_as_the_fact_sheet_says() -> None:
    body = b'{"id":727,"status":"processing"}'
    assert sign_body("woo_secret", body) == "nWbaPeePlhim5GCx1IjiFzls5VUYQAfOEGirnR5j3gA="
    assert sign_body("a&amp;b", body) == sign_body("a&b", body)


def test_deliveries_within_a_second_share_their_id() -> None:
    assert delivery_id(1, 1700000000) == delivery_id(1, 1700000000)
    assert delivery_id(1, 1700000000) != delivery_id(1, 1700000001) != delivery_id(2, 1700000001)


def test_the_seventh_failure_in_a_row_disables() -> None:
    hooks = Subscriptions()
    webhook = hooks.create({"topic": "order.updated", "delivery_url": "http://127.0.0.1/"}, NOW)
    for delivered in (*[False] * 6, True, *[False] * 6):
        webhook.settle(delivered=delivered)
        assert hooks.listeners(Change("order.updated", 1)) == [webhook]
    webhook.settle(delivered=False)
    assert (webhook.status, hooks.listeners(Change("order.updated", 1))) == ("disabled", [])
    assert hooks.update(webhook.id, {"status": "active"}, NOW), "activation pings"
    webhook.settle(delivered=False)
    assert webhook.status == "disabled", "activation does not forgive"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"delivery_url": "http://127.0.0.1/"}, "invalid_topic"),
        ({"topic": "order.eaten", "delivery_url": "http://127.0.0.1/"}, "invalid_topic"),
        ({"topic": "order.updated"}, "invalid_delivery_url"),
        ({"topic": "order.updated", "delivery_url": "http://127.0.0.1/", "status": "on"}, "invalid_status"),
    ],
)
def test_invalid_webhooks_are_refused(body: dict[str, str], code: str) -> None:
    hooks = Subscriptions()
    with pytest.raises(Refusal, match="must be") as refused:
        hooks.create(body, NOW)
    assert refused.value.code == f"woocommerce_rest_shop_webhook_{code}"
    assert hooks.webhooks == {}


@pytest.mark.parametrize(("host", "allowed"), [("127.0.0.1", True), ("::1", True), ("192.0.2.1", False)])
def test_delivers_to_loopback_only(host: str, allowed: bool) -> None:
    assert _is_loopback(host) is allowed


def test_a_crowd_repeats_with_its_seed_and_keeps_its_rate() -> None:
    plan = CrowdPlan(seed=3, rate_per_second=100, seconds=50, zipf=1.2, quantity_max=3, lines_max=2, cancel_share=0.1)
    catalogue = [f"S{number}" for number in range(50)]
    crowd = list(visits(plan, catalogue))
    assert crowd == list(visits(plan, catalogue))
    assert len(crowd) == pytest.approx(5000, rel=0.05)
    assert all(earlier.at_seconds <= later.at_seconds < 50 for earlier, later in pairwise(crowd))
    assert sum(visit.afterwards == "cancel" for visit in crowd) == pytest.approx(500, rel=0.2)
    wanted = [item.sku for visit in crowd for item in visit.basket]
    assert wanted.count("S0") > 5 * wanted.count("S20") > 0


def test_a_crowd_wants_what_it_is_told_to() -> None:
    plan = CrowdPlan(skus={"A": 1, "B": 0}, pending_share=1, abandon_share=1)
    for visit in islice(visits(plan, ["C"]), 20):
        assert (visit.basket[0].sku, visit.status, visit.afterwards) == ("A", "pending", "abandon")
    assert list(visits(CrowdPlan(), [])) == []
