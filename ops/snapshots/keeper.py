"""Snapshots while a daemon runs: a process that makes one when it is time, and the daemon's own word at its end."""

import math
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec
import structlog
import trio

from adapters.store.snapshots import Snapshots
from config.loader import STORE_SECRETS, without_channel_secrets
from config.snapshots import Snapshots as SnapshotSettings
from engine.actors.journal import Journal
from engine.domain.errors import JournalError
from engine.ports import Clock, Frame
from ops.node import Node
from ops.snapshots.process import Made
from ops.snapshots.taking import surplus, take
from ops.telemetry.metrics import Telemetry

log = structlog.get_logger(__name__)

_LOOK_SECONDS: Final = 5.0
"""Between two looks whether it is time."""
_RETRY_SECONDS: Final = 60.0
_RETRY_SECONDS_MAX: Final = 3600.0
"""After failures in a row: the journal has it all, so there is no hurry."""


def snapshot_command(config_path: Path) -> Sequence[str]:
    """Return how to make one with the same interpreter."""
    return (sys.executable, "-m", "ops.cli.main", "--config", str(config_path), "store", "snapshot", "--json")


class SnapshotKeeper:
    """Has snapshots made. One process at a time; it reads, so killing it harms nobody."""

    def __init__(
        self,
        settings: SnapshotSettings,
        journal: Journal,
        clock: Clock,
        *,
        command: Sequence[str],
        environ: Mapping[str, str],
    ) -> None:
        """Know of none yet.

        Args:
            settings: when it is time.
            journal: whose position and events are looked at; it has counted those that a start read, too.
            clock: tells how old the newest one is.
            command: makes one and prints a `Made` as JSON.
            environ: of that process.
        """
        self.position = 0
        """Of the newest one made of the journal; 0: there is none."""
        self.written_at: datetime | None = None
        """Instant of its last frame; None: there is none."""
        self.stored_bytes = 0
        self.made_seconds = 0.0
        """What the last one took."""
        self.failures = 0
        """In a row."""
        self.differing = 0
        """Sections in which a daemon had said something else of itself than the journal does, when last compared."""
        self._settings = settings
        self._journal = journal
        self._clock = clock
        self._command = command
        self._environ = environ
        self._events_through = 0
        """The newest one knows what the journal knew when it had counted so many."""
        self._began_at = clock.now()
        self._not_before = -math.inf

    def age_seconds(self) -> float:
        """Return how old the newest one is; NaN: there is none."""
        return math.nan if self.written_at is None else (self._clock.now() - self.written_at).total_seconds()

    async def run(self, snapshots: Snapshots, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Look, wait, and have one made when it is time, until cancelled; one that is being made is given up then."""
        task_status.started()
        await self._look(snapshots)
        while True:
            await trio.sleep(_LOOK_SECONDS)
            if self.is_due(trio.current_time()):
                await self.make()
                await self._look(snapshots)

    def is_due(self, now: float) -> bool:
        """Whether it is time, by trio's clock."""
        if now < self._not_before or self._journal.position <= self.position:
            return False
        if self._journal.events - self._events_through >= self._settings.events:
            return True
        since = self.written_at or self._began_at
        return (self._clock.now() - since).total_seconds() >= 60 * self._settings.minutes

    async def _look(self, snapshots: Snapshots) -> None:
        """See what there is: others may make and drop some, too."""
        try:
            kept = await snapshots.kept()
        except JournalError as error:
            log.warning("snapshot.unseen", reason=str(error))
            return
        newest = next((each for each in kept if each.head is not None and each.head.origin == "replayed"), None)
        if newest is None or newest.head is None:
            self.position, self.written_at, self.stored_bytes = 0, None, 0
        else:
            self.position, self.written_at = newest.head.position, newest.head.written_at
            self.stored_bytes = newest.stored_bytes

    async def make(self) -> None:
        """Have one made now, and note what became of it."""
        started, events = trio.current_time(), self._journal.events
        done = await trio.run_process(
            self._command,
            stdin=subprocess.DEVNULL,
            capture_stdout=True,
            check=False,
            env=dict(self._environ),
        )
        ended = trio.current_time()
        if done.returncode != 0:
            self.failures += 1
            pause = min(_RETRY_SECONDS_MAX, _RETRY_SECONDS * 2 ** (self.failures - 1))
            self._not_before = ended + pause
            log.error("snapshot.failed", code=done.returncode, failures=self.failures, retry_seconds=pause)
            return
        made = msgspec.json.decode(done.stdout, type=Made)
        self.failures = 0
        self.made_seconds = ended - started
        self._events_through = events
        self._not_before = started + (ended - started) / self._settings.share_max
        self.differing = len(made.differing)


async def leave_snapshot(
    node: Node, last: Frame, as_of: datetime, snapshots: Snapshots, settings: SnapshotSettings
) -> None:
    """Write down what a daemon knows at its end, within a time; without it the next start takes longer, and no more.

    Args:
        node: nothing of it runs any more, and all that it decided is durable.
        last: the last frame of its journal.
        as_of: its clock: what it has forgotten by then it does not say.
        snapshots: where to.
        settings: how long that may take.
    """
    with trio.move_on_after(settings.stop_seconds_max) as patience:
        started = trio.current_time()
        try:
            taken = await take(node, last, as_of, "live", snapshots)
            await snapshots.drop(surplus(await snapshots.kept(), settings.keep))
        except JournalError as error:
            log.warning("snapshot.left_out", reason=str(error))
        else:
            seconds = round(trio.current_time() - started, 3)
            log.info("snapshot.left", position=last.position, stored_bytes=taken.kept.stored_bytes, seconds=seconds)
    if patience.cancelled_caught:
        log.warning("snapshot.left_out", reason=f"not done within {settings.stop_seconds_max:g} s")


def build_keeper(node: Node, telemetry: Telemetry, config_path: Path) -> SnapshotKeeper:
    """Make the keeper of a daemon, and hand telemetry what it reads at scrape time."""
    keeper = SnapshotKeeper(
        node.settings.snapshots,
        node.journal,
        node.clock,
        command=snapshot_command(config_path),
        environ=without_channel_secrets(config_path, os.environ, needed=STORE_SECRETS),
    )
    telemetry.watch(
        "snapshot_position", "Of the newest snapshot made of the journal; 0: there is none.", lambda: keeper.position
    )
    telemetry.watch(
        "snapshot_age_seconds",
        "How long ago its last frame was written; NaN: there is none.",
        keeper.age_seconds,
    )
    telemetry.watch("snapshot_bytes", "What it takes where it is kept.", lambda: keeper.stored_bytes)
    telemetry.watch("snapshot_seconds", "What the last one took to make.", lambda: keeper.made_seconds)
    telemetry.watch("snapshot_failures", "Failures in a row to make one.", lambda: keeper.failures)
    telemetry.watch(
        "snapshot_differing",
        "Sections in which a daemon had said something else of itself than the journal, when last compared.",
        lambda: keeper.differing,
    )
    return keeper
