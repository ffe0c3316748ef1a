"""What happened to units: a row per fact, SKU and location, and the figures that the rows add up to.

The arithmetic is that of `engine.domain.stock.booking`, written as differences; tests hold the two against each other.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

import msgspec

from engine.domain.events import BookEvent, Part
from engine.domain.reading.rows import Changes, Load, Rows, Table, moment
from engine.domain.states import State
from engine.domain.units import LocationId, Sku


class Fact(msgspec.Struct, kw_only=True, gc=False):
    """By how much one fact changed the figures of a SKU at a location."""

    position: int
    number: int
    at: str
    sku: str
    location: str
    kind: str
    on_hand: int = 0
    committed: int = 0
    reserved: int = 0
    quality_hold: int = 0
    damaged: int = 0
    display: int = 0
    safety_stock: int = 0
    incoming: int = 0
    in_transit: int = 0
    account: str | None = None
    order_id: str | None = None
    line_id: str | None = None
    hold_id: str | None = None
    document: str | None = None
    key: str | None = None
    by: str | None = None
    reason: str | None = None
    reference: str | None = None

    @property
    def changes(self) -> bool:
        """Whether any figure is another one afterwards."""
        return bool(
            self.reserved
            or self.on_hand
            or self.committed
            or self.quality_hold
            or self.damaged
            or self.display
            or self.safety_stock
            or self.incoming
            or self.in_transit
        )

    def set_aside(self, state: State, units: int) -> None:
        """Change how many units stand in a state."""
        if state not in {State.SELLABLE, State.WRITTEN_OFF}:
            setattr(self, state, getattr(self, state) + units)


class Figures(msgspec.Struct, gc=False):
    """What a SKU's figures at a location are now."""

    on_hand: int = 0
    committed: int = 0
    reserved: int = 0
    quality_hold: int = 0
    damaged: int = 0
    display: int = 0
    safety_stock: int = 0
    incoming: int = 0
    in_transit: int = 0

    @property
    def atp(self) -> int:
        """Available to promise."""
        promised = self.committed + self.reserved
        return self.on_hand - promised - self.quality_hold - self.damaged - self.display - self.safety_stock


class Stocked(msgspec.Struct, gc=False):
    """A time in which a SKU could be bought somewhere."""

    since_at: str
    until_at: str | None = None


class Item(msgspec.Struct, gc=False):
    """A SKU, whatever it is called today."""

    code: str
    name: str = ""
    category: str = ""
    bundle: int = 0
    added_at: str | None = None
    retired_at: str | None = None
    merged_into: str | None = None


LEDGER: Final = Table("ledger", Fact)
STOCK: Final = Table("stock", Figures, ("sku",), ("location",))
STOCKED: Final = Table("stocked", Stocked, ("sku",), ("position",), open_while_null="until_at")
SKUS: Final = Table("skus", Item, ("sku",))


class Deltas(dict[LocationId, Fact]):
    """The facts of one event, by location, each begun when it is first asked for."""

    def __init__(self, position: int, number: int, event: BookEvent, **about: str | None) -> None:
        """Begin without any.

        Args:
            position: of the event's frame.
            number: of the event within it, from 0.
            event: what happened.
            about: whatever else is known of it, by column.
        """
        super().__init__()
        self.event = event
        self._place = position, number
        self._about = about

    @property
    def position(self) -> int:
        """Of the event's frame."""
        return self._place[0]

    def __missing__(self, location: LocationId) -> Fact:
        """Begin at one location."""
        position, number = self._place
        event = self.event
        fact = self[location] = Fact(
            position=position,
            number=number,
            at=moment(event.at),
            sku=event.sku,
            location=location,
            kind=event.__struct_config__.tag,  # type: ignore[arg-type]
            **self._about,  # type: ignore[arg-type]
        )
        return fact


class Shelves:
    """Keeps the ledger, the figures it adds up to, and when there was any."""

    def __init__(self, load: Load) -> None:
        """Know no SKU yet."""
        self.skus = Rows(SKUS, load)
        self.stock = Rows(STOCK, load)
        self._stocked = Rows(STOCKED, load)
        self.rows: tuple[Rows[Any], ...] = (self.stock, self._stocked, self.skus)
        self._facts: list[Fact] = []
        self._touched: dict[Sku, datetime] = {}

    def item(self, sku: Sku) -> Item:
        """Return a SKU's row, to be changed."""
        item = self.skus.one((sku,))
        if item is None:
            item = Item(sku)
        self.skus.put((sku,), item)
        return item

    def touch(self, event: BookEvent) -> None:
        """Look after this frame whether there is any of the SKU."""
        self._touched[event.sku] = event.at

    def post(self, deltas: Deltas, *, always: bool = False) -> None:
        """Enter what an event changed, in the order of locations; `always`: also where it changed nothing."""
        for _, fact in sorted(deltas.items()) if len(deltas) > 1 else deltas.items():
            if fact.changes:
                self._add(fact)
            elif always:
                self._facts.append(fact)

    def set_safety(self, deltas: Deltas, parts: Iterable[Part]) -> None:
        """Bring the safety stock of a SKU to what it is from now on, everywhere."""
        for (location,), here in self.stock.of((deltas.event.sku,)).items():
            deltas[location].safety_stock -= here.safety_stock
        wanted = dict(parts)
        for location, units in wanted.items():
            deltas[location].safety_stock += units

    def end_frame(self, position: int) -> None:
        """Note of every SKU that was touched whether it can be bought now: within a frame the last word counts."""
        for sku, at in self._touched.items():
            key = (sku,)
            item = self.skus.one(key)
            there = 0
            for here in self.stock.of(key).values():
                there += here.atp if item is None or item.retired_at is None else min(0, here.atp)
            since = self._stocked.of(key)
            if there > 0 and not since:
                self._stocked.begin(key, Stocked(moment(at)), (position,))
            elif there <= 0 and since:
                for stocked in since.values():
                    stocked.until_at = moment(at)
                self._stocked.end(key)
        self._touched = {}

    def take(self) -> list[Changes]:
        """Return what changed since the last time."""
        facts = [msgspec.structs.astuple(fact) for fact in self._facts]
        self._facts = []
        return [Changes(LEDGER, facts, []), *(rows.take() for rows in self.rows)]

    def _add(self, fact: Fact) -> None:
        self._facts.append(fact)
        key, place = (fact.sku,), (fact.location,)
        here = self.stock.of(key).get(place)
        if here is None:
            here = Figures()
        here.on_hand += fact.on_hand
        here.committed += fact.committed
        here.reserved += fact.reserved
        here.quality_hold += fact.quality_hold
        here.damaged += fact.damaged
        here.display += fact.display
        here.safety_stock += fact.safety_stock
        here.incoming += fact.incoming
        here.in_transit += fact.in_transit
        self.stock.put(key, here, place)
