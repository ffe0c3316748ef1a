"""Movements of units as differences of figures."""

from typing import assert_never

from engine.domain.events import (
    DemandLapsed,
    DemandSet,
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
from engine.domain.reading.papers import Papers
from engine.domain.reading.stock import Deltas
from engine.domain.states import State


def enter(event: Movement, deltas: Deltas, papers: Papers) -> None:
    """Enter what a movement changes of its SKU's figures, and of the paper it belongs to."""
    match event:
        case StockAdjusted():
            deltas[event.location].on_hand += event.delta
        case StockReceived():
            deltas[event.location].on_hand += event.quantity
            if event.purchase_order is not None:
                papers.receive(event.purchase_order, event, deltas)
        case StockReturned():
            for location, units in event.taken_back:
                deltas[location].on_hand -= units
            deltas[event.location].on_hand += event.quantity
            deltas[event.location].set_aside(event.state, event.quantity)
        case StateChanged():
            fact = deltas[event.location]
            fact.on_hand -= event.quantity if event.target is State.WRITTEN_OFF else 0
            fact.set_aside(event.source, -event.quantity)
            fact.set_aside(event.target, event.quantity)
        case StockCounted():
            deltas[event.location].on_hand += event.delta if event.applied else 0
        case StockObserved():
            deltas[event.location].on_hand += event.delta
        case PurchaseOrdered():
            papers.order(event, deltas)
        case PurchaseOrderEnded():
            papers.end(event, deltas)
        case TransferSent():
            papers.send(event, deltas)
        case TransferArrived() | TransferLost():
            papers.arrive(event, deltas)
        case _:
            assert_never(event)


def said_of(event: Movement | DemandSet | DemandLapsed) -> dict[str, str | None]:
    """Return the columns for the key, the paper and the words that somebody gave with it."""
    about: dict[str, str | None] = {
        name: getattr(event, name, "") or None for name in ("key", "by", "reason", "reference")
    }
    match event:
        case StockReceived() | PurchaseOrdered() | PurchaseOrderEnded():
            about["document"] = event.purchase_order
        case TransferSent() | TransferArrived() | TransferLost():
            about["document"] = event.transfer
        case StockReturned():
            about |= {"account": event.account, "order_id": event.order_id, "line_id": event.line_id}
        case _:
            pass
    return about
