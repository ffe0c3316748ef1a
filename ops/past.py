"""Questions about the past of one SKU, answered from the journal: one at a time, beside the holds."""

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final, NamedTuple, get_args

import trio
from msgspec.structs import replace

from engine.actors.reader import Hear, JournalReader, needle_for
from engine.domain.audit.history import History, Window
from engine.domain.audit.timetravel import Moment
from engine.domain.events import AccountPaused, AccountResumed, CampaignEnded, CampaignReturned, Event, RulesSet
from engine.domain.offers.rules import RuleBook
from engine.domain.stated.past import CommonCut, CommonStated, PastStatement
from engine.domain.units import ListingId, Sku
from engine.machines.pastlistings import PastListings
from ops.socket.resp import ErrorReply

WAITING_MAX: Final = 8
"""Questions that wait for their turn; one more is BUSY."""
CommonEvent = AccountPaused | AccountResumed | CampaignEnded | CampaignReturned | RulesSet
"""What concerns many SKUs and names none of them; all of these are rare."""
COMMON_MAX: Final = 10_000
"""Of these remembered, 2 MB: to look for all five kinds in the journal makes a question four times as long."""
_NO_RULES: Final = RuleBook()


class Then(NamedTuple):
    """A SKU as it was."""

    moment: Moment
    listings: PastListings
    below: dict[Sku, Moment]
    """Of a bundle: everything that it was made of then, however deep."""


class Past:
    """Tells what was. Between two questions it holds only what concerns many SKUs."""

    def __init__(self, reader: JournalReader, listings_of: Callable[[Sku], Iterable[ListingId]]) -> None:
        """Ask `reader`; `keep` is to hear of every `CommonEvent`.

        Args:
            reader: of the journal.
            listings_of: those mapped to a SKU now, at any account: where to begin to look for pushes.
        """
        self._reader = reader
        self._listings_of = listings_of
        self._turn = trio.Lock()
        self._common: deque[tuple[int, CommonEvent]] = deque(maxlen=COMMON_MAX)
        self._all_common = True

    def keep(self, position: int, event: CommonEvent) -> None:
        """Remember what concerns many SKUs, live and in replay; of rules that there was a new version."""
        self._all_common = self._all_common and len(self._common) < COMMON_MAX
        self._common.append((position, replace(event, rules=_NO_RULES) if isinstance(event, RulesSet) else event))

    def state(self, as_of: datetime) -> Iterator[PastStatement]:  # noqa: ARG002
        """Say what is remembered, the oldest first."""
        if not self._all_common:
            yield CommonCut()
        for position, event in self._common:
            yield CommonStated(position=position, event=event)

    def restore(self, statement: PastStatement) -> None:
        """Take in one of what `state` says."""
        if isinstance(statement, CommonCut):
            self._all_common = False
        else:
            self._common.append((statement.position, statement.event))

    async def started_at(self) -> datetime | None:
        """Return when the journal begins; None: nothing is in it yet."""
        return await self._reader.started_at()

    async def moment(self, sku: Sku, at: datetime) -> Then:
        """Return the book and the listings of a SKU as of an instant, and of what it was made of.

        Raises:
            ErrorReply: BUSY, too many ask already.
            StoreCorrupt: the journal is damaged.
        """
        async with self._its_turn():
            until = self._reader.position
            moment, listings = await self._moment(sku, at, until)
            below: dict[Sku, Moment] = {}
            missing = _components(moment)
            while missing:  # once for each level of kits in kits
                below |= await self._moments(missing, at, until)
                missing = {each for known in below.values() for each in _components(known)} - below.keys()
            return Then(moment, listings, below)

    async def _moment(self, sku: Sku, at: datetime, until: int) -> tuple[Moment, PastListings]:
        moment = Moment(sku, at)

        def begin(listings: PastListings) -> Hear:
            nonlocal moment
            moment = Moment(sku, at)

            def hear(position: int, event: Event) -> None:
                if not moment.apply(position, event) and listings.apply(event):
                    moment.position = position

            return hear

        listings = await self._tell(sku, at, until, begin)
        return moment, listings

    async def _moments(self, skus: Iterable[Sku], at: datetime, until: int) -> dict[Sku, Moment]:
        moments = {sku: Moment(sku, at) for sku in skus}

        def hear(position: int, event: Event) -> None:
            moment = moments.get(getattr(event, "sku", Sku("")))
            if moment is not None:
                moment.apply(position, event)

        await self._reader.tell(hear, needles=[needle_for(sku) for sku in moments], until=until)
        return moments

    async def history(self, sku: Sku, window: Window) -> History:
        """Return a page of the ledger of a SKU.

        Raises:
            ErrorReply: BUSY, too many ask already.
            StoreCorrupt: the journal is damaged.
        """
        async with self._its_turn():
            until = self._reader.position
            if window.before is not None:
                until = min(until, window.before.position)
            history = History(sku, window)

            def begin(listings: PastListings) -> Hear:
                nonlocal history
                history = History(sku, window)

                def hear(position: int, event: Event) -> None:
                    history.apply(position, event, listing_event=listings.apply(event))

                return hear

            await self._tell(sku, None, until, begin)
            return history

    async def _tell(
        self, sku: Sku, at: datetime | None, until: int, begin: Callable[[PastListings], Hear]
    ) -> PastListings:
        """Tell everything about a SKU and its listings to what `begin` makes; again, when a listing turns up late.

        An answer of a channel names its listing and no SKU. Listings of today are looked for from the start; one that
        was dropped or mapped elsewhere since is only known once its mapping was read.
        """
        known = set(self._listings_of(sku))
        common = list(self._common) if self._all_common else []
        words = [] if self._all_common else [str(kind.__struct_config__.tag) for kind in get_args(CommonEvent)]
        while True:
            needles = [needle_for(word) for word in (sku, *sorted(known), *words)]
            listings = PastListings(sku, at)
            hear = _Merged(begin(listings), common)
            await self._reader.tell(hear.hear, needles=needles, until=until)
            hear.rest(until)
            if listings.named <= known:
                return listings
            known |= listings.named

    @asynccontextmanager
    async def _its_turn(self) -> AsyncIterator[None]:
        if self._turn.statistics().tasks_waiting >= WAITING_MAX:
            raise ErrorReply("BUSY", f"{WAITING_MAX} questions about the past wait already: ask again")
        async with self._turn:
            yield


class _Merged:
    """Tells what is remembered of many SKUs between what the journal tells of one."""

    def __init__(self, hear: Hear, common: Sequence[tuple[int, CommonEvent]]) -> None:
        self._hear = hear
        self._common = common
        self._told = 0

    def hear(self, position: int, event: Event) -> None:
        self.rest(position - 1)
        # an event of these kinds may lie beside one that was looked for; it is told from memory
        if not self._common or not isinstance(event, CommonEvent):
            self._hear(position, event)

    def rest(self, until: int) -> None:
        while self._told < len(self._common) and self._common[self._told][0] <= until:
            self._hear(*self._common[self._told])
            self._told += 1


def _components(moment: Moment) -> set[Sku]:
    return set() if moment.recipe is None else {sku for sku, _ in moment.recipe.components}
