"""What is read at scrape time: mailboxes, the node's figures, the accounts' standing."""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Final, get_args

from prometheus_client import Metric

from engine.actors.mailbox import Mailbox
from engine.domain.alerts import AlertKind
from engine.domain.units import Sku
from engine.machines.listing import State
from engine.machines.views import AccountState, AccountStatus
from ops.account import ChannelAccount
from ops.node import Node
from ops.telemetry.families import build_counter, build_gauge

_WINDOW_SAMPLES: Final = 61
"""A minute of samples, one a second."""
_STATES: Final[tuple[str, ...]] = get_args(AccountState)
_NO_SKU: Final = Sku("")


class BudgetUse:
    """What part of an account's budget the last minute spent."""

    def __init__(self, calls_per_second: float) -> None:
        """Measure against what may be spent in the long run."""
        self.calls_per_second = calls_per_second
        self._samples: deque[tuple[float, int]] = deque(maxlen=_WINDOW_SAMPLES)

    def sample(self, now: float, spent: int) -> None:
        """Note the calls ever started by `now` (monotonic)."""
        self._samples.append((now, spent))

    @property
    def ratio(self) -> float:
        """Calls started over calls allowed; saved-up burst brings it above 1. 0 before there are two samples."""
        if len(self._samples) < 2:
            return 0.0
        (began, before), (now, spent) = self._samples[0], self._samples[-1]
        return (spent - before) / ((now - began) * self.calls_per_second) if now > began else 0.0


class MailboxGauges:
    """Depths of all inboxes."""

    def __init__(self) -> None:
        """Watch none yet."""
        self.mailboxes: list[Mailbox[Any]] = []

    def collect(self) -> Iterator[Metric]:
        """Build the families."""
        for name, text, read in _MAILBOX_FIGURES:
            yield build_gauge(name, text, (((each.name,), read(each)) for each in self.mailboxes), "mailbox")


class NodeGauges:
    """Figures of one node, read when they are asked for; nothing here walks the books but `__init__`, once."""

    def __init__(self, node: Node, holds_moved: Callable[[], int]) -> None:
        """Read a node that has been replayed.

        Args:
            node: whose figures.
            holds_moved: holds opened less holds ended by what was decided since the process started.
        """
        self._node = node
        self._holds_moved = holds_moved
        self._holds_before = (
            sum(len(book.holds) for shard in node.shards for book in shard.ledger.books.values()) - holds_moved()
        )
        self._budgets = {account.id: BudgetUse(account.budget.calls_per_second) for account in node.settings.accounts}

    def sample(self, now: float) -> None:
        """Note what the accounts have spent so far; call it about once a second."""
        for account in self._node.accounts.values():
            self._budgets[account.id].sample(now, account.pusher.status().calls_spent)

    def collect(self) -> Iterator[Metric]:
        """Build the families."""
        node = self._node
        ledgers = [shard.ledger for shard in node.shards]
        figures: tuple[tuple[str, str, float], ...] = (
            ("journal_position", "Frames in the journal.", node.journal.position),
            ("journal_waiting_events", "Events decided and not yet in a frame.", node.journal.waiting_events),
            ("skus", "SKUs that exist.", sum(len(ledger.books) for ledger in ledgers)),
            ("holds_open", "Open holds, one per hold and SKU.", self._holds_before + self._holds_moved()),
            ("holds_known", "Hold ids that mean something: open, or ended and remembered.", len(node.directory)),
            (
                "remembered_entries",
                "Ended holds, refusals and movement keys that a repeat is recognised by.",
                sum(ledger.remembered for ledger in ledgers),
            ),
            ("remembered_entries_max", "limits.remembered_max.", node.limits.remembered_max),
            (
                "document_lines_known",
                "Lines of purchase orders and transfers, and returns of order lines, that are still known.",
                sum(ledger.papers for ledger in ledgers),
            ),
            ("orders", "Orders whose newest snapshot is known.", len(node.desk.orders)),
            ("bundles", "SKUs that are made of others.", len(node.fanout.recipes.current)),
            (
                "bundle_components_waiting",
                "Components of very many bundles whose change is not told for all of these yet.",
                node.fanout.waiting,
            ),
            ("import_pieces_left", "Pieces of a decided import still to be done.", node.applier.pieces_left),
            ("incidents_open", "SKUs of which more is promised now than there is.", len(node.incidents.open)),
        )
        for name, text, value in figures:
            yield build_gauge(name, text, [((), value)])
        yield from self._collect_accounts(list(node.accounts.values()))
        yield from self._collect_alerts()
        shelves = (("purchase_order", node.papers.purchases), ("transfer", node.papers.transfers))
        yield build_gauge(
            "documents_open",
            "Purchase orders and transfers with units to come.",
            (((kind,), len(shelf.open)) for kind, shelf in shelves),
            "kind",
        )

    def _collect_alerts(self) -> Iterator[Metric]:
        alerts, deliveries = self._node.alerter.alerts, self._node.alerter.deliveries
        opened = alerts.count_open()
        yield build_gauge(
            "alerts_open", "Alerts not resolved.", (((kind,), opened[kind]) for kind in AlertKind), "kind"
        )
        yield build_counter(
            "alerts_suppressed",
            "Times a condition began and nobody was told: within the cooldown, or for want of room.",
            (((kind,), count) for kind, count in alerts.suppressed.items()),
            "kind",
        )
        yield build_gauge(
            "alert_deliveries_waiting",
            "Transitions of alerts that a destination has not taken.",
            (((name,), deliveries.owed(name)) for name in deliveries.destinations),
            "destination",
        )

    def _collect_accounts(self, accounts: list[ChannelAccount]) -> Iterator[Metric]:
        statuses = [account.pusher.status() for account in accounts]
        for name, text, read in _ACCOUNT_FIGURES:
            yield build_gauge(name, text, (((each.account,), read(each)) for each in statuses), "account")
        yield build_gauge(
            "listings",
            "Mapped listings by where their number stands.",
            (((each.account, state), count) for each in statuses for state, count in _standings(each)),
            "account",
            "state",
        )
        yield build_gauge(
            "account_state",
            "1 for the state an account is in.",
            (((each.account, state), float(each.state == state)) for each in statuses for state in _STATES),
            "account",
            "state",
        )
        yield build_gauge(
            "breaker_open",
            "1 while the account is left alone because it does not answer, probes included.",
            # of no SKU: what is left is the account's own part
            (((each.id,), float(each.pusher.exposure(_NO_SKU).unreachable is not None)) for each in accounts),
            "account",
        )
        yield build_gauge(
            "orders_through_timestamp_seconds",
            "Every order modified before then (the channel's time) has been decided.",
            (((each.id,), each.intake.through_at.timestamp()) for each in accounts if each.intake.through_at),
            "account",
        )
        yield build_gauge(
            "letters_open",
            "Webhooks and orders kept because nobody understood them.",
            (((each.id,), len(each.intake.letters.open)) for each in accounts),
            "account",
        )
        yield from self._collect_budgets()

    def _collect_budgets(self) -> Iterator[Metric]:
        budgets = self._budgets.items()
        yield build_gauge(
            "budget_calls_per_second",
            "Calls that may be made to the account in the long run.",
            (((account,), use.calls_per_second) for account, use in budgets),
            "account",
        )
        yield build_gauge(
            "budget_used_ratio",
            "Calls of the last minute over those allowed; a saved-up burst brings it above 1.",
            (((account,), use.ratio) for account, use in budgets),
            "account",
        )


def _standings(status: AccountStatus) -> list[tuple[str, int]]:
    counted = [(str(state), int(getattr(status, state))) for state in State if state is not State.NEW]
    return [(str(State.NEW), status.listings - sum(count for _, count in counted)), *counted]


_MAILBOX_FIGURES: Final[tuple[tuple[str, str, Callable[[Mailbox[Any]], int]], ...]] = (
    ("mailbox_depth", "Messages waiting.", len),
    ("mailbox_high_water", "Most messages that ever waited.", lambda mailbox: mailbox.high_water),
    ("mailbox_maximum", "Messages that may wait before senders do.", lambda mailbox: mailbox.maximum),
)
_ACCOUNT_FIGURES: Final[tuple[tuple[str, str, Callable[[AccountStatus], float]], ...]] = (
    (
        "push_lag_seconds",
        "Age of the oldest change that the channel has not accepted; 0: it has accepted all.",
        lambda status: status.lag_seconds,
    ),
    (
        "listings_unmatched",
        "Listings at the channel that are not managed.",
        lambda status: status.unmatched,
    ),
    (
        "catalogue_problems",
        "Rows of the catalogue that could not be read.",
        lambda status: len(status.problems),
    ),
)
