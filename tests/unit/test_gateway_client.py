"""Many requests over few connections: order, limits, losses."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from config.schema import Location, Node, Secret, Settings, Socket
from ops.gateway import client, link
from ops.gateway.client import Address, DaemonClient, Lane, find_address
from ops.gateway.link import DaemonRefused, DaemonUnavailable
from tests.fakes.daemon import FakeDaemon, Refusal


@asynccontextmanager
async def connected(address: Address) -> AsyncIterator[DaemonClient]:
    async with DaemonClient(address) as daemon:
        await until(lambda: all(daemon.connected(lane) == client.LINKS_PER_LANE for lane in Lane))
        yield daemon


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.002)


def drive(fake: FakeDaemon, work: Callable[[DaemonClient], Coroutine[object, object, None]]) -> None:
    async def main() -> None:
        async with connected(Address(path=fake.path)) as daemon:
            await work(daemon)

    asyncio.run(main())


async def fate(answer: Awaitable[object]) -> DaemonUnavailable:
    with pytest.raises(DaemonUnavailable) as caught:
        await answer
    return caught.value


def test_answers_find_their_callers_whatever_their_number(tmp_path: Path) -> None:
    async def work(daemon: DaemonClient) -> None:
        calls = [daemon.call(Lane.READ, "LOOKUP", f"h{n}") for n in range(1000)]
        for number, error in enumerate(await asyncio.gather(*calls, return_exceptions=True)):
            assert isinstance(error, DaemonRefused)
            assert (error.code, error.text) == ("NOSUCHHOLD", f"h{number}")
        assert daemon.in_flight(Lane.READ) == 0

    with FakeDaemon(tmp_path / "s") as fake:
        drive(fake, work)


def test_a_caller_who_gives_up_leaves_the_order_of_the_others_alone(tmp_path: Path) -> None:
    async def work(daemon: DaemonClient) -> None:
        pipe = daemon.pick(Lane.READ)
        first, second, third = (pipe.call("LOOKUP", f"h{n}") for n in range(3))
        second.cancel()
        for answer, name in ((first, "h0"), (third, "h2")):
            with pytest.raises(DaemonRefused, match=name):
                await answer

    with FakeDaemon(tmp_path / "s") as fake:
        drive(fake, work)


def test_commands_of_one_tick_leave_in_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushes: list[int] = []
    flush = link.Link._flush

    def counted(pipe: link.Link) -> None:
        flushes.append(len(pipe._outgoing))
        flush(pipe)

    monkeypatch.setattr(link.Link, "_flush", counted)

    async def work(daemon: DaemonClient) -> None:
        flushes.clear()
        pipe = daemon.pick(Lane.WRITE)
        await asyncio.gather(*(pipe.call("CHANNEL", "LIST") for _ in range(50)))
        assert flushes == [50]

    with FakeDaemon(tmp_path / "s") as fake:
        drive(fake, work)


def test_too_much_in_flight_is_busy_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "IN_FLIGHT_MAX", 3)
    monkeypatch.setattr(link, "IN_FLIGHT_BYTES_MAX", 1000)

    async def work(daemon: DaemonClient) -> None:
        pipe = daemon.pick(Lane.WRITE)
        waiting = [pipe.call("HOLD", "x") for _ in range(3)]
        with pytest.raises(DaemonRefused, match="BUSY"):
            pipe.call("HOLD", "x")
        other = daemon.pick(Lane.WRITE)
        assert other is not pipe, "the least loaded connection is chosen"
        waiting.append(other.call("HOLD", b"x" * 5000))  # one alone may be of any size
        with pytest.raises(DaemonRefused, match="BUSY"):
            other.call("HOLD", b"y")
        fake.drop_clients()
        for answer in waiting:
            assert (await fate(answer)).sent

    with FakeDaemon(tmp_path / "s") as fake:
        fake.silent.add("HOLD")
        drive(fake, work)


def test_a_lost_connection_fails_what_was_sent_and_comes_back(tmp_path: Path) -> None:
    async def work(daemon: DaemonClient) -> None:
        answer = daemon.call(Lane.WRITE, "HOLD", "x")
        await until(lambda: fake.count("HOLD") == 1)
        fake.stop()
        assert (await fate(answer)).sent
        await until(lambda: daemon.connected(Lane.WRITE) == 0)
        with pytest.raises(DaemonUnavailable) as caught:
            daemon.call(Lane.WRITE, "HOLD", "x")
        assert not caught.value.sent
        fake.silent.clear()
        fake.start()
        await until(lambda: daemon.connected(Lane.WRITE) == client.LINKS_PER_LANE)
        assert daemon.connects(Lane.WRITE) == 2 * client.LINKS_PER_LANE
        assert await daemon.call(Lane.WRITE, "CHANNEL", "PAUSE", "shop") == "OK"

    with FakeDaemon(tmp_path / "s") as fake:
        fake.silent.add("HOLD")
        drive(fake, work)


def test_a_daemon_that_stays_silent_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "ANSWER_SECONDS_MAX", 0.02)
    monkeypatch.setattr(client, "WATCH_SECONDS", 0.01)

    async def work(daemon: DaemonClient) -> None:
        assert (await fate(daemon.call(Lane.WRITE, "HOLD", "x"))).sent
        await until(lambda: daemon.connected(Lane.WRITE) == client.LINKS_PER_LANE)

    with FakeDaemon(tmp_path / "s") as fake:
        fake.silent.add("HOLD")
        drive(fake, work)


@pytest.mark.parametrize("nonsense", [b"nonsense\r\n", b"+OK\r\n+OK\r\n"])
def test_what_is_not_an_answer_ends_the_connection(tmp_path: Path, nonsense: bytes) -> None:
    """A reply too many would shift all later ones to the wrong callers."""

    async def work(daemon: DaemonClient) -> None:
        before = daemon.connects(Lane.READ)
        await asyncio.gather(daemon.call(Lane.READ, "HEALTH"), return_exceptions=True)
        await until(lambda: daemon.connects(Lane.READ) > before)

    with FakeDaemon(tmp_path / "s") as fake:
        fake.script("HEALTH", nonsense)
        drive(fake, work)


def test_push_messages_are_nobodys_answer(tmp_path: Path) -> None:
    async def work(daemon: DaemonClient) -> None:
        assert await daemon.call(Lane.READ, "METRICS") == "text"

    with FakeDaemon(tmp_path / "s") as fake:
        fake.script("METRICS", b">2\r\n$4\r\nnews\r\n:1\r\n$4\r\ntext\r\n")
        drive(fake, work)


@pytest.mark.parametrize(("password", "works"), [("right", True), ("wrong", False), (None, False)])
def test_tcp_brings_its_password(password: str | None, works: bool) -> None:
    async def main() -> None:
        secret = None if password is None else Secret(password)
        async with DaemonClient(Address(host="127.0.0.1", port=fake.port, password=secret)) as daemon:
            if works:
                await until(lambda: daemon.connected(Lane.READ) == client.LINKS_PER_LANE)
                assert await daemon.call(Lane.READ, "METRICS")
            else:
                await until(lambda: fake.refused_logins >= 2)
                assert daemon.connected(Lane.READ) == 0

    with FakeDaemon(password="right") as fake:
        asyncio.run(main())


def test_nested_and_typed_answers_arrive_as_they_are(tmp_path: Path) -> None:
    told = {"a": [1, None, True, 1.5, {"b": "ü"}], "c": []}

    async def work(daemon: DaemonClient) -> None:
        assert await daemon.call(Lane.READ, "EXPLAIN", "x") == told
        with pytest.raises(DaemonRefused, match="BUSY"):
            await daemon.call(Lane.READ, "EXPLAIN", "x")

    with FakeDaemon(tmp_path / "s") as fake:
        fake.script("EXPLAIN", told, Refusal("BUSY"))
        drive(fake, work)


@pytest.mark.parametrize(
    ("socket", "address"),
    [
        (Socket(), "/base/data/lastunit.sock"),
        (Socket(path=Path("/run/x.sock"), tcp="10.0.0.1:1"), "/run/x.sock"),
        (Socket(path=None, tcp="0.0.0.0:6380"), "127.0.0.1:6380"),
        (Socket(path=None, tcp="[::]:6380"), "::1:6380"),
        (Socket(path=None, tcp="db.internal:1"), "db.internal:1"),
    ],
)
def test_the_unix_socket_is_preferred_and_everywhere_means_here(socket: Socket, address: str) -> None:
    settings = Settings(node=Node(), socket=socket, locations=(Location(id="main"),))
    assert str(find_address(settings, Path("/base"))) == address


def test_a_daemon_that_listens_nowhere_is_a_wrong_configuration() -> None:
    settings = Settings(socket=Socket(path=None), locations=(Location(id="main"),))
    with pytest.raises(ValueError, match=r"socket\.path or socket\.tcp"):
        find_address(settings, Path("/base"))
