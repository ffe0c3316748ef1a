"""ITEM, IMPORT and EXPORT over a real socket, against a real node; and every other command under a new name."""

import json
from pathlib import Path
from typing import Any

import pytest

from adapters.store.memory import MemoryStore
from engine.domain.catalogue.pieces import EVENTS_MAX
from tests.fakes.served import order_json, serving
from tests.fakes.wire import Wire

EAN = "4006381333931"
NO_MONEY = "'1' is not an amount and a currency, as in 12.50 EUR"
MUG = {
    "name": " Mug,\n blue ",
    "category": "Mugs",
    "attributes": {"colour": "blue"},
    "barcodes": ["4 006381 333931"],
    "weight_grams": 350,
    "cost": "2.50 EUR",
}


async def stage(wire: Wire, *rows: object) -> None:
    assert await wire.call("IMPORT", "STAGE", "i", json.dumps(rows)) == "OK"


async def test_an_item_is_described_found_and_shown(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        wire = await served.connect(3)
        item = await wire.map("ITEM", "SET", "A-1", json.dumps(MUG), "BY", "ann")
        assert (item["sku"], item["id"], item["name"], item["aliases"]) == ("A-1", "A-1", "Mug, blue", [])
        assert (item["category"], item["barcodes"], item["weight_grams"]) == ("Mugs", [EAN], 350)
        assert item["attributes"] == {"colour": "blue"}
        for word in ("A-1", EAN, "0" + EAN):
            assert await wire.map("ITEM", "GET", word) == item
        row = {"sku": "A-1", "name": "Mug, blue", "category": "Mugs", "barcode": EAN, "retired": False}
        for text in ("a-", "BLUE mug", EAN):
            assert await wire.maps("ITEM", "FIND", text) == [row]
        assert [each["sku"] for each in await wire.maps("ITEM", "FIND", "item", "LIMIT", 1)] == ["B-2"]
        page = await wire.map("ITEM", "LIST", "LIMIT", 2)
        assert ([each["sku"] for each in page["rows"]], page["cursor"]) == (["A-1", "B-2"], 2)
        page = await wire.map("ITEM", "LIST", "CURSOR", page["cursor"])
        assert ([each["sku"] for each in page["rows"]], page["cursor"]) == (["C-3"], None)


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("ITEM", "GET", "GONE"), "NOSUCHSKU sku=GONE"),
        (("ITEM", "SET", "GONE", "{}"), "NOSUCHSKU sku=GONE"),
        (("ITEM", "SET", "A-1", '{"wieght": 1}'), "BADARG item: Object contains unknown field `wieght`"),
        (
            ("ITEM", "SET", "A-1", '{"cost": "1", "barcodes": ["1"]}'),
            f"BADARG cost: {NO_MONEY}; barcodes: barcode '1' has 1 digits, a GTIN has 8, 12, 13 or 14",
        ),
        (("ITEM", "SET", "A-1", '{"prices": {"shop": "1 EUR"}}'), "BADARG prices.shop: no account 'shop'"),
        (("ITEM", "RENAME", "A-1", "B-2"), "CONFLICT code=B-2 is a SKU already: ITEM MERGE makes one of two"),
        (("ITEM", "MERGE", "A-1", "A-1"), "BADARG sku=A-1: these are one SKU already"),
        (("ITEM", "FIND", " "), "BADARG text=' ': must not be empty"),
        (("ITEM", "LIST", "CURSOR", "x"), "BADARG cursor='x': must be the cursor of the page before"),
        (("EXPORT", "orders"), "BADARG kind='orders': expected catalogue, listings, stock, recipes"),
        (("IMPORT", "CHECK", "i"), "BADARG import-id='i': nothing is staged under it on this connection"),
    ],
)
async def test_what_cannot_be_is_refused_in_words(tmp_path: Path, words: tuple[str, ...], error: str) -> None:
    async with serving(tmp_path) as served:
        wire = await served.connect()
        assert await wire.error(*words) == error


async def test_a_barcode_has_one_owner(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        wire = await served.connect()
        await wire.map("ITEM", "SET", "A-1", json.dumps({"barcodes": [EAN]}))
        refused = await wire.error("ITEM", "SET", "B-2", json.dumps({"barcodes": ["0" + EAN]}))
        assert refused == f"BADARG barcodes: barcode 0{EAN} is A-1's already"
        rows = [{"kind": "sku", "sku": "A-1", "barcodes": []}, {"kind": "sku", "sku": "B-2", "barcodes": [EAN]}]
        await stage(wire, *reversed(rows))
        assert (await wire.map("IMPORT", "APPLY", "i"))["items"] == 2
        assert (await wire.map("ITEM", "GET", EAN))["sku"] == "B-2"


async def test_after_a_rename_every_answer_has_the_new_name(tmp_path: Path) -> None:
    """Lesson C6. Old names are still understood, by every command."""
    async with serving(tmp_path) as served:
        wire = await served.connect(3)
        await wire.call("RECORD", order_json())
        item = await wire.map("ITEM", "RENAME", "A-1", "MUG")
        assert (item["sku"], item["id"], item["aliases"][0]["code"]) == ("MUG", "A-1", "A-1")
        for name in ("A-1", "MUG"):
            held = await wire.map("HOLD", f"h-{name}", 60, name, 1)
            assert [line["sku"] for line in held["lines"]] == ["MUG"]
            stock = await wire.map("STOCK", name)
            assert (stock["sku"], stock["on_hand"], stock["committed"]) == ("MUG", 10, 2)
            for view in ("OFFERS", "EXPLAIN"):
                assert (await wire.map(view, name))["sku"] == "MUG"
        assert (await wire.map("LOOKUP", "h-A-1"))["lines"][0]["sku"] == "MUG"
        assert await wire.error("HOLD", "many", 60, "A-1", 99) == "OUTOFSTOCK sku=MUG requested=99 atp=6"
        assert (await wire.map("RECEIVE", "r", "A-1", "berlin", 1))["sku"] == "MUG"
        order = await wire.map("ORDER", "direct", "77")
        assert [line["sku"] for line in order["lines"]] == ["MUG"]
        assert await wire.error("HOLD", "h", 60, "B-2", 99) == "OUTOFSTOCK sku=B-2 requested=99 atp=20"
        now = served.node.clock.now().isoformat()
        feed = ("SNAPSHOT", "s", "berlin", "3pl", "AS_OF", now, "NETS", "no", "LINES")
        both = (await wire.map(*feed, "MUG", 9, "B-2", 20, "A-1", 8))["rows"]
        assert [(row["sku"], row["outcome"], row["delta"]) for row in both] == [
            ("MUG", "applied", -2),
            ("B-2", "applied", 0),
            ("MUG", "refused", None),
        ], "one SKU under two names: the first word counts"


async def test_a_retired_sku_is_not_held(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        wire = await served.connect(3)
        assert (await wire.map("ITEM", "RETIRE", "A-1"))["retired"] is True
        assert await wire.error("HOLD", "h", 60, "A-1", 1) == "RETIRED sku=A-1"
        assert await wire.error("HOLD", "h2", 60, "B-2", 1, "A-1", 1) == "RETIRED sku=A-1"
        assert (await wire.map("ITEM", "REVIVE", "A-1"))["retired"] is False
        assert (await wire.map("HOLD", "h", 60, "A-1", 1))["hold"] == "h"


async def test_a_merge_is_told_by_the_sku_that_stays(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        wire = await served.connect(3)
        await wire.map("HOLD", "h", 60, "A-1", 1)
        assert (await wire.error("ITEM", "MERGE", "A-1", "B-2")) == (
            "INUSE sku=A-1 cannot be merged while there are open holds h"
        )
        await wire.map("RELEASE", "h")
        item = await wire.map("ITEM", "MERGE", "A-1", "B-2")
        assert (item["sku"], [alias["code"] for alias in item["aliases"]]) == ("B-2", ["A-1"])
        stock = await wire.map("STOCK", "A-1")
        assert (stock["sku"], stock["on_hand"]) == ("B-2", 30)


async def test_an_import_is_checked_a_few_rows_at_a_time(tmp_path: Path) -> None:
    async with serving(tmp_path, stock=None) as served:
        wire = await served.connect(3)
        await stage(wire, *({"kind": "sku", "sku": f"S-{number}"} for number in range(5)))
        checked = [await wire.map("IMPORT", "CHECK", "i", "ROWS", 2) for _ in range(3)]
        assert checked == [{"checked": 2, "done": False}, {"checked": 4, "done": False}, {"checked": 5, "done": True}]
        other = await served.connect(3)
        await stage(other, {"kind": "sku", "sku": "S-1", "name": "quicker"})
        assert (await other.map("IMPORT", "APPLY", "i"))["skus"] == 1
        assert (await wire.map("IMPORT", "APPLY", "i"))["skus"] == 4, "planned anew on what is there now"
        assert (await wire.map("STOCK", "S-1"))["name"] == "quicker"


async def test_how_far_an_import_is_may_be_asked_on_any_connection(tmp_path: Path) -> None:
    async with serving(tmp_path, stock=None) as served:
        wire, other = await served.connect(3), await served.connect(3)
        assert await other.map("IMPORT", "STATUS") == {"pieces": 0, "pieces_left": 0}
        await stage(wire, *({"kind": "sku", "sku": f"S-{number}"} for number in range(20 * EVENTS_MAX)))
        await wire.send("IMPORT", "APPLY", "i")
        while (status := await other.map("IMPORT", "STATUS"))["pieces_left"] == 0:
            assert status == {"pieces": 0, "pieces_left": 0}
        assert status["pieces"] == 19, "the first of twenty happens with the decision"
        await wire.read()
        assert await other.map("IMPORT", "STATUS") == {"pieces": 19, "pieces_left": 0}
        assert (await other.error("IMPORT", "CHECK")).startswith("ERR IMPORT STAGE import-id json")


async def walk(wire: Wire, kind: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    cursor = 0
    while cursor is not None:
        page = await wire.map("EXPORT", kind, "CURSOR", cursor, "LIMIT", 2)
        rows += page["rows"]
        cursor = page["cursor"]
    return rows


async def test_what_is_exported_changes_nothing_when_it_is_imported(tmp_path: Path) -> None:
    """Lessons E9, E10: an export that comes back late must not undo what happened since."""
    store = MemoryStore()
    async with serving(tmp_path, store) as served:
        wire = await served.connect(3)
        await wire.map("ITEM", "SET", "A-1", json.dumps(MUG))
        await wire.map("ITEM", "RENAME", "B-2", "BELL")
        await wire.map("ADJUST", "k1", "C-3", "berlin", -1, "damaged")
        rows = [{"kind": "sku", **row} for row in await walk(wire, "catalogue")]
        assert [row["sku"] for row in rows] == ["A-1", "BELL", "C-3"]
        rows += [{"kind": "stock", **row} for row in await walk(wire, "stock")]
        assert rows[-1] == {"kind": "stock", "sku": "C-3", "location": "berlin", "on_hand": 29}
        before = len(store.frames)
        await stage(wire, *rows)
        assert set((await wire.map("IMPORT", "APPLY", "i")).values()) == {0}
        assert len(store.frames) == before
        await wire.map("ADJUST", "k2", "C-3", "berlin", -1, "damaged")
        await stage(wire, *rows)
        assert "has moved before: use ADJUST" in await wire.error("IMPORT", "APPLY", "i")


async def test_one_bad_row_among_many_stops_all_of_them(tmp_path: Path) -> None:
    store = MemoryStore()
    async with serving(tmp_path, store, stock=None) as served:
        wire = await served.connect(3)
        rows: list[dict[str, object]] = [{"kind": "sku", "sku": f"S-{number}", "name": "x"} for number in range(5000)]
        rows[4711] |= {"cost": "free", "weight_grams": 1}
        await stage(wire, *rows)
        refused = await wire.error("IMPORT", "APPLY", "i")
        problem = {"row": 4711, "field": "cost", "problem": "'free' is not an amount and a currency, as in 12.50 EUR"}
        assert json.loads(refused.removeprefix("BADROWS ")) == [problem]
        assert store.frames == []
        assert await wire.error("STOCK", "S-0") == "NOSUCHSKU sku=S-0"
