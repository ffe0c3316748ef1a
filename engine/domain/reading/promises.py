"""Holds and order lines as rows: what was promised, whose it is and where the units lie."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from engine.domain.events import (
    DemandLapsed,
    DemandSet,
    HoldCommitted,
    HoldExpired,
    HoldRefused,
    HoldReleased,
    OversellCleared,
    OversellRecorded,
    Part,
    StockReturned,
    UnitsHeld,
)
from engine.domain.reading.rows import Changes, Load, Rows, Table, moment, moment_or_none
from engine.domain.reading.stock import Deltas
from engine.domain.stock.book import hold_line_id, units_of
from engine.domain.units import LocationId, OrderId

_PLACES: Final = msgspec.json.Encoder()
_READ_PLACES: Final = msgspec.json.Decoder(dict[LocationId, int])


class Hold(msgspec.Struct, gc=False):
    """A hold on one SKU, from its grant or refusal on."""

    state: str
    account: str
    units: int
    decided_at: str
    places: str = "{}"
    location: str | None = None
    expires_at: str | None = None
    ended_at: str | None = None
    order_id: str | None = None
    atp: int | None = None


class Allocation(msgspec.Struct, gc=False):
    """Units of an order line at one location."""

    committed: int = 0
    reserved: int = 0
    shipped: int = 0
    returned: int = 0
    expires_at: str | None = None
    changed_at: str = ""


class Incident(msgspec.Struct, gc=False):
    """Units promised beyond what there was."""

    recorded_at: str
    units: int
    open_units: int
    account: str | None
    order_id: str | None
    cause: str
    detail: str
    cleared_at: str | None = None


HOLDS: Final = Table("holds", Hold, ("hold_id", "sku"), ("position",), open_while_null="ended_at")
ALLOCATIONS: Final = Table("allocations", Allocation, ("sku", "account", "order_id", "line_id"), ("location",))
INCIDENTS: Final = Table(
    "incidents", Incident, ("sku", "location"), ("position", "number"), open_while_null="cleared_at"
)
ANY_LOCATION: Final = ""
"""Of an incident: no location by itself is short, but those that stand in for one another are."""


class Promises:
    """Keeps holds, allocations and incidents."""

    def __init__(self, load: Load) -> None:
        """Know none yet."""
        self._holds = Rows(HOLDS, load)
        self._allocations = Rows(ALLOCATIONS, load)
        self._incidents = Rows(INCIDENTS, load)
        self.rows: tuple[Rows[Any], ...] = (self._holds, self._allocations, self._incidents)

    def take(self) -> list[Changes]:
        """Return what changed since the last time."""
        return [rows.take() for rows in self.rows]

    # -- holds

    def grant(self, position: int, event: UnitsHeld, deltas: Deltas) -> None:
        """Begin a hold."""
        for location, units in event.parts:
            deltas[location].reserved += units
        hold = Hold(
            "open",
            event.account,
            units_of(event.parts),
            moment(event.at),
            _PLACES.encode(dict(event.parts)).decode(),
            event.location,
            moment_or_none(event.expires_at),
        )
        self._holds.begin((event.hold_id, event.sku), hold, (position,))

    def refuse(self, position: int, event: HoldRefused) -> None:
        """Keep a hold that was not granted: it ended as it began."""
        at = moment(event.at)
        hold = Hold("refused", event.account, event.requested, at, location=event.location, ended_at=at, atp=event.atp)
        key = (event.hold_id, event.sku)
        self._holds.begin(key, hold, (position,))
        self._holds.end(key)
        self._holds.forget(key)

    def end_hold(self, state: str, event: HoldReleased | HoldExpired | HoldCommitted, deltas: Deltas) -> int:
        """End a hold and return its units; one that became a sale may leave demand behind."""
        key = (event.hold_id, event.sku)
        parts: Sequence[Part] = ()
        for hold in self._holds.of(key).values():
            parts = tuple(_READ_PLACES.decode(hold.places).items())
            hold.state, hold.ended_at = state, moment(event.at)
            if isinstance(event, HoldCommitted):
                hold.order_id = event.order_id
        self._holds.end(key)
        self._holds.forget(key)
        for location, units in parts:
            deltas[location].reserved -= units
        if isinstance(event, HoldCommitted) and event.owed:
            self.set_line(
                DemandSet(
                    at=event.at,
                    sku=event.sku,
                    account=event.account,
                    order_id=event.order_id or OrderId(event.hold_id),
                    line_id=hold_line_id(event.hold_id),
                    committed=tuple(parts),
                ),
                deltas,
            )
        return units_of(parts)

    # -- order lines

    def set_line(self, event: DemandSet, deltas: Deltas) -> None:
        """Bring an order line to its level, whatever it stood at."""
        key = (event.sku, event.account, event.order_id, event.line_id)
        at, expires_at = moment(event.at), moment_or_none(event.expires_at)
        before = self._allocations.of(key)
        for (location,), was in before.items():
            _claim(deltas, location, was, -1)
        after: dict[tuple[LocationId], Allocation] = {}
        for what, parts in (
            ("committed", event.committed),
            ("reserved", event.reserved),
            ("shipped", event.shipped),
            ("returned", event.returned),
        ):
            for location, units in parts:
                there = after.setdefault((location,), Allocation(expires_at=expires_at, changed_at=at))
                setattr(there, what, getattr(there, what) + units)
        for tail in [tail for tail in before if tail not in after]:
            self._allocations.drop(key, tail)
        for (location,), now in after.items():
            _claim(deltas, location, now, 1)
            self._allocations.put(key, now, (location,))

    def lapse(self, event: DemandLapsed, deltas: Deltas) -> None:
        """Free what of an order line was kept until paid."""
        key = (event.sku, event.account, event.order_id, event.line_id)
        for tail, there in list(self._allocations.of(key).items()):
            (location,) = tail
            deltas[location].reserved -= there.reserved
            there.reserved, there.expires_at, there.changed_at = 0, None, moment(event.at)
            self._keep(key, tail, there)

    def take_back(self, event: StockReturned) -> None:
        """Take off an order line what came back physically after its channel had said so."""
        key = (event.sku, event.account, event.order_id, event.line_id)
        for location, units in event.taken_back:
            there = self._allocations.of(key)[location,]
            there.returned -= units
            there.changed_at = moment(event.at)
            self._keep(key, (location,), there)

    def _keep(self, key: tuple[object, ...], tail: tuple[object, ...], there: Allocation) -> None:
        if there.committed or there.reserved or there.shipped or there.returned:
            self._allocations.put(key, there, tail)
        else:
            self._allocations.drop(key, tail)

    # -- incidents

    def oversell(self, position: int, number: int, event: OversellRecorded) -> None:
        """Keep an incident; one that only shrank is none."""
        if event.units:
            incident = Incident(
                moment(event.at),
                event.units,
                event.open_units,
                event.account,
                event.order_id,
                event.cause,
                event.detail,
            )
            self._incidents.put((event.sku, event.location or ANY_LOCATION), incident, (position, number))

    def clear(self, event: OversellCleared) -> None:
        """End the incidents of a SKU at a location, or of those that stand in for one another."""
        key = (event.sku, event.location or ANY_LOCATION)
        for incident in self._incidents.of(key).values():
            incident.cleared_at = moment(event.at)
        self._incidents.end(key)


def _claim(deltas: Deltas, location: LocationId, line: Allocation, sign: int) -> None:
    """Enter what an order line claims at a location, or take it out."""
    fact = deltas[location]
    fact.committed += sign * line.committed
    fact.reserved += sign * line.reserved
    fact.on_hand += sign * (line.returned - line.shipped)
