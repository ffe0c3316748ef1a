"""Two SKUs that are one: everything the first has goes to the second by ordinary movements, in one frame.

An order line that has been shipped may still be refunded or come back, so it moves too: its SKU takes it off, which
puts its units back on paper, an adjustment carries all units over, and the other SKU takes the line on. Each book adds
up at every step, and so does the journal.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

import msgspec

from engine.domain.catalogue.items import MANY_MAX, Details
from engine.domain.commands import Refusal
from engine.domain.events import (
    BookEvent,
    DemandSet,
    ItemDescribed,
    Part,
    SkuMerged,
    StateChanged,
    StockAdjusted,
    StockReturned,
)
from engine.domain.states import SET_ASIDE, State
from engine.domain.stock.book import Book, demand_key
from engine.domain.units import Key, LocationId, Sku

REFERENCE: Final = "merge"
"""On every movement of a merge."""
_LISTED_MAX: Final = 5


def find_obstacles(gone: Book, into: Book, *, recipes_with: Sequence[Sku] = ()) -> tuple[str, ...]:
    """Say what is under way of a SKU that would lose its way in a merge, in words that name each thing.

    Args:
        gone: the SKU that is to end.
        into: the one that is to have its units.
        recipes_with: bundles that `gone` is a component of.
    """
    lines = [
        f"{demand.account}/{demand.order_id} line {demand.line_id}"
        for demand in gone.demand.values()
        if demand.committed or demand.reserved
    ]
    twice = [f"{account}/{order} line {line}" for account, order, line in gone.demand.keys() & into.demand.keys()]
    records = gone.records
    papers: dict[str, Sequence[str]] = {
        "open holds": list(gone.holds),
        "open order lines": lines,
        "order lines of both": sorted(twice),
        "purchase orders": [paper for paper, line in records.purchases.items() if line.expected],
        "transfers": [paper for paper, line in records.transfers.items() if line.under_way],
        "recipes": list(recipes_with),
        "bundles": [book.sku for book in (gone, into) if book.is_bundle],
    }
    return tuple(f"{what} {_list(names)}" for what, names in papers.items() if names)


def refuse_merge(gone: Sku, obstacles: Sequence[str]) -> Refusal:
    """Say no, with all that stands in the way."""
    return Refusal(code="INUSE", text=f"sku={gone} cannot be merged while there are {'; '.join(obstacles)}")


def decide_merge(gone: Book, into: Book, *, by: str, now: datetime) -> tuple[BookEvent, ...]:
    """Move what `gone` has to `into` and end it; nothing stands in the way (`find_obstacles`)."""
    return (*_Merge(gone, into, by, now).events(), SkuMerged(at=now, sku=gone.sku, into=into.sku, by=by))


def inherit_barcodes(sku: Sku, details: Details, gone: Details, *, by: str, now: datetime) -> ItemDescribed | None:
    """Let the barcodes of the SKU that ended lead to the one it went into, as far as an item can have more."""
    barcodes = (*details.barcodes, *gone.barcodes)[:MANY_MAX]
    if barcodes == details.barcodes:
        return None
    return ItemDescribed(at=now, sku=sku, details=msgspec.structs.replace(details, barcodes=barcodes), by=by)


class _Merge:
    def __init__(self, gone: Book, into: Book, by: str, now: datetime) -> None:
        self._gone = gone
        self._into = into
        self._by = by
        self._now = now
        self._left = {place: position.on_hand for place, position in gone.positions.items()}
        self._right = {place: position.on_hand for place, position in into.positions.items()}
        self._returned = gone.records.returns

    def events(self) -> Iterator[BookEvent]:
        lines = tuple(self._gone.demand.values())
        carried = self._carried(lines)
        for line in lines:
            yield from self._take_on_returns(line)
        for place, position in self._gone.positions.items():
            for state in SET_ASIDE:
                if units := position.standing(state):
                    yield self._restate(self._gone.sku, self._left, place, state, State.SELLABLE, units)
        for place, units in carried.items():
            if units:
                yield self._adjust(self._into.sku, self._right, place, units)
        for line in lines:
            yield from self._hand_over(line)
        for place, units in self._left.items():
            if units:
                yield self._adjust(self._gone.sku, self._left, place, -units)
        for place, position in self._gone.positions.items():
            for state in SET_ASIDE:
                if units := position.standing(state):
                    yield self._restate(self._into.sku, self._right, place, State.SELLABLE, state, units)

    def _carried(self, lines: Sequence[DemandSet]) -> dict[LocationId, int]:
        """Units to put on the other SKU's shelf, before it takes on lines whose units have left."""
        carried = dict(self._left)
        for line in lines:
            for sign, parts in ((1, line.shipped), (-1, line.returned)):
                for place, units in parts:
                    carried[place] = carried.get(place, 0) + sign * units
            returned, shelf = self._returned.get(demand_key(line), 0), _place_of(line)
            if returned and shelf is not None:
                carried[shelf] = carried.get(shelf, 0) - returned
        return carried

    def _take_on_returns(self, line: DemandSet) -> Iterator[StockReturned]:
        """Let the other SKU know what came back physically, so that no channel's word counts it again."""
        returned, place = self._returned.get(demand_key(line), 0), _place_of(line)
        if not returned or place is None:
            return
        self._right[place] = self._right.get(place, 0) + returned
        yield StockReturned(
            at=self._now,
            sku=self._into.sku,
            key=Key(f"{self._name(place)}:{line.account}:{line.order_id}:{line.line_id}"),
            location=place,
            quantity=returned,
            on_hand=self._right[place],
            state=State.SELLABLE,
            account=line.account,
            order_id=line.order_id,
            line_id=line.line_id,
            reason=self._reason,
            by=self._by,
            reference=REFERENCE,
        )

    def _hand_over(self, line: DemandSet) -> Iterator[DemandSet]:
        yield msgspec.structs.replace(line, at=self._now, sku=self._into.sku, by="", reason="", reference="")
        yield DemandSet(at=self._now, sku=line.sku, account=line.account, order_id=line.order_id, line_id=line.line_id)
        for sign, parts in ((1, line.shipped), (-1, line.returned)):
            for place, units in parts:
                self._left[place] = self._left.get(place, 0) + sign * units
                self._right[place] = self._right.get(place, 0) - sign * units

    def _adjust(self, sku: Sku, on_hand: dict[LocationId, int], place: LocationId, delta: int) -> StockAdjusted:
        on_hand[place] = on_hand.get(place, 0) + delta
        return StockAdjusted(
            at=self._now,
            sku=sku,
            key=Key(self._name(place)),
            location=place,
            delta=delta,
            on_hand=on_hand[place],
            reason=self._reason,
            by=self._by,
            reference=REFERENCE,
        )

    def _restate(
        self, sku: Sku, on_hand: dict[LocationId, int], place: LocationId, source: State, target: State, units: int
    ) -> StateChanged:
        return StateChanged(
            at=self._now,
            sku=sku,
            key=Key(f"{self._name(place)}:{source}:{target}"),
            location=place,
            quantity=units,
            source=source,
            target=target,
            on_hand=on_hand.get(place, 0),
            reason=self._reason,
            by=self._by,
            reference=REFERENCE,
        )

    @property
    def _reason(self) -> str:
        return f"{self._gone.sku} was merged into {self._into.sku}"

    def _name(self, place: LocationId) -> str:
        return f"merge:{self._gone.sku}:{place}"


def _place_of(line: DemandSet) -> LocationId | None:
    parts: tuple[Part, ...] = line.shipped
    return parts[0][0] if parts else None


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_LISTED_MAX])
    return f"{shown} and {len(names) - _LISTED_MAX} more" if len(names) > _LISTED_MAX else shown
