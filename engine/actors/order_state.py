"""What the order desk knows, as statements, and back."""

from collections.abc import Iterator
from datetime import datetime

from engine.actors.order_desk import OrderDesk
from engine.domain.catalogue.sold import Order
from engine.domain.stated.orders import OrderStated


class OrderState:
    """The order desk towards snapshots (`engine.domain.stated.Stateful`). Holds nothing of its own."""

    def __init__(self, desk: OrderDesk) -> None:
        """Speak for `desk`, all of whose orders are durable."""
        self._desk = desk

    def state(self, as_of: datetime) -> Iterator[OrderStated]:  # noqa: ARG002 - no order is ever forgotten
        """State every order, by account and order id.

        Holds of an order stand in their own order: which of two commits came first may differ between desk and journal,
        and means nothing.
        """
        orders = self._desk.orders
        for key in sorted(orders):
            account, order_id = key
            known = orders[key]
            yield OrderStated(
                account=account,
                order_id=order_id,
                snapshot=known.snapshot,
                skus=known.skus,
                hold_lines=tuple(sorted(known.hold_lines)),
                packs=known.packs,
                components=known.components,
            )

    def restore(self, statement: OrderStated) -> None:
        """Take in an order."""
        order = Order(statement.snapshot, statement.skus, statement.hold_lines, statement.packs, statement.components)
        self._desk.put((statement.account, statement.order_id), order)
