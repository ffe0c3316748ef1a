"""WooCommerce REST API v3.

`WooCommerceChannel` lives in `.client` and is not re-exported: whoever only receives webhooks needs no HTTP library.
"""

from adapters.channels.woocommerce.protocol import (
    KEPT_HEADERS,
    SIGNATURE_HEADER,
    delivery_key,
    is_creation_ping,
    parse_webhook,
    verify_signature,
)
from adapters.channels.woocommerce.wire import WooCommerceSettings, check_settings

__all__ = [
    "KEPT_HEADERS",
    "SIGNATURE_HEADER",
    "WooCommerceSettings",
    "check_settings",
    "delivery_key",
    "is_creation_ping",
    "parse_webhook",
    "verify_signature",
]
