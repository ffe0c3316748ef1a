"""Of partners' snapshots the newest instant wins, in whatever order they come, whether they change anything or not."""

from datetime import timedelta

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.commands import AddSku, Command, Moved, Observe, Observed, TakeSnapshot
from engine.domain.events import DecidedEvent, Event, OrderRecorded, StockConfirmed
from engine.domain.stock.ledger import Ledger, handle
from engine.domain.units import Key, LocationId, Sku
from tests.fakes.clocks import START

HERE = LocationId("here")
SKUS = tuple(map(Sku, "ABC"))
EVENTS = msgspec.msgpack.Decoder(list[Event])
FOR_EVER = 10**9

snapshots = st.lists(
    st.tuples(st.integers(1, 30), st.dictionaries(st.sampled_from(SKUS), st.sampled_from((0, 4, 4, 4, 9)), min_size=1)),
    max_size=12,
)
"""Each as of so many seconds after the start: what a partner has of some SKUs, mostly the same."""


class Daemon:
    """Two shards that die and come back after every command."""

    def __init__(self) -> None:
        self.events: list[DecidedEvent] = []
        self.start()

    def start(self) -> None:
        self.ledgers = [
            Ledger(remembered_seconds=FOR_EVER, remembered_max=FOR_EVER, history_seconds=FOR_EVER) for _ in range(2)
        ]
        for event in EVENTS.decode(msgspec.msgpack.encode(self.events)):
            match event:
                case StockConfirmed(rows=rows):
                    for sku, quantity in rows:
                        self.owner(sku).confirm(event, sku, quantity)
                case OrderRecorded():
                    raise AssertionError(event)
                case _:
                    self.owner(event.sku).apply(event)  # type: ignore[union-attr, arg-type]

    def owner(self, sku: Sku) -> Ledger:
        return self.ledgers[SKUS.index(sku) % 2]

    def do(self, command: Command, skus: tuple[Sku, ...], seconds: float) -> object:
        handled = handle(self.owner, command, skus, START + timedelta(seconds=seconds))
        self.events += handled.events
        self.start()
        return handled.answer


@given(told=snapshots)
def test_the_newest_snapshot_wins_over_any_starts(told: list[tuple[int, dict[Sku, int]]]) -> None:
    """Lessons E8, E10. Against a row that changed nothing, and has no event of its own, an older one loses as well."""
    daemon = Daemon()
    for sku in SKUS:
        daemon.do(AddSku(sku=sku, name=sku), (sku,), 0)
    newest: dict[Sku, tuple[int, int]] = {}
    for number, (as_of, quantities) in enumerate(told):
        rows = tuple(
            Observe(
                key=Key(f"s-{number}"),
                sku=sku,
                location=HERE,
                source="3pl",
                quantity=quantity,
                as_of=START + timedelta(seconds=as_of),
                nets_open_orders=False,
            )
            for sku, quantity in quantities.items()
        )
        command = TakeSnapshot(rows=rows)
        answer = daemon.do(command, command.skus, 40 + number)
        assert isinstance(answer, Observed)
        for row, verdict in zip(rows, answer.verdicts, strict=True):
            wins = as_of > newest.get(row.sku, (0, 0))[0]
            assert isinstance(verdict, Moved) == wins, verdict
            if wins:
                newest[row.sku] = (as_of, row.quantity)
        recorded = len(daemon.events)
        again = daemon.do(command, command.skus, 100 + number)
        assert isinstance(again, Observed)
        for first, second in zip(answer.verdicts, again.verdicts, strict=True):
            assert not isinstance(first, Moved) or first == second, "a repeat is answered as the first time"
        assert len(daemon.events) == recorded
    for sku in SKUS:
        assert daemon.owner(sku).books[sku].on_hand_at(HERE) == newest.get(sku, (0, 0))[1]
