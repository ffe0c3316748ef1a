"""Orders as a channel would tell them, one short call each."""

from datetime import datetime, timedelta

from engine.domain.orders import OrderLine, OrderSnapshot, OrderStatus
from engine.domain.units import AccountId, LineId, ListingId, OrderId, Sku
from tests.fakes.clocks import START

SHOP = AccountId("shop")


def order_line(
    sku: str | None,
    ordered: int,
    *,
    line: str = "1",
    listing: str | None = None,
    cancelled: int = 0,
    shipped: int = 0,
    returned: int = 0,
) -> OrderLine:
    """One line; the first one unless told."""
    return OrderLine(
        line_id=LineId(line),
        sku=None if sku is None else Sku(sku),
        listing_id=None if listing is None else ListingId(listing),
        ordered=ordered,
        cancelled=cancelled,
        shipped=shipped,
        returned=returned,
    )


def order(
    *lines: OrderLine,
    second: float = 0,
    order_id: str = "1",
    account: AccountId = SHOP,
    status: OrderStatus = OrderStatus.ACCEPTED,
    held_until: datetime | None = None,
    read_second: float | None = None,
) -> OrderSnapshot:
    """Return an order placed at noon, as it was `second` seconds later."""
    return OrderSnapshot(
        account=account,
        order_id=OrderId(order_id),
        status=status,
        placed_at=START,
        modified_at=START + timedelta(seconds=second),
        read_at=None if read_second is None else START + timedelta(seconds=read_second),
        held_until=held_until,
        lines=lines,
    )
