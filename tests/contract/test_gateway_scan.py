"""Scans over REST: what reaches the daemon, how it comes back, and that a long one holds up nobody."""

from typing import Any

import httpx
import pytest

from ops.gateway.routes import scan
from tests.fakes.daemon import FakeDaemon, Refusal
from tests.fakes.gateway import connect, problem

NOW = "2026-11-11T12:00:00Z"
VIOLATION: dict[str, Any] = {
    "law": "committed is the sum of open demand",
    "sku": "A-1",
    "location": "main",
    "expected": 1,
    "found": 2,
    "detail": "",
}
REPORT: dict[str, Any] = {
    "sku": None,
    "deep": True,
    "books": 3,
    "records": 4,
    "position": 17,
    "seconds": 0.25,
    "found": 1,
    "violations": [VIOLATION],
    "origins": [
        {
            "sku": "A-1",
            "blame": "journal",
            "first": {"position": 7, "at": NOW, "kind": "demand_set", "text": "1 owed", "law": VIOLATION["law"]},
            "events": [{"position": 7, "at": NOW, "kind": "demand_set", "text": "1 owed"}],
        }
    ],
}
STANDING: dict[str, Any] = {
    "found": 1,
    "unlisted": 0,
    "passed_at": None,
    "books": 3,
    "pass_books": 1,
    "pass_of": 3,
    "asked": {"sku": None, "deep": True, "began_at": NOW},
    "last": {"ended_at": NOW, **REPORT},
    "violations": [VIOLATION | {"since": NOW, "positions": [3, 7], "origin": None}],
}


def test_what_does_not_add_up_is_listed_with_what_is_under_way_and_was_found_last(
    api: httpx.Client, daemon: FakeDaemon
) -> None:
    daemon.script("VIOLATIONS", STANDING)
    shown = api.get("/v1/scan")
    assert (shown.status_code, shown.json()) == (200, STANDING)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (None, "SCAN"),
        ({}, "SCAN"),
        ({"deep": True}, "SCAN DEEP"),
        ({"sku": "a/b c"}, "SCAN a/b c"),
        ({"sku": "DEEP", "deep": True}, "SCAN DEEP DEEP"),
    ],
)
def test_a_scan_answers_with_its_report(
    api: httpx.Client, daemon: FakeDaemon, body: dict[str, Any] | None, said: str
) -> None:
    daemon.script("SCAN", REPORT)
    report = api.post("/v1/scans", json=body) if body is not None else api.post("/v1/scans")
    assert (report.status_code, report.json()) == (200, REPORT)
    assert " ".join(daemon.commands[0]) == said


def test_a_scan_that_takes_long_is_answered_and_holds_up_nobody(
    api: httpx.Client, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "ANSWER_SECONDS_MAX", 0.05)
    daemon.silent.add("SCAN")
    begun = api.post("/v1/scans", json={"deep": True})
    assert (begun.status_code, begun.json()) == (202, {"sku": None, "deep": True})
    assert begun.headers["location"] == "/v1/scan"
    assert api.get("/v1/stock/A-1").status_code == 200
    assert api.get("/healthz").status_code == 200


@pytest.mark.parametrize(("body", "path"), [({"sku": ""}, "$.sku"), ({"deep": "yes"}, "$.deep"), ({"depth": 1}, "$")])
def test_a_body_that_cannot_be_meant_starts_nothing(
    api: httpx.Client, daemon: FakeDaemon, body: dict[str, Any], path: str
) -> None:
    assert problem(api.post("/v1/scans", json=body), 400, "BADREQUEST")["path"] == path
    assert daemon.commands == []


def test_what_the_daemon_refuses_is_a_problem(api: httpx.Client, daemon: FakeDaemon) -> None:
    daemon.script(
        "SCAN",
        Refusal("NOSUCHSKU sku=A-9"),
        Refusal("BUSY another scan is under way: ask again when it is done"),
        Refusal("DAMAGED the journal cannot be read: frame 3"),
    )
    problem(api.post("/v1/scans", json={"sku": "A-9"}), 404, "NOSUCHSKU")
    assert problem(api.post("/v1/scans"), 503, "BUSY")["detail"].startswith("another scan")
    problem(api.post("/v1/scans"), 500, "DAMAGED")


def test_a_scan_needs_more_than_a_reader(stage: tuple[FakeDaemon, int], daemon: FakeDaemon) -> None:
    with connect(stage[1], "reader-token") as reader:
        problem(reader.post("/v1/scans"), 403, "FORBIDDEN")
        daemon.script("VIOLATIONS", STANDING)
        assert reader.get("/v1/scan").status_code == 200
