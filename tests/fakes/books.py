"""The books without actors: commands go through `handle` at an instant that the test sets."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from engine.actors.documents import Documents, document_of
from engine.domain.commands import (
    AddSku,
    Adjust,
    Answer,
    ChangeState,
    Command,
    CommitHold,
    Count,
    DemandLevel,
    EndPurchase,
    LoseTransfer,
    Moved,
    Observe,
    Observed,
    OrderPurchase,
    PlaceHold,
    Receive,
    ReceiveTransfer,
    RecordOrder,
    Refusal,
    ReleaseHold,
    Return,
    SendTransfer,
    TakeSnapshot,
    sum_lines,
)
from engine.domain.events import BookEvent, DecidedEvent
from engine.domain.states import State
from engine.domain.stock.book import Book, Position
from engine.domain.stock.filing import Paper
from engine.domain.stock.ledger import Ledger, handle
from engine.domain.stock.places import ONE_POOL, Pools
from engine.domain.stock.records import HISTORY_SECONDS
from engine.domain.units import DIRECT, AccountId, DocumentId, HoldId, Key, LineId, LocationId, OrderId, Sku
from tests.fakes.clocks import START
from tests.fakes.orders import SHOP, order, order_line

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

    def __init__(
        self,
        *,
        remembered_seconds: float = 3600,
        remembered_max: int = 1000,
        history_seconds: float = HISTORY_SECONDS,
        pools: Pools = ONE_POOL,
        **on_hand: int,
    ) -> None:
        """Start with units of a SKU at the first location: `Shelf(A=5)`."""
        self.now = START
        self.events: list[DecidedEvent] = []
        self.new: Sequence[DecidedEvent] = ()
        """What the last command brought."""
        self.ledgers = {
            sku: Ledger(
                remembered_seconds=remembered_seconds,
                remembered_max=remembered_max,
                history_seconds=history_seconds,
                pools=pools,
            )
            for sku in (A, B)
        }
        self._skus: dict[HoldId, tuple[Sku, ...]] = {}
        self._documents = Documents()
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

    def forget_papers(self) -> None:
        """Let both ledgers forget what was done long ago, as shards do behind every step."""
        for ledger in self.ledgers.values():
            self.events += ledger.forget_papers(self.now)

    def replayed(self) -> "Shelf":
        """Return a shelf that heard the same events."""
        again = Shelf()
        again.ledgers = {sku: Ledger(remembered_seconds=3600, remembered_max=1000) for sku in (A, B)}
        for event in self.events:
            if isinstance(event, BookEvent):
                again.ledgers[event.sku].apply(event)
        return again

    def do(self, command: Command | Observe) -> Answer:
        """Give the command the books that the router would give it."""
        if isinstance(command, Observe):
            return self.snapshot(command)[0]
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
            case TakeSnapshot():
                return tuple(sku for sku in command.skus if sku in self.ledgers)
            case OrderPurchase() | SendTransfer():
                return tuple(
                    sku for sku in self._documents.note(document_of(command), command.skus) if sku in self.ledgers
                )
            case EndPurchase(purchase_order=number):
                return self._documents.skus_of((Paper.PURCHASE, number)) or (A,)
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

    def take_back(
        self,
        quantity: int,
        *,
        sku: Sku = A,
        at: LocationId = HERE,
        into: State = State.QUALITY_HOLD,
        key: str = "back",
        line: bool = True,
    ) -> Answer:
        """Take back units, of the only line of order 1 unless told."""
        return self.do(
            Return(
                key=Key(key),
                sku=sku,
                location=at,
                quantity=quantity,
                state=into,
                account=SHOP if line else None,
                order_id=OrderId("1") if line else None,
                line_id=LineId("1") if line else None,
            )
        )

    def put(
        self, quantity: int, source: State, target: State, *, sku: Sku = A, at: LocationId = HERE, key: str = "state"
    ) -> Answer:
        """Change the state of units."""
        return self.do(ChangeState(key=Key(key), sku=sku, location=at, quantity=quantity, source=source, target=target))

    def count(
        self,
        counted: int,
        *,
        seconds_ago: float = 0,
        sku: Sku = A,
        at: LocationId = HERE,
        key: str = "count",
        percent: float = 3.0,
        units: int = 0,
    ) -> Answer:
        """Tell a count that was taken a while ago."""
        return self.do(
            Count(
                key=Key(key),
                sku=sku,
                location=at,
                counted=counted,
                taken_at=self.now - timedelta(seconds=seconds_ago),
                tolerance_percent=percent,
                tolerance_units=units,
            )
        )

    def snapshot(self, *rows: Observe) -> tuple[Moved | Refusal, ...]:
        """Tell several rows of a partner's snapshot at once; return the verdict of each."""
        answer = self.do(TakeSnapshot(rows=rows))
        assert isinstance(answer, Observed), answer
        return answer.verdicts

    def row(
        self,
        quantity: int,
        *,
        seconds_ago: float = 0,
        nets: bool = False,
        sku: Sku = A,
        at: LocationId = HERE,
        key: str = "feed",
        source: str = "3pl",
    ) -> Observe:
        """Return a row of what a partner had a while ago."""
        return Observe(
            key=Key(key),
            sku=sku,
            location=at,
            source=source,
            quantity=quantity,
            as_of=self.now - timedelta(seconds=seconds_ago),
            nets_open_orders=nets,
        )

    def observe(
        self,
        quantity: int,
        *,
        seconds_ago: float = 0,
        nets: bool = False,
        sku: Sku = A,
        at: LocationId = HERE,
        key: str = "feed",
        source: str = "3pl",
    ) -> Answer:
        """Tell what a partner had a while ago."""
        return self.do(self.row(quantity, seconds_ago=seconds_ago, nets=nets, sku=sku, at=at, key=key, source=source))

    def purchase(self, *lines: tuple[Sku, int], number: str = "po-1", at: LocationId = HERE) -> Answer:
        """Bring a purchase order to these lines."""
        return self.do(OrderPurchase(purchase_order=DocumentId(number), location=at, lines=tuple(sorted(lines))))

    def receive_ordered(
        self, quantity: int, *, sku: Sku = A, number: str = "po-1", at: LocationId = HERE, key: str = "delivery"
    ) -> Answer:
        """Take in units of a purchase order."""
        return self.do(
            Receive(key=Key(key), sku=sku, location=at, quantity=quantity, purchase_order=DocumentId(number))
        )

    def end_purchase(self, number: str = "po-1", *, cancelled: bool = False) -> Answer:
        return self.do(EndPurchase(purchase_order=DocumentId(number), cancelled=cancelled, reason="enough"))

    def send(
        self, *lines: tuple[Sku, int], number: str = "t-1", source: LocationId = HERE, target: LocationId = THERE
    ) -> Answer:
        """Send units from the first location to the second."""
        return self.do(
            SendTransfer(transfer=DocumentId(number), source=source, target=target, lines=tuple(sorted(lines)))
        )

    def arrive(self, quantity: int, *, sku: Sku = A, number: str = "t-1", key: str = "arrival") -> Answer:
        return self.do(ReceiveTransfer(key=Key(key), transfer=DocumentId(number), sku=sku, quantity=quantity))

    def lose(self, quantity: int, *, sku: Sku = A, number: str = "t-1", key: str = "loss") -> Answer:
        return self.do(
            LoseTransfer(key=Key(key), transfer=DocumentId(number), sku=sku, quantity=quantity, reason="rain")
        )

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
        pickup: LocationId | None = None,
        order_id: str = "1",
    ) -> Answer:
        """Bring the only line of an order to a level."""
        line = order_line(sku, open_units + shipped, shipped=shipped, returned=returned)
        return self.do(
            RecordOrder(
                snapshot=order(line, held_until=held_until, order_id=order_id),
                skus_of_lines=(sku,),
                levels=(
                    DemandLevel(
                        line_id=LineId("1"),
                        sku=sku,
                        open_units=open_units,
                        shipped=shipped,
                        returned=returned,
                        location=pickup,
                    ),
                ),
                locations=locations,
                causes=causes,
            )
        )
