"""`python -m ops.bench.webhooks`: how many order webhooks a second the gateway acknowledges, each stored by then.

Real processes: a daemon on the embedded store, its one gateway worker, and 64 connections that each send the next
delivery when the last one is acknowledged. Bodies are whole signed orders as the emulated shop writes them, every order
another one; the daemon takes them in meanwhile, as it would on a busy day.
"""

import os
import re
import selectors
import socket as sockets
import statistics
import sys
import tempfile
import time
import urllib.request
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click
import msgspec

from ops.bench.load import cpu_seconds
from ops.bench.peers import running_daemon, wait_until
from ops.emulator import wire
from ops.emulator.clock import Clock
from ops.emulator.control import Seed
from ops.emulator.model import Wanted
from ops.emulator.shop import Shop
from ops.emulator.webhooks import delivery_id, sign

PER_SECOND_MUST: Final = 1000.0
PER_SECOND_AIM: Final = 3000.0
CONNECTIONS: Final = 64
_SECRET: Final = "bench"
_LENGTH: Final = re.compile(rb"(?i)content-length: *(\d+)")
_CONFIG: Final = """
[node]
log_level = "error"
[gateway]
listen = "{listen}"
public_url = "http://{listen}"
[[locations]]
id = "main"
[[accounts]]
channel = "woocommerce"
id = "shop"
url = "http://127.0.0.1:1"
consumer_key = "env:LASTUNIT_BENCH_SECRET"
consumer_secret = "env:LASTUNIT_BENCH_SECRET"
webhook_secret = "env:LASTUNIT_BENCH_SECRET"
locations = ["main"]
"""
"""Nobody answers at that shop: all that is known of its orders comes with the webhooks."""


class Round(msgspec.Struct, frozen=True):
    """Some thousand deliveries, all acknowledged and stored."""

    per_second: float
    p50_ms: float
    p99_ms: float
    client_cpu_us: float
    """Of the sender, per delivery: it takes its part of two processors."""
    daemon_cpu_us: float


@click.command()
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True)
@click.option("--deliveries", type=click.IntRange(min=CONNECTIONS), default=6000, show_default=True, help="A round.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(*, rounds: int, deliveries: int, as_json: bool) -> None:
    """Measure webhooks stored and acknowledged per second."""
    found: list[Round] = []
    written = _write_deliveries()
    with _running() as (pid, port):
        for number in range(1, rounds + 1):
            click.echo(f"round {number}", err=True)
            found.append(_measure(pid, port, [next(written) for _ in range(deliveries)]))
            stored = _count_stored(port)
            if stored != deliveries * number:
                raise click.ClickException(f"{deliveries * number} were acknowledged, {stored} are stored")
    click.echo(msgspec.json.encode(found).decode() if as_json else _tell(found))


def _tell(found: Sequence[Round]) -> str:
    rates = [each.per_second for each in found]
    rate = statistics.median(rates)
    state = "aim" if rate >= PER_SECOND_AIM else "must" if rate >= PER_SECOND_MUST else "MISSED"
    return (
        f"webhooks stored and acknowledged, {CONNECTIONS} connections, one gateway worker: {rate:.0f}/s"
        f" ({min(rates):.0f}..{max(rates):.0f})  must {PER_SECOND_MUST:.0f}, aim {PER_SECOND_AIM:.0f}: {state}\n"
        f"p50 {statistics.median(each.p50_ms for each in found):.1f} ms,"
        f" p99 {statistics.median(each.p99_ms for each in found):.1f} ms; processor per delivery:"
        f" daemon {statistics.median(each.daemon_cpu_us for each in found):.0f} us,"
        f" sender {statistics.median(each.client_cpu_us for each in found):.0f} us; load {os.getloadavg()[0]:.1f}"
    )


@contextmanager
def _running() -> Iterator[tuple[int, int]]:
    """Start a daemon with a gateway; yield its process number and the gateway's port."""
    with sockets.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="lastunit-webhooks-") as name:
        config = Path(name) / "lastunit.toml"
        config.write_text(_CONFIG.format(listen=f"127.0.0.1:{port}"))
        with running_daemon(config, LASTUNIT_BENCH_SECRET=_SECRET) as (process, _client):
            wait_until(lambda: _listens(port))
            yield process.pid, port


def _listens(port: int) -> bool:
    try:
        sockets.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def _write_deliveries() -> Iterator[bytes]:
    """Write signed requests, each of an order of its own."""
    site = wire.Site(name="bench", home_url="http://127.0.0.1:1")
    shop, at = Shop(), Clock().now()
    shop.add(Seed(sku="MUG", stock_quantity=10**9).fields(), at)
    number = 0
    while True:
        number += 1
        order = shop.buy([Wanted(sku="MUG", quantity=1)], "processing", at)
        body = msgspec.json.encode(wire.order(site, order))
        head = (
            "POST /webhooks/shop HTTP/1.1\r\nHost: bench\r\nUser-Agent: WooCommerce/9.4.0 Hookshot (WordPress/6.7)\r\n"
            "Content-Type: application/json\r\nX-WC-Webhook-Source: http://127.0.0.1:1/\r\n"
            "X-WC-Webhook-Topic: order.created\r\nX-WC-Webhook-Resource: order\r\nX-WC-Webhook-Event: created\r\n"
            f"X-WC-Webhook-Signature: {sign(_SECRET, body)}\r\nX-WC-Webhook-ID: 1\r\n"
            f"X-WC-Webhook-Delivery-ID: {delivery_id(1, number)}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        yield head.encode() + body


class _Sender:
    """One connection: the next delivery goes out when the last one is acknowledged."""

    def __init__(self, port: int, left: deque[bytes]) -> None:
        """Connect; `left` is what all of them are to send."""
        self.socket = sockets.create_connection(("127.0.0.1", port))
        self._left = left
        self._answer = b""
        self._sent_at = 0.0

    def send_next(self) -> None:
        """Send a delivery, if any is left."""
        if self._left:
            self._answer = b""
            self._sent_at = time.perf_counter()
            self.socket.sendall(self._left.popleft())

    def receive(self) -> float | None:
        """Read some of the answer; return how long it took when it is whole, and send the next one."""
        self._answer += self.socket.recv(65536)
        head, blank, body = self._answer.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 2"):
            raise click.ClickException(f"not acknowledged: {self._answer[:300]!r}")
        length = _LENGTH.search(head)
        if not blank or length is None or len(body) < int(length[1]):
            return None
        took = time.perf_counter() - self._sent_at
        self.send_next()
        return took


def _measure(pid: int, port: int, batch: list[bytes]) -> Round:
    """Send all of them."""
    left, seconds = deque(batch), list[float]()
    senders = [_Sender(port, left) for _ in range(CONNECTIONS)]
    with selectors.DefaultSelector() as selector:
        for sender in senders:
            selector.register(sender.socket, selectors.EVENT_READ, sender)
        cpu, own, started = cpu_seconds(pid), time.process_time(), time.perf_counter()
        for sender in senders:
            sender.send_next()
        while len(seconds) < len(batch):
            for key, _ in selector.select():
                took = key.data.receive()
                if took is not None:
                    seconds.append(took)
        elapsed = time.perf_counter() - started
        own, cpu = time.process_time() - own, cpu_seconds(pid) - cpu
    for sender in senders:
        sender.socket.close()
    cuts = statistics.quantiles(seconds, n=100)
    count = len(batch)
    return Round(count / elapsed, cuts[49] * 1e3, cuts[98] * 1e3, own * 1e6 / count, cpu * 1e6 / count)


def _count_stored(port: int) -> int:
    """Ask the metrics what has become of all deliveries."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    counted = 'lastunit_webhooks_total{account="shop",outcome="stored"} '
    return round(sum(float(line.removeprefix(counted)) for line in lines if line.startswith(counted)))


if __name__ == "__main__":
    sys.exit(main())
