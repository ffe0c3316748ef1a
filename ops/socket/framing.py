"""A look at what a client sent before hiredis reads it, which reserves room for as many elements as a header names.

A command is an array of bulk strings, so a header with six digits is too large, and one that starts a map, a set, a
push or attributes is no command (hiredis fails in other ways than its own on some maps). The same bytes inside a bulk
string mean nothing: `cut` parts the data before each place that may be such a header, and whoever feeds the pieces
asks the parser, which knows where it stands.
"""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import hiredis

from ops.socket.connection import Connection
from ops.socket.resp import ErrorReply

_LARGE: Final = re.compile(rb"\*\d{6}")
_SUSPECT: Final = re.compile(rb"\r\n(?=\*\d{6}|[%|~>])")
_STRANGE: Final = b"%|~>"
_MAP, _ATTRIBUTES, _SET, _PUSH = _STRANGE
_STAR: Final = ord("*")
_HEADER_BYTES: Final = 6
"""Of the shortest header that is too large, without its last digit."""
_UNFINISHED: Final = re.compile(rb"\*\d{0,5}\Z")


def parse(connection: Connection, data: bytes) -> list[object]:
    """Parse what a read brought.

    Returns:
        Commands as hiredis makes them, whatever they are; in place of the first one that must not be read, and of all
        that follow it, the `ErrorReply` with which the client is to be thrown out.
    """
    commands: list[object] = []
    reader = connection.reader
    if connection.held:
        data = connection.held + data
    pieces: Sequence[bytes]
    unsuspected = is_unsuspected(data)
    pieces, connection.held = ((data,), b"") if unsuspected else cut(data)
    try:
        for piece in pieces:
            problem = None if unsuspected or reader.has_data() else refusal_of(piece)
            if problem is not None:
                commands.append(problem)
                break
            reader.feed(piece)
            while (command := reader.gets()) is not False:
                commands.append(command)
    except hiredis.ProtocolError as error:
        commands.append(ErrorReply("ERR", f"Protocol error: {error}"))
    return commands


def is_unsuspected(data: bytes) -> bool:
    """Whether there is nothing in what a read brought that looks like a header to be refused, or the begin of one."""
    # bytes as numbers: looked for in a third of the time
    return not (
        _MAP in data
        or _ATTRIBUTES in data
        or _SET in data
        or _PUSH in data
        or data.rfind(_STAR, -_HEADER_BYTES) >= 0
        or _LARGE.search(data) is not None
    )


def cut(data: bytes) -> tuple[list[bytes], bytes]:
    """Cut what a read brought, after what the last one held back, before every suspect.

    Returns:
        The pieces to feed in order, none of them empty, and what to hold back: a header whose digits may go on.
    """
    held = b""
    if data.rfind(_STAR, -_HEADER_BYTES) >= 0:
        unfinished = _UNFINISHED.search(data, max(0, len(data) - _HEADER_BYTES))
        if unfinished is not None:
            held = unfinished[0]
            data = data[: -len(held)]
    if not data:
        return [], held
    seams = [0, *(match.end() for match in _SUSPECT.finditer(data)), len(data)]
    return [data[start:end] for start, end in pairwise(seams) if start < end], held


def refusal_of(piece: bytes) -> ErrorReply | None:
    """Say why a piece must not be fed if a header starts it; None: it may be."""
    if piece[0] in _STRANGE:
        return ErrorReply("ERR", "Protocol error: a command is an array of bulk strings")
    if _LARGE.match(piece) is not None:
        return ErrorReply("TOOBIG", "a command of 100000 arguments or more")
    return None
