"""RECIPE, and what bundles make of the other commands: over a real socket, against a real node."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from adapters.store.memory import MemoryStore
from tests.fakes.served import Served, order_json, serving
from tests.fakes.wire import Wire, as_map

PARTS = {"BOLT": 20, "NUT": 9, "KIT": 0, "BOX": 0}


@asynccontextmanager
async def kits(folder: Path, store: MemoryStore | None = None) -> AsyncIterator[tuple[Served, Wire]]:
    """A node with twenty bolts and nine nuts, where a kit is four bolts and a nut, and a box two kits and a nut."""
    async with serving(folder, store, stock=None if store is not None and store.frames else PARTS) as served:
        wire = await served.connect(3)
        if await wire.call("RECIPE", "LIST") == []:
            await wire.map("RECIPE", "SET", "KIT", "BY", "ann", "LINES", "NUT", 1, "BOLT", 4)
            await wire.map("RECIPE", "SET", "BOX", "LINES", "KIT", 2, "NUT", 1)
        yield served, wire


def lines(reply: Any) -> dict[str, int]:
    return {line["sku"]: line["quantity"] for line in map(as_map, reply)}


async def test_a_recipe_is_set_shown_listed_and_dropped(tmp_path: Path) -> None:
    async with kits(tmp_path) as (_, wire):
        box = await wire.map("RECIPE", "GET", "BOX")
        assert (box["sku"], box["version"], box["together"], box["one_location"]) == ("BOX", 1, False, False)
        assert lines(box["components"]) == {"KIT": 2, "NUT": 1}
        assert lines(box["leaves"]) == {"BOLT": 8, "NUT": 3}
        kit = await wire.map("RECIPE", "SET", "KIT", "TOGETHER", "LINES", "BOLT", 4)
        assert (kit["version"], kit["together"], kit["one_location"], kit["in"]) == (2, True, True, [{"sku": "BOX"}])
        again = await wire.map("RECIPE", "SET", "KIT", "TOGETHER", "BY", "bob", "LINES", "BOLT", 4)
        assert again == kit, "the same again is no new version"
        assert (await wire.map("RECIPE", "GET", "BOX"))["one_location"] is True, "what is in it stays together"
        rows = await wire.maps("RECIPE", "LIST")
        assert [(row["sku"], row["version"]) for row in rows] == [("BOX", 1), ("KIT", 2)]
        assert await wire.maps("RECIPE", "LIST", "AFTER", "BOX", "LIMIT", 1) == rows[1:]
        dropped = await wire.map("RECIPE", "DROP", "KIT")
        assert (dropped["version"], dropped["components"], dropped["leaves"]) == (3, [], [])
        assert await wire.map("RECIPE", "DROP", "KIT") == dropped
        assert await wire.error("RECIPE", "GET", "KIT") == "NOSUCHRECIPE sku=KIT is no bundle"


async def test_what_cannot_be_a_recipe_is_named_and_changes_nothing(tmp_path: Path) -> None:
    async with kits(tmp_path) as (_, wire):
        before = await wire.maps("RECIPE", "LIST")
        most = "must be a whole number from 1 to 1000000"
        own = "'BOLT' has on_hand 20 at berlin of its own; a bundle has none"
        for words, error in [
            (("SET", "KIT", "LINES", "KIT", 1), "BADRECIPE a bundle cannot contain itself: KIT > KIT"),
            (("SET", "KIT", "LINES", "BOX", 1), "BADRECIPE a bundle cannot contain itself: KIT > BOX > KIT"),
            (("SET", "KIT", "LINES", "NONE", 1), "NOSUCHSKU sku=NONE"),
            (("SET", "NONE", "LINES", "KIT", 1), "NOSUCHSKU sku=NONE"),
            (("SET", "KIT", "LINES", "NUT", 1, "NUT", 2), "BADRECIPE component 'NUT' of 'KIT' stands there twice"),
            (("SET", "BOLT", "LINES", "NUT", 1), f"BADRECIPE {own}"),
            (("SET", "KIT", "LINES", "NUT", 0), "BADARG quantity='0': must be a whole number from 1 to 1000000000"),
            (("SET", "KIT", "LINES", "NUT", 9_999_999), f"BADARG quantity='9999999': {most}"),
            (("SET", "KIT", "LINES", "NUT"), "BADARG sku='NUT': needs a quantity"),
            (("GET", "NONE"), "NOSUCHSKU sku=NONE"),
            (("DROP", "NUT"), "NOSUCHRECIPE sku=NUT never was a bundle"),
        ]:  # fmt: skip
            assert await wire.error("RECIPE", *words) == error, words
        for words in (("SET",), ("BAKE", "KIT"), ("GET",), ("GET", "KIT", "now")):
            assert (await wire.error("RECIPE", *words)).startswith("ERR RECIPE SET sku [TOGETHER]")
        assert await wire.maps("RECIPE", "LIST") == before


async def test_a_hold_of_a_bundle_holds_its_components_and_a_repeat_is_answered_as_the_first_time(
    tmp_path: Path,
) -> None:
    async with kits(tmp_path) as (_, wire):
        first = await wire.map("HOLD", "h", "NEVER", "KIT", 1, "BOX", 1)
        assert lines(first["lines"]) == {"BOLT": 12, "NUT": 4}
        await wire.map("RECIPE", "SET", "KIT", "LINES", "NUT", 1)
        assert await wire.map("HOLD", "h", "NEVER", "BOX", 1, "KIT", 1) == first
        assert lines((await wire.map("LOOKUP", "h"))["lines"]) == {"BOLT": 12, "NUT": 4}
        assert (
            await wire.error("HOLD", "h", "NEVER", "KIT", 2)
            == "CONFLICT hold=h was asked for BOX 1 KIT 1 at direct before"
        )
        await wire.map("COMMIT", "h")
        assert await wire.map("HOLD", "h", "NEVER", "KIT", 1, "BOX", 1) == first
        short = "OUTOFSTOCK sku=KIT requested=6 atp=5 component=NUT"
        assert await wire.error("HOLD", "r", "NEVER", "KIT", 6) == short
        await wire.map("RECIPE", "DROP", "KIT")
        assert await wire.error("HOLD", "r", "NEVER", "KIT", 6) == short
        assert await wire.error("HOLD", "s", "NEVER", "KIT", 6) == "OUTOFSTOCK sku=KIT requested=6 atp=0"


async def test_lesson_f2_a_kit_and_its_part_in_one_hold(tmp_path: Path) -> None:
    async with kits(tmp_path) as (_, wire):
        assert (
            await wire.error("HOLD", "h", "NEVER", "KIT", 5, "BOLT", 1)
            == "OUTOFSTOCK sku=KIT requested=5 atp=4 component=BOLT"
        )
        assert lines((await wire.map("HOLD", "i", "NEVER", "KIT", 4, "BOLT", 4))["lines"]) == {"BOLT": 20, "NUT": 4}


async def test_a_hold_of_too_large_bundles_is_refused_at_the_door(tmp_path: Path) -> None:
    async with kits(tmp_path) as (_, wire):
        error = await wire.error("HOLD", "h", "NEVER", "KIT", 900_000_000)
        assert error == "BADARG bundles come to sku=BOLT quantity=3600000000: at most 1000000000 in all lines together"


async def test_stock_of_a_bundle_is_what_its_components_make(tmp_path: Path) -> None:
    async with kits(tmp_path) as (_, wire):
        kit = await wire.map("STOCK", "KIT")
        assert (kit["on_hand"], kit["atp"]) == (0, 5)
        assert as_map(kit["bundle"]) == {
            "version": 1,
            "one_location": False,
            "components": [
                {"sku": "BOLT", "quantity": 4, "atp": 20, "makes": 5, "binds": True},
                {"sku": "NUT", "quantity": 1, "atp": 9, "makes": 9, "binds": False},
            ],
        }
        assert (await wire.map("EXPLAIN", "BOX"))["atp"] == 2
        assert "bundle" not in await wire.map("STOCK", "BOLT")
        await wire.map("RECEIVE", "k", "NUT", "hamburg", 9)
        await wire.map("RECIPE", "SET", "KIT", "TOGETHER", "LINES", "NUT", 10)
        assert (await wire.map("STOCK", "KIT"))["atp"] == 0, "nine here and nine there"


async def test_an_order_of_a_bundle_shows_the_components_it_was_sold_in(tmp_path: Path) -> None:
    async with kits(tmp_path) as (_, wire):
        await wire.map("RECORD", order_json(sku="KIT", ordered=2))
        await wire.map("RECIPE", "SET", "KIT", "LINES", "NUT", 1)
        (line,) = map(as_map, (await wire.map("ORDER", "direct", "77"))["lines"])
        assert (line["sku"], line["open"], line["allocation"]) == ("KIT", 2, [])
        assert line["components"] == [
            {"sku": "BOLT", "quantity": 4, "allocation": [{"location": "berlin", "quantity": 8}]},
            {"sku": "NUT", "quantity": 1, "allocation": [{"location": "berlin", "quantity": 2}]},
        ]
        assert (await wire.map("STOCK", "BOLT"))["committed"] == 8


async def test_units_of_a_bundle_cannot_be_moved(tmp_path: Path) -> None:
    async with kits(tmp_path) as (_, wire):
        error = "BUNDLE sku=KIT has no stock of its own: move its components"
        assert await wire.error("RECEIVE", "k", "KIT", "berlin", 1) == error
        assert await wire.error("ADJUST", "k", "KIT", "berlin", 1, "found") == error
        assert await wire.error("COUNT", "k", "KIT", "berlin", 1, "AT", "2026-01-01T00:00:00Z") == error
        assert await wire.error("PO", "SET", "p", "berlin", "LINES", "KIT", 1) == error
        assert await wire.error("TRANSFER", "SEND", "t", "berlin", "hamburg", "LINES", "KIT", 1) == error


async def test_a_renamed_bundle_and_a_renamed_component_are_found_by_any_code(tmp_path: Path) -> None:
    """Lesson C6."""
    async with kits(tmp_path) as (_, wire):
        await wire.call("ITEM", "RENAME", "KIT", "SET-4")
        await wire.call("ITEM", "RENAME", "BOLT", "BOLT-M6")
        shown = await wire.map("RECIPE", "GET", "SET-4")
        assert (shown["sku"], lines(shown["components"])) == ("SET-4", {"BOLT-M6": 4, "NUT": 1})
        assert lines((await wire.map("HOLD", "h", "NEVER", "SET-4", 1, "KIT", 1))["lines"]) == {"BOLT-M6": 8, "NUT": 2}
        short = await wire.error("HOLD", "i", "NEVER", "SET-4", 9)
        assert short == "OUTOFSTOCK sku=SET-4 requested=9 atp=3 component=BOLT-M6"
        assert (await wire.map("STOCK", "KIT"))["atp"] == 3
        changed = await wire.map("RECIPE", "SET", "SET-4", "LINES", "BOLT-M6", 2)
        assert (changed["version"], lines(changed["components"])) == (2, {"BOLT-M6": 2})


async def test_a_retired_bundle_is_promised_to_nobody(tmp_path: Path) -> None:
    async with kits(tmp_path) as (_, wire):
        first = await wire.map("HOLD", "h", "NEVER", "KIT", 1)
        await wire.call("ITEM", "RETIRE", "KIT")
        assert await wire.error("HOLD", "i", "NEVER", "KIT", 1) == "RETIRED sku=KIT"
        assert await wire.map("HOLD", "h", "NEVER", "KIT", 1) == first
        await wire.call("ITEM", "REVIVE", "KIT")
        assert lines((await wire.map("HOLD", "i", "NEVER", "KIT", 1))["lines"]) == {"BOLT": 4, "NUT": 1}


async def test_recipes_survive_a_restart(tmp_path: Path) -> None:
    store = MemoryStore()
    async with kits(tmp_path, store) as (_, wire):
        await wire.map("RECIPE", "DROP", "BOX")
        first = await wire.map("HOLD", "h", "NEVER", "KIT", 3)
        shown = await wire.map("RECIPE", "GET", "KIT")
    async with kits(tmp_path, store) as (_, wire):
        assert await wire.map("RECIPE", "GET", "KIT") == shown
        assert shown["by"] == "ann"
        assert await wire.map("HOLD", "h", "NEVER", "KIT", 3) == first
        assert (await wire.map("STOCK", "KIT"))["atp"] == 2
        assert (await wire.map("RECIPE", "SET", "BOX", "LINES", "KIT", 1))["version"] == 3


# -- import


def recipe_rows(*rows: tuple[str, str, int]) -> list[dict[str, object]]:
    return [{"kind": "recipe", "sku": sku, "component": part, "quantity": units} for sku, part, units in rows]


async def bad_rows(wire: Wire, rows: list[dict[str, object]]) -> list[tuple[int, str, str]]:
    await wire.call("IMPORT", "STAGE", "i", json.dumps(rows))
    code, _, text = (await wire.error("IMPORT", "APPLY", "i")).partition(" ")
    assert code == "BADROWS"
    await wire.call("IMPORT", "DROP", "i")
    return [(each["row"], each["field"], each["problem"]) for each in json.loads(text)]


async def test_recipes_are_imported_with_the_skus_they_name_in_any_order(tmp_path: Path) -> None:
    async with kits(tmp_path) as (_, wire):
        rows = recipe_rows(("CASE", "BOX", 12), ("KIT", "BOLT", 4), ("CASE", "NUT", 3), ("KIT", "NUT", 1))
        rows.append({"kind": "sku", "sku": "CASE", "name": "case"})
        await wire.call("IMPORT", "STAGE", "i", json.dumps(rows))
        counts = await wire.map("IMPORT", "APPLY", "i")
        assert (counts["skus"], counts["recipes"]) == (1, 1), "the kit is as it was"
        assert lines((await wire.map("RECIPE", "GET", "CASE"))["leaves"]) == {"BOLT": 96, "NUT": 39}
        assert (await wire.map("RECIPE", "GET", "KIT"))["version"] == 1


async def test_an_import_with_a_bad_recipe_names_its_rows_and_changes_nothing(tmp_path: Path) -> None:
    async with kits(tmp_path) as (_, wire):
        before = await wire.maps("RECIPE", "LIST")
        cycle = "a bundle cannot contain itself: A > B > A"
        new: list[dict[str, object]] = [{"kind": "sku", "sku": sku} for sku in "AB"]
        assert await bad_rows(
            wire, new + recipe_rows(("A", "B", 1), ("NUT", "A", 1), ("B", "BOLT", 1), ("B", "A", 2))
        ) == [
            (2, "component", cycle),
            (3, "sku", "'NUT' has on_hand 9 at berlin of its own; a bundle has none"),
            (5, "component", cycle),
        ]
        assert await bad_rows(wire, recipe_rows(("KIT", "NUT", 1), ("KIT", "NUT", 2), ("NONE", "NUT", 1))) == [
            (1, "component", "row 0 says it already"),
            (2, "sku", "no SKU 'NONE' in the catalogue or in this import"),
        ]
        both = recipe_rows(("KIT", "NUT", 1), ("KIT", "BOLT", 2))
        both[1]["together"] = True
        assert await bad_rows(wire, both) == [(1, "together", "row 0 says otherwise for 'KIT'")]
        stock: dict[str, object] = {"kind": "stock", "sku": "KIT", "location": "berlin", "on_hand": 3}
        assert await bad_rows(wire, [stock]) == [
            (0, "sku", "'KIT' is a bundle, or will be one: it has no stock of its own")
        ]
        assert await wire.maps("RECIPE", "LIST") == before


async def test_what_is_exported_comes_back_and_changes_nothing(tmp_path: Path) -> None:
    async with kits(tmp_path) as (_, wire):
        await wire.map("RECIPE", "SET", "KIT", "TOGETHER", "LINES", "BOLT", 4)
        page = await wire.map("EXPORT", "recipes")
        rows = [as_map(row) for row in page["rows"]]
        assert (page["cursor"], rows) == (
            None,
            [
                {"sku": "KIT", "component": "BOLT", "quantity": 4, "together": True},
                {"sku": "BOX", "component": "KIT", "quantity": 2, "together": False},
                {"sku": "BOX", "component": "NUT", "quantity": 1, "together": False},
            ],
        )
        await wire.call("IMPORT", "STAGE", "i", json.dumps([row | {"kind": "recipe"} for row in rows]))
        assert set((await wire.map("IMPORT", "APPLY", "i")).values()) == {0}
