"""From what has happened to what people must hear of: oversells, drifts, fuses, counts that differ, broken laws."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

import msgspec

from engine.domain.alerts import AlertKey, AlertKind, Finding, is_of_snapshot, name_source
from engine.domain.events import (
    AccountPaused,
    AccountResumed,
    DriftFound,
    LetterKept,
    LetterSettled,
    ListingDropped,
    OversellCleared,
    OversellRecorded,
    PushVerified,
    SnapshotFused,
    StockConfirmed,
    StockCounted,
    StockObserved,
    ViolationCleared,
    ViolationFound,
)
from engine.domain.stated.alerts import ConditionStated
from engine.domain.units import AccountId, LetterId, LocationId, Sku
from engine.machines.agenda import Agenda
from engine.machines.alerts.findings import Findings

FUSE_PREFIX: Final = "fuse"
"""How the reason of a pause begins that no person asked for."""
REFUSED_MAX: Final = 1000
"""Sources and locations whose newest snapshot was refused; of one more the oldest is forgotten."""
_DECIDED: Final = frozenset(
    {AlertKind.OVERSELL, AlertKind.DRIFT, AlertKind.FUSE, AlertKind.LEDGER_VIOLATION, AlertKind.UNREADABLE_ORDER}
)


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
        self.oversold: dict[Sku, dict[LocationId | None, Finding]] = {}
        """By SKU, then by the location that is short (None: those that stand in for one another); none is empty."""
        self._drifted: dict[str, tuple[datetime, Finding]] = {}
        """By account/listing, with when it was found first; those that are no alert yet included."""
        self._ripening: Agenda[str] = Agenda()
        """Drifts that may heal before anybody needs to know."""
        self._fuses: dict[AccountId, Finding] = {}
        self._refused: dict[str, tuple[datetime, Finding]] = {}
        """Snapshots that a fuse refused, by source@location: the newest, and as of when it was."""
        self._violations: dict[str, Finding] = {}
        self._unread: dict[AccountId, dict[LetterId, Finding]] = {}
        """Orders that nobody understood; no account is without any."""

    def holding(self) -> Iterator[Finding]:
        """Return every lasting condition that would be an alert now; replay is over."""
        yield from (finding for short in self.oversold.values() for finding in short.values())
        yield from self._fuses.values()
        yield from (finding for _, finding in self._refused.values())
        yield from self._violations.values()
        yield from (finding for letters in self._unread.values() for finding in list(letters.values())[-1:])
        yield from (finding for subject, (_, finding) in self._drifted.items() if subject not in self._ripening)

    def decides(self, kind: AlertKind) -> bool:
        """Whether `holding` has all that holds of this kind."""
        return kind in _DECIDED

    # -- oversells

    def oversell_recorded(self, event: OversellRecorded) -> None:
        """More is promised than there is."""
        order = f", order {event.account}/{event.order_id}" if event.order_id is not None else ""
        where = f" at {event.location}" if event.location is not None else ""
        text = f"{event.sku}: {event.open_units} promised beyond what there is{where}{order}; cause: {event.cause}"
        details = (
            ("sku", event.sku),
            ("open_units", str(event.open_units)),
            *([("location", str(event.location))] if event.location is not None else ()),
            ("account", event.account or ""),
            ("order", event.order_id or ""),
            ("cause", event.cause),
            ("detail", event.detail),
        )
        subject = _name_short(event.sku, event.location)
        finding = Finding(kind=AlertKind.OVERSELL, subject=subject, text=text, details=details)
        self.oversold.setdefault(event.sku, {})[event.location] = finding
        self._findings.begin(finding)

    def oversell_cleared(self, event: OversellCleared) -> None:
        """All that is promised can be kept again."""
        short = self.oversold.get(event.sku, {})
        if short.pop(event.location, None) is not None:
            self._findings.end((AlertKind.OVERSELL, _name_short(event.sku, event.location)))
        if not short:
            self.oversold.pop(event.sku, None)

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
        since, _ = self._drifted.get(subject, (event.at, None))
        finding = Finding(kind=AlertKind.DRIFT, subject=subject, text=text, details=details)
        if subject not in self._drifted:
            self._ripen(subject, since)
        self._drifted[subject] = (since, finding)

    def _ripen(self, subject: str, since: datetime) -> None:
        due = since + timedelta(seconds=self._terms.drift_seconds)
        self._ripening.put(subject, (due.timestamp(),))

    def drift_over(self, event: PushVerified | ListingDropped) -> None:
        """The listing shows our number, or is none of ours any more."""
        subject = f"{event.account}/{event.listing_id}"
        if self._drifted.pop(subject, None) is not None:
            self._ripening.discard(subject)
            self._findings.end((AlertKind.DRIFT, subject))

    def look(self, now: datetime) -> None:
        """Let time pass: drifts that lasted are alerts."""
        while (subject := self._ripening.pop((now.timestamp(),))) is not None:
            self._findings.begin(self._drifted[subject][1])

    def due_at(self) -> float:
        """Return when to look next, as a timestamp."""
        first = self._ripening.first()
        return first[0][0] if first is not None else float("inf")

    # -- fuses

    def account_paused(self, event: AccountPaused) -> None:
        """Somebody or a fuse paused an account; a person knows what he did."""
        if event.reason.startswith(FUSE_PREFIX):
            text = f"{event.account}: held back: {event.reason}; look why, then CHANNEL RESUME {event.account}"
            details = (("account", event.account), ("reason", event.reason))
            finding = Finding(kind=AlertKind.FUSE, subject=event.account, text=text, details=details)
            self._fuses[event.account] = finding
            self._findings.begin(finding)

    def account_resumed(self, event: AccountResumed) -> None:
        """A person let it go on."""
        if self._fuses.pop(event.account, None) is not None:
            self._findings.end((AlertKind.FUSE, event.account))

    def snapshot_fused(self, event: SnapshotFused) -> None:
        """A partner's snapshot was not believed: what it has of ours is known as of an older one."""
        subject = name_source(event.source, event.location)
        limit = f"more than {event.share_max * 100:g} % and at least {event.rows_min} is too much at once"
        text = (
            f"{subject}: snapshot {event.key} was refused: {event.falling} of {event.rows} rows would fall to zero"
            f" ({limit}); look at the feed, and if it is true send it again with FORCE"
        )
        details = (
            ("source", event.source),
            ("location", event.location),
            ("snapshot", event.key),
            ("as_of", f"{event.as_of:%Y-%m-%dT%H:%M:%SZ}"),
            ("rows", str(event.rows)),
            ("falling", str(event.falling)),
            ("share_max", f"{event.share_max:g}"),
            ("rows_min", str(event.rows_min)),
            ("by", event.by),
        )
        finding = Finding(kind=AlertKind.FUSE, subject=subject, text=text, details=details)
        known = self._refused.pop(subject, None)
        self._refused[subject] = (event.as_of if known is None else max(event.as_of, known[0]), finding)
        self._findings.begin(finding)
        if len(self._refused) > REFUSED_MAX:
            self._refused_is_over(next(iter(self._refused)))

    def observed(self, event: StockObserved | StockConfirmed) -> None:
        """Rows of a snapshot were applied: its source is well again, unless a newer one of it was refused."""
        if not self._refused:
            return
        subject = name_source(event.source, event.location)
        as_of, _ = self._refused.get(subject, (event.as_of, None))
        if event.as_of >= as_of:
            self._refused_is_over(subject)

    def resolved_by_hand(self, key: AlertKey) -> None:
        """A person has seen to it: of a refused snapshot nothing is left then."""
        if is_of_snapshot(key):
            self._refused_is_over(key[1])

    def _refused_is_over(self, subject: str) -> None:
        if self._refused.pop(subject, None) is not None:
            self._findings.end((AlertKind.FUSE, subject))

    # -- dead letters

    def letter_kept(self, event: LetterKept) -> None:
        """An order was not understood. A webhook is none: the poll tells what it would have told."""
        if event.order_id is None:
            return
        account = event.account
        text = (
            f"{account}: order {event.order_id} was not understood, its units are in no figure: {event.reason};"
            f" LETTERS {account} lists all of them"
        )
        details = (("account", account), ("order", event.order_id), ("reason", event.reason))
        finding = Finding(kind=AlertKind.UNREADABLE_ORDER, subject=account, text=text, details=details)
        self._unread.setdefault(account, {})[event.letter_id] = finding
        self._findings.begin(finding)

    def letter_settled(self, event: LetterSettled) -> None:
        """It was understood after all, or a person discarded it."""
        letters = self._unread.get(event.account, {})
        if letters.pop(event.letter_id, None) is not None and not letters:
            del self._unread[event.account]
            self._findings.end((AlertKind.UNREADABLE_ORDER, event.account))

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
        share = f"{event.delta * 100 / event.expected:+.1f} %" if event.expected > 0 else "where none was expected"
        text = f"{subject}: counted {event.counted}, expected {event.expected}: {share} (limit {limit:g} %)"
        details = (
            ("sku", event.sku),
            ("location", event.location),
            ("counted", str(event.counted)),
            ("expected", str(event.expected)),
            ("by", event.by),
        )
        self._findings.begin(Finding(kind=key[0], subject=subject, text=text, details=details))

    # -- snapshots

    def state(self, as_of: datetime) -> Iterator[ConditionStated]:  # noqa: ARG002
        """Say all that holds, in the order in which it began."""
        for sku, short in self.oversold.items():
            for location, finding in short.items():
                yield ConditionStated(finding=finding, sku=sku, location=location)
        for since, finding in self._drifted.values():
            yield ConditionStated(finding=finding, since=since)
        for finding in self._fuses.values():
            yield ConditionStated(finding=finding)
        for as_of_then, finding in self._refused.values():
            yield ConditionStated(finding=finding, as_of=as_of_then)
        for finding in self._violations.values():
            yield ConditionStated(finding=finding)
        for account, letters in self._unread.items():
            for letter_id, finding in letters.items():
                yield ConditionStated(finding=finding, account=account, letter_id=letter_id)

    def restore(self, statement: ConditionStated) -> None:
        """Take in one of what `state` says."""
        finding, subject = statement.finding, statement.finding.subject
        match statement:
            case ConditionStated(sku=sku) if sku is not None:
                self.oversold.setdefault(sku, {})[statement.location] = finding
            case ConditionStated(since=since) if since is not None:
                self._drifted[subject] = (since, finding)
                self._ripen(subject, since)
            case ConditionStated(as_of=as_of) if as_of is not None:
                self._refused[subject] = (as_of, finding)
            case ConditionStated(account=account, letter_id=letter_id) if account is not None and letter_id is not None:
                self._unread.setdefault(account, {})[letter_id] = finding
            case _ if finding.kind is AlertKind.LEDGER_VIOLATION:
                self._violations[subject] = finding
            case _:
                self._fuses[AccountId(subject)] = finding


def _place_of(event: ViolationFound | ViolationCleared) -> str:
    where = f"@{event.location}" if event.location is not None else ""
    return f"{event.sku}{where}: {event.law}"


def _name_short(sku: Sku, location: LocationId | None) -> str:
    return sku if location is None else f"{sku}@{location}"
