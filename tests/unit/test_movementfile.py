"""The file of movements: what each kind of row becomes, and every way in which one can be bad."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.cli.csvfiles import Known
from ops.cli.movementfile import COLUMNS, KINDS, read_movements
from ops.sizes import DOCUMENT_LINES_MAX
from tests.unit.test_config_reference import ROOT

KNOWN = Known(("berlin", "hamburg"), ("shop",))
REASONS = ("damaged", "found")
NOON = "2026-11-11T12:00:00Z"


def read(text: str) -> tuple[list[str], list[str]]:
    """Return commands and problems as text."""
    said, bad = read_movements(text.encode(), "f.csv", KNOWN, REASONS)
    return [" ".join(each.words) for each in said], [str(row).removeprefix("f.csv:") for row in bad]


def rows(head: str, *lines: str) -> str:
    return "\n".join((head, *lines)) + "\n"


@pytest.mark.parametrize(
    ("cells", "command"),
    [
        (
            {"kind": "Adjust", "key": "k", "quantity": "-2", "reason": "damaged: wet"},
            "ADJUST k A berlin -2 damaged: wet",
        ),
        ({"kind": "receive", "key": "k", "po": "PO-1", "ref": "DN"}, "RECEIVE k A berlin 2 PO PO-1 REF DN"),
        (
            {"kind": "return", "key": "k", "state": "damaged", "account": "shop", "order": "7", "line": "1"},
            "RETURN k A berlin 2 ORDER shop 7 INTO damaged LINE 1",
        ),
        ({"kind": "return", "key": "k"}, "RETURN k A berlin 2"),
        (
            {"kind": "inspect", "key": "k", "outcome": "Writeoff", "state": "damaged", "by": "ada"},
            "INSPECT k A berlin 2 WRITEOFF FROM damaged BY ada",
        ),
        ({"kind": "count", "key": "k", "at": NOON, "quantity": "0"}, f"COUNT k A berlin 0 AT {NOON}"),
        (
            {"kind": "snapshot", "key": "k", "source": "3pl", "at": NOON, "nets": "yes"},
            f"SNAPSHOT k berlin 3pl AS_OF {NOON} NETS yes LINES A 2",
        ),
        (
            {"kind": "po", "po": "PO-1", "expected": NOON, "supplier": "Mill"},
            f"PO SET PO-1 berlin EXPECTED {NOON} SUPPLIER Mill LINES A 2",
        ),
        (
            {"kind": "po close", "po": "P", "reason": "done", "sku": "", "location": "", "quantity": ""},
            "PO CLOSE P REASON done",
        ),
        ({"kind": "PO-Cancel", "po": "P", "sku": "", "location": "", "quantity": ""}, "PO CANCEL P"),
        ({"kind": "transfer", "transfer": "T", "target": "hamburg"}, "TRANSFER SEND T berlin hamburg LINES A 2"),
        ({"kind": "transfer_receive", "key": "k", "transfer": "T", "location": ""}, "TRANSFER RECEIVE k T A 2"),
        (
            {"kind": "transfer lose", "key": "k", "transfer": "T", "location": "", "reason": "gone"},
            "TRANSFER LOSE k T A 2 gone",
        ),
        (
            {"kind": "reallocate", "account": "direct", "order": "7", "line": "1", "quantity": ""},
            "REALLOCATE direct 7 1 A berlin",
        ),
        (
            {"kind": "reallocate", "account": "direct", "order": "7", "line": "1", "quantity": ""}
            | {"reason": "nearer", "ref": "T-1", "by": "ann"},
            "REALLOCATE direct 7 1 A berlin REASON nearer REF T-1 BY ann",
        ),
    ],
)
def test_each_kind_of_row_becomes_its_command(cells: dict[str, str], command: str) -> None:
    cells = {"sku": "A", "location": "berlin", "quantity": "2"} | cells
    assert read(rows(",".join(cells), ",".join(cells.values()))) == ([command], [])


def test_the_test_above_knows_every_kind() -> None:
    words = {" ".join(kind.replace("_", " ").replace("-", " ").casefold().split()) for kind in KINDS}
    assert words == set(KINDS)
    assert len(KINDS) == 13


def test_rows_of_a_paper_are_one_command_wherever_they_stand() -> None:
    said, bad = read(
        rows(
            "kind,po,transfer,sku,location,target,quantity",
            "po,P-1,,A,berlin,,1",
            "transfer,,T-1,A,berlin,hamburg,1",
            "po,P-2,,A,berlin,,3",
            "po,P-1,,B,berlin,,2",
        )
    )
    assert bad == []
    assert said == [
        "PO SET P-1 berlin LINES A 1 B 2",
        "TRANSFER SEND T-1 berlin hamburg LINES A 1",
        "PO SET P-2 berlin LINES A 3",
    ]


HEAD = "kind,key,sku,location,quantity,reason,po,at,nets,state,outcome,account,order,supplier"


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (
            "adjust,k,A,berlin,0,damaged,,,,,,,,",
            "2: quantity: '0': must be a whole number from -1000000000 to 1000000000, not 0",
        ),
        ("adjust,k,A,berlin,+1,damaged,,,,,,,,", "2: quantity: '+1': must be a whole number from"),
        (
            "adjust,k,A,berlin,1,damagd,,,,,,,,",
            "2: reason: 'damagd': must be one of stock.reasons, details after a colon",
        ),
        ("adjust,k,A,berlin,1,,,,,,,,,", "2: reason: is empty; a row of kind adjust needs it"),
        ("receive,k,A,rome,1,,,,,,,,,", "2: location: 'rome': no location has this id"),
        ("receive,k,A,berlin,1,,,,,,,shop,,", "2: account: 'shop': a row of kind receive does not use it"),
        ("return,k,A,berlin,1,,,,,,,shop,,", "2: order: is empty; account and order come together"),
        ("return,k,A,berlin,1,,,,,,,,7,", "2: account: is empty; account and order come together"),
        ("return,k,A,berlin,1,,,,,,,nobody,7,", "2: account: 'nobody': no account has this id (known: direct, shop)"),
        ("return,k,A,berlin,1,,,,,written_off,,,,", "2: state: 'written_off': must be one of sellable, quality_hold"),
        ("inspect,k,A,berlin,1,,,,,,ponder,,,", "2: outcome: 'ponder': must be one of restock, damaged"),
        ("count,k,A,berlin,1,,,2026-11-11T12:00:00,,,,,,", "2: at: '2026-11-11T12:00:00': says no offset; must be"),
        ("adjst,k,A,berlin,1,,,,,,,,,", "2: kind: 'adjst': no such kind; did you mean 'adjust'?"),
        (f"return,k,A,berlin,1,{'x' * 501},,,,,,,,", "2: reason: "),
    ],
)
def test_a_bad_row_is_named_by_line_and_column(row: str, problem: str) -> None:
    said, bad = read(rows(HEAD, row))
    assert said == []
    assert len(bad) == 1
    assert bad[0].startswith(problem)


def test_rows_that_contradict_each_other_are_named_even_beside_other_bad_ones() -> None:
    said, bad = read(
        rows(
            "kind,key,sku,location,quantity,po,supplier",
            "receive,k,A,berlin,1,,",
            "receive,k,A,rome,1,,",
            "receive,k,A,hamburg,1,,",
            "receive,k,B,berlin,1,,",
            "po,,A,berlin,1,P,Mill",
            "po,,B,hamburg,1,P,Mill",
        )
    )
    assert bad == [
        "3: location: 'rome': no location has this id (known: berlin, hamburg)",
        "4: key: 'k': the same sku and key as in line 2",
        "7: location: 'hamburg': line 6 of this po says otherwise",
    ]
    assert len(said) == 4


def test_a_paper_with_too_many_rows_is_named() -> None:
    many = (f"po,A-{number},berlin,1,P" for number in range(DOCUMENT_LINES_MAX + 1))
    _, bad = read(rows("kind,sku,location,quantity,po", *many))
    assert bad == [f"{DOCUMENT_LINES_MAX + 2}: more than {DOCUMENT_LINES_MAX} rows of one po"]


def test_the_sample_of_init_is_good() -> None:
    sample = (ROOT / "config" / "samples" / "movements.csv").read_bytes()
    said, bad = read_movements(sample, "movements.csv", Known(("main",), ()), ("damaged",))
    assert bad == []
    assert [each.words[0] for each in said] == ["PO", "RECEIVE", "RECEIVE", "PO", "ADJUST", "RETURN", "INSPECT"]


@given(st.lists(st.lists(st.text('",a1-\n k', max_size=6) | st.sampled_from(sorted(KINDS)), max_size=len(COLUMNS))))
def test_any_cells_give_a_report_and_good_rows_whole_commands(table: list[list[str]]) -> None:
    text = rows(",".join(("kind", *COLUMNS)), *(",".join(f'"{cell}"' for cell in row) for row in table))
    said, bad = read_movements(text.encode(), "f.csv", KNOWN, REASONS)
    assert all(row.line >= 1 and row.problem for row in bad)
    assert all(each.words and each.lines and all(each.words) for each in said)
