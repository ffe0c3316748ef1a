"""What the socket says about books, orders, offers and accounts: plain maps, made from the engine's structs."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

from engine.domain.catalogue.known_orders import OrderKey
from engine.domain.catalogue.sold import Order, sold_lines
from engine.domain.commands import Committed, Done, Granted, Moved, Refusal, Released
from engine.domain.events import DemandSet, HoldCommitted, HoldExpired, HoldReleased, Part, UnitsHeld
from engine.domain.orders import Freshness
from engine.domain.stock.book import Book, Position, units_of
from engine.domain.stock.incidents import Incident
from engine.domain.stock.places import Kind
from engine.domain.units import ID_BYTES_MAX, HoldId, LocationId, OrderId, Sku
from ops.socket.resp import OK, ErrorReply, encode, encode_instant
from ops.socket.views.documents import expected_view
from ops.socket.views.movements import moved_view

View = dict[str, Any]

_FIGURES = (
    *("on_hand", "committed", "reserved", "unavailable", "quality_hold", "damaged", "display"),
    *("safety_stock", "incoming", "in_transit"),
)
_SIZES: Final = range(ID_BYTES_MAX + 1)
_HEADS_2: Final = [b"*6\r\n$4\r\nhold\r\n$%d\r\n" % size for size in _SIZES]
_HEADS_3: Final = [b"%%3\r\n$4\r\nhold\r\n$%d\r\n" % size for size in _SIZES]
_LINES_2: Final = [b"*1\r\n*6\r\n$3\r\nsku\r\n$%d\r\n" % size for size in _SIZES]
_LINES_3: Final = [b"*1\r\n%%3\r\n$3\r\nsku\r\n$%d\r\n" % size for size in _SIZES]
_LISTED_MAX = 100
"""Open holds and order lines that EXPLAIN lists, newest first."""


def render(answer: object, protocol: int) -> bytes:
    """Turn whatever a slot was given into RESP bytes."""
    match answer:
        case Granted(hold_id=hold_id, expires_at=expires_at, lines=lines):
            hold = hold_id.encode()
            frame = granted_frame(expires_at, protocol)
            held = [_granted_line(sku, location, units, protocol) for sku, location, units in lines]
            return b"%s%s%s*%d\r\n%s" % (frame.heads[len(hold)], hold, frame.after, len(held), b"".join(held))
        case Refusal(code=code, text=text):
            return encode(ErrorReply(code, text), protocol)
        case Committed(hold_id=hold_id, order_id=order_id, committed_at=at):
            return encode({"hold": hold_id, "order": order_id, "committed_at": at}, protocol)
        case Released(hold_id=hold_id, released_at=at):
            return encode({"hold": hold_id, "released_at": at}, protocol)
        case Moved(movements=movements):
            return encode(moved_view(movements), protocol)
        case Done():
            return encode(OK, protocol)
        case _:
            return encode(answer, protocol)


class GrantedFrame(NamedTuple):
    """What grants with one expiry have in common."""

    heads: Sequence[bytes]
    """Up to the id, by the size of that."""
    after: bytes
    """From behind the id to the lines."""
    lines: Sequence[bytes]
    """The lines of a hold over one SKU at one place, up to the SKU, by the size of that."""


def granted_frame(expires_at: datetime | None, protocol: int) -> GrantedFrame:
    """Build what most replies of a read have in common."""
    expires = encode(None, protocol) if expires_at is None else encode_instant(expires_at)
    heads, lines = (_HEADS_3, _LINES_3) if protocol >= 3 else (_HEADS_2, _LINES_2)
    return GrantedFrame(heads, b"\r\n$10\r\nexpires_at\r\n%s$5\r\nlines\r\n" % expires, lines)


@lru_cache(maxsize=1 << 14)
def granted_part(location: LocationId, units: int) -> bytes:
    """Build a line of a grant from behind the SKU on, in either protocol: holds mostly ask for the same."""
    place, quantity = encode(location, 2), encode(units, 2)
    return b"\r\n$8\r\nlocation\r\n%s$8\r\nquantity\r\n%s" % (place, quantity)


def _granted_line(sku: Sku, location: LocationId, units: int, protocol: int) -> bytes:
    return encode({"sku": sku, "location": location, "quantity": units}, protocol)


def no_such_sku(sku: Sku) -> ErrorReply:
    """Say that a SKU does not exist."""
    return ErrorReply("NOSUCHSKU", f"sku={sku}")


def stock_view(book: Book) -> View:
    """STOCK: the sums, then each location, then what is to come and on which paper."""
    positions = book.positions
    return {
        "sku": book.sku,
        "name": book.name,
        **{name: sum(getattr(position, name) for position in positions.values()) for name in _FIGURES},
        "atp": sum(position.atp for position in positions.values()),
        "oversold": book.oversold,
        "shortages": [
            {"location": pool, "units": incident.open_units, "cause": incident.cause}
            for pool, incident in book.records.oversells.items()
        ],
        "holds": len(book.holds),
        "locations": [{"location": location, **_figures(position)} for location, position in sorted(positions.items())],
        "documents": expected_view(book),
    }


def name_kinds(view: View, kinds: Mapping[LocationId, Kind]) -> View:
    """Say of what kind each location of STOCK is; null: it is not configured any more."""
    for place in view["locations"]:
        place["kind"] = kinds.get(place["location"])
    return view


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
    sold = {each.line.line_id: each for each in sold_lines(order)}
    for line, sku in zip(snapshot.lines, order.skus, strict=True) if snapshot is not None else ():
        parts = sold[line.line_id].parts if sku is not None else ()
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
                "pickup": line.location,
                "allocation": parts_view((*owed.committed, *owed.reserved)) if owed is not None else [],
                "components": []
                if sku is None or parts[0][0] == sku
                else [_component_view(part, units, demand.get((line.line_id, part))) for part, units in parts],
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
                    "pickup": None,
                    "allocation": parts_view(owed.committed),
                    "components": [],
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
        "notes": snapshot.notes if snapshot is not None else (),
        "lines": lines,
    }


def _component_view(sku: Sku, units: int, owed: DemandSet | None) -> View:
    """What one unit of a line of a bundle is made of, as it was sold, and where that is owed from."""
    allocation = parts_view((*owed.committed, *owed.reserved)) if owed is not None else []
    return {"sku": sku, "quantity": units, "allocation": allocation}


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
        "location": event.location,
        "account": event.account,
        "order": event.order_id,
        "cause": event.cause,
        "detail": event.detail,
        "at": event.at,
        "cleared_at": incident.cleared_at,
    }
