"""Stock as a beginner would write it: lists of what was accepted, and every figure summed up from scratch, every time.

It does not know where holds and order lines are placed: where a law needs a place it takes the books' word for that,
and the sums over places are its own.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from engine.domain.commands import Count, DemandLevel, Observe, OrderPurchase, Return, SendTransfer
from engine.domain.states import SET_ASIDE, State
from engine.domain.units import DocumentId, HoldId, Key, LineId, LocationId, OrderId, Sku

Place = tuple[Sku, LocationId]
OrderLineKey = tuple[OrderId, LineId, Sku]


class Move(NamedTuple):
    """Units of a SKU that came to a place (or went: negative), in a state; sellable counts towards on hand alone."""

    place: Place
    units: int
    state: State = State.SELLABLE


class Purchase:
    """A purchase order as its sender last told it."""

    def __init__(self) -> None:
        self.location = LocationId("")
        self.lines: dict[Sku, int] = {}
        self.received: dict[Sku, int] = {}
        self.cancelled: bool | None = None
        """None while it is open."""

    def expected(self, sku: Sku) -> int:
        return 0 if self.cancelled is not None else max(0, self.lines.get(sku, 0) - self.received.get(sku, 0))


class Look(NamedTuple):
    """A count or a snapshot that the books followed."""

    place: Place
    seen_at: datetime
    told_at: datetime
    delta: int


class Naive:
    """What was accepted."""

    def __init__(self, start: datetime) -> None:
        self.start = start
        """Nothing moved before."""
        self.moves: list[Move] = []
        self.holds: dict[HoldId, tuple[dict[Sku, int], datetime | None]] = {}
        self.owed_holds: dict[HoldId, dict[Sku, int]] = {}
        self.orders: dict[OrderId, tuple[dict[LineId, DemandLevel], datetime | None]] = {}
        self.returns: list[Return] = []
        self.met: set[OrderLineKey] = set()
        """Order lines of which both an order and a parcel were seen."""
        self.purchases: dict[DocumentId, Purchase] = {}
        self.transfers: dict[DocumentId, SendTransfer] = {}
        self.ended_transfers: list[tuple[DocumentId, Sku, int]] = []
        """Units that arrived or were lost."""
        self.looks: list[Look] = []
        self.waiting: dict[Place, tuple[Key, datetime, int]] = {}
        """Counts to be confirmed: key, when taken, variance."""
        self.pages: list[tuple[datetime, dict[Place, tuple[int, int]]]] = []
        """On hand and committed of every place as they stood after every step."""

    # -- physical units

    def moved(self, place: Place) -> int:
        return sum(move.units for move in self.moves if move.place == place and move.state is State.SELLABLE)

    def standing(self, place: Place, state: State) -> int:
        return sum(move.units for move in self.moves if move.place == place and move.state is state)

    def unavailable(self, place: Place) -> int:
        return sum(self.standing(place, state) for state in SET_ASIDE)

    def on_hand(self, sku: Sku) -> int:
        came = sum(move.units for move in self.moves if move.place[0] == sku and move.state is State.SELLABLE)
        return came - sum(self.gone(line) for line in self.lines_of(sku))

    # -- order lines

    def lines_of(self, sku: Sku) -> set[OrderLineKey]:
        told = {
            (order, line, sku)
            for order, (lines, _) in self.orders.items()
            for line, level in lines.items()
            if level.sku == sku
        }
        return told | {line for line in self.met if line[2] == sku}

    def level(self, line: OrderLineKey) -> DemandLevel:
        order_id, line_id, sku = line
        level = self.orders.get(order_id, ({}, None))[0].get(line_id)
        return level if level is not None and level.sku == sku else DemandLevel(line_id=line_id, sku=sku)

    def came_back(self, line: OrderLineKey) -> int:
        return sum(each.quantity for each in self.returns if (each.order_id, each.line_id, each.sku) == line)

    def gone(self, line: OrderLineKey) -> int:
        """Units that left for a line, less those its channel alone says are back."""
        level, back = self.level(line), self.came_back(line)
        shipped = max(level.shipped, back) if line in self.met else level.shipped
        return shipped - max(0, level.returned - (back if line in self.met else 0))

    def left_by(self, line: OrderLineKey, now: datetime) -> int | None:
        """Units that left for a line as far as is known; None: nobody has told of the line."""
        level, until = self.level(line), self.orders.get(line[0], ({}, None))[1]
        if line in self.met:
            return max(level.shipped, self.came_back(line))
        is_open = level.open_units > 0 and (until is None or until > now)
        return level.shipped if level.shipped or is_open else None

    def levels(self, sku: Sku) -> Iterator[tuple[DemandLevel, datetime | None]]:
        for lines, until in self.orders.values():
            yield from ((level, until) for level in lines.values() if level.sku == sku)

    # -- promises

    def committed(self, sku: Sku) -> int:
        owed = sum(lines.get(sku, 0) for lines in self.owed_holds.values())
        return owed + sum(level.open_units for level, until in self.levels(sku) if until is None)

    def reserved(self, sku: Sku, now: datetime) -> int:
        held = sum(lines.get(sku, 0) for lines, until in self.holds.values() if until is None or until > now)
        return held + sum(level.open_units for level, until in self.levels(sku) if until is not None and until > now)

    def bound(self, place: Place, now: datetime) -> int:
        sku, location = place
        return sum(
            level.open_units
            for level, until in self.levels(sku)
            if level.location == location and (until is None or until > now)
        )

    def shortage(self, stands: dict[Place, tuple[int, int]], now: datetime) -> int:
        """Units that nobody could be given of what lies at some places, if all to whom they are promised came for them.

        `stands`: of each place, what may be sold and what is promised there. Those who must have it from one of the
        places go first; what lies anywhere else is nothing to them.
        """
        missing = left = wanted_anywhere = 0
        for place, (there, promised) in stands.items():
            bound = self.bound(place, now)
            missing += max(0, bound - there)
            left += max(0, there - bound)
            wanted_anywhere += promised - bound
        return missing + max(0, wanted_anywhere - left)

    # -- papers

    def incoming(self, place: Place) -> int:
        sku, location = place
        return sum(order.expected(sku) for order in self.purchases.values() if order.location == location)

    def under_way(self, transfer: DocumentId, sku: Sku) -> int:
        sent = dict(self.transfers[transfer].lines).get(sku, 0)
        return sent - sum(units for number, what, units in self.ended_transfers if (number, what) == (transfer, sku))

    def in_transit(self, place: Place) -> int:
        sku, location = place
        return sum(self.under_way(number, sku) for number, sent in self.transfers.items() if sent.target == location)

    def order(self, command: OrderPurchase) -> bool:
        """Take in a purchase order; False when it has ended and would change."""
        known = self.purchases.get(command.purchase_order)
        wanted = dict(command.lines)
        if known is not None:
            wanted = {sku: wanted.get(sku, 0) for sku in {*known.lines, *wanted}}
            moved = known.location != command.location and any(wanted.values())
            if known.cancelled is not None:
                return known.lines == wanted and not moved
        order = self.purchases.setdefault(command.purchase_order, Purchase())
        order.location, order.lines = command.location, wanted
        return True

    # -- looks

    def turn_page(self, now: datetime, figures: dict[Place, tuple[int, int]]) -> None:
        self.pages.append((now, figures))

    def figures_at(self, place: Place, instant: datetime) -> tuple[int, int]:
        """On hand and committed as they stood at an instant, by all that was found out since."""
        on_hand, committed = 0, 0
        for at, figures in self.pages:
            if at <= instant:
                on_hand, committed = figures.get(place, (0, 0))
        corrected = sum(
            look.delta for look in self.looks if look.place == place and look.seen_at <= instant < look.told_at
        )
        return on_hand + corrected, committed

    def newest_look(self, place: Place) -> datetime | None:
        return max((look.seen_at for look in self.looks if look.place == place), default=None)

    def judge_count(self, command: Count, now: datetime) -> tuple[str, int, bool]:
        """Say what a count comes to: a refusal's code or empty, its variance, and whether it is applied."""
        place = (command.sku, command.location)
        newest = self.newest_look(place)
        if newest is not None and command.taken_at < newest:
            return "STALE", 0, False
        if command.taken_at > now:
            return "BADARG", 0, False
        if command.taken_at < self.start:
            return "TOOOLD", 0, False
        expected = self.figures_at(place, command.taken_at)[0]
        delta = command.counted - expected
        waiting = self.waiting.get(place)
        confirmed = waiting is not None and waiting[2] == delta and command.taken_at > waiting[1]
        small = abs(delta) <= command.tolerance_units or abs(delta) <= command.tolerance_percent / 100 * expected
        applied = confirmed or small
        if applied and self.figures_at(place, now)[0] + delta < self.unavailable(place):
            return "NEGATIVE", delta, False
        return "", delta, applied

    def judge_observation(self, command: Observe, now: datetime) -> tuple[str, int]:
        """Say what a partner's snapshot comes to: a refusal's code or empty, and what on hand changes by."""
        place = (command.sku, command.location)
        newest = self.newest_look(place)
        if newest is not None and command.as_of <= newest:
            return "STALE", 0
        if command.as_of > now:
            return "BADARG", 0
        if command.as_of < self.start:
            return "TOOOLD", 0
        on_hand, committed = self.figures_at(place, command.as_of)
        delta = command.quantity + (committed if command.nets_open_orders else 0) - on_hand
        if self.figures_at(place, now)[0] + delta < self.unavailable(place):
            return "NEGATIVE", delta
        return "", delta

    def look(self, place: Place, seen_at: datetime, now: datetime, delta: int) -> None:
        """Follow what somebody saw."""
        self.looks.append(Look(place, seen_at, now, delta))
        self.moves.append(Move(place, delta))
        self.waiting.pop(place, None)
