"""One task that lets offers follow a pace that falls: no event tells them."""

from collections.abc import Callable
from datetime import datetime

import trio

from engine.domain.offers.pace import Pace
from engine.domain.units import Sku
from engine.ports import Clock

_SKUS_PER_SLICE = 100
"""SKUs marked between two checkpoints."""


class Pacer:
    """Owns no offer: it says of which SKUs they are to be computed anew."""

    def __init__(self, pace: Pace, retouch: Callable[[Sku], None], *, clock: Clock) -> None:
        """Start idle; `retouch` lets every account compute a SKU's offers anew at its next look."""
        self._pace = pace
        self._retouch = retouch
        self._clock = clock
        self._changed = trio.Event()
        self._wakes_at: datetime | None = None
        """When the task looks next by itself; None: not before it is told."""

    def sold(self) -> None:
        """Hear that the pace took in a sale."""
        due_at = self._pace.next_turn_at()
        if due_at is not None and (self._wakes_at is None or due_at < self._wakes_at):
            self._changed.set()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Work until cancelled."""
        task_status.started()
        while True:
            # no checkpoint from here to the wait: what is sold meanwhile must find the event waited for
            self._changed = trio.Event()
            due_at = self._wakes_at = self._pace.next_turn_at()
            wait = float("inf") if due_at is None else (due_at - self._clock.now()).total_seconds()
            with trio.move_on_after(max(0.0, wait)):
                await self._changed.wait()
            for number, sku in enumerate(self._pace.turns(self._clock.now()), start=1):
                self._retouch(sku)
                if number % _SKUS_PER_SLICE == 0:
                    await trio.lowlevel.checkpoint()
