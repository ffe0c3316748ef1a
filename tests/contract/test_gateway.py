"""The REST interface, over real sockets, against a scripted daemon."""

import base64
import hashlib
import hmac
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from ops.gateway import app
from ops.gateway.client import DaemonClient
from ops.gateway.problems import KINDS
from tests.fakes.daemon import FakeDaemon, Refusal, Status
from tests.fakes.gateway import BODY_BYTES_MAX, WEBHOOK_SECRET, RunningGateway, configure, connect, problem

HOLD = {"hold": "h1", "ttl_seconds": 900, "lines": [{"sku": "A-1", "quantity": 2}]}
ORDER = {
    "status": "accepted",
    "placed_at": "2026-11-11T12:00:00Z",
    "modified_at": "2026-11-11T12:00:00Z",
    "lines": [{"line_id": "1", "sku": "A-1", "ordered": 2}],
}
DELIVERY = b'{"id": 1001, "status": "processing", "date_modified_gmt": "2026-11-11T12:00:00"}'


def sign(body: bytes, secret: str = WEBHOOK_SECRET) -> dict[str, str]:
    signature = base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()
    return {
        "x-wc-webhook-signature": signature,
        "x-wc-webhook-topic": "order.updated",
        "x-wc-webhook-delivery-id": "77",
        "x-unkept": "1",
    }


def samples(api: httpx.Client) -> dict[tuple[str, ...], float]:
    families = list(text_string_to_metric_families(api.get("/metrics").text))
    names = [family.name for family in families]
    assert len(names) == len(set(names)), "a family appears twice"
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value for family in families for sample in family.samples
    }


# Holds


def test_a_hold_is_placed_looked_up_and_committed(api: httpx.Client, daemon: FakeDaemon) -> None:
    placed = api.post("/v1/holds", json=HOLD)
    assert placed.status_code == 201
    assert placed.json() == {
        "hold": "h1",
        "expires_at": "2026-11-11T12:15:00Z",
        "lines": [{"sku": "A-1", "location": "main", "quantity": 2}],
    }
    assert daemon.commands[-1] == ("HOLD", "h1", "900", "A-1", "2")
    committed = api.post("/v1/holds/h1/commit", json={"order": "1001"})
    assert committed.json() == {"hold": "h1", "order": "1001", "committed_at": "2026-11-11T12:00:00Z"}
    assert api.post("/v1/holds/h1/commit").status_code == 200, "the body may be left out"
    state = api.get("/v1/holds/h1").json()
    assert (state["state"], state["account"], state["lines"][0]["quantity"]) == ("committed", "direct", 2)
    problem(api.delete("/v1/holds/h1"), 409, "COMMITTED")


def test_a_released_hold_is_gone(api: httpx.Client) -> None:
    api.post("/v1/holds", json=HOLD)
    assert api.delete("/v1/holds/h1").json() == {"hold": "h1", "released_at": "2026-11-11T12:00:00Z"}
    assert api.delete("/v1/holds/h1").status_code == 200, "repeatable"
    problem(api.post("/v1/holds/h1/commit", json={}), 410, "RELEASED")
    problem(api.get("/v1/holds/nope"), 404, "NOSUCHHOLD")


def test_options_of_a_hold_reach_the_daemon_after_its_lines(api: httpx.Client, daemon: FakeDaemon) -> None:
    hold = HOLD | {"ttl_seconds": "never", "account": "shop", "location": "main"}
    assert api.post("/v1/holds", json=hold).json()["expires_at"] is None
    assert daemon.commands[-1] == ("HOLD", "h1", "NEVER", "A-1", "2", "CHANNEL", "shop", "AT", "main")


def test_skus_called_like_options_are_not_taken_for_options(api: httpx.Client, daemon: FakeDaemon) -> None:
    """`... A-1 1 AT 2` would hold A-1 at a location called 2."""
    lines = [{"sku": "A-1", "quantity": 1}, {"sku": "At", "quantity": 2}]
    api.post("/v1/holds", json=HOLD | {"lines": lines, "location": "main"})
    assert daemon.commands[-1] == ("HOLD", "h1", "900", "At", "2", "A-1", "1", "AT", "main")
    lines.append({"sku": "CHANNEL", "quantity": 1})
    problem(api.post("/v1/holds", json=HOLD | {"lines": lines}), 400, "BADREQUEST")


def test_a_repeated_hold_answers_as_the_first_time_and_another_one_conflicts(api: httpx.Client) -> None:
    first, again = api.post("/v1/holds", json=HOLD), api.post("/v1/holds", json=HOLD)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    problem(api.post("/v1/holds", json=HOLD | {"ttl_seconds": 5}), 409, "CONFLICT")


def test_a_short_hold_says_what_was_asked_and_what_there_is(api: httpx.Client) -> None:
    asked = HOLD | {"lines": [{"sku": "a/b c/ü", "quantity": 4}]}
    document = problem(api.post("/v1/holds", json=asked), 409, "OUTOFSTOCK")
    assert (document["sku"], document["requested"], document["atp"]) == ("a/b c/ü", 4, 3)


def test_the_idempotency_key_stands_for_the_hold_id(api: httpx.Client) -> None:
    nameless = {name: value for name, value in HOLD.items() if name != "hold"}
    key = {b"idempotency-key": "körb-1".encode()}
    assert api.post("/v1/holds", json=nameless, headers=key).json()["hold"] == "körb-1"
    assert api.post("/v1/holds", json=HOLD, headers={"idempotency-key": "h1"}).status_code == 201
    differs = problem(api.post("/v1/holds", json=HOLD, headers={"idempotency-key": "h2"}), 400, "BADREQUEST")
    assert "'h1'" in differs["detail"]
    assert "'h2'" in differs["detail"]
    missing = problem(api.post("/v1/holds", json=nameless), 400, "BADREQUEST")
    assert "`hold`" in missing["detail"]
    assert "Idempotency-Key" in missing["detail"]


def test_a_batch_has_a_result_for_each_hold_in_order(api: httpx.Client, daemon: FakeDaemon) -> None:
    holds = [HOLD | {"hold": f"b{n}", "lines": [{"sku": "A-1", "quantity": 4}]} for n in range(3)]
    results = api.post("/v1/holds/batch", json={"holds": holds}).json()["results"]
    assert [result["status"] for result in results] == [201, 201, 409]
    assert [result["hold"]["hold"] for result in results[:2]] == ["b0", "b1"]
    assert results[2]["problem"]["code"] == "OUTOFSTOCK"
    nameless = problem(api.post("/v1/holds/batch", json={"holds": [HOLD, {**HOLD, "hold": None}]}), 400, "BADREQUEST")
    assert nameless["path"] == "$.holds[1].hold"
    assert daemon.count("HOLD") == 3, "nothing of a batch that cannot be read is placed"


def test_a_batch_that_loses_its_connection_tells_so_of_each_hold(api: httpx.Client, daemon: FakeDaemon) -> None:
    daemon.script("HOLD", daemon.on_hold("b0", "900", "A-1", "1"), b"no RESP\r\n")
    results = api.post("/v1/holds/batch", json={"holds": [HOLD | {"hold": f"b{n}"} for n in range(3)]}).json()[
        "results"
    ]
    assert [result["status"] for result in results] == [201, 503, 503]
    assert results[1]["problem"]["code"] == "UNAVAILABLE"


# Stock


@pytest.mark.parametrize("path", ["a/b c/ü", "a%2Fb%20c%2F%C3%BC", "a%2fb%20c/%c3%bc"])
def test_skus_with_slashes_blanks_and_umlauts_work_in_the_path(api: httpx.Client, path: str) -> None:
    assert api.get(f"/v1/stock/{path}").json()["sku"] == "a/b c/ü"


@pytest.mark.parametrize("sku", ["/lead", "trail/", "a//b", "100%", "?#&+", " x", "a%2Fb", "\u200b", "'\"<>"])
def test_percent_encoding_carries_any_sku(api: httpx.Client, daemon: FakeDaemon, sku: str) -> None:
    encoded = "".join(f"%{byte:02X}" for byte in sku.encode())
    problem(api.get(f"/v1/stock/{encoded}"), 404, "NOSUCHSKU")
    assert daemon.commands[-1] == ("STOCK", sku)


def test_a_path_that_is_not_utf_8_is_refused(api: httpx.Client) -> None:
    problem(api.get("/v1/stock/%FF"), 400, "BADREQUEST")
    problem(api.get("/v1/holds/%C3"), 400, "BADREQUEST")


def test_stock_offers_and_explanations_are_shown(api: httpx.Client, daemon: FakeDaemon) -> None:
    stock = api.get("/v1/stock/A-1").json()
    assert (stock["on_hand"], stock["atp"], stock["locations"][0]["location"]) == (10, 10, "main")
    assert api.get("/v1/offers/A-1").json()["offers"][0]["shown"] is None
    assert api.get("/v1/explain/A-1", params={"account": "shop"}).json()["open_holds"] == []
    assert daemon.commands[-1] == ("EXPLAIN", "A-1", "shop")
    for view in ("stock", "offers", "explain"):
        problem(api.get(f"/v1/{view}/nope"), 404, "NOSUCHSKU")


def test_adjustments_and_receipts_are_named_once(api: httpx.Client, daemon: FakeDaemon) -> None:
    body = {"sku": "A-1", "location": "main", "delta": -1, "reason": "damaged"}
    first = api.post("/v1/adjustments", json=body, headers={"idempotency-key": "k1"})
    assert first.json() == {"key": "k1", "sku": "A-1", "location": "main", "delta": -1, "on_hand": 9}
    assert api.post("/v1/adjustments", json=body | {"key": "k1"}).content == first.content
    assert daemon.commands[-1] == ("ADJUST", "k1", "A-1", "main", "-1", "damaged", "BY", "all")
    receipt = api.post("/v1/receipts", json={"key": "r1", "sku": "A-1", "location": "main", "quantity": 5})
    assert receipt.json()["on_hand"] == 14
    problem(api.post("/v1/adjustments", json=body | {"key": "k2", "delta": -99}), 409, "NEGATIVE")
    for route in ("adjustments", "receipts"):
        less = {"sku": "A-1", "location": "main"} | (
            {"delta": 1, "reason": "x"} if route == "adjustments" else {"quantity": 1}
        )
        assert "Idempotency-Key" in problem(api.post(f"/v1/{route}", json=less), 400, "BADREQUEST")["detail"]


# Orders, incidents, channels


def test_an_order_is_told_and_read_back(api: httpx.Client, daemon: FakeDaemon) -> None:
    told = api.put("/v1/orders/direct/7%2F1", json=ORDER)
    assert told.json() == {"account": "direct", "order": "7/1", "outcome": "newer"}
    sent = msgspec.json.decode(daemon.commands[-1][1])
    assert (sent["account"], sent["order_id"], sent["lines"][0]["ordered"]) == ("direct", "7/1", 2)
    assert api.get("/v1/orders/direct/7%2F1").json()["status"] == "accepted"
    assert [row["order"] for row in api.get("/v1/orders").json()["orders"]] == ["7/1"]
    assert api.get("/v1/orders", params={"account": "shop", "limit": 5}).json() == {"orders": []}
    assert daemon.commands[-1] == ("ORDERS", "shop", "LIMIT", "5")
    problem(api.get("/v1/orders/direct/8"), 404, "NOSUCHORDER")


def test_an_order_must_be_the_one_in_the_path(api: httpx.Client) -> None:
    assert api.put("/v1/orders/direct/7", json=ORDER | {"account": "direct", "order_id": "7"}).status_code == 200
    document = problem(api.put("/v1/orders/direct/7", json=ORDER | {"order_id": "8"}), 400, "BADREQUEST")
    assert document["path"] == "$.order_id"


def test_incidents_are_listed_within_a_limit(api: httpx.Client, daemon: FakeDaemon) -> None:
    assert api.get("/v1/incidents").json()["incidents"][0]["cause"] == "lag"
    assert daemon.commands[-1] == ("INCIDENTS", "LIMIT", "50")
    for limit in ("0", "1001", "x"):
        document = problem(api.get("/v1/incidents", params={"limit": limit}), 400, "BADREQUEST")
        assert document["detail"].startswith("limit: ")


def test_alerts_are_listed_acknowledged_and_resolved(api: httpx.Client, daemon: FakeDaemon) -> None:
    [alert] = api.get("/v1/alerts").json()["alerts"]
    assert (alert["alert"], alert["kind"], alert["details"]) == (17, "oversell", {"sku": "A-1"})
    assert daemon.commands[-1] == ("ALERTS", "OPEN", "LIMIT", "50")
    api.get("/v1/alerts", params={"state": "all", "limit": 3})
    assert daemon.commands[-1] == ("ALERTS", "ALL", "LIMIT", "3")
    problem(api.get("/v1/alerts", params={"state": "some"}), 400, "BADREQUEST")
    assert api.post("/v1/alerts/17/acknowledge").json()["state"] == "acknowledged"
    assert daemon.commands[-1][:4] == ("ALERT", "ACK", "17", "BY"), "in the name of the token"
    assert api.post("/v1/alerts/17/resolve").json()["state"] == "resolved"
    problem(api.post("/v1/alerts/18/resolve"), 404, "NOSUCHALERT")


def test_channels_are_listed_and_commanded(api: httpx.Client, daemon: FakeDaemon) -> None:
    assert api.post("/v1/channels/shop/pause").json() == {"account": "shop", "action": "pause"}
    assert daemon.commands[-1] == ("CHANNEL", "PAUSE", "shop")
    assert api.get("/v1/channels").json()["channels"][0]["state"] == "paused"
    for action in ("resume", "flush", "resync"):
        assert api.post(f"/v1/channels/shop/{action}").status_code == 200
    problem(api.post("/v1/channels/nope/pause"), 404, "NOSUCHACCOUNT")
    problem(api.post("/v1/channels/shop/explode"), 404, "NOTFOUND")


# Who may


def test_without_a_known_token_nothing_is_told(stage: tuple[FakeDaemon, int], daemon: FakeDaemon) -> None:
    with connect(stage[1], token="") as api:
        for authorization in ("", "Bearer", "Bearer nope", "Basic YWxsOmFsbA==", "Bearer all-token2", "Bearer ä"):
            headers = {b"authorization": authorization.encode("latin-1")} if authorization else {}
            response = api.get("/v1/stock/A-1", headers=headers)
            problem(response, 401, "UNAUTHENTICATED")
            assert response.headers["www-authenticate"].startswith("Bearer")
        assert api.get("/healthz").status_code == 200
    assert daemon.commands == []


def test_a_token_without_the_scope_is_told_which_one_it_lacks(stage: tuple[FakeDaemon, int]) -> None:
    with connect(stage[1], token="reader-token") as api:
        assert api.get("/v1/stock/A-1").status_code == 200
        for method, path, scope in (
            ("POST", "/v1/holds", "holds"),
            ("POST", "/v1/adjustments", "stock:write"),
            ("GET", "/v1/orders", "orders:read"),
            ("PUT", "/v1/orders/a/1", "orders:write"),
            ("POST", "/v1/channels/shop/pause", "admin"),
        ):
            assert f"scope {scope}" in problem(api.request(method, path, json={}), 403, "FORBIDDEN")["detail"]


# What is refused and how


@pytest.mark.parametrize(
    ("body", "path", "words"),
    [
        (HOLD | {"lines": [{"sku": "A-1", "quantity": 0}]}, "$.lines[0].quantity", ">= 1"),
        (HOLD | {"lines": [{"sku": "A-1", "quantity": "2"}]}, "$.lines[0].quantity", "`str`"),
        (HOLD | {"lines": [{"sku": "A-1", "quantity": 1}, {"sku": ""}]}, "$.lines[1].sku", "length"),
        (HOLD | {"lines": []}, "$.lines", "length"),
        (HOLD | {"quantity": 1}, "$", "unknown field `quantity`"),
        ({"hold": "h1"}, "$", "missing required field `ttl_seconds`"),
        ([], "$", "`array`"),
    ],
)
def test_a_wrong_body_is_told_where(api: httpx.Client, body: object, path: str, words: str) -> None:
    document = problem(api.post("/v1/holds", json=body), 400, "BADREQUEST")
    assert document["path"] == path
    assert words in document["detail"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "empty"),
        (b"{", "not JSON"),
        (b'{"hold": "\xff"}', "not UTF-8"),
        (b'{"account": ' + b"[" * 60_000, "$.account"),
        (b'{"hold": "\\ud800"}', "not JSON"),
    ],
)
def test_a_body_that_cannot_be_read_is_told_why(api: httpx.Client, body: bytes, words: str) -> None:
    assert words in problem(api.post("/v1/holds", content=body), 400, "BADREQUEST")["detail"]


@pytest.mark.parametrize("code", [code for code, (status, _, _) in KINDS.items() if code == code.upper() and status])
def test_each_error_of_the_daemon_has_its_status(api: httpx.Client, daemon: FakeDaemon, code: str) -> None:
    daemon.script("STOCK", Refusal(f"{code} some words"))
    status, title, retry_after = KINDS[code]
    response = api.get("/v1/stock/A-1")
    assert problem(response, status, code)["title"] == title
    assert response.headers.get("retry-after") == (None if retry_after is None else str(retry_after))


@pytest.mark.parametrize("error", ["NOAUTH password hunter2 needed", "ERR unknown command", "WHATEVER x"])
def test_errors_that_are_ours_tell_the_caller_only_a_code(api: httpx.Client, daemon: FakeDaemon, error: str) -> None:
    daemon.script("STOCK", Refusal(error))
    assert "hunter2" not in problem(api.get("/v1/stock/A-1"), 502, "BADREPLY")["detail"]


def test_an_answer_of_another_shape_is_a_bad_gateway(api: httpx.Client, daemon: FakeDaemon) -> None:
    daemon.script("STOCK", {"sku": "A-1"}, "text", None)
    for _ in range(3):
        problem(api.get("/v1/stock/A-1"), 502, "BADREPLY")


def test_unknown_routes_and_methods_are_problems_too(api: httpx.Client) -> None:
    for path in ("/", "/nope", "/v1", "/v1/stock", "/docs/x", "/v1/holds/a/b/c"):
        problem(api.get(path), 404, "NOTFOUND")
    response = api.put("/v1/holds", json={})
    problem(response, 405, "BADMETHOD")
    assert "POST" in response.headers["allow"]
    problem(api.get("/webhooks/shop"), 405, "BADMETHOD")


def test_a_body_that_is_too_large_is_cut_off_with_and_without_its_length(api: httpx.Client, daemon: FakeDaemon) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(64):
            yield b" " * 16_384

    for path in ("/v1/holds", "/webhooks/shop"):
        problem(api.post(path, content=b" " * (BODY_BYTES_MAX + 1)), 413, "TOOBIG")
        response = api.post(path, content=endless())
        problem(response, 413, "TOOBIG")
        assert response.headers["connection"] == "close"
    assert daemon.commands == []


def test_a_caller_who_hangs_up_in_the_middle_harms_nobody(stage: tuple[FakeDaemon, int], api: httpx.Client) -> None:
    for path in ("/v1/holds", "/webhooks/shop"):
        with socket.create_connection(("127.0.0.1", stage[1])) as raw:
            head = (
                f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer all-token\r\nContent-Length: 100\r\n\r\n{{"
            )
            raw.sendall(head.encode())
    assert api.post("/v1/holds", json=HOLD).status_code == 201
    assert not [key for key in samples(api) if "5xx" in key and key[-1] == "/webhooks/{account}"]


def test_a_head_without_end_is_hung_up_on(stage: tuple[FakeDaemon, int]) -> None:
    with socket.create_connection(("127.0.0.1", stage[1]), timeout=10) as raw:
        raw.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: ")
        with pytest.raises(OSError, match=r"reset|pipe"):  # noqa: PT012
            for _ in range(10_000):
                raw.sendall(b"x" * 16_384)


def test_a_caller_who_sends_too_slowly_is_told_and_hung_up_on(
    stage: tuple[FakeDaemon, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "REQUEST_SECONDS_MAX", 0.05)
    for path in ("/v1/holds", "/webhooks/shop"):
        with socket.create_connection(("127.0.0.1", stage[1]), timeout=10) as raw:
            head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer all-token\r\nContent-Length: 9\r\n\r\n{{"
            raw.sendall(head.encode())
            answer = b"".join(iter(lambda: raw.recv(4096), b""))
        assert answer.startswith(b"HTTP/1.1 408")
        assert b'"code":"TIMEOUT"' in answer


def test_more_requests_than_can_be_worked_on_are_told_to_come_back(
    api: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "REQUESTS_MAX", 0)
    assert problem(api.get("/v1/stock/A-1"), 503, "BUSY")
    assert api.get("/healthz").status_code == 200, "a busy gateway is not to be restarted"


def test_a_fault_of_ours_tells_nothing(
    api: httpx.Client, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("hunter2")

    monkeypatch.setattr(DaemonClient, "pick", fail)
    for method, path in (("GET", "/v1/stock/A-1"), ("POST", "/webhooks/shop")):
        response = api.request(method, path, content=DELIVERY, headers=sign(DELIVERY))
        problem(response, 500, "INTERNAL")
        assert "hunter2" not in response.text
    assert "ZeroDivisionError" in capsys.readouterr().out, "the log has it"


def test_each_request_leaves_one_log_line_without_bodies_or_tokens(api: httpx.Client) -> None:
    with structlog.testing.capture_logs() as lines:
        api.post("/v1/holds", json=HOLD)
        api.post("/webhooks/shop", content=DELIVERY, headers=sign(DELIVERY))
        api.get("/v1/orders/direct/nope")
        api.get("/healthz")
    told = [(line["log_level"], line["method"], line["route"], line["status"], line["account"]) for line in lines]
    assert told == [
        ("info", "POST", "/v1/holds", 201, None),
        ("info", "POST", "/webhooks/{account}", 200, "shop"),
        ("info", "GET", "/v1/orders/{account}/{order}", 404, "direct"),
        ("debug", "GET", "/healthz", 200, None),
    ]
    assert all(line["event"] == "request.answered" and line["duration_ms"] > 0 for line in lines)
    assert not any(secret in str(lines) for secret in ("all-token", "A-1", "1001", WEBHOOK_SECRET))


# Webhooks


def test_a_webhook_is_acknowledged_once_it_is_stored(api: httpx.Client, daemon: FakeDaemon) -> None:
    """Lesson D13: persist first, acknowledge after."""
    response = api.post("/webhooks/shop", content=DELIVERY, headers=sign(DELIVERY))
    assert (response.status_code, response.json()) == (200, {"outcome": "stored"})
    (headers, body) = next(iter(daemon.deliveries.values()))
    assert body.encode() == DELIVERY
    assert msgspec.json.decode(headers) == {
        "x-wc-webhook-delivery-id": "77",
        "x-wc-webhook-topic": "order.updated",
    }, "neither the signature nor anything unknown is kept"


def test_a_replayed_webhook_is_acknowledged_and_stored_once(api: httpx.Client, daemon: FakeDaemon) -> None:
    """Lesson D11: the same webhook arrives many times."""
    outcomes = [api.post("/webhooks/shop", content=DELIVERY, headers=sign(DELIVERY)).json() for _ in range(3)]
    assert outcomes == [{"outcome": "stored"}, {"outcome": "repeat"}, {"outcome": "repeat"}]
    assert len(daemon.deliveries) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {},
        sign(DELIVERY, "another secret"),
        sign(DELIVERY + b" "),
        {"x-wc-webhook-signature": ""},
        {"x-wc-webhook-signature": "not base64 \xe9"},
    ],
)
def test_a_forged_webhook_is_refused_and_counted(
    api: httpx.Client, daemon: FakeDaemon, headers: dict[str, str]
) -> None:
    before = samples(api).get(("lastunit_webhooks_total", "forged", "shop"), 0)
    raw = {name.encode(): value.encode("latin-1") for name, value in headers.items()}
    response = api.post("/webhooks/shop", content=DELIVERY, headers=raw)
    problem(response, 401, "FORGED")
    assert response.headers["www-authenticate"]
    assert samples(api)["lastunit_webhooks_total", "forged", "shop"] == before + 1
    assert daemon.count("WEBHOOK") == 0


def test_the_unsigned_creation_ping_is_welcome_and_not_stored(api: httpx.Client, daemon: FakeDaemon) -> None:
    before = samples(api)
    form = {"content-type": "application/x-www-form-urlencoded"}
    response = api.post("/webhooks/shop", content=b"webhook_id=12", headers=form)
    assert (response.status_code, response.json()) == (200, {"outcome": "ping"})
    forged = ("lastunit_webhooks_total", "forged", "shop")
    assert samples(api).get(forged, 0) == before.get(forged, 0)
    assert daemon.count("WEBHOOK") == 0


def test_webhooks_of_unknown_and_secretless_accounts_are_refused(api: httpx.Client, daemon: FakeDaemon) -> None:
    problem(api.post("/webhooks/nope", content=DELIVERY, headers=sign(DELIVERY)), 404, "NOSUCHACCOUNT")
    problem(api.post("/webhooks/mute", content=DELIVERY, headers=sign(DELIVERY, "")), 403, "NOTSIGNED")
    assert daemon.commands == []
    assert not [key for key in samples(api) if "nope" in key], "only configured accounts become labels"


@pytest.mark.parametrize("error", ["STALLED disk full", "BUSY", "SHUTTINGDOWN bye"])
def test_a_webhook_that_is_not_stored_counts_as_failed_at_the_shop(
    api: httpx.Client, daemon: FakeDaemon, error: str
) -> None:
    """Lesson D13."""
    daemon.script("WEBHOOK", Refusal(error))
    response = api.post("/webhooks/shop", content=DELIVERY, headers=sign(DELIVERY))
    problem(response, 503, error.partition(" ")[0])
    assert response.headers["retry-after"]


def test_an_unknown_word_from_the_daemon_is_no_acknowledgement(api: httpx.Client, daemon: FakeDaemon) -> None:
    daemon.script("WEBHOOK", Status("MAYBE"))
    problem(api.post("/webhooks/shop", content=DELIVERY, headers=sign(DELIVERY)), 502, "BADREPLY")


# The daemon away


def test_requests_in_flight_at_a_crash_end_unknown_and_later_ones_work(api: httpx.Client, daemon: FakeDaemon) -> None:
    daemon.silent.add("HOLD")
    answers: list[httpx.Response] = []
    caller = threading.Thread(target=lambda: answers.append(api.post("/v1/holds", json=HOLD)))
    caller.start()
    while not daemon.count("HOLD"):
        caller.join(0.002)
    daemon.drop_clients()
    caller.join(10)
    assert "unknown" in problem(answers[0], 503, "UNAVAILABLE")["detail"]
    assert answers[0].headers["retry-after"] == "1"
    daemon.silent.clear()
    assert retry(lambda: api.post("/v1/holds", json=HOLD)).status_code == 201


def test_a_slow_read_does_not_keep_a_hold_waiting(api: httpx.Client, daemon: FakeDaemon) -> None:
    daemon.silent.add("EXPLAIN")
    slow = [threading.Thread(target=lambda: api.get("/v1/explain/A-1")) for _ in range(4)]
    for thread in slow:
        thread.start()
    while daemon.count("EXPLAIN") < len(slow):
        slow[0].join(0.002)
    assert api.post("/v1/holds", json=HOLD).status_code == 201
    assert api.post("/webhooks/shop", content=DELIVERY, headers=sign(DELIVERY)).status_code == 200
    daemon.drop_clients()
    for thread in slow:
        thread.join(10)
    retry(lambda: api.get("/v1/stock/A-1"))


def test_readiness_names_the_reason(api: httpx.Client, daemon: FakeDaemon) -> None:
    assert api.get("/readyz").json()["ready"] is True
    accounts = [{"account": "shop", "state": "catching_up", "reason": "orders"}]
    daemon.script("HEALTH", {"ready": False, "journal": "stalled", "accounts": accounts})
    detail = problem(api.get("/readyz"), 503, "NOTREADY")["detail"]
    assert "journal stalled" in detail
    assert "shop catching_up (orders)" in detail


def test_everything_heals_when_the_daemon_comes_back(api: httpx.Client, daemon: FakeDaemon) -> None:
    daemon.stop()
    while api.get("/readyz").status_code == 200:
        pass
    problem(api.get("/readyz"), 503, "NOTREADY")
    assert "nothing was done" in problem(api.post("/v1/holds", json=HOLD), 503, "UNAVAILABLE")["detail"]
    problem(api.post("/webhooks/shop", content=DELIVERY, headers=sign(DELIVERY)), 503, "UNAVAILABLE")
    problem(api.post("/v1/holds/batch", json={"holds": [HOLD]}), 503, "UNAVAILABLE")
    assert api.get("/healthz").json() == {"alive": True}, "restarting the gateway would not help"
    assert samples(api)["lastunit_gateway_daemon_connections", "write"] == 0
    daemon.start()
    assert retry(lambda: api.get("/readyz")).status_code == 200
    assert retry(lambda: api.post("/v1/holds", json=HOLD)).status_code == 201
    assert retry(lambda: api.post("/webhooks/shop", content=DELIVERY, headers=sign(DELIVERY))).status_code == 200


def retry(call: Any) -> httpx.Response:
    """As a caller would: 503 means again."""
    pause = threading.Event()
    response: httpx.Response = call()
    for _ in range(400):
        if response.status_code != 503:
            break
        pause.wait(0.02)
        response = call()
    return response


# Metrics and documentation


def test_metrics_of_daemon_and_gateway_are_one_exposition(api: httpx.Client, daemon: FakeDaemon) -> None:
    api.get("/v1/stock/A-1")
    daemon.script(
        "METRICS", daemon.answer(("METRICS",)), "# TYPE lastunit_webhooks_total counter\nlastunit_webhooks_total 9\n"
    )
    seen = samples(api)
    assert seen["lastunit_holds_total",] == 7
    assert seen["lastunit_gateway_requests_total", "/v1/stock/{sku}", "2xx", "GET"] >= 1
    assert seen["lastunit_gateway_daemon_connections", "write"] == 2
    assert ("lastunit_webhooks_total",) not in samples(api), "a family of the daemon with our name gives way"


@pytest.mark.parametrize("need_token", [True, False])
def test_metrics_can_be_kept_behind_a_token(tmp_path: Path, need_token: bool) -> None:
    plain = configure(tmp_path)
    configuration = msgspec.structs.replace(
        plain, gateway=msgspec.structs.replace(plain.gateway, metrics_need_token=need_token)
    )
    with FakeDaemon(tmp_path / "d.sock"), RunningGateway(configuration) as gateway:
        with connect(gateway.port, token="") as stranger:
            assert stranger.get("/metrics").status_code == (401 if need_token else 200)
        with connect(gateway.port) as api:
            assert api.get("/metrics").status_code == 200


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def test_the_openapi_document_is_whole_and_shows_an_example_everywhere(api: httpx.Client) -> None:
    document = api.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    tags = {tag["name"] for tag in document["tags"]}
    names = []
    for path, method, operation in operations(document):
        names.append(operation["operationId"])
        assert set(operation["tags"]) <= tags
        assert operation["summary"]
        placeholders = {part[1:-1] for part in path.split("/") if part.startswith("{")}
        assert placeholders == {p["name"] for p in operation.get("parameters", ()) if p["in"] == "path"}
        messages = [
            *operation["responses"].values(),
            *([operation["requestBody"]] if "requestBody" in operation else []),
        ]
        for message in messages:
            assert message["description"]
            assert all("example" in content for content in message["content"].values()), (path, method)
        if path.startswith("/v1/"):
            assert operation["security"]
            assert {"400", "401", "403", "503"} <= set(operation["responses"])
    assert len(names) == len(set(names))
    references = {value for key, value in walk(document) if key == "$ref"}
    schemas = document["components"]["schemas"]
    assert {reference.removeprefix("#/components/schemas/") for reference in references} <= set(schemas)


def walk(node: object) -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield key, value
            yield from walk(value)
    elif isinstance(node, list):
        for value in node:
            yield from walk(value)


def test_every_documented_route_exists_and_takes_its_own_example(api: httpx.Client, daemon: FakeDaemon) -> None:
    document = api.get("/openapi.json").json()
    values = {"sku": "A-1", "account": "shop", "action": "flush", "hold": "basket-81", "order": "1"}
    values |= {"purchase_order": "PO-12", "transfer": "T-7", "alert": "17", "campaign": "11.11"}
    for path, method, operation in operations(document):
        body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
        response = api.request(method, path.format(**values), json=body)
        assert str(response.status_code) in operation["responses"], (path, response.text)
        assert response.json().get("code") != "BADREQUEST" if path != "/metrics" else response.text


def test_the_documentation_page_loads_nothing_else(api: httpx.Client) -> None:
    page = api.get("/docs").text
    assert "<script" not in page
    assert not re.search(r"(src|href|action|url|import)\W*https?:", page), (
        "examples may name pages; nothing may load one"
    )
    assert "/v1/holds/{hold}/commit" in page


# Any bytes

PATHS = (
    ("POST", "/v1/holds"),
    ("POST", "/v1/holds/batch"),
    ("POST", "/v1/holds/h/commit"),
    ("POST", "/v1/adjustments"),
    ("POST", "/v1/receipts"),
    ("PUT", "/v1/orders/direct/1"),
    ("POST", "/webhooks/shop"),
)
JSON_LIKE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["hold", "lines", "sku", "quantity", "ttl_seconds", "key", "delta", "reason", "location"])
            | st.text(max_size=5),
            inner,
            max_size=6,
        )
    ),
    max_leaves=12,
).map(msgspec.json.encode)


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(route=st.sampled_from(PATHS), body=st.binary(max_size=200) | JSON_LIKE, signed=st.booleans())
def test_no_body_whatever_makes_the_gateway_fail(
    api: httpx.Client, route: tuple[str, str], body: bytes, signed: bool
) -> None:
    """Success or a problem of the caller's, never ours."""
    response = api.request(*route, content=body, headers=sign(body) if signed else {})
    assert response.status_code < 500, (route, body, response.text)
    if response.status_code >= 400:
        problem(response, response.status_code, response.json()["code"])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(method=st.sampled_from(["GET", "POST", "DELETE", "PUT"]), tail=st.binary(max_size=30))
def test_no_path_whatever_makes_the_gateway_fail(api: httpx.Client, method: str, tail: bytes) -> None:
    encoded = "".join(f"%{byte:02X}" for byte in tail)
    for prefix in ("/v1/stock/", "/v1/holds/", "/v1/orders/", "/webhooks/", "/"):
        response = api.request(method, prefix + encoded)
        assert response.status_code < 500, (method, tail, response.text)
