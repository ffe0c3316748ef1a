"""A machine that stands still between two steps: swapped out, moved to another host, collecting garbage."""

import random
from typing import Final

import trio
from trio.testing import MockClock

from ops.simulate.world import World

_STEPS_MEAN: Final = 1500.0
_SECONDS: Final = (0.1, 1.1)
"""To the third power: mostly milliseconds."""
_OWNER: Final = "engine.actors.shard.Shard.run"
_NEAR_SECONDS: Final = 0.05
_NEAR_CHANCE: Final = 0.5
"""When an owner of stock has looked what is due, and a hold runs out so soon: then it has run out when all goes on, and
whoever decides about those books for another owner has to look again."""


class Standstill(trio.abc.Instrument):
    """Moves the clock on between two steps of tasks: whatever was due meanwhile is late."""

    def __init__(self, clock: MockClock, world: World, rng: random.Random) -> None:
        """Stand still now and then while the fault is on."""
        self._clock = clock
        self._world = world
        self._rng = rng
        self._left = rng.expovariate(1 / _STEPS_MEAN)

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        """Count a step; stand still after some."""
        self._left -= 1.0
        if task.name == _OWNER:
            runs_out = self._world.oracle.next_expiry(self._world.host.now_seconds)
            if runs_out is not None and runs_out < _NEAR_SECONDS and self._rng.random() < _NEAR_CHANCE:
                self._stand_still(runs_out + 0.001)
        if self._left < 0:
            self._left = self._rng.expovariate(1 / _STEPS_MEAN)
            self._stand_still(self._rng.uniform(*_SECONDS) ** 3)

    def _stand_still(self, seconds: float) -> None:
        if not self._world.faults.happens("standstill"):
            return
        self._world.faults.note("standstill")
        self._clock.jump(seconds)
        self._world.story.tell("machine", f"stood still for {seconds:.3f} s")
