"""From an account's settings to its channel: the one place that knows which adapters there are."""

import secrets

from adapters.channels.woocommerce.client import WooCommerceChannel
from adapters.channels.woocommerce.wire import WooCommerceSettings
from config.schema import Account, WooCommerceAccount
from engine.domain.orders import OrderStatus
from engine.domain.units import AccountId, LocationId
from engine.ports import Channel, Clock

KINDS = {WooCommerceAccount: "woocommerce"}
"""What CHANNEL LIST and metrics call the channel of an account."""


def build_channel(account: Account, *, public_url: str | None, clock: Clock) -> Channel:
    """Make the channel of one account; no connection is opened.

    Args:
        account: its settings, secrets resolved.
        public_url: how channels reach the gateway; None: no webhooks are subscribed.
        clock: the time, for signatures.

    Raises:
        ConfigError: the settings cannot work.
    """
    webhooks = account.webhook_secret is not None and public_url is not None
    settings = WooCommerceSettings(
        account=AccountId(account.id),
        url=account.url,
        consumer_key=account.consumer_key.reveal(),
        consumer_secret=account.consumer_secret.reveal(),
        webhook_secret=account.webhook_secret.reveal() if account.webhook_secret is not None else "",
        query_string_auth=account.query_string_auth,
        signature_method=account.signature_method,
        delivery_url=f"{public_url.rstrip('/')}/webhooks/{account.id}" if webhooks and public_url else None,
        pending_minutes=account.pending_minutes or None,
        draft_minutes=account.draft_minutes,
        refund_restock=account.refund_restock,
        trashed=account.trashed,
        status_map={name: OrderStatus(status) for name, status in account.status_map.items()},
        pickup=_places_of(account),
    )
    return WooCommerceChannel(settings, clock=clock, new_nonce=lambda: secrets.token_hex(16))


def _places_of(account: Account) -> dict[str, LocationId] | None:
    """Return where its orders are picked up; None: it sells from one location, so it makes no difference."""
    if len(account.locations) == 1:
        return None
    return {name: LocationId(location) for name, location in account.pickup.items()}
