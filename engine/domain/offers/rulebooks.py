"""Every version of the rules that matters now: the one in force, the newest ones, and the last from the file."""

from collections import deque
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from engine.domain.events import RulesSet
from engine.domain.offers.rules import BUILT_IN, RuleBook, RulesVersion
from engine.domain.stated.offers import FileRulesStated, RulesStated
from engine.domain.units import EPOCH

_FILE: Final = "file"
VERSIONS_MAX = 20
"""Versions kept for reading and for going back; the journal has them all. A book of 10,000 SKU rules takes some MB."""


class Rulebooks:
    """A projection of the journal. `apply` is the only way in, live and in replay alike."""

    def __init__(self) -> None:
        """Start with version 0: no rule at all."""
        self.now = BUILT_IN
        """In force."""
        self.from_file = BUILT_IN.book
        """What the configuration said when it was last asked."""
        self._versions: deque[RulesVersion] = deque([BUILT_IN], maxlen=VERSIONS_MAX)
        self._decided = 0
        """The newest version that was handed to the journal: two edits at once must not share a number."""

    def __iter__(self) -> Iterator[RulesVersion]:
        """Yield the versions that are kept, the newest first."""
        return reversed(self._versions)

    def get(self, version: int) -> RulesVersion | None:
        """Return a version; None: it is not kept, or was never there."""
        return next((each for each in self._versions if each.version == version), None)

    def next_version(self) -> int:
        """Take the number of a version that is about to be recorded."""
        self._decided = max(self._decided, self.now.version) + 1
        return self._decided

    def apply(self, event: RulesSet) -> None:
        """Let a version count."""
        assert event.version > self.now.version, (event.version, self.now.version)
        self._add(
            RulesVersion(
                version=event.version,
                book=event.rules,
                at=event.at,
                by=event.by,
                note=event.note,
                source=event.source,
                quotas_since=quotas_since(self.now, event.rules, event.version),
            )
        )

    def _add(self, version: RulesVersion) -> None:
        self.now = version
        self._versions.append(version)
        if version.source == _FILE:
            self.from_file = version.book

    def differs_from_file(self, book: RuleBook) -> bool:
        """Whether the configuration says something else than when it was last asked."""
        return book != self.from_file

    # -- snapshots

    def state(self, as_of: datetime) -> Iterator[RulesStated | FileRulesStated]:  # noqa: ARG002
        """Say the versions that are kept, the oldest first."""
        if self.from_file != BUILT_IN.book and all(each.source != _FILE for each in self._versions):
            yield FileRulesStated(rules=self.from_file)
        for each in self._versions:
            if each is not BUILT_IN:
                yield RulesStated(
                    at=each.at or EPOCH,
                    version=each.version,
                    rules=each.book,
                    by=each.by,
                    note=each.note,
                    source=each.source,
                    quotas_since=dict(sorted(each.quotas_since.items())),
                )

    def restore(self, statement: RulesStated | FileRulesStated) -> None:
        """Take in one of what `state` says."""
        if isinstance(statement, FileRulesStated):
            self.from_file = statement.rules
            return
        self._add(
            RulesVersion(
                version=statement.version,
                book=statement.rules,
                at=statement.at,
                by=statement.by,
                note=statement.note,
                source=statement.source,
                quotas_since=statement.quotas_since,
            )
        )


def quotas_since(before: RulesVersion, book: RuleBook, version: int) -> dict[str, int]:
    """Say by rule since which version its quotas count: an unchanged one goes on, a new or changed one begins anew."""
    was = {name: terms.quotas for _, name, terms in before.book.layers() if terms.quotas}
    return {
        name: before.quotas_since[name] if was.get(name) == terms.quotas else version
        for _, name, terms in book.layers()
        if terms.quotas
    }
