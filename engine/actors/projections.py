"""Who keeps what of the journal: told of every durable event of its kinds, live and at replay, by the same road."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from engine.domain.events import Event

Keeper = Callable[[int, Any], None]
"""Gets the position of the frame and one event of a kind it asked for. Runs in the journal's task; must not block."""

DERIVED: Final = "derived"
"""What a keeper knows follows from what others say, or is found out anew when somebody asks."""
LAST_MINUTE: Final = "last minute"
"""What a keeper knows is in the last minute of the journal, which it is told wherever the rest comes from."""


class Projections:
    """A table from kind of event to its keepers. What nobody keeps costs one look-up."""

    def __init__(self) -> None:
        """Start without keepers."""
        self._live: dict[type[Event], tuple[Keeper, ...]] = {}
        self._replayed: dict[type[Event], tuple[Keeper, ...]] = {}
        self._last_minute: dict[type[Event], tuple[Keeper, ...]] = {}
        self.told_after: int | None = None
        """The past was told from behind this frame on, what was before came from a snapshot; None: nothing was told."""
        self.said_in: dict[Keeper, str] = {}
        """Of each keeper that is told the past: what its addition said."""

    def add(
        self,
        kinds: Iterable[type[Event]],
        keeper: Keeper,
        *,
        live: bool = True,
        replayed: bool = True,
        said_in: str = "",
    ) -> None:
        """Tell `keeper` of events of these kinds, in the order they were committed.

        Args:
            kinds: event classes.
            keeper: gets position and event.
            live: False: only of the past, on the way to where the predecessor was.
            replayed: False: only of what happens from now on (logs, counters, notices to people).
            said_in: the section of a snapshot that brings a keeper to where the past would (`ops.state`), `DERIVED` or
                `LAST_MINUTE`; nothing for one that is not told the past.
        """
        if replayed:
            self.said_in[keeper] = said_in
        for kind in kinds:
            if said_in == LAST_MINUTE:
                self._last_minute[kind] = (*self._last_minute.get(kind, ()), keeper)
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

    def tells_after(self, position: int) -> None:
        """Hear that the past is told from behind this frame on; the first time counts."""
        if self.told_after is None:
            self.told_after = position

    def replay(self, position: int, event: Event) -> None:
        """Pass on one event of the past."""
        for keeper in self._replayed.get(type(event), ()):
            keeper(position, event)

    def recall(self, position: int, event: Event) -> None:
        """Pass on one event of the last minute to those that need no more than that."""
        for keeper in self._last_minute.get(type(event), ()):
            keeper(position, event)
