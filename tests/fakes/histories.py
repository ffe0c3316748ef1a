"""Random histories of two SKUs: every kind of command, sensible or not, in any order, repeats among them."""

from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from engine.domain.commands import (
    AddSku,
    ChangeState,
    Command,
    Count,
    EndPurchase,
    LoseTransfer,
    Observe,
    OrderPurchase,
    Reallocate,
    Receive,
    ReceiveTransfer,
    Return,
    SendTransfer,
)
from engine.domain.events import DecidedEvent
from engine.domain.states import State
from engine.domain.stock.filing import DOCUMENTS_SECONDS
from engine.domain.units import DocumentId, Key, LineId, OrderId, Sku
from tests.fakes.books import BOTH, A, B, Shelf
from tests.fakes.orders import SHOP

_skus = st.sampled_from((A, B))
_places = st.sampled_from(BOTH)
_few = st.integers(1, 6)
_number = st.integers(1, 4)
_states = st.sampled_from(State)


def _op(name: str, *arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.tuples(st.just(name), *arguments)


STEPS = st.one_of(
    _op("receive", _skus, _places, _few, st.none() | _number),
    _op("adjust", _skus, _places, st.integers(-4, 4).filter(bool)),
    _op("safety", _skus, _places, st.integers(0, 3)),
    _op("hold", _number, _skus, _few, st.none() | st.integers(1, 20)),
    _op("hold_both", _number, _few, _few),
    _op("commit", _number, st.booleans()),
    _op("release", _number),
    _op("order", _skus, st.integers(0, 5), st.integers(0, 4), st.integers(0, 4), st.none() | st.integers(1, 20)),
    _op("give_back", _skus, _places, _few, _states, st.booleans()),
    _op("state", _skus, _places, _few, _states, _states),
    _op("count", _skus, _places, st.integers(0, 9), st.integers(0, 15), st.sampled_from((0, 100))),
    _op("observe", _skus, _places, st.integers(0, 9), st.integers(0, 15), st.booleans()),
    _op("purchase", _number, _places, _few, st.integers(0, 6)),
    _op("end", _number, st.booleans()),
    _op("send", _number, _few, _few),
    _op("arrive", _number, _skus, _few),
    _op("lose", _number, _skus, _few),
    _op("move", _skus, _places),
    _op("wait", st.integers(1, 15)),
    _op("forget"),
)
HISTORIES = st.lists(STEPS, min_size=12, max_size=45)


class Story:
    """Plays a history on a shelf; every step is a moment of its own and, if anything happened, a frame."""

    def __init__(self) -> None:
        self.shelf = Shelf(A=12, B=9)
        self.frames: list[list[DecidedEvent]] = [list(self.shelf.events)]
        self._keys = 0

    def play(self, step: tuple[Any, ...]) -> None:
        """Do one step a moment later."""
        shelf = self.shelf
        shelf.wait(0.25)
        told = len(shelf.events)
        name, *arguments = step
        getattr(self, f"_{name}")(*arguments)
        for ledger in shelf.ledgers.values():
            shelf.events += ledger.lapse(shelf.now)
        if len(shelf.events) > told:
            self.frames.append(shelf.events[told:])

    def _do(self, command: Command | Observe) -> None:
        self.shelf.do(command)

    def _key(self) -> Key:
        """Return a new key, or now and then an old one."""
        self._keys += 1
        return Key(f"k{self._keys - self._keys % 5 // 4}")

    def _receive(self, sku: Sku, place: Any, units: int, paper: int | None) -> None:
        number = None if paper is None else DocumentId(f"PO-{paper}")
        self._do(Receive(key=self._key(), sku=sku, location=place, quantity=units, purchase_order=number))

    def _adjust(self, sku: Sku, place: Any, delta: int) -> None:
        self.shelf.adjust(delta, sku=sku, location=place, key=self._key())

    def _safety(self, sku: Sku, place: Any, units: int) -> None:
        self._do(AddSku(sku=sku, name=sku, safety_stock=((place, units),)))

    def _hold(self, number: int, sku: Sku, units: int, seconds: int | None) -> None:
        self.shelf.hold(f"h{number}", (sku, units), seconds=seconds)

    def _hold_both(self, number: int, one: int, other: int) -> None:
        self.shelf.hold(f"both{number}", (A, one), (B, other), seconds=10)

    def _commit(self, number: int, named: bool) -> None:
        self.shelf.commit(f"h{number}", "o-9" if named else None)

    def _release(self, number: int) -> None:
        self.shelf.release(f"h{number}")

    def _order(self, sku: Sku, opened: int, shipped: int, returned: int, held: int | None) -> None:
        until = None if held is None else self.shelf.now + timedelta(seconds=held)
        self.shelf.record(opened, shipped=shipped, returned=min(returned, shipped), sku=sku, held_until=until)

    def _give_back(self, sku: Sku, place: Any, units: int, state: State, of_order: bool) -> None:
        if state is State.WRITTEN_OFF:
            return  # nobody takes units back into nothing: the edges refuse it
        line = {"account": SHOP, "order_id": OrderId("1"), "line_id": LineId("1")} if of_order else {}
        self._do(Return(key=self._key(), sku=sku, location=place, quantity=units, state=state, **line))  # type: ignore[arg-type]

    def _state(self, sku: Sku, place: Any, units: int, source: State, target: State) -> None:
        if source is target or source is State.WRITTEN_OFF:
            return
        self._do(ChangeState(key=self._key(), sku=sku, location=place, quantity=units, source=source, target=target))

    def _count(self, sku: Sku, place: Any, counted: int, ago: int, tolerance: int) -> None:
        self._do(
            Count(
                key=self._key(),
                sku=sku,
                location=place,
                counted=counted,
                taken_at=self.shelf.now - timedelta(seconds=ago),
                tolerance_percent=tolerance,
                tolerance_units=tolerance,
            )
        )

    def _observe(self, sku: Sku, place: Any, units: int, ago: int, nets: bool) -> None:
        as_of = self.shelf.now - timedelta(seconds=ago)
        self._do(
            Observe(
                key=self._key(),
                sku=sku,
                location=place,
                source="3pl",
                quantity=units,
                as_of=as_of,
                nets_open_orders=nets,
            )
        )

    def _purchase(self, number: int, place: Any, one: int, other: int) -> None:
        lines = ((A, one), (B, other)) if other else ((A, one),)
        self._do(OrderPurchase(purchase_order=DocumentId(f"PO-{number}"), location=place, lines=lines))

    def _end(self, number: int, cancelled: bool) -> None:
        self._do(EndPurchase(purchase_order=DocumentId(f"PO-{number}"), cancelled=cancelled))

    def _send(self, number: int, one: int, other: int) -> None:
        here, there = BOTH
        lines = ((A, one), (B, other)) if other % 2 else ((A, one),)
        self._do(SendTransfer(transfer=DocumentId(f"T-{number}"), source=here, target=there, lines=lines))

    def _arrive(self, number: int, sku: Sku, units: int) -> None:
        self._do(ReceiveTransfer(key=self._key(), transfer=DocumentId(f"T-{number}"), sku=sku, quantity=units))

    def _lose(self, number: int, sku: Sku, units: int) -> None:
        self._do(LoseTransfer(key=self._key(), transfer=DocumentId(f"T-{number}"), sku=sku, quantity=units))

    def _move(self, sku: Sku, place: Any) -> None:
        self._do(Reallocate(account=SHOP, order_id=OrderId("1"), line_id=LineId("1"), sku=sku, location=place))

    def _wait(self, seconds: int) -> None:
        self.shelf.wait(seconds)

    def _forget(self) -> None:
        """Let so much time go by that papers which are done are forgotten, and their numbers are used again."""
        self.shelf.wait(2 * DOCUMENTS_SECONDS)
        self.shelf.forget_papers()
