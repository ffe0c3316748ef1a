"""Movements on the command line: what each command says to the socket, to people and to programs; files of them."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ops.cli.client import as_map
from ops.cli.errors import Refusal, Unreachable
from ops.cli.invocation import Invocation
from ops.cli.main import main
from ops.cli.movementfile import Said
from ops.cli.sending import BATCH_BYTES, BATCH_COMMANDS, build_batches
from tests.fakes.answers import ANSWERS, BOOK
from tests.fakes.client import FakeClient

CONFIG = '[[locations]]\nid = "berlin"\n[[locations]]\nid = "hamburg"\n'
NOON = "2026-11-11T12:00:00Z"


def run(*words: str, config: Path | None = None, **answers: object) -> tuple[Result, FakeClient]:
    client = FakeClient(ANSWERS | {name.replace("_", " "): answer for name, answer in answers.items()})
    invocation = Invocation(connect=lambda: client)
    if config is not None:
        invocation.config = config
    result = CliRunner().invoke(main, words, obj=invocation)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result, client


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "lastunit.toml"
    path.write_text(CONFIG)
    return path


SAID = [
    ("adjust A berlin -3 damaged --key k --by ada --ref m-1", "ADJUST k A berlin -3 damaged BY ada REF m-1"),
    ("receive A berlin 3 --key k --po PO-1", "RECEIVE k A berlin 3 PO PO-1"),
    ("return A berlin 1 --key k", "RETURN k A berlin 1 INTO quality_hold"),
    (
        "return A berlin 1 --key k --into damaged --order shop 77 --line 2 --reason torn",
        "RETURN k A berlin 1 INTO damaged ORDER shop 77 LINE 2 REASON torn",
    ),
    ("inspect A berlin 1 restock --key k", "INSPECT k A berlin 1 RESTOCK"),
    ("inspect A berlin 1 writeoff --from damaged --key k", "INSPECT k A berlin 1 WRITEOFF FROM damaged"),
    (f"count A berlin 11 --at {NOON} --key k", f"COUNT k A berlin 11 AT {NOON}"),
    (f"count A berlin 11 --at {NOON} --key k --blind --by ada", f"COUNT k A berlin 11 AT {NOON} BLIND BY ada"),
    ("reallocate shop 77 1 A berlin", "REALLOCATE shop 77 1 A berlin"),
    (
        "reallocate shop 77 1 A berlin --reason nearer --ref T-1 --by ann",
        "REALLOCATE shop 77 1 A berlin REASON nearer REF T-1 BY ann",
    ),
    (
        f"snapshot berlin 3pl A=3 B=0 --as-of {NOON} --nets yes --force --key k",
        f"SNAPSHOT k berlin 3pl AS_OF {NOON} NETS yes FORCE LINES A 3 B 0",
    ),
    (
        f"snapshot berlin 3pl A=3 --as-of {NOON} --nets no --key k",
        f"SNAPSHOT k berlin 3pl AS_OF {NOON} NETS no LINES A 3",
    ),
    (
        f"po set PO-1 berlin A=4 B=5 --expected {NOON} --supplier Mill --ref r",
        f"PO SET PO-1 berlin EXPECTED {NOON} SUPPLIER Mill REF r LINES A 4 B 5",
    ),
    ("po close PO-1 --reason done", "PO CLOSE PO-1 REASON done"),
    ("po cancel PO-1 --by ada", "PO CANCEL PO-1 BY ada"),
    ("po show PO-1", "PO GET PO-1"),
    ("po list", "PO LIST OPEN LIMIT 50"),
    ("po list --all --limit 3", "PO LIST ALL LIMIT 3"),
    ("transfer send T-1 berlin hamburg A=4 --reason Xmas", "TRANSFER SEND T-1 berlin hamburg REASON Xmas LINES A 4"),
    ("transfer receive T-1 A 4 --key k", "TRANSFER RECEIVE k T-1 A 4"),
    ("transfer lose T-1 A 4 crushed --key k", "TRANSFER LOSE k T-1 A 4 crushed"),
    ("transfer show T-1", "TRANSFER GET T-1"),
    ("transfer list --all", "TRANSFER LIST ALL LIMIT 50"),
]


@pytest.mark.parametrize(("words", "command"), SAID, ids=[command for _, command in SAID])
def test_each_command_says_what_the_socket_understands_to_people_and_to_programs(words: str, command: str) -> None:
    result, client = run(*words.split())
    assert [" ".join(map(str, said)) for said in client.said] == [command]
    assert result.exit_code == 0, result.stderr
    assert result.stdout.strip()
    program, _ = run(*words.split(), "--json")
    assert json.loads(program.stdout)


def test_a_key_is_fresh_unless_told_and_shown() -> None:
    keys = [str(run("receive", "A", "berlin", "1")[1].said[0][1]) for _ in range(2)]
    assert keys[0] != keys[1]
    assert "key       k\n" in run("receive", "A", "berlin", "3")[0].stdout  # as the daemon answered


def test_an_answer_that_was_lost_says_how_to_repeat_it_harmlessly() -> None:
    lost = Unreachable("the daemon went away", sent=True)
    result, _ = run("adjust", "A", "berlin", "1", "found", "--key", "k-7", ADJUST=lost)
    assert result.exit_code == 3
    assert result.stderr == "Error: the daemon went away\nThe same again with --key k-7 counts once.\n"


def test_a_single_count_is_taken_now_by_the_clock_of_the_daemon() -> None:
    _, client = run("count", "A", "berlin", "11", "--key", "k")
    assert client.said[-1] == ("COUNT", "k", "A", "berlin", "11", "AT", "2026-11-11T12:00:00+00:00")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("count A berlin", "say SKU LOCATION COUNTED, or name one FILE.csv"),
        ("count nothing.csv", "'nothing.csv' is no file; a single count is SKU LOCATION COUNTED"),
        ("count f.csv --key k", "--key is for one count"),
        ("po set PO-1 berlin A", "'A' must be SKU=QUANTITY"),
        (f"snapshot berlin 3pl A=1 --as-of {NOON}", "Missing option '--nets'"),
        ("inspect A berlin 1 ponder", "'ponder' is not one of"),
    ],
)
def test_usage_is_told(words: str, sentence: str) -> None:
    result, client = run(*words.split())
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert client.said == []


def test_lists_are_tables_and_empty_ones_sentences() -> None:
    assert "PO-1" in run("po", "list")[0].stdout
    assert run("po", "list", PO_LIST=[])[0].stdout == "Nothing is on order.\n"
    assert run("transfer", "list", TRANSFER_LIST=[])[0].stdout == "Nothing is under way.\n"
    shown = [line.split() for line in run("po", "show", "PO-1")[0].stdout.splitlines()]
    assert ["sku", "ordered", "received", "open", "over"] in shown
    assert ["A", "48", "24", "24", "0"] in shown


def test_a_snapshot_with_a_refused_row_ends_with_one() -> None:
    row = {"sku": "B", "outcome": "stale", "quantity": 1, "delta": None, "on_hand": None, "problem": "STALE too old"}
    result, _ = run(
        "snapshot", "berlin", "3pl", "B=1", "--as-of", NOON, "--nets", "yes", SNAPSHOT={"key": "k", "rows": [row]}
    )
    assert result.exit_code == 1
    assert "STALE too old" in result.stdout


def test_stock_and_explain_say_what_is_set_aside_and_what_is_to_come() -> None:
    places = [{**BOOK["locations"][0], "kind": "store", "unavailable": 3, "quality_hold": 2, "display": 1}]
    paper = {"kind": "purchase_order", "document": "PO-1", "location": "berlin", "quantity": 24, "expected_at": NOON}
    book = {**BOOK, "unavailable": 3, "quality_hold": 2, "display": 1, "locations": places, "documents": [paper]}
    answers: dict[str, Any] = {"STOCK MUG-BLUE": book, "EXPLAIN MUG-BLUE": {**book, "offers": []}}
    said = run("stock", "MUG-BLUE", **answers)[0].stdout
    assert "unavailable at berlin: 2 quality hold, 1 display\n" in said
    assert said.splitlines()[2].split()[:2] == ["berlin", "store"]
    assert "24  berlin  purchase order  PO-1    2026-11-11 12:00:00" in said
    told = run("explain", "MUG-BLUE", **answers)[0].stdout
    assert "  - unavailable                          3  2 quality hold, 1 display\n" in told
    assert "24  berlin  purchase order  PO-1    2026-11-11 12:00:00" in told


# -- files


def write(folder: Path, text: str) -> str:
    path = folder / "f.csv"
    path.write_text(text)
    return str(path)


def test_a_file_of_movements_is_sent_in_its_order(config: Path, tmp_path: Path) -> None:
    file = write(
        tmp_path,
        "kind,key,sku,location,quantity,po,reason\nreceive,r,A,berlin,3,PO-1,\npo,,B,berlin,7,PO-2,\n"
        "adjust,a,A,berlin,-1,,Lost\npo,,C,berlin,1,PO-2,\n",
    )
    result, client = run("movements", file, config=config)
    assert [" ".join(map(str, said)) for said in client.said] == [
        "RECEIVE r A berlin 3 PO PO-1",
        "PO SET PO-2 berlin LINES B 7 C 1",
        "ADJUST a A berlin -1 Lost",
    ]
    assert (result.exit_code, result.stdout) == (0, "4 of 4 rows applied\n")


def test_every_bad_row_is_named_and_nothing_is_sent(config: Path, tmp_path: Path) -> None:
    file = write(
        tmp_path, "kind,key,sku,location,quantity\nreceive,r,A,rome,3\nadjst,a,A,berlin,1\nreceive,,A,berlin,0\n"
    )
    result, client = run("movements", file, config=config)
    assert client.said == []
    assert result.exit_code == 2
    assert [line.removeprefix(f"{file}:") for line in result.stderr.splitlines()] == [
        "2: location: 'rome': no location has this id (known: berlin, hamburg)",
        "3: kind: 'adjst': no such kind; did you mean 'adjust'?",
        "4: key: is empty; a row of kind receive needs it",
        "4: quantity: '0': must be a whole number from 1 to 1000000000",
        "4 problems; nothing was sent",
    ]
    program, _ = run("movements", file, "--json", config=config)
    assert len(json.loads(program.stdout)["bad_rows"]) == 4


def test_a_dry_run_sends_nothing(config: Path, tmp_path: Path) -> None:
    file = write(tmp_path, "kind,key,sku,location,quantity\nreceive,r,A,berlin,3\n")
    result, client = run("movements", file, "--dry-run", config=config)
    assert client.said == []
    assert result.stdout == f"{file}: 1 rows; all good, nothing was sent\n"


def test_refused_rows_are_listed_by_line_and_the_others_stay_applied(config: Path, tmp_path: Path) -> None:
    file = write(
        tmp_path,
        "kind,key,sku,location,quantity,po\nreceive,r,A,berlin,3,\nreceive,s,Z,berlin,3,\npo,,A,berlin,1,PO-1\n"
        "po,,Z,berlin,1,PO-1\n",
    )
    no_such = Refusal("NOSUCHSKU", "sku=Z")
    result, _ = run("movements", file, config=config, RECEIVE_s=no_such, PO=no_such)
    assert result.exit_code == 1
    assert result.stdout == "1 of 4 rows applied\n"
    assert result.stderr.splitlines()[:3] == [f"{file}:{line}: NOSUCHSKU sku=Z" for line in (3, 4, 5)]
    assert result.stderr.splitlines()[3].startswith("3 rows refused, the others stay applied: mend these and run")
    program, _ = run("movements", file, "--json", config=config, RECEIVE_s=no_such, PO=no_such)
    told = json.loads(program.stdout)
    assert (program.exit_code, told["rows"], told["applied"], len(told["refused"])) == (1, 4, 1, 3)
    assert told["answers"][0]["line"] == 2


def test_rows_of_a_snapshot_are_refused_one_by_one(config: Path, tmp_path: Path) -> None:
    head = "kind,key,location,source,at,nets,sku,quantity\n"
    file = write(tmp_path, head + "".join(f"snapshot,s,berlin,3pl,{NOON},no,{sku},1\n" for sku in "AB"))
    verdicts = [{"sku": "A", "outcome": "applied"}, {"sku": "B", "outcome": "stale", "problem": "STALE newer"}]
    result, client = run("movements", file, config=config, SNAPSHOT={"key": "s", "rows": verdicts})
    assert client.said == [tuple(f"SNAPSHOT s berlin 3pl AS_OF {NOON} NETS no LINES A 1 B 1".split())]
    assert result.stderr.splitlines()[0] == f"{file}:3: STALE newer"
    assert result.stdout == "1 of 2 rows applied\n"


def test_a_connection_that_breaks_says_how_far_it_came(config: Path, tmp_path: Path) -> None:
    rows = "".join(f"receive,r{number},A,berlin,1\n" for number in range(BATCH_COMMANDS + 1))
    file = write(tmp_path, f"kind,key,sku,location,quantity\n{rows}")
    gone = Unreachable("gone", sent=True)
    result, _ = run("movements", file, config=config, **{f"RECEIVE_r{BATCH_COMMANDS}": gone})
    assert result.exit_code == 3
    assert result.stderr == (
        f"Error: gone\n{BATCH_COMMANDS} of {BATCH_COMMANDS + 1} rows were answered; run the same file again:"
        " no row counts twice\n"
    )


def test_batches_end_at_their_limits() -> None:
    """Nothing of a batch is read before all of it is sent: its replies must fit into the sockets' buffers."""
    small, large = Said(["A"], [1]), Said(["A" * BATCH_BYTES], [1])
    assert [len(batch) for batch in build_batches([small] * 300)] == [128, 128, 44]
    assert [len(batch) for batch in build_batches([small, large, small])] == [2, 1]
    assert list(build_batches([])) == []


def test_a_count_sheet_names_its_counts_so_that_it_counts_once(config: Path, tmp_path: Path) -> None:
    file = write(tmp_path, "SKU,Counted,ref\nA,11,aisle 3\nB,0,\n")
    result, client = run("count", file, "--location", "berlin", "--at", NOON, "--blind", config=config)
    key = f"count:berlin:{NOON}"
    assert [tuple(said) for said in client.said] == [
        ("COUNT", key, "A", "berlin", "11", "AT", NOON, "BLIND", "REF", "aisle 3"),
        ("COUNT", key, "B", "berlin", "0", "AT", NOON, "BLIND"),
    ]
    assert result.stdout.splitlines()[0].split()[:4] == ["line", "sku", "location", "counted"]
    assert result.stdout.endswith("2 of 2 rows applied\n")


def test_a_count_sheet_says_what_is_to_be_counted_again(config: Path, tmp_path: Path) -> None:
    again = as_map(ANSWERS["COUNT"]) | {"applied": False, "recount": True}
    file = write(tmp_path, f"sku,counted,location,at\nA,3,berlin,{NOON}\n")
    result, _ = run("count", file, config=config, COUNT=again)
    assert "to be counted again: A at berlin\n" in result.stdout


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("sku,counted,at\nA,1,2026-11-11T12:00:00Z\n", "1: location: this column is missing"),
        ("sku,counted,location\nA,1,berlin\n", "1: at: this column is missing"),
        ("sku,counted,location,at\nA,1,berlin,noon\n", "2: at: 'noon': must be an instant with its offset, as"),
        ("sku,counted,location,at\nA,-1,berlin,1763000000\n", "2: counted: '-1': must be a whole number from 0"),
        (
            "sku,counted,location,at\nA,1,berlin,1763000000\nA,2,berlin,1763000000\n",
            "3: sku: the same sku and key as in line 2",
        ),
    ],
)
def test_a_bad_count_sheet_is_told_before_anything_is_sent(
    config: Path, tmp_path: Path, text: str, problem: str
) -> None:
    file = write(tmp_path, text)
    result, client = run("count", file, config=config)
    assert (result.exit_code, client.said) == (2, [])
    assert result.stderr.splitlines()[0].removeprefix(f"{file}:").startswith(problem)
