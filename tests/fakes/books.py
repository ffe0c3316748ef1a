"""The books without actors: commands go through `handle` at an instant that the test sets."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from engine.domain.book import Book, Position
from engine.domain.commands import (
    AddSku,
    Adjust,
    Answer,
    Command,
    CommitHold,
    DemandLevel,
    PlaceHold,
    Receive,
    RecordOrder,
    ReleaseHold,
    sum_lines,
)
from engine.domain.events import BookEvent, OrderRecorded
from engine.domain.ledger import Ledger, handle
from engine.domain.units import DIRECT, AccountId, HoldId, Key, LineId, LocationId, OrderId, Sku
from tests.fakes.clocks import START
from tests.fakes.orders import order, order_line

HERE, THERE = LocationId("here"), LocationId("there")
BOTH = (HERE, THERE)
A, B = Sku("A"), Sku("B")


def place_hold(
    hold: str = "h",
    *lines: tuple[Sku, int],
    seconds: float | None = 60,
    now: datetime = START,
    account: AccountId = DIRECT,
    at: LocationId | None = None,
    locations: tuple[LocationId, ...] = BOTH,
) -> PlaceHold:
    """Return a hold of one unit of A for a minute, unless told."""
    return PlaceHold(
        hold_id=HoldId(hold),
        lines=sum_lines(list(lines or ((A, 1),))),
        expires_at=None if seconds is None else now + timedelta(seconds=seconds),
        account=account,
        locations=locations,
        location=at,
    )


class Shelf:
    """Two SKUs, A and B, in two ledgers; keeps every event in the order it was applied."""

    def __init__(self, *, remembered_seconds: float = 3600, remembered_max: int = 1000, **on_hand: int) -> None:
        """Start with units of a SKU at the first location: `Shelf(A=5)`."""
        self.now = START
        self.events: list[BookEvent | OrderRecorded] = []
        self.new: Sequence[BookEvent | OrderRecorded] = ()
        """What the last command brought."""
        self.ledgers = {
            sku: Ledger(remembered_seconds=remembered_seconds, remembered_max=remembered_max) for sku in (A, B)
        }
        self._skus: dict[HoldId, tuple[Sku, ...]] = {}
        for sku in (A, B):
            self.do(AddSku(sku=sku, name=sku))
        for name, units in on_hand.items():
            self.receive(Sku(name), units)

    def book(self, sku: Sku = A) -> Book:
        return self.ledgers[sku].books[sku]

    def at(self, location: LocationId = HERE, sku: Sku = A) -> Position:
        return self.book(sku).position(location)

    def atp(self, sku: Sku = A) -> int:
        """What a buyer could have now."""
        self.ledgers[sku].lapse(self.now)
        return self.book(sku).atp_over(BOTH)

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def do(self, command: Command) -> Answer:
        """Give the command the books that the router would give it."""
        handled = handle(self.ledgers.__getitem__, command, self._skus_of(command), self.now)
        self.new = handled.events
        self.events += handled.events
        return handled.answer

    def _skus_of(self, command: Command) -> tuple[Sku, ...]:
        match command:
            case PlaceHold(hold_id=hold_id):
                known = tuple(sku for sku in command.skus if sku in self.ledgers)
                return tuple(sorted({*known, *self._skus.setdefault(hold_id, known)}))
            case CommitHold(hold_id=hold_id) | ReleaseHold(hold_id=hold_id):
                return self._skus.get(hold_id, (A,))
            case RecordOrder():
                return command.skus
            case _:
                return (command.sku,) if command.sku in self.ledgers else ()

    def hold(
        self,
        hold: str = "h",
        *lines: tuple[Sku, int],
        seconds: float | None = 60,
        account: AccountId = DIRECT,
        at: LocationId | None = None,
        locations: tuple[LocationId, ...] = BOTH,
    ) -> Answer:
        return self.do(
            place_hold(hold, *lines, seconds=seconds, now=self.now, account=account, at=at, locations=locations)
        )

    def commit(self, hold: str = "h", order_id: str | None = None, *, owed: bool = True) -> Answer:
        return self.do(
            CommitHold(hold_id=HoldId(hold), order_id=None if order_id is None else OrderId(order_id), owed=owed)
        )

    def release(self, hold: str = "h") -> Answer:
        return self.do(ReleaseHold(hold_id=HoldId(hold)))

    def receive(self, sku: Sku, quantity: int, location: LocationId = HERE, key: str | None = None) -> Answer:
        key = key or f"receipt-{len(self.events)}"
        return self.do(Receive(key=Key(key), sku=sku, location=location, quantity=quantity))

    def adjust(self, delta: int, *, sku: Sku = A, location: LocationId = HERE, key: str = "k") -> Answer:
        return self.do(Adjust(key=Key(key), sku=sku, location=location, delta=delta, reason="counted"))

    def record(
        self,
        open_units: int,
        *,
        shipped: int = 0,
        returned: int = 0,
        sku: Sku = A,
        held_until: datetime | None = None,
        locations: tuple[LocationId, ...] = BOTH,
        causes: tuple[tuple[Sku, str, str], ...] = (),
    ) -> Answer:
        """Bring the only line of order 1 to a level."""
        line = order_line(sku, open_units + shipped, shipped=shipped, returned=returned)
        return self.do(
            RecordOrder(
                snapshot=order(line, held_until=held_until),
                skus_of_lines=(sku,),
                levels=(
                    DemandLevel(
                        line_id=LineId("1"), sku=sku, open_units=open_units, shipped=shipped, returned=returned
                    ),
                ),
                locations=locations,
                causes=causes,
            )
        )
