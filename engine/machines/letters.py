"""Dead letters of one account: what its channel told and nobody understood, kept whole until it is or a person decides.

An order that cannot be read must not hold up those behind it, and must not be passed over either (lesson E4). So it is
kept, the watermark goes on, and the order is asked for by its id again and again, less and less often.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, Literal

from engine.domain.events import LetterEvent, LetterKept, LetterSettled
from engine.domain.units import AccountId, LetterId, OrderId
from engine.ports import UnreadableOrder, WebhookDelivery

Outcome = Literal["understood", "discarded"]

_FIRST_SECONDS: Final = 60.0
"""Until an order is asked for again: most that cannot be read were changed while they were."""
_LAST_SECONDS: Final = 3600.0
_WEBHOOK: Final = "webhook-"


def letter_of_order(order_id: OrderId) -> LetterId:
    """Name the letter that an order has or would have."""
    return LetterId(f"order-{order_id}")


def letter_of_delivery(key: str) -> LetterId:
    """Name the letter that a webhook has or would have."""
    return LetterId(_WEBHOOK + key)


def delivery_key_of(letter_id: LetterId) -> str:
    """Return the delivery's key by which a webhook's letter was named."""
    return letter_id.removeprefix(_WEBHOOK)


class _Try:
    """When an order is asked for next, and how often it was."""

    __slots__ = ("at", "tries")

    def __init__(self, at: datetime) -> None:
        self.at = at
        self.tries = 0


class Letters:
    """The open ones. `keep_*` and `settle` make events and change nothing; `apply` takes them when they are durable."""

    def __init__(self, account: AccountId, *, kept_max: int) -> None:
        """Start without any; more than `kept_max` are not kept."""
        self.account = account
        self.open: dict[LetterId, LetterKept] = {}
        """Oldest first."""
        self._kept_max = kept_max
        self._tries: dict[LetterId, _Try] = {}

    def apply(self, event: LetterEvent) -> None:
        """Take one durable event."""
        match event:
            case LetterKept(letter_id=letter_id):
                self.open[letter_id] = event
                if event.order_id is not None:
                    first_at = event.at + timedelta(seconds=_FIRST_SECONDS)
                    next_try = self._tries.setdefault(letter_id, _Try(first_at))
                    next_try.at = max(next_try.at, first_at)  # a poll has just brought it again
            case LetterSettled(letter_id=letter_id):
                self.open.pop(letter_id, None)
                self._tries.pop(letter_id, None)

    def keep_orders(
        self, orders: Iterable[UnreadableOrder], now: datetime
    ) -> tuple[list[LetterKept], list[UnreadableOrder]]:
        """Return what is to be kept, and the orders that there is no room for."""
        kept: dict[LetterId, LetterKept] = {}
        left: list[UnreadableOrder] = []
        for order in orders:
            letter_id = letter_of_order(order.order_id)
            known = self.open.get(letter_id)
            if known is not None and (known.modified_at, known.reason) == (order.modified_at, order.reason):
                continue  # every poll of the overlap brings it again
            if known is None and letter_id not in kept and len(self.open) + len(kept) >= self._kept_max:
                left.append(order)
                continue
            kept[letter_id] = LetterKept(
                at=now,
                account=self.account,
                letter_id=letter_id,
                reason=order.reason,
                headers={},
                body=order.body,
                order_id=order.order_id,
                modified_at=order.modified_at,
            )
        return list(kept.values()), left

    def keep_webhook(self, key: str, delivery: WebhookDelivery, reason: str, now: datetime) -> LetterKept | None:
        """Return what is to be kept; None: there is no room, and the poll will tell what it would have told."""
        letter_id = letter_of_delivery(key)
        if letter_id not in self.open and len(self.open) >= self._kept_max:
            return None
        return LetterKept(
            at=now,
            account=self.account,
            letter_id=letter_id,
            reason=reason,
            headers=dict(delivery.headers),
            body=delivery.body,
        )

    def settle(
        self,
        letter_ids: Iterable[LetterId],
        now: datetime,
        *,
        outcome: Outcome = "understood",
        by: str = "",
        note: str = "",
    ) -> list[LetterSettled]:
        """Return the events that end those of them that are open."""
        return [
            LetterSettled(at=now, account=self.account, letter_id=letter_id, outcome=outcome, by=by, note=note)
            for letter_id in letter_ids
            if letter_id in self.open
        ]

    def take_due(self, now: datetime, limit: int) -> list[OrderId]:
        """Return orders to ask for again now, and put each off: a minute at first, at last an hour."""
        taken: list[OrderId] = []
        for letter_id, next_try in self._tries.items():
            if len(taken) == limit:
                break
            order_id = self.open[letter_id].order_id
            if next_try.at <= now and order_id is not None:
                next_try.tries += 1
                wait = min(_LAST_SECONDS, _FIRST_SECONDS * 2 ** min(next_try.tries, 16))
                next_try.at = now + timedelta(seconds=wait)
                taken.append(order_id)
        return taken
