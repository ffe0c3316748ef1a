"""What the gateway counts."""

import functools
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from ops.gateway.client import DaemonClient, Lane

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
"""From one group commit on a fast disk to a stalled one."""


class Telemetry:
    """The gateway's metrics. Labels are bounded: route templates, configured accounts, words of this code."""

    def __init__(self, registry: CollectorRegistry, daemon: DaemonClient) -> None:
        self._registry = registry
        self.in_flight = 0
        self._requests = Counter(
            "lastunit_gateway_requests", "HTTP requests answered.", ("method", "route", "status"), registry=registry
        )
        self._durations = Histogram(
            "lastunit_gateway_request_duration_seconds",
            "Time from the request's head to its answer.",
            ("route",),
            buckets=_SECONDS,
            registry=registry,
        )
        self._webhooks = Counter(
            "lastunit_webhooks", "Webhook deliveries by what became of them.", ("account", "outcome"), registry=registry
        )
        Gauge("lastunit_gateway_in_flight", "HTTP requests being worked on.", registry=registry).set_function(
            lambda: self.in_flight
        )
        for name, text, read in (
            ("lastunit_gateway_daemon_connections", "Connections to the daemon that are up.", daemon.connected),
            ("lastunit_gateway_daemon_commands_in_flight", "Commands without an answer.", daemon.in_flight),
            ("lastunit_gateway_daemon_connects", "Connections that came up since the start.", daemon.connects),
        ):
            _watch_lanes(Gauge(name, text, ("lane",), registry=registry), read)

    def count_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request by its route template."""
        self._requests.labels(method, route, f"{status // 100}xx").inc()
        self._durations.labels(route).observe(seconds)

    def count_webhook(self, account: str, outcome: str) -> None:
        """Count one delivery of a configured account."""
        self._webhooks.labels(account, outcome).inc()

    def expose(self) -> str:
        """Build the gateway's part of /metrics."""
        return generate_latest(self._registry).decode()


def merge_expositions(ours: str, theirs: str) -> str:
    """Join two Prometheus texts; a family that both have is taken from `ours`, since a family may appear once only."""
    taken = {name for name, _ in _split_families(ours)}
    return ours + "".join(text for name, text in _split_families(theirs) if name not in taken)


def _watch_lanes(gauge: Gauge, read: Callable[[Lane], int]) -> None:
    for lane in Lane:
        gauge.labels(lane.value).set_function(functools.partial(read, lane))


def _split_families(text: str) -> Iterator[tuple[str, str]]:
    """Yield name and lines of each family: comments first, then its samples."""
    name, lines = "", list[str]()
    for line in text.splitlines(keepends=True):
        words = line.split(None, 3)
        if words[:2] in (["#", "HELP"], ["#", "TYPE"]) and len(words) > 2 and words[2] != name:
            if lines:
                yield name, "".join(lines)
            name, lines = words[2], []
        if words[:2] != ["#", "EOF"]:
            lines.append(line if line.endswith("\n") else f"{line}\n")
    if lines:
        yield name, "".join(lines)
