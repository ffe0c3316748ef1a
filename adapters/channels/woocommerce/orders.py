"""Orders and refunds, told as whole snapshots. Pure.

How WooCommerce moves stock, so how its lines are to be read (includes/wc-stock-functions.php, wc-order-functions.php):

- processing, completed and on-hold take a line's units once and note them in its metadata `_reduced_stock`; cancelled
  and pending give them back and drop the note. REST shows both notes: only `_product_id`, `_qty` and the like are
  internal (includes/data-stores/class-wc-order-item-product-data-store.php).
- A refund gives units back only if restocking was ticked: `wc_restock_refunded_items` then lowers `_reduced_stock` and
  adds to `_restock_refunded_items` on the ordered line. Setting an order to refunded by hand gives nothing back.
- Refund lines have negative quantities and name the ordered line in `_refunded_item_id` (`wc_create_refund`).
- Deleting a refund lowers neither note, so no more can have come back than is still refunded.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

import msgspec

from adapters.channels.woocommerce.listings import build_listing_id
from adapters.channels.woocommerce.pickup import Pickup, find_pickup
from adapters.channels.woocommerce.wire import (
    WireLine,
    WireOrder,
    WireRefund,
    WooCommerceSettings,
    add_minutes,
    parse_instant,
    read_id,
    read_meta,
    read_text,
    whole_units,
)
from engine.domain.orders import NOTES_MAX, OrderLine, OrderSnapshot, OrderStatus, check_snapshot
from engine.domain.units import LineId, ListingId, OrderId, Sku, check_identifier

ORDER_FIELDS: Final = (
    "id,status,date_created_gmt,date_modified_gmt,date_completed_gmt,line_items,refunds,shipping_lines"
)
"""No buyer's name, no address: what is not asked for cannot leak."""

TRASH: Final = "trash"

_STATUSES: Final[Mapping[str, OrderStatus]] = {
    "checkout-draft": OrderStatus.DRAFT,
    "pending": OrderStatus.PENDING,
    "on-hold": OrderStatus.ON_HOLD,
    "processing": OrderStatus.ACCEPTED,
    "completed": OrderStatus.SHIPPED,
    "cancelled": OrderStatus.CANCELLED,
    "failed": OrderStatus.CANCELLED,
    "refunded": OrderStatus.REFUNDED,
}
_ENDED: Final = frozenset({OrderStatus.SHIPPED, OrderStatus.CANCELLED, OrderStatus.REFUNDED})
_LINES_MAX: Final = 10_000


class OrderUnreadable(ValueError):
    """This order cannot be told without guessing; the message says why."""


class Refunded(NamedTuple):
    """Units of one line that were refunded, by whether the order had been completed by then."""

    before: int = 0
    after: int = 0


def is_kept_in_trash(order: WireOrder, settings: WooCommerceSettings) -> bool:
    """Whether nothing is to be said of this order: it is in the trash, and there it stays what it was."""
    return order.status == TRASH and settings.trashed == "keep"


def read_status(order: WireOrder, settings: WooCommerceSettings) -> OrderStatus:
    """Translate the shop's word.

    A completed order in the trash was tidied away, not cancelled: its units have left.

    Raises:
        OrderUnreadable: no setting says what this word means; it is never guessed.
    """
    if order.status == TRASH:
        return OrderStatus.SHIPPED if parse_instant(order.date_completed_gmt) else OrderStatus.CANCELLED
    status = settings.status_map.get(order.status) or _STATUSES.get(order.status)
    if status is None:
        raise OrderUnreadable(f"status {order.status!r:.60} is unknown: say what it means in `status_map`")
    return status


def needs_refunds(order: WireOrder, settings: WooCommerceSettings) -> bool:
    """Whether the lines of this order's refunds change what it says; each such order costs one more request.

    Not when everything is cancelled, and not when everything was refunded before anything left.

    Raises:
        OrderUnreadable: see `read_status`.
    """
    status = read_status(order, settings)
    if not order.refunds or status is OrderStatus.CANCELLED:
        return False
    return status is not OrderStatus.REFUNDED or parse_instant(order.date_completed_gmt) is not None


def build_snapshot(
    order: WireOrder, refunds: Sequence[WireRefund], settings: WooCommerceSettings, *, read_at: datetime | None
) -> OrderSnapshot:
    """Tell an order in our words; contradictions that were settled the careful way are among its notes.

    `refunds` are there when `needs_refunds` says so; those that the order does not mention are passed over. `read_at`
    is when the shop was asked, None for a webhook.

    Raises:
        OrderUnreadable: something in it cannot be told without guessing.
    """
    status = read_status(order, settings)
    created_at, modified_at = parse_instant(order.date_created_gmt), parse_instant(order.date_modified_gmt)
    modified_at, placed_at = modified_at or created_at, created_at or modified_at
    if modified_at is None or placed_at is None:
        raise OrderUnreadable("it has no usable date")
    if order.id <= 0 or len(order.line_items) > _LINES_MAX:
        raise OrderUnreadable(f"id {order.id} with {len(order.line_items)} lines")
    completed_at = parse_instant(order.date_completed_gmt)
    if status not in {OrderStatus.SHIPPED, OrderStatus.REFUNDED}:
        completed_at = None  # reopened: whatever was refunded belongs to what is owed now
    mentioned = {ref.id for ref in order.refunds}
    refunded, problems = _sum_refunds(
        order.line_items, [refund for refund in refunds if refund.id in mentioned], completed_at
    )
    pickup = find_pickup(order, settings.pickup) if settings.pickup is not None else Pickup()
    if pickup.note is not None and status not in _ENDED:  # later it makes no difference any more
        problems = (*problems, pickup.note)
    lines = tuple(
        msgspec.structs.replace(
            _build_line(line, refunded[line.id], status, settings, shipped_before=completed_at is not None),
            location=pickup.location,
        )
        for line in order.line_items
    )
    snapshot = OrderSnapshot(
        account=settings.account,
        order_id=OrderId(str(order.id)),
        status=status,
        channel_status=order.status,
        placed_at=placed_at,
        modified_at=modified_at,
        read_at=read_at,
        held_until=_hold_until(status, settings, placed_at, modified_at),
        lines=lines,
        notes=problems[:NOTES_MAX],
    )
    if contradiction := check_snapshot(snapshot):
        raise OrderUnreadable(contradiction)
    return snapshot


def _hold_until(
    status: OrderStatus, settings: WooCommerceSettings, placed_at: datetime, modified_at: datetime
) -> datetime | None:
    """When the shop lets go of the units; None: it does not.

    Pending counts from the last change, because that is what WooCommerce's own clean-up compares
    (`get_unpaid_orders`: `date_updated_gmt`, before that `post_modified`), and trying to pay again renews its hold.
    A draft counts from its start: every page view of a checkout changes it, and a basket left open must not hoard
    (lesson A16). WooCommerce 9.2 and later hold nothing for a draft until payment is tried (issue 44231).
    """
    if status is OrderStatus.DRAFT:
        return add_minutes(placed_at, settings.draft_minutes)
    if status is OrderStatus.PENDING and settings.pending_minutes is not None:
        return add_minutes(modified_at, settings.pending_minutes)
    return None


def _build_line(
    line: WireLine, refunded: Refunded, status: OrderStatus, settings: WooCommerceSettings, *, shipped_before: bool
) -> OrderLine:
    ordered = _ordered(line)
    if status is OrderStatus.REFUNDED:
        # Nothing is owed any more, also of units that no refund names: an amount, or the status set by hand.
        rest = ordered - refunded.before - refunded.after
        refunded = (
            refunded._replace(after=refunded.after + rest)
            if shipped_before
            else refunded._replace(before=refunded.before + rest)
        )
    back = _restocked(line, ordered, sum(refunded), settings)
    cancelled, shipped, returned = _count_line(ordered, status, refunded, back)
    product_id, variation_id = read_id(line.product_id), read_id(line.variation_id)
    sku = read_text(line.sku)
    return OrderLine(
        line_id=LineId(str(line.id)),
        sku=Sku(sku) if sku and check_identifier("sku", sku) is None else None,
        # Fees that plugins add as lines, and products deleted since, have no product id.
        listing_id=_listing_of(product_id, variation_id),
        ordered=ordered,
        cancelled=cancelled,
        shipped=shipped,
        returned=returned,
    )


def _listing_of(product_id: int, variation_id: int) -> ListingId | None:
    if not product_id:
        return None
    return build_listing_id(product_id, variation_id) if variation_id else build_listing_id(0, product_id)


def _count_line(ordered: int, status: OrderStatus, refunded: Refunded, back: int) -> tuple[int, int, int]:
    """Cancelled, shipped and returned units of a line, `back` of whose refunded units are on the shelf again."""
    if status is OrderStatus.CANCELLED:
        return ordered, 0, 0
    if status in {OrderStatus.SHIPPED, OrderStatus.REFUNDED}:
        cancelled = min(back, refunded.before)
        return cancelled, ordered - cancelled, min(back - cancelled, refunded.after)
    cancelled = back
    # Refunded without restocking: they will not be sent and do not come back either.
    return cancelled, sum(refunded) - cancelled, 0


def _restocked(line: WireLine, ordered: int, refunded: int, settings: WooCommerceSettings) -> int:
    """How many of a line's refunded units are on the shelf again."""
    if settings.refund_restock == "never":
        return 0
    if settings.refund_restock == "always":
        return refunded
    tally, taken = _note(line, "_restock_refunded_items"), _note(line, "_reduced_stock")
    if tally is None and taken is not None:
        tally = ordered - taken  # before the tally existed, restocking only lowered `_reduced_stock`
    if tally is None:
        return refunded  # the shop never counted this line, so it notes nothing either
    return max(0, min(tally, refunded))


def _note(line: WireLine, key: str) -> int | None:
    try:
        return whole_units(read_meta(line.meta_data, key))
    except ValueError:
        return None


def _ordered(line: WireLine) -> int:
    try:
        ordered = whole_units(line.quantity)
    except ValueError as error:
        raise OrderUnreadable(f"line {line.id}: {error}") from error
    if ordered is None or ordered < 0:
        raise OrderUnreadable(f"line {line.id}: quantity {line.quantity!r}")
    return ordered


def _sum_refunds(
    lines: Sequence[WireLine], refunds: Sequence[WireRefund], completed_at: datetime | None
) -> tuple[dict[int, Refunded], tuple[str, ...]]:
    """Refunded units per ordered line, never more than ordered; and what did not fit, in words."""
    room = {line.id: _ordered(line) for line in lines}
    refunded = dict.fromkeys(room, Refunded())
    problems: list[str] = []
    for refund in refunds:
        created_at = parse_instant(refund.date_created_gmt)
        after = completed_at is not None and (created_at is None or created_at >= completed_at)
        for row in refund.line_items:
            try:
                left = abs(whole_units(row.quantity) or 0)
            except ValueError as error:
                raise OrderUnreadable(f"refund {refund.id}, line {row.id}: {error}") from error
            targets = _find_refunded(lines, row)
            for target in targets:
                units = min(left, room[target])
                room[target] -= units
                left -= units
                known = refunded[target]
                refunded[target] = Refunded(known.before + units * (not after), known.after + units * after)
            if left and targets:
                problems.append(f"refund {refund.id} has {left} units more of line {targets[0]} than were ordered")
    return refunded, tuple(problems)


def _find_refunded(lines: Sequence[WireLine], row: WireLine) -> tuple[int, ...]:
    """Ordered lines that a refund line is about: the one it names, else those of the same product.

    A line that was deleted after its refund is gone with all its units (lesson C1); they are not looked for elsewhere.
    """
    named = _note(row, "_refunded_item_id")
    if named is not None:
        return tuple(line.id for line in lines if line.id == named)
    product = (read_id(row.product_id), read_id(row.variation_id))
    if product == (0, 0):
        return ()
    return tuple(line.id for line in lines if (read_id(line.product_id), read_id(line.variation_id)) == product)
