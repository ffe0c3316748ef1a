"""Channels: WEBHOOK, CHANNEL."""

from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from ops.account import ChannelAccount
from ops.node import Node
from ops.reports import view_channels
from ops.socket import arguments as read
from ops.socket.command import Arguments
from ops.socket.resp import OK, ErrorReply, SimpleString
from ops.socket.session import Mapped, Reply, Session

_HEADERS_DECODER = msgspec.json.Decoder(dict[str, str])


async def webhook(node: Node, _session: Session, arguments: Arguments, reply: Reply) -> None:
    """WEBHOOK."""
    account = node.names.account(read.account_id(arguments[1]))
    headers = read.document("headers", _HEADERS_DECODER, arguments[3])
    delivery_key = read.text("delivery-key", arguments[2])
    account.intake.store(delivery_key, headers, arguments[4], Mapped(reply, _stored))


def _stored(answer: object) -> object:
    return SimpleString(answer) if isinstance(answer, str) else answer


async def channel(node: Node, _session: Session, arguments: Arguments, reply: Reply) -> None:
    """CHANNEL."""
    action = arguments[1].upper()
    if action == b"LIST" and len(arguments) == 2:
        reply.give(view_channels(node))
        return
    if action not in _ACTIONS or len(arguments) != 3:
        raise ErrorReply("ERR", "CHANNEL LIST | CHANNEL PAUSE|RESUME|FLUSH|RESYNC|UNMATCHED <account>")
    account = node.names.account(read.account_id(arguments[2]))
    reply.resolve(await _ACTIONS[action](account))


async def _pause(account: ChannelAccount) -> object:
    await account.pusher.pause("CHANNEL PAUSE")
    return OK


async def _resume(account: ChannelAccount) -> object:
    await account.pusher.resume()
    return OK


async def _flush(account: ChannelAccount) -> object:
    account.pusher.flush()
    return OK


async def _resync(account: ChannelAccount) -> object:
    account.pusher.resync()
    account.intake.request_poll()
    return OK


async def _unmatched(account: ChannelAccount) -> object:
    return [
        {"listing": each.listing_id, "sku": each.sku, "title": each.title, "reason": each.reason}
        for each in account.pusher.unmatched()
    ]


_ACTIONS: Final[dict[bytes, Callable[[ChannelAccount], Awaitable[object]]]] = {
    b"PAUSE": _pause,
    b"RESUME": _resume,
    b"FLUSH": _flush,
    b"RESYNC": _resync,
    b"UNMATCHED": _unmatched,
}
