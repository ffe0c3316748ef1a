"""What every daemon owes a marketplace: its budget, one write of a listing at a time, no more said than is known."""

from collections import Counter
from collections.abc import Callable, Sequence

import trio

from config.schema import Budget
from engine.ports import RowVerdict, StockWrite, Verdict

_YES = frozenset({Verdict.APPLIED, Verdict.ACCEPTED})


class Manners:
    """What the daemons owe one marketplace; breaches are problems."""

    def __init__(self, account: str, budget: Budget, complain: Callable[..., None], *, stands_still: bool) -> None:
        """Watch one account; `complain(what, *subjects)` hears of breaches. `stands_still`: daemons do at times."""
        self.account = account
        self._late_calls_max = budget.concurrency if stands_still else 0
        self.complain = complain
        self._budget = budget
        self._tokens: dict[int, tuple[float, float]] = {}
        """By life: tokens left, and when that was."""
        self._running: Counter[int] = Counter()
        self._writing: Counter[tuple[int, str]] = Counter()
        self._versions: dict[str, tuple[int, int]] = {}
        """By listing: the newest life that wrote it, and its last version."""
        self._polled: set[int] = set()
        self._told: dict[tuple[int, str], int | None] = {}
        self._left: dict[tuple[int, str], tuple[int, float]] = {}
        """By life and listing: the last version that left, and when."""
        self._yes: dict[tuple[int, str], int] = {}
        """By life and listing: the last version that the marketplace said yes to."""
        self._looked: dict[tuple[int, str], float] = {}
        """When the youngest look began whose answer came."""

    def call_began(self, life: int) -> None:
        """Check what may be spent: over any t seconds `burst + t x calls_per_second`.

        A daemon that stands still between the last look at its budget and the call knows nothing of it: so many more
        as may be under way at once can leave together then.
        """
        now = trio.current_time()
        left, since = self._tokens.get(life, (float(self._budget.burst), now))
        left = min(self._budget.burst, left + (now - since) * self._budget.calls_per_second) - 1
        self._tokens[life] = (left, now)
        self._running[life] += 1
        if left < -self._late_calls_max - 1e-6:
            self.complain(f"{self.account}: more calls than {self._budget.calls_per_second:g} a second", self.account)
        if self._running[life] > self._budget.concurrency:
            self.complain(f"{self.account}: more than {self._budget.concurrency} calls at once", self.account)

    def call_ended(self, life: int) -> None:
        """Note that a call of a daemon is over for it."""
        self._running[life] -= 1

    def write_began(self, life: int, rows: Sequence[StockWrite]) -> None:
        """Check the rows of a write as it leaves."""
        for row in rows:
            listing = row.listing_id
            self._writing[life, listing] += 1
            self._left[life, listing] = (row.version, trio.current_time())
            if self._writing[life, listing] > 1:
                self.complain(f"{listing}: two writes of it are under way at once", listing)
            newest_life, version = self._versions.get(listing, (0, 0))
            if life >= newest_life:
                if row.version <= version:
                    self.complain(f"{listing}: version {row.version} is sent after version {version}", listing)
                self._versions[listing] = (life, max(version, row.version))
            if life not in self._polled and row.quantity > 0:
                told = self._told.get((life, listing))
                if told is None or row.quantity >= told:
                    self.complain(
                        f"{listing}: {row.quantity} is sent at t={trio.current_time():.3f} before orders were read,"
                        f" when it was seen to show {told}",
                        listing,
                    )

    def write_ended(self, life: int, rows: Sequence[StockWrite], answer: Sequence[RowVerdict] | None) -> None:
        """Note that a write is over for the daemon, and the answer that it got; None: it got none."""
        yes = {row.listing_id for row in answer or () if row.verdict in _YES}
        for row in rows:
            self._writing[life, row.listing_id] -= 1
            if row.listing_id in yes:
                self._yes[life, row.listing_id] = row.version

    def drifted(self, life: int, listing: str, version: int) -> None:
        """Check that what is called drift was acknowledged: without a yes the number is to be sent again, not judged.

        (docs/glossary.md: the channel's number is not the offer it acknowledged.)
        """
        left, _ = self._left.get((life, listing), (0, 0.0))
        if left == version > 0 and self._yes.get((life, listing)) != version:
            self.complain(f"{listing}: drift from version {version}, to which nobody has said yes", listing)

    def shown(self, life: int, listing: str, shown: int | None, began: float) -> None:
        """Note what a daemon was told that a listing shows, and when it began to ask."""
        self._told[life, listing] = shown
        self._looked[life, listing] = max(began, self._looked.get((life, listing), began))

    def verified(self, life: int, listing: str, version: int) -> None:
        """Check that a daemon that calls a version verified has looked since it left: accepted is not applied."""
        left, left_at = self._left.get((life, listing), (0, 0.0))
        looked = self._looked.get((life, listing))
        if left == version > 0 and (looked is None or looked < left_at):
            self.complain(f"{listing}: version {version} is called verified, and nobody has looked", listing)

    def polled(self, life: int, *, whole: bool) -> None:
        """Note the end of a poll of orders."""
        if whole:
            self._polled.add(life)
        else:
            self._polled.discard(life)
