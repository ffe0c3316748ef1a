"""Bad input on the command socket: every client gets what it deserves, and nobody else notices.

After each of these the stock figures are what the answers said, and a new client is served.
"""

import json
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
import trio.testing

from tests.fakes.served import STOCK, Served, serving
from tests.fakes.wire import Wire, Word, pack

HUGE = b"9" * 40
ARABIC_ONE, SUPERSCRIPT_TWO = "\u0661".encode(), "\u00b2".encode()
"""`str.isdigit` says yes to both."""


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path, socket={"send_seconds_max": 0.2}) as running:
        yield running


# -- arguments


@pytest.mark.parametrize(
    "quantity",
    [
        *(b"-1", b"0", b"1000000001", HUGE, b"1.5", b"1e3", b"", b" 1", b"1 ", b"+1", b"0x10", b"two", b"1_000"),
        *(ARABIC_ONE, SUPERSCRIPT_TWO, b"\xff", b"1\r\n+OK", b"nan", b"--1", b"-"),
    ],
)
async def test_a_quantity_is_a_whole_number_of_at_least_one(served: Served, quantity: bytes) -> None:
    wire = await served.connect()
    for words in (
        ("HOLD", "h", "60", "A-1", quantity),
        ("HOLD", "h", "60", "B-2", "1", "A-1", quantity),
        ("RECEIVE", "k", "A-1", "berlin", quantity),
    ):
        assert (await wire.error(*words)).startswith("BADARG quantity=")
    assert await wire.error("LOOKUP", "h") == "NOSUCHHOLD hold=h"
    await served.check_unharmed()


@pytest.mark.parametrize("delta", [b"0", b"-0", b"1000000001", b"-1000000001", HUGE, b"1.5", b"\xff", b"", b"-"])
async def test_a_delta_is_a_whole_number_other_than_zero(served: Served, delta: bytes) -> None:
    wire = await served.connect()
    assert (await wire.error("ADJUST", "k", "A-1", "berlin", delta, "why")).startswith("BADARG delta=")
    await served.check_unharmed()


@pytest.mark.parametrize("ttl", [b"0", b"-1", b"1.5", b"2592001", HUGE, b"", b"FOREVER", ARABIC_ONE, b"\xff"])
async def test_a_time_to_live_is_never_or_whole_seconds(served: Served, ttl: bytes) -> None:
    wire = await served.connect()
    assert (await wire.error("HOLD", "h", ttl, "A-1", "1")).startswith("BADARG ttl-seconds=")
    await served.check_unharmed()


LINE = {"line_id": "1", "sku": "A-1", "ordered": 1}
ORDER = {
    "account": "direct",
    "order_id": "77",
    "status": "accepted",
    "placed_at": "2026-11-11T12:00:00Z",
    "modified_at": "2026-11-11T12:00:00Z",
    "lines": [LINE],
}


@pytest.mark.parametrize("bad", [b"\xff", b"\xed\xa0\x80", b"a\x00b", b"a\r\nb", b" a", b"a" * 201, b""])
async def test_an_identifier_that_is_no_name_is_refused_in_every_place(served: Served, bad: bytes) -> None:
    wire = await served.connect()
    commands: list[tuple[Word, ...]] = [
        ("HOLD", bad, "60", "A-1", "1"),
        ("HOLD", "h", "60", bad, "1"),
        ("HOLD", "h", "60", "A-1", "1", "CHANNEL", bad),
        ("HOLD", "h", "60", "A-1", "1", "AT", bad),
        ("COMMIT", bad),
        ("COMMIT", "h", "ORDER", bad),
        ("RELEASE", bad),
        ("LOOKUP", bad),
        ("ADJUST", bad, "A-1", "berlin", "1", "found"),
        ("ADJUST", "k", bad, "berlin", "1", "found"),
        ("ADJUST", "k", "A-1", bad, "1", "found"),
        ("RECEIVE", bad, "A-1", "berlin", "1"),
        ("RECEIVE", "k", bad, "berlin", "1"),
        ("RECEIVE", "k", "A-1", bad, "1"),
        ("STOCK", bad),
        ("OFFERS", bad),
        ("EXPLAIN", bad),
        ("EXPLAIN", "A-1", bad),
        ("ORDER", bad, "1"),
        ("ORDER", "direct", bad),
        ("ORDERS", bad),
        ("WEBHOOK", bad, "k", "{}", ""),
        ("CHANNEL", "PAUSE", bad),
        ("IMPORT", "STAGE", bad, "[]"),
    ]
    for words in commands:
        assert (await wire.error(*words)).startswith("BADARG "), words
    await served.check_unharmed()


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b'{"account": "\xff"}',
        b'{"account": "\\ud800"}',
        b"[" * 200_000,
        b'{"a": ' * 200_000,
        b"1" * 100_000,
        json.dumps(ORDER | {"account": "\x00"}).encode(),
        json.dumps(ORDER | {"order_id": "a\r\nb"}).encode(),
        json.dumps(ORDER | {"lines": [LINE | {"ordered": -1}]}).encode(),
        json.dumps(ORDER | {"lines": [LINE | {"ordered": 10**30}]}).encode(),
        json.dumps(ORDER | {"lines": [LINE | {"shipped": 2}]}).encode(),
        json.dumps(ORDER | {"lines": [LINE, LINE]}).encode(),
        json.dumps(ORDER | {"lines": [LINE | {"sku": " "}]}).encode(),
        json.dumps(ORDER | {"modified_at": "2026-11-11T12:00:00"}).encode(),
        json.dumps(ORDER | {"modified_at": "0001-01-01T00:00:00+14:00"}).encode(),
        json.dumps(ORDER | {"placed_at": "9999-12-31T23:59:59-12:00"}).encode(),
        json.dumps(ORDER | {"held_until": "9999-12-31T23:59:59-12:00"}).encode(),
        json.dumps(ORDER | {"read_at": "0001-01-01T00:00:00+14:00"}).encode(),
    ],
    ids=range(22),
)
async def test_an_order_that_cannot_be_read_changes_nothing(served: Served, document: bytes) -> None:
    wire = await served.connect()
    assert (await wire.error("RECORD", document)).startswith(("BADARG ", "NOSUCHACCOUNT "))
    assert await wire.call("ORDERS") == []
    await served.check_unharmed()


@pytest.mark.parametrize(
    "document",
    [
        *(b"", b"{}", b"\xff", b"[1, [], null]", b'[{"kind": "sku", "sku": "\xff"}]'),
        b'[{"kind": "sku", "sku": "Z", "name": "\\udfff"}]',
        *(b"[" * 200_000, b"[" * 200_000 + b"]" * 200_000, b'[{"kind": "sku", "x": ' + b"[" * 200_000),
        b'[{"kind": "sku", "sku": "Z", "x": ' + b"[" * 50_000 + b"]" * 50_000 + b"}]",
    ],
    ids=range(10),
)
async def test_an_import_that_cannot_be_read_is_bad_rows(served: Served, document: bytes) -> None:
    wire = await served.connect()
    assert await wire.call("IMPORT", "STAGE", "i", '[{"kind": "sku", "sku": "NEW"}]') == "OK"
    assert await wire.call("IMPORT", "STAGE", "i", document) == "OK"
    refusal = await wire.error("IMPORT", "APPLY", "i")
    assert refusal.startswith("BADROWS [")
    assert {problem["row"] for problem in json.loads(refusal.removeprefix("BADROWS "))} >= {1}
    assert await wire.error("STOCK", "NEW") == "NOSUCHSKU sku=NEW"
    await served.check_unharmed()


@pytest.mark.parametrize("text", [b"x\r\n+OK", b"x\n+OK", b"x\r+OK", "x\u2028+OK".encode(), b"x\r\n:1\r\n"])
async def test_the_text_of_an_error_cannot_forge_a_reply(served: Served, text: bytes) -> None:
    """Redis clients split at CR LF: a caller's own bytes inside an error must not become the next caller's answer."""
    wire = await served.connect()
    hostile: list[tuple[Word, ...]] = [
        (text,),
        ("STOCK", text),
        ("HOLD", "h", text, "A-1", "1"),
        ("HOLD", "h", "60", "A-1", text),
        ("HOLD", "h", "60", "A-1", "1", text, "x"),
        ("RECORD", text),
        ("RECORD", json.dumps(ORDER | {"order_id": text.decode()})),
        ("CHANNEL", "PAUSE", text),
        ("HELLO", "3", "SETNAME", text),
        ("CLIENT", "SETNAME", text),
    ]
    for words in hostile:
        raw = await wire.bytes_of(*words)
        assert raw.startswith(b"-"), words
        assert raw.count(b"\r") == raw.count(b"\n") == 1, raw
        assert await wire.call("PING") == "PONG"
    await served.check_unharmed()


# -- bytes


NOT_COMMANDS = {
    "inline": b"PING\r\n",
    "http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "nested": b"*2\r\n$4\r\nPING\r\n*1\r\n$1\r\na\r\n",
    "integer": b"*2\r\n$4\r\nECHO\r\n:1\r\n",
    "null": b"*2\r\n$4\r\nECHO\r\n$-1\r\n",
    "null-array": b"*-1\r\n",
    "empty": b"*0\r\n",
    "map": b"%1\r\n$1\r\na\r\n$1\r\nb\r\n",
    "map-of-lists": b"%1\r\n*0\r\n:1\r\n",
    "map-of-maps": b"%1\r\n%0\r\n:1\r\n",
    "set": b"~1\r\n$4\r\nPING\r\n",
    "push": b">1\r\n$4\r\nPING\r\n",
    "error": b"-ERR x\r\n",
    "simple": b"+PING\r\n",
    "negative": b"*-2\r\n",
    "huge-length": b"$99999999999999999999\r\n",
    "garbage": bytes(range(128, 256)),
    "zeros": b"\0" * 1000,
    "tls": bytes.fromhex("16030100c8010000c40303"),
    "deep": b"*1\r\n" * 100 + b"$4\r\nPING\r\n",
}


@pytest.mark.parametrize("name", NOT_COMMANDS)
async def test_what_is_not_a_command_ends_its_connection_and_no_other(served: Served, name: str) -> None:
    other = await served.connect()
    wire = await served.connect()
    await wire.send_raw(pack("HOLD", "before", "NEVER", "A-1", "1") + NOT_COMMANDS[name] + pack("SHUTDOWN"))
    answer = await wire.read_to_end()
    assert answer.count(b"$4\r\nhold\r\n$6\r\nbefore") == 1  # what came before it counts
    assert b"-ERR Protocol error" in answer
    assert not served.node.shutdown_wanted.is_set()
    assert await other.call("PING") == "PONG"
    assert await other.call("RELEASE", "before")
    await served.check_unharmed()


@pytest.mark.parametrize(
    "spelt", [b"$-1\r\n", b":1\r\n", b"*-1\r\n", b"*1\r\n$1\r\n1\r\n", b"_\r\n", b"#t\r\n", b",1\r\n"]
)
@pytest.mark.parametrize("place", range(1, 5))
@pytest.mark.parametrize("alone", [True, False])
async def test_a_word_of_a_hold_that_is_no_string_holds_nothing(
    served: Served, spelt: bytes, place: int, *, alone: bool
) -> None:
    """Whatever the holds before it in the same read had in common with it."""
    words = [b"$4\r\nHOLD\r\n", b"$1\r\nh\r\n", b"$5\r\nNEVER\r\n", b"$3\r\nA-1\r\n", b"$1\r\n1\r\n"]
    words[place] = spelt
    wire = await served.connect()
    before = b"" if alone else pack("HOLD", "before", "NEVER", "A-1", "1")
    await wire.send_raw(before + b"*5\r\n" + b"".join(words))
    answer = await wire.read_to_end()
    assert answer.count(b"$4\r\nhold\r\n") == (not alone)
    assert b"-ERR Protocol error" in answer
    if not alone:
        await (await served.connect()).call("RELEASE", "before")
    await served.check_unharmed()


@pytest.mark.parametrize("kind", [b"*", b">", b"~"])
@pytest.mark.parametrize("nested", [b"", b"*2\r\n$4\r\nECHO\r\n"])
@pytest.mark.parametrize("cut", [0, 1, 2, 3, 9])
async def test_an_array_of_a_billion_costs_nothing(served: Served, kind: bytes, nested: bytes, cut: int) -> None:
    """The parser reserves room for as many elements as a client names; the header may come in two reads."""
    data = pack("PING") + nested + kind + b"1000000000\r\n"
    wire = await served.connect()
    seam = len(data) - len(b"1000000000\r\n") - 1 + cut
    await wire.send_raw(data[:seam])
    await trio.testing.wait_all_tasks_blocked(0.001)
    with trio.fail_after(1):
        await wire.send_raw(data[seam:])
        answer = await wire.read_to_end()
    assert answer.startswith(b"+PONG\r\n-TOOBIG " if kind == b"*" else b"+PONG\r\n-ERR Protocol error")
    await served.check_unharmed()


@pytest.mark.parametrize("seam", range(20, 50))
async def test_a_text_that_looks_like_a_large_array_is_text(served: Served, seam: int) -> None:
    """The guard against large arrays must not take a payload for a header, wherever a read happens to end."""
    data = pack("ECHO", b"x\r\n*1000000000\r\n*1000000000\r\n>1000000000\r\n*1000000000")
    wire = await served.connect()
    await wire.send_raw(data[:seam])
    await trio.testing.wait_all_tasks_blocked(0.001)
    await wire.send_raw(data[seam:] + pack("PING"))
    assert str(await wire.read()).count("1000000000") == 4
    assert await wire.read() == "PONG"


async def test_a_command_of_ten_megabytes_is_too_big_and_its_sender_hears_so(served: Served) -> None:
    """It sends all of it before it reads, as client libraries do."""
    other = await served.connect()
    wire = await served.connect()
    await wire.send("ADJUST", "k", "A-1", "berlin", "1", b"x" * (10 << 20))
    answer = await wire.read_to_end()
    assert answer.startswith(b"-TOOBIG a command of more than 8388608 bytes")
    assert answer.endswith(b"\r\n")
    assert await other.call("PING") == "PONG"
    await served.check_unharmed()


async def test_a_command_just_below_the_limit_is_a_command(served: Served) -> None:
    wire = await served.connect()
    assert len(await wire.call("ECHO", b"x" * (8_000_000))) == 8_000_000


@pytest.mark.parametrize("length", [1, 5, 14, 30, 45])
async def test_half_a_command_is_no_command(served: Served, length: int) -> None:
    wire = await served.connect()
    await wire.send_raw(pack("HOLD", "half", "NEVER", "A-1", "1")[:length])
    await wire.aclose()
    await served.heard.wait_open(0)
    await served.check_unharmed()


async def test_random_bytes_never_end_the_daemon(served: Served) -> None:
    """Fragments of the protocol in any order, with stock commands between them that must not be believed."""
    rng = random.Random(20261111)
    tokens = [b"*", b"$", b"%", b"~", b">", b"|", b"#", b",", b"(", b"=", b"!", b"-", b"+", b":", b"_", b"\r\n"]
    tokens += [b"0", b"1", b"2", b"-1", b"\r\n", b"*1\r\n", b"%1\r\n", b"~1\r\n", b"$1\r\na\r\n", b":1\r\n", b"\xff"]
    tokens += [pack("STOCK", "A-1"), pack("HOLD")[:-3], b"*3\r\n$4\r\nHOLD\r\n"]
    for _ in range(300):
        wire = await served.connect()
        await wire.send_raw(b"".join(rng.choice(tokens) for _ in range(rng.randint(1, 20))))
        await wire.aclose()
    await served.heard.wait_open(0)
    await served.check_unharmed()


# -- many and slow ones


async def test_one_connection_too_many_is_told_and_closed(tmp_path: Path) -> None:
    async with serving(tmp_path, socket={"connections_max": 3}) as served:
        await served.heard.wait_open(0)
        wires = [await served.connect() for _ in range(3)]
        assert [await wire.call("PING") for wire in wires] == ["PONG"] * 3
        extra = await served.connect()
        assert await extra.read_to_end() == b"-BUSY too many connections (socket.connections_max)\r\n"
        assert served.heard.refused["too_many"] == 1
        await wires[0].aclose()
        await served.heard.wait_open(2)
        assert await (await served.connect()).call("PING") == "PONG"


async def test_clients_that_knock_and_run_while_it_is_full_do_no_harm(tmp_path: Path) -> None:
    async with serving(tmp_path, socket={"connections_max": 1}) as served:
        await served.heard.wait_open(0)
        wire = await served.connect()
        assert await wire.call("PING") == "PONG"
        for _ in range(50):
            await (await Wire.connect(served.path)).aclose()
        assert await wire.call("PING") == "PONG"
        await wire.aclose()
        await served.heard.wait_open(0)
        await served.check_unharmed()


async def test_a_client_that_never_reads_is_disconnected_and_nobody_else_waits(served: Served) -> None:
    other = await served.connect()
    wire = await served.connect()

    async def ask_on() -> None:
        while True:
            await wire.send_raw(pack("COMMAND", "DOCS") * 100)
            assert await other.call("PING") == "PONG"

    with pytest.raises(trio.BrokenResourceError):
        await ask_on()
    assert served.heard.refused["slow_reader"] == 1
    await wire.aclose()
    await other.aclose()
    await served.heard.wait_open(0)
    await served.check_unharmed()


@pytest.mark.slow
async def test_a_client_that_reads_slowly_but_reads_keeps_its_connection(served: Served) -> None:
    """`send_seconds_max` is for a client that takes no bytes at all, not for a long reply on a thin line."""
    wire = await served.connect()
    words = b"x" * 4_000_000
    await wire.send("ECHO", words)
    received = 0
    while received < len(words):
        received += len(await wire.stream.receive_some(1 << 18))
        await trio.sleep(0.03)
    assert await (await served.connect()).call("PING") == "PONG"
    assert served.heard.refused["slow_reader"] == 0


@pytest.mark.slow
async def test_a_hundred_thousand_commands_before_the_first_read_are_all_answered_in_order(tmp_path: Path) -> None:
    count = 100_000
    async with serving(tmp_path) as served:
        wire = await served.connect()
        commands = [("HOLD", f"h{index}", "NEVER", "C-3", "1") for index in range(40)]
        sent = b"".join(pack(*words) for words in commands) + b"".join(pack("ECHO", index) for index in range(count))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wire.send_raw, sent)
            granted = [isinstance(await wire.read(), list) for _ in commands]
            assert granted == [True] * 30 + [False] * 10
            for index in range(count):
                assert await wire.read() == str(index)
        assert await served.figures("C-3") == (STOCK["C-3"], 0, 30)


async def test_staged_rows_have_a_limit_over_all_imports_of_a_connection(served: Served) -> None:
    served.node.import_bytes_max = 1000
    wire = await served.connect()
    assert await wire.call("IMPORT", "STAGE", "one", b"[" + b" " * 600 + b"]") == "OK"
    assert (await wire.error("IMPORT", "STAGE", "two", b"[" + b" " * 600 + b"]")).startswith("TOOBIG ")
    assert await wire.call("IMPORT", "DROP", "one") == "OK"
    assert await wire.call("IMPORT", "STAGE", "two", b"[" + b" " * 600 + b"]") == "OK"
    await served.check_unharmed()
