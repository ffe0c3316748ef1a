"""The emulator as a process, met by WooCommerce's own Python client and by a listener of webhooks."""

import base64
import hashlib
import hmac
import http.client
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
import woocommerce

pytestmark = [pytest.mark.process, pytest.mark.slow]

DEADLINE_SECONDS = 10


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Process:
    """A running emulator."""

    def __init__(self, *options: str) -> None:
        command = [sys.executable, "-m", "ops.emulator", "--shop", "shop-a", "--exit-with-stdin", *options]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        self.about = json.loads(self.process.stdout.readline())
        self.client = woocommerce.API(
            self.about["url"], self.about["consumer_key"], self.about["consumer_secret"], timeout=DEADLINE_SECONDS
        )

    def send(self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None) -> Answer:
        """One plain request on a connection of its own."""
        connection = http.client.HTTPConnection(urlsplit(self.about["url"]).netloc, timeout=DEADLINE_SECONDS)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers or {})
            reply = connection.getresponse()
            return Answer(reply.status, dict(reply.headers), reply.read())
        finally:
            connection.close()

    def control(self, method: str, route: str, body: object = None) -> Any:
        answer = self.send(method, f"/_control/{route}", body)
        assert answer.status == 200, answer.body
        return answer.json()

    def state(self) -> Any:
        return self.control("GET", "state")

    def wait_until(self, reached: Callable[[Any], bool]) -> Any:
        """Poll the state until it is as wanted."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not reached(state := self.state()):
            assert time.monotonic() < deadline, state
            time.sleep(0.01)
        return state

    def stop(self) -> None:
        self.process.terminate()
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        assert self.process.wait(DEADLINE_SECONDS) == 0


class Listener:
    """A place for webhooks; `answers` are the statuses of its next replies, then 200."""

    def __init__(self) -> None:
        self.received: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        listener = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                listener.received.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(listener.answers.pop(0) if listener.answers else 200)
                self.send_header("Content-Length", "0")
                self.send_header("Location", listener.url)
                self.end_headers()

            def log_message(self, *_arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def deliveries(self) -> list[dict[str, Any]]:
        return [json.loads(body) for headers, body in self.received if "x-wc-webhook-topic" in headers]

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def process() -> Iterator[Process]:
    process = Process()
    yield process
    process.stop()


@pytest.fixture
def shop(process: Process) -> Process:
    """An emulator with 120 products of ten units each, SKU-00001 with id 11 and so on."""
    process.control("POST", "reset")
    process.control("POST", "seed", {"series": {"count": 120}})
    return process


@pytest.fixture
def listener() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.stop()


def subscribe(shop: Process, listener: Listener, topic: str = "order.created") -> int:
    body = {"name": "test", "topic": topic, "delivery_url": listener.url, "secret": "s3cret"}
    reply = shop.client.post("webhooks", body)
    assert reply.status_code == 201
    return int(reply.json()["id"])


def buy(shop: Process, sku: str = "SKU-00001", quantity: int = 1, status: str = "processing") -> int:
    sale = shop.control("POST", "buy", {"items": [{"sku": sku, "quantity": quantity}], "status": status})
    return int(sale["id"])


# -- the official client


def test_lists_all_products_page_by_page(shop: Process) -> None:
    seen = []
    for page in (1, 2):
        reply = shop.client.get("products", params={"per_page": 100, "page": page, "orderby": "id", "order": "asc"})
        assert (reply.status_code, reply.headers["X-WP-Total"], reply.headers["X-WP-TotalPages"]) == (200, "120", "2")
        seen += [row["id"] for row in reply.json()]
    assert seen == list(range(11, 131))
    by_sku = shop.client.get("products", params={"sku": "SKU-00002,SKU-00007", "_fields": "sku,stock_quantity"}).json()
    assert sorted((row["sku"], row["stock_quantity"]) for row in by_sku) == [("SKU-00002", 10), ("SKU-00007", 10)]


def test_batches_stock_and_reads_it_back(shop: Process) -> None:
    rows = [{"id": item_id, "stock_quantity": item_id % 4} for item_id in range(11, 110)]
    reply = shop.client.post("products/batch", {"update": [*rows, {"id": 7, "stock_quantity": 1}]})
    assert reply.status_code == 200
    *done, failed = reply.json()["update"]
    assert [(row["id"], row["stock_quantity"]) for row in done] == [(row["id"], row["stock_quantity"]) for row in rows]
    assert (failed["id"], failed["error"]["code"]) == (7, "woocommerce_rest_product_invalid_id")
    assert shop.client.get("products/14").json()["stock_quantity"] == 2
    assert shop.client.put("products/14", {"stock_quantity": 0}).json()["stock_status"] == "outofstock"
    assert shop.state()["skus"]["SKU-00004"]["stock"] == 0
    too_many = shop.client.post("products/batch", {"update": [{"id": 11}] * 101})
    assert (too_many.status_code, too_many.json()["code"]) == (413, "woocommerce_rest_request_entity_too_large")


def test_writes_variations_under_their_parent(shop: Process) -> None:
    variations = [{"sku": "P-own", "stock_quantity": 2}, {"sku": "P-shared", "manage_stock": False}]
    seeded = shop.control("POST", "seed", {"products": [{"sku": "P", "stock_quantity": 5, "variations": variations}]})
    parent, own, shared = (item["id"] for item in seeded["items"])
    rows = [{"id": own, "stock_quantity": 8}, {"id": shared, "stock_quantity": 8}]
    reply = shop.client.post(f"products/{parent}/variations/batch", {"update": rows}).json()["update"]
    assert [(row["manage_stock"], row["stock_quantity"]) for row in reply] == [(True, 8), ("parent", 5)]


def test_reads_orders_and_their_refunds(shop: Process) -> None:
    first, second = buy(shop, quantity=3), buy(shop, "SKU-00002")
    line = shop.client.get(f"orders/{first}").json()["line_items"][0]
    refund = {"line_items": [{"id": line["id"], "quantity": 2, "refund_total": 20}]}
    assert shop.client.post(f"orders/{first}/refunds", refund).status_code == 201
    assert shop.client.put(f"orders/{second}", {"status": "cancelled"}).json()["status"] == "cancelled"
    params = {"modified_after": "2020-01-01T00:00:00", "dates_are_gmt": "true", "order": "asc", "status": "any"}
    assert [row["id"] for row in shop.client.get("orders", params=params).json()] == [first, second]
    assert shop.client.get(f"orders/{first}/refunds").json()[0]["line_items"][0]["quantity"] == -2
    skus = shop.state()["skus"]
    assert (skus["SKU-00001"]["stock"], skus["SKU-00002"]["stock"]) == (9, 10)


def test_a_wrong_secret_and_no_credentials_are_401(shop: Process) -> None:
    wrong = woocommerce.API(shop.about["url"], shop.about["consumer_key"], "wrong").get("products")
    assert (wrong.status_code, wrong.json()["code"]) == (401, "woocommerce_rest_authentication_error")
    stranger = shop.send("GET", "/wp-json/wc/v3/products")
    assert (stranger.status, stranger.json()["code"]) == (401, "woocommerce_rest_cannot_view")


def test_basic_counts_behind_tls_and_stdin_ends_it() -> None:
    process = Process("--behind-tls", "--key", "k", "--secret", "s")
    basic = {"Authorization": "Basic " + base64.b64encode(b"k:s").decode()}
    assert process.send("GET", "/wp-json/wc/v3/products", headers=basic).json() == []
    assert process.send("GET", "/wp-json/wc/v3/products?consumer_key=k&consumer_secret=s").json() == []
    assert process.process.stdin is not None
    process.process.stdin.close()
    assert process.process.wait(DEADLINE_SECONDS) == 0
    process.stop()


def test_sigterm_ends_it() -> None:
    process = Process()
    process.process.send_signal(signal.SIGTERM)
    assert process.process.wait(DEADLINE_SECONDS) == 0
    process.stop()


# -- buyers


def test_refuses_to_sell_what_it_does_not_show(shop: Process) -> None:
    shop.control("POST", "stock", {"items": [{"sku": "SKU-00001", "stock_quantity": 2}]})
    buy(shop, quantity=2)
    body = {"items": [{"sku": "SKU-00001"}]}
    refused = shop.send("POST", "/_control/buy", body)
    assert (refused.status, refused.json()["code"]) == (409, "out_of_stock")


def test_a_crowd_sells_out_and_never_oversells_its_own_shop(shop: Process) -> None:
    skus = {"SKU-00001": 5, "SKU-00002": 1}
    plan = {"seed": 4, "rate_per_second": 400, "seconds": 0.5, "skus": skus, "quantity_max": 2, "pending_share": 0.2}
    shop.control("POST", "crowd", {**plan, "afterwards_max_seconds": 0.3, "cancel_share": 0.1, "refund_share": 0.1})
    state = shop.wait_until(lambda s: not s["crowd"]["running"] and not s["timers_pending"])
    crowd = state["crowd"]
    assert crowd["visitors"] == crowd["bought"] + crowd["refused"] > 100
    assert crowd["refused"] > 0
    assert crowd["afterwards_pending"] == 0
    for sku in skus:
        shown = state["skus"][sku]
        assert shown["stock"] == 10 - shown["units_sold"] + shown["units_returned"] >= 0
    assert state["orders"]["total"] == crowd["bought"] == len(shop.control("GET", "orders")["orders"])


# -- faults


def test_answers_429_beyond_the_rate(shop: Process) -> None:
    shop.control("PUT", "faults", {"rate_per_second": 0.5, "rate_burst": 2})
    replies = [shop.client.get("products") for _ in range(3)]
    assert [reply.status_code for reply in replies] == [200, 200, 429]
    assert replies[2].headers["Retry-After"] == "2"
    shop.control("PUT", "faults", {"rate_per_second": 0.01, "rate_burst": 1, "retry_after": False})
    assert "Retry-After" not in [shop.client.get("products") for _ in range(2)][1].headers
    assert shop.state()["calls"]["GET /products"] == {"200": 3, "429": 2}


@pytest.mark.parametrize(
    ("faults", "statuses", "applied"),
    [
        ({"error_share": 1, "error_statuses": [502, 503]}, {502, 503}, False),
        ({"html_share": 1}, {200}, False),
        ({"lost_answer_share": 1}, {500}, True),
    ],
)
def test_a_write_that_goes_wrong(shop: Process, faults: dict[str, Any], statuses: set[int], applied: bool) -> None:
    shop.control("PUT", "faults", faults)
    reply = shop.client.put("products/11", {"stock_quantity": 3})
    assert reply.status_code in statuses
    assert reply.headers["Content-Type"].startswith("text/html")
    assert (shop.state()["skus"]["SKU-00001"]["stock"] == 3) is applied


def test_connections_close_with_and_without_effect(shop: Process) -> None:
    shop.control("PUT", "faults", {"closed_share": 1})
    for _ in range(12):
        with pytest.raises(http.client.RemoteDisconnected):
            shop.send("GET", "/wp-json/wc/v3/products")
    fates = shop.state()["fates"]
    assert fates["closed"] + fates["closed_applied"] == 12
    assert min(fates.values()) > 0


def test_json_ends_in_the_middle(shop: Process) -> None:
    shop.control("PUT", "faults", {"truncated_share": 1})
    for _ in range(12):
        try:
            body = shop.send("GET", "/wp-json/wc/v3/products").body
        except http.client.IncompleteRead as cut:
            body = cut.partial
        with pytest.raises(json.JSONDecodeError):
            json.loads(body)
    assert min(shop.state()["fates"].values()) > 0


def test_writes_are_ignored_or_late_behind_a_good_answer(shop: Process) -> None:
    shop.control("PUT", "faults", {"ignored_share": 1})
    assert shop.client.put("products/11", {"stock_quantity": 3}).json()["stock_quantity"] == 3
    assert shop.client.get("products/11").json()["stock_quantity"] == 10
    shop.control("PUT", "faults", {"late_share": 1, "late_seconds": 0.05})
    assert shop.client.put("products/11", {"stock_quantity": 3}).json()["stock_quantity"] == 3
    state = shop.wait_until(lambda s: s["skus"]["SKU-00001"]["stock"] == 3)
    assert state["stock_rows"] == {"applied": 0, "ignored": 1, "late": 1, "refused": 0}


def test_putting_nothing_heals_everything(shop: Process) -> None:
    shop.control("PUT", "faults", {"error_share": 1, "latency_min_ms": 5, "latency_max_ms": 9})
    assert shop.control("GET", "faults")["error_share"] == 1
    healed = shop.control("PUT", "faults", {})
    assert (healed["error_share"], healed["latency_max_ms"]) == (0, 0)
    assert shop.client.get("products/11").status_code == 200
    assert shop.send("PUT", "/_control/faults", {"error_share": 2}).status == 400
    assert shop.send("PUT", "/_control/faults", {"eror_share": 1}).status == 400


# -- webhooks


def test_pings_then_delivers_signed(shop: Process, listener: Listener) -> None:
    webhook_id = subscribe(shop, listener)
    ping_headers, ping = listener.received[0]
    assert (ping, ping_headers["content-type"]) == (b"webhook_id=1", "application/x-www-form-urlencoded")
    assert "x-wc-webhook-signature" not in ping_headers
    order_id = buy(shop)
    shop.wait_until(lambda s: s["deliveries"]["sent"] == 1)
    headers, body = listener.received[1]
    expected = base64.b64encode(hmac.new(b"s3cret", body, hashlib.sha256).digest()).decode()
    assert {name: headers[f"x-wc-webhook-{name}"] for name in ("source", "topic", "resource", "event", "id")} == {
        "source": shop.about["url"] + "/",
        "topic": "order.created",
        "resource": "order",
        "event": "created",
        "id": str(webhook_id),
    }
    assert headers["x-wc-webhook-signature"] == expected
    assert headers["x-wc-webhook-delivery-id"]
    assert json.loads(body) == shop.client.get(f"orders/{order_id}").json()


def test_the_payload_is_that_of_the_delivery_not_of_the_event(shop: Process, listener: Listener) -> None:
    subscribe(shop, listener)
    shop.control("PUT", "faults", {"webhook_delay_seconds": 0.2})
    order_id = buy(shop, status="pending")
    shop.control("POST", f"orders/{order_id}/status", {"status": "cancelled"})
    shop.wait_until(lambda s: s["deliveries"]["sent"] == 1)
    assert [delivery["status"] for delivery in listener.deliveries()] == ["cancelled"]


def test_gives_up_after_failures_without_retrying(shop: Process, listener: Listener) -> None:
    webhook_id = subscribe(shop, listener, "product.updated")
    listener.answers = [500, 404, 302, 303, 307, 500, 500, 500, 500, 500]
    for number in range(10):
        shop.client.put("products/11", {"stock_quantity": number})
        shop.wait_until(lambda s: s["deliveries"]["sent"] + s["deliveries"]["failed"] == s["deliveries"]["queued"])
    assert len(listener.deliveries()) == 10, "neither repeated nor redirected"
    assert shop.client.get(f"webhooks/{webhook_id}").json()["status"] == "disabled"
    shop.client.put("products/11", {"stock_quantity": 3})
    assert shop.client.put(f"webhooks/{webhook_id}", {"status": "active"}).json()["status"] == "active"
    assert shop.state()["deliveries"]["queued"] == 10
    assert listener.received[-1][1] == b"webhook_id=1"


def test_deliveries_are_lost_repeated_and_forged(shop: Process, listener: Listener) -> None:
    subscribe(shop, listener)
    shop.control("PUT", "faults", {"webhook_loss_share": 1})
    buy(shop)
    shop.control("PUT", "faults", {"webhook_repeat_share": 1, "webhook_wrong_signature_share": 1})
    buy(shop)
    counts = shop.wait_until(lambda s: s["deliveries"]["sent"] == 2)["deliveries"]
    assert (counts["lost"], counts["repeated"], counts["wrong_signature"], counts["queued"]) == (1, 1, 2, 2)
    (first, body), (second, again) = listener.received[1:]
    assert body == again
    honest = base64.b64encode(hmac.new(b"s3cret", body, hashlib.sha256).digest()).decode()
    assert honest not in {first["x-wc-webhook-signature"], second["x-wc-webhook-signature"]}


def test_deliveries_overtake_each_other(shop: Process, listener: Listener) -> None:
    subscribe(shop, listener)
    shop.control("PUT", "faults", {"webhook_jitter_seconds": 0.3})
    sold = [buy(shop) for _ in range(10)]
    shop.wait_until(lambda s: s["deliveries"]["sent"] == 10)
    arrived = [delivery["id"] for delivery in listener.deliveries()]
    assert sorted(arrived) == sold != arrived


def test_all_webhooks_can_be_disabled_at_once_and_deleted(shop: Process, listener: Listener) -> None:
    webhook_id = subscribe(shop, listener)
    shop.control("PUT", "faults", {"disable_webhooks": True})
    buy(shop)
    assert shop.state()["deliveries"]["queued"] == 0
    assert [row["status"] for row in shop.client.get("webhooks").json()] == ["disabled"]
    assert shop.client.delete(f"webhooks/{webhook_id}").status_code == 501
    assert shop.client.delete(f"webhooks/{webhook_id}", params={"force": "true"}).json()["id"] == webhook_id
    assert shop.client.get(f"webhooks/{webhook_id}").status_code == 404
