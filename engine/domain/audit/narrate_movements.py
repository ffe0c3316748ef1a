"""Movements as sentences: units that come, go, change state or are counted."""

from typing import assert_never

from engine.domain.events import (
    Movement,
    PurchaseOrdered,
    PurchaseOrderEnded,
    StateChanged,
    StockAdjusted,
    StockCounted,
    StockObserved,
    StockReceived,
    StockReturned,
    TransferArrived,
    TransferLost,
    TransferSent,
)
from engine.domain.states import State


def narrate_movement(event: Movement) -> str:
    """Say what moved; who did it, why and on which paper stand beside it."""
    match event:
        case StockAdjusted(delta=delta, location=location):
            return f"{location} corrected by {delta:+d}"
        case StockReceived(quantity=quantity, location=location, purchase_order=order):
            return f"{quantity} received at {location}" + (f" on purchase order {order}" if order is not None else "")
        case StockReturned(quantity=quantity, location=location, state=state, order_id=order, account=account):
            whose = f" from order {order} of {account}" if order is not None else ""
            return f"{quantity} returned to {location}{whose} as {say_state(state)}"
        case StateChanged(quantity=quantity, location=location, source=source, target=target):
            return f"{quantity} at {location}: {say_state(source)} to {say_state(target)}"
        case StockCounted():
            return _narrate_count(event)
        case StockObserved(location=location, source=source, quantity=quantity, delta=delta, as_of=as_of):
            moved = f"corrected by {delta:+d}" if delta else "as the books had it"
            return f"{source} has {quantity} at {location} as of {as_of:%Y-%m-%d %H:%M:%S} UTC: {moved}"
        case PurchaseOrdered(purchase_order=order, quantity=quantity, location=location, supplier=supplier):
            where = f" from {supplier}" if supplier else ""
            return f"purchase order {order}{where}: {quantity} expected at {location}"
        case PurchaseOrderEnded(purchase_order=order, cancelled=cancelled):
            return f"purchase order {order} {'cancelled' if cancelled else 'closed'}: nothing more is expected on it"
        case TransferSent(transfer=transfer, source=source, target=target, quantity=quantity):
            return f"{quantity} sent from {source} to {target} by transfer {transfer}"
        case TransferArrived(transfer=transfer, quantity=quantity):
            return f"{quantity} of transfer {transfer} arrived"
        case TransferLost(transfer=transfer, quantity=quantity):
            return f"{quantity} of transfer {transfer} will not arrive"
        case _:
            assert_never(event)


def say_state(state: State) -> str:
    """Write a state as words."""
    return state.value.replace("_", " ")


def _narrate_count(event: StockCounted) -> str:
    counted = f"{event.counted} counted at {event.location} on {event.taken_at:%Y-%m-%d %H:%M:%S} UTC"
    against = f"{event.expected} expected then"
    if not event.applied:
        return f"{counted}, {against}: too far off by {event.delta:+d}, a recount has to confirm it"
    confirmed = f", as count {event.confirms} had it" if event.confirms is not None else ""
    if event.delta == 0:
        return f"{counted}, {against}: as the books had it{confirmed}"
    return f"{counted}, {against}: corrected by {event.delta:+d}{confirmed}"
