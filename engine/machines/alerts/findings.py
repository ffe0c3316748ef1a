"""What was noticed and not yet decided on: the newest of each subject, so that no storm of events makes a queue."""

from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from typing import NamedTuple

from engine.domain.alerts import MOMENTARY, AlertKey, AlertKind, Finding
from engine.domain.stated.alerts import FoundStated


class Noticed(NamedTuple):
    """How one condition stands."""

    finding: Finding | None
    """It holds, or did since the last decision."""
    ended: bool
    """It does not hold any more."""


class Findings:
    """One entry per condition that changed since the last decision. Bounded by the number of subjects (law 10)."""

    def __init__(self, *, ignored: Collection[AlertKind], is_known: Callable[[AlertKey], bool]) -> None:
        """Start in replay, without any.

        Args:
            ignored: kinds that nobody wants to hear of.
            is_known: whether an alert about this is open, or was and may come back.
        """
        self.live = False
        """In replay only what is found at an instant is noted, until the decision on it is replayed, too."""
        self._ignored = frozenset(ignored)
        self._is_known = is_known
        self._decided: Collection[AlertKey] = ()
        """What was taken last: an alert about it may be on its way into the journal."""
        self._noticed: dict[AlertKey, Noticed] = {}

    def __len__(self) -> int:
        return len(self._noticed)

    def begin(self, finding: Finding) -> None:
        """Note that a condition holds."""
        key = finding.key
        if finding.kind in self._ignored or not (self.live or self._replays(key)):
            return
        self._noticed[key] = Noticed(finding, ended=False)

    def end(self, key: AlertKey) -> None:
        """Note that a condition does not hold, whether it did or not."""
        before = self._noticed.pop(key, None)
        if self.live and before is not None:
            self._noticed[key] = Noticed(before.finding, ended=True)
        elif (self.live or key[0] in MOMENTARY) and (key in self._decided or self._is_known(key)):
            self._noticed[key] = Noticed(None, ended=True)

    def happen(self, finding: Finding) -> None:
        """Note what has no duration."""
        if self.live and finding.kind not in self._ignored:
            self._noticed[finding.key] = Noticed(finding, ended=True)

    def settle(self, key: AlertKey) -> None:
        """Forget what a replayed decision was made on."""
        if not self.live:
            self._noticed.pop(key, None)

    def take(self) -> dict[AlertKey, Noticed]:
        """Take all."""
        taken, self._noticed = self._noticed, {}
        self._decided = taken.keys()
        return taken

    def state(self, as_of: datetime) -> Iterator[FoundStated]:  # noqa: ARG002
        """Say what was found at an instant and is not decided on; what lasts is looked at anew after a restart."""
        for key, (finding, ended) in sorted(self._noticed.items()):
            if key[0] is AlertKind.COUNT_VARIANCE and ended is self._is_known(key):
                yield FoundStated(alert_kind=key[0], subject=key[1], finding=None if ended else finding)

    def restore(self, statement: FoundStated) -> None:
        """Take in one of what `state` says."""
        key = (statement.alert_kind, statement.subject)
        self._noticed[key] = Noticed(statement.finding, ended=statement.finding is None)

    def _replays(self, key: AlertKey) -> bool:
        """Whether a beginning of the past may still be news: what lasts is looked at anew when replay is over."""
        return key[0] in MOMENTARY and not self._is_known(key)
