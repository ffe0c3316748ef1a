"""What the order desk knows of orders."""

from engine.domain.events.base import Line
from engine.domain.orders import OrderSnapshot
from engine.domain.stated.base import BaseStatement
from engine.domain.units import AccountId, LineId, OrderId, Sku


class OrderStated(BaseStatement, frozen=True, kw_only=True, tag="order_stated", gc=False):
    """The newest snapshot of an order and how it was read, as in `engine.domain.catalogue.sold.Order`."""

    account: AccountId
    order_id: OrderId
    snapshot: OrderSnapshot | None = None
    """None: only holds were committed into it so far."""
    skus: tuple[Sku | None, ...] = ()
    hold_lines: tuple[tuple[LineId, Sku], ...] = ()
    packs: tuple[int, ...] = ()
    components: tuple[tuple[Line, ...], ...] = ()


class SettledStated(BaseStatement, frozen=True, kw_only=True, tag="settled_stated", gc=False):
    """Some of an account's orders of which nothing is owed, in the order of their ids."""

    account: AccountId
    day: int
    """On which they changed last at their channel: days since the year 1, UTC."""
    orders: tuple[tuple[OrderId, bytes], ...]
    """Each packed: `engine.domain.catalogue.sold.Order` in msgpack. Its fields are forever, too."""


class OrderNotesStated(BaseStatement, frozen=True, kw_only=True, tag="order_notes_stated", gc=False):
    """What an order of late leaves open; those of an account stand in the order in which they were told."""

    account: AccountId
    order_id: OrderId
    notes: tuple[str, ...]
