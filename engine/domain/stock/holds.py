"""Holds: promises to baskets. Placed, committed, given back; each once, however often it is asked."""

from collections.abc import Sequence
from datetime import datetime

from engine.domain.commands import Answer, CommitHold, Committed, Granted, PlaceHold, Refusal, Released, ReleaseHold
from engine.domain.events import BookEvent, HoldCommitted, HoldExpired, HoldRefused, HoldReleased, Part, UnitsHeld
from engine.domain.stock.allocate import place
from engine.domain.stock.book import Book, units_of
from engine.domain.stock.bundle_holds import Placing
from engine.domain.stock.decision import Books, Decision, refuse


def place_hold(books: Books, command: PlaceHold, now: datetime) -> Decision:
    """Grant all lines, or refuse with the first that is short."""
    lines = command.lines
    seen = _answer_as_before(books, command)
    if seen is not None:
        return Decision((), seen)
    for sku, _ in lines:
        if sku not in books:
            return refuse("NOSUCHSKU", f"sku={sku}")
        if books[sku].retired:
            return refuse("RETIRED", f"sku={sku}")
    if command.bundles:
        return _place_bundles(books, command, now)
    asked = lines if len(lines) > 1 else ()
    held: list[UnitsHeld] = []
    for sku, quantity in lines:
        book = books[sku]
        parts = _find_units(book, quantity, command)
        if parts is None:
            if book.is_bundle:  # since it was asked; there is never anything in its own book
                return refuse("BUSY", f"sku={sku} has become a bundle this moment: ask again")
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


def _place_bundles(books: Books, command: PlaceHold, now: datetime) -> Decision:
    """Grant all lines of a hold that names bundles, or refuse with the first that is short and its component."""
    if command.retired is not None:
        return refuse("RETIRED", f"sku={command.retired}")
    placing = Placing(books, command)
    short = placing.find()
    asked = command.lines if len(command.lines) > 1 else ()
    if short is not None:
        refused = HoldRefused(
            at=now,
            sku=short.sku,
            hold_id=command.hold_id,
            requested=dict(command.lines)[short.sku],
            atp=_atp_for(books[short.sku], command),
            account=command.account,
            asked=asked,
            location=command.location,
            wanted=command.wanted,
            bundle=short.bundle,
        )
        return Decision((refused,), _out_of_stock(refused))
    held = [
        UnitsHeld(
            at=now,
            sku=sku,
            hold_id=command.hold_id,
            parts=placing.parts[sku],
            expires_at=command.expires_at,
            account=command.account,
            asked=asked,
            location=command.location,
            wanted=command.wanted,
        )
        for sku, _ in command.lines
    ]
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
            lines = held.asked or ((held.sku, 0),)  # a bundle may come to other SKUs by now
            parts = [_held_in(books[sku], command) for sku, _ in lines]
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
    asked = first.wanted or first.asked or ((first.sku, units),)
    wanted = command.wanted or command.lines
    return asked == wanted and first.account == command.account and first.location == command.location


def _conflict(command: PlaceHold, first: UnitsHeld | HoldRefused) -> Refusal:
    lines = (
        first.wanted
        or first.asked
        or ((first.sku, units_of(first.parts) if isinstance(first, UnitsHeld) else first.requested),)
    )
    was = " ".join(f"{sku} {units}" for sku, units in lines[:3]) + (" ..." if len(lines) > 3 else "")
    return Refusal(code="CONFLICT", text=f"hold={command.hold_id} was asked for {was} at {first.account} before")


def _out_of_stock(refused: HoldRefused) -> Refusal:
    if refused.bundle is not None:
        sku, requested, atp = refused.bundle
        text = f"sku={sku} requested={requested} atp={atp} component={refused.sku}"
        return Refusal(code="OUTOFSTOCK", text=text)
    return Refusal(code="OUTOFSTOCK", text=f"sku={refused.sku} requested={refused.requested} atp={refused.atp}")


def _granted(held: Sequence[UnitsHeld]) -> Granted:
    return Granted(
        hold_id=held[0].hold_id,
        expires_at=held[0].expires_at,
        lines=tuple([(event.sku, location, units) for event in held for location, units in event.parts]),
    )


def commit_hold(books: Books, command: CommitHold, now: datetime) -> Decision:
    """Turn the units of an open hold into demand; a repeat is answered as the first time."""
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
            return refuse("NOSUCHHOLD", f"hold={command.hold_id}")
        held, end = book.ended[command.hold_id]
        match end:
            case HoldCommitted(order_id=order_id, at=at) if command.order_id in (None, order_id):
                answer = Committed(hold_id=command.hold_id, order_id=order_id, committed_at=at)
                return Decision((), answer)
            case HoldCommitted(order_id=order_id):
                was = f"for order {order_id}" if order_id else "without an order"
                return refuse("CONFLICT", f"hold={command.hold_id} was committed {was}, not for {command.order_id}")
            case HoldReleased(at=at):
                return refuse("RELEASED", f"hold={command.hold_id} released_at={at:%Y-%m-%dT%H:%M:%SZ}")
            case HoldExpired():
                return refuse("EXPIRED", f"hold={command.hold_id} expires_at={held.expires_at:%Y-%m-%dT%H:%M:%SZ}")
    if not events:
        return refuse("NOSUCHHOLD", f"hold={command.hold_id}")
    return Decision(tuple(events), Committed(hold_id=command.hold_id, order_id=command.order_id, committed_at=now))


def release_hold(books: Books, command: ReleaseHold, now: datetime) -> Decision:
    """Give the units of an open hold back; one that ran out is as good as released."""
    events: list[BookEvent] = []
    for sku, book in books.items():
        if command.hold_id in book.holds:
            events.append(HoldReleased(at=now, sku=sku, hold_id=command.hold_id))
            continue
        if command.hold_id not in book.ended:
            return refuse("NOSUCHHOLD", f"hold={command.hold_id}")
        held, end = book.ended[command.hold_id]
        match end:
            case HoldReleased(at=at):
                return Decision((), Released(hold_id=command.hold_id, released_at=at))
            case HoldExpired(at=at):  # what the caller wants is so already, since it ran out
                return Decision((), Released(hold_id=command.hold_id, released_at=held.expires_at or at))
            case HoldCommitted(at=at):
                return refuse("COMMITTED", f"hold={command.hold_id} committed_at={at:%Y-%m-%dT%H:%M:%SZ}")
    if not events:
        return refuse("NOSUCHHOLD", f"hold={command.hold_id}")
    return Decision(tuple(events), Released(hold_id=command.hold_id, released_at=now))
