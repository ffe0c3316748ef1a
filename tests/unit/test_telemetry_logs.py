"""What is written, where, and what never is."""

import io
import json
import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
import structlog

from config.schema import Node, Secret
from ops.telemetry.logs import configure_logging

SECRET = "local-value"
JSON = Node(name="north", log_format="json")

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture(autouse=True)
def untouched() -> Iterator[None]:
    """Give structlog and logging back as they were."""
    handlers, level = logging.root.handlers[:], logging.root.level
    logging.root.handlers.clear()
    yield
    logging.captureWarnings(False)
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    structlog.reset_defaults()


def logging_to(stream: io.StringIO, node: Node = JSON) -> Lines:
    configure_logging(node, process="gateway", stream=stream)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_json_line_says_when_what_and_whose() -> None:
    lines = logging_to(io.StringIO())
    structlog.get_logger().info("offer.published", account="shop", wait_seconds=0.5)
    [line] = lines()
    assert line.pop("timestamp").endswith("Z")
    assert list(line) == ["level", "event", "account", "wait_seconds", "node", "process"]
    assert (line["level"], line["event"], line["node"], line["process"]) == (
        "info",
        "offer.published",
        "north",
        "gateway",
    )


def test_a_line_may_name_another_node() -> None:
    lines = logging_to(io.StringIO())
    structlog.get_logger().info("daemon.ready", node="south")
    assert lines()[0]["node"] == "south"


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_less_important_lines_are_not_written(level: str) -> None:
    lines = logging_to(io.StringIO(), msgspec.structs.replace(JSON, log_level=level))
    log = structlog.get_logger()
    for method in (log.debug, log.info, log.warning, log.error):
        method("thing.happened")
    levels = ["debug", "info", "warning", "error"]
    assert [line["level"] for line in lines()] == levels[levels.index(level) :]


def test_secrets_are_masked_by_key_at_any_depth() -> None:
    stream = io.StringIO()
    lines = logging_to(stream)
    structlog.get_logger().info(
        "call.made",
        password="p4ss",
        webhook_secret="p4ss",
        Access_Token="p4ss",
        consumer_key=Secret("p4ss"),
        headers={
            "Authorization": "Basic p4ss",
            "X-Auth-Token": "p4ss",
            "accept": "text/html",
            "more": {"cookie": "p4ss"},
        },
        order="5",
    )
    assert "p4ss" not in stream.getvalue()
    [line] = lines()
    assert line["headers"]["accept"] == "text/html"
    assert line["order"] == "5"
    assert line["password"] == line["headers"]["Authorization"] == line["headers"]["more"]["cookie"] == "***"


def test_a_secret_shows_as_stars_under_any_key() -> None:
    lines = logging_to(io.StringIO())
    structlog.get_logger().info("thing.happened", value=Secret("p4ss"), values=[Secret("p4ss")])
    assert (lines()[0]["value"], lines()[0]["values"]) == ("***", ["***"])


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize(
    "text",
    [
        "GET https://shop.example/wp-json?consumer_key=p4ss&consumer_secret=p4ss&page=2 failed",
        "401 for url 'http://shop.example/orders?oauth_token=p4ss&oauth_signature=p4ss%3D'",
        "headers {'Authorization': 'Basic p4ss=='}",
    ],
)
def test_secrets_inside_texts_and_tracebacks_are_masked(form: str, text: str) -> None:
    stream = io.StringIO()
    logging_to(stream, msgspec.structs.replace(JSON, log_format=form))
    log = structlog.get_logger()
    log.warning("call.failed", reason=text)
    log.error("call.failed", exc_info=ValueError(text))
    assert "p4ss" not in stream.getvalue()
    assert stream.getvalue().count("***") >= 2


@pytest.mark.parametrize("form", ["json", "console"])
def test_exceptions_are_rendered_without_local_values(form: str) -> None:
    stream = io.StringIO()
    logging_to(stream, msgspec.structs.replace(JSON, log_format=form))

    def fail(hidden: str) -> None:
        assert hidden
        raise ValueError("no such shop")

    try:
        fail(SECRET)
    except ValueError as error:
        structlog.get_logger().error("call.failed", exc_info=error)
    assert "ValueError: no such shop" in stream.getvalue()
    assert "Traceback" in stream.getvalue()
    assert SECRET not in stream.getvalue()


def test_libraries_are_heard_from_warning_on() -> None:
    lines = logging_to(io.StringIO(), msgspec.structs.replace(JSON, log_level="debug"))
    for name in ("httpx", "litestar", "some.other"):
        logging.getLogger(name).info("not heard")
    logging.getLogger("httpx").warning("retry %d", 3)
    logging.getLogger("litestar").error("broken")
    logging.getLogger("some.other").warning("wrong %d", "arguments")
    told = [(line["event"], line["level"], line["library"], line["text"]) for line in lines()]
    assert told == [
        ("library.reported", "warning", "httpx", "retry 3"),
        ("library.reported", "error", "litestar", "broken"),
        ("library.reported", "warning", "some.other", "wrong %d"),
    ]


def test_a_librarys_exception_comes_with_its_traceback() -> None:
    lines = logging_to(io.StringIO())
    logging.getLogger("httpx").error("failed", exc_info=KeyError("lost"))
    assert "KeyError: 'lost'" in lines()[0]["exception"]


def test_warnings_of_python_take_the_same_way() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        lines = logging_to(io.StringIO())
        warnings.warn("old way", UserWarning, stacklevel=1)
        logging.captureWarnings(False)
    assert lines()[0]["library"] == "py.warnings"
    assert "old way" in lines()[0]["text"]


def test_what_json_cannot_say_is_written_all_the_same() -> None:
    lines = logging_to(io.StringIO())
    structlog.get_logger().info("thing.happened", half="\ud800", number=2**70, odd={1: object()})
    assert lines()[0]["number"] == str(2**70)
    assert lines()[0]["half"] == "'\\ud800'"


class _Full(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


def test_a_stream_that_fails_stops_nobody() -> None:
    configure_logging(Node(log_format="json"), stream=_Full())
    structlog.get_logger().error("thing.happened")
    closed = io.StringIO()
    configure_logging(Node(), stream=closed)
    closed.close()
    structlog.get_logger().error("thing.happened")


def test_stderr_is_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(Node(log_format="json"))
    structlog.get_logger().info("thing.happened")
    assert json.loads(capsys.readouterr().err)["process"] == "daemon"
    assert sys.stderr is not None


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colours_are_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    for stream, coloured in ((_Terminal(), True), (io.StringIO(), False)):
        configure_logging(Node(), stream=stream)
        structlog.get_logger().info("thing.happened", order="5")
        assert ("\x1b[" in stream.getvalue()) is coloured
        assert "thing.happened" in stream.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    plain = _Terminal()
    configure_logging(Node(), stream=plain)
    structlog.get_logger().info("thing.happened")
    assert "\x1b" not in plain.getvalue()


def test_a_text_from_outside_can_neither_forge_a_line_nor_steer_a_terminal() -> None:
    stream = io.StringIO()
    configure_logging(Node(), stream=stream)
    structlog.get_logger().info("listing.seen", title="x\n2026-01-01 daemon.stopped \x1b[2J")
    assert len(stream.getvalue().splitlines()) == 1
    assert "\x1b" not in stream.getvalue()
