"""The client against a real socket: maps, errors with their codes, daemons that are gone or silent."""

import threading
from pathlib import Path

import pytest

from config.schema import Location, Secret, Settings, Socket
from ops.cli.client import SocketClient, as_map, as_maps, parse_info
from ops.cli.errors import Refusal, Unreachable
from tests.fakes.resp_server import Failure, HangUp, serve


def connect(socket: Socket) -> SocketClient:
    return SocketClient(Settings(locations=(Location(id="berlin"),), socket=socket), start_hint="Start it.")


def over_unix(path: Path) -> SocketClient:
    return connect(Socket(path=path))


def test_maps_and_lists_arrive_as_they_were_sent(tmp_path: Path) -> None:
    book = {"sku": "A", "atp": -1, "lag": 1.5, "name": None, "ok": True, "locations": [{"location": "ü"}]}
    with serve(lambda words: {**book, "words": words}, tmp_path / "s"), over_unix(tmp_path / "s") as client:
        assert client.call("STOCK", "A") == {**book, "words": ["STOCK", "A"]}
        assert client.call("IMPORT", b"\xc3\xbc")["words"] == ["IMPORT", "ü"]


@pytest.mark.parametrize(
    ("sent", "code", "text"),
    [
        ("OUTOFSTOCK sku=A-1 requested=3 atp=2", "OUTOFSTOCK", "sku=A-1 requested=3 atp=2"),
        ("ERR unknown command", "ERR", "unknown command"),
        ("NOAUTH log in first", "NOAUTH", "log in first"),
        ("NOPERM not you", "NOPERM", "not you"),
        ("BUSY", "BUSY", ""),
    ],
)
def test_errors_keep_their_code(tmp_path: Path, sent: str, code: str, text: str) -> None:
    def refuse(_: list[str]) -> object:
        raise Failure(sent)

    with serve(refuse, tmp_path / "s"), over_unix(tmp_path / "s") as client, pytest.raises(Refusal) as caught:
        client.call("HOLD")
    assert (caught.value.code, caught.value.text, caught.value.exit_code) == (code, text, 1)


def test_a_refusal_leaves_the_connection_usable(tmp_path: Path) -> None:
    def answer(words: list[str]) -> object:
        if words[0] == "HOLD":
            raise Failure("BADARG no")
        return "PONG"

    with serve(answer, tmp_path / "s"), over_unix(tmp_path / "s") as client:
        with pytest.raises(Refusal):
            client.call("HOLD")
        assert client.call("PING") == "PONG"


def test_a_missing_daemon_is_told_with_its_address_and_how_to_start_it(tmp_path: Path) -> None:
    with over_unix(tmp_path / "none") as client, pytest.raises(Unreachable) as caught:
        client.call("PING")
    assert caught.value.message == f"no daemon at unix socket {tmp_path}/none (No such file or directory). Start it."
    assert caught.value.exit_code == 3


def test_a_daemon_that_goes_away_leaves_the_outcome_unknown(tmp_path: Path) -> None:
    def die(_: list[str]) -> object:
        raise HangUp

    problem = r"went away before it answered .*: whether the command took effect"
    with (
        serve(die, tmp_path / "s"),
        over_unix(tmp_path / "s") as client,
        pytest.raises(Unreachable, match=problem),
    ):
        client.call("ADJUST")


def test_a_silent_daemon_is_given_up(tmp_path: Path) -> None:
    enough = threading.Event()
    with serve(lambda words: enough.wait(5), tmp_path / "s"), over_unix(tmp_path / "s") as client:
        with pytest.raises(Unreachable, match=r"no answer from the daemon .* within 0 s: whether"):
            client.call("PING", seconds_max=0.01)
        enough.set()


def test_a_pipeline_answers_in_order_and_keeps_refusals_among_the_answers(tmp_path: Path) -> None:
    def answer(words: list[str]) -> object:
        if words[1] == "2":
            raise Failure("NOSUCHSKU sku=Z")
        return {"key": words[1]}

    with serve(answer, tmp_path / "s"), over_unix(tmp_path / "s") as client:
        first, second, third = client.pipeline([("RECEIVE", str(number)) for number in (1, 2, 3)])
        assert client.call("RECEIVE", "4") == {"key": "4"}
    assert (first, third) == ({"key": "1"}, {"key": "3"})
    assert isinstance(second, Refusal)
    assert (second.code, second.text) == ("NOSUCHSKU", "sku=Z")


def test_a_pipeline_that_breaks_says_so(tmp_path: Path) -> None:
    def die(words: list[str]) -> object:
        if words[1] == "2":
            raise HangUp
        return "OK"

    with (
        serve(die, tmp_path / "s"),
        over_unix(tmp_path / "s") as client,
        pytest.raises(Unreachable, match="went away before it answered") as caught,
    ):
        client.pipeline([("RECEIVE", "1"), ("RECEIVE", "2")])
    assert caught.value.sent


def test_tcp_brings_the_password() -> None:
    said: list[list[str]] = []

    def answer(words: list[str]) -> object:
        said.append(words)
        return {"proto": 3} if words[0] == "HELLO" else "PONG"

    with serve(answer) as address, connect(Socket(path=None, tcp=address, password=Secret("sesame"))) as client:
        assert client.call("PING") == "PONG"
    assert said[0] == ["HELLO", "3", "AUTH", "default", "sesame"]


def test_a_wrong_password_is_a_refusal_that_says_what_to_do() -> None:
    def answer(_: list[str]) -> object:
        raise Failure("WRONGPASS invalid")

    with (
        serve(answer) as address,
        connect(Socket(path=None, tcp=address, password=Secret("x"))) as client,
        pytest.raises(Refusal) as caught,
    ):
        client.call("PING")
    assert caught.value.code == "WRONGPASS"
    assert "socket.password is not the one" in caught.value.message


def test_flat_replies_of_resp2_are_maps_too() -> None:
    flat = ["sku", "A", "locations", [["location", "berlin", "atp", 1]], "skus", ["A", "B"]]
    assert as_map(flat) == {"sku": "A", "locations": [{"location": "berlin", "atp": 1}], "skus": ["A", "B"]}
    assert as_maps([["a", 1], {"b": 2}]) == [{"a": 1}, {"b": 2}]


@pytest.mark.parametrize("answer", ["OK", None, 3, ["odd"]])
def test_what_is_no_map_comes_from_another_program(answer: object) -> None:
    with pytest.raises(Unreachable, match="another program"):
        as_map(answer)
    with pytest.raises(Unreachable, match="another program"):
        as_maps("OK")


def test_info_is_fields_and_values() -> None:
    assert parse_info("# Server\r\nnode:a:b\r\n\r\nnonsense\r\nempty:\r\n") == {"node": "a:b", "empty": ""}
