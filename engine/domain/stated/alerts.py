"""What is known of alerts: those that were raised, what they are owed to, and what holds though nobody was told yet."""

from engine.domain.alerts import AlertId, AlertKind, Finding, Message, Notice
from engine.domain.events.alerts import AlertAcknowledged, AlertRaised, AlertResolved
from engine.domain.stated.base import BaseStatement
from engine.domain.units import AccountId, Instant, LetterId, LineId, LocationId, OrderId, Sku


class AlertsStated(BaseStatement, frozen=True, kw_only=True, tag="alerts_stated", gc=False):
    """Alerts as a whole."""

    last_id: AlertId
    """The next one gets the number after it."""


class AlertStated(BaseStatement, frozen=True, kw_only=True, tag="alert_stated", gc=False):
    """An alert. Those that were resolved come first, in that order; then the open ones, as they were raised."""

    raised: AlertRaised
    acknowledged: AlertAcknowledged | None = None
    resolved: AlertResolved | None = None
    """None: it is open."""
    kept: bool = True
    """Of a resolved one: whether it is shown still."""
    rests: bool = False
    """Of a resolved one: whether nothing more is said of its subject for a while."""


class OwedStated(BaseStatement, frozen=True, kw_only=True, tag="owed_stated", gc=False):
    """What one destination is owed."""

    destination: str
    message: Message | None = None
    """Put together, and neither taken nor given up."""
    waiting: tuple[Notice, ...] = ()
    """In no message yet, the oldest first."""


class ConditionStated(BaseStatement, frozen=True, kw_only=True, tag="condition_stated", gc=False):
    """A condition that holds; an alert may have been raised about it or not."""

    finding: Finding
    sku: Sku | None = None
    """Of an oversell..."""
    location: LocationId | None = None
    """...and the place that is short; None: those that stand in for one another."""
    since: Instant | None = None
    """Of a drift: when it was found first."""
    as_of: Instant | None = None
    """Of a snapshot that was refused: as of when it was."""
    account: AccountId | None = None
    """Of an order that nobody understood..."""
    letter_id: LetterId | None = None
    """...and where it is kept."""


class FoundStated(BaseStatement, frozen=True, kw_only=True, tag="found_stated", gc=False):
    """What was found at an instant and not decided on."""

    alert_kind: AlertKind
    subject: str
    finding: Finding | None = None
    """None: an alert about it is over."""


class CancellationsStated(BaseStatement, frozen=True, kw_only=True, tag="cancellations_stated", gc=False):
    """Some of the orders that came within the last days, and the lines cancelled for want of stock; oldest first."""

    account: AccountId
    orders: tuple[tuple[OrderId, Instant, int], ...] = ()
    """When each was first recorded, and its lines."""
    cancelled: tuple[tuple[OrderId, LineId, Instant], ...] = ()


class UnsoldStated(BaseStatement, frozen=True, kw_only=True, tag="unsold_stated", gc=False):
    """Some of the SKUs that are retired or are another one now, in their order."""

    skus: tuple[Sku, ...]


AlertStatement = (
    AlertsStated | AlertStated | OwedStated | ConditionStated | FoundStated | CancellationsStated | UnsoldStated
)
