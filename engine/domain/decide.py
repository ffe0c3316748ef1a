"""Decisions about stock: what a command makes of the books it names. Reads books, changes nothing.

A hold may be refused, an order may not: it has been placed at a channel already, so it is recorded and, where there is
not enough, an oversell incident with it (DESIGN.md section 4).
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import assert_never

import msgspec

from engine.domain.allocate import merge, place, place_all, take
from engine.domain.book import Book, units_of
from engine.domain.commands import (
    AddSku,
    Adjust,
    Answer,
    CommitHold,
    Committed,
    DemandLevel,
    Done,
    Granted,
    Moved,
    OpenStock,
    PlaceHold,
    Receive,
    RecordOrder,
    Refusal,
    Released,
    ReleaseHold,
)
from engine.domain.events import (
    BookEvent,
    DemandSet,
    HoldCommitted,
    HoldExpired,
    HoldRefused,
    HoldReleased,
    Part,
    SkuAdded,
    StockAdjusted,
    StockReceived,
    UnitsHeld,
)
from engine.domain.units import Key, LocationId, Sku

Books = Mapping[Sku, Book]
Refusable = PlaceHold | CommitHold | ReleaseHold | Adjust | Receive | AddSku | OpenStock


class Decision(msgspec.Struct, frozen=True, gc=False):
    """Events to apply and journal in one frame, and what to tell the caller once they are durable."""

    events: Sequence[BookEvent]
    answer: Answer


def decide(books: Books, command: Refusable, now: datetime) -> Decision:
    """Decide one command that may be refused.

    Args:
        books: those of the SKUs that the command names or its hold id was first seen with, and no others. Holds that
            are due have been noted already.
        command: what is asked.
        now: the instant of the decision.
    """
    match command:
        case PlaceHold():
            return _place_hold(books, command, now)
        case CommitHold():
            return _commit_hold(books, command, now)
        case ReleaseHold():
            return _release_hold(books, command, now)
        case Adjust():
            return _adjust(books, command, now)
        case Receive():
            return _receive(books, command, now)
        case AddSku():
            return _add_sku(books, command, now)
        case OpenStock():
            return _open_stock(books, command, now)
        case _:
            assert_never(command)


def _refuse(code: str, text: str) -> Decision:
    return Decision((), Refusal(code=code, text=text))


# -- holds ------------------------------------------------------------------------------------------------------------


def _place_hold(books: Books, command: PlaceHold, now: datetime) -> Decision:
    lines = command.lines
    seen = _answer_as_before(books, command)
    if seen is not None:
        return Decision((), seen)
    for sku, _ in lines:
        if sku not in books:
            return _refuse("NOSUCHSKU", f"sku={sku}")
    asked = lines if len(lines) > 1 else ()
    held: list[UnitsHeld] = []
    for sku, quantity in lines:
        book = books[sku]
        parts = _find_units(book, quantity, command)
        if parts is None:
            refused = HoldRefused(
                at=now,
                sku=sku,
                hold_id=command.hold_id,
                requested=quantity,
                atp=_atp_for(book, command),
                account=command.account,
                asked=asked,
                location=command.location,
            )
            return Decision((refused,), _out_of_stock(refused))
        held.append(
            UnitsHeld(
                at=now,
                sku=sku,
                hold_id=command.hold_id,
                parts=parts,
                expires_at=command.expires_at,
                account=command.account,
                asked=asked,
                location=command.location,
            )
        )
    return Decision(held, _granted(held))


def _find_units(book: Book, quantity: int, command: PlaceHold) -> tuple[Part, ...] | None:
    if command.location is None:
        return place(quantity, command.locations, book.atp_at)
    return ((command.location, quantity),) if _atp_for(book, command) >= quantity else None


def _atp_for(book: Book, command: PlaceHold) -> int:
    """What a hold may have: over its locations, and at the one it insists on no more than that place has."""
    over = book.atp_over(command.locations)
    return over if command.location is None else min(over, book.atp_at(command.location))


def _answer_as_before(books: Books, command: PlaceHold) -> Answer | None:
    """Answer a repeated hold id as the first time, refusals too; CONFLICT when it returns with other lines."""
    for book in books.values():
        if not book.knows_hold(command.hold_id):
            continue
        held = _held_in(book, command)
        if held is not None:
            if not _same_request(held, units_of(held.parts), command):
                return _conflict(command, held)
            parts = [_held_in(books[sku], command) for sku, _ in command.lines]
            granted = [part for part in parts if part is not None]
            # a shard that had more to remember has forgotten its part: then the whole hold is forgotten
            return _granted(granted) if len(granted) == len(parts) else None
        refused = book.refused.get(command.hold_id)
        if refused is not None:
            same = _same_request(refused, refused.requested, command)
            return _out_of_stock(refused) if same else _conflict(command, refused)
    return None


def _held_in(book: Book, command: PlaceHold) -> UnitsHeld | None:
    held = book.holds.get(command.hold_id)
    if held is None and command.hold_id in book.ended:
        held = book.ended[command.hold_id][0]
    return held


def _same_request(first: UnitsHeld | HoldRefused, units: int, command: PlaceHold) -> bool:
    asked = first.asked or ((first.sku, units),)
    return asked == command.lines and first.account == command.account and first.location == command.location


def _conflict(command: PlaceHold, first: UnitsHeld | HoldRefused) -> Refusal:
    lines = first.asked or ((first.sku, units_of(first.parts) if isinstance(first, UnitsHeld) else first.requested),)
    was = " ".join(f"{sku} {units}" for sku, units in lines[:3]) + (" ..." if len(lines) > 3 else "")
    return Refusal(code="CONFLICT", text=f"hold={command.hold_id} was asked for {was} at {first.account} before")


def _out_of_stock(refused: HoldRefused) -> Refusal:
    return Refusal(code="OUTOFSTOCK", text=f"sku={refused.sku} requested={refused.requested} atp={refused.atp}")


def _granted(held: Sequence[UnitsHeld]) -> Granted:
    return Granted(
        hold_id=held[0].hold_id,
        expires_at=held[0].expires_at,
        lines=tuple([(event.sku, location, units) for event in held for location, units in event.parts]),
    )


def _commit_hold(books: Books, command: CommitHold, now: datetime) -> Decision:
    events: list[BookEvent] = []
    for sku, book in books.items():
        if command.hold_id in book.holds:
            events.append(
                HoldCommitted(
                    at=now,
                    sku=sku,
                    hold_id=command.hold_id,
                    account=book.holds[command.hold_id].account,
                    order_id=command.order_id,
                    owed=command.owed,
                )
            )
            continue
        if command.hold_id not in book.ended:
            return _refuse("NOSUCHHOLD", f"hold={command.hold_id}")
        held, end = book.ended[command.hold_id]
        match end:
            case HoldCommitted(order_id=order_id, at=at) if command.order_id in (None, order_id):
                answer = Committed(hold_id=command.hold_id, order_id=order_id, committed_at=at)
                return Decision((), answer)
            case HoldCommitted(order_id=order_id):
                was = f"for order {order_id}" if order_id else "without an order"
                return _refuse("CONFLICT", f"hold={command.hold_id} was committed {was}, not for {command.order_id}")
            case HoldReleased(at=at):
                return _refuse("RELEASED", f"hold={command.hold_id} released_at={at:%Y-%m-%dT%H:%M:%SZ}")
            case HoldExpired():
                return _refuse("EXPIRED", f"hold={command.hold_id} expires_at={held.expires_at:%Y-%m-%dT%H:%M:%SZ}")
    if not events:
        return _refuse("NOSUCHHOLD", f"hold={command.hold_id}")
    return Decision(tuple(events), Committed(hold_id=command.hold_id, order_id=command.order_id, committed_at=now))


def _release_hold(books: Books, command: ReleaseHold, now: datetime) -> Decision:
    events: list[BookEvent] = []
    for sku, book in books.items():
        if command.hold_id in book.holds:
            events.append(HoldReleased(at=now, sku=sku, hold_id=command.hold_id))
            continue
        if command.hold_id not in book.ended:
            return _refuse("NOSUCHHOLD", f"hold={command.hold_id}")
        held, end = book.ended[command.hold_id]
        match end:
            case HoldReleased(at=at):
                return Decision((), Released(hold_id=command.hold_id, released_at=at))
            case HoldExpired(at=at):  # what the caller wants is so already, since it ran out
                return Decision((), Released(hold_id=command.hold_id, released_at=held.expires_at or at))
            case HoldCommitted(at=at):
                return _refuse("COMMITTED", f"hold={command.hold_id} committed_at={at:%Y-%m-%dT%H:%M:%SZ}")
    if not events:
        return _refuse("NOSUCHHOLD", f"hold={command.hold_id}")
    return Decision(tuple(events), Released(hold_id=command.hold_id, released_at=now))


# -- movements --------------------------------------------------------------------------------------------------------


def _adjust(books: Books, command: Adjust, now: datetime) -> Decision:
    book = books.get(command.sku)
    if book is None:
        return _refuse("NOSUCHSKU", f"sku={command.sku}")
    before = book.movements.get(command.key)
    if before is not None:
        same = isinstance(before, StockAdjusted) and (before.location, before.delta, before.reason) == (
            command.location,
            command.delta,
            command.reason,
        )
        return Decision((), _moved(before)) if same else _key_taken(command.key, before)
    on_hand = _on_hand(book, command.location) + command.delta
    if on_hand < 0:
        text = f"sku={command.sku} location={command.location} on_hand={on_hand - command.delta} delta={command.delta}"
        return _refuse("NEGATIVE", text)
    event = StockAdjusted(
        at=now,
        sku=command.sku,
        key=command.key,
        location=command.location,
        delta=command.delta,
        on_hand=on_hand,
        reason=command.reason,
    )
    return Decision((event,), _moved(event))


def _receive(books: Books, command: Receive, now: datetime) -> Decision:
    book = books.get(command.sku)
    if book is None:
        return _refuse("NOSUCHSKU", f"sku={command.sku}")
    before = book.movements.get(command.key)
    if before is not None:
        same = isinstance(before, StockReceived) and (before.location, before.quantity) == (
            command.location,
            command.quantity,
        )
        return Decision((), _moved(before)) if same else _key_taken(command.key, before)
    event = StockReceived(
        at=now,
        sku=command.sku,
        key=command.key,
        location=command.location,
        quantity=command.quantity,
        on_hand=_on_hand(book, command.location) + command.quantity,
    )
    return Decision((event,), _moved(event))


def _on_hand(book: Book, location: LocationId) -> int:
    position = book.positions.get(location)
    return position.on_hand if position is not None else 0


def _moved(event: StockAdjusted | StockReceived) -> Moved:
    received = isinstance(event, StockReceived)
    return Moved(
        key=event.key,
        sku=event.sku,
        location=event.location,
        delta=event.quantity if isinstance(event, StockReceived) else event.delta,
        on_hand=event.on_hand,
        received=received,
    )


def _key_taken(key: Key, before: StockAdjusted | StockReceived) -> Decision:
    if isinstance(before, StockReceived):
        was = f"RECEIVE {before.sku} {before.location} {before.quantity}"
    else:
        was = f"ADJUST {before.sku} {before.location} {before.delta} {before.reason!r}"
    return _refuse("CONFLICT", f"key={key} was used for {was} before")


def _add_sku(books: Books, command: AddSku, now: datetime) -> Decision:
    book = books.get(command.sku)
    wanted = tuple(sorted((location, units) for location, units in command.safety_stock if units))
    if book is not None:
        has = tuple(sorted((at, p.safety_stock) for at, p in book.positions.items() if p.safety_stock))
        if book.name == command.name and has == wanted:
            return Decision((), Done())
    return Decision((SkuAdded(at=now, sku=command.sku, name=command.name, safety_stock=wanted),), Done())


def _open_stock(books: Books, command: OpenStock, now: datetime) -> Decision:
    """Opening stock counts once: a location that moved already has a truth of its own, which a file must not undo."""
    book = books.get(command.sku)
    if book is None:
        return _refuse("NOSUCHSKU", f"sku={command.sku}")
    key = Key(f"opening:{command.sku}:{command.location}")
    before = book.movements.get(key)
    if before is not None and isinstance(before, StockAdjusted) and before.delta == command.on_hand:
        return Decision((), Done())
    position = book.positions.get(command.location)
    if position is not None and position.moved:
        return _refuse("CONFLICT", f"sku={command.sku} location={command.location} has moved before: use ADJUST")
    event = StockAdjusted(
        at=now,
        sku=command.sku,
        key=key,
        location=command.location,
        delta=command.on_hand,
        on_hand=command.on_hand,
        reason="opening stock",
    )
    return Decision((event,), Done())


# -- orders -----------------------------------------------------------------------------------------------------------


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
        on_hand = _on_hand(book, location)
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
