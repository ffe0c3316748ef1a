"""Dead letters: LETTERS, LETTER."""

import heapq
from itertools import chain
from typing import Final

from engine.domain.errors import ChannelError
from engine.domain.events import LetterKept
from engine.domain.units import LetterId
from ops.account import ChannelAccount
from ops.node import Node
from ops.socket import arguments as read
from ops.socket.command import Arguments
from ops.socket.options import options, who
from ops.socket.resp import OK, ErrorReply
from ops.socket.session import Reply, Session
from ops.socket.views.letters import letter_view, whole_letter_view

_SYNTAX: Final = "LETTER GET|REDRIVE <account> <letter> | LETTER DISCARD <account> <letter> [NOTE <text>] [BY <who>]"


def letters(node: Node, _session: Session, arguments: Arguments, reply: Reply) -> None:
    """LETTERS."""
    named = len(arguments) > 1 and arguments[1].upper() != b"LIMIT"
    accounts = [node.names.account(read.account_id(arguments[1]))] if named else list(node.accounts.values())
    limit = read.limit(arguments, 2 if named else 1)
    every = chain.from_iterable(account.intake.letters.open.values() for account in accounts)
    newest = heapq.nlargest(limit, every, key=lambda letter: (letter.at, letter.letter_id))
    reply.give([letter_view(letter) for letter in newest])


async def letter(node: Node, session: Session, arguments: Arguments, reply: Reply) -> None:
    """LETTER."""
    action = arguments[1].upper()
    if action not in {b"GET", b"REDRIVE", b"DISCARD"} or (action != b"DISCARD" and len(arguments) > 4):
        raise ErrorReply("ERR", _SYNTAX)
    account = node.names.account(read.account_id(arguments[2]))
    kept = _find(account, read.text("letter", arguments[3]))
    if action == b"GET":
        reply.give(whole_letter_view(kept))
        return
    if node.journal.stalled is not None:
        raise ErrorReply("STALLED", f"the journal cannot be written: {node.journal.stalled}")
    if action == b"REDRIVE":
        await _redrive(account, kept)
    else:
        given = options(arguments, 4, {"NOTE": 1, "BY": 1})
        note = read.text("note", given["NOTE"][0]) if "NOTE" in given else ""
        await account.intake.discard(kept.letter_id, by=who(given, session) or session.peer, note=note)
    reply.give(OK)


async def _redrive(account: ChannelAccount, kept: LetterKept) -> None:
    try:
        reason = await account.intake.redrive(kept.letter_id)
    except ChannelError as error:
        raise ErrorReply("UNREACHABLE", str(error)) from error
    if reason is not None:
        raise ErrorReply("NOTUNDERSTOOD", f"account={account.id} letter={kept.letter_id}: {reason}")


def _find(account: ChannelAccount, letter_id: str) -> LetterKept:
    kept = account.intake.letters.open.get(LetterId(letter_id))
    if kept is None:
        raise ErrorReply("NOSUCHLETTER", f"account={account.id} letter={letter_id}: none is kept by that name")
    return kept
