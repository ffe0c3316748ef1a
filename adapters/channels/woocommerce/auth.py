"""How a request proves who we are: HTTP Basic or the query over https, OAuth 1.0a signatures over http. Pure."""

import hmac
from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal
from urllib.parse import quote, urlsplit

from adapters.channels.woocommerce.wire import WooCommerceSettings

Pairs = tuple[tuple[str, str], ...]
SignatureMethod = Literal["HMAC-SHA256", "HMAC-SHA1"]

_DIGESTS: Final = {"HMAC-SHA256": "sha256", "HMAC-SHA1": "sha1"}


def authorise(
    settings: WooCommerceSettings,
    method: str,
    url: str,
    params: Sequence[tuple[str, str]],
    *,
    nonce: str,
    now: datetime,
) -> tuple[Pairs, Pairs]:
    """Add credentials to a request whose `url` has no query and whose `params` are not encoded.

    Over http, `nonce` was never used before with this key, and `now` is within 15 minutes of the shop's clock, or the
    shop refuses the signature; over https neither is looked at.

    Returns:
        Headers to add, and the whole query in the order to send.
    """
    scheme = urlsplit(url).scheme
    if scheme == "http":
        signed = (
            *params,
            ("oauth_consumer_key", settings.consumer_key),
            ("oauth_nonce", nonce),
            ("oauth_signature_method", settings.signature_method),
            ("oauth_timestamp", str(int(now.timestamp()))),
        )
        signature = sign_oauth1(method, url, signed, settings.consumer_secret, settings.signature_method)
        return (), (*signed, ("oauth_signature", signature))
    assert scheme == "https", "keys may leave this process only encrypted or as a signature"
    keys = (("consumer_key", settings.consumer_key), ("consumer_secret", settings.consumer_secret))
    if settings.query_string_auth:
        return (), (*params, *keys)
    basic = b64encode(f"{settings.consumer_key}:{settings.consumer_secret}".encode()).decode()
    return (("Authorization", f"Basic {basic}"),), tuple(params)


def sign_oauth1(
    method: str, url: str, params: Sequence[tuple[str, str]], consumer_secret: str, signature_method: SignatureMethod
) -> str:
    """Sign a request without a token; the body is never signed.

    `url` has no query; `params` is the query with every `oauth_*` parameter but the signature, not encoded.

    Source: RFC 5849 sections 3.4.1 and 3.4.2; woocommerce/includes/class-wc-rest-authentication.php.
    """
    encoded = sorted((_encode(name), _encode(value)) for name, value in params)
    base = "&".join(
        (
            method.upper(),
            _encode(_base_uri(url)),
            _encode("&".join(f"{name}={value}" for name, value in encoded)),
        )
    )
    # WooCommerce does not encode the secret as the RFC asks; keys it made itself have nothing to encode.
    digest = hmac.digest(f"{consumer_secret}&".encode(), base.encode(), _DIGESTS[signature_method])
    return b64encode(digest).decode()


def _base_uri(url: str) -> str:
    """Lower-case scheme and host, no default port. Source: RFC 5849 section 3.4.1.2."""
    parts = urlsplit(url)
    default = {"http": ":80", "https": ":443"}[parts.scheme]
    return f"{parts.scheme}://{parts.netloc.lower().removesuffix(default)}{parts.path or '/'}"


def _encode(text: str) -> str:
    return quote(text, safe="-._~")
