"""How long to wait for clients that do not take their replies."""

from collections.abc import Callable

import trio

from ops.socket.connection import Connection


class Patience:
    """Knows who is slow just now; `lost_with` throws out whoever has taken nothing for too long."""

    def __init__(self, seconds: float, lost_with: Callable[[Connection], None]) -> None:
        """Have patience for so long from one byte that was taken to the next."""
        self._seconds = seconds
        self._lost_with = lost_with
        self._ends: dict[Connection, float] = {}
        self._some = trio.Event()

    def has_to_wait(self, connection: Connection, *, took_some: bool) -> None:
        """Note that a client has not taken all of its replies."""
        if took_some or connection not in self._ends:
            self._ends[connection] = trio.current_time() + self._seconds
            self._some.set()

    def is_over(self, connection: Connection) -> None:
        """Note that a client has taken everything, or is gone."""
        if self._ends:
            self._ends.pop(connection, None)

    async def run(self) -> None:
        """Lose patience where it ends, until cancelled."""
        while True:
            await self._some.wait()
            self._some = trio.Event()
            while self._ends:
                await trio.sleep_until(min(self._ends.values()))
                now = trio.current_time()
                for connection in [each for each, ends in self._ends.items() if ends <= now]:
                    self._lost_with(connection)
