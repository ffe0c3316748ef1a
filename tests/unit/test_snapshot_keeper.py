"""When a daemon has snapshots made, and what it leaves of itself at its end."""

import os
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import structlog
import trio
from trio.testing import MockClock

from adapters.store.memory import MemoryStore
from adapters.store.snapshots import Kept, SectionSum, Snapshot
from adapters.store.snapshots_memory import MemorySnapshots
from config.snapshots import Snapshots as SnapshotSettings
from engine.actors.journal import Journal
from engine.domain.errors import JournalUnavailable
from ops.bystander import build_bystander
from ops.recovery import catch_up
from ops.snapshots.keeper import SnapshotKeeper, leave_snapshot
from ops.snapshots.process import Made
from tests.fakes.clocks import START, HandClock, NoonClock
from tests.fakes.running import SilentTelemetry, settings_for
from tests.unit.test_state_snapshots import FRAMES

MADE = Made(place="here", position=9, made=True, events=5, statements=7, stored_bytes=99, seconds=1.5)


def head(position: int, origin: Any = "replayed", written_at: datetime = START) -> Snapshot:
    return Snapshot(
        format=1,
        position=position,
        frame_sha256="",
        written_at=written_at,
        as_of=written_at,
        origin=origin,
        program="",
        sections={"books": SectionSum(1, "")},
    )


async def keep(snapshots: MemorySnapshots, said: Snapshot) -> None:
    async with snapshots.writer() as writer:
        await writer.finish(said)


class Keeping:
    """A keeper whose command is a script of the test's."""

    def __init__(self, command: Sequence[str] = ("false",), **settings: Any) -> None:
        self.clock = HandClock()
        self.journal = Journal(
            MemoryStore(), self.clock, entries_max=1, waiting_max=1, stall_seconds_max=1, listener=SilentTelemetry()
        )
        self.snapshots = MemorySnapshots()
        self.settings = SnapshotSettings(**({"events": 100, "minutes": 60.0, "share_max": 0.5} | settings))
        self.keeper = SnapshotKeeper(
            self.settings, self.journal, self.clock, command=command, environ=os.environ | {"MARK": "seen"}
        )

    def sell(self, events: int) -> None:
        self.journal.position += 1
        self.journal.events += events


def writing(answer: object, log: Path) -> list[str]:
    """Return a command that notes that it ran and prints this."""
    script = (
        f"import os; open({str(log)!r}, 'a').write(os.environ['MARK'] + '\\n')"
        f"; print({msgspec.json.encode(answer).decode()!r})"
    )
    return [sys.executable, "-c", script]


def test_it_is_time_after_so_many_events() -> None:
    keeping = Keeping()
    keeping.sell(99)
    assert not keeping.keeper.is_due(0)
    keeping.sell(1)
    assert keeping.keeper.is_due(0)


def test_it_is_time_after_so_long_if_anything_has_happened() -> None:
    keeping = Keeping()
    keeping.clock.pass_seconds(3600)
    assert not keeping.keeper.is_due(0)
    keeping.sell(1)
    assert keeping.keeper.is_due(0)


async def look(keeping: Keeping) -> None:
    """Let it see what there is, as it does when it starts."""
    async with trio.open_nursery() as nursery:
        await nursery.start(keeping.keeper.run, keeping.snapshots)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()


async def test_what_another_daemon_had_made_counts(autojump_clock: MockClock) -> None:
    """How old it is its last frame says, not when this process began."""
    keeping = Keeping()
    await keep(keeping.snapshots, head(7, written_at=START - timedelta(minutes=59)))
    await keep(keeping.snapshots, head(9, "live", written_at=START))
    await look(keeping)
    assert (keeping.keeper.position, keeping.keeper.age_seconds()) == (7, 59 * 60)
    keeping.journal.position = 7
    keeping.clock.pass_seconds(120)
    assert not keeping.keeper.is_due(0), "nothing has happened since"
    keeping.sell(1)
    assert keeping.keeper.is_due(0)


async def test_it_has_one_made_and_rests_for_as_long_as_its_share_asks(tmp_path: Path) -> None:
    log = tmp_path / "log"
    keeping = Keeping(writing(MADE, log))
    keeping.sell(150)
    started = trio.current_time()
    await keeping.keeper.make()
    took = trio.current_time() - started
    assert log.read_text() == "seen\n"
    assert (keeping.keeper.failures, keeping.keeper.differing) == (0, 0)
    assert 0 < keeping.keeper.made_seconds <= took
    keeping.sell(100)
    assert not keeping.keeper.is_due(started + 1.9 * keeping.keeper.made_seconds), "half of the time is to be rest"
    assert keeping.keeper.is_due(started + 2.1 * took)


async def test_events_count_from_where_it_began(tmp_path: Path) -> None:
    keeping = Keeping(writing(MADE, tmp_path / "log"))
    keeping.sell(150)
    await keeping.keeper.make()
    keeping.sell(99)
    assert not keeping.keeper.is_due(trio.current_time() + 3600)
    keeping.sell(1)
    assert keeping.keeper.is_due(trio.current_time() + 3600)


async def test_a_failure_is_told_and_tried_again_with_patience() -> None:
    keeping = Keeping([sys.executable, "-c", "raise SystemExit(3)"])
    keeping.sell(150)
    with structlog.testing.capture_logs() as logs:
        await keeping.keeper.make()
        await keeping.keeper.make()
    assert [(line["event"], line["code"], line["failures"], line["retry_seconds"]) for line in logs] == [
        ("snapshot.failed", 3, 1, 60.0),
        ("snapshot.failed", 3, 2, 120.0),
    ]
    assert not keeping.keeper.is_due(trio.current_time() + 110)
    assert keeping.keeper.is_due(trio.current_time() + 121)


async def test_what_differs_is_counted(tmp_path: Path) -> None:
    keeping = Keeping(writing(msgspec.structs.replace(MADE, differing=("books", "orders")), tmp_path / "log"))
    await keeping.keeper.make()
    assert keeping.keeper.differing == 2


async def test_a_stop_ends_the_process_that_makes_one(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    script = f"import os, time; open({str(pid)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    keeping = Keeping([sys.executable, "-c", script])
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keeping.keeper.make)
            while not (pid.exists() and pid.read_text()):  # noqa: ASYNC110 - another process writes it
                await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


# -- the last word


async def leave(snapshots: MemorySnapshots, **settings: Any) -> list[dict[str, Any]]:
    """End a node that knows the frames; return what it logged."""
    store = MemoryStore(list(FRAMES))
    node = build_bystander(settings_for(None), NoonClock())
    await catch_up(node, store)
    with structlog.testing.capture_logs() as logs:
        as_of = START + timedelta(hours=1)
        await leave_snapshot(node, FRAMES[-1], as_of, snapshots, SnapshotSettings(**settings))
    return [dict(line) for line in logs]


async def test_at_its_end_a_daemon_says_what_it_knows(autojump_clock: MockClock) -> None:
    snapshots = MemorySnapshots()
    (line,) = await leave(snapshots)
    assert (line["event"], line.get("position")) == ("snapshot.left", 12), line
    (kept,) = await snapshots.kept()
    assert kept.head is not None
    assert (kept.head.origin, kept.head.position, kept.head.as_of) == ("live", 12, START + timedelta(hours=1))


async def test_an_older_live_one_goes_then_and_replayed_ones_stay(autojump_clock: MockClock) -> None:
    snapshots = MemorySnapshots()
    await keep(snapshots, head(3))
    await keep(snapshots, head(5, "live"))
    await leave(snapshots)
    assert [(each.head.position, each.head.origin) for each in await snapshots.kept() if each.head] == [
        (12, "live"),
        (3, "replayed"),
    ]


async def test_it_does_not_hold_a_stop_up_for_longer_than_it_may(autojump_clock: MockClock) -> None:
    class Slow(MemorySnapshots):
        """A disk that takes its time."""

        async def kept(self) -> tuple[Kept, ...]:
            await trio.sleep_forever()
            raise AssertionError

    started = trio.current_time()
    (line,) = await leave(Slow(), stop_seconds_max=7.0)
    assert trio.current_time() - started == 7.0
    assert (line["event"], line["reason"]) == ("snapshot.left_out", "not done within 7 s")


async def test_without_room_it_stops_all_the_same(autojump_clock: MockClock) -> None:
    class Full(MemorySnapshots):
        """A disk that is full."""

        async def drop(self, names: Sequence[str]) -> None:
            raise JournalUnavailable(f"No space left on device ({len(names)})")

    (line,) = await leave(Full())
    assert (line["event"], line["log_level"]) == ("snapshot.left_out", "warning")
