"""Sales as rows are what the projection of demand counts, merges and bundles included."""

from datetime import timedelta
from typing import Any

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from engine.domain.events import DemandLapsed, DemandSet, HoldCommitted, OrderRecorded, SkuMerged
from engine.domain.offers.demand import Demand
from engine.domain.reading.sales import Sales
from engine.domain.units import DIRECT, HoldId, LineId, OrderId, Sku
from tests.fakes.clocks import START
from tests.fakes.orders import order, order_line
from tests.fakes.rules import HERE, SHOP, A, B

C, KIT = Sku("C"), Sku("KIT")
RECIPES: dict[Sku, tuple[tuple[Sku, int], ...]] = {KIT: ((A, 2), (C, 1))}

STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("order"), st.sampled_from("123"), st.sampled_from((A, B, C, KIT)), st.integers(0, 6), st.booleans()
        ),
        st.tuples(st.just("lapse"), st.sampled_from("123"), st.sampled_from((A, B))),
        st.tuples(st.just("move"), st.sampled_from("123"), st.sampled_from((A, B))),
        st.tuples(st.just("commit"), st.sampled_from("xy"), st.integers(1, 4)),
        st.tuples(st.just("merge")),
        st.tuples(st.just("wait")),
    ),
    max_size=25,
)


class Both:
    """Tells the two the same."""

    def __init__(self) -> None:
        self.demand = Demand()
        self.rows: dict[Any, list[Any]] = {}
        self.sales = Sales(lambda _table, _key: ())
        self.at = START
        self.lines: dict[tuple[Sku, str], DemandSet] = {}
        self.merged = False

    def order(self, number: str, sku: Sku, units: int, reserved: bool) -> None:
        if self.merged and sku not in {B, C}:
            return  # whatever is sold of A now is B
        made_of = RECIPES.get(sku, ())
        snapshot = msgspec.structs.replace(order(order_line(sku, units), order_id=number), placed_at=self.at)
        told = OrderRecorded(at=self.at, snapshot=snapshot, skus=(sku,), components=(made_of,))
        self.demand.apply(told)
        self.sales.record(told)
        wanted = {leaf: each * units for leaf, each in made_of or ((sku, 1),)}
        for leaf in (A, B, C):
            if leaf in wanted or (leaf, number) in self.lines:
                self.set_line(self.line(leaf, number, wanted.get(leaf, 0), reserved))

    def line(self, sku: Sku, number: str, units: int, reserved: bool = False) -> DemandSet:
        parts = ((HERE, units),) if units else ()
        return DemandSet(
            at=self.at,
            sku=sku,
            account=SHOP,
            order_id=OrderId(number),
            line_id=LineId("1"),
            committed=() if reserved else parts,
            reserved=parts if reserved else (),
        )

    def set_line(self, event: DemandSet) -> None:
        self.lines[event.sku, event.order_id] = event
        self.demand.apply(event)
        self.sales.set_line(event)

    def lapse(self, number: str, sku: Sku) -> None:
        known = self.lines.get((sku, number))
        if known is not None and known.reserved:
            event = DemandLapsed(at=self.at, sku=sku, account=SHOP, order_id=OrderId(number), line_id=LineId("1"))
            self.lines[sku, number] = msgspec.structs.replace(known, reserved=())
            self.demand.apply(event)
            self.sales.lapse(event)

    def move(self, number: str, sku: Sku) -> None:
        """Somebody moves the units of a line: no order is told."""
        known = self.lines.get((sku, number))
        if known is not None:
            self.set_line(msgspec.structs.replace(known, at=self.at, by="ann"))

    def commit(self, name: str, units: int) -> None:
        event = HoldCommitted(at=self.at, sku=B, hold_id=HoldId(name), account=DIRECT, order_id=None)
        self.demand.committed(event, units)
        self.sales.commit(event, units)

    def merge(self) -> None:
        """Let A turn out to be B: each line is told of B, then taken off A (`catalogue/merging.py`)."""
        if self.merged:
            return
        self.order("another", C, 0, False)  # the projection takes lines for those of the order that was told last
        self.merged = True
        for sku, number in list(self.lines):
            known, there = self.lines[sku, number], self.lines.get((B, number))
            if sku == A and (known.committed or known.reserved) and there is None:
                self.set_line(msgspec.structs.replace(known, sku=B))
                self.set_line(self.line(A, number, 0))
        event = SkuMerged(at=self.at, sku=A, into=B)
        self.demand.apply(event)
        self.sales.merge(event)

    def wait(self) -> None:
        self.at += timedelta(days=1)

    def compare(self) -> None:
        for sku, account, order_id, line_id, *sale in self.sales.take()[0].put:
            self.rows[sku, account, order_id, line_id] = sale
        found: dict[Any, int] = {}
        for (sku, account, *_), (day, units, _, bundle, _) in self.rows.items():
            key = (sku, day, (account, bundle is not None))
            if units and not (self.merged and sku == A):
                found[key] = found.get(key, 0) + units
        sold: Any = self.demand._facts(self.demand._today())[0]
        days = {(START + timedelta(days=number)).toordinal(): number for number in range(30)}
        expected = {
            (sku, f"{START + timedelta(days=days[day]):%Y-%m-%d}", seller): units
            for (sku, day, seller), units in sold.items()
        }
        assert found == expected


@example(steps=[("order", "1", KIT, 1, False), ("merge",)])
@example(steps=[("order", "1", A, 3, False), ("order", "2", B, 1, False), ("merge",), ("move", "1", B)])
@example(steps=[("order", "1", KIT, 3, False), ("order", "2", B, 1, False), ("merge",), ("wait",), ("move", "1", B)])
@given(steps=STEPS)
def test_sales_are_those_of_the_projection(steps: list[tuple[Any, ...]]) -> None:
    both = Both()
    for what, *arguments in steps:
        getattr(both, what)(*arguments)
        both.compare()
        both.sales.end_frame()
