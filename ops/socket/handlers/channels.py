"""Channels and the catalogue: WEBHOOK, CHANNEL, IMPORT."""

import msgspec

from ops.node import Node
from ops.socket import arguments as read
from ops.socket.command import Arguments
from ops.socket.resp import OK, ErrorReply, SimpleString
from ops.socket.session import Mapped, Reply, Session

_HEADERS_DECODER = msgspec.json.Decoder(dict[str, str])


async def webhook(node: Node, _session: Session, arguments: Arguments, reply: Reply) -> None:
    """WEBHOOK."""
    account = node.account(read.account_id(arguments[1]))
    headers = read.document("headers", _HEADERS_DECODER, arguments[3])
    delivery_key = read.text("delivery-key", arguments[2])
    account.intake.store(delivery_key, headers, arguments[4], Mapped(reply, _stored))


def _stored(answer: object) -> object:
    return SimpleString(answer) if isinstance(answer, str) else answer


async def channel(node: Node, _session: Session, arguments: Arguments, reply: Reply) -> None:
    """CHANNEL."""
    action = arguments[1].upper()
    if action == b"LIST" and len(arguments) == 2:
        reply.give(node.channel_views())
        return
    actions = {
        b"PAUSE": node.pause,
        b"RESUME": node.resume,
        b"FLUSH": node.flush,
        b"RESYNC": node.resync,
        b"UNMATCHED": node.unmatched,
    }
    if action not in actions or len(arguments) != 3:
        raise ErrorReply("ERR", "CHANNEL LIST | CHANNEL PAUSE|RESUME|FLUSH|RESYNC|UNMATCHED <account>")
    account = node.account(read.account_id(arguments[2]))
    reply.resolve(await actions[action](account))


async def import_rows(node: Node, session: Session, arguments: Arguments, reply: Reply) -> None:
    """IMPORT."""
    action = arguments[1].upper()
    import_id = read.identifier("import-id", arguments[2])
    if action == b"STAGE" and len(arguments) == 4:
        staged = sum(len(chunk) for chunks in session.staged.values() for chunk in chunks)
        if staged + len(arguments[3]) > node.import_bytes_max:
            raise ErrorReply("TOOBIG", f"import={import_id}: at most {node.import_bytes_max} bytes staged at once")
        session.staged.setdefault(import_id, []).append(arguments[3])
        reply.give(OK)
    elif action == b"APPLY" and len(arguments) == 3:
        if import_id not in session.staged:
            raise ErrorReply("BADARG", f"import-id={import_id!r}: nothing is staged under it on this connection")
        if node.journal.stalled is not None:
            raise ErrorReply("STALLED", f"the journal cannot be written: {node.journal.stalled}")
        reply.resolve(await node.importer.apply(session.staged.pop(import_id)))
    elif action == b"DROP" and len(arguments) == 3:
        session.staged.pop(import_id, None)
        reply.give(OK)
    else:
        raise ErrorReply("ERR", "IMPORT STAGE <import-id> <json> | IMPORT APPLY|DROP <import-id>")
