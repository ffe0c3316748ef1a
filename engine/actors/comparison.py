"""The journal added up by plain sums, and books compared with it at the very place in it where they were copied."""

from collections.abc import Sequence
from typing import Final

from engine.actors.journal import Journal
from engine.actors.reader import JournalReader, needle_for
from engine.domain.audit.fingerprints import fingerprint
from engine.domain.audit.laws import Violation
from engine.domain.audit.naive import Figures, NaiveLedger, read_figures
from engine.domain.events import BooksCompared, Event
from engine.domain.stock.ledger import Ledger
from engine.domain.units import Sku
from engine.ports import Clock

_COMPARED_TAG: Final = needle_for(str(BooksCompared.__struct_config__.tag))


class Comparison:
    """One deep scan. Keeps figures, open holds and order lines of what it adds up, for as long as it takes."""

    def __init__(self, reader: JournalReader, journal: Journal, clock: Clock, sku: Sku | None) -> None:
        """Begin with an empty sum. `sku` None: all of them."""
        self._reader = reader
        self._journal = journal
        self._clock = clock
        self._needles = () if sku is None else (needle_for(sku), _COMPARED_TAG)
        self._sku = sku
        self._naive = NaiveLedger()
        self._position = 0
        self._parts = 0
        self._waiting: tuple[BooksCompared, dict[Sku, Figures]] | None = None
        self._found: list[Violation] = []

    def skus(self) -> list[Sku]:
        """Return the SKUs that the journal moves units of."""
        return [sku for sku in self._naive.skus() if self._sku in {None, sku}]

    async def catch_up(self, until: int | None = None) -> None:
        """Add up what the journal has, to this position or to its end."""
        until = self._reader.position if until is None else until
        await self._reader.tell(self._hear, needles=self._needles, after=self._position, until=until)
        self._position = until

    async def compare(self, ledger: Ledger, skus: Sequence[Sku]) -> list[Violation]:
        """Copy the figures of some books, mark the place in the journal, read up to it, compare there.

        The mark carries the books' fingerprints: with them `lastunit replay --verify` proves what was in memory.
        """
        await self._journal.wait_room()
        # no checkpoint until the mark is with the journal, for there is room: what is decided so far comes before it
        now = self._clock.now()
        mark = BooksCompared(at=now, part=self._parts, books=fingerprint(ledger, skus, now))
        self._waiting = (mark, {sku: read_figures(ledger.books[sku]) for sku in skus})
        self._parts += 1
        self._found = []
        await self.catch_up(await self._journal.record([mark]))
        assert self._waiting is None, "the mark is in the journal where it was put"
        return self._found

    def _hear(self, _position: int, event: Event) -> None:
        if self._waiting is not None and event == self._waiting[0]:
            for sku, figures in self._waiting[1].items():
                self._found += self._naive.compare_figures(sku, figures)
            self._waiting = None
        if self._sku is None or getattr(event, "sku", None) == self._sku:
            self._naive.apply(event)
