"""The whole daemon in made-up worlds: a handful of seeds here, thousands by `make simulate`."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from adapters.store.memory import MemoryStore
from engine.actors import shard
from engine.domain.commands import Command
from engine.domain.events import UnitsHeld
from engine.domain.stock.book import Book
from engine.domain.stock.dues import Dues
from engine.domain.stock.ledger import Handled, Ledger, handle
from engine.domain.stock.plain import hold_plain
from engine.domain.units import Sku
from ops.cli.main import main
from ops.simulate.report import Coverage, run_seeds
from ops.simulate.runner import simulate

pytestmark = pytest.mark.slow

SECONDS = 80.0
LATE_SEEDS = (3, 17, 29)
TWO_OWNERS_SEEDS = (5, 8, 10)
"""Runs in which a bug shows, more than one: another schedule may pass by the instant at which it does."""


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_the_daemon_comes_through_a_world_where_everything_goes_wrong(seed: int) -> None:
    """Lessons A, B, C, D, E and H together: whatever the faults, all is as it must be in the end."""
    outcome, _ = simulate(seed, seconds=SECONDS, faults="all")
    assert outcome.problems == (), "\n".join(outcome.tail)
    assert outcome.counts["answer lost"] > 0
    assert outcome.counts["event push_verified"] > 0


def test_the_same_seed_is_the_same_run_in_any_process() -> None:
    """Two processes with different hash seeds write the same story and the same journal, byte for byte."""
    first, second = (run_elsewhere(seed=3, hash_seed=hash_seed) for hash_seed in ("1", "2"))
    assert first["problems"] == []
    assert first["frames"] > 100
    assert first == second


def run_elsewhere(seed: int, hash_seed: str) -> dict[str, Any]:
    """Run a seed, faults and all, in a process of its own; return its outcome."""
    command = [str(Path(sys.executable).with_name("lastunit")), "simulate", "--seed", str(seed), "--faults", "all"]
    command += ["--seconds", str(SECONDS), "--json"]
    done = subprocess.run(command, env=os.environ | {"PYTHONHASHSEED": hash_seed}, stdout=subprocess.PIPE, check=True)
    outcome: dict[str, Any] = json.loads(done.stdout.splitlines()[0])
    return outcome


def test_a_unit_granted_too_many_is_found_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oracle bites: the same world with a daemon that promises one unit too many (lessons A1 to A15)."""

    def generous(book: Book, *arguments: Any) -> tuple[UnitsHeld, int] | None:
        for position in book.positions.values():
            position.on_hand += 1
        granted = hold_plain(book, *arguments)
        for position in book.positions.values():
            position.on_hand -= 1
        return granted

    monkeypatch.setattr(shard, "hold_plain", generous)
    options = ["--seed", "2", "--seeds", "3", "--seconds", "60", "--faults", "answer_lost"]
    result = CliRunner().invoke(main, ["simulate", *options])
    assert result.exit_code == 1
    assert "can have been there" in result.output
    assert "faults: answer_lost" in result.output
    assert "again: lastunit simulate --seed " in result.output
    assert "never came about" not in result.output


def first_problems(seeds: Iterable[int], faults: str) -> Iterator[str]:
    """Run seeds, one after the other, and yield what each of them finds first."""
    for seed in seeds:
        yield from simulate(seed, seconds=SECONDS, faults=faults)[0].problems[:1]


def test_a_hold_that_ran_out_unnoticed_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lessons B10, B11: a decision over several shards that does not look again what has run out meanwhile."""

    def hasty(owner: Callable[[Sku], Ledger], command: Command, skus: Iterable[Sku], now: datetime) -> Handled:
        with monkeypatch.context() as patched:
            patched.setattr(Ledger, "is_due", lambda _ledger, _now: False)
            return handle(owner, command, skus, now)

    monkeypatch.setattr(shard, "handle", hasty)
    assert any("was refused because only" in problem for problem in first_problems(LATE_SEEDS, "standstill"))


def test_a_successor_that_is_not_alone_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lesson H4: a store that lets an owner write that was frozen, or given up for dead, beside its successor."""
    monkeypatch.setattr(MemoryStore, "is_ours", property(lambda store: store._epoch > 0))
    assert any("had claimed the store" in problem for problem in first_problems(TWO_OWNERS_SEEDS, "frozen,takeover"))


def test_a_daemon_that_spins_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a virtual clock, who never waits stops time: a shard that wakes for what it never finds due."""
    monkeypatch.setattr(Dues, "are_due", lambda _dues, _now: False)
    outcome, _ = simulate(5, seconds=60, faults="none")
    assert outcome.problems == ("time stands still: somebody works and never waits",)


def test_a_fault_that_never_comes_about_is_named() -> None:
    coverage = Coverage()
    for outcome in run_seeds([5], seconds=10.0, faults="none", jobs=1):
        coverage.add(outcome._replace(faults=("down", "locks"), counts={**outcome.counts, "fault locks": 2}))
    assert coverage.runs == 1
    assert coverage.never_fired() == ["down"]
    assert any("never came about: down" in line for line in coverage.describe())
    assert coverage.table()["fault"] == {"down": 0, "locks": 2}
    assert coverage.table()["command"]["RULES SET"] > 0


def test_the_story_is_told_line_by_line() -> None:
    result = CliRunner().invoke(main, ["simulate", "--seed", "2", "--seconds", "10", "--faults", "none", "--story"])
    assert result.exit_code == 0
    assert "daemon: life 1 is ready at frame 0" in result.output
    assert "world: everything is healed" in result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--faults", "gremlins"], "no fault is called gremlins"),
        (["--story", "--seeds", "2"], "--story is for one seed"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(main, ["simulate", *arguments])
    assert result.exit_code == 2
    assert said in result.output


def test_the_scheduler_is_given_back_as_it_was() -> None:
    """Whatever runs after a simulation is shuffled as before."""
    import trio._core._run as run  # noqa: PLC0415

    before = (run._ALLOW_DETERMINISTIC_SCHEDULING, run._r.getstate())
    simulate(1, seconds=10.0, faults="none")
    assert before == (run._ALLOW_DETERMINISTIC_SCHEDULING, run._r.getstate())
