"""The laws of the ledger, for all histories: a naive model (lists and sums) against the real books."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from engine.actors.documents import Documents, document_of
from engine.domain.commands import (
    AddSku,
    Adjust,
    Answer,
    ChangeState,
    Command,
    CommitHold,
    Committed,
    Count,
    DemandLevel,
    Done,
    EndPurchase,
    Granted,
    LoseTransfer,
    Moved,
    Observe,
    Observed,
    OrderPurchase,
    PlaceHold,
    Reallocate,
    Receive,
    ReceiveTransfer,
    RecordOrder,
    Refusal,
    Released,
    ReleaseHold,
    Return,
    SendTransfer,
    TakeSnapshot,
    sum_lines,
)
from engine.domain.events import (
    DecidedEvent,
    Event,
    OrderRecorded,
    StockAdjusted,
    StockConfirmed,
    StockCounted,
    StockObserved,
)
from engine.domain.orders import OrderLine, OrderSnapshot, OrderStatus
from engine.domain.states import SET_ASIDE, State
from engine.domain.stock.book import Book, Position, units_of
from engine.domain.stock.filing import Paper
from engine.domain.stock.ledger import Ledger, handle
from engine.domain.stock.places import Kind, Pools
from engine.domain.units import DIRECT, AccountId, DocumentId, HoldId, Key, LineId, LocationId, OrderId, Sku
from tests.properties.naive_ledger import Move, Naive, OrderLineKey, Place

SKUS = (Sku("A"), Sku("B"), Sku("C"))
HERE, THERE, FBA = LocationId("here"), LocationId("there"), LocationId("fba")
LOCATIONS = (HERE, THERE, FBA)
POOLS = Pools({HERE: Kind.OWN, THERE: Kind.STORE, FBA: Kind.CHANNEL_FULFILLED})
SHOP = AccountId("shop")
START = datetime(2026, 11, 11, tzinfo=UTC)
EVENTS = msgspec.msgpack.Decoder(list[Event])
FOR_EVER = 10**9

skus = st.sampled_from(SKUS)
locations = st.sampled_from(LOCATIONS)
sellers = st.sampled_from(((HERE, THERE), (HERE, THERE), (FBA,), (FBA, HERE)))
"""Where accounts may sell from, in order of preference."""
numbers = st.sampled_from((DocumentId("1"), DocumentId("2")))
lines_of_papers = st.dictionaries(skus, st.integers(1, 5), min_size=1, max_size=2)


class LedgerMachine(RuleBasedStateMachine):
    """Random histories over three SKUs, two locations and two shards."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.model = Naive(START)
        self.journal: list[DecidedEvent] = []
        self.ledgers = [self.new_ledger(), self.new_ledger()]
        self.seen: list[tuple[Command, Answer]] = []
        self.hold_skus: dict[HoldId, tuple[Sku, ...]] = {}
        self.documents = Documents()
        self.counter = 0

    @staticmethod
    def new_ledger() -> Ledger:
        return Ledger(remembered_seconds=FOR_EVER, remembered_max=FOR_EVER, history_seconds=FOR_EVER, pools=POOLS)

    def owner(self, sku: Sku) -> Ledger:
        return self.ledgers[SKUS.index(sku) % 2]

    def book(self, sku: Sku) -> Book:
        return self.owner(sku).books[sku]

    def at(self, sku: Sku, location: LocationId) -> Position:
        return self.book(sku).positions.get(location) or Position()

    def skus_of(self, command: Command) -> tuple[Sku, ...]:
        match command:
            case PlaceHold(hold_id=hold_id):
                return tuple(sorted({*command.skus, *self.hold_skus.setdefault(hold_id, command.skus)}))
            case CommitHold(hold_id=hold_id) | ReleaseHold(hold_id=hold_id):
                return self.hold_skus[hold_id]
            case RecordOrder() | TakeSnapshot():
                return command.skus
            case OrderPurchase() | SendTransfer():
                return self.documents.note(document_of(command), command.skus)
            case EndPurchase(purchase_order=number):
                return self.documents.skus_of((Paper.PURCHASE, number))
            case _:
                return (command.sku,)

    def do(self, command: Command) -> Answer:
        events, answer = handle(self.owner, command, self.skus_of(command), self.now)
        self.journal.extend(events)
        self.seen.append((command, answer))
        for event in events:  # more left than was counted: the count was wrong, and the books say by how much
            if isinstance(event, StockAdjusted) and event.reason.startswith("count error"):
                self.model.moves.append(Move((event.sku, event.location), event.delta))
        self.turn_page()
        return answer

    def turn_page(self) -> None:
        self.model.turn_page(
            self.now,
            {
                (sku, location): (position.on_hand, position.committed)
                for sku in SKUS
                if sku in self.owner(sku).books
                for location, position in self.book(sku).positions.items()
            },
        )

    def fresh(self, what: str) -> str:
        self.counter += 1
        return f"{what}-{self.counter}"

    @initialize()
    def add_skus(self) -> None:
        for sku in SKUS:
            self.do(AddSku(sku=sku, name=f"name of {sku}"))
            for location, units in ((HERE, 9), (THERE, 4), (FBA, 3)):
                self.do(Receive(key=Key(self.fresh("first")), sku=sku, location=location, quantity=units))
                self.model.moves.append(Move((sku, location), units))
        self.now += timedelta(seconds=15)

    # -- movements

    @rule(sku=skus, location=locations, quantity=st.integers(1, 9))
    def receive(self, sku: Sku, location: LocationId, quantity: int) -> None:
        command = Receive(key=Key(self.fresh("r")), sku=sku, location=location, quantity=quantity)
        assert isinstance(self.do(command), Moved)
        self.model.moves.append(Move((sku, location), quantity))

    @rule(sku=skus, location=locations, delta=st.integers(-4, 4))
    def adjust(self, sku: Sku, location: LocationId, delta: int) -> None:
        sellable = self.at(sku, location).standing(State.SELLABLE)
        answer = self.do(Adjust(key=Key(self.fresh("a")), sku=sku, location=location, delta=delta, reason="count"))
        if sellable + delta < 0:
            assert refused(answer) == "NEGATIVE"
        else:
            assert isinstance(answer, Moved)
            self.model.moves.append(Move((sku, location), delta))

    @rule(
        sku=skus,
        location=locations,
        quantity=st.integers(1, 4),
        into=st.sampled_from(State),
        data=st.data(),
    )
    def change_state(self, sku: Sku, location: LocationId, quantity: int, into: State, data: st.DataObject) -> None:
        place, target = (sku, location), into
        standing = [state for state in SET_ASIDE if self.model.standing(place, state)]
        source = data.draw(st.sampled_from((*State, *standing, *standing, *standing)))
        there = self.model.standing(place, source) if source is not State.SELLABLE else self.sellable(place)
        answer = self.do(
            ChangeState(
                key=Key(self.fresh("s")), sku=sku, location=location, quantity=quantity, source=source, target=target
            )
        )
        if source is target or source is State.WRITTEN_OFF:
            assert refused(answer) == "BADARG"
        elif quantity > there:
            assert refused(answer) == "EXCEEDS"
        else:
            assert isinstance(answer, Moved)
            if source is not State.SELLABLE:
                self.model.moves.append(Move(place, -quantity, source))
            if target is State.WRITTEN_OFF:
                self.model.moves.append(Move(place, -quantity))
            elif target is not State.SELLABLE:
                self.model.moves.append(Move(place, quantity, target))

    def order_lines(self, sku: Sku) -> st.SearchStrategy[OrderLineKey | None]:
        """Lines that were told of a SKU, any line at all, or none."""
        some = st.builds(
            lambda order, line: (OrderId(f"o-{order}"), LineId(str(line)), sku), st.integers(1, 3), st.integers(0, 3)
        )
        told = sorted(self.model.lines_of(sku))
        return st.one_of(st.none(), some, *([st.sampled_from(told)] * 2 if told else []))

    @rule(
        sku=skus,
        location=locations,
        quantity=st.integers(1, 4),
        state=st.sampled_from((State.SELLABLE, *SET_ASIDE)),
        data=st.data(),
    )
    def take_back(self, sku: Sku, location: LocationId, quantity: int, state: State, data: st.DataObject) -> None:
        """A parcel comes back: of an order line that is known, of one that is not yet, or of one that nobody names."""
        key = data.draw(self.order_lines(sku))
        command = Return(
            key=Key(self.fresh("b")),
            sku=sku,
            location=location,
            quantity=quantity,
            state=state,
            account=SHOP if key else None,
            order_id=key[0] if key else None,
            line_id=key[1] if key else None,
        )
        left = self.model.left_by(key, self.now) if key else None
        before = self.model.came_back(key) if key else 0
        answer = self.do(command)
        if left is not None and before + quantity > left:
            assert refused(answer) == "EXCEEDS"
            return
        assert isinstance(answer, Moved)
        self.model.moves.append(Move((sku, location), quantity))
        if state is not State.SELLABLE:
            self.model.moves.append(Move((sku, location), quantity, state))
        self.model.returns.append(command)
        if key and left is not None:
            self.model.met.add(key)

    @rule(
        sku=skus,
        location=locations,
        off_by=st.sampled_from((-3, -3, 0, 1)),
        seconds_ago=st.integers(-1, 20),
        percent=st.sampled_from((0.0, 0.0, 3.0, 50.0)),
        units=st.sampled_from((0, 0, 1, 20)),
    )
    def count(self, sku: Sku, location: LocationId, off_by: int, seconds_ago: int, percent: float, units: int) -> None:
        counted = max(0, self.at(sku, location).on_hand + off_by)
        command = Count(
            key=Key(self.fresh("c")),
            sku=sku,
            location=location,
            counted=counted,
            taken_at=self.now - timedelta(seconds=seconds_ago),
            tolerance_percent=percent,
            tolerance_units=units,
        )
        place = (sku, location)
        code, delta, applied = self.model.judge_count(command, self.now)
        answer = self.do(command)
        if code:
            assert refused(answer) == code
            return
        assert isinstance(answer, Moved)
        (event,) = answer.movements
        assert isinstance(event, StockCounted)
        assert (event.delta, event.applied, event.expected) == (delta, applied, counted - delta)
        if applied:
            self.model.look(place, command.taken_at, self.now, delta)
        elif place not in self.model.waiting or self.model.waiting[place][1] <= command.taken_at:
            self.model.waiting[place] = (command.key, command.taken_at, delta)

    @rule(
        off_by=st.dictionaries(skus, st.sampled_from((-4, -1, 0, 0, 0, 2)), min_size=1),
        location=locations,
        seconds_ago=st.integers(-1, 20),
        nets=st.booleans(),
        source=st.sampled_from(("3pl", "erp")),
    )
    def observe(self, off_by: dict[Sku, int], location: LocationId, seconds_ago: int, nets: bool, source: str) -> None:
        """An older snapshot loses against a newer one, whether that changed anything or not."""
        key = Key(self.fresh("f"))
        rows = tuple(
            Observe(
                key=key,
                sku=sku,
                location=location,
                source=source,
                quantity=max(0, self.at(sku, location).on_hand + off),
                as_of=self.now - timedelta(seconds=seconds_ago),
                nets_open_orders=nets,
            )
            for sku, off in off_by.items()
        )
        judged = [self.model.judge_observation(row, self.now) for row in rows]
        recorded = len(self.journal)
        answer = self.do(TakeSnapshot(rows=rows))
        assert isinstance(answer, Observed)
        for row, verdict, (code, delta) in zip(rows, answer.verdicts, judged, strict=True):
            if code:
                assert refused(verdict) == code
                continue
            assert isinstance(verdict, Moved)
            (event,) = verdict.movements
            assert isinstance(event, StockObserved)
            assert (event.sku, event.delta) == (row.sku, delta)
            self.model.look((row.sku, location), row.as_of, self.now, delta)
        kept = [event for event in self.journal[recorded:] if isinstance(event, StockObserved | StockConfirmed)]
        moved = [row.sku for row, (code, delta) in zip(rows, judged, strict=True) if not code and delta]
        same = [row.sku for row, (code, delta) in zip(rows, judged, strict=True) if not code and not delta]
        assert [event.sku for event in kept if isinstance(event, StockObserved)] == moved
        assert [sku for event in kept if isinstance(event, StockConfirmed) for sku, _ in event.rows] == same
        assert len(kept) == len(moved) + bool(same), "what changes nothing is one event"

    # -- papers

    @rule(number=numbers, location=locations, lines=lines_of_papers)
    def order_purchase(self, number: DocumentId, location: LocationId, lines: dict[Sku, int]) -> None:
        command = OrderPurchase(purchase_order=number, location=location, lines=tuple(sorted(lines.items())))
        answer = self.do(command)
        if self.model.order(command):
            assert isinstance(answer, Moved)
        else:
            assert refused(answer) == "ENDED"

    @rule(number=numbers, sku=skus, location=locations, quantity=st.integers(1, 6))
    def receive_ordered(self, number: DocumentId, sku: Sku, location: LocationId, quantity: int) -> None:
        key = Key(self.fresh("r"))
        answer = self.do(Receive(key=key, sku=sku, location=location, quantity=quantity, purchase_order=number))
        order = self.model.purchases.get(number)
        if order is None or sku not in order.lines or (order.lines[sku] == 0 and order.cancelled is None):
            assert refused(answer) == "NOSUCHPO"
        elif order.cancelled is not None:
            assert refused(answer) == "ENDED"
        elif order.location != location:
            assert refused(answer) == "BADARG"
        else:
            assert isinstance(answer, Moved)
            order.received[sku] = order.received.get(sku, 0) + quantity
            self.model.moves.append(Move((sku, location), quantity))

    @precondition(lambda self: self.model.purchases)
    @rule(data=st.data(), cancelled=st.booleans())
    def end_purchase(self, data: st.DataObject, cancelled: bool) -> None:
        number = data.draw(st.sampled_from(sorted(self.model.purchases)))
        answer = self.do(EndPurchase(purchase_order=number, cancelled=cancelled))
        order = self.model.purchases[number]
        if order.cancelled not in {None, cancelled}:
            assert refused(answer) == "CONFLICT"
        else:
            assert isinstance(answer, Moved)
            order.cancelled = cancelled

    @rule(number=numbers, way=st.tuples(locations, locations), lines=lines_of_papers)
    def send(self, number: DocumentId, way: tuple[LocationId, LocationId], lines: dict[Sku, int]) -> None:
        source, target = way
        command = SendTransfer(transfer=number, source=source, target=target, lines=tuple(sorted(lines.items())))
        room = all(self.at(sku, source).free >= units for sku, units in command.lines)
        answer = self.do(command)
        known = self.model.transfers.get(number)
        if known is not None:
            assert isinstance(answer, Moved) if known == command else refused(answer) == "CONFLICT"
        elif source == target:
            assert refused(answer) == "BADARG"
        elif not room:
            assert refused(answer) == "OUTOFSTOCK"
        else:
            assert isinstance(answer, Moved)
            self.model.transfers[number] = command
            self.model.moves += [Move((sku, source), -units) for sku, units in command.lines]

    @rule(quantity=st.integers(1, 3), lost=st.booleans(), data=st.data())
    def end_transfer(self, quantity: int, lost: bool, data: st.DataObject) -> None:
        sent_lines = [(number, sku) for number, sent in self.model.transfers.items() for sku, _ in sent.lines]
        some = st.tuples(numbers, skus)
        number, sku = data.draw(st.one_of(some, *([st.sampled_from(sorted(sent_lines))] * 3 if sent_lines else [])))
        kind = LoseTransfer if lost else ReceiveTransfer
        key = Key(self.fresh("t"))
        answer = self.do(kind(key=key, transfer=number, sku=sku, quantity=quantity))
        sent = self.model.transfers.get(number)
        if sent is None or sku not in dict(sent.lines):
            assert refused(answer) == "NOSUCHTRANSFER"
        elif quantity > self.model.under_way(number, sku):
            assert refused(answer) == "EXCEEDS"
        else:
            assert isinstance(answer, Moved)
            self.model.ended_transfers.append((number, sku, quantity))
            if not lost:
                self.model.moves.append(Move((sku, sent.target), quantity))

    # -- promises

    @rule(
        lines=st.lists(st.tuples(skus, st.integers(1, 5)), min_size=1, max_size=4),
        seconds=st.one_of(st.none(), st.integers(1, 20)),
    )
    def hold(self, lines: list[tuple[Sku, int]], seconds: int | None) -> None:
        wanted = sum_lines(lines)
        room = {sku: self.free(sku) for sku, _ in wanted}
        until = None if seconds is None else self.now + timedelta(seconds=seconds)
        answer = self.do(
            PlaceHold(
                hold_id=HoldId(self.fresh("h")), lines=wanted, expires_at=until, account=DIRECT, locations=(HERE, THERE)
            )
        )
        if all(room[sku] >= units for sku, units in wanted):  # all or none, never more than there is (A1 to A15)
            assert isinstance(answer, Granted), answer
            self.model.holds[answer.hold_id] = (dict(wanted), until)
        else:
            assert refused(answer) == "OUTOFSTOCK"

    def free(self, sku: Sku) -> int:
        """Units that a hold of the storefront may have: it sells from two of the places."""
        for ledger in self.ledgers:
            self.journal.extend(ledger.lapse(self.now))
        return sum(self.sellable((sku, place)) - self.promised((sku, place)) for place in (HERE, THERE))

    @precondition(lambda self: self.model.holds)
    @rule(data=st.data())
    def commit(self, data: st.DataObject) -> None:
        hold_id = data.draw(st.sampled_from(sorted(self.model.holds)))
        lines, until = self.model.holds[hold_id]
        answer = self.do(CommitHold(hold_id=hold_id, order_id=None))
        if until is not None and until <= self.now:
            assert refused(answer) == "EXPIRED"
        else:
            assert isinstance(answer, Committed)
            self.model.owed_holds[hold_id] = lines
        del self.model.holds[hold_id]

    @precondition(lambda self: self.model.holds)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        hold_id = data.draw(st.sampled_from(sorted(self.model.holds)))
        assert isinstance(self.do(ReleaseHold(hold_id=hold_id)), Released)
        del self.model.holds[hold_id]

    @rule(
        order=st.integers(1, 3),
        counts=st.lists(
            st.tuples(
                skus,
                st.integers(0, 5),
                st.integers(0, 5),
                st.integers(0, 5),
                st.sampled_from((None, None, None, HERE, THERE)),
            ),
            max_size=4,
        ),
        held=st.one_of(st.none(), st.integers(-3, 10)),
        sold_from=sellers,
    )
    def order(
        self,
        order: int,
        counts: list[tuple[Sku, int, int, int, LocationId | None]],
        held: int | None,
        sold_from: tuple[LocationId, ...],
    ) -> None:
        """Any life-cycle at all: lines come, go, change SKU, ship, return, cancel and flip back (lessons B, C)."""
        order_id = OrderId(f"o-{order}")
        until = None if held is None else self.now + timedelta(seconds=held)
        new = {
            LineId(str(n)): DemandLevel(
                line_id=LineId(str(n)),
                sku=sku,
                open_units=opened,
                shipped=shipped,
                returned=min(returned, shipped),
                location=pickup,
            )
            for n, (sku, opened, shipped, returned, pickup) in enumerate(counts)
        }
        old, _ = self.model.orders.get(order_id, ({}, None))
        gone = tuple(
            DemandLevel(line_id=line, sku=level.sku)
            for line, level in old.items()
            if line not in new or new[line].sku != level.sku
        )
        told = (*gone, *new.values())
        self.do(
            RecordOrder(
                snapshot=self.snapshot(order_id, until, new),
                skus_of_lines=tuple(level.sku for level in new.values()),
                levels=told,
                locations=sold_from,
            )
        )
        self.model.orders[order_id] = (new, until)
        keys = {(order_id, level.line_id, level.sku) for level in told}
        self.model.met |= {key for key in keys if self.model.came_back(key)}

    def snapshot(self, order_id: OrderId, until: datetime | None, lines: dict[LineId, DemandLevel]) -> OrderSnapshot:
        return OrderSnapshot(
            account=SHOP,
            order_id=order_id,
            status=OrderStatus.ACCEPTED,
            placed_at=START,
            modified_at=self.now,
            held_until=until,
            lines=tuple(
                OrderLine(
                    line_id=level.line_id,
                    sku=level.sku,
                    ordered=level.open_units + level.shipped,
                    shipped=level.shipped,
                    returned=level.returned,
                    location=level.location,
                )
                for level in lines.values()
            ),
        )

    @rule(sku=skus, location=locations, data=st.data())
    def reallocate(self, sku: Sku, location: LocationId, data: st.DataObject) -> None:
        """A line that owes something moves to where there is room, or stays where it is."""
        order_id, line_id, _ = data.draw(self.order_lines(sku)) or (OrderId("o-9"), LineId("9"), sku)
        for ledger in self.ledgers:
            self.journal.extend(ledger.lapse(self.now))
        known = self.book(sku).demand.get((SHOP, order_id, line_id))
        owed = Counter(dict(known.committed or known.reserved)) if known is not None else Counter[LocationId]()
        moving = owed.total() - owed[location]
        free = self.at(sku, location).free
        answer = self.do(Reallocate(account=SHOP, order_id=order_id, line_id=line_id, sku=sku, location=location))
        if not owed.total():
            assert refused(answer) == "NOSUCHLINE"
        elif moving == 0:
            assert answer == Done()
        elif known is not None and known.bound:
            assert refused(answer) == "BOUND"
        elif moving > free:
            assert refused(answer) == "OUTOFSTOCK"
        else:
            assert answer == Done()
            after = self.book(sku).demand[SHOP, order_id, line_id]
            assert (after.committed or after.reserved) == ((location, owed.total()),)

    # -- again

    @precondition(lambda self: self.seen)
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        """A command twice equals once, and is answered as the first time, however long ago that was."""
        command, first = data.draw(st.sampled_from(self.seen))
        if isinstance(command, RecordOrder | Reallocate):
            return  # the order desk, not the books, tells old snapshots from new ones; people may move a line again
        if isinstance(first, Refusal) and not isinstance(command, PlaceHold):
            return
        if isinstance(first, Observed) and not all(isinstance(verdict, Moved) for verdict in first.verdicts):
            return
        if isinstance(command, OrderPurchase):  # a level: only the newest one is told again to no effect
            order = self.model.purchases[command.purchase_order]
            if ({s: n for s, n in order.lines.items() if n}, order.location) != (dict(command.lines), command.location):
                return
        figures = self.figures()
        answer = self.do(command)
        if isinstance(command, CommitHold | ReleaseHold) and isinstance(answer, Refusal):
            return
        if isinstance(command, OrderPurchase):
            assert isinstance(answer, Moved)
        else:
            assert answer == first
        assert self.figures() == figures

    def figures(self) -> list[tuple[object, ...]]:
        for ledger in self.ledgers:
            self.journal.extend(ledger.lapse(self.now))
        return [
            (sku, location, *(getattr(position, name) for name in Position.__slots__))
            for sku in SKUS
            for location, position in sorted(self.book(sku).positions.items())
        ]

    @rule(seconds=st.integers(1, 15))
    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    # -- laws

    def sellable(self, place: Place) -> int:
        """On hand of a place less what is set aside: what moved there, and what orders took from there."""
        lines = self.book(place[0]).demand.values()
        shipped = sum(units for line in lines for location, units in line.shipped if location == place[1])
        returned = sum(units for line in lines for location, units in line.returned if location == place[1])
        return self.model.moved(place) - shipped + returned - self.model.unavailable(place)

    def promised(self, place: Place) -> int:
        """Units that holds and order lines claim at a place, each by its own record."""
        book = self.book(place[0])
        claims = [held.parts for held in book.holds.values()]
        claims += [(*line.committed, *line.reserved) for line in book.demand.values()]
        return sum(units for parts in claims for location, units in parts if location == place[1])

    @invariant()
    def every_figure_is_the_naive_one(self) -> None:
        for sku in SKUS:
            if sku not in self.owner(sku).books:
                continue
            self.journal.extend(self.owner(sku).lapse(self.now))
            book, model = self.book(sku), self.model
            positions = book.positions.values()
            assert sum(p.on_hand for p in positions) == model.on_hand(sku)
            assert sum(p.committed for p in positions) == model.committed(sku)
            assert sum(p.reserved for p in positions) == model.reserved(sku, self.now)
            assert sum(p.committed for p in positions) == sum(units_of(d.committed) for d in book.demand.values())
            short: dict[LocationId | None, int] = {}
            for pool, together in ((None, (HERE, THERE)), (FBA, (FBA,))):
                stands = {(sku, at): (self.sellable((sku, at)), self.promised((sku, at))) for at in together}
                short[pool] = model.shortage(stands, self.now)
            told = {pool: incident.open_units for pool, incident in book.records.oversells.items()}
            assert told == {pool: units for pool, units in short.items() if units}

    @invariant()
    def every_place_and_state_has_its_own(self) -> None:
        """What came in less what went out, in every state; nothing is negative but what may be promised."""
        for place in ((sku, location) for sku in SKUS for location in LOCATIONS):
            sku, location = place
            if sku not in self.owner(sku).books:
                continue
            position = self.at(sku, location)
            for state in SET_ASIDE:
                assert position.standing(state) == self.model.standing(place, state)
            assert position.unavailable == sum(position.standing(state) for state in SET_ASIDE)
            assert position.standing(State.SELLABLE) == self.sellable(place)
            assert position.incoming == self.model.incoming(place)
            assert position.in_transit == self.model.in_transit(place)
            assert self.book(sku).records.bound.get(location, 0) == self.model.bound(place, self.now)
            assert min(getattr(position, name) for name in Position.__slots__) >= 0
            assert position.standing(State.SELLABLE) >= 0
            assert (
                position.atp
                == position.free
                == position.standing(State.SELLABLE) - (position.committed + position.reserved)
            )

    def teardown(self) -> None:
        """Replay of what the journal would hold, through its real encoding, equals live."""
        again = [self.new_ledger(), self.new_ledger()]
        for event in EVENTS.decode(msgspec.msgpack.encode(self.journal)):
            if isinstance(event, StockConfirmed):
                for sku, quantity in event.rows:
                    again[SKUS.index(sku) % 2].confirm(event, sku, quantity)
            elif not isinstance(event, OrderRecorded):
                again[SKUS.index(event.sku) % 2].apply(event)  # type: ignore[union-attr, arg-type]
        for live, replayed in zip(self.ledgers, again, strict=True):
            assert replayed.books == live.books
            for sku, book in live.books.items():
                assert list(replayed.books[sku].on_hand_history) == list(book.on_hand_history)
                assert list(replayed.books[sku].committed_history) == list(book.committed_history)


def refused(answer: Answer) -> str:
    """The code of a refusal."""
    assert isinstance(answer, Refusal), answer
    return answer.code


TestLedger = LedgerMachine.TestCase
TestLedger.settings = settings(max_examples=80, stateful_step_count=50, deadline=None)
