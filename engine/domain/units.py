"""The words every other module counts with: identifiers, quantities and the rules of both."""

from datetime import UTC, datetime
from typing import Annotated, NewType

import msgspec

Sku = NewType("Sku", str)
LocationId = NewType("LocationId", str)
AccountId = NewType("AccountId", str)
"""One account at one channel, as the configuration names it: `shop-de`, `lazada-my`."""
ListingId = NewType("ListingId", str)
"""One SKU as one channel knows it; the adapter's own spelling, opaque to the engine."""
HoldId = NewType("HoldId", str)
OrderId = NewType("OrderId", str)
LetterId = NewType("LetterId", str)
"""Of a dead letter, within its account: `order-<order id>` or `webhook-<delivery key>`."""
LineId = NewType("LineId", str)
Key = NewType("Key", str)
"""The caller's name for a physical event, so that a repeat is recognised."""

DocumentId = NewType("DocumentId", str)
"""A purchase order or a transfer, as the caller numbers it."""

UNITS_MAX = 1_000_000_000
"""Largest quantity in one command. Far above any warehouse, far below what a 64-bit sum of many could overflow."""

ID_BYTES_MAX = 200
"""Longest identifier. Shopify's global ids are 60 bytes; a limit keeps one hostile key from filling memory."""

Units = Annotated[int, msgspec.Meta(ge=0, le=UNITS_MAX)]
SignedUnits = Annotated[int, msgspec.Meta(ge=-UNITS_MAX, le=UNITS_MAX)]
Total = Annotated[int, msgspec.Meta(ge=0)]
"""A sum of quantities: each is bounded, how many there are is not."""
Instant = Annotated[datetime, msgspec.Meta(tz=True)]
"""Aware UTC."""

DIRECT = AccountId("direct")
"""The account of holds and orders that name none: the seller's own storefront and tills."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def check_identifier(what: str, value: str) -> str | None:
    """Say what is wrong with an identifier, or None when it may be used.

    Args:
        what: how the message names it: `sku`, `hold-id`.
        value: as the caller sent it, already decoded.
    """
    if not value:
        return f"{what} is empty"
    if len(value) > ID_BYTES_MAX or len(value.encode()) > ID_BYTES_MAX:
        return f"{what} is longer than {ID_BYTES_MAX} bytes"
    if not value.isprintable() or value != value.strip():
        return f"{what} {value!r} has control characters or blanks at an end"
    return None
