"""Recipes over REST: what reaches the daemon, and how it comes back."""

from typing import Any

import httpx
import pytest

from tests.fakes.daemon import NOW, FakeDaemon, Refusal
from tests.fakes.gateway import problem

ROW: dict[str, Any] = {
    "sku": "a/b c/ü",
    "version": 2,
    "together": True,
    "components": [{"sku": "A-1", "quantity": 4}],
}
RECIPE: dict[str, Any] = ROW | {
    "leaves": [{"sku": "A-1", "quantity": 4}],
    "one_location": True,
    "in": [{"sku": "BOX"}],
    "set_at": NOW,
    "by": "all",
}


PATH = "/v1/recipes/a/b%20c/%C3%BC"


def test_a_recipe_is_set_shown_and_dropped(api: httpx.Client, daemon: FakeDaemon) -> None:
    daemon.script("RECIPE", RECIPE, RECIPE, RECIPE | {"components": [], "leaves": []})
    body = {"components": [{"sku": "BY", "quantity": 1}, {"sku": "A-1", "quantity": 4}], "together": True}
    answers = [api.put(PATH, json=body), api.get(PATH), api.delete(PATH)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert daemon.commands == [
        ("RECIPE", "SET", "a/b c/ü", "TOGETHER", "BY", "all", "LINES", "BY", "1", "A-1", "4"),
        ("RECIPE", "GET", "a/b c/ü"),
        ("RECIPE", "DROP", "a/b c/ü", "BY", "all"),
    ]
    told = answers[0].json()
    assert told.pop("set_at").startswith("2026-11-11T12:00:00")
    assert told == {name: value for name, value in RECIPE.items() if name != "set_at"}
    assert answers[2].json()["components"] == []


def test_bundles_are_listed_a_page_at_a_time(api: httpx.Client, daemon: FakeDaemon) -> None:
    daemon.script("RECIPE", [ROW], [ROW])
    first = api.get("/v1/recipes", params={"limit": 1}).json()
    assert first == {"recipes": [ROW], "after": "a/b c/ü"}
    assert api.get("/v1/recipes", params={"after": first["after"]}).json() == {"recipes": [ROW], "after": None}
    assert daemon.commands == [
        ("RECIPE", "LIST", "LIMIT", "1"),
        ("RECIPE", "LIST", "AFTER", "a/b c/ü", "LIMIT", "100"),
    ]


@pytest.mark.parametrize(
    ("refusal", "status", "code"),
    [
        ("BADRECIPE a bundle cannot contain itself: KIT > BOX > KIT", 422, "BADRECIPE"),
        ("NOSUCHSKU sku=NONE", 404, "NOSUCHSKU"),
        ("NOSUCHRECIPE sku=KIT is no bundle", 404, "NOSUCHRECIPE"),
    ],
)
def test_a_refusal_is_a_problem(api: httpx.Client, daemon: FakeDaemon, refusal: str, status: int, code: str) -> None:
    daemon.script("RECIPE", Refusal(refusal))
    answer = api.put("/v1/recipes/KIT", json={"components": [{"sku": "BOX", "quantity": 1}]})
    assert problem(answer, status, code)["detail"] == refusal.partition(" ")[2]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"components": []}, "$.components"),
        ({"components": [{"sku": "A", "quantity": 0}]}, "$.components[0].quantity"),
        ({"components": [{"sku": "A", "quantity": 1_000_001}]}, "$.components[0].quantity"),
        ({"components": [{"sku": "A", "quantity": 1}], "togther": True}, "$"),
    ],
)
def test_a_recipe_that_cannot_be_read_reaches_nobody(
    api: httpx.Client, daemon: FakeDaemon, body: dict[str, Any], path: str
) -> None:
    answer = api.put("/v1/recipes/KIT", json=body)
    assert problem(answer, 400, "BADREQUEST")["path"] == path
    assert daemon.commands == []


def test_a_short_bundle_names_its_component(api: httpx.Client, daemon: FakeDaemon) -> None:
    daemon.script("HOLD", Refusal("OUTOFSTOCK sku=KIT requested=3 atp=-2 component=BOLT M6"))
    hold = {"hold": "h", "ttl_seconds": 60, "lines": [{"sku": "KIT", "quantity": 3}]}
    found = problem(api.post("/v1/holds", json=hold), 409, "OUTOFSTOCK")
    assert {name: found[name] for name in ("sku", "requested", "atp", "component")} == {
        "sku": "KIT",
        "requested": 3,
        "atp": -2,
        "component": "BOLT M6",
    }


def test_stock_tells_what_a_bundle_is_made_of(api: httpx.Client, daemon: FakeDaemon) -> None:
    stock = daemon.on_stock("A-1")
    assert isinstance(stock, dict)
    component = {"sku": "BOLT", "quantity": 4, "atp": 9, "makes": 2, "binds": True}
    bundle = {"version": 1, "one_location": False, "components": [component]}
    daemon.script("STOCK", stock | {"bundle": bundle})
    assert api.get("/v1/stock/A-1").json()["bundle"] == bundle
    assert api.get("/v1/stock/A-1").json()["bundle"] is None
