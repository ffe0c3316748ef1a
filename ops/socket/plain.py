"""The HOLD that nearly all are (`HOLD id ttl sku quantity`), granted in the turn of its read, its reply built with it.

What is not that plain, or not granted, is left to the road of every command (`ops.socket.dispatch`).
"""

from datetime import datetime
from typing import Final

from engine.actors.shard import Owned
from engine.domain.events import Part
from engine.domain.units import DIRECT, EPOCH, Sku
from ops.node import Node
from ops.socket import arguments as read
from ops.socket.resp import ErrorReply
from ops.socket.views.stock import granted_frame, granted_line

_ASKS_MAX: Final = 1 << 14
"""Sorts of holds whose words are not read again."""


class _Ask:
    """All HOLDs of one SKU and quantity, and the lines of the reply to the last of them."""

    __slots__ = ("lines", "owned", "parts", "protocol", "quantity")

    def __init__(self, owned: Owned, quantity: int) -> None:
        self.owned = owned
        self.quantity = quantity
        self.protocol = 0
        self.parts: tuple[Part, ...] = ()
        self.lines = b""


class PlainHolds:
    """Grants plain holds, and counts them."""

    def __init__(self, node: Node) -> None:
        """Grant holds of `node`'s stock."""
        self.granted = 0
        """Since somebody set it to 0."""
        self._turn = node.router.turn
        self._codes = node.catalogue.codes
        self._locations = node.direct_locations
        self._seconds_max = node.limits.hold_seconds_max
        self._asks: dict[tuple[bytes, bytes], _Ask] = {}
        # what the holds of a turn mostly have in common: all of this is of the last one
        self._now = EPOCH
        self._ttl = b""
        self._expires_at: datetime | None = None
        self._protocol = 0
        self._before = self._after = b""

    def grant(self, command: object, protocol: int) -> bytes | None:
        """Grant a command if it is such a HOLD; nobody has looked at it before.

        Returns:
            The reply, to be sent when the turn is durable. None: nothing was done.
        """
        if type(command) is not list or len(command) != 5 or command[0] != b"HOLD":
            return None
        _, spelt_id, ttl, spelt_sku, spelt_quantity = command
        try:
            ask = self._asks.get((spelt_sku, spelt_quantity)) or self._read(spelt_sku, spelt_quantity)
            if ttl != self._ttl or self._now is not self._turn.now:
                self._read_ttl(ttl)
            hold_id = read.hold_id(spelt_id)
        except (ErrorReply, AttributeError, TypeError):  # not what they should be, or no bytes: that is told elsewhere
            return None
        if ask is None or (self._codes.active and self._is_renamed(ask.owned.book.sku)):
            return None
        held = self._turn.grant_plain(ask.owned, hold_id, ask.quantity, self._expires_at, self._locations)
        if held is None:
            return None
        self.granted += 1
        if self._protocol != protocol:
            self._before, self._after = granted_frame(self._expires_at, protocol)
            self._protocol = protocol
        if ask.protocol != protocol or ask.parts is not held.parts:
            lines = [granted_line(held.sku, location, units, protocol) for location, units in held.parts]
            ask.lines = b"*%d\r\n%s" % (len(lines), b"".join(lines))
            ask.parts, ask.protocol = held.parts, protocol
        return b"%s%d\r\n%s%s%s" % (self._before, len(spelt_id), spelt_id, self._after, ask.lines)

    def _read(self, sku: bytes, quantity: bytes) -> _Ask | None:
        """Read SKU and quantity; None: there is no such SKU yet."""
        owned = self._turn.own(read.sku(sku), DIRECT)
        units = read.quantity(quantity)
        if owned is None:
            return None
        ask = _Ask(owned, units)
        if len(self._asks) >= _ASKS_MAX:
            self._asks.clear()
        self._asks[sku, quantity] = ask
        return ask

    def _read_ttl(self, ttl: bytes) -> None:
        # what cannot be read raises before anything of it is noted
        self._expires_at = read.expiry(ttl, self._turn.now, self._seconds_max)
        self._now, self._ttl, self._protocol = self._turn.now, ttl, 0

    def _is_renamed(self, sku: Sku) -> bool:
        """Whether a caller's code and our id may be different words."""
        return self._codes.means_another(sku) or self._codes.code_of(sku) != sku
