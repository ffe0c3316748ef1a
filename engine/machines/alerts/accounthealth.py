"""Whether every account is kept in step, and for how long its credentials will last: looked at now and then."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import NamedTuple

import msgspec

from engine.domain.alerts import AlertKey, AlertKind, Finding
from engine.domain.units import AccountId
from engine.machines.alerts.findings import Findings


class AccountHealthTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What is a failure; the configuration has options of the same names."""

    sync_seconds: float = 300.0
    """Unreachable, or orders not caught up, for so long."""
    unaccepted_seconds: float = 600.0
    """A change that the channel has not accepted for so long."""
    credentials_days: float = 14.0
    """How long before they expire a person is told."""


class Standing(NamedTuple):
    """How an account stands at one look."""

    account: AccountId
    state: str
    """As in CHANNEL LIST."""
    reason: str
    lag_seconds: float
    """Age of the oldest change that the channel has not accepted."""
    rejected: Mapping[str, str]
    """Operations that the channel refuses our credentials for, and its words."""


class AccountHealth:
    """What the looks at the accounts found."""

    def __init__(self, findings: Findings, terms: AccountHealthTerms, expire_on: Mapping[AccountId, date]) -> None:
        """Start without a look; `expire_on` are the days on which credentials end, where known (UTC)."""
        self._findings = findings
        self._terms = terms
        self._expire_on = expire_on
        self._since: dict[AccountId, tuple[str, datetime]] = {}
        """The state an account is in, and when it was first seen in it."""

    def look(self, standings: Iterable[Standing], now: datetime) -> None:
        """Compare every account with what is asked of it."""
        for standing in standings:
            self._look_at(standing, now)
        for account, day in self._expire_on.items():
            self._look_at_credentials(account, day, now)

    def _look_at(self, standing: Standing, now: datetime) -> None:
        state, since = self._since.get(standing.account, ("", now))
        if state != standing.state:
            since = now
        self._since[standing.account] = (standing.state, since)
        key: AlertKey = (AlertKind.SYNC_FAILURE, standing.account)
        trouble = self._trouble(standing, (now - since).total_seconds())
        if trouble:
            text = f"{standing.account}: {trouble}"
            details = (("account", standing.account), ("state", standing.state), ("reason", standing.reason))
            self._findings.begin(Finding(kind=key[0], subject=standing.account, text=text, details=details))
        elif standing.state in {"live", "shadow", "off"}:
            self._findings.end(key)  # in any other state nobody knows yet

    def _trouble(self, standing: Standing, seconds: float) -> str:
        terms = self._terms
        if standing.state in {"off", "paused"}:
            return ""  # as a person, or a fuse that has its own alert, wants it
        if standing.rejected:
            operation, reason = next(iter(standing.rejected.items()))
            return f"the channel refuses our credentials for {operation}: {reason}"
        if standing.state in {"unreachable", "catching_up"} and seconds >= terms.sync_seconds:
            return f"{standing.state} for {seconds:.0f} s: {standing.reason}"
        if standing.lag_seconds >= terms.unaccepted_seconds:
            return f"a change has not been accepted for {standing.lag_seconds:.0f} s"
        return ""

    def _look_at_credentials(self, account: AccountId, day: date, now: datetime) -> None:
        key: AlertKey = (AlertKind.CREDENTIALS_EXPIRING, account)
        left = (day - now.date()).days
        if left > self._terms.credentials_days:
            self._findings.end(key)
            return
        when = f"expire on {day} ({left} days left)" if left >= 0 else f"expired on {day}"
        text = f"{account}: credentials {when}"
        details = (("account", account), ("expire_on", str(day)))
        self._findings.begin(Finding(kind=key[0], subject=account, text=text, details=details))
