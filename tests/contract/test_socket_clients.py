"""The command socket with the clients that people really use: redis-py, redis-cli, redis-benchmark."""

import json
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import redis
import trio
from redis.backoff import NoBackoff
from redis.retry import Retry

from config.schema import Secret
from tests.fakes.served import Served, serving
from tests.fakes.wire import as_map

MANUAL = Path(__file__).parents[2] / "docs" / "socket.md"
PASSWORD = "open sesame"


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path, socket={"tcp": "127.0.0.1:0", "password": Secret(PASSWORD)}) as running:
        yield running


async def run_tool(name: str, *words: str, stdin: bytes | None = None) -> str:
    """Run a Redis tool; skip the test where it is not installed."""
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    with trio.fail_after(30):
        done = await trio.run_process([name, *words], stdin=stdin, capture_stdout=True, capture_stderr=True)
    return done.stdout.decode()


# -- redis-py


def shop_with(client: Any) -> dict[str, Any]:  # redis-py is annotated in parts
    """Do what a storefront does; return the stock afterwards."""
    assert client.ping()
    client.execute_command("HOLD", "one", 60, "A-1", 3)
    client.execute_command("COMMIT", "one", "ORDER", "77")
    with pytest.raises(redis.ResponseError, match=r"^OUTOFSTOCK sku=A-1 requested=8 atp=7$"):
        client.execute_command("HOLD", "two", 60, "A-1", 8)
    with client.pipeline(transaction=False) as pipe:
        for number in range(20):
            pipe.execute_command("HOLD", f"p{number}", "NEVER", "B-2", 1)
            pipe.execute_command("RELEASE", f"p{number}")
        answers = pipe.execute()
    assert [as_map(answer)["hold"] for answer in answers] == [f"p{number // 2}" for number in range(40)]
    return as_map(client.execute_command("STOCK", "A-1"))


@pytest.mark.parametrize("protocol", [2, 3])
async def test_redis_py_over_the_unix_socket(served: Served, protocol: int) -> None:
    def work() -> dict[str, Any]:
        with redis.Redis(unix_socket_path=str(served.path), protocol=protocol, decode_responses=True) as client:
            return shop_with(client)

    stock = await trio.to_thread.run_sync(work)
    assert (stock["on_hand"], stock["committed"], stock["atp"]) == (10, 3, 7)
    assert await served.figures("B-2") == (20, 0, 0)


@pytest.mark.parametrize("protocol", [2, 3])
async def test_redis_py_over_tcp_brings_the_password(served: Served, protocol: int) -> None:
    assert served.server.tcp_address is not None
    host, port = served.server.tcp_address

    def work(password: str | None) -> dict[str, Any]:
        once = Retry(NoBackoff(), 0)
        with redis.Redis(host, port, password=password, protocol=protocol, decode_responses=True, retry=once) as client:
            return shop_with(client)

    assert (await trio.to_thread.run_sync(work, PASSWORD))["atp"] == 7
    with pytest.raises(redis.AuthenticationError):
        await trio.to_thread.run_sync(work, "sesame")
    with pytest.raises(redis.AuthenticationError):
        await trio.to_thread.run_sync(work, None)


async def test_redis_py_hears_that_a_command_is_too_big(served: Served) -> None:
    """It sends everything before it reads: the daemon must not slam the door on it."""

    def work() -> str:
        with redis.Redis(unix_socket_path=str(served.path)) as client:
            try:
                client.execute_command("ADJUST", "k", "A-1", "berlin", 1, b"x" * (10 << 20))
            except redis.ResponseError as error:
                return str(error)
        return ""

    assert (await trio.to_thread.run_sync(work)).startswith("TOOBIG a command of more than 8388608 bytes")
    await served.check_unharmed()


async def test_many_redis_py_threads_share_the_last_units(served: Served) -> None:
    """Lessons A7, A12, A14: eight writers, ten units, never more than ten holds."""
    answers: list[str] = []

    def work(writer: int) -> None:
        with redis.Redis(unix_socket_path=str(served.path), decode_responses=True) as client:
            for number in range(10):
                try:
                    client.execute_command("HOLD", f"{writer}-{number}", 60, "A-1", 1)
                    answers.append("granted")
                except redis.ResponseError as error:
                    answers.append(str(error))

    async with trio.open_nursery() as nursery:
        for writer in range(8):
            nursery.start_soon(trio.to_thread.run_sync, work, writer)
    assert answers.count("granted") == 10
    assert answers.count("OUTOFSTOCK sku=A-1 requested=1 atp=0") == 70
    assert await served.figures("A-1") == (10, 0, 10)


# -- redis-cli and redis-benchmark


@pytest.mark.slow
async def test_redis_cli_is_an_admin_shell(served: Served) -> None:
    path = str(served.path)
    granted = await run_tool("redis-cli", "-s", path, "-3", "--json", "HOLD", "h", "60", "A-1", "2")
    assert json.loads(granted)["lines"] == [{"sku": "A-1", "location": "berlin", "quantity": 2}]
    assert await run_tool("redis-cli", "-s", path, "HOLD", "i", "60", "A-1", "9") == (
        "OUTOFSTOCK sku=A-1 requested=9 atp=8\n\n"
    )
    script = b"RELEASE h\nSTOCK nothing\nPING\n"
    lines = (await run_tool("redis-cli", "-s", path, stdin=script)).splitlines()
    assert "NOSUCHSKU sku=nothing" in lines
    assert lines[-1] == "PONG"
    assert "hold-id" in await run_tool("redis-cli", "-s", path, "COMMAND", "DOCS", "HOLD")
    await served.check_unharmed()


@pytest.mark.slow
@pytest.mark.parametrize("clients", [1, 16])
async def test_redis_benchmark_gets_an_answer_to_every_command(served: Served, clients: int) -> None:
    """Its own ids are random, so holds repeat; each of them holds one unit once, however often it was asked for."""
    words = ("-s", str(served.path), "-n", "3000", "-c", str(clients), "-P", "8", "-r", "25", "-q")
    out = await run_tool("redis-benchmark", *words, "HOLD", "h__rand_int__", "NEVER", "C-3", "1")
    assert "requests per second" in out
    assert "rror" not in out
    wire = await served.connect(3)
    granted = [f"h{number:012}" for number in range(25)]
    states = [(await wire.map("LOOKUP", hold))["state"] for hold in granted]
    assert states == ["held"] * 25
    assert await served.figures("C-3") == (30, 0, 25)
    assert served.heard.refused.total() == 0


# -- what the socket says of itself


def manual_commands() -> set[str]:
    """Return the first words of every row of the manual's tables, and the commands its last section names."""
    text = MANUAL.read_text(encoding="utf-8").partition("## Errors")[0]
    tables, _, daemon = text.partition("## The daemon")
    rows = re.findall(r"^\| `([A-Z]+)", tables, re.MULTILINE)
    return {word.lower() for word in (*rows, *re.findall(r"`([A-Z]{4,})\b", daemon))} - {"setname"}


async def test_command_docs_and_the_manual_describe_the_same_commands(served: Served) -> None:
    docs = await (await served.connect(3)).call("COMMAND", "DOCS")
    assert set(docs) == manual_commands()
    for name, described in docs.items():
        assert described["summary"], name
        assert described["group"], name


async def test_command_docs_gives_what_was_asked_for_in_both_protocols(served: Served) -> None:
    two, three = await served.connect(2), await served.connect(3)
    assert list(await three.call("COMMAND", "DOCS", "hold", "NONSENSE", "PING")) == ["hold", "ping"]
    flat = as_map(await two.call("COMMAND", "DOCS", "hold"))
    assert as_map(flat["hold"]) == (await three.call("COMMAND", "DOCS", "hold"))["hold"]
    count = await two.call("COMMAND", "COUNT")
    assert count == len(await two.call("COMMAND")) == len(await two.call("COMMAND", "INFO"))
    assert (await two.call("COMMAND", "INFO", "stock", "nonsense")) == [["stock", 2, [], 0, 0, 0], None]


async def test_the_handshake_of_client_libraries(served: Served) -> None:
    wire = await served.connect()
    hello = as_map(await wire.call("HELLO"))
    assert (hello["server"], hello["proto"], hello["version"]) == ("lastunit", 2, "test")
    for words, answer in (
        (("PING",), "PONG"),
        (("PING", "x"), "x"),
        (("ECHO", "y"), "y"),
        (("SELECT", "0"), "OK"),
        (("CLIENT", "SETINFO", "LIB-NAME", "z"), "OK"),
        (("CLIENT", "GETNAME"), None),
        (("CLIENT", "SETNAME", "till-1"), "OK"),
        (("CLIENT", "GETNAME"), "till-1"),
        (("CLIENT", "NO-EVICT", "on"), "OK"),
    ):
        assert await wire.call(*words) == answer, words
    assert "name=till-1 resp=2" in await wire.call("CLIENT", "INFO")
    assert isinstance(await wire.call("CLIENT", "ID"), int)
    assert (await wire.call("HELLO", "3", "SETNAME", "till-2"))["proto"] == 3
    assert await wire.call("CLIENT", "GETNAME") == "till-2"
    assert await wire.call("RESET") == "RESET"
    assert isinstance(await wire.call("HELLO"), list)
    assert await wire.call("QUIT") == "OK"
    assert await wire.read_to_end() == b""


async def test_command_names_and_options_may_be_written_in_any_case(served: Served) -> None:
    wire = await served.connect(3)
    assert (await wire.call("hOlD", "h", "Never", "A-1", "1", "at", "berlin"))["expires_at"] is None
    assert (await wire.call("commit", "h", "oRdEr", "7"))["order"] == "7"
