"""`items`, `export` and the progress of `import`, against a client that answers as scripted."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ops.cli.errors import Refusal
from ops.cli.invocation import Invocation
from ops.cli.main import main
from tests.fakes.client import FakeClient

ITEM: dict[str, Any] = {
    "sku": "MUG",
    "id": "A-1",
    "name": "Mug, blue",
    "retired": False,
    "aliases": [{"code": "A-1", "until": "2026-11-11T12:00:00.000000Z"}],
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
ROW = {
    name: value
    for name, value in ITEM.items()
    if value not in ("", None, []) and name not in {"id", "aliases", "retired"}
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lastunit.toml").write_text('[[locations]]\nid = "berlin"\n')
    return tmp_path


def run(client: FakeClient, *words: str) -> Result:
    result = CliRunner().invoke(main, words, obj=Invocation(connect=lambda: client))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_an_item_is_shown_with_what_is_known() -> None:
    shown = run(FakeClient({"ITEM GET": ITEM}), "items", "show", "A-1").stdout
    assert shown.splitlines() == [
        "sku           MUG",
        "id            A-1",
        "name          Mug, blue",
        "aliases       A-1 (until 2026-11-11 12:00:00)",
        "category      Mugs",
        "attributes    colour blue",
        "barcodes      4006381333931",
        "weight grams  350",
        "cost          2.50 EUR",
        "prices        shop 9.99 EUR",
    ]
    assert json.loads(run(FakeClient({"ITEM GET": ITEM}), "items", "show", "A-1", "--json").stdout) == ITEM


def test_items_are_found() -> None:
    row = {"sku": "MUG", "name": "Mug, blue", "category": "", "barcode": None, "retired": True}
    client = FakeClient({"ITEM FIND": [row]})
    assert run(client, "items", "find", "mug", "--limit", "7").stdout.split() == [
        "sku", "name", "retired", "MUG", "Mug,", "blue", "retired",
    ]  # fmt: skip
    assert client.said == [("ITEM", "FIND", "mug", "LIMIT", "7")]
    assert run(FakeClient({"ITEM FIND": []}), "items", "find", "zzz").stdout == "Nothing is called zzz.\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("rename", "A", "B", "--by", "ann"), ("ITEM", "RENAME", "A", "B", "BY", "ann")),
        (("merge", "A", "B", "--yes"), ("ITEM", "MERGE", "A", "B")),
        (("retire", "A"), ("ITEM", "RETIRE", "A")),
        (("revive", "A"), ("ITEM", "REVIVE", "A")),
    ],
)
def test_a_decision_is_one_command(words: tuple[str, ...], said: tuple[str, ...]) -> None:
    client = FakeClient({said[0] + " " + said[1]: ITEM})
    assert run(client, "items", *words).exit_code == 0
    assert client.said == [said]


def test_a_merge_is_asked_about_once_more() -> None:
    client = FakeClient({"ITEM MERGE": ITEM})
    assert run(client, "items", "merge", "A", "B").exit_code == 1
    assert client.said == []


def test_a_refusal_says_what_to_do() -> None:
    refused = FakeClient({"ITEM MERGE": Refusal("INUSE", "sku=A cannot be merged while there are open holds h")})
    result = run(refused, "items", "merge", "A", "B", "--yes")
    assert (result.exit_code, "release, ship, receive or cancel first" in result.stderr) == (1, True)


def pages(*rows: dict[str, Any]) -> FakeClient:
    return FakeClient({"EXPORT": {"rows": list(rows), "cursor": None}})


def test_the_catalogue_is_written_as_it_is_read(folder: Path) -> None:
    result = run(pages(ROW | {"safety_stock": {"berlin": 2}, "name": "=1+1"}), "export", "catalogue", "c.csv")
    assert result.stderr == "c.csv: 1 rows\n"
    assert (folder / "c.csv").read_bytes().decode() == (
        "sku,safety_stock,name,category,attributes,barcodes,weight_grams,length_mm,width_mm,height_mm,cost,supplier,"
        "lead_days,images\r\n"
        "MUG,berlin=2,'=1+1,Mugs,colour=blue,4006381333931,350,,,,2.50 EUR,,,\r\n"
    )
    raw = run(pages(ROW | {"name": "=1+1"}), "export", "catalogue", "--raw").stdout
    assert ",=1+1," in raw


def test_stock_and_listings_are_written() -> None:
    row = {"sku": "00017", "location": "berlin", "on_hand": 4}
    assert run(pages(row), "export", "stock").stdout_bytes == b"sku,location,on_hand\r\n00017,berlin,4\r\n"
    row = {"account": "shop", "listing": "1/2", "sku": "-A", "pack_units": 6}
    assert run(pages(row), "export", "listings", "--bom").stdout_bytes.decode() == (
        "\ufeffaccount,listing,sku,pack_units\r\nshop,1/2,'-A,6\r\n"
    )


def test_a_large_import_says_how_far_it_is(folder: Path) -> None:
    lines = ["sku", *(f"S-{number}" for number in range(20_000))]
    (folder / "c.csv").write_text("\n".join(lines) + "\n")
    checked = iter([{"checked": 10_000, "done": False}, {"checked": 20_000, "done": True}])

    class Checking(FakeClient):
        def call(self, *words: str | bytes, seconds_max: float = 30) -> Any:
            answer = super().call(*words, seconds_max=seconds_max)
            return next(checked) if words[1] == "CHECK" else answer

    client = Checking({"IMPORT STAGE": "OK", "IMPORT CHECK": {}, "IMPORT APPLY": {"skus": 20_000}})
    result = run(client, "import", "--catalogue", "c.csv")
    assert result.stdout == "changed: skus 20000\n"
    told = result.stderr.splitlines()
    assert [line for line in told if line.startswith("checking")] == [
        "checking: 10000 of 20000",
        "checking: 20000 of 20000",
    ]
    assert told[0] == "reading c.csv: 3000 of 20001"
    assert "sending: 20000 of 20000" in told
