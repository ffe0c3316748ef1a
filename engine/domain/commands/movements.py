"""Units that come, go or are corrected, and what is answered."""

from engine.domain.commands.base import Message
from engine.domain.events import Part
from engine.domain.units import Key, LocationId, Sku


class AddSku(Message, frozen=True, kw_only=True, gc=False):
    """Make a SKU exist, or give it a new name or safety stock."""

    sku: Sku
    name: str
    safety_stock: tuple[Part, ...] = ()


class OpenStock(Message, frozen=True, kw_only=True, gc=False):
    """Opening stock of a SKU at a location that never moved."""

    sku: Sku
    location: LocationId
    on_hand: int


class Adjust(Message, frozen=True, kw_only=True, gc=False):
    """Correct on hand by a delta."""

    key: Key
    sku: Sku
    location: LocationId
    delta: int
    reason: str


class Receive(Message, frozen=True, kw_only=True, gc=False):
    """Take in units."""

    key: Key
    sku: Sku
    location: LocationId
    quantity: int


class Moved(Message, frozen=True, kw_only=True, gc=False):
    """Stock was adjusted or received."""

    key: Key
    sku: Sku
    location: LocationId
    delta: int
    on_hand: int
    received: bool
