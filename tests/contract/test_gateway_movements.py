"""Movements, purchase orders and transfers over REST: what reaches the daemon, and how it comes back."""

import httpx
import pytest

from tests.fakes.daemon import FakeDaemon, Refusal
from tests.fakes.gateway import connect, problem

NINE = "2026-11-11T09:00:00+08:00"
LINES = {"lines": [{"sku": "BY", "quantity": 2}, {"sku": "A-1", "quantity": 3}]}


MOVED = {"sku": "A-1", "location": "main", "quantity": 2}
POSTED = [
    (
        "/v1/adjustments",
        {"sku": "A-1", "location": "main", "delta": -1, "reason": "damaged: wet", "reference": "memo"},
        "ADJUST k A-1 main -1 damaged: wet BY all REF memo",
    ),
    ("/v1/receipts", MOVED | {"purchase_order": "PO-1"}, "RECEIVE k A-1 main 2 PO PO-1 BY all"),
    ("/v1/returns", MOVED, "RETURN k A-1 main 2 INTO quality_hold BY all"),
    (
        "/v1/returns",
        MOVED
        | {"state": "damaged", "account": "shop", "order": "7", "line": "1", "reason": "torn", "reference": "rma"},
        "RETURN k A-1 main 2 INTO damaged ORDER shop 7 LINE 1 REASON torn BY all REF rma",
    ),
    ("/v1/inspections", MOVED | {"outcome": "restock"}, "INSPECT k A-1 main 2 RESTOCK BY all"),
    (
        "/v1/inspections",
        MOVED | {"outcome": "writeoff", "source": "damaged", "reason": "mouldy"},
        "INSPECT k A-1 main 2 WRITEOFF FROM damaged REASON mouldy BY all",
    ),
    (
        "/v1/counts",
        {"sku": "A-1", "location": "main", "counted": 8, "taken_at": NINE},
        f"COUNT k A-1 main 8 AT {NINE} BY all",
    ),
    (
        "/v1/transfers/T%2F7/arrivals",
        {"sku": "A-1", "quantity": 2, "reference": "van"},
        "TRANSFER RECEIVE k T/7 A-1 2 BY all REF van",
    ),
    (
        "/v1/transfers/T-7/losses",
        {"sku": "A-1", "quantity": 2, "reason": "crushed"},
        "TRANSFER LOSE k T-7 A-1 2 crushed BY all",
    ),
]


@pytest.mark.parametrize(("route", "body", "command"), POSTED)
def test_a_movement_reaches_the_daemon_under_its_key_and_the_token_s_name(
    api: httpx.Client, daemon: FakeDaemon, route: str, body: dict[str, object], command: str
) -> None:
    response = api.post(route, json=body, headers={"idempotency-key": "k"})
    assert response.status_code == 201, response.text
    assert " ".join(daemon.commands[-1]) == command
    assert api.post(route, json=body | {"key": "k"}).content == response.content
    assert "Idempotency-Key" in problem(api.post(route, json=body), 400, "BADREQUEST")["detail"]


def test_a_count_beyond_the_tolerance_asks_for_a_recount_and_a_blind_one_says_no_more(
    api: httpx.Client, daemon: FakeDaemon
) -> None:
    body = {"key": "k", "sku": "A-1", "location": "main", "counted": 12, "taken_at": NINE}
    open_count = api.post("/v1/counts", json=body).json()
    assert (open_count["applied"], open_count["recount"], open_count["variance"]) == (False, True, 2)
    blind = api.post("/v1/counts", json=body | {"blind": True}).json()
    assert set(blind) == {"key", "sku", "location", "counted", "taken_at", "applied", "recount"}
    assert daemon.commands[-1][6:] == (NINE, "BLIND", "BY", "all")


def test_a_snapshot_has_a_verdict_for_each_row(api: httpx.Client, daemon: FakeDaemon) -> None:
    body = {"key": "s", "location": "main", "source": "3pl", "as_of": NINE, "nets_open_orders": False}
    body |= {"rows": [{"sku": "LINES", "quantity": 0}], "force": True}
    taken = api.post("/v1/snapshots", json=body)
    assert taken.status_code == 200
    assert taken.json()["rows"][0]["outcome"] == "applied"
    assert " ".join(daemon.commands[-1]) == (f"SNAPSHOT s main 3pl AS_OF {NINE} NETS no FORCE BY all LINES LINES 0")
    daemon.script("SNAPSHOT", Refusal("FUSE location=main: 40 of 50 rows fall to zero"))
    problem(api.post("/v1/snapshots", json=body), 409, "FUSE")


def test_a_purchase_order_is_put_ended_and_shown(api: httpx.Client, daemon: FakeDaemon) -> None:
    body = {"location": "main", "expected_at": NINE, "supplier": "Mug Works", "reference": "q-7", **LINES}
    put = api.put("/v1/purchase-orders/PO%2F12", json=body)
    assert put.status_code == 200
    assert put.json()["purchase_order"] == "PO/12"
    assert " ".join(daemon.commands[-1]) == (
        f"PO SET PO/12 main SUPPLIER Mug Works EXPECTED {NINE} BY all REF q-7 LINES BY 2 A-1 3"
    )
    for action in ("close", "cancel"):
        assert api.post(f"/v1/purchase-orders/PO-12/{action}", json={"reason": "done"}).status_code == 200
        assert " ".join(daemon.commands[-1]) == f"PO {action.upper()} PO-12 REASON done BY all"
        assert api.post(f"/v1/purchase-orders/PO-12/{action}").status_code == 200
    assert api.get("/v1/purchase-orders/PO-12").json()["lines"][0]["open"] == 24
    assert api.get("/v1/purchase-orders").json()["purchase_orders"][0]["purchase_order"] == "PO-12"
    assert api.get("/v1/purchase-orders", params={"state": "all", "limit": 3}).status_code == 200
    assert daemon.commands[-1] == ("PO", "LIST", "ALL", "LIMIT", "3")
    problem(api.get("/v1/purchase-orders", params={"state": "some"}), 400, "BADREQUEST")


def test_a_transfer_is_put_and_shown(api: httpx.Client, daemon: FakeDaemon) -> None:
    body = {"source": "main", "target": "store", "reason": "Xmas", **LINES}
    assert api.put("/v1/transfers/T-7", json=body).json()["state"] == "in_transit"
    assert " ".join(daemon.commands[-1]) == "TRANSFER SEND T-7 main store REASON Xmas BY all LINES BY 2 A-1 3"
    assert api.get("/v1/transfers/T-7").json()["lines"][0]["lost"] == 1
    assert api.get("/v1/transfers", params={"state": "open"}).json()["transfers"][0]["transfer"] == "T-7"
    daemon.script("TRANSFER", Refusal("CONFLICT transfer=T-7 was sent before"))
    problem(api.put("/v1/transfers/T-7", json=body), 409, "CONFLICT")


def test_an_order_line_is_owed_from_another_location(api: httpx.Client, daemon: FakeDaemon) -> None:
    body = {"line": "1", "sku": "A-1", "location": "store"}
    answer = api.post("/v1/orders/shop/10%2F01/allocations", json=body)
    assert (answer.status_code, answer.json()["order"]) == (201, "10/01")
    assert " ".join(daemon.commands[-1]) == "REALLOCATE shop 10/01 1 A-1 store BY all"
    api.post("/v1/orders/shop/1001/allocations", json=body | {"reason": "nearer", "reference": "T-1"})
    assert " ".join(daemon.commands[-1][6:]) == "REASON nearer BY all REF T-1"


@pytest.mark.parametrize(
    ("route", "body", "path"),
    [
        ("/v1/counts", {"sku": "A", "location": "main", "counted": 1, "taken_at": "2026-11-11T09:00:00"}, "$.taken_at"),
        ("/v1/counts", {"sku": "A", "location": "main", "counted": -1, "taken_at": NINE}, "$.counted"),
        ("/v1/returns", MOVED | {"state": "written_off"}, "$.state"),
        ("/v1/returns", MOVED | {"order": "7"}, "$.account"),
        ("/v1/inspections", MOVED | {"outcome": "ponder"}, "$.outcome"),
        ("/v1/receipts", MOVED | {"po": "PO-1"}, "$"),
        ("/v1/adjustments", {"sku": "A", "location": "main", "delta": 1, "reason": ""}, "$.reason"),
    ],
)
def test_a_wrong_body_is_told_where(
    api: httpx.Client, daemon: FakeDaemon, route: str, body: dict[str, object], path: str
) -> None:
    assert problem(api.post(route, json=body | {"key": "k"}), 400, "BADREQUEST")["path"] == path
    assert daemon.commands == []


def test_each_scope_opens_its_own_routes(stage: tuple[FakeDaemon, int], daemon: FakeDaemon) -> None:
    with connect(stage[1], "reader-token") as reader:
        assert reader.get("/v1/purchase-orders").status_code == 200
        assert reader.get("/v1/transfers/T-7").status_code == 200
        for route in ("returns", "inspections", "counts", "snapshots", "transfers/T-7/losses"):
            problem(reader.post(f"/v1/{route}", json={}), 403, "FORBIDDEN")
        problem(reader.put("/v1/purchase-orders/P", json={}), 403, "FORBIDDEN")
        problem(reader.post("/v1/orders/shop/1/allocations", json={}), 403, "FORBIDDEN")
    assert {words[0] for words in daemon.commands} == {"PO", "TRANSFER"}
