"""What orders leave open, per account: a projection of the journal, for CHANNEL LIST."""

from collections import OrderedDict
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from engine.domain.events import OrderRecorded
from engine.domain.stated.orders import OrderNotesStated
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

    # -- as statements (`engine.domain.stated.Stateful`)

    def state(self, as_of: datetime) -> Iterator[OrderNotesStated]:  # noqa: ARG002 - none goes by time
        """State the notes of every account, the newest order last."""
        for account, noted in sorted(self._noted.items()):
            for order_id, notes in noted.items():
                yield OrderNotesStated(account=account, order_id=order_id, notes=notes)

    def restore(self, statement: OrderNotesStated) -> None:
        """Take in the notes of an order."""
        self._noted.setdefault(statement.account, OrderedDict())[statement.order_id] = statement.notes
