"""Rules over REST: what reaches the daemon, and how it comes back."""

import json
from typing import Any

import httpx
import pytest

from tests.fakes.daemon import NOW, FakeDaemon, Refusal
from tests.fakes.gateway import problem

BOOK: dict[str, Any] = {"default": {"buffer": 2}, "skus": {"A-1": {"quotas": {"shop": 4}}}}
VERSION: dict[str, Any] = {"version": 3, "at": NOW, "by": "all", "note": None, "source": "command", "rules_set": 2}
PREVIEW: dict[str, Any] = {
    "version": 3,
    "listings": 2,
    "changed": 1,
    "raised": 0,
    "lowered": 1,
    "to_zero": 1,
    "from_zero": 0,
    "accounts": [{"account": "shop", "changed": 1}],
    "warnings": ["1 of 2 listings on sale would fall to zero"],
    "notes": [],
    "rows": [{"account": "shop", "listing": "17", "sku": "A-1", "from": 2, "to": 0, "because": "buffer: 0 -> 2"}],
}


def test_a_book_is_shown_as_json_not_as_a_text(api: httpx.Client, daemon: FakeDaemon) -> None:
    daemon.script("RULES", VERSION | {"in_force": 3, "offers_left": 0, "rules": json.dumps(BOOK)})
    shown = api.get("/v1/rules")
    assert shown.status_code == 200
    assert shown.json()["rules"] == BOOK
    assert daemon.commands == [("RULES", "SHOW")]


def test_a_book_is_set_in_the_name_of_the_token(api: httpx.Client, daemon: FakeDaemon) -> None:
    daemon.script("RULES", VERSION)
    made = api.put("/v1/rules", json={"rules": BOOK, "if_version": 2, "note": "before 11.11"})
    assert (made.status_code, made.json()["version"]) == (200, 3)
    ((*words, book), options) = (daemon.commands[0][:3], daemon.commands[0][3:])
    assert (words, json.loads(book)) == (["RULES", "SET"], BOOK)
    assert options == ("IF", "2", "NOTE", "before 11.11", "BY", "all")


def test_a_preview_is_asked_for_and_changes_nothing(api: httpx.Client, daemon: FakeDaemon) -> None:
    daemon.script("RULES", PREVIEW)
    told = api.post("/v1/rules/preview", json={"rules": BOOK, "limit": 1})
    assert (told.status_code, told.json()) == (200, PREVIEW)
    assert daemon.commands[0][:2] == ("RULES", "PREVIEW")
    assert daemon.commands[0][3:] == ("LIMIT", "1")


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"rules": {"default": {"share": 2}}}, "$.rules.default.share"),
        ({"rules": {"defualt": {}}}, "$.rules"),
        ({"rules": {}, "if_version": -1}, "$.if_version"),
    ],
)
def test_a_body_that_is_no_book_never_reaches_the_daemon(
    api: httpx.Client, daemon: FakeDaemon, body: dict[str, Any], path: str
) -> None:
    refused = problem(api.put("/v1/rules", json=body), 400, "BADREQUEST")
    assert path in refused["detail"]
    assert daemon.commands == []


def test_what_the_daemon_refuses_is_a_problem(api: httpx.Client, daemon: FakeDaemon) -> None:
    daemon.script("RULES", Refusal("BADARG rules: accounts.shp: no account has the id 'shp'"), Refusal("STALE newer"))
    refused = problem(api.put("/v1/rules", json={"rules": BOOK}), 422, "BADARG")
    assert "accounts.shp" in refused["detail"]
    problem(api.put("/v1/rules", json={"rules": BOOK, "if_version": 1}), 409, "STALE")
