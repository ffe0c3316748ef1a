"""`lastunit recipes` and `import --recipes`: what people read, what programs read, and bad rows by line and column."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ops.cli.csvfiles import RECIPES, Known, parse
from ops.cli.invocation import Invocation
from ops.cli.main import main
from tests.fakes.answers import NOON
from tests.fakes.client import FakeClient

ROW: dict[str, Any] = {
    "sku": "GIFT-SET",
    "version": 2,
    "together": False,
    "components": [{"sku": "MUG-BLUE", "quantity": 2}, {"sku": "TEA", "quantity": 1}],
}
RECIPE: dict[str, Any] = ROW | {
    "leaves": [{"sku": "MUG-BLUE", "quantity": 2}, {"sku": "TEA", "quantity": 1}],
    "one_location": False,
    "in": [{"sku": "CASE"}],
    "set_at": NOON,
    "by": "ann",
}
ANSWERS = {
    "RECIPE LIST": [ROW],
    "RECIPE GET GIFT-SET": RECIPE,
    "RECIPE SET GIFT-SET": RECIPE,
    "RECIPE DROP GIFT-SET": RECIPE | {"version": 3, "components": [], "leaves": []},
}
CONFIG = Path(__file__).parents[2] / "config" / "samples" / "lastunit.toml"
KNOWN = Known(locations=("berlin",), accounts=())


def run(words: str) -> tuple[Result, FakeClient]:
    client = FakeClient(ANSWERS)
    result = CliRunner().invoke(main, words.split(" "), obj=Invocation(connect=lambda: client))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result, client


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("recipes", ("RECIPE", "LIST", "LIMIT", "1000")),
        ("recipes list", ("RECIPE", "LIST", "LIMIT", "1000")),
        ("recipes show GIFT-SET", ("RECIPE", "GET", "GIFT-SET")),
        (
            "recipes set GIFT-SET MUG-BLUE=2 A=B=1 --together --by ann",
            ("RECIPE", "SET", "GIFT-SET", "TOGETHER", "BY", "ann", "LINES", "MUG-BLUE", "2", "A=B", "1"),
        ),
        ("recipes drop GIFT-SET", ("RECIPE", "DROP", "GIFT-SET")),
    ],
)
def test_each_says_one_command_and_speaks_to_people_and_to_programs(words: str, said: tuple[str, ...]) -> None:
    result, client = run(words)
    assert (result.exit_code, client.said) == (0, [said])
    assert "GIFT-SET" in result.stdout
    assert "GIFT-SET" in json.dumps(json.loads(run(f"{words} --json")[0].stdout))


def test_a_recipe_reads_as_a_sentence() -> None:
    shown = run("recipes show GIFT-SET")[0].stdout
    assert "2 x MUG-BLUE, 1 x TEA" in shown
    assert "CASE" in shown
    assert "2 x MUG-BLUE, 1 x TEA" in run("recipes")[0].stdout
    assert run("recipes drop GIFT-SET")[0].stdout == "GIFT-SET is no bundle any more (version 3)\n"


def test_a_component_without_a_quantity_is_a_mistake_at_the_keyboard() -> None:
    result, client = run("recipes set GIFT-SET MUG-BLUE")
    assert (result.exit_code, client.said) == (2, [])
    assert "'MUG-BLUE' must be COMPONENT=QUANTITY" in result.stderr


def test_rows_of_a_file_become_rows_of_an_import() -> None:
    parsed = parse(RECIPES, b"Component,SKU,quantity,together\nTEA,SET,1,YES\nMUG,SET,2,\n", "recipes.csv", KNOWN)
    assert parsed.bad == []
    assert [(row.sku, row.component, row.quantity, row.together) for row in parsed.rows] == [
        ("SET", "TEA", 1, True),
        ("SET", "MUG", 2, False),
    ]


def test_bad_cells_are_named_by_line_and_column() -> None:
    content = b"sku,component,quantity,together\nSET,TEA,0,\nSET,,1,maybe\nSET,TEA,2,no\n"
    parsed = parse(RECIPES, content, "recipes.csv", KNOWN)
    assert [str(bad) for bad in parsed.bad] == [
        "recipes.csv:2: quantity: '0': must be a whole number from 1 to 1000000000",
        "recipes.csv:3: together: 'maybe': must be yes or no",
        "recipes.csv:3: component: component is empty",
        "recipes.csv:4: component: the same sku and component as in line 2",
    ]


def test_what_the_daemon_finds_wrong_stands_in_the_file() -> None:
    """A cycle is named at each of its rows."""
    parsed = parse(RECIPES, b"sku,component,quantity\n\nA,B,1\nB,A,1\n", "recipes.csv", KNOWN)
    assert parsed.locate(1, "component") == (4, "component")


def test_stock_of_a_bundle_shows_what_it_can_be_made_of() -> None:
    component = {"sku": "MUG-BLUE", "quantity": 2, "atp": 9, "makes": 4, "binds": True}
    bundle = {"version": 1, "one_location": True, "components": [component]}
    client = FakeClient({"STOCK GIFT-SET": {"sku": "GIFT-SET", "name": "Set", "atp": 4, "bundle": bundle}})
    result = CliRunner().invoke(main, ["stock", "GIFT-SET"], obj=Invocation(connect=lambda: client))
    assert result.stdout.splitlines()[1] == "a bundle: 4 can be made, each from one location"
    assert result.stdout.splitlines()[3].split() == ["MUG-BLUE", "2", "9", "4", "yes"]


def test_recipes_are_exported_as_import_takes_them() -> None:
    rows = [{"sku": "SET", "component": "TEA", "quantity": 1, "together": True}]
    rows.append({"sku": "SET", "component": "MUG, blue", "quantity": 2, "together": False})
    client = FakeClient({"EXPORT recipes": {"rows": rows, "cursor": None}})
    result = CliRunner().invoke(main, ["export", "recipes"], obj=Invocation(config=CONFIG, connect=lambda: client))
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines() == [
        "sku,component,quantity,together",
        "SET,TEA,1,yes",
        'SET,"MUG, blue",2,no',
    ]
    parsed = parse(RECIPES, result.stdout.encode(), "recipes.csv", KNOWN)
    assert (parsed.bad, [row.together for row in parsed.rows]) == ([], [True, False])
