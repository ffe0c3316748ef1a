"""Order lines brought to the level that their order's newest snapshot tells.

A hold may be refused, an order may not: it has been placed at a channel already, so it is recorded and, where there is
not enough, an oversell incident with it (DESIGN.md section 4).
"""

from collections.abc import Iterator
from datetime import datetime

from engine.domain.allocate import merge, place_all, take
from engine.domain.book import Book, units_of
from engine.domain.commands import DemandLevel, RecordOrder
from engine.domain.events import BookEvent, DemandSet, StockAdjusted
from engine.domain.units import Key, LocationId


def decide_level(book: Book, level: DemandLevel, command: RecordOrder, now: datetime) -> tuple[BookEvent, ...]:
    """Bring one order line to its level; nothing when it stands there already.

    Lines are decided and applied one after the other, those that give units back first.
    """
    before = book.demand.get((command.snapshot.account, command.snapshot.order_id, level.line_id))
    event = _set_demand(book, before, level, command, now)
    if _same_level(before, event):
        return ()
    return (*_found_units(book, before, event, now), event)


def _set_demand(
    book: Book, before: DemandSet | None, level: DemandLevel, command: RecordOrder, now: datetime
) -> DemandSet:
    """Say where the line's units stand now: each stays where it was, as far as it can."""
    snapshot = command.snapshot
    was_open = merge(before.committed, before.reserved) if before else ()
    was_shipped = before.shipped if before else ()

    kept_shipped, unshipped = take(was_shipped, level.shipped)
    more_shipped, still_open = take(merge(was_open, unshipped), level.shipped - units_of(kept_shipped))
    shipped_direct = level.shipped - units_of(kept_shipped) - units_of(more_shipped)
    shipped = merge(kept_shipped, more_shipped, place_all(shipped_direct, command.locations, book.atp_at))
    kept_open, _ = take(still_open, level.open_units)
    missing = level.open_units - units_of(kept_open)
    open_parts = merge(kept_open, place_all(missing, command.locations, book.atp_at))
    returned, _ = take(shipped, level.returned)
    held = snapshot.held_until is not None and snapshot.held_until > now
    return DemandSet(
        at=now,
        sku=book.sku,
        account=snapshot.account,
        order_id=snapshot.order_id,
        line_id=level.line_id,
        committed=open_parts if snapshot.held_until is None else (),
        reserved=open_parts if held else (),
        expires_at=snapshot.held_until if held and open_parts else None,
        shipped=shipped,
        returned=returned,
    )


def _same_level(before: DemandSet | None, event: DemandSet) -> bool:
    fields = ("committed", "reserved", "expires_at", "shipped", "returned")
    if before is None:
        return not any(getattr(event, name) for name in fields)
    return all(getattr(before, name) == getattr(event, name) for name in fields)


def _found_units(book: Book, before: DemandSet | None, after: DemandSet, now: datetime) -> Iterator[BookEvent]:
    """More left the building than was on hand: the count was wrong, and the correction is on record, never hidden."""
    change: dict[LocationId, int] = {}
    for sign, demand in ((1, before), (-1, after)):
        if demand is None:
            continue
        for location, units in demand.shipped:
            change[location] = change.get(location, 0) + sign * units
        for location, units in demand.returned:
            change[location] = change.get(location, 0) - sign * units
    for location, delta in change.items():
        on_hand = book.on_hand_at(location)
        if on_hand + delta < 0:
            found = -(on_hand + delta)
            yield StockAdjusted(
                at=now,
                sku=book.sku,
                key=Key(f"found:{after.account}:{after.order_id}:{after.line_id}:{location}:{now.isoformat()}"),
                location=location,
                delta=found,
                on_hand=on_hand + found,
                reason="count error: more shipped than on hand",
            )
