"""Where buyers come for their orders. Pure.

How WooCommerce says it, in the order's shipping lines:

- The classic checkout has the method `local_pickup`, once per shipping zone, told apart by `instance_id`. It has no
  place of its own (includes/shipping/local-pickup/class-wc-shipping-local-pickup.php).
- The checkout block has the method `pickup_location`. The place is the name that the shop gave it, in the metadata
  `pickup_location`, passed through `wp_kses_post`, which writes `&` as `&amp;`; there is no id, since the order's
  `instance_id` is always 0 (src/Blocks/Shipping/PickupLocation.php, woocommerce/woocommerce issue 47060).

So which of our locations is meant can only be configured. Plugins that have methods of their own are configured alike.
"""

from collections.abc import Mapping
from html import unescape
from typing import Any, Final, NamedTuple

from adapters.channels.woocommerce.wire import WireOrder, list_rows, read_meta, read_text
from engine.domain.units import LocationId

METHODS: Final = frozenset({"local_pickup", "legacy_local_pickup", "pickup_location"})
"""Methods that are pick-ups whether or not anything is configured for them."""
_NAME_META: Final = "pickup_location"


class Pickup(NamedTuple):
    """Where an order is picked up, or why nobody knows; neither: it is sent."""

    location: LocationId | None = None
    note: str | None = None


def find_pickup(order: WireOrder, places: Mapping[str, LocationId]) -> Pickup:
    """Find the place an order is picked up at.

    Args:
        order: as the shop tells it; shipping lines that make no sense are passed over.
        places: our locations by the name of a place, by `method:instance` or by method, looked for in this order.
    """
    known = {_fold(name): location for name, location in places.items()}
    rows = [row for row in list_rows(order.shipping_lines) if isinstance(row, dict)]
    told = [_read(row, known) for row in rows]
    wanted = [each for each in told if each != Pickup()]
    if not wanted:
        return Pickup()
    unknown = next((each for each in wanted if each.location is None), None)
    if unknown is not None:
        return unknown
    if len(wanted) < len(told):
        return Pickup(note="partly picked up and partly sent, and the shop does not say what: owed from anywhere")
    if len({each.location for each in wanted}) > 1:
        named = " and ".join(str(each.location) for each in wanted)
        return Pickup(note=f"picked up at {named}, and the shop does not say what where: owed from anywhere")
    return wanted[0]


def _read(row: dict[str, Any], known: Mapping[str, LocationId]) -> Pickup:
    """Read one shipping line."""
    method, instance = _text(row.get("method_id")), _text(row.get("instance_id"))
    name = read_text(read_meta(row.get("meta_data"), _NAME_META))
    words = [*([name] if name else ()), *([f"{method}:{instance}"] if instance not in {"", "0"} else ()), method]
    for word in words:
        location = known.get(_fold(word))
        if location is not None:
            return Pickup(location=location)
    if method not in METHODS:
        return Pickup()
    return Pickup(note=f"picked up at {words[0]!r:.80}, for which `pickup` has no location: owed from anywhere")


def _text(value: object) -> str:
    return read_text(value) if isinstance(value, int | float | str) else ""


def _fold(name: str) -> str:
    """Bring a name and its copy in an order to one form."""
    return " ".join(unescape(name).split()).casefold()
