"""The HOLD that nearly all are (`HOLD id ttl sku quantity`), granted in the turn of its read, its reply built with it.

What is not that plain, or not granted, is left to the road of every command (`ops.socket.dispatch`).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from engine.actors.shard import Owned
from engine.domain.events import Part
from engine.domain.units import DIRECT, EPOCH, Sku
from ops.node import Node
from ops.socket import arguments as read
from ops.socket.resp import ErrorReply
from ops.socket.views.stock import granted_frame, granted_part

_OWNED_MAX: Final = 1 << 16
"""SKUs whose owner is not looked for again."""
_PIECES: Final = 6
"""Of which one reply is joined."""


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
        self._owned: dict[bytes, Owned] = {}
        # what the holds of a turn mostly have in common: all of this is of the last one
        self._now = EPOCH
        self._ttl = b""
        self._expires_at: datetime | None = None
        self._protocol = 0
        self._frame = granted_frame(None, 2)
        self._parts: tuple[Part, ...] = ()
        self._part = b""

    def grant(self, commands: Sequence[object], protocol: int) -> tuple[int, bytes]:
        """Grant commands up to the first that is no such HOLD or cannot be granted here; nobody has looked at them.

        Returns:
            How many were granted, and their replies, to be sent when the turn is durable. Nothing was done of the next.
        """
        pieces: list[bytes] = []  # of the replies; joined once, none is made that holds have in common
        turn, owners = self._turn, self._owned
        for command in commands:
            if type(command) is not list or len(command) != 5 or command[0] != b"HOLD":
                break
            _, spelt_id, ttl, spelt_sku, spelt_quantity = command
            try:
                owned = owners.get(spelt_sku) or self._find(spelt_sku)
                if ttl != self._ttl or self._now is not turn.now:
                    self._read_ttl(ttl)
                hold_id, quantity = read.hold_id(spelt_id), read.quantity(spelt_quantity)
            except (ErrorReply, AttributeError, TypeError):  # not what they should be, or no bytes: told elsewhere
                break
            if owned is None or (self._codes.active and self._is_renamed(owned.book.sku)):
                break
            held = turn.grant_plain(owned, hold_id, quantity, self._expires_at, self._locations)
            if held is None:
                break
            if self._protocol != protocol:
                self._frame = granted_frame(self._expires_at, protocol)
                self._protocol = protocol
            if self._parts is not held.parts:
                self._parts, ((location, units),) = held.parts, held.parts
                self._part = granted_part(location, units)
            heads, after, lines = self._frame
            pieces += (heads[len(spelt_id)], spelt_id, after, lines[len(spelt_sku)], spelt_sku, self._part)
        granted = len(pieces) // _PIECES
        self.granted += granted
        return granted, b"".join(pieces)

    def _find(self, spelt_sku: bytes) -> Owned | None:
        """Find a SKU and its owner; None: there is no such SKU yet."""
        owned = self._turn.own(read.sku(spelt_sku), DIRECT)
        if owned is not None:
            if len(self._owned) >= _OWNED_MAX:
                self._owned.clear()
            self._owned[spelt_sku] = owned
        return owned

    def _read_ttl(self, ttl: bytes) -> None:
        # what cannot be read raises before anything of it is noted
        self._expires_at = read.expiry(ttl, self._turn.now, self._seconds_max)
        self._now, self._ttl, self._protocol = self._turn.now, ttl, 0

    def _is_renamed(self, sku: Sku) -> bool:
        """Whether a caller's code and our id may be different words."""
        return self._codes.means_another(sku) or self._codes.code_of(sku) != sku
