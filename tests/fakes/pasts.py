"""Journals that a whole daemon wrote in a made-up world, and ways to falsify them."""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple
from unittest.mock import patch

import msgspec

from adapters.store.memory import MemoryStore
from adapters.store.snapshots_memory import MemorySnapshots
from config.schema import Settings
from engine.actors.journal import decode_events, encode_events
from engine.domain.events import Event
from engine.ports import Frame
from ops.bystander import build_bystander
from ops.clock import SteadyClock
from ops.node import Node
from ops.replay.run import Asked, Report, run
from ops.simulate import runner
from ops.simulate.oracle.oracle import Problem
from ops.simulate.world import World

Falsify = Callable[[int, Event], Event | None]
"""Gets the position and an event; returns what is to stand there instead, None: nothing."""


class Past(NamedTuple):
    """What a run left behind."""

    settings: Settings
    frames: tuple[Frame, ...]

    def node(self) -> Node:
        """Make a node that knows nothing of it yet."""
        return build_bystander(self.settings, SteadyClock())

    def events(self) -> list[tuple[int, Event]]:
        """Return every event with its position."""
        return [(frame.position, event) for frame in self.frames for event in decode_events(frame)]

    def falsified(self, falsify: Falsify) -> "Past":
        """Return the same past, told otherwise."""
        return self._replace(frames=tuple(_falsified(frame, falsify) for frame in self.frames))

    async def replay(self, asked: Asked, snapshots: MemorySnapshots | None = None) -> Report:
        """Replay it."""
        return await run(self.node, MemoryStore(list(self.frames)), snapshots or MemorySnapshots(), asked)


@cache
def live_through(seed: int, seconds: float, faults: str = "none") -> Past:
    """Run a simulation and keep its journal; what went wrong in it is another test's business."""
    kept: list[Past] = []
    conclude = runner._conclude

    def keep(world: World, problems: list[Problem]) -> runner.Outcome:
        kept.append(Past(world.plan.settings, tuple(world.platter.frames)))
        return conclude(world, problems)

    with patch.object(runner, "_conclude", keep):
        runner.simulate(seed, seconds=seconds, faults=faults)
    return kept[0]


def _falsified(frame: Frame, falsify: Falsify) -> Frame:
    before = decode_events(frame)
    after = [event for each in before if (event := falsify(frame.position, each)) is not None]
    return frame if after == before else msgspec.structs.replace(frame, payload=encode_events(after))
