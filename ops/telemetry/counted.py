"""Every counter and histogram that the listeners move, but for those of the road of every command."""

from collections.abc import Iterator
from typing import Final

from prometheus_client import Metric

from engine.domain.alerts import AlertKind
from engine.domain.orders import Freshness
from engine.domain.units import AccountId
from engine.machines.alerts.deliveries import GIVEN_UP, NO_ROOM, REFUSED
from engine.machines.pushes import SUPERSEDED
from engine.ports import Verdict
from ops.telemetry.families import Spread, Tally

_COMMIT_SECONDS: Final = (0.0002, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 60.0)
"""From a disk with its own battery to one that is full."""
_COMMIT_EVENTS: Final = (1, 3, 10, 30, 100, 300, 1000, 3000, 10_000, 30_000)
_COMMIT_BYTES: Final = (256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216)
_LAGS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 3600.0)
"""Three seconds is the aim; an hour is what an outage or a catalogue of 100,000 listings may take."""
_CALL_SECONDS: Final = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""To the deadline of a call."""
_POLL_SECONDS: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)
"""From an empty page to three days of orders."""

_REOFFER_SECONDS: Final = (0.01, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Ten seconds for 600,000 offers is the aim."""


class Counted:
    """The families."""

    def __init__(self) -> None:
        """Start at zero."""
        self.commands = Tally("commands", "Commands received on the socket, before they are handled.", "command")
        self.refused = Tally("connections_refused", "Connections not let in, or thrown out.", "reason")
        self.clock_steps = Tally("clock_steps", "Times the system clock was set.", "direction")
        self._commit_seconds = Spread("commit_duration_seconds", "Time of one frame in the store.", _COMMIT_SECONDS)
        self._commit_events = Spread("commit_events", "Events of one frame.", _COMMIT_EVENTS)
        self._commit_bytes = Spread("commit_size_bytes", "Payload of one frame.", _COMMIT_BYTES)
        self.commit_seconds = self._commit_seconds.of()
        self.commit_events = self._commit_events.of()
        self.commit_bytes = self._commit_bytes.of()
        self.oversells = Tally("oversells", "Times more was promised of a SKU than there is.", "account", "cause")
        self.oversold = Tally("oversold_units", "Units promised beyond what there is.", "account", "cause")
        self._make_orders()
        self._make_pushes()
        self._make_alerts()
        for direction in ("forward", "back"):
            self.clock_steps.expect(direction)
        for reason in ("too_many", "peer", "slow_reader", "toobig", "err"):
            self.refused.expect(reason)
        self._all = [family for family in vars(self).values() if isinstance(family, Tally | Spread)]

    def _make_orders(self) -> None:
        self.orders = Tally("orders_told", "Order snapshots by how they stand to the newest.", "account", "freshness")
        self.unmatched = Tally("order_lines_unmatched", "Lines of new snapshots that mean no known SKU.", "account")
        self.order_lag = Spread(
            "order_lag_seconds", "Age of a new snapshot (the channel's time) when it is decided.", _LAGS, "account"
        )
        self.unreadable = Tally("orders_unreadable", "Times an order could not be understood.", "account")
        self.polls = Spread(
            "poll_duration_seconds", "Time of one poll for orders.", _POLL_SECONDS, "account", "outcome"
        )
        self.polled = Tally("orders_polled", "Orders that polls brought, known ones included.", "account")
        self.webhooks = Tally("webhooks_handled", "Stored webhooks by what came of them.", "account", "outcome")
        self.revived = Tally("webhook_subscriptions_revived", "Subscriptions the channel had ended.", "account")
        self.created = Tally("webhook_subscriptions_created", "Subscriptions that were missing.", "account")

    def _make_pushes(self) -> None:
        self.pushes = Tally("pushes", "Numbers for listings, by what became of them.", "account", "verdict")
        self.accepted = Spread(
            "sale_to_accepted_seconds", "From a decided change to the channel's yes.", _LAGS, "account"
        )
        self.verified = Spread(
            "sale_to_verified_seconds", "From a decided change to seeing it at the channel.", _LAGS, "account"
        )
        self.drifts = Tally("drifts", "Times a listing showed another number than ours.", "account")
        self.reoffers = Spread(
            "reoffer_duration_seconds", "Time to compute every offer anew, holds first.", _REOFFER_SECONDS, "reason"
        )
        self.reoffered = Tally("offers_changed", "Offers that changed without an event of stock.", "reason")
        for reason in ("rules", "window", "demand"):
            self.reoffered.expect(reason)
            self.reoffers.of(reason)
        self.calls = Tally("channel_calls", "Calls paid from the budget.", "account", "operation", "outcome")
        self.call_seconds = Spread(
            "channel_call_duration_seconds", "Time of one call.", _CALL_SECONDS, "account", "operation"
        )

    def _make_alerts(self) -> None:
        self.alerts = Tally("alerts_raised", "Alerts raised.", "kind")
        self.alert_deliveries = Tally(
            "alert_deliveries",
            "Transitions of alerts by what became of them, and tries that failed.",
            "destination",
            "outcome",
        )
        for kind in AlertKind:
            self.alerts.expect(kind)

    def expect_destination(self, destination: str) -> None:
        """Show the counts of a destination before the first of their kind."""
        for outcome in ("delivered", "retried", NO_ROOM, REFUSED, GIVEN_UP):
            self.alert_deliveries.expect(destination, outcome)

    def expect(self, account: AccountId) -> None:
        """Show an account's counts before the first of their kind."""
        for verdict in (*Verdict, SUPERSEDED):
            self.pushes.expect(account, verdict)
        for freshness in Freshness:
            self.orders.expect(account, freshness)
        for outcome in ("ok", "failed"):
            self.polls.of(account, outcome)
        for spread in (self.order_lag, self.accepted, self.verified):
            spread.of(account)
        for tally in (self.drifts, self.unmatched, self.unreadable, self.polled, self.revived, self.created):
            tally.expect(account)

    def collect(self) -> Iterator[Metric]:
        """Build every family."""
        for family in self._all:
            yield family.collect()
