"""The catalogue over REST: what reaches the daemon, and how it comes back."""

from typing import Any

import httpx
import pytest

from tests.fakes.daemon import NOW, FakeDaemon, Refusal
from tests.fakes.gateway import problem

SUMMARY: dict[str, Any] = {"sku": "MUG", "name": "Mug", "category": "Mugs", "barcode": None, "retired": False}
ITEM: dict[str, Any] = {
    "sku": "a/b ü",
    "id": "A-1",
    "name": "Mug",
    "retired": False,
    "aliases": [{"code": "A-1", "until": NOW}],
    "category": "Mugs",
    "attributes": {"colour": "blue"},
    "barcodes": ["4006381333931"],
    "weight_grams": 350,
    "length_mm": None,
    "width_mm": None,
    "height_mm": None,
    "cost": "2.50 EUR",
    "prices": {"shop": "9.99 EUR"},
    "supplier": "",
    "lead_days": None,
    "images": [],
}
PATH = "/v1/items/a%2Fb%20%C3%BC"


def test_an_item_is_shown_described_and_decided_about(api: httpx.Client, daemon: FakeDaemon) -> None:
    daemon.script("ITEM", *[ITEM] * 6)
    answers = [
        api.get(PATH),
        api.patch(PATH, json={"cost": None, "attributes": {"size": "L"}}),
        api.post(f"{PATH}/rename", json={"new": "MUG"}),
        api.post(f"{PATH}/merge", json={"into": "MUG"}),
        api.post(f"{PATH}/retire"),
        api.post(f"{PATH}/revive"),
    ]
    assert [answer.status_code for answer in answers] == [200] * 6
    assert daemon.commands == [
        ("ITEM", "GET", "a/b ü"),
        ("ITEM", "SET", "a/b ü", '{"attributes":{"size":"L"},"cost":null}', "BY", "all"),
        ("ITEM", "RENAME", "a/b ü", "MUG", "BY", "all"),
        ("ITEM", "MERGE", "a/b ü", "MUG", "BY", "all"),
        ("ITEM", "RETIRE", "a/b ü", "BY", "all"),
        ("ITEM", "REVIVE", "a/b ü", "BY", "all"),
    ]
    told = answers[0].json()
    assert told.pop("aliases")[0]["code"] == "A-1"
    assert told == {name: value for name, value in ITEM.items() if name != "aliases"}


def test_items_are_found_or_walked(api: httpx.Client, daemon: FakeDaemon) -> None:
    daemon.script("ITEM", [SUMMARY], {"rows": [SUMMARY], "cursor": 7}, {"rows": [], "cursor": None})
    assert api.get("/v1/items", params={"q": "mug", "limit": 5}).json() == {"items": [SUMMARY], "cursor": None}
    assert api.get("/v1/items").json() == {"items": [SUMMARY], "cursor": "7"}
    assert api.get("/v1/items", params={"cursor": "7"}).json() == {"items": [], "cursor": None}
    assert daemon.commands == [
        ("ITEM", "FIND", "mug", "LIMIT", "5"),
        ("ITEM", "LIST", "LIMIT", "100"),
        ("ITEM", "LIST", "CURSOR", "7", "LIMIT", "100"),
    ]


@pytest.mark.parametrize(
    ("refusal", "status"),
    [
        (Refusal("INUSE sku=A cannot be merged while there are open holds h"), 409),
        (Refusal("CONFLICT code=B is a SKU already"), 409),
        (Refusal("NOSUCHSKU sku=A"), 404),
        (Refusal("BADARG cost: 'x' is not an amount"), 422),
    ],
)
def test_refusals_keep_their_code(api: httpx.Client, daemon: FakeDaemon, refusal: Refusal, status: int) -> None:
    daemon.script("ITEM", refusal)
    problem(api.post(f"{PATH}/merge", json={"into": "B"}), status, refusal.partition(" ")[0])


def test_a_misspelt_field_is_an_error(api: httpx.Client, daemon: FakeDaemon) -> None:
    told = problem(api.patch(PATH, json={"wieght_grams": 1}), 400, "BADREQUEST")
    assert "wieght_grams" in told["detail"]
    assert daemon.commands == []
