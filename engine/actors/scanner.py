"""Checks the laws of the ledger all the time at a small cost, and all at once when asked. Repairs nothing.

It reads books without asking their shards: between two checkpoints every book is whole, and each slice of its work lies
between two. What it finds goes on record once, with the frames of the last events of that SKU, and again only if it
changes; it is cleared when a later scan finds it gone.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple, Protocol

import structlog
import trio

from engine.actors.comparison import Comparison
from engine.actors.journal import Journal
from engine.actors.reader import PAUSE_SECONDS, JournalReader, needle_for
from engine.actors.scanreport import Asked, Report, ScanBusy, ScanTerms
from engine.domain.audit.laws import (
    BOOK,
    DUES,
    JOURNAL,
    LISTING,
    Around,
    Violation,
    check_around,
    check_book,
    check_dues,
    check_listings,
)
from engine.domain.audit.origin import Origin
from engine.domain.errors import JournalUnavailable, StoreCorrupt
from engine.domain.events import BooksCompared, Event, LawEvent, ViolationCleared, ViolationFound
from engine.domain.stock.book import Book
from engine.domain.stock.ledger import Ledger
from engine.domain.units import AccountId, HoldId, ListingId, LocationId, Sku
from engine.ports import Clock

log = structlog.get_logger(__name__)

BOOKS_PER_SLICE: Final = 50
"""Books checked between two pauses..."""
RECORDS_PER_SLICE: Final = 1000
"""...or as many as have this many holds and order lines: about a millisecond. One book is never split."""
_COMPARED_TOGETHER: Final = 100
"""Books whose figures are copied at one mark in the journal: a millisecond, and one event per hundred books."""
_RECORD_SECONDS: Final = 2e-6
_BOOK_SECONDS: Final = 20e-6
"""What a hold or order line, and a book, cost to check; measured 1 and 12 microseconds."""
OPEN_MAX: Final = 1000
"""Violations on record at once; more are counted and logged no more: then it is not one SKU that is wrong."""
_TRACED_MAX: Final = 8
"""SKUs whose events are looked for at a time: that reads the journal from its first frame."""
_LOGGED_MAX: Final = 20
_IDLE_SECONDS: Final = 60.0
"""Between two looks for the first book."""

Key = tuple[str, Sku, LocationId | None]
Listed = tuple[AccountId, ListingId, Sku]


class _Slice(NamedTuple):
    """Books to be checked between two checkpoints."""

    books: list[Book]
    records: int


class _Dues(NamedTuple):
    """The due list of a shard as it was at an instant."""

    copied: set[tuple[datetime, Sku, HoldId]]
    copied_at: datetime


class Surroundings(Protocol):
    """What others know, as it is at this moment."""

    def around(self) -> Around:
        """Return what the laws between owners compare with."""
        ...

    def listings(self) -> Iterable[Listed]:
        """Return every listing of every account."""
        ...


class Scanner:
    """One per daemon. `run` is the background; `scan` is asked for."""

    def __init__(
        self,
        ledgers: Sequence[Ledger],
        surroundings: Surroundings,
        *,
        reader: JournalReader,
        journal: Journal,
        clock: Clock,
        terms: ScanTerms,
    ) -> None:
        """Scan the books of these ledgers; nothing is known to be wrong until the journal tells."""
        self.open: dict[Key, ViolationFound] = {}
        """On record and not cleared, the oldest first."""
        self.unlisted = 0
        """Found since the last pass began and not put on record: too many are."""
        self.books_checked = 0
        """Since the start, on demand too."""
        self.passed_at: datetime | None = None
        """When the last pass through all books ended; None: none has since the start."""
        self.pass_books = 0
        """Checked in the pass under way."""
        self.asked: Asked | None = None
        self.last: tuple[datetime, Report] | None = None
        """When the last scan on demand ended, and what it found; None: nobody asked since the start."""
        self.busy_seconds = 0.0
        """Processor time of all slices, estimated from what they went through."""
        self._ledgers = ledgers
        self._surroundings = surroundings
        self._reader = reader
        self._journal = journal
        self._clock = clock
        self._terms = terms
        self._began_at = clock.now()
        self._recording = trio.Lock()

    @property
    def books(self) -> int:
        """Books there are."""
        return sum(len(ledger.books) for ledger in self._ledgers)

    def pass_age_seconds(self) -> float:
        """Return the time since the last pass through all books ended, or since the start while none has."""
        return (self._clock.now() - (self.passed_at or self._began_at)).total_seconds()

    def apply(self, _position: int, event: LawEvent) -> None:
        """Keep what is on record, live and in replay."""
        match event:
            case ViolationFound(law=law, sku=sku, location=location):
                self.open[law, sku, location] = event
            case ViolationCleared(law=law, sku=sku, location=location):
                self.open.pop((law, sku, location), None)
            case BooksCompared():
                pass

    def state(self, as_of: datetime) -> Iterator[ViolationFound]:  # noqa: ARG002
        """Say what is on record, the oldest first."""
        yield from self.open.values()

    def restore(self, statement: ViolationFound) -> None:
        """Take in one of what `state` says."""
        self.open[statement.law, statement.sku, statement.location] = statement

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Go through all books again and again until cancelled."""
        task_status.started()
        while True:
            if any(ledger.books for ledger in self._ledgers):
                await self._pass()
                self.passed_at = self._clock.now()
            else:
                await trio.sleep(_IDLE_SECONDS)

    async def scan(self, sku: Sku | None = None, *, deep: bool = False) -> Report:
        """Check all books, or that of one SKU, now; put on record what is new or gone.

        Args:
            sku: None: all.
            deep: add the whole journal up by plain sums and compare every figure with that, too.

        Raises:
            ScanBusy: another scan was asked for and is not done.
            StoreCorrupt: the journal cannot be read.
        """
        if self.asked is not None:
            raise ScanBusy
        self.asked = Asked(sku, deep, self._clock.now())
        started, books, records = trio.current_time(), 0, 0
        found: list[Violation] = []
        journal = Comparison(self._reader, self._journal, self._clock, sku) if deep else None
        try:
            if journal is not None:
                await journal.catch_up()
            for ledger in self._ledgers:
                dues = await self._copy_dues(ledger)
                names = list(ledger.books) if sku is None else [sku] if sku in ledger.books else []
                for each in self._slices(ledger, names):
                    here = self._check(each, dues)
                    await self._settle([book.sku for book in each.books], here, _covers_all)
                    found += here
                    books, records = books + len(each.books), records + each.records
                    await trio.sleep(PAUSE_SECONDS)
                if journal is not None:
                    found += await self._compare(ledger, names, journal)
            found += await self._check_whole(sku, journal)
            origins = await self._trace(dict.fromkeys(violation.sku for violation in found))
        finally:
            self.asked = None
        report = Report(
            sku=sku,
            deep=deep,
            books=books,
            records=records,
            position=self._reader.position,
            seconds=trio.current_time() - started,
            violations=tuple(found),
            origins=origins,
        )
        self.last = self._clock.now(), report
        return report

    async def _compare(self, ledger: Ledger, names: Sequence[Sku], journal: Comparison) -> list[Violation]:
        found: list[Violation] = []
        for start in range(0, len(names), _COMPARED_TOGETHER):
            skus = names[start : start + _COMPARED_TOGETHER]
            here = await journal.compare(ledger, skus)
            await self._settle(skus, here, _covers_sums)
            found += here
        return found

    async def _pass(self) -> None:
        """Go through all books once, spread over the time there is for it."""
        total = self.books
        self.unlisted = self.pass_books = 0
        for ledger in self._ledgers:
            for each in self._slices(ledger, list(ledger.books)):
                found = self._check(each, None)
                await self._settle([book.sku for book in each.books], found, _covers_books)
                self.pass_books += len(each.books)
                evenly = self._terms.pass_seconds * len(each.books) / max(total, 1)
                await trio.sleep(max(evenly, _cost_seconds(each) / self._terms.share_max))
        await self._check_whole(None, None)

    def _slices(self, ledger: Ledger, names: Sequence[Sku]) -> Iterator[_Slice]:
        """Part the books of these SKUs, as they are when their slice is asked for."""
        index = 0
        while index < len(names):
            books: list[Book] = []
            records = 0
            while index < len(names) and len(books) < BOOKS_PER_SLICE and records < RECORDS_PER_SLICE:
                book = ledger.books[names[index]]
                books.append(book)
                records += len(book.holds) + len(book.demand)
                index += 1
            yield _Slice(books, records)

    async def _copy_dues(self, ledger: Ledger) -> _Dues:
        copied_at, copied = self._clock.now(), set[tuple[datetime, Sku, HoldId]]()
        for number, due in enumerate(ledger.dues(), start=1):
            copied.add(due)
            if number % RECORDS_PER_SLICE == 0:
                await trio.sleep(PAUSE_SECONDS)
        return _Dues(copied, copied_at)

    def _check(self, each: _Slice, dues: _Dues | None) -> list[Violation]:
        # no checkpoint: what others know must be of the same moment as the books
        around = self._surroundings.around()
        found: list[Violation] = []
        for book in each.books:
            found += check_book(book, around.pools)
            found += check_around(book, around)
            if dues is not None:
                found += check_dues(book, dues.copied, dues.copied_at)
        self.books_checked += len(each.books)
        self.busy_seconds += _cost_seconds(each)
        return found

    async def _check_whole(self, sku: Sku | None, journal: Comparison | None) -> list[Violation]:
        """Check what no book can tell by itself: listings of what does not exist, SKUs without a book."""
        listings = [listed for listed in self._surroundings.listings() if sku in {None, listed[2]}]
        found: list[Violation] = []
        for start in range(0, len(listings), RECORDS_PER_SLICE):
            found += check_listings(listings[start : start + RECORDS_PER_SLICE], self._has_book)
            await trio.sleep(PAUSE_SECONDS)
        if journal is not None:
            missing = [name for name in journal.skus() if not self._has_book(name)]
            found += [Violation(law=BOOK, sku=name, expected=1, found=0) for name in missing]
        gone = [key for key in self.open if key[0] in {LISTING, BOOK} and sku in {None, key[1]}]
        await self._record(found, [key for key in gone if key[0] == LISTING or journal is not None])
        return found

    def _has_book(self, sku: Sku) -> bool:
        return any(sku in ledger.books for ledger in self._ledgers)

    async def _settle(self, skus: Sequence[Sku], found: Sequence[Violation], covers: Callable[[str], bool]) -> None:
        """Put on record what is new or changed of these SKUs, and what is gone of the laws that were checked."""
        if found or self.open:
            checked = set(skus)
            await self._record(found, [key for key in self.open if key[1] in checked and covers(key[0])])

    async def _record(self, found: Sequence[Violation], listed: Sequence[Key]) -> None:
        """Put on record what of `found` is news, and what of `listed` was not found again."""
        async with self._recording:  # the background and a scan on demand may find the same
            await self._record_alone(found, listed)

    async def _record_alone(self, found: Sequence[Violation], listed: Sequence[Key]) -> None:
        still = {_key(violation) for violation in found}
        now = self._clock.now()
        gone = [ViolationCleared(at=now, law=key[0], sku=key[1], location=key[2]) for key in listed if key not in still]
        news = [violation for violation in found if _is_news(self.open.get(_key(violation)), violation)]
        room = max(0, OPEN_MAX - len(self.open))
        self.unlisted += max(0, len(news) - room)
        news = news[:room]
        if not news and not gone:
            return
        try:
            origins = await self._trace(dict.fromkeys(violation.sku for violation in news))
        except (StoreCorrupt, JournalUnavailable) as error:  # what was found is told all the same
            log.exception("scan.untraced", reason=str(error))
            origins = {}
        await self._journal.record([*gone, *(_event(violation, origins, self._clock.now()) for violation in news)])
        _tell(news, gone)

    async def _trace(self, skus: Iterable[Sku]) -> dict[Sku, Origin]:
        """Find the events of some SKUs, and the first of them after which the journal does not add up."""
        origins = {sku: Origin(sku) for sku, _ in zip(skus, range(_TRACED_MAX), strict=False)}

        def hear(position: int, event: Event) -> None:
            origin = origins.get(getattr(event, "sku", Sku("")))
            if origin is not None:
                origin.apply(position, event)

        if origins:
            needles = [needle_for(sku) for sku in origins]
            await self._reader.tell(hear, needles=needles, until=self._reader.position)
        return origins


def _covers_books(law: str) -> bool:
    """The laws that the background checks book by book."""
    return law != DUES and _covers_all(law)


def _covers_all(law: str) -> bool:
    """The laws that a scan on demand checks book by book: all but those of the whole and of the journal."""
    return law not in {LISTING, BOOK} and not _covers_sums(law)


def _covers_sums(law: str) -> bool:
    """The laws that a comparison with the journal checks."""
    return law.endswith(JOURNAL)


def _cost_seconds(each: _Slice) -> float:
    return len(each.books) * _BOOK_SECONDS + each.records * _RECORD_SECONDS


def _key(violation: Violation) -> Key:
    return violation.law, violation.sku, violation.location


def _is_news(known: ViolationFound | None, violation: Violation) -> bool:
    return known is None or (known.expected, known.found) != (violation.expected, violation.found)


def _event(violation: Violation, origins: dict[Sku, Origin], now: datetime) -> ViolationFound:
    origin = origins.get(violation.sku)
    return ViolationFound(
        at=now,
        law=violation.law,
        sku=violation.sku,
        location=violation.location,
        expected=violation.expected,
        found=violation.found,
        detail=violation.detail,
        positions=() if origin is None else origin.positions,
        origin=None if origin is None or origin.first is None else origin.first[0],
    )


def _tell(news: Sequence[Violation], gone: Sequence[ViolationCleared]) -> None:
    for violation in news[:_LOGGED_MAX]:
        log.error(
            "violation.found",
            law=violation.law,
            sku=violation.sku,
            location=violation.location,
            expected=violation.expected,
            found=violation.found,
            detail=violation.detail,
        )
    for event in gone[:_LOGGED_MAX]:
        log.info("violation.cleared", law=event.law, sku=event.sku, location=event.location)
