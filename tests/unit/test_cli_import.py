"""An import is checked as a whole, sent in pieces and applied at once; bad rows are found again in their files."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from ops.cli.csvfiles import CATALOGUE, LISTINGS, STOCK, Known, Parsed, StockRow, Table, parse
from ops.cli.errors import Refusal, Unreachable
from ops.cli.imports import BadRows, build_chunks, send, watch
from ops.cli.invocation import Invocation
from ops.cli.main import main
from tests.fakes.client import FakeClient

KNOWN = Known(("berlin",), ("shop",))
CHANGED = {"skus": 1, "listings": 1, "stock": 1}
GOOD = {"IMPORT STAGE": "OK", "IMPORT APPLY": CHANGED, "IMPORT DROP": "OK"}


def sheets() -> list[Parsed[Any]]:
    files: Sequence[tuple[Table[Any], str, bytes]] = (
        (CATALOGUE, "c.csv", b"SKU,name,safety_stock:berlin\nA,a,1\nB,b,2\n"),
        (LISTINGS, "l.csv", b"account,listing,sku\n\nshop,1,A\n"),
        (STOCK, "s.csv", b"sku,location,on_hand\nA,berlin,4\n"),
    )
    return [parse(table, content, name, KNOWN) for table, name, content in files]


def said(client: FakeClient) -> list[str]:
    return [str(words[1]) for words in client.said]


def test_rows_are_staged_in_order_and_applied_once() -> None:
    client = FakeClient(GOOD)
    assert send(client, sheets(), "id-1", 1 << 20) == CHANGED
    assert [words[:3] for words in client.said] == [("IMPORT", "STAGE", "id-1"), ("IMPORT", "APPLY", "id-1")]
    rows = msgspec.json.decode(client.said[0][3])
    assert [(row["kind"], row["sku"]) for row in rows] == [("sku", "A"), ("sku", "B"), ("listing", "A"), ("stock", "A")]


def test_pieces_that_are_done_are_told_as_rows() -> None:
    answers = iter([(0, 0), (10, 10), (10, 4), (10, 0)])
    client, told = FakeClient(), list[int]()

    def wait_over() -> bool:
        pieces, left = next(answers, (None, None))
        client.answers["IMPORT STATUS"] = {"pieces": pieces, "pieces_left": left}
        return pieces is None

    watch(client, 1000, told.append, wait_over)
    assert told == [0, 600], "what is not under way, or is over, says nothing of these rows"


@pytest.mark.parametrize("bytes_max", [1, 60, 130, 10_000])
def test_chunks_hold_every_row_once_and_keep_to_the_limit(bytes_max: int) -> None:
    rows = [StockRow(f"SKU-{n}", "berlin", n) for n in range(20)]
    pieces = list(build_chunks(rows, bytes_max))
    chunks = [chunk for chunk, _ in pieces]
    assert [count for _, count in pieces] == [len(msgspec.json.decode(chunk)) for chunk in chunks]
    assert [row for chunk in chunks for row in msgspec.json.decode(chunk, type=list[StockRow])] == rows
    assert all(len(chunk) <= bytes_max or len(msgspec.json.decode(chunk)) == 1 for chunk in chunks)
    assert list(build_chunks([], bytes_max)) == []


def test_bad_rows_of_the_daemon_are_found_in_their_files() -> None:
    found = [
        {"row": 1, "field": "safety_stock.berlin", "problem": "too much"},
        {"row": 2, "field": "sku", "problem": "unknown"},
        {"row": 3, "field": "on_hand", "problem": "has moved"},
    ]
    client = FakeClient(GOOD | {"IMPORT APPLY": Refusal("BADROWS", json.dumps(found))})
    with pytest.raises(BadRows) as caught:
        send(client, sheets(), "id-1", 1 << 20)
    assert list(map(str, caught.value.rows)) == [
        "c.csv:3: safety_stock:berlin: too much",
        "l.csv:3: sku: unknown",
        "s.csv:2: on_hand: has moved",
    ]
    assert said(client) == ["STAGE", "APPLY", "DROP"]


@pytest.mark.parametrize(
    "text", ["not json", '[{"row": 99, "field": "x", "problem": "y"}]', '[{"row": -1, "problem": "y"}]']
)
def test_bad_rows_that_cannot_be_placed_are_told_as_they_came(text: str) -> None:
    client = FakeClient(GOOD | {"IMPORT APPLY": Refusal("BADROWS", text)})
    with pytest.raises(Refusal, match="BADROWS"):
        send(client, sheets(), "id-1", 1 << 20)


@pytest.mark.parametrize("failure", [Refusal("BUSY", ""), Unreachable("gone"), KeyboardInterrupt()])
def test_what_was_staged_is_dropped_when_it_cannot_go_on(failure: BaseException) -> None:
    client = FakeClient(GOOD | {"IMPORT APPLY": failure})
    with pytest.raises(type(failure)):
        send(client, sheets(), "id-1", 1 << 20)
    assert said(client) == ["STAGE", "APPLY", "DROP"]


def test_a_daemon_that_is_gone_cannot_hide_why_the_import_failed() -> None:
    client = FakeClient({"IMPORT STAGE": Unreachable("first"), "IMPORT DROP": Unreachable("second")})
    with pytest.raises(Unreachable, match="first"):
        send(client, sheets(), "id-1", 1 << 20)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lastunit.toml").write_text('[[locations]]\nid = "berlin"\n')
    (tmp_path / "stock.csv").write_text("sku,location,on_hand\nA,berlin,4\n")
    (tmp_path / "bad.csv").write_text("sku,location,on_hand\nA,berlni,4\nB,berlin,x\n")
    return tmp_path


def run(*words: str, client: FakeClient | None = None) -> Result:
    made = client or FakeClient(GOOD)
    result = CliRunner().invoke(main, ["import", *words], obj=Invocation(connect=lambda: made))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.mark.usefixtures("folder")
def test_an_import_tells_what_changed() -> None:
    assert run("--stock", "stock.csv").stdout == "changed: skus 1, listings 1, stock 1\n"
    assert json.loads(run("--stock", "stock.csv", "--json").stdout) == CHANGED


@pytest.mark.usefixtures("folder")
def test_a_dry_run_sends_nothing() -> None:
    client = FakeClient()
    assert run("--stock", "stock.csv", "--dry-run", client=client).exit_code == 0
    assert client.said == []


@pytest.mark.usefixtures("folder")
def test_a_file_with_a_bad_row_is_not_sent_at_all() -> None:
    client = FakeClient(GOOD)
    result = run("--stock", "bad.csv", client=client)
    assert (result.exit_code, result.stdout, client.said) == (2, "", [])
    assert result.stderr.splitlines() == [
        "bad.csv:2: location: 'berlni': no location has this id (known: berlin); did you mean 'berlin'?",
        "bad.csv:3: on_hand: 'x': must be a whole number from 0 to 1000000000",
        "2 problems; nothing was imported",
    ]
    program = run("--stock", "bad.csv", "--json")
    assert program.exit_code == 2
    assert json.loads(program.stdout)["bad_rows"][1]["line"] == 3


@pytest.mark.usefixtures("folder")
def test_rows_that_the_daemon_refuses_are_exit_code_one() -> None:
    refusal = Refusal("BADROWS", '[{"row": 0, "field": "on_hand", "problem": "has moved already"}]')
    result = run("--stock", "stock.csv", client=FakeClient(GOOD | {"IMPORT APPLY": refusal}))
    assert result.exit_code == 1
    assert result.stderr == "stock.csv:2: on_hand: has moved already\n1 problem; nothing was imported\n"


@pytest.mark.usefixtures("folder")
def test_an_import_of_nothing_is_a_usage_error() -> None:
    assert run().exit_code == 2
    assert run("--stock", "gone.csv").exit_code == 2
