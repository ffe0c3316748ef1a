"""`explain --at`, `history` and `scan`: what people read, what the socket is asked, and the exit codes."""

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ops.cli.invocation import Invocation
from ops.cli.main import main
from tests.fakes.answers import ANSWERS, NOON
from tests.fakes.client import FakeClient

FIGURES = {"on_hand": 15, "committed": 3, "reserved": 1, "atp": 9}
LINE: dict[str, Any] = {
    "place": "7-1",
    "at": NOON,
    "kind": "stock_received",
    "text": "3 received at berlin",
    "account": None,
    "key": "r-1",
    "reason": "",
    "by": "ann",
    "reference": "",
    "delta": 3,
    **FIGURES,
}
HELD = {**LINE, "place": "8-1", "text": "hold h of direct took 1 from berlin", "key": None, "by": "", "delta": 0}
PAGE = {"sku": "MUG-BLUE", "lines": [LINE, HELD], "older": "7-1"}
VIOLATION: dict[str, Any] = {
    "law": "committed is the sum of open demand",
    "sku": "MUG-BLUE",
    "location": "berlin",
    "expected": 3,
    "found": 4,
    "detail": "",
}
TOLD = {"position": 8, "at": NOON, "kind": "units_held", "text": "hold h of direct took 1 from berlin"}
CLEAN: dict[str, Any] = {
    "sku": None,
    "deep": False,
    "books": 200,
    "records": 1,
    "position": 9,
    "seconds": 0.01,
    "found": 0,
}
CLEAN |= {"violations": [], "origins": []}
ORIGIN = {"sku": "MUG-BLUE", "blame": "memory", "first": None, "events": [TOLD]}
WRONG = CLEAN | {"deep": True, "found": 120, "violations": [VIOLATION], "origins": [ORIGIN]}
THEN: dict[str, Any] = {**ANSWERS["EXPLAIN MUG-BLUE"], "as_of": NOON, "position": 7}  # type: ignore[dict-item]
THEN |= {"paused": [{"account": "shop", "reason": "mass zeroing"}]}


def run(words: str, **changes: object) -> tuple[Result, FakeClient]:
    answers = {"HISTORY": PAGE, "SCAN": CLEAN, "VIOLATIONS": CLEAN, "EXPLAIN MUG-BLUE AT": THEN}
    client = FakeClient(ANSWERS | answers | changes)
    result = CliRunner().invoke(main, words.split(" "), obj=Invocation(connect=lambda: client))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result, client


@pytest.mark.parametrize(
    ("words", "command"),
    [
        ("explain MUG-BLUE --at -15m", "EXPLAIN MUG-BLUE AT -15m"),
        ("explain MUG-BLUE shop --at 2026-11-11T12:00:00Z", "EXPLAIN MUG-BLUE shop AT 2026-11-11T12:00:00Z"),
        ("history MUG-BLUE", "HISTORY MUG-BLUE LIMIT 50"),
        (
            "history MUG-BLUE --from -2h --to -1h --account shop --before 7-1 --limit 9",
            "HISTORY MUG-BLUE FROM -2h TO -1h ACCOUNT shop BEFORE 7-1 LIMIT 9",
        ),
        ("scan", "SCAN"),
        ("scan --deep", "SCAN DEEP"),
        ("scan MUG-BLUE --deep", "SCAN MUG-BLUE DEEP"),
        ("scan --open", "VIOLATIONS"),
    ],
)
def test_commands_say_what_the_socket_understands(words: str, command: str) -> None:
    result, client = run(words)
    assert [" ".join(map(str, said)) for said in client.said] == [command]
    assert result.exit_code == 0
    assert json.loads(run(f"{words} --json")[0].stdout)


def test_explain_of_the_past_says_of_when_it_speaks() -> None:
    said = run("explain MUG-BLUE --at -15m")[0].stdout.splitlines()
    assert said[1] == "as of 2026-11-11 12:00:00 UTC; the last that was known of it is frame 7"
    assert said[2] == "shop was paused: mass zeroing"


def test_a_ledger_has_its_newest_line_at_the_bottom_and_says_how_to_read_on() -> None:
    said = [line.rstrip() for line in run("history MUG-BLUE")[0].stdout.splitlines()]
    assert " ".join(said[0].split()) == "at (UTC) what change on hand committed reserved atp key who"
    assert " ".join(said[1].split()) == "2026-11-11 12:00:00 3 received at berlin +3 15 3 1 9 r-1 ann"
    assert said[2].split()[-7:] == ["-", "15", "3", "1", "9", "-", "-"], "what moves no unit shows no change"
    assert said[-1] == "Older: lastunit history MUG-BLUE --before 7-1"


def test_a_ledger_without_a_line_is_a_sentence() -> None:
    result, _ = run("history MUG-BLUE", HISTORY={"sku": "MUG-BLUE", "lines": [], "older": None})
    assert result.stdout == "Nothing happened to MUG-BLUE then.\n"


def test_a_clean_scan_is_a_sentence_and_exit_code_zero() -> None:
    result, _ = run("scan")
    assert result.stdout == "Checked 200 books, 1 hold or order line in 0.01 s.\nEverything adds up.\n"
    assert result.exit_code == 0


def test_a_violation_is_exit_code_one_and_is_told_with_its_events() -> None:
    result, _ = run("scan --deep", SCAN=WRONG)
    assert result.exit_code == 1
    said = [line.rstrip() for line in result.stdout.splitlines()]
    assert said[0] == "Checked 200 books, 1 hold or order line and the journal to frame 9 in 0.01 s."
    assert said[1] == "120 violations:"
    row = said.index("and 119 more") - 1
    assert " ".join(said[row].split()) == "MUG-BLUE berlin committed is the sum of open demand 3 4"
    assert "  the journal adds up: only the memory of this daemon is wrong, a restart reads it anew" in said
    assert said[-1].split()[0] == "8"
    assert said[-1].endswith("hold h of direct took 1 from berlin")
    assert run("scan --json", SCAN=WRONG)[0].exit_code == 1


def test_the_event_that_made_it_is_told() -> None:
    blamed = WRONG | {"origins": [ORIGIN | {"blame": "journal", "first": TOLD | {"law": None}}]}
    result, _ = run("scan", SCAN=blamed)
    assert "  the journal adds up until frame 8: hold h of direct took 1 from berlin\n" in result.stdout


def test_what_was_found_before_is_listed_without_a_scan() -> None:
    listed = {"found": 1, "unlisted": 0, "passed_at": NOON, "books": 3, "violations": [VIOLATION | {"since": NOON}]}
    result, _ = run("scan --open", VIOLATIONS=listed)
    assert result.exit_code == 1
    assert result.stdout.startswith("1 violation:\n")
    assert "2026-11-11 12:00:00" in result.stdout
    asked = listed | {"asked": {"sku": None, "deep": True, "began_at": NOON}}
    under_way = "A deep scan of all books is under way since 2026-11-11 12:00:00 UTC.\n"
    assert run("scan --open", VIOLATIONS=asked)[0].stdout.startswith(under_way)
    assert run("scan --open --deep")[0].exit_code == 2
