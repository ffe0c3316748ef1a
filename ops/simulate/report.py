"""Many runs: shared out over processes, counted, and told to people."""

import gc
import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

from ops.simulate.faults import FAULTS
from ops.simulate.runner import Outcome, simulate

_GROUPS: Final = ("fault", "snapshot", "rule", "order", "merge", "command", "answer", "event")


def run_seeds(seeds: Sequence[int], *, seconds: float, faults: str, jobs: int) -> Iterator[Outcome]:
    """Run every seed and yield its outcome, in the order of the seeds.

    Args:
        seeds: what to run.
        seconds: virtual ones of each.
        faults: as `ops.simulate.faults.choose_faults` takes them.
        jobs: processes.
    """
    run = partial(_run_one, seconds=seconds, faults=faults)
    with _mapped(min(jobs, len(seeds))) as mapped:
        yield from mapped(run, seeds)


def _run_one(seed: int, *, seconds: float, faults: str) -> Outcome:
    return simulate(seed, seconds=seconds, faults=faults)[0]


@contextmanager
def _mapped(jobs: int) -> Iterator[Callable[[Callable[[int], Outcome], Iterable[int]], Iterator[Outcome]]]:
    if jobs == 1:
        gc.freeze()  # what is imported is no garbage: a node that is given up looks for some among everything
        try:
            yield map
        finally:
            gc.unfreeze()
        return
    # spawned, not forked: what a process has done before must not show in what it does next
    with multiprocessing.get_context("spawn").Pool(jobs, initializer=gc.freeze) as pool:
        yield pool.imap


def again_command(outcome: Outcome, faults: str) -> str:
    """Return the command that runs a seed again."""
    more = f" --faults={faults}" if faults else ""
    return f"lastunit simulate --seed {outcome.seed} --seconds {outcome.seconds:g}{more}"


def describe_failure(outcome: Outcome, faults: str) -> Iterator[str]:
    """Yield what a person needs to know of a run that failed."""
    yield f"seed {outcome.seed} failed after {outcome.frames} frames"
    yield f"faults: {', '.join(outcome.faults) or 'none'}"
    for problem in outcome.problems[:10]:
        yield f"  {problem}"
    if len(outcome.problems) > 10:
        yield f"  and {len(outcome.problems) - 10} more"
    yield "the end of the story, as far as it concerns the first of these:"
    yield from (f"  {line}" for line in outcome.tail)
    yield f"again: {again_command(outcome, faults)}"


class Coverage:
    """How often everything came about, over all runs."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.runs = 0
        self.counts: Counter[str] = Counter()
        self.on: Counter[str] = Counter()
        """Runs in which a fault was on."""

    def add(self, outcome: Outcome) -> None:
        """Count one run."""
        self.runs += 1
        self.counts.update(outcome.counts)
        self.on.update(outcome.faults)

    def never_fired(self) -> list[str]:
        """Return the faults that were on in some run and came about in none."""
        return [name for name in FAULTS if self.on[name] and not self.counts[f"fault {name}"]]

    def table(self) -> dict[str, dict[str, int]]:
        """Return counts by group (`fault`, `command`, `event` ...) and name; faults that never fired too."""
        groups: dict[str, dict[str, int]] = {group: {} for group in _GROUPS}
        groups["fault"] = {name: self.counts[f"fault {name}"] for name in FAULTS if self.on[name]}
        for key, count in sorted(self.counts.items()):
            group, _, name = key.partition(" ")
            groups[group][name] = count
        return groups

    def describe(self) -> Iterator[str]:
        """Yield lines for people."""
        for group, names in self.table().items():
            yield f"{group}s: " + ", ".join(f"{name} {count}" for name, count in names.items())
        for name in self.never_fired():
            yield f"never came about: {name} ({FAULTS[name]})"


def as_map(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as JSON has it."""
    return {**outcome._asdict(), "failed": bool(outcome.problems)}
