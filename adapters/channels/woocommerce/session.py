"""One request at a time to one shop: authorised, sent, and its status judged."""

from collections.abc import Callable
from typing import Final, TypeVar

import msgspec

from adapters.channels.woocommerce.auth import Pairs, authorise
from adapters.channels.woocommerce.listings import turn_page
from adapters.channels.woocommerce.replies import Call, check_status, decode, is_missing
from adapters.channels.woocommerce.wire import ENCODE, WooCommerceSettings
from adapters.http import Reply, Transport, TransportSettings
from engine.ports import Clock

T = TypeVar("T")

_PAGES_MAX: Final = 50
"""Most pages of one order's refunds or of one shop's webhooks; only a lying header reaches it."""


class Session:
    """What every operation on a shop shares. Any number of tasks may use it at once."""

    def __init__(
        self, settings: WooCommerceSettings, *, clock: Clock, new_nonce: Callable[[], str], http: Transport | None
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._new_nonce = new_nonce
        self._http = http or Transport(settings.account, _transport_settings(settings))
        self._base = settings.url.rstrip("/") + "/wp-json/wc/v3"
        keys = (settings.consumer_secret, settings.consumer_key, settings.webhook_secret)
        self._secrets = tuple(key for key in keys if key)

    def call(self, operation: str, *, writes: bool = False) -> Call:
        """Name what is about to be tried."""
        return Call(
            channel=self._settings.account,
            operation=operation,
            writes=writes,
            retry_after_seconds_max=self._settings.retry_after_seconds_max,
            secrets=self._secrets,
        )

    def page_params(self, page: int) -> Pairs:
        """One page of a collection by id: a row that changes while its neighbours are read keeps its place."""
        size = str(self._settings.page_size)
        return (("orderby", "id"), ("order", "asc"), ("page", str(page)), ("per_page", size))

    async def read(self, call: Call, path: str, params: Pairs = ()) -> Reply:
        """GET something that is there.

        Raises:
            ChannelError: any answer but success.
        """
        return self.check(call, await self._send(call, "GET", path, params))

    async def find(self, call: Call, path: str, params: Pairs = ()) -> Reply | None:
        """GET something that may be gone; None when WooCommerce itself says that it is."""
        reply = await self._send(call, "GET", path, params)
        return None if is_missing(reply.status, reply.body) else self.check(call, reply)

    async def read_all(
        self, call: Call, path: str, decoder: "msgspec.json.Decoder[list[T]]", params: Pairs = ()
    ) -> list[T]:
        """GET every page of a short collection."""
        rows: list[T] = []
        page = 1
        while 0 < page <= _PAGES_MAX:
            reply = await self.read(call, path, (("page", str(page)), ("per_page", "100"), *params))
            found = decode(call, decoder, reply.body)
            rows.extend(found)
            page, _ = turn_page(reply.headers, page=page, page_size=100, rows=len(found), total_before=None)
        return rows

    async def write(self, call: Call, method: str, path: str, body: bytes | dict[str, str]) -> Reply:
        """Send a change; the reply's status is still to be checked."""
        content = body if isinstance(body, bytes) else ENCODE(body)
        return await self._send(call, method, path, content=content)

    def check(self, call: Call, reply: Reply) -> Reply:
        """Return the reply when its status promises an answer, see `check_status`."""
        check_status(call, reply.status, reply.headers, reply.body, self._clock.now())
        return reply

    async def aclose(self) -> None:
        """Give connections back; idempotent."""
        await self._http.aclose()

    async def _send(
        self, call: Call, method: str, path: str, params: Pairs = (), content: bytes | None = None
    ) -> Reply:
        url = self._base + path
        headers, query = authorise(self._settings, method, url, params, nonce=self._new_nonce(), now=self._clock.now())
        # JSON asked for by name also keeps WordPress from printing PHP warnings into the answer.
        kind = {"Content-Type": "application/json"} if content is not None else {}
        return await self._http.send(
            call.operation,
            method,
            url,
            headers={"Accept": "application/json", **kind, **dict(headers)},
            params=query,
            content=content,
        )


def _transport_settings(settings: WooCommerceSettings) -> TransportSettings:
    return TransportSettings(**{name: getattr(settings, name) for name in TransportSettings.__struct_fields__})
