"""What orders leave open, per account: a projection of the journal, for CHANNEL LIST."""

from collections import OrderedDict
from typing import Final

from engine.domain.events import OrderRecorded
from engine.domain.units import AccountId, OrderId

NOTED_MAX: Final = 100
"""Orders per account, the newest; ORDER shows the notes of any."""


class OrderNotes:
    """The newest orders of each account whose last snapshot had something to note."""

    def __init__(self) -> None:
        """Start without any."""
        self._noted: dict[AccountId, OrderedDict[OrderId, tuple[str, ...]]] = {}

    def apply(self, event: OrderRecorded) -> None:
        """Take in an order's newest snapshot: what it does not say any more is settled."""
        order = event.snapshot
        noted = self._noted.get(order.account)
        if noted is None:
            if not order.notes:
                return
            noted = self._noted[order.account] = OrderedDict()
        noted.pop(order.order_id, None)
        if order.notes:
            noted[order.order_id] = order.notes
            if len(noted) > NOTED_MAX:
                noted.popitem(last=False)

    def of(self, account: AccountId) -> tuple[str, ...]:
        """Return an account's notes, the newest order first."""
        noted = self._noted.get(account, OrderedDict())
        return tuple(f"order {order_id}: {note}" for order_id, notes in reversed(noted.items()) for note in notes)
