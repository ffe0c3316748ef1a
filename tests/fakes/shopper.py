"""A shop that sends its orders as webhooks, through a real gateway, and remembers which were taken."""

import base64
import hashlib
import hmac
import json
import random
from collections import Counter
from datetime import timedelta
from typing import Any, Final

import httpx
import trio

from tests.fakes.clocks import START
from tests.fakes.processes import answers, wait_until
from tests.fakes.trader import Version, version_of
from tests.fakes.wire import Wire, as_map

SECRET: Final = "storm-secret"
ACCOUNT: Final = """\
[[accounts]]
id = "shop"
channel = "woocommerce"
locations = ["berlin", "hamburg"]
url = "http://127.0.0.1:1"
consumer_key = "file:secret"
consumer_secret = "file:secret"
webhook_secret = "file:secret"
"""
"""Nobody answers there: what this account's orders are the webhooks alone tell. `secret` lies beside the file."""
SHELF: Final = {f"SHOP-{number}": 100_000 for number in range(4)}
"""What it sells, and nobody else does: when its orders come to the books is not in its hands."""
_STATUS: Final = {"accepted": "processing", "shipped": "completed", "cancelled": "cancelled"}
_POST_SECONDS_MAX: Final = 10.0
_HANDLED_SECONDS_MAX: Final = 60.0


class Shopper:
    """One shop: the orders it told, each at its newest version, and the deliveries nobody took."""

    def __init__(self, rng: random.Random, address: str) -> None:
        """Deliver to a gateway at this address."""
        self.taken = 0
        self._orders: dict[int, list[Version]] = {}
        self._untaken: list[bytes] = []
        self._rng = rng
        self._address = address

    async def wait_ready(self) -> None:
        """Wait until the gateway has found its daemon again."""
        await wait_until(lambda: answers(self._address))

    async def sell(self) -> None:
        """Deliver orders until one is not taken, or the caller gives up."""
        async with httpx.AsyncClient() as client:
            while await self._deliver(client, self._draw()):
                pass

    async def retry(self) -> int:
        """Deliver again what was not taken; return how much that was."""
        again, self._untaken = self._untaken, []
        async with httpx.AsyncClient() as client:
            for body in again:
                assert await self._deliver(client, body), body
        return len(again)

    async def wait_handled(self, wire: Wire) -> None:
        """Wait until every order stands at its newest version: what was stored is handled after the answer.

        Raises:
            TooSlowError: one was taken, and never came to the books.
        """
        assert not self._untaken
        for order_id, versions in self._orders.items():
            with trio.fail_after(_HANDLED_SECONDS_MAX):
                while await _units_of(wire, order_id) != versions[-1]:  # noqa: ASYNC110  # another process's doing
                    await trio.sleep(0.005)

    def count(self, sku: str) -> Counter[str]:
        """Return what its orders have done to the figures of one SKU."""
        counted: Counter[str] = Counter()
        for versions in self._orders.values():
            counted["committed"] += versions[-1].open[sku]
            counted["on_hand"] -= versions[-1].shipped[sku]
        return counted

    def _draw(self) -> bytes:
        """Draw the next version of an order, a new one or one that was told before."""
        rng = self._rng
        known = list(self._orders)[-5:]
        order_id = rng.choice(known) if known and rng.random() < 0.5 else len(self._orders) + 1
        versions = self._orders.setdefault(order_id, [])
        lines = {sku: rng.randint(1, 3) for sku in rng.sample(list(SHELF), rng.choice((1, 2)))}
        status = rng.choice(tuple(_STATUS))
        versions.append(version_of(lines.items(), status))
        return _build_order(order_id, len(versions), lines, _STATUS[status])

    async def _deliver(self, client: httpx.AsyncClient, body: bytes) -> bool:
        headers = {
            "x-wc-webhook-topic": "order.updated",
            "x-wc-webhook-signature": base64.b64encode(hmac.digest(SECRET.encode(), body, hashlib.sha256)).decode(),
        }
        url = f"http://{self._address}/webhooks/shop"
        taken = False
        try:
            answer = await client.post(url, content=body, headers=headers, timeout=_POST_SECONDS_MAX)
            assert answer.status_code == 200 or answer.status_code >= 500, answer.text
            taken = answer.status_code == 200
        except httpx.TransportError:
            pass
        finally:
            self.taken += taken
            if not taken:
                self._untaken.append(body)
        return taken


def _build_order(order_id: int, version: int, lines: dict[str, int], status: str) -> bytes:
    stamp = (START + timedelta(seconds=version)).strftime("%Y-%m-%dT%H:%M:%S")
    rows: list[dict[str, Any]] = [
        {"id": 100 * version + number, "product_id": 0, "variation_id": 0, "sku": sku, "quantity": units}
        for number, (sku, units) in enumerate(lines.items())
    ]
    order = {
        "id": order_id,
        "status": status,
        "date_created_gmt": START.strftime("%Y-%m-%dT%H:%M:%S"),
        "date_modified_gmt": stamp,
        "date_completed_gmt": stamp if status == "completed" else None,
        "line_items": rows,
        "refunds": [],
    }
    return json.dumps(order).encode()


async def _units_of(wire: Wire, order_id: int) -> Version | None:
    """Return what the daemon knows of an order, None if nothing."""
    found = await wire.call("ORDER", "shop", order_id)
    if not isinstance(found, dict):
        return None
    lines = as_map(found)["lines"]
    shipped = version_of(((line["sku"], line["shipped"]) for line in lines), "shipped")
    return Version(version_of(((line["sku"], line["open"]) for line in lines), "accepted").open, shipped.shipped)
