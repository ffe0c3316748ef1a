"""How fast a SKU sells just now: the pace of its last few sales.

The demand of four weeks says what an ordinary day is like. In a rush a SKU sells in a minute what it sells in a week,
and a buffer by the week is none. So the last few sales of each SKU are kept: so many units in the time since the first
of them. That fits any scale, three in a second as three in a day, without a number that says how long "just now" is;
and it falls by itself while nothing more is sold. It counts when we heard of a sale, so orders that are read late and
all at once look like a rush: for as long again as it then takes to forget them, a little more is withheld.

A falling pace is no event, so whoever computes by it asks for `turns`: the SKUs whose pace has halved, each after twice
the time, until an hour has passed and the SKU is forgotten.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import islice
from typing import Final

from engine.domain.stated.offers import PaceStated
from engine.domain.units import AccountId, Sku

SALES_KEPT: Final = 8
"""Sales of a SKU: a pace by eight is off by a third, and eight are soon there."""
SALES_LEAST: Final = 3
"""By two sales every slow SKU would be fast now and then."""
SKUS_MAX: Final = 4096
"""SKUs that sold last: those of a rush."""
SPAN_MIN: Final = timedelta(seconds=0.1)
"""Least time that sales are taken to have spread over: orders that are read in one batch come in the same instant."""
FORGOTTEN_AFTER: Final = timedelta(hours=1)
"""Offers that follow demand are computed anew once an hour in any case."""
_TURN_LEAST: Final = timedelta(seconds=1)


class Pace:
    """The last sales of the SKUs that sold last. O(log SKUs) per sale, O(1) per question; bounded."""

    def __init__(self) -> None:
        """Start with nothing sold."""
        self._sales: OrderedDict[Sku, deque[tuple[datetime, AccountId, int]]] = OrderedDict()
        self._turns: list[tuple[datetime, Sku]] = []
        self._waiting: set[Sku] = set()
        """SKUs that have a turn; asked whether one is in it, and for nothing else."""

    def sold(self, sku: Sku, account: AccountId, units: int, at: datetime) -> None:
        """Take in a sale; what was cancelled had been wanted all the same."""
        if units <= 0:
            return
        sales = self._sales.get(sku)
        if sales is None:
            sales = self._sales[sku] = deque(maxlen=SALES_KEPT)
            if len(self._sales) > SKUS_MAX:
                self._sales.popitem(last=False)
        else:
            self._sales.move_to_end(sku)
            if at - sales[-1][0] >= FORGOTTEN_AFTER:  # whether or not its turn has come
                sales.clear()
        sales.append((at, account, units))
        if sku not in self._waiting:
            self._waiting.add(sku)
            heappush(self._turns, (at + _TURN_LEAST, sku))

    def rate_of(self, sku: Sku, account: AccountId, at: datetime) -> float:
        """Return units that an account sells in a second, by the last sales of the SKU; 0 while there are too few."""
        return self._rate(sku, at, lambda seller: seller == account)

    def rate_elsewhere(self, sku: Sku, account: AccountId, at: datetime) -> float:
        """Return units that all other accounts sell in a second, by the last sales; 0 while there are too few."""
        return self._rate(sku, at, lambda seller: seller != account)

    def _rate(self, sku: Sku, at: datetime, counts: Callable[[AccountId], bool]) -> float:
        sales = self._sales.get(sku)
        if sales is None or len(sales) < SALES_LEAST or at - sales[-1][0] >= FORGOTTEN_AFTER:
            return 0.0
        # The time runs from the first sale on, so that one is not in it.
        units = sum(units for _, seller, units in islice(sales, 1, None) if counts(seller))
        return units / max(at - sales[0][0], SPAN_MIN).total_seconds()

    def next_turn_at(self) -> datetime | None:
        """Return when to ask for `turns` next; None: not before another sale."""
        return self._turns[0][0] if self._turns else None

    def turns(self, at: datetime) -> list[Sku]:
        """Return the SKUs whose pace has halved since they were here last; forget those of an hour ago."""
        fallen: list[Sku] = []
        while self._turns and self._turns[0][0] <= at:
            _, sku = heappop(self._turns)
            self._waiting.discard(sku)
            sales = self._sales.get(sku)
            if sales is None:
                continue
            fallen.append(sku)
            rest = FORGOTTEN_AFTER - (at - sales[-1][0])
            if rest <= timedelta():
                del self._sales[sku]
            else:
                self._waiting.add(sku)
                heappush(self._turns, (at + max(min(at - sales[0][0], rest), _TURN_LEAST), sku))
        return fallen

    # -- snapshots

    def state(self, as_of: datetime) -> Iterator[PaceStated]:
        """Say the last sales of the SKUs that sold within the hour, those that are forgotten first first."""
        for sku, sales in self._sales.items():
            if as_of - sales[-1][0] < FORGOTTEN_AFTER:
                yield PaceStated(sku=sku, sales=tuple(sales))

    def restore(self, statement: PaceStated) -> None:
        """Take in one of what `state` says."""
        sku, sales = statement.sku, statement.sales
        self._sales[sku] = deque(sales, maxlen=SALES_KEPT)
        self._waiting.add(sku)
        heappush(self._turns, (sales[-1][0] + _TURN_LEAST, sku))
