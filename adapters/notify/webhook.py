"""A signed JSON document by POST."""

import hashlib
import hmac
from typing import Final

import msgspec

from adapters.http import Reply, Transport, TransportSettings
from adapters.notify.message import document_of
from engine.domain.alerts import Message
from engine.domain.errors import ChannelError, CredentialsRejected, OutcomeUnknown, Refused, Throttled
from engine.ports import Clock

SIGNATURE: Final = "X-Lastunit-Signature"
TIMESTAMP: Final = "X-Lastunit-Timestamp"
MESSAGE_ID: Final = "X-Lastunit-Message"
_REPLY_BYTES_MAX: Final = 64 * 1024
"""What receivers answer is thrown away."""


class WebhookSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One webhook."""

    destination: str
    node: str
    url: str
    signing_secret: str

    def __repr__(self) -> str:
        return f"WebhookSettings(destination={self.destination!r})"


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """Return the signature of a body sent at a time: HMAC-SHA256 over `timestamp.body`, in hex after `sha256=`.

    The time is signed too, so that a receiver may turn away what somebody recorded and sends again.
    """
    digest = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return f"sha256={digest}"


def check_reply(destination: str, reply: Reply) -> None:
    """Judge what a receiver answered.

    Raises:
        Throttled, CredentialsRejected, Refused, OutcomeUnknown: anything but success.
    """
    problem = error_of(destination, reply.status, reply.headers.get("retry-after", ""))
    if problem is not None:
        raise problem


def error_of(destination: str, status: int, retry_after: str) -> ChannelError | None:
    """Return what a status means for who sent an alert; None: it was taken.

    A redirect is not followed: the body would go to somebody who was not configured. 408 and 425 ask for another try.
    """
    said = f"HTTP {status}"
    if 200 <= status < 300:
        return None
    if status == 429:
        seconds = float(retry_after) if retry_after.isdecimal() and len(retry_after) < 9 else None
        return Throttled(destination, "send", said, seconds)
    if status in {401, 403, 407}:
        return CredentialsRejected(destination, "send", said)
    if status < 500 and status not in {404, 408, 410, 425}:  # a receiver that is away may come back
        return Refused(destination, "send", said)
    return OutcomeUnknown(destination, "send", said)


def make_transport(destination: str) -> Transport:
    """Make the connections to one receiver."""
    return Transport(destination, TransportSettings(connections_max=1, reply_bytes_max=_REPLY_BYTES_MAX))


class WebhookNotifier:
    """Sends to one program."""

    def __init__(self, settings: WebhookSettings, *, clock: Clock, http: Transport | None = None) -> None:
        """Open no connection yet; `http` replaces the network in tests."""
        self._settings = settings
        self._clock = clock
        self._http = http or make_transport(settings.destination)

    async def send(self, message: Message) -> None:
        """Send, signed as of now (`engine.ports.Notifier`)."""
        settings = self._settings
        body = document_of(message, node=settings.node)
        timestamp = str(int(self._clock.now().timestamp()))
        headers = {
            "Content-Type": "application/json",
            MESSAGE_ID: message.message_id,
            TIMESTAMP: timestamp,
            SIGNATURE: sign(settings.signing_secret, timestamp, body),
        }
        check_reply(
            settings.destination, await self._http.send("send", "POST", settings.url, headers=headers, content=body)
        )

    async def aclose(self) -> None:
        """Give connections back; idempotent."""
        await self._http.aclose()
