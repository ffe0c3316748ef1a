"""Taking turns: what costs some milliseconds is done by one task in a round of the loop, so that they do not add up."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio


class Turns:
    """Shared by tasks that would otherwise all do their work in the same round, and keep everybody waiting."""

    def __init__(self) -> None:
        """Start with nobody's turn."""
        self._taken = False
        self._waiting = trio.lowlevel.ParkingLot()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Do the block in a round in which nobody else of these does theirs; it must not checkpoint.

        Waits two rounds at most for each task that comes before, and not at all when there is none. Who waits is woken
        when its turn has come: whatever their number, all of them together take steps of the loop in proportion to it.
        """
        if self._taken:
            await self._waiting.park()  # the turn is handed over: nobody can take it before this task runs
        self._taken = True
        try:
            yield
            await trio.lowlevel.checkpoint()  # the round is used up
        finally:
            if self._waiting:
                self._waiting.unpark()
            else:
                self._taken = False
