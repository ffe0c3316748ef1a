"""Rules of what accounts may show: RULES."""

from itertools import islice

import msgspec

from engine.domain.offers.rules import RuleBook
from ops.node import Node
from ops.preview import NOTES_MAX, preview
from ops.socket import arguments as read
from ops.socket.command import Arguments
from ops.socket.options import options, text, who
from ops.socket.resp import ErrorReply
from ops.socket.session import Reply, Session
from ops.socket.views.rules import book_view, preview_view, version_view

_BOOK_DECODER = msgspec.json.Decoder(RuleBook)
_VERSION_MAX = 2**53
_PROBLEMS_SHOWN = 20
_SYNTAX = (
    "RULES SHOW [<version>] | RULES HISTORY | RULES PREVIEW <json> [LIMIT <n>]"
    " | RULES SET <json> [IF <version>] [NOTE <text>] [BY <who>]"
)


async def rules(node: Node, session: Session, arguments: Arguments, reply: Reply) -> None:
    """RULES."""
    match arguments[1].upper():
        case b"SHOW" if len(arguments) <= 3:
            reply.give(_show(node, arguments))
        case b"HISTORY" if len(arguments) == 2:
            reply.give([version_view(version) for version in node.offers.versions])
        case b"PREVIEW" if len(arguments) >= 3:
            limit = read.limit(arguments, 3)
            book = _book(node, arguments[2])
            reply.give(preview_view(await preview(node.offers, book, node.clock.now(), limit=limit)))
        case b"SET" if len(arguments) >= 3:
            await _set(node, session, arguments, reply)
        case _:
            raise ErrorReply("ERR", _SYNTAX)


def _show(node: Node, arguments: Arguments) -> object:
    versions = node.offers.versions
    version = versions.now
    if len(arguments) == 3:
        number = read.integer("version", arguments[2], minimum=0, maximum=_VERSION_MAX)
        found = versions.get(number)
        if found is None:
            kept = [each.version for each in versions]
            raise ErrorReply("NOSUCHVERSION", f"version={number} (kept: {kept[-1]} to {kept[0]}; the journal has all)")
        version = found
    return book_view(version, in_force=versions.now.version, offers_left=node.offers.reoffer.offers_left)


async def _set(node: Node, session: Session, arguments: Arguments, reply: Reply) -> None:
    found = options(arguments, 3, {"IF": 1, "NOTE": 1, "BY": 1})
    book = _book(node, arguments[2])
    now = node.offers.versions.now
    if "IF" in found:
        wanted = read.integer("if", found["IF"][0], minimum=0, maximum=_VERSION_MAX)
        if wanted != now.version:
            raise ErrorReply("STALE", f"version {now.version} is in force, not {wanted}: look at it and edit anew")
    note, by = text(found, "NOTE"), who(found, session)
    if node.journal.stalled is not None:
        raise ErrorReply("STALLED", f"the journal cannot be written: {node.journal.stalled}")
    # the same book once more is the same version: a caller that lost the answer may ask again
    made = now if book == now.book else await node.offers.set(book, by=by, note=note)
    reply.give({**version_view(made), "notes": list(islice(node.offers.notes(book), NOTES_MAX))})


def _book(node: Node, argument: bytes) -> RuleBook:
    """Read a book and refuse it with everything that is wrong with it; nothing of a bad one is ever used."""
    book = read.document("rules", _BOOK_DECODER, argument)
    problems = node.offers.check(book)
    if problems:
        more = f"; and {len(problems) - _PROBLEMS_SHOWN} more" if len(problems) > _PROBLEMS_SHOWN else ""
        raise ErrorReply("BADARG", f"rules: {'; '.join(problems[:_PROBLEMS_SHOWN])}{more}")
    return book
