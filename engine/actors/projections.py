"""Who keeps what of the journal: told of every durable event of its kinds, live and at replay, by the same road."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from engine.domain.events import Event

Keeper = Callable[[int, Any], None]
"""Gets the position of the frame and one event of a kind it asked for. Runs in the journal's task; must not block."""


class Projections:
    """A table from kind of event to its keepers. What nobody keeps costs one look-up."""

    def __init__(self) -> None:
        """Start without keepers."""
        self._live: dict[type[Event], tuple[Keeper, ...]] = {}
        self._replayed: dict[type[Event], tuple[Keeper, ...]] = {}

    def add(self, kinds: Iterable[type[Event]], keeper: Keeper, *, live: bool = True, replayed: bool = True) -> None:
        """Tell `keeper` of events of these kinds, in the order they were committed.

        Args:
            kinds: event classes.
            keeper: gets position and event.
            live: False: only of the past, on the way to where the predecessor was.
            replayed: False: only of what happens from now on (logs, counters, notices to people).
        """
        for kind in kinds:
            if live:
                self._live[kind] = (*self._live.get(kind, ()), keeper)
            if replayed:
                self._replayed[kind] = (*self._replayed.get(kind, ()), keeper)

    def committed(self, position: int, events: Sequence[Event]) -> None:
        """Pass on the events of one durable frame."""
        live = self._live
        if live.keys().isdisjoint(map(type, events)):
            return  # most frames are holds alone
        for event in events:
            for keeper in live.get(type(event), ()):
                keeper(position, event)

    def replay(self, position: int, event: Event) -> None:
        """Pass on one event of the past."""
        for keeper in self._replayed.get(type(event), ()):
            keeper(position, event)
