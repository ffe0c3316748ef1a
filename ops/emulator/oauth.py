"""Who may come in: HTTP Basic and keys in the query on TLS, one-legged OAuth 1.0a everywhere else. No IO.

Source: class-wc-rest-authentication.php.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable
from datetime import datetime
from urllib.parse import quote

from ops.emulator.messages import Refusal, Request

WINDOW_SECONDS = 15 * 60
_DIGESTS = {"HMAC-SHA1": hashlib.sha1, "HMAC-SHA256": hashlib.sha256}
_REQUIRED = ("oauth_consumer_key", "oauth_timestamp", "oauth_nonce", "oauth_signature", "oauth_signature_method")


class Gate:
    """One read-write key pair, and the nonces it has used in the last quarter of an hour.

    `home_url` is where the shop believes to live; a client that reaches it under another name signs something else
    and is refused, as by a real shop.
    """

    def __init__(self, *, key: str, secret: str, home_url: str, behind_tls: bool) -> None:
        self._key = key
        self._secret = secret
        self._home_url = home_url
        self._behind_tls = behind_tls
        self._nonces: dict[str, float] = {}

    def admits(self, request: Request, now: datetime) -> bool:
        """Tell whether the request carries valid credentials; False when it carries none that count here.

        Raises:
            Refusal: 401, when it carries OAuth parameters or a secret and they are wrong.
        """
        return (self._behind_tls and self._admits_basic(request)) or self._admits_oauth(request, now)

    def _admits_basic(self, request: Request) -> bool:
        key, secret = request.query.get("consumer_key"), request.query.get("consumer_secret")
        if not key or not secret:
            key, secret = _basic_credentials(request.headers.get("authorization", ""))
        if key != self._key:
            return False
        if not hmac.compare_digest(secret.encode(), self._secret.encode()):
            raise _error("Consumer secret is invalid.")
        return True

    def _admits_oauth(self, request: Request, now: datetime) -> bool:
        query = request.query
        missing = [name for name in _REQUIRED if not query.get(name)]
        if len(missing) == len(_REQUIRED):
            return False
        if missing:
            plural = "s" if len(missing) > 1 else ""
            message = f"Missing OAuth parameter{plural} {', '.join(missing)}"
            raise Refusal("woocommerce_rest_authentication_missing_parameter", message, 401)
        if query["oauth_consumer_key"] != self._key:
            raise _error("Consumer key is invalid.")
        expected = sign(request.method, self._home_url + request.path, request.pairs, self._secret)
        if not hmac.compare_digest(expected.encode(), query["oauth_signature"].replace(" ", "+").encode()):
            raise _error("Invalid signature - provided signature does not match.")
        self._use_nonce(query["oauth_timestamp"], query["oauth_nonce"], now.timestamp())
        return True

    def _use_nonce(self, timestamp: str, nonce: str, now: float) -> None:
        if not timestamp.isdigit() or abs(int(timestamp) - now) > WINDOW_SECONDS:
            raise _error("Invalid timestamp.")
        if nonce in self._nonces:
            raise _error("Invalid nonce - nonce has already been used.")
        self._nonces[nonce] = now
        for used, at in list(self._nonces.items())[:2]:  # oldest first; two out for one in keeps the memory bounded
            if at < now - 2 * WINDOW_SECONDS:
                del self._nonces[used]


def sign(method: str, url: str, pairs: Iterable[tuple[str, str]], secret: str) -> str:
    """Compute the signature that a shop expects for a request.

    Args:
        method: as on the request line.
        url: scheme, authority and path, without the query.
        pairs: the query as sent, with or without `oauth_signature`; of equal names the last counts, as in PHP.
        secret: the consumer secret; there is no token.

    Returns:
        The base64 text, not percent-encoded.

    Raises:
        Refusal: 401 for a signature method other than HMAC-SHA1 and HMAC-SHA256.

    Source: RFC 5849 section 3.4; array parameters as PHP spells them (`include[0]`), which is WooCommerce's own.
    """
    params = _php_params(pairs)
    params.pop("oauth_signature", None)
    digest = _DIGESTS.get(params.get("oauth_signature_method", ""))
    if digest is None:
        raise _error("Invalid signature - signature method is invalid.")
    joined = "&".join(f"{_escape(name)}={_escape(params[name])}" for name in sorted(params))
    base = "&".join((method.upper(), _escape(url), _escape(joined)))
    return base64.b64encode(hmac.new(f"{secret}&".encode(), base.encode(), digest).digest()).decode()


def _php_params(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    params: dict[str, str] = {}
    lengths: dict[str, int] = {}
    for name, value in pairs:
        if name.endswith("[]"):
            index = lengths[name] = lengths.get(name, -1) + 1
            params[f"{name[:-2]}[{index}]"] = value
        else:
            params[name] = value
    return params


def _escape(text: str) -> str:
    return quote(text, safe="~")


def _basic_credentials(header: str) -> tuple[str, str]:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        key, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return key, secret


def _error(message: str) -> Refusal:
    return Refusal("woocommerce_rest_authentication_error", message, 401)
