"""Order lines brought to the level that their order's newest snapshot tells.

A hold may be refused, an order may not: it has been placed at a channel already, so it is recorded and, where there is
not enough, an oversell incident with it (DESIGN.md section 4).
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import msgspec

from engine.domain.commands import DemandLevel, Done, Reallocate, RecordOrder
from engine.domain.events import BookEvent, DemandSet, Part, StockAdjusted
from engine.domain.stock.allocate import merge, place_all, take
from engine.domain.stock.book import Book, units_of
from engine.domain.stock.decision import Books, Decision, refuse
from engine.domain.stock.movements import found_units
from engine.domain.units import LocationId, Sku


def decide_levels(books: Mapping[Sku, Book], command: RecordOrder, now: datetime) -> Iterator[BookEvent]:
    """Bring the lines of an order to their levels, those that give units back first.

    Each event is to be applied before the next one is asked for: what a line frees is there for those after it.
    """
    levels = command.levels
    place: LocationId | None = None
    for number, level in enumerate(levels):
        locations = command.locations
        if level.together:
            if number == 0 or levels[number - 1].line_id != level.line_id:
                line = [other for other in levels[number:] if other.line_id == level.line_id]
                place = _find_place(books, line, command)
            if place is not None:
                locations = (place, *(location for location in locations if location != place))
        yield from decide_level(books[level.sku], level, command, locations, now)


def _find_place(books: Mapping[Sku, Book], line: Sequence[DemandLevel], command: RecordOrder) -> LocationId | None:
    """Return the first location that has all that is missing of a bundle; None: then it comes from several."""
    missing: list[tuple[Book, int]] = []
    for level in line:
        book = books[level.sku]
        before = book.demand.get((command.snapshot.account, command.snapshot.order_id, level.line_id))
        known = units_of((*before.committed, *before.reserved, *before.shipped)) if before is not None else 0
        missing.append((book, level.open_units + level.shipped - known))
    return next(
        (
            location
            for location in command.locations
            if all(units <= 0 or book.atp_at(location) >= units for book, units in missing)
        ),
        None,
    )


def decide_level(
    book: Book, level: DemandLevel, command: RecordOrder, locations: Sequence[LocationId], now: datetime
) -> tuple[BookEvent, ...]:
    """Bring one order line to its level; nothing when it stands there already.

    `locations` are those of the command, in order of preference.
    """
    before = book.demand.get((command.snapshot.account, command.snapshot.order_id, level.line_id))
    event = _set_demand(book, before, level, command, locations, now)
    if _same_level(before, event):
        return ()
    return (*_found_units(book, before, event, now), event)


def _set_demand(
    book: Book,
    before: DemandSet | None,
    level: DemandLevel,
    command: RecordOrder,
    locations: Sequence[LocationId],
    now: datetime,
) -> DemandSet:
    """Say where the line's units stand now: each stays where it was, as far as it can."""
    snapshot = command.snapshot
    was_open = merge(before.committed, before.reserved) if before else ()
    was_shipped = before.shipped if before else ()
    came_back = book.records.returns.get((snapshot.account, snapshot.order_id, level.line_id), 0)
    left_units = max(level.shipped, came_back)  # what came back must have left, whatever the channel makes of it later

    kept_shipped, unshipped = take(was_shipped, left_units)
    more_shipped, still_open = take(merge(was_open, unshipped), left_units - units_of(kept_shipped))
    shipped_direct = left_units - units_of(kept_shipped) - units_of(more_shipped)
    shipped = merge(kept_shipped, more_shipped, _place(shipped_direct, level, locations, book))
    if level.location is not None:
        still_open = tuple([part for part in still_open if part[0] == level.location])
    kept_open, _ = take(still_open, level.open_units)
    missing = level.open_units - units_of(kept_open)
    open_parts = merge(kept_open, _place(missing, level, locations, book))
    returned, _ = take(shipped, max(0, level.returned - came_back))
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
        bound=level.location is not None and bool(open_parts),
    )


def _place(units: int, level: DemandLevel, locations: Sequence[LocationId], book: Book) -> tuple[Part, ...]:
    """Place units where the policy finds them; those that are bound to a place there, however short it is."""
    if level.location is None:
        return place_all(units, locations, book.atp_at)
    return ((level.location, units),) if units else ()


def _same_level(before: DemandSet | None, event: DemandSet) -> bool:
    fields = ("committed", "reserved", "expires_at", "shipped", "returned", "bound")
    if before is None:
        return not any(getattr(event, name) for name in fields)
    return all(getattr(before, name) == getattr(event, name) for name in fields)


def _found_units(book: Book, before: DemandSet | None, after: DemandSet, now: datetime) -> tuple[StockAdjusted, ...]:
    """More left the building than was on hand: the count was wrong, and the correction is on record, never hidden."""
    change: dict[LocationId, int] = {}
    for sign, demand in ((1, before), (-1, after)):
        if demand is None:
            continue
        for location, units in demand.shipped:
            change[location] = change.get(location, 0) + sign * units
        for location, units in demand.returned:
            change[location] = change.get(location, 0) - sign * units
    return found_units(book, change, f"{after.account}:{after.order_id}:{after.line_id}", now)


def reallocate(books: Books, command: Reallocate, now: datetime) -> Decision:
    """Owe the open units of an order line from another place, if it has room for those that are not there yet."""
    named = f"account={command.account} order={command.order_id} line={command.line_id} sku={command.sku}"
    book = books.get(command.sku)
    if book is None:
        return refuse("NOSUCHSKU", f"sku={command.sku}")
    line = book.demand.get((command.account, command.order_id, command.line_id))
    parts = merge(line.committed, line.reserved) if line is not None else ()
    if line is None or not parts:
        return refuse("NOSUCHLINE", f"{named}: nothing is owed on it")
    units = units_of(parts)
    if parts == ((command.location, units),):
        return Decision((), Done())
    if line.bound:
        return refuse("BOUND", f"{named} is picked up at {parts[0][0]}: it is owed from nowhere else")
    moving = units - sum(here for location, here in parts if location == command.location)
    position = book.positions.get(command.location)
    free = position.free if position is not None else 0
    if moving > free:
        return refuse("OUTOFSTOCK", f"sku={command.sku} requested={moving} free={free} location={command.location}")
    there = ((command.location, units),)
    event = msgspec.structs.replace(
        line,
        at=now,
        committed=there if line.committed else (),
        reserved=there if line.reserved else (),
        by=command.by,
        reason=command.reason,
        reference=command.reference,
    )
    return Decision((event,), Done())
