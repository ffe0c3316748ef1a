"""Which level of a SKU its pushers can have known: what the journal brought about, and what may be told late.

A level is told with the commit that changed it. Only plain holds that leave plenty may wait (`untold`), so what was
known at a frame is the level behind that frame, or the one before any number of such holds at its end.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple, get_args

from engine.domain.events import BookEvent, Event, Part, SkuMerged, UnitsHeld
from engine.domain.units import EPOCH, Sku
from engine.machines.untold import PLENTY_UNITS

KEPT: Final = timedelta(seconds=30)
"""Longer than a level of plenty waits, with half a million of them to be told (`untold.TOLD_MAX`, `TOLD_PAUSE`)."""
KEPT_MAX: Final = 20_000
"""Levels of one SKU; what is older cannot be looked up any more, and whoever asks is told so."""

_BOOK_EVENTS: Final = get_args(BookEvent)

Levels = tuple[Part, ...]


class Touched:
    """What one frame did to a SKU."""

    __slots__ = ("holds", "only_holds")

    def __init__(self) -> None:
        """Start untouched."""
        self.holds: list[Part] = []
        """Plain holds behind whatever else happened to it."""
        self.only_holds = True


class Known(NamedTuple):
    """What could have been known of a SKU at a frame."""

    levels: Sequence[Levels]
    """The newest first; empty: that is not kept any more."""
    newer: int | None
    """A frame that was durable by then, and after which it was another one; None: it was the newest."""


class _Level(NamedTuple):
    position: int
    at: datetime
    atp: Levels
    may_wait: bool
    """A plain hold led here from the one before, and left plenty."""


class ToldLevels:
    """The levels of the last seconds of every SKU. O(events) per frame."""

    def __init__(self) -> None:
        """Start without any SKU."""
        self._levels: dict[Sku, list[_Level]] = {}

    def begin(self, sku: Sku, atp: Levels) -> None:
        """Take in what a SKU stands at where a replay begins; since when, nobody knows."""
        self._levels[sku] = [_Level(0, EPOCH, atp, may_wait=False)]

    def note(self, position: int, at: datetime, sku: Sku, atp: Levels, touched: Touched) -> None:
        """Take in the level behind a frame, and what the frame did."""
        kept = self._levels.get(sku)
        if kept is None:
            kept = self._levels[sku] = []
        states = [atp]
        for location, units in reversed(touched.holds):
            after = dict(states[-1])
            if after.get(location, 0) < PLENTY_UNITS:
                break
            states.append(tuple([(place, left + units * (place == location)) for place, left in states[-1]]))
        first = states.pop()
        is_new = len(states) < len(touched.holds) or not touched.only_holds or not kept
        if is_new and not (kept and kept[-1].atp == first):  # what leaves the level as it was outdates nothing
            kept.append(_Level(position, at, first, may_wait=False))
        kept.extend([_Level(position, at, level, may_wait=True) for level in reversed(states)])
        old = max(0, len(kept) - KEPT_MAX)
        while old + 1 < len(kept) and kept[old + 1].at < at - KEPT:
            old += 1
        if old:
            del kept[:old]

    def find(self, sku: Sku, basis: int, *, durable: int, alone: bool = True) -> Known | None:
        """Return what could have been known of a SKU as of a frame; None: there was no such SKU.

        Args:
            sku: one with stock of its own.
            basis: the frame that what is asked about names.
            durable: the newest frame that was certainly durable then: no level of before may be known still.
            alone: the level itself was told at `basis`; False: something was that it is part of.
        """
        kept = self._levels.get(sku, ())
        newer: int | None = None
        for index in range(len(kept) - 1, -1, -1):
            if kept[index].position <= basis:
                return Known(_before(kept, index, basis if alone else None), newer)
            if kept[index].position <= durable and not kept[index].may_wait:
                newer = kept[index].position
        return Known((), newer) if kept else None


def touched_by(events: Sequence[Event]) -> dict[Sku, Touched]:
    """Say what a frame did to the level of each SKU that it is about."""
    found: dict[Sku, Touched] = {}
    for event in events:
        if type(event) is UnitsHeld and len(event.parts) == 1:
            _of(found, event.sku).holds.append(event.parts[0])
        elif isinstance(event, _BOOK_EVENTS):
            for sku in (event.sku, event.into) if isinstance(event, SkuMerged) else (event.sku,):
                touched = _of(found, sku)
                touched.holds.clear()
                touched.only_holds = False
    return found


def _of(found: dict[Sku, Touched], sku: Sku) -> Touched:
    touched = found.get(sku)
    if touched is None:
        touched = found[sku] = Touched()
    return touched


def _before(kept: Sequence[_Level], index: int, told_at: int | None) -> list[Levels]:
    """Return a level, and those before it that may have been the newest ones told."""
    levels = [kept[index].atp]
    while index and kept[index].may_wait and told_at in {None, kept[index].position}:
        index -= 1
        levels.append(kept[index].atp)
    return levels
