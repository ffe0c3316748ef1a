"""Commands that ask the daemon: what people read, what programs read, and the exit codes."""

import json

import pytest
from click.testing import CliRunner, Result

from ops.cli.errors import Refusal, Unreachable
from ops.cli.invocation import Invocation
from ops.cli.main import main
from ops.cli.status import duration
from tests.fakes.answers import ANSWERS, BOOK, CHANNEL
from tests.fakes.client import FakeClient


def run(words: str, **changes: object) -> tuple[Result, FakeClient]:
    """Call `lastunit` with a daemon that answers `ANSWERS` but for `changes` (blanks as underscores)."""
    client = FakeClient(ANSWERS | {command.replace("_", " "): answer for command, answer in changes.items()})
    result = CliRunner().invoke(main, words.split(" "), obj=Invocation(connect=lambda: client))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result, client


def text(words: str, **changes: object) -> str:
    result, _ = run(words, **changes)
    assert result.exit_code == 0, result.stderr
    assert "\x1b" not in result.output  # no colour into a pipe, no foreign control codes
    return result.stdout


READING = ["status", "channels", "channels unmatched shop", "stock MUG-BLUE", "offers MUG-BLUE", "explain MUG-BLUE"]
READING += ["orders", "orders shop 77", "incidents", "alerts", "alerts list --all"]
ACTING = ["channels pause shop", "hold cart-1 A=2", "commit cart-1 --order 77", "release cart-1"]
ACTING += ["alerts ack 17", "alerts resolve 17 --by ann", "alerts test ops"]
ACTING += ["adjust A berlin -3 damaged", "receive A berlin 3"]


@pytest.mark.parametrize("words", [*READING, *ACTING])
def test_every_command_speaks_to_people_and_to_programs(words: str) -> None:
    assert text(words).strip()
    assert json.loads(text(f"{words} --json"))


@pytest.mark.parametrize("words", [*READING, *ACTING])
def test_no_daemon_is_exit_code_three(words: str) -> None:
    gone = Unreachable("no daemon at unix socket /x")
    result = CliRunner().invoke(
        main, words.split(" "), obj=Invocation(connect=lambda: FakeClient(dict.fromkeys(ANSWERS, gone)))
    )
    assert result.exit_code == 3
    assert result.stdout == ""
    assert result.stderr == "Error: no daemon at unix socket /x\n"


@pytest.mark.parametrize(
    ("words", "command"),
    [
        ("hold c A=2 B=1 --account shop --at berlin", "HOLD c 900 A 2 B 1 CHANNEL shop AT berlin"),
        ("hold c a=b=2 --ttl never", "HOLD c NEVER a=b 2"),
        ("commit c", "COMMIT c"),
        ("commit c --order 77", "COMMIT c ORDER 77"),
        ("release c", "RELEASE c"),
        ("adjust A berlin -3 damaged --key k", "ADJUST k A berlin -3 damaged"),
        ("receive A berlin 3 --key k", "RECEIVE k A berlin 3"),
        ("channels pause shop", "CHANNEL PAUSE shop"),
        ("explain MUG-BLUE shop", "EXPLAIN MUG-BLUE shop"),
        ("orders", "ORDERS LIMIT 50"),
        ("orders shop --limit 3", "ORDERS shop LIMIT 3"),
        ("incidents --limit 3", "INCIDENTS LIMIT 3"),
        ("alerts", "ALERTS OPEN LIMIT 50"),
        ("alerts list --all --limit 3", "ALERTS ALL LIMIT 3"),
        ("alerts ack 17", "ALERT ACK 17"),
        ("alerts resolve 17 --by ann", "ALERT RESOLVE 17 BY ann"),
        ("alerts test ops", "ALERT TEST ops"),
        ("letters", "LETTERS LIMIT 50"),
        ("letters list shop --limit 3", "LETTERS shop LIMIT 3"),
        ("letters show shop order-7", "LETTER GET shop order-7"),
        ("letters redrive shop order-7", "LETTER REDRIVE shop order-7"),
        ("letters discard shop order-7 --note test --by ann", "LETTER DISCARD shop order-7 NOTE test BY ann"),
    ],
)
def test_commands_say_what_the_socket_understands(words: str, command: str) -> None:
    _, client = run(words)
    assert [" ".join(map(str, said)) for said in client.said] == [command]


def test_status_tells_the_daemon_and_its_channels() -> None:
    said = text("status")
    assert said.startswith("warehouse-1: lastunit 0.1.0, up 3 d 4 h\nstate             ready\n")
    assert "journal position  12345\n" in said
    assert "open incidents    0\n" in said
    assert [line.rstrip() for line in said.splitlines()[-2:]] == [
        "account  state   listings  dirty  in flight  drifted  refused  unmatched  lag s  reason",
        "shop     paused         4      1          0        0        0          2    1.2  mass zeroing",
    ]


def test_status_without_a_channel_says_how_to_add_one() -> None:
    assert "No channel yet: add [[accounts]] to the configuration and start the daemon again.\n" in text(
        "status", CHANNEL_LIST=[]
    )


def test_status_points_at_open_incidents_and_at_a_daemon_that_is_not_ready() -> None:
    result, _ = run("status", INFO="incidents_open:2", HEALTH={"ready": False, "journal": "stalled", "accounts": []})
    assert "open incidents    2 (lastunit incidents)\n" in result.stdout
    assert "not ready" in result.stdout
    assert result.exit_code == 1


@pytest.mark.parametrize(
    ("seconds", "written"), [(0, "0 s"), (61, "1 min 1 s"), (3600, "1 h 0 min"), (90_000, "1 d 1 h")]
)
def test_durations_have_two_units(seconds: int, written: str) -> None:
    assert duration(seconds) == written


def test_stock_of_several_locations_has_a_sum() -> None:
    places = [{**BOOK["locations"][0], "location": name} for name in ("berlin", "hamburg")]
    said = text(
        "stock MUG-BLUE", STOCK_MUG_BLUE=None, **{"STOCK MUG-BLUE": {**BOOK, "locations": places, "oversold": 2}}
    )
    assert said.startswith("MUG-BLUE  Mug, [blue]  oversold by 2\n")
    short = [{"location": None, "units": 1, "cause": "lag"}, {"location": "fba", "units": 2, "cause": "count"}]
    said = text(
        "stock MUG-BLUE", **{"STOCK MUG-BLUE": {**BOOK, "locations": places, "oversold": 3, "shortages": short}}
    )
    assert said.startswith("MUG-BLUE  Mug, [blue]  oversold by 3 (2 at fba)\n")
    assert [line.split()[0] for line in said.splitlines() if "12" in line] == ["berlin", "hamburg", "all"]
    assert said.endswith("1 open hold\n")


def test_an_unknown_sku_is_refused_after_the_known_ones_were_shown() -> None:
    result, _ = run("stock NONE MUG-BLUE", **{"STOCK NONE": Refusal("NOSUCHSKU", "sku=NONE")})
    assert result.exit_code == 1
    assert "MUG-BLUE  Mug" in result.stdout
    assert result.stderr == (
        "Error: NOSUCHSKU sku=NONE\nNo SKU has this name; `lastunit import --catalogue` brings SKUs.\n"
    )


def test_explain_is_a_sum_that_can_be_checked_by_hand() -> None:
    said = [line.rstrip() for line in text("explain MUG-BLUE").splitlines()]
    start = said.index("    on hand                             12")
    assert said[start : start + 8] == [
        "    on hand                             12",
        "  - committed to orders                  3",
        "  - reserved by baskets                  1",
        "  - unavailable                          0",
        "  - safety stock                         2",
        "  ----------------------------------------",
        "  = available to promise                 6",
        "  not counted: 4 in transit",
    ]
    start = said.index("shop, listing 101: accepted")
    assert said[start + 1 : start + 9] == [
        "  + atp berlin                           6  stock",
        "  = atp                                  6  sum over the account's locations",
        "  x share                              0.5  default",
        "  = shared                               3  atp x share, rounded down",
        "  - buffer                               1  account shop",
        "  ----------------------------------------",
        "  = offer                                2",
        "    the channel shows              unknown",
    ]
    assert any("2026-11-11 12:00:00" in line and "order 77" in line for line in said[start:])
    assert any("cart-1" in line and "berlin 1" in line and "never" in line for line in said)


@pytest.mark.parametrize(
    ("words", "changes", "sentence"),
    [
        ("orders", {"ORDERS": []}, "No order yet."),
        ("orders shop", {"ORDERS": []}, "No order of shop yet."),
        (
            "orders shop 77",
            {"ORDER shop 77": {"account": "shop", "order": "77", "lines": []}},
            "The order has no lines.",
        ),
        ("incidents", {"INCIDENTS": []}, "No unit was ever sold twice."),
        ("alerts", {"ALERTS": []}, "Nothing is the matter."),
        ("letters", {"LETTERS": []}, "Everything was understood."),
        ("channels", {"CHANNEL LIST": []}, "No channel yet"),
        ("channels unmatched shop", {"CHANNEL UNMATCHED shop": []}, "Every listing of shop has its SKU."),
        ("offers MUG-BLUE", {"OFFERS MUG-BLUE": {"sku": "MUG-BLUE", "offers": []}}, "No channel lists MUG-BLUE"),
        ("stock MUG-BLUE", {"STOCK MUG-BLUE": {**BOOK, "locations": []}}, "nothing at any location"),
        ("explain MUG-BLUE", {"EXPLAIN MUG-BLUE": {**BOOK, "offers": []}}, "No listing of this SKU at any channel."),
        ("explain MUG-BLUE", {"EXPLAIN MUG-BLUE": {**BOOK, "offers": [{"account": "shop"}]}}, "Nothing was sent yet."),
    ],
)
def test_empty_answers_are_sentences(words: str, changes: dict[str, object], sentence: str) -> None:
    assert sentence in text(words, **changes)


def test_what_a_channel_says_cannot_drive_the_terminal() -> None:
    assert "Mug\N{REPLACEMENT CHARACTER}[2J" in text("channels unmatched shop")


def test_an_order_tells_where_its_units_come_from() -> None:
    told = text("orders shop 77")
    assert "berlin 2, hamburg 1" in told
    assert "Careful: picked up at 'Pankow'" in told
    head, row = told.splitlines()[-2:]
    assert row[head.index("picked up at") :].startswith("hamburg")


def test_what_is_the_matter_with_a_channel_stands_under_the_table() -> None:
    noted = [f"order {number}: picked up at 'Pankow'" for number in range(25)]
    told = text("channels", **{"CHANNEL LIST": [{**CHANNEL, "problems": noted}]})
    assert "Careful: shop: order 0: picked up at 'Pankow'\n" in told
    assert "order 20:" not in told
    assert told.endswith("... and 5 more: --json\n")


def test_a_wide_table_is_not_wrapped_into_a_pipe() -> None:
    long = "a" * 300
    assert long in text("channels", **{"CHANNEL LIST": [{**CHANNEL, "account": long, "reason": "very " * 50}]})


def test_a_line_of_a_hold_names_sku_and_quantity() -> None:
    result, _ = run("hold c A")
    assert result.exit_code == 2
    assert "'A' must be SKU=QUANTITY" in result.stderr
