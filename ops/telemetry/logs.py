"""How log lines look and where they go: one stream, for people or for collectors, without secrets."""

import functools
import logging
import os
import re
import sys
import threading
import traceback
from collections.abc import Mapping
from typing import Final, Literal, TextIO

import msgspec
import structlog

from config.schema import Node

Process = Literal["daemon", "gateway", "reading", "replay", "snapshot"]

MASK: Final = "***"
_SECRET_KEYS: Final = frozenset({"authorization", "consumer_key", "cookie", "password", "secret", "token"})
_SECRET_ENDINGS: Final = ("_password", "_secret", "_token")
_IN_TEXT: Final = re.compile(
    r"((?:consumer_key|consumer_secret|oauth_signature|oauth_token|password|secret|token)=)[^\s&'\"]+"
    r"|(authorization['\"]?\s*[:=]\s*['\"]?(?:basic|bearer)\s+)[^\s'\"]+",
    re.IGNORECASE,
)
"""Secrets inside texts: an error of an HTTP library quotes the whole URL, and some shops want the keys in it."""
_PLAIN: Final = frozenset({int, float, bool, type(None)})
_ENCODER: Final = msgspec.json.Encoder(enc_hook=repr)


def configure_logging(node: Node, *, process: Process = "daemon", stream: TextIO | None = None) -> None:
    """Send what this process logs to `stream` (none: stderr), the lines of libraries from warning on included.

    Call it once, before the first line: loggers keep what they found at their first line. A stream that fails loses
    lines and stops nobody.
    """
    to = sys.stderr if stream is None else stream
    level = logging.getLevelNamesMapping()[node.log_level.upper()]
    structlog.configure(
        processors=[
            structlog.processors.ExceptionRenderer(_format_error),
            mask_secrets,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _Origin(node.name, process),
            *((_render_json,) if node.log_format == "json" else (keep_on_one_line, _console(to))),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_names: _Lines(to),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, handlers=[_ToStructlog()], force=True)
    logging.captureWarnings(True)  # noqa: FBT003  # its only, positional parameter
    for chatty in ("httpx", "httpcore", "litestar", "uvicorn"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def mask_secrets(_logger: object, _method: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Replace what must not be read by `***`: values by their key, at any depth of mappings, and secrets in texts."""
    for key, value in line.items():
        kind = type(value)
        if _is_secret(key):
            line[key] = MASK
        elif kind is str:
            if "=" in value or ":" in value:
                line[key] = _IN_TEXT.sub(_mask_match, value)
        elif kind not in _PLAIN and isinstance(value, Mapping):
            line[key] = mask_secrets(_logger, _method, dict(value))
    return line


def _mask_match(match: re.Match[str]) -> str:
    return f"{match[1] or match[2]}{MASK}"


@functools.lru_cache(1024)
def _is_secret(key: object) -> bool:
    """Judge by the key alone; keys come from the code, so the cache holds them all."""
    name = str(key).lower().replace("-", "_")
    return name in _SECRET_KEYS or name.endswith(_SECRET_ENDINGS)


class _Origin:
    """Says whose line it is: daemon and gateway share a stream, and collectors mix many nodes."""

    def __init__(self, node: str, process: Process) -> None:
        self._node = node
        self._process = process

    def __call__(self, _logger: object, _method: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
        """Add both unless the line says otherwise itself."""
        line.setdefault("node", self._node)
        line.setdefault("process", self._process)
        return line


def _format_error(exc_info: structlog.typing.ExcInfo) -> str:
    """Write a traceback without the values of local variables: those may be secrets."""
    return "".join(traceback.format_exception(*exc_info)).rstrip()


def keep_on_one_line(_logger: object, _method: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Escape control characters: a title at a channel must neither forge a line nor steer a terminal."""
    for key, value in line.items():
        if type(value) is str and key != "exception" and not value.isprintable():
            line[key] = ascii(value)[1:-1]
    return line


def _render_json(_logger: object, _method: str, line: structlog.typing.EventDict) -> str:
    ordered = {key: line.pop(key) for key in ("timestamp", "level", "event")}
    ordered.update(line)
    try:
        return _ENCODER.encode(ordered).decode()
    except (TypeError, ValueError, OverflowError):  # half a character, a number of more than 64 bits, a key of no kind
        return _ENCODER.encode({str(key): ascii(value) for key, value in ordered.items()}).decode()


def _console(stream: TextIO) -> structlog.typing.Processor:
    colours = stream.isatty() and not os.environ.get("NO_COLOR")
    return structlog.dev.ConsoleRenderer(
        colors=colours, sort_keys=False, exception_formatter=structlog.dev.plain_traceback
    )


class _Lines:
    """The end of the chain: writes whole lines, from any thread."""

    _lock = threading.Lock()

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def msg(self, text: str) -> None:
        try:
            with self._lock:
                self._stream.write(f"{text}\n")
                self._stream.flush()
        except (OSError, ValueError):
            pass  # full, closed, or nobody reads it any more: stock goes on without a log

    debug = info = warning = error = critical = msg


class _ToStructlog(logging.Handler):
    """Carries what libraries log through `logging` into the same stream."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one `library.reported` line."""
        try:
            text = record.getMessage()
        except Exception:  # noqa: BLE001  # wrong arguments of a library's own line
            text = str(record.msg)
        log = structlog.get_logger()
        write = log.error if record.levelno >= logging.ERROR else log.warning
        write("library.reported", library=record.name, text=text, exc_info=record.exc_info)
