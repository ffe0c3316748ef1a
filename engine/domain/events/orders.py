"""The order desk and intake: what channels told of orders."""

from engine.domain.events.base import BaseEvent, Line
from engine.domain.orders import OrderSnapshot
from engine.domain.units import (
    AccountId,
    Instant,
    Sku,
)


class OrderRecorded(BaseEvent, frozen=True, kw_only=True, tag="order_recorded", gc=False):
    """The newest snapshot of an order, and which SKU each of its lines means (None: no listing matches)."""

    snapshot: OrderSnapshot
    skus: tuple[Sku | None, ...]
    packs: tuple[int, ...] = ()
    """Units of the SKU in one unit of each line; empty: one in each."""
    components: tuple[tuple[Line, ...], ...] = ()
    """What one unit of each line's SKU is made of, by the recipe it was sold under; nothing: a line of no bundle.

    Empty: no line is of a bundle.
    """


class WebhookStored(BaseEvent, frozen=True, kw_only=True, tag="webhook_stored", gc=False):
    """A delivery is safe with us and may be acknowledged."""

    account: AccountId
    delivery_key: str
    headers: dict[str, str]
    body: bytes


class WebhookHandled(BaseEvent, frozen=True, kw_only=True, tag="webhook_handled", gc=False):
    """All that the delivery told has been decided."""

    account: AccountId
    delivery_key: str
    outcome: str


class OrdersCaughtUp(BaseEvent, frozen=True, kw_only=True, tag="orders_caught_up", gc=False):
    """Every order modified up to `through_at` (the channel's time) has been decided."""

    account: AccountId
    through_at: Instant


IntakeEvent = WebhookStored | WebhookHandled | OrdersCaughtUp
OrderEvent = OrderRecorded
