"""What somebody saw at an instant: our own cycle counts, and what partners who keep our units tell.

Both name when they looked. What has moved since then is known, so it is neither lost nor counted twice; and whoever
looked before the newest look that the books followed has nothing new to say (lessons E8, E10).
"""

from datetime import datetime

from engine.domain.commands import Count, Moved, Observe
from engine.domain.events import StockCounted, StockObserved
from engine.domain.stock.book import Book
from engine.domain.stock.decision import Decision, refuse
from engine.domain.stock.movements import describe_place
from engine.domain.units import LocationId


def count(book: Book, command: Count, now: datetime) -> Decision:
    """Apply a count, or ask for another one where it differs too much and none before it said the same."""
    settled = book.records.settled.get(command.location)
    if settled is not None and command.taken_at < settled:
        return _refuse_stale("taken_at", command.taken_at, book, command.location, settled)
    refusal = _refuse_instant("taken_at", command.taken_at, now, book.reach_of(book.on_hand_history, now))
    if refusal is not None:
        return refusal
    on_hand = book.on_hand_at(command.location)
    expected = on_hand - book.on_hand_history.after(command.taken_at, command.location)
    delta = command.counted - expected
    confirmed = _confirmed(book.records.recounts.get(command.location), command, delta)
    applied = confirmed is not None or not _is_doubtful(delta, expected, command)
    if applied and on_hand + delta < book.unavailable_at(command.location):
        return refuse(
            "NEGATIVE",
            f"{describe_place(book, command.location)} expected={expected} counted={command.counted} delta={delta}",
        )
    event = StockCounted(
        at=now,
        sku=command.sku,
        key=command.key,
        location=command.location,
        counted=command.counted,
        taken_at=command.taken_at,
        expected=expected,
        delta=delta,
        applied=applied,
        confirms=confirmed.key if confirmed is not None else None,
        on_hand=on_hand + delta if applied else on_hand,
        by=command.by,
        reference=command.reference,
    )
    return Decision((event,), Moved(movements=(event,)))


def _is_doubtful(delta: int, expected: int, command: Count) -> bool:
    """Whether a variance is beyond both tolerances."""
    return abs(delta) > command.tolerance_units and abs(delta) * 100 > command.tolerance_percent * expected


def _confirmed(waiting: StockCounted | None, command: Count, delta: int) -> StockCounted | None:
    """Return the count that this one confirms: taken later, and off by as much, whatever has moved between them."""
    if waiting is None or waiting.delta != delta or command.taken_at <= waiting.taken_at:
        return None
    return waiting


def observe(book: Book, command: Observe, now: datetime) -> Decision:
    """Take over what a partner has of ours as of an instant, plus what has moved since (lessons E8, E13).

    A partner who has taken our open orders off already tells less than lies there: what was owed then is added.
    """
    settled = book.records.settled.get(command.location)
    if settled is not None and command.as_of <= settled:
        return _refuse_stale("as_of", command.as_of, book, command.location, settled)
    refusal = _refuse_instant("as_of", command.as_of, now, book.reach_of(book.on_hand_history, now))
    if refusal is None and command.nets_open_orders:
        refusal = _refuse_instant("as_of", command.as_of, now, book.reach_of(book.committed_history, now))
    if refusal is not None:
        return refusal
    position = book.positions.get(command.location)
    on_hand, committed = (position.on_hand, position.committed) if position is not None else (0, 0)
    then = on_hand - book.on_hand_history.after(command.as_of, command.location)
    owed = committed - book.committed_history.after(command.as_of, command.location)
    delta = command.quantity + (owed if command.nets_open_orders else 0) - then
    if on_hand + delta < book.unavailable_at(command.location):
        return refuse(
            "NEGATIVE",
            f"{describe_place(book, command.location)} quantity={command.quantity} delta={delta}",
        )
    event = StockObserved(
        at=now,
        sku=command.sku,
        key=command.key,
        location=command.location,
        source=command.source,
        quantity=command.quantity,
        as_of=command.as_of,
        nets_open_orders=command.nets_open_orders,
        delta=delta,
        on_hand=on_hand + delta,
        by=command.by,
        reference=command.reference,
    )
    return Decision((event,), Moved(movements=(event,)))


def _refuse_stale(name: str, instant: datetime, book: Book, location: LocationId, settled: datetime) -> Decision:
    return refuse(
        "STALE",
        f"{name}={_show(instant)}: the newest look at sku={book.sku} location={location} was at {_show(settled)}",
    )


def _refuse_instant(name: str, instant: datetime, now: datetime, reach: datetime) -> Decision | None:
    if instant > now:
        return refuse("BADARG", f"{name} {_show(instant)!r}: must not be in the future; it is {_show(now)}")
    if instant < reach:
        return refuse("TOOOLD", f"{name}={_show(instant)}: figures can be told back to {_show(reach)}")
    return None


def _show(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%S.%fZ}"
