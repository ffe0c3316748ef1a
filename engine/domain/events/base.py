"""What all events have in common."""

import msgspec

from engine.domain.units import Instant, LocationId, Sku

Part = tuple[LocationId, int]
"""Units at one location."""
Line = tuple[Sku, int]
"""Units of one SKU, wherever they lie."""


class BaseEvent(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag_field="kind",
    gc=False,
):
    """One fact. `at` is the instant of its decision.

    A field that has its default need not be written, so no default is ever changed.
    """

    at: Instant
