"""What the socket says about movements: the fields of the event itself, and in plain words what follows from them."""

from collections.abc import Sequence
from typing import Any

import msgspec

from engine.domain.commands import Reallocate
from engine.domain.events import Movement, StockCounted, StockReceived, StockReturned

View = dict[str, Any]

_UNSAID = frozenset({"at", "reason", "by", "reference", "purchase_order", "ordered", "received"})
"""The caller has just said them, or they say nothing without a purchase order."""
_BLINDED = frozenset({"expected", "variance", "percent", "on_hand"})
"""What tells somebody who is to count again how many to find."""


def moved_view(movements: Sequence[Movement]) -> View:
    """Show what one command recorded for one SKU."""
    movement = movements[0]
    match movement:
        case StockCounted():
            return count_view(movement)
        case StockReceived(purchase_order=str()):
            return receipt_view(movement)
        case StockReturned():
            return return_view(movement)
        case _:
            return _fields(movement)


def count_view(event: StockCounted) -> View:
    """COUNT: what was expected, how far off it was, and whether somebody has to count again."""
    return {
        "key": event.key,
        "sku": event.sku,
        "location": event.location,
        "counted": event.counted,
        "taken_at": event.taken_at,
        "applied": event.applied,
        "recount": not event.applied,
        "confirms": event.confirms,
        "expected": event.expected,
        "variance": event.delta,
        "percent": round(100 * event.delta / event.expected, 1) if event.expected else None,
        "on_hand": event.on_hand,
    }


def blind_view(movements: Sequence[Movement]) -> View:
    """COUNT ... BLIND: a count that has to be repeated does not tell what the books expect."""
    view = moved_view(movements)
    return view if view["applied"] else {name: value for name, value in view.items() if name not in _BLINDED}


def receipt_view(event: StockReceived) -> View:
    """RECEIVE ... PO: how the line of the purchase order stands after it."""
    ordered, received = event.ordered or 0, event.received or 0
    return {
        **_fields(event),
        "purchase_order": event.purchase_order,
        "ordered": ordered,
        "received": received,
        "over": max(0, received - ordered),
    }


def return_view(event: StockReturned) -> View:
    """RETURN: `taken_back` is what the channel had reported as restocked and has come back by this."""
    return {
        "key": event.key,
        "sku": event.sku,
        "location": event.location,
        "quantity": event.quantity,
        "on_hand": event.on_hand,
        "state": event.state,
        "account": event.account,
        "order": event.order_id,
        "line": event.line_id,
        "taken_back": sum(units for _, units in event.taken_back),
    }


def allocated_view(command: Reallocate) -> View:
    """REALLOCATE: which line is owed from where now."""
    return {
        "account": command.account,
        "order": command.order_id,
        "line": command.line_id,
        "sku": command.sku,
        "location": command.location,
    }


def _fields(movement: Movement) -> View:
    fields = msgspec.structs.asdict(movement)
    return {name: value for name, value in fields.items() if name not in _UNSAID}
