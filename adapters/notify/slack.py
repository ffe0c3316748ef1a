"""Whatever takes Slack's incoming webhooks: `{"text": ...}` by POST.

Source: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
"""

from typing import Final

import msgspec

from adapters.http import Transport
from adapters.notify.message import text_of
from adapters.notify.webhook import check_reply, make_transport
from engine.domain.alerts import Message

_TEXT_CHARACTERS_MAX: Final = 12_000
"""Slack cuts texts off at 40,000 characters, others sooner (Mattermost: 16,383): a line that is lost should say so."""
_ENCODER: Final = msgspec.json.Encoder()


class SlackSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One incoming webhook; its address is the secret."""

    destination: str
    node: str
    hook_url: str

    def __repr__(self) -> str:
        return f"SlackSettings(destination={self.destination!r})"


def build_body(message: Message, *, node: str) -> bytes:
    """Build the request's body: plain text in which nothing is a link, a mention or a format."""
    text = text_of(message, node=node)
    if message.notices:
        text = f"[{node}]\n{text}"
    if len(text) > _TEXT_CHARACTERS_MAX:
        text = text[:_TEXT_CHARACTERS_MAX].rpartition("\n")[0] + "\n... cut off: lastunit alerts shows the rest"
    # Slack's own three entities; what is left can start neither <!channel> nor <https://...|text>
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _ENCODER.encode({"text": text, "mrkdwn": False})


class SlackNotifier:
    """Sends to one incoming webhook."""

    def __init__(self, settings: SlackSettings, *, http: Transport | None = None) -> None:
        """Open no connection yet; `http` replaces the network in tests."""
        self._settings = settings
        self._http = http or make_transport(settings.destination)

    async def send(self, message: Message) -> None:
        """Send (`engine.ports.Notifier`)."""
        settings = self._settings
        body = build_body(message, node=settings.node)
        headers = {"Content-Type": "application/json"}
        check_reply(
            settings.destination,
            await self._http.send("send", "POST", settings.hook_url, headers=headers, content=body),
        )

    async def aclose(self) -> None:
        """Give connections back; idempotent."""
        await self._http.aclose()
