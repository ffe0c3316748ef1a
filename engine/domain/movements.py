"""Movements: units that arrive, leave or are corrected, each recognised by its caller's key."""

from datetime import datetime

from engine.domain.commands import AddSku, Adjust, Done, Moved, OpenStock, Receive
from engine.domain.decision import Books, Decision, refuse
from engine.domain.events import SkuAdded, StockAdjusted, StockReceived
from engine.domain.units import Key


def adjust(books: Books, command: Adjust, now: datetime) -> Decision:
    """Correct on hand, which never falls below zero."""
    book = books.get(command.sku)
    if book is None:
        return refuse("NOSUCHSKU", f"sku={command.sku}")
    before = book.movements.get(command.key)
    if before is not None:
        same = isinstance(before, StockAdjusted) and (before.location, before.delta, before.reason) == (
            command.location,
            command.delta,
            command.reason,
        )
        return Decision((), _moved(before)) if same else _key_taken(command.key, before)
    on_hand = book.on_hand_at(command.location) + command.delta
    if on_hand < 0:
        text = f"sku={command.sku} location={command.location} on_hand={on_hand - command.delta} delta={command.delta}"
        return refuse("NEGATIVE", text)
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


def receive(books: Books, command: Receive, now: datetime) -> Decision:
    """Take in units."""
    book = books.get(command.sku)
    if book is None:
        return refuse("NOSUCHSKU", f"sku={command.sku}")
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
        on_hand=book.on_hand_at(command.location) + command.quantity,
    )
    return Decision((event,), _moved(event))


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
    return refuse("CONFLICT", f"key={key} was used for {was} before")


def add_sku(books: Books, command: AddSku, now: datetime) -> Decision:
    """Make a SKU exist, or bring its name and safety stock in step; nothing when they are."""
    book = books.get(command.sku)
    wanted = tuple(sorted((location, units) for location, units in command.safety_stock if units))
    if book is not None:
        has = tuple(sorted((at, p.safety_stock) for at, p in book.positions.items() if p.safety_stock))
        if book.name == command.name and has == wanted:
            return Decision((), Done())
    return Decision((SkuAdded(at=now, sku=command.sku, name=command.name, safety_stock=wanted),), Done())


def open_stock(books: Books, command: OpenStock, now: datetime) -> Decision:
    """Opening stock counts once: a location that moved already has a truth of its own, which a file must not undo."""
    book = books.get(command.sku)
    if book is None:
        return refuse("NOSUCHSKU", f"sku={command.sku}")
    key = Key(f"opening:{command.sku}:{command.location}")
    before = book.movements.get(key)
    if before is not None and isinstance(before, StockAdjusted) and before.delta == command.on_hand:
        return Decision((), Done())
    position = book.positions.get(command.location)
    if position is not None and position.moved:
        return refuse("CONFLICT", f"sku={command.sku} location={command.location} has moved before: use ADJUST")
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
