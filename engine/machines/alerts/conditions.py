"""From what has happened to what people must hear of: oversells, drifts, fuses, counts that differ, broken laws."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

import msgspec

from engine.domain.alerts import AlertKey, AlertKind, Finding
from engine.domain.events import (
    AccountPaused,
    AccountResumed,
    DriftFound,
    ListingDropped,
    OversellCleared,
    OversellRecorded,
    PushVerified,
    StockCounted,
    ViolationCleared,
    ViolationFound,
)
from engine.domain.units import AccountId, Sku
from engine.machines.agenda import Agenda
from engine.machines.alerts.findings import Findings

FUSE_PREFIX = "fuse"
"""How the reason of a pause begins that no person asked for."""


_DECIDED: Final = frozenset({AlertKind.OVERSELL, AlertKind.DRIFT, AlertKind.FUSE, AlertKind.LEDGER_VIOLATION})


class ConditionTerms(msgspec.Struct, frozen=True, kw_only=True):
    """From when on something is worth an alert; the configuration has options of the same names."""

    drift_seconds: float = 60.0
    count_variance_percent: float = 3.0


class Conditions:
    """What holds now, according to the journal. Bounded by what is open: oversold SKUs, drifted listings, accounts."""

    def __init__(self, findings: Findings, terms: ConditionTerms) -> None:
        """Start when nothing has happened; `findings` is told of what begins and ends."""
        self._findings = findings
        self._terms = terms
        self.oversold: dict[Sku, Finding] = {}
        self._drifted: dict[str, Finding] = {}
        """By account/listing, those that are no alert yet included."""
        self._ripening: Agenda[str] = Agenda()
        """Drifts that may heal before anybody needs to know."""
        self._fuses: dict[AccountId, Finding] = {}
        self._violations: dict[str, Finding] = {}

    def holding(self) -> Iterator[Finding]:
        """Return every lasting condition that would be an alert now; replay is over."""
        yield from self.oversold.values()
        yield from self._fuses.values()
        yield from self._violations.values()
        yield from (finding for subject, finding in self._drifted.items() if subject not in self._ripening)

    def decides(self, kind: AlertKind) -> bool:
        """Whether `holding` has all that holds of this kind."""
        return kind in _DECIDED

    # -- oversells

    def oversell_recorded(self, event: OversellRecorded) -> None:
        """More is promised than there is."""
        order = f", order {event.account}/{event.order_id}" if event.order_id is not None else ""
        text = f"{event.sku}: {event.open_units} promised beyond what there is{order}; cause: {event.cause}"
        details = (
            ("sku", event.sku),
            ("open_units", str(event.open_units)),
            ("account", event.account or ""),
            ("order", event.order_id or ""),
            ("cause", event.cause),
            ("detail", event.detail),
        )
        finding = Finding(kind=AlertKind.OVERSELL, subject=event.sku, text=text, details=details)
        self.oversold[event.sku] = finding
        self._findings.begin(finding)

    def oversell_cleared(self, event: OversellCleared) -> None:
        """All that is promised can be kept again."""
        if self.oversold.pop(event.sku, None) is not None:
            self._findings.end((AlertKind.OVERSELL, event.sku))

    # -- drifts

    def drift_found(self, event: DriftFound) -> None:
        """The channel shows another number; it is an alert if that lasts."""
        subject = f"{event.account}/{event.listing_id}"
        shown = "no number" if event.shown is None else str(event.shown)
        text = f"{subject}: shows {shown} and was told {event.expected}"
        details = (
            ("account", event.account),
            ("listing", event.listing_id),
            ("shown", "" if event.shown is None else str(event.shown)),
            ("expected", str(event.expected)),
        )
        if subject not in self._drifted:
            due = event.at + timedelta(seconds=self._terms.drift_seconds)
            self._ripening.put(subject, (due.timestamp(),))
        self._drifted[subject] = Finding(kind=AlertKind.DRIFT, subject=subject, text=text, details=details)

    def drift_over(self, event: PushVerified | ListingDropped) -> None:
        """The listing shows our number, or is none of ours any more."""
        subject = f"{event.account}/{event.listing_id}"
        if self._drifted.pop(subject, None) is not None:
            self._ripening.discard(subject)
            self._findings.end((AlertKind.DRIFT, subject))

    def look(self, now: datetime) -> None:
        """Let time pass: drifts that lasted are alerts."""
        while (subject := self._ripening.pop((now.timestamp(),))) is not None:
            self._findings.begin(self._drifted[subject])

    def due_at(self) -> float:
        """Return when to look next, as a timestamp."""
        first = self._ripening.first()
        return first[0][0] if first is not None else float("inf")

    # -- fuses

    def account_paused(self, event: AccountPaused) -> None:
        """Somebody or a fuse paused an account; a person knows what he did."""
        if event.reason.startswith(FUSE_PREFIX):
            text = f"{event.account}: held back: {event.reason}"
            details = (("account", event.account), ("reason", event.reason))
            finding = Finding(kind=AlertKind.FUSE, subject=event.account, text=text, details=details)
            self._fuses[event.account] = finding
            self._findings.begin(finding)

    def account_resumed(self, event: AccountResumed) -> None:
        """A person let it go on."""
        if self._fuses.pop(event.account, None) is not None:
            self._findings.end((AlertKind.FUSE, event.account))

    # -- laws

    def violation_found(self, event: ViolationFound) -> None:
        """A law of the ledger does not hold."""
        subject = _place_of(event)
        text = f"{subject}: expected {event.expected}, found {event.found}{event.detail and f': {event.detail}'}"
        details = (
            ("law", event.law),
            ("sku", event.sku),
            ("location", event.location or ""),
            ("expected", str(event.expected)),
            ("found", str(event.found)),
        )
        finding = Finding(kind=AlertKind.LEDGER_VIOLATION, subject=subject, text=text, details=details)
        self._violations[subject] = finding
        self._findings.begin(finding)

    def violation_cleared(self, event: ViolationCleared) -> None:
        """It holds again."""
        subject = _place_of(event)
        if self._violations.pop(subject, None) is not None:
            self._findings.end((AlertKind.LEDGER_VIOLATION, subject))

    # -- counts

    def counted(self, event: StockCounted) -> None:
        """A count differs from the books by more than may be, or agrees with them again."""
        subject = f"{event.sku}@{event.location}"
        key: AlertKey = (AlertKind.COUNT_VARIANCE, subject)
        limit = self._terms.count_variance_percent
        if abs(event.delta) * 100 <= limit * event.expected:
            self._findings.end(key)
            return
        share = f"{event.delta * 100 / event.expected:+.1f} %" if event.expected else "where none was expected"
        text = f"{subject}: counted {event.counted}, expected {event.expected}: {share} (limit {limit:g} %)"
        details = (
            ("sku", event.sku),
            ("location", event.location),
            ("counted", str(event.counted)),
            ("expected", str(event.expected)),
            ("by", event.by),
        )
        self._findings.begin(Finding(kind=key[0], subject=subject, text=text, details=details))


def _place_of(event: ViolationFound | ViolationCleared) -> str:
    where = f"@{event.location}" if event.location is not None else ""
    return f"{event.sku}{where}: {event.law}"
