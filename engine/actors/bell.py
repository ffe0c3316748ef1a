"""Waking whoever waits for something to change."""

import trio


class Bell:
    """Is rung for every change, mostly with nobody there to hear it: that costs next to nothing."""

    def __init__(self) -> None:
        """Start with nobody waiting."""
        self._next: trio.Event | None = None

    def ring(self) -> None:
        """Wake all who wait; whoever comes now waits for the next time."""
        if self._next is not None:
            self._next.set()
            self._next = None

    @property
    def next(self) -> trio.Event:
        """What is set when it rings next. Taken before one looks at what may change, it misses nothing."""
        if self._next is None:
            self._next = trio.Event()
        return self._next
