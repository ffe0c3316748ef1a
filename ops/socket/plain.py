"""The HOLD that nearly all are (`HOLD id ttl sku quantity`), granted in the turn of its read, its reply built with it.

What is not that plain, or not granted, is left to the road of every command (`ops.socket.dispatch`).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from engine.actors.shard import Owned
from engine.domain.units import DIRECT, EPOCH, Sku
from ops.node import Node
from ops.socket import arguments as read
from ops.socket.resp import ErrorReply
from ops.socket.views.stock import GrantedFrame, granted_frame, granted_part

_OWNED_MAX: Final = 1 << 16
"""SKUs whose owner is not looked for again."""
_PIECES: Final = 6
"""Of which one reply is joined."""
_NOTHING: Final[object] = object()
"""Unlike any word that a client may send, and there are null and empty ones."""


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
        self._protocol = 2
        self._ttl: object = _NOTHING
        self._expires_at: datetime | None = None
        self._frame = granted_frame(None, 2)

    def grant(self, commands: Sequence[object], protocol: int) -> tuple[int, bytes]:
        """Grant commands up to the first that is no such HOLD or cannot be granted here; nobody has looked at them.

        Returns:
            How many were granted, and their replies, to be sent when the turn is durable. Nothing was done of the next.
        """
        pieces: list[bytes] = []  # of the replies; joined once, none is made that holds have in common
        turn, owners, locations, has_codes = self._turn, self._owned, self._locations, self._codes.active
        last_ttl = self._ttl if self._now is turn.now and self._protocol == protocol else _NOTHING
        expires_at, (heads, after, lines) = self._expires_at, self._frame
        last_quantity, quantity, last_parts, part = _NOTHING, 0, None, b""
        for command in commands:
            if type(command) is not list or len(command) != 5 or command[0] != b"HOLD":
                break
            _, spelt_id, ttl, spelt_sku, spelt_quantity = command
            try:
                owned = owners.get(spelt_sku) or self._find(spelt_sku)
                if ttl != last_ttl:
                    expires_at, (heads, after, lines) = self._read_ttl(ttl, protocol)
                    last_ttl = ttl
                if spelt_quantity != last_quantity:
                    quantity, last_quantity = read.quantity(spelt_quantity), spelt_quantity
                hold_id = read.hold_id(spelt_id)
            except (ErrorReply, AttributeError, TypeError):  # not what they should be, or no bytes: told elsewhere
                break
            if owned is None or (has_codes and self._is_renamed(owned.book.sku)):
                break
            shard = owned.shard
            if not (shard.stepping or turn.enter(shard)):
                break
            held = shard.grant_plain(owned, hold_id, quantity, expires_at, locations)
            if held is None:
                break
            if held.parts is not last_parts:
                last_parts, ((location, units),) = held.parts, held.parts
                part = granted_part(location, units)
            pieces += (heads[len(spelt_id)], spelt_id, after, lines[len(spelt_sku)], spelt_sku, part)
        granted = len(pieces) // _PIECES
        turn.decided += granted
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

    def _read_ttl(self, ttl: bytes, protocol: int) -> tuple[datetime | None, GrantedFrame]:
        """Return when holds of this turn run out that live so long, and what the replies to them have in common."""
        # what cannot be read raises before anything of it is noted
        self._expires_at = read.expiry(ttl, self._turn.now, self._seconds_max)
        self._now, self._protocol, self._ttl = self._turn.now, protocol, ttl
        self._frame = granted_frame(self._expires_at, protocol)
        return self._expires_at, self._frame

    def _is_renamed(self, sku: Sku) -> bool:
        """Whether a caller's code and our id may be different words."""
        return self._codes.means_another(sku) or self._codes.code_of(sku) != sku
