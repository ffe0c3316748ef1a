"""The hold that nearly all are: one SKU, wherever its units lie, a new id, nothing short, one place has all.

Decided and applied in one step, because it is asked for more often than everything else together. `holds.place_hold`
and `booking.apply` know no such hold: they decide and apply it by the rule for all holds, and what comes of it is the
same, event and book (`tests/properties/test_plain_holds.py`).
"""

from collections.abc import Sequence
from datetime import datetime

from engine.domain.events import UnitsHeld
from engine.domain.stock.allocate import at_one
from engine.domain.stock.book import Book
from engine.domain.units import AccountId, HoldId, LocationId


def hold_plain(
    book: Book,
    hold_id: HoldId,
    quantity: int,
    expires_at: datetime | None,
    account: AccountId,
    locations: Sequence[LocationId],
    now: datetime,
) -> tuple[UnitsHeld, int] | None:
    """Hold units of a book, if such a hold is to be granted.

    Args:
        book: that of the SKU. Holds that are due have been noted already.
        hold_id: the caller's; no book knows it.
        quantity: units asked for.
        expires_at: None: never.
        account: whose basket it is.
        locations: where the units may come from, in order of preference.
        now: the instant of the decision.

    Returns:
        What has happened, for whom else it concerns (the due list, the journal), and the units that are left to
        promise at its place; or None: nothing has, and `place_hold` must decide.
    """
    if book.retired or book.is_bundle:
        return None
    positions = book.positions
    if len(positions) > 1:
        for position in positions.values():
            if position.atp < 0:  # what one place is short of must come from another
                return None
    for location in locations:
        at = positions.get(location)
        if at is None:
            continue
        # `atp` in line
        left = at.on_hand - at.committed - at.reserved - at.unavailable - at.safety_stock - quantity
        if left >= 0:
            parts = at_one(location, quantity)
            held = UnitsHeld(at=now, sku=book.sku, hold_id=hold_id, parts=parts, expires_at=expires_at, account=account)
            at.reserved += quantity
            at.moved = True
            first = book.holds.setdefault(hold_id, held)
            assert first is held, (first, held)
            return held, left
    return None
