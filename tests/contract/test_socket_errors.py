"""Every error code of docs/socket.md, in its exact words: programs read the code, people the text."""

import os
import random
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
import trio

from config.schema import Secret
from engine.domain.units import AccountId, HoldId
from tests.fakes.channel import FakeChannel
from tests.fakes.served import Served, serving
from tests.fakes.stores import SlowStore
from tests.fakes.wire import Wire, Word, as_map, pack

LONG = "x" * 201
SHOWN = "x" * 80 + "..."
PREPARED: Final[tuple[tuple[Word, ...], ...]] = (
    ("HOLD", "held", "60", "A-1", "2"),
    ("HOLD", "two", "60", "A-1", "1", "B-2", "3"),
    ("HOLD", "committed", "60", "A-1", "1"),
    ("COMMIT", "committed"),
    ("HOLD", "ordered", "60", "A-1", "1"),
    ("COMMIT", "ordered", "ORDER", "77"),
    ("HOLD", "released", "60", "A-1", "1"),
    ("RELEASE", "released"),
    ("ADJUST", "adjusted", "A-1", "berlin", "1", "found"),
    ("RECEIVE", "received", "A-1", "berlin", "1"),
)
"""What has happened before each refusal."""

INSTANT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
ROWS: Final[tuple[tuple[tuple[Word, ...], str], ...]] = (
    (("STOCK", ""), "BADARG sku is empty"),
    (("STOCK", LONG), "BADARG sku is longer than 200 bytes"),
    (("STOCK", "a\tb"), r"BADARG sku 'a\\tb' has control characters or blanks at an end"),
    (("STOCK", b"\xff"), r"BADARG sku='\\\\xff': must be valid UTF-8"),
    (("HOLD", "h", "60", "A-1", "0"), "BADARG quantity='0': must be a whole number from 1 to 1000000000"),
    (("HOLD", "h", "60", "A-1", LONG), f"BADARG quantity='{SHOWN}': must be a whole number from 1 to 1000000000"),
    (("HOLD", "h", "soon", "A-1", "1"), "BADARG ttl-seconds='soon': must be NEVER or a whole number from 1 to 2592000"),
    (("HOLD", "h", "60", "A-1", "1", "B-2"), "BADARG sku='B-2': needs a quantity"),
    (("HOLD", "h", "60", "A-1", "1", "AT"), "BADARG option='AT': needs a value"),
    (("HOLD", "h", "60", "A-1", "1", "AT", "berlin", "AT", "berlin"), "BADARG option='AT': given twice"),
    (("HOLD", "h", "60", "A-1", "1", "AT", "berlin", "B-2", "1"), "BADARG option='B-2': expected AT, CHANNEL"),
    (
        ("HOLD", "h", "60", *(word for number in range(201) for word in (f"S{number}", "1"))),
        "BADARG 201 lines: at most 200 in one hold",
    ),
    (
        ("HOLD", "h", "60", "A-1", "1000000000", "A-1", "1"),
        "BADARG sku=A-1 quantity=1000000001: at most 1000000000 in all lines together",
    ),
    (("ALERT", "ACK", "99"), "NOSUCHALERT alert=99: not open, and not among the last that were resolved"),
    (("ALERT", "ACK", "x"), "BADARG alert='x': must be a whole number from 1 to 9007199254740992"),
    (("ALERT", "ACK", "1", "FOR", "ann"), "BADARG option='FOR': expected BY"),
    (("ALERT", "HUSH", "1"), r"ERR ALERT ACK\|RESOLVE <alert> \[BY <who>\] \| ALERT TEST <destination>"),
    (("ALERT", "TEST", "nobody"), r"NOSUCHDESTINATION destination=nobody \(known: none is configured\)"),
    (("ALERTS", "SOME"), "BADARG option='SOME': expected LIMIT"),
    (("ALERTS", "ALL", "LIMIT", "0"), "BADARG limit='0': must be a whole number from 1 to 10000"),
    (("LETTERS", "x"), r"NOSUCHACCOUNT account=x \(known: direct\)"),
    (("LETTERS", "LIMIT", "0"), "BADARG limit='0': must be a whole number from 1 to 10000"),
    (
        ("LETTER", "BURN", "shop", "order-1"),
        r"ERR LETTER GET\|REDRIVE <account> <letter> \| LETTER DISCARD <account> <letter> \[NOTE <text>\] \[BY <who>\]",
    ),
    (("COMMIT", "held", "INTO", "77"), "BADARG option='INTO': expected ORDER"),
    (("ADJUST", "k", "A-1", "berlin", "0", "x"), "BADARG delta='0': must not be 0"),
    (("ADJUST", "k", "A-1", "berlin", "1", " "), "BADARG reason=' ': must not be empty"),
    (("ADJUST", "k", "A-1", "berlin", "1", "x" * 501), f"BADARG reason='{SHOWN}': at most 500 characters"),
    (("ORDERS", "LIMIT", "0"), "BADARG limit='0': must be a whole number from 1 to 10000"),
    (("RECORD", "{}"), "BADARG order: Object missing required field `account`"),
    (("RECORD", "{"), "BADARG order: Input data was truncated"),
    (("IMPORT", "APPLY", "none"), "BADARG import-id='none': nothing is staged under it on this connection"),
    (("CLIENT", "SETNAME", "a b"), "BADARG name: at most 100 printable characters without blanks"),
    (("HOLD", "more", "60", "A-1", "100"), "OUTOFSTOCK sku=A-1 requested=100 atp=7"),
    (("HOLD", "most", "60", "A-1", "1", "B-2", "100"), "OUTOFSTOCK sku=B-2 requested=100 atp=17"),
    (("HOLD", "h", "60", "Z-9", "1"), "NOSUCHSKU sku=Z-9"),
    (("HOLD", "h", "60", "A-1", "1", "Z-9", "1"), "NOSUCHSKU sku=Z-9"),
    (("STOCK", "Z-9"), "NOSUCHSKU sku=Z-9"),
    (("OFFERS", "Z-9"), "NOSUCHSKU sku=Z-9"),
    (("EXPLAIN", "Z-9"), "NOSUCHSKU sku=Z-9"),
    (("ADJUST", "k", "Z-9", "berlin", "1", "found"), "NOSUCHSKU sku=Z-9"),
    (("RECEIVE", "k", "Z-9", "berlin", "1"), "NOSUCHSKU sku=Z-9"),
    (("RECEIVE", "k", "A-1", "rome", "1"), r"NOSUCHLOCATION location=rome \(known: berlin, hamburg\)"),
    (("HOLD", "h", "60", "A-1", "1", "AT", "rome"), r"NOSUCHLOCATION location=rome \(known: berlin, hamburg\)"),
    (("HOLD", "h", "60", "A-1", "1", "CHANNEL", "x"), r"NOSUCHACCOUNT account=x \(known: direct\)"),
    (("CHANNEL", "PAUSE", "direct"), r"NOSUCHACCOUNT account=direct \(known: direct\)"),
    (("ORDERS", "x"), r"NOSUCHACCOUNT account=x \(known: direct\)"),
    (("ORDER", "x", "1"), r"NOSUCHACCOUNT account=x \(known: direct\)"),
    (("EXPLAIN", "A-1", "x"), r"NOSUCHACCOUNT account=x \(known: direct\)"),
    (("COMMIT", "h"), "NOSUCHHOLD hold=h"),
    (("COMMIT", "h", "ORDER", "1"), "NOSUCHHOLD hold=h"),
    (("RELEASE", "h"), "NOSUCHHOLD hold=h"),
    (("LOOKUP", "h"), "NOSUCHHOLD hold=h"),
    (("ORDER", "direct", "1"), "NOSUCHORDER account=direct order=1"),
    (("HOLD", "held", "60", "A-1", "3"), "CONFLICT hold=held was asked for A-1 2 at direct before"),
    (("HOLD", "held", "60", "C-3", "2"), "CONFLICT hold=held was asked for A-1 2 at direct before"),
    (("HOLD", "held", "60", "A-1", "2", "AT", "berlin"), "CONFLICT hold=held was asked for A-1 2 at direct before"),
    (("HOLD", "two", "60", "B-2", "3"), "CONFLICT hold=two was asked for A-1 1 B-2 3 at direct before"),
    (("COMMIT", "ordered", "ORDER", "78"), "CONFLICT hold=ordered was committed for order 77, not for 78"),
    (
        ("ADJUST", "adjusted", "A-1", "berlin", "2", "found"),
        "CONFLICT key=adjusted was used for ADJUST A-1 berlin 1 'found' before",
    ),
    (
        ("RECEIVE", "adjusted", "A-1", "berlin", "1"),
        "CONFLICT key=adjusted was used for ADJUST A-1 berlin 1 'found' before",
    ),
    (("RECEIVE", "received", "A-1", "berlin", "2"), "CONFLICT key=received was used for RECEIVE A-1 berlin 1 before"),
    (("COMMIT", "released"), f"RELEASED hold=released released_at={INSTANT}"),
    (("RELEASE", "committed"), f"COMMITTED hold=committed committed_at={INSTANT}"),
    (("ADJUST", "k", "A-1", "berlin", "-13", "lost"), "NEGATIVE sku=A-1 location=berlin on_hand=12 delta=-13"),
    (("NONSENSE",), "ERR unknown command 'NONSENSE': COMMAND DOCS lists them"),
    (("",), "ERR unknown command '': COMMAND DOCS lists them"),
    (("STOCK",), "ERR wrong number of arguments for 'stock': STOCK sku"),
    (("STOCK", "a", "b"), "ERR wrong number of arguments for 'stock': STOCK sku"),
    (("ECHO",), "ERR wrong number of arguments for 'echo': ECHO message"),
    (("CHANNEL", "BOGUS", "x"), r"ERR CHANNEL LIST \| CHANNEL PAUSE\|RESUME\|FLUSH\|RESYNC\|UNMATCHED <account>"),
    (
        ("IMPORT", "STAGE", "i"),
        r"ERR IMPORT STAGE import-id json \| CHECK import-id \[ROWS n\] \| APPLY\|DROP import-id \| STATUS",
    ),
    (("SELECT", "1"), "ERR there is one database: SELECT 0"),
    (("AUTH", "x"), r"ERR no password is configured \(socket.password\)"),
    (("HELLO", "4"), "NOPROTO this daemon speaks RESP 2 and 3"),
)
ELSEWHERE: Final = frozenset(
    {"NOSUCHRECIPE", "BADRECIPE", "BUNDLE", "RETIRED", "INUSE", "MERGED", "DAMAGED", "PUTAWAY"}
    | {"NOSUCHVERSION", "NOSUCHCAMPAIGN", "RUNNING"}
    | {"EXPIRED", "BADROWS", "STALLED", "BUSY", "TOOBIG", "NOAUTH", "WRONGPASS", "NOPERM", "SHUTTINGDOWN"}
    | {"NOSUCHPO", "NOSUCHTRANSFER", "NOSUCHLINE", "EXCEEDS", "ENDED", "STALE", "TOOOLD", "BOUND", "FUSE"}
    | {"UNDELIVERED", "NOSUCHLETTER", "NOTUNDERSTOOD", "UNREACHABLE"}
)
"""Codes that have tests of their own, here or in the other files about the socket."""


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path) as running:
        yield running


async def test_every_refusal_has_its_code_and_its_words(served: Served) -> None:
    wire = await served.connect()
    for words in PREPARED:
        assert isinstance(await wire.call(*words), list)
    for words, expected in ROWS:
        refused = await wire.error(*words)
        assert re.fullmatch(expected, refused), f"{words[:4]}: {refused}"
    assert await served.figures("A-1") == (12, 2, 3)
    assert await served.figures("B-2") == (20, 0, 3)
    assert await served.figures("C-3") == (30, 0, 0)


def test_the_manual_names_these_codes_and_no_others() -> None:
    manual = (Path(__file__).parents[2] / "docs" / "socket.md").read_text(encoding="utf-8")
    rows = [line for line in manual.partition("## Errors")[2].splitlines() if line.startswith("| `")]
    named = {code.split()[0] for row in rows for code in re.findall(r"`([^`]+)`", row.split("|")[1])}
    assert named == ELSEWHERE | {expected.split()[0] for _, expected in ROWS}


async def test_a_full_inbox_of_webhooks_is_busy(tmp_path: Path) -> None:
    """Law 10: what is full says so; a shop sends its webhook again."""
    channel = FakeChannel(random.Random(1), account="shop", latency_seconds=(0, 0))
    async with serving(tmp_path, channels={AccountId("shop"): ("fake", channel)}) as served:
        intake = served.node.accounts[AccountId("shop")].intake
        intake.inbox.maximum = 0
        wire = await served.connect()
        assert await wire.error("WEBHOOK", "shop", "d", "{}", "") == "BUSY account=shop has 0 webhooks waiting"


async def test_tcp_wants_the_password_before_anything_else(tmp_path: Path) -> None:
    async with serving(tmp_path, socket={"tcp": "127.0.0.1:0", "password": Secret("open sesame")}) as served:
        wire = await served.connect_tcp()
        for words in (("STOCK", "A-1"), ("HOLD", "h", "60", "A-1", "1"), ("COMMAND", "DOCS"), ("SHUTDOWN",)):
            assert await wire.error(*words) == "NOAUTH AUTH first"
        assert await wire.error("HELLO", "3") == "NOAUTH HELLO must bring AUTH on this socket"
        assert await wire.call("PING") == "PONG"
        for wrong in (("AUTH", "open"), ("AUTH", "user", b"\xff"), ("HELLO", "3", "AUTH", "default", "sesame")):
            assert await wire.error(*wrong) == "WRONGPASS the password is wrong"
        assert await wire.error("STOCK", "A-1") == "NOAUTH AUTH first"
        assert await wire.call("AUTH", "anyone", "open sesame") == "OK"
        assert (await wire.map("STOCK", "A-1"))["atp"] == 10
        other = await served.connect_tcp()
        hello = await other.call("HELLO", "3", "AUTH", "default", "open sesame", "SETNAME", "till-1")
        assert (hello["proto"], hello["server"]) == (3, "lastunit")
        assert await other.call("CLIENT", "GETNAME") == "till-1"
        assert (await other.call("STOCK", "A-1"))["atp"] == 10
        await served.check_unharmed()


async def test_without_the_password_nobody_fills_memory(tmp_path: Path) -> None:
    async with serving(tmp_path, socket={"tcp": "127.0.0.1:0", "password": Secret("open sesame")}) as served:
        wire = await served.connect_tcp()
        await wire.send_raw(pack("AUTH", b"x" * 1_000_000)[:300_000])
        assert await wire.read_to_end() == b"-TOOBIG a command of more than 16384 bytes\r\n"
        await served.check_unharmed()


async def test_another_user_of_this_machine_is_sent_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file's mode keeps others out; the kernel's word on who is there keeps them out where the mode was changed."""
    async with serving(tmp_path) as served:
        assert (tmp_path / "s").stat().st_mode & 0o777 == 0o600
        monkeypatch.setattr("ops.socket.server.peer_of", lambda _client: (4711, os.getuid() + 1))
        stranger = await Wire.connect(served.path)
        assert await stranger.read_to_end() == b"-NOPERM this socket belongs to another user\r\n"
        await stranger.aclose()
        monkeypatch.setattr("ops.socket.server.peer_of", lambda _client: (4711, os.getuid()))
        await served.check_unharmed()
        assert served.heard.refused["peer"] == 1


async def test_a_stopping_daemon_answers_what_it_has_taken_and_refuses_the_rest(tmp_path: Path) -> None:
    store = SlowStore()
    store.open()
    async with serving(tmp_path, store) as served:
        busy, idle = await served.connect(), await served.connect()
        assert await idle.call("PING") == "PONG"
        store.shut()
        await busy.send("HOLD", "taken", "60", "A-1", "1")
        with trio.fail_after(5):
            while not store.appending:
                await trio.lowlevel.checkpoint()
        await busy.send("HOLD", "too-late", "60", "A-1", "1")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(served.server.drain)
            assert await idle.read_to_end() == b""
            store.open()
            assert as_map(await busy.read())["hold"] == "taken"
            assert str(await busy.read()) == "SHUTTINGDOWN the daemon is stopping"
            assert await busy.read_to_end() == b""
        with pytest.raises(FileNotFoundError):
            await Wire.connect(served.path)
        assert served.node.router.skus_of(HoldId("too-late")) == ()
