"""Movements: ADJUST, RECEIVE."""

from collections.abc import Awaitable

from engine.domain.commands import Adjust, Receive
from engine.domain.units import UNITS_MAX
from ops.node import Node
from ops.socket import arguments as read
from ops.socket.command import Arguments
from ops.socket.session import Reply, Session

_REASON_CHARACTERS_MAX = 500


def adjust(node: Node, _session: Session, arguments: Arguments, reply: Reply) -> Awaitable[None] | None:
    """ADJUST."""
    delta = read.integer("delta", arguments[4], minimum=-UNITS_MAX, maximum=UNITS_MAX)
    if delta == 0:
        raise read.bad("delta", arguments[4], "must not be 0")
    reason = read.text("reason", arguments[5], maximum=_REASON_CHARACTERS_MAX).strip()
    if not reason:
        raise read.bad("reason", arguments[5], "must not be empty")
    command = Adjust(
        key=read.key(arguments[1]),
        sku=read.sku(arguments[2]),
        location=node.location(read.location_id(arguments[3])),
        delta=delta,
        reason=reason,
    )
    return node.router.begin(command, reply)


def receive(node: Node, _session: Session, arguments: Arguments, reply: Reply) -> Awaitable[None] | None:
    """RECEIVE."""
    command = Receive(
        key=read.key(arguments[1]),
        sku=read.sku(arguments[2]),
        location=node.location(read.location_id(arguments[3])),
        quantity=read.quantity(arguments[4]),
    )
    return node.router.begin(command, reply)
