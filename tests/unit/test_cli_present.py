"""Output fits its reader: a terminal of any width, a pipe, a program."""

import io

import pytest
from rich.console import Console

from ops.cli.present import Column, parts, plain, print_table

COLUMNS = (Column("listing", "listing"), Column("units", "units", right=True), Column("reason", "reason", wrap=True))
ROWS = [
    {"listing": "gid://shop/1234567890", "units": 4, "reason": "too many words for one line"},
    {"listing": "2", "units": 10, "reason": None},
]


def printed(width: int, rows: list[dict[str, object]], optional: str = "", *, colour: bool = False) -> list[str]:
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=colour, markup=False, highlight=False)
    print_table(console, COLUMNS, rows, empty="nothing here", optional=optional)
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_prose_is_wrapped_and_ids_are_not() -> None:
    assert printed(45, ROWS) == [
        "listing                units  reason",
        "gid://shop/1234567890      4  too many words",
        "                              for one line",
        "2                         10  -",
    ]


def test_a_terminal_too_narrow_for_the_ids_gets_one_fact_per_line() -> None:
    assert printed(30, ROWS) == [
        "listing  gid://shop/1234567890",
        "units    4",
        "reason   too many words for one line",
        "",
        "listing  2",
        "units    10",
        "reason   -",
    ]


def test_columns_without_a_value_are_left_out_where_told() -> None:
    assert printed(80, ROWS[1:], "reason units") == ["listing  units", "2           10"]


def test_no_rows_are_a_sentence() -> None:
    assert printed(5, []) == ["nothing here"]


@pytest.mark.parametrize("state", ["live", "drifted"])
def test_states_are_coloured_on_a_terminal(state: str) -> None:
    assert "\x1b[3" in printed(80, [{"listing": state}], colour=True)[1]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        ("", "-"),
        (True, "yes"),
        (False, "no"),
        (0, "0"),
        (1.25, "1.2"),
        ("2026-11-11T12:00:03.123456Z", "2026-11-11 12:00:03"),
        ("a\x1b]0;b\x07\n", "a\N{REPLACEMENT CHARACTER}]0;b\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}"),
        ("blaue Tasse [rot]", "blaue Tasse [rot]"),
    ],
)
def test_values_are_written_for_people(value: object, text: str) -> None:
    assert plain(value) == text


def test_units_by_location_are_one_phrase() -> None:
    assert parts([{"location": "a", "quantity": 2}, {"location": "b", "quantity": 1}]) == "a 2, b 1"
    assert parts(None) == ""
