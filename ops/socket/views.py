"""What the socket says about books, orders, offers and accounts: plain maps, made from the engine's structs."""

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import Any

from engine.actors.order_desk import Order, OrderKey
from engine.domain.book import Book, Position, units_of
from engine.domain.commands import Committed, Done, Granted, Moved, Refusal, Released
from engine.domain.events import DemandSet, HoldCommitted, HoldExpired, HoldReleased, Part, UnitsHeld
from engine.domain.incidents import Incident
from engine.domain.orders import Freshness
from engine.domain.units import HoldId, LocationId, OrderId, Sku
from ops.socket.resp import OK, ErrorReply, encode

View = dict[str, Any]

_FIGURES = ("on_hand", "committed", "reserved", "unavailable", "safety_stock", "incoming", "in_transit")
_LISTED_MAX = 100
"""Open holds and order lines that EXPLAIN lists, newest first."""


def render(answer: object, protocol: int) -> bytes:
    """Turn whatever a slot was given into RESP bytes."""
    match answer:
        case Granted(hold_id=hold_id, expires_at=expires_at, lines=lines):
            hold = hold_id.encode()
            before, after = _granted_frame(expires_at, protocol)
            held = [_granted_line(sku, location, units, protocol) for sku, location, units in lines]
            return b"%s%d\r\n%s%s*%d\r\n%s" % (before, len(hold), hold, after, len(held), b"".join(held))
        case Refusal(code=code, text=text):
            return encode(ErrorReply(code, text), protocol)
        case Committed(hold_id=hold_id, order_id=order_id, committed_at=at):
            return encode({"hold": hold_id, "order": order_id, "committed_at": at}, protocol)
        case Released(hold_id=hold_id, released_at=at):
            return encode({"hold": hold_id, "released_at": at}, protocol)
        case Moved():
            return encode(movement_view(answer), protocol)
        case Done():
            return encode(OK, protocol)
        case _:
            return encode(answer, protocol)


@lru_cache(maxsize=1024)
def _granted_frame(expires_at: datetime | None, protocol: int) -> tuple[bytes, bytes]:
    """A grant up to the length of its id, and from behind the id to its lines: the same for most of a read."""
    before = (b"%3\r\n" if protocol >= 3 else b"*6\r\n") + encode("hold", protocol) + b"$"
    after = b"\r\n" + encode("expires_at", protocol) + encode(expires_at, protocol) + encode("lines", protocol)
    return before, after


@lru_cache(maxsize=1 << 14)
def _granted_line(sku: Sku, location: LocationId, units: int, protocol: int) -> bytes:
    """Holds of a SKU mostly ask for the same."""
    return encode({"sku": sku, "location": location, "quantity": units}, protocol)


def movement_view(answer: Moved) -> View:
    """ADJUST and RECEIVE."""
    return {
        "key": answer.key,
        "sku": answer.sku,
        "location": answer.location,
        "quantity" if answer.received else "delta": answer.delta,
        "on_hand": answer.on_hand,
    }


def no_such_sku(sku: Sku) -> ErrorReply:
    """Say that a SKU does not exist."""
    return ErrorReply("NOSUCHSKU", f"sku={sku}")


def stock_view(book: Book) -> View:
    """STOCK: the sums, then each location."""
    positions = book.positions
    return {
        "sku": book.sku,
        "name": book.name,
        **{name: sum(getattr(position, name) for position in positions.values()) for name in _FIGURES},
        "atp": sum(position.atp for position in positions.values()),
        "oversold": book.shortage,
        "holds": len(book.holds),
        "locations": [{"location": location, **_figures(position)} for location, position in sorted(positions.items())],
    }


def _figures(position: Position) -> View:
    return {**{name: getattr(position, name) for name in _FIGURES}, "atp": position.atp}


def explain_view(book: Book) -> View:
    """EXPLAIN without the offers: figures, what is held and what is owed."""
    holds = list(book.holds.values())
    demand = [line for line in book.demand.values() if line.committed or line.reserved]
    return {
        **stock_view(book),
        "open_holds": [_held_view(held) for held in holds[: -_LISTED_MAX - 1 : -1]],
        "demand": [_demand_view(line) for line in demand[: -_LISTED_MAX - 1 : -1]],
        "truncated": len(holds) > _LISTED_MAX or len(demand) > _LISTED_MAX,
    }


def _held_view(held: UnitsHeld) -> View:
    return {
        "hold": held.hold_id,
        "account": held.account,
        "quantity": units_of(held.parts),
        "placed_at": held.at,
        "expires_at": held.expires_at,
        "locations": parts_view(held.parts),
    }


def _demand_view(line: DemandSet) -> View:
    return {
        "account": line.account,
        "order": line.order_id,
        "line": line.line_id,
        "committed": units_of(line.committed),
        "reserved": units_of(line.reserved),
        "expires_at": line.expires_at,
        "set_at": line.at,
        "locations": parts_view((*line.committed, *line.reserved)),
    }


def parts_view(parts: Iterable[Part]) -> list[View]:
    """Units by location."""
    return [{"location": location, "quantity": units} for location, units in parts]


def hold_view(hold_id: HoldId, books: Iterable[Book]) -> View | ErrorReply:
    """LOOKUP, from the books of the SKUs it was placed on."""
    lines: list[View] = []
    state, first, order_id = None, None, None
    for book in books:
        held, state_here, order_here = _find_hold(book, hold_id)
        if state_here is None:
            continue
        state, order_id = state_here, order_here
        if held is not None:
            first = held
            lines += [{"sku": book.sku, "location": place, "quantity": units} for place, units in held.parts]
    if state is None:
        return ErrorReply("NOSUCHHOLD", f"hold={hold_id}")
    return {
        "hold": hold_id,
        "state": state,
        "expires_at": first.expires_at if first is not None else None,
        "account": first.account if first is not None else None,
        "order": order_id,
        "lines": lines,
    }


def _find_hold(book: Book, hold_id: HoldId) -> tuple[UnitsHeld | None, str | None, OrderId | None]:
    if hold_id in book.holds:
        return book.holds[hold_id], "held", None
    if hold_id in book.ended:
        held, end = book.ended[hold_id]
        match end:
            case HoldCommitted(order_id=order_id):
                return held, "committed", order_id
            case HoldReleased():
                return held, "released", None
            case HoldExpired():
                return held, "expired", None
    return None, "refused" if hold_id in book.refused else None, None


def order_view(key: OrderKey, order: Order, demand: dict[tuple[str, Sku], DemandSet]) -> View:
    """ORDER: the newest snapshot, each line with the locations that owe it.

    Args:
        key: account and order id.
        order: what the desk knows.
        demand: line id and SKU to the line's demand, for lines that are not at zero.
    """
    account, order_id = key
    snapshot = order.snapshot
    lines: list[View] = []
    for line, sku in zip(snapshot.lines, order.skus, strict=True) if snapshot is not None else ():
        owed = demand.get((line.line_id, sku)) if sku is not None else None
        lines.append(
            {
                "line": line.line_id,
                "sku": sku if sku is not None else line.sku,
                "listing": line.listing_id,
                "matched": sku is not None,
                "ordered": line.ordered,
                "cancelled": line.cancelled,
                "shipped": line.shipped,
                "returned": line.returned,
                "open": line.open_units,
                "allocation": parts_view((*owed.committed, *owed.reserved)) if owed is not None else [],
            }
        )
    for line_id, sku in order.hold_lines:
        owed = demand.get((line_id, sku))
        if owed is not None:
            units = units_of(owed.committed)
            lines.append(
                {
                    "line": line_id,
                    "sku": sku,
                    "listing": None,
                    "matched": True,
                    "ordered": units,
                    "cancelled": 0,
                    "shipped": 0,
                    "returned": 0,
                    "open": units,
                    "allocation": parts_view(owed.committed),
                }
            )
    return {
        "account": account,
        "order": order_id,
        "status": snapshot.status if snapshot is not None else "accepted",
        "channel_status": snapshot.channel_status if snapshot is not None else "",
        "placed_at": snapshot.placed_at if snapshot is not None else None,
        "modified_at": snapshot.modified_at if snapshot is not None else None,
        "held_until": snapshot.held_until if snapshot is not None else None,
        "lines": lines,
    }


def order_summary(key: OrderKey, order: Order) -> View:
    """One row of ORDERS."""
    snapshot = order.snapshot
    return {
        "account": key[0],
        "order": key[1],
        "status": snapshot.status if snapshot is not None else "accepted",
        "placed_at": snapshot.placed_at if snapshot is not None else None,
        "modified_at": snapshot.modified_at if snapshot is not None else None,
        "units_open": sum(line.open_units for line in snapshot.lines) if snapshot is not None else None,
    }


def recorded_view(key: OrderKey, freshness: Freshness) -> View:
    """RECORD."""
    return {"account": key[0], "order": key[1], "outcome": freshness}


def incident_view(incident: Incident) -> View:
    """One row of INCIDENTS."""
    event = incident.recorded
    return {
        "sku": event.sku,
        "units": event.units,
        "account": event.account,
        "order": event.order_id,
        "cause": event.cause,
        "detail": event.detail,
        "at": event.at,
        "cleared_at": incident.cleared_at,
    }
