"""What may go wrong in a run: each fault is on or off, drawn from the seed, and counts how often it came about."""

import random
from collections import Counter
from collections.abc import Iterable
from typing import Final

FAULTS: Final[dict[str, str]] = {
    "latency": "a call to a channel takes seconds",
    "timeout_before": "a call never reaches the channel, and nobody says so",
    "timeout_after": "a call does its work, and its answer is lost",
    "throttling": "a channel answers 429 for a while, or to some rows of a write",
    "down": "a channel cannot be reached, for up to a third of the run",
    "credentials": "a channel refuses our keys for a while",
    "not_applied": "a write is accepted and changes nothing",
    "applied_late": "a write is accepted and changes the number seconds later",
    "disordered": "of two writes of a listing the older one lands last",
    "locks": "a campaign locks a listing against writes",
    "short_pages": "a page of orders or listings ends early and calls itself the last",
    "hand_edits": "somebody changes a number at the channel",
    "webhook_lost": "a webhook is not delivered",
    "webhook_twice": "a webhook is delivered twice",
    "webhook_late": "a webhook is delivered after younger ones",
    "webhook_garbled": "a webhook is not what its topic promises",
    "webhooks_off": "a channel switches our subscriptions off",
    "answer_lost": "a client loses its connection before the answer comes",
    "store_stalls": "the store refuses appends for a while",
    "store_unsure": "the store does not know whether an append landed",
    "crash_before_append": "the daemon dies before a frame is written",
    "crash_after_append": "the daemon dies when a frame is written and the store has not said so",
    "crash_before_answer": "the daemon dies when a frame is durable and nobody was told",
    "crash_in_recovery": "the daemon dies while it replays",
    "crash_any_time": "the daemon dies between any two steps",
    "takeover": "a second daemon takes the store over from one that still runs, cut off from its clients",
    "frozen": "a daemon stands still until a second one has taken over, then goes on where it was",
    "standstill": "the machine stands still between any two steps, for up to seconds",
    "crash_in_snapshot": "the process that writes a snapshot dies before it counts",
    "snapshot_damaged": "a bit of the newest snapshot flips",
    "clock_steps": "somebody sets the wall clock, by seconds or an hour",
}
"""Name and meaning."""


class Faults:
    """The faults of one run. `heal` ends them all."""

    def __init__(self, rng: random.Random, on: Iterable[str]) -> None:
        """Let these happen once `begin` was called; how often is drawn here."""
        chosen = set(on)
        self.on = tuple(name for name in FAULTS if name in chosen)
        self.fired: Counter[str] = Counter()
        self._rng = rng
        self._weight = {name: rng.choice((0.3, 1.0, 2.5)) for name in FAULTS}
        """Drawn for all, so that switching one off leaves the others as they were."""
        self._active = False

    def begin(self) -> None:
        """Let them happen from now on."""
        self._active = True

    def heal(self) -> None:
        """Let none happen any more."""
        self._active = False

    def strikes(self, name: str, chance: float) -> bool:
        """Draw whether a fault happens here and now; `chance` is that of a middling run."""
        drawn = self._rng.random()
        if not self._active or name not in self.on or drawn >= min(0.6, chance * self._weight[name]):
            return False
        self.fired[name] += 1
        return True

    def draw(self, chance: float) -> bool:
        """Draw whether something happens that is no fault."""
        return self._rng.random() < chance

    def happens(self, name: str) -> bool:
        """Whether a fault is on just now; whoever makes it happen calls `note`."""
        return self._active and name in self.on

    def note(self, name: str) -> None:
        """Count a fault that happened otherwise than by `strikes`."""
        self.fired[name] += 1

    def pause_seconds(self, name: str, mean: float) -> float:
        """Draw the time until the next fault of a kind that comes by itself."""
        return self._rng.expovariate(self._weight[name] / mean)


def draw_faults(rng: random.Random) -> tuple[str, ...]:
    """Draw which faults are on: in one run of eight none, else each for itself; a crash of one kind may come alone."""
    share = rng.choice((0.0, 0.15, 0.3, 0.5, 0.5, 0.7, 0.85, 1.0))
    return tuple(name for name in FAULTS if rng.random() < share)


def choose_faults(drawn: Iterable[str], spec: str) -> tuple[str, ...]:
    """Change what was drawn as a user says: `a,b` only these, `-c` without that, `all`, `none`.

    Raises:
        ValueError: a name that is no fault.
    """
    words = [word.strip() for word in spec.split(",") if word.strip()]
    unknown = sorted({word.removeprefix("-") for word in words} - {*FAULTS, "all", "none"})
    if unknown:
        raise ValueError(f"no fault is called {', '.join(unknown)}; there are {', '.join(FAULTS)}")
    without = {word[1:] for word in words if word.startswith("-")}
    only = [word for word in words if not word.startswith("-")]
    if "all" in only:
        chosen = set(FAULTS)
    elif only:
        chosen = set(only) - {"none"}
    else:
        chosen = set(drawn)
    return tuple(name for name in FAULTS if name in chosen - without)
