"""Campaigns over REST: what reaches the daemon, and how it comes back."""

from typing import Any

import httpx
import pytest

from tests.fakes.daemon import FakeDaemon, Refusal
from tests.fakes.gateway import connect, problem

BODY: dict[str, Any] = {
    "account": "shop",
    "sku": "A-1",
    "quota": 120,
    "starts_at": "2026-11-11T00:00:00+08:00",
    "ends_at": "2026-11-12T00:00:00+08:00",
}
CAMPAIGN: dict[str, Any] = {
    "campaign": "11/11",
    "account": "shop",
    "sku": "A-1",
    "listing": None,
    "phase": "planned",
    "quota": 120,
    "sold": 0,
    "remainder": 120,
    "lock": "open",
    "starts_at": "2026-11-10T16:00:00Z",
    "ends_at": "2026-11-11T16:00:00Z",
    "returns_at": "2026-11-12T16:00:00Z",
    "returned_at": None,
    "returned_by": None,
    "shown": None,
    "by": "all",
    "note": None,
}
WINDOW = "FROM 2026-11-11T00:00:00+08:00 TO 2026-11-12T00:00:00+08:00"


def test_a_campaign_is_put_under_its_key_in_the_name_of_the_token(api: httpx.Client, daemon: FakeDaemon) -> None:
    daemon.script("CAMPAIGN", CAMPAIGN, CAMPAIGN)
    made = api.put("/v1/campaigns/11%2F11", json=BODY)
    assert (made.status_code, made.json()) == (200, CAMPAIGN)
    assert " ".join(daemon.commands[0]) == f"CAMPAIGN SET 11/11 shop A-1 120 {WINDOW} LOCK open RETURN 24 BY all"
    more = {"lock": "increase_only", "listing": "17", "return_hours": 48, "note": "agreed"}
    assert api.put("/v1/campaigns/11%2F11", json=BODY | more).status_code == 200
    assert " ".join(daemon.commands[1][10:]) == "LOCK increase_only LISTING 17 RETURN 48 NOTE agreed BY all"


def test_campaigns_are_listed_and_shown(api: httpx.Client, daemon: FakeDaemon) -> None:
    daemon.script("CAMPAIGN", [CAMPAIGN], [], CAMPAIGN)
    assert api.get("/v1/campaigns").json() == {"campaigns": [CAMPAIGN]}
    assert api.get("/v1/campaigns", params={"state": "all", "limit": 3}).json() == {"campaigns": []}
    assert api.get("/v1/campaigns/11%2F11").json() == CAMPAIGN
    assert [" ".join(words) for words in daemon.commands] == [
        "CAMPAIGN LIST OPEN LIMIT 50",
        "CAMPAIGN LIST ALL LIMIT 3",
        "CAMPAIGN GET 11/11",
    ]


@pytest.mark.parametrize("action", ["end", "return"])
def test_a_campaign_is_ended_and_its_rest_believed_to_be_back(
    api: httpx.Client, daemon: FakeDaemon, action: str
) -> None:
    over = CAMPAIGN | {"phase": "over", "returned_at": "2026-11-11T17:00:00Z", "returned_by": "all"}
    daemon.script("CAMPAIGN", over, over)
    done = api.post(f"/v1/campaigns/11%2F11/{action}", json={"note": "seen in the seller centre"})
    assert (done.status_code, done.json()) == (200, over)
    assert api.post(f"/v1/campaigns/11%2F11/{action}").status_code == 200
    word = action.upper()
    assert daemon.commands == [
        ("CAMPAIGN", word, "11/11", "NOTE", "seen in the seller centre", "BY", "all"),
        ("CAMPAIGN", word, "11/11", "BY", "all"),
    ]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"quota": 0}, "$.quota"),
        ({"lock": "shut"}, "$.lock"),
        ({"starts_at": "2026-11-11T00:00:00"}, "$.starts_at"),
        ({"return_hours": -1}, "$.return_hours"),
        ({"qouta": 3}, "$"),
    ],
)
def test_terms_that_cannot_be_never_reach_the_daemon(
    api: httpx.Client, daemon: FakeDaemon, change: dict[str, Any], path: str
) -> None:
    refused = problem(api.put("/v1/campaigns/11.11", json=BODY | change), 400, "BADREQUEST")
    assert refused["path"] == path
    assert daemon.commands == []


def test_what_the_daemon_refuses_is_a_problem(api: httpx.Client, daemon: FakeDaemon) -> None:
    daemon.script(
        "CAMPAIGN",
        Refusal("CONFLICT campaign=11.11 was set with other terms before"),
        Refusal("NOSUCHCAMPAIGN campaign=9.9"),
        Refusal("RUNNING campaign=11.11 ends at 2026-11-11T16:00:00+00:00: end it first"),
    )
    problem(api.put("/v1/campaigns/11.11", json=BODY), 409, "CONFLICT")
    assert problem(api.get("/v1/campaigns/9.9"), 404, "NOSUCHCAMPAIGN")["detail"] == "campaign=9.9"
    problem(api.post("/v1/campaigns/11.11/return"), 409, "RUNNING")


def test_a_token_without_the_scope_changes_nothing(stage: tuple[FakeDaemon, int], daemon: FakeDaemon) -> None:
    with connect(stage[1], "reader-token") as reader:
        problem(reader.put("/v1/campaigns/11.11", json=BODY), 403, "FORBIDDEN")
        problem(reader.post("/v1/campaigns/11.11/end"), 403, "FORBIDDEN")
    assert daemon.commands == []
