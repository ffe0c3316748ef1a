"""What people are told of: the kinds of alerts, how bad each is, and the message that carries them."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NewType

import msgspec

from engine.domain.units import Instant, LocationId

AlertId = NewType("AlertId", int)
"""1, 2, 3, ... over the whole journal: short enough to be said on the telephone."""


class AlertKind(StrEnum):
    """What is the matter. The word after it says what the subject of such an alert is."""

    OVERSELL = "oversell"
    """SKU: more is promised than there is; SKU@location: at one whose shortage no other makes good."""
    LEDGER_VIOLATION = "ledger_violation"
    """SKU and law: the books contradict themselves."""
    FUSE = "fuse"
    """Account: held back, because too much was about to change at once. Source@location: a partner's snapshot was
    refused for that; ended by the next one that is applied, or by hand."""
    NEGATIVE_ATP = "negative_atp"
    """SKU: less than nothing is available, safety stock counted."""
    SYNC_FAILURE = "sync_failure"
    """Account: its channel has not been kept in step for a while."""
    UNREADABLE_ORDER = "unreadable_order"
    """Account: an order of it could not be understood, so its units are in no figure."""
    DRIFT = "drift"
    """Account/listing: the channel shows another number than ours, and keeps on."""
    COUNT_VARIANCE = "count_variance"
    """SKU@location: a count found more or fewer than the books. Ended by a count that agrees, or by hand."""
    STOCK_CANCELLATIONS = "stock_cancellations"
    """Account: too many order lines were cancelled for want of stock."""
    CREDENTIALS_EXPIRING = "credentials_expiring"
    """Account: a person must renew its keys."""
    DISK = "disk"
    """Folder: the disk of the journal is nearly full, or will be soon."""
    OUT_OF_STOCK = "out_of_stock"
    """SKU: the last unit went, or of a bundle the last that could be made."""
    LOW_STOCK = "low_stock"
    """SKU: few units, or few days of them, are left."""
    STOCK_BACK = "stock_back"
    """SKU: there is some again. A notice: it has no duration."""


class Severity(StrEnum):
    """How bad it is."""

    CRITICAL = "critical"
    """A promise is broken or about to be. No cooldown, no waiting for company, never displaced."""
    WARNING = "warning"
    """Something does not work as it should."""
    NOTICE = "notice"
    """Trade as usual that a person may want to act on."""


RANK: Final[Mapping[str, int]] = {severity: rank for rank, severity in enumerate(Severity)}
"""0 is the worst."""

_SEVERITY: Final[Mapping[AlertKind, Severity]] = {
    **dict.fromkeys((AlertKind.OVERSELL, AlertKind.LEDGER_VIOLATION, AlertKind.FUSE), Severity.CRITICAL),
    **dict.fromkeys(
        (
            AlertKind.NEGATIVE_ATP,
            AlertKind.SYNC_FAILURE,
            AlertKind.UNREADABLE_ORDER,
            AlertKind.DRIFT,
            AlertKind.COUNT_VARIANCE,
            AlertKind.STOCK_CANCELLATIONS,
            AlertKind.CREDENTIALS_EXPIRING,
            AlertKind.DISK,
        ),
        Severity.WARNING,
    ),
    **dict.fromkeys((AlertKind.OUT_OF_STOCK, AlertKind.LOW_STOCK, AlertKind.STOCK_BACK), Severity.NOTICE),
}
MOMENTARY: Final = frozenset({AlertKind.COUNT_VARIANCE, AlertKind.STOCK_BACK})
"""Found at an instant and kept nowhere but in its alert."""

AlertKey = tuple[AlertKind, str]
"""Kind and subject: what an alert is about. At most one of a key is open."""


def name_source(source: str, location: LocationId) -> str:
    """Return the subject of a partner's snapshot; no account is called so."""
    return f"{source}@{location}"


def is_of_snapshot(key: AlertKey) -> bool:
    """Whether it is about a partner's snapshot that was refused, and not about an account."""
    kind, subject = key
    return kind is AlertKind.FUSE and "@" in subject


def severity_of(key: AlertKey) -> Severity:
    """Say how bad it is. A refused snapshot has changed nothing; an account held back shows what is not so."""
    return Severity.WARNING if is_of_snapshot(key) else _SEVERITY[key[0]]


def outlasts_resolve(key: AlertKey) -> bool:
    """Whether it may hold still when a person has ended its alert; of what was found at an instant nothing is left."""
    return key[0] not in MOMENTARY and not is_of_snapshot(key)


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A condition that holds, in words."""

    kind: AlertKind
    subject: str
    text: str
    """One sentence for people: the thing, the value and the rule."""
    details: tuple[tuple[str, str], ...] = ()
    """The same for programs: names and values."""

    @property
    def key(self) -> AlertKey:
        """What it is about."""
        return (self.kind, self.subject)


class Transition(StrEnum):
    """What happened to an alert."""

    RAISED = "raised"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


AlertItem = tuple[AlertId, str]
"""One transition of one alert: what is owed to a destination."""


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """One transition of an alert as it is told."""

    alert_id: AlertId
    transition: Transition
    kind: str
    subject: str
    severity: str
    text: str
    details: tuple[tuple[str, str], ...]
    raised_at: Instant
    at: Instant
    """Of this transition."""
    by: str = ""
    """Who acknowledged or resolved it; empty: nobody did, the condition ended."""
    suppressed: int = 0
    """Times it came back within the cooldown before it was raised this time..."""
    suppressed_since: Instant | None = None
    """...counted from here on, where there was a start in between."""

    @property
    def item(self) -> AlertItem:
        """What is owed."""
        return (self.alert_id, self.transition)


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What one destination is sent at once. Sent again, it has the same id and says the same."""

    message_id: str
    destination: str
    at: Instant
    """When it was put together."""
    notices: tuple[Notice, ...]
    """At least one; the worst first. Several make a digest. None: a test."""
