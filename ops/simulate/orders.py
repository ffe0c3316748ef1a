"""Orders as a marketplace keeps them: every state that one ever had, by the marketplace's own stamps."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from engine.domain.orders import OrderLine, OrderSnapshot, OrderStatus
from engine.domain.units import AccountId, LineId, ListingId, LocationId, OrderId, Sku
from ops.simulate.oracle.orders import Claim


@dataclass
class MarketLine:
    """One line as it stands now."""

    line: str
    listing: str
    sku: str | None
    """As the marketplace spells it."""
    ordered: int
    cancelled: int = 0
    shipped: int = 0
    returned: int = 0
    pickup: str = ""
    """Where its buyer comes for it, as the location is called here; empty: it is sent."""

    def __str__(self) -> str:
        told = (
            f"{self.listing} x{self.ordered}, {self.cancelled} cancelled, {self.shipped} shipped, {self.returned} back"
        )
        return f"{told}, picked up at {self.pickup}" if self.pickup else told

    @property
    def open(self) -> int:
        """Units that are neither cancelled nor shipped."""
        return self.ordered - self.cancelled - self.shipped


@dataclass
class MarketOrder:
    """One order at one marketplace."""

    account: str
    order: str
    placed_at: datetime
    lines: list[MarketLine]
    held_until: datetime | None
    """Unpaid: until then."""
    modified_at: datetime
    states: int = 0
    """How often it was changed."""
    told: list[OrderSnapshot] = field(default_factory=list)
    """Every state, the newest last."""

    @property
    def claims(self) -> tuple[Claim, ...]:
        """Its lines as the oracle hears of them."""
        return tuple(
            Claim(line.line, line.listing, line.ordered, line.cancelled, line.shipped, line.returned, line.pickup)
            for line in self.lines
        )

    def changed(self, at: datetime) -> None:
        """Stamp its newest state."""
        self.modified_at = max(self.modified_at, at)
        self.states += 1
        self.told.append(self.snapshot())

    @property
    def status(self) -> OrderStatus:
        """In the daemon's words."""
        if self.held_until is not None:
            return OrderStatus.PENDING
        if all(line.open == 0 and line.shipped == 0 for line in self.lines):
            return OrderStatus.CANCELLED
        return OrderStatus.SHIPPED if all(line.open == 0 for line in self.lines) else OrderStatus.ACCEPTED

    def snapshot(self) -> OrderSnapshot:
        """Return its newest state, of unknown age."""
        return OrderSnapshot(
            account=AccountId(self.account),
            order_id=OrderId(self.order),
            status=self.status,
            channel_status=f"state {self.states}",
            placed_at=self.placed_at,
            modified_at=self.modified_at,
            held_until=self.held_until,
            lines=tuple(
                OrderLine(
                    line_id=LineId(line.line),
                    sku=None if line.sku is None else Sku(line.sku),
                    listing_id=ListingId(line.listing),
                    ordered=line.ordered,
                    cancelled=line.cancelled,
                    shipped=line.shipped,
                    returned=line.returned,
                    location=LocationId(line.pickup) if line.pickup else None,
                )
                for line in self.lines
            ),
        )


def read_by(snapshots: Sequence[OrderSnapshot], read_at: datetime) -> tuple[OrderSnapshot, ...]:
    """Return states as somebody has read them who asked at an instant."""
    return tuple(msgspec.structs.replace(snapshot, read_at=read_at) for snapshot in snapshots)
